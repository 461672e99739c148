//! A node whose actors crash, whose disk fills up, whose shards are taken: nothing hangs, nothing grows.
#![allow(clippy::unwrap_used, reason = "a test target")]

mod support;

use std::time::Duration as Wait;

use crossdock_journal::Journal;
use crossdock_journal::memory::Fault;
use crossdock_model::command::{Command, OrderCommand};
use crossdock_model::{Class, EntityId, Rejection, Timestamp};
use crossdock_runtime::{AskError, Door, Options, Personal, Reply, VaultEntry};
use support::{
    adjust, ask, by, define, is_requested, journal, order, sku, sold, start, stocked, until,
};

/// A delta of 13 crashes the actor.
fn crashing() -> Options {
    let mut options = Options::new(1);
    options.crash_on = Some(|_, command| *command == adjust(13));
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_crashes_at_its_first_message_is_recovered() {
    let node = start(&journal(), crashing()).await;
    let asked = (0..500).map(|number| {
        let handle = node.handle();
        tokio::spawn(async move {
            let crashed = ask(&handle, sku(number), adjust(13)).await;
            assert_eq!(crashed.unwrap_err(), AskError::Unknown);
            ask(&handle, sku(number), Command::Read).await
        })
    });
    for one in asked.collect::<Vec<_>>() {
        let read = one.await.unwrap();
        assert!(matches!(read, Err(AskError::Rejected(_))), "{read:?}");
    }
    node.stop().await;
}

/// Every command of S0 crashes it: no caller is left hanging while it is put aside, and nothing wakes it afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn an_entity_that_is_put_aside_answers_and_is_left_alone() {
    let mut options = Options::new(1);
    options.crash_on = Some(|entity, _| *entity == sku(0));
    let node = start(&journal(), options).await;
    let handle = node.handle();
    let callers = (0..300).map(|delta| {
        let handle = handle.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                match ask(&handle, sku(0), adjust(delta)).await.unwrap_err() {
                    AskError::Quarantined { .. } => return true,
                    _ => tokio::time::sleep(Wait::from_millis(3)).await,
                }
            }
            false
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let last = ask(&handle, sku(0), Command::Read).await.unwrap_err();
    assert!(matches!(last, AskError::Quarantined { .. }), "{last:?}");
    let crashes = handle.metrics().crashes.get();

    ask(&handle, order(1), sold(0)).await.unwrap();
    // Another that came later has gone its whole way meanwhile.
    stocked(&handle, 1, 5).await;
    ask(&handle, order(2), sold(1)).await.unwrap();
    is_requested(&handle, 2).await;
    assert_eq!(handle.metrics().crashes.get(), crashes);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_command_stays_aside_after_a_restart() {
    let journal = journal();
    let node = start(&journal, crashing()).await;
    let handle = node.handle();
    let rejected = |asked: &Result<Reply, AskError>| matches!(asked, Err(AskError::Rejected(_)));
    until("it is put aside", async || {
        rejected(&ask(&handle, sku(0), adjust(13)).await)
    })
    .await;
    node.stop().await;

    let node = start(&journal, crashing()).await;
    let handle = node.handle();
    assert!(rejected(&ask(&handle, sku(0), adjust(13)).await));
    assert_eq!(handle.metrics().crashes.get(), 0);
    node.stop().await;
}

/// The only write fails that anybody wanted: work is let in again though nobody has written since.
#[tokio::test(flavor = "multi_thread")]
async fn work_resumes_after_a_full_disk_that_nobody_retries() {
    let journal = journal();
    let node = start(&journal, Options::new(1)).await;
    let handle = node.handle();
    journal.inject(Fault::Full);
    let order = "order:shop:9".parse().unwrap();
    let lost = handle.erase(&order).await.unwrap_err();
    assert_eq!(lost, AskError::Unknown);
    let refused = ask(&handle, sku(0), Command::Read).await.unwrap_err();
    assert!(matches!(refused, AskError::Unavailable(_)), "{refused:?}");
    assert!(handle.trouble().is_some());
    until("work resumes", async || {
        let asked = ask(&handle, sku(0), Command::Read).await;
        !matches!(asked, Err(AskError::Unavailable(_)))
    })
    .await;
    assert!(handle.trouble().is_some(), "nothing has been written yet");
    ask(&handle, sku(0), define(0)).await.unwrap();
    assert_eq!(handle.trouble(), None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_was_taken_is_left_alone() {
    let journal = journal();
    let node = start(&journal, Options::new(1)).await;
    let handle = node.handle();
    let before = handle.live_entities();
    let order: EntityId = "order:shop:1".parse().unwrap();
    journal.inject(Fault::Refuse(order.shard()));
    let lost = ask(&handle, order.clone(), sold(0)).await.unwrap_err();
    assert!(!matches!(lost, AskError::Rejected(_)), "{lost:?}");
    let refused = ask(&handle, order, Command::Read).await.unwrap_err();
    assert!(matches!(refused, AskError::Unavailable(_)), "{refused:?}");
    until("its entity is not brought to life any more", async || {
        handle.live_entities() <= before + 1
    })
    .await;
    node.stop().await;
}

/// Callers at a node that stops, and at one whose flush failed, hear so.
#[tokio::test(flavor = "multi_thread")]
async fn no_caller_is_left_waiting_when_the_committer_ends() {
    for fails in [false, true] {
        let journal = journal();
        let node = start(&journal, Options::new(1)).await;
        journal.set_flush(Wait::from_millis(30));
        let callers = (0..200).map(|number| {
            let handle = node.handle();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let _ = ask(&handle, sku(number), adjust(1)).await;
                    let _ = ask(&handle, sku(number), sold(0)).await;
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        let commits = journal.commits();
        until("they are in the midst of it", async || {
            journal.commits() >= commits + 3
        })
        .await;
        match fails {
            true => journal.inject(Fault::Unknown { written: false }),
            false => node.stop().await,
        }
        for caller in callers {
            caller.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_shed_when_the_disk_does_not_follow() {
    let journal = journal();
    let mut options = Options::new(1);
    options.steps_max = 50;
    let node = start(&journal, options).await;
    let handle = node.handle();
    let call = |number: usize| {
        let handle = handle.clone();
        tokio::spawn(async move {
            let (mut done, mut shed) = (0, 0);
            for round in 0..10 {
                let command = define(number * 10 + round);
                match ask(&handle, sku(number % 100), command).await {
                    Ok(_) => done += 1,
                    Err(AskError::Overloaded { .. }) => shed += 1,
                    Err(other) => panic!("{other}"),
                }
                tokio::time::sleep(Wait::from_millis(1)).await;
            }
            (done, shed)
        })
    };
    let some_are_shed = async || handle.metrics().shed.get() > 0;
    for number in 0..100 {
        ask(&handle, sku(number), define(0)).await.unwrap();
    }
    // With one at the disk nothing leaves the queue, nor is any other entity brought to life.
    let hold = journal.hold();
    let mut callers = vec![call(0)];
    until("a flush is under way", async || journal.held() == 1).await;
    callers.extend((1..100).map(call));
    until("there is no more room", async || {
        handle.waiting_steps() >= 50 || some_are_shed().await
    })
    .await;
    callers.extend((100..500).map(call));
    until("some are shed", some_are_shed).await;
    drop(hold);
    let (mut done, mut shed) = (0, 0);
    for caller in callers {
        let (more_done, more_shed) = caller.await.unwrap();
        done += more_done;
        shed += more_shed;
    }
    assert!(done > 0 && shed > 0, "{done} done, {shed} shed");
    node.stop().await;
}

/// While the disk does not follow, doors close one after the other: what is sold is still taken in when nobody else is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sold_already_is_shed_last() {
    let journal = journal();
    let mut options = Options::new(1);
    options.steps_max = 100;
    let node = start(&journal, options).await;
    let handle = node.handle();
    for number in 0..101 {
        ask(&handle, sku(number), define(0)).await.unwrap();
    }
    let mut waiting = Vec::new();
    let ask_for = |number: usize, class| {
        let handle = handle.clone();
        tokio::spawn(async move {
            let by = by().of(class);
            handle.ask(sku(number), define(1), by).await
        })
    };
    // With that one at the disk nothing leaves the queue, so that it fills one by one.
    let hold = journal.hold();
    waiting.push(ask_for(0, Class::ChannelOrder));
    until("a flush is under way", async || journal.held() == 1).await;
    let classes = [Class::Import, Class::AskFirst, Class::ChannelOrder];
    let mut taken_in = Vec::new();
    for class in classes {
        loop {
            let steps = handle.waiting_steps();
            let asked = ask_for(waiting.len(), class);
            until("it is taken in or shed", async || {
                asked.is_finished() || handle.waiting_steps() > steps
            })
            .await;
            if asked.is_finished() {
                let shed = asked.await.unwrap();
                assert!(matches!(shed, Err(AskError::Overloaded { .. })), "{shed:?}");
                break;
            }
            waiting.push(asked);
        }
        taken_in.push(waiting.len());
    }
    assert!(taken_in.is_sorted() && taken_in[0] < taken_in[1] && taken_in[1] < taken_in[2]);
    drop(hold);
    for asked in waiting {
        asked.await.unwrap().unwrap();
    }
    node.stop().await;
}

/// A command that an order refuses outright, and that makes none, leaves nothing of the buyer it came with.
#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_without_an_order_is_not_kept() {
    let journal = journal();
    let node = start(&journal, Options::new(1)).await;
    let handle = node.handle();
    let free = || Command::Order(OrderCommand::Free);
    for version in [0, 7] {
        let refused = handle.ask_with_buyer(order(1), Some(ada(version)), free(), by());
        let refused = refused.await;
        let is_refused = matches!(refused, Err(AskError::Rejected(Rejection::NotFound(_))));
        assert!(is_refused, "{refused:?}");
        until("it is dropped", async || {
            journal.vault("order:shop:1", version).unwrap().is_none()
        })
        .await;
    }
    let taken = handle.ask_with_buyer(order(1), Some(ada(0)), sold(0), by());
    taken.await.unwrap();
    node.stop().await;
    assert!(journal.vault("order:shop:1", 0).unwrap().is_some());
}

fn ada(version: u64) -> Personal {
    Personal {
        version,
        stated_at: Timestamp::from_ms(1),
        buyer: "ada".to_owned(),
        entry: VaultEntry {
            body: b"Ada".to_vec(),
            terms: Vec::new(),
        },
    }
}

/// What a sale needs to know first comes through its own door: with so little room nobody ever may read, but what is
/// sold is taken in, buyer and all, whenever nothing else waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_taken_in_while_nobody_may_read() {
    let mut options = Options::new(1);
    options.steps_max = 1;
    let node = start(&journal(), options).await;
    let handle = node.handle();
    until("the order is taken in", async || {
        let (buyer, by) = (Some(ada(0)), by().of(Class::ChannelOrder));
        let told = handle.ask_with_buyer(order(1), buyer, sold(0), by);
        told.await.is_ok()
    })
    .await;
    until("it is read for what is sold", async || {
        handle.read_through(Door::Sold, order(1)).await.is_ok()
    })
    .await;
    let read = handle.read(order(1)).await;
    assert!(matches!(read, Err(AskError::Overloaded { .. })), "{read:?}");
    node.stop().await;
}
