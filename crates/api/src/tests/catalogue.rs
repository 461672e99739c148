//! What a channel says of itself: mapped where its SKUs are ours, and never what is mapped already.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use crossdock_channels::{Place, Variant, Variants};
use crossdock_journal::Journal;
use crossdock_model::v1::{BucketEvent, Event, ListingTarget, Record};
use crossdock_model::{ListingId, ShardId};
use crossdock_runtime::testing;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Server;
use crate::server::router;
use crate::{Limits, ReadError};

/// Variants on a page of the fake channel.
const PAGE: usize = 2;

fn variant(id: u64, sku: Option<&str>) -> Variant {
    Variant {
        sold_as: ListingId::new(id.to_string()).unwrap(),
        counted_as: ListingId::new(format!("inventory_item:{}", id + 1_000)).unwrap(),
        sku: sku.map(str::to_owned),
        title: format!("Thing {id}"),
        is_tracked: id != 6,
        is_sent_by_channel: id == 8,
    }
}

/// A channel that sells these, and fails once where that is said.
#[derive(Clone, Default)]
struct Fake {
    variants: Arc<Mutex<Vec<Variant>>>,
    fails_after: Arc<Mutex<Option<usize>>>,
}

impl Fake {
    fn page(&self, after: Option<String>) -> Result<Variants, ReadError> {
        let begin: usize = after.map_or(0, |after| after.parse().unwrap());
        let mut fails = self.fails_after.lock().unwrap();
        if fails.is_some_and(|at| begin >= at) {
            *fails = None;
            return Err(ReadError::Failed(
                "shop does not tell: look at it".to_owned(),
            ));
        }
        let all = self.variants.lock().unwrap();
        let end = all.len().min(begin + PAGE);
        Ok(Variants {
            variants: all[begin..end].to_vec(),
            next: (end < all.len()).then(|| end.to_string()),
        })
    }
}

impl Server {
    /// A server with the SKUs A, B and the kit K, whose channel `shop` sells these.
    async fn selling(variants: Vec<Variant>) -> (Self, Fake) {
        let mut server = Self::start().await;
        let shop = json!({"connector": "shopify", "sale": "already_sold"});
        server.put("/v1/channels/shop", &shop).await;
        server.stocked("A", 1).await;
        server.stocked("B", 1).await;
        let kit = json!({"tracking": "kit", "components": [{"sku": "A", "units_per_kit": 2}]});
        assert_eq!(server.put("/v1/skus/K", &kit).await.status, 200);
        let fake = Fake::default();
        *fake.variants.lock().unwrap() = variants;
        let told = fake.clone();
        server.read_variants = Some(Arc::new(move |_, after| {
            let page = told.page(after);
            Box::pin(std::future::ready(page))
        }));
        server.router = router(server.state(Limits::default()));
        (server, fake)
    }

    async fn map(&self, listing: &str, sku: &str, multiplier: u32) {
        let mapping = json!({"sku": sku, "multiplier": multiplier});
        let path = format!("/v1/channels/shop/listings/{listing}");
        assert_eq!(self.put(&path, &mapping).await.status, 200, "{listing}");
    }

    /// Imports, and what came of it once it has ended.
    async fn import_catalogue(&self, query: &str) -> Value {
        let path = format!("/v1/channels/shop/catalogue/import{query}");
        let begun = self.call(Method::POST, &path).send().await;
        assert_eq!(begun.status, 202, "{}", begun.text);
        let has_ended = |now: &Value| now["state"] == "done" || now["state"] == "stopped";
        self.shows("/v1/channels/shop/catalogue", has_ended).await
    }

    async fn outcomes(&self) -> Vec<(String, String)> {
        let (mut outcomes, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/channels/shop/catalogue/variants?limit=3{cursor}");
            let page = self.get(&path).await.json();
            for one in page["items"].as_array().unwrap() {
                let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
                outcomes.push((text("variant"), text("outcome")));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return outcomes,
            }
        }
    }

    /// What is mapped, with who did it and why.
    fn mapped(&self) -> Vec<(String, String, String, String)> {
        let shards: Vec<_> = ShardId::all().map(|shard| (shard, 0)).collect();
        let frames = self.journal.read_many(&shards, usize::MAX).unwrap();
        let mut mapped = Vec::new();
        for stored in frames {
            let record = Record::decode(&stored.frame.body).unwrap();
            for event in record.events {
                if let Event::Bucket(BucketEvent::Mapped { listing, target }) = event {
                    let ListingTarget::Sku { sku, multiplier: 1 } = target else {
                        continue;
                    };
                    let reason = record.meta.reason.clone().unwrap_or_default();
                    let who = record.meta.principal.to_string();
                    mapped.push((listing.to_string(), sku.to_string(), who, reason));
                }
            }
        }
        mapped.sort();
        mapped
    }
}

fn shop() -> Vec<Variant> {
    vec![
        variant(1, Some("A")),
        variant(2, Some("B")),
        variant(3, Some("a")),
        variant(4, None),
        variant(5, Some("K")),
        variant(6, Some("B")),
        variant(7, Some("Z")),
        variant(8, Some("C")),
    ]
}

