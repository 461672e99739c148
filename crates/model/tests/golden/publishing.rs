//! Samples of what is published.

use crossdock_model::answer::{NumberCall, NumberCallKind, NumberView};
use crossdock_model::v1::{
    Buffer, CallOutcome, ChannelMode, ChannelPlace, ListingMode, MeasuredLag, PublishedStock,
    Publishing, SellingRate, Sold, Tracking, Uncounted, Writes,
};
use crossdock_model::{Duration, EntityId, SourceId};

use crate::others::listing;
use crate::sample::{at, location, order, samples, sku, text};

pub fn place() -> SourceId {
    SourceId::new("shop/5").expect("a source id")
}

pub fn bucket() -> EntityId {
    EntityId::Bucket(order().channel, 5)
}

pub fn publishing() -> Publishing {
    Publishing {
        version: 3,
        mode: ChannelMode::Active,
        writes: Writes::Absolute,
        places: vec![ChannelPlace {
            place: place(),
            locations: vec![location("reno")],
        }],
        counted: "item:".to_owned(),
        uncounted: Uncounted::SentByChannel,
        buffer: Buffer::Fixed { units: 2 },
        lag_measured: Some(MeasuredLag {
            lag: Duration::from_ms(3_375),
            p99: Duration::from_ms(2_900),
            changes: 412,
        }),
        unseen_for: Duration::from_s(300),
        unseen_risk_ppm: 1_000,
        call_for: Duration::from_s(10),
        wrong_for: Duration::from_s(600),
        paused_skus: vec![sku("A-1")],
        paused_locations: vec![location("york")],
        closed_locations: vec![location("reno")],
        observed_places: vec![place()],
    }
}

pub fn published_stock() -> PublishedStock {
    PublishedStock {
        sku: sku("A-1"),
        version: 9,
        tracking: Tracking::Tracked,
        ats: vec![(location("reno"), 7)],
        sold: vec![Sold {
            at: at(4),
            units: 2,
        }],
        sold_units: 33,
        sole: true,
        rates: vec![SellingRate {
            channel: order().channel,
            milli_per_h: 20_500,
            shape_milli: 60_000,
        }],
        aside: false,
        at: at(5),
    }
}

pub fn number_calls() -> Vec<NumberCall> {
    let set = NumberCallKind::Set {
        call: 8,
        units: 4,
        change_from: Some(-2),
        since: Some(at(6)),
        tells_lag: true,
        until: at(7),
    };
    let call = |kind| NumberCall {
        listing: listing(),
        place: place(),
        kind,
    };
    [NumberCallKind::Read, set].map(call).into()
}

pub fn number_view() -> NumberView {
    NumberView {
        listing: listing(),
        place: place(),
        mode: ListingMode::Paused,
        shown: Some(-1),
        stated_at: Some(at(5)),
        should: Some(4),
        wrong_since: Some(at(6)),
        is_tracked: true,
        is_sent_by_channel: true,
        is_missing: true,
        rests: true,
    }
}

samples!(writes, Writes {
    CompareAndSet => [Writes::CompareAndSet],
    Absolute => [Writes::Absolute],
});

samples!(uncounted, Uncounted {
    Endless => [Uncounted::Endless],
    SentByChannel => [Uncounted::SentByChannel],
});

samples!(buffers, Buffer {
    Fixed => [Buffer::Fixed { units: 2 }],
    Measured => [
        Buffer::Measured {
            risk_ppm: 1_000,
            lag: Duration::from_s(10),
            floor_units: 1,
            cap_units: 50,
        },
    ],
});

samples!(listing_modes, ListingMode {
    Live => [ListingMode::Live { share_permille: 500 }],
    NotInWave => [ListingMode::NotInWave],
    Paused => [ListingMode::Paused],
});

samples!(call_outcomes, CallOutcome {
    Confirmed => [CallOutcome::Confirmed { at: at(7) }],
    Stale => [CallOutcome::Stale],
    Refused => [CallOutcome::Refused { problem: text("no such listing") }],
    Unknown => [CallOutcome::Unknown],
    NotDone => [CallOutcome::NotDone],
});
