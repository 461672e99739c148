//! From a channel's lines to SKUs, through the listing map.

use crossdock_channels::{ChannelLine, ChannelOrder};
use crossdock_logic::bucket::bucket_of;
use crossdock_model::command::BucketCommand;
use crossdock_model::v1::{LineFacts, ListingTarget, Part};
use crossdock_model::{Answer, Command, EntityId, ListingId, OrderId, SkuId};
use crossdock_runtime::AskError;

use super::take::Source;
use super::worker::{Stuck, Worker};

impl Worker {
    /// All lines of an order with what they are made of.
    pub(super) async fn map_lines(
        &self,
        source: &Source,
        id: &OrderId,
        order: &ChannelOrder,
    ) -> Result<Vec<LineFacts>, Stuck> {
        let mut lines = Vec::with_capacity(order.lines.len());
        for line in &order.lines {
            let parts = match line.ships {
                true => self.parts_of(source, id, line).await?,
                false => Vec::new(),
            };
            lines.push(LineFacts {
                line: line.line.clone(),
                title: line.title.clone(),
                ordered_units: line.ordered_units,
                cancelled_units: line.cancelled_units,
                parts,
                unit_price: line.unit_price,
                ships: line.ships,
            });
        }
        Ok(lines)
    }

    async fn parts_of(
        &self,
        source: &Source,
        id: &OrderId,
        line: &ChannelLine,
    ) -> Result<Vec<Part>, Stuck> {
        if let Some(listing) = &line.listing
            && let Some(target) = self.look_up(source, listing).await?
        {
            return Ok(parts(target));
        }
        let text = line.sku.as_deref().map(str::trim).unwrap_or_default();
        // A text that stands for something else than the SKU of that name can be mapped like a listing.
        if let Ok(listing) = ListingId::new(text)
            && let Some(target) = self.look_up(source, &listing).await?
        {
            return Ok(parts(target));
        }
        if source.settings.map_by_sku
            && let Ok(sku) = SkuId::new(text)
            && self.exists(&sku).await?
        {
            return Ok(vec![Part {
                sku,
                units_per_line_unit: 1,
            }]);
        }
        Err(unmapped(source, id, line))
    }

    async fn look_up(
        &self,
        source: &Source,
        listing: &ListingId,
    ) -> Result<Option<ListingTarget>, Stuck> {
        let bucket = EntityId::Bucket(source.channel.clone(), bucket_of(listing));
        let look = Command::Bucket(BucketCommand::Look {
            listing: listing.clone(),
        });
        match self
            .handle
            .ask(bucket, look, source.by.clone())
            .await
            .map(|reply| reply.answer)
        {
            Ok(Answer::Listings(found)) => Ok(found.into_iter().next().map(|(_, target)| target)),
            Ok(_) | Err(AskError::Rejected(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The SKU and multiplier of a listing that stands for one SKU.
    pub(super) async fn sku_of(
        &self,
        source: &Source,
        listing: &ListingId,
    ) -> Result<Option<(SkuId, u32)>, Stuck> {
        Ok(match self.look_up(source, listing).await? {
            Some(ListingTarget::Sku { sku, multiplier }) => Some((sku, multiplier)),
            Some(ListingTarget::Kit { .. }) | None => None,
        })
    }

    async fn exists(&self, sku: &SkuId) -> Result<bool, Stuck> {
        match self.handle.read(EntityId::Sku(sku.clone())).await {
            Ok(_) => Ok(true),
            Err(AskError::Rejected(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn parts(target: ListingTarget) -> Vec<Part> {
    match target {
        ListingTarget::Sku { sku, multiplier } => {
            vec![Part {
                sku,
                units_per_line_unit: multiplier,
            }]
        }
        ListingTarget::Kit {
            components,
            multiplier,
        } => components
            .into_iter()
            .map(|c| Part {
                sku: c.sku,
                // More than fits is refused by the order, as any number of units beyond its limit is.
                units_per_line_unit: c.units_per_kit.saturating_mul(multiplier),
            })
            .collect(),
    }
}

fn unmapped(source: &Source, id: &OrderId, line: &ChannelLine) -> Stuck {
    let named = line.listing.as_ref().map(ToString::to_string);
    let named = named.or_else(|| line.sku.clone().filter(|text| !text.trim().is_empty()));
    let subject = match &named {
        Some(listing) => format!("{}/{listing}", source.channel),
        None => format!("{id}/line/{}", line.line),
    };
    let fix = match &named {
        Some(listing) => format!(
            "Say what it is: `crossdock listing map {} {listing} SKU`",
            source.channel
        ),
        None => "It names neither listing nor SKU: give the product a SKU in the shop.".to_owned(),
    };
    Stuck::Parked {
        kind: "unmapped",
        parked_on: subject.clone(),
        cause: format!("{} of order {id} stands for no SKU. {fix}", line.title),
        subject,
    }
}
