//! Random orders against plain enumeration: every subset of locations, judged from its definition.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::answer::StockView;
use crossdock_model::command::PlanRequest;
use crossdock_model::routing::{Condition, Otherwise, Prefer, Rule, RuleSet, Split};
use crossdock_model::v1::{Plan, Sale, Tracking};
use crossdock_model::{LineId, LocationId, SkuId, Timestamp};
use proptest::prelude::*;

use super::tests::{PLACES, locations, request, stock, view};
use super::{CompiledRules, route};

/// SKUs of the random orders; the last is a kit of the first two, 2 + 1.
const SKUS: [&str; 4] = ["A", "B", "C", "KIT"];

#[derive(Debug, Clone)]
struct Case {
    /// Units on hand by SKU (without the kit) and place.
    on_hand: [[u32; 4]; 3],
    /// SKU and units of each line.
    lines: Vec<(usize, u32)>,
    shipments: u8,
    asks: bool,
    /// Whether the kit may be split.
    splits: bool,
}

fn cases(skus: usize, lines: usize) -> impl Strategy<Value = Case> {
    let on_hand = prop::array::uniform3(prop::array::uniform4(0..4_u32));
    let lines = prop::collection::vec((0..skus, 1..5_u32), 1..=lines);
    let yes_or_no = any::<(bool, bool)>();
    (on_hand, lines, 1..=4_u8, yes_or_no).prop_map(|(on_hand, lines, shipments, (asks, splits))| {
        Case {
            on_hand,
            lines,
            shipments,
            asks,
            splits,
        }
    })
}

impl Case {
    /// A third of the units are safety stock, as it comes.
    fn stock(&self) -> BTreeMap<SkuId, StockView> {
        let mut words = String::new();
        for (sku, places) in SKUS.iter().zip(&self.on_hand) {
            for ((place, ..), units) in PLACES.iter().zip(places) {
                words += &format!("{sku}@{place}={units} ");
            }
        }
        let mut stock = stock(&words);
        for here in stock.values_mut().flat_map(|view| &mut view.locations) {
            here.ats -= here.ats / 3;
        }
        let kit = SkuId::new("KIT").unwrap();
        let made_of = match self.splits {
            true => super::tests::loose_kit(&[("A", 2), ("B", 1)]),
            false => super::tests::kit(&[("A", 2), ("B", 1)]),
        };
        stock.insert(kit, view("KIT", made_of));
        stock
    }

    fn request(&self) -> PlanRequest {
        let line = |(number, (sku, units)): (usize, &(usize, u32))| {
            format!("{number}:{}={units}", SKUS[*sku])
        };
        let words: Vec<String> = self.lines.iter().enumerate().map(line).collect();
        let mut request = request(&words.join(" "));
        if self.asks {
            request.sale = Sale::Asks;
        }
        request
    }

    fn plan(&self) -> Plan {
        let split = match self.shipments {
            1 => Split::Never,
            shipments => Split::UpTo { shipments },
        };
        let rule = Rule {
            name: "nearest".to_owned(),
            owner: None,
            matches: Condition::Always,
            require: Vec::new(),
            prefer: vec![Prefer::Nearest { band_km: 1 }],
            split,
            otherwise: Otherwise::Backorder,
        };
        let set = RuleSet { rules: vec![rule] };
        let rules = CompiledRules::compile(1, &set, &BTreeSet::new()).unwrap();
        let (request, stock) = (self.request(), self.stock());
        route(&request, &stock, &locations(), &rules, Timestamp::default())
    }

    /// Units this order may take.
    fn free(&self, stock: &BTreeMap<SkuId, StockView>, sku: &str, place: &str) -> u64 {
        let here = stock[&SkuId::new(sku).unwrap()]
            .locations
            .iter()
            .find(|here| here.location.as_str() == place)
            .unwrap();
        match self.asks {
            true => u64::from(here.ats),
            false => u64::from(here.available.unsigned_abs() as u32),
        }
    }

    /// Units wanted by line and SKU, kits taken apart.
    fn wanted(&self) -> BTreeMap<(LineId, SkuId), u64> {
        let mut wanted = BTreeMap::new();
        for (number, (sku, units)) in self.lines.iter().enumerate() {
            let parts: &[(&str, u32)] = match SKUS[*sku] {
                "KIT" => &[("A", 2), ("B", 1)],
                sku => &[(sku, 1)],
            };
            for (sku, each) in parts {
                let line = LineId::new(number.to_string()).unwrap();
                let key = (line, SkuId::new(sku).unwrap());
                *wanted.entry(key).or_default() += u64::from(units * each);
            }
        }
        wanted
    }

    /// Places from the nearest to London on.
    fn by_distance() -> [&'static str; 4] {
        ["london", "paris", "new-york", "reno"]
    }

    /// The best that any set of places could do: most units, then fewest places.
    fn best_by_enumeration(&self) -> (u64, usize) {
        let stock = self.stock();
        let mut sums: BTreeMap<SkuId, u64> = BTreeMap::new();
        for ((_, sku), units) in self.wanted() {
            *sums.entry(sku).or_default() += units;
        }
        let placed = |places: &[&str]| -> u64 {
            let give = |(sku, wanted): (&SkuId, &u64)| {
                let held = places.iter().map(|p| self.free(&stock, sku.as_str(), p));
                held.sum::<u64>().min(*wanted)
            };
            sums.iter().map(give).sum()
        };
        self.subsets()
            .map(|places| (Reverse(placed(&places)), places.len()))
            .min()
            .map(|(Reverse(units), places)| (units, places))
            .unwrap()
    }