const OUTCOMES: [(&str, &str); 8] = [
    ("1", "mapped"),
    ("2", "repeated_sku"),
    ("3", "unknown_sku"),
    ("4", "no_sku"),
    ("5", "mapped"),
    ("6", "repeated_sku"),
    ("7", "unknown_sku"),
    ("8", "sent_by_channel"),
];

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(id, outcome): &(&str, &str)| ((*id).to_owned(), (*outcome).to_owned());
    expected.iter().map(pair).collect()
}

/// A preview lists what an import does, and changes nothing; a second import finds nothing to do.
#[tokio::test]
async fn what_has_one_of_our_skus_is_mapped_once() {
    let (server, _) = Server::selling(shop()).await;
    let preview = server.import_catalogue("?preview=true").await;
    assert_eq!(
        (&preview["state"], &preview["preview"]),
        (&json!("done"), &json!(true))
    );
    assert_eq!(server.outcomes().await, pairs(&OUTCOMES));
    assert_eq!(server.mapped(), [], "a preview maps nothing");

    let waiting = server.parked("shop", "shop/1").await;
    let done = server.import_catalogue("").await;
    let counts = [
        "variants",
        "settled",
        "mapped",
        "known",
        "conflicts",
        "without_sku",
    ];
    assert_eq!(
        counts.map(|field| done[field].as_u64().unwrap()),
        [8, 8, 2, 0, 0, 1],
        "{done}"
    );
    assert_eq!(
        ["unknown_sku", "repeated_sku", "sent_by_channel"].map(|field| done[field].as_u64()),
        [Some(2), Some(2), Some(1)],
        "{done}"
    );
    assert_eq!(server.outcomes().await, pairs(&OUTCOMES));
    let resumed = server.handle.next_delivery().await;
    assert_eq!(
        resumed.delivery.id, waiting,
        "what waited for it is worked on"
    );
    let expected = [
        ("1", "A"),
        ("5", "K"),
        ("inventory_item:1001", "A"),
        ("inventory_item:1005", "K"),
    ];
    let mapped = server.mapped();
    let named: Vec<_> = mapped
        .iter()
        .map(|one| (one.0.as_str(), one.1.as_str()))
        .collect();
    assert_eq!(named, expected);
    let who: BTreeSet<_> = mapped
        .iter()
        .map(|one| (one.2.as_str(), one.3.as_str()))
        .collect();
    assert_eq!(who.len(), 1, "{who:?}");
    assert!(
        who.iter().all(|(_, why)| why.contains("same SKU")),
        "{who:?}"
    );

    let again = server.import_catalogue("").await;
    assert_eq!(
        (&again["mapped"], &again["known"]),
        (&json!(0), &json!(2)),
        "{again}"
    );
    assert_eq!(server.mapped().len(), 4, "nothing is written twice");
}

