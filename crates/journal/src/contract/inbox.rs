//! Deliveries: states and repeats.

use std::slice;

use super::*;

pub(super) fn inbox_by_state(journal: &dyn Journal) {
    let shard = delivery("0").id.shard();
    let rows: Vec<_> = (0..)
        .map(|n| delivery(&n.to_string()))
        .filter(|row| row.id.shard() == shard)
        .take(4)
        .collect();
    assert_eq!(insert(journal, rows.clone()), [Inserted::New; 4]);
    let ids = |state, limit| -> Vec<_> {
        let found = journal.inbox(shard, state, &rows[0].id.channel, limit, usize::MAX);
        let found = found.unwrap();
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

/// However many a channel has, the first page of another has the other's.
pub(super) fn channels_hide_no_other(journal: &dyn Journal) {
    let shard = delivery("0").id.shard();
    let channels = ["cafe", "shop", "till"].map(|name| ChannelId::checked(name).unwrap());
    let of = |channel: &ChannelId, count| -> Vec<_> {
        let named = |number: u32| InboxInsert {
            id: InboxId {
                channel: channel.clone(),
                delivery: number.to_string(),
            },
            ..delivery("0")
        };
        let rows = (0..).map(named).filter(|row| row.id.shard() == shard);
        rows.take(count).collect()
    };
    let [cafe, shop, till] = &channels;
    let flood = of(shop, 20);
    let (early, late) = (of(cafe, 1).remove(0), of(till, 1).remove(0));
    let all = [early.clone()].into_iter().chain(flood.clone());
    insert(journal, all.chain([late.clone()]).collect());
    let page = |channel, state| -> Vec<_> {
        let found = journal.inbox(shard, state, channel, 2, usize::MAX);
        let rows = found.unwrap().into_iter();
        rows.map(|row| row.delivery).collect()
    };
    assert_eq!(journal.inbox_channels(InboxState::Open).unwrap(), channels);
    assert_eq!(page(shop, InboxState::Open), flood[..2]);
    assert_eq!(page(till, InboxState::Open), slice::from_ref(&late));
    let mut one = write(claim(journal, 1, shard), 1);
    one.inbox.push(mark(&early.id, InboxState::Done, None));
    one.inbox.push(mark(&late.id, InboxState::Parked, None));
    commit(journal, vec![one]);
    for (state, channel, row) in [
        (InboxState::Open, shop, &flood[0]),
        (InboxState::Parked, till, &late),
        (InboxState::Done, cafe, &early),
    ] {
        let named = journal.inbox_channels(state).unwrap();
        assert_eq!(named, slice::from_ref(channel), "{state:?}");
        assert_eq!(page(channel, state).first(), Some(row), "{state:?}");
    }
}

/// Whoever tries a page and parks it again comes past every row, however many there are.
pub(super) fn parked_rows_take_turns(journal: &dyn Journal) {
    const PAGE: usize = 3;
    let shard = delivery("0").id.shard();
    let rows: Vec<_> = (0..)
        .map(|n| delivery(&n.to_string()))
        .filter(|row| row.id.shard() == shard)
        .take(7)
        .collect();
    insert(journal, rows.clone());
    let held = claim(journal, 1, shard);
    let park = |ids: Vec<InboxId>| {
        let mut one = write(held, 1);
        let parked = |id: &InboxId| mark(id, InboxState::Parked, None);
        one.inbox = ids.iter().map(parked).collect();
        commit(journal, vec![one]);
    };
    park(rows.iter().map(|row| row.id.clone()).collect());
    let page = |limit, bytes_max| -> Vec<InboxId> {
        let channel = &rows[0].id.channel;
        let found = journal.inbox(shard, InboxState::Parked, channel, limit, bytes_max);
        let ids = found.unwrap().into_iter().map(|row| row.delivery.id);
        ids.collect()
    };
    let mut turns = Vec::new();
    while turns.len() < rows.len() {
        let tried = page(PAGE.min(rows.len() - turns.len()), usize::MAX);
        park(tried.clone());
        turns.extend(tried);
    }
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    assert_eq!(turns, ids);
    let body = rows[0].body.len();
    assert_eq!(page(9, 1), ids[..1], "one, however large");
    assert_eq!(page(9, body + 1), ids[..2]);
}

pub(super) fn delivery_repeats(journal: &dyn Journal) {
    let first = delivery("1");
    let mut other = delivery("1");
    other.body = b"other".to_vec();
    let batch = vec![first.clone(), delivery("2"), first.clone(), other.clone()];
    let (new, repeat) = (Inserted::New, Inserted::Repeat);
    assert_eq!(
        insert(journal, batch),
        [new, new, repeat, Inserted::Conflict]
    );
    let mut retried = first.clone();
    retried.headers.clear();
    retried.received_at = at(9_000);
    let batch = vec![other, delivery("3"), retried];
    assert_eq!(insert(journal, batch), [Inserted::Conflict, new, repeat]);
    let kept = journal.inbox_row(&first.id).unwrap().unwrap();
    assert_eq!(kept.delivery, first);
    assert_eq!(journal.inbox_row(&delivery("9").id).unwrap(), None);
}

pub(super) fn done_stays_done(journal: &dyn Journal) {
    let row = delivery("1");
    insert(journal, vec![row.clone()]);
    let held = claim(journal, 1, row.id.shard());
    for state in [InboxState::Done, InboxState::Parked, InboxState::Open] {
        let mut one = write(held, 1);
        one.inbox.push(mark(&row.id, state, Some("order:shop:1")));
        commit(journal, vec![one]);
        let found = journal.inbox_row(&row.id).unwrap().unwrap();
        assert_eq!((found.state, found.attempts), (InboxState::Done, 1));
        assert_eq!(found.parked_on, None);
    }
}
