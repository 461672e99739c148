//! Balances and ledger. The SKU's own arithmetic is the reference: whatever it decides, the tables say the same.

use crossdock_insight::{Insight, StockFilter, StockSearch};
use crossdock_logic::entity::DEDUP_WINDOW;
use crossdock_logic::{Announcement, Entity, Outcome};
use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{AttemptId, Condition, Event, Sale, SkuEvent, Take, Tracking};
use crossdock_model::{Command, Duration, HoldId, Meta, Timestamp, TransferId};
use proptest::prelude::*;

use crate::book::{Book, folded, meta, moved, place, sku};

const PLACES: [&str; 2] = ["a", "b"];

fn search(insight: &Insight, search: StockSearch) -> Vec<(String, String, i64)> {
    let search = StockSearch {
        base: StockFilter {
            limit: 200,
            ..search.base
        },
        ..search
    };
    let rows = insight.search_stock(&search).unwrap().rows;
    let rows = rows.into_iter();
    rows.map(|row| (row.sku, row.location, row.available))
        .collect()
}

#[test]
fn stock_is_found_by_prefix_title_place_and_need() {
    let mut book = Book::new();
    for (id, title, units) in [("A-1", "Mug", 5), ("A-2", "Blue mug", 1), ("B_1", "Tee", 9)] {
        let title = title.to_owned();
        let tracking = Tracking::Tracked;
        let defined = Event::Sku(SkuEvent::Defined { title, tracking });
        let stocked = vec![defined, moved("reno", units), moved("austin", 1)];
        book.write(&format!("sku:{id}"), stocked);
    }
    let insight = folded(&book);
    let base = |prefix: Option<&str>, location: Option<&str>| StockFilter {
        prefix: prefix.map(str::to_owned),
        location: location.map(str::to_owned),
        ..StockFilter::default()
    };
    let by = |base, title: Option<&str>, available_below| {
        let title = title.map(str::to_owned);
        let asked = StockSearch {
            base,
            title,
            available_below,
            now: None,
        };
        search(&insight, asked)
            .into_iter()
            .map(|(sku, at, _)| format!("{sku}@{at}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        by(base(Some("A-"), Some("reno")), None, None),
        ["A-1@reno", "A-2@reno"]
    );
    assert_eq!(
        by(base(None, Some("reno")), Some("MUG"), None),
        ["A-1@reno", "A-2@reno"]
    );
    assert_eq!(
        by(base(None, Some("reno")), None, Some(6)),
        ["A-1@reno", "A-2@reno"]
    );
    assert_eq!(by(base(Some("%"), None), None, None), Vec::<String>::new());
    let named = |text| {
        insight
            .skus(Some(text), None, 10)
            .unwrap()
            .rows
            .into_iter()
            .map(|row| row.sku)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (named("mug"), named("b_")),
        (vec!["A-1".into(), "A-2".into()], vec!["B_1".to_owned()])
    );
}

#[test]
fn a_ledger_sums_to_its_balances() {
    let mut book = Book::new();
    book.write("sku:A", vec![moved("reno", 5), moved("reno", -2)]);
    book.write("sku:A", vec![moved("austin", 1)]);
    let insight = folded(&book);
    let ledger = insight.ledger("A", None, None, 10).unwrap().rows;
    let after: Vec<_> = ledger
        .iter()
        .map(|row| (row.location.as_str(), row.on_hand))
        .collect();
    assert_eq!(after, [("austin", 1), ("reno", 3), ("reno", 5)]);
    let reno = insight.ledger("A", Some("reno"), None, 10).unwrap().rows;
    assert_eq!(
        (
            reno.len(),
            reno.iter().map(|row| row.on_hand_delta).sum::<i64>()
        ),
        (2, 3)
    );
    assert_eq!(
        (reno[0].principal.as_str(), reno[0].effective_at),
        ("ada", 5)
    );
}

/// A hold ends by time alone, with no event.
#[test]
fn a_hold_is_held_until_it_expires() {
    let mut book = Book::new();
    let takes = vec![Take {
        location: place("reno"),
        units: 2,
    }];
    let (hold, expires_at) = (HoldId::new("cart").unwrap(), Timestamp::from_ms(9_000));
    book.write(
        "sku:A",
        vec![
            moved("reno", 5),
            Event::Sku(SkuEvent::Held {
                hold,
                takes,
                expires_at,
            }),
        ],
    );
    let insight = folded(&book);
    let free = |now| {
        let asked = StockSearch {
            now,
            ..StockSearch::default()
        };
        search(&insight, asked)[0].2
    };
    assert_eq!(
        (free(None), free(Some(8_999)), free(Some(9_000))),
        (3, 3, 5)
    );
}

/// A SKU that is asked things, and the journal it leaves.
struct Shop {
    book: Book,
    entity: Entity,
    now: Timestamp,
}

impl Shop {
    fn ask(&mut self, command: &Command) {
        let meta = Meta {
            issued_at: self.now,
            ..meta()
        };
        let decided = self.entity.decide(command, &meta, self.now, DEDUP_WINDOW);
        if let Ok(Outcome::Changed { record, .. }) = decided {
            self.entity.apply(&record, DEDUP_WINDOW).unwrap();
            self.book.enter(self.entity.id().clone(), &record);
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_ms(ms);
        for _ in 0..1_000 {
            let due = self.entity.next_deadline().filter(|(due, _)| *due <= end);
            let Some((due, _)) = due else { break };
            self.now = self.now.max(due);
            self.ask(&Command::Wake);
        }
        self.now = end;
    }

    /// Per location what the SKU says, and what the tables say.
    fn both(&self) -> (Vec<[i64; 8]>, Vec<[i64; 8]>) {
        let Some(Announcement::Stock(spoken)) = self.entity.announcement(self.now) else {
            return (Vec::new(), Vec::new());
        };
        let own = spoken.view.locations.iter().map(|one| {
            let held = [
                one.committed,
                one.held,
                one.tentative,
                one.unavailable,
                one.incoming,
                one.in_transit,
            ];
            let [
                committed,
                held,
                tentative,
                unavailable,
                incoming,
                in_transit,
            ] = held.map(i64::from);
            [
                one.on_hand,
                committed,
                held,
                tentative,
                unavailable,
                incoming,
                in_transit,
                one.available,
            ]
        });
        let insight = folded(&self.book);
        let asked = StockSearch {
            base: StockFilter {
                limit: 10,
                ..StockFilter::default()
            },
            now: Some(self.now.as_ms()),
            ..StockSearch::default()
        };
        let rows = insight.search_stock(&asked).unwrap().rows;
        let folded = rows.iter().map(|one| {
            [
                one.on_hand,
                one.committed,
                one.held,
                one.tentative,
                one.unavailable,
                one.incoming,
                one.in_transit,
                one.available,
            ]
        });
        (nonzero(own), nonzero(folded))
    }
}

/// A location of which nothing was ever said is not listed by one side, and by the other with zeros.
fn nonzero(rows: impl Iterator<Item = [i64; 8]>) -> Vec<[i64; 8]> {
    rows.filter(|row| row.iter().any(|sum| *sum != 0)).collect()
}

fn some_place() -> impl Strategy<Value = crossdock_model::LocationId> {
    prop::sample::select(&PLACES[..]).prop_map(place)
}

fn some_attempt() -> impl Strategy<Value = AttemptId> {
    (prop::sample::select(vec!["o", "p", "q"]), 1_u32..6).prop_map(|(name, attempt)| AttemptId {
        order: format!("shop:{name}").parse().unwrap(),
        attempt,
    })
}

fn some_takes() -> impl Strategy<Value = Vec<Take>> {
    (some_place(), 1_u32..4).prop_map(|(location, units)| vec![Take { location, units }])
}

fn claiming() -> impl Strategy<Value = SkuCommand> {
    let hold = || prop::sample::select(vec!["h", "i"]).prop_map(|id| HoldId::new(id).unwrap());
    prop_oneof![
        4 => (some_attempt(), some_takes()).prop_map(|(id, takes)| SkuCommand::Reserve {
            id, takes, sale: Sale::AlreadySold, promised_at: Timestamp::default(), added_units: 0, queue: true,
        }),
        3 => some_attempt().prop_map(|id| SkuCommand::Confirm { id }),
        2 => some_attempt().prop_map(|id| SkuCommand::Release { id }),
        3 => (some_attempt(), some_place(), 0_u32..4, 0_u32..3, 0_u32..2).prop_map(|(id, location, shipped_units, released_units, missing_units)| {
            SkuCommand::Settle { id, location, shipped_units, released_units, missing_units }
        }),
        2 => (hold(), 1_u32..4, 1_i64..9_000).prop_map(|(hold, units, ms)| SkuCommand::Hold {
            hold, units, takes: Vec::new(), among: None, expires_at: Timestamp::from_ms(ms),
        }),
        1 => hold().prop_map(|hold| SkuCommand::ReleaseHold { hold }),
        2 => (some_attempt(), 1_u32..5).prop_map(|(id, units)| SkuCommand::Wait {
            order: id.order, units, locations: PLACES.map(place).to_vec(), promised_at: Timestamp::default(), added_units: 0, seen: u64::MAX,
        }),
        1 => some_attempt().prop_map(|id| SkuCommand::StopWaiting { order: id.order }),
        1 => some_attempt().prop_map(|id| SkuCommand::DeclineOffer { order: id.order }),
    ]
}

fn moving() -> impl Strategy<Value = SkuCommand> {
    let transfer = || TransferId::new("t").unwrap();
    let known = || prop::option::of(Just("po-1".to_owned()));
    prop_oneof![
        4 => (some_place(), 1_u32..6, known()).prop_map(|(location, units, reference)| {
            SkuCommand::Receive { location, units, reference }
        }),
        1 => (some_place(), -3_i64..4).prop_map(|(location, delta)| {
            SkuCommand::Adjust { location, delta, reason: "found".to_owned() }
        }),
        1 => (some_place(), 0_u32..5).prop_map(|(location, units)| SkuCommand::Expect {
            location, reference: "po-1".to_owned(), units, expected_at: Timestamp::from_ms(1),
        }),
        1 => (some_place(), 1_u32..3).prop_map(|(location, units)| {
            SkuCommand::MarkUnavailable { location, condition: Condition::Damaged, units }
        }),
        1 => (some_place(), 1_u32..3).prop_map(|(location, units)| {
            SkuCommand::MakeAvailable { location, condition: Condition::Damaged, units }
        }),
        1 => (1_u32..4).prop_map(move |units| SkuCommand::TransferOut {
            transfer: transfer(), from: place("a"), to: place("b"), units,
        }),
        1 => (0_u32..4, any::<bool>()).prop_map(move |(arrived_units, close)| {
            SkuCommand::TransferIn { transfer: transfer(), arrived_units, close }
        }),
    ]
}

/// An attempt's life, cut short anywhere: chance alone rarely confirms, ships a part and then lets go.
fn living() -> impl Strategy<Value = Vec<Step>> {
    (some_attempt(), some_place(), 1_u32..4, 0_u32..3, 1_usize..6).prop_map(
        |(id, location, units, shipped_units, length)| {
            let (place, takes) = (
                location.clone(),
                vec![Take {
                    location: location.clone(),
                    units,
                }],
            );
            let sale = Sale::AlreadySold;
            let promised_at = Timestamp::default();
            let life = [
                SkuCommand::Receive {
                    location: place,
                    units,
                    reference: None,
                },
                SkuCommand::Reserve {
                    id: id.clone(),
                    takes,
                    sale,
                    promised_at,
                    added_units: 0,
                    queue: true,
                },
                SkuCommand::Confirm { id: id.clone() },
                SkuCommand::Settle {
                    id: id.clone(),
                    location,
                    shipped_units,
                    released_units: 0,
                    missing_units: 0,
                },
                SkuCommand::Release { id },
            ];
            life.into_iter().take(length).map(ask).collect()
        },
    )
}

#[derive(Debug, Clone)]
enum Step {
    Ask(Box<SkuCommand>),
    Pass(u64),
}

fn ask(command: SkuCommand) -> Step {
    Step::Ask(Box::new(command))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tables_say_what_the_sku_says(script in prop::collection::vec(prop_oneof![
        5 => claiming().prop_map(|command| vec![ask(command)]),
        3 => moving().prop_map(|command| vec![ask(command)]),
        3 => living(),
        1 => (0_u64..4_000).prop_map(|ms| vec![Step::Pass(ms)]),
    ], 1..60)) {
        let entity = Entity::new(format!("sku:{}", sku("A")).parse().unwrap());
        let mut shop = Shop { book: Book::new(), entity, now: Timestamp::default() };
        for step in script.into_iter().flatten() {
            match step {
                Step::Ask(command) => shop.ask(&Command::Sku(*command)),
                Step::Pass(ms) => shop.pass(ms),
            }
        }
        let (own, folded) = shop.both();
        prop_assert_eq!(own, folded);
    }
}
