//! One process after another, or beside another, on the same journal.

use super::*;
use crate::Upkeep;

const DAY_MS: i64 = 86_400_000;

pub(super) fn restart_keeps_all(process: &mut dyn Process) {
    let entity = sku(1);
    append(process.journal(), 1, &entity, &["one", "two"]);
    let held = claim(process.journal(), 1, entity.shard());
    let mut one = write(held, 1);
    one.checkpoints.push(checkpoint(&entity, 2, Some(9), true));
    one.checkpoint_seq = Some(2);
    commit(process.journal(), vec![one]);
    let row = delivery("1");
    insert(process.journal(), vec![row.clone()]);
    write_vault(process.journal(), 1, vec![put("order:shop:1", 1, 1, "Ann")]);
    let meta = process.journal().meta();
    for clean in [false, true] {
        if clean {
            process.journal().close().unwrap();
        }
        process.restart();
        let again = process.journal();
        assert_eq!(again.meta(), meta);
        let frames = again.read(entity.shard(), 0, usize::MAX).unwrap();
        assert_eq!(frames.len(), 2);
        assert_eq!(again.load(&entity).unwrap().unwrap().version, 2);
        assert_eq!(again.due(entity.shard(), at(9), None, 9).unwrap().len(), 1);
        let dirty = again.dirty(entity.shard(), None, 9).unwrap();
        assert_eq!(dirty, std::slice::from_ref(&entity));
        let found = again.inbox_row(&row.id).unwrap().unwrap();
        assert_eq!(found.delivery, row);
        assert!(again.vault("order:shop:1", 1).unwrap().is_some());
        let found = again.vault_find("name", "ann", 9).unwrap();
        assert_eq!(found, [("order:shop:1".to_owned(), 1)]);
        // The fence is as it was: the holder may write on.
        assert!(commit(again, vec![write(held, 1)]).refused.is_empty());
    }
    let again = process.journal();
    let other = claim(again, 2, entity.shard());
    assert_eq!((other.epoch, other.next_seq), (held.epoch + 1, 3));
    assert_eq!(other.checkpoint_seq, 2);
    assert_eq!(commit(again, vec![write(held, 1)]).refused.len(), 1);
}

pub(super) fn torn_tail_is_a_whole_commit(process: &mut dyn Process) {
    let entity = sku(1);
    let mut held = claim(process.journal(), 1, entity.shard());
    for number in 0..6 {
        let mut one = write(held, 1);
        let text = format!("{number} {}", "-".repeat(9_000));
        one.frames = vec![frame(&entity, &text), frame(&entity, "second")];
        held.next_seq += 2;
        one.checkpoints
            .push(checkpoint(&entity, held.next_seq - 1, None, false));
        commit(process.journal(), vec![one]);
    }
    if !process.tear() {
        return;
    }
    let again = process.journal();
    let frames = again.read(entity.shard(), 0, usize::MAX).unwrap();
    let (kept, seqs) = (frames.len() as u64, frames.iter().map(|f| f.position.seq));
    assert!(kept < 12, "nothing was torn");
    assert_eq!(kept % 2, 0, "half a commit is left");
    assert!(seqs.eq(1..=kept));
    let version = again
        .load(&entity)
        .unwrap()
        .map_or(0, |found| found.version);
    assert_eq!(
        version, kept,
        "a state without its records, or records without it"
    );
    assert_eq!(append(again, 2, &entity, &["after"]), kept + 2);
}

pub(super) fn sealed_log_is_read_as_before(process: &mut dyn Process) {
    let entities = [sku(1), sku(2)];
    for entity in &entities {
        append(
            process.journal(),
            1,
            entity,
            &["a", "b", "c", "d", "e", "f"],
        );
        let mut covered = write(claim(process.journal(), 1, entity.shard()), 1);
        covered.checkpoint_seq = Some(6);
        commit(process.journal(), vec![covered]);
    }
    let long_after = at(1_000 * DAY_MS);
    while process.journal().maintain(long_after).unwrap() == Upkeep::AtOnce {}
    for _ in 0..2 {
        for entity in &entities {
            for after in 0..6 {
                let frames = process.journal().read(entity.shard(), after, usize::MAX);
                let seqs: Vec<_> = frames.unwrap().iter().map(|f| f.position.seq).collect();
                assert_eq!(seqs, (after + 1..=6).collect::<Vec<_>>());
            }
        }
        process.restart();
    }
    assert_eq!(append(process.journal(), 2, &entities[0], &["after"]), 8);
}

