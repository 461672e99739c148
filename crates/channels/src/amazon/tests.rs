//! Orders and notifications, on data of our own and on the shared fixtures.

mod fixtures;

use crossdock_model::Timestamp;
use crossdock_model::v1::{LineUnits, ParcelTracking, Payment};
use serde_json::{Value, json};

use super::*;
use crate::fields::{MapError, timestamp};
use crate::inbound::{ChannelOrder, Inbound, Secret, StockLevel};

/// An order of three mugs that is to be shipped.
fn order_body() -> Value {
    json!({
        "orderId": "305-1234567-0000001",
        "createdTime": "2026-11-02T08:00:00Z",
        "lastUpdatedTime": "2026-11-02T08:30:00Z",
        "programs": ["PRIME", "AMAZON_BUSINESS"],
        "salesChannel": { "channelName": "AMAZON", "marketplaceId": "M1" },
        "buyer": { "buyerName": "Nora Feld", "buyerEmail": "B1@Marketplace.example" },
        "recipient": { "deliveryAddress": {
            "name": "Nora Feld",
            "addressLine1": "Am Anger 3",
            "addressLine2": "2. Stock",
            "addressLine3": "links",
            "city": "Musterstadt",
            "stateOrRegion": "by",
            "postalCode": "80331",
            "countryCode": "de",
            "phone": "+49 89 000000",
        } },
        "proceeds": { "grandTotal": { "amount": "29.90", "currencyCode": "EUR" } },
        "fulfillment": {
            "fulfillmentStatus": "UNSHIPPED",
            "fulfilledBy": "MERCHANT",
            "fulfillmentServiceLevel": "EXPEDITED",
            "shipByWindow": {
                "earliestDateTime": "2026-11-02T00:00:00Z",
                "latestDateTime": "2026-11-03T22:59:59Z",
            },
            "deliverByWindow": { "latestDateTime": "2026-11-05T22:59:59Z" },
        },
        "orderItems": [{
            "orderItemId": "60000000000001",
            "quantityOrdered": 3,
            "product": {
                "title": "Mug",
                "sellerSku": "MUG/BLUE 1",
                "price": { "unitPrice": { "amount": "8.97", "currencyCode": "EUR" } },
            },
            "fulfillment": { "quantityFulfilled": 0, "quantityUnfulfilled": 3 },
        }],
    })
}

/// The order with changes, each by its place.
fn changed(changes: &[(&str, Value)]) -> Value {
    let mut body = order_body();
    for (place, value) in changes {
        let (parent, field) = place.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = value.clone();
    }
    body
}

fn read(body: &Value) -> Result<Inbound, MapError> {
    map(ORDER, body.to_string().as_bytes())
}

fn order(changes: &[(&str, Value)]) -> ChannelOrder {
    match read(&changed(changes)) {
        Ok(Inbound::Order(order)) => *order,
        other => panic!("{changes:?}: {other:?}"),
    }
}

const STATUS: &str = "/fulfillment/fulfillmentStatus";
const SENT: &str = "/orderItems/0/fulfillment";
const CANCELLATION: &str = "/orderItems/0/cancellation";

#[test]
fn an_order_is_read_without_loss() {
    let read = order(&[]);
    assert_eq!(read.external.as_str(), "305-1234567-0000001");
    let line = &read.lines[0];
    assert_eq!(
        (
            line.line.as_str(),
            line.ordered_units,
            line.cancelled_units,
            line.ships
        ),
        ("60000000000001", 3, 0, true)
    );
    assert_eq!(
        (line.listing.as_ref().unwrap().as_str(), line.sku.as_deref()),
        ("MUG/BLUE 1", Some("MUG/BLUE 1"))
    );
    assert_eq!(line.unit_price.unwrap().to_string(), "8.97 EUR");
    assert_eq!(read.total.unwrap().to_string(), "29.90 EUR");
    assert_eq!(
        (read.placed_at, read.updated_at),
        (
            timestamp("2026-11-02T08:00:00Z").unwrap(),
            timestamp("2026-11-02T08:30:00Z").unwrap()
        )
    );
    assert_eq!(read.shipping, ["EXPEDITED", "PRIME"]);
    assert_eq!(read.tags, ["PRIME", "AMAZON_BUSINESS"]);
    assert_eq!(
        (read.promised.ship_by, read.promised.deliver_by),
        (
            timestamp("2026-11-03T22:59:59Z"),
            timestamp("2026-11-05T22:59:59Z")
        )
    );
    let to = read.ship_to.unwrap();
    assert_eq!(
        (
            to.country.as_str(),
            to.state.as_deref(),
            to.postal_prefix.as_deref()
        ),
        ("DE", Some("BY"), Some("803"))
    );
    let buyer = read.buyer.unwrap();
    assert_eq!(buyer.key, "b1@marketplace.example");
    let address = buyer.ship_to.as_ref().unwrap();
    assert_eq!(address.address2.as_deref(), Some("2. Stock, links"));
    assert_eq!(format!("{buyer:?}"), "Buyer(…)");
}

