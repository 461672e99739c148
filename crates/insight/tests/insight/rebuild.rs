//! However a journal is folded — at once, in pieces, anew — the tables are the same; and what survives.

use crossdock_insight::{Delivered, Insight, OrderFilter, RequestFilter, StockFilter, StockSearch};
use crossdock_model::v1::{
    Event, ExceptionKey, ExceptionOpened, OrderEvent, OrderStatus, SkuEvent, Take,
};
use crossdock_model::{HoldId, Timestamp};
use proptest::prelude::*;

use crate::book::{
    Book, catch_up, folded, moved, opened, opened_anew, place, plan, planned, request_line,
    requested, sku,
};

/// A layout whose feed is kept.
const EARLIER: i64 = 2_001;

/// Orders on several shards, each some way along, and stock that moves meanwhile.
fn busy(orders: i64) -> Book {
    let mut book = Book::new();
    for number in 1..=orders {
        book.order(number);
        book.write("sku:A", vec![moved("reno", 2)]);
        let some = plan(&[("1", "A", "reno", 2)], &[("2", "B", 1)]);
        book.tell(
            number,
            vec![planned(1, some), OrderEvent::Reserved { attempt: 1 }],
        );
        let hold = HoldId::new(format!("h{number}")).unwrap();
        let takes = vec![Take {
            location: place("reno"),
            units: 1,
        }];
        let expires_at = Timestamp::from_ms(1_000_000);
        book.write(
            &format!("sku:S{number}"),
            vec![
                moved("reno", 3),
                Event::Sku(SkuEvent::Held {
                    hold,
                    takes,
                    expires_at,
                }),
            ],
        );
        if number % 2 == 0 {
            let lines = vec![request_line("1", "A", 2)];
            book.tell(
                number,
                vec![
                    requested(1, "reno", lines),
                    OrderEvent::StatusChanged {
                        to: OrderStatus::Requested,
                    },
                ],
            );
        } else {
            let key = ExceptionKey {
                kind: "k".to_owned(),
                subject: "s".to_owned(),
                episode: 1,
            };
            let opened = ExceptionOpened {
                key,
                cause: "c".to_owned(),
                evidence: Vec::new(),
            };
            book.tell(
                number,
                vec![
                    OrderEvent::BackorderedAt {
                        skus: vec![sku("B")],
                        locations: Vec::new(),
                    },
                    OrderEvent::ExceptionOpened(opened),
                ],
            );
        }
    }
    book
}

/// Everything the tables show but the feed, whose numbers depend on the order in which shards were read.
fn shown(insight: &Insight) -> Vec<String> {
    let orders = insight
        .orders(&OrderFilter {
            limit: 200,
            ..OrderFilter::default()
        })
        .unwrap()
        .rows;
    let requests = insight
        .requests(&RequestFilter {
            limit: 200,
            ..RequestFilter::default()
        })
        .unwrap()
        .rows;
    let stock = insight
        .search_stock(&StockSearch {
            base: StockFilter {
                limit: 200,
                ..StockFilter::default()
            },
            ..StockSearch::default()
        })
        .unwrap()
        .rows;
    let exceptions = insight
        .exceptions(&crossdock_insight::ExceptionFilter {
            limit: 200,
            ..Default::default()
        })
        .unwrap();
    let ledger = insight.ledger("A", None, None, 200).unwrap().rows;
    let mut all = vec![
        format!("{requests:#?}"),
        format!("{stock:#?}"),
        format!("{exceptions:#?}"),
        format!("{ledger:#?}"),
    ];
    for order in &orders {
        all.push(format!(
            "{order:#?}{:#?}",
            insight.timeline(&order.id).unwrap()
        ));
    }
    all
}

