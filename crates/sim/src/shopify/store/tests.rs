//! Shoppers, the shop's people, and what webhooks say of them: every body is read by the connector.

use crossdock_channels::shopify::map;
use crossdock_channels::{ChannelOrder, Inbound};
use crossdock_model::v1::{Payment, Restock};

use super::super::outbox::RETRIES_MAX;
use super::*;

const URL: &str = "http://127.0.0.1/webhooks/shop";

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_793_629_800_000 + ms)
}

/// A shop of one product with two locations, that tells of everything.
fn shop(faults: Faults) -> (Store, Product, [u64; 2]) {
    let mut store = Store::new(StoreOptions {
        faults,
        ..StoreOptions::default()
    });
    let places = ["Reno", "Dayton"].map(|name| store.add_location(name));
    let product = store.add_product("TEE", 2400);
    for (place, units) in places.into_iter().zip([3, 2]) {
        store.set_by_hand(product.item, place, units, at(0));
    }
    for topic in [
        "orders/create",
        "orders/updated",
        "orders/cancelled",
        "refunds/create",
        "inventory_levels/update",
    ] {
        store.subscribe(topic, URL);
    }
    (store, product, places)
}

/// What the connector makes of everything that is sent.
fn told(store: &mut Store) -> Vec<(String, Inbound)> {
    let sent = store.take_due(Timestamp::MAX).into_iter();
    let read = |message: Message| {
        let inbound = map(&message.topic, &message.body);
        let topic = message.topic;
        (
            topic.clone(),
            inbound.unwrap_or_else(|error| panic!("{topic}: {error}")),
        )
    };
    sent.map(read).collect()
}

fn order_of(told: &[(String, Inbound)], topic: &str) -> ChannelOrder {
    let found = told.iter().find(|(found, _)| found == topic);
    match found {
        Some((_, Inbound::Order(order))) => (**order).clone(),
        other => panic!("{topic}: {other:?}"),
    }
}

#[test]
fn shoppers_buy_what_is_shown_and_no_more() {
    let (mut store, product, [reno, dayton]) = shop(Faults::default());
    assert_eq!(store.shown(product.variant), 5);
    assert_eq!(store.buy(product.variant, 6, at(1)), None);
    let order = store.buy(product.variant, 4, at(1000)).unwrap();
    let left = [reno, dayton].map(|place| store.available(product.item, place));
    assert_eq!(left, [Some(0), Some(1)]);
    let told = told(&mut store);
    let read = order_of(&told, "orders/create");
    assert_eq!(read.external.as_str(), order.to_string());
    assert_eq!(
        (read.name.as_str(), read.payment),
        ("#1001", Payment::Ready)
    );
    assert_eq!(read.placed_at, at(1000));
    let line = &read.lines[0];
    let variant = product.variant.to_string();
    assert_eq!(
        line.listing.as_ref().map(|id| id.as_str()),
        Some(variant.as_str())
    );
    assert_eq!(
        (line.ordered_units, line.cancelled_units, line.ships),
        (4, 0, true)
    );
    assert_eq!(
        read.total.map(|total| total.to_string()).as_deref(),
        Some("96.00 USD")
    );
    let levels: Vec<_> = told
        .iter()
        .filter_map(|(_, inbound)| match inbound {
            Inbound::StockLevel(level) => Some((level.place.as_str(), level.available)),
            _ => None,
        })
        .collect();
    assert_eq!(levels.len(), 2);
    assert!(levels.contains(&(reno.to_string().as_str(), Some(0))));
    assert_eq!(store.sold()[&product.variant], 4);
}

#[test]
fn what_is_given_back_is_shown_again() {
    let (mut store, product, _) = shop(Faults::default());
    let order = store.buy(product.variant, 5, at(1)).unwrap();
    let line = store.orders().next().unwrap().lines[0].id;
    told(&mut store);
    assert_eq!(store.refund(order, line, 2, true, at(1000)), 2);
    assert_eq!(
        (store.shown(product.variant), store.sold()[&product.variant]),
        (2, 3)
    );
    let said = told(&mut store);
    let refund = said.iter().find_map(|(_, inbound)| match inbound {
        Inbound::Refund { lines, .. } => Some(lines[0].clone()),
        _ => None,
    });
    let refund = refund.unwrap();
    assert_eq!((refund.units, refund.restock), (2, Restock::Cancel));
    let state = order_of(&said, "orders/updated");
    assert_eq!(
        (state.lines[0].cancelled_units, state.refunds.len()),
        (0, 1)
    );
    assert!(store.cancel(order, "customer", true, at(2000)));
    assert!(
        !store.cancel(order, "customer", true, at(3000)),
        "only once"
    );
    assert_eq!(
        (store.shown(product.variant), store.sold()[&product.variant]),
        (5, 0)
    );
    let cancelled = order_of(&told(&mut store), "orders/cancelled");
    assert_eq!(cancelled.cancelled, Some((at(2000), "customer".to_owned())));
}

