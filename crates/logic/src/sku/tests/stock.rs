//! What people, tills and warehouses say about stock.

use crossdock_model::v1::SkuEvent;

use super::super::RESERVATIONS_MAX;
use super::*;

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
fn counts_follow_what_moved_after_them() {
    let on_hand = || CountBasis::OnHand;
    let day = 24 * HOUR;
    check(vec![
        Ask(receive("a", 10), "done"),
        Pass(day, ""),
        Ask(till(2), "done"),
        Pass(HOUR, ""),
        Ask(count(9, on_hand(), (day / 2) as i64), "applied"),
        See("a on_hand=7 ats=7"),
        Ask(count(5, on_hand(), (day / 2) as i64 - 1), "older_than_last"),
        See("a on_hand=7 ats=7"),
        Exceptions(""),
        Ask(count(6, on_hand(), day as i64 + MINUTE_MS), "applied"),
        See("a on_hand=6 ats=6"),
        Exceptions("+drift sku:A@a"),
        Ask(count(6, on_hand(), day as i64 + 30 * MINUTE_MS), "applied"),
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
        basis: on_hand(),
        counted: 1,
        effective_at: at(0),
    };
    check(vec![
        Ask(foreign, "not_stock_source"),
        Ask(count(5, on_hand(), 0), "applied"),
        Pass(2 * day, ""),
        Ask(count(7, on_hand(), 10), "too_old"),
        See("a on_hand=5 ats=5"),
    ]);
}

#[test]
fn a_count_net_of_allocated_units_adds_committed_ones() {
    let net = || CountBasis::NetOfAllocated;
    check(vec![
        Ask(receive("a", 10), "done"),
        Ask(reserve("o", 1, &[("a", 4)], Asks, false), "reserved a:4"),
        Ask(confirm("o", 1), "done"),
        Pass(HOUR, ""),
        Ask(settle("o", "a", 1, 0), "done"),
        Ask(count(6, net(), HOUR as i64 - 20 * MINUTE_MS), "applied"),
        See("a on_hand=9 committed=3 ats=6"),
    ]);
}

/// A shop's number is net of its own orders and knows no others: theirs are not added to it, however often it comes.
#[test]
fn a_count_of_a_channel_adds_what_its_own_orders_committed() {
    let shop = || CountBasis::NetOfChannel(ChannelId::new("shop").unwrap());
    let minutes = |minutes: i64| minutes * MINUTE_MS;
    let reserve = |name, units| reserve(name, 1, &[("a", units)], AlreadySold, false);
    check(vec![
        Ask(count(10, shop(), 0), "applied"),
        Pass(HOUR, ""),
        Ask(reserve("web/o", 3), "reserved a:3"),
        Ask(confirm("web/o", 1), "done"),
        Ask(count(10, shop(), minutes(61)), "applied"),
        See("a on_hand=10 committed=3 ats=7"),
        Exceptions(""),
        Ask(reserve("p", 2), "reserved a:2"),
        Ask(confirm("p", 1), "done"),
        Pass(HOUR, ""),
        Ask(count(8, shop(), minutes(119)), "applied"),
        Ask(count(8, shop(), minutes(120)), "applied"),
        See("a on_hand=10 committed=5 ats=5"),
        Pass(60_000, ""),
        Ask(settle("p", "a", 1, 0), "done"),
        Ask(settle("web/o", "a", 1, 1), "done"),
        See("a on_hand=8 committed=2 ats=6"),
        Ask(count(8, shop(), minutes(120) - 1), "older_than_last"),
        Ask(count(8, shop(), minutes(120)), "applied"),
        See("a on_hand=8 committed=2 ats=6"),
        // Sent before it was counted, told of after: the shop's own were not in the count either way.
        AskOf(minutes(90), settle("p", "a", 2, 0), "done"),
        See("a on_hand=7 committed=1 ats=6"),
        AskOf(minutes(90), settle("web/o", "a", 2, 1), "done"),
        See("a on_hand=7 ats=7"),
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
        Tracking::Kit(Kit {
            components: vec![Component {
                sku: SkuId::new("B").unwrap(),
                units_per_kit,
            }],
            may_split: false,
        })
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

/// What was committed when it was counted is what the count has not seen, whatever was committed since.
#[test]
fn a_count_net_of_allocated_units_adds_what_was_committed_then() {
    let net = || CountBasis::NetOfAllocated;
    let reserve = |name, units| reserve(name, 1, &[("a", units)], AlreadySold, false);
    check(vec![
        Ask(receive("a", 10), "done"),
        Ask(reserve("o", 2), "reserved a:2"),
        Ask(confirm("o", 1), "done"),
        Pass(HOUR, ""),
        Ask(reserve("p", 3), "reserved a:3"),
        Ask(confirm("p", 1), "done"),
        Ask(release("o", 1), "done"),
        // Counted before: 10 on the shelf, 2 of them allocated.
        Ask(count(8, net(), HOUR as i64 / 2), "applied"),
        See("a on_hand=10 committed=3 ats=7"),
        Ask(settle("p", "a", 3, 0), "done"),
        Ask(count(8, net(), HOUR as i64 / 2), "applied"),
        See("a on_hand=7 ats=7"),
        Exceptions(""),
    ]);
}

#[test]
fn drift_is_settled_by_hand_once() {
    check(vec![
        Ask(receive("a", 6), "done"),
        Pass(HOUR, ""),
        Ask(till(1), "done"),
        Ask(count(5, CountBasis::OnHand, HOUR as i64), "applied"),
        Ask(resolve("drift", 2), "not_found"),
        Ask(resolve("drift", 1), "done"),
        Ask(resolve("drift", 1), "not_found"),
        Exceptions("+drift sku:A@a, -drift sku:A@a"),
    ]);
}

#[test]
fn what_is_gone_is_not_unavailable_and_nobody_is_short_of_nothing() {
    let mark = |units| SkuCommand::MarkUnavailable {
        location: place("a"),
        condition: Condition::Damaged,
        units,
    };
    let adjust = |delta| SkuCommand::Adjust {
        location: place("a"),
        delta,
        reason: "found".to_owned(),
    };
    check(vec![
        Ask(receive("a", 5), "done"),
        Ask(mark(5), "done"),
        Pass(HOUR, ""),
        Ask(adjust(-1), "invalid"),
        Ask(count(2, CountBasis::OnHand, HOUR as i64), "applied"),
        See("a on_hand=2 unavailable=2"),
        Ask(till(3), "done"),
        See("a on_hand=-1"),
        Exceptions("+drift sku:A@a"),
        Ask(resolve("drift", 1), "wrong_state"),
        Pass(HOUR, ""),
        Ask(count(0, CountBasis::OnHand, 2 * HOUR as i64), "applied"),
        Exceptions("+drift sku:A@a, -drift sku:A@a"),
    ]);
}

/// More movements than instants are kept: a count of some hours ago is followed, to within a minute's movements.
#[test]
fn a_count_on_a_busy_sku_is_not_too_old() {
    let mut bench = Bench::new();
    for _ in 0..5_000 {
        bench.now = bench.now + crossdock_model::Duration::from_s(15);
        bench.tell(receive("a", 1)).unwrap();
    }
    let told = bench.tell(count(9, CountBasis::OnHand, HOUR as i64));
    assert_eq!(text(&told), "applied");
    let followed = 9 + 5_000 - HOUR as i64 / 15_000;
    let on_hand = bench.state().places[&place("a")].sums.on_hand;
    assert!((on_hand - followed).abs() <= 4, "{on_hand}, {followed}");
}

#[test]
fn open_reservations_have_a_limit() {
    let mut bench = Bench::new();
    bench.ask(define(Tracking::Untracked)).unwrap();
    let reserved = |number: usize| SkuEvent::Reserved {
        id: attempt(&format!("o{number}"), 1),
        takes: takes(&[("a", 1)]),
        sale: AlreadySold,
        promised_at: at(0),
        ask_at: at(5_000),
    };
    bench.suppose((1..RESERVATIONS_MAX).map(reserved));
    let mut told = |name| {
        let told = bench.tell(reserve(name, 1, &[("a", 1)], AlreadySold, true));
        text(&told)
    };
    assert_eq!(told("last"), "reserved a:1");
    assert_eq!(told("late"), "busy");
    assert_eq!(told("last"), "reserved a:1");
}

/// Two movements of one decision take no unit off what is unavailable twice.
#[test]
fn what_is_gone_is_taken_off_each_condition_once() {
    let mark = |condition| SkuCommand::MarkUnavailable {
        location: place("a"),
        condition,
        units: 1,
    };
    check(vec![
        Ask(receive("a", 3), "done"),
        Ask(
            reserve("o", 1, &[("a", 3)], AlreadySold, false),
            "reserved a:3",
        ),
        Ask(confirm("o", 1), "done"),
        Ask(mark(Condition::Damaged), "done | o give back a?"),
        Ask(mark(Condition::Quality), "done"),
        Ask(missing("o", "a", [2, 1, 1]), "done"),
        See("a"),
    ]);
}
