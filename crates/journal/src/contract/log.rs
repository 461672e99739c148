//! What is appended: positions, fences, claims, batches.

use super::*;

pub(super) fn meta_says_what_was_fixed(journal: &dyn Journal) {
    let meta = journal.meta();
    assert_eq!(meta.shard_count, SHARD_COUNT);
    assert_eq!(meta.shard_hash, SHARD_HASH);
    assert_eq!(meta, journal.meta());
}

pub(super) fn positions_are_dense(journal: &dyn Journal) {
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

pub(super) fn reading_is_bounded(journal: &dyn Journal) {
    let long = "x".repeat(1_000);
    append(journal, 1, &sku(1), &[&long, &long, &long, &long]);
    assert_eq!(bodies(journal, sku(1).shard(), 0, 0).len(), 1);
    assert_eq!(bodies(journal, sku(1).shard(), 3, 1).len(), 1);
    let some = bodies(journal, sku(1).shard(), 0, 2_000).len();
    assert!((2..4).contains(&some), "{some}");
}

pub(super) fn many_are_read(journal: &dyn Journal) {
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

pub(super) fn wrong_sequence_is_refused(journal: &dyn Journal) {
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

pub(super) fn claim_raises_epochs(journal: &dyn Journal) {
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
pub(super) fn stale_writer_writes_nothing(journal: &dyn Journal) {
    let entity = sku(1);
    let shard = entity.shard();
    let row = row_of(shard);
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
        for late in late_writes(fence, life, &entity, &row) {
            let fenced = Refusal::Fenced { epoch: held.epoch };
            let refused = commit(journal, vec![late.clone()]).refused;
            assert_eq!(refused, BTreeMap::from([(shard, fenced)]), "{late:?}");
        }
    }
    assert_eq!(journal.tails().unwrap(), vec![]);
    assert_eq!(journal.load(&entity).unwrap().unwrap().version, 1);
    assert_eq!(journal.due(shard, at(9), None, 9).unwrap(), vec![]);
    assert_eq!(journal.dirty(shard, None, 9).unwrap(), vec![]);
    let kept = journal.inbox_row(&row.id).unwrap().unwrap();
    assert_eq!((kept.state, kept.attempts), (InboxState::Open, 0));
    let subject = order_of(shard);
    assert_eq!(journal.person(&subject).unwrap(), PersonState::Unknown);
}

pub(super) fn one_refused_others_kept(journal: &dyn Journal) {
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
    assert_eq!(outcome.inbox, [Inserted::New]);
    let kept = entities.map(|entity| bodies(journal, entity.shard(), 0, 9).len());
    assert_eq!(kept, [1, 0, 1]);
}

pub(super) fn bad_batch_writes_nothing(journal: &dyn Journal) {
    let (a, b) = (sku(1), sku(2));
    let held = claim(journal, 1, a.shard());
    let mut good = write(held, 1);
    good.frames.push(frame(&a, "one"));
    let mut foreign = write(held, 1);
    foreign.frames.push(frame(&b, "foreign"));
    let mut stranger = write(held, 1);
    stranger.vault.push(put(&order_of(b.shard()), 1, 1, "Ann"));
    for shards in [vec![good.clone(), good], vec![foreign], vec![stranger]] {
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

fn bodies(journal: &dyn Journal, shard: ShardId, after: Seq, bytes_max: usize) -> Vec<String> {
    let frames = journal.read(shard, after, bytes_max).unwrap();
    let texts = frames
        .into_iter()
        .map(|stored| String::from_utf8(stored.frame.body).unwrap());
    texts.collect()
}
