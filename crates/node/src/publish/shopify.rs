//! Publishers of the configured Shopify shops.

use std::sync::{Arc, Mutex};

use anyhow::Context;
use crossdock_channels::Secret;
use crossdock_channels::shopify::admin::{Admin, AdminOptions, NUMBERS_MAX};
use crossdock_model::ChannelId;
use crossdock_runtime::{Budget, Clock, DeskLimits};

use super::{Publisher, Publishers};
use crate::config::Config;

/// Points that setting or reading numbers costs.
const CALL_POINTS: u32 = 10;
/// Seconds of points that a shop's bucket holds.
const BUCKET_S: u32 = 20;
/// Calls to one shop under way at most.
const CALLS_MAX: usize = 4;

/// A publisher for every channel that something is published to.
///
/// # Errors
/// When a token is missing, or a shop cannot be called.
pub fn publishers(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Publishers> {
    let mut all = Vec::new();
    for (name, channel) in &config.channels {
        let Some(publish) = &channel.publish else {
            continue;
        };
        let token = publish.token.read().map_err(anyhow::Error::msg);
        let token = token.with_context(|| format!("channels.{name}.publish.token"))?;
        let options = AdminOptions::new(&publish.url, Secret::new(token));
        let admin = Admin::new(&options).with_context(|| format!("channels.{name}.publish"))?;
        let burst = publish.points_per_s.saturating_mul(BUCKET_S);
        let budget = Budget::new(publish.points_per_s, burst, clock.now());
        let limits = DeskLimits {
            batch_max: NUMBERS_MAX,
            calls_max: CALLS_MAX,
            cost: CALL_POINTS,
        };
        all.push(Arc::new(Publisher::new(
            ChannelId::checked(name)?,
            Arc::new(admin),
            Arc::clone(clock),
            limits,
            Arc::new(Mutex::new(budget)),
        )));
    }
    Ok(Publishers::new(all))
}
