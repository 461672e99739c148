//! Webhooks: believed only when signed, stored before they are answered.

use axum::http::{Method, StatusCode};
use crossdock_channels::{Secret, shopify};
use crossdock_journal::{InboxState, Journal};
use crossdock_model::{ChannelId, ShardId};

use super::{Answer, SECRETS, Server};

const BODY: &[u8] = br#"{"id": 820982911946154508, "name": "1001"}"#;

impl Server {
    fn deliveries(&self) -> usize {
        let states = [InboxState::Open, InboxState::Parked, InboxState::Done];
        let counts = states.into_iter().flat_map(|state| {
            let shop = ChannelId::checked("shop").unwrap();
            let inbox = move |shard| self.journal.inbox(shard, state, &shop, 100, usize::MAX);
            ShardId::all().map(move |shard| inbox(shard).unwrap().len())
        });
        counts.sum()
    }

    async fn deliver(&self, channel: &str, event: &str, signature: &str, body: &[u8]) -> Answer {
        let mut call = self.anonymous(Method::POST, &format!("/webhooks/{channel}"));
        for (name, value) in [
            ("X-Shopify-Topic", "orders/create"),
            ("X-Shopify-Event-Id", event),
            ("X-Shopify-Hmac-SHA256", signature),
        ] {
            if !value.is_empty() {
                call = call.header(name, value);
            }
        }
        call.bytes(body).send().await
    }

    /// One as the shop sends it.
    pub(super) async fn deliver_signed(&self, event: &str) -> Answer {
        self.deliver("shop", event, &signed(SECRETS[0]), BODY).await
    }
}

fn signed(secret: &str) -> String {
    shopify::sign(&Secret::new(secret), BODY)
}

#[tokio::test]
async fn what_is_not_signed_is_not_stored() {
    let server = Server::start().await;
    let flipped = [BODY, b" "].concat();
    let right = signed(SECRETS[0]);
    let refused = [
        server.deliver("shop", "e1", "", BODY).await,
        server.deliver("shop", "e1", &signed("wrong"), BODY).await,
        server.deliver("shop", "e1", "not base64!", BODY).await,
        server.deliver("shop", "e1", &right, &flipped).await,
    ];
    for answer in refused {
        let seen = (answer.status, answer.code());
        assert_eq!(seen, (StatusCode::UNAUTHORIZED, "bad_signature".to_owned()));
    }
    for channel in ["nobody", "closed", "api"] {
        let answer = server.deliver(channel, "e1", &right, BODY).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{channel}");
    }
    let large = vec![b'x'; (1 << 20) + 1];
    let answer = server.deliver("shop", "e1", &right, &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(server.deliveries(), 0);
}

#[tokio::test]
async fn a_signed_delivery_is_stored_once() {
    let server = Server::start().await;
    for secret in [SECRETS[0], SECRETS[1], SECRETS[0]] {
        let answer = server.deliver("shop", "e1", &signed(secret), BODY).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
    }
    assert_eq!(server.deliveries(), 1);
    let answer = server
        .deliver("shop", "e2", &signed(SECRETS[1]), BODY)
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(server.deliveries(), 2);
    let figures = server.anonymous(Method::GET, "/metrics").send().await.text;
    for line in [
        "outcome=\"accepted\"} 2",
        "outcome=\"duplicate\"} 2",
        "crossdock_webhook_ack_seconds_count{channel=\"shop\"} 4",
    ] {
        assert!(figures.contains(line), "{line} in {figures}");
    }
}

/// Nobody who is not believed makes figures grow.
#[tokio::test]
async fn made_up_topics_and_channels_are_no_labels() {
    let server = Server::start().await;
    for channel in ["shop", "nobody"] {
        let call = server.anonymous(Method::POST, &format!("/webhooks/{channel}"));
        let call = call.header("X-Shopify-Topic", "made/up");
        call.header("X-Shopify-Hmac-SHA256", "AAAA").send().await;
    }
    let figures = server.anonymous(Method::GET, "/metrics").send().await.text;
    let counted = "channel=\"shop\",topic=\"other\",outcome=\"bad_signature\"} 1";
    assert!(figures.contains(counted), "{figures}");
    assert!(!figures.contains("made/up") && !figures.contains("nobody"));
}
