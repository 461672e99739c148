//! Random histories on both journals at once: every answer must be the same, whatever upkeep and restarts
//! happen to the one on SQLite. A failure prints its seed.

use super::*;
use crate::{InboxMark, MemoryJournal, VaultWrite};

const STEPS: u32 = 150;
const SEEDS: u64 = 5;
const ENTITIES: u64 = 6;
const SUBJECTS: [&str; 4] = [
    "order:shop:0",
    "order:shop:1",
    "order:shop:2",
    "order:shop:3",
];

/// xorshift64*: enough for choosing.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

fn random_vault_write(dice: &mut Dice, subject: &str) -> VaultWrite {
    let (subject, version) = (subject.to_owned(), dice.below(3));
    match dice.below(12) {
        0 => VaultWrite::Erase { subject },
        1..4 => VaultWrite::Keep {
            subject,
            version: dice.below(4).checked_sub(1),
        },
        _ => {
            let (stated_ms, name) = (dice.below(9) as i64, dice.below(3));
            contract::put(&subject, version, stated_ms, &format!("Name {name}"))
        }
    }
}

fn random_write(dice: &mut Dice, entity: &EntityId, held: ShardState, life: u8) -> ShardWrite {
    let mut one = write(held, life);
    one.epoch -= u64::from(dice.one_in(12));
    one.expected_seq += u64::from(dice.one_in(12));
    for _ in 0..dice.below(3) {
        one.frames
            .push(frame(entity, &"f".repeat(dice.below(300) as usize)));
    }
    if dice.one_in(3) {
        one.checkpoints.push(Checkpoint {
            entity: entity.clone(),
            version: dice.below(held.next_seq + 1),
            body: vec![dice.below(256) as u8; 20],
            wake_at: dice.one_in(2).then(|| at(dice.below(9) as i64)),
            dirty: dice.one_in(2),
        });
    }
    one.checkpoint_seq = dice.one_in(2).then(|| held.next_seq - 1);
    for subject in SUBJECTS {
        if ShardId::of_key(subject) == held.shard && dice.one_in(2) {
            one.vault.push(random_vault_write(dice, subject));
        }
    }
    for number in 0..10 {
        let id = contract::delivery(&number.to_string()).id;
        if id.shard() == held.shard && dice.one_in(2) {
            let states = [InboxState::Open, InboxState::Parked, InboxState::Done];
            one.inbox.push(InboxMark {
                id,
                state: states[dice.below(3) as usize],
                parked_on: dice.one_in(2).then(|| "listing".to_owned()),
                subject: dice
                    .one_in(2)
                    .then(|| format!("order:shop:{}", dice.below(4))),
            });
        }
    }
    one
}

/// Everything a caller can see.
fn view(journal: &dyn Journal) -> String {
    let mut out = format!("{:?}\n", journal.tails().unwrap());
    for shard in ShardId::all() {
        let frames = journal.read(shard, 0, usize::MAX).unwrap();
        let due = journal.due(shard, at(5), None, 99).unwrap();
        let dirty = journal.dirty(shard, None, 99).unwrap();
        let inbox = [InboxState::Open, InboxState::Parked, InboxState::Done].map(|state| {
            let channels = journal.inbox_channels(state).unwrap().into_iter();
            let rows =
                channels.map(|one| journal.inbox(shard, state, &one, 99, usize::MAX).unwrap());
            rows.collect::<Vec<_>>()
        });
        out.push_str(&format!("{frames:?} {due:?} {dirty:?} {inbox:?}\n"));
    }
    let entities = journal.entities("", None, 99).unwrap();
    let states: Vec<_> = entities
        .iter()
        .map(|entity| journal.load(entity).unwrap())
        .collect();
    let found = [0, 1, 2].map(|n| journal.vault_find("name", &format!("name {n}"), 9).unwrap());
    let vault = SUBJECTS.map(|subject| {
        let rows = [0, 1, 2].map(|version| journal.vault(subject, version).unwrap());
        (rows, journal.person(subject).unwrap())
    });
    let parked = journal.inbox_parked("listing", 99).unwrap();
    out + &format!("{states:?} {found:?} {vault:?} {parked:?}")
}

fn run(seed: u64) {
    let mut dice = Dice(seed + 1);
    let dir = tempfile::tempdir().unwrap();
    let mut small = options();
    small.index_entries_max = 10;
    small.hot_days = 0;
    small.cache_bytes_max = 1_000;
    let memory = MemoryJournal::new(1, at(0));
    let mut sqlite = SqliteJournal::open(dir.path(), small.clone(), at(0)).unwrap();
    let skus = (0..ENTITIES).map(|number| sku(number as u32));
    let orders = SUBJECTS.iter().map(|name| name.parse().unwrap());
    let entities: Vec<EntityId> = skus.chain(orders).collect();
    let mut life = 1;
    for step in 0..STEPS {
        if dice.one_in(10) {
            life += 1;
        }
        if dice.one_in(20) {
            drop(sqlite);
            sqlite = SqliteJournal::open(dir.path(), small.clone(), at(0)).unwrap();
        }
        if dice.one_in(3) {
            sqlite.maintain(at(i64::from(step) + 1_000)).unwrap();
        }
        let mut writes = BTreeMap::new();
        for entity in &entities {
            if dice.one_in(2) {
                let shards = [entity.shard()];
                let held = memory.claim(contract::owner(life), &shards).unwrap();
                assert_eq!(sqlite.claim(contract::owner(life), &shards).unwrap(), held);
                writes.insert(
                    entity.shard(),
                    random_write(&mut dice, entity, held[0], life),
                );
            }
        }
        let deliveries = (0..dice.below(3)).map(|_| {
            let mut delivery = contract::delivery(&dice.below(10).to_string());
            delivery.received_at = at(i64::from(step));
            delivery
        });
        let inbox = deliveries.collect();
        let batch = Batch {
            at: at(i64::from(step)),
            shards: writes.into_values().collect(),
            inbox,
        };
        let expected = memory.commit(&batch).unwrap();
        assert_eq!(sqlite.commit(&batch).unwrap(), expected, "step {step}");
        if dice.one_in(10) {
            assert_eq!(view(&sqlite), view(&memory), "step {step}");
        }
    }
    assert_eq!(view(&sqlite), view(&memory), "at the end");
    let segments = block::sealed(&sqlite.reader()).unwrap().len();
    println!("seed {seed}: {segments} segments");
    drop(sqlite);
    let report = verify(dir.path()).unwrap();
    let mut log = report.problems;
    log.retain(|what| !what.starts_with("checkpoint of"));
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn both_journals_answer_alike() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        run(seed);
    }
}
