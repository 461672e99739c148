//! What every journal must do: one suite for all implementations.
//!
//! Each case gets a fresh journal and panics where the journal breaks the contract.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test suite: a failed step must panic"
)]

use std::collections::BTreeMap;

use crossdock_model::{ChannelId, EntityId, SHARD_COUNT, SHARD_HASH, ShardId, Timestamp};

use crate::{
    Batch, Checkpoint, CommitOutcome, Frame, InboxId, InboxInsert, InboxMark, InboxState, Journal,
    JournalError, OwnerId, Refusal, Seq, ShardState, ShardWrite, VaultEntry, VaultWrite,
};

/// A named case of the suite.
pub type Case = (&'static str, fn(&dyn Journal));

/// All cases.
pub const CASES: &[Case] = &[
    ("meta says what was fixed", meta_says_what_was_fixed),
    ("positions are dense", positions_are_dense),
    ("reading is bounded by bytes", reading_is_bounded),
    ("many shards are read at once", many_are_read),
    ("a wrong sequence is refused", wrong_sequence_is_refused),
    ("a claim raises epochs", claim_raises_epochs),
    ("a stale writer writes nothing", stale_writer_writes_nothing),
    ("one shard refused, others kept", one_refused_others_kept),
    ("a version never falls", version_never_falls),
    ("due entities are paged", due_is_paged),
    ("dirty entities are paged", dirty_is_paged),
    ("entities are listed by prefix", entities_by_prefix),
    ("the inbox is found by state", inbox_by_state),
    ("a repeated delivery is not new", delivery_repeats),
    (
        "the vault keeps, finds and erases",
        vault_keeps_finds_erases,
    ),
    ("a late mark is erased too", late_mark_is_erased),
    ("a bad batch writes nothing", bad_batch_writes_nothing),
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

fn bodies(journal: &dyn Journal, shard: ShardId, after: Seq, bytes_max: usize) -> Vec<String> {
    let frames = journal.read(shard, after, bytes_max).unwrap();
    let texts = frames
        .into_iter()
        .map(|stored| String::from_utf8(stored.frame.body).unwrap());
    texts.collect()
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

fn meta_says_what_was_fixed(journal: &dyn Journal) {
    let meta = journal.meta();
    assert_eq!(meta.shard_count, SHARD_COUNT);
    assert_eq!(meta.shard_hash, SHARD_HASH);
    assert_eq!(meta, journal.meta());
}

fn positions_are_dense(journal: &dyn Journal) {
    let (a, b) = (sku(1), sku(2));
    assert_ne!(a.shard(), b.shard());
    assert_eq!(journal.tails().unwrap(), vec![]);
    let held = [claim(journal, 1, a.shard()), claim(journal, 1, b.shard())];
    assert_eq!((held[0].next_seq, held[0].checkpoint_seq), (1, 0));
    let mut writes: Vec<_> = held.iter().map(|held| write(*held, 1)).collect();
    writes[0].frames = vec![frame(&a, "a1"), frame(&a, "a2")];
    writes[1].frames = vec![frame(&b, "b1")];
    writes.sort_by_key(|write| write.shard);
    assert_eq!(commit(journal, writes), CommitOutcome::default());
    let mut more = write(held[0], 1);
    more.expected_seq = 3;
    more.frames = vec![frame(&a, "a3")];
    commit(journal, vec![more]);
    let stored = journal.read(a.shard(), 0, usize::MAX).unwrap();
    let seqs: Vec<_> = stored.iter().map(|stored| stored.position.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert!(
        stored
            .iter()
            .all(|stored| stored.position.shard == a.shard()
                && stored.epoch == held[0].epoch
                && stored.at == at(1)
                && stored.frame.entity == a)
    );
    assert_eq!(bodies(journal, a.shard(), 1, usize::MAX), ["a2", "a3"]);
    assert_eq!(bodies(journal, b.shard(), 0, usize::MAX), ["b1"]);
    assert!(bodies(journal, a.shard(), 3, usize::MAX).is_empty());
    let tails: BTreeMap<_, _> = journal.tails().unwrap().into_iter().collect();
    assert_eq!(tails, BTreeMap::from([(a.shard(), 3), (b.shard(), 1)]));
}

fn reading_is_bounded(journal: &dyn Journal) {
    let long = "x".repeat(1_000);
    append(journal, 1, &sku(1), &[&long, &long, &long, &long]);
    assert_eq!(bodies(journal, sku(1).shard(), 0, 0).len(), 1);
    assert_eq!(bodies(journal, sku(1).shard(), 3, 1).len(), 1);
    let some = bodies(journal, sku(1).shard(), 0, 2_000).len();
    assert!((2..4).contains(&some), "{some}");
}

fn many_are_read(journal: &dyn Journal) {
    let mut entities = [sku(1), sku(2), sku(3), sku(4)];
    entities.sort_by_key(EntityId::shard);
    for round in 0..5 {
        let writes = entities[..=round.min(2)].iter().map(|entity| {
            let mut one = write(claim(journal, 1, entity.shard()), 1);
            one.frames
                .push(frame(entity, &format!("{round} of {entity}")));
            one.frames.push(frame(entity, "second"));
            one
        });
        assert!(commit(journal, writes.collect()).refused.is_empty());
    }
    for bytes_max in [0, 1, 30, usize::MAX] {
        let mut after: BTreeMap<_, _> = entities.iter().map(|e| (e.shard(), 0)).collect();
        after.insert(entities[0].shard(), 3);
        let mut found = Vec::new();
        loop {
            let from: Vec<_> = after.iter().map(|(shard, seq)| (*shard, *seq)).collect();
            let page = journal.read_many(&from, bytes_max).unwrap();
            if page.is_empty() {
                break;
            }
            for stored in page {
                let seq = after.get_mut(&stored.position.shard).unwrap();
                assert_eq!(stored.position.seq, *seq + 1);
                *seq += 1;
                found.push(stored);
            }
        }
        found.sort_by_key(|stored| stored.position);
        let expected = entities.iter().enumerate().flat_map(|(number, entity)| {
            let after = if number == 0 { 3 } else { 0 };
            journal.read(entity.shard(), after, usize::MAX).unwrap()
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{bytes_max}");
        assert_eq!(found.len(), 7 + 8 + 6);
    }
    assert_eq!(journal.read_many(&[], 9).unwrap(), vec![]);
}

fn wrong_sequence_is_refused(journal: &dyn Journal) {
    let entity = sku(1);
    append(journal, 1, &entity, &["one", "two"]);
    let held = claim(journal, 1, entity.shard());
    assert_eq!(held.next_seq, 3);
    for wrong in [0, 1, 2, 4] {
        let mut late = write(held, 1);
        late.expected_seq = wrong;
        late.frames.push(frame(&entity, "never"));
        late.checkpoints.push(checkpoint(&entity, 9, None, true));
        let refused = commit(journal, vec![late]).refused;
        let next_seq = Refusal::Sequence { next_seq: 3 };
        assert_eq!(refused, BTreeMap::from([(entity.shard(), next_seq)]));
    }
    assert_eq!(
        bodies(journal, entity.shard(), 0, usize::MAX),
        ["one", "two"]
    );
    assert_eq!(journal.load(&entity).unwrap(), None);
}

fn claim_raises_epochs(journal: &dyn Journal) {
    let shards = [sku(1).shard(), sku(2).shard()];
    let first = journal.claim(owner(1), &shards).unwrap();
    let second = journal.claim(owner(2), &shards[..1]).unwrap();
    let third = journal.claim(owner(1), &shards).unwrap();
    let epochs = [&first, &second, &third]
        .map(|held| held.iter().map(|held| held.epoch).collect::<Vec<_>>());
    assert_eq!(epochs[1][0], epochs[0][0] + 1);
    assert_eq!(epochs[2][0], epochs[0][0] + 2);
    assert_eq!(epochs[2][1], epochs[0][1] + 1);
    assert_eq!(first.iter().map(|h| h.shard).collect::<Vec<_>>(), shards);
}

/// Every kind of durable write, under a fence that no longer holds.
fn stale_writer_writes_nothing(journal: &dyn Journal) {
    let entity = sku(1);
    let shard = entity.shard();
    let row = (0..)
        .map(|n| delivery(&n.to_string()))
        .find(|row| row.id.shard() == shard)
        .unwrap();
    insert(journal, vec![row.clone()]);
    let stale = claim(journal, 1, shard);
    let mut first = write(stale, 1);
    first.checkpoints.push(checkpoint(&entity, 1, None, false));
    assert!(commit(journal, vec![first]).refused.is_empty());
    let held = claim(journal, 2, shard);
    let wrong_owner = ShardState {
        epoch: held.epoch,
        ..stale
    };
    for (fence, life) in [(stale, 1), (stale, 2), (wrong_owner, 1)] {
        for kind in 0..6 {
            let mut late = write(fence, life);
            match kind {
                0 => late.frames.push(frame(&entity, "late")),
                1 => late.checkpoints.push(checkpoint(&entity, 2, None, false)),
                2 => late.checkpoints.push(checkpoint(&entity, 1, Some(5), true)),
                3 => late.inbox.push(mark(&row.id, InboxState::Done, None)),
                4 => late.vault.push(put("order:shop:1", "b", "Late")),
                _ => late.checkpoint_seq = Some(0),
            }
            let fenced = Refusal::Fenced { epoch: held.epoch };
            let refused = commit(journal, vec![late]).refused;
            assert_eq!(refused, BTreeMap::from([(shard, fenced)]), "{kind}");
        }
    }
    assert_eq!(journal.tails().unwrap(), vec![]);
    assert_eq!(journal.load(&entity).unwrap().unwrap().version, 1);
    assert_eq!(journal.due(shard, at(9), None, 9).unwrap(), vec![]);
    assert_eq!(journal.dirty(shard, None, 9).unwrap(), vec![]);
    let kept = journal.inbox_row(&row.id).unwrap().unwrap();
    assert_eq!((kept.state, kept.attempts), (InboxState::Open, 0));
    assert_eq!(journal.vault("order:shop:1").unwrap(), None);
}

fn one_refused_others_kept(journal: &dyn Journal) {
    let mut entities = [sku(1), sku(2), sku(3)];
    entities.sort_by_key(EntityId::shard);
    let held = entities
        .each_ref()
        .map(|entity| claim(journal, 1, entity.shard()));
    let taken = claim(journal, 2, entities[1].shard());
    let writes = entities.iter().zip(held).map(|(entity, held)| {
        let mut one = write(held, 1);
        one.frames.push(frame(entity, "kept"));
        one
    });
    let batch = Batch {
        at: at(1),
        shards: writes.collect(),
        inbox: vec![delivery("d")],
    };
    let outcome = journal.commit(&batch).unwrap();
    let fenced = Refusal::Fenced { epoch: taken.epoch };
    assert_eq!(outcome.refused, BTreeMap::from([(taken.shard, fenced)]));
    assert_eq!(outcome.inbox_new, [true]);
    let kept = entities.map(|entity| bodies(journal, entity.shard(), 0, 9).len());
    assert_eq!(kept, [1, 0, 1]);
}

fn version_never_falls(journal: &dyn Journal) {
    let entity = sku(1);
    let held = claim(journal, 1, entity.shard());
    let put = |checkpoint: Checkpoint, covered: Seq| {
        let mut one = write(held, 1);
        one.checkpoint_seq = Some(covered);
        one.checkpoints.push(checkpoint);
        assert!(commit(journal, vec![one]).refused.is_empty());
    };
    put(checkpoint(&entity, 2, Some(7), true), 0);
    put(checkpoint(&entity, 1, None, false), 0);
    let kept = journal.load(&entity).unwrap().unwrap();
    assert_eq!(kept, checkpoint(&entity, 2, Some(7), true));
    put(checkpoint(&entity, 2, None, false), 0);
    let kept = journal.load(&entity).unwrap().unwrap();
    assert_eq!(kept, checkpoint(&entity, 2, None, false));
    let mut more = write(held, 1);
    more.frames = vec![frame(&entity, "1"), frame(&entity, "2")];
    more.checkpoint_seq = Some(2);
    commit(journal, vec![more]);
    let mut lower = write(held, 1);
    lower.expected_seq = 3;
    lower.checkpoint_seq = Some(1);
    assert!(commit(journal, vec![lower]).refused.is_empty());
    assert_eq!(claim(journal, 2, entity.shard()).checkpoint_seq, 2);
}

fn due_is_paged(journal: &dyn Journal) {
    let shard = sku(1).shard();
    let entities = skus_of(shard, 5);
    let mut one = write(claim(journal, 1, shard), 1);
    for (entity, wake_at) in entities
        .iter()
        .zip([Some(30), Some(10), Some(10), None, Some(99)])
    {
        one.checkpoints.push(checkpoint(entity, 1, wake_at, false));
    }
    commit(journal, vec![one]);
    let expected = [(10, 1), (10, 2), (30, 0)].map(|(ms, n)| (at(ms), entities[n].clone()));
    assert_eq!(journal.due(shard, at(30), None, 9).unwrap(), expected);
    let mut paged = Vec::new();
    while let Some(next) = journal
        .due(shard, at(98), paged.last().cloned(), 1)
        .unwrap()
        .pop()
    {
        paged.push(next);
    }
    assert_eq!(paged, expected);
    assert_eq!(
        journal.due(sku(2).shard(), at(99), None, 9).unwrap(),
        vec![]
    );
}

fn dirty_is_paged(journal: &dyn Journal) {
    let shard = sku(1).shard();
    let entities = skus_of(shard, 4);
    let mut one = write(claim(journal, 1, shard), 1);
    for (entity, dirty) in entities.iter().zip([true, false, true, true]) {
        one.checkpoints.push(checkpoint(entity, 1, None, dirty));
    }
    commit(journal, vec![one]);
    let expected = [0, 2, 3].map(|n| entities[n].clone());
    assert_eq!(journal.dirty(shard, None, 9).unwrap(), expected);
    assert_eq!(journal.dirty(shard, None, 2).unwrap(), expected[..2]);
    assert_eq!(
        journal.dirty(shard, Some(&entities[0]), 9).unwrap(),
        expected[1..]
    );
}

fn entities_by_prefix(journal: &dyn Journal) {
    let names = ["location:b", "location:a", "sku:a", "location:%"];
    let mut entities: Vec<EntityId> = names.iter().map(|name| name.parse().unwrap()).collect();
    entities.sort_by_key(EntityId::shard);
    for entity in &entities {
        let mut one = write(claim(journal, 1, entity.shard()), 1);
        one.checkpoints.push(checkpoint(entity, 1, None, false));
        commit(journal, vec![one]);
    }
    let names = |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let after: Option<EntityId> = after.map(|name| name.parse().unwrap());
        let found = journal.entities(prefix, after.as_ref(), limit).unwrap();
        found.iter().map(EntityId::to_string).collect()
    };
    let all = ["location:%", "location:a", "location:b"];
    assert_eq!(names("location:", None, 9), all);
    assert_eq!(names("location:", None, 2), all[..2]);
    assert_eq!(names("location:", Some("location:a"), 9), all[2..]);
    assert_eq!(names("", Some("location:b"), 9), ["sku:a"]);
    assert_eq!(names("location:", Some("channel:x"), 9), all);
}

fn mark(id: &InboxId, state: InboxState, subject: Option<&str>) -> InboxMark {
    InboxMark {
        id: id.clone(),
        state,
        parked_on: (state == InboxState::Parked).then(|| "listing:shop:9".to_owned()),
        subject: subject.map(str::to_owned),
    }
}

fn inbox_by_state(journal: &dyn Journal) {
    let shard = delivery("0").id.shard();
    let rows: Vec<_> = (0..)
        .map(|n| delivery(&n.to_string()))
        .filter(|row| row.id.shard() == shard)
        .take(4)
        .collect();
    assert_eq!(insert(journal, rows.clone()), [true; 4]);
    let ids = |state, limit| -> Vec<_> {
        let found = journal.inbox(shard, state, limit).unwrap();
        found.into_iter().map(|row| row.delivery).collect()
    };
    assert_eq!(ids(InboxState::Open, 9), rows);
    assert_eq!(ids(InboxState::Open, 2), rows[..2]);
    let mut one = write(claim(journal, 1, shard), 1);
    one.inbox
        .push(mark(&rows[1].id, InboxState::Done, Some("order:shop:1")));
    one.inbox.push(mark(&rows[2].id, InboxState::Parked, None));
    commit(journal, vec![one.clone()]);
    assert_eq!(ids(InboxState::Open, 9), [rows[0].clone(), rows[3].clone()]);
    assert_eq!(ids(InboxState::Done, 9), [rows[1].clone()]);
    let parked = journal.inbox_parked("listing:shop:9", 9).unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].delivery, rows[2]);
    assert_eq!(parked[0].parked_on.as_deref(), Some("listing:shop:9"));
    one.inbox = vec![mark(&rows[2].id, InboxState::Open, None)];
    one.inbox.push(mark(&rows[1].id, InboxState::Done, None));
    one.inbox
        .push(mark(&delivery("4711").id, InboxState::Done, None));
    one.inbox.retain(|mark| mark.id.shard() == shard);
    commit(journal, vec![one]);
    assert_eq!(journal.inbox_parked("listing:shop:9", 9).unwrap(), vec![]);
    let open = journal.inbox_row(&rows[2].id).unwrap().unwrap();
    assert_eq!((open.state, open.attempts), (InboxState::Open, 2));
    let done = journal.inbox_row(&rows[1].id).unwrap().unwrap();
    assert_eq!(done.subject.as_deref(), Some("order:shop:1"));
}

fn delivery_repeats(journal: &dyn Journal) {
    let first = delivery("1");
    let mut other = delivery("1");
    other.body = b"other".to_vec();
    let new = insert(journal, vec![first.clone(), delivery("2"), other.clone()]);
    assert_eq!(new, [true, true, false]);
    assert_eq!(insert(journal, vec![other, delivery("3")]), [false, true]);
    let kept = journal.inbox_row(&first.id).unwrap().unwrap();
    assert_eq!(kept.delivery, first);
    assert_eq!(journal.inbox_row(&delivery("9").id).unwrap(), None);
}

fn put(subject: &str, buyer: &str, name: &str) -> VaultWrite {
    VaultWrite::Put {
        subject: subject.to_owned(),
        buyer: buyer.to_owned(),
        entry: VaultEntry {
            body: format!("Name: {name}").into_bytes(),
            terms: vec![("name".to_owned(), name.to_owned())],
        },
    }
}

fn vault_keeps_finds_erases(journal: &dyn Journal) {
    let subjects = ["order:shop:1", "order:shop:2", "order:shop:3"];
    let row = delivery("of order 1");
    insert(journal, vec![row.clone()]);
    let mut marks = write(claim(journal, 1, row.id.shard()), 1);
    marks
        .inbox
        .push(mark(&row.id, InboxState::Done, Some(subjects[0])));
    commit(journal, vec![marks]);
    let held = claim(journal, 1, sku(1).shard());
    for (subject, name) in subjects.iter().zip(["Ann", " ANN ", "Bob"]) {
        let mut one = write(held, 1);
        one.vault.push(put(subject, name.trim(), name));
        commit(journal, vec![one]);
    }
    let found = |term: &str| journal.vault_find("name", term, 9).unwrap();
    assert_eq!(found(" ann"), [subjects[1], subjects[0]]);
    assert_eq!(journal.vault_find("name", "ann", 1).unwrap(), [subjects[1]]);
    assert_eq!(
        journal.vault_find("email", "ann", 9).unwrap(),
        Vec::<String>::new()
    );
    let entry = journal.vault(subjects[1]).unwrap().unwrap();
    assert_eq!(entry.body, b"Name:  ANN ");
    assert_eq!(entry.terms, [("name".to_owned(), " ANN ".to_owned())]);

    let mut erase = write(held, 1);
    erase.vault.push(VaultWrite::Erase {
        subject: subjects[0].to_owned(),
    });
    erase.vault.push(put(subjects[2], "c", "Cid"));
    commit(journal, vec![erase]);
    assert_eq!(journal.vault(subjects[0]).unwrap(), None);
    assert_eq!(found("ann"), [subjects[1]]);
    assert!(journal.vault(subjects[1]).unwrap().is_some());
    assert_eq!((found("bob").len(), found("cid").len()), (0, 1));
    let emptied = journal.inbox_row(&row.id).unwrap().unwrap();
    assert!(emptied.delivery.body.is_empty() && emptied.delivery.headers.is_empty());
    assert_eq!(emptied.state, InboxState::Done);
    assert_eq!(insert(journal, vec![row]), [false]);
}

/// A delivery can be erased only once its subject is known: finishing it later does it then.
fn late_mark_is_erased(journal: &dyn Journal) {
    let subject = "order:shop:1";
    let held = claim(journal, 1, sku(1).shard());
    let mut erase = write(held, 1);
    erase.vault.push(VaultWrite::Erase {
        subject: subject.to_owned(),
    });
    let batch = Batch {
        at: at(2_000),
        shards: vec![erase],
        inbox: Vec::new(),
    };
    let mut after = delivery("after");
    after.received_at = at(2_001);
    let rows = [delivery("before"), after];
    insert(journal, rows.to_vec());
    journal.commit(&batch).unwrap();
    for (row, kept) in rows.iter().zip([false, true]) {
        for state in [InboxState::Parked, InboxState::Done] {
            let mut marks = write(claim(journal, 1, row.id.shard()), 1);
            marks.inbox.push(mark(&row.id, state, Some(subject)));
            commit(journal, vec![marks]);
            let found = journal.inbox_row(&row.id).unwrap().unwrap();
            let whole = kept || state == InboxState::Parked;
            assert_eq!(!found.delivery.body.is_empty(), whole, "{row:?}");
        }
    }
}

fn bad_batch_writes_nothing(journal: &dyn Journal) {
    let (a, b) = (sku(1), sku(2));
    let held = claim(journal, 1, a.shard());
    let mut good = write(held, 1);
    good.frames.push(frame(&a, "one"));
    let mut foreign = write(held, 1);
    foreign.frames.push(frame(&b, "foreign"));
    for shards in [vec![good.clone(), good], vec![foreign]] {
        let batch = Batch {
            at: at(1),
            shards,
            inbox: vec![delivery("1")],
        };
        let invalid = journal.commit(&batch);
        assert!(matches!(invalid, Err(JournalError::Invalid(_))));
    }
    assert_eq!(journal.tails().unwrap(), vec![]);
    assert_eq!(journal.inbox_row(&delivery("1").id).unwrap(), None);
}
