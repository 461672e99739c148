//! `sim`: the production engine in a seeded event loop, seed after seed, on every core.

mod shell;

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crossdock_model::Duration;
use crossdock_sim::seeded::{self, Cut, Fault, Marks, Run};
use serde_json::{Value, json};

use super::exit::{Exit, Failure, Outcome};
use super::out::Out;
use super::target::Target;

/// Seeds that failed are named up to so many.
const NAMED_MAX: usize = 20;
/// So many seeds meet everything that a run can meet.
const MEETS_ALL: u64 = 500;
/// Of so many it is looked what can be left out.
const SHORTENED_MAX: usize = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run this seed alone
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Without these, to make what fails shorter: losses, repeats, kills, crashes, full-disk, failing-disk, clock-steps, passivity, checkpoints, slowness
    #[arg(long, requires = "seed", value_delimiter = ',')]
    without: Vec<Fault>,
    /// Without these kinds of requests, by number
    #[arg(long, requires = "seed", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(..seeded::KINDS as u64))]
    unwished: Vec<u64>,
    /// Let it heal after so many milliseconds, at most
    #[arg(long, requires = "seed", value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    lasts_ms: Option<u64>,
    /// Run the real shell around it: actors, timers, committer; each seed in a process of its own
    #[arg(long, conflicts_with_all = ["without", "unwished", "lasts_ms"])]
    shell: bool,
    /// Run so many seeds
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// What came of several runs.
#[derive(Default)]
struct Batch {
    runs: u64,
    events: u64,
    answered: u64,
    virtual_ms: u64,
    marks: Marks,
    broken: Vec<Run>,
    /// The first of them made shorter, with what was left out.
    shortest: Vec<(Cut, Run)>,
}

impl Batch {
    fn add(&mut self, run: Run) {
        self.runs += 1;
        self.events += run.events;
        self.answered += run.answered;
        self.virtual_ms += run.lasted.as_ms();
        self.marks.add(&run.marks);
        if run.broken.is_some() {
            self.broken.push(run);
        }
    }

    /// What it should have met and did not: then it proves little.
    fn missing(&self) -> Vec<&'static str> {
        match self.runs >= MEETS_ALL {
            true => self.marks.missing().collect(),
            false => Vec::new(),
        }
    }

    /// What is wrong with it.
    fn failure(&self) -> Option<String> {
        let (failed, missing) = (self.broken.len(), self.missing());
        if failed > 0 {
            return Some(format!("{failed} of {} seeds failed", self.runs));
        }
        (!missing.is_empty()).then(|| format!("never met: {}", missing.join(", ")))
    }

    fn join(&mut self, other: Self) {
        self.runs += other.runs;
        self.events += other.events;
        self.answered += other.answered;
        self.virtual_ms += other.virtual_ms;
        self.marks.add(&other.marks);
        self.broken.extend(other.broken);
    }
}

pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    if args.shell {
        let out = target.out();
        let ran = tokio::task::spawn_blocking(move || match args.seed {
            Some(seed) => shell::one(out, seed),
            None => shell::many(out, args.from, args.seeds),
        });
        return ran.await.map_err(anyhow::Error::from)?;
    }
    let (from, count) = match args.seed {
        Some(seed) => (seed, 1),
        None => (args.from, args.seeds),
    };
    let cut = Cut {
        without: args.without.into_iter().collect(),
        unwished: args.unwished.into_iter().collect(),
        lasts: args.lasts_ms.map(Duration::from_ms),
    };
    let started = Instant::now();
    let left_out = cut.clone();
    let ran = tokio::task::spawn_blocking(move || run_seeds(from, count, &left_out));
    let batch = ran.await.map_err(anyhow::Error::from)?;
    let seconds = started.elapsed().as_secs_f64();
    tell(target.out(), &batch, &cut, seconds);
    match batch.failure() {
        None => Ok(()),
        Some(what) => {
            let mut failure = Failure::new(Exit::Failed, what);
            failure.is_told = true;
            Err(failure)
        }
    }
}

/// Runs them on every core; which core runs which changes nothing.
fn run_seeds(from: u64, count: u64, cut: &Cut) -> Batch {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicU64::new(0);
    let mut all = Batch::default();
    std::thread::scope(|scope| {
        let work = || {
            let mut batch = Batch::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return batch;
                }
                batch.add(seeded::run_cut(from.wrapping_add(number), cut));
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(batch) => all.join(batch),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    all.broken.sort_by_key(|run| run.seed);
    if *cut == Cut::default() {
        let first = all.broken.iter().take(SHORTENED_MAX);
        all.shortest = first.map(seeded::shorten).collect();
    }
    all
}

fn tell(out: Out, batch: &Batch, cut: &Cut, seconds: f64) {
    let mut shortest = batch.shortest.iter();
    let broken = batch.broken.iter().take(NAMED_MAX);
    let broken: Vec<Value> = broken
        .map(|run| {
            let why = run.broken.as_ref().map(ToString::to_string);
            let shortest = shortest.next().map(|(cut, run)| {
                json!({ "events": run.events, "replay": replay(run, cut) })
            });
            json!({ "seed": run.seed, "broken": why, "replay": replay(run, cut), "shortest": shortest })
        })
        .collect();
    let marks: serde_json::Map<String, Value> = batch
        .marks
        .iter()
        .map(|(mark, count)| (mark.to_owned(), count.into()))
        .collect();
    let hours = batch.virtual_ms as f64 / 3_600_000.0;
    let document = json!({
        "seeds": batch.runs,
        "failed": batch.broken.len(),
        "events": batch.events,
        "answered": batch.answered,
        "virtual_hours": hours,
        "seconds": seconds,
        "marks": marks,
        "never_met": batch.missing(),
        "broken": broken,
    });
    out.show(&document, |out, _| {
        for run in batch.broken.iter().take(NAMED_MAX) {
            if let Some(broken) = &run.broken {
                out.line(format_args!("seed {}: {broken}", run.seed));
                out.line(format_args!("    {}", replay(run, cut)));
            }
        }
        for (cut, run) in &batch.shortest {
            let (seed, events) = (run.seed, run.events);
            out.line(format_args!("seed {seed} in {events} events: {}", replay(run, cut)));
        }
        let rows: Vec<Vec<String>> = batch
            .marks
            .iter()
            .map(|(mark, count)| vec![mark.to_owned(), count.to_string()])
            .collect();
        out.table(&["SEEN", "TIMES"], &rows);
        let missing = batch.missing();
        if !missing.is_empty() {
            out.line(format_args!("never met: {}", missing.join(", ")));
        }
        let (runs, events, failed) = (batch.runs, batch.events, batch.broken.len());
        let (per_s, speed) = (events as f64 / seconds, hours * 3_600.0 / seconds);
        out.line(format_args!(
            "{runs} seeds, {failed} failed; {events} events ({per_s:.0} a second) in {hours:.0} virtual hours, \
             {speed:.0} times as fast as they last"
        ));
    });
}

/// What does that run again.
fn replay(run: &Run, cut: &Cut) -> String {
    format!("crossdock sim --seed {}{cut}", run.seed)
}
