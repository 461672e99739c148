//! Samples of the events of keys, channels, buckets, locations and the system, and of one event of each kind.

use crossdock_model::v1::{
    BegunInBulk, BucketEvent, CallOutcome, ChannelEvent, ChannelMode, ChannelSettings, Connector,
    DriftClass, EndedInBulk, Event, ListingMode, ListingTarget, LocationEvent, LocationFacts,
    OrderChange, OrderEvent, Polled, PostalAddress, RequestEvent, Sale, Scope, ShownLevel,
    SkuEvent, SystemEvent,
};
use crossdock_model::{CredentialId, Duration, ListingId, SourceId};

use crate::publishing::{place, published_stock, publishing};
use crate::sample::{
    at, exception_closed, exception_noted, exception_opened, location, order, samples, sku, text,
};

samples!(request_events, RequestEvent {
    Claimed => [RequestEvent::Claimed { order: order(), body_hash: 1 << 40, until: at(1) }],
    Forgotten => [RequestEvent::Forgotten],
});

pub fn settings() -> ChannelSettings {
    ChannelSettings {
        connector: text("shopify"),
        sale: Sale::AlreadySold,
        map_by_sku: true,
    }
}

pub fn polled() -> Polled {
    Polled {
        cursor: text("{\"after\":5}"),
        read_up_to: at(6),
        awaited: vec![(text("order:5"), text("{}"))],
        placed: vec![text("order:4")],
        theirs: Some(text("{\"after\":4}")),
    }
}

pub fn order_change() -> OrderChange {
    OrderChange {
        order: order().external,
        changed_at: at(7),
    }
}

samples!(channel_events, ChannelEvent {
    Connected => [ChannelEvent::Connected(settings())],
    ModeSet => [ChannelEvent::ModeSet(ChannelMode::Active)],
    AdoptionBegan => [ChannelEvent::AdoptionBegan { older_than: at(2) }],
    ExceptionOpened => [ChannelEvent::ExceptionOpened(exception_opened())],
    ExceptionClosed => [ChannelEvent::ExceptionClosed(exception_closed())],
    ExceptionNoted => [ChannelEvent::ExceptionNoted(exception_noted())],
    PublishingSet => [ChannelEvent::PublishingSet(publishing())],
    BucketTold => [ChannelEvent::BucketTold { effect: 64 }],
    Polled => [ChannelEvent::Polled(polled())],
    ChangeNoted => [ChannelEvent::ChangeNoted(order_change())],
    ChangesEnded => [ChannelEvent::ChangesEnded(vec![order_change()])],
});

pub fn listing() -> ListingId {
    ListingId::new("40000000000001").expect("a listing id")
}

samples!(bucket_events, BucketEvent {
    Mapped => [
        BucketEvent::Mapped {
            listing: listing(),
            target: ListingTarget::Sku { sku: sku("A-1"), multiplier: 6 },
        },
    ],
    Unmapped => [BucketEvent::Unmapped { listing: listing() }],
    Shown => [BucketEvent::Shown { listing: listing(), level: shown_level(), asked_at: Some(at(1)) }],
    PublishingSet => [BucketEvent::PublishingSet(publishing())],
    ListingModeSet => [
        BucketEvent::ListingModeSet { listing: listing(), mode: ListingMode::NotInWave },
    ],
    Stocked => [
        BucketEvent::Stocked { stock: published_stock(), asked: Some((7, at(3))) },
        BucketEvent::Stocked { stock: published_stock(), asked: None },
    ],
    Unheard => [BucketEvent::Unheard { asked: 7 }],
    Proved => [BucketEvent::Proved { up_to: at(9) }],
    Begun => [BucketEvent::Begun { listing: listing(), place: place(), call: 8, units: 4 }],
    DoubtEnded => [BucketEvent::DoubtEnded { listing: listing(), place: place() }],
    Ended => [
        BucketEvent::Ended { listing: listing(), place: place(), outcome: CallOutcome::Stale },
    ],
    ExceptionOpened => [BucketEvent::ExceptionOpened(exception_opened())],
    ExceptionClosed => [BucketEvent::ExceptionClosed(exception_closed())],
    ExceptionNoted => [BucketEvent::ExceptionNoted(exception_noted())],
    Missed => [BucketEvent::Missed { listing: listing(), place: place() }],
    AskedAgain => [BucketEvent::AskedAgain { sku: sku("A-1") }],
    Drifted => [
        BucketEvent::Drifted {
            listing: listing(),
            place: place(),
            class: DriftClass::LostUpdate,
            units: -3,
        },
        BucketEvent::Drifted {
            listing: listing(),
            place: place(),
            class: DriftClass::ForeignEdit,
            units: 2,
        },
        BucketEvent::Drifted {
            listing: listing(),
            place: place(),
            class: DriftClass::WrongMapping,
            units: 2,
        },
    ],
    BegunInBulk => [
        BucketEvent::BegunInBulk(BegunInBulk {
            listing: listing(),
            place: place(),
            call: 9,
            units: 5,
            until: at(8),
        }),
    ],
    EndedInBulk => [
        BucketEvent::EndedInBulk(EndedInBulk {
            listing: listing(),
            place: place(),
            outcome: CallOutcome::NotDone,
        }),
    ],
    FellBehind => [
        BucketEvent::FellBehind { by: Some(Duration::from_minutes(9)) },
        BucketEvent::FellBehind { by: None },
    ],
    LostInBulk => [BucketEvent::LostInBulk { begun_before: at(9) }],
    PutBack => [BucketEvent::PutBack { listing: listing(), units: 2 }],
});

