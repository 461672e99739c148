//! Reads orders that the channel said have changed: each once, however often that was said, as the budget of single orders
//! allows.
//!
//! The channel's lists have these orders too, only later: what is known by the time that its turn comes is not read, and what
//! cannot be read is left to the lists. So nothing here is needed for a proof, and nothing waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossdock_channels::Told;
use crossdock_model::command::ChannelCommand;
use crossdock_model::v1::OrderChange;
use crossdock_model::{Answer, Command, EntityId, ExternalId, Timestamp};
use crossdock_runtime::AskError;

use super::{PAUSE, Poller, Unread, pause};

/// Times that an order is tried to be read.
const TRIES_MAX: u32 = 5;
/// Orders of which it is remembered that they were read.
const READ_MAX: usize = 1_000;

/// What is remembered of reading as long as it goes on.
#[derive(Default)]
struct Memory {
    /// Orders that were read lately, as of the change that they were read for: what was read may not be told to them yet.
    read: BTreeMap<ExternalId, Timestamp>,
    /// How often orders could not be read.
    tries: BTreeMap<ExternalId, u32>,
    /// The same of all of them in a row.
    failures: u32,
}

impl Poller {
    /// Reads them one after the other; never ends.
    pub(super) async fn read_changes(self: Arc<Self>) {
        let mut memory = Memory::default();
        loop {
            let changes = self.changes().await;
            if changes.is_empty() {
                memory.tries.clear();
                self.link.changed.notified().await;
                continue;
            }
            let (mut known, mut unread) = (Vec::new(), Vec::new());
            for change in changes {
                match self.is_known(&memory, &change).await {
                    true => known.push(change),
                    false => unread.push(change),
                }
            }
            self.end(known).await;
            for change in unread {
                self.read_change(&mut memory, change).await;
            }
        }
    }

    /// The oldest of them, once the channel is connected.
    async fn changes(&self) -> Vec<OrderChange> {
        loop {
            match self.ask_channel(ChannelCommand::LookChanges).await {
                Ok(Answer::Changes(changes)) => return changes,
                Ok(_) | Err(_) => self.clock.sleep(PAUSE).await,
            }
        }
    }

    async fn ask_channel(&self, command: ChannelCommand) -> Result<Answer, AskError> {
        let channel = EntityId::Channel(self.link.channel.clone());
        let command = Command::Channel(command);
        let asked = self.handle.ask(channel, command, self.by.clone());
        Ok(asked.await?.answer)
    }

    async fn is_known(&self, memory: &Memory, change: &OrderChange) -> bool {
        let is_in = |known: &Timestamp| *known >= change.changed_at;
        if memory.read.get(&change.order).is_some_and(is_in) {
            return true;
        }
        // What the order itself cannot answer is read.
        let known = self.known(&change.order).await.ok().flatten();
        known.is_some_and(|known| is_in(&known.updated_at))
    }

    async fn read_change(&self, memory: &mut Memory, change: OrderChange) {
        self.link.orders.read.take().await;
        let order = &change.order;
        let Err(error) = self.read_order(order).await else {
            memory.failures = 0;
            memory.tries.remove(order);
            if memory.read.len() >= READ_MAX {
                memory.read.clear();
            }
            memory.read.insert(order.clone(), change.changed_at);
            return self.end(vec![change]).await;
        };
        memory.failures = memory.failures.saturating_add(1);
        let tries = memory.tries.get(order).copied().unwrap_or(0) + 1;
        memory.tries.insert(order.clone(), tries);
        let channel = &self.link.channel;
        tracing::warn!(%channel, %order, %error, tries, "an order that has changed could not be read");
        if tries >= TRIES_MAX {
            memory.tries.remove(order);
            self.end(vec![change]).await;
        }
        self.clock.sleep(pause(&error, memory.failures)).await;
    }

    /// Reads an order and stores what there is of it. Its name is not that of what a list says, which may be written
    /// otherwise.
    async fn read_order(&self, order: &ExternalId) -> Result<(), Unread> {
        let read = self.link.orders.orders.order(order.clone()).await?;
        if let Some(told) = read.told {
            let now = self.clock.now().as_ms();
            let delivery_id = format!("changed/{order}/{now}");
            self.store(Told {
                delivery_id,
                ..told
            })
            .await?;
        }
        Ok(())
    }

    /// They are to be read no more. Where that cannot be noted now they are looked at again.
    async fn end(&self, changes: Vec<OrderChange>) {
        if changes.is_empty() {
            return;
        }
        let ended = self.ask_channel(ChannelCommand::EndChanges(changes)).await;
        if let Err(error) = ended {
            tracing::debug!(channel = %self.link.channel, %error, "that orders are read was not noted");
            self.clock.sleep(PAUSE).await;
        }
    }
}
