//! One round of reading: a list, page by page; what is not known goes into the inbox.

use std::collections::BTreeMap;

use crossdock_channels::{CallError, Listed, Told};
use crossdock_journal::{InboxId, InboxInsert, InboxState};
use crossdock_model::answer::OrderSummary;
use crossdock_model::{Answer, Duration, EntityId, ExternalId, OrderId, Timestamp};
use crossdock_runtime::{AskError, Door};

use super::standing::Awaited;
use super::{LOOK_MAX, LOOK_MIN, Poller, Progress, Unread};

/// What is told of one second may have come in any order: an order is read once more when that is over.
const SECOND: Duration = Duration::from_s(1);
/// Pause before a delivery is stored again that an overloaded node did not take.
const STORE_AGAIN: Duration = Duration::from_ms(250);
/// Times it is tried.
const STORE_TRIES: u32 = 20;

impl Poller {
    /// Reads what changed since the last round.
    pub(super) async fn read(&self, progress: &mut Progress) -> Result<(), Unread> {
        let link = &self.link.orders;
        let mut looked_until = self.clock.now();
        let mut listed = BTreeMap::new();
        loop {
            link.list.take().await;
            let cursor = progress.standing.cursor.clone();
            let page = link.orders.changed(cursor).await?;
            link.list.correct(page.points_left);
            looked_until = looked_until.min(page.looked_until.unwrap_or(Timestamp::MAX));
            for order in page.orders {
                self.take(progress, &mut listed, order).await?;
            }
            // All of the page is stored: only now it is behind us.
            progress.standing.cursor = page.cursor;
            self.keep(progress).await;
            if page.is_last {
                break;
            }
        }
        progress.placed = listed;
        progress.read_up_to = looked_until - link.pace.late;
        progress.look_pause = LOOK_MIN;
        self.look(progress).await;
        Ok(())
    }

    /// Stores what a list says of an order, unless it is known; it is waited for until it is placed.
    async fn take(
        &self,
        progress: &mut Progress,
        listed: &mut BTreeMap<ExternalId, Timestamp>,
        order: Listed,
    ) -> Result<(), Unread> {
        let (named, told) = match order {
            Listed::Named { order, updated_at } => (Some((order, updated_at)), None),
            Listed::Stated { order, told } => (order, Some(told)),
        };
        let is_placed = |(order, at): &(ExternalId, Timestamp)| {
            progress.placed.get(order).is_some_and(|known| known >= at)
        };
        if let Some((order, updated_at)) = named.clone().filter(is_placed) {
            listed.insert(order, updated_at);
            return Ok(());
        }
        let told = match (told, &named) {
            (None, Some((order, updated_at))) => self.read_order(order, *updated_at).await?,
            (told, _) => told,
        };
        let delivery = told.as_ref().map(|told| told.delivery_id.clone());
        if let Some(told) = told {
            self.store(told).await?;
        }
        let (order, updated_at) = named.unzip();
        progress.standing.wait_for(Awaited {
            order,
            updated_at: updated_at.unwrap_or_default(),
            delivery,
        });
        Ok(())
    }

    /// Reads an order of which a list says that it changed then. One of which that is known is read only if something
    /// else may have happened in the same second: surely if two statements of that time differ, and else if nobody else
    /// needs the calls.
    async fn read_order(
        &self,
        order: &ExternalId,
        updated_at: Timestamp,
    ) -> Result<Option<Told>, Unread> {
        let read = &self.link.orders.read;
        match self.known(order).await? {
            Some(known) if known.updated_at > updated_at => return Ok(None),
            Some(known) if known.updated_at == updated_at => {
                let is_over = self.clock.now() > updated_at + SECOND;
                match known.tied {
                    _ if !is_over => return Ok(None),
                    true => read.take().await,
                    false if read.try_take() => {}
                    false => return Ok(None),
                }
            }
            Some(_) | None => read.take().await,
        }
        match self.link.orders.orders.order(order.clone()).await {
            Ok(answer) => {
                read.correct(answer.points_left);
                Ok(answer.told)
            }
            // The list was read a moment ago: it is about this order, and the others need not wait for it.
            Err(CallError::NotDone(problem)) => {
                self.tell(self.unreadable_order(order, &problem)).await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn store(&self, told: Told) -> Result<(), AskError> {
        let delivery = InboxInsert {
            id: InboxId {
                channel: self.link.channel.clone(),
                delivery: told.delivery_id,
            },
            received_at: self.clock.now(),
            topic: told.topic.to_owned(),
            headers: Vec::new(),
            body: told.body,
        };
        let mut tries = 0;
        loop {
            match self.handle.receive(delivery.clone()).await {
                Err(AskError::Overloaded { .. } | AskError::Unknown) if tries < STORE_TRIES => {
                    tries += 1;
                    self.clock.sleep(STORE_AGAIN).await;
                }
                stored => return stored.map(drop),
            }
        }
    }

    /// Looks what of all that was read is placed.
    pub(super) async fn look(&self, progress: &mut Progress) {
        let mut still = BTreeMap::new();
        for (name, awaited) in std::mem::take(&mut progress.standing.awaited) {
            if !self.is_settled(&awaited).await.unwrap_or(false) {
                still.insert(name, awaited);
            } else if let Some(order) = awaited.order {
                progress.placed.insert(order, awaited.updated_at);
            }
        }
        progress.standing.awaited = still;
        progress.next_look = self.clock.now() + progress.look_pause;
        progress.look_pause = Duration::from_ms(progress.look_pause.as_ms() * 2).min(LOOK_MAX);
        if progress.standing.awaited.is_empty() {
            progress.proven = progress.proven.max(progress.read_up_to);
        }
    }

    /// Whether an order is placed, with what was read of it; or somebody gave up what was read.
    async fn is_settled(&self, awaited: &Awaited) -> Result<bool, AskError> {
        let known = match &awaited.order {
            Some(order) => self.known(order).await?,
            None => None,
        };
        let is_heard = |known: &OrderSummary| known.updated_at >= awaited.updated_at;
        if known.as_ref().is_some_and(is_heard) || self.is_worked_off(awaited).await? {
            return Ok(known.is_none_or(|known| known.placed));
        }
        Ok(false)
    }

    /// Whether nobody works on what was stored any more.
    async fn is_worked_off(&self, awaited: &Awaited) -> Result<bool, AskError> {
        let Some(delivery) = awaited.delivery.clone() else {
            return Ok(true);
        };
        let channel = self.link.channel.clone();
        let id = InboxId { channel, delivery };
        let row = self
            .handle
            .journal_read(move |journal| journal.inbox_row(&id));
        Ok(row.await?.is_none_or(|row| row.state == InboxState::Done))
    }

    /// The order as it is here.
    async fn known(&self, order: &ExternalId) -> Result<Option<OrderSummary>, AskError> {
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
