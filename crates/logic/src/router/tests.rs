//! Tables of orders, stock and what the router decides.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::answer::{LocationStock, StockView};
use crossdock_model::command::PlanRequest;
use crossdock_model::v1::{
    Candidate, Component, Destination, Kit, LocationFacts, Plan, Sale, Tracking, Verdict,
};
use crossdock_model::{LineId, LocationId, SkuId, Timestamp};

use super::{CompiledRules, parse_rules, route};

/// Name, latitude and longitude in degrees, country.
pub(super) const PLACES: [(&str, f64, f64, &str); 4] = [
    ("london", 51.5074, -0.1278, "GB"),
    ("new-york", 40.7128, -74.0060, "US"),
    ("paris", 48.8566, 2.3522, "FR"),
    ("reno", 39.5296, -119.8138, "US"),
];

pub(super) fn locations() -> BTreeMap<LocationId, LocationFacts> {
    let facts = |(name, lat, lon, country): (&str, f64, f64, &str)| {
        let location = LocationId::new(name).unwrap();
        let facts = LocationFacts {
            coordinates: Some(((lat * 1e6) as i32, (lon * 1e6) as i32)),
            services: vec!["standard".to_owned()],
            ..LocationFacts::plain(location.clone(), country)
        };
        (location, facts)
    };
    PLACES.into_iter().map(facts).collect()
}