/// What an API call is known by is a name of an entity, whatever a caller put into it.
pub(super) fn request_keys_are_kept(process: &mut dyn Process) {
    let keys = ["plain", "with:colons:", "%_'\"", "schlüssel 🔑"];
    let entities: Vec<EntityId> = keys
        .iter()
        .map(|key| format!("request:caller:{key}").parse().unwrap())
        .collect();
    for entity in &entities {
        append(process.journal(), 1, entity, &["claimed"]);
        let mut one = write(claim(process.journal(), 1, entity.shard()), 1);
        one.checkpoints.push(checkpoint(entity, 1, Some(5), false));
        commit(process.journal(), vec![one]);
    }
    process.restart();
    let journal = process.journal();
    for entity in &entities {
        assert_eq!(
            journal.load(entity).unwrap().unwrap().version,
            1,
            "{entity}"
        );
        let frames = journal.read(entity.shard(), 0, usize::MAX).unwrap();
        assert!(frames.iter().any(|stored| stored.frame.entity == *entity));
        let due = journal.due(entity.shard(), at(5), None, 9).unwrap();
        assert!(due.iter().any(|(_, found)| found == entity), "{entity}");
    }
    let listed = journal.entities("request:caller:", None, 9).unwrap();
    assert_eq!(listed.len(), keys.len());
}

/// A channel may repeat a delivery for days: as long as it is stored, the repeat is not new.
pub(super) fn deliveries_are_known_for_a_month(process: &mut dyn Process) {
    let [done, open] = ["done", "open"].map(delivery);
    insert(process.journal(), vec![done.clone(), open.clone()]);
    let mut marks = write(claim(process.journal(), 1, done.id.shard()), 1);
    marks.inbox.push(mark(&done.id, InboxState::Done, None));
    commit(process.journal(), vec![marks]);
    let (new, repeat) = (Inserted::New, Inserted::Repeat);
    for (days, found) in [(0, [repeat; 2]), (29, [repeat; 2]), (32, [new, repeat])] {
        while process.journal().maintain(at(days * DAY_MS)).unwrap() == Upkeep::AtOnce {}
        process.restart();
        let again = vec![done.clone(), open.clone()];
        assert_eq!(insert(process.journal(), again), found, "after {days} days");
    }
}

/// Whoever claims last writes, though the one before neither ended nor heard of it.
pub(super) fn second_process_fences_the_first(process: &mut dyn Process) {
    let first = process.journal();
    let entity = sku(1);
    let shard = entity.shard();
    let row = row_of(shard);
    insert(first, vec![row.clone()]);
    append(first, 1, &entity, &["one"]);
    let mut stale = claim(first, 1, shard);
    stale.next_seq = 2;
    let second = process.second();
    let held = claim(&*second, 2, shard);
    assert_eq!((held.epoch, held.next_seq), (stale.epoch + 1, 2));
    for late in late_writes(stale, 1, &entity, &row) {
        let fenced = Refusal::Fenced { epoch: held.epoch };
        let refused = commit(first, vec![late.clone()]).refused;
        assert_eq!(refused, BTreeMap::from([(shard, fenced)]), "{late:?}");
    }
    let mut good = write(held, 2);
    good.frames.push(frame(&entity, "two"));
    assert!(commit(&*second, vec![good]).refused.is_empty());
    let mut late = write(stale, 1);
    late.frames.push(frame(&entity, "late"));
    assert_eq!(commit(first, vec![late]).refused.len(), 1);
    drop(second);
    process.restart();
    let frames = process.journal().read(shard, 0, usize::MAX).unwrap();
    let bodies: Vec<_> = frames.into_iter().map(|stored| stored.frame.body).collect();
    assert_eq!(bodies, [b"one", b"two"]);
    let kept = process.journal().inbox_row(&row.id).unwrap().unwrap();
    assert_eq!(kept.attempts, 0);
}
