//! Deliveries and personal data: states, repeats, keeping, finding, erasing.

use super::*;

pub(super) fn inbox_by_state(journal: &dyn Journal) {
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

pub(super) fn delivery_repeats(journal: &dyn Journal) {
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

pub(super) fn vault_keeps_finds_erases(journal: &dyn Journal) {
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
pub(super) fn late_mark_is_erased(journal: &dyn Journal) {
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
