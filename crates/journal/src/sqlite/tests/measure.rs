//! Figures, on demand: `cargo test --release -p crossdock-journal measure -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::*;
use crate::Frame;

const BODY_BYTES: usize = 150;
const PAGE_BYTES: usize = 4 << 20;
/// Of each shard: what a recovery reads after its checkpoint.
const RECENT_EVENTS: u64 = 500;
const RUN: Duration = Duration::from_secs(4);

/// Events a second at several batch sizes, over all shards, each commit flushed, upkeep beside it.
#[test]
#[ignore = "takes half a minute and means nothing in a debug build"]
fn measure() {
    for batch_size in [1, 16, 256, 2_048] {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let mut options = options();
        options.synchronous = Synchronous::Full;
        let journal = SqliteJournal::open(dir.path(), options.clone(), at(0)).unwrap();
        let events = fill(&journal, batch_size);
        drop(journal);
        let start = Instant::now();
        let journal = SqliteJournal::open(dir.path(), options, at(0)).unwrap();
        let opened = start.elapsed();
        let start = Instant::now();
        let mut after: BTreeMap<_, _> = ShardId::all().map(|shard| (shard, 0)).collect();
        let mut read = 0;
        loop {
            let from: Vec<_> = after.iter().map(|(shard, seq)| (*shard, *seq)).collect();
            let page = journal.read_many(&from, PAGE_BYTES).unwrap();
            if page.is_empty() {
                break;
            }
            read += page.len();
            let reached = page.iter().map(|s| (s.position.shard, s.position.seq));
            after.extend(reached);
        }
        assert_eq!(read, events);
        println!(
            "  open {opened:?}, read {events} events in {:?}",
            start.elapsed()
        );
        let start = Instant::now();
        let recent: usize = after
            .iter()
            .map(|(shard, seq)| {
                let after = seq.saturating_sub(RECENT_EVENTS);
                journal.read(*shard, after, usize::MAX).unwrap().len()
            })
            .sum();
        println!(
            "  by shard, the last {recent} events in {:?}",
            start.elapsed()
        );
    }
}

fn fill(journal: &SqliteJournal, batch_size: usize) -> usize {
    let shards: Vec<_> = ShardId::all().collect();
    let mut held = journal.claim(owner(), &shards).unwrap();
    let entities: Vec<_> = (0..10_000).map(sku).collect();
    let end = AtomicBool::new(false);
    let (mut took, mut events) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::SeqCst) {
                journal.maintain(at(1)).unwrap();
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let start = Instant::now();
        while start.elapsed() < RUN {
            let mut writes = BTreeMap::new();
            for number in events..events + batch_size {
                let entity = &entities[number * 7_919 % entities.len()];
                let held = held[usize::from(entity.shard().number())];
                let one = writes.entry(held.shard).or_insert_with(|| write(held, 1));
                let body = vec![number as u8; BODY_BYTES];
                one.frames.push(Frame {
                    entity: entity.clone(),
                    body,
                });
            }
            let shards: Vec<_> = writes.into_values().collect();
            let counts: Vec<_> = shards
                .iter()
                .map(|one| (one.shard, one.frames.len()))
                .collect();
            let began = Instant::now();
            assert!(commit(journal, shards).refused.is_empty());
            took.push(began.elapsed());
            for (shard, count) in counts {
                held[usize::from(shard.number())].next_seq += count as u64;
            }
            events += batch_size;
        }
        end.store(true, Ordering::SeqCst);
    });
    let busy: Duration = took.iter().sum();
    took.sort();
    let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    let rate = events as f64 / busy.as_secs_f64();
    let worst = took.last().unwrap();
    println!("batch {batch_size}: {rate:.0} events/s, p50 {p50:?}, p99 {p99:?}, max {worst:?}");
    events
}
