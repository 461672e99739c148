//! Works on stored deliveries: reads what they say, maps listings to SKUs, and tells the entities.
//!
//! A delivery is marked done only when its effect is durable. What cannot be read or mapped is parked under an
//! open exception and comes back by itself once the missing mapping is there.

mod lines;

use std::sync::Arc;
use std::time::{Duration as Wait, SystemTime};

use crossdock_api::trace::{FinishedSpan, Spans};
use crossdock_channels::{ChannelOrder, Inbound, MapError};
use crossdock_journal::{InboxMark, InboxRow, InboxState, VaultEntry, VaultWrite};
use crossdock_model::command::{ChannelCommand, OrderCommand, SkuCommand};
use crossdock_model::v1::{ChannelSettings, CountBasis, OrderFacts, Origin, TraceContext};
use crossdock_model::{
    Answer, ChannelId, Command, CredentialId, EntityId, ExternalId, ListingId, OrderId, SourceId,
    Timestamp,
};
use crossdock_runtime::{AskError, By, Handle, Reply};
use tokio::time::Instant;

/// Deliveries worked on at once.
const WORKERS: usize = 64;
/// Pause before a delivery that met an overloaded or unavailable entity is tried again.
const RETRY: Wait = Wait::from_millis(250);
/// Tries of one delivery in a row before it waits for the next sweep of the inbox.
const TRIES: u32 = 5;

/// Why a delivery is not done.
enum Stuck {
    /// Try again: nothing is wrong with the delivery.
    Later(AskError),
    /// Waits under an open exception.
    Parked {
        kind: &'static str,
        subject: String,
        cause: String,
        parked_on: String,
    },
}

impl From<AskError> for Stuck {
    fn from(error: AskError) -> Self {
        Self::Later(error)
    }
}

/// Starts the workers; they end with the runtime they are spawned on.
pub fn start(handle: &Handle, spans: Option<&Arc<dyn Spans>>) {
    for _ in 0..WORKERS {
        let (handle, spans) = (handle.clone(), spans.cloned());
        tokio::spawn(async move {
            loop {
                let row = handle.next_delivery().await;
                work_apart(&handle, spans.as_ref(), row).await;
            }
        });
    }
}

/// Works on a delivery in a task of its own, so that one that crashes it is put aside and takes no worker along.
async fn work_apart(handle: &Handle, spans: Option<&Arc<dyn Spans>>, row: InboxRow) {
    let row = Arc::new(row);
    let parent = traceparent(&row);
    let trace = spans.map(|spans| spans.begin(parent, false)).or(parent);
    let worker = Worker {
        handle: handle.clone(),
        trace,
    };
    let (started, started_at) = (Instant::now(), SystemTime::now());
    let task = tokio::spawn({
        let (worker, row) = (worker.clone(), Arc::clone(&row));
        async move { worker.work(&row).await }
    });
    let outcome = match task.await {
        Ok(outcome) => outcome,
        Err(crash) => {
            tracing::error!(delivery = row.delivery.id.delivery, %crash, "working on a delivery crashed");
            let subject = delivery_subject(&row);
            let cause = format!(
                "Working on a {} delivery crashed: this is a defect.",
                row.delivery.topic
            );
            worker
                .park(&row, "unreadable", &subject, &cause, &subject, None)
                .await;
            Worked::Parked
        }
    };
    if let (Some(spans), Some(context)) = (spans, trace) {
        let id = &row.delivery.id;
        let span = FinishedSpan {
            context,
            parent,
            name: format!("delivery {}", row.delivery.topic),
            is_server: false,
            started: started_at,
            took: started.elapsed(),
            error: (outcome != Worked::Done).then(|| outcome.name().to_owned()),
            attributes: vec![
                ("crossdock.channel", id.channel.to_string()),
                ("crossdock.delivery", id.delivery.clone()),
            ],
        };
        if span.is_wanted() {
            spans.report(span);
        }
    }
}