pub fn shown_level() -> ShownLevel {
    let place = SourceId::new("shop/5").expect("a source id");
    ShownLevel {
        place,
        units: Some(-3),
        at: at(2),
    }
}

pub fn location_facts() -> LocationFacts {
    LocationFacts {
        location: location("reno"),
        name: text("Reno"),
        time_zone: text("America/Los_Angeles"),
        address: PostalAddress {
            country: text("US"),
            state: Some(text("NV")),
            city: Some(text("Reno")),
            postal_code: Some(text("89501")),
            street: Some(text("1 Dock St")),
        },
        coordinates: Some((39_529_600, -119_813_800)),
        closed_weekdays: vec![6, 7],
        closed_dates: vec![text("2026-12-25")],
        cut_off_minutes: Some(840),
        capacity_units_per_day: Some(5_000),
        enabled: true,
        groups: vec![text("west")],
        services: vec![text("express")],
        connector: Connector::Pull,
        acknowledge_within_minutes: 60,
        stock_source: Some(SourceId::new("wms").expect("a source id")),
    }
}

fn bare_location_facts() -> LocationFacts {
    LocationFacts {
        address: PostalAddress::default(),
        coordinates: None,
        closed_weekdays: Vec::new(),
        closed_dates: Vec::new(),
        cut_off_minutes: None,
        capacity_units_per_day: None,
        enabled: false,
        groups: Vec::new(),
        services: Vec::new(),
        stock_source: None,
        ..location_facts()
    }
}

samples!(location_events, LocationEvent {
    Defined => [
        LocationEvent::Defined(Box::new(location_facts())),
        LocationEvent::Defined(Box::new(bare_location_facts())),
    ],
    CapacityTaken => [
        LocationEvent::CapacityTaken {
            order: order(),
            attempt: 2,
            day: text("2026-12-24"),
            units: 3,
        },
    ],
    CapacityReleased => [LocationEvent::CapacityReleased { order: order(), attempt: 2 }],
    DaysClosed => [LocationEvent::DaysClosed { before: text("2026-12-24") }],
});

pub fn key() -> CredentialId {
    CredentialId::new("k1").expect("a key id")
}

samples!(system_events, SystemEvent {
    RuleSetSaved => [
        SystemEvent::RuleSetSaved { version: 2, document: text("[[rule]]\nname = \"a\"\n") },
    ],
    KeyCreated => [
        SystemEvent::KeyCreated {
            id: key(),
            name: text("till"),
            scope: Scope::Operate,
            secret_sha256: [7; 32],
            expires_at: Some(at(5)),
        },
    ],
    KeyRevoked => [SystemEvent::KeyRevoked { id: key() }],
    EndpointSet => [
        SystemEvent::EndpointSet {
            id: text("erp"),
            url: text("https://erp.example/hook"),
            topics: vec![text("order.reserved")],
            secret_name: text("erp"),
        },
    ],
    EndpointRemoved => [SystemEvent::EndpointRemoved { id: text("erp") }],
    Quarantined => [
        SystemEvent::Quarantined {
            entity: text("sku:A-1"),
            command_hash: Some(u64::MAX),
            cause: text("It crashed three times."),
            episode: 3,
        },
    ],
    QuarantineLifted => [
        SystemEvent::QuarantineLifted {
            entity: text("sku:A-1"),
            command_hash: None,
            skipped: true,
        },
    ],
    ExceptionOpened => [SystemEvent::ExceptionOpened(exception_opened())],
    ExceptionClosed => [SystemEvent::ExceptionClosed(exception_closed())],
    ExceptionNoted => [SystemEvent::ExceptionNoted(exception_noted())],
    ChannelNamed => [SystemEvent::ChannelNamed { channel: order().channel }],
});

samples!(events, Event {
    Sku => [Event::Sku(SkuEvent::WaitEnded { order: order() })],
    Order => [Event::Order(OrderEvent::Freed)],
    Request => [Event::Request(RequestEvent::Forgotten)],
    Channel => [Event::Channel(ChannelEvent::ModeSet(ChannelMode::Observed))],
    Bucket => [Event::Bucket(BucketEvent::Unmapped { listing: listing() })],
    Location => [Event::Location(LocationEvent::DaysClosed { before: text("2026-12-24") })],
    System => [Event::System(SystemEvent::KeyRevoked { id: key() })],
});
