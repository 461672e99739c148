//! Torn and flipped bytes.

use std::fs;

use super::*;

fn journal_of_ten() -> (TempDir, SqliteJournal) {
    let (dir, journal) = fresh();
    let texts: Vec<_> = (0..10)
        .map(|n| format!("text number {n} {}", "-".repeat(9_000)))
        .collect();
    journal.close().unwrap();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    append(&journal, 1, &sku(1), &texts);
    (dir, journal)
}

/// A write-ahead log cut anywhere, or with a flipped byte anywhere, gives a prefix of the commits.
#[test]
fn torn_tail_is_dropped_as_a_whole_commit() {
    let (dir, _journal) = journal_of_ten();
    let wal = "journal.sqlite-wal";
    let good = fs::read(dir.path().join(wal)).unwrap();
    let mut kept_before = 10;
    for cut in (0..=20).rev() {
        let length = good.len() * cut / 20;
        let copy = copy_of(dir.path());
        fs::write(copy.path().join(wal), &good[..length]).unwrap();
        let journal = open(copy.path());
        let kept = texts(&journal, &sku(1)).len();
        assert!(kept <= kept_before, "{cut}");
        kept_before = kept;
        let next = append(&journal, 2, &sku(1), &["after"]);
        assert_eq!(next, kept as u64 + 2);
        drop(journal);
        assert!(verify(copy.path()).unwrap().is_sound());

        let copy = copy_of(dir.path());
        let mut flipped = good.clone();
        flipped[length.clamp(32, good.len() - 1)] ^= 1;
        fs::write(copy.path().join(wal), &flipped).unwrap();
        let journal = open(copy.path());
        assert!(texts(&journal, &sku(1)).len() < 10);
    }
    assert_eq!(kept_before, 0);
}

#[test]
fn flipped_byte_in_the_database_is_named() {
    let (dir, journal) = journal_of_ten();
    journal.close().unwrap();
    drop(journal);
    let path = dir.path().join(schema::FILE);
    let mut bytes = fs::read(&path).unwrap();
    let wanted = b"text number 4";
    let place = bytes
        .windows(wanted.len())
        .position(|found| found == wanted)
        .unwrap();
    bytes[place] ^= 1;
    fs::write(&path, bytes).unwrap();
    let journal = open(dir.path());
    let read = journal.read(sku(1).shard(), 0, usize::MAX);
    let Err(JournalError::Corrupt { at, .. }) = read else {
        panic!("{read:?}");
    };
    assert_eq!(at, format!("shard {} sequence 5", sku(1).shard()));
    drop(journal);
    let report = verify(dir.path()).unwrap();
    assert_eq!(report.problem_count, 1, "{:?}", report.problems);
}

#[test]
fn a_lost_commit_is_found() {
    let (dir, journal) = journal_of_ten();
    journal.close().unwrap();
    drop(journal);
    let connection = Connection::open(dir.path().join(schema::FILE)).unwrap();
    connection
        .execute("DELETE FROM log WHERE id = 4", [])
        .unwrap();
    connection
        .execute("UPDATE shard SET checkpoint_seq = 99", [])
        .unwrap();
    drop(connection);
    let report = verify(dir.path()).unwrap();
    assert!(report.problem_count > 2, "{:?}", report.problems);
    let refused = SqliteJournal::open(dir.path(), options(), at(1));
    assert!(matches!(refused, Err(JournalError::Corrupt { .. })));
}

/// What else is stored, damaged one way at a time; and what is said of it.
const DAMAGES: [(&str, &str); 17] = [
    (
        "UPDATE checkpoint SET wake_at = NULL",
        "checkpoint of sku:S-1: its checksum",
    ),
    (
        "UPDATE checkpoint SET dirty = 0",
        "checkpoint of sku:S-1: its checksum",
    ),
    (
        "UPDATE inbox SET body = zeroblob(length(body))",
        "delivery shop:1: its checksum",
    ),
    (
        "UPDATE inbox SET body = NULL",
        "delivery shop:1: its body is missing",
    ),
    (
        "UPDATE inbox SET topic = 'orders/delete'",
        "delivery shop:1: its checksum",
    ),
    (
        "UPDATE inbox SET shard = shard + 1",
        "delivery shop:1: it is not of its shard",
    ),
    ("UPDATE inbox SET state = 7", "delivery shop:1: its state"),
    (
        "DELETE FROM inbox_key",
        "delivery shop:1: the key of its day is missing",
    ),
    (
        "UPDATE inbox_key SET wrapped = zeroblob(9)",
        "delivery shop:1: the checksum of its day's key",
    ),
    (
        "DELETE FROM vault_key",
        "vault row of order:shop:1: its buyer's key is missing",
    ),
    (
        "UPDATE vault_key SET wrapped = zeroblob(9)",
        "vault row of order:shop:1: the checksum of its buyer's",
    ),
    (
        "UPDATE vault SET stated_at = 9",
        "vault row of order:shop:1: its checksum",
    ),
    ("DELETE FROM vault", "vault: 1 keys of buyers"),
    (
        "UPDATE log_map SET entries = zeroblob(2)",
        "its stored index does not match",
    ),
    (
        "UPDATE log_map SET seq_last = 9",
        "its stored index does not match",
    ),
    ("DELETE FROM log_map", "its stored index is missing"),
    (
        "UPDATE log_block SET row_last = 99",
        "does not reach its last commit 99",
    ),
];

