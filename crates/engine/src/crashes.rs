//! When a command or an entity is poison.

use std::collections::{BTreeMap, VecDeque};

use crossdock_model::{Duration, EntityId, Timestamp};

/// Crashes within [`CRASH_WINDOW`] that make a command or an entity poison.
pub const CRASHES_MAX: usize = 3;
/// How long a crash counts.
pub const CRASH_WINDOW: Duration = Duration::from_minutes(1);

/// Entities with crashes from which on those whose crashes do not count any more are forgotten.
const ENTITIES_SWEPT_AT: usize = 1024;

/// Hash of a command that crashed within a batch and could not be told from its neighbours: counts with any.
pub const UNKNOWN: u64 = 0;

/// What to do after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Recover and go on.
    Restart,
    /// This command crashes it again and again: put the command aside.
    QuarantineCommand,
    /// Several commands crash it: put the entity aside, and those commands that are known.
    QuarantineEntity {
        /// Hashes of the commands.
        commands: Vec<u64>,
    },
}

/// Crashes of entities, by the hash of the command they happened in.
#[derive(Debug, Default)]
pub struct Crashes {
    recent: BTreeMap<EntityId, VecDeque<(Timestamp, u64)>>,
}

impl Crashes {
    /// Counts a crash.
    pub fn record(&mut self, entity: &EntityId, command_hash: u64, now: Timestamp) -> Verdict {
        let counts = |crashes: &VecDeque<(Timestamp, u64)>| {
            let last = crashes.back();
            last.is_some_and(|(at, _)| now.since(*at) <= CRASH_WINDOW)
        };
        if self.recent.len() >= ENTITIES_SWEPT_AT {
            self.recent.retain(|_, crashes| counts(crashes));
        }
        let recent = self.recent.entry(entity.clone()).or_default();
        recent.push_back((now, command_hash));
        while recent
            .front()
            .is_some_and(|(at, _)| now.since(*at) > CRASH_WINDOW)
        {
            recent.pop_front();
        }
        let same = recent
            .iter()
            .filter(|(_, hash)| [command_hash, UNKNOWN].contains(hash))
            .count();
        if same >= CRASHES_MAX && command_hash != UNKNOWN {
            recent.retain(|(_, hash)| ![command_hash, UNKNOWN].contains(hash));
            return Verdict::QuarantineCommand;
        }
        if recent.len() >= CRASHES_MAX {
            let mut commands: Vec<u64> = recent.iter().map(|(_, hash)| *hash).collect();
            commands.retain(|hash| *hash != UNKNOWN);
            self.recent.remove(entity);
            return Verdict::QuarantineEntity { commands };
        }
        Verdict::Restart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashes_that_do_not_count_any_more_are_forgotten() {
        let mut known = Crashes::default();
        for number in 0..10_000 {
            let entity: EntityId = format!("sku:{number}").parse().unwrap();
            let at = Timestamp::from_ms(number * 1_000);
            known.record(&entity, 1, at);
        }
        assert!(known.recent.len() <= ENTITIES_SWEPT_AT);
    }

    fn verdicts(crashes: &[(i64, u64)]) -> Vec<Verdict> {
        let entity: EntityId = "sku:a".parse().unwrap();
        let mut known = Crashes::default();
        crashes
            .iter()
            .map(|(at, hash)| known.record(&entity, *hash, Timestamp::from_ms(*at)))
            .collect()
    }

    #[test]
    fn the_third_crash_within_a_minute_is_poison() {
        use Verdict::{QuarantineCommand, QuarantineEntity, Restart};
        let aside = |commands: &[u64]| QuarantineEntity {
            commands: commands.to_vec(),
        };
        let table: [(&[(i64, u64)], Verdict); 6] = [
            (&[(0, 1), (1, 1), (2, 1)], QuarantineCommand),
            (&[(0, 1), (1, 1), (61_000, 1)], Restart),
            (&[(0, 1), (1, 2), (2, 3)], aside(&[1, 2, 3])),
            (&[(0, UNKNOWN), (1, 1), (2, 1)], QuarantineCommand),
            (&[(0, UNKNOWN), (1, 1), (2, 2)], aside(&[1, 2])),
            // There is no command to put aside.
            (&[(0, UNKNOWN), (1, UNKNOWN), (2, UNKNOWN)], aside(&[])),
        ];
        for (crashes, last) in table {
            assert_eq!(verdicts(crashes), [Restart, Restart, last], "{crashes:?}");
        }
    }
}
