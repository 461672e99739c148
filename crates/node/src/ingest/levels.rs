//! What a channel shows at its places. It is a count where a location names that place as its one source of stock
//! truth, and no number of ours was ever written there since; anywhere else it changes no stock.

use crossdock_channels::StockLevel;
use crossdock_journal::InboxRow;
use crossdock_logic::bucket::bucket_of;
use crossdock_logic::channel::NOT_COUNTED;
use crossdock_model::command::{BucketCommand, SkuCommand};
use crossdock_model::v1::{CountBasis, CountOutcome, ListingTarget, ShownLevel};
use crossdock_model::{Answer, Command, EntityId, LocationId, SkuId, SourceId, Timestamp};
use crossdock_runtime::{AskError, Door, Reply};

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
        let Ok(place) = SourceId::new(format!("{}/{}", source.channel, level.place)) else {
            return Ok(());
        };
        let locations = self.handle.known_locations();
        let mut locations = locations.iter();
        let names_it = locations.find(|one| one.stock_source.as_ref() == Some(&place));
        let names_it = names_it.map(|one| &one.location);
        let is_theirs = self
            .is_theirs(source, row, level, (names_it, &place))
            .await?;
        let Some(location) = names_it.filter(|_| is_theirs) else {
            return self.note_level(source, level, place).await;
        };
        let sku = self.counted_sku(source, level).await?;
        let mut outcome = CountOutcome::Applied;
        if let Some(units) = level.available {
            let counted = u32::try_from(units.max(0)).unwrap_or(u32::MAX);
            outcome = self
                .count(source, level, sku, (location, place), counted)
                .await?;
        }
        self.watch_level(source, row, level, (location, outcome))
            .await;
        Ok(())
    }

    /// Whether a number says what somebody counted. One that we published is our own coming back, also when publishing has
    /// ended: counting it would count as gone what was kept back, or all there is. Only what the channel shows after a
    /// location has named the place anew is a count again.
    async fn is_theirs(
        &self,
        source: &Source,
        row: &InboxRow,
        level: &StockLevel,
        (location, place): (Option<&LocationId>, &SourceId),
    ) -> Result<bool, Stuck> {
        let until = match source.ours.get(place) {
            None => return Ok(true),
            Some(None) => return Ok(false),
            Some(Some(until)) => *until,
        };
        let channel = &source.channel;
        let Some(location) = location else {
            let how = "no location takes its stock from there";
            self.close_exception(channel, NOT_COUNTED, place.as_str(), how)
                .await;
            return Ok(false);
        };
        if let Some(since) = self.source_since(location).await?
            && since > until
        {
            let how = "its location has named it anew";
            self.close_exception(channel, NOT_COUNTED, place.as_str(), how)
                .await;
            return Ok(level.updated_at >= since);
        }
        let lack = Lack {
            kind: NOT_COUNTED,
            subject: place.to_string(),
            cause: format!(
                "{location} takes its stock from {place}, which showed numbers of ours: they were never counted, and \
                 change no stock, nor does what is set there now. Take the stock source off {location}, name it again, \
                 and count then: what {channel} shows from then on is taken."
            ),
        };
        self.open_exception(row, &lack).await;
        Ok(false)
    }

    /// Since when a location names its source of stock truth.
    async fn source_since(&self, location: &LocationId) -> Result<Option<Timestamp>, Stuck> {
        let entity = EntityId::Location(location.clone());
        let reply = self.handle.read_through(Door::Sold, entity).await?;
        match reply.answer {
            Answer::Location { source_since, .. } => Ok(source_since),
            _ => Ok(None),
        }
    }

    /// Our own number coming back, or one that somebody set by hand: remembered beside the listing, and no count.
    async fn note_level(
        &self,
        source: &Source,
        level: &StockLevel,
        place: SourceId,
    ) -> Result<(), Stuck> {
        let bucket = EntityId::Bucket(source.channel.clone(), bucket_of(&level.listing));
        let show = Command::Bucket(BucketCommand::Show {
            listing: level.listing.clone(),
            level: ShownLevel {
                place,
                units: level.available,
                at: level.updated_at,
            },
            asked_at: None,
        });
        match self.handle.ask(bucket, show, source.by.clone()).await {
            Ok(_) | Err(AskError::Rejected(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
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
    ) -> Result<CountOutcome, Stuck> {
        let count = SkuCommand::Count {
            location: location.clone(),
            source: place.clone(),
            truth: Some(place),
            basis: CountBasis::NetOfChannel(source.channel.clone()),
            counted,
            effective_at: level.updated_at,
        };
        let entity = EntityId::Sku(sku);
        let name = entity.to_string();
        let asked = self
            .handle
            .ask(entity, Command::Sku(count), source.by.clone());
        match asked.await {
            Ok(Reply {
                answer: Answer::Counted { outcome, .. },
                ..
            }) => Ok(outcome),
            Ok(_) => Ok(CountOutcome::Applied),
            Err(AskError::Rejected(rejection)) => Err(Stuck::Parked(Lack {
                kind: "uncountable",
                subject: format!("{}/{}", source.channel, level.listing),
                cause: format!("{name} does not take the count of {location}: {rejection}."),
            })),
            Err(error) => Err(error.into()),
        }
    }

    /// A number below none, none at all, or one that came too late needs a person until the channel shows a number
    /// again.
    async fn watch_level(
        &self,
        source: &Source,
        row: &InboxRow,
        level: &StockLevel,
        (location, outcome): (&LocationId, CountOutcome),
    ) {
        let channel = &source.channel;
        let subject = format!("{channel}/{}/{}", level.listing, level.place);
        let cause = match level.available {
            Some(units) if outcome == CountOutcome::TooOld => format!(
                "{channel} showed {units} units at {location}, too long ago to be told from what moved since: count \
                 them."
            ),
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
