//! What every journal must do: one suite for all implementations.
//!
//! Each case gets a fresh journal and panics where the journal breaks the contract.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test suite: a failed step must panic"
)]

mod inbox;
mod log;
mod state;
mod vault;

use std::collections::BTreeMap;

use crossdock_model::{ChannelId, EntityId, SHARD_COUNT, SHARD_HASH, ShardId, Timestamp};

use crate::{
    Batch, Checkpoint, CommitOutcome, Frame, InboxId, InboxInsert, InboxMark, InboxState, Journal,
    JournalError, OwnerId, PersonState, Refusal, Seq, ShardState, ShardWrite, VaultEntry,
    VaultWrite,
};

/// A named case of the suite.
pub type Case = (&'static str, fn(&dyn Journal));

/// All cases.
pub const CASES: &[Case] = &[
    ("meta says what was fixed", log::meta_says_what_was_fixed),
    ("positions are dense", log::positions_are_dense),
    ("reading is bounded by bytes", log::reading_is_bounded),
    ("many shards are read at once", log::many_are_read),
    (
        "a wrong sequence is refused",
        log::wrong_sequence_is_refused,
    ),
    ("a claim raises epochs", log::claim_raises_epochs),
    (
        "a stale writer writes nothing",
        log::stale_writer_writes_nothing,
    ),
    (
        "one shard refused, others kept",
        log::one_refused_others_kept,
    ),
    ("a version never falls", state::version_never_falls),
    ("due entities are paged", state::due_is_paged),
    ("dirty entities are paged", state::dirty_is_paged),
    ("entities are listed by prefix", state::entities_by_prefix),
    ("the inbox is found by state", inbox::inbox_by_state),
    ("a repeated delivery is not new", inbox::delivery_repeats),
    ("a delivery that is done stays done", inbox::done_stays_done),
    (
        "the vault keeps, finds and erases",
        vault::keeps_finds_erases,
    ),
    ("the newest statement stays", vault::newest_statement_stays),
    ("one address is kept", vault::one_address_is_kept),
    ("who is erased stays so", vault::erased_for_good),
    ("addresses have names", vault::addresses_have_names),
    ("a late mark is erased too", vault::late_mark_is_erased),
    ("a bad batch writes nothing", log::bad_batch_writes_nothing),
];

/// Runs every case on a journal of its own.
pub fn check(mut fresh: impl FnMut(&str, fn(&dyn Journal))) {
    for (name, case) in CASES {
        fresh(name, *case);
    }
}

/// One life of a process on a journal.
#[must_use]
pub fn owner(life: u8) -> OwnerId {
    OwnerId(u128::from(life))
}

/// The SKU of that number.
#[must_use]
pub fn sku(number: u32) -> EntityId {
    format!("sku:S-{number}").parse().unwrap()
}

/// A frame of that entity.
#[must_use]
pub fn frame(entity: &EntityId, text: &str) -> Frame {
    Frame {
        entity: entity.clone(),
        body: text.as_bytes().to_vec(),
    }
}

/// SKUs of one shard, in order of their names.
#[must_use]
pub fn skus_of(shard: ShardId, count: usize) -> Vec<EntityId> {
    let mut found: Vec<_> = (0..)
        .map(sku)
        .filter(|entity| entity.shard() == shard)
        .take(count)
        .collect();
    found.sort_by_key(EntityId::to_string);
    found
}

/// A delivery with that id.
#[must_use]
pub fn delivery(id: &str) -> InboxInsert {
    InboxInsert {
        id: InboxId {
            channel: ChannelId::checked("shop").unwrap(),
            delivery: id.to_owned(),
        },
        received_at: at(1_000),
        topic: "orders/create".to_owned(),
        headers: vec![("x-shop".to_owned(), "shop.example".to_owned())],
        body: format!("{{\"id\":\"{id}\"}}").into_bytes(),
    }
}

/// That many milliseconds after the epoch.
#[must_use]
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

/// Claims one shard.
pub fn claim(journal: &dyn Journal, life: u8, shard: ShardId) -> ShardState {
    journal.claim(owner(life), &[shard]).unwrap()[0]
}

/// An empty write of the holder of `held`.
#[must_use]
pub fn write(held: ShardState, life: u8) -> ShardWrite {
    ShardWrite::new(held.shard, held.epoch, owner(life), held.next_seq)
}

/// Commits the writes at time 1.
pub fn commit(journal: &dyn Journal, shards: Vec<ShardWrite>) -> CommitOutcome {
    let batch = Batch {
        at: at(1),
        shards,
        inbox: Vec::new(),
    };
    journal.commit(&batch).unwrap()
}

/// Appends texts as frames of an entity, one commit each, and returns the next sequence.
pub fn append(journal: &dyn Journal, life: u8, entity: &EntityId, texts: &[&str]) -> Seq {
    let mut held = claim(journal, life, entity.shard());
    for text in texts {
        let mut one = write(held, life);
        one.frames.push(frame(entity, text));
        assert_eq!(commit(journal, vec![one]), CommitOutcome::default());
        held.next_seq += 1;
    }
    held.next_seq
}

/// Commits changes of one subject of the vault at time 1.
pub fn write_vault(journal: &dyn Journal, life: u8, changes: Vec<VaultWrite>) {
    let shard = ShardId::of_key(changes[0].subject());
    let held = claim(journal, life, shard);
    let mut one = write(held, life);
    one.vault = changes;
    assert!(commit(journal, vec![one]).refused.is_empty());
}

fn checkpoint(entity: &EntityId, version: u64, wake_at: Option<i64>, dirty: bool) -> Checkpoint {
    Checkpoint {
        entity: entity.clone(),
        version,
        body: format!("state {version}").into_bytes(),
        wake_at: wake_at.map(at),
        dirty,
    }
}

fn insert(journal: &dyn Journal, deliveries: Vec<InboxInsert>) -> Vec<bool> {
    let batch = Batch {
        at: at(1),
        shards: Vec::new(),
        inbox: deliveries,
    };
    journal.commit(&batch).unwrap().inbox_new
}

fn mark(id: &InboxId, state: InboxState, subject: Option<&str>) -> InboxMark {
    InboxMark {
        id: id.clone(),
        state,
        parked_on: (state == InboxState::Parked).then(|| "listing:shop:9".to_owned()),
        subject: subject.map(str::to_owned),
    }
}

/// What a statement of that time says of a buyer.
#[must_use]
pub fn put(subject: &str, version: u64, stated_ms: i64, name: &str) -> VaultWrite {
    VaultWrite::Put {
        subject: subject.to_owned(),
        version,
        stated_at: at(stated_ms),
        buyer: format!("buyer {name}"),
        entry: VaultEntry {
            body: format!("Name: {name}").into_bytes(),
            terms: vec![("name".to_owned(), name.to_owned())],
        },
    }
}
