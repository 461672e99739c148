//! A node whose actors crash, whose disk fills up, whose shards are taken: nothing hangs, nothing grows.
#![allow(clippy::unwrap_used, reason = "a test target")]

use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_journal::{Journal, MemoryJournal};
use crossdock_model::command::{Command, SkuCommand};
use crossdock_model::{CredentialId, EntityId, LocationId, SkuId, Timestamp};
use crossdock_runtime::{
    AskError, By, Clock, Handle, Node, Options, RealClock, Reply, Unconnected,
};

fn by() -> By {
    By::new(CredentialId::new("test").unwrap())
}

fn journal() -> Arc<MemoryJournal> {
    Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1)))
}

async fn start(journal: &Arc<MemoryJournal>, options: Options) -> Node {
    let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
    let journal: Arc<dyn Journal> = Arc::clone(journal) as Arc<dyn Journal>;
    Node::start(journal, clock, Arc::new(Unconnected), options, |_| {})
        .await
        .unwrap()
}

fn sku(number: usize) -> EntityId {
    EntityId::Sku(SkuId::new(format!("S{number}")).unwrap())
}

/// A delta of 13 crashes the actor where a test plants that.
fn adjust(delta: i64) -> Command {
    Command::Sku(SkuCommand::Adjust {
        location: LocationId::new("reno").unwrap(),
        delta,
        reason: "test".to_owned(),
    })
}

fn crashing() -> Options {
    let mut options = Options::new(1);
    options.crash_on = Some(|_, command| *command == adjust(13));
    options
}

/// An answer within ten seconds, whatever it says.
async fn ask(handle: &Handle, to: EntityId, command: Command) -> Result<Reply, AskError> {
    tokio::time::timeout(Wait::from_secs(10), handle.ask(to, command, by()))
        .await
        .unwrap()
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
