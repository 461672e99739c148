//! How long changes of stock take until the channels show them: from the commit of the SKU's change to the channel's
//! confirmation of the write. What is raised waits for more than the channel: until its orders have been read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossdock_model::{ChannelId, Duration};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Steps of a quantile: each class of lags is so much wider than the one before.
const STEP: f64 = 1.05;
/// Classes of lags: the last begins after an hour.
const CLASSES: usize = 311;

type Label = [(&'static str, String); 1];

/// Lags of every channel.
#[derive(Debug)]
pub struct Lags {
    /// Of all changes.
    histograms: Family<Label, Histogram>,
    /// Of what was lowered.
    spreads: Mutex<BTreeMap<ChannelId, Spread>>,
}

/// Lags of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    classes: Vec<u64>,
    count: u64,
}

impl Default for Lags {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 20));
        Self {
            histograms: Family::new_with_constructor(seconds),
            spreads: Mutex::default(),
        }
    }
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            classes: vec![0; CLASSES],
            count: 0,
        }
    }
}

impl Lags {
    fn spreads(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Spread>> {
        self.spreads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A channel has confirmed a change that was committed so long ago.
    pub(super) fn observe(&self, channel: &ChannelId, lag: Duration) {
        let histogram = self
            .histograms
            .get_or_create_owned(&[("channel", channel.to_string())]);
        histogram.observe(lag.as_ms() as f64 / 1000.0);
    }

    /// What it has confirmed was lowered, and waited for nothing but the channel.
    pub(super) fn observe_lowering(&self, channel: &ChannelId, lag: Duration) {
        let mut spreads = self.spreads();
        spreads.entry(channel.clone()).or_default().observe(lag);
    }

    /// The lags of what was lowered on a channel so far.
    #[must_use]
    pub fn of(&self, channel: &ChannelId) -> Spread {
        self.spreads().get(channel).cloned().unwrap_or_default()
    }

    /// Registers the figures.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "crossdock_publish_lag",
            "Time from the commit of a change of stock to the channel's confirmation of the write",
            Unit::Seconds,
            self.histograms.clone(),
        );
    }
}

impl Spread {
    /// One more.
    pub(super) fn observe(&mut self, lag: Duration) {
        let ms = lag.as_ms();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "as saturates, and nothing is negative"
        )]
        let class = (libm::log(ms as f64 + 1.0) / libm::log(STEP)).ceil() as usize;
        self.classes[class.min(CLASSES - 1)] += 1;
        self.count += 1;
    }

    /// The lags of several channels together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (class, more) in self.classes.iter_mut().zip(&other.classes) {
            *class += more;
        }
        self.count += other.count;
        self
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Each class of them: the longest lag of it, in milliseconds and a twentieth too high at most, and how many there are.
    pub fn classes_ms(&self) -> impl Iterator<Item = (f64, u64)> {
        let classes = self.classes.iter().enumerate();
        classes.map(|(class, count)| (longest_ms(class), *count))
    }

    /// The lag that this share of them do not exceed, in milliseconds and a twentieth too high at most; 0 of none.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> u64 {
        let wanted = share * self.count as f64;
        let mut seen = 0;
        let mut classes = self.classes.iter();
        let class = classes.position(|count| {
            seen += count;
            seen as f64 >= wanted && seen > 0
        });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most an hour"
        )]
        let ms = class.map_or(0, |class| longest_ms(class).round() as u64);
        ms
    }
}

/// The longest lag of a class.
fn longest_ms(class: usize) -> f64 {
    libm::pow(STEP, class as f64) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_what_they_say() {
        let lags = Lags::default();
        let shop = ChannelId::new("shop").unwrap();
        assert_eq!(lags.of(&shop).quantile_ms(0.5), 0);
        (1..=1_000).for_each(|ms| lags.observe_lowering(&shop, Duration::from_ms(ms)));
        let spread = lags.of(&shop);
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0), (0.001, 1.0)] {
            let found = spread.quantile_ms(share) as f64;
            assert!((ms..=ms * 1.06).contains(&found), "{share}: {found}");
        }
        assert_eq!(spread.count(), 1_000);
        let hour = Duration::from_minutes(600);
        lags.observe_lowering(&ChannelId::new("away").unwrap(), hour);
        let away = lags.of(&ChannelId::new("away").unwrap());
        assert!(away.quantile_ms(0.5) > 3_500_000);
        assert_eq!(spread.and(&away).count(), 1_001);
    }
}
