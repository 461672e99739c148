//! A bucket whose channel is published to.

mod behind;
mod bulk;
mod drift;
mod kept;
mod lag;
mod leaving;
mod missing;
mod pausing;
mod put_back;
mod sums;
mod theirs;
mod trouble;

use std::collections::BTreeSet;

use crossdock_model::answer::{NumberCall, NumberCallKind, NumberView, Seen};
use crossdock_model::command::{BucketCommand, CallEnd, Effect, SkuCommand};
use crossdock_model::v1::{
    Buffer, CallOutcome, ChannelMode, ChannelPlace, Component, DriftClass, Kit, ListingMode,
    ListingTarget, MeasuredLag, PublishedStock, Publishing, SellingRate, ShownLevel, Sold,
    Tracking, Uncounted, Writes,
};
use crossdock_model::{
    Answer, ChannelId, Command, Duration, EntityId, ListingId, LocationId, Rejection, SkuId,
    SourceId, Timestamp,
};

use super::single;
use crate::bucket::{OFFERS_MAX, Offer, Urgency};
use crate::testing::Scene;

const PLACE: &str = "shop/1";

fn place() -> SourceId {
    SourceId::new(PLACE).unwrap()
}

fn listing(id: &str) -> ListingId {
    ListingId::new(id).unwrap()
}

fn sku(id: &str) -> SkuId {
    SkuId::new(id).unwrap()
}

fn publishing(mode: ChannelMode, writes: Writes) -> Publishing {
    let place = ChannelPlace {
        place: place(),
        locations: vec![LocationId::new("reno").unwrap()],
    };
    Publishing {
        version: 1,
        mode,
        unseen_for: Duration::from_minutes(3),
        unseen_risk_ppm: 1_000,
        call_for: Duration::from_s(10),
        ..Publishing::plain(writes, vec![place])
    }
}

/// A bucket of `shop` with listing 1 for A.
struct Shop(Scene);

impl Shop {
    fn new(publishing: Publishing) -> Self {
        let mut shop = Self(Scene::new("bucket:shop:3"));
        let target = single("A", 1);
        shop.tell(BucketCommand::Map {
            listing: listing("1"),
            target,
        });
        shop.tell(BucketCommand::Publish(Box::new(publishing)));
        shop
    }

    fn active(writes: Writes) -> Self {
        let mut shop = Self::new(publishing(ChannelMode::Active, writes));
        shop.say("A", 1, 10, &[]);
        shop
    }

    #[track_caller]
    fn tell(&mut self, command: BucketCommand) {
        let asked = self.0.ask(Command::Bucket(command.clone()));
        assert_eq!(asked, Ok(Answer::Done), "{command:?}");
    }

    /// SKUs that are asked to be listened to, with the effect's number.
    fn asks(&self) -> Vec<(u32, SkuId)> {
        let pending = self.0.entity.pending().iter();
        let asks = pending.map(|(number, effect)| match effect {
            Effect::Tell {
                to: EntityId::Sku(sku),
                command,
                ..
            } => {
                let is_it = matches!(**command, Command::Sku(SkuCommand::Subscribe { .. }));
                assert!(is_it, "{command:?}");
                (number, sku.clone())
            }
            other => panic!("{other:?}"),
        });
        asks.collect()
    }

    fn stock(id: &str, version: u64, units: u32, sold: &[Sold]) -> PublishedStock {
        PublishedStock {
            sku: sku(id),
            version,
            tracking: Tracking::Tracked,
            ats: vec![(LocationId::new("reno").unwrap(), units)],
            sold: sold.to_vec(),
            sold_units: sold.iter().map(|sold| u64::from(sold.units)).sum(),
            sole: true,
            rates: Vec::new(),
            aside: false,
            at: Timestamp::default(),
        }
    }

    /// The SKU says what can be sold: as an answer if it was asked, else by itself.
    fn say(&mut self, id: &str, version: u64, units: u32, sold: &[Sold]) {
        self.say_stock(Self::stock(id, version, units, sold));
    }

