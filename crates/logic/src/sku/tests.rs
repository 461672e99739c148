//! One table per behaviour: what is asked, and what is answered, told to orders or to be seen.

mod cost;
mod sales;
mod stock;
mod waiting;

use crossdock_model::Answer;
use crossdock_model::command::{Command, SkuCommand};
use crossdock_model::v1::Sale::{AlreadySold, Asks};
use crossdock_model::v1::{Component, Condition, CountBasis, ExceptionKey, Kit, Tracking};
use crossdock_model::{ChannelId, OrderId, ReturnId, SkuId, SourceId, TransferId};

use super::bench::{Bench, at, attempt, hold_id, notices_text, order, place, reserve, takes, text};

enum Step {
    /// A command and its answer with notices.
    Ask(SkuCommand, &'static str),
    /// A command about something that happened at that millisecond.
    AskOf(i64, SkuCommand, &'static str),
    /// Milliseconds pass; what orders are told meanwhile.
    Pass(u64, &'static str),
    /// The stock as seen now.
    See(&'static str),
    /// Exceptions opened (+), noted (~) and closed (-) so far.
    Exceptions(&'static str),
}
use Step::{Ask, AskOf, Exceptions, Pass, See};

fn check(steps: Vec<Step>) {
    let mut bench = Bench::new();
    for (number, step) in steps.into_iter().enumerate() {
        let (found, expected) = match step {
            Ask(command, expected) => (text(&bench.ask(command)), expected),
            AskOf(ms, command, expected) => {
                let told = bench.send(&Command::Sku(command), None, Some(at(ms)));
                (text(&told), expected)
            }
            Pass(ms, expected) => (notices_text(&bench.pass(ms)), expected),
            See(expected) => (bench.stock(), expected),
            Exceptions(expected) => (exceptions(&bench), expected),
        };
        assert_eq!(found, expected, "step {}", number + 1);
    }
    bench.check_replay();
}

fn exceptions(bench: &Bench) -> String {
    use crossdock_model::Event;
    use crossdock_model::v1::SkuEvent::{ExceptionClosed, ExceptionNoted, ExceptionOpened};
    let events = bench.records.iter().flat_map(|record| &record.events);
    let shown = events.filter_map(|event| match event {
        Event::Sku(ExceptionOpened(one)) => Some(format!("+{} {}", one.key.kind, one.key.subject)),
        Event::Sku(ExceptionNoted(one)) => Some(format!("~{} {}", one.key.kind, one.key.subject)),
        Event::Sku(ExceptionClosed(one)) => Some(format!("-{} {}", one.key.kind, one.key.subject)),
        _ => None,
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn receive(location: &str, units: u32) -> SkuCommand {
    SkuCommand::Receive {
        location: place(location),
        units,
        reference: None,
    }
}

fn safety(location: &str, units: u32) -> SkuCommand {
    let location = place(location);
    SkuCommand::SetSafety { location, units }
}

fn confirm(name: &str, number: u32) -> SkuCommand {
    let id = attempt(name, number);
    SkuCommand::Confirm { id }
}

fn release(name: &str, number: u32) -> SkuCommand {
    let id = attempt(name, number);
    SkuCommand::Release { id }
}

fn settle(name: &str, location: &str, shipped_units: u32, released_units: u32) -> SkuCommand {
    missing(name, location, [shipped_units, released_units, 0])
}

fn missing(name: &str, location: &str, totals: [u32; 3]) -> SkuCommand {
    let [shipped_units, released_units, missing_units] = totals;
    SkuCommand::Settle {
        id: attempt(name, 1),
        location: place(location),
        shipped_units,
        released_units,
        missing_units,
    }
}

fn hold(name: &str, units: u32, list: &[(&str, u32)], expires_ms: i64) -> SkuCommand {
    SkuCommand::Hold {
        hold: hold_id(name),
        units,
        takes: takes(list),
        among: None,
        expires_at: at(expires_ms),
    }
}

fn wait(name: &str, units: u32, promised_ms: i64, seen: u64) -> SkuCommand {
    SkuCommand::Wait {
        order: order(name),
        units,
        locations: vec![place("a"), place("b")],
        promised_at: at(promised_ms),
        added_units: 0,
        seen,
    }
}

fn wait_at(name: &str, units: u32, locations: &[&str]) -> SkuCommand {
    SkuCommand::Wait {
        order: order(name),
        units,
        locations: locations.iter().map(|at| place(at)).collect(),
        promised_at: at(0),
        added_units: 0,
        seen: u64::MAX,
    }
}

fn count(counted: u32, basis: CountBasis, effective_ms: i64) -> SkuCommand {
    SkuCommand::Count {
        location: place("a"),
        source: SourceId::new("wms").unwrap(),
        truth: None,
        basis,
        counted,
        effective_at: at(effective_ms),
    }
}

fn till(units: u32) -> SkuCommand {
    SkuCommand::SoldAtTill {
        location: place("a"),
        units,
        reference: "bill".to_owned(),
    }
}

fn kept(name: &str) -> SkuCommand {
    SkuCommand::Kept {
        id: attempt(name, 1),
        location: place("a"),
    }
}

fn resolve(kind: &str, episode: u32) -> SkuCommand {
    let (key, how) = (exception(kind, episode), "looked at".to_owned());
    SkuCommand::ResolveException { key, how }
}

fn note(kind: &str, episode: u32) -> SkuCommand {
    let (key, text) = (exception(kind, episode), "counting".to_owned());
    SkuCommand::NoteException { key, text }
}

fn exception(kind: &str, episode: u32) -> ExceptionKey {
    ExceptionKey {
        kind: kind.to_owned(),
        subject: "sku:A@a".to_owned(),
        episode,
    }
}

fn define(tracking: Tracking) -> SkuCommand {
    let title = "Thing".to_owned();
    SkuCommand::Define { title, tracking }
}

const HOUR: u64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

#[test]
fn a_reservation_is_tentative_then_committed_then_shipped() {
    check(vec![
        Ask(receive("a", 5), "done"),
        Ask(reserve("o", 1, &[("a", 3)], Asks, false), "reserved a:3"),
        See("a on_hand=5 tentative=3 ats=2"),
        Ask(reserve("o", 1, &[("a", 3)], Asks, false), "reserved a:3"),
        Ask(reserve("o", 1, &[("a", 2)], Asks, false), "superseded"),
        Ask(confirm("o", 1), "done"),
        Ask(confirm("o", 1), "done"),
        Ask(reserve("o", 1, &[("a", 3)], Asks, false), "reserved a:3"),
        See("a on_hand=5 committed=3 ats=2"),
        Ask(settle("o", "a", 2, 0), "done"),
        Ask(settle("o", "a", 1, 0), "done"),
        See("a on_hand=3 committed=1 ats=2"),
        Ask(settle("o", "a", 2, 2), "invalid"),
        Ask(settle("o", "b", 1, 0), "invalid"),
        Ask(settle("o", "a", 2, 1), "done"),
        See("a on_hand=3 ats=3"),
        Ask(settle("o", "a", 2, 1), "done"),
        Ask(confirm("o", 1), "superseded"),
        Ask(reserve("o", 1, &[("a", 3)], Asks, false), "superseded"),
    ]);
}

#[test]
fn a_release_that_overtakes_its_reserve_leaks_nothing() {
    check(vec![
        Ask(receive("a", 1), "done"),
        Ask(release("o", 2), "done"),
        Ask(release("o", 2), "done"),
        Ask(reserve("o", 2, &[("a", 1)], Asks, false), "superseded"),
        Ask(reserve("o", 1, &[("a", 1)], Asks, false), "superseded"),
        Ask(reserve("o", 3, &[("a", 1)], Asks, false), "reserved a:1"),
        Ask(reserve("o", 4, &[("a", 1)], Asks, false), "reserved a:1"),
        Ask(confirm("o", 3), "superseded"),
        Ask(confirm("o", 4), "done"),
        Ask(release("o", 4), "done"),
        See("a on_hand=1 ats=1"),
    ]);
}

#[test]
fn safety_stock_is_for_sold_orders_only() {
    check(vec![
        Ask(
            reserve("o", 1, &[("a", 1)], AlreadySold, false),
            "not_found",
        ),
        Ask(receive("a", 3), "done"),
        Ask(safety("a", 2), "done"),
        See("a on_hand=3 ats=1"),
        Ask(reserve("o", 1, &[("a", 2)], Asks, false), "short"),
        Ask(hold("h", 2, &[("a", 2)], 9_000), "short"),
        Ask(
            reserve("o", 1, &[("a", 3)], AlreadySold, false),
            "reserved a:3",
        ),
        Ask(reserve("p", 1, &[("b", 1)], AlreadySold, true), "short"),
        Ask(reserve("p", 1, &[("a", 0)], AlreadySold, true), "invalid"),
    ]);
}

#[test]
fn the_queue_of_a_contended_sku_is_served_oldest_first() {
    check(vec![
        Ask(receive("a", 2), "done"),
        Ask(reserve("o", 1, &[("a", 2)], Asks, false), "reserved a:2"),
        Ask(reserve("p", 1, &[("a", 2)], Asks, false), "contended"),
        Ask(reserve("p", 1, &[("a", 2)], Asks, true), "queued"),
        Ask(reserve("p", 1, &[("a", 2)], Asks, true), "queued"),
        Ask(reserve("q", 1, &[("a", 1)], AlreadySold, true), "queued"),
        Ask(reserve("r", 1, &[("a", 3)], Asks, true), "short"),
        Ask(release("o", 1), "done | p turn reserved a:2"),
        Ask(release("p", 1), "done | q turn reserved a:1"),
        Ask(reserve("s", 1, &[("a", 1)], Asks, false), "reserved a:1"),
    ]);
}

#[test]
fn newcomers_do_not_pass_the_queue() {
    check(vec![
        Ask(receive("a", 3), "done"),
        Ask(reserve("o", 1, &[("a", 2)], Asks, false), "reserved a:2"),
        Ask(reserve("p", 1, &[("a", 3)], Asks, true), "queued"),
        Ask(reserve("q", 1, &[("a", 1)], Asks, false), "contended"),
        Ask(hold("h", 1, &[], 9_000), "contended"),
        Pass(500, "p turn busy"),
        Ask(reserve("q", 1, &[("a", 1)], Asks, false), "reserved a:1"),
    ]);
}

#[test]
fn who_queues_behind_confirmed_units_is_short_at_once() {
    check(vec![
        Ask(receive("a", 2), "done"),
        Ask(reserve("o", 1, &[("a", 1)], Asks, false), "reserved a:1"),
        Ask(reserve("p", 1, &[("a", 2)], Asks, true), "queued"),
        Ask(reserve("q", 1, &[("a", 1)], Asks, true), "queued"),
        Ask(confirm("o", 1), "done | p turn short | q turn reserved a:1"),
        See("a on_hand=2 committed=1 tentative=1"),
    ]);
}

#[test]
fn an_undecided_reservation_is_asked_about_and_never_dropped() {
    let outcome = |outcome| SkuCommand::Outcome {
        id: attempt("o", 1),
        outcome,
    };
    check(vec![
        Ask(receive("a", 1), "done"),
        Ask(reserve("o", 1, &[("a", 1)], Asks, false), "reserved a:1"),
        Pass(4_999, ""),
        Pass(1, "o outcome of 1?"),
        Ask(outcome(Answer::Undecided), "done"),
        Pass(9_999, ""),
        Pass(1, "o outcome of 1?"),
        Pass(60_000, "o outcome of 1? | o outcome of 1?"),
        See("a on_hand=1 tentative=1"),
        Ask(outcome(Answer::Committed), "done"),
        See("a on_hand=1 committed=1"),
        Ask(outcome(Answer::GivenUp), "done"),
        See("a on_hand=1 ats=1"),
        Pass(HOUR, ""),
    ]);
}

#[test]
fn a_hold_that_ran_out_is_free_and_never_revived() {
    check(vec![
        Ask(receive("a", 1), "done"),
        Ask(hold("h", 1, &[], 1_000), "held a:1"),
        Ask(hold("h", 1, &[], 1_000), "held a:1"),
        Ask(hold("h", 2, &[], 1_000), "idempotency_conflict"),
        Ask(reserve("o", 1, &[("a", 1)], AlreadySold, true), "short"),
        Pass(1_000, ""),
        See("a on_hand=1 ats=1"),
        Ask(hold("h", 1, &[], 9_000), "hold_expired"),
        Ask(SkuCommand::ReleaseHold { hold: hold_id("h") }, "done"),
        Ask(
            reserve("o", 1, &[("a", 1)], AlreadySold, true),
            "reserved a:1",
        ),
    ]);
}

fn reserve_held(hold: &str, name: &str, number: u32, list: &[(&str, u32)]) -> SkuCommand {
    SkuCommand::ReserveHeld {
        hold: hold_id(hold),
        id: attempt(name, number),
        takes: takes(list),
        sale: Asks,
        promised_at: at(0),
        added_units: 0,
        queue: true,
    }
}

#[test]
fn an_orders_own_hold_goes_into_its_reservation() {
    let release = |name| SkuCommand::Release {
        id: attempt(name, 1),
    };
    let give_back = || SkuCommand::ReleaseHold { hold: hold_id("h") };
    check(vec![
        Ask(receive("a", 3), "done"),
        Ask(hold("h", 2, &[], HOUR as i64), "held a:2"),
        Ask(reserve("p", 1, &[("a", 2)], Asks, false), "short"),
        // One unit more than is there, though with the hold's: nothing is taken, and the hold stands.
        Ask(reserve_held("h", "o", 1, &[("a", 4)]), "short"),
        See("a on_hand=3 held=2 ats=1"),
        Ask(reserve_held("h", "o", 1, &[("a", 3)]), "reserved a:3"),
        Ask(reserve_held("h", "o", 1, &[("a", 3)]), "reserved a:3"),
        See("a on_hand=3 tentative=3"),
        // Another order that names it finds it spent.
        Ask(reserve_held("h", "p", 1, &[("a", 1)]), "queued"),
        Ask(hold("h", 2, &[], HOUR as i64), "confirmed by o"),
        // It cannot be given back: it is the order's.
        Ask(give_back(), "confirmed by o"),
        See("a on_hand=3 tentative=3"),
        Ask(release("p"), "done"),
        Ask(release("o"), "done"),
        See("a on_hand=3 ats=3"),
        Ask(give_back(), "confirmed by o"),
    ]);
    // It takes less, or elsewhere: the rest of the hold is free.
    check(vec![
        Ask(receive("a", 2), "done"),
        Ask(receive("b", 1), "done"),
        Ask(hold("h", 2, &[], HOUR as i64), "held a:2"),
        Ask(reserve_held("h", "o", 1, &[("b", 1)]), "reserved b:1"),
        See("a on_hand=2 ats=2; b on_hand=1 tentative=1"),
    ]);
    // Nothing is kept back from a hold that was granted before; what is not there is not granted either.
    let safety = |units| SkuCommand::SetSafety {
        location: place("a"),
        units,
    };
    let lose = |units: i64| SkuCommand::Adjust {
        location: place("a"),
        delta: -units,
        reason: "lost".to_owned(),
    };
    check(vec![
        Ask(receive("a", 4), "done"),
        Ask(hold("h", 2, &[], HOUR as i64), "held a:2"),
        Ask(safety(4), "done"),
        Ask(reserve_held("h", "o", 1, &[("a", 3)]), "short"),
        Ask(lose(3), "done"),
        Ask(reserve_held("h", "o", 1, &[("a", 2)]), "short"),
        Ask(reserve_held("h", "o", 1, &[("a", 1)]), "reserved a:1"),
    ]);
}

#[test]
fn whoever_holds_units_does_not_stand_in_line_for_them() {
    check(vec![
        Ask(receive("a", 3), "done"),
        Ask(hold("h", 1, &[], HOUR as i64), "held a:1"),
        Ask(reserve("p", 1, &[("a", 2)], Asks, false), "reserved a:2"),
        Ask(reserve("q", 1, &[("a", 1)], Asks, true), "queued"),
        Ask(reserve_held("h", "o", 1, &[("a", 2)]), "contended"),
        Ask(reserve_held("h", "o", 1, &[("a", 1)]), "reserved a:1"),
        Pass(500, "q turn busy"),
    ]);
    // After it ran out it is a reservation as any other, and waits its turn.
    check(vec![
        Ask(receive("a", 1), "done"),
        Ask(hold("h", 1, &[], 1_000), "held a:1"),
        Pass(1_000, ""),
        Ask(reserve("p", 1, &[("a", 1)], Asks, false), "reserved a:1"),
        Ask(reserve_held("h", "o", 1, &[("a", 1)]), "queued"),
    ]);
}

#[test]
fn a_hold_is_free_at_its_instant_though_no_timer_ran() {
    let mut bench = Bench::new();
    bench.ask(receive("a", 1)).unwrap();
    bench.ask(hold("h", 1, &[], 1_000)).unwrap();
    bench.now = at(1_000);
    assert_eq!(bench.stock(), "a on_hand=1 ats=1");
    let told = bench.ask(reserve("o", 1, &[("a", 1)], Asks, false));
    assert_eq!(text(&told), "reserved a:1");
    bench.check_replay();
}

#[test]
fn a_hold_is_nobodys_own_at_its_instant_though_no_timer_ran() {
    let mut bench = Bench::new();
    bench.ask(receive("a", 1)).unwrap();
    bench.ask(hold("h", 1, &[], 1_000)).unwrap();
    bench.now = at(1_000);
    // The unit that is free again is not counted a second time as the order's own.
    let two = reserve_held("h", "o", 1, &[("a", 2)]);
    assert_eq!(text(&bench.ask(two)), "short");
    let read = SkuCommand::ReadHeld { hold: hold_id("h") };
    let Ok((Answer::Stock(seen), _)) = bench.ask(read) else {
        panic!("no stock")
    };
    assert_eq!((seen.ats(), seen.locations[0].available), (1, 1));
    let one = reserve_held("h", "o", 1, &[("a", 1)]);
    assert_eq!(text(&bench.ask(one)), "reserved a:1");
    assert_eq!(bench.stock(), "a on_hand=1 tentative=1");
    bench.check_replay();
}

#[test]
fn holds_pick_most_stock_first_and_released_ones_stay_released() {
    let release = |name| SkuCommand::ReleaseHold {
        hold: hold_id(name),
    };
    check(vec![
        Ask(receive("a", 2), "done"),
        Ask(receive("b", 3), "done"),
        Ask(hold("h", 3, &[], 1_000), "held b:3"),
        Ask(release("h"), "done"),
        Ask(release("h"), "done"),
        Ask(hold("h", 3, &[], 1_000), "hold_expired"),
        Ask(hold("i", 4, &[], 1_000), "held b:3 a:1"),
        Ask(hold("j", 2, &[], 1_000), "short"),
        Ask(release("k"), "done"),
        Ask(hold("k", 1, &[], 1_000), "hold_expired"),
        Ask(hold("l", 1, &[("a", 2)], 1_000), "invalid"),
        Ask(hold("l", 1, &[], 0), "invalid"),
    ]);
}

#[test]
fn the_queue_has_a_limit() {
    let mut bench = Bench::new();
    bench.ask(receive("a", 1)).unwrap();
    bench
        .ask(reserve("o", 1, &[("a", 1)], Asks, false))
        .unwrap();
    for number in 0..super::QUEUE_MAX {
        let told = bench.ask(reserve(&format!("q{number}"), 1, &[("a", 1)], Asks, true));
        assert_eq!(text(&told), "queued");
    }
    let told = bench.ask(reserve("late", 1, &[("a", 1)], Asks, true));
    assert_eq!(text(&told), "busy");
    assert_eq!(bench.pass(500).len(), super::QUEUE_MAX);
    assert!(bench.state().queue.entries.is_empty());
}

#[test]
fn closed_attempts_are_forgotten_after_the_window() {
    let mut bench = Bench::new();
    bench.ask(receive("a", 1)).unwrap();
    bench.ask(release("o", 1)).unwrap();
    bench.pass(8 * 24 * HOUR);
    bench.ask(release("p", 1)).unwrap();
    let forgotten: OrderId = order("o");
    assert_eq!(bench.state().closed.attempt(&forgotten), 0);
    assert_eq!(bench.state().closed.attempt(&order("p")), 1);
}

#[test]
fn the_window_is_the_operators() {
    for (days, told) in [(1, "reserved a:1"), (30, "superseded")] {
        let mut bench = Bench::new();
        bench.window = crossdock_model::Duration::from_days(days);
        bench.ask(receive("a", 1)).unwrap();
        bench.ask(release("o", 1)).unwrap();
        bench.pass(8 * 24 * HOUR);
        bench.ask(receive("a", 1)).unwrap();
        let asked = bench.ask(reserve("o", 1, &[("a", 1)], Asks, false));
        assert_eq!(text(&asked), told, "{days} days");
        bench.check_replay();
    }
}

#[test]
fn a_hold_picks_only_where_an_order_could_be_sent_from() {
    let hold = |name, units, among: &[&str]| SkuCommand::Hold {
        hold: hold_id(name),
        units,
        takes: Vec::new(),
        among: Some(among.iter().map(|at| place(at)).collect()),
        expires_at: at(HOUR as i64),
    };
    let named = |name, among: &[&str]| SkuCommand::Hold {
        hold: hold_id(name),
        units: 1,
        takes: takes(&[("a", 1)]),
        among: Some(among.iter().map(|at| place(at)).collect()),
        expires_at: at(HOUR as i64),
    };
    check(vec![
        Ask(receive("a", 9), "done"),
        Ask(receive("b", 2), "done"),
        Ask(hold("h", 3, &["b"]), "short"),
        Ask(hold("h", 1, &[]), "short"),
        Ask(hold("h", 2, &["b", "c"]), "held b:2"),
        Ask(hold("i", 3, &["a", "b"]), "held a:3"),
        Ask(hold("h", 2, &[]), "held b:2"),
        Ask(named("j", &["b"]), "invalid"),
        Ask(named("j", &["a"]), "held a:1"),
        Ask(named("j", &[]), "held a:1"),
    ]);
    check(vec![
        Ask(define(Tracking::Untracked), "done"),
        Ask(hold("h", 3, &[]), "invalid"),
        Ask(hold("h", 3, &["b"]), "held b:3"),
    ]);
}

#[test]
fn layout_is_golden() {
    let mut bench = Bench::new();
    let steps = [
        define(Tracking::Tracked),
        receive("a", 9),
        safety("a", 1),
        reserve("o", 1, &[("a", 2)], Asks, false),
        reserve("p", 1, &[("a", 1)], AlreadySold, false),
        confirm("p", 1),
        hold("h", 1, &[("a", 1)], 60_000),
        till(1),
        wait_at("q", 9, &["a"]),
    ];
    for step in steps {
        bench.ask(step).expect("done");
    }
    crate::golden::check(&bench.entity);
}
