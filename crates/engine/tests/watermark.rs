//! Whatever the order of deciding, writing and failing: what leaves rests on what the journal holds.
#![allow(clippy::unwrap_used, reason = "a test target")]

use std::collections::BTreeMap;

use crossdock_engine::{
    AtOnce, Batch, Committer, Completed, Core, Handed, Limits, Message, ReplyTo, ShardOutcome,
    StepKind, recover,
};
use crossdock_model::command::BucketCommand;
use crossdock_model::v1::ListingTarget;
use crossdock_model::{
    Class, Command, CredentialId, EntityId, ListingId, Meta, ShardId, SkuId, Timestamp,
};

/// A live entity with the record of each of its versions, durable or not.
struct Living {
    core: Core<u32>,
    history: Vec<Vec<u8>>,
}

struct World {
    random: u64,
    engine: Committer<u32, (), ()>,
    live: BTreeMap<EntityId, Living>,
    disk: BTreeMap<EntityId, Vec<Vec<u8>>>,
    next_seq: BTreeMap<ShardId, u64>,
    in_flight: Option<Batch<()>>,
    /// What each caller's answer rests on: all records of the entity up to its version.
    rests_on: BTreeMap<u32, (EntityId, Vec<Vec<u8>>)>,
    life: u64,
    released: usize,
    lost: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let shards = ShardId::all().map(|shard| (shard, 1, 0));
        let mut world = Self {
            random: seed,
            engine: Committer::new(shards, 7, 1 << 20),
            live: BTreeMap::new(),
            disk: BTreeMap::new(),
            next_seq: BTreeMap::new(),
            in_flight: None,
            rests_on: BTreeMap::new(),
            life: 0,
            released: 0,
            lost: 0,
        };
        for number in 0..4 {
            world.recover(&format!("bucket:shop:{number}").parse().unwrap());
        }
        world
    }

    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's multiplier; the upper bits are the random ones.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) % limit
    }

    fn recover(&mut self, id: &EntityId) {
        let history = self.disk.get(id).cloned().unwrap_or_default();
        let bodies = history.iter().map(Vec::as_slice);
        let recovered = recover(id, None, bodies, Limits::default().dedup_window).unwrap();
        self.life += 1;
        let core = Core::new(recovered.entity, 0, self.life, Limits::default());
        self.live.insert(id.clone(), Living { core, history });
    }

    /// One entity decides a change or a read.
    fn decide(&mut self, caller: u32) {
        let number = self.below(4);
        let id: EntityId = format!("bucket:shop:{number}").parse().unwrap();
        let changes = self.below(3) > 0;
        let living = self.live.get_mut(&id).unwrap();
        let mut steps = Vec::new();
        let asked = message(caller, changes);
        let at = Timestamp::from_ms(1);
        living
            .core
            .handle([asked], at, &mut steps, &mut AtOnce::default())
            .unwrap();
        for step in steps {
            if let StepKind::Record(body) = &step.kind {
                living.history.push(body.clone());
            }
            let upto = usize::try_from(step.version).unwrap();
            let rests_on = (id.clone(), living.history[..upto].to_vec());
            self.rests_on.insert(caller, rests_on);
            self.lost += usize::from(matches!(self.engine.push(step), Handed::Refused(_)));
        }
    }

    /// The journal writes a batch, but for shards it refuses.
    fn write(&mut self) {
        let Some(batch) = self.in_flight.take() else {
            self.in_flight = self.engine.next_batch();
            return;
        };
        let mut refused = BTreeMap::new();
        for part in batch.shards {
            let next = *self.next_seq.get(&part.shard).unwrap_or(&1);
            assert_eq!(part.expected_seq, next);
            if self.below(3) == 0 {
                refused.insert(part.shard, next);
                continue;
            }
            let count = part.records.len() as u64;
            self.next_seq.insert(part.shard, next + count);
            for (entity, body) in part.records {
                self.disk.entry(entity).or_default().push(body);
            }
        }
        let completed = self.engine.completed(|shard| match refused.get(&shard) {
            Some(next) => ShardOutcome::Refused {
                next_seq: Some(*next),
            },
            None => ShardOutcome::Durable,
        });
        self.check(completed);
    }

    fn check(&mut self, completed: Completed<u32, ()>) {
        for (entity, release) in completed.released {
            for (reply, _) in release.answers {
                let ReplyTo::Caller(caller) = reply else {
                    continue;
                };
                let (from, rests_on) = &self.rests_on[&caller];
                let durable = self.disk.get(&entity).map_or(&[][..], Vec::as_slice);
                assert_eq!(*from, entity);
                assert!(
                    durable.starts_with(rests_on),
                    "caller {caller} heard what is not durable"
                );
                self.released += 1;
            }
        }
        self.lost += completed.lost.len();
        for (entity, _) in completed.ended {
            // Sometimes the word of the loss comes late, and the lost life decides on.
            if self.below(2) == 0 {
                self.decide(10_000 + u32::try_from(self.life).unwrap());
            }
            self.recover(&entity);
        }
    }
}

fn message(caller: u32, changes: bool) -> Message<u32> {
    let target = ListingTarget::Sku {
        sku: SkuId::new("A").unwrap(),
        multiplier: 1,
    };
    let listing = ListingId::new(format!("l{caller}")).unwrap();
    let meta = Meta {
        principal: CredentialId::new("test").unwrap(),
        reason: None,
        key: None,
        body_hash: 0,
        issued_at: Timestamp::default(),
        effective_at: None,
        trace: None,
    };
    Message {
        command: match changes {
            true => Command::Bucket(BucketCommand::Map { listing, target }),
            false => Command::Read,
        },
        meta,
        reply: ReplyTo::Caller(caller),
        class: Class::AskFirst,
        life: None,
    }
}

#[test]
fn what_leaves_rests_on_what_is_durable() {
    let (mut released, mut lost) = (0, 0);
    for seed in 1..=300 {
        let mut world = World::new(seed);
        for caller in 0..200 {
            match world.below(3) {
                0 => world.write(),
                _ => world.decide(caller),
            }
        }
        released += world.released;
        lost += world.lost;
    }
    assert!(
        released > 1_000 && lost > 1_000,
        "{released} released, {lost} lost"
    );
}
