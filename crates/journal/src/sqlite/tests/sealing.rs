//! Blocks, segments, backup and restore.

use std::sync::atomic::{AtomicBool, AtomicU64};

use super::*;

const DAY_MS: i64 = 86_400_000;

fn small_blocks() -> SqliteOptions {
    let mut options = options();
    options.cache_bytes_max = 0;
    options.index_entries_max = 8;
    options.hot_days = 1;
    options.delete_commits_max = 3;
    options
}

/// Twenty commits on three shards, one a minute, checkpointed up to the last.
fn history(journal: &SqliteJournal) -> Vec<EntityId> {
    let mut entities = vec![sku(1), sku(2), sku(3)];
    entities.sort_by_key(EntityId::shard);
    let shards: Vec<_> = entities.iter().map(EntityId::shard).collect();
    let mut held = journal.claim(owner(), &shards).unwrap();
    for number in 0..20 {
        let writes = entities.iter().zip(&mut held).map(|(entity, held)| {
            let mut one = write(*held, 1);
            one.frames
                .push(frame(entity, &format!("commit {number} of {entity}")));
            one.checkpoint_seq = (number == 19).then_some(20);
            held.next_seq += 1;
            one
        });
        let batch = Batch {
            at: at(number * 60_000),
            shards: writes.collect(),
            inbox: Vec::new(),
        };
        assert!(journal.commit(&batch).unwrap().refused.is_empty());
        if number % 4 == 3 {
            journal.maintain(at(number * 60_000)).unwrap();
        }
    }
    entities
}

fn check_history(journal: &SqliteJournal, entities: &[EntityId]) {
    for entity in entities {
        let expected: Vec<_> = (0..20).map(|n| format!("commit {n} of {entity}")).collect();
        assert_eq!(texts(journal, entity), expected);
        for after in 0..20 {
            let one = journal.read(entity.shard(), after, 1).unwrap();
            assert_eq!(one[0].position.seq, after + 1);
        }
    }
    let from: Vec<_> = entities.iter().map(|entity| (entity.shard(), 4)).collect();
    let all = journal.read_many(&from, usize::MAX).unwrap();
    assert_eq!(all.len(), 16 * entities.len());
}

#[test]
fn sealed_log_is_read_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(dir.path(), small_blocks(), at(0)).unwrap();
    let entities = history(&journal);
    check_history(&journal, &entities);
    let early = journal.maintain(at(DAY_MS - 1)).unwrap();
    assert!(!early.block_sealed, "younger than hot_days");
    let mut sealed = 0;
    loop {
        let done = journal.maintain(at(3 * DAY_MS)).unwrap();
        sealed += u32::from(done.block_sealed);
        check_history(&journal, &entities);
        if !done.more {
            break;
        }
    }
    assert!(sealed >= 2, "{sealed}");
    let hot: i64 = journal
        .reader()
        .query_row("SELECT count(*) FROM log", [], |row| row.get(0))
        .unwrap();
    assert_eq!(hot, 0);
    drop(journal);
    let journal = SqliteJournal::open(dir.path(), small_blocks(), at(0)).unwrap();
    check_history(&journal, &entities);
    assert_eq!(append(&journal, 2, &entities[0], &["after"]), 22);
    drop(journal);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!((report.commits, report.frames), (21, 61));
    assert_eq!(report.segments, u64::from(sealed));
    let (mut scanned, mut some) = (0, 0);
    scan(dir.path(), |_| {
        scanned += 1;
        true
    })
    .unwrap();
    scan(dir.path(), |_| {
        some += 1;
        some < 5
    })
    .unwrap();
    assert_eq!((scanned, some), (61, 5));

    let segment = segment::path(dir.path(), 2);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(
        report.problems[0].contains("000000000002.segment"),
        "{:?}",
        report.problems
    );
    let journal = SqliteJournal::open(dir.path(), small_blocks(), at(0)).unwrap();
    let read = journal.read(entities[0].shard(), 0, usize::MAX);
    assert!(matches!(read, Err(JournalError::Corrupt { .. })));
}

