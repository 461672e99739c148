use super::knobs::Plant;
use super::{Marks, World, run};

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
    let unseen: Vec<_> = SEEN.iter().filter(|mark| marks.count(mark) == 0).collect();
    assert!(unseen.is_empty(), "never met: {unseen:?} in {marks:?}");
}

const SEEDS: u64 = 45;

/// What these seeds must have met to prove anything.
const SEEN: &[&str] = &[
    "answer_lost",
    "answered_again",
    "asked_twice",
    "call_lost",
    "contended",
    "disk_full",
    "entity_crashed",
    "hold_expired",
    "killed",
    "killed_after_it_was_flushed",
    "killed_before_it_was_flushed",
    "life_lost",
    "loaded",
    "message_lost",
    "passive",
    "queued",
    "request_lost",
    "short",
    "snapshot_taken",
    "stock_moved",
    "superseded",
    "waits",
];

/// What finds nothing proves nothing: each mistake that is planted is found.
#[test]
fn planted_mistakes_are_found() {
    for plant in [Plant::AnswersBeforeFlush, Plant::LosesCheckpoints] {
        let found = (0..SEEDS).find_map(|seed| {
            let mut world = World::new(seed).ok()?;
            world.knobs.plant = Some(plant);
            world.lives().err()
        });
        let promise = found.map(|broken| broken.promise);
        assert!(promise.is_some(), "{plant:?} is not found");
    }
}
