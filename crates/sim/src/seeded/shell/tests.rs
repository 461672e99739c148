use crossdock_runtime::planted::{self, Mistake};

use super::super::Knobs;
use super::{run_changed, run_shell};
use crate::seeded::Marks;

/// Few seeds here: `crossdock sim --shell` runs as many as there is time for, each in a process of its own.
const SEEDS: u64 = 30;
/// By which a planted mistake is found, at most.
const SEEDS_FOR_A_PLANT: u64 = 60;

/// What so many seeds must have met to prove anything.
const EXPECTED: [&str; 9] = [
    "answer_lost",
    "answered_again",
    "call_lost",
    "disk_full",
    "entity_crashed",
    "flush_failed",
    "history_explained",
    "killed",
    "unanswered",
];

#[test]
fn whatever_goes_wrong_the_shell_holds() {
    let mut marks = Marks::default();
    for seed in 0..SEEDS {
        let run = run_shell(seed);
        assert_eq!(run.broken, None, "crossdock sim --shell --seed {seed}");
        marks.add(&run.marks);
    }
    let met = |mark: &&str| marks.iter().any(|(known, _)| known == *mark);
    let missing: Vec<_> = EXPECTED.iter().filter(|mark| !met(mark)).collect();
    assert!(missing.is_empty(), "never met: {missing:?} in {marks:?}");
}

/// Also one after the other in one process, as long as nothing goes by the numbers of actors.
#[test]
fn a_seed_says_everything_of_the_shell() {
    for seed in 0..3 {
        assert_eq!(run_shell(seed), run_shell(seed));
    }
}

#[test]
fn planted_mistakes_of_the_real_shell_are_found() {
    let missed: Vec<_> = Mistake::ALL
        .into_iter()
        .filter(|one| !finds(*one))
        .collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// Whether some seed finds it, as it is drawn or, every other one, with more that goes wrong.
fn finds(mistake: Mistake) -> bool {
    planted::plant(Some(mistake));
    let is_found = |seed| {
        let change: fn(&mut Knobs) = if seed % 2 == 1 { Knobs::worsen } else { |_| {} };
        run_changed(seed, change).broken.is_some()
    };
    let found = (0..SEEDS_FOR_A_PLANT).any(is_found);
    planted::plant(None);
    found
}
