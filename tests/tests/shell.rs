//! The simulator of the real shell: a seed says everything that happens in a process of its own.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::process::Command;

use serde_json::Value;
use support::binary;

fn sim(args: &[&str]) -> Value {
    let mut command = Command::new(binary());
    let ran = command.args(["sim", "--shell", "--json"]).args(args);
    let ran = ran.output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{args:?}: {told}");
    serde_json::from_str(&told).unwrap()
}

/// Two processes that run the same seed do the same, to the last byte that is written.
#[test]
fn a_seed_does_the_same_in_every_process() {
    for seed in ["1", "2", "3"] {
        let [first, second] = [(); 2].map(|()| sim(&["--seed", seed]));
        assert_eq!(first, second);
        assert!(first["events"].as_u64().unwrap() > 0, "{first}");
    }
    let other = sim(&["--seed", "4"]);
    assert_ne!(other["fingerprint"], sim(&["--seed", "5"])["fingerprint"]);
}

#[test]
fn each_seed_has_a_process() {
    let told = sim(&["--from", "6", "--seeds", "4"]);
    assert_eq!((&told["seeds"], &told["failed"]), (&4.into(), &0.into()));
}