#[test]
fn damage_outside_the_log_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = options();
    small.index_entries_max = 2;
    let journal = SqliteJournal::open(dir.path(), small, at(0)).unwrap();
    append(&journal, 1, &sku(1), &["one", "two", "three"]);
    let mut one = write(claim(&journal, 1, sku(1).shard()), 1);
    one.checkpoints.push(Checkpoint {
        entity: sku(1),
        version: 2,
        body: b"state".to_vec(),
        wake_at: Some(at(9)),
        dirty: true,
    });
    commit(&journal, vec![one]);
    let batch = Batch {
        inbox: vec![contract::delivery("1")],
        ..Batch::default()
    };
    journal.commit(&batch).unwrap();
    contract::write_vault(
        &journal,
        1,
        vec![contract::put("order:shop:1", 1, 1, "Ann")],
    );
    assert!(journal.maintain(at(1)).unwrap().block_closed);
    journal.close().unwrap();
    drop(journal);
    let sound = verify(dir.path()).unwrap();
    assert!(sound.is_sound(), "{:?}", sound.problems);
    for (damage, found) in DAMAGES {
        let copy = copy_of(dir.path());
        let connection = Connection::open(copy.path().join(schema::FILE)).unwrap();
        connection.execute(damage, []).unwrap();
        drop(connection);
        let problems = verify(copy.path()).unwrap().problems;
        assert!(
            problems.iter().any(|what| what.contains(found)),
            "{damage}: {problems:?}"
        );
    }
}

/// The child of the next test: writes until a limit on file sizes makes a write fail.
#[test]
fn child_meets_a_failing_write() {
    let Ok(dir) = std::env::var("CROSSDOCK_FAILING_WRITE_DIR") else {
        return;
    };
    let journal = open(Path::new(&dir));
    let entity = sku(1);
    let mut held = claim(&journal, 1, entity.shard());
    let text = "y".repeat(10_000);
    for _ in 0..200 {
        let mut one = write(held, 1);
        one.frames.push(frame(&entity, &text));
        let batch = Batch {
            shards: vec![one],
            ..Batch::default()
        };
        match journal.commit(&batch) {
            Ok(_) => held.next_seq += 1,
            Err(JournalError::Unknown(_)) => {
                let empty = journal.commit(&Batch {
                    inbox: vec![contract::delivery("1")],
                    ..Batch::default()
                });
                assert!(matches!(empty, Err(JournalError::Unknown(_))));
                let acked = (held.next_seq - 1).to_string();
                fs::write(Path::new(&dir).join("acked"), acked).unwrap();
                return;
            }
            Err(e) => panic!("{e}"),
        }
    }
    panic!("no write failed");
}

/// A real failure of a write: every acknowledged commit is there after it.
#[test]
fn failing_write_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let program = std::env::current_exe().unwrap();
    let script = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" --exact \"$1\"";
    let name = "sqlite::tests::damage::child_meets_a_failing_write";
    let ended = std::process::Command::new("bash")
        .args(["-c", script])
        .arg(program)
        .arg(name)
        .env("CROSSDOCK_FAILING_WRITE_DIR", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}");
    let acked: usize = fs::read_to_string(dir.path().join("acked"))
        .unwrap()
        .parse()
        .unwrap();
    let journal = open(dir.path());
    assert!(acked > 10);
    assert!(texts(&journal, &sku(1)).len() >= acked);
    drop(journal);
    assert!(verify(dir.path()).unwrap().is_sound());
}
