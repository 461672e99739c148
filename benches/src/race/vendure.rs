//! Vendure, by its shop API.

use std::path::Path;
use std::sync::Mutex;

use reqwest::Client;
use serde_json::{Value, json};

use super::{Kind, Target, Told, peer};

/// What every mutation here may be answered.
const ERROR: &str = "... on ErrorResult { errorCode message }";
const TOKEN: &str = "vendure-auth-token";

/// A server that `benches/peers/peers` started.
pub struct Vendure {
    url: String,
    version: String,
    catalogue: Value,
}

impl Vendure {
    pub fn find(peers: &Path) -> Option<Self> {
        let (url, catalogue) = peer::find(peers, "vendure")?;
        Some(Self {
            url: format!("{url}/shop-api"),
            version: peer::version(peers, "vendure", "@vendure/core"),
            catalogue,
        })
    }
}

/// A buyer's session, with an active order that only lacks its payment.
pub struct Session {
    http: Client,
    url: String,
    token: Mutex<String>,
}

impl Session {
    /// Sends a mutation of that name, which answers with an order or says what is wrong.
    async fn mutate(
        &self,
        name: &str,
        takes: &str,
        given: &str,
        input: Value,
    ) -> Result<Value, String> {
        let query = format!(
            "mutation({takes}) {{ {name}({given}) {{ __typename ... on Order {{ state }} {ERROR} }} }}"
        );
        let token = self.token.lock().unwrap().clone();
        let call = self.http.post(&self.url).bearer_auth(token);
        let call = call.json(&json!({ "query": query, "variables": input }));
        let answer = call.send().await.map_err(|error| error.to_string())?;
        if let Some(token) = answer.headers().get(TOKEN) {
            *self.token.lock().unwrap() = token.to_str().unwrap().to_owned();
        }
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        let said = |message: &Value| format!("{status}: {}", message.as_str().unwrap_or("-"));
        if body["errors"].is_array() {
            return Err(said(&body["errors"][0]["message"]));
        }
        let answered = &body["data"][name];
        match answered["errorCode"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(answered.clone()),
        }
    }
}

impl Target for Vendure {
    type Cart = Session;

    fn name(&self) -> String {
        format!("Vendure {}", self.version)
    }

    fn runs(&self, _: Kind) -> usize {
        peer::RUNS
    }

    /// Its catalogue has all that is raced for.
    async fn stock(&self, _: &[String], _: u32) {}

    async fn prepare(&self, buyer: String, basket: Vec<String>) -> Result<Session, String> {
        let session = Session {
            http: Client::builder().no_proxy().build().unwrap(),
            url: self.url.clone(),
            token: Mutex::default(),
        };
        for sku in basket {
            let variant = json!({ "variant": self.catalogue["variants"][&sku] });
            let given = "productVariantId: $variant, quantity: 1";
            session
                .mutate("addItemToOrder", "$variant: ID!", given, variant)
                .await?;
        }
        let customer = json!({ "input": {
            "firstName": "Ada", "lastName": "Lindqvist", "emailAddress": format!("{buyer}@example.com"),
        }});
        let takes = "$input: CreateCustomerInput!";
        session
            .mutate("setCustomerForOrder", takes, "input: $input", customer)
            .await?;
        let address = json!({ "input": {
            "fullName": "Ada Lindqvist", "streetLine1": "12 Example Street", "city": "Sparks",
            "postalCode": "89431", "countryCode": "US",
        }});
        let takes = "$input: CreateAddressInput!";
        session
            .mutate("setOrderShippingAddress", takes, "input: $input", address)
            .await?;
        let shipping = json!({ "id": [self.catalogue["shipping"]] });
        let given = "shippingMethodId: $id";
        session
            .mutate("setOrderShippingMethod", "$id: [ID!]!", given, shipping)
            .await?;
        let state = json!({ "state": "ArrangingPayment" });
        session
            .mutate(
                "transitionOrderToState",
                "$state: String!",
                "state: $state",
                state,
            )
            .await?;
        Ok(session)
    }

    async fn press(&self, session: &Session) -> Told {
        let payment = json!({ "input": { "method": "dummy", "metadata": {} } });
        let takes = "$input: PaymentInput!";
        match session
            .mutate("addPaymentToOrder", takes, "input: $input", payment)
            .await
        {
            Ok(order) => match order["state"].as_str() {
                Some("PaymentAuthorized" | "PaymentSettled") => Told::Sold,
                state => Told::Failed(format!("the order is {state:?}")),
            },
            Err(code) if code.contains("INSUFFICIENT_STOCK") => Told::SoldOut,
            Err(why) => Told::Failed(why),
        }
    }
}
