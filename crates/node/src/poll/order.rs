//! Reads one order. One that cannot be read keeps no other waiting: it is tried again by itself, and until it is read
//! nothing is proven.

use crossdock_channels::CallError;
use crossdock_model::answer::OrderSummary;
use crossdock_model::command::ExceptionCommand;
use crossdock_model::{Answer, EntityId, ExternalId, OrderId, Timestamp};
use crossdock_runtime::{AskError, Door};

use super::standing::{Awaited, Heard};
use super::{Poller, Progress, SECOND, Unread, jittered};

/// Kind of the exception about an order that cannot be read.
const UNREADABLE: &str = "unreadable";
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
        let (needs_reading, heard) = self.needs_reading(order, updated_at).await;
        let mut delivery = None;
        if needs_reading {
            let read = match self.link.orders.orders.order(order.clone()).await {
                Ok(read) => read,
                Err(error @ CallError::Throttled { .. }) => return Err(error.into()),
                Err(error) => {
                    self.fail(progress, order, updated_at, &error).await;
                    return Ok(Err(error));
                }
            };
            delivery = read.told.as_ref().map(|told| told.delivery_id.clone());
            if let Some(told) = read.told {
                self.store(told).await?;
            }
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
    async fn needs_reading(&self, order: &ExternalId, updated_at: Timestamp) -> (bool, Heard) {
        let (read, heard) = (&self.link.orders.read, self.heard(updated_at));
        match self.known(order).await.ok().flatten() {
            Some(known) if known.updated_at > updated_at + SECOND => return (false, Heard::Whole),
            Some(known) if known.updated_at >= updated_at => match known.tied {
                _ if heard != Heard::Whole => return (false, Heard::Early),
                true => read.take().await,
                false if read.try_take() => {}
                false => return (false, Heard::Early),
            },
            Some(_) | None => read.take().await,
        }
        (true, heard)
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
            self.tell(self.unreadable_order(order, error)).await;
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
        for order in due {
            let Some(waits) = progress.standing.of(&order) else {
                progress.failing.remove(&order);
                continue;
            };
            let updated_at = waits.updated_at;
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

    fn unreadable_order(&self, order: &ExternalId, error: &CallError) -> ExceptionCommand {
        let channel = &self.link.channel;
        let cause = format!(
            "{channel} lists order {order} as changed, and it cannot be read: {error}. What it says is not known here, \
             and numbers that must not rise before that is known stay down. It is tried again all the time."
        );
        let subject = format!("order:{channel}:{order}");
        ExceptionCommand::open(UNREADABLE, &subject, cause)
    }

    fn readable_order(&self, order: &ExternalId) -> ExceptionCommand {
        let subject = format!("order:{}:{order}", self.link.channel);
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