/// The trace of the request that brought it.
fn traceparent(row: &InboxRow) -> Option<TraceContext> {
    let mut headers = row.delivery.headers.iter();
    let (_, text) = headers.find(|(name, _)| name == "traceparent")?;
    crossdock_api::trace::read(text)
}

/// How work on a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worked {
    Done,
    Parked,
    Later,
}

impl Worked {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Parked => "parked",
            Self::Later => "later",
        }
    }
}

/// Works on one delivery at a time.
#[derive(Clone)]
struct Worker {
    handle: Handle,
    trace: Option<TraceContext>,
}

/// What is known of the channel that a delivery came from.
struct Source {
    channel: ChannelId,
    settings: ChannelSettings,
    adopt_older_than: Option<Timestamp>,
    by: By,
}

impl Worker {
    async fn work(&self, row: &InboxRow) -> Worked {
        let mut subject = row.subject.clone();
        match self.try_until_settled(row, &mut subject).await {
            Ok(()) => {
                self.done(row, row.parked_on.clone(), subject).await;
                Worked::Done
            }
            Err(Stuck::Later(error)) => {
                self.later(row, &error);
                Worked::Later
            }
            Err(Stuck::Parked {
                kind,
                subject: about,
                cause,
                parked_on,
            }) => {
                self.park(row, kind, &about, &cause, &parked_on, subject.clone())
                    .await;
                // What it waits for may have come while it was being parked, and found nothing waiting.
                if self.take_in(row, &mut subject).await.is_err() {
                    return Worked::Parked;
                }
                self.done(row, Some(parked_on), subject).await;
                Worked::Done
            }
        }
    }

    /// Opens an exception, then puts the delivery aside until what it waits for is there.
    async fn park(
        &self,
        row: &InboxRow,
        kind: &str,
        about: &str,
        cause: &str,
        parked_on: &str,
        subject: Option<String>,
    ) {
        self.open_exception(row, kind, about, cause).await;
        self.mark(row, InboxState::Parked, Some(parked_on.to_owned()), subject)
            .await;
    }

    async fn done(&self, row: &InboxRow, waited_for: Option<String>, subject: Option<String>) {
        if let Some(waited_for) = waited_for {
            self.close_exception(&row.delivery.id.channel, &waited_for)
                .await;
        }
        self.mark(row, InboxState::Done, None, subject).await;
    }

    fn later(&self, row: &InboxRow, error: &AskError) {
        let id = &row.delivery.id;
        tracing::warn!(channel = %id.channel, delivery = id.delivery, %error, "tried again later");
        self.handle.release_delivery(id);
    }

    async fn mark(
        &self,
        row: &InboxRow,
        state: InboxState,
        parked_on: Option<String>,
        subject: Option<String>,
    ) {
        let mark = InboxMark {
            id: row.delivery.id.clone(),
            state,
            parked_on,
            subject,
        };
        if let Err(error) = self.handle.mark_delivery(mark).await {
            tracing::warn!(%error, "a delivery's mark was lost: it will be worked on again");
        }
    }

