//! The journal against a preallocated file (append + fdatasync of the same bytes) and a bare insert of them into SQLite, at the
//! same number of events a commit. All of them take turns.

use std::fs::File;
use std::io::{Seek, Write};
use std::time::{Duration, Instant};

use crossdock_journal::sqlite::{SqliteJournal, SqliteOptions, WAL_BYTES_READY};
use crossdock_journal::{Batch, Frame, Journal, MasterKey, OwnerId, ShardState, ShardWrite};
use crossdock_model::{EntityId, SHARD_COUNT, ShardId, Timestamp};
use rusqlite::Connection;

use crate::report::{RUNS, Report, Row, middle};

const EVENT_BYTES: usize = 150;
/// Of the preallocated file.
const FILE_BYTES: usize = 64 << 20;
const RUN: Duration = Duration::from_millis(1500);

/// A commit of so many events is to be so much of a bare file's, or of a bare database's.
const SHARE: f64 = 0.6;

pub(crate) fn run(report: &mut Report) {
    for size in [1, 16, 256, 2048] {
        let (mut files, mut databases, mut journals) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            journals.push(journal(size));
            files.push(file(size));
            databases.push(database(size));
        }
        let name = format!("journal, {size} events a commit");
        let row = || Row::new(&name, middle(journals.clone()), "events/s");
        let of_file = row().against("append + fdatasync", Some(middle(files)));
        let of_database = row().against("bare SQLite insert", Some(middle(databases)));
        report.add(match size {
            1 | 16 => of_file.ratio_at_least(SHARE),
            _ => of_file,
        });
        report.add(match size {
            256.. => of_database.ratio_at_least(SHARE),
            _ => of_database,
        });
    }
}

fn file(size: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let mut file = File::create(dir.path().join("log")).unwrap();
    file.write_all(&vec![0; FILE_BYTES]).unwrap();
    file.sync_all().unwrap();
    file.rewind().unwrap();
    let batch = vec![7_u8; EVENT_BYTES * size];
    let mut written = 0;
    rate(size, || {
        if written + batch.len() > FILE_BYTES {
            (written, _) = (0, file.rewind().unwrap());
        }
        file.write_all(&batch).unwrap();
        file.sync_data().unwrap();
        written += batch.len();
    })
}

/// The same bytes as one row a commit.
fn database(size: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let connection = Connection::open(dir.path().join("log.sqlite")).unwrap();
    let set = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE log (id INTEGER PRIMARY KEY, frames BLOB NOT NULL);";
    connection.execute_batch(set).unwrap();
    let mut insert = connection
        .prepare("INSERT INTO log (frames) VALUES (?1)")
        .unwrap();
    let frames = vec![7_u8; EVENT_BYTES * size];
    rate(size, || {
        insert.execute([&frames]).unwrap();
    })
}

fn journal(size: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::new(MasterKey::from_bytes([7; 32]));
    options.wal_bytes_ready = WAL_BYTES_READY;
    let journal = SqliteJournal::open(dir.path(), options, Timestamp::default()).unwrap();
    let owner = OwnerId(1);
    let shards: Vec<ShardId> = ShardId::all().collect();
    let mut states: Vec<ShardState> = journal.claim(owner, &shards).unwrap();
    let entities = one_entity_per_shard();
    let mut next = 0;
    rate(size, || {
        let mut writes: Vec<ShardWrite> = Vec::new();
        let mut places = [None; SHARD_COUNT as usize];
        for event in 0..size {
            let shard = (next + event) % usize::from(SHARD_COUNT);
            let state = &mut states[shard];
            let frame = Frame {
                entity: entities[shard].clone(),
                body: vec![7; EVENT_BYTES],
            };
            match places[shard] {
                Some(place) => {
                    let write: &mut ShardWrite = &mut writes[place];
                    write.frames.push(frame);
                }
                None => {
                    places[shard] = Some(writes.len());
                    let mut write =
                        ShardWrite::new(state.shard, state.epoch, owner, state.next_seq);
                    write.frames.push(frame);
                    writes.push(write);
                }
            }
        }
        writes.sort_by_key(|write| write.shard);
        for write in &writes {
            states[usize::from(write.shard.number())].next_seq += write.frames.len() as u64;
        }
        next += size;
        let batch = Batch {
            at: Timestamp::default(),
            shards: writes,
            inbox: Vec::new(),
        };
        assert!(journal.commit(&batch).unwrap().refused.is_empty());
    })
}

fn one_entity_per_shard() -> Vec<EntityId> {
    let mut entities: Vec<Option<EntityId>> = vec![None; usize::from(SHARD_COUNT)];
    let mut number = 0;
    while entities.iter().any(Option::is_none) {
        let entity: EntityId = format!("sku:S-{number}").parse().unwrap();
        let slot = usize::from(entity.shard().number());
        entities[slot].get_or_insert(entity);
        number += 1;
    }
    entities.into_iter().flatten().collect()
}

/// Events a second of a step that writes `size` of them.
fn rate(size: usize, mut step: impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut events = 0;
    while started.elapsed() < RUN {
        step();
        events += size;
    }
    events as f64 / started.elapsed().as_secs_f64()
}
