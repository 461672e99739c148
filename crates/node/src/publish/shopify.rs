//! Publishers of the configured Shopify shops.

use std::sync::{Arc, Mutex};

use anyhow::Context;
use crossdock_channels::Secret;
use crossdock_channels::shopify::admin::{Admin, AdminOptions, NUMBERS_MAX};
use crossdock_model::{ChannelId, Duration};
use crossdock_runtime::{Budget, Clock, DeskLimits};

use super::{Publisher, Publishers};
use crate::config::Config;

/// Points that setting numbers costs, however many.
const SET_POINTS: u32 = 13;
/// Points that reading one number costs.
const READ_POINTS: u32 = 3;
/// Numbers read in one call: with more, what is to be lowered would wait for the points of what is read.
const READS_MAX: usize = 50;
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
            cost: SET_POINTS,
            reads_max: READS_MAX,
            read_cost: READ_POINTS,
        };
        let publisher = Publisher::new(
            ChannelId::checked(name)?,
            Arc::new(admin),
            Arc::clone(clock),
            limits,
            Arc::new(Mutex::new(budget)),
        );
        let recheck_every = Duration::from_minutes(publish.recheck_minutes.into());
        all.push(Arc::new(publisher.rechecking(recheck_every)));
    }
    Ok(Publishers::new(all))
}
