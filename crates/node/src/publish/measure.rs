//! Measures how far a channel is behind, for buffers that are as large as what others sell meanwhile.
//!
//! Only what must be lower is measured: raises wait for proof, and oversell nothing meanwhile. A longer lag is told to the
//! channel at once, a shorter one after it has held for a while, so that buffers do not change with every call.

use std::collections::VecDeque;
use std::sync::Arc;

use crossdock_model::command::ChannelCommand;
use crossdock_model::v1::MeasuredLag;
use crossdock_model::{Answer, Command, Duration, Timestamp};

use super::{Publisher, Spread, lock};

/// Changes that are measured together.
const PART: Duration = Duration::from_minutes(5);
/// What was measured longer ago says nothing any more.
const WINDOW: Duration = Duration::from_minutes(60);
/// Of fewer changes nobody knows the slowest hundredth.
const CHANGES_MIN: u64 = 30;
/// Share of the changes that are shown within the lag.
const SHARE: f64 = 0.99;
/// So long less must have been measured before less is reckoned with.
const HOLD: Duration = Duration::from_minutes(30);
/// Shortest lag that is reckoned with. Each one is half as long again as the one before.
const LAG_MIN: Duration = Duration::from_s(1);
/// Longest lag that is reckoned with.
const LAG_MAX: Duration = Duration::from_minutes(60);
/// Pause between two looks at what was measured.
const LOOK_EVERY: Duration = Duration::from_s(10);

/// What was measured of one channel.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    parts: VecDeque<(Timestamp, Spread)>,
    in_force: Option<MeasuredLag>,
    /// Since when less is measured than is reckoned with.
    less_since: Option<Timestamp>,
}

impl Gauge {
    /// A change was shown after that.
    pub fn observe(&mut self, lag: Duration, now: Timestamp) {
        let is_over = |(began, _): &(Timestamp, Spread)| *began + PART <= now;
        if self.parts.back().is_none_or(is_over) {
            self.parts.push_back((now, Spread::default()));
            self.forget(now);
        }
        if let Some((_, part)) = self.parts.back_mut() {
            part.observe(lag);
        }
    }

    fn forget(&mut self, now: Timestamp) {
        self.parts.retain(|(began, _)| *began + WINDOW > now);
    }

    /// Goes on from what is reckoned with.
    pub fn resume(&mut self, in_force: Option<MeasuredLag>) {
        self.in_force = in_force;
    }

    /// What is reckoned with from now on.
    pub fn judge(&mut self, now: Timestamp) -> Option<MeasuredLag> {
        self.forget(now);
        let measured = self.measured();
        if lag(measured.as_ref()) >= lag(self.in_force.as_ref()) {
            self.less_since = None;
        } else if now.since(*self.less_since.get_or_insert(now)) < HOLD {
            return self.in_force.clone();
        }
        if lag(measured.as_ref()) != lag(self.in_force.as_ref()) {
            self.in_force = measured;
            self.less_since = None;
        }
        self.in_force.clone()
    }

    /// What the window says, if it says anything.
    fn measured(&self) -> Option<MeasuredLag> {
        let parts = self.parts.iter();
        let all = parts.fold(Spread::default(), |all, (_, part)| all.and(part));
        let p99 = Duration::from_ms(all.quantile_ms(SHARE));
        (all.count() >= CHANGES_MIN).then(|| MeasuredLag {
            lag: step(p99),
            p99,
            changes: all.count(),
        })
    }
}

fn lag(measured: Option<&MeasuredLag>) -> Option<Duration> {
    measured.map(|measured| measured.lag)
}

/// The shortest lag reckoned with that is as long.
fn step(wanted: Duration) -> Duration {
    let mut step = LAG_MIN;
    while step < wanted && step < LAG_MAX {
        step = Duration::from_ms(step.as_ms() * 3 / 2);
    }
    step.min(LAG_MAX)
}

impl Publisher {
    /// A change made at `since` is shown now.
    pub(super) fn note_lag(&self, since: Timestamp, tells_lag: bool) {
        let now = self.clock.now();
        let lag = now.since(since);
        self.lags.observe(&self.link.channel, lag);
        if tells_lag {
            self.lags.observe_lowering(&self.link.channel, lag);
            lock(&self.gauge).observe(lag, now);
        }
    }

