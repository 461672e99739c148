//! Waiting for stock, and units that are asked back.

use super::*;

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
fn missing_units_are_asked_back_latest_promise_first() {
    let sold = |name, promised_ms| SkuCommand::Reserve {
        id: attempt(name, 1),
        takes: takes(&[("a", 1)]),
        sale: AlreadySold,
        promised_at: at(promised_ms),
        added_units: 0,
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
        Ask(note("short", 2), "not_found"),
        Ask(note("drift", 1), "not_found"),
        Ask(note("short", 1), "done"),
        Ask(resolve("short", 1), "wrong_state"),
        Ask(receive("a", 1), "done"),
        Exceptions("+short sku:A@a, ~short sku:A@a, -short sku:A@a"),
        Ask(resolve("short", 1), "not_found"),
        Ask(till(1), "done | late give back a?"),
        Ask(settle("late", "a", 0, 1), "done"),
        See("a on_hand=1 committed=1"),
        Pass(HOUR, ""),
    ]);
}

#[test]
fn stock_is_owed_only_where_who_waits_may_take_it() {
    check(vec![
        Ask(receive("us", 3), "done"),
        Ask(wait_at("o", 3, &["gb"]), "waits"),
        Ask(wait_at("p", 1, &[]), "waits"),
        See("us on_hand=3 ats=3"),
        Ask(hold("h", 1, &[], 1_000), "held us:1"),
        Ask(reserve("q", 1, &[("us", 2)], Asks, false), "reserved us:2"),
        Pass(900, ""),
        Ask(receive("us", 1), "done"),
        Ask(receive("gb", 4), "done | o offer gb:3"),
        // The rules allow the other one something now.
        Ask(wait_at("p", 1, &["us", "gb"]), "waits | p offer gb:1"),
    ]);
}

/// An order that lets every offer pass leaves few records.
#[test]
fn who_cannot_use_what_is_free_is_seldom_asked() {
    let mut bench = Bench::new();
    bench.ask(receive("a", 1)).unwrap();
    bench.ask(wait_at("o", 1, &["a"])).unwrap();
    bench.pass(HOUR);
    let before = bench.records.len();
    bench.pass(HOUR);
    assert!(
        bench.records.len() - before <= 12,
        "{}",
        bench.records.len() - before
    );
}

/// One order that never answers keeps nobody else from giving back, and somebody sees that units are missing.
#[test]
fn an_order_that_does_not_answer_holds_up_nobody() {
    let sold = |name, promised_ms| SkuCommand::Reserve {
        id: attempt(name, 1),
        takes: takes(&[("a", 1)]),
        sale: AlreadySold,
        promised_at: at(promised_ms),
        added_units: 0,
        queue: false,
    };
    check(vec![
        Ask(receive("a", 2), "done"),
        Ask(sold("early", 10), "reserved a:1"),
        Ask(sold("late", 20), "reserved a:1"),
        Ask(confirm("early", 1), "done"),
        Ask(confirm("late", 1), "done"),
        Ask(till(1), "done | late give back a?"),
        Pass(15_000, "late give back a? | late give back a?"),
        Exceptions(""),
        Pass(20_000, "late give back a? | early give back a?"),
        Exceptions("+short sku:A@a"),
        Pass(5_000, "early give back a?"),
        Ask(settle("early", "a", 0, 1), "done"),
        Exceptions("+short sku:A@a, -short sku:A@a"),
        See("a on_hand=1 committed=1"),
        Pass(HOUR, ""),
    ]);
}
