//! Which topics the shop tells us of. It deletes a subscription that does not answer: they are watched and made again.

use serde_json::json;

use super::{Admin, AdminError, accepted, next_page, payload};
use crate::shopify::TOPICS;

/// Pages of subscriptions that are read.
const PAGES_MAX: usize = 10;

pub(super) const LIST: &str = "query Subscriptions($after: String) {
  webhookSubscriptions(first: 100, after: $after) {
    nodes { topic uri }
    pageInfo { hasNextPage endCursor }
  }
}";

pub(super) const CREATE: &str = "mutation Subscribe(
  $topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!
) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}";

/// As the API writes a topic.
fn word(topic: &str) -> String {
    topic.replace('/', "_").to_ascii_uppercase()
}

impl Admin {
    /// Topics that are acted on and of which this URL is told. *Read*: may be repeated.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn subscribed(&self, url: &str) -> Result<Vec<&'static str>, AdminError> {
        let mut told = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let reply = self.page(LIST, json!({}), after.as_deref()).await?;
            let page = payload(&reply, "webhookSubscriptions")?;
            for node in page.list("nodes")? {
                let is_ours = node.text("uri").as_deref() == Some(url);
                told.extend(node.text("topic").filter(|_| is_ours));
            }
            after = next_page(&page)?;
            if after.is_none() {
                break;
            }
        }
        let topics = TOPICS.into_iter();
        Ok(topics.filter(|topic| told.contains(&word(topic))).collect())
    }

    /// Has this URL told of a topic. *Read before retry*: once done it is among [`Admin::subscribed`]; done twice, all
    /// is told twice, under one event id.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn subscribe(&self, topic: &str, url: &str) -> Result<(), AdminError> {
        let variables = json!({
            "topic": word(topic),
            "subscription": { "uri": url, "format": "JSON" },
        });
        let reply = self.call(CREATE, variables).await?;
        accepted(&reply, "webhookSubscriptionCreate", "userErrors").map(drop)
    }
}
