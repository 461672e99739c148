//! What is left of a person.

use super::*;
use crate::{InboxInsert, InboxMark, VaultWrite};

const NAME: &str = "Hildegard Canary";
const SUBJECT: &str = "order:shop:1";

fn delivery() -> InboxInsert {
    let mut delivery = contract::delivery("1");
    delivery.body = format!("{{\"name\":\"{NAME}\"}}").into_bytes();
    delivery.headers = vec![("x-name".to_owned(), NAME.to_owned())];
    delivery
}

/// One order of one buyer: in the vault, and in a delivery.
fn store(journal: &SqliteJournal) {
    let row = delivery();
    let held = claim(journal, 1, row.id.shard());
    let mut one = write(held, 1);
    one.inbox.push(InboxMark {
        id: row.id.clone(),
        state: InboxState::Done,
        parked_on: None,
        subject: Some(SUBJECT.to_owned()),
    });
    let insert = Batch {
        inbox: vec![row],
        ..Batch::default()
    };
    journal.commit(&insert).unwrap();
    commit(journal, vec![one]);
    contract::write_vault(journal, 1, vec![contract::put(SUBJECT, 1, 1, NAME)]);
}

fn erase(journal: &SqliteJournal) {
    let erase = VaultWrite::Erase {
        subject: SUBJECT.to_owned(),
    };
    contract::write_vault(journal, 1, vec![erase]);
    journal.purge_erased().unwrap();
}

fn named(journal: &SqliteJournal) -> usize {
    let rows = journal.dump_rows().unwrap();
    rows.iter().filter(|row| row.contains("Canary")).count()
}

fn keys(journal: &SqliteJournal) -> i64 {
    let sql = "SELECT count(*) FROM vault_key";
    journal
        .reader()
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}

fn raw_files_name(dir: &Path) -> bool {
    let files = std::fs::read_dir(dir).unwrap();
    files.filter_map(Result::ok).any(|file| {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        bytes.windows(6).any(|found| found == b"Canary")
    })
}

#[test]
fn erasing_leaves_nothing() {
    let (dir, journal) = fresh();
    store(&journal);
    assert_eq!(
        (named(&journal), keys(&journal)),
        (2, 1),
        "the control must find it"
    );
    assert!(
        !raw_files_name(dir.path()),
        "nothing is stored in the clear"
    );
    erase(&journal);
    assert_eq!((named(&journal), keys(&journal)), (0, 0));
    let wal = dir.path().join("journal.sqlite-wal");
    assert_eq!(
        std::fs::metadata(wal).unwrap().len(),
        0,
        "the erased key is in no log"
    );
    assert!(journal.vault_find("name", NAME, 9).unwrap().is_empty());
}

#[test]
fn key_of_a_buyer_stays_while_used() {
    let (_dir, journal) = fresh();
    store(&journal);
    let mut other = contract::put("order:shop:2", 1, 1, NAME);
    if let VaultWrite::Put { entry, .. } = &mut other {
        *entry = VaultEntry {
            body: b"second".to_vec(),
            terms: Vec::new(),
        };
    }
    contract::write_vault(&journal, 1, vec![other]);
    erase(&journal);
    assert_eq!((named(&journal), keys(&journal)), (0, 1));
    let kept = journal.vault("order:shop:2", 1).unwrap().unwrap();
    assert_eq!(kept.body, b"second");
}

/// A backup taken before the erasure brings the person back; the erasure log takes them out again.
#[test]
fn erasure_survives_a_restore() {
    let (dir, journal) = fresh();
    store(&journal);
    let backup = tempfile::tempdir().unwrap();
    journal.backup(backup.path(), at(1_500)).unwrap();
    erase(&journal);
    let without = tempfile::tempdir().unwrap();
    let report = restore(backup.path(), without.path(), &[]).unwrap();
    assert_eq!(report.erased_again, 0);
    assert_eq!(named(&open(without.path())), 2, "the control must find it");
    let log = dir.path().join("erasures.log");
    let with = tempfile::tempdir().unwrap();
    let report = restore(backup.path(), with.path(), &[&log]).unwrap();
    assert_eq!(report.erased_again, 1);
    let restored = open(with.path());
    assert_eq!((named(&restored), keys(&restored)), (0, 0));
    assert!(with.path().join("erasures.log").exists());
    store(&restored);
    assert_eq!(named(&restored), 0, "who was erased is not stored again");
}

