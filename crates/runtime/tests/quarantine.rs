//! Entities that crash or cannot be recovered are put aside, all others work on, and a person decides.
#![allow(clippy::unwrap_used, reason = "a test target")]

mod support;

use std::sync::Arc;

use crossdock_journal::{Batch, Checkpoint, Journal, MemoryJournal, OwnerId, ShardWrite};
use crossdock_model::command::{Command, SkuCommand};
use crossdock_model::v1::OrderStatus;
use crossdock_model::{Duration, EntityId, Rejection};
use crossdock_runtime::{AskError, Handle, Options};
use support::{
    adjust, ask, asking, define, is_requested, journal, marks, on_hand, order, receive, sku, sold,
    start, status, stocked, until,
};

/// Writes a checkpoint's body as a failing disk might; the body that was there.
fn overwrite(journal: &MemoryJournal, entity: &EntityId, body: &[u8]) -> Vec<u8> {
    let known = journal.load(entity).unwrap().unwrap();
    let owner = OwnerId(99);
    let state = journal.claim(owner, &[entity.shard()]).unwrap().remove(0);
    let mut write = ShardWrite::new(state.shard, state.epoch, owner, state.next_seq);
    write.checkpoints.push(Checkpoint {
        body: body.to_vec(),
        ..known.clone()
    });
    let at = crossdock_model::Timestamp::from_ms(1);
    let batch = Batch {
        at,
        shards: vec![write],
        inbox: Vec::new(),
    };
    assert!(journal.commit(&batch).unwrap().refused.is_empty());
    known.body
}

fn is_aside<R>(asked: &Result<R, AskError>) -> bool {
    matches!(asked, Err(AskError::Quarantined { .. }))
}

/// A damaged checkpoint with newer records behind it: the node starts, the entity is put aside, and nothing of it is
/// lost should its checkpoint be mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_without_what_it_cannot_recover() {
    let journal = journal();
    let node = start(&journal, Options::new(1)).await;
    for number in [0, 1] {
        stocked(&node.handle(), number, 5).await;
    }
    node.stop().await;
    let node = start(&journal, Options::new(2)).await;
    ask(&node.handle(), sku(0), receive(3)).await.unwrap();
    // Whoever claims the shard keeps this node from covering the newest record with a checkpoint.
    let good = overwrite(&journal, &sku(0), b"rubbish");
    node.stop().await;

    for owner in [3, 4] {
        let node = start(&journal, Options::new(owner)).await;
        let handle = node.handle();
        assert!(is_aside(&ask(&handle, sku(0), Command::Read).await));
        assert_eq!(on_hand(&handle, 1).await, 5);
        let marks = marks(&handle).await;
        let marks: Vec<_> = marks.iter().map(|m| (&*m.entity, m.command_hash)).collect();
        assert_eq!(marks, [("sku:S0", None)]);
        node.stop().await;
    }

    overwrite(&journal, &sku(0), &good);
    let node = start(&journal, Options::new(5)).await;
    let handle = node.handle();
    assert!(is_aside(&ask(&handle, sku(0), Command::Read).await));
    handle.lift_quarantine(&sku(0), None);
    assert_eq!(on_hand(&handle, 0).await, 8);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_turns_out_damaged_while_the_node_runs_is_put_aside() {
    let journal = journal();
    let node = start(&journal, Options::new(1)).await;
    stocked(&node.handle(), 0, 5).await;
    node.stop().await;
    overwrite(&journal, &sku(0), b"rubbish");
    let node = start(&journal, Options::new(2)).await;
    let handle = node.handle();
    let asked = ask(&handle, sku(0), Command::Read).await;
    assert!(is_aside(&asked), "{asked:?}");
    until("it is marked", async || marks(&handle).await.len() == 1).await;
    handle.lift_quarantine(&sku(0), None);
    until("it is tried, and put aside again", async || {
        is_aside(&ask(&handle, sku(0), Command::Read).await)
    })
    .await;
    node.stop().await;
}

/// Adjustments of 13 and above crash a SKU, and so do reservations of S7 and looks at S8.
fn crashing() -> Options {
    let mut options = Options::new(1);
    options.limits.resend_after = Duration::from_ms(20);
    options.limits.resend_after_max = Duration::from_ms(40);
    options.crash_on = Some(|entity, command| match command {
        Command::Sku(SkuCommand::Adjust { delta, .. }) => *delta >= 13,
        Command::Sku(SkuCommand::Reserve { .. }) => *entity == sku(7),
        Command::Read => *entity == sku(8),
        _ => false,
    });
    options
}

