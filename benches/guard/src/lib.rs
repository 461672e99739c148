//! Pieces of work that decide what an order costs, on data that is made here: `cargo xtask instructions` counts the instructions of
//! each, and `crossdock bench decide` takes the time of some.
#![allow(missing_docs, clippy::unwrap_used, reason = "benches, in a library")]

mod inbound;
mod order;
mod records;
mod routes;
mod scene;
mod sku;

pub use sku::in_a_row;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How often a piece is done in a round.
pub const REPETITIONS: usize = 100;

/// A piece that was done.
#[derive(Debug, Clone)]
pub struct Piece {
    /// What `recorded.json` calls it.
    pub name: String,
    /// The time of one repetition: the middle one of all rounds.
    pub took: Duration,
}

/// Pieces as they are done.
#[derive(Debug)]
pub struct Work {
    rounds: usize,
    pieces: Vec<Piece>,
}

/// Does all pieces in so many rounds of [`REPETITIONS`].
#[must_use]
pub fn run(rounds: usize) -> Vec<Piece> {
    let mut work = Work {
        rounds,
        pieces: Vec::new(),
    };
    sku::run(&mut work);
    order::run(&mut work);
    records::run(&mut work);
    routes::run(&mut work);
    inbound::run(&mut work);
    work.pieces
}

impl Work {
    /// Does a piece on what is given, each time on a copy that was made before: only what is done within [`counted_work`] is
    /// counted. What a piece leaves is dropped afterwards, uncounted.
    fn piece<T: Clone, R>(&mut self, name: &str, given: T, work: impl Fn(T) -> R) {
        // What is set up once in a process is no part of the work.
        work(given.clone());
        let round = |_| {
            let mut copies = vec![given.clone(); REPETITIONS];
            let mut done = Vec::with_capacity(REPETITIONS);
            let started = Instant::now();
            counted_work(&mut || {
                while let Some(copy) = copies.pop() {
                    done.push(work(black_box(copy)));
                }
            });
            let took = started.elapsed();
            black_box(&done);
            took
        };
        let took = middle((0..self.rounds).map(round).collect());
        self.pieces.push(Piece {
            name: name.to_owned(),
            took: took / REPETITIONS as u32,
        });
    }
}

fn middle(mut spans: Vec<Duration>) -> Duration {
    spans.sort();
    spans[spans.len() / 2]
}

/// Callgrind counts from the call of this function until it returns, and knows it by its name.
#[inline(never)]
fn counted_work(work: &mut dyn FnMut()) {
    work();
    // So that the call above is no jump out of here.
    black_box(());
}
