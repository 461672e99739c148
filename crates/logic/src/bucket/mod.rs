//! A bucket of a channel's listing map: what its listings stand for, and what the channel shows and should show of them.
//!
//! Of a channel that is published to, a bucket listens to every SKU that it lists; what a SKU says is an event, so
//! that a SKU is answered only when it will not be forgotten. What is to be sent follows from the state alone
//! (`publish`); the channel's budget decides when. A call is an event before it is made.

mod agenda;
mod apply;
mod bulk;
mod calls;
mod changes;
mod drift;
mod due;
mod leaving;
mod listening;
mod listings;
mod missing;
mod note;
mod numbers;
mod state;
mod stock;
mod touched;

#[cfg(test)]
mod tests;

use crossdock_model::command::{BucketCommand, EffectNumber};
use crossdock_model::v1::BucketEvent;
use crossdock_model::{Answer, Duration, EntityId, ListingId, Rejection, ShardId, Timestamp};

pub use calls::{Offer, Offers, Urgency};
pub use missing::NotThere;
pub use state::BucketState;
pub use stock::check_publishing;

use crate::decider::{Asked, Decider, Decision, IllegalHistory, Pending};

/// Buckets of a channel. Fixed: a listing's bucket is where its mapping is journaled.
pub const BUCKETS: u16 = 64;
/// Listings of one bucket at most.
const LISTINGS_MAX: usize = 50_000;
/// Places at which a channel shows one listing at most.
const PLACES_MAX: usize = 256;
/// Components of one kit at most.
const COMPONENTS_MAX: usize = 100;
/// Calls begun by one command at most.
pub const CALLS_MAX: usize = 250;
/// Numbers offered to the channel's budget at a time, the most urgent first.
pub const OFFERS_MAX: usize = 64;
/// Things that are due done in one decision; the rest is done in the next.
const DUE_PER_DECISION: usize = 64;
/// Exception kind: a number has been wrong for too long.
pub const LISTING_WRONG: &str = "listing_wrong";
/// Exception kind: the channel shows another number than its sales and ours explain.
pub const LISTING_DRIFT: &str = "listing_drift";
/// Exception kind: a SKU that is listed cannot be listened to.
pub const SKU_UNHEARD: &str = "sku_unheard";
/// A SKU that cannot be listened to is asked again after that.
const HEAR_AGAIN_AFTER: Duration = Duration::from_minutes(10);
/// Units that one unit of a listing, or of a kit, stands for at most.
const UNITS_MAX: u32 = 1_000_000;

/// The bucket a listing is in.
#[must_use]
pub fn bucket_of(listing: &ListingId) -> u16 {
    ShardId::of_key(&format!("listing:{listing}")).number() % BUCKETS
}

impl Decider for BucketState {
    type Command = BucketCommand;
    type Event = BucketEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        command: &BucketCommand,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        match command {
            BucketCommand::Map { listing, target } => self.map(listing, target),
            BucketCommand::Unmap { listing } => Ok(self.unmap(listing)),
            BucketCommand::Look { listing } => Ok(Decision::unchanged(self.look(listing))),
            BucketCommand::Show {
                listing,
                level,
                asked_at,
            } => self.show(asked, listing, level, *asked_at),
            BucketCommand::LookShown { listing } => {
                Ok(Decision::unchanged(self.look_shown(listing)))
            }
            BucketCommand::Publish(publishing) => self.publish(publishing),
            BucketCommand::LookNumbers => Ok(Decision::unchanged(self.look_numbers())),
            BucketCommand::SetListingMode { listing, mode } => self.set_mode(listing, *mode),
            BucketCommand::Stock(said) => Ok(self.hear(asked, said)),
            BucketCommand::Prove { up_to } => Ok(self.prove(*up_to)),
            BucketCommand::Begin { numbers } => self.begin(asked, numbers),
            BucketCommand::End { calls } => self.end(calls),
            BucketCommand::Miss { numbers, asked_at } => self.miss(asked, numbers, *asked_at),
            BucketCommand::Lose => Ok(self.lose()),
            BucketCommand::BeginInBulk {
                numbers_max,
                until,
                set_within,
            } => self.begin_in_bulk(asked, *numbers_max, (*until, *set_within)),
            BucketCommand::LookInBulk => Ok(Decision::unchanged(self.look_in_bulk())),
            BucketCommand::LoseInBulk { begun_before } => Ok(self.lose_in_bulk(*begun_before)),
            BucketCommand::FallBehind { by } => Ok(self.fall_behind(*by)),
            BucketCommand::MapNew { listing, target } => self.map_new(listing, target),
            BucketCommand::PutBack { listing, units } => Ok(self.put_back(listing, *units)),
            BucketCommand::ResolveException { key, how } => self.resolve(key, how),
            BucketCommand::NoteException { key, text } => {
                let noted = self.exceptions.note(key, text)?;
                Ok(Decision::done(vec![BucketEvent::ExceptionNoted(noted)]))
            }
        }
    }

    fn answered(
        &self,
        asked: &Asked<'_>,
        effect: EffectNumber,
        _from: &EntityId,
        result: &Result<Answer, Rejection>,
    ) -> Decision<BucketEvent> {
        self.heard(asked, effect, result)
    }

    fn wake(&self, asked: &Asked<'_>) -> Decision<BucketEvent> {
        self.do_what_is_due(asked.now)
    }

    fn read(&self, _asked: &Asked<'_>) -> Result<Answer, Rejection> {
        let listings = self.listings.iter();
        let listings = listings.map(|(listing, known)| (listing.clone(), known.target.clone()));
        Ok(Answer::Listings(listings.collect()))
    }

    fn apply(
        &mut self,
        id: &EntityId,
        event: &BucketEvent,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        self.take_in(id, event, at)
    }

    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        self.next_due()
    }
}