/// Crashes a SKU by several commands until it is put aside.
async fn bring_down(handle: &Handle, number: usize) {
    for delta in 13..40 {
        if is_aside(&ask(handle, sku(number), adjust(delta)).await) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it was not put aside");
}

/// An order of something else, which came later, has gone its whole way.
async fn another_goes_through(handle: &Handle) {
    stocked(handle, 9, 5).await;
    ask(handle, order(9), sold(9)).await.unwrap();
    is_requested(handle, 9).await;
}

/// They go on by themselves once it works again.
#[tokio::test(flavor = "multi_thread")]
async fn orders_wait_for_a_sku_that_is_put_aside() {
    let journal = journal();
    let node = start(&journal, crashing()).await;
    let handle = node.handle();
    stocked(&handle, 0, 5).await;
    bring_down(&handle, 0).await;
    assert_eq!(handle.metrics().crashes.get(), 3);
    ask(&handle, order(1), sold(0)).await.unwrap();
    another_goes_through(&handle).await;
    assert_eq!(status(&handle, 1).await, OrderStatus::Received);
    handle.lift_quarantine(&sku(0), None);
    is_requested(&handle, 1).await;
    assert_eq!(on_hand(&handle, 0).await, 5);
    node.stop().await;
}

/// Its buyer waits for an answer: it hears at once that it may ask again, and is served once the SKU works again.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_asks_for_a_sku_that_is_put_aside_is_answered_busy() {
    let journal = journal();
    let node = start(&journal, crashing()).await;
    let handle = node.handle();
    stocked(&handle, 0, 5).await;
    bring_down(&handle, 0).await;
    let refused = ask(&handle, order(1), asking(0)).await;
    let is_busy = matches!(refused, Err(AskError::Rejected(Rejection::Busy { .. })));
    assert!(is_busy, "{refused:?}");
    handle.lift_quarantine(&sku(0), None);
    until("it is served", async || {
        ask(&handle, order(1), asking(0)).await.is_ok()
    })
    .await;
    is_requested(&handle, 1).await;
    node.stop().await;
}

/// Looking at a SKU is what brings it down: its buyer is answered though nobody may look, and no new crash comes of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_look_at_a_sku_is_put_aside_is_answered_busy() {
    let journal = journal();
    let node = start(&journal, crashing()).await;
    let handle = node.handle();
    stocked(&handle, 8, 5).await;
    ask(&handle, sku(8), adjust(-5)).await.unwrap();
    for _ in 0..3 {
        let _ = ask(&handle, sku(8), Command::Read).await;
    }
    until("it is put aside", async || marks(&handle).await.len() == 1).await;
    let crashes = handle.metrics().crashes.get();
    // A refusal rests on a look of its own, never on what was announced.
    let refused = ask(&handle, order(1), asking(8)).await;
    let is_busy = matches!(refused, Err(AskError::Rejected(Rejection::Busy { .. })));
    assert!(is_busy, "{refused:?}");
    assert_eq!(handle.metrics().crashes.get(), crashes);
    node.stop().await;
}

/// While a command is put aside whoever asks hears nothing and asks again; once it is skipped the order is told.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_command_is_skipped_goes_on_without() {
    let journal = journal();
    let node = start(&journal, crashing()).await;
    let handle = node.handle();
    stocked(&handle, 7, 5).await;
    ask(&handle, order(1), sold(7)).await.unwrap();
    until("it is put aside", async || marks(&handle).await.len() == 1).await;
    let mark = marks(&handle).await.remove(0);
    assert_eq!(mark.entity, "sku:S7");
    another_goes_through(&handle).await;
    let crashes = handle.metrics().crashes.get();
    assert_ne!(status(&handle, 1).await, OrderStatus::Backordered);

    handle.skip_quarantined(&sku(7), mark.command_hash.unwrap());
    // The next attempt is another command, and has to be brought down by itself.
    until("the order goes on", async || {
        handle.metrics().crashes.get() > crashes
            || status(&handle, 1).await == OrderStatus::Backordered
    })
    .await;
    ask(&handle, sku(7), define(1)).await.unwrap();
    node.stop().await;
}

/// An entity that was brought down by several commands works again without them.
#[tokio::test(flavor = "multi_thread")]
async fn an_entity_is_put_aside_with_the_commands_that_are_known() {
    let journal: Arc<MemoryJournal> = journal();
    let node = start(&journal, crashing()).await;
    let handle = node.handle();
    stocked(&handle, 0, 5).await;
    bring_down(&handle, 0).await;
    until("all are marked", async || marks(&handle).await.len() == 3).await;
    for mark in marks(&handle).await {
        match mark.command_hash {
            Some(hash) => handle.skip_quarantined(&sku(0), hash),
            None => handle.lift_quarantine(&sku(0), None),
        }
    }
    let crashes = handle.metrics().crashes.get();
    let refused = ask(&handle, sku(0), adjust(14)).await;
    assert!(matches!(refused, Err(AskError::Rejected(_))), "{refused:?}");
    ask(&handle, sku(0), adjust(1)).await.unwrap();
    assert_eq!(handle.metrics().crashes.get(), crashes);
    node.stop().await;
}
