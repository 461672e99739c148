//! The real binary and a simulated shop: its places are listed, and what it sells is mapped, before anything is published.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::sync::Arc;

use crossdock_model::Timestamp;
use crossdock_runtime::{Clock, RealClock};
use crossdock_sim::shopify::{Product, Rate, Serving, Shop, Store, StoreOptions};
use serde_json::{Value, json};
use support::{SECRET, Server, Setup, stock, until};
use tokio::net::TcpListener;

const TOKEN: &str = "token-of-the-tests";
/// Things of the shop that are none of ours: more than a page of its list.
const OTHERS: u64 = 300;

/// A shop with a place that is open and one that is not.
struct World {
    shop: Arc<Shop>,
    _serving: Serving,
    url: String,
    reno: u64,
    dayton: u64,
    setup: Setup,
}

impl World {
    async fn new() -> Self {
        let secret = crossdock_channels::Secret::new;
        // Large enough that nobody waits for points.
        let rate = Rate {
            maximum: 20_000.0,
            restore_per_s: 1_000.0,
        };
        let mut store = Store::new(StoreOptions {
            rate,
            ..StoreOptions::default()
        });
        let (reno, dayton) = (store.add_location("Reno"), store.add_location("Dayton"));
        store.close_location(dayton);
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let shop = Shop::new(store, clock, secret(TOKEN), secret(SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = shop.serve(listener).unwrap();
        let setup = Setup::new();
        std::fs::write(setup.dir.path().join("shop-secret"), SECRET).unwrap();
        std::fs::write(setup.dir.path().join("shop-token"), TOKEN).unwrap();
        Self {
            shop,
            url: serving.url().to_owned(),
            _serving: serving,
            reno,
            dayton,
            setup,
        }
    }

    /// Starts the server with these places in its settings.
    async fn start(&mut self, places: &str) -> Server {
        let setup = &mut self.setup;
        setup.config_text = Some(format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[data]\ndir = {data:?}\n[telemetry]\nlog = \"warn\"\n\
             [channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{{ file = \"shop-secret\" }}]\n\
             [channels.shop.publish]\nurl = {url:?}\ntoken = {{ file = \"shop-token\" }}\npoints_per_s = 1000\n{places}\n\
             [channels.api]\nkind = \"api\"\nsale = \"asks\"\n",
            port = setup.port,
            data = setup.data(),
            url = self.url,
        ));
        setup.start().await
    }

    /// Begins to sell something of which 99 are shown.
    fn sell(&self, sku: &str) -> Product {
        self.shop.with(|store, _| {
            let product = store.add_product(sku, 2_400);
            store.set_by_hand(product.item, self.reno, 99, Timestamp::from_ms(1));
            product
        })
    }

    fn shown(&self, product: &Product) -> Option<i64> {
        let item = product.item;
        self.shop.with(|store, _| store.available(item, self.reno))
    }

    /// Runs a command that must end well; what it prints.
    fn done(&self, arguments: &[&str]) -> Value {
        let (code, out, error) = self.setup.crossdock(&[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{arguments:?}: {out}{error}");
        serde_json::from_str(&out).unwrap()
    }

    /// Runs a command that must fail; what it says.
    fn fails(&self, arguments: &[&str]) -> String {
        let (code, out, error) = self.setup.crossdock(arguments);
        assert_eq!(code, 1, "{arguments:?}: {out}{error}");
        error
    }

    /// The table of an import, for people: each row says what happens, or what they are to do.
    fn says_what_to_do(&self, [tee, mug, none, twin]: [&Product; 4]) {
        let (code, table, said) = self.setup.crossdock(&IMPORT);
        assert_eq!(code, 0, "{said}");
        let row = |product: &Product| {
            let id = product.variant.to_string();
            let row = table.lines().find(|line| line.starts_with(&id));
            row.unwrap_or_else(|| panic!("{id} in {table}"))
        };
        assert!(row(tee).ends_with("is mapped already"), "{}", row(tee));
        let map = format!("crossdock listing map shop {} MUG", mug.variant);
        assert!(row(mug).ends_with(&map), "{}", row(mug));
        assert!(row(none).contains("it has no SKU"), "{}", row(none));
        assert!(row(twin).contains("the same SKU"), "{}", row(twin));
        assert!(
            said.contains("crossdock channel publish --channel shop"),
            "{said}"
        );
    }
}

const IMPORT: [&str; 4] = ["listing", "import", "--channel", "shop"];
const PREVIEW: [&str; 5] = ["listing", "import", "--channel", "shop", "--preview"];

/// The settings are written by what the shop's places are, and told where they are wrong.
#[tokio::test(flavor = "multi_thread")]
async fn the_settings_are_held_against_the_shops_places() {
    let mut world = World::new().await;
    let places = ["channel", "places", "--channel", "shop"];
    let (reno, dayton) = (world.reno.to_string(), world.dayton.to_string());
    let server = world.start("").await;
    let place = |id: &str, name: &str, active: bool, locations: &[&str]| json!({ "place": id, "name": name, "active": active, "locations": locations });
    let free = [
        place(&reno, "Reno", true, &[]),
        place(&dayton, "Dayton", false, &[]),
    ];
    assert_eq!(world.done(&places)["items"], json!(free));
    assert_eq!(server.get("/v1/channels/shop").await["publishes"], false);
    drop(server);

    let wrong =
        format!("places = {{ {reno} = [\"reno\"], {dayton} = [\"york\"], 99 = [\"ulm\"] }}");
    let server = world.start(&wrong).await;
    let told = world.fails(&places);
    for part in [
        format!("{dayton}: the channel has deactivated it"),
        "99: the channel has no such place".to_owned(),
        "2 places of the settings".to_owned(),
        "[channels.shop.publish]".to_owned(),
    ] {
        assert!(told.contains(&part), "{part} in {told}");
    }
    drop(server);

    let right = format!("places = {{ {reno} = [\"reno\"] }}");
    let _server = world.start(&right).await;
    let expected = place(&reno, "Reno", true, &["reno"]);
    assert_eq!(world.done(&places)["items"][0], expected);
}

/// What has one of our SKUs is mapped, once; what somebody mapped otherwise stays; everything else is listed.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_shop_sells_is_mapped_and_then_published() {
    let mut world = World::new().await;
    let [tee, mug, none, twin] = ["TEE", "MUG", "", "TWIN"].map(|sku| world.sell(sku));
    world.sell("TWIN");
    world.shop.with(|store, _| {
        for other in 0..OTHERS {
            store.add_product(&format!("OTHER-{other}"), 100);
        }
    });
    let places = format!("places = {{ {} = [\"reno\"] }}", world.reno);
    let server = world.start(&places).await;
    stock(&server, None, &[("TEE", 10), ("MUG", 60), ("TWIN", 10)]).await;
    let six = json!({"sku": "MUG", "multiplier": 6});
    let by_hand = format!("/v1/channels/shop/listings/{}", mug.variant);
    server.done("PUT", &by_hand, six).await;

    let count = |document: &Value| {
        let fields = [
            "mapped",
            "known",
            "conflicts",
            "without_sku",
            "unknown_sku",
            "repeated_sku",
        ];
        fields.map(|field| document[field].as_u64().unwrap())
    };
    let preview = world.done(&PREVIEW);
    assert_eq!(count(&preview), [1, 0, 1, 1, OTHERS, 2], "{preview}");
    let items = preview["items"].as_array().unwrap();
    assert_eq!(items.len() as u64, 5 + OTHERS);
    let tee_listing = format!("/v1/channels/shop/listings/{}", tee.variant);
    assert_eq!(server.call("GET", &tee_listing, None).await.0, 404);

    let done = world.done(&IMPORT);
    assert_eq!(
        (count(&done), &done["items"]),
        (count(&preview), &preview["items"])
    );
    for listing in [
        tee.variant.to_string(),
        format!("inventory_item:{}", tee.item),
    ] {
        let mapped = server
            .get(&format!("/v1/channels/shop/listings/{listing}"))
            .await;
        assert_eq!(
            (&mapped["sku"], &mapped["multiplier"]),
            (&json!("TEE"), &json!(1))
        );
    }
    let again = world.done(&IMPORT);
    assert_eq!(count(&again), [0, 1, 1, 1, OTHERS, 2], "{again}");
    let kept = server.get(&by_hand).await;
    assert_eq!(kept["multiplier"], 6, "{kept}");

    world.says_what_to_do([&tee, &mug, &none, &twin]);

    world.done(&["channel", "publish", "--channel", "shop"]);
    until("what is mapped is shown", async || {
        world.shown(&tee) == Some(10)
    })
    .await;
    assert_eq!(
        [&mug, &none, &twin].map(|one| world.shown(one)),
        [Some(99); 3]
    );
    only_stock_is_a_number(&server).await;
}

/// Variants are what orders name, and no numbers.
async fn only_stock_is_a_number(server: &Server) {
    let numbers = server.get("/v1/channels/shop/numbers").await;
    let numbers = numbers["items"].as_array().unwrap();
    assert!(!numbers.is_empty());
    for number in numbers {
        let listing = number["listing"].as_str().unwrap();
        assert!(listing.starts_with("inventory_item:"), "{listing}");
    }
}

/// A shop that cannot be read says so at once, and what to look at.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_cannot_be_read_says_what_to_do() {
    let mut world = World::new().await;
    std::fs::write(world.setup.dir.path().join("shop-token"), "another-token").unwrap();
    let server = world.start("").await;
    let places = ["channel", "places", "--channel", "shop"];
    for command in [&IMPORT[..], &places] {
        let told = world.fails(command);
        for part in [
            "status 401",
            "the token is not valid",
            "[channels.shop.publish]",
            "channel_failed",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
    let import = ["listing", "import", "--channel", "api"];
    let told = world.fails(&import);
    assert!(
        told.contains("[channels.api.publish]") && told.contains("unsupported"),
        "{told}"
    );
    drop(server);
    // A port that no server of any test is given.
    world.url = "http://127.0.0.1:1".to_owned();
    let _server = world.start("").await;
    let told = world.fails(&IMPORT);
    for part in ["the shop cannot be reached", "[channels.shop.publish]"] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

/// All variants of a large shop are mapped; how long that takes, and how much memory the server has used for it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: run by hand"]
async fn fifty_thousand_variants_are_imported() {
    const MANY: usize = 50_000;
    let mut world = World::new().await;
    let mut skus = "sku,title\n".to_owned();
    for number in 0..MANY {
        world.sell(&format!("SKU-{number}"));
        skus += &format!("SKU-{number},Thing {number}\n");
    }
    let server = world.start("").await;
    let file = world.setup.dir.path().join("skus.csv");
    std::fs::write(&file, skus).unwrap();
    let import = ["import", "skus", file.to_str().unwrap()];
    let (code, out, error) = world.setup.crossdock(&import);
    assert_eq!(code, 0, "{out}{error}");
    for round in ["new", "known"] {
        let began = std::time::Instant::now();
        let (code, out, error) = world.setup.crossdock(&IMPORT);
        assert_eq!((code, out.lines().count()), (0, 1 + MANY), "{error}");
        println!("{MANY} {round} variants: {:?}", began.elapsed());
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let most = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("memory of the server: {}", most.unwrap());
}
