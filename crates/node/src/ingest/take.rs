//! What a delivery says, told to the entities it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossdock_api::{name_address, personal};
use crossdock_channels::{ChannelOrder, Inbound, MapError, Shipping, amazon, shopify};
use crossdock_journal::InboxRow;
use crossdock_logic::bucket::bucket_of;
use crossdock_model::command::{BucketCommand, ChannelCommand, OrderCommand};
use crossdock_model::v1::{ChannelSettings, OrderChange, OrderFacts, Origin};
use crossdock_model::{
    Answer, ChannelId, Class, Command, CredentialId, EntityId, ExternalId, LineId, ListingId,
    OrderId, Rejection, SourceId, Timestamp,
};
use crossdock_runtime::{AskError, By, Door, Handle, Personal, Reply};

use super::Ways;
use super::worker::{Lack, Stuck, Worker, delivery_subject};
use crate::links::Links;

/// What is known of the channel that a delivery came from.
pub(super) struct Source {
    pub(super) channel: ChannelId,
    pub(super) settings: ChannelSettings,
    adopt_older_than: Option<Timestamp>,
    /// Its places that show numbers of ours, and those that did, until when.
    pub(super) ours: BTreeMap<SourceId, Option<Timestamp>>,
    pub(super) by: By,
}

impl Source {
    /// What a body says, as the channel's connector reads it.
    fn map(&self, topic: &str, body: &[u8]) -> Result<Inbound, MapError> {
        match self.settings.connector.as_str() {
            "amazon" => amazon::map(topic, body),
            _ => shopify::map(topic, body),
        }
    }
}

impl Worker {
    pub(super) async fn take_in(
        &self,
        row: &InboxRow,
        subject: &mut Option<String>,
    ) -> Result<(), Stuck> {
        if row.delivery.body.is_empty() && row.subject.is_some() {
            // Its order was erased while it waited: nothing is left that could be told.
            return Ok(());
        }
        let source = self.source(&row.delivery.id.channel).await?;
        let topic = &row.delivery.topic;
        let inbound = source.map(topic, &row.delivery.body);
        match inbound.map_err(|error| unreadable(row, &error))? {
            Inbound::Order(order) => {
                let id = order_id(&source.channel, &order.external);
                *subject = Some(EntityId::Order(id.clone()).to_string());
                self.take_order(&source, id, *order, None).await.map(drop)
            }
            Inbound::Refund {
                order,
                refund,
                lines,
                ..
            } => {
                let id = order_id(&source.channel, &order);
                *subject = Some(EntityId::Order(id.clone()).to_string());
                let refund = OrderCommand::Refund { refund, lines };
                self.tell_order(&source, id, refund).await.map(drop)
            }
            Inbound::StockLevel(level) => self.take_level(&source, row, &level).await,
            Inbound::Edit {
                order,
                edited_at,
                removed,
            } => {
                let id = order_id(&source.channel, &order);
                *subject = Some(EntityId::Order(id.clone()).to_string());
                let edited = OrderCommand::Edited { edited_at, removed };
                self.tell_order(&source, id, edited).await.map(drop)
            }
            Inbound::Reread { order, changed_at } => {
                let id = order_id(&source.channel, &order);
                *subject = Some(EntityId::Order(id.clone()).to_string());
                let change = OrderChange { order, changed_at };
                self.note_change(&source, row, &id, change).await
            }
            Inbound::Nothing { .. } => Ok(()),
        }
    }

    /// An order of which a delivery says only that it has changed is read when its turn comes, once for all that say so;
    /// not at all if that is known.
    async fn note_change(
        &self,
        source: &Source,
        row: &InboxRow,
        id: &OrderId,
        change: OrderChange,
    ) -> Result<(), Stuck> {
        let channel = &source.channel;
        let Some(link) = self.links.get(channel) else {
            let order = &change.order;
            return Err(Stuck::Parked(Lack {
                kind: "unreadable",
                subject: delivery_subject(row),
                cause: format!(
                    "Order {order} has changed, and nothing here reads orders from {channel}."
                ),
            }));
        };
        let known_as_of = self.known_as_of(&EntityId::Order(id.clone())).await?;
        if known_as_of.is_some_and(|known| known >= change.changed_at) {
            return Ok(());
        }
        let entity = EntityId::Channel(channel.clone());
        let note = Command::Channel(ChannelCommand::NoteChange(change));
        self.handle.ask(entity, note, source.by.clone()).await?;
        link.changed.notify_one();
        Ok(())
    }