/// Half of a sealed block has left the database, and the process ends there.
#[test]
fn sealing_goes_on_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(dir.path(), small_blocks(), at(0)).unwrap();
    let entities = history(&journal);
    for _ in 0..12 {
        journal.maintain(at(3 * DAY_MS)).unwrap();
        let killed = copy_of(dir.path());
        assert!(verify(killed.path()).unwrap().is_sound());
        let again = SqliteJournal::open(killed.path(), small_blocks(), at(0)).unwrap();
        check_history(&again, &entities);
        while again.maintain(at(3 * DAY_MS)).unwrap().more {}
        check_history(&again, &entities);
    }
}

#[test]
fn log_without_checkpoints_is_not_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(dir.path(), small_blocks(), at(0)).unwrap();
    let mut entities = history(&journal);
    entities.truncate(1);
    append(&journal, 2, &entities[0], &["not covered"]);
    for _ in 0..50 {
        journal.maintain(at(9 * DAY_MS)).unwrap();
    }
    let hot: i64 = journal
        .reader()
        .query_row("SELECT count(*) FROM log", [], |row| row.get(0))
        .unwrap();
    assert!(hot >= 1, "{hot}");
    assert_eq!(texts(&journal, &entities[0]).len(), 21);
}

#[test]
fn backup_under_load_restores() {
    let dir = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(dir.path(), small_blocks(), at(0)).unwrap();
    let entities = history(&journal);
    while journal.maintain(at(3 * DAY_MS)).unwrap().more {}
    let (backup, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (end, loaded) = (AtomicBool::new(false), AtomicU64::new(0));
    let busy = sku(4);
    let held = claim(&journal, 7, busy.shard());
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut seq = held.next_seq;
            while !end.load(Ordering::SeqCst) {
                let mut one = ShardWrite::new(held.shard, held.epoch, contract::owner(7), seq);
                one.frames.push(frame(&busy, "load"));
                commit(&journal, vec![one]);
                seq += 1;
                loaded.fetch_add(1, Ordering::SeqCst);
            }
        });
        while loaded.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let report = journal.backup(backup.path(), at(9)).unwrap();
        assert!(report.files > 2);
        end.store(true, Ordering::SeqCst);
        load.join().unwrap();
    });
    assert!(!backup.path().join("master.key").exists());
    assert!(journal.backup(backup.path(), at(9)).is_err(), "not empty");
    let report = restore(backup.path(), target.path(), &[]).unwrap();
    assert!(report.verified.frames > 60);
    assert!(
        restore(backup.path(), target.path(), &[]).is_err(),
        "not empty"
    );
    let restored = SqliteJournal::open(target.path(), small_blocks(), at(0)).unwrap();
    assert_eq!(restored.meta().journal_id, report.journal_id);
    assert_ne!(restored.meta().journal_id, journal.meta().journal_id);
    check_history(&restored, &entities);
    let stale = write(held, 7);
    assert_eq!(commit(&restored, vec![stale]).refused.len(), 1);
    assert!(claim(&restored, 8, busy.shard()).epoch > 1 << 32);
}

#[test]
fn damaged_backup_is_refused() {
    let (_dir, journal) = fresh();
    append(&journal, 1, &sku(1), &["one"]);
    let backup = tempfile::tempdir().unwrap();
    journal.backup(backup.path(), at(9)).unwrap();
    let file = backup.path().join(schema::FILE);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let target = tempfile::tempdir().unwrap();
    let refused = restore(backup.path(), target.path(), &[]);
    assert!(
        matches!(refused, Err(JournalError::Corrupt { .. })),
        "{refused:?}"
    );
    let opened = SqliteJournal::open(target.path(), options(), at(0));
    assert!(matches!(opened, Err(JournalError::Incompatible(_))));
}