    fn say_stock(&mut self, stock: PublishedStock) {
        let asked = self.asks().into_iter().find(|(_, sku)| *sku == stock.sku);
        let Some((effect, sku)) = asked else {
            return self.tell(BucketCommand::Stock(vec![stock]));
        };
        let answered = Command::Answered {
            effect,
            from: EntityId::Sku(sku),
            result: Ok(Answer::Published(Box::new(stock))),
        };
        assert_eq!(self.0.ask(answered), Ok(Answer::Done));
    }

    /// The shop says so of its own accord.
    fn shows(&mut self, units: i64) -> Seen {
        self.state(units, None)
    }

    /// The shop answers so.
    fn reads(&mut self, units: i64) -> Seen {
        self.state(units, Some(self.0.now))
    }

    /// It answers so of another place.
    fn reads_at(&mut self, place: &str, units: i64) {
        self.state_at(SourceId::new(place).unwrap(), units, Some(self.0.now));
    }

    fn state(&mut self, units: i64, asked_at: Option<Timestamp>) -> Seen {
        self.state_at(place(), units, asked_at)
    }

    fn state_at(&mut self, place: SourceId, units: i64, asked_at: Option<Timestamp>) -> Seen {
        let at = self.0.now;
        let level = ShownLevel {
            place,
            units: Some(units),
            at,
        };
        let show = BucketCommand::Show {
            listing: listing("1"),
            level,
            asked_at,
        };
        let Ok(Answer::Seen(seen)) = self.0.ask(Command::Bucket(show)) else {
            panic!("it takes what is shown");
        };
        self.0.pass(Duration::from_ms(1));
        seen
    }

    fn offers(&self) -> Vec<Offer> {
        let offers = self.0.entity.offers().unwrap();
        assert_eq!(offers.channel, ChannelId::new("shop").unwrap());
        offers.offers
    }

    /// Up to when orders must be read before a number can go on.
    fn unproven(&self) -> Option<Timestamp> {
        self.0.entity.offers().unwrap().unproven
    }

    /// What is urgent about listing 1, and with how many units times a thousandth.
    fn offered(&self) -> Option<(Urgency, u64)> {
        self.offers()
            .first()
            .map(|offer| (offer.urgency, offer.milli_per_h))
    }

    /// Proves that all orders are read, and writes what should be shown; how many that is.
    fn stated(&mut self) -> i64 {
        let up_to = self.0.now;
        self.tell(BucketCommand::Prove { up_to });
        self.say("A", 3, 40, &[]);
        let [NumberCallKind::Set { call, units, .. }] = self.begin()[..] else {
            panic!("{:?}", self.offers());
        };
        self.confirm(call);
        units.into()
    }

    /// What is known of listing 1.
    fn view(&mut self) -> NumberView {
        let looked = self.0.ask(Command::Bucket(BucketCommand::LookNumbers));
        let Ok(Answer::Numbers(views)) = looked else {
            panic!("{looked:?}");
        };
        let mut views = views.into_iter();
        views.find(|view| view.listing == listing("1")).unwrap()
    }

    /// The calls, whenever what they tell of has changed.
    fn begin(&mut self) -> Vec<NumberCallKind> {
        timeless(self.begin_timed())
    }

