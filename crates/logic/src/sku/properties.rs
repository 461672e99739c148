//! Whatever is asked in whatever order: the bench checks balances, sums, grants and wake-ups after every record.

use crossdock_model::command::{Command, SkuCommand};
use crossdock_model::v1::{Condition, CountBasis, Sale, Tracking};
use crossdock_model::{
    Answer, ChannelId, Duration, LocationId, Rejection, ReturnId, SourceId, Timestamp, TransferId,
};
use proptest::prelude::*;

use super::bench::{Bench, attempt, hold_id, order, place, takes};

const PLACES: [&str; 2] = ["a", "b"];
const ORDERS: [&str; 4] = ["o", "p", "web/q", "web/r"];
const HOLDS: [&str; 3] = ["h", "i", "j"];

#[derive(Debug, Clone)]
enum Step {
    Ask(SkuCommand),
    /// Told of late: it took effect so many ms ago.
    Late(SkuCommand, u64),
    /// The clock moves without the timer running.
    Skip(u64),
    /// The clock moves and the timer runs.
    Pass(u64),
    /// One of those asked before comes again: under its key, or as an effect that was on its way for long.
    Again {
        which: usize,
        keyed: bool,
    },
}

/// What was asked and changed something.
struct Sent {
    command: Command,
    key: String,
    at: Timestamp,
    answer: Answer,
}

/// The window of a bench that forgets within a script.
const SHORT_WINDOW: Duration = Duration::from_minutes(10);

fn some_place() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&PLACES[..])
}

fn some_attempt() -> impl Strategy<Value = crossdock_model::v1::AttemptId> {
    (prop::sample::select(&ORDERS[..]), 1_u32..5).prop_map(|(name, number)| attempt(name, number))
}

fn some_takes() -> impl Strategy<Value = Vec<crossdock_model::v1::Take>> {
    prop_oneof![
        (some_place(), 1_u32..5).prop_map(|(at, units)| takes(&[(at, units)])),
        (1_u32..4, 1_u32..4).prop_map(|(a, b)| takes(&[("a", a), ("b", b)])),
    ]
}

fn reserving() -> impl Strategy<Value = SkuCommand> {
    let sale = prop_oneof![Just(Sale::Asks), Just(Sale::AlreadySold)];
    (
        some_attempt(),
        some_takes(),
        sale,
        0_i64..9,
        0_u32..3,
        any::<bool>(),
    )
        .prop_map(
            |(id, takes, sale, promised_ms, added_units, queue)| SkuCommand::Reserve {
                id,
                takes,
                sale,
                promised_at: super::bench::at(promised_ms),
                added_units,
                queue,
            },
        )
}

fn deciding() -> impl Strategy<Value = SkuCommand> {
    let outcome = prop_oneof![
        Just(Answer::Committed),
        Just(Answer::GivenUp),
        Just(Answer::Undecided)
    ];
    prop_oneof![
        3 => some_attempt().prop_map(|id| SkuCommand::Confirm { id }),
        3 => some_attempt().prop_map(|id| SkuCommand::Release { id }),
        1 => (some_attempt(), outcome).prop_map(|(id, outcome)| SkuCommand::Outcome { id, outcome }),
        2 => (some_attempt(), some_place(), 0_u32..4, 0_u32..3, 0_u32..2).prop_map(|(id, at, shipped_units, released_units, missing_units)| {
            SkuCommand::Settle { id, location: place(at), shipped_units, released_units, missing_units }
        }),
        1 => (some_attempt(), some_place())
            .prop_map(|(id, at)| SkuCommand::Kept { id, location: place(at) }),
    ]
}

/// `expires_at` is taken as a span from now when it is asked.
fn holding() -> impl Strategy<Value = SkuCommand> {
    let hold = || prop::sample::select(&HOLDS[..]).prop_map(hold_id);
    let listed = prop_oneof![Just(Vec::new()), some_takes()];
    prop_oneof![
        2 => (hold(), 1_u32..5, listed, 1_i64..3_000).prop_map(|(hold, units, takes, ms)| {
            let sum: u32 = takes.iter().map(|take| take.units).sum();
            let units = if takes.is_empty() { units } else { sum };
            let expires_at = crossdock_model::Timestamp::from_ms(ms);
            SkuCommand::Hold { hold, units, takes, among: None, expires_at }
        }),
        3 => (hold(), some_attempt(), some_takes(), any::<bool>()).prop_map(|(hold, id, takes, asks)| {
            let sale = if asks { Sale::Asks } else { Sale::AlreadySold };
            let promised_at = super::bench::at(0);
            SkuCommand::ReserveHeld { hold, id, takes, sale, promised_at, added_units: 0, queue: true }
        }),
        1 => hold().prop_map(|hold| SkuCommand::ReadHeld { hold }),
        1 => hold().prop_map(|hold| SkuCommand::ReleaseHold { hold }),
    ]
}

