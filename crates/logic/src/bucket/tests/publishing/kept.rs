//! What is kept back, and what makes a listing show none.

use super::*;

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

/// (what is set up, units the listing should show then)
#[test]
fn what_is_kept_back_and_what_shows_none() {
    type Change = fn(&mut Publishing);
    let cases: [(&str, Change, Option<u32>); 8] = [
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
        (
            "location closed",
            |p| p.closed_locations = vec![LocationId::new("reno").unwrap()],
            Some(0),
        ),
        (
            "another location closed",
            |p| p.closed_locations = vec![LocationId::new("york").unwrap()],
            Some(10),
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