    fn begin_timed(&mut self) -> Vec<NumberCallKind> {
        let numbers = vec![(listing("1"), place())];
        let begin = Command::Bucket(BucketCommand::Begin { numbers });
        match self.0.ask(begin) {
            Ok(Answer::Calls(calls)) => calls
                .into_iter()
                .map(|NumberCall { kind, .. }| kind)
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    fn end(&mut self, call: u64, outcome: CallOutcome) {
        let listing = listing("1");
        let place = place();
        let calls = vec![CallEnd {
            listing,
            place,
            call,
            outcome,
        }];
        self.tell(BucketCommand::End { calls });
        self.0.pass(Duration::from_ms(1));
    }

    /// Begins the call of that number, and has it carried out.
    fn confirm_next(&mut self, call: u64) {
        assert!(matches!(self.begin()[..], [NumberCallKind::Set { .. }]));
        self.confirm(call);
    }

    fn confirm(&mut self, call: u64) {
        let at = self.0.now;
        self.end(call, CallOutcome::Confirmed { at });
    }
}

/// Calls, whenever what they tell of has changed, and whenever they end.
fn timeless(mut calls: Vec<NumberCallKind>) -> Vec<NumberCallKind> {
    for kind in &mut calls {
        if let NumberCallKind::Set {
            since,
            tells_lag,
            until,
            ..
        } = kind
        {
            (*since, *tells_lag, *until) = (None, false, Timestamp::default());
        }
    }
    calls
}

fn set(call: u64, units: u32, from: Option<i64>) -> Vec<NumberCallKind> {
    vec![NumberCallKind::Set {
        call,
        units,
        change_from: from,
        since: None,
        tells_lag: false,
        until: Timestamp::default(),
    }]
}

#[test]
fn what_is_published_is_listened_to_kits_by_their_components() {
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    let names = |shop: &Shop| -> Vec<String> {
        shop.asks().iter().map(|(_, sku)| sku.to_string()).collect()
    };
    assert_eq!(names(&shop), ["A"]);
    let component = |id: &str| Component {
        sku: sku(id),
        units_per_kit: 1,
    };
    let kit = Kit {
        components: vec![component("B"), component("C")],
        may_split: false,
    };
    shop.say_stock(PublishedStock {
        tracking: Tracking::Kit(kit),
        ats: Vec::new(),
        ..Shop::stock("A", 1, 0, &[])
    });
    assert_eq!(names(&shop), ["C", "B"]);
    shop.say("B", 4, 5, &[]);
    assert_eq!(shop.offers(), [], "one component has not been heard of");
    shop.say("C", 2, 3, &[]);
    shop.shows(9);
    assert_eq!(shop.begin(), set(1, 3, Some(9)));
    shop.confirm(1);

    // What it is made of no more is listened to no more.
    let other = Kit {
        components: vec![component("C"), component("D")],
        may_split: false,
    };
    shop.say_stock(PublishedStock {
        tracking: Tracking::Kit(other),
        ats: Vec::new(),
        ..Shop::stock("A", 2, 0, &[])
    });
    assert_eq!(names(&shop), ["D"]);
    shop.say("D", 1, 2, &[]);
    let before = shop.0.version();
    shop.say("B", 5, 1, &[]);
    assert_eq!(shop.0.version(), before);
    shop.reads(3);
    assert_eq!(shop.begin(), set(2, 2, Some(3)));
}

#[test]
fn a_number_is_read_lowered_and_raised() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    assert_eq!(shop.offered(), Some((Urgency::Read, 1)));
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
    shop.reads(10);
    assert_eq!(shop.offered(), None);
    shop.say("A", 2, 7, &[]);
    assert_eq!(shop.offered(), Some((Urgency::Lower, 3)));
    assert_eq!(shop.begin(), set(1, 7, Some(10)));
    assert_eq!(shop.begin(), [], "one call at a time");
    // The newest number goes out next, what came between is never sent.
    shop.say("A", 3, 6, &[]);
    shop.say("A", 4, 5, &[]);
    assert_eq!(shop.offered(), None);
    shop.confirm(1);
    assert_eq!(shop.begin(), set(2, 5, Some(7)));
    shop.confirm(2);
    shop.say("A", 3, 6, &[]);
    assert_eq!(shop.offered(), None, "older than known");
    shop.say("A", 5, 25, &[]);
    assert_eq!(shop.offered(), Some((Urgency::Raise, 20)));
}

/// Shops tell of every number that is set there. What a call says, and nothing else was said meanwhile, its answer says.
#[test]
fn a_call_that_comes_back_is_not_written_down() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.reads(10);
    shop.say("A", 2, 7, &[]);
    assert_eq!(shop.begin(), set(1, 7, Some(10)));
    shop.shows(7);
    assert_eq!(shop.0.events, []);
    shop.confirm(1);
    assert_eq!((shop.view().shown, shop.offered()), (Some(7), None));

    shop.say("A", 3, 6, &[]);
    assert_eq!(shop.begin(), set(2, 6, Some(7)));
    for units in [5, 6] {
        shop.shows(units);
        assert_ne!(shop.0.events, [], "nobody knows which is the newer");
    }
    shop.confirm(2);

    // It was no call of ours: somebody bought one.
    shop.say("A", 4, 5, &[]);
    assert_eq!(shop.begin(), set(3, 5, Some(6)));
    shop.shows(5);
    shop.end(3, CallOutcome::Stale);
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
}

