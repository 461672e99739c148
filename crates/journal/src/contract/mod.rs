//! What every journal must do: one suite for all implementations.
//!
//! Each case gets a fresh journal and panics where the journal breaks the contract. Some cases end the process that
//! has it open and begin the next one, or let a second one in: a [`Process`] says how.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test suite: a failed step must panic"
)]

mod inbox;
mod lives;
mod log;
mod state;
mod vault;

use std::collections::BTreeMap;
use std::sync::Arc;

use crossdock_model::{ChannelId, EntityId, SHARD_COUNT, SHARD_HASH, ShardId, Timestamp};

use crate::{
    Batch, Checkpoint, CommitOutcome, Frame, InboxId, InboxInsert, InboxMark, InboxState, Inserted,
    Journal, JournalError, OwnerId, PersonState, Refusal, Seq, ShardState, ShardWrite, VaultEntry,
    VaultWrite,
};

/// A journal and what can happen to the process that has it open.
pub trait Process {
    /// The journal as it is open now.
    fn journal(&self) -> &dyn Journal;

    /// Ends the process as kill -9 does, and opens what it left in the next one.
    fn restart(&mut self);

    /// Opens the same storage once more, past whatever keeps a second process out.
    fn second(&self) -> Arc<dyn Journal>;

    /// Loses some of what was written last, as a torn write does, and restarts. `false`: this storage cannot.
    fn tear(&mut self) -> bool;
}

type Case = (&'static str, fn(&dyn Journal));
type LifeCase = (&'static str, fn(&mut dyn Process));

/// Cases of more than one process.
const LIVES: &[LifeCase] = &[
    ("a restart keeps all", lives::restart_keeps_all),
    (
        "a torn tail is a whole commit",
        lives::torn_tail_is_a_whole_commit,
    ),
    (
        "sealed log is read as before",
        lives::sealed_log_is_read_as_before,
    ),
    ("a request's key is kept", lives::request_keys_are_kept),
    (
        "a delivery is known for a month",
        lives::deliveries_are_known_for_a_month,
    ),
    (
        "a second process fences the first",
        lives::second_process_fences_the_first,
    ),
];

const CASES: &[Case] = &[
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
    (
        "one channel's deliveries hide no other's",
        inbox::channels_hide_no_other,
    ),
    (
        "parked deliveries take turns",
        inbox::parked_rows_take_turns,
    ),
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

/// Runs every case on a journal of its own, and hands over what it leaves.
pub fn check<P: Process>(fresh: impl Fn() -> P, ended: impl Fn(&str, P)) {
    for (name, case) in CASES {
        eprintln!("{name}");
        let process = fresh();
        case(process.journal());
        ended(name, process);
    }
    for (name, case) in LIVES {
        eprintln!("{name}");
        let mut process = fresh();
        case(&mut process);
        ended(name, process);
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

fn insert(journal: &dyn Journal, deliveries: Vec<InboxInsert>) -> Vec<Inserted> {
    let batch = Batch {
        at: at(1),
        shards: Vec::new(),
        inbox: deliveries,
    };
    journal.commit(&batch).unwrap().inbox
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

/// An order of that shard.
fn order_of(shard: ShardId) -> String {
    let names = (0..).map(|number| format!("order:shop:{number}"));
    let mut of_shard = names.filter(|name| ShardId::of_key(name) == shard);
    of_shard.next().unwrap()
}

/// A delivery of that shard.
fn row_of(shard: ShardId) -> InboxInsert {
    let mut rows = (0..).map(|number| delivery(&number.to_string()));
    rows.find(|row| row.id.shard() == shard).unwrap()
}

/// One write of every kind under a fence, each of which would change something.
fn late_writes(
    fence: ShardState,
    life: u8,
    entity: &EntityId,
    row: &InboxInsert,
) -> Vec<ShardWrite> {
    let subject = order_of(fence.shard);
    let mut writes = vec![write(fence, life); 8];
    writes[0].frames.push(frame(entity, "late"));
    writes[1]
        .checkpoints
        .push(checkpoint(entity, 2, None, false));
    writes[2]
        .checkpoints
        .push(checkpoint(entity, 1, Some(5), true));
    writes[3].inbox.push(mark(&row.id, InboxState::Done, None));
    writes[4].vault.push(put(&subject, 1, 1, "Late"));
    writes[5].vault.push(VaultWrite::Keep {
        subject: subject.clone(),
        version: Some(2),
    });
    writes[6].vault.push(VaultWrite::Erase { subject });
    writes[7].checkpoint_seq = Some(1);
    writes
}
