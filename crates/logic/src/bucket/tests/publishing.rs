//! A bucket whose channel is published to.

mod bulk;

use crossdock_model::answer::{NumberCall, NumberCallKind, Seen};
use crossdock_model::command::{BucketCommand, CallEnd, Effect, SkuCommand};
use crossdock_model::v1::{
    Buffer, CallOutcome, ChannelMode, ChannelPlace, Component, DriftClass, Kit, ListingMode,
    ListingTarget, MeasuredLag, PublishedStock, Publishing, SellingRate, ShownLevel, Sold, Tracking,
    Writes,
};
use crossdock_model::{
    Answer, ChannelId, Command, Duration, EntityId, ListingId, LocationId, Rejection, SkuId,
    SourceId, Timestamp,
};

use super::single;
use crate::Announcement;
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
    Publishing {
        version: 1,
        mode,
        writes,
        places: vec![ChannelPlace {
            place: place(),
            locations: vec![LocationId::new("reno").unwrap()],
        }],
        buffer: Buffer::Fixed { units: 0 },
        lag_measured: None,
        unseen_for: Duration::from_minutes(3),
        unseen_risk_ppm: 1_000,
        call_for: Duration::from_s(10),
        wrong_for: Duration::from_minutes(10),
        paused_skus: Vec::new(),
        paused_locations: Vec::new(),
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

    fn state(&mut self, units: i64, asked_at: Option<Timestamp>) -> Seen {
        let at = self.0.now;
        let level = ShownLevel {
            place: place(),
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
        match self.0.entity.announcement(self.0.now) {
            Some(Announcement::Offers(offers)) => {
                assert_eq!(offers.channel, ChannelId::new("shop").unwrap());
                offers.offers
            }
            other => panic!("{other:?}"),
        }
    }

    /// Up to when orders must be read before a number can go on.
    fn unproven(&self) -> Option<Timestamp> {
        match self.0.entity.announcement(self.0.now) {
            Some(Announcement::Offers(offers)) => offers.unproven,
            other => panic!("{other:?}"),
        }
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

/// Calls, whenever what they tell of has changed.
fn timeless(mut calls: Vec<NumberCallKind>) -> Vec<NumberCallKind> {
    for kind in &mut calls {
        if let NumberCallKind::Set {
            since, tells_lag, ..
        } = kind
        {
            (*since, *tells_lag) = (None, false);
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
    }]
}

/// A call tells of all changes since the last one that was confirmed, and says how old the oldest of them is.
#[test]
fn a_call_is_as_old_as_the_oldest_change_it_tells_of() {
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    let say = |shop: &mut Shop, version, units, ms| {
        let at = Timestamp::from_ms(ms);
        let stock = Shop::stock("A", version, units, &[]);
        shop.say_stock(PublishedStock { at, ..stock });
    };
    let since = |shop: &mut Shop| match shop.begin_timed()[..] {
        [NumberCallKind::Set { since, .. }] => since.map(Timestamp::as_ms),
        ref other => panic!("{other:?}"),
    };
    shop.say("A", 1, 9, &[]);
    shop.shows(9);
    say(&mut shop, 2, 5, 10);
    say(&mut shop, 3, 4, 20);
    assert_eq!(since(&mut shop), Some(10));
    say(&mut shop, 4, 3, 30);
    shop.confirm(1);
    assert_eq!(since(&mut shop), Some(30));
    shop.end(2, CallOutcome::NotDone);
    say(&mut shop, 5, 2, 40);
    assert_eq!(since(&mut shop), Some(30));
    shop.confirm(3);
    say(&mut shop, 6, 1, 50);
    assert_eq!(since(&mut shop), Some(50));
}

/// What is lowered tells how far the channel is behind; what is raised waits for more than the channel, and so does what
/// was refused. That a number waited to be let in says nothing of it.
#[test]
fn only_what_is_lowered_tells_the_lag_of_a_channel() {
    let told = |shop: &mut Shop| match shop.begin_timed()[..] {
        [
            NumberCallKind::Set {
                since, tells_lag, ..
            },
        ] => (since.is_some(), tells_lag),
        ref other => panic!("{other:?}"),
    };
    let mut shop = Shop::new(publishing(ChannelMode::Observed, Writes::CompareAndSet));
    shop.say("A", 1, 9, &[]);
    shop.shows(12);
    shop.say("A", 2, 8, &[]);
    shop.tell(BucketCommand::Publish(Box::new(Publishing {
        version: 2,
        ..publishing(ChannelMode::Active, Writes::CompareAndSet)
    })));
    assert_eq!(told(&mut shop), (false, true));
    shop.confirm(1);
    shop.say("A", 3, 7, &[]);
    assert_eq!(told(&mut shop), (true, true));
    shop.confirm(2);
    shop.say("A", 4, 9, &[]);
    assert_eq!(told(&mut shop), (true, false));
    shop.confirm(3);
    shop.say("A", 5, 6, &[]);
    assert!(told(&mut shop).1);
    let problem = "no such item".to_owned();
    shop.end(4, CallOutcome::Refused { problem });
    assert_eq!(told(&mut shop), (true, false));
}

/// Others sell 20 an hour: (lag that is measured, units kept back for a risk of 0.1 % between floor and cap), by the table of
/// formula 5. Five seconds are configured.
#[test]
fn what_is_kept_back_follows_the_measured_lag() {
    let minutes = Duration::from_minutes;
    for (measured, floor_units, cap_units, kept) in [
        (None, 0, 100, 1),
        (Some(Duration::from_s(1)), 0, 100, 1),
        (Some(minutes(10)), 0, 100, 10),
        (Some(minutes(180)), 0, 100, 85),
        (Some(minutes(180)), 0, 40, 40),
        (None, 3, 100, 3),
    ] {
        let mut shop = Shop::new(Publishing {
            buffer: Buffer::Measured {
                risk_ppm: 1_000,
                lag: Duration::from_s(5),
                floor_units,
                cap_units,
            },
            lag_measured: measured.map(|lag| MeasuredLag {
                lag,
                p99: lag,
                changes: 40,
            }),
            ..publishing(ChannelMode::Active, Writes::CompareAndSet)
        });
        let rate = |channel: &str, milli_per_h| SellingRate {
            channel: ChannelId::new(channel).unwrap(),
            milli_per_h,
            shape_milli: 1_000_000_000,
        };
        shop.say_stock(PublishedStock {
            rates: vec![rate("shop", 900_000), rate("market", 20_000)],
            ..Shop::stock("A", 1, 200, &[])
        });
        shop.shows(200);
        assert_eq!(shop.begin(), set(1, 200 - kept, Some(200)), "{measured:?}");
    }
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

/// (what is set up, units the listing should show then)
#[test]
fn what_is_kept_back_and_what_shows_none() {
    type Change = fn(&mut Publishing);
    let cases: [(&str, Change, Option<u32>); 6] = [
        ("all", |_| {}, Some(10)),
        (
            "a buffer",
            |p| p.buffer = Buffer::Fixed { units: 3 },
            Some(7),
        ),
        (
            "more than there is",
            |p| p.buffer = Buffer::Fixed { units: 30 },
            Some(0),
        ),
        ("channel paused", |p| p.mode = ChannelMode::Paused, Some(0)),
        ("SKU paused", |p| p.paused_skus = vec![sku("A")], Some(0)),
        (
            "location paused",
            |p| p.paused_locations = vec![LocationId::new("reno").unwrap()],
            Some(0),
        ),
    ];
    for (what, change, units) in cases {
        let mut publishing = publishing(ChannelMode::Active, Writes::CompareAndSet);
        change(&mut publishing);
        let mut shop = Shop::new(publishing);
        shop.say("A", 1, 10, &[]);
        shop.shows(99);
        let [NumberCallKind::Set { units: found, .. }] = shop.begin()[..] else {
            panic!("{what}");
        };
        assert_eq!(Some(found), units, "{what}");
    }
}

#[test]
fn a_listing_shows_its_share_and_none_outside_its_wave() {
    for (mode, units) in [
        (
            ListingMode::Live {
                share_permille: 500,
            },
            5,
        ),
        (ListingMode::NotInWave, 0),
        (ListingMode::Paused, 0),
    ] {
        let mut shop = Shop::active(Writes::CompareAndSet);
        shop.shows(99);
        shop.tell(BucketCommand::SetListingMode {
            listing: listing("1"),
            mode,
        });
        assert_eq!(shop.begin(), set(1, units, Some(99)), "{mode:?}");
    }
}

#[test]
fn nothing_is_published_to_an_observed_channel_or_without_a_count() {
    let mut shop = Shop::new(publishing(ChannelMode::Observed, Writes::CompareAndSet));
    shop.say("A", 1, 10, &[]);
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
    shop.reads(99);
    assert_eq!((shop.offers(), shop.begin()), (Vec::new(), Vec::new()));
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

#[test]
fn a_fall_that_was_no_sale_is_told_and_put_right() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(10);
    shop.shows(4);
    assert_eq!(shop.offered(), None, "it may have been sold");
    let fell_at = shop.0.now - Duration::from_ms(1);
    assert_eq!(shop.unproven(), Some(fell_at));
    let up_to = shop.0.now;
    shop.tell(BucketCommand::Prove { up_to });
    shop.say("A", 1, 10, &[]);
    let [_, drifted, opened] = &shop.0.events[..] else {
        panic!("{:?}", shop.0.events);
    };
    assert!(format!("{drifted:?}").contains("ForeignEdit"));
    assert!(
        format!("{opened:?}").contains("listing_drift"),
        "{opened:?}"
    );
    assert_eq!(shop.begin(), set(1, 10, Some(4)));
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

/// A sale of the channel itself has lowered its number by one, however it takes numbers: what was sold elsewhere since
/// still has to be taken off.
#[test]
fn a_sale_of_a_channel_that_replaces_is_counted_once() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.shows(10);
    let at = shop.0.now;
    let own = vec![Sold { at, units: 4 }];
    shop.say("A", 2, 6, &own);
    assert_eq!(shop.offered(), None);
    shop.say("A", 3, 5, &own);
    assert_eq!(shop.begin(), set(1, 5, None));
}

/// Two listings of one SKU: whose sale it was that lowered a number, nobody can tell.
#[test]
fn a_fall_that_may_be_a_sale_is_no_drift() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.tell(BucketCommand::Map {
        listing: listing("2"),
        target: single("A", 1),
    });
    shop.shows(10);
    shop.reads(10);
    shop.shows(7);
    shop.0.pass(Duration::from_minutes(1));
    let up_to = shop.0.now;
    shop.tell(BucketCommand::Prove { up_to });
    shop.say("A", 2, 7, &[]);
    let told = format!("{:?}", shop.0.events);
    assert!(told.contains("Stocked") && !told.contains("rift"), "{told}");
}

#[test]
fn a_number_that_stays_wrong_is_an_exception_until_it_is_right() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(12);
    let since = shop.0.now - Duration::from_ms(1);
    assert_eq!(shop.0.deadline(), Some(since + Duration::from_minutes(10)));
    shop.0.pass(Duration::from_minutes(10));
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(format!("{:?}", shop.0.events).contains("listing_wrong"));
    assert_eq!(shop.0.deadline(), None, "told once");
    assert_eq!(shop.begin(), set(1, 10, Some(12)));
    shop.confirm(1);
    assert_eq!(shop.0.deadline(), Some(Timestamp::default()));
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(format!("{:?}", shop.0.events).contains("ExceptionClosed"));
    assert_eq!(shop.0.deadline(), None);
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

/// Put aside, at whatever version is known of it, it shows none; what it said before changes nothing, what it says
/// after does.
#[test]
fn a_sku_that_is_put_aside_shows_none_until_it_speaks_again() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(10);
    shop.say("A", 5, 9, &[]);
    let aside = |version| PublishedStock {
        aside: true,
        at: Timestamp::default(),
        ..Shop::stock("A", version, 9, &[])
    };
    shop.say_stock(aside(3));
    assert_eq!(shop.begin(), set(1, 0, Some(10)));
    shop.confirm(1);
    let before = shop.0.version();
    shop.say_stock(aside(3));
    shop.say("A", 4, 7, &[]);
    assert_eq!(shop.0.version(), before);
    shop.say("A", 5, 9, &[]);
    assert_eq!(shop.begin(), set(2, 9, Some(0)));
}

/// What is not counted here is shown as before once nothing makes it show none any more.
#[test]
fn what_is_not_counted_is_shown_again_after_a_pause() {
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    shop.say_stock(PublishedStock {
        ats: Vec::new(),
        ..Shop::stock("A", 1, 0, &[])
    });
    shop.shows(17);
    let mut paused = publishing(ChannelMode::Paused, Writes::CompareAndSet);
    paused.version = 2;
    shop.tell(BucketCommand::Publish(Box::new(paused.clone())));
    shop.reads(17);
    assert_eq!(shop.begin(), set(1, 0, Some(17)));
    shop.confirm(1);
    paused.version = 3;
    paused.mode = ChannelMode::Active;
    shop.tell(BucketCommand::Publish(Box::new(paused)));
    assert_eq!(shop.begin(), set(2, 17, Some(0)));
    shop.confirm(2);
    shop.shows(3);
    assert_eq!(shop.offers(), [], "it is nobody's business again");
}

/// More than a bucket offers at once are refused: those that can be sent come before them.
#[test]
fn what_the_channel_refuses_keeps_nothing_else_back() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    for number in 2..=OFFERS_MAX + 2 {
        shop.tell(BucketCommand::Map {
            listing: listing(&number.to_string()),
            target: single("A", 1),
        });
    }
    let offered = |shop: &Shop| -> Vec<String> {
        let offers = shop.offers().into_iter();
        offers.map(|offer| offer.listing.to_string()).collect()
    };
    let first = offered(&shop);
    assert_eq!(first.len(), OFFERS_MAX);
    let numbers = first.iter().map(|id| (listing(id), place()));
    let numbers = numbers.collect();
    shop.tell(BucketCommand::Miss { numbers });
    let then = offered(&shop);
    assert_eq!(then.len(), OFFERS_MAX);
    assert!(!first.contains(&then[0]) && !first.contains(&then[1]));
    assert!(first.contains(&then[2]), "{then:?}");
}

#[test]
fn a_sku_that_does_not_answer_is_told_of_and_asked_again() {
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    let [(effect, sku)] = &shop.asks()[..] else {
        panic!("{:?}", shop.asks());
    };
    let refused = Command::Answered {
        effect: *effect,
        from: EntityId::Sku(sku.clone()),
        result: Err(Rejection::invalid("bucket", "too many")),
    };
    assert_eq!(shop.0.ask(refused), Ok(Answer::Done));
    assert!(format!("{:?}", shop.0.events).contains("sku_unheard"));
    assert_eq!(shop.asks(), []);
    let again = shop.0.deadline().unwrap();
    assert_eq!(again, shop.0.now + Duration::from_minutes(10));
    shop.0.now = again;
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    shop.say("A", 1, 10, &[]);
    assert!(format!("{:?}", shop.0.events).contains("ExceptionClosed"));
    assert_eq!(shop.offered(), Some((Urgency::Read, 1)));
}

/// (what the shop shows after 10 was written over 12, what that is, how many it is made to show)
#[test]
fn drift_is_told_by_its_kind_and_put_right() {
    use DriftClass::{ForeignEdit, LostUpdate, WrongMapping};
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(12);
    assert_eq!(shop.begin(), set(1, 10, Some(12)));
    assert_eq!(shop.reads(12), Seen::InFlight);
    shop.confirm(1);
    assert_eq!(shop.reads(10), Seen::AsKnown);
    let before = shop.0.version();
    assert_eq!(shop.reads(10), Seen::AsKnown);
    assert_eq!(shop.0.version(), before, "nothing is new");
    for (call, shown, class) in [
        (2, 12, LostUpdate),
        (3, 11, ForeignEdit),
        (4, 90, WrongMapping),
    ] {
        assert_eq!(shop.reads(shown), Seen::Drifted(class));
        let told = format!("{:?}", shop.0.events).contains("listing_drift");
        assert_eq!(told, class == WrongMapping, "lowering needs nobody");
        assert_eq!(shop.begin(), set(call, 10, Some(shown)));
        shop.confirm(call);
    }
    assert_eq!(shop.shows(20), Seen::InFlight, "an order may tell why");
    shop.confirm_next(5);
    shop.0.pass(Duration::from_minutes(25 * 60));
    assert_eq!(shop.reads(70), Seen::Drifted(ForeignEdit));
    assert_eq!(shop.reads(4), Seen::Fell, "it may have been sold");
}

#[test]
fn where_writes_replace_a_number_only_more_than_unseen_sales_is_drift() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.say_stock(PublishedStock {
        rates: vec![SellingRate {
            channel: ChannelId::new("shop").unwrap(),
            milli_per_h: 20_000,
            shape_milli: 100_000,
        }],
        ..Shop::stock("A", 2, 40, &[])
    });
    let shown = shop.stated();
    assert_eq!(shop.reads(shown - 1), Seen::Fell);
    assert_eq!(shop.reads(2), Seen::Drifted(DriftClass::ForeignEdit));
}

/// Whether two listings share a SKU decides what is known of either: both are looked at anew, and nothing is due in vain.
#[test]
fn a_listing_beside_another_is_looked_at_when_that_one_comes_or_goes() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.shows(10);
    shop.0.pass(Duration::from_minutes(1));
    shop.say("A", 2, 30, &[]);
    let since = |shop: &mut Shop| {
        let looked = shop.0.ask(Command::Bucket(BucketCommand::LookNumbers));
        let Ok(Answer::Numbers(views)) = looked else {
            panic!("{looked:?}");
        };
        let mut views = views.into_iter();
        views
            .find(|view| view.listing == listing("1"))
            .unwrap()
            .wrong_since
    };
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
        let since = since(&mut shop).unwrap();
        assert_eq!(since, shop.0.now, "it waits from now on");
        assert_eq!(shop.0.deadline(), Some(since + wrong_for));
    }
}
