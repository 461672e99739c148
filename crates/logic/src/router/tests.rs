//! Tables of orders, stock and what the router decides.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::answer::{LocationStock, StockView};
use crossdock_model::command::PlanRequest;
use crossdock_model::v1::{
    Component, Connector, Destination, LocationFacts, Plan, PostalAddress, Sale, Tracking, Verdict,
};
use crossdock_model::{LineId, LocationId, SkuId, Timestamp};

use super::{CompiledRules, parse_rules, route};

/// Name, latitude and longitude in degrees, country.
const PLACES: [(&str, f64, f64, &str); 4] = [
    ("london", 51.5074, -0.1278, "GB"),
    ("new-york", 40.7128, -74.0060, "US"),
    ("paris", 48.8566, 2.3522, "FR"),
    ("reno", 39.5296, -119.8138, "US"),
];

fn locations() -> BTreeMap<LocationId, LocationFacts> {
    let facts = |(name, lat, lon, country): (&str, f64, f64, &str)| {
        let location = LocationId::new(name).unwrap();
        let facts = LocationFacts {
            location: location.clone(),
            name: name.to_owned(),
            time_zone: "UTC".to_owned(),
            address: PostalAddress { country: country.to_owned(), ..PostalAddress::default() },
            coordinates: Some(((lat * 1e6) as i32, (lon * 1e6) as i32)),
            closed_weekdays: Vec::new(),
            closed_dates: Vec::new(),
            cut_off_minutes: None,
            capacity_units_per_day: None,
            enabled: true,
            groups: Vec::new(),
            services: vec!["standard".to_owned()],
            connector: Connector::Pull,
            acknowledge_within_minutes: 60,
            stock_source: None,
        };
        (location, facts)
    };
    PLACES.into_iter().map(facts).collect()
}

/// `A@london=2` and so on: what is on hand, all of it available to sell.
fn stock(text: &str) -> BTreeMap<SkuId, StockView> {
    let mut stock: BTreeMap<SkuId, StockView> = BTreeMap::new();
    for word in text.split_whitespace() {
        let (sku, rest) = word.split_once('@').unwrap();
        let (location, units) = rest.split_once('=').unwrap();
        let units: u32 = units.parse().unwrap();
        let view = stock.entry(SkuId::new(sku).unwrap()).or_insert_with(|| view(sku, Tracking::Tracked));
        view.locations.push(LocationStock {
            location: LocationId::new(location).unwrap(),
            on_hand: units.into(),
            committed: 0,
            held: 0,
            tentative: 0,
            unavailable: 0,
            incoming: 0,
            in_transit: 0,
            safety: 0,
            available: units.into(),
            ats: units,
        });
    }
    stock
}

fn view(sku: &str, tracking: Tracking) -> StockView {
    StockView {
        sku: SkuId::new(sku).unwrap(),
        version: 1,
        title: String::new(),
        tracking,
        locations: Vec::new(),
        waiting_units: 0,
    }
}

/// `1:A=2 2:B=1`: line, SKU, units. Goes to London.
fn request(wanted: &str) -> PlanRequest {
    let wanted = wanted.split_whitespace().map(|word| {
        let (line, rest) = word.split_once(':').unwrap();
        let (sku, units) = rest.split_once('=').unwrap();
        (LineId::new(line).unwrap(), SkuId::new(sku).unwrap(), units.parse().unwrap())
    });
    PlanRequest {
        order: "shop:1".parse().unwrap(),
        sale: Sale::AlreadySold,
        destination: Some(Destination {
            country: "GB".to_owned(),
            area: Some((5151, -13)),
            ..Destination::default()
        }),
        service_level: None,
        ship_by: None,
        tags: Vec::new(),
        wanted: wanted.collect(),
        excluded: Vec::new(),
        fresh: Vec::new(),
        offered: Vec::new(),
        apart: Vec::new(),
    }
}

fn rules(text: &str) -> CompiledRules {
    let known: BTreeSet<LocationId> = locations().into_keys().collect();
    CompiledRules::compile(1, &parse_rules(text).unwrap(), &known).unwrap()
}

fn summary(plan: &Plan) -> String {
    let allocations =
        plan.allocations.iter().map(|a| format!("{}:{}@{}={}", a.line, a.sku, a.location, a.units));
    let unplaced = plan.unplaced.iter().map(|(line, sku, units)| format!("{line}:{sku}?{units}"));
    allocations.chain(unplaced).collect::<Vec<_>>().join(" ")
}

fn plan(request: &PlanRequest, stock: &BTreeMap<SkuId, StockView>, rules: &CompiledRules) -> Plan {
    route(request, stock, &locations(), rules, Timestamp::default())
}

#[track_caller]
fn check(wanted: &str, on_hand: &str, expected: &str) {
    let plan = plan(&request(wanted), &stock(on_hand), &CompiledRules::default());
    assert_eq!(summary(&plan), expected);
}

#[test]
fn the_nearest_location_with_everything_wins() {
    check("1:A=1", "A@new-york=5 A@paris=5", "1:A@paris=1");
    check("1:A=1", "A@london=1 A@paris=5", "1:A@london=1");
}