#[test]
fn a_sale_of_the_channel_itself_costs_no_call() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(10);
    let sold = [Sold {
        at: shop.0.now,
        units: 1,
    }];
    shop.say("A", 2, 9, &sold);
    assert_eq!(shop.offered(), None);
    shop.shows(9);
    assert_eq!(shop.offered(), None);
}

/// What only orders name is no number: no SKU is asked for it, nothing of it is offered or late, and the listing that is
/// counted is alone.
#[test]
fn what_only_orders_name_is_no_number() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    let mut settings = publishing(ChannelMode::Active, Writes::CompareAndSet);
    let mut count = |shop: &mut Shop, counted: &str| {
        settings.version += 1;
        settings.counted = counted.to_owned();
        shop.tell(BucketCommand::Publish(Box::new(settings.clone())));
    };
    let offered = |shop: &Shop| -> BTreeSet<String> {
        let offers = shop.offers().into_iter();
        offers.map(|offer| offer.listing.to_string()).collect()
    };
    count(&mut shop, "1");
    for (id, sku) in [("v1", "A"), ("v2", "B")] {
        shop.tell(BucketCommand::Map {
            listing: listing(id),
            target: single(sku, 1),
        });
    }
    assert_eq!(shop.asks(), []);
    shop.shows(10);
    assert_eq!((offered(&shop), shop.0.deadline()), (BTreeSet::new(), None));
    shop.shows(4);
    assert!(
        shop.unproven().is_some(),
        "a sale of the shop's own, or drift"
    );
    count(&mut shop, "");
    assert_eq!(shop.asks().len(), 1);
    shop.say("B", 1, 5, &[]);
    // The first one waits for orders to be read before it rises.
    assert_eq!(offered(&shop), ["v1", "v2"].map(String::from).into());
    count(&mut shop, "1");
    shop.reads(10);
    assert_eq!((offered(&shop), shop.0.deadline()), (BTreeSet::new(), None));
}

#[test]
fn nothing_is_published_to_an_observed_channel_or_without_a_count() {
    for writes in [Writes::CompareAndSet, Writes::Absolute] {
        let mut shop = Shop::new(publishing(ChannelMode::Observed, writes));
        shop.say("A", 1, 10, &[]);
        assert_eq!(shop.begin(), [NumberCallKind::Read]);
        shop.reads(99);
        assert_eq!((shop.offers(), shop.begin()), (Vec::new(), Vec::new()));
        let view = shop.view();
        assert_eq!((view.shown, view.rests), (Some(99), true), "{writes:?}");
        let before = shop.0.version();
        shop.reads(99);
        assert_eq!(shop.0.version(), before, "nothing new");
        shop.reads(98);
        assert_eq!(shop.view().shown, Some(98));
        shop.tell(BucketCommand::Publish(Box::new(Publishing {
            version: 2,
            ..publishing(ChannelMode::Active, writes)
        })));
        assert!(!shop.view().rests);
    }
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    shop.say_stock(PublishedStock {
        ats: Vec::new(),
        ..Shop::stock("A", 1, 0, &[])
    });
    shop.shows(99);
    assert_eq!(shop.offers(), []);
}

#[test]
fn a_call_that_nobody_hears_of_again_is_in_doubt() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(12);
    assert_eq!(shop.begin(), set(1, 10, Some(12)));
    assert_eq!(shop.0.deadline(), Some(shop.0.now + Duration::from_s(10)));
    let mut other_process = Shop(shop.0.clone());
    other_process.tell(BucketCommand::Lose);
    assert_eq!(other_process.begin(), [NumberCallKind::Read]);
    shop.0.pass(Duration::from_s(10));
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
    shop.reads(10);
    assert_eq!(shop.offered(), None);
}

#[test]
fn a_raise_waits_for_proof_and_for_what_the_sku_says_after_it() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.shows(10);
    shop.0.pass(Duration::from_minutes(1));
    assert_eq!(shop.unproven(), None);
    let wrong_since = shop.0.now;
    shop.say("A", 2, 30, &[]);
    assert_eq!(shop.offered(), None);
    assert_eq!(shop.unproven(), Some(wrong_since));
    let before = shop.0.now - Duration::from_s(1);
    shop.tell(BucketCommand::Prove { up_to: before });
    assert_eq!(shop.asks(), []);
    let up_to = shop.0.now;
    shop.0.pass(Duration::from_minutes(1));
    shop.tell(BucketCommand::Prove { up_to });
    assert_eq!(shop.offered(), None, "the SKU is asked first");
    shop.say("A", 3, 27, &[]);
    assert_eq!(shop.unproven(), None);
    assert_eq!(shop.begin(), set(1, 27, None));
}