/// What somebody has mapped stays as it is, and the other half of it waits for a person too.
#[tokio::test]
async fn what_is_mapped_to_something_else_is_left_and_told() {
    let variants = vec![
        variant(1, Some("A")),
        variant(2, Some("B")),
        variant(3, None),
        variant(4, Some("K")),
    ];
    let (server, _) = Server::selling(variants).await;
    server.map("1", "A", 6).await;
    server.map("inventory_item:1002", "A", 1).await;
    server.map("3", "A", 6).await;
    server.map("inventory_item:1003", "A", 6).await;
    server.map("4", "K", 1).await;
    let before = server.mapped();
    let done = server.import_catalogue("").await;
    assert_eq!(
        (&done["conflicts"], &done["known"], &done["mapped"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let expected = [
        ("1", "conflict"),
        ("2", "conflict"),
        ("3", "known"),
        ("4", "mapped"),
    ];
    assert_eq!(server.outcomes().await, pairs(&expected));
    let rows = server
        .get("/v1/channels/shop/catalogue/variants")
        .await
        .json();
    let to_do = rows["items"][0]["to_do"].as_str().unwrap();
    assert!(to_do.contains("crossdock listing map shop 1 A"), "{to_do}");
    let added: Vec<_> = server
        .mapped()
        .into_iter()
        .filter(|one| !before.contains(one))
        .collect();
    let added: Vec<_> = added.iter().map(|one| one.0.as_str()).collect();
    assert_eq!(added, ["inventory_item:1004"]);
    for (listing, found) in [("1", 200), ("inventory_item:1001", 404), ("2", 404)] {
        let path = format!("/v1/channels/shop/listings/{listing}");
        let shown = server.get(&path).await;
        assert_eq!(shown.status, found, "{listing}");
    }
}

/// A channel may sell very much: what became of each is kept for a while only, what came of all stays.
#[tokio::test]
async fn what_became_of_each_variant_is_forgotten_after_a_while() {
    let (mut server, _) = Server::selling(shop()).await;
    server.router = router(server.state(Limits {
        catalogue_kept_for: Duration::from_millis(1),
        ..Limits::default()
    }));
    server.import_catalogue("").await;
    let path = "/v1/channels/shop/catalogue/variants";
    testing::until("it is forgotten", async || {
        server.get(path).await.status == 404
    })
    .await;
    let done = server.get("/v1/channels/shop/catalogue").await.json();
    let counts = ["variants", "settled", "mapped"].map(|field| done[field].as_u64().unwrap());
    assert_eq!(counts, [8, 8, 2], "{done}");
    let again = server.import_catalogue("").await;
    assert_eq!(again["known"], 2, "{again}");
}

/// A channel that does not answer breaks an import off; another one goes on from there.
#[tokio::test]
async fn an_import_that_broke_off_says_why() {
    let (server, fake) = Server::selling(shop()).await;
    *fake.fails_after.lock().unwrap() = Some(4);
    let stopped = server.import_catalogue("").await;
    assert_eq!(
        (&stopped["state"], &stopped["variants"]),
        (&json!("stopped"), &json!(4))
    );
    assert_eq!(stopped["problem"]["code"], "channel_failed");
    assert_eq!(
        stopped["problem"]["detail"],
        "shop does not tell: look at it"
    );
    assert_eq!(server.mapped(), []);
    let done = server.import_catalogue("").await;
    assert_eq!(
        (&done["state"], &done["mapped"]),
        (&json!("done"), &json!(2))
    );
}

/// Whoever asks for what is under way finds it; something else has to wait.
#[tokio::test]
async fn one_import_of_a_channel_at_a_time() {
    let (mut server, fake) = Server::selling(shop()).await;
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    server.read_variants = Some(Arc::new(move |_, after| {
        let is_first = after.is_none();
        let (page, wait) = (fake.page(after), Arc::clone(&wait));
        Box::pin(async move {
            // All but the first, which is read before the answer.
            if !is_first {
                wait.notified().await;
            }
            page
        })
    }));
    server.router = router(server.state(Limits::default()));
    let begin = async |query: &str| {
        let path = format!("/v1/channels/shop/catalogue/import{query}");
        let begun = server.call(Method::POST, &path).send().await;
        (begun.status.as_u16(), begun.code())
    };
    assert_eq!(begin("").await, (202, String::new()));
    assert_eq!(begin("").await, (202, String::new()));
    assert_eq!(
        begin("?preview=true").await,
        (409, "wrong_state".to_owned())
    );
    let shown = server.get("/v1/channels/shop/catalogue").await.json();
    assert_eq!(shown["state"], "reading");
    let is_done = |now: &Value| {
        go.notify_one();
        now["state"] == "done"
    };
    let done = server.shows("/v1/channels/shop/catalogue", is_done).await;
    assert_eq!(done["mapped"], 2);
}

#[tokio::test]
async fn what_cannot_be_read_says_so() {
    let (mut server, _) = Server::selling(Vec::new()).await;
    let unsupported = || Err(ReadError::Unsupported("no shop".to_owned()));
    server.read_variants = Some(Arc::new(move |_, _| {
        Box::pin(std::future::ready(unsupported()))
    }));
    server.read_places = Some(Arc::new(|_| {
        let failed = ReadError::Failed("status 401".to_owned());
        Box::pin(std::future::ready(Err(failed)))
    }));
    server.router = router(server.state(Limits::default()));
    let import = "/v1/channels/shop/catalogue/import";
    let refused = server.call(Method::POST, import).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "unsupported".to_owned())
    );
    let stopped = server.get("/v1/channels/shop/catalogue").await.json();
    assert_eq!(stopped["state"], "stopped");
    assert_eq!(
        stopped["problem"],
        json!({"code": "unsupported", "detail": "no shop"})
    );
    let places = server.get("/v1/channels/shop/places").await;
    assert_eq!(
        (places.status.as_u16(), places.code()),
        (502, "channel_failed".to_owned())
    );
    for path in ["places", "catalogue", "catalogue/variants"] {
        let unknown = server.get(&format!("/v1/channels/nobody/{path}")).await;
        assert_eq!(unknown.status, 404, "{path}");
    }
    let import = "/v1/channels/nobody/catalogue/import";
    assert_eq!(server.call(Method::POST, import).send().await.status, 404);
    server.read_variants = None;
    server.read_places = None;
    server.router = router(server.state(Limits::default()));
    let import = "/v1/channels/shop/catalogue/import";
    let import = server.call(Method::POST, import).send().await;
    assert_eq!(
        (import.status.as_u16(), import.code()),
        (409, "unsupported".to_owned())
    );
    let places = server.get("/v1/channels/shop/places").await;
    assert_eq!(
        (places.status.as_u16(), places.code()),
        (409, "unsupported".to_owned())
    );
}

#[tokio::test]
async fn places_are_listed() {
    let (mut server, _) = Server::selling(Vec::new()).await;
    server.read_places = Some(Arc::new(|_| {
        let place = Place {
            id: "8050".to_owned(),
            name: "Reno".to_owned(),
            is_active: true,
        };
        Box::pin(std::future::ready(Ok(vec![place])))
    }));
    server.router = router(server.state(Limits::default()));
    let places = server.get("/v1/channels/shop/places").await.json();
    let expected = json!({"items": [
        {"place": "8050", "name": "Reno", "active": true, "locations": []}
    ]});
    assert_eq!(places, expected);
}
