//! Reads one order. One that cannot be read keeps no other waiting: it is tried again by itself, and until it is read
//! nothing is proven.

use std::collections::BTreeSet;

use crossdock_channels::CallError;
use crossdock_logic::channel::UNREADABLE;
use crossdock_model::answer::OrderSummary;
use crossdock_model::command::ExceptionCommand;
use crossdock_model::{Answer, EntityId, ExternalId, OrderId, Timestamp};
use crossdock_runtime::{AskError, Door};

use super::standing::{Awaited, Heard};
use super::{Poller, Progress, SECOND, Unread, jittered};

/// Times that reading an order fails before somebody has to look.
const TOLD_AFTER: u32 = 2;
/// Orders that are tried again in one go.
const AGAIN_MAX: usize = 10;

/// An order that could not be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Failing {
    failures: u32,
    /// When it is tried again.
    pub again_at: Timestamp,
    /// Whether the exception about it was opened.
    is_told: bool,
}

/// Whether a state has to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It is known.
    No,
    /// It is known, and what else happened in the same second may not be.
    Spare,
    Yes,
}

impl Poller {
    /// Reads an order of which a list says that it changed then, and waits until it is placed. The inner error is about
    /// this order, which is tried again; the outer keeps all of them from being read.
    pub(super) async fn hear(
        &self,
        progress: &mut Progress,
        order: &ExternalId,
        updated_at: Timestamp,
    ) -> Result<Result<(), CallError>, Unread> {
        let (need, mut heard) = self.need(order, updated_at).await;
        let mut told = None;
        if need != Need::No {
            match self.link.orders.orders.order(order.clone()).await {
                Ok(read) => told = read.told,
                Err(error @ CallError::Throttled { .. }) => return Err(error.into()),
                // What is known is enough to place it.
                Err(_) if need == Need::Spare => heard = Heard::Early,
                Err(error) => {
                    self.fail(progress, order, updated_at, &error).await;
                    return Ok(Err(error));
                }
            }
        }
        let delivery = told.as_ref().map(|told| told.delivery_id.clone());
        if let Some(told) = told {
            self.store(told).await?;
        }
        // An exception that stays open when it is over would be worse than to read the order once more.
        let is_failing = progress.failing.contains_key(order);
        if !is_failing || self.tell(self.readable_order(order)).await {
            progress.failing.remove(order);
            progress.standing.wait_for(Awaited {
                order: Some(order.clone()),
                updated_at,
                delivery,
                heard,
            });
        }
        Ok(Ok(()))
    }

    /// Whether a state has to be read, and how much of it is heard with that. One that is known is read only if something
    /// else may have happened in the same second: surely if two statements of that time differ, and else if nobody else
    /// needs the calls. What the call costs is taken. What the order itself cannot answer is read.
    async fn need(&self, order: &ExternalId, updated_at: Timestamp) -> (Need, Heard) {
        let (read, heard) = (&self.link.orders.read, self.heard(updated_at));
        match self.known(order).await.ok().flatten() {
            Some(known) if known.updated_at > updated_at + SECOND => {
                return (Need::No, Heard::Whole);
            }
            Some(known) if known.updated_at >= updated_at => match known.tied {
                _ if heard != Heard::Whole => return (Need::No, Heard::Early),
                true => read.take().await,
                false if read.try_take() => return (Need::Spare, heard),
                false => return (Need::No, Heard::Early),
            },
            Some(_) | None => read.take().await,
        }
        (Need::Yes, heard)
    }

    /// Nothing is proven until it is read. It is told when the list can be read and this order cannot, again and again.
    async fn fail(
        &self,
        progress: &mut Progress,
        order: &ExternalId,
        updated_at: Timestamp,
        error: &CallError,
    ) {
        progress.standing.wait_for(Awaited {
            order: Some(order.clone()),
            updated_at,
            delivery: None,
            heard: Heard::Unread,
        });
        let failing = progress.failing.entry(order.clone()).or_default();
        failing.failures = failing.failures.saturating_add(1);
        failing.again_at = self.clock.now() + jittered(failing.failures);
        tracing::warn!(channel = %self.link.channel, %order, %error, "an order could not be read; tried again");
        if failing.failures >= TOLD_AFTER && progress.failures == 0 {
            let is_told = self.tell(self.unreadable_order(order, error)).await;
            if let Some(failing) = progress.failing.get_mut(order) {
                failing.is_told |= is_told;
            }
        }
    }

