//! The budget of points that calls are paid from.

use crossdock_model::Timestamp;

/// Points at most, and how fast they come back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Points at most.
    pub maximum: f64,
    /// Points that come back in a second.
    pub restore_per_s: f64,
}

impl Rate {
    /// What a shop on the standard plan has.
    pub const STANDARD: Self = Self {
        maximum: 2000.0,
        restore_per_s: 100.0,
    };
}

/// What is left of a rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Points {
    rate: Rate,
    left: f64,
    at: Timestamp,
}

impl Points {
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            left: rate.maximum,
            at: Timestamp::default(),
        }
    }

    /// Whether there is enough for a call that may cost as much.
    pub fn has(&mut self, cost: f64, now: Timestamp) -> bool {
        let passed_s = now.since(self.at).as_ms() as f64 / 1000.0;
        self.at = self.at.max(now);
        self.left = (self.left + passed_s * self.rate.restore_per_s).min(self.rate.maximum);
        self.left >= cost
    }

    /// Pays what it did cost.
    pub fn pay(&mut self, cost: f64) {
        self.left -= cost;
    }

    pub fn left(&self) -> f64 {
        self.left
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_back_with_time() {
        let rate = Rate {
            maximum: 100.0,
            restore_per_s: 50.0,
        };
        let at = |ms: i64| Timestamp::from_ms(1_000_000 + ms);
        let mut points = Points::new(rate);
        assert!(points.has(80.0, at(0)));
        points.pay(80.0);
        assert!(!points.has(30.0, at(0)));
        assert!(points.has(30.0, at(200)));
        points.pay(30.0);
        assert!(
            points.has(100.0, at(60_000)),
            "never more than there are at most"
        );
        points.pay(100.0);
        assert!(!points.has(1.0, at(60_000)));
    }
}
