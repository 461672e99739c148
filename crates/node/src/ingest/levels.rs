//! What a channel shows at its places. It is a count where a location names that place as its one source of stock
//! truth; anywhere else it changes no stock, as it is our own number coming back.

use crossdock_channels::StockLevel;
use crossdock_journal::InboxRow;
use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{CountBasis, ListingTarget};
use crossdock_model::{Command, EntityId, LocationId, SkuId, SourceId};
use crossdock_runtime::AskError;

use super::take::Source;
use super::worker::{Lack, Stuck, Worker};

/// Kind of the exception about a number that no count can be.
const STOCK_LEVEL: &str = "stock_level";

impl Worker {
    pub(super) async fn take_level(
        &self,
        source: &Source,
        row: &InboxRow,
        level: &StockLevel,
    ) -> Result<(), Stuck> {
        let place = SourceId::new(format!("{}/{}", source.channel, level.place));
        let locations = self.handle.known_locations();
        let mut locations = locations.iter();
        let Some((place, location)) = place.ok().and_then(|place| {
            let names_it = locations.find(|one| one.stock_source.as_ref() == Some(&place))?;
            Some((place, &names_it.location))
        }) else {
            return Ok(());
        };
        let sku = self.counted_sku(source, level).await?;
        if let Some(units) = level.available {
            let counted = u32::try_from(units.max(0)).unwrap_or(u32::MAX);
            self.count(source, level, sku, (location, place), counted)
                .await?;
        }
        self.watch_level(source, row, level, location).await;
        Ok(())
    }

    /// What the channel's number is a count of.
    async fn counted_sku(&self, source: &Source, level: &StockLevel) -> Result<SkuId, Stuck> {
        let (channel, listing) = (&source.channel, &level.listing);
        let subject = format!("{channel}/{listing}");
        match self.look_up(source, listing).await? {
            Some(ListingTarget::Sku { sku, multiplier: 1 }) => Ok(sku),
            Some(ListingTarget::Sku { .. } | ListingTarget::Kit { .. }) => {
                Err(Stuck::Parked(Lack {
                    kind: "uncountable",
                    cause: format!(
                        "{subject} stands for several units: how many there are of it does not say how many there \
                         are of each. Map it to one unit of the SKU that {channel} counts."
                    ),
                    subject,
                }))
            }
            None => Err(Stuck::Parked(Lack {
                kind: "unmapped",
                cause: format!(
                    "{channel} counts {listing}, which stands for no SKU. Say what it is: `crossdock listing map \
                     {channel} {listing} SKU`"
                ),
                subject,
            })),
        }
    }

    async fn count(
        &self,
        source: &Source,
        level: &StockLevel,
        sku: SkuId,
        (location, place): (&LocationId, SourceId),
        counted: u32,
    ) -> Result<(), Stuck> {
        let count = SkuCommand::Count {
            location: location.clone(),
            source: place.clone(),
            truth: Some(place),
            basis: CountBasis::NetOfAllocated,
            counted,
            effective_at: level.updated_at,
        };
        let entity = EntityId::Sku(sku);
        let name = entity.to_string();
        let asked = self
            .handle
            .ask(entity, Command::Sku(count), source.by.clone());
        match asked.await {
            Ok(_) => Ok(()),
            Err(AskError::Rejected(rejection)) => Err(Stuck::Parked(Lack {
                kind: "uncountable",
                subject: format!("{}/{}", source.channel, level.listing),
                cause: format!("{name} does not take the count of {location}: {rejection}."),
            })),
            Err(error) => Err(error.into()),
        }
    }

    /// A number below none, or none at all, needs a person until the channel shows a number again.
    async fn watch_level(
        &self,
        source: &Source,
        row: &InboxRow,
        level: &StockLevel,
        location: &LocationId,
    ) {
        let channel = &source.channel;
        let subject = format!("{channel}/{}/{}", level.listing, level.place);
        let cause = match level.available {
            Some(0..) => {
                let how = "the channel shows a number of units again";
                self.close_exception(channel, STOCK_LEVEL, &subject, how)
                    .await;
                return;
            }
            Some(units) => format!(
                "{channel} shows {units} units at {location}: counted as none, and {} more are sold than are there.",
                units.unsigned_abs()
            ),
            None => format!(
                "{channel} does not count it at {location}, which takes its stock from there: track its quantity in \
                 the shop, or name another stock source for {location}."
            ),
        };
        let lack = Lack {
            kind: STOCK_LEVEL,
            subject,
            cause,
        };
        self.open_exception(row, &lack).await;
    }
}
