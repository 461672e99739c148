//! What a warehouse says it has: pages of counts, read from an address of its own.

use crossdock_model::{SkuId, Timestamp};
use serde::Deserialize;
use thiserror::Error;

use super::send::{HttpSender, SendError};
use crate::fields::timestamp;
use crate::inbound::Secret;

/// Bytes of a page at most.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// A page of counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountsPage {
    /// When they were counted, by the warehouse's clock.
    pub counted_at: Timestamp,
    /// Units of each SKU.
    pub counts: Vec<(SkuId, u32)>,
    /// Names the next page.
    pub next: Option<String>,
}

/// Why counts could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CountsError {
    /// There is no answer.
    #[error(transparent)]
    Unsent(#[from] SendError),
    /// The answer is not what it should be.
    #[error(
        "the answer is not {{\"counted_at\": \"2026-11-01T10:00:00Z\", \"items\": [{{\"sku\": \"TEE\", \"units\": 5}}], \
         \"next_cursor\": null}}: {0}"
    )]
    Unreadable(String),
}

#[derive(Deserialize)]
struct Body {
    counted_at: String,
    items: Vec<Item>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    sku: String,
    units: u32,
}

impl HttpSender {
    /// Reads a page of counts; the request is signed as a message without a body. *Read*: may be repeated.
    ///
    /// # Errors
    /// [`CountsError`], without secrets.
    pub async fn counts(
        &self,
        url: &str,
        secret: &Secret,
        id: &str,
        now: Timestamp,
        cursor: Option<&str>,
    ) -> Result<CountsPage, CountsError> {
        let body = self
            .fetch(url, secret, id, now, (cursor, PAGE_BYTES_MAX))
            .await?;
        read(&body)
    }
}

fn read(body: &[u8]) -> Result<CountsPage, CountsError> {
    let unreadable = |what: String| CountsError::Unreadable(what);
    let page: Body = serde_json::from_slice(body).map_err(|e| unreadable(e.to_string()))?;
    let counted_at = timestamp(&page.counted_at);
    let counted_at = counted_at.ok_or_else(|| unreadable("counted_at is no time".to_owned()))?;
    let count = |item: Item| match SkuId::new(item.sku) {
        Ok(sku) => Ok((sku, item.units)),
        Err(error) => Err(unreadable(error.to_string())),
    };
    let counts: Result<_, _> = page.items.into_iter().map(count).collect();
    Ok(CountsPage {
        counted_at,
        counts: counts?,
        next: page.next_cursor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_or_said_to_be_something_else() {
        let text = r#"{"counted_at":"2026-11-01T10:00:00Z","items":[{"sku":"TEE","units":5}],"next_cursor":"2"}"#;
        let page = read(text.as_bytes()).unwrap();
        assert_eq!(page.counts, [(SkuId::new("TEE").unwrap(), 5)]);
        assert_eq!(page.next.as_deref(), Some("2"));
        for wrong in [
            "[]",
            r#"{"counted_at":"soon","items":[]}"#,
            r#"{"counted_at":"2026-11-01T10:00:00Z","items":[{"sku":"TEE","units":-1}]}"#,
            r#"{"counted_at":"2026-11-01T10:00:00Z","items":[{"sku":"","units":1}]}"#,
        ] {
            let error = read(wrong.as_bytes()).unwrap_err();
            assert!(
                error.to_string().contains("next_cursor"),
                "{wrong}: {error}"
            );
        }
    }
}
