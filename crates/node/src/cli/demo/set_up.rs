//! How a scene is set up: locations, what is sold, what lies on the shelves, what is listed where.

use std::sync::Arc;

use anyhow::Context;
use crossdock_channels::{Secret, shopify};
use crossdock_runtime::Clock;
use crossdock_sim::Dice;
use crossdock_sim::shopify::Shop;
use crossdock_sim::world::{Door, Manner, Mishap, Open, Warehouse, WorkPace};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::client::{Client, random_key};
use super::super::exit::{Failure, Outcome};
use super::market::{MARKET, Stand};
use super::scene::{Goods, SHOP, listener};
use super::supply;

/// Where goods lie: name, state, latitude and longitude.
pub(super) const LOCATIONS: [(&str, &str, f64, f64); 3] = [
    ("reno", "NV", 39.53, -119.81),
    ("tulsa", "OK", 36.15, -95.99),
    ("york", "PA", 39.96, -76.73),
];
/// Things that are set up at once.
const SET_UP_AT_ONCE: usize = 16;
/// Things that nobody asks for, in a warehouse: so many that a seller's numbers of them go in a feed.
const CATALOGUE: usize = 1_200;
/// Units of each of them.
const CATALOGUE_UNITS: u32 = 4;

/// What happens in the warehouses, how often.
fn manner() -> Manner {
    let often = [
        (Mishap::Unheard, 0.02),
        (Mishap::Slow, 0.01),
        (Mishap::Rejected, 0.01),
        (Mishap::ShortPicked, 0.01),
        (Mishap::Late, 0.02),
        (Mishap::Parcels, 0.3),
    ];
    Manner {
        pace: WorkPace::BRISK,
        chances: often.into(),
    }
}

pub(super) async fn put(client: &Client, path: &[&str], body: &Value) -> Outcome {
    let call = client.call(Method::PUT, path).json(body);
    client.run(call.key(&random_key()?)).await.map(drop)
}

/// What everything is set up on.
pub(super) struct Ground<'a> {
    pub client: &'a Client,
    pub door: &'a Door,
    pub clock: &'a Arc<dyn Clock>,
    /// What is sent to warehouses is signed with it.
    pub secret: &'a str,
    pub goods: &'a [Goods],
}

impl Ground<'_> {
    /// Sets up everything that shoppers need. Warehouses take requests until what is returned is dropped.
    pub(super) async fn set_up(
        &self,
        (shop, place): (&Arc<Shop>, u64),
        stand: &Stand,
        dice: &mut Dice,
    ) -> Outcome<(Vec<Arc<Warehouse>>, Vec<Open>)> {
        let (warehouses, open) = self.warehouses(dice).await?;
        fill(self.client, &warehouses, self.goods).await?;
        publish(self.client).await?;
        stand.publish(self.client, self.goods).await?;
        shown(shop, place, self.goods, &warehouses).await?;
        Ok((warehouses, open))
    }

    /// Opens the warehouses, and tells the server where they are.
    async fn warehouses(&self, dice: &mut Dice) -> Outcome<(Vec<Arc<Warehouse>>, Vec<Open>)> {
        let (mut warehouses, mut all_open) = (Vec::new(), Vec::new());
        for (location, state, latitude, longitude) in LOCATIONS {
            let (secret, door) = (Secret::new(self.secret), self.door.clone());
            let (clock, chance) = (Arc::clone(self.clock), Dice::new(dice.bits()));
            let warehouse = Warehouse::new(location, secret, door, clock, manner(), chance);
            let open = warehouse
                .open(listener("127.0.0.1:0").await?)
                .context("a warehouse")?;
            let facts = json!({
                "name": location, "time_zone": "UTC", "country": "US", "state": state,
                "latitude": latitude, "longitude": longitude,
                "webhook_url": open.url(), "webhook_secret": "warehouses", "acknowledge_within_minutes": 60,
            });
            put(self.client, &["v1", "locations", location], &facts).await?;
            warehouses.push(warehouse);
            all_open.push(open);
        }
        Ok((warehouses, all_open))
    }
}