/// A mistyped name of a log must not bring back whoever was erased.
#[test]
fn a_missing_erasure_log_is_refused() {
    let (dir, journal) = fresh();
    store(&journal);
    let backup = tempfile::tempdir().unwrap();
    journal.backup(backup.path(), at(1_500)).unwrap();
    let target = tempfile::tempdir().unwrap();
    let typo = dir.path().join("erasure.log");
    let refused = restore(backup.path(), target.path(), &[&typo]);
    let Err(JournalError::Io(what)) = refused else {
        panic!("{refused:?}");
    };
    assert!(what.contains("erasure.log"), "{what}");
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
    assert!(restore(backup.path(), target.path(), &[]).is_ok());
}

/// A process that is killed right after an erasure, before any upkeep.
#[test]
fn what_a_kill_leaves_of_an_erasure_is_gone_with_the_next_start() {
    let (dir, journal) = fresh();
    store(&journal);
    let erase = VaultWrite::Erase {
        subject: SUBJECT.to_owned(),
    };
    contract::write_vault(&journal, 1, vec![erase]);
    let killed = copy_of(dir.path());
    let wal = killed.path().join("journal.sqlite-wal");
    assert!(std::fs::metadata(&wal).unwrap().len() > 0);
    let again = open(killed.path());
    assert_eq!(std::fs::metadata(&wal).unwrap().len(), 0);
    assert_eq!((named(&again), keys(&again)), (0, 0));
}

#[test]
fn finished_deliveries_expire_with_their_key() {
    const DAY_MS: i64 = 86_400_000;
    let (_dir, journal) = fresh();
    store(&journal);
    let mut open_one = contract::delivery("2");
    open_one.received_at = at(DAY_MS);
    let mut young = contract::delivery("3");
    young.received_at = at(40 * DAY_MS);
    let batch = Batch {
        inbox: vec![open_one.clone(), young.clone()],
        ..Batch::default()
    };
    journal.commit(&batch).unwrap();
    assert_eq!(journal.expire_inbox(at(30 * DAY_MS)).unwrap(), 1);
    assert_eq!(journal.inbox_row(&delivery().id).unwrap(), None);
    for kept in [open_one, young] {
        let row = journal.inbox_row(&kept.id).unwrap().unwrap();
        assert_eq!(row.delivery, kept);
    }
    let days = "SELECT group_concat(day) FROM inbox_key";
    let days: String = journal
        .reader()
        .query_row(days, [], |row| row.get(0))
        .unwrap();
    assert_eq!(days, "1,40");
    // A delivery of a day whose key is gone gets a new key.
    let late = contract::delivery("4");
    let batch = Batch {
        inbox: vec![late.clone()],
        ..Batch::default()
    };
    journal.commit(&batch).unwrap();
    assert_eq!(journal.inbox_row(&late.id).unwrap().unwrap().delivery, late);
}

/// Keys of buyers are found by a hash, so that pages of them are split as they fill: a moved copy must go too.
#[test]
fn erasing_one_of_many_leaves_nothing_on_any_page() {
    const MANY: u64 = 400;
    let (dir, journal) = fresh();
    let subject = |number: u64| format!("order:shop:{number}");
    for number in 0..MANY {
        let put = contract::put(&subject(number), 1, 1, &format!("buyer {number}"));
        contract::write_vault(&journal, 1, vec![put]);
    }
    let mut left = Vec::new();
    for number in (0..MANY).step_by(7) {
        let sealed = journal.sealed_of(&subject(number)).unwrap();
        assert_eq!(sealed.len(), 2);
        let erase = VaultWrite::Erase {
            subject: subject(number),
        };
        contract::write_vault(&journal, 1, vec![erase]);
        journal.purge_erased().unwrap();
        let database = std::fs::read(dir.path().join("journal.sqlite")).unwrap();
        for part in sealed {
            let stretch = &part[part.len() - 16..];
            if database.windows(16).any(|found| found == stretch) {
                left.push(number);
            }
        }
    }
    assert_eq!(left, [0; 0]);
}
