//! Orders that are polled, read again, sent and cancelled, and subscriptions that are watched.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_channels::shopify::admin::{
    AdminError, Cancel, CancelReason, FulfilmentOrder, POLL_OVERLAP, Parcel,
};
use crossdock_channels::shopify::map;
use crossdock_channels::{ChannelOrder, Inbound, Listed, Orders, Place};
use crossdock_model::{Duration, ExternalId};
use crossdock_runtime::Clock;
use crossdock_runtime::testing::flow;

use super::*;

impl World {
    fn buy(&self, at: usize, units: u32) -> ExternalId {
        let variant = self.products[at].variant;
        let order = self.shop.with(|store, now| store.buy(variant, units, now));
        ExternalId::new(order.unwrap().to_string()).unwrap()
    }

    async fn read(&self, order: &ExternalId) -> ChannelOrder {
        self.admin.order(order).await.unwrap().unwrap()
    }

    async fn parts(&self, order: &ExternalId) -> Vec<FulfilmentOrder> {
        self.admin.fulfilment_orders(order).await.unwrap()
    }

    /// What a webhook says of the order now.
    fn told(&self, order: &ExternalId) -> ChannelOrder {
        let body = self.shop.with(|store, _| {
            let mut orders = store.orders();
            let found = orders.find(|found| found.id.to_string() == order.as_str());
            found.unwrap().body().to_string()
        });
        match map("orders/updated", body.as_bytes()) {
            Ok(Inbound::Order(order)) => *order,
            other => panic!("{other:?}"),
        }
    }
}

/// Read again, an order says the same as its webhook: neither way is the lesser one.
#[tokio::test]
async fn an_order_reads_as_its_webhook_says() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let order = world.buy(0, 3);
    assert_eq!(world.read(&order).await, world.told(&order));
    world.shop.with(|store, now| {
        let id = order.as_str().parse().unwrap();
        let line = store.orders().next().unwrap().lines[0].id;
        store.refund(id, line, 1, true, now)
    });
    assert_eq!(world.read(&order).await, world.told(&order));
    let part = &world.parts(&order).await[0];
    let parcel = Parcel {
        lines: vec![(part.id.clone(), vec![(part.lines[0].id.clone(), 1)])],
        carrier: Some("Example Post".to_owned()),
        tracking: Some("EX1".to_owned()),
        notify: false,
    };
    let shipment = world.admin.create_fulfilment(&parcel).await.unwrap();
    let read = world.read(&order).await;
    assert_eq!(read, world.told(&order));
    assert_eq!(
        (
            read.shipped[0].shipment.clone(),
            read.shipped[0].lines[0].units
        ),
        (shipment, 1)
    );
    let cancelled = world.buy(1, 1);
    world.shop.with(|store, now| {
        store.cancel(cancelled.as_str().parse().unwrap(), "customer", true, now)
    });
    let read = world.read(&cancelled).await;
    assert_eq!(read, world.told(&cancelled));
    assert!(read.cancelled.is_some());
    let nobody = ExternalId::new("1").unwrap();
    assert_eq!(world.admin.order(&nobody).await, Ok(None));
}

/// An order of more lines than a page holds is read whole, however little the budget has room for at once.
#[tokio::test]
async fn long_orders_are_read_page_by_page() {
    let rate = Rate {
        maximum: 900.0,
        restore_per_s: 3_000.0,
    };
    let world = world(Faults::default(), rate).await;
    // Whoever waits for points waits on it; before what is called once only there are enough.
    flow(&world.clock);
    let refill = || world.clock.advance(Duration::from_s(1));
    let order = world.shop.with(|store, now| {
        let sold = (0..170)
            .map(|at| store.add_product(&format!("SKU-{at}"), 100))
            .collect::<Vec<_>>();
        for product in &sold {
            store.set_by_hand(product.item, world.place, 5, now);
        }
        let cart: BTreeMap<u64, u32> = sold.iter().map(|product| (product.variant, 2)).collect();
        store.buy_all(&cart, now).unwrap()
    });
    let order = ExternalId::new(order.to_string()).unwrap();
    let read = world.read(&order).await;
    assert_eq!(read.lines.len(), 170);
    assert_eq!(read, world.told(&order));
    let pages = |world: &World| world.ledger.taken.lock().unwrap().len();
    assert!(pages(&world) >= 2, "two pages beyond the first are paid");
    refill();
    let part = world.parts(&order).await.remove(0);
    assert_eq!(part.lines.len(), 170);
    let lines = part.lines.into_iter().map(|line| (line.id, line.left));
    let parcel = Parcel {
        lines: vec![(part.id, lines.collect())],
        carrier: None,
        tracking: None,
        notify: false,
    };
    world.admin.create_fulfilment(&parcel).await.unwrap();
    refill();
    let read = world.read(&order).await;
    assert_eq!(read.shipped[0].lines.len(), 170);
    assert_eq!(read, world.told(&order));
}

