//! What a SKU tells a channel of the channel's own sales.

use crossdock_model::EntityId;

use super::*;
use crate::sku::{Publication, SALES_MAX};

/// What the buckets that listen are told.
fn said(bench: &Bench) -> Vec<Publication> {
    let EntityId::Sku(sku) = bench.entity.id() else {
        panic!("no SKU");
    };
    let view = bench.state().view(sku, bench.entity.version(), bench.now);
    bench.state().publications(&view, bench.now, bench.now)
}

/// Units sold on the shop, as its bucket is told.
fn sold(bench: &Bench) -> u64 {
    let said = said(bench);
    let [Publication { stock, .. }] = &said[..] else {
        panic!("one bucket listens: {said:?}");
    };
    let named: u64 = stock.sold.iter().map(|sold| u64::from(sold.units)).sum();
    assert_eq!(named, stock.sold_units, "few sales are all named");
    stock.sold_units
}

/// However an order comes by its units, in parts or anew, all of them are one sale.
#[test]
fn all_units_of_an_order_are_sold_once() {
    let bucket = "bucket:shop:1".parse().unwrap();
    let part = |name, number, units| reserve(name, number, &[("a", units)], AlreadySold, false);
    let steps = [
        (SkuCommand::Subscribe { bucket }, 0),
        (receive("a", 20), 0),
        (part("whole", 1, 2), 2),
        // Placed anew after it was released.
        (release("whole", 1), 2),
        (part("whole", 2, 2), 2),
        (confirm("whole", 2), 2),
        // One of three at first, and the rest when it came.
        (part("parts", 1, 1), 3),
        (confirm("parts", 1), 3),
        (wait("parts", 2, 0, u64::MAX), 5),
        (part("parts", 2, 2), 5),
        (confirm("parts", 2), 5),
        // Taken at another place before it is given back at the first.
        (part("moved", 1, 1), 6),
        (confirm("moved", 1), 6),
        (part("moved", 2, 1), 7),
        (release("moved", 1), 6),
        // Half of it was sent, and the rest goes from another place.
        (part("half", 1, 2), 8),
        (confirm("half", 1), 8),
        (part("half", 2, 2), 10),
        (confirm("half", 2), 10),
        (settle("half", "a", 2, 0), 10),
        (part("half", 3, 2), 12),
        (release("half", 2), 10),
        // Another channel's sales are not the shop's.
        (part("web/other", 1, 1), 10),
        // Its location cannot send it: it is taken at another one before the first is told that nothing was sent.
        (part("refused", 1, 2), 12),
        (confirm("refused", 1), 12),
        (part("refused", 2, 2), 14),
        (settle("refused", "a", 0, 2), 12),
        // Of two one is cancelled: both were sold.
        (part("cancelled", 1, 2), 14),
        (confirm("cancelled", 1), 14),
        (settle("cancelled", "a", 0, 1), 14),
    ];
    let mut bench = Bench::new();
    for (number, (command, units)) in steps.into_iter().enumerate() {
        let told = bench.ask(command);
        assert!(told.is_ok(), "step {}: {told:?}", number + 1);
        if number > 0 {
            assert_eq!(sold(&bench), units, "step {}", number + 1);
        }
    }
    bench.check_replay();
}

fn with_added(mut command: SkuCommand, units: u32) -> SkuCommand {
    if let SkuCommand::Reserve { added_units, .. } | SkuCommand::Wait { added_units, .. } =
        &mut command
    {
        *added_units = units;
    }
    command
}

