//! What a delivery says, told to the entities it concerns.

use crossdock_channels::{ChannelOrder, Inbound, MapError};
use crossdock_journal::{InboxRow, VaultEntry, VaultWrite};
use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{ChannelSettings, CountBasis, OrderFacts, Origin};
use crossdock_model::{
    Answer, ChannelId, Class, Command, CredentialId, EntityId, ExternalId, ListingId, OrderId,
    SourceId, Timestamp,
};
use crossdock_runtime::{AskError, By, Handle, Reply};

use super::worker::{Stuck, Worker, delivery_subject};

/// What is known of the channel that a delivery came from.
pub(super) struct Source {
    pub(super) channel: ChannelId,
    pub(super) settings: ChannelSettings,
    adopt_older_than: Option<Timestamp>,
    pub(super) by: By,
}

impl Worker {
    pub(super) async fn take_in(
        &self,
        row: &InboxRow,
        subject: &mut Option<String>,
    ) -> Result<(), Stuck> {
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
            Inbound::Edit {
                order,
                edited_at,
                removed,
            } => {
                let id = order_id(&source.channel, &order);
                *subject = Some(EntityId::Order(id.clone()).to_string());
                self.tell_order(&source, id, OrderCommand::Edited { edited_at, removed })
                    .await
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
        for shipment in order.unshipped {
            let command = OrderCommand::UndoElsewhere { shipment };
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
}

fn order_id(channel: &ChannelId, external: &ExternalId) -> OrderId {
    OrderId {
        channel: channel.clone(),
        external: external.clone(),
    }
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
