//! One round of reading: a list, page by page; what is not known goes into the inbox.

use std::collections::BTreeMap;

use crossdock_channels::{Listed, Told};
use crossdock_journal::{InboxId, InboxRow, InboxState};
use crossdock_model::answer::OrderSummary;
use crossdock_model::{Duration, ExternalId, Timestamp};
use crossdock_runtime::AskError;

use super::standing::{Awaited, Heard};
use super::{Poller, Progress, SECOND, Unread};
use crate::ingest::read_delivery;

/// Pause before a delivery is stored again that an overloaded node did not take.
const STORE_AGAIN: Duration = Duration::from_ms(250);
/// Times it is tried.
const STORE_TRIES: u32 = 20;
/// Orders in a row that cannot be read after which it is taken to be the channel, and not the orders.
const FAILED_MAX: u32 = 3;

/// A delivery that was tried so often is stuck.
const TRIES_MAX: u32 = 10;

/// How far an order is that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placing {
    /// Taken off stock, waiting for it, or over.
    Placed,
    /// It is being told to its order.
    WorkedOn,
    /// Somebody has to see to it, or its order cannot get on: what it takes is not known for long.
    Stuck,
}

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
        let late = link.pace.late;
        let mut read_up_to = self.clock.now() - late;
        let mut round = Round::default();
        loop {
            let cursor = progress.standing.cursor.clone();
            let page = link.orders.changed(cursor).await?;
            let looked_until = page.looked_until.unwrap_or(Timestamp::MAX);
            read_up_to = read_up_to.min(match page.is_whole {
                true => looked_until,
                false => looked_until - late,
            });
            for order in page.orders {
                self.take(progress, &mut round, order).await?;
            }
            // All of the page is stored: only now it is behind us.
            progress.standing.cursor = page.cursor;
            let theirs = &mut progress.standing.theirs;
            *theirs = theirs.take().or(page.theirs);
            if page.is_last {
                break;
            }
            self.keep(progress).await;
            if let Some(full) = self.full(progress) {
                return Err(full);
            }
            self.take_page(progress).await;
        }
        progress.placed = round.placed;
        progress.read_up_to = read_up_to;
        progress.looks.hurry();
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
            // It takes nothing off our stock, whenever it is known.
            Listed::Stated {
                told,
                is_theirs: true,
                ..
            } => Ok(self.store(told).await?),
            Listed::Stated { order, told, .. } => {
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
        let delivery = read_delivery(&self.link.channel, told, self.clock.now());
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
        if progress.looks.is_whole() {
            progress.settles = Some(progress.read_up_to);
        }
        for (name, awaited) in progress.looks.next(&progress.standing.awaited) {
            if progress.standing.awaited.get(&name) != Some(&awaited) {
                // It was waited for as it was before, and is no more.
                progress.looks.note(&name, &awaited, false);
                continue;
            }
            let placing = self.placing(&awaited).await.unwrap_or(Placing::WorkedOn);
            progress
                .looks
                .note(&name, &awaited, placing == Placing::Stuck);
            match placing {
                Placing::Placed => {}
                Placing::Stuck => continue,
                Placing::WorkedOn => {
                    progress.settles = None;
                    continue;
                }
            }
            progress.standing.awaited.remove(&name);
            let is_whole = awaited.heard == Heard::Whole;
            if let Some(order) = awaited.order.filter(|_| is_whole) {
                progress.placed.insert(order, awaited.updated_at);
            }
        }
        progress.next_look = self.clock.now() + progress.looks.pause();
        if progress.looks.is_whole() {
            let standing = &mut progress.standing;
            standing.settled = standing.settled.max(progress.settles.unwrap_or_default());
            self.link.reached.set(standing.settled);
        }
        if progress.standing.awaited.is_empty() {
            progress.proven = progress.proven.max(progress.read_up_to);
        }
    }

    /// How far an order is, with what was read of it.
    async fn placing(&self, awaited: &Awaited) -> Result<Placing, AskError> {
        if awaited.heard == Heard::Unread {
            return Ok(Placing::Stuck);
        }
        let known = match &awaited.order {
            Some(order) => self.known(order).await?,
            None => None,
        };
        let is_heard = |known: &OrderSummary| known.updated_at >= awaited.updated_at;
        let row = match known.as_ref().is_some_and(is_heard) {
            true => None,
            false => self.inbox_row(awaited).await?,
        };
        Ok(match row {
            Some(row) if row.state == InboxState::Open && row.attempts < TRIES_MAX => {
                Placing::WorkedOn
            }
            Some(row) if row.state != InboxState::Done => Placing::Stuck,
            // Nobody works on what was stored any more: it is in the order, or somebody gave it up.
            Some(_) | None if known.as_ref().is_none_or(|known| known.placed) => Placing::Placed,
            Some(_) | None => Placing::Stuck,
        })
    }

    /// What was read, as it is stored.
    async fn inbox_row(&self, awaited: &Awaited) -> Result<Option<InboxRow>, AskError> {
        let Some(delivery) = awaited.delivery.clone() else {
            return Ok(None);
        };
        let channel = self.link.channel.clone();
        let id = InboxId { channel, delivery };
        let row = self
            .handle
            .journal_read(move |journal| journal.inbox_row(&id));
        row.await
    }
}