/// Who does not answer is told again, always the same, and at last nothing any more.
#[test]
fn a_subscription_is_deleted_after_eight_retries() {
    let (mut store, product, _) = shop(Faults::default());
    store.buy(product.variant, 1, at(0));
    let mut tries = 0;
    while let Some(due) = store.next_due() {
        for message in store.take_due(due) {
            let is_order = message.topic == "orders/create";
            tries += u32::from(is_order);
            store.answered(message, !is_order, due);
        }
    }
    assert_eq!((tries, store.subscribed()), (1 + RETRIES_MAX, 4));
    assert_eq!(store.faults().happened(Fault::Unsubscribed), 1);
    store.buy(product.variant, 1, at(0));
    let topics: Vec<_> = told(&mut store)
        .into_iter()
        .map(|(topic, _)| topic)
        .collect();
    assert_eq!(topics, ["inventory_levels/update"]);
}

/// An answer that is not heard brings the webhook back, with what it said at first.
#[test]
fn what_comes_again_is_stale() {
    let (mut store, product, _) = shop(Faults::none(1).with(Fault::Unheard, 1.0));
    let order = store.buy(product.variant, 1, at(0)).unwrap();
    let sent = store.take_due(at(60_000));
    let first = sent
        .into_iter()
        .find(|one| one.topic == "orders/create")
        .unwrap();
    store.answered(first.clone(), true, at(60_000));
    store.cancel(order, "customer", true, at(61_000));
    let again = store.take_due(at(600_000)).into_iter();
    let mut again = again.filter(|one| one.topic == "orders/create");
    let again = again.next().unwrap();
    assert_eq!((&again.body, &again.event), (&first.body, &first.event));
    store.answered(again, true, at(600_000));
    assert!(
        store
            .take_due(Timestamp::MAX)
            .iter()
            .all(|one| one.topic != "orders/create")
    );
}

#[test]
fn what_surely_happens_happens_once() {
    let (mut store, product, _) = shop(Faults::none(1));
    store.surely(Fault::Lost);
    (0..2).for_each(|ms| assert!(store.buy(product.variant, 1, at(ms)).is_some()));
    assert_eq!(store.faults().happened(Fault::Lost), 1);
    store.surely(Fault::Duplicated);
    store.set_faults(store.faults().clone().calmed());
    store.buy(product.variant, 1, at(2));
    assert_eq!(store.faults().happened(Fault::Duplicated), 0);
}

#[test]
fn the_same_seed_goes_wrong_the_same_way() {
    let run = |seed| {
        let (mut store, product, _) = shop(Faults::every(0.3, seed));
        (0..5).for_each(|ms| assert!(store.buy(product.variant, 1, at(ms)).is_some()));
        store
            .take_due(Timestamp::MAX)
            .into_iter()
            .map(|one| one.delivery)
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// A list shows a change later than it happened.
#[test]
fn lists_lag() {
    let mut store = Store::new(StoreOptions {
        list_lag: Duration::from_s(5),
        ..StoreOptions::default()
    });
    let (place, product) = (store.add_location("Reno"), store.add_product("TEE", 2400));
    store.set_by_hand(product.item, place, 5, at(0));
    store.buy(product.variant, 1, at(0));
    let query =
        "{ orders(first: 5, query: \"updated_at:>='2026-11-02T14:30:00Z'\") { nodes { id } } }";
    let mut listed = |ms| {
        let answer = store.answer(&json!({ "query": query }), at(ms));
        answer["data"]["orders"]["nodes"].as_array().map(Vec::len)
    };
    assert_eq!([listed(4_999), listed(5_000)], [Some(0), Some(1)]);
    assert_eq!(store.faults().happened(Fault::Lagged), 1);
}

/// Eight retries, and the subscription is deleted; those of other topics are not.
#[test]
fn who_is_never_heard_is_told_nothing_more() {
    let (mut store, product, _) = shop(Faults::default());
    let (subscribed, mut sent) = (store.subscribed(), 0);
    store.never_hear("orders/create");
    store.buy(product.variant, 1, at(0));
    while let Some(now) = store.next_due() {
        for message in store.take_due(now) {
            sent += u32::from(message.topic == "orders/create");
            store.answered(message, true, now);
        }
    }
    assert_eq!((sent, store.subscribed()), (9, subscribed - 1));
    assert_eq!(store.faults().happened(Fault::Unsubscribed), 1);
}

#[test]
fn a_shop_that_deletes_its_subscriptions_tells_nothing_more() {
    let (mut store, product, _) = shop(Faults::default());
    store.buy(product.variant, 1, at(0));
    let subscribed = store.subscribed() as u64;
    store.delete_subscriptions();
    store.buy(product.variant, 1, at(1));
    assert_eq!(store.take_due(Timestamp::MAX), []);
    assert_eq!(store.faults().happened(Fault::Unsubscribed), subscribed);
}