    /// Tells the channel how far it is behind, whenever that has changed; never ends.
    pub(super) async fn measure(self: Arc<Self>) {
        let mut told = self.resume().await;
        loop {
            self.clock.sleep(LOOK_EVERY).await;
            let measured = lock(&self.gauge).judge(self.clock.now());
            let lag = lag(measured.as_ref());
            if lag == told {
                continue;
            }
            let measure = Command::Channel(ChannelCommand::MeasureLag(measured));
            match self.ask_channel(measure).await {
                Ok(_) => told = lag,
                Err(error) => {
                    tracing::debug!(%error, "a measured lag was not taken; it is told again")
                }
            }
        }
    }

    /// Goes on from what the channel reckons with, once it is published to.
    async fn resume(&self) -> Option<Duration> {
        loop {
            if let Ok(Answer::Channel {
                publishing: Some(publishing),
                ..
            }) = self.ask_channel(Command::Read).await
            {
                let known = publishing.lag_measured;
                let lag = lag(known.as_ref());
                lock(&self.gauge).resume(known);
                return lag;
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_000_000);

    fn minute(minute: u64) -> Timestamp {
        START + Duration::from_minutes(minute)
    }

    /// So many changes, shown after so many seconds, at that minute.
    fn observe(gauge: &mut Gauge, changes: u64, lag_s: u64, at: u64) {
        for _ in 0..changes {
            gauge.observe(Duration::from_s(lag_s), minute(at));
        }
    }

    /// Milliseconds reckoned with at that minute; 0: nothing was measured.
    fn judged(gauge: &mut Gauge, at: u64) -> u64 {
        let judged = gauge.judge(minute(at));
        judged.map_or(0, |measured| measured.lag.as_ms())
    }

    #[test]
    fn a_lag_rises_at_once_and_falls_after_it_has_held() {
        let mut gauge = Gauge::default();
        // (at that minute, changes, the seconds they took, milliseconds reckoned with)
        let steps = [
            (0, 29, 1, 0),
            (0, 1, 1, 1_500),
            (1, 100, 4, 5_062),
            // One in a hundred may be slower.
            (2, 1, 3_000, 5_062),
            (3, 10, 60, 86_481),
            // It stays in what was measured for an hour, and what is less is believed half an hour later.
            (40, 30, 2, 86_481),
            (64, 30, 2, 86_481),
            (93, 30, 2, 86_481),
            (94, 0, 0, 2_250),
            // Of few nobody knows, and what was known long ago holds no longer.
            (160, 5, 600, 2_250),
            (190, 0, 0, 0),
        ];
        for (at, changes, lag_s, lag_ms) in steps {
            observe(&mut gauge, changes, lag_s, at);
            assert_eq!(judged(&mut gauge, at), lag_ms, "minute {at}");
        }
    }

    /// What is slow again in the meantime begins the wait anew.
    #[test]
    fn what_is_slow_now_and_then_does_not_fall() {
        let mut gauge = Gauge::default();
        observe(&mut gauge, 30, 60, 0);
        assert_eq!(judged(&mut gauge, 0), 86_481);
        observe(&mut gauge, 500, 1, 61);
        assert_eq!(judged(&mut gauge, 61), 86_481);
        observe(&mut gauge, 30, 60, 90);
        for at in [90, 100, 149] {
            assert_eq!(judged(&mut gauge, at), 86_481, "minute {at}");
        }
        assert_eq!(judged(&mut gauge, 151), 86_481, "it is fast from now on");
        assert_eq!(judged(&mut gauge, 181), 0);
    }

    /// After a restart nothing is measured yet: what is reckoned with stays for as long as after a channel has become fast.
    #[test]
    fn what_was_reckoned_with_goes_on_after_a_restart() {
        let mut gauge = Gauge::default();
        gauge.resume(Some(MeasuredLag {
            lag: Duration::from_ms(5_062),
            p99: Duration::from_s(4),
            changes: 131,
        }));
        assert_eq!(judged(&mut gauge, 0), 5_062);
        assert_eq!(judged(&mut gauge, 29), 5_062);
        assert_eq!(judged(&mut gauge, 30), 0);
    }

    #[test]
    fn no_lag_is_longer_than_an_hour() {
        let mut gauge = Gauge::default();
        observe(&mut gauge, 30, 100_000, 0);
        assert_eq!(judged(&mut gauge, 0), 3_600_000);
    }
}