#[test]
fn what_a_status_means() {
    let table = [
        ("PENDING", Payment::Pending, false),
        ("PENDING_AVAILABILITY", Payment::Pending, false),
        ("UNSHIPPED", Payment::Ready, false),
        ("PARTIALLY_SHIPPED", Payment::Ready, false),
        ("SHIPPED", Payment::Ready, false),
        ("CANCELLED", Payment::Ready, true),
        ("UNFULFILLABLE", Payment::Voided, false),
    ];
    for (status, payment, cancelled) in table {
        let read = order(&[(STATUS, json!(status))]);
        let told = (read.payment, read.cancelled.is_some());
        assert_eq!(told, (payment, cancelled), "{status}");
    }
}

/// A pending order is kept for its buyer before Amazon says who that is.
#[test]
fn a_pending_order_has_no_address() {
    let mut body = changed(&[(STATUS, json!("PENDING"))]);
    for field in ["buyer", "recipient", "proceeds"] {
        body.as_object_mut().unwrap().remove(field);
    }
    let Ok(Inbound::Order(read)) = super::tests::read(&body) else {
        panic!("it is an order");
    };
    assert_eq!((read.ship_to, read.buyer, read.total), (None, None, None));
    assert_eq!(
        (read.payment, read.lines[0].ordered_units),
        (Payment::Pending, 3)
    );
}

#[test]
fn what_amazon_ships_is_known_and_nothing_to_do() {
    let by = "/fulfillment/fulfilledBy";
    let amazons = |status: &str, sent: u32| {
        let counts = json!({ "quantityFulfilled": sent, "quantityUnfulfilled": 3 - sent });
        order(&[
            (by, json!("AMAZON")),
            (STATUS, json!(status)),
            (SENT, counts),
        ])
    };
    let open = amazons("UNSHIPPED", 0);
    assert!(open.sent_by_channel && !open.is_left_to_send());
    assert_eq!(
        (open.buyer, open.ship_to, open.cancel_asked),
        (None, None, None)
    );
    assert_eq!(
        open.tags.last().map(String::as_str),
        Some("fulfilled by Amazon")
    );
    assert_eq!(
        (open.lines[0].ordered_units, open.lines[0].ships),
        (3, false)
    );
    let sent = amazons("SHIPPED", 3).shipped;
    assert_eq!((sent.len(), sent[0].lines[0].units), (1, 3));
    for status in ["CANCELLED", "UNFULFILLABLE"] {
        assert!(amazons(status, 0).cancelled.is_some(), "{status}");
    }
    assert!(!order(&[]).sent_by_channel);
    for (by_whom, problem) in [
        (json!("SOMEBODY"), "is neither MERCHANT nor AMAZON"),
        (Value::Null, "is missing"),
    ] {
        let refused = read(&changed(&[(by, by_whom)])).unwrap_err().to_string();
        assert_eq!(refused, format!("fulfillment.fulfilledBy: {problem}"));
    }
}

/// Of three units: (status, sent, waiting, whether Amazon says that they were cancelled, cancelled).
#[test]
fn units_that_neither_left_nor_wait_are_cancelled() {
    let table = [
        ("UNSHIPPED", 0, 3, false, 0),
        ("UNSHIPPED", 0, 2, false, 1),
        ("PARTIALLY_SHIPPED", 1, 1, false, 1),
        ("SHIPPED", 2, 0, false, 1),
        ("PENDING", 0, 0, false, 0),
        ("PENDING", 0, 0, true, 3),
        ("CANCELLED", 0, 0, true, 3),
        ("SHIPPED", 4, 0, false, 0),
    ];
    for (status, sent, waiting, executed, cancelled) in table {
        let counts = json!({ "quantityFulfilled": sent, "quantityUnfulfilled": waiting });
        let done = json!({ "cancelledBy": "BUYER", "cancelReason": "No need" });
        let cancellation = match executed {
            true => json!({ "cancellationExecution": done }),
            false => Value::Null,
        };
        let read = order(&[
            (STATUS, json!(status)),
            (SENT, counts),
            (CANCELLATION, cancellation),
        ]);
        assert_eq!(
            read.lines[0].cancelled_units, cancelled,
            "{status} {sent} {waiting}"
        );
        let reason = read.cancelled.map(|(_, reason)| reason);
        let said = (status == "CANCELLED").then(|| "by buyer: No need".to_owned());
        assert_eq!(reason, said, "{status}");
    }
}