fn waiting() -> impl Strategy<Value = SkuCommand> {
    let name = || prop::sample::select(&ORDERS[..]).prop_map(order);
    let locations = prop_oneof![
        4 => Just(PLACES.map(place).to_vec()),
        2 => some_place().prop_map(|at| vec![place(at)])
    ];
    prop_oneof![
        3 => (name(), 1_u32..6, locations, 0_i64..9, 0_u32..3, 0_u64..40).prop_map(
            |(order, units, locations, promised_ms, added_units, seen)| SkuCommand::Wait {
                order,
                units,
                locations,
                promised_at: super::bench::at(promised_ms),
                added_units,
                seen,
            }
        ),
        1 => name().prop_map(|order| SkuCommand::StopWaiting { order }),
        1 => name().prop_map(|order| SkuCommand::DeclineOffer { order }),
    ]
}

fn returning() -> impl Strategy<Value = SkuCommand> {
    let condition = prop_oneof![Just(None), Just(Some(Condition::Quality))];
    let back = (
        prop::sample::select(&ORDERS[..]),
        0_u32..3,
        some_place(),
        1_u32..3,
        condition,
    );
    back.prop_map(|(name, part, at, units, condition)| SkuCommand::Return {
        order: order(name),
        return_id: ReturnId::new("r").unwrap(),
        part,
        location: place(at),
        units,
        condition,
    })
}

fn moving() -> impl Strategy<Value = SkuCommand> {
    let shop = CountBasis::NetOfChannel(ChannelId::new("shop").unwrap());
    let basis = prop_oneof![
        Just(CountBasis::OnHand),
        Just(CountBasis::NetOfAllocated),
        Just(shop)
    ];
    // Some are told of within the seconds that a script takes, some of a day ago.
    let when = prop_oneof![3 => 0_i64..90_000, 1 => -90_000_000_i64..0];
    let transfer = || TransferId::new("t").unwrap();
    let at = || some_place().prop_map(place);
    let source = || SourceId::new("wms").unwrap();
    prop_oneof![
        4 => (at(), 1_u32..6).prop_map(|(location, units)| {
            let reference = (units % 2 == 0).then(|| "po".to_owned());
            SkuCommand::Receive { location, units, reference }
        }),
        1 => (at(), -3_i64..4).prop_map(|(location, delta)| {
            SkuCommand::Adjust { location, delta, reason: "found".to_owned() }
        }),
        2 => (at(), 1_u32..4).prop_map(|(location, units)| {
            SkuCommand::SoldAtTill { location, units, reference: "bill".to_owned() }
        }),
        2 => (at(), 0_u32..9, basis, when).prop_map(move |(location, counted, basis, ms)| {
            let effective_at = super::bench::at(ms);
            SkuCommand::Count { location, source: source(), truth: None, basis, counted, effective_at }
        }),
        1 => (at(), 0_u32..3).prop_map(|(location, units)| SkuCommand::SetSafety { location, units }),
        1 => (at(), 1_u32..3).prop_map(|(location, units)| {
            SkuCommand::MarkUnavailable { location, condition: Condition::Damaged, units }
        }),
        1 => (at(), 1_u32..3).prop_map(|(location, units)| {
            SkuCommand::MakeAvailable { location, condition: Condition::Damaged, units }
        }),
        1 => (1_u32..4).prop_map(move |units| SkuCommand::TransferOut {
            transfer: transfer(), from: place("a"), to: place("b"), units,
        }),
        1 => (0_u32..4, any::<bool>()).prop_map(move |(arrived_units, close)| {
            SkuCommand::TransferIn { transfer: transfer(), arrived_units, close }
        }),
        1 => returning(),
        1 => (at(), 0_u32..4, 0_i64..9).prop_map(|(location, units, ms)| SkuCommand::Expect {
            location, reference: "po".to_owned(), units, expected_at: super::bench::at(ms),
        }),
        1 => any::<bool>().prop_map(|counted| SkuCommand::Define {
            title: "Thing".to_owned(),
            tracking: if counted { Tracking::Tracked } else { Tracking::Untracked },
        }),
    ]
}

