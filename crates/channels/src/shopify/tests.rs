//! Payloads and signatures, on data of our own and on the shared fixtures.

use std::path::{Path, PathBuf};

use crossdock_model::v1::{Payment, Restock};
use proptest::prelude::*;

use super::*;
use crate::fields::MapError;
use crate::inbound::{ChannelOrder, Delivery, Inbound, Secret, VerifyError};

fn options() -> TemplateOptions {
    let line = |(sku, units): (&str, u32)| TemplateLine {
        sku: sku.to_owned(),
        units,
    };
    TemplateOptions {
        number: 1001,
        lines: [("TEE", 2), ("MUG", 1)].map(line).to_vec(),
        updated_at: "2026-11-02T09:30:00-05:00".to_owned(),
    }
}

fn order(topic: &str) -> ChannelOrder {
    match map(topic, &template(topic, &options()).unwrap()) {
        Ok(Inbound::Order(order)) => *order,
        other => panic!("{topic}: {other:?}"),
    }
}

fn delivery(names: [&str; 3], signature: &str) -> Vec<(String, String)> {
    let values = ["orders/create", "event-1", signature];
    names
        .into_iter()
        .zip(values)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

const LONG: [&str; 3] = [
    "x-shopify-topic",
    "x-shopify-event-id",
    "x-shopify-hmac-sha256",
];
const SHORT: [&str; 3] = ["shopify-topic", "shopify-event-id", "shopify-hmac-sha256"];

#[test]
fn signatures_are_checked_over_the_raw_bytes() {
    let (old, new) = (Secret::new("old"), Secret::new("new"));
    let body = br#"{"id":1}"#;
    let both = [old.clone(), new.clone()];
    let check = |secrets: &[Secret], headers: &[(String, String)], body: &[u8]| {
        verify(secrets, &Delivery { headers, body })
    };
    for names in [LONG, SHORT] {
        let signed = delivery(names, &format!("{}\n", sign(&new, body)));
        let verified = check(&both, &signed, body).unwrap();
        assert_eq!(verified.delivery_id, "orders/create/event-1");
        assert!(
            verified
                .kept_headers
                .iter()
                .all(|(name, _)| !name.contains("hmac"))
        );
        assert_eq!(
            check(std::slice::from_ref(&old), &signed, body),
            Err(VerifyError::BadSignature)
        );
        let mut flipped = body.to_vec();
        flipped[3] ^= 1;
        assert_eq!(
            check(&both, &signed, &flipped),
            Err(VerifyError::BadSignature)
        );
        assert_eq!(
            check(&both, &signed[..2], body),
            Err(VerifyError::MissingSignature)
        );
        assert_eq!(
            check(&both, &signed[1..], body),
            Err(VerifyError::MissingTopic)
        );
    }
    assert_eq!(
        check(&both, &delivery(LONG, "not base64!"), body),
        Err(VerifyError::BadSignature)
    );
    let bare = [
        ("x-shopify-topic".to_owned(), "t".to_owned()),
        (LONG[2].to_owned(), sign(&old, body)),
    ];
    let by_body = check(&both, &bare, body).unwrap().delivery_id;
    assert!(
        by_body.len() > 60,
        "without ids the body itself is the identity: {by_body}"
    );
}

/// Computed with another implementation: python3 hmac.new(b'hush', body, 'sha256'), base64.
#[test]
fn a_known_signature() {
    let body = br#"{"id":820982911946154508,"email":"jon@example.com","total_price":"199.65"}"#;
    assert_eq!(
        sign(&Secret::new("hush"), body),
        "G/C2VvQk08rLOCmMD6Fhm4vkjnHOrr8OySNpJrvYhrI="
    );
}

#[test]
fn an_order_is_read_without_loss() {
    let read = order("orders/create");
    assert_eq!(
        read.external.as_str(),
        "820000000000001001",
        "larger than 2^53"
    );
    assert_eq!(
        (read.name.as_str(), read.payment),
        ("#1001", Payment::Ready)
    );
    let lines: Vec<_> = read
        .lines
        .iter()
        .map(|l| (l.sku.as_deref(), l.ordered_units, l.ships))
        .collect();
    assert_eq!(lines, [(Some("TEE"), 2, true), (Some("MUG"), 1, true)]);
    let ship_to = read.ship_to.unwrap();
    assert_eq!(
        (ship_to.country.as_str(), ship_to.postal_prefix.as_deref()),
        ("US", Some("894"))
    );
    assert_eq!(ship_to.area, Some((3953, -11975)));
    let buyer = read.buyer.unwrap();
    assert_eq!(buyer.email.as_deref(), Some("bruno.okafor@example.com"));
    assert_eq!(
        format!("{buyer:?}"),
        "Buyer(…)",
        "personal data is never shown"
    );
    assert_eq!(read.total.unwrap().to_string(), "24.00 USD");
}

#[test]
fn other_topics_say_what_they_say() {
    assert_eq!(order("orders/cancelled").cancelled.unwrap().1, "customer");
    match map(
        "refunds/create",
        &template("refunds/create", &options()).unwrap(),
    ) {
        Ok(Inbound::Refund { lines, .. }) => {
            assert_eq!((lines[0].units, lines[0].restock), (1, Restock::Cancel))
        }
        other => panic!("{other:?}"),
    }
    let said = |topic: &str| map(topic, &template(topic, &options()).unwrap());
    assert!(matches!(said("orders/edited"), Ok(Inbound::Reread { .. })));
    assert!(matches!(
        said("inventory_levels/update"),
        Ok(Inbound::StockLevel {
            available: Some(10),
            ..
        })
    ));
    assert!(matches!(
        map("products/update", b"{}"),
        Ok(Inbound::Nothing { .. })
    ));
    assert!(matches!(
        map("orders/teleported", b"{}"),
        Err(MapError::UnknownTopic(_))
    ));
}

/// A refund is merged by its own id: units it took out are not cancelled a second time by the order's state.
#[test]
fn refunded_units_are_not_counted_twice() {
    let mut body: serde_json::Value =
        serde_json::from_slice(&template("orders/updated", &options()).unwrap()).unwrap();
    body["line_items"][0]["current_quantity"] = 0.into();
    body["refunds"] = serde_json::json!([serde_json::from_slice::<serde_json::Value>(
        &template("refunds/create", &options()).unwrap()
    )
    .unwrap()]);
    let Ok(Inbound::Order(order)) = map("orders/updated", &serde_json::to_vec(&body).unwrap())
    else {
        panic!()
    };
    assert_eq!(
        order.lines[0].cancelled_units, 1,
        "two gone, one of them by the refund"
    );
    assert_eq!(order.refunds.len(), 1);
}

#[test]
fn mistakes_name_their_field() {
    let problem = |body: &str| {
        map("orders/create", body.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert!(problem("[]").contains("JSON object"));
    assert_eq!(problem("{}"), "id: is missing");
    assert!(problem(r#"{"id":8.2e17}"#).starts_with("id: the id went through floating point"));
    assert!(
        problem(r#"{"id":1,"updated_at":"yesterday"}"#).starts_with("updated_at: expected a time")
    );
    let line =
        r#"{"id":1,"updated_at":"2026-11-02T09:30:00Z","line_items":[{"id":2,"quantity":-1}]}"#;
    assert!(
        problem(line).starts_with("line_items[0].quantity:"),
        "{}",
        problem(line)
    );
}

#[test]
fn exports_are_read_order_by_order() {
    let one = String::from_utf8(template("orders/create", &options()).unwrap()).unwrap();
    for text in [
        format!("[{one}]"),
        format!("{{\"orders\":[{one}]}}"),
        format!("{one}\n{one}\n"),
        one.clone(),
    ] {
        let read = read_export(text.as_bytes());
        assert!(
            !read.is_empty() && read.iter().all(Result::is_ok),
            "{read:?}"
        );
    }
    let broken = read_export(format!("{one}\n{{\"id\":\n{one}\n").as_bytes());
    assert_eq!(
        broken.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true]
    );
    assert_eq!(broken[1].as_ref().unwrap_err().line, 2);
    let csv = "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Shipping Country,Id\n\
               #1,ada@example.com,paid,2026-10-01 10:00:00 -0400,2,Tee,20.00,TEE,US,5001\n\
               #1,ada@example.com,,,1,Mug,9.00,MUG,,\n\
               #2,bo@example.com,pending,2026-10-02 10:00:00 -0400,x,Tee,20.00,TEE,US,5002\n";
    let read = read_export(csv.as_bytes());
    let first = read[0].as_ref().unwrap();
    assert_eq!((first.external.as_str(), first.lines.len()), ("5001", 2));
    let second = read[1].as_ref().unwrap_err();
    assert_eq!(
        (second.line, second.what.as_str()),
        (4, "Lineitem quantity: \"x\" is no number")
    );
}

/// The topic that a fixture's name speaks of.
fn topic_of(file: &Path) -> String {
    let name = file.file_stem().unwrap().to_string_lossy().to_lowercase();
    let known = [
        ("orderedited", "orders/edited"),
        ("ordertransactions", "order_transactions/create"),
        ("order_risk", "order_transactions/risk"),
        ("fulfillmentorders", "fulfillment_orders/moved"),
        ("fulfillment_", "fulfillment_orders/moved"),
        ("fulfillmentevents", "fulfillment_events/create"),
        ("fulfillment", "fulfillments/create"),
        ("inventoryitem", "inventory_items/update"),
        ("inventory_item", "inventory_items/update"),
        ("inventorylevel", "inventory_levels/update"),
        ("inventory_level", "inventory_levels/update"),
        ("location", "locations/update"),
        ("product", "products/update"),
        ("refund", "refunds/create"),
        ("transaction", "order_transactions/create"),
        ("order", "orders/updated"),
    ];
    let found = known.iter().find(|(part, _)| name.starts_with(part));
    found.map_or_else(
        || format!("unknown/{name}"),
        |(_, topic)| (*topic).to_owned(),
    )
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

/// Every fixture is read, or refused for a reason that has a name.
#[test]
fn fixtures_of_others_are_mapped_or_named() {
    let dir =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/channels/shopify");
    if !dir.exists() {
        println!("skipped: ../shared absent");
        return;
    }
    let mut found = Vec::new();
    files(&dir, &mut found);
    found.sort();
    let mut orders = 0;
    for file in &found {
        let topic = topic_of(file);
        let body = std::fs::read(file).unwrap();
        // Client libraries wrap the resource in an envelope; webhooks do not.
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let resource = ["order", "refund", "inventory_level"]
            .iter()
            .find_map(|name| value.get(name));
        let body = resource.map_or(body.clone(), |resource| {
            serde_json::to_vec(resource).unwrap()
        });
        let said = map(&topic, &body);
        let shown = match &said {
            Ok(Inbound::Order(order)) => {
                orders += 1;
                format!("order, {} lines", order.lines.len())
            }
            Ok(Inbound::Nothing { why }) => format!("nothing to do: {why}"),
            Ok(Inbound::Refund { lines, .. }) => format!("refund, {} lines", lines.len()),
            Ok(Inbound::StockLevel { .. }) => "stock level".to_owned(),
            Ok(Inbound::Reread { .. }) => "to be re-read".to_owned(),
            Err(error) => format!("exception: {error}"),
        };
        println!(
            "{:55} {topic:28} {shown}",
            file.strip_prefix(&dir).unwrap().display()
        );
    }
    assert!(
        found.len() >= 30 && orders >= 2,
        "{} files, {orders} orders",
        found.len()
    );
}

proptest! {
    /// Whatever comes, reading it ends in a value or in a named mistake.
    #[test]
    fn reading_never_panics(
        topic in proptest::sample::select(TOPICS.to_vec()),
        cut in 0_usize..4000,
        flips in proptest::collection::vec((0_usize..4000, any::<u8>()), 0..8),
    ) {
        let mut body = template(topic, &options()).unwrap_or_else(|| template("orders/create", &options()).unwrap());
        body.truncate(body.len().saturating_sub(cut % 50));
        let len = body.len();
        for (at, byte) in flips {
            body[at % len] = byte;
        }
        let _ = map(topic, &body);
        let _ = read_export(&body);
    }
}
