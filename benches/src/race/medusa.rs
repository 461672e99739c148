//! Medusa, by its store API.

use std::path::Path;

use reqwest::Client;
use serde_json::{Value, json};

use super::{Kind, Target, Told, peer};

const KEY: &str = "x-publishable-api-key";
/// Letters that are told of a failure.
const MESSAGE_MAX: usize = 120;

/// A server that `benches/peers/peers` started.
pub struct Medusa {
    url: String,
    version: String,
    catalogue: Value,
    http: Client,
}

impl Medusa {
    pub fn find(peers: &Path) -> Option<Self> {
        let (url, catalogue) = peer::find(peers, "medusa")?;
        Some(Self {
            url: format!("{url}/store"),
            version: peer::version(peers, "medusa", "@medusajs/medusa"),
            catalogue,
            http: Client::builder().no_proxy().build().unwrap(),
        })
    }

    /// Posts, and gives what a success answers.
    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        let call = self.http.post(format!("{}/{path}", self.url));
        let key = self.catalogue["key"].as_str().unwrap_or_default();
        let answer = call.header(KEY, key).json(&body).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        // A cart that could not be completed is answered as a success that names the error.
        let error = match status.is_success() {
            true => body["error"]["message"].as_str(),
            false => Some(body["message"].as_str().unwrap_or("-")),
        };
        match error {
            Some(said) => Err(format!("{status}: {}", without_ids(said))),
            None => Ok(body),
        }
    }
}

/// What was said, cut before the first id in it.
fn without_ids(said: &str) -> String {
    let is_id = |word: &&str| word.contains("_01");
    let words: Vec<&str> = said.split(' ').take_while(|word| !is_id(word)).collect();
    words.join(" ").chars().take(MESSAGE_MAX).collect()
}

impl Target for Medusa {
    /// The cart's id.
    type Cart = String;

    fn name(&self) -> String {
        format!("Medusa {}", self.version)
    }

    fn runs(&self, _: Kind) -> usize {
        peer::RUNS
    }

    /// Its catalogue has all that is raced for.
    async fn stock(&self, _: &[String], _: u32) {}

    async fn prepare(&self, buyer: String, basket: Vec<String>) -> Result<String, String> {
        let item =
            |sku: &String| json!({ "variant_id": self.catalogue["variants"][sku], "quantity": 1 });
        let items: Vec<Value> = basket.iter().map(item).collect();
        let cart = json!({
            "region_id": self.catalogue["region"], "email": format!("{buyer}@example.com"), "items": items,
            "shipping_address": {
                "first_name": "Ada", "last_name": "Lindqvist", "address_1": "12 Example Street",
                "city": "Sparks", "postal_code": "89431", "country_code": "us",
            },
        });
        let created = self.post("carts", cart).await?;
        let id = created["cart"]["id"].as_str().ok_or("no cart")?.to_owned();
        let shipping = json!({ "option_id": self.catalogue["shipping"] });
        self.post(&format!("carts/{id}/shipping-methods"), shipping)
            .await?;
        let payment = self
            .post("payment-collections", json!({ "cart_id": id }))
            .await?;
        let payment = payment["payment_collection"]["id"]
            .as_str()
            .ok_or("no payment")?;
        let path = format!("payment-collections/{payment}/payment-sessions");
        self.post(&path, json!({ "provider_id": "pp_system_default" }))
            .await?;
        Ok(id)
    }

    async fn press(&self, cart: &String) -> Told {
        match self
            .post(&format!("carts/{cart}/complete"), json!({}))
            .await
        {
            Ok(done) if done["type"] == "order" => Told::Sold,
            Ok(other) => Told::Failed(format!("answered with {}", other["type"])),
            Err(why) if why.contains("not have the required inventory") => Told::SoldOut,
            Err(why) => Told::Failed(why),
        }
    }
}
