//! One round of reading: a list, page by page; what is not known goes into the inbox.

use std::collections::BTreeMap;
use std::ops::Bound;

use crossdock_channels::{Listed, Told};
use crossdock_journal::{InboxId, InboxInsert, InboxState};
use crossdock_model::answer::OrderSummary;
use crossdock_model::{Duration, ExternalId, Timestamp};
use crossdock_runtime::AskError;

use super::standing::{Awaited, Heard};
use super::{LOOK_MAX, LOOK_MIN, Poller, Progress, SECOND, Unread};

/// Pause before a delivery is stored again that an overloaded node did not take.
const STORE_AGAIN: Duration = Duration::from_ms(250);
/// Times it is tried.
const STORE_TRIES: u32 = 20;
/// Orders in a row that cannot be read after which it is taken to be the channel, and not the orders.
const FAILED_MAX: u32 = 3;
/// Orders at which it is looked at once whether they are placed.
const LOOKS_MAX: usize = 100;

/// What a round has found so far.
#[derive(Default)]
struct Round {
    /// Listed orders that are placed.
    placed: BTreeMap<ExternalId, Timestamp>,
    /// Orders in a row that could not be read.
    failed: u32,
}

impl Poller {
    /// Reads what changed since the last round. What the first page costs is taken.
    pub(super) async fn read(&self, progress: &mut Progress) -> Result<(), Unread> {
        let link = &self.link.orders;
        let mut looked_until = self.clock.now();
        let mut round = Round::default();
        loop {
            let cursor = progress.standing.cursor.clone();
            let page = link.orders.changed(cursor).await?;
            link.list.correct(page.points_left);
            looked_until = looked_until.min(page.looked_until.unwrap_or(Timestamp::MAX));
            for order in page.orders {
                self.take(progress, &mut round, order).await?;
            }
            // All of the page is stored: only now it is behind us.
            progress.standing.cursor = page.cursor;
            self.keep(progress).await;
            if page.is_last {
                break;
            }
            link.list.take().await;
        }
        progress.placed = round.placed;
        progress.read_up_to = looked_until - link.pace.late;
        progress.look_pause = LOOK_MIN;
        self.look(progress).await;
        Ok(())
    }

    /// Stores what a list says of an order, unless it is known; it is waited for until it is placed.
    async fn take(
        &self,
        progress: &mut Progress,
        round: &mut Round,
        order: Listed,
    ) -> Result<(), Unread> {
        match order {
            Listed::Named { order, updated_at } => {
                self.take_named(progress, round, order, updated_at).await
            }
            Listed::Stated { order, told } => {
                let is_placed = |(order, at): &(ExternalId, Timestamp)| {
                    progress.placed.get(order).is_some_and(|known| known >= at)
                };
                if let Some((order, at)) = order.clone().filter(is_placed) {
                    round.placed.insert(order, at);
                    return Ok(());
                }
                let (order, updated_at) = order.unzip();
                let updated_at = updated_at.unwrap_or_default();
                let heard = self.heard(updated_at);
                let delivery = Some(told.delivery_id.clone());
                self.store(told).await?;
                progress.standing.wait_for(Awaited {
                    order,
                    updated_at,
                    delivery,
                    heard,
                });
                Ok(())
            }
        }
    }

    async fn take_named(
        &self,
        progress: &mut Progress,
        round: &mut Round,
        order: ExternalId,
        updated_at: Timestamp,
    ) -> Result<(), Unread> {
        let is_placed = progress.placed.get(&order);
        if is_placed.is_some_and(|known| *known >= updated_at) {
            round.placed.insert(order, updated_at);
            return Ok(());
        }
        if progress.failing.contains_key(&order) {
            // It has its own turn.
            progress.standing.wait_for(Awaited {
                order: Some(order),
                updated_at,
                delivery: None,
                heard: Heard::Unread,
            });
            return Ok(());
        }
        let waits = progress.standing.of(&order);
        let is_whole = |waits: &Awaited| waits.heard == Heard::Whole;
        if waits.is_some_and(|waits| is_whole(waits) && waits.updated_at >= updated_at) {
            return Ok(());
        }
        match self.hear(progress, &order, updated_at).await? {
            Ok(()) => round.failed = 0,
            Err(error) => {
                round.failed += 1;
                if round.failed >= FAILED_MAX {
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// What a read now hears of a state of that time.
    pub(super) fn heard(&self, updated_at: Timestamp) -> Heard {
        match self.clock.now() > updated_at + SECOND {
            true => Heard::Whole,
            false => Heard::Early,
        }
    }

    pub(super) async fn store(&self, told: Told) -> Result<(), AskError> {
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

    /// Looks what of all that was read is placed, some of it at a time.
    pub(super) async fn look(&self, progress: &mut Progress) {
        let from = progress.looked.take();
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = progress.standing.awaited.range((from, Bound::Unbounded));
        let rest = rest.take(LOOKS_MAX);
        let some: Vec<_> = rest
            .map(|(name, one)| (name.clone(), one.clone()))
            .collect();
        let last = some.last().map(|(name, _)| name.clone());
        progress.looked = last.filter(|_| some.len() == LOOKS_MAX);
        for (name, awaited) in some {
            if !self.is_settled(&awaited).await.unwrap_or(false) {
                continue;
            }
            progress.standing.awaited.remove(&name);
            let is_whole = awaited.heard == Heard::Whole;
            if let Some(order) = awaited.order.filter(|_| is_whole) {
                progress.placed.insert(order, awaited.updated_at);
            }
        }
        progress.next_look = self.clock.now();
        if progress.looked.is_none() {
            progress.next_look = progress.next_look + progress.look_pause;
            progress.look_pause = Duration::from_ms(progress.look_pause.as_ms() * 2).min(LOOK_MAX);
        }
        if progress.standing.awaited.is_empty() {
            progress.proven = progress.proven.max(progress.read_up_to);
        }
    }

    /// Whether an order is placed, with what was read of it; or somebody gave up what was read.
    async fn is_settled(&self, awaited: &Awaited) -> Result<bool, AskError> {
        if awaited.heard == Heard::Unread {
            return Ok(false);
        }
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
}
