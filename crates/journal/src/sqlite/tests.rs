//! What only the journal on SQLite can do or suffer.

mod alike;
mod damage;
mod measure;
mod privacy;
mod sealing;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::ShardWrite;
use crate::contract::{self, append, at, claim, commit, frame, sku, write};

fn options() -> SqliteOptions {
    let mut options = SqliteOptions::new(MasterKey::from_bytes([7; 32]));
    options.synchronous = Synchronous::Off;
    options
}

fn open(dir: &Path) -> SqliteJournal {
    SqliteJournal::open(dir, options(), at(5)).unwrap()
}

fn fresh() -> (TempDir, SqliteJournal) {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    (dir, journal)
}

/// What a killed process leaves: the files as they are now, without the lock.
fn copy_of(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_into(dir, copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn texts(journal: &SqliteJournal, entity: &EntityId) -> Vec<String> {
    let frames = journal.read(entity.shard(), 0, usize::MAX).unwrap();
    let texts = frames
        .into_iter()
        .map(|stored| String::from_utf8(stored.frame.body).unwrap());
    texts.collect()
}

/// A data directory and the process that has it open.
struct Opened {
    dir: TempDir,
    journal: Option<SqliteJournal>,
}

impl Opened {
    fn fresh() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = SqliteJournal::open(dir.path(), Self::options(), at(5)).unwrap();
        Self {
            dir,
            journal: Some(journal),
        }
    }

    fn options() -> SqliteOptions {
        let mut small = options();
        small.index_entries_max = 4;
        small.cache_bytes_max = 0;
        small
    }

    /// Opens what a killed process leaves after `damage` was done to it.
    fn open_left(&mut self, damage: impl Fn(&Path)) {
        let left = copy_of(self.dir.path());
        damage(left.path());
        self.journal = None;
        let journal = SqliteJournal::open(left.path(), Self::options(), at(5));
        (self.dir, self.journal) = (left, Some(journal.unwrap()));
    }
}

impl contract::Process for Opened {
    fn journal(&self) -> &dyn Journal {
        self.journal.as_ref().unwrap()
    }

    fn restart(&mut self) {
        self.open_left(|_| {});
    }

    fn second(&self) -> Arc<dyn Journal> {
        std::fs::remove_file(self.dir.path().join("crossdock.lock")).unwrap();
        let second = SqliteJournal::open(self.dir.path(), Self::options(), at(5));
        Arc::new(second.unwrap())
    }

    fn tear(&mut self) -> bool {
        self.open_left(|dir| {
            let wal = std::fs::File::options()
                .write(true)
                .open(dir.join("journal.sqlite-wal"))
                .unwrap();
            let bytes = wal.metadata().unwrap().len();
            wal.set_len(bytes * 2 / 3).unwrap();
        });
        true
    }
}

#[test]
fn keeps_the_contract() {
    contract::check(Opened::fresh, |name, opened| {
        let Opened { dir, journal } = opened;
        drop(journal);
        let report = verify(dir.path()).unwrap();
        // Some cases store checkpoints of entities without frames.
        let log: Vec<_> = report
            .problems
            .iter()
            .filter(|what| !what.starts_with("checkpoint of"))
            .collect();
        assert!(log.is_empty(), "{name}: {log:?}");
    });
}

/// What a process that was passed over does beside its commits: it stops.
#[test]
fn upkeep_of_a_process_that_was_passed_over_is_refused() {
    use contract::Process;
    let opened = Opened::fresh();
    let first = opened.journal.as_ref().unwrap();
    append(first, 1, &sku(1), &["one"]);
    let second = opened.second();
    let mut block = first.close_block();
    assert!(matches!(block, Err(JournalError::Unknown(_))), "{block:?}");
    append(&*second, 2, &sku(1), &["two"]);
    block = first.close_block();
    assert!(matches!(block, Err(JournalError::Unknown(_))), "{block:?}");
    let claimed = first.claim(owner(), &[sku(1).shard()]);
    assert!(matches!(claimed, Err(JournalError::Unknown(_))));
    assert_eq!(append(&*second, 3, &sku(1), &["three"]), 4);
}

/// Moving pages keeps the disk busy, and commits wait for it: it is done once there are some. A log that was long starts over
/// in the same file, and is not taken for long again.
#[test]
fn the_write_ahead_log_is_moved_when_some_of_it_waits() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        wal_bytes_moved: 256 << 10,
        wal_bytes_max: 512 << 10,
        ..options()
    };
    let journal = SqliteJournal::open(dir.path(), options, at(5)).unwrap();
    let (mut moved, mut longest) = (0, 0);
    for number in 0..200_u64 {
        // Nothing that can be made shorter.
        let words =
            (0..1_300).map(|word| (number << 32 | word).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let text: String = words.map(|word| format!("{word:016x}")).collect();
        append(&journal, 1, &sku(1), &[text.as_str()]);
        let done = journal.maintain(at(6)).unwrap();
        moved += u32::from(done.wal_moved);
        longest = longest.max(done.wal_bytes);
    }
    // Each commit writes 20 KiB and some pages beside: 4 MB and more in all.
    assert!((8..=50).contains(&moved), "{moved}");
    assert!(longest < 1 << 20, "{longest}");
}