/// An operator adds units to an order: no number of its channel fell by them, however the order comes by them, and however
/// often it is placed anew.
#[test]
fn what_an_operator_added_its_channel_has_not_sold() {
    let bucket = "bucket:shop:1".parse().unwrap();
    let part = |name, number, units, added| {
        let takes = [("a", units)];
        with_added(reserve(name, number, &takes, AlreadySold, true), added)
    };
    let waits = |name, units, added| with_added(wait(name, units, 0, u64::MAX), added);
    let steps = [
        (SkuCommand::Subscribe { bucket }, 0),
        (receive("a", 12), 0),
        (part("raised", 1, 2, 0), 2),
        (confirm("raised", 1), 2),
        // Two become four.
        (part("raised", 2, 2, 2), 2),
        (confirm("raised", 2), 2),
        // Those that the channel sold are sent, and the others placed anew.
        (settle("raised", "a", 2, 0), 2),
        (release("raised", 2), 2),
        (part("raised", 3, 2, 2), 2),
        (confirm("raised", 3), 2),
        // The channel sells a third one.
        (part("raised", 4, 1, 2), 3),
        (confirm("raised", 4), 3),
        // Raised before anything of it is placed: one of three is there, and the others come later.
        (part("late", 1, 1, 1), 3),
        (confirm("late", 1), 3),
        (waits("late", 2, 1), 5),
        (part("late", 2, 2, 1), 5),
        (confirm("late", 2), 5),
        // An operator took another article for one that was sold.
        (part("other", 1, 2, 2), 5),
        (confirm("other", 1), 5),
        (release("other", 1), 5),
        (part("other", 2, 2, 2), 5),
    ];
    let mut bench = Bench::new();
    for (number, (command, units)) in steps.into_iter().enumerate() {
        let told = bench.ask(command);
        assert!(told.is_ok(), "step {}: {told:?}", number + 1);
        if number > 0 {
            assert_eq!(sold(&bench), units, "step {}", number + 1);
        }
    }
    bench.check_replay();
}

/// More orders come between than are named: one that waited, and one that is placed anew, were sold before that.
#[test]
fn an_order_that_waits_longer_than_sales_are_named_is_sold_once() {
    let bucket = "bucket:shop:1".parse().unwrap();
    let mut bench = Bench::new();
    let part =
        |name: &str, number, units| reserve(name, number, &[("a", units)], AlreadySold, false);
    let sold_units = |bench: &Bench| said(bench)[0].stock.sold_units;
    for command in [
        SkuCommand::Subscribe { bucket },
        receive("a", 90),
        wait("late", 2, 0, u64::MAX),
        part("moved", 1, 3),
        confirm("moved", 1),
    ] {
        bench.ask(command).unwrap();
    }
    for number in 0..SALES_MAX + 1 {
        bench.ask(part(&format!("other-{number}"), 1, 1)).unwrap();
    }
    let all = 5 + SALES_MAX as u64 + 1;
    assert_eq!(sold_units(&bench), all);
    for command in [part("late", 1, 2), confirm("late", 1)] {
        bench.ask(command).unwrap();
        assert_eq!(sold_units(&bench), all);
    }
    for (command, more) in [(part("moved", 2, 3), 3), (release("moved", 1), 0)] {
        bench.ask(command).unwrap();
        assert_eq!(sold_units(&bench), all + more);
    }
    // What it takes beyond what it had is sold besides.
    bench.ask(part("late", 2, 1)).unwrap();
    assert_eq!(sold_units(&bench), all + 1);
    bench.check_replay();
}

