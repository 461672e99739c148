//! Follows work that goes on in the server.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Client;
use super::exit::Outcome;

/// First pause between two looks at how far it is, doubled with each.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Longest pause between two looks.
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(1);
/// How often progress is told.
const TELL_AGAIN: Duration = Duration::from_secs(2);

/// Asks how far it is until it is none of these states any more, and tells so now and then.
pub(crate) async fn follow(
    client: &Client,
    path: &[&str],
    running: &[&str],
    tell: impl Fn(&Value),
) -> Outcome<Value> {
    let (mut pause, mut told) = (LOOK_AGAIN, Instant::now());
    loop {
        let document = client.get(path).await?;
        let state = document["state"].as_str().unwrap_or_default();
        if !running.contains(&state) {
            return Ok(document);
        }
        if told.elapsed() >= TELL_AGAIN {
            tell(&document);
            told = Instant::now();
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_AGAIN_MAX);
    }
}
