//! The journal against a bare file: append + fdatasync of the same bytes at the same batch size.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use crossdock_journal::sqlite::{SqliteJournal, SqliteOptions};
use crossdock_journal::{Batch, Frame, Journal, MasterKey, OwnerId, ShardState, ShardWrite};
use crossdock_model::{EntityId, SHARD_COUNT, ShardId, Timestamp};

use crate::report::{Report, median};

const EVENT_BYTES: usize = 150;
const RUN: Duration = Duration::from_millis(1500);

pub fn run(report: &mut Report) {
    for size in [1, 16, 256, 2048] {
        let file = median(|| file(size));
        let journal = median(|| journal(size));
        report.add(
            &format!("journal append, batch {size}"),
            journal,
            "events/s",
            Some(("append + fdatasync", file)),
        );
    }
}

fn file(size: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    let batch = vec![7_u8; EVENT_BYTES * size];
    rate(size, || {
        file.write_all(&batch).unwrap();
        file.sync_data().unwrap();
    })
}

fn journal(size: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(MasterKey::from_bytes([7; 32]));
    let journal = SqliteJournal::open(dir.path(), options, Timestamp::default()).unwrap();
    let owner = OwnerId(1);
    let shards: Vec<ShardId> = ShardId::all().collect();
    let mut states: Vec<ShardState> = journal.claim(owner, &shards).unwrap();
    let entities = one_entity_per_shard();
    let mut next = 0;
    rate(size, || {
        let mut writes: Vec<ShardWrite> = Vec::new();
        for event in 0..size {
            let shard = (next + event) % usize::from(SHARD_COUNT);
            let state = &mut states[shard];
            let frame = Frame {
                entity: entities[shard].clone(),
                body: vec![7; EVENT_BYTES],
            };
            match writes.iter_mut().find(|write| write.shard == state.shard) {
                Some(write) => write.frames.push(frame),
                None => {
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
