//! Pieces of work whose instructions `cargo xtask instructions` counts, by running this under callgrind.
//!
//! Each piece is done [`REPETITIONS`] times on the same data, each time on a copy that was made before; only what is
//! done within [`counted_work`] is counted. What a piece leaves is dropped afterwards, uncounted.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench target"
)]

mod inbound;
mod order;
mod records;
mod routes;
mod scene;
mod sku;

use std::hint::black_box;

/// The one of the released program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REPETITIONS: usize = 100;

fn main() {
    sku::run();
    order::run();
    records::run();
    routes::run();
    inbound::run();
}

/// Does a piece of work on what is given, again and again, and says so in a line: its name, and how often.
fn count<T: Clone, R>(name: &str, given: T, work: impl Fn(T) -> R) {
    // What is set up once in a process is no part of the work.
    work(given.clone());
    let mut copies = vec![given; REPETITIONS];
    let mut done = Vec::with_capacity(REPETITIONS);
    counted_work(&mut || {
        while let Some(copy) = copies.pop() {
            done.push(work(black_box(copy)));
        }
    });
    black_box(&done);
    println!("{name} {REPETITIONS}");
}

/// Callgrind counts from the call of this function until it returns, and knows it by its name.
#[inline(never)]
fn counted_work(work: &mut dyn FnMut()) {
    work();
    // So that the call above is no jump out of here.
    black_box(());
}
