//! Does all pieces once, to be run under callgrind by `cargo xtask instructions`, and says so in a line each: its name, and how
//! often.
#![allow(clippy::print_stdout, reason = "a bench target")]

/// The one of the released program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    for piece in crossdock_guard::run(1) {
        println!("{} {}", piece.name, crossdock_guard::REPETITIONS);
    }
}
