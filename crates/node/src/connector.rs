//! Tells locations what to do: by signed webhook, or by leaving it to be fetched.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crossdock_channels::warehouse::{HttpSender, RequestBody, message_id};
use crossdock_channels::{Buyer, Secret};
use crossdock_model::EntityId;
use crossdock_model::command::{Delivery, DeliveryKind};
use crossdock_model::v1;
use crossdock_runtime::{Connector, DeliverFuture, Handle, PersonState};

/// Delivers fulfilment requests.
pub struct Warehouses {
    sender: HttpSender,
    secrets: Arc<BTreeMap<String, Secret>>,
    /// Set once the node runs: the connector is made before it.
    handle: OnceLock<Handle>,
}

impl Warehouses {
    /// A connector with the secrets it may sign with, by name.
    #[must_use]
    pub fn new(sender: HttpSender, secrets: Arc<BTreeMap<String, Secret>>) -> Self {
        Self {
            sender,
            secrets,
            handle: OnceLock::new(),
        }
    }

    /// Gives it the door to the node: locations and the vault.
    pub fn connect(&self, handle: Handle) {
        // Connecting twice would be a second node in one process: the first stays.
        let _ = self.handle.set(handle);
    }
}

impl Connector for Warehouses {
    fn deliver(&self, delivery: Delivery) -> DeliverFuture {
        let (sender, secrets) = (self.sender.clone(), Arc::clone(&self.secrets));
        let handle = self.handle.get().cloned();
        Box::pin(async move {
            let handle = handle.ok_or("the node is still starting")?;
            deliver(&handle, &sender, &secrets, &delivery).await
        })
    }
}

async fn deliver(
    handle: &Handle,
    sender: &HttpSender,
    secrets: &BTreeMap<String, Secret>,
    delivery: &Delivery,
) -> Result<(), String> {
    let locations = handle.known_locations();
    let location = locations
        .iter()
        .find(|facts| facts.location == delivery.location);
    let location =
        location.ok_or_else(|| format!("location {} is not known", delivery.location))?;
    let (url, secret_name) = match &location.connector {
        // It lies ready: the location asks for its work.
        v1::Connector::Pull => return Ok(()),
        v1::Connector::Webhook { url, secret_name } => (url, secret_name),
    };
    let secret = secrets.get(secret_name).ok_or_else(|| {
        format!(
            "there is no secret {secret_name:?}: add [secrets.{secret_name}] to the configuration"
        )
    })?;
    let buyer = match delivery.kind {
        DeliveryKind::Fulfil => buyer(handle, delivery).await?,
        DeliveryKind::Cancel { .. } => None,
    };
    let body = serde_json::to_vec(&RequestBody::new(delivery, buyer.as_ref()))
        .map_err(|e| e.to_string())?;
    let sent = sender
        .send(url, secret, &message_id(delivery), handle.now(), body)
        .await;
    sent.map_err(|error| error.to_string())
}

async fn buyer(handle: &Handle, delivery: &Delivery) -> Result<Option<Buyer>, String> {
    let subject = EntityId::Order(delivery.order.clone()).to_string();
    let version = delivery.address_version;
    let read = handle.journal_read(move |journal| {
        Ok((journal.vault(&subject, version)?, journal.person(&subject)?))
    });
    match read.await.map_err(|e| e.to_string())? {
        (Some(entry), _) => Ok(Buyer::from_bytes(&entry.body)),
        (None, PersonState::Erased) => Ok(None),
        (None, _) if version == 0 => Ok(None),
        // A location that was told without it could send it nowhere.
        (None, _) => Err("its address is being replaced: told again in a moment".to_owned()),
    }
}