    async fn source(&self, channel: &ChannelId) -> Result<Source, Stuck> {
        let principal = CredentialId::new(format!("channel:{channel}"))
            .map_err(|e| AskError::Unavailable(e.to_string()))?;
        let entity = EntityId::Channel(channel.clone());
        let reply = self.handle.read_through(Door::Sold, entity).await?;
        let Answer::Channel {
            settings: Some(settings),
            adopt_older_than,
            ours,
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
            ours,
            by: By {
                trace: self.trace,
                ..By::new(principal).of(Class::ChannelOrder)
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
    ) -> Result<Option<Reply>, Stuck> {
        let entity = EntityId::Order(id.clone());
        self.tell_put_back(source, &entity, &order).await?;
        let lines = match self.map_lines(source, &id, &order).await {
            // A newer statement is known, and says all that this one does: it needs no mapping any more.
            Err(Stuck::Parked(_)) if self.is_outdated(&entity, order.updated_at).await? => {
                return Ok(None);
            }
            lines => lines?,
        };
        let updated_at = order.updated_at;
        let buyer = order.buyer.as_ref();
        let mut buyer = buyer.map(|one| personal(&self.handle, &entity, one, updated_at));
        let destination = name_address(order.ship_to, &mut buyer);
        let origin = origin.unwrap_or_else(|| match source.adopt_older_than {
            _ if order.sent_by_channel => Origin::SentByChannel,
            Some(before) if order.placed_at < before => Origin::Adopted,
            Some(_) | None => Origin::Channel,
        });
        let untold = Shipping::default();
        let ways = self.ways.get(&source.channel).unwrap_or(&untold);
        let promise = ways.promise(&order.shipping, order.placed_at);
        let promise = order.promised.or(promise);
        let facts = OrderFacts {
            name: order.name,
            placed_at: order.placed_at,
            updated_at,
            sale: source.settings.sale,
            lines,
            destination,
            service_level: promise.service_level,
            ship_by: promise.ship_by,
            deliver_by: promise.deliver_by,
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
        let told = self.tell_order_of(source, id.clone(), state, buyer).await?;
        let refunds = order.refunds.into_iter();
        let shipped = order.shipped.into_iter();
        let undone = order.unshipped.into_iter();
        let facts = refunds
            .map(|(refund, lines)| OrderCommand::Refund { refund, lines })
            .chain(shipped.map(|one| OrderCommand::ShippedElsewhere {
                shipment: one.shipment,
                lines: one.lines,
                tracking: one.tracking,
            }))
            .chain(undone.map(|shipment| OrderCommand::UndoElsewhere { shipment }))
            .chain(
                order
                    .cancel_asked
                    .map(|asked| cancel_asked(asked, updated_at)),
            );
        self.tell_facts(source, &id, facts).await?;
        let is_new = matches!(&told.answer, Answer::Order(summary) if summary.version == 1);
        if is_new || origin == Origin::Adopted {
            // What came before the order, or before the ids of its lines were known, is taken now.
            self.handle.unpark(vec![entity.to_string()]).await?;
        }
        Ok(Some(told))
    }

    /// Tells all of them, also those behind one that is refused; then says what stands in the way of the first such.
    async fn tell_facts(
        &self,
        source: &Source,
        id: &OrderId,
        facts: impl Iterator<Item = OrderCommand>,
    ) -> Result<(), Stuck> {
        let mut first = Ok(());
        for fact in facts {
            match self.tell_order(source, id.clone(), fact).await {
                Ok(_) => {}
                Err(Stuck::Parked(lack)) => first = first.and(Err(Stuck::Parked(lack))),
                Err(later) => return Err(later),
            }
        }
        first
    }

    /// What the channel cancelled it may have put back on sale, whether we knew that it was sold or not, and whatever else stands in
    /// the way of its order.
    async fn tell_put_back(
        &self,
        source: &Source,
        entity: &EntityId,
        order: &ChannelOrder,
    ) -> Result<(), Stuck> {
        let put_back = put_back(order);
        if put_back.is_empty() || self.known_as_of(entity).await? >= Some(order.updated_at) {
            return Ok(());
        }
        for (listing, units) in put_back {
            let bucket = EntityId::Bucket(source.channel.clone(), bucket_of(&listing));
            let put_back = Command::Bucket(BucketCommand::PutBack { listing, units });
            match self.handle.ask(bucket, put_back, source.by.clone()).await {
                Ok(_) | Err(AskError::Rejected(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether the order knows a statement that is newer than one of that time.
    async fn is_outdated(&self, order: &EntityId, updated_at: Timestamp) -> Result<bool, Stuck> {
        let known_as_of = self.known_as_of(order).await?;
        Ok(known_as_of > Some(updated_at))
    }

    /// The time of the newest statement that the order knows; `None`: it is not known.
    async fn known_as_of(&self, order: &EntityId) -> Result<Option<Timestamp>, Stuck> {
        let read = self.handle.read_through(Door::Sold, order.clone()).await;
        match read.map(|reply| reply.answer) {
            Ok(Answer::Order(known)) => Ok(Some(known.updated_at)),
            Ok(_) | Err(AskError::Rejected(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn tell_order(
        &self,
        source: &Source,
        id: OrderId,
        command: OrderCommand,
    ) -> Result<Reply, Stuck> {
        self.tell_order_of(source, id, command, None).await
    }

    async fn tell_order_of(
        &self,
        source: &Source,
        id: OrderId,
        command: OrderCommand,
        buyer: Option<Personal>,
    ) -> Result<Reply, Stuck> {
        let entity = EntityId::Order(id);
        let subject = entity.to_string();
        let (command, by) = (Command::Order(command), source.by.clone());
        let asked = self.handle.ask_with_buyer(entity, buyer, command, by);
        let rejection = match asked.await {
            Ok(reply) => return Ok(reply),
            Err(AskError::Rejected(rejection)) => rejection,
            Err(error) => return Err(error.into()),
        };
        let channel = &source.channel;
        Err(Stuck::Parked(match rejection {
            Rejection::NotFound(what) => Lack {
                kind: "early",
                cause: format!(
                    "{channel} spoke of {what} before it stated the order: this waits for it."
                ),
                subject,
            },
            rejection => Lack {
                kind: "refused",
                cause: format!("The order refuses what {channel} states: {rejection}."),
                subject,
            },
        }))
    }
}

/// Units of listings that were sold and are not any more, of those that we send.
pub(super) fn put_back(order: &ChannelOrder) -> Vec<(ListingId, u32)> {
    let lines = order.lines.iter().filter(|line| line.ships);
    let put_back = lines.filter_map(|line| {
        let units = match order.cancelled {
            Some(_) => line.ordered_units,
            None => line.cancelled_units,
        };
        Some((line.listing.clone()?, units)).filter(|(_, units)| *units > 0)
    });
    put_back.collect()
}

fn order_id(channel: &ChannelId, external: &ExternalId) -> OrderId {
    OrderId {
        channel: channel.clone(),
        external: external.clone(),
    }
}

fn cancel_asked(asked: Vec<(LineId, String)>, asked_at: Timestamp) -> OrderCommand {
    let (lines, reasons): (Vec<LineId>, BTreeSet<String>) = asked.into_iter().unzip();
    OrderCommand::CancelAsked {
        lines,
        reason: reasons.into_iter().collect::<Vec<_>>().join("; "),
        asked_at,
    }
}

fn unreadable(row: &InboxRow, error: &MapError) -> Stuck {
    Stuck::Parked(Lack {
        kind: "unreadable",
        subject: delivery_subject(row),
        cause: format!("A {} delivery cannot be read: {error}", row.delivery.topic),
    })
}

/// Takes an order of an export in, as adopted; a preview looks only whether all of its lines stand for something.
///
/// # Errors
/// What stands in the way, in one sentence.
pub async fn adopt(
    handle: &Handle,
    ways: &Ways,
    channel: &ChannelId,
    order: ChannelOrder,
    preview: bool,
) -> Result<Option<Reply>, String> {
    let worker = Worker {
        handle: handle.clone(),
        ways: Arc::clone(ways),
        links: Links::default(),
        trace: None,
    };
    let adopt = async {
        let source = worker.source(channel).await?;
        let id = order_id(channel, &order.external);
        if preview {
            worker.map_lines(&source, &id, &order).await?;
            return Ok(None);
        }
        worker
            .take_order(&source, id, order, Some(Origin::Adopted))
            .await
    };
    adopt.await.map_err(|stuck| match stuck {
        Stuck::Later(error) => error.to_string(),
        Stuck::Parked(lack) => lack.cause,
    })
}