/// Defines what is sold, maps the shop's listings to it, and puts goods on the shelves.
async fn fill(client: &Client, warehouses: &[Arc<Warehouse>], goods: &[Goods]) -> Outcome {
    for some in goods.chunks(SET_UP_AT_ONCE) {
        let mut tasks = JoinSet::new();
        for one in some.iter().cloned() {
            let (client, warehouses) = (client.clone(), warehouses.to_vec());
            tasks.spawn(async move {
                let path = ["v1", "skus", &one.sku];
                put(&client, &path, &json!({ "title": one.sku })).await?;
                let listing = format!("{}{}", shopify::COUNTED, one.product.item);
                let path = ["v1", "channels", SHOP, "listings", &listing];
                put(&client, &path, &json!({ "sku": one.sku })).await?;
                let units = supply::first_units(&one, warehouses.len());
                for warehouse in &warehouses {
                    warehouse.receive(&one.sku, units, "first").await;
                }
                Outcome::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| Failure::failed(format!("setting up: {error}")))??;
        }
    }
    Ok(())
}

/// The shop is published to from now on.
async fn publish(client: &Client) -> Outcome {
    let mode = json!({ "mode": "active" });
    let path = ["v1", "channels", SHOP, "mode"];
    client.post(&path, &mode).await.map(drop)
}

/// Waits until the shop shows what is on the shelves, and tells of what happens.
async fn shown(
    shop: &Arc<Shop>,
    place: u64,
    goods: &[Goods],
    warehouses: &[Arc<Warehouse>],
) -> Outcome {
    let on_shelves = |sku: &str| -> i64 {
        let units = warehouses
            .iter()
            .map(|one| one.with(|book| book.shelf.get(sku).copied()));
        units
            .map(|units| i64::from(units.unwrap_or_default()))
            .sum()
    };
    for _ in 0..600 {
        let is_shown = |one: &Goods| {
            let shown = shop.with(|store, _| store.available(one.product.item, place));
            shown == Some(on_shelves(&one.sku))
        };
        if goods.iter().all(is_shown) && shop.with(|store, _| store.subscribed()) > 0 {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(Failure::failed(
        "the shop does not show what there is after a minute",
    ))
}

/// The catalogue's things, as they are called everywhere.
pub(super) fn catalogue() -> impl Iterator<Item = String> {
    (1..=CATALOGUE).map(|number| format!("BOOK-{number:04}"))
}

/// The catalogue goes on sale at the seller's account while shoppers come, unless they are told to stop.
pub(super) async fn list_catalogue(
    client: Client,
    warehouses: Vec<Arc<Warehouse>>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(warehouse) = warehouses.first() else {
        return;
    };
    tokio::select! {
        listed = import_catalogue(&client, warehouse) => if let Err(failure) = listed {
            tracing::warn!(why = failure.what, "the catalogue is not listed");
        },
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// It lies in a warehouse, counted, and is listed under its own name.
async fn import_catalogue(client: &Client, warehouse: &Warehouse) -> Outcome {
    let location = warehouse.location();
    let table = |head: &str, row: &dyn Fn(&str) -> String| {
        let rows: Vec<String> = catalogue().map(|sku| row(&sku)).collect();
        format!("{head}\n{}\n", rows.join("\n"))
    };
    let skus = table("sku,title", &|sku| format!("{sku},{sku}"));
    let stock = table("sku,location,on_hand", &|sku| {
        format!("{sku},{location},{CATALOGUE_UNITS}")
    });
    let listings = table("listing,sku", &|sku| format!("{sku},{sku}"));
    import(client, "skus", None, skus).await?;
    import(client, "stock", None, stock).await?;
    catalogue().for_each(|sku| warehouse.stow(&sku, CATALOGUE_UNITS));
    import(client, "listings", Some(MARKET), listings).await
}

async fn import(client: &Client, kind: &str, channel: Option<&str>, table: String) -> Outcome {
    let call = client
        .call(Method::POST, &["v1", "imports", kind])
        .query("channel", channel)
        .key(&random_key()?)
        .body("text/csv", table.into_bytes())
        .long();
    let done = client.run(call).await?;
    match done["imported"] == done["lines"] {
        true => Ok(()),
        false => Err(Failure::failed(format!("setting up {kind}: {done}"))),
    }
}
