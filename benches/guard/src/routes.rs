//! Plans of the router, by the rules that hold until others are saved.

use std::collections::BTreeMap;

use crossdock_logic::router::{CompiledRules, route};
use crossdock_logic::{Announcement, Entity};
use crossdock_model::answer::StockView;
use crossdock_model::command::PlanRequest;
use crossdock_model::v1::{Destination, LocationFacts, Plan, Sale};
use crossdock_model::{LocationId, SkuId};

use crate::Work;
use crate::scene::{NOW, id, sku};

/// Location, country, latitude and longitude in millionths of a degree.
const LOCATIONS: [(&str, &str, i32, i32); 5] = [
    ("columbus", "US", 39_960_000, -83_000_000),
    ("newark", "US", 40_735_700, -74_172_400),
    ("reno", "US", 39_530_000, -119_810_000),
    ("toronto", "CA", 43_650_000, -79_380_000),
    ("tulsa", "US", 36_154_000, -95_992_800),
];

/// No location has all of these.
pub const SPLIT: [(&str, u32); 3] = [("MUG-BLUE", 2), ("MUG-RED", 1), ("TEAPOT", 1)];
/// Each of three locations has all of these.
const WHOLE: [(&str, u32); 3] = [("BOWL", 1), ("MUG-BLUE", 2), ("MUG-RED", 1)];

pub fn run(pieces: &mut Work) {
    let one = [("MUG-BLUE", 2)];
    for (name, lines, shipments) in [
        ("route-1-line", &one[..], 1),
        ("route-3-lines", &WHOLE, 1),
        ("route-3-lines-split", &SPLIT, 2),
    ] {
        let request = request(lines);
        let given = (
            request,
            stock(&skus()),
            locations(),
            CompiledRules::default(),
        );
        let planned = plan(&given);
        let mut used: Vec<_> = planned
            .allocations
            .iter()
            .map(|one| &one.location)
            .collect();
        used.dedup();
        assert_eq!(
            (used.len(), planned.unplaced.len()),
            (shipments, 0),
            "{name}"
        );
        pieces.piece(name, given, |given| (plan(&given), given));
    }
}

type Given = (
    PlanRequest,
    BTreeMap<SkuId, StockView>,
    BTreeMap<LocationId, LocationFacts>,
    CompiledRules,
);

fn plan((request, stock, locations, rules): &Given) -> Plan {
    route(request, stock, locations, rules, NOW)
}

/// What is sold, and where it lies.
pub fn skus() -> Vec<Entity> {
    vec![
        sku("BOWL", &[("columbus", 8), ("newark", 3), ("reno", 40)]),
        sku(
            "MUG-BLUE",
            &[("columbus", 9), ("newark", 5), ("reno", 12), ("tulsa", 1)],
        ),
        sku("MUG-RED", &[("columbus", 2), ("newark", 7), ("reno", 5)]),
        sku("TEAPOT", &[("toronto", 6), ("tulsa", 4)]),
    ]
}

pub fn stock(skus: &[Entity]) -> BTreeMap<SkuId, StockView> {
    let spoken = skus.iter().filter_map(|sku| match sku.announcement(NOW) {
        Some(Announcement::Stock(spoken)) => Some((spoken.view.sku.clone(), spoken.view)),
        _ => None,
    });
    spoken.collect()
}

pub fn locations() -> BTreeMap<LocationId, LocationFacts> {
    let facts = |(name, country, latitude, longitude): (&str, &str, i32, i32)| {
        let location: LocationId = id(name);
        let facts = LocationFacts {
            coordinates: Some((latitude, longitude)),
            ..LocationFacts::plain(location.clone(), country)
        };
        (location, facts)
    };
    LOCATIONS.into_iter().map(facts).collect()
}

/// Somewhere near Reno.
pub fn destination() -> Destination {
    Destination {
        country: "US".to_owned(),
        state: Some("NV".to_owned()),
        postal_prefix: Some("894".to_owned()),
        area: Some((3953, -11975)),
        address_version: 1,
    }
}

fn request(lines: &[(&str, u32)]) -> PlanRequest {
    let lines = || {
        (1..)
            .zip(lines)
            .map(|(line, (sku, units))| (id(&format!("{line}")), id(sku), *units))
    };
    PlanRequest {
        order: id("shop:820000000001001"),
        sale: Sale::AlreadySold,
        destination: Some(destination()),
        service_level: None,
        ship_by: None,
        tags: Vec::new(),
        wanted: lines().collect(),
        parts: lines().map(|(line, sku, _)| (line, sku, 1)).collect(),
        excluded: Vec::new(),
        rejected: Vec::new(),
        fresh: Vec::new(),
        offered: Vec::new(),
    }
}
