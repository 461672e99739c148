//! The one clock: an anchor plus monotonic progress, so that no deadline sees the wall clock jump. Every wait and
//! time-out of the node runs on it, so that tests stop time or let it fly. What paces the disk and the end of the
//! process runs on the machine's own.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration as Wait, SystemTime, UNIX_EPOCH};

use crossdock_journal::{Journal, JournalError};
use crossdock_model::{Duration, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

/// A wait.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Where `now` comes from. Every wait, budget and time-out asks the same clock.
pub trait Clock: Send + Sync + Debug {
    /// The present time; never falls.
    fn now(&self) -> Timestamp;

    /// Ends when this time has come.
    fn sleep_until(&self, at: Timestamp) -> Sleep<'_>;

    /// Ends after this time.
    fn sleep(&self, time: Duration) -> Sleep<'_> {
        self.sleep_until(self.now() + time)
    }

    /// How far it is ahead of the wall clock, in milliseconds.
    fn ahead_ms(&self) -> i64 {
        0
    }
}

/// What a future comes to, or `None` when it takes longer than this.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        // What has come counts, also in the last moment.
        biased;
        done = future => Some(done),
        () = clock.sleep(limit) => None,
    }
}

/// The time of the newest record in a journal. A clock that is behind it would let what has run out live again.
///
/// # Errors
/// [`JournalError`] when the journal cannot be read.
pub fn last_commit_at(journal: &dyn Journal) -> Result<Option<Timestamp>, JournalError> {
    let mut last = None;
    for (shard, seq) in journal.tails()? {
        let newest = journal.read(shard, seq - 1, 1)?;
        last = last.max(newest.last().map(|stored| stored.at));
    }
    Ok(last)
}

/// Largest correction per second of progress, in milliseconds: a wall-clock step is slewed, not followed.
const SLEW_MS_PER_S_MAX: i64 = 5;
/// A step of the wall clock larger than this is alarmed, in milliseconds.
const STEP_ALARM_MS: i64 = 500;

/// How long the anchor holds, in milliseconds.
const ANCHORED_MS: i64 = 1_000;

/// Anchored on the wall clock at start, or on the journal where that is ahead, and advanced by `CLOCK_BOOTTIME`, which
/// also counts suspended time.
#[derive(Debug)]
pub struct RealClock(Anchored);

impl Default for RealClock {
    fn default() -> Self {
        Self::anchored(None)
    }
}

impl RealClock {
    /// A clock that is not behind what is recorded. Should it be ahead of the wall clock, it falls back slowly.
    #[must_use]
    pub fn anchored(recorded: Option<Timestamp>) -> Self {
        Self(Anchored::new(recorded, wall_ms(), boot_ms()))
    }
}

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        self.0.now(wall_ms, boot_ms())
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep<'_> {
        Box::pin(async move {
            // The clock may run a little slower than the machine's while it is corrected.
            while let left @ 1.. = at.since(self.now()).as_ms() {
                tokio::time::sleep(Wait::from_millis(left)).await;
            }
        })
    }

    fn ahead_ms(&self) -> i64 {
        self.now().as_ms() - wall_ms()
    }
}

/// What time it is, given what the wall clock and the boot clock say: a simulator sets both.
#[derive(Debug)]
pub struct Anchored {
    anchor: Mutex<Anchor>,
    /// How far time is ahead of the boot clock, by the anchor: every command asks for the time, on every core.
    ahead_of_boot_ms: AtomicI64,
    /// When that is to be corrected, by the boot clock.
    correct_at_ms: AtomicI64,
    last_ms: AtomicI64,
}

impl Anchored {
    /// Not behind what is recorded.
    #[must_use]
    pub fn new(recorded: Option<Timestamp>, wall_ms: i64, boot_ms: i64) -> Self {
        let now_ms = recorded.map_or(wall_ms, |at| at.as_ms().max(wall_ms));
        let mut anchor = Anchor {
            now_ms,
            boot_ms,
            alarmed: false,
        };
        anchor.alarm(wall_ms - now_ms);
        Self {
            last_ms: AtomicI64::new(now_ms),
            ahead_of_boot_ms: AtomicI64::new(now_ms - boot_ms),
            correct_at_ms: AtomicI64::new(boot_ms + ANCHORED_MS),
            anchor: Mutex::new(anchor),
        }
    }

    /// The present, which never falls. The wall clock is read now and then only.
    pub fn now(&self, wall_ms: impl FnOnce() -> i64, boot_ms: i64) -> Timestamp {
        if boot_ms >= self.correct_at_ms.load(Ordering::Relaxed) {
            self.correct(wall_ms, boot_ms);
        }
        let now = boot_ms + self.ahead_of_boot_ms.load(Ordering::Relaxed);
        match self.last_ms.load(Ordering::Relaxed) {
            last if last >= now => Timestamp::from_ms(last),
            _ => Timestamp::from_ms(self.last_ms.fetch_max(now, Ordering::Relaxed).max(now)),
        }
    }

    /// Moves the anchor towards the wall clock, if nobody else has done so meanwhile.
    fn correct(&self, wall_ms: impl FnOnce() -> i64, boot_ms: i64) {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = boot_ms - anchor.boot_ms;
        if passed < ANCHORED_MS {
            return;
        }
        let mut now = anchor.now_ms + passed;
        now += anchor.slew(wall_ms() - now, passed);
        (anchor.now_ms, anchor.boot_ms) = (now, boot_ms);
        self.ahead_of_boot_ms
            .store(now - boot_ms, Ordering::Relaxed);
        self.correct_at_ms
            .store(boot_ms + ANCHORED_MS, Ordering::Relaxed);
    }
}

