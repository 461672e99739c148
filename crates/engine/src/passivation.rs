//! Which live entities become passive.

use crossdock_model::{Duration, Timestamp};

/// An entity that nobody asked for so long becomes passive.
pub const IDLE: Duration = Duration::from_s(120);
/// One that lives so long is brought to life anew once nobody has asked it for [`QUIET`]: what grew message by message lies among
/// what is gone, and what is read at once lies together.
pub const LIFE_MAX: Duration = Duration::from_minutes(10);
/// Not longer, as a bucket whose numbers are looked at again is asked every second.
pub const QUIET: Duration = Duration::from_ms(500);
/// Of those so many at a time, as they came to life together; and how long it is the turn of these: one that changed is
/// checkpointed first. Some may not be able to go, and keep the others from nothing.
const RENEWED_MAX: usize = 8;
const RENEWED_FOR: Duration = Duration::from_s(3);
/// Records of a shard that are not covered by checkpoints before its oldest entities are asked for some.
pub const UNCOVERED_RECORDS_MAX: u64 = 4096;
/// Checkpoints asked for at a time.
pub const CHECKPOINTS_MAX: usize = 512;

/// A live entity, as far as it matters for who becomes passive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live<T> {
    /// When it was last asked.
    pub used_at: Timestamp,
    /// When it came to life.
    pub born_at: Timestamp,
    /// Which.
    pub one: T,
}

/// Of all live entities those that nobody asks any more, old ones that are quiet, and of those beyond `live_max` the ones that
/// were not asked for longest.
#[must_use]
pub fn who_goes<T>(mut live: Vec<Live<T>>, live_max: usize, now: Timestamp) -> Vec<T> {
    let over = live.len().saturating_sub(live_max);
    if (1..live.len()).contains(&over) {
        live.select_nth_unstable_by_key(over, |live| live.used_at);
    }
    let (mut goes, mut old) = (Vec::new(), Vec::new());
    for (rank, live) in live.into_iter().enumerate() {
        let unasked = now.since(live.used_at);
        if rank < over || unasked >= IDLE {
            goes.push(live.one);
        } else if now.since(live.born_at) >= LIFE_MAX && unasked >= QUIET {
            old.push(live.one);
        }
    }
    let turns = old.len().div_ceil(RENEWED_MAX).max(1) as u64;
    let turn = now.since(Timestamp::default()).as_ms() / RENEWED_FOR.as_ms() % turns;
    let first = usize::try_from(turn).unwrap_or(0) * RENEWED_MAX;
    goes.extend(old.into_iter().skip(first).take(RENEWED_MAX));
    goes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_and_the_old_go_and_of_too_many_the_longest_unasked() {
        let now = Timestamp::from_ms(1_000_000);
        let ago = |ms, is_old, one| Live {
            used_at: now - Duration::from_ms(ms),
            born_at: match is_old {
                true => now - LIFE_MAX,
                false => now - Duration::from_ms(LIFE_MAX.as_ms() - 1),
            },
            one,
        };
        let live = || {
            vec![
                ago(499, true, 'a'),
                ago(120_000, false, 'b'),
                ago(119_999, false, 'c'),
                ago(500, true, 'd'),
                ago(498, false, 'e'),
            ]
        };
        let table = [
            (10, "bd"),
            (5, "bd"),
            (4, "bd"),
            (3, "bcd"),
            (2, "bcd"),
            (1, "abcd"),
            (0, "abcde"),
        ];
        for (live_max, goes) in table {
            let mut went = who_goes(live(), live_max, now);
            went.sort_unstable();
            assert!(
                went.iter().copied().eq(goes.chars()),
                "{live_max}: {went:?}"
            );
        }
        let mut renewed = String::new();
        for turn in 0..4 {
            let now = now + Duration::from_ms(turn * RENEWED_FOR.as_ms());
            let old = ('a'..='z').map(|one| Live {
                used_at: now - QUIET,
                born_at: now - LIFE_MAX,
                one,
            });
            renewed.extend(who_goes(old.collect(), 100, now));
        }
        let mut all: Vec<char> = renewed.chars().collect();
        all.sort_unstable();
        assert!(
            all.into_iter().eq('a'..='z'),
            "each has its turn: {renewed}"
        );
    }
}
