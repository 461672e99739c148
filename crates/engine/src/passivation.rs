//! Which live entities become passive.

use crossdock_model::{Duration, Timestamp};

/// An entity that nobody asked for so long becomes passive.
pub const IDLE: Duration = Duration::from_s(120);
/// Records of a shard that are not covered by checkpoints before its oldest entities are asked for some.
pub const UNCOVERED_RECORDS_MAX: u64 = 4096;
/// Checkpoints asked for at a time.
pub const CHECKPOINTS_MAX: usize = 512;

/// Of all live entities, each with the time it was last asked: those that nobody asks any more, and of those beyond
/// `live_max` the ones that were not asked for longest.
#[must_use]
pub fn who_goes<T>(mut live: Vec<(Timestamp, T)>, live_max: usize, now: Timestamp) -> Vec<T> {
    let over = live.len().saturating_sub(live_max);
    if over > 0 {
        live.sort_by_key(|(used_at, _)| *used_at);
    }
    let goes = |(rank, (used_at, one)): (usize, (Timestamp, T))| {
        (rank < over || now.since(used_at) >= IDLE).then_some(one)
    };
    live.into_iter().enumerate().filter_map(goes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_go_and_of_too_many_the_longest_unasked() {
        let now = Timestamp::from_ms(1_000_000);
        let ago = |s| now - Duration::from_s(s);
        let live = || vec![(ago(3), 'a'), (ago(120), 'b'), (ago(7), 'c'), (ago(5), 'd')];
        let table = [
            (10, "b"),
            (4, "b"),
            (3, "b"),
            (2, "bc"),
            (1, "bcd"),
            (0, "bcda"),
        ];
        for (live_max, goes) in table {
            let went: String = who_goes(live(), live_max, now).into_iter().collect();
            assert_eq!(went, goes, "{live_max}");
        }
    }
}
