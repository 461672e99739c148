//! `sim --shell`: the real shell, each seed in a process of its own, as many at once as there are cores.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crossdock_sim::seeded::{self, Run};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::NAMED_MAX;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::out::Out;

/// What the process of a seed says of its run.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    seed: u64,
    events: u64,
    answered: u64,
    virtual_ms: u64,
    /// The same each time that the seed is run.
    fingerprint: String,
    marks: BTreeMap<String, u64>,
    broken: Option<String>,
    replay: String,
}

impl Told {
    fn of(run: &Run) -> Self {
        let marks = run.marks.iter();
        Self {
            seed: run.seed,
            events: run.events,
            answered: run.answered,
            virtual_ms: run.lasted.as_ms(),
            fingerprint: format!("{:016x}", run.fingerprint),
            marks: marks
                .map(|(mark, count)| (mark.to_owned(), count))
                .collect(),
            broken: run.broken.as_ref().map(ToString::to_string),
            replay: replay(run.seed),
        }
    }

    /// Of a process that said nothing that can be read.
    fn nothing(seed: u64, why: String) -> Self {
        Self {
            seed,
            events: 0,
            answered: 0,
            virtual_ms: 0,
            fingerprint: String::new(),
            marks: BTreeMap::new(),
            broken: Some(why),
            replay: replay(seed),
        }
    }

    fn name_if_broken(&self, out: Out) {
        if let Some(broken) = &self.broken {
            out.line(format_args!("seed {}: {broken}", self.seed));
            out.line(format_args!("    {}", self.replay));
        }
    }
}

/// What does that run again.
fn replay(seed: u64) -> String {
    format!("crossdock sim --shell --seed {seed}")
}

fn hours(virtual_ms: u64) -> f64 {
    virtual_ms as f64 / 3_600_000.0
}

/// Runs a seed in this process.
pub(super) fn one(out: Out, seed: u64) -> Outcome {
    hush_planted_crashes();
    let told = Told::of(&seeded::run_shell(seed));
    out.show(&json!(told), |out, _| {
        told.name_if_broken(out);
        let (events, answered, hours) = (told.events, told.answered, hours(told.virtual_ms));
        out.line(format_args!(
            "seed {seed}: {events} events, {answered} requests answered, {hours:.1} virtual hours; fingerprint {}",
            told.fingerprint
        ));
    });
    ends(told.broken.map(|_| "the seed failed".to_owned()))
}

/// Runs seeds, each in a process of its own.
pub(super) fn many(out: Out, from: u64, count: u64) -> Outcome {
    let started = Instant::now();
    let mut all = run_all(from, count)?;
    all.sort_by_key(|told| told.seed);
    let seconds = started.elapsed().as_secs_f64();
    let failed: Vec<&Told> = all.iter().filter(|told| told.broken.is_some()).collect();
    let sum = |of: fn(&Told) -> u64| all.iter().map(of).sum::<u64>();
    let (events, answered) = (sum(|told| told.events), sum(|told| told.answered));
    let hours = hours(sum(|told| told.virtual_ms));
    let mut marks: BTreeMap<&str, u64> = BTreeMap::new();
    for (mark, count) in all.iter().flat_map(|told| &told.marks) {
        *marks.entry(mark).or_default() += count;
    }
    let document = json!({
        "seeds": count,
        "failed": failed.len(),
        "events": events,
        "answered": answered,
        "virtual_hours": hours,
        "seconds": seconds,
        "marks": marks,
        "broken": failed.iter().take(NAMED_MAX).collect::<Vec<_>>(),
    });
    out.show(&document, |out, _| {
        let named = failed.iter().take(NAMED_MAX);
        named.for_each(|told| told.name_if_broken(out));
        let rows = marks.iter();
        let rows = rows.map(|(mark, count)| vec![(*mark).to_owned(), count.to_string()]);
        out.table(&["SEEN", "TIMES"], &rows.collect::<Vec<_>>());
        let (failed, speed) = (failed.len(), hours * 3_600.0 / seconds);
        out.line(format_args!(
            "{count} seeds, {failed} failed; {events} events, {answered} requests answered in {hours:.0} virtual hours, \
             {speed:.0} times as fast as they last"
        ));
    });
    let failed = failed.len();
    ends((failed > 0).then(|| format!("{failed} of {count} seeds failed")))
}

fn ends(failed: Option<String>) -> Outcome {
    match failed {
        None => Ok(()),
        Some(what) => {
            let mut failure = Failure::new(Exit::Failed, what);
            failure.is_told = true;
            Err(failure)
        }
    }
}

fn run_all(from: u64, count: u64) -> Outcome<Vec<Told>> {
    let program = std::env::current_exe().map_err(anyhow::Error::from)?;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicU64::new(0);
    let work = || {
        let mut all = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return all;
            }
            let seed = from.wrapping_add(number);
            let ran = Command::new(&program)
                .args(["sim", "--shell", "--json", "--seed", &seed.to_string()])
                .stdin(Stdio::null())
                .output();
            all.push(match ran {
                Ok(ran) => serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| {
                    let talk = String::from_utf8_lossy(&ran.stderr);
                    Told::nothing(seed, format!("its process ended, {}: {talk}", ran.status))
                }),
                Err(error) => Told::nothing(seed, format!("its process does not start: {error}")),
            });
        }
    };
    Ok(std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(told) => told,
            Err(panic) => panic::resume_unwind(panic),
        });
        joined.flatten().collect()
    }))
}

/// Crashes that are part of the run are not told.
fn hush_planted_crashes() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_planted = info
            .payload_as_str()
            .is_some_and(|text| text.starts_with("planted crash"));
        if !is_planted {
            usual(info);
        }
    }));
}
