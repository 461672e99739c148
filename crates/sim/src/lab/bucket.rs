//! The production publisher: one listing in a bucket entity, driven as its node drives it.

use crossdock_logic::bucket::Offers;
use crossdock_logic::entity::DEDUP_WINDOW;
use crossdock_logic::{Entity, Outcome};
use crossdock_model::answer::NumberCallKind;
use crossdock_model::command::{BucketCommand, CallEnd, Effect};
use crossdock_model::v1::{
    Buffer, CallOutcome, ChannelMode, ChannelPlace, ListingTarget, Publishing, ShownLevel, Writes,
};
use crossdock_model::{
    Answer, ChannelId, Command, CredentialId, Duration, EntityId, ListingId, Meta, SkuId, SourceId,
    Timestamp,
};

use super::LabError;
use super::book::{Book, location};
use super::publisher::{Ask, Publisher, Told};

/// A call of which nothing was heard for so long has surely ended.
pub const CALL_FOR: Duration = Duration::from_s(30);
/// No number is wrong for so long.
const WRONG_FOR: Duration = Duration::from_days(3_650);

/// How a bucket publishes its listing.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub writes: Writes,
    pub buffer: Buffer,
    /// How late the channel's own sales are heard of at most.
    pub unseen_for: Duration,
    pub unseen_risk_ppm: u32,
}

/// A bucket with one listing, of the channel's one place.
#[derive(Debug)]
pub(super) struct Bucket {
    entity: Entity,
    meta: Meta,
    /// The channel's number in the book.
    number: usize,
    writes: Writes,
    listing: ListingId,
    place: SourceId,
    call: Option<u64>,
    /// It is asked what the channel shows.
    is_read: bool,
}

impl Bucket {
    /// Of a channel that is published to from the start; `bucket` tells it from others of the channel.
    pub fn new(
        channel: &ChannelId,
        number: usize,
        bucket: u16,
        sku: &SkuId,
        terms: &Terms,
    ) -> Result<Self, LabError> {
        let place = SourceId::new(format!("{channel}/1"))?;
        let sells = ChannelPlace {
            place: place.clone(),
            locations: vec![location()?],
        };
        let publishing = Publishing {
            version: 1,
            mode: ChannelMode::Active,
            buffer: terms.buffer.clone(),
            unseen_for: terms.unseen_for,
            unseen_risk_ppm: terms.unseen_risk_ppm,
            call_for: CALL_FOR,
            wrong_for: WRONG_FOR,
            ..Publishing::plain(terms.writes, vec![sells])
        };
        let meta = Meta {
            principal: CredentialId::new("lab")?,
            reason: None,
            key: None,
            body_hash: 0,
            issued_at: Timestamp::default(),
            effective_at: None,
            trace: None,
        };
        let mut bucket = Self {
            entity: Entity::new(EntityId::Bucket(channel.clone(), bucket)),
            meta,
            number,
            writes: terms.writes,
            listing: ListingId::new(sku.as_str())?,
            place,
            call: None,
            is_read: false,
        };
        let target = ListingTarget::Sku {
            sku: sku.clone(),
            multiplier: 1,
        };
        let listing = bucket.listing.clone();
        let start = Timestamp::default();
        bucket.tell(BucketCommand::Map { listing, target }, start)?;
        bucket.tell(BucketCommand::Publish(Box::new(publishing)), start)?;
        Ok(bucket)
    }

    fn tell(&mut self, command: BucketCommand, now: Timestamp) -> Result<Answer, LabError> {
        self.ask(&Command::Bucket(command), now)
    }

    fn ask(&mut self, command: &Command, now: Timestamp) -> Result<Answer, LabError> {
        match self.entity.decide(command, &self.meta, now, DEDUP_WINDOW)? {
            Outcome::Unchanged { answer, .. } => Ok(answer),
            Outcome::Changed { record, answer, .. } => {
                self.entity.apply(&record, DEDUP_WINDOW)?;
                Ok(answer)
            }
        }
    }