/// Units are given back first, whichever way, and more orders come than are named before they are taken again: named until
/// then or not, all of it is sold once.
#[test]
fn what_is_given_back_and_taken_again_much_later_is_sold_once() {
    let part =
        |name: &str, number, units| reserve(name, number, &[("a", units)], AlreadySold, false);
    let stop = |name| SkuCommand::StopWaiting { order: order(name) };
    // How an order comes by its three units, how it gives two of them back at least, and how it takes those again.
    let cases = [
        (
            vec![part("o", 1, 3)],
            vec![release("o", 1)],
            part("o", 2, 3),
        ),
        (
            vec![wait("o", 3, 0, u64::MAX)],
            vec![stop("o")],
            part("o", 2, 3),
        ),
        (
            vec![part("o", 1, 3), confirm("o", 1)],
            vec![settle("o", "a", 0, 3)],
            part("o", 2, 3),
        ),
        (
            vec![part("o", 1, 3), confirm("o", 1)],
            vec![settle("o", "a", 1, 0), settle("o", "a", 1, 2)],
            part("o", 2, 2),
        ),
        (
            vec![part("o", 1, 3), confirm("o", 1)],
            vec![settle("o", "a", 0, 2)],
            part("o", 2, 2),
        ),
        // Taken at another place before it is given back at the first.
        (
            vec![part("o", 1, 3), confirm("o", 1)],
            vec![part("o", 2, 3), release("o", 2)],
            part("o", 3, 3),
        ),
    ];
    for (number, (taken, given, again)) in cases.into_iter().enumerate() {
        for is_named in [true, false] {
            let mut bench = Bench::new();
            let bucket = "bucket:shop:1".parse().unwrap();
            let begin = [SkuCommand::Subscribe { bucket }, receive("a", 300)];
            let others = |first: usize| {
                let orders = first..=first + SALES_MAX;
                orders.map(|number| part(&format!("other-{number}"), 1, 1))
            };
            let mut commands: Vec<SkuCommand> = begin.into_iter().chain(taken.clone()).collect();
            if !is_named {
                commands.extend(others(1_000));
            }
            commands.extend(given.clone());
            commands.extend(others(2_000));
            for command in commands {
                let told = bench.ask(command);
                assert!(told.is_ok(), "case {number}: {told:?}");
            }
            let before = said(&bench)[0].stock.sold_units;
            let all = 3 + (SALES_MAX as u64 + 1) * if is_named { 1 } else { 2 };
            assert!(before <= all, "case {number}: {before}");
            bench.ask(again.clone()).unwrap();
            let after = said(&bench)[0].stock.sold_units;
            let expected = if number == 5 { all + 3 } else { all };
            assert_eq!(after, expected, "case {number}, named: {is_named}");
            bench.check_replay();
        }
    }
}

/// Orders come late, and are placed anew: those that are named are the last ones by when they were made.
#[test]
fn what_is_not_named_was_sold_before_all_that_is() {
    let bucket = "bucket:shop:1".parse().unwrap();
    let mut bench = Bench::new();
    let sale = |name: &str, number, ms| SkuCommand::Reserve {
        id: attempt(name, number),
        takes: takes(&[("a", 1)]),
        sale: AlreadySold,
        promised_at: at(ms),
        added_units: 0,
        queue: false,
    };
    bench.ask(SkuCommand::Subscribe { bucket }).unwrap();
    bench.ask(receive("a", 90)).unwrap();
    bench.now = at(1_000);
    bench.ask(sale("first", 1, 0)).unwrap();
    for number in 1..=SALES_MAX {
        let made_at = 10 + i64::try_from(number).unwrap();
        bench.ask(sale(&number.to_string(), 1, made_at)).unwrap();
    }
    let named = |bench: &Bench| -> Vec<i64> {
        let sold = &said(bench)[0].stock.sold;
        sold.iter()
            .map(|sold| sold.at.as_ms() - at(0).as_ms())
            .collect()
    };
    let last: Vec<i64> = (11..).take(SALES_MAX).collect();
    assert_eq!(named(&bench), last);
    for command in [
        sale("late", 1, 5),
        release("first", 1),
        sale("first", 2, 0),
        sale("first", 3, 0),
    ] {
        bench.ask(command).unwrap();
        assert_eq!(named(&bench), last);
    }
    bench.ask(sale("between", 1, 20)).unwrap();
    assert_eq!(named(&bench)[..9], [12, 13, 14, 15, 16, 17, 18, 19, 20]);
    bench.check_replay();
}

/// A sale counts from when its channel says, also if its clock is ahead of ours; not from a time that no clock can show.
#[test]
fn a_sale_is_dated_by_its_channel_whose_clock_may_be_ahead() {
    let bucket = "bucket:shop:1".parse().unwrap();
    let mut bench = Bench::new();
    bench.ask(SkuCommand::Subscribe { bucket }).unwrap();
    bench.ask(receive("a", 9)).unwrap();
    let minute = 60_000;
    bench.now = at(60 * minute);
    for (name, minutes) in [("past", 59), ("ahead", 61), ("wrong", 600)] {
        let reserve = SkuCommand::Reserve {
            id: attempt(name, 1),
            takes: takes(&[("a", 1)]),
            sale: AlreadySold,
            promised_at: at(minutes * minute),
            added_units: 0,
            queue: false,
        };
        bench.ask(reserve).unwrap();
    }
    let sold = &said(&bench)[0].stock.sold;
    let dates: Vec<_> = sold.iter().map(|sold| sold.at).collect();
    assert_eq!(dates, [59, 61, 75].map(|minutes| at(minutes * minute)));
    bench.check_replay();
}