    async fn try_until_settled(
        &self,
        row: &InboxRow,
        subject: &mut Option<String>,
    ) -> Result<(), Stuck> {
        let mut tries = 0;
        loop {
            match self.take_in(row, subject).await {
                Err(Stuck::Later(_)) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(RETRY * tries).await;
                }
                settled => return settled,
            }
        }
    }

    async fn take_in(&self, row: &InboxRow, subject: &mut Option<String>) -> Result<(), Stuck> {
        let source = self.source(&row.delivery.id.channel).await?;
        let topic = &row.delivery.topic;
        let inbound = crossdock_channels::shopify::map(topic, &row.delivery.body)
            .map_err(|error| unreadable(row, &error))?;
        match inbound {
            Inbound::Order(order) => {
                let id = order_id(&source.channel, &order.external);
                *subject = Some(EntityId::Order(id.clone()).to_string());
                self.take_order(&source, id, *order, None).await
            }
            Inbound::Refund {
                order,
                refund,
                lines,
                ..
            } => {
                let id = order_id(&source.channel, &order);
                *subject = Some(EntityId::Order(id.clone()).to_string());
                self.tell_order(&source, id, OrderCommand::Refund { refund, lines })
                    .await
            }
            Inbound::StockLevel {
                listing,
                location,
                available,
                updated_at,
            } => {
                self.take_level(&source, &listing, &location, available, updated_at)
                    .await
            }
            Inbound::Reread { order, .. } => {
                let id = order_id(&source.channel, &order);
                *subject = Some(EntityId::Order(id).to_string());
                Ok(())
            }
            Inbound::Nothing { .. } => Ok(()),
        }
    }

    async fn source(&self, channel: &ChannelId) -> Result<Source, Stuck> {
        let principal = CredentialId::new(format!("channel:{channel}"))
            .map_err(|e| AskError::Unavailable(e.to_string()))?;
        let reply = self.handle.read(EntityId::Channel(channel.clone())).await?;
        let Answer::Channel {
            settings: Some(settings),
            adopt_older_than,
            ..
        } = reply.answer
        else {
            return Err(
                AskError::Unavailable(format!("channel {channel} is not connected")).into(),
            );
        };
        let channel = channel.clone();
        Ok(Source {
            channel,
            settings,
            adopt_older_than,
            by: By {
                trace: self.trace,
                ..By::new(principal)
            },
        })
    }

    /// Personal data to the vault, the rest to the order, then what the statement says of refunds and shipments.
    async fn take_order(
        &self,
        source: &Source,
        id: OrderId,
        order: ChannelOrder,
        origin: Option<Origin>,
    ) -> Result<(), Stuck> {
        let lines = self.map_lines(source, &id, &order).await?;
        let entity = EntityId::Order(id.clone());
        if let Some(buyer) = &order.buyer {
            let entry = VaultEntry {
                body: buyer.to_bytes(),
                terms: buyer.terms(),
            };
            let (subject, buyer) = (entity.to_string(), buyer.key.clone());
            self.handle
                .write_vault(
                    &entity,
                    VaultWrite::Put {
                        subject,
                        buyer,
                        entry,
                    },
                )
                .await?;
        }
        let origin = origin.unwrap_or_else(|| match source.adopt_older_than {
            Some(before) if order.placed_at < before => Origin::Adopted,
            Some(_) | None => Origin::Channel,
        });
        let facts = OrderFacts {
            name: order.name,
            placed_at: order.placed_at,
            updated_at: order.updated_at,
            sale: source.settings.sale,
            lines,
            destination: order.ship_to,
            service_level: order.service_level,
            ship_by: None,
            deliver_by: None,
            payment: order.payment,
            cancelled: order.cancelled,
            total: order.total,
            tags: order.tags,
            test: order.test,
        };
        let state = OrderCommand::State {
            facts: Box::new(facts),
            origin,
            settle: false,
        };
        self.tell_order(source, id.clone(), state).await?;
        for (refund, lines) in order.refunds {
            self.tell_order(source, id.clone(), OrderCommand::Refund { refund, lines })
                .await?;
        }
        for (shipment, lines) in order.shipped {
            let command = OrderCommand::ShippedElsewhere { shipment, lines };
            self.tell_order(source, id.clone(), command).await?;
        }
        Ok(())
    }

    async fn tell_order(
        &self,
        source: &Source,
        id: OrderId,
        command: OrderCommand,
    ) -> Result<(), Stuck> {
        let subject = EntityId::Order(id.clone()).to_string();
        let asked = self.handle.ask(
            EntityId::Order(id),
            Command::Order(command),
            source.by.clone(),
        );
        match asked.await {
            Ok(Reply { .. }) => Ok(()),
            Err(AskError::Rejected(rejection)) => Err(Stuck::Parked {
                kind: "refused",
                parked_on: subject.clone(),
                subject,
                cause: format!(
                    "The order refuses what {} states: {rejection}.",
                    source.channel
                ),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// A channel's own number is never a source of stock, unless a location names it as its one source.
    async fn take_level(
        &self,
        source: &Source,
        listing: &ListingId,
        place: &str,
        available: Option<i64>,
        updated_at: Timestamp,
    ) -> Result<(), Stuck> {
        let Ok(counts) = SourceId::new(format!("{}/{place}", source.channel)) else {
            return Ok(());
        };
        let locations = self.handle.known_locations();
        let Some(location) = locations
            .iter()
            .find(|l| l.stock_source.as_ref() == Some(&counts))
        else {
            return Ok(());
        };
        let Some(counted) = available.and_then(|units| u32::try_from(units).ok()) else {
            return Ok(());
        };
        let Some((sku, 1)) = self.sku_of(source, listing).await? else {
            return Ok(());
        };
        let count = SkuCommand::Count {
            location: location.location.clone(),
            source: counts.clone(),
            truth: Some(counts),
            basis: CountBasis::NetOfAllocated,
            counted,
            effective_at: updated_at,
        };
        let asked = self
            .handle
            .ask(EntityId::Sku(sku), Command::Sku(count), source.by.clone());
        match asked.await {
            Ok(_) | Err(AskError::Rejected(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn open_exception(&self, row: &InboxRow, kind: &str, subject: &str, cause: &str) {
        let id = &row.delivery.id;
        let evidence = vec![
            ("topic".to_owned(), row.delivery.topic.clone()),
            ("delivery".to_owned(), id.delivery.clone()),
        ];
        let command = ChannelCommand::OpenException {
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            cause: cause.to_owned(),
            evidence,
        };
        self.tell_channel(&id.channel, command).await;
    }

    async fn close_exception(&self, channel: &ChannelId, subject: &str) {
        for kind in ["unmapped", "refused", "unreadable"] {
            let command = ChannelCommand::CloseException {
                kind: kind.to_owned(),
                subject: subject.to_owned(),
                how: "The delivery was worked on after all.".to_owned(),
            };
            self.tell_channel(channel, command).await;
        }
    }

    async fn tell_channel(&self, channel: &ChannelId, command: ChannelCommand) {
        let Ok(principal) = CredentialId::new("ingest") else {
            return;
        };
        let entity = EntityId::Channel(channel.clone());
        let asked = self
            .handle
            .ask(entity, Command::Channel(command), By::new(principal));
        if let Err(error) = asked.await {
            tracing::warn!(%channel, %error, "an exception could not be recorded; the delivery stays parked");
        }
    }
}

fn order_id(channel: &ChannelId, external: &ExternalId) -> OrderId {
    OrderId {
        channel: channel.clone(),
        external: external.clone(),
    }
}

fn delivery_subject(row: &InboxRow) -> String {
    let id = &row.delivery.id;
    format!("delivery:{}/{}", id.channel, id.delivery)
}

fn unreadable(row: &InboxRow, error: &MapError) -> Stuck {
    let subject = delivery_subject(row);
    Stuck::Parked {
        kind: "unreadable",
        parked_on: subject.clone(),
        subject,
        cause: format!("A {} delivery cannot be read: {error}", row.delivery.topic),
    }
}

/// Takes an order of an export in, as adopted.
///
/// # Errors
/// What stands in the way, in one sentence.
pub async fn adopt(
    handle: &Handle,
    channel: &ChannelId,
    order: ChannelOrder,
) -> Result<(), String> {
    let worker = Worker {
        handle: handle.clone(),
        trace: None,
    };
    let adopt = async {
        let source = worker.source(channel).await?;
        let id = order_id(channel, &order.external);
        worker
            .take_order(&source, id, order, Some(Origin::Adopted))
            .await
    };
    adopt.await.map_err(|stuck| match stuck {
        Stuck::Later(error) => error.to_string(),
        Stuck::Parked { cause, .. } => cause,
    })
}