/// As after a power cut: nobody closed it.
#[test]
fn room_made_for_the_write_ahead_log_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        wal_bytes_ready: 256 << 10,
        ..options()
    };
    let journal = SqliteJournal::open(dir.path(), options.clone(), at(5)).unwrap();
    let length = |dir: &Path| {
        std::fs::metadata(dir.join("journal.sqlite-wal"))
            .unwrap()
            .len()
    };
    assert_eq!(length(dir.path()), 256 << 10);
    append(&journal, 1, &sku(1), &["one"]);
    append(&journal, 1, &sku(1), &["two"]);
    assert_eq!(length(dir.path()), 256 << 10);
    let copy = copy_of(dir.path());
    assert!(verify(copy.path()).unwrap().is_sound());
    let again = SqliteJournal::open(copy.path(), options, at(6)).unwrap();
    assert_eq!(texts(&again, &sku(1)), ["one", "two"]);
}

/// Personal data is encrypted; what is sold to whom is nobody else's business either.
#[test]
fn nobody_else_may_look_into_it() {
    use std::os::unix::fs::PermissionsExt;
    fn check(dir: &Path) {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => check(&path),
                false => assert_eq!(mode(&path), 0o600, "{}", path.display()),
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let [data, backup, restored] =
        ["a/data", "b/backup", "c/restored"].map(|name| dir.path().join(name));
    let mut options = options();
    options.hot_days = 0;
    let journal = SqliteJournal::open(&data, options, at(5)).unwrap();
    append(&journal, 1, &sku(1), &["one"]);
    let mut covered = write(claim(&journal, 1, sku(1).shard()), 1);
    covered.checkpoint_seq = Some(1);
    commit(&journal, vec![covered]);
    while journal.maintain(at(9_000)).unwrap().more {}
    let erase = crate::VaultWrite::Erase {
        subject: "order:shop:1".to_owned(),
    };
    contract::write_vault(&journal, 1, vec![erase]);
    journal.backup(&backup, at(9_000)).unwrap();
    restore(&backup, &restored, &[]).unwrap();
    assert!(data.join("segments").is_dir() && data.join("erasures.log").exists());
    for made in [&data, &backup, &restored] {
        check(made);
        check(made.parent().unwrap());
    }
}

/// Checkpoints, deliveries and vault rows of a shard nobody ever claimed have no owner that could write.
#[test]
fn an_unclaimed_shard_has_no_owner() {
    let (_dir, journal) = fresh();
    let nobody = ShardWrite::new(sku(1).shard(), 0, OwnerId(0), 1);
    assert_eq!(commit(&journal, vec![nobody]).refused.len(), 1);
}

#[test]
fn a_second_process_is_refused() {
    let (dir, _journal) = fresh();
    let refused = SqliteJournal::open(dir.path(), options(), at(5));
    let Err(JournalError::InUse { pid, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(pid, format!(" (pid {})", std::process::id()));
}

#[test]
fn other_fixed_settings_are_refused() {
    let (dir, journal) = fresh();
    drop(journal);
    for (name, value) in [
        ("shard_count", "64"),
        ("shard_hash", "md5"),
        ("format", "9"),
    ] {
        let copy = copy_of(dir.path());
        let connection = Connection::open(copy.path().join(schema::FILE)).unwrap();
        schema::set(&connection, name, value).unwrap();
        drop(connection);
        let refused = SqliteJournal::open(copy.path(), options(), at(5));
        assert!(
            matches!(refused, Err(JournalError::Incompatible(_))),
            "{name}: {refused:?}"
        );
    }
    let mut other = options();
    other.master_key = MasterKey::from_bytes([8; 32]);
    let refused = SqliteJournal::open(dir.path(), other, at(5));
    assert!(
        matches!(refused, Err(JournalError::Incompatible(_))),
        "{refused:?}"
    );
}

/// A copy without its key is not given another: that would lie there as if it were the right one.
#[test]
fn a_key_is_made_for_a_new_journal_only() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("data/master.key"));
    make_private_dir(&data).unwrap();
    let key = master_key(&data, &file).unwrap();
    drop(SqliteJournal::open(&data, SqliteOptions::new(key.clone()), at(5)).unwrap());
    assert_eq!(master_key(&data, &file).unwrap(), key);
    std::fs::remove_file(&file).unwrap();
    let refused = master_key(&data, &file);
    let Err(JournalError::Incompatible(what)) = refused else {
        panic!("{refused:?}");
    };
    assert!(what.contains("master.key is not there"), "{what}");
    assert!(!file.exists());
}

#[test]
fn full_disk_writes_nothing_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = options();
    small.page_count_max = Some(120);
    let journal = SqliteJournal::open(dir.path(), small, at(5)).unwrap();
    let entity = sku(1);
    let held = claim(&journal, 1, entity.shard());
    let batch = |text: String, delivery: &str| {
        let mut one = write(held, 1);
        one.frames.push(frame(&entity, &text));
        Batch {
            at: at(1),
            shards: vec![one],
            inbox: vec![contract::delivery(delivery)],
        }
    };
    for _ in 0..3 {
        let full = journal.commit(&batch("x".repeat(1 << 20), "1"));
        assert!(matches!(full, Err(JournalError::Full { .. })), "{full:?}");
    }
    assert_eq!(journal.tails().unwrap(), vec![]);
    let outcome = journal.commit(&batch("small".to_owned(), "1")).unwrap();
    assert_eq!(
        (outcome.refused.len(), outcome.inbox),
        (0, vec![crate::Inserted::New])
    );
    assert_eq!(texts(&journal, &entity), ["small"]);
    drop(journal);
    assert!(verify(dir.path()).unwrap().is_sound());
}