/// A greedy walk ships from London and New York though Paris holds both.
#[test]
fn one_parcel_beats_two_nearer_ones() {
    check("1:A=1 2:B=1", "A@london=1 B@new-york=1 A@paris=1 B@paris=1", "1:A@paris=1 2:B@paris=1");
}

#[test]
fn lines_stay_whole_where_they_can() {
    check("1:A=2 2:B=1", "A@london=1 B@london=1 A@paris=2", "1:A@paris=2 2:B@london=1");
    check("1:A=3", "A@london=1 A@paris=2", "1:A@london=1 1:A@paris=2");
}

#[test]
fn what_finds_no_place_is_named() {
    check("1:A=5", "A@london=1 A@paris=2", "1:A@london=1 1:A@paris=2 1:A?2");
    check("1:A=1", "", "1:A?1");
}

#[test]
fn an_order_that_asks_does_not_take_safety_stock() {
    let mut held_back = stock("A@london=2");
    held_back.values_mut().for_each(|view| view.locations[0].ats = 1);
    let mut asks = request("1:A=2");
    assert_eq!(summary(&plan(&asks, &held_back, &CompiledRules::default())), "1:A@london=2");
    asks.sale = Sale::Asks;
    assert_eq!(summary(&plan(&asks, &held_back, &CompiledRules::default())), "1:A@london=1 1:A?1");
}

#[test]
fn kits_come_apart_and_untracked_needs_no_stock() {
    let mut kit = stock("A@paris=4 B@paris=2");
    let components = |(sku, units_per_kit): (&str, u32)| Component {
        sku: SkuId::new(sku).unwrap(),
        units_per_kit,
    };
    let parts = [("A", 2), ("B", 1)].map(components).to_vec();
    kit.insert(SkuId::new("KIT").unwrap(), view("KIT", Tracking::Kit(parts)));
    kit.insert(SkuId::new("CARD").unwrap(), view("CARD", Tracking::Untracked));
    let plan_of = |wanted: &str| summary(&plan(&request(wanted), &kit, &CompiledRules::default()));
    assert_eq!(plan_of("1:KIT=2"), "1:A@paris=4 1:B@paris=2");
    assert_eq!(plan_of("1:CARD=9"), "1:CARD@london=9");
    assert_eq!(plan_of("1:CARD=1 2:A=1"), "1:CARD@paris=1 2:A@paris=1");
}

#[test]
fn fresh_statements_and_offers_count() {
    let mut asked = request("1:A=2");
    asked.fresh = stock("A@london=0").into_values().collect();
    asked.fresh[0].version = 2;
    assert_eq!(summary(&plan(&asked, &stock("A@london=2"), &CompiledRules::default())), "1:A?2");
    let take = crossdock_model::v1::Take { location: LocationId::new("reno").unwrap(), units: 2 };
    asked.offered = vec![(SkuId::new("A").unwrap(), vec![take])];
    let planned = plan(&asked, &stock("A@london=2"), &CompiledRules::default());
    assert_eq!(summary(&planned), "1:A@reno=2");
}

#[test]
fn rules_match_require_and_fall_through() {
    let rules = rules(
        "[[rule]]\nname = \"us\"\nmatch = { country = [\"us\"] }\nrequire = [\"same_country\"]\n\
         prefer = [{ ranked = [\"reno\"] }]\notherwise = \"next_rule\"\n\
         [[rule]]\nname = \"rest\"\nsplit = \"never\"\nprefer = [\"most_stock\"]\notherwise = \"exception\"\n",
    );
    let on_hand = stock("A@reno=1 A@new-york=1 A@paris=3");
    let mut asked = request("1:A=1");
    asked.destination.as_mut().unwrap().country = "US".to_owned();
    let first = plan(&asked, &on_hand, &rules);
    assert_eq!((first.rule.as_str(), summary(&first).as_str()), ("us", "1:A@reno=1"));
    asked.wanted[0].2 = 3;
    let second = plan(&asked, &on_hand, &rules);
    assert_eq!((second.rule.as_str(), summary(&second).as_str()), ("rest", "1:A@paris=3"));
    let reasons: Vec<&str> = first
        .candidates
        .iter()
        .filter(|candidate| candidate.verdict == Verdict::Excluded)
        .map(|candidate| candidate.reason.as_str())
        .collect();
    assert_eq!(reasons, ["is in GB, the order goes to US", "is in FR, the order goes to US"]);
}

#[test]
fn a_rule_set_is_refused_with_every_problem() {
    let text = "[[rule]]\nname = \"all\"\nprefer = [{ ranked = [\"atlantis\"] }]\n\
                [[rule]]\nname = \"all\"\notherwise = \"next_rule\"\n";
    let known = locations().into_keys().collect();
    let problems = CompiledRules::compile(1, &parse_rules(text).unwrap(), &known).unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(parse_rules("[[rule]]\nname = 3").unwrap_err().starts_with("line 2"));
}
