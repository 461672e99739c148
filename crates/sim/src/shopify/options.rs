//! How a shop is.

use crossdock_model::Duration;

use super::budget::Rate;
use super::fault::Faults;
use super::outbox::Pace;

/// How a shop is.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Its domain, `example.myshopify.com`.
    pub domain: String,
    /// How much it may be asked.
    pub rate: Rate,
    /// How long after an order changed it is listed as changed.
    pub list_lag: Duration,
    /// How fast its webhooks come.
    pub pace: Pace,
    /// What goes wrong.
    pub faults: Faults,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            domain: "example.myshopify.com".to_owned(),
            rate: Rate::STANDARD,
            list_lag: Duration::default(),
            pace: Pace::REAL,
            faults: Faults::default(),
        }
    }
}