#[test]
fn a_buyer_who_asks_to_cancel_is_heard_and_the_units_stay_wanted() {
    let asked = json!({ "requester": "BUYER", "cancelReason": "Found it cheaper" });
    let read = order(&[(CANCELLATION, json!({ "cancellationRequest": asked }))]);
    let line = read.lines[0].line.clone();
    let said = vec![(line, "Found it cheaper".to_owned())];
    assert_eq!(read.cancel_asked, Some(said));
    assert_eq!(read.lines[0].cancelled_units, 0);
    let done = json!({ "cancelledBy": "MERCHANT" });
    let both = json!({ "cancellationRequest": asked, "cancellationExecution": done });
    assert_eq!(order(&[(CANCELLATION, both)]).cancel_asked, Some(vec![]));
}

fn package(reference: &str, units: u32, status: &str) -> Value {
    json!({
        "packageReferenceId": reference,
        "packageStatus": { "status": status },
        "packageItems": [{ "orderItemId": "60000000000001", "quantity": units }],
    })
}

/// (packages, units sent, units waiting, shipments of others, shipments that did not happen)
#[test]
fn what_others_sent_is_told_and_what_we_sent_is_known() {
    let ours = package_reference(1);
    type Row<'a> = (Vec<Value>, u32, u32, &'a [(&'a str, u32)], &'a [&'a str]);
    let table: [Row<'_>; 8] = [
        (vec![], 0, 3, &[], &[]),
        (vec![package("1", 2, "SHIPPED")], 2, 1, &[("1", 2)], &[]),
        (vec![package(&ours, 2, "SHIPPED")], 2, 1, &[], &[]),
        (vec![package(&ours, 3, "DELIVERED")], 3, 0, &[], &[]),
        (vec![package("1", 3, "PENDING")], 0, 3, &[], &[]),
        (vec![package("1", 3, "CANCELLED")], 0, 3, &[], &["1"]),
        (vec![], 1, 2, &[], &[]),
        (
            vec![package("7", 1, "IN_TRANSIT")],
            3,
            0,
            &[("7", 1), ("fulfilled:60000000000001", 2)],
            &[],
        ),
    ];
    for (packages, sent, waiting, shipped, unshipped) in table {
        let counts = json!({ "quantityFulfilled": sent, "quantityUnfulfilled": waiting });
        let read = order(&[("/packages", json!(packages)), (SENT, counts)]);
        let told: Vec<(&str, u32)> = read
            .shipped
            .iter()
            .map(|one| {
                let units = one.lines.iter().map(|line| line.units).sum();
                (one.shipment.as_str(), units)
            })
            .collect();
        let undone: Vec<&str> = read.unshipped.iter().map(|id| id.as_str()).collect();
        assert_eq!(
            (told.as_slice(), undone.as_slice()),
            (shipped, unshipped),
            "{packages:?}"
        );
    }
}

#[test]
fn what_cannot_be_is_named() {
    let table = [
        ("/orderId", Value::Null, "orderId: is missing"),
        ("/fulfillment", Value::Null, "fulfillment: is missing"),
        (
            STATUS,
            json!("LOST"),
            "fulfillment.fulfillmentStatus: is no fulfilment status that is known",
        ),
        (
            "/lastUpdatedTime",
            json!("yesterday"),
            "lastUpdatedTime: expected a time with offset, RFC 3339",
        ),
        (
            "/orderItems/0/quantityOrdered",
            json!(1.5),
            "orderItems[0].quantityOrdered: expected a whole number from 0",
        ),
        (
            "/orderItems/0/product/sellerSku",
            json!(7),
            "orderItems[0].product.sellerSku: expected a text",
        ),
        (
            "/orderItems/0/product/price/unitPrice/currencyCode",
            Value::Null,
            "orderItems[0].product.price.unitPrice.currencyCode: is missing",
        ),
        (
            "/packages",
            json!([package("1", 1, "MELTED")]),
            "packages[0].packageStatus.status: is no package status that is known",
        ),
    ];
    for (place, value, problem) in table {
        let refused = read(&changed(&[(place, value)])).unwrap_err();
        assert_eq!(refused.to_string(), problem, "{place}");
    }
    assert_eq!(
        map("orders", b"{}"),
        Err(MapError::UnknownTopic("orders".to_owned()))
    );
}

fn order_change(by: &str) -> Value {
    json!({
        "NotificationVersion": "1.0",
        "NotificationType": "ORDER_CHANGE",
        "PayloadVersion": "1.0",
        "EventTime": "2026-11-02T08:30:01.753Z",
        "Payload": { "OrderChangeNotification": {
            "NotificationLevel": "OrderLevel",
            "AmazonOrderId": "305-1234567-0000001",
            "OrderChangeType": "OrderStatusChange",
            "Summary": { "FulfillmentType": by },
        } },
        "NotificationMetadata": { "NotificationId": "n-1" },
    })
}

fn notified(body: &Value) -> Result<Inbound, MapError> {
    map(NOTIFICATION, body.to_string().as_bytes())
}

/// Whatever carries it, a notification says the same and has the same name.
#[test]
fn an_order_that_changed_is_read_again() {
    let plain = order_change("MFN");
    let bus = json!({ "id": "e-1", "detail-type": "ORDER_CHANGE", "detail": plain });
    let topic = json!({ "Type": "Notification", "MessageId": "m", "Message": plain.to_string() });
    let queue = |body: &Value| json!({ "MessageId": "q", "Body": body.to_string() });
    let lambda = json!({ "messageId": "q", "body": plain.to_string() });
    let all = [
        plain.clone(),
        bus.clone(),
        topic.clone(),
        queue(&plain),
        queue(&bus),
        queue(&topic),
        lambda,
    ];
    for body in all {
        let reread = Inbound::Reread {
            order: "305-1234567-0000001".parse().unwrap(),
            changed_at: timestamp("2026-11-02T08:30:01Z").unwrap(),
        };
        assert_eq!(notified(&body), Ok(reread), "{body}");
        let id = delivery_id(NOTIFICATION, body.to_string().as_bytes());
        assert_eq!(id.as_deref(), Ok("n-1"), "{body}");
    }
    let amazons = notified(&order_change("AFN"));
    assert!(
        matches!(amazons, Ok(Inbound::Nothing { .. })),
        "{amazons:?}"
    );
}

#[test]
fn a_number_that_changed_is_a_level() {
    let body = json!({
        "NotificationType": "LISTINGS_ITEM_MFN_QUANTITY_CHANGE",
        "EventTime": "2026-11-02T08:30:01Z",
        "Payload": { "FulfillmentChannelCode": "DEFAULT", "Sku": "MUG/BLUE 1", "Quantity": 9 },
    });
    let level = StockLevel {
        listing: "MUG/BLUE 1".parse().unwrap(),
        place: "DEFAULT".to_owned(),
        available: Some(9),
        updated_at: timestamp("2026-11-02T08:30:01Z").unwrap(),
    };
    assert_eq!(notified(&body), Ok(Inbound::StockLevel(level)));
}

#[test]
fn notifications_that_say_nothing_known_are_named() {
    for (body, problem) in [
        (json!({}), "NotificationType: is missing"),
        (
            json!({ "Body": "{" }),
            "the body is not a JSON object: EOF while parsing an object at line 1 column 1",
        ),
        (
            json!({ "detail": { "x": 1 } }),
            "NotificationType: is missing",
        ),
        (
            json!({ "NotificationType": "ORDER_CHANGE" }),
            "Payload: is missing",
        ),
    ] {
        assert_eq!(notified(&body).unwrap_err().to_string(), problem, "{body}");
    }
    let strange = notified(&json!({ "NotificationType": "ORDER_TELEPORTED" }));
    assert_eq!(
        strange,
        Err(MapError::UnknownTopic("ORDER_TELEPORTED".to_owned()))
    );
}

/// The same state read twice is one delivery; another state is another.
#[test]
fn states_of_an_order_are_named() {
    let id = |body: &Value| delivery_id(ORDER, body.to_string().as_bytes()).unwrap();
    let first = id(&order_body());
    assert_eq!(first, "305-1234567-0000001/1793608200000");
    assert_eq!(id(&json!({ "order": order_body() })), first);
    let later = changed(&[("/lastUpdatedTime", json!("2026-11-02T08:30:00.001Z"))]);
    assert_ne!(id(&later), first);
}

/// Orders are stored as they came, also one that nobody can read.
#[test]
fn a_page_keeps_its_orders_as_they_came() {
    let strange = r#"{ "orderId" : 820982911946154508, "amount": 1.10 }"#;
    let body = format!(
        r#"{{ "orders": [{strange}, {}], "pagination": {{ "nextToken": "p2" }},
            "lastUpdatedBefore": "2026-11-02T08:40:00Z" }}"#,
        order_body()
    );
    let page = client::page(body.as_bytes()).unwrap();
    assert_eq!(page.next.as_deref(), Some("p2"));
    assert_eq!(page.updated_before, timestamp("2026-11-02T08:40:00Z"));
    let [odd, plain] = page.orders.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!(odd.body, strange.as_bytes());
    assert_eq!(odd.delivery_id.len(), 64, "its bytes name it: {odd:?}");
    assert_eq!(plain.delivery_id, "305-1234567-0000001/1793608200000");
    let last = client::page(br#"{ "orders": [], "pagination": null }"#).unwrap();
    assert_eq!((last.next, last.updated_before), (None, None));
    let broken = client::page(b"<html>").unwrap_err();
    assert!(matches!(broken, crate::CallError::Unknown(_)), "{broken:?}");
}

#[test]
fn a_cursor_moves_on_behind_the_last_page() {
    let at = |minutes: i64| Timestamp::from_ms(minutes * 60_000);
    let page = |next: Option<&str>, before: Option<i64>| OrdersPage {
        orders: Vec::new(),
        next: next.map(str::to_owned),
        updated_before: before.map(at),
    };
    let start = Cursor::since(at(100));
    let second = start.behind(&page(Some("p2"), Some(110)));
    assert_eq!(
        (second.page.as_deref(), second.after),
        (Some("p2"), at(100))
    );
    // What the first page said counts: later pages are of the same search.
    let behind = second.behind(&page(None, Some(130)));
    assert_eq!(behind, Cursor::since(at(110) - OVERLAP));
    assert_eq!(
        second.anew(),
        start,
        "a search that broke off begins where it began"
    );
    for before in [None, Some(90), Some(101)] {
        assert_eq!(
            start.behind(&page(None, before)),
            start,
            "never back: {before:?}"
        );
    }
}

#[test]
fn a_package_is_said_as_amazon_reads_it() {
    let package = Package {
        number: 2,
        lines: vec![LineUnits {
            line: "60000000000001".parse().unwrap(),
            units: 3,
        }],
        tracking: ParcelTracking {
            carrier: Some("DHL".to_owned()),
            number: Some("JD01".to_owned()),
            url: None,
        },
        carrier_code: Some("DHL_PAKET".to_owned()),
        method: None,
        shipped_at: timestamp("2026-11-03T10:00:00Z").unwrap(),
    };
    let expected = json!({
        "marketplaceId": "M1",
        "packageDetail": {
            "packageReferenceId": "7300000002",
            "carrierCode": "DHL_PAKET",
            "carrierName": "DHL",
            "trackingNumber": "JD01",
            "shipDate": "2026-11-03T10:00:00Z",
            "orderItems": [{ "orderItemId": "60000000000001", "quantity": 3 }],
        },
    });
    assert_eq!(package.body("M1", "2026-11-03T10:00:00Z"), expected);
    let named = Package {
        carrier_code: None,
        ..package
    };
    let detail = &named.body("M1", "2026-11-03T10:00:00Z")["packageDetail"];
    let carrier = [&detail["carrierCode"], &detail["carrierName"]];
    assert_eq!(carrier, ["Other", "DHL"]);
}

#[test]
fn a_feed_sets_numbers_only() {
    let number = |sku: &str, units| {
        (
            sku.parse().unwrap(),
            "amazon/DEFAULT".parse().unwrap(),
            units,
        )
    };
    let feed = listings_feed("S1", "PRODUCT", &[number("MUG", 4), number("TEE", 0)]);
    let feed: Value = serde_json::from_slice(&feed).unwrap();
    let told = json!({
        "messageId": 2,
        "sku": "TEE",
        "operationType": "PATCH",
        "productType": "PRODUCT",
        "patches": [{
            "op": "merge",
            "path": "/attributes/fulfillment_availability",
            "value": [{ "fulfillment_channel_code": "DEFAULT", "quantity": 0 }],
        }],
    });
    assert_eq!(feed["messages"][1], told);
    assert_eq!(
        (
            feed["header"]["sellerId"].as_str(),
            feed["header"]["version"].as_str()
        ),
        (Some("S1"), Some("2.0"))
    );
}

#[test]
fn secrets_are_never_shown() {
    let account = SellerAccount {
        endpoint: "https://sellingpartnerapi.example".to_owned(),
        token_endpoint: "https://tokens.example".to_owned(),
        seller: "S1".to_owned(),
        marketplace: "M1".to_owned(),
        client_id: "app".to_owned(),
        client_secret: Secret::new("hush"),
        refresh_token: Secret::new("hush"),
        product_type: "PRODUCT".to_owned(),
        call_max: std::time::Duration::from_secs(1),
    };
    assert!(!format!("{account:?}").contains("hush"));
}