/// A disk that is really full: `CROSSDOCK_SMALL_DISK` names an empty mounted file system of 3 MiB.
#[test]
#[ignore = "needs a small file system"]
fn full_disk_passes_when_space_comes() {
    let dir = std::env::var("CROSSDOCK_SMALL_DISK").unwrap();
    let dir = Path::new(&dir);
    let filler = dir.join("filler");
    std::fs::write(&filler, vec![0; 1 << 20]).unwrap();
    let mut flushed = options();
    flushed.synchronous = Synchronous::Full;
    let journal = SqliteJournal::open(&dir.join("data"), flushed.clone(), at(5)).unwrap();
    let entity = sku(1);
    let held = claim(&journal, 1, entity.shard());
    let (mut kept, mut full, mut resumed) = (0, 0, 0);
    while resumed < 20 {
        let mut one = ShardWrite::new(held.shard, held.epoch, contract::owner(1), kept + 1);
        one.frames.push(frame(&entity, &"z".repeat(3_000)));
        let batch = Batch {
            shards: vec![one],
            ..Batch::default()
        };
        match journal.commit(&batch) {
            Ok(_) => (kept, resumed) = (kept + 1, resumed + u64::from(full == 20)),
            Err(JournalError::Full { .. }) => full += 1,
            Err(e) => panic!("{e}"),
        }
        assert!(full <= 20, "{kept} kept, and no more though space has come");
        if full == 20 && filler.exists() {
            std::fs::remove_file(&filler).unwrap();
        }
    }
    drop(journal);
    // It opens while there is no space, to be read; and is written again once there is some.
    fill(&filler);
    let journal = SqliteJournal::open(&dir.join("data"), flushed, at(5)).unwrap();
    assert_eq!(texts(&journal, &entity).len() as u64, kept);
    let refused = journal.claim(owner(), &[entity.shard()]);
    assert!(
        matches!(refused, Err(JournalError::Full { .. })),
        "{refused:?}"
    );
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(append(&journal, 1, &entity, &["space"]), kept + 2);
}

/// Fills what is left of a disk.
fn fill(filler: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(filler).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
}

#[test]
fn after_a_failed_flush_nothing_is_written() {
    let (dir, journal) = fresh();
    let entity = sku(1);
    append(&journal, 1, &entity, &["one"]);
    let held = claim(&journal, 1, entity.shard());
    let mut one = write(held, 1);
    one.frames.push(frame(&entity, "two"));
    let batch = Batch {
        shards: vec![one],
        ..Batch::default()
    };
    journal.inject_flush_failure();
    for _ in 0..2 {
        let unknown = journal.commit(&batch);
        assert!(matches!(unknown, Err(JournalError::Unknown(_))));
    }
    assert!(matches!(
        journal.claim(owner(), &[entity.shard()]),
        Err(JournalError::Unknown(_))
    ));
    assert!(matches!(
        journal.maintain(at(9)),
        Err(JournalError::Unknown(_))
    ));
    drop(journal);
    let journal = open(dir.path());
    assert_eq!(append(&journal, 2, &entity, &["two"]), 3);
}

fn owner() -> OwnerId {
    contract::owner(1)
}