    /// Tries again to read what could not be read, as far as it is due.
    pub(super) async fn hear_again(&self, progress: &mut Progress) {
        let now = self.clock.now();
        let due = progress.failing.iter();
        let due = due.filter(|(_, failing)| failing.again_at <= now);
        let due: Vec<_> = due
            .map(|(order, _)| order.clone())
            .take(AGAIN_MAX)
            .collect();
        let open = self.unreadable_orders().await;
        for order in due {
            let Some(waits) = progress.standing.of(&order) else {
                progress.failing.remove(&order);
                continue;
            };
            let updated_at = waits.updated_at;
            let is_told = progress.failing.get(&order).is_some_and(|it| it.is_told);
            let is_open = |open: &BTreeSet<String>| open.contains(&self.subject(&order));
            if is_told && open.as_ref().is_some_and(|open| !is_open(open)) {
                self.give_up(progress, order, updated_at);
                continue;
            }
            let heard = self.hear(progress, &order, updated_at).await;
            if let Some(failing) = progress.failing.get_mut(&order) {
                let pause = jittered(failing.failures.max(1));
                failing.again_at = failing.again_at.max(self.clock.now() + pause);
            }
            if let Err(error) = heard {
                tracing::warn!(channel = %self.link.channel, %error, "orders could not be read; tried again");
                return;
            }
            progress.next_look = now;
        }
    }

    /// A person resolved it: what it says is not waited for any more, unless it is changed again.
    fn give_up(&self, progress: &mut Progress, order: ExternalId, updated_at: Timestamp) {
        tracing::warn!(channel = %self.link.channel, %order, "an order is not read: a person resolved its exception");
        progress.failing.remove(&order);
        progress.standing.forget(&order);
        progress.placed.insert(order, updated_at);
        progress.next_look = self.clock.now();
    }

    /// Of which it is open that they cannot be read, by the subjects of their exceptions. `None`: nobody knows.
    async fn unreadable_orders(&self) -> Option<BTreeSet<String>> {
        let channel = EntityId::Channel(self.link.channel.clone());
        match self.handle.read(channel).await.map(|reply| reply.answer) {
            Ok(Answer::Channel { unreadable, .. }) => Some(unreadable),
            Ok(_) | Err(_) => None,
        }
    }

    fn subject(&self, order: &ExternalId) -> String {
        format!("order:{}:{order}", self.link.channel)
    }

    fn unreadable_order(&self, order: &ExternalId, error: &CallError) -> ExceptionCommand {
        let channel = &self.link.channel;
        let cause = format!(
            "{channel} lists order {order} as changed, and it cannot be read: {error}. What it says is not known here, \
             and numbers that must not rise before that is known stay down. It is tried again all the time, until this is \
             resolved: then it is given up, and what it sold is to be seen to by hand."
        );
        let subject = self.subject(order);
        ExceptionCommand::open(UNREADABLE, &subject, cause)
    }

    fn readable_order(&self, order: &ExternalId) -> ExceptionCommand {
        let subject = self.subject(order);
        let how = "the order is read";
        ExceptionCommand::close(UNREADABLE, &subject, how)
    }

    /// The order as it is here.
    pub(super) async fn known(&self, order: &ExternalId) -> Result<Option<OrderSummary>, AskError> {
        let order = OrderId {
            channel: self.link.channel.clone(),
            external: order.clone(),
        };
        let read = self
            .handle
            .read_through(Door::Sold, EntityId::Order(order))
            .await;
        match read.map(|reply| reply.answer) {
            Ok(Answer::Order(known)) => Ok(Some(*known)),
            Ok(_) | Err(AskError::Rejected(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
