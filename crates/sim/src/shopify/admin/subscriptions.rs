//! Whom the shop tells of what.

use crossdock_model::Timestamp;
use serde_json::{Value, json};

use super::{Carried, user_error};
use crate::shopify::graphql::Field;
use crate::shopify::store::Store;
use crate::shopify::wire::gid;

pub(super) fn list(store: &mut Store, _field: &Field, _now: Timestamp) -> Carried {
    let subscriptions = store.subscriptions.iter().map(|(id, subscription)| {
        json!({
            "id": gid("WebhookSubscription", *id), "uri": subscription.url,
            "topic": subscription.topic.replace('/', "_").to_uppercase(),
        })
    });
    Ok(super::list(subscriptions))
}

pub(super) fn create(store: &mut Store, field: &Field, _now: Timestamp) -> Carried {
    let topic = field.argument("topic").as_str().unwrap_or_default();
    // `ORDERS_CREATE`, `INVENTORY_LEVELS_UPDATE`: what happened is the last word, but for one topic of two.
    let cut = topic
        .strip_suffix("_PARTIALLY_FULFILLED")
        .map_or_else(|| topic.rfind('_'), |begin| Some(begin.len()));
    let topic = cut.map(|at| format!("{}/{}", &topic[..at], &topic[at + 1..]).to_lowercase());
    let url = field.argument("webhookSubscription")["uri"].as_str();
    let (Some(topic), Some(url)) = (topic, url) else {
        let error = user_error("", &["webhookSubscription"], "Address can't be blank");
        return Ok(json!({ "webhookSubscription": null, "userErrors": [error] }));
    };
    if store.refused_topics.contains(&topic) {
        let refused = "The app is missing a scope for this topic";
        let error = user_error("", &["topic"], refused);
        return Ok(json!({ "webhookSubscription": null, "userErrors": [error] }));
    }
    let mut known = store.subscriptions.values();
    if known.any(|one| one.topic == topic && one.url == url) {
        let taken = "Address for this topic has already been taken";
        let error = user_error("", &["webhookSubscription", "uri"], taken);
        return Ok(json!({ "webhookSubscription": null, "userErrors": [error] }));
    }
    let id = store.subscribe(&topic, url);
    let made: Value = json!({ "id": gid("WebhookSubscription", id) });
    Ok(json!({ "webhookSubscription": made, "userErrors": [] }))
}
