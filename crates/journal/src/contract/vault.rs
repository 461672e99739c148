//! Personal data: keeping, finding, replacing, erasing.

use super::*;

const SUBJECTS: [&str; 3] = ["order:shop:1", "order:shop:2", "order:shop:3"];

fn body(journal: &dyn Journal, subject: &str, version: u64) -> Option<String> {
    let entry = journal.vault(subject, version).unwrap()?;
    Some(String::from_utf8(entry.body).unwrap())
}

fn erase(subject: &str) -> VaultWrite {
    VaultWrite::Erase {
        subject: subject.to_owned(),
    }
}

fn keep(subject: &str, version: Option<u64>) -> VaultWrite {
    VaultWrite::Keep {
        subject: subject.to_owned(),
        version,
    }
}

/// Marks a delivery as the subject's.
fn mark_of(journal: &dyn Journal, row: &InboxInsert, state: InboxState, subject: &str) {
    let mut marks = write(claim(journal, 1, row.id.shard()), 1);
    marks.inbox.push(mark(&row.id, state, Some(subject)));
    commit(journal, vec![marks]);
}

pub(super) fn keeps_finds_erases(journal: &dyn Journal) {
    let row = delivery("of order 1");
    insert(journal, vec![row.clone()]);
    mark_of(journal, &row, InboxState::Done, SUBJECTS[0]);
    for (subject, name) in SUBJECTS.iter().zip(["Ann", " ANN ", "Bob"]) {
        write_vault(journal, 1, vec![put(subject, 7, 1, name)]);
    }
    let found = |term: &str| -> Vec<String> {
        let rows = journal.vault_find("name", term, 9).unwrap();
        rows.into_iter().map(|(subject, _)| subject).collect()
    };
    assert_eq!(found(" ann"), [SUBJECTS[1], SUBJECTS[0]]);
    let newest = journal.vault_find("name", "ann", 1).unwrap();
    assert_eq!(newest, [(SUBJECTS[1].to_owned(), 7)]);
    assert_eq!(journal.vault_find("email", "ann", 9).unwrap(), vec![]);
    let entry = journal.vault(SUBJECTS[1], 7).unwrap().unwrap();
    assert_eq!(entry.body, b"Name:  ANN ");
    assert_eq!(entry.terms, [("name".to_owned(), " ANN ".to_owned())]);
    assert_eq!(journal.vault(SUBJECTS[1], 8).unwrap(), None);

    write_vault(journal, 1, vec![erase(SUBJECTS[0])]);
    write_vault(journal, 1, vec![put(SUBJECTS[2], 7, 2, "Cid")]);
    assert_eq!(journal.vault(SUBJECTS[0], 7).unwrap(), None);
    assert_eq!(found("ann"), [SUBJECTS[1]]);
    assert!(journal.vault(SUBJECTS[1], 7).unwrap().is_some());
    assert_eq!((found("bob").len(), found("cid").len()), (0, 1));
    let emptied = journal.inbox_row(&row.id).unwrap().unwrap();
    assert!(emptied.delivery.body.is_empty() && emptied.delivery.headers.is_empty());
    assert_eq!(emptied.state, InboxState::Done);
    assert_eq!(insert(journal, vec![row]), [Inserted::Repeat]);
}

pub(super) fn newest_statement_stays(journal: &dyn Journal) {
    for (stated_ms, name, kept) in [
        (5, "five", "five"),
        (3, "late", "five"),
        (5, "tie", "five"),
        (6, "six", "six"),
        (5, "again", "six"),
    ] {
        write_vault(journal, 1, vec![put(SUBJECTS[0], 1, stated_ms, name)]);
        let found = body(journal, SUBJECTS[0], 1);
        assert_eq!(found, Some(format!("Name: {kept}")), "{name}");
    }
    let rows = journal.vault_find("name", "five", 9).unwrap();
    assert_eq!(rows, vec![], "its terms went with it");
}