/// A till lists nothing here, and sells what the shop shows: the shop is told how fast.
#[test]
fn a_channel_that_lists_nothing_sells_as_fast_as_it_does() {
    let bucket = || "bucket:shop:1".parse().unwrap();
    let mut bench = Bench::new();
    let rates = |bench: &Bench| -> Vec<(String, u64)> {
        let said = said(bench);
        let stock = &said.first().expect("the bucket listens").stock;
        let rates = stock.rates.iter();
        rates
            .map(|rate| (rate.channel.to_string(), rate.milli_per_h))
            .collect()
    };
    let at_till = |number: u32, units| {
        let order = format!("till/{number}");
        reserve(&order, 1, &[("a", units)], AlreadySold, false)
    };
    for command in [
        SkuCommand::Subscribe { bucket: bucket() },
        receive("a", 9_000),
    ] {
        bench.ask(command).unwrap();
    }
    let shop = || ("shop".to_owned(), 1_000);
    assert_eq!(rates(&bench), [shop()]);
    // One was expected in the first hour, and three were sold.
    bench.ask(at_till(1, 3)).unwrap();
    assert_eq!(rates(&bench), [shop(), ("till".to_owned(), 4_000)]);
    bench.now = bench.now + crossdock_model::Duration::from_minutes(60);
    bench.ask(at_till(2, 200)).unwrap();
    let [_, (_, per_h)] = &rates(&bench)[..] else {
        panic!("{:?}", rates(&bench));
    };
    assert!((100_000..=103_000).contains(per_h), "{per_h}");
    // More channels than are told apart: none of their sales is lost.
    let before: u64 = rates(&bench).iter().map(|(_, per_h)| per_h).sum();
    for number in 0..100 {
        let order = format!("till-{number}/1");
        let sale = reserve(&order, 1, &[("a", 10)], AlreadySold, false);
        bench.ask(sale).unwrap();
    }
    let all = rates(&bench);
    assert!(all.len() <= 66, "{}", all.len());
    let sold: u64 = all.iter().map(|(_, per_h)| per_h).sum::<u64>() - before;
    assert!(sold >= 870_000, "{sold}");
    bench
        .ask(SkuCommand::Unsubscribe { bucket: bucket() })
        .unwrap();
    assert!(said(&bench).is_empty(), "nobody lists it");
    bench.check_replay();
}

/// It sells once an hour as far as is known at first. What lies in stock for a month and is not sold does not.
#[test]
fn what_is_not_sold_sells_slowly() {
    let bucket = "bucket:shop:1".parse().unwrap();
    let mut bench = Bench::new();
    for command in [SkuCommand::Subscribe { bucket }, receive("a", 2)] {
        bench.ask(command).unwrap();
    }
    let per_h = |bench: &Bench| said(bench)[0].stock.rates[0].milli_per_h;
    assert_eq!(per_h(&bench), 1_000);
    bench.now = bench.now + crossdock_model::Duration::from_minutes(60);
    assert!((495..=505).contains(&per_h(&bench)), "{}", per_h(&bench));
    bench.now = bench.now + crossdock_model::Duration::from_days(30);
    assert!(per_h(&bench) <= 2, "{}", per_h(&bench));
}

/// Room is left for a channel's own buyers from its first number on.
#[test]
fn a_channel_that_begins_to_list_it_is_told_how_fast_it_sells() {
    let mut bench = Bench::new();
    for (bucket, channels) in [
        ("bucket:shop:1", vec!["shop"]),
        ("bucket:shop:2", vec!["shop"]),
        ("bucket:web:1", vec!["shop", "web"]),
    ] {
        let bucket = bucket.parse().unwrap();
        let told = bench.ask(SkuCommand::Subscribe { bucket });
        let Ok((crossdock_model::Answer::Published(stock), _)) = told else {
            panic!("{told:?}");
        };
        let rates = stock.rates.iter();
        let rates: Vec<_> = rates
            .map(|rate| (rate.channel.as_str(), rate.milli_per_h))
            .collect();
        let all: Vec<_> = channels.iter().map(|name| (*name, 1_000)).collect();
        assert_eq!(rates, all);
    }
}