fn script() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => reserving().prop_map(Step::Ask),
        5 => deciding().prop_map(Step::Ask),
        3 => holding().prop_map(Step::Ask),
        3 => waiting().prop_map(Step::Ask),
        5 => moving().prop_map(Step::Ask),
        2 => (prop_oneof![moving(), deciding()], 0_u64..5_000).prop_map(|(command, ms)| Step::Late(command, ms)),
        1 => (0_u64..1_500).prop_map(Step::Skip),
        2 => (0_u64..6_000).prop_map(Step::Pass),
        1 => (0_u64..2_000_000).prop_map(Step::Pass),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, keyed)| Step::Again { which, keyed }),
    ];
    prop::collection::vec(step, 1..120)
}

fn since_now(bench: &Bench, command: SkuCommand) -> SkuCommand {
    match command {
        SkuCommand::Hold {
            hold,
            units,
            takes,
            among,
            expires_at,
        } => SkuCommand::Hold {
            hold,
            units,
            takes,
            among,
            expires_at: bench.now + Duration::from_ms(expires_at.as_ms().unsigned_abs()),
        },
        other => other,
    }
}

fn run(bench: &mut Bench, sent: &mut Vec<Sent>, step: Step) {
    match step {
        Step::Again { .. } if sent.is_empty() => {}
        Step::Again { which, keyed } => ask_late(bench, &sent[which % sent.len()], keyed),
        Step::Skip(ms) => bench.now = bench.now + Duration::from_ms(ms),
        Step::Pass(ms) => {
            bench.pass(ms);
        }
        Step::Late(command, ms) => {
            let effective_at = bench.now - Duration::from_ms(ms);
            let _ = bench.send(&Command::Sku(command), None, Some(effective_at));
        }
        Step::Ask(command) => sent.extend(ask_twice(bench, since_now(bench, command))),
    }
}

/// However late a repeat is, it is never done again: under its key it gets the answer of then, or is too old for
/// that; and what has an identity of its own is known by it while the window lasts.
fn ask_late(bench: &mut Bench, sent: &Sent, keyed: bool) {
    let records = bench.records.len();
    let late = bench.now.since(sent.at) > bench.window;
    match keyed {
        true => match bench.repeat(&sent.command, &sent.key, sent.at) {
            Ok((answer, notices)) => assert_eq!((&answer, notices.len()), (&sent.answer, 0)),
            Err(why) => assert!(late && matches!(why, Rejection::TooOld { .. }), "{why:?}"),
        },
        false if late || !has_identity(&sent.command) => return,
        // Whatever it is answered: an attempt may be over by now, a hold confirmed.
        false => drop(bench.send(&sent.command, None, None)),
    }
    assert_eq!(bench.records.len(), records, "{:?} late", sent.command);
}

/// Whether it is done once, under whatever key.
fn has_identity(command: &Command) -> bool {
    matches!(
        command,
        Command::Sku(
            SkuCommand::Release { .. }
                | SkuCommand::Hold { .. }
                | SkuCommand::ReleaseHold { .. }
                | SkuCommand::Confirm { .. }
                | SkuCommand::Settle { .. }
                | SkuCommand::Return { .. }
                | SkuCommand::TransferOut { .. }
                | SkuCommand::TransferIn { .. }
        )
    )
}

/// Asks under a key and again: under the same key, and where a command has its own identity, under none.
fn ask_twice(bench: &mut Bench, command: SkuCommand) -> Option<Sent> {
    let key = format!("k{}", bench.records.len());
    let other = format!("{key} again");
    let command = Command::Sku(command);
    let before = bench.records.len();
    let first = bench.send(&command, Some(&key), None);
    let changed = bench.records.len() > before;
    let (answer, _) = first.ok()?;
    let records = bench.records.len();
    if changed {
        let (again, notices) = bench.send(&command, Some(&key), None).unwrap();
        assert_eq!((&again, notices.len()), (&answer, 0), "{command:?}");
        let body = Command::Sku(SkuCommand::ReleaseHold {
            hold: hold_id(&other),
        });
        let conflict = bench.send_as(&body, Some(&key), 2, None);
        assert_eq!(conflict, Err(Rejection::KeyConflict), "{command:?}");
    }
    if let Command::Sku(
        SkuCommand::Reserve { .. }
        | SkuCommand::ReserveHeld { .. }
        | SkuCommand::Release { .. }
        | SkuCommand::Hold { .. }
        | SkuCommand::ReleaseHold { .. }
        | SkuCommand::Confirm { .. }
        | SkuCommand::Settle { .. }
        | SkuCommand::Return { .. }
        | SkuCommand::TransferOut { .. }
        | SkuCommand::TransferIn { .. }
        | SkuCommand::Kept { .. },
    ) = &command
    {
        let (again, _) = bench.send(&command, None, None).unwrap();
        assert_eq!(again, answer, "{command:?}");
    }
    assert_eq!(
        bench.records.len(),
        records,
        "{command:?} changed something twice"
    );
    let at = bench.now;
    changed.then_some(Sent {
        command,
        key,
        at,
        answer,
    })
}

