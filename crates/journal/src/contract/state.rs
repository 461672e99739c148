//! Checkpoints: versions, what is due, what is dirty, which entities there are.

use super::*;

pub(super) fn version_never_falls(journal: &dyn Journal) {
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

pub(super) fn due_is_paged(journal: &dyn Journal) {
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

pub(super) fn dirty_is_paged(journal: &dyn Journal) {
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

pub(super) fn entities_by_prefix(journal: &dyn Journal) {
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