/// What the feed says, without its numbers.
fn told(insight: &Insight) -> Vec<String> {
    let events = insight.feed(0, 200).unwrap().into_iter();
    let mut told: Vec<String> = events
        .map(|event| {
            format!(
                "{} {} {} {}",
                event.at, event.topic, event.subject, event.data
            )
        })
        .collect();
    told.sort();
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_and_the_whole_are_the_same(budgets in prop::collection::vec(1_usize..9, 1..12), anew_after in 0_usize..12) {
        let book = busy(6);
        let whole = folded(&book);
        let (dir, mut insight) = opened();
        for (step, budget) in budgets.iter().enumerate() {
            let progress = insight.catch_up_within(&book.journal, *budget).unwrap();
            prop_assert!(progress.folded <= *budget);
            if step == anew_after {
                insight = opened_anew(&dir, insight, EARLIER);
            }
        }
        catch_up(&insight, &book);
        prop_assert_eq!(shown(&insight), shown(&whole));
        prop_assert_eq!(told(&insight), told(&whole));
        prop_assert_eq!(insight.lag(&book.journal).unwrap().records, 0);
        prop_assert_eq!(insight.catch_up(&book.journal).unwrap().folded, 0);
    }
}

#[test]
fn a_deleted_file_comes_back_the_same() {
    let book = busy(6);
    let (dir, insight) = opened();
    catch_up(&insight, &book);
    let first = shown(&insight);
    drop(insight);
    let path = dir.path().join("insight.sqlite");
    let again = Insight::open(&path).unwrap();
    catch_up(&again, &book);
    assert_eq!(shown(&again), first);
    drop(again);
    std::fs::remove_file(&path).unwrap();
    let rebuilt = Insight::open(&path).unwrap();
    catch_up(&rebuilt, &book);
    assert_eq!(shown(&rebuilt), first);
}

/// Folding anew leaves the feed's numbers and what endpoints were told; what is new is told once.
#[test]
fn folding_anew_tells_nothing_twice() {
    let mut book = busy(4);
    let (dir, insight) = opened();
    catch_up(&insight, &book);
    let end = insight.delivered("erp").unwrap().last;
    let told = Delivered {
        failures: 2,
        retry_at: 5,
        ..Delivered::up_to(end - 3)
    };
    insight.set_delivered("erp", &told).unwrap();
    let before = insight.feed(0, 200).unwrap();
    let insight = opened_anew(&dir, insight, EARLIER);
    assert!(insight.order("shop:1").unwrap().is_none());
    book.order(99);
    catch_up(&insight, &book);
    let after = insight.feed(0, 200).unwrap();
    assert_eq!(after[..before.len()], before);
    assert_eq!(
        (after.len(), after[before.len()].subject.as_str()),
        (before.len() + 1, "shop:99")
    );
    assert_eq!(insight.delivered("erp").unwrap(), told);
    assert_eq!(shown(&insight), shown(&folded(&book)));
}

/// A database of an earlier layout is folded anew by itself and keeps its feed; one of unknown tables is made anew.
#[test]
fn another_layout_is_folded_anew() {
    let book = busy(3);
    for (version, is_feed_kept) in [(EARLIER, true), (1, false)] {
        let (dir, insight) = opened();
        catch_up(&insight, &book);
        let before = insight.feed(0, 200).unwrap();
        let insight = opened_anew(&dir, insight, version);
        let feed = insight.feed(0, 200).unwrap();
        assert_eq!(feed.len(), if is_feed_kept { before.len() } else { 0 });
        assert!(insight.order("shop:1").unwrap().is_none());
        catch_up(&insight, &book);
        assert_eq!(shown(&insight), shown(&folded(&book)));
        assert_eq!(insight.feed(0, 200).unwrap().len(), before.len());
    }
}

#[test]
fn a_token_says_whether_a_write_is_seen() {
    let (_dir, insight) = opened();
    let mut book = Book::new();
    let (first, second) = (book.order(1), book.order(2));
    let both = format!("{first},{second}");
    assert!(!insight.has(&both).unwrap());
    assert_eq!(insight.lag(&book.journal).unwrap().records, 2);
    let progress = insight.catch_up_within(&book.journal, 1).unwrap();
    assert!(progress.behind && insight.has(&progress.position_token).unwrap());
    assert_ne!(insight.has(&first).unwrap(), insight.has(&second).unwrap());
    catch_up(&insight, &book);
    assert!(insight.has(&both).unwrap() && insight.has("").unwrap());
    for wrong in ["nonsense", "999:1", "1:x", "1:1;2:2"] {
        assert!(insight.has(wrong).is_err(), "{wrong}");
    }
}
