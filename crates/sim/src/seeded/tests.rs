use crossdock_logic::planted::{self, Mistake};

use super::knobs::Knobs;
use super::plant::Plant;
use super::{Marks, Run, World, run, run_cut, shorten};

/// The same seed does the same, whatever goes wrong.
#[test]
fn a_seed_says_everything() {
    for seed in 0..3 {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(0).fingerprint, run(1).fingerprint);
}

/// Few seeds here: `crossdock sim` runs as many as there is time for.
#[test]
fn whatever_goes_wrong_it_holds() {
    let mut marks = Marks::default();
    for seed in 0..SEEDS {
        let run = run(seed);
        assert_eq!(run.broken, None, "crossdock sim --seed {seed}");
        marks.add(&run.marks);
    }
    let missing: Vec<_> = marks.missing().collect();
    assert!(missing.is_empty(), "never met: {missing:?} in {marks:?}");
}

/// Each found something once.
#[test]
fn what_seeds_have_found_does_not_come_back() {
    for (seed, what) in FOUND {
        assert_eq!(
            run(seed).broken,
            None,
            "{what}: crossdock sim --seed {seed}"
        );
    }
}

const FOUND: [(u64, &str); 7] = [
    (
        512,
        "what an operator added to a market's order passed for sold there",
    ),
    (
        1323,
        "sales passed for older than a number that was set by a wrong clock",
    ),
    (
        1348,
        "an order was to know of a location that a repeat had opened",
    ),
    (
        103_545,
        "an order that waited stood in no line for what it gave up and did not remember",
    ),
    (109_444, "the same, of a market's order"),
    (
        103_804,
        "a sale passed for older than a number, as our clock was behind its channel's",
    ),
    (
        125_119,
        "what one copy of a request was refused counted as the answer to another",
    ),
];

const SEEDS: u64 = 90;
/// By which a planted mistake is found, at most.
const SEEDS_FOR_A_PLANT: u64 = 300;

/// What finds nothing proves nothing: each mistake that is planted is found.
#[test]
fn planted_mistakes_of_the_shell_are_found() {
    let is_missed = |plant: &Plant| find(Some(*plant)).is_none();
    let missed: Vec<_> = Plant::ALL.into_iter().filter(is_missed).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// As above, of what deciders do.
#[test]
fn planted_mistakes_of_deciders_are_found() {
    let is_missed = |mistake: &Mistake| {
        planted::plant(Some(*mistake));
        let found = find(None);
        planted::plant(None);
        found.is_none()
    };
    let missed: Vec<_> = Mistake::ALL.into_iter().filter(is_missed).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// The first seed that finds it: as it is drawn or, every other one, with more that goes wrong, and once more while little
/// happens.
fn find(plant: Option<Plant>) -> Option<u64> {
    let is_broken = |seed: u64, change: fn(&mut Knobs)| {
        let mut world = World::new(seed).unwrap();
        world.knobs.plant = plant;
        change(&mut world.knobs);
        world.lives().is_err()
    };
    let is_found = |seed: &u64| {
        let worse: fn(&mut Knobs) = if seed % 2 == 1 { Knobs::worsen } else { |_| {} };
        is_broken(*seed, Knobs::calm) || is_broken(*seed, worse)
    };
    (0..SEEDS_FOR_A_PLANT).find(is_found)
}

/// What fails is made shorter, and fails in the same way.
#[test]
fn what_fails_is_made_shorter() {
    planted::plant(Some(Mistake::ShippedTwice));
    let runs = (0..SEEDS_FOR_A_PLANT).map(run);
    let failed: Vec<_> = runs.filter(|run| run.broken.is_some()).take(4).collect();
    let shortened: Vec<_> = failed
        .iter()
        .map(|failed| (failed, shorten(failed)))
        .collect();
    for (failed, (cut, shorter)) in &shortened {
        assert_eq!(&run_cut(failed.seed, cut), shorter);
    }
    let is_shorter = |(failed, (_, shorter)): &(&Run, (_, Run))| shorter.events < failed.events;
    assert!(shortened.iter().any(is_shorter), "{shortened:?}");
    planted::plant(None);
    for (failed, (cut, _)) in &shortened {
        assert_eq!(run_cut(failed.seed, cut).broken, None);
    }
}