    /// Answers what the bucket has asked the SKU, if it has.
    fn answer_asks(&mut self, book: &Book, now: Timestamp) -> Result<bool, LabError> {
        let pending = self.entity.pending().iter();
        let asks = pending.filter_map(|(effect, what)| match what {
            Effect::Tell { to, .. } => Some((effect, to.clone())),
            _ => None,
        });
        let asks: Vec<_> = asks.collect();
        for (effect, from) in &asks {
            let said = Box::new(book.said_to(self.number));
            let answered = Command::Answered {
                effect: *effect,
                from: from.clone(),
                result: Ok(Answer::Published(said)),
            };
            self.ask(&answered, now)?;
        }
        Ok(!asks.is_empty())
    }

    /// What it offers to its channel's desk.
    pub fn offers(&self) -> Option<Offers> {
        self.entity.offers()
    }

    /// Units that the channel should show.
    pub fn should(&mut self, now: Timestamp) -> Result<Option<u32>, LabError> {
        let Answer::Numbers(numbers) = self.tell(BucketCommand::LookNumbers, now)? else {
            return Ok(None);
        };
        Ok(numbers.first().and_then(|number| number.should))
    }

    /// Its listing's name and place.
    pub fn name(&self) -> (ListingId, SourceId) {
        (self.listing.clone(), self.place.clone())
    }
}

impl Publisher for Bucket {
    fn heard(&mut self, book: &Book, now: Timestamp) -> Result<(), LabError> {
        if !self.answer_asks(book, now)? {
            let said = vec![book.said_to(self.number)];
            self.tell(BucketCommand::Stock(said), now)?;
        }
        Ok(())
    }

    fn stated(&mut self, units: i64, at: Timestamp, now: Timestamp) -> Result<(), LabError> {
        if self.writes == Writes::CompareAndSet {
            let show = self.show(units, at, None);
            self.tell(show, now)?;
        }
        Ok(())
    }

    fn proved(&mut self, up_to: Timestamp, book: &Book, now: Timestamp) -> Result<(), LabError> {
        self.tell(BucketCommand::Prove { up_to }, now)?;
        self.answer_asks(book, now)?;
        Ok(())
    }

    fn next(&mut self, _book: &Book, now: Timestamp) -> Result<Option<Ask>, LabError> {
        if self.is_read {
            return Ok(None);
        }
        let begin = BucketCommand::Begin {
            numbers: vec![self.name()],
        };
        let Answer::Calls(calls) = self.tell(begin, now)? else {
            return Ok(None);
        };
        let ask = calls.into_iter().next().map(|call| match call.kind {
            NumberCallKind::Read => Ask::Read,
            NumberCallKind::Set {
                call,
                units,
                change_from,
                ..
            } => {
                self.call = Some(call);
                change_from.map_or(Ask::Replace(units), |from| Ask::Swap { from, units })
            }
        });
        self.is_read = ask == Some(Ask::Read);
        Ok(ask)
    }

    fn answered(&mut self, told: Told, now: Timestamp) -> Result<(), LabError> {
        let outcome = match told {
            Told::Taken { at } => CallOutcome::Confirmed { at },
            Told::Stale => CallOutcome::Stale,
            Told::Shows {
                units,
                at,
                asked_at,
            } => {
                self.is_read = false;
                let show = self.show(units, at, Some(asked_at));
                self.tell(show, now)?;
                return Ok(());
            }
        };
        if let Some(call) = self.call.take() {
            let (listing, place) = self.name();
            let ended = CallEnd {
                listing,
                place,
                call,
                outcome,
            };
            let calls = vec![ended];
            self.tell(BucketCommand::End { calls }, now)?;
        }
        Ok(())
    }

    fn wants_proof(&self, book: &Book) -> bool {
        !self.is_settled(book)
    }

    fn is_settled(&self, _book: &Book) -> bool {
        // A number that is wrong, or a call under way, has a deadline.
        self.entity.next_deadline().is_none()
    }

    fn due(&self) -> Option<Timestamp> {
        self.entity.next_deadline().map(|(at, _)| at)
    }

    fn woken(&mut self, now: Timestamp) -> Result<(), LabError> {
        self.ask(&Command::Wake, now)?;
        Ok(())
    }
}

impl Bucket {
    fn show(&self, units: i64, at: Timestamp, asked_at: Option<Timestamp>) -> BucketCommand {
        BucketCommand::Show {
            listing: self.listing.clone(),
            level: ShownLevel {
                place: self.place.clone(),
                units: Some(units),
                at,
            },
            asked_at,
        }
    }
}