/// Orders answer at last: everything undecided is given up and every offer is taken. Then nothing may be left.
fn wind_up(bench: &mut Bench) {
    for name in ORDERS {
        for number in 1..5 {
            let id = attempt(name, number);
            bench.ask(SkuCommand::Release { id }).unwrap();
        }
    }
    bench.pass(60_000);
    let state = bench.state();
    assert!(state.reservations.is_empty() && state.holds.is_empty());
    assert!(state.queue.entries.is_empty() && state.queue.wants.is_empty());
    for place in state.places.values() {
        let sums = place.sums;
        assert_eq!((sums.committed, sums.tentative, sums.held), (0, 0, 0));
        assert!(place.by_promise.is_empty() && place.asked.is_empty());
    }
    feed_the_line(bench);
}

/// With stock enough every waiting order is offered its units within a minute, and can take them.
fn feed_the_line(bench: &mut Bench) {
    let tracked = SkuCommand::Define {
        title: "Thing".to_owned(),
        tracking: Tracking::Tracked,
    };
    // One that is not counted has nobody waiting.
    bench.ask(tracked).unwrap();
    for at in PLACES {
        let location: LocationId = place(at);
        let units = 100;
        let reference = None;
        bench
            .ask(SkuCommand::Receive {
                location,
                units,
                reference,
            })
            .unwrap();
    }
    for _ in 0..40 {
        let mut offered = bench.state().line.orders.iter();
        let offered = offered.find_map(|(order, waiter)| {
            let offer = waiter.offer.as_ref()?;
            Some((order.clone(), offer.takes.clone()))
        });
        let Some((order, takes)) = offered else {
            bench.pass(1_500);
            continue;
        };
        let id = crossdock_model::v1::AttemptId { order, attempt: 9 };
        let told = bench.ask(SkuCommand::Reserve {
            id,
            takes: takes.clone(),
            sale: Sale::AlreadySold,
            promised_at: bench.now,
            added_units: 0,
            queue: true,
        });
        assert!(matches!(told, Ok((Answer::Reserved { .. }, _))), "{told:?}");
    }
    let line = &bench.state().line;
    assert!(line.orders.is_empty(), "{line:?}");
    assert!(line.groups.is_empty(), "{line:?}");
    assert_eq!(line.offers, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(512), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_sound(script in script(), forgets in any::<bool>()) {
        let (mut bench, mut sent) = (Bench::new(), Vec::new());
        if forgets {
            bench.window = SHORT_WINDOW;
        }
        for step in script {
            run(&mut bench, &mut sent, step);
        }
        bench.check_replay();
        wind_up(&mut bench);
        bench.check_replay();
    }

    #[test]
    fn an_expired_hold_is_never_revived(script in script(), lived_ms in 1_u64..2_000) {
        let mut bench = Bench::new();
        bench.ask(SkuCommand::Receive { location: place("a"), units: 1, reference: None }).unwrap();
        let expires_at = bench.now + Duration::from_ms(lived_ms);
        let hold = hold_id("mine");
        let asked = SkuCommand::Hold { hold: hold.clone(), units: 1, takes: Vec::new(), among: None, expires_at };
        bench.ask(asked.clone()).unwrap();
        bench.now = expires_at;
        let mut sent = Vec::new();
        for step in script {
            run(&mut bench, &mut sent, step);
            let gone = Err(Rejection::HoldExpired { at: expires_at });
            prop_assert_eq!(&bench.ask(asked.clone()), &gone);
        }
    }
}