/// A wholesale order goes out in more parcels, and has more refunds, than are read with it at first.
#[tokio::test]
async fn orders_of_many_parts_are_read_whole() {
    let rate = Rate {
        maximum: 100_000.0,
        restore_per_s: 1_000.0,
    };
    let world = world(Faults::default(), rate).await;
    let item = world.products[0].item;
    world
        .shop
        .with(|store, now| store.set_by_hand(item, world.place, 60, now));
    let order = world.buy(0, 60);
    for _ in 0..25 {
        let part = world.parts(&order).await.remove(0);
        let line = &part.lines[0];
        let parcel = Parcel {
            lines: vec![(part.id.clone(), vec![(line.id.clone(), 1)])],
            carrier: None,
            tracking: None,
            notify: false,
        };
        world.admin.create_fulfilment(&parcel).await.unwrap();
        let line = line.line.as_str().parse().unwrap();
        let id = order.as_str().parse().unwrap();
        let refunded = world
            .shop
            .with(|store, now| store.refund(id, line, 1, true, now));
        assert_eq!(refunded, 1);
    }
    let read = world.read(&order).await;
    assert_eq!((read.shipped.len(), read.refunds.len()), (25, 25));
    assert_eq!(read, world.told(&order));
}

/// Orders that were listed change before the list goes on: what comes after them moves up in it, and is listed all the same.
#[tokio::test]
async fn an_order_is_listed_whatever_changes_meanwhile() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    world
        .shop
        .with(|store, now| store.set_by_hand(world.products[0].item, world.place, 1000, now));
    let sell = |_| {
        world.clock.advance(Duration::from_ms(100));
        world.buy(0, 1)
    };
    let orders: BTreeSet<ExternalId> = (0..600).map(sell).collect();
    let (mut listed, mut cursor) = (BTreeSet::new(), world.admin.since(NOW));
    for _ in 0..orders.len() {
        let page = world.admin.changed(cursor).await.unwrap();
        let named = page.orders.into_iter().filter_map(|order| match order {
            Listed::Named { order, .. } => Some(order),
            Listed::Stated { .. } => None,
        });
        let named: Vec<ExternalId> = named.collect();
        for order in named.iter().take(40) {
            let id = order.as_str().parse().unwrap();
            let cancel = |store: &mut Store, now| store.cancel(id, "customer", true, now);
            world.shop.with(cancel);
        }
        listed.extend(named);
        cursor = page.cursor;
        if page.is_last {
            break;
        }
        world.clock.advance(Duration::from_s(60));
    }
    assert_eq!(listed, orders);
}

