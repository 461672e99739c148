//! Steps that wait for the committer, by the class of the work they come from.
//!
//! The class is that of the command, not of the entity: a SKU serves buyers and imports. Steps of one life of an
//! entity must keep their order, so all of them wait in one lane; the most urgent of them says which.

use std::collections::{BTreeMap, VecDeque};

use crossdock_model::{Class, EntityKind};

use crate::batch::Snapshot;
use crate::step::{Step, StepKind};

/// Classes with their share of a batch, in order of service.
const CLASSES: [(Class, usize); 5] = [
    (Class::AskFirst, 8),
    (Class::ChannelOrder, 8),
    (Class::Location, 4),
    (Class::Announcement, 2),
    (Class::Import, 1),
];

/// Steps that a class of share 1 gets in one round.
const ROUND: usize = 16;

/// The class of what an entity does by itself: its deadlines, what it sends again.
#[must_use]
pub fn own_class(kind: EntityKind) -> Class {
    match kind {
        EntityKind::Sku | EntityKind::Order | EntityKind::Request | EntityKind::System => {
            Class::ChannelOrder
        }
        EntityKind::Location => Class::Location,
        EntityKind::Channel | EntityKind::Bucket => Class::Announcement,
    }
}

struct Waiting<T> {
    class: Class,
    steps: VecDeque<Step<T>>,
}

/// What waits.
pub(crate) struct Lanes<T> {
    /// By life.
    waiting: BTreeMap<u64, Waiting<T>>,
    /// Whose step comes next, at least once for each step that waits in that lane. A turn of a life that has nothing
    /// left, or waits in another lane now, is passed over.
    turns: [VecDeque<u64>; CLASSES.len()],
    len: usize,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            turns: Default::default(),
            len: 0,
        }
    }
}

fn lane(class: Class) -> usize {
    match class {
        Class::AskFirst => 0,
        Class::ChannelOrder => 1,
        Class::Location => 2,
        Class::Announcement => 3,
        Class::Import => 4,
    }
}

impl<T> Lanes<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether something of that life waits.
    pub fn holds(&self, life: u64) -> bool {
        self.waiting.contains_key(&life)
    }

    pub fn push(&mut self, step: Step<T>) {
        let (life, class) = (step.life, step.release.class);
        let waiting = self.waiting.entry(life).or_insert_with(|| Waiting {
            class,
            steps: VecDeque::new(),
        });
        if class < waiting.class {
            // What waits before it has to be written before it: it moves along.
            waiting.class = class;
            let before = waiting.steps.len();
            self.turns[lane(class)].extend(std::iter::repeat_n(life, before));
        }
        waiting.steps.push_back(step);
        self.turns[lane(waiting.class)].push_back(life);
        self.len += 1;
    }

    /// Weighted round robin over the classes, bounded in steps and bytes.
    pub fn take(&mut self, steps_max: usize, bytes_max: usize) -> Vec<Step<T>> {
        let mut steps = Vec::new();
        let mut bytes = 0;
        loop {
            let before = steps.len();
            for (lane, (_, share)) in CLASSES.iter().enumerate() {
                for _ in 0..share * ROUND {
                    if steps.len() >= steps_max || bytes >= bytes_max {
                        return steps;
                    }
                    let Some(step) = self.next(lane) else { break };
                    bytes += match &step.kind {
                        StepKind::Record(body) | StepKind::Checkpoint(Snapshot { body, .. }) => {
                            body.len()
                        }
                        StepKind::Barrier => 0,
                    };
                    steps.push(step);
                }
            }
            if steps.len() == before {
                return steps;
            }
        }
    }

    fn next(&mut self, number: usize) -> Option<Step<T>> {
        while let Some(life) = self.turns[number].pop_front() {
            let Some(waiting) = self.waiting.get_mut(&life) else {
                continue;
            };
            if lane(waiting.class) != number {
                continue;
            }
            let step = waiting.steps.pop_front();
            if waiting.steps.is_empty() {
                self.waiting.remove(&life);
            }
            self.len -= usize::from(step.is_some());
            return step;
        }
        None
    }

    /// Takes out all that waits of a life.
    pub fn lose(&mut self, life: u64) -> VecDeque<Step<T>> {
        let lost = self.waiting.remove(&life);
        let lost = lost.map(|waiting| waiting.steps).unwrap_or_default();
        self.len -= lost.len();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Release;

    fn step(life: u64, version: u64, class: Class) -> Step<()> {
        Step {
            entity: format!("sku:{life}").parse().unwrap(),
            life,
            version,
            kind: StepKind::Barrier,
            release: Release {
                class,
                ..Release::default()
            },
        }
    }

    /// (life, version) of a batch.
    fn taken(lanes: &mut Lanes<()>, steps_max: usize) -> Vec<(u64, u64)> {
        let steps = lanes.take(steps_max, 1 << 20).into_iter();
        steps.map(|step| (step.life, step.version)).collect()
    }

    #[test]
    fn under_load_each_class_has_its_share() {
        let mut lanes = Lanes::default();
        for (class, _) in CLASSES {
            for number in 0..1_000 {
                let life = 1_000 * lane(class) as u64 + number;
                lanes.push(step(life, 1, class));
            }
        }
        let batch = taken(&mut lanes, 2 * 23 * ROUND);
        let mut counts = [0; 5];
        for (life, _) in batch {
            counts[life as usize / 1_000] += 1;
        }
        assert_eq!(counts, [256, 256, 128, 64, 32]);
    }

    #[test]
    fn a_class_alone_has_the_whole_batch() {
        let mut lanes = Lanes::default();
        for life in 0..500 {
            lanes.push(step(life, 1, Class::Import));
        }
        assert_eq!(taken(&mut lanes, 1_000).len(), 500);
        assert_eq!(lanes.len(), 0);
    }

    /// A buyer's command at a SKU whose stock is being imported.
    #[test]
    fn an_urgent_step_takes_those_before_it_along() {
        let mut lanes = Lanes::default();
        for life in 1..=3 {
            for version in 1..=2 {
                lanes.push(step(life, version, Class::Import));
            }
        }
        lanes.push(step(2, 3, Class::AskFirst));
        lanes.push(step(2, 4, Class::Import));
        assert_eq!(lanes.len(), 8);
        let order = [
            (2, 1),
            (2, 2),
            (2, 3),
            (2, 4),
            (1, 1),
            (1, 2),
            (3, 1),
            (3, 2),
        ];
        assert_eq!(taken(&mut lanes, 100), order);
        lanes.push(step(2, 5, Class::Import));
        assert_eq!(taken(&mut lanes, 100), [(2, 5)]);
    }

    #[test]
    fn a_lost_life_leaves_nothing() {
        let mut lanes = Lanes::default();
        for version in 1..=3 {
            lanes.push(step(1, version, Class::AskFirst));
            lanes.push(step(2, version, Class::AskFirst));
        }
        assert_eq!(lanes.lose(1).len(), 3);
        assert_eq!(lanes.len(), 3);
        assert_eq!(taken(&mut lanes, 100), [(2, 1), (2, 2), (2, 3)]);
    }
}