/// At two sales a second, twenty units last ten seconds: (units that there are, what 20 units too many weigh, of 20).
#[test]
fn what_is_nearly_sold_out_is_more_urgent() {
    for (units, weight) in [(0, 20), (20, 10), (60, 5), (1_000_000, 0)] {
        let mut shop = Shop::active(Writes::CompareAndSet);
        let rate = SellingRate {
            channel: ChannelId::new("shop").unwrap(),
            milli_per_h: 7_200_000,
            shape_milli: 1_000,
        };
        shop.say_stock(PublishedStock {
            rates: vec![rate],
            ..Shop::stock("A", 2, units, &[])
        });
        shop.shows(i64::from(units) + 20);
        let (urgency, milli_per_h) = shop.offered().unwrap();
        let found = (urgency, milli_per_h / 7_200_000);
        assert_eq!(found, (Urgency::Lower, weight), "{units}");
    }
}

#[test]
fn what_is_not_listed_any_more_is_not_listened_to() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.tell(BucketCommand::Unmap {
        listing: listing("1"),
    });
    let before = shop.0.version();
    shop.say("A", 9, 1, &[]);
    assert_eq!(shop.0.version(), before);
    assert_eq!(shop.asks(), []);
}

#[test]
fn places_that_share_a_location_are_refused() {
    let mut twice = publishing(ChannelMode::Active, Writes::Absolute);
    twice.places.push(ChannelPlace {
        place: SourceId::new("shop/2").unwrap(),
        locations: twice.places[0].locations.clone(),
    });
    let mut shop = Shop::active(Writes::Absolute);
    let refused = shop
        .0
        .ask(Command::Bucket(BucketCommand::Publish(Box::new(twice))));
    assert!(refused.is_err());
}

/// A kit made up for the listing of 2 A: what is sold of A is not taken for sales of the kit.
#[test]
fn a_pack_shows_whole_packs() {
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    shop.tell(BucketCommand::Map {
        listing: listing("1"),
        target: ListingTarget::Sku {
            sku: sku("A"),
            multiplier: 4,
        },
    });
    shop.say("A", 1, 11, &[]);
    shop.shows(5);
    assert_eq!(shop.begin(), set(1, 2, Some(5)));
}

/// Whether two listings share a SKU decides what is known of either: both are looked at anew, and nothing is due in vain.
#[test]
fn a_listing_beside_another_is_looked_at_when_that_one_comes_or_goes() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.shows(10);
    shop.0.pass(Duration::from_minutes(1));
    shop.say("A", 2, 30, &[]);
    let wrong_for = Duration::from_minutes(10);
    for command in [
        BucketCommand::Map {
            listing: listing("2"),
            target: single("A", 1),
        },
        BucketCommand::Unmap {
            listing: listing("2"),
        },
    ] {
        shop.0.pass(Duration::from_minutes(1));
        shop.tell(command);
        let since = shop.view().wrong_since.unwrap();
        assert_eq!(since, shop.0.now, "it waits from now on");
        assert_eq!(shop.0.deadline(), Some(since + wrong_for));
    }
}

/// With a number that fell, one that is missing, and what was heard.
#[test]
fn layout_is_golden() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    for (id, target) in [
        ("2", super::kit(&[("A", 1), ("B", 2)])),
        ("3", single("C", 2)),
    ] {
        let listing = listing(id);
        shop.tell(BucketCommand::Map { listing, target });
    }
    shop.say("B", 1, 6, &[]);
    shop.say("C", 1, 9, &[]);
    shop.reads(12);
    shop.shows(11);
    let numbers = vec![(listing("3"), place())];
    let asked_at = shop.0.now;
    shop.tell(BucketCommand::Miss { numbers, asked_at });
    crate::golden::check(&shop.0.entity);
}