/// What changed since is listed page by page, and a little from before.
#[tokio::test]
async fn orders_that_changed_are_listed() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    world
        .shop
        .with(|store, now| store.set_by_hand(world.products[0].item, world.place, 1000, now));
    let old = world.buy(1, 1);
    world
        .clock
        .advance(Duration::from_ms(POLL_OVERLAP.as_ms() + 1000));
    let since = NOW + Duration::from_ms(POLL_OVERLAP.as_ms() + 1000);
    let orders: Vec<ExternalId> = (0..260).map(|_| world.buy(0, 1)).collect();
    let first = world.admin.changed_orders(since, None).await.unwrap();
    assert_eq!(first.orders.len(), 250);
    let second = world
        .admin
        .changed_orders(since, first.next.as_deref())
        .await
        .unwrap();
    assert_eq!((second.orders.len(), &second.next), (10, &None));
    let listed: Vec<_> = first.orders.into_iter().chain(second.orders).collect();
    assert!(listed.iter().all(|(_, at)| *at == since));
    assert!(listed.iter().map(|(id, _)| id).eq(&orders));
    let wider = world.admin.changed_orders(NOW, None).await.unwrap();
    assert_eq!(wider.orders[0], (old, NOW));

    // By a cursor that is kept as a text: the list ends, and goes on with what comes after it.
    let admin: &dyn Orders = &world.admin;
    let first = admin.changed(admin.since(since)).await.unwrap();
    let second = admin.changed(first.cursor).await.unwrap();
    assert_eq!((first.is_last, second.is_last), (false, true));
    assert_eq!(
        (first.orders.len(), second.orders.len()),
        (250, 10),
        "page by page"
    );
    world.clock.advance(Duration::from_minutes(3));
    let next = world.buy(0, 1);
    let later = world.clock.now();
    world.clock.advance(Duration::from_minutes(3));
    let mut cursor = second.cursor;
    for orders in [250, 11] {
        // A little from before is read again.
        let page = admin.changed(cursor).await.unwrap();
        assert_eq!(page.orders.len(), orders);
        cursor = page.cursor;
    }
    let last = admin.changed(cursor).await.unwrap();
    let named = Listed::Named {
        order: next,
        updated_at: later,
    };
    assert_eq!((last.orders, last.is_last), (vec![named], true));
    assert!(last.looked_until >= Some(later));
}

/// A read is one more delivery: its body is one that the connector reads, and later than all of its second.
#[tokio::test]
async fn an_order_that_was_read_can_be_stored() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let order = world.buy(1, 1);
    let admin: &dyn Orders = &world.admin;
    let read = admin.order(order.clone()).await.unwrap();
    let again = admin.order(order.clone()).await.unwrap();
    assert_eq!(read.told, again.told, "a repeat is known");
    let told = read.told.unwrap();
    assert!(told.delivery_id.starts_with(&format!("read/{order}/")));
    let Ok(Inbound::Order(stored)) = map(told.topic, &told.body) else {
        panic!("{told:?}");
    };
    let direct = world.read(&order).await;
    assert_eq!(stored.updated_at, direct.updated_at + Duration::from_ms(1));
    assert_eq!(stored.lines, direct.lines);
    let unknown = ExternalId::new("1").unwrap();
    assert_eq!(admin.order(unknown).await.unwrap().told, None);
}

/// What we decided is sent from where we decided.
#[tokio::test]
async fn fulfilment_orders_follow_our_locations() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let dayton = world.shop.with(|store, now| {
        let place = store.add_location("Dayton");
        store.set_by_hand(world.products[0].item, place, 10, now);
        place
    });
    let order = world.buy(0, 4);
    let parts = world.parts(&order).await;
    let (part, line) = (parts[0].id.clone(), parts[0].lines[0].clone());
    assert_eq!((parts[0].status.as_str(), line.left), ("OPEN", 4));
    let place = dayton.to_string();
    let count = |units| vec![(line.id.clone(), units)];
    let moved = world
        .admin
        .move_fulfilment_order(&part, &place, &count(3))
        .await
        .unwrap();
    let parts = world.parts(&order).await;
    let places: Vec<_> = parts
        .iter()
        .map(|part| (part.place.clone(), part.lines[0].left))
        .collect();
    assert_eq!(
        places,
        [(Some(world.place.to_string()), 1), (Some(place.clone()), 3)]
    );
    let shown = world.shop.with(|store, _| {
        [world.place, dayton].map(|place| store.available(world.products[0].item, place))
    });
    assert_eq!(shown, [Some(9), Some(7)]);

    let back = world.place.to_string();
    let whole = world.admin.move_fulfilment_order(&moved, &back, &[]).await;
    assert_eq!(whole.as_ref(), Ok(&moved), "it is the same one");
    let again = world.admin.move_fulfilment_order(&moved, &back, &[]).await;
    assert!(matches!(again, Err(AdminError::Refused(_))), "{again:?}");
    let more = world
        .admin
        .move_fulfilment_order(&part, &place, &count(9))
        .await;
    assert!(matches!(more, Err(AdminError::Refused(_))), "{more:?}");
}

