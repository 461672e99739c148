//! From a channel's lines to SKUs, through the listing map.

use crossdock_channels::{ChannelLine, ChannelOrder};
use crossdock_logic::bucket::bucket_of;
use crossdock_model::command::BucketCommand;
use crossdock_model::v1::{LINE_LISTING, LineFacts, ListingTarget, Part};
use crossdock_model::{Answer, Command, EntityId, ListingId, OrderId, SkuId};
use crossdock_runtime::{AskError, Door};

use super::take::Source;
use super::worker::{Lack, Stuck, Worker};

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
        let names = names(line);
        for listing in &names {
            if let Some(target) = self.look_up(source, listing).await? {
                return Ok(parts(target));
            }
        }
        let text = line.sku.as_deref().map(str::trim).unwrap_or_default();
        if source.settings.map_by_sku
            && let Ok(sku) = SkuId::new(text)
            && self.exists(&sku).await?
        {
            return Ok(vec![Part {
                sku,
                units_per_line_unit: 1,
            }]);
        }
        Err(unmapped(source, id, line, names.first()))
    }

    pub(super) async fn look_up(
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

    async fn exists(&self, sku: &SkuId) -> Result<bool, Stuck> {
        let entity = EntityId::Sku(sku.clone());
        match self.handle.read_through(Door::Sold, entity).await {
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

/// What a line can be mapped by, the channel's own name first. A text that stands for something else than the SKU of
/// that name is mapped like a listing; a line that names nothing at all (an item made up for one order) is mapped by
/// its own id.
fn names(line: &ChannelLine) -> Vec<ListingId> {
    let text = line.sku.as_deref().map(str::trim).unwrap_or_default();
    let mut names: Vec<ListingId> = line.listing.iter().cloned().collect();
    names.extend(ListingId::new(text));
    if names.is_empty() {
        names.extend(ListingId::new(format!("{LINE_LISTING}{}", line.line)));
    }
    names
}

fn unmapped(source: &Source, id: &OrderId, line: &ChannelLine, name: Option<&ListingId>) -> Stuck {
    let channel = &source.channel;
    let listing = name.map_or_else(
        || format!("{LINE_LISTING}{}", line.line),
        ToString::to_string,
    );
    Stuck::Parked(Lack {
        kind: "unmapped",
        subject: format!("{channel}/{listing}"),
        cause: format!(
            "{} of order {id} stands for no SKU. Say what it is: `crossdock listing map {channel} {listing} SKU`",
            line.title
        ),
    })
}