/// `A@london=2` and so on: what is on hand, all of it available to sell.
pub(crate) fn stock(text: &str) -> BTreeMap<SkuId, StockView> {
    let mut stock: BTreeMap<SkuId, StockView> = BTreeMap::new();
    for word in text.split_whitespace() {
        let (sku, rest) = word.split_once('@').unwrap();
        let (location, units) = rest.split_once('=').unwrap();
        let units: u32 = units.parse().unwrap();
        let view = stock
            .entry(SkuId::new(sku).unwrap())
            .or_insert_with(|| view(sku, Tracking::Tracked));
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

pub(crate) fn view(sku: &str, tracking: Tracking) -> StockView {
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
pub(super) fn request(wanted: &str) -> PlanRequest {
    let wanted = wanted.split_whitespace().map(|word| {
        let (line, rest) = word.split_once(':').unwrap();
        let (sku, units) = rest.split_once('=').unwrap();
        (
            LineId::new(line).unwrap(),
            SkuId::new(sku).unwrap(),
            units.parse().unwrap(),
        )
    });
    let wanted: Vec<(LineId, SkuId, u32)> = wanted.collect();
    let part = |(line, sku, _): &(LineId, SkuId, u32)| (line.clone(), sku.clone(), 1);
    PlanRequest {
        parts: wanted.iter().map(part).collect(),
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
        wanted,
        excluded: Vec::new(),
        rejected: Vec::new(),
        fresh: Vec::new(),
        offered: Vec::new(),
    }
}

fn rules(text: &str) -> CompiledRules {
    let known: BTreeSet<LocationId> = locations().into_keys().collect();
    CompiledRules::compile(1, &parse_rules(text).unwrap(), &known).unwrap()
}

fn summary(plan: &Plan) -> String {
    let allocations = plan
        .allocations
        .iter()
        .map(|a| format!("{}:{}@{}={}", a.line, a.sku, a.location, a.units));
    let unplaced = plan
        .unplaced
        .iter()
        .map(|(line, sku, units)| format!("{line}:{sku}?{units}"));
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
    check(
        "1:A=1 2:B=1",
        "A@london=1 B@new-york=1 A@paris=1 B@paris=1",
        "1:A@paris=1 2:B@paris=1",
    );
}

#[test]
fn lines_stay_whole_where_they_can() {
    check(
        "1:A=2 2:B=1",
        "A@london=1 B@london=1 A@paris=2",
        "1:A@paris=2 2:B@london=1",
    );
    check("1:A=3", "A@london=1 A@paris=2", "1:A@london=1 1:A@paris=2");
}

#[test]
fn what_finds_no_place_is_named() {
    check(
        "1:A=5",
        "A@london=1 A@paris=2",
        "1:A@london=1 1:A@paris=2 1:A?2",
    );
    check("1:A=1", "", "1:A?1");
}

#[test]
fn an_order_that_asks_does_not_take_safety_stock() {
    let mut held_back = stock("A@london=2");
    held_back
        .values_mut()
        .for_each(|view| view.locations[0].ats = 1);
    let mut asks = request("1:A=2");
    assert_eq!(
        summary(&plan(&asks, &held_back, &CompiledRules::default())),
        "1:A@london=2"
    );
    asks.sale = Sale::Asks;
    assert_eq!(
        summary(&plan(&asks, &held_back, &CompiledRules::default())),
        "1:A@london=1 1:A?1"
    );
}

#[test]
fn kits_come_apart_and_untracked_needs_no_stock() {
    let mut kit = stock("A@paris=4 B@paris=2");
    let components = |(sku, units_per_kit): (&str, u32)| Component {
        sku: SkuId::new(sku).unwrap(),
        units_per_kit,
    };
    let parts = [("A", 2), ("B", 1)].map(components).to_vec();
    kit.insert(
        SkuId::new("KIT").unwrap(),
        view(
            "KIT",
            Tracking::Kit(Kit {
                components: parts,
                may_split: false,
            }),
        ),
    );
    kit.insert(
        SkuId::new("CARD").unwrap(),
        view("CARD", Tracking::Untracked),
    );
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
    assert_eq!(
        summary(&plan(
            &asked,
            &stock("A@london=2"),
            &CompiledRules::default()
        )),
        "1:A?2"
    );
    let take = crossdock_model::v1::Take {
        location: LocationId::new("reno").unwrap(),
        units: 2,
    };
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
    assert_eq!(
        (first.rule.as_str(), summary(&first).as_str()),
        ("us", "1:A@reno=1")
    );
    asked.wanted[0].2 = 3;
    let second = plan(&asked, &on_hand, &rules);
    assert_eq!(
        (second.rule.as_str(), summary(&second).as_str()),
        ("rest", "1:A@paris=3")
    );
    // How locations fared by the rule that handed it on is kept, and so is where that one allows it.
    let [tried] = &second.tried[..] else {
        panic!("{:?}", second.tried);
    };
    let told = |candidates: &[Candidate]| {
        let told = candidates.iter().map(|one| one.reason.clone());
        told.collect::<Vec<_>>().join("; ")
    };
    assert_eq!(tried.rule, "us");
    assert_eq!(
        told(&tried.candidates),
        "reno gives 1 of 3 units: no allowed choice places more; \
         new-york gives 1 of 3 units: no allowed choice places more; \
         london is in GB, the order goes to US; paris is in FR, the order goes to US"
    );
    let places = |plan: &Plan| {
        let places = plan.allowed.iter().map(ToString::to_string);
        places.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(places(&first), "new-york reno");
    assert_eq!(places(&second), "london new-york paris reno");
    assert!(first.tried.is_empty());
    let reasons: Vec<&str> = first
        .candidates
        .iter()
        .filter(|candidate| candidate.verdict == Verdict::Excluded)
        .map(|candidate| candidate.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "london is in GB, the order goes to US",
            "paris is in FR, the order goes to US"
        ]
    );
}

#[test]
fn a_rule_set_is_refused_with_every_problem() {
    let text = "[[rule]]\nname = \"all\"\nprefer = [{ ranked = [\"atlantis\"] }]\n\
                [[rule]]\nname = \"all\"\notherwise = \"next_rule\"\n";
    let known = locations().into_keys().collect();
    let problems = CompiledRules::compile(1, &parse_rules(text).unwrap(), &known).unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(
        parse_rules("[[rule]]\nname = 3")
            .unwrap_err()
            .to_string()
            .starts_with("line 2: ")
    );
}

#[test]
fn kits_leave_whole_unless_they_may_be_split() {
    let on_hand = || stock("A@london=1 A@paris=9 B@london=2 B@paris=1 A@reno=4 B@reno=3");
    let plan_of = |asked: &PlanRequest, tracking: Tracking| {
        let on_hand = with(on_hand(), "KIT", tracking);
        summary(&plan(asked, &on_hand, &CompiledRules::default()))
    };
    let whole = || kit(&[("A", 2), ("B", 1)]);
    let mut asked = request("1:KIT=2");
    assert_eq!(plan_of(&asked, whole()), "1:A@reno=4 1:B@reno=2");
    let loose = loose_kit(&[("A", 2), ("B", 1)]);
    asked.wanted[0].2 = 3;
    assert_eq!(
        plan_of(&asked, loose.clone()),
        "1:A@paris=6 1:B@london=2 1:B@paris=1"
    );
    // Three kits: one of Paris, two of Reno.
    let three = "1:A@paris=2 1:A@reno=4 1:B@paris=1 1:B@reno=2";
    assert_eq!(plan_of(&asked, whole()), three);
    // The order knows the kit by its components by now, and some of one is missing besides.
    let mut known = request("1:A=6 1:B=4");
    let kit = (LineId::new("1").unwrap(), SkuId::new("KIT").unwrap(), 1);
    known.parts = vec![kit];
    let and_one = "1:A@paris=2 1:A@reno=4 1:B@paris=1 1:B@reno=3";
    assert_eq!(plan_of(&known, whole()), and_one);
    // A line that stands for several SKUs is a kit as well.
    let mut listed = request("1:A=4 1:B=2");
    let part = |sku, units| (LineId::new("1").unwrap(), SkuId::new(sku).unwrap(), units);
    listed.parts = vec![part("A", 2), part("B", 1)];
    assert_eq!(plan_of(&listed, loose), "1:A@reno=4 1:B@reno=2");
}

pub(super) fn loose_kit(parts: &[(&str, u32)]) -> Tracking {
    match kit(parts) {
        Tracking::Kit(kit) => Tracking::Kit(Kit {
            may_split: true,
            ..kit
        }),
        other => other,
    }
}

pub(super) fn kit(parts: &[(&str, u32)]) -> Tracking {
    let component = |(sku, units_per_kit): &(&str, u32)| Component {
        sku: SkuId::new(sku).unwrap(),
        units_per_kit: *units_per_kit,
    };
    Tracking::Kit(Kit {
        components: parts.iter().map(component).collect(),
        may_split: false,
    })
}

fn with(
    mut stock: BTreeMap<SkuId, StockView>,
    sku: &str,
    tracking: Tracking,
) -> BTreeMap<SkuId, StockView> {
    stock.insert(SkuId::new(sku).unwrap(), view(sku, tracking));
    stock
}

#[test]
fn kits_of_kits_end() {
    let on_hand = stock("A@paris=9");
    let on_hand = with(on_hand, "BOX", kit(&[("SIX", 2)]));
    let on_hand = with(on_hand, "SIX", kit(&[("A", 3)]));
    let on_hand = with(on_hand, "LOOP", kit(&[("LOOP", 1), ("A", 1)]));
    let plan_of = |wanted: &str| {
        let plan = plan(&request(wanted), &on_hand, &CompiledRules::default());
        summary(&plan)
    };
    assert_eq!(plan_of("1:BOX=1"), "1:A@paris=6");
    assert_eq!(plan_of("1:LOOP=1"), "1:A?3 1:LOOP?1");
    assert_eq!(plan_of("1:BOX=4294967295"), "1:A@paris=9 1:A?4294967286");
}

#[test]
fn what_is_not_counted_goes_out_though_the_rest_waits() {
    let on_hand = with(stock("A@paris=0"), "CARD", Tracking::Untracked);
    let plan = plan(
        &request("1:A=1 2:CARD=1"),
        &on_hand,
        &CompiledRules::default(),
    );
    assert_eq!(summary(&plan), "2:CARD@london=1 1:A?1");
}

#[test]
fn an_order_that_may_not_be_split_leaves_from_one_place() {
    let text =
        "[[rule]]\nname = \"one\"\nsplit = \"never\"\nprefer = [{ nearest = { band_km = 1 } }]\n";
    let on_hand = stock("A@london=1 A@new-york=3 B@new-york=1 B@paris=1");
    let one = |wanted: &str| summary(&plan(&request(wanted), &on_hand, &rules(text)));
    assert_eq!(one("1:A=1 2:B=1"), "1:A@new-york=1 2:B@new-york=1");
    assert_eq!(one("1:A=4 2:B=1"), "1:A@new-york=3 2:B@new-york=1 1:A?1");
}

/// Two shipments either way: London with Paris would tear line 2 apart.
#[test]
fn of_equally_many_shipments_the_one_with_whole_lines_wins() {
    check(
        "1:A=1 2:B=2",
        "A@london=1 B@london=1 B@paris=1 B@reno=2",
        "1:A@london=1 2:B@reno=2",
    );
}

/// Twenty near locations hold one unit each; only the farthest holds all three.
#[test]
fn beyond_the_searched_locations_a_greedy_choice_is_the_floor() {
    let mut all = locations();
    let template = all.remove(&LocationId::new("london").unwrap()).unwrap();
    let mut on_hand = String::new();
    for number in 0..20 {
        let location = LocationId::new(format!("near-{number}")).unwrap();
        on_hand += &format!("A@{location}=1 ");
        let facts = LocationFacts {
            location: location.clone(),
            ..template.clone()
        };
        all.insert(location, facts);
    }
    let on_hand = stock(&(on_hand + "A@reno=3"));
    let rules = CompiledRules::default();
    let planned = route(
        &request("1:A=3"),
        &on_hand,
        &all,
        &rules,
        Timestamp::default(),
    );
    assert_eq!(summary(&planned), "1:A@reno=3");
}

/// What a plan says of each location, best first and the excluded ones last.
#[track_caller]
fn check_reasons(request: &PlanRequest, on_hand: &str, expected: &[(Verdict, &str)]) {
    let plan = plan(request, &stock(on_hand), &CompiledRules::default());
    let found: Vec<(Verdict, &str)> = plan
        .candidates
        .iter()
        .map(|candidate| (candidate.verdict, candidate.reason.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_location_is_told_why() {
    use Verdict::{Chosen, Excluded, Outranked};
    let mut express = request("1:A=2");
    express.excluded = vec![LocationId::new("reno").unwrap()];
    check_reasons(
        &express,
        "A@london=1 A@paris=2 A@new-york=5 A@reno=9",
        &[
            (Outranked, "london holds 1 of 2 units of A"),
            (Chosen, "paris is nearest (344 km) with all units"),
            (
                Outranked,
                "new-york is farther away (5570 km) than paris (344 km)",
            ),
            (
                Excluded,
                "reno is excluded: it has no capacity left, or was ruled out by hand",
            ),
        ],
    );
    express.service_level = Some("express".to_owned());
    express.excluded.clear();
    check_reasons(
        &express,
        "A@london=1",
        &[
            (Excluded, "london does not ship express"),
            (Excluded, "new-york does not ship express"),
            (Excluded, "paris does not ship express"),
            (Excluded, "reno does not ship express"),
        ],
    );
    check_reasons(
        &request("1:A=2"),
        "A@london=1 A@paris=1 A@reno=1",
        &[
            (
                Chosen,
                "london gives 1 of 2 units: 2 shipments are the fewest",
            ),
            (
                Chosen,
                "paris gives 1 of 2 units: 2 shipments are the fewest",
            ),
            (Excluded, "new-york holds 0 of 2 units of A"),
            (Outranked, "reno holds 1 of 2 units of A"),
        ],
    );
    let mut nowhere = request("1:A=2");
    nowhere.destination = None;
    check_reasons(
        &nowhere,
        "A@london=2 A@paris=2 A@new-york=3",
        &[
            (Chosen, "new-york is the one with most stock with all units"),
            (Outranked, "london is behind new-york in stock"),
            (Outranked, "paris is behind new-york in stock"),
            (Excluded, "reno holds 0 of 2 units of A"),
        ],
    );
}

#[test]
fn a_location_is_left_out_only_for_what_it_could_not_give() {
    use Verdict::{Chosen, Excluded, Outranked};
    let rejects = |request: &mut PlanRequest, location: &str, sku: &str| {
        let pair = (LocationId::new(location).unwrap(), SkuId::new(sku).unwrap());
        request.rejected.push(pair);
    };
    let mut both = request("1:A=1 2:B=1");
    rejects(&mut both, "london", "A");
    rejects(&mut both, "london", "UNWANTED");
    let on_hand = "A@london=9 B@london=9 A@paris=9";
    let planned = plan(&both, &stock(on_hand), &CompiledRules::default());
    assert_eq!(summary(&planned), "1:A@paris=1 2:B@london=1");
    check_reasons(
        &both,
        on_hand,
        &[
            (
                Chosen,
                "london gives 1 of 2 units: 2 shipments are the fewest; it could not give A before",
            ),
            (
                Chosen,
                "paris gives 1 of 2 units: 2 shipments are the fewest",
            ),
            (Excluded, "new-york holds 0 of 1 units of A"),
            (Excluded, "reno holds 0 of 1 units of A"),
        ],
    );
    rejects(&mut both, "london", "B");
    rejects(&mut both, "new-york", "B");
    let on_hand = "A@london=9 B@london=9 A@paris=9 B@paris=9 A@new-york=9 B@new-york=9";
    check_reasons(
        &both,
        on_hand,
        &[
            (Excluded, "london could not give A or B before"),
            (Chosen, "paris is the only one with all units"),
            (Outranked, "new-york could not give B before"),
            (Excluded, "reno holds 0 of 1 units of A"),
        ],
    );
}

#[test]
fn what_there_is_always_enough_of_is_not_asked_where_it_was_rejected() {
    let on_hand = with(stock("A@london=1"), "CARD", Tracking::Untracked);
    let mut card = request("1:CARD=2");
    let plan = |request: &PlanRequest| summary(&plan(request, &on_hand, &CompiledRules::default()));
    assert_eq!(plan(&card), "1:CARD@london=2");
    for location in ["london", "paris"] {
        let pair = (
            LocationId::new(location).unwrap(),
            SkuId::new("CARD").unwrap(),
        );
        card.rejected.push(pair);
    }
    assert_eq!(plan(&card), "1:CARD@new-york=2");
}

#[test]
fn a_closed_location_takes_no_new_work() {
    let mut all = locations();
    all.values_mut().for_each(|facts| facts.enabled = false);
    let on_hand = stock("A@london=1");
    let rules = CompiledRules::default();
    let planned = route(
        &request("1:A=1"),
        &on_hand,
        &all,
        &rules,
        Timestamp::default(),
    );
    assert_eq!(summary(&planned), "1:A?1");
    assert_eq!(planned.candidates[0].reason, "london is closed to new work");
}

/// Each text has exactly this problem.
#[test]
fn every_static_check_names_its_problem() {
    let rule = |more: &str| format!("[[rule]]\nname = \"a\"\n{more}\n");
    let end = "[[rule]]\nname = \"end\"\n";
    let cases = [
        (String::new(), "at least one [[rule]]"),
        (
            rule("otherwise = \"next_rule\""),
            "is the last one and says next_rule",
        ),
        (rule("match = { tag = [\"vip\"] }"), "nowhere to go"),
        (rule("") + end, "is never reached: \"a\" takes every order"),
        (rule("match = { all = [] }") + end, "is never reached"),
        (rule("match = { any = [] }") + end, "matches no order"),
        (rule("match = { tag = [] }") + end, "matches no order"),
        (
            rule("require = [{ location = [\"x\"] }]"),
            "there is no location x",
        ),
        (rule("require = [{ group = [] }]"), "an empty list"),
        (
            rule("prefer = [{ nearest = { band_km = 0 } }]"),
            "at least 1 km",
        ),
        (
            rule("split = { up_to = { shipments = 0 } }"),
            "1 to 10 shipments, not 0",
        ),
        (
            rule("split = { up_to = { shipments = 11 } }"),
            "1 to 10 shipments, not 11",
        ),
        ("[[rule]]\nname = \" \"\n".to_owned(), "has no name"),
    ];
    let known = locations().into_keys().collect();
    for (text, expected) in cases {
        let set = parse_rules(&text).unwrap();
        let problems = CompiledRules::compile(1, &set, &known).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
        assert!(
            problems[0].problem.contains(expected),
            "{text}: {problems:#?}"
        );
    }
}

#[test]
fn unknown_words_are_refused_with_their_line() {
    let error = parse_rules("[[rule]]\nname = \"a\"\nprefere = []\n").unwrap_err();
    assert_eq!(error.line, 3, "{error}");
}