/// A parcel whose answer was lost shows in what is left: nothing is sent twice.
#[tokio::test]
async fn a_parcel_that_was_told_of_is_seen_before_it_is_told_again() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let order = world.buy(0, 2);
    let part = world.parts(&order).await.remove(0);
    let parcel = Parcel {
        lines: vec![(part.id, vec![(part.lines[0].id.clone(), 2)])],
        carrier: None,
        tracking: None,
        notify: true,
    };
    world.go_wrong(Fault::BrokenOff);
    let lost = world.admin.create_fulfilment(&parcel).await;
    assert!(
        matches!(lost, Err(AdminError::Call(CallError::Unknown(_)))),
        "{lost:?}"
    );
    world
        .shop
        .with(|store, _| store.set_faults(Faults::default()));
    let part = world.parts(&order).await.remove(0);
    assert_eq!((part.status.as_str(), part.lines[0].left), ("CLOSED", 0));
    let again = world.admin.create_fulfilment(&parcel).await;
    assert!(matches!(again, Err(AdminError::Refused(_))), "{again:?}");
}

#[tokio::test]
async fn an_order_is_cancelled_once_and_not_after_it_was_sent() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let order = world.buy(0, 2);
    let cancel = Cancel {
        reason: CancelReason::Inventory,
        restock: false,
        refund: true,
        notify: true,
        note: Some("not there".to_owned()),
    };
    assert_eq!(world.admin.cancel_order(&order, &cancel).await, Ok(()));
    let read = world.read(&order).await;
    assert_eq!(read.cancelled, Some((NOW, "inventory".to_owned())));
    assert_eq!(world.shown()[0], 8, "not shown again");
    let again = world.admin.cancel_order(&order, &cancel).await;
    assert!(matches!(again, Err(AdminError::Refused(_))), "{again:?}");
}

#[tokio::test]
async fn subscriptions_are_made_again() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let url = "https://crossdock.example/webhooks/shop";
    assert_eq!(world.admin.subscribed(url).await, Ok(vec![]));
    let topics = [
        "orders/create",
        "orders/partially_fulfilled",
        "inventory_levels/update",
    ];
    for topic in topics {
        world.admin.subscribe(topic, url).await.unwrap();
    }
    world
        .shop
        .with(|store, _| store.subscribe("orders/paid", "https://other.example/"));
    assert_eq!(world.admin.subscribed(url).await, Ok(topics.to_vec()));
    let twice = world.admin.subscribe("orders/create", url).await;
    assert!(matches!(twice, Err(AdminError::Refused(_))), "{twice:?}");
}

/// What the shop sells is named as its orders and as its numbers name it.
#[tokio::test]
async fn the_catalogue_is_read_page_by_page() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    world.shop.with(|store, _| {
        for at in 0..300 {
            store.add_product(&format!("SKU-{at}"), 100);
        }
        store.track(world.products[1].item, false);
    });
    let first = world.admin.variants(None).await.unwrap();
    let second = world.admin.variants(first.next.as_deref()).await.unwrap();
    assert_eq!((first.variants.len(), second.variants.len()), (250, 53));
    assert_eq!(second.next, None);
    for (at, (variant, product)) in first.variants.iter().zip(&world.products).enumerate() {
        assert_eq!(variant.sold_as.as_str(), product.variant.to_string());
        assert_eq!(variant.counted_as, world.listing(at));
        assert_eq!(variant.is_tracked, at != 1);
    }
    assert_eq!(first.variants[0].sku.as_deref(), Some("TEE"));
    let dayton = world.shop.with(|store, _| {
        let place = store.add_location("Dayton");
        store.close_location(place);
        place
    });
    let places = world.admin.places().await.unwrap();
    let expected = [(world.place, "Reno", true), (dayton, "Dayton", false)];
    let expected = expected.map(|(id, name, is_active)| Place {
        id: id.to_string(),
        name: name.to_owned(),
        is_active,
    });
    assert_eq!(places, expected);
}
