//! Listing maps, rule sets and exceptions.

use crossdock_insight::{ExceptionFilter, ExceptionRow, Insight};
use crossdock_model::v1::{
    BucketEvent, ChannelEvent, Event, ExceptionClosed, ExceptionKey, ExceptionNoted,
    ExceptionOpened, ListingTarget, SystemEvent,
};

use crate::book::{Book, folded, sku};

fn unmapped(episode: u32) -> ExceptionKey {
    ExceptionKey {
        kind: "unmapped".to_owned(),
        subject: "shop/40001".to_owned(),
        episode,
    }
}

fn opened(episode: u32) -> Event {
    let cause = "40001 stands for no SKU.".to_owned();
    Event::Channel(ChannelEvent::ExceptionOpened(ExceptionOpened {
        key: unmapped(episode),
        cause,
        evidence: Vec::new(),
    }))
}

fn closed(episode: u32) -> Event {
    let how = format!("mapped {episode}");
    Event::Channel(ChannelEvent::ExceptionClosed(ExceptionClosed {
        key: unmapped(episode),
        how,
    }))
}

fn noted(episode: u32, number: usize) -> Event {
    Event::Channel(ChannelEvent::ExceptionNoted(ExceptionNoted {
        key: unmapped(episode),
        text: format!("note {number}"),
    }))
}

fn exceptions(insight: &Insight, open: bool) -> Vec<(i64, i64, Option<String>)> {
    let filter = ExceptionFilter {
        open: Some(open),
        limit: 10,
        ..ExceptionFilter::default()
    };
    let rows = insight.exceptions(&filter).unwrap().rows.into_iter();
    rows.map(|row| (row.id, row.episode, row.how)).collect()
}

#[test]
fn each_opening_is_an_episode_of_its_own() {
    let mut book = Book::new();
    book.write("channel:shop", vec![opened(1)]);
    book.write("channel:shop", vec![closed(1)]);
    book.write("channel:shop", vec![opened(2)]);
    let insight = folded(&book);
    let (open, over) = (exceptions(&insight, true), exceptions(&insight, false));
    assert_eq!((open.len(), open[0].1), (1, 2));
    assert_eq!(
        (over.len(), over[0].1, over[0].2.as_deref()),
        (1, 1, Some("mapped 1"))
    );
    let history = insight.exception_history(open[0].0).unwrap();
    assert_eq!(
        history.iter().map(|row| row.episode).collect::<Vec<_>>(),
        [1, 2]
    );
    assert!(insight.exception_history(7).unwrap().is_empty());
}

#[test]
fn notes_are_of_one_episode_and_the_newest_are_shown() {
    let mut book = Book::new();
    book.write("channel:shop", vec![opened(1), noted(1, 0)]);
    book.write("channel:shop", vec![closed(1), opened(2)]);
    for number in 1..=101 {
        book.write("channel:shop", vec![noted(2, number)]);
    }
    let insight = folded(&book);
    let open = exceptions(&insight, true);
    let history = insight.exception_history(open[0].0).unwrap();
    let [first, second] = &history[..] else {
        panic!("{history:?}");
    };
    let texts = |row: &ExceptionRow| -> Vec<String> {
        row.notes.iter().map(|note| note.text.clone()).collect()
    };
    assert_eq!(texts(first), ["note 0"]);
    let newest: Vec<String> = (2..=101).map(|number| format!("note {number}")).collect();
    assert_eq!(texts(second), newest);
    assert!(second.notes.iter().all(|note| !note.principal.is_empty()));
}

#[test]
fn a_quarantine_is_an_exception_until_it_is_lifted() {
    let mut book = Book::new();
    let (entity, command_hash) = ("sku:A".to_owned(), Some(7));
    let cause = "index out of bounds".to_owned();
    let quarantined = SystemEvent::Quarantined {
        entity: entity.clone(),
        command_hash,
        cause,
        episode: 1,
    };
    book.write("system:0", vec![Event::System(quarantined)]);
    assert_eq!(exceptions(&folded(&book), true).len(), 1);
    let lifted = SystemEvent::QuarantineLifted {
        entity,
        command_hash,
        skipped: true,
    };
    book.write("system:0", vec![Event::System(lifted)]);
    let insight = folded(&book);
    assert!(exceptions(&insight, true).is_empty());
    assert_eq!(
        exceptions(&insight, false)[0].2.as_deref(),
        Some("skipped by a person")
    );
}

#[test]
fn a_quarantined_sku_says_what_becomes_of_its_orders() {
    for (entity, command_hash, waits) in [
        ("sku:A", None, true),
        ("sku:A", Some(7), false),
        ("channel:shop", None, false),
    ] {
        let mut book = Book::new();
        let quarantined = SystemEvent::Quarantined {
            entity: entity.to_owned(),
            command_hash,
            cause: "It crashed.".to_owned(),
            episode: 1,
        };
        book.write("system:0", vec![Event::System(quarantined)]);
        let filter = ExceptionFilter {
            limit: 10,
            ..ExceptionFilter::default()
        };
        let opened = folded(&book).exceptions(&filter).unwrap().rows.remove(0);
        assert_eq!(opened.cause.contains("its orders wait"), waits, "{entity}");
    }
}

fn mapped(listing: &str) -> Event {
    Event::Bucket(BucketEvent::Mapped {
        listing: listing.parse().unwrap(),
        target: ListingTarget::Sku {
            sku: sku("A"),
            multiplier: 6,
        },
    })
}

#[test]
fn listings_are_as_they_are_now() {
    let mut book = Book::new();
    book.write("bucket:shop:3", vec![mapped("40001")]);
    let listing = "40002".parse().unwrap();
    let gone = Event::Bucket(BucketEvent::Unmapped { listing });
    book.write("bucket:shop:4", vec![mapped("40002"), gone]);
    let insight = folded(&book);
    let listings = insight.listings("shop", None, 10).unwrap().rows;
    assert_eq!((listings.len(), listings[0].listing.as_str()), (1, "40001"));
    assert_eq!(listings[0].target["Sku"]["multiplier"], 6);
}

#[test]
fn rule_sets_are_listed() {
    let mut book = Book::new();
    for version in [1, 2] {
        let document = format!("# {version}");
        let saved = SystemEvent::RuleSetSaved { version, document };
        book.write("system:0", vec![Event::System(saved)]);
    }
    let insight = folded(&book);
    let saved = insight.rule_sets(None, 10).unwrap().rows.into_iter();
    let saved: Vec<String> = saved.map(|row| row.document).collect();
    assert_eq!(saved, ["# 2", "# 1"]);
}
