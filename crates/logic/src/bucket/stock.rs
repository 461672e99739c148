//! Listening to SKUs, and to how far the channel's orders have been read.

use std::collections::BTreeSet;

use crossdock_model::command::{EffectNumber, Notice, SkuCommand};
use crossdock_model::v1::{BucketEvent, PublishedStock, Publishing, Writes};
use crossdock_model::{
    Answer, ChannelId, Command, Duration, EntityId, Rejection, SkuId, Timestamp,
};

use super::state::{BucketState, Heard, Pace};
use super::{PLACES_MAX, SKU_UNHEARD};
use crate::decider::{Asked, Decision};

impl BucketState {
    /// Takes over what is published; what is older than known is passed over.
    pub(super) fn publish(
        &self,
        publishing: &Publishing,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        check_publishing(publishing)?;
        let is_new = match self.publishing.as_deref() {
            Some(known) => known.version < publishing.version,
            None => true,
        };
        let event = BucketEvent::PublishingSet(publishing.clone());
        Ok(Decision::done(
            is_new.then_some(event).into_iter().collect(),
        ))
    }

    /// Takes over what is new. A SKU that is not listed any more is told so, whenever it says something.
    pub(super) fn hear(&self, asked: &Asked<'_>, said: &[PublishedStock]) -> Decision<BucketEvent> {
        let mut decision = Decision::done(Vec::new());
        for stock in said {
            match self.skus.get(&stock.sku) {
                Some(heard) if is_news(heard, stock) => {
                    decision.events.push(BucketEvent::Stocked {
                        stock: stock.clone(),
                        asked: None,
                    });
                }
                Some(_) => {}
                None => decision.notices.push(Notice {
                    to: EntityId::Sku(stock.sku.clone()),
                    command: Command::Sku(SkuCommand::Unsubscribe {
                        bucket: asked.id.clone(),
                    }),
                }),
            }
        }
        decision
    }

    /// A SKU has answered.
    pub(super) fn heard(
        &self,
        asked: &Asked<'_>,
        effect: EffectNumber,
        result: &Result<Answer, Rejection>,
    ) -> Decision<BucketEvent> {
        let (Some((sku, proof)), EntityId::Bucket(channel, _)) = (self.asks.get(&effect), asked.id)
        else {
            return Decision::unchanged(Answer::Done);
        };
        let stock = match result {
            Ok(Answer::Published(stock)) => stock,
            Ok(_) | Err(_) => return Decision::done(self.not_heard(channel, effect, sku, result)),
        };
        let mut events = vec![BucketEvent::Stocked {
            stock: PublishedStock::clone(stock),
            asked: Some((effect, *proof)),
        }];
        events.extend(self.drifted(stock, *proof, asked.now));
        let how = "the SKU answers";
        let closed = self
            .exceptions
            .close(SKU_UNHEARD, &subject(channel, sku), None, how);
        events.extend(closed.map(BucketEvent::ExceptionClosed));
        Decision::done(events)
    }

    /// Nothing can be published of a SKU that does not say what there is of it. It is asked again later.
    fn not_heard(
        &self,
        channel: &ChannelId,
        asked: EffectNumber,
        sku: &SkuId,
        result: &Result<Answer, Rejection>,
    ) -> Vec<BucketEvent> {
        let why = result.as_ref().err();
        let why = why.map_or("it said something else".to_owned(), ToString::to_string);
        let cause = format!(
            "{sku} is listed on {channel}, and does not tell what can be sold of it: {why}. Its listings keep the \
             number they show. It is asked again every few minutes."
        );
        let opened = self
            .exceptions
            .open(SKU_UNHEARD, &subject(channel, sku), &cause, &[]);
        let unheard = BucketEvent::Unheard { asked };
        let opened = opened.map(BucketEvent::ExceptionOpened);
        [unheard].into_iter().chain(opened).collect()
    }

    /// On a channel that compares it says itself that more was sold than is known.
    pub(super) fn fall_behind(&self, by: Option<Duration>) -> Decision<BucketEvent> {
        let writes = self.publishing.as_ref().map(|known| known.writes);
        let is_news = writes != Some(Writes::CompareAndSet) && by != self.behind;
        let event = BucketEvent::FellBehind { by };
        Decision::done(is_news.then_some(event).into_iter().collect())
    }

    pub(super) fn prove(&self, up_to: Timestamp) -> Decision<BucketEvent> {
        let is_news = self.publishing.is_some() && up_to > self.proof;
        let event = BucketEvent::Proved { up_to };
        Decision::done(is_news.then_some(event).into_iter().collect())
    }
}

/// How an exception names a SKU that cannot be listened to.
pub(super) fn subject(channel: &ChannelId, sku: &SkuId) -> String {
    format!("{channel}/{sku}")
}

/// Whether places and locations fit together.
///
/// # Errors
/// [`Rejection::Invalid`] when a place or a location is named twice, [`Rejection::Limit`] for too many places.
pub fn check_publishing(publishing: &Publishing) -> Result<(), Rejection> {
    let mut locations = BTreeSet::new();
    let mut places = BTreeSet::new();
    let mut named = publishing.places.iter().flat_map(|place| &place.locations);
    let distinct = named.all(|location| locations.insert(location))
        && publishing
            .places
            .iter()
            .all(|place| places.insert(&place.place));
    if !distinct {
        let problem = "each place is named once, and each location belongs to one place";
        return Err(Rejection::invalid("places", problem));
    }
    match places.len() > PLACES_MAX {
        true => Err(Rejection::Limit {
            what: "places of a channel".to_owned(),
            max: PLACES_MAX as u64,
        }),
        false => Ok(()),
    }
}

/// Whether a statement changes anything.
fn is_news(heard: &Heard, stock: &PublishedStock) -> bool {
    let Some(known) = &heard.stock else {
        return true;
    };
    let ats = || known.ats.iter().map(|(at, units)| (at, *units));
    if stock.aside || heard.aside {
        // What was said before it was put aside says nothing; what is said after it counts, though nothing changed.
        return stock.aside != heard.aside && (stock.aside || stock.version >= known.version);
    }
    stock.version > known.version
        && (stock.tracking != known.tracking
            || !ats().eq(stock.ats.iter().map(|(at, units)| (at, *units)))
            || stock.sold_units != heard.sold_units
            || stock.sole != heard.sole)
}

/// Units sold on the channel that a statement has and the one before had not. Of the first nothing is known before.
pub(super) fn news(heard: &Heard, stock: &PublishedStock) -> u64 {
    match heard.stock {
        Some(_) => stock.sold_units.saturating_sub(heard.sold_units),
        None => 0,
    }
}

/// Takes over how fast a SKU sells. On a channel whose orders are not read it seems to sell less than it does.
pub(super) fn take_rates(
    heard: &mut Heard,
    stock: &PublishedStock,
    channel: &ChannelId,
    is_behind: bool,
) {
    let of = |is_own: bool| {
        let rates = stock.rates.iter();
        Pace::of(rates.filter(move |rate| (rate.channel == *channel) == is_own))
    };
    let own = of(true);
    if !is_behind || own.milli_per_h >= heard.own.milli_per_h {
        heard.own = own;
    }
    heard.others = of(false);
}
