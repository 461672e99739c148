//! One table per behaviour: what is asked, and what is answered, told to orders or to be seen.

use crossdock_model::Answer;
use crossdock_model::command::{Command, SkuCommand};
use crossdock_model::v1::Sale::{AlreadySold, Asks};
use crossdock_model::v1::{Component, Condition, CountBasis, Tracking};
use crossdock_model::{OrderId, ReturnId, SkuId, SourceId, TransferId};

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
    /// Exceptions opened (+) and closed (-) so far.
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
    use crossdock_model::v1::SkuEvent::{ExceptionClosed, ExceptionOpened};
    let events = bench.records.iter().flat_map(|record| &record.events);
    let shown = events.filter_map(|event| match event {
        Event::Sku(ExceptionOpened(one)) => Some(format!("+{} {}", one.key.kind, one.key.subject)),
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
        expires_at: at(expires_ms),
    }
}

fn wait(name: &str, units: u32, promised_ms: i64, seen: u64) -> SkuCommand {
    SkuCommand::Wait {
        order: order(name),
        units,
        locations: Vec::new(),
        promised_at: at(promised_ms),
        seen,
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

fn define(tracking: Tracking) -> SkuCommand {
    let title = "Thing".to_owned();
    SkuCommand::Define { title, tracking }
}

const HOUR: u64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// Units that were not found are gone until a count finds them; what is told twice is lost once.
#[test]
fn units_not_found_are_not_sold_again() {
    check(vec![
        Ask(receive("a", 5), "done"),
        Ask(reserve("o", 1, &[("a", 3)], Asks, false), "reserved a:3"),
        Ask(confirm("o", 1), "done"),
        Ask(missing("o", "a", [0, 1, 2]), "invalid"),
        Ask(missing("o", "a", [0, 1, 1]), "done"),
        See("a on_hand=4 committed=2 ats=2"),
        Ask(missing("o", "a", [0, 1, 1]), "done"),
        Ask(missing("o", "a", [1, 2, 1]), "done"),
        See("a on_hand=3 ats=3"),
    ]);
}

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
    let confirm_hold = |name| SkuCommand::ConfirmHold {
        hold: hold_id("h"),
        id: attempt(name, 1),
    };
    check(vec![
        Ask(receive("a", 1), "done"),
        Ask(hold("h", 1, &[], 1_000), "held a:1"),
        Ask(hold("h", 1, &[], 1_000), "held a:1"),
        Ask(hold("h", 2, &[], 1_000), "idempotency_conflict"),
        Ask(reserve("o", 1, &[("a", 1)], AlreadySold, true), "short"),
        Pass(1_000, ""),
        See("a on_hand=1 ats=1"),
        Ask(hold("h", 1, &[], 9_000), "hold_expired"),
        Ask(confirm_hold("o"), "hold_expired"),
        Ask(
            reserve("o", 1, &[("a", 1)], AlreadySold, true),
            "reserved a:1",
        ),
    ]);
    check(vec![
        Ask(receive("a", 1), "done"),
        Ask(hold("h", 1, &[], 1_000), "held a:1"),
        Pass(999, ""),
        Ask(confirm_hold("o"), "done"),
        Ask(confirm_hold("o"), "done"),
        Ask(confirm_hold("p"), "hold_expired"),
        See("a on_hand=1 committed=1"),
        Ask(SkuCommand::ReleaseHold { hold: hold_id("h") }, "done"),
        See("a on_hand=1 committed=1"),
    ]);
}

fn reserve_held(hold: &str, name: &str, number: u32, list: &[(&str, u32)]) -> SkuCommand {
    SkuCommand::ReserveHeld {
        hold: hold_id(hold),
        id: attempt(name, number),
        takes: takes(list),
        sale: Asks,
        promised_at: at(0),
        queue: true,
    }
}

#[test]
fn an_orders_own_hold_goes_into_its_reservation() {
    let release = |name| SkuCommand::Release {
        id: attempt(name, 1),
    };
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
        Ask(hold("h", 2, &[], HOUR as i64), "hold_expired"),
        Ask(release("p"), "done"),
        Ask(release("o"), "done"),
        See("a on_hand=3 ats=3"),
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
fn arriving_units_go_to_waiting_orders_oldest_promise_first() {
    check(vec![
        Ask(wait("o", 1, 0, 0), "not_found"),
        Ask(safety("a", 0), "done"),
        Ask(receive("a", 1), "done"),
        Ask(till(1), "done"),
        Ask(wait("late", 1, 20, 2), "waits"),
        Ask(wait("early", 1, 10, 2), "waits"),
        Ask(wait("large", 5, 0, 2), "waits"),
        Ask(receive("a", 1), "done | early offer a:1"),
        See("a on_hand=1 tentative=1"),
        Ask(
            reserve("x", 1, &[("a", 1)], AlreadySold, false),
            "contended",
        ),
        Ask(
            reserve("early", 1, &[("a", 1)], AlreadySold, false),
            "reserved a:1",
        ),
        Ask(receive("a", 5), "done | large offer a:5"),
        Ask(
            SkuCommand::DeclineOffer {
                order: order("large"),
            },
            "done | late offer a:1",
        ),
        Ask(
            reserve("late", 1, &[("a", 1)], AlreadySold, false),
            "reserved a:1",
        ),
        See("a on_hand=6 tentative=2"),
        Ask(
            SkuCommand::StopWaiting {
                order: order("large"),
            },
            "done",
        ),
        See("a on_hand=6 tentative=2 ats=4"),
    ]);
}

#[test]
fn an_offer_that_is_not_taken_up_is_made_again_later() {
    check(vec![
        Ask(receive("a", 1), "done"),
        Ask(wait("o", 2, 0, 0), "waits"),
        Ask(receive("a", 1), "done | o offer a:2"),
        Ask(wait("p", 1, 5, 9), "waits"),
        Pass(2_000, "p offer a:1"),
        Pass(2_000, "o offer a:2"),
        Ask(receive("a", 1), "done | p offer a:1"),
        Ask(
            reserve("p", 1, &[("a", 1)], AlreadySold, false),
            "reserved a:1",
        ),
        Pass(2_000, ""),
        Pass(4_000, "p outcome of 1? | o offer a:2"),
        Ask(
            reserve("o", 1, &[("a", 2)], AlreadySold, false),
            "reserved a:2",
        ),
    ]);
}

#[test]
fn who_has_not_seen_the_present_stock_is_told_to_look_again() {
    check(vec![
        Ask(receive("a", 1), "done"),
        Ask(wait("o", 1, 0, 0), "retry"),
        Ask(wait("o", 1, 0, 1), "waits | o offer a:1"),
        Ask(wait("o", 1, 0, 1), "waits"),
    ]);
}

#[test]
fn counts_follow_what_moved_after_them() {
    let on_hand = CountBasis::OnHand;
    let day = 24 * HOUR;
    check(vec![
        Ask(receive("a", 10), "done"),
        Pass(day, ""),
        Ask(till(2), "done"),
        Pass(HOUR, ""),
        Ask(count(9, on_hand, (day / 2) as i64), "done"),
        See("a on_hand=7 ats=7"),
        Ask(count(5, on_hand, (day / 2) as i64 - 1), "done"),
        See("a on_hand=7 ats=7"),
        Exceptions(""),
        Ask(count(6, on_hand, day as i64 + MINUTE_MS), "done"),
        See("a on_hand=6 ats=6"),
        Exceptions("+drift sku:A@a"),
        Ask(count(6, on_hand, day as i64 + 30 * MINUTE_MS), "done"),
        Exceptions("+drift sku:A@a, -drift sku:A@a"),
        AskOf(0, receive("a", 3), "done"),
        See("a on_hand=6 ats=6"),
        Ask(receive("a", 3), "done"),
        See("a on_hand=9 ats=9"),
    ]);
    let foreign = SkuCommand::Count {
        location: place("a"),
        source: SourceId::new("shop").unwrap(),
        truth: Some(SourceId::new("wms").unwrap()),
        basis: on_hand,
        counted: 1,
        effective_at: at(0),
    };
    check(vec![
        Ask(foreign, "not_stock_source"),
        Ask(count(5, on_hand, 0), "done"),
        Pass(2 * day, ""),
        Ask(count(7, on_hand, 10), "done"),
        See("a on_hand=5 ats=5"),
    ]);
}

#[test]
fn a_count_net_of_allocated_units_adds_committed_ones() {
    let net = CountBasis::NetOfAllocated;
    check(vec![
        Ask(receive("a", 10), "done"),
        Ask(reserve("o", 1, &[("a", 4)], Asks, false), "reserved a:4"),
        Ask(confirm("o", 1), "done"),
        Pass(HOUR, ""),
        Ask(settle("o", "a", 1, 0), "done"),
        Ask(count(6, net, HOUR as i64 - 20 * MINUTE_MS), "done"),
        See("a on_hand=9 committed=3 ats=6"),
    ]);
}

#[test]
fn missing_units_are_asked_back_latest_promise_first() {
    let sold = |name, promised_ms| SkuCommand::Reserve {
        id: attempt(name, 1),
        takes: takes(&[("a", 1)]),
        sale: AlreadySold,
        promised_at: at(promised_ms),
        queue: false,
    };
    check(vec![
        Ask(receive("a", 2), "done"),
        Ask(sold("early", 10), "reserved a:1"),
        Ask(sold("late", 20), "reserved a:1"),
        Ask(confirm("early", 1), "done"),
        Ask(confirm("late", 1), "done"),
        Ask(till(1), "done | late give back a?"),
        Pass(5_000, "late give back a?"),
        Ask(kept("late"), "done | early give back a?"),
        Ask(kept("late"), "done"),
        Exceptions(""),
        Ask(kept("early"), "done"),
        Exceptions("+short sku:A@a"),
        Ask(receive("a", 1), "done"),
        Exceptions("+short sku:A@a, -short sku:A@a"),
        Ask(till(1), "done | late give back a?"),
        Ask(settle("late", "a", 0, 1), "done"),
        See("a on_hand=1 committed=1"),
        Pass(HOUR, ""),
    ]);
}

#[test]
fn transfers_are_in_transit_until_they_arrive() {
    let id = || TransferId::new("t").unwrap();
    let out = |units| SkuCommand::TransferOut {
        transfer: id(),
        from: place("a"),
        to: place("b"),
        units,
    };
    let arrive = |arrived_units, close| SkuCommand::TransferIn {
        transfer: id(),
        arrived_units,
        close,
    };
    check(vec![
        Ask(receive("a", 5), "done"),
        Ask(out(6), "short"),
        Ask(out(4), "done"),
        Ask(out(4), "done"),
        Ask(out(3), "idempotency_conflict"),
        See("a on_hand=1 ats=1; b in_transit=4"),
        Ask(arrive(2, false), "done"),
        Ask(arrive(2, false), "done"),
        Ask(arrive(1, false), "done"),
        See("a on_hand=1 ats=1; b on_hand=2 in_transit=2 ats=2"),
        Ask(arrive(5, false), "invalid"),
        Ask(arrive(3, true), "done"),
        See("a on_hand=1 ats=1; b on_hand=3 ats=3"),
        // It is over, and what is told of it again moves nothing.
        Ask(arrive(3, true), "done"),
        Ask(arrive(4, true), "invalid"),
        Ask(out(4), "done"),
        Ask(out(3), "idempotency_conflict"),
        See("a on_hand=1 ats=1; b on_hand=3 ats=3"),
        Pass(8 * 24 * HOUR, ""),
        Ask(receive("a", 1), "done"),
        Ask(arrive(3, true), "not_found"),
    ]);
}

#[test]
fn unavailable_expected_and_returned_units() {
    let mark = |units| SkuCommand::MarkUnavailable {
        location: place("a"),
        condition: Condition::Damaged,
        units,
    };
    let mend = |units| SkuCommand::MakeAvailable {
        location: place("a"),
        condition: Condition::Damaged,
        units,
    };
    let expect = |units| SkuCommand::Expect {
        location: place("a"),
        reference: "po".to_owned(),
        units,
        expected_at: at(9),
    };
    let back = |part, condition| SkuCommand::Return {
        order: order("o"),
        return_id: ReturnId::new("r").unwrap(),
        part,
        location: place("a"),
        units: 1,
        condition,
    };
    let arrive = SkuCommand::Receive {
        location: place("a"),
        units: 3,
        reference: Some("po".to_owned()),
    };
    check(vec![
        Ask(expect(5), "done"),
        See("a incoming=5"),
        Ask(arrive, "done"),
        See("a on_hand=3 incoming=2 ats=3"),
        Ask(expect(0), "done"),
        Ask(mark(4), "invalid"),
        Ask(mark(2), "done"),
        See("a on_hand=3 unavailable=2 ats=1"),
        Ask(mend(3), "invalid"),
        Ask(mend(1), "done"),
        Ask(back(0, None), "done"),
        Ask(back(1, Some(Condition::Damaged)), "done"),
        // Its order tells of each part until it is answered.
        Ask(back(0, None), "done"),
        Ask(back(1, Some(Condition::Damaged)), "done"),
        See("a on_hand=5 unavailable=2 ats=3"),
    ]);
}

#[test]
fn untracked_skus_have_always_enough_and_kits_no_stock() {
    let kit = |units_per_kit| {
        Tracking::Kit(vec![Component {
            sku: SkuId::new("B").unwrap(),
            units_per_kit,
        }])
    };
    check(vec![
        Ask(define(Tracking::Untracked), "done"),
        Ask(reserve("o", 1, &[("a", 7)], Asks, false), "reserved a:7"),
        Ask(reserve("o", 1, &[("a", 7)], Asks, false), "reserved a:7"),
        Ask(define(Tracking::Tracked), "invalid"),
        Ask(confirm("o", 1), "done"),
        Ask(settle("o", "a", 7, 0), "done"),
        Ask(wait("p", 3, 0, 9), "retry"),
        Ask(define(Tracking::Tracked), "done"),
        See("a"),
        Ask(define(kit(0)), "invalid"),
        Ask(define(kit(2)), "done"),
        Ask(reserve("o", 2, &[("a", 1)], Asks, false), "invalid"),
        Ask(hold("h", 1, &[], 99), "invalid"),
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