/// A time that was right once, and what the boot clock said then.
#[derive(Debug)]
struct Anchor {
    now_ms: i64,
    boot_ms: i64,
    alarmed: bool,
}

impl Anchor {
    /// The correction towards the wall clock for the time that passed, in milliseconds.
    fn slew(&mut self, off_ms: i64, passed_ms: i64) -> i64 {
        self.alarm(off_ms);
        let most = passed_ms * SLEW_MS_PER_S_MAX / 1000;
        off_ms.clamp(-most, most)
    }

    fn alarm(&mut self, off_ms: i64) {
        let large = off_ms.abs() >= STEP_ALARM_MS;
        if large && !self.alarmed {
            tracing::warn!(
                off_ms,
                "the wall clock stepped; deadlines follow slowly. Check time synchronisation"
            );
        }
        self.alarmed = large;
    }
}

/// By way of the C library, where tests can step it; the other clock comes straight from the kernel.
fn wall_ms() -> i64 {
    let ms = |since: Wait| i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => ms(since),
        Err(before) => -ms(before.duration()),
    }
}

fn boot_ms() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// Stands still until it is told to go on.
#[derive(Debug)]
pub struct PausedClock(watch::Sender<Timestamp>);

impl PausedClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(watch::Sender::new(now))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = *now + by);
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep<'_> {
        let mut told = self.0.subscribe();
        Box::pin(async move {
            // Its sender is this clock, which the wait borrows.
            let _ = told.wait_for(|now| *now >= at).await;
        })
    }
}

/// Runs some times as fast as the machine's own clock.
#[derive(Debug)]
pub struct FastClock {
    began: Timestamp,
    boot_ms: i64,
    times: u32,
}

impl FastClock {
    /// A clock that begins at `now`.
    #[must_use]
    pub fn new(now: Timestamp, times: u32) -> Self {
        Self {
            began: now,
            boot_ms: boot_ms(),
            times,
        }
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let passed = u64::try_from(boot_ms() - self.boot_ms).unwrap_or(0);
        self.began + Duration::from_ms(passed * u64::from(self.times))
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep<'_> {
        Box::pin(async move {
            while let left @ 1.. = at.since(self.now()).as_ms() {
                let left = left.div_ceil(u64::from(self.times.max(1)));
                tokio::time::sleep(Wait::from_millis(left)).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_is_slewed() {
        let mut anchor = Anchor {
            now_ms: 0,
            boot_ms: 0,
            alarmed: false,
        };
        assert_eq!(anchor.slew(3_600_000, 2_000), 10);
        assert!(anchor.alarmed);
        assert_eq!(anchor.slew(-3_600_000, 1_000), -5);
        assert_eq!(anchor.slew(3, 1_000), 3);
        assert!(!anchor.alarmed);
    }

    /// An hour forward and back again: time goes on at its pace, a little faster and slower.
    #[test]
    fn a_step_of_the_wall_clock_moves_time_by_little() {
        let anchored = Anchored::new(Some(Timestamp::from_ms(5_000)), 0, 0);
        let now = |ahead_ms: i64, boot_ms: i64| {
            let wall = || boot_ms + ahead_ms;
            anchored.now(wall, boot_ms).as_ms()
        };
        assert_eq!(now(0, 500), 5_500, "it is ahead by what is recorded");
        assert_eq!(now(3_600_000, 2_000), 7_010);
        assert_eq!(now(3_600_000, 12_000), 17_060);
        assert_eq!(now(-3_600_000, 22_000), 27_010);
        assert_eq!(now(-3_600_000, 22_000), 27_010);
    }

    #[test]
    fn time_never_falls() {
        let clock = RealClock::default();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn a_clock_is_not_behind_what_is_recorded() {
        let wall = RealClock::default();
        let hour = Duration::from_minutes(60);
        for (recorded, ahead_ms) in [(wall.now() + hour, 3_600_000), (Timestamp::default(), 0)] {
            let clock = RealClock::anchored(Some(recorded));
            assert!(clock.now() >= recorded);
            assert!((clock.ahead_ms() - ahead_ms).abs() < 1_000);
        }
    }

    #[tokio::test]
    async fn waits_end_when_a_paused_clock_is_told_to_go_on() {
        let clock = Arc::new(PausedClock::new(Timestamp::default()));
        let waiting = {
            let clock = Arc::clone(&clock);
            tokio::spawn(async move {
                let never = std::future::pending::<()>();
                within(&*clock, Duration::from_minutes(1), never).await
            })
        };
        tokio::task::yield_now().await;
        clock.advance(Duration::from_s(59));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(Duration::from_s(1));
        assert_eq!(waiting.await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_hour_passes_in_a_moment_on_a_fast_clock() {
        let began = std::time::Instant::now();
        let clock = FastClock::new(Timestamp::default(), 100_000);
        clock.sleep(Duration::from_minutes(60)).await;
        assert!(clock.now().as_ms() >= 3_600_000);
        assert!(began.elapsed() < Wait::from_secs(20));
    }
}