pub(super) fn one_address_is_kept(journal: &dyn Journal) {
    let [first, second, _] = SUBJECTS;
    write_vault(journal, 1, vec![put(second, 1, 1, "other")]);
    write_vault(journal, 1, vec![put(first, 1, 9, "shop")]);
    // An address of an earlier time is another row, and takes nothing from the one that counts.
    write_vault(journal, 1, vec![put(first, u64::MAX, 1, "operator")]);
    let both = [1, u64::MAX].map(|version| body(journal, first, version));
    assert!(both.iter().all(Option::is_some), "{both:?}");
    write_vault(journal, 1, vec![keep(first, Some(u64::MAX))]);
    assert_eq!(body(journal, first, 1), None);
    assert_eq!(
        body(journal, first, u64::MAX).as_deref(),
        Some("Name: operator")
    );
    assert_eq!(journal.vault_find("name", "shop", 9).unwrap(), vec![]);
    // A buyer without an address is kept under 0: that is a row like any other.
    write_vault(journal, 1, vec![put(first, 0, 1, "nowhere")]);
    write_vault(journal, 1, vec![keep(first, None)]);
    let none = [0, u64::MAX].map(|version| body(journal, first, version));
    assert_eq!(none, [None, None]);
    assert!(body(journal, second, 1).is_some(), "others are untouched");
}

pub(super) fn erased_for_good(journal: &dyn Journal) {
    let [subject, other, _] = SUBJECTS;
    let states = || [subject, other].map(|subject| journal.person(subject).unwrap());
    assert_eq!(states(), [PersonState::Unknown; 2]);
    let row = delivery("parked");
    insert(journal, vec![row.clone()]);
    mark_of(journal, &row, InboxState::Parked, other);
    write_vault(journal, 1, vec![put(subject, 1, 1, "Ann")]);
    assert_eq!(states(), [PersonState::Kept; 2]);
    write_vault(journal, 1, vec![erase(subject)]);
    assert_eq!(states(), [PersonState::Erased, PersonState::Kept]);
    // Statements before and after, and the same batch.
    for stated_ms in [0, 1, 9_999] {
        write_vault(journal, 1, vec![put(subject, 1, stated_ms, "Ann")]);
    }
    write_vault(journal, 1, vec![erase(other), put(other, 2, 9, "Ann")]);
    assert_eq!(states(), [PersonState::Erased; 2]);
    assert_eq!(journal.vault_find("name", "ann", 9).unwrap(), vec![]);
    assert_eq!(
        (body(journal, subject, 1), body(journal, other, 2)),
        (None, None)
    );
    journal.purge_erased().unwrap();
}

pub(super) fn addresses_have_names(journal: &dyn Journal) {
    let name = |subject, address| journal.address_version(subject, address);
    let one = name(SUBJECTS[0], "1 road");
    assert_eq!(one, name(SUBJECTS[0], "1 road"));
    assert_ne!(one, 0);
    assert_ne!(one, name(SUBJECTS[0], "2 road"));
    assert_ne!(
        one,
        name(SUBJECTS[1], "1 road"),
        "nobody sees who lives together"
    );
}

/// A delivery can be erased only once its subject is known, and one that comes later only once it is done.
pub(super) fn late_mark_is_erased(journal: &dyn Journal) {
    write_vault(journal, 1, vec![erase(SUBJECTS[0])]);
    let mut after = delivery("after");
    after.received_at = at(2_001);
    for row in [delivery("before"), after] {
        insert(journal, vec![row.clone()]);
        for state in [InboxState::Parked, InboxState::Done] {
            mark_of(journal, &row, state, SUBJECTS[0]);
            let found = journal.inbox_row(&row.id).unwrap().unwrap();
            let whole = state == InboxState::Parked;
            assert_eq!(!found.delivery.body.is_empty(), whole, "{row:?}");
        }
    }
}