    fn subsets(&self) -> impl Iterator<Item = Vec<&'static str>> {
        let shipments = usize::from(self.shipments);
        let subset = |mask: u32| {
            let all = Self::by_distance().into_iter().enumerate();
            let chosen = all.filter(|(bit, _)| mask & (1 << bit) != 0);
            chosen.map(|(_, place)| place).collect::<Vec<_>>()
        };
        (0..16)
            .map(subset)
            .filter(move |set| set.len() <= shipments)
    }
}

fn used(plan: &Plan) -> BTreeSet<&LocationId> {
    plan.allocations.iter().map(|one| &one.location).collect()
}

fn placed(plan: &Plan) -> u64 {
    plan.allocations
        .iter()
        .map(|one| u64::from(one.units))
        .sum()
}

proptest! {
    #[test]
    fn nothing_is_given_twice_and_nothing_is_lost(case in cases(4, 4)) {
        let (plan, stock) = (case.plan(), case.stock());
        let mut given: BTreeMap<(SkuId, LocationId), u64> = BTreeMap::new();
        let mut accounted: BTreeMap<(LineId, SkuId), u64> = BTreeMap::new();
        for one in &plan.allocations {
            prop_assert!(one.units > 0);
            let units = u64::from(one.units);
            *given.entry((one.sku.clone(), one.location.clone())).or_default() += units;
            *accounted.entry((one.line.clone(), one.sku.clone())).or_default() += units;
        }
        for (line, sku, units) in &plan.unplaced {
            let key = (line.clone(), sku.clone());
            *accounted.entry(key).or_default() += u64::from(*units);
        }
        prop_assert_eq!(accounted, case.wanted());
        for ((sku, place), units) in given {
            prop_assert!(units <= case.free(&stock, sku.as_str(), place.as_str()));
        }
    }

    #[test]
    fn whole_kits_leave_whole(mut case in cases(4, 4)) {
        case.splits = false;
        let plan = case.plan();
        prop_assert!(used(&plan).len() <= usize::from(case.shipments));
        for (number, (sku, _)) in case.lines.iter().enumerate().filter(|(_, (sku, _))| SKUS[*sku] == "KIT") {
            let line = LineId::new(number.to_string()).unwrap();
            for place in used(&plan) {
                let units = |sku: &str| -> u32 {
                    let here = plan.allocations.iter().filter(|one| one.line == line && one.location == *place);
                    here.filter(|one| one.sku.as_str() == sku).map(|one| one.units).sum()
                };
                prop_assert_eq!(units("A"), 2 * units("B"), "{} at {}", SKUS[*sku], place);
            }
        }
    }

    /// One line that is a kit: as many as locations have whole, from the fewest.
    #[test]
    fn as_many_kits_leave_as_there_are(case in cases(3, 1), kits in 1..6_u32) {
        let case = Case { lines: vec![(3, kits)], splits: false, ..case };
        let (plan, stock) = (case.plan(), case.stock());
        let mut at: Vec<u64> = Case::by_distance()
            .iter()
            .map(|place| (case.free(&stock, "A", place) / 2).min(case.free(&stock, "B", place)))
            .collect();
        at.sort_unstable();
        let most: u64 = at.iter().rev().take(case.shipments.into()).sum();
        prop_assert_eq!(placed(&plan), 3 * most.min(kits.into()));
    }

    #[test]
    fn no_set_of_locations_places_more_or_needs_fewer(mut case in cases(4, 4)) {
        case.splits = true;
        let plan = case.plan();
        prop_assert!(used(&plan).len() <= usize::from(case.shipments));
        prop_assert_eq!((placed(&plan), used(&plan).len()), case.best_by_enumeration());
    }

    /// Where each line is of a SKU of its own, the choice is exact to the last criterion.
    #[test]
    fn of_equal_sets_whole_lines_then_preference_decide(mut case in cases(3, 3)) {
        let mut seen = BTreeSet::new();
        case.lines.retain(|(sku, _)| seen.insert(*sku));
        let stock = case.stock();
        let judge = |places: Vec<&'static str>| {
            let (mut missing, mut split) = (0, 0);
            for (sku, units) in &case.lines {
                let units = u64::from(*units);
                let held: Vec<u64> = places.iter().map(|p| case.free(&stock, SKUS[*sku], p)).collect();
                missing += units.saturating_sub(held.iter().sum());
                let from_one = held.iter().any(|held| *held >= units);
                let sources = held.iter().filter(|held| **held > 0).count();
                split += usize::from(!from_one && sources > 1);
            }
            let ranks: Vec<usize> = places
                .iter()
                .map(|place| Case::by_distance().iter().position(|p| p == place).unwrap())
                .collect();
            (missing, places.len(), split, ranks, places)
        };
        let best = case.subsets().map(judge).min().unwrap().4;
        let plan = case.plan();
        let found: BTreeSet<&str> = used(&plan).into_iter().map(LocationId::as_str).collect();
        prop_assert_eq!(found, best.into_iter().collect::<BTreeSet<_>>());
    }

    #[test]
    fn the_same_question_has_the_same_answer(case in cases(4, 4)) {
        let plan = case.plan();
        prop_assert_eq!(&plan, &case.plan());
        let mut turned = case.request();
        turned.wanted.reverse();
        let again = route(&turned, &case.stock(), &locations(), &CompiledRules::default(), Timestamp::default());
        let straight = route(&case.request(), &case.stock(), &locations(), &CompiledRules::default(), Timestamp::default());
        prop_assert_eq!(again, straight);
    }
}

#[test]
fn the_kit_is_a_kit() {
    let case = Case {
        on_hand: [[0; 4]; 3],
        lines: vec![(3, 1)],
        shipments: 1,
        asks: false,
        splits: false,
    };
    let kit = &case.stock()[&SkuId::new("KIT").unwrap()];
    assert!(matches!(kit.tracking, Tracking::Kit(_)));
    assert_eq!(case.plan().unplaced.len(), 2);
}
