//! The command `crossdock`.

/// An order is thousands of small allocations on several threads. This one takes less time for them than the system's, and gives
/// back what a first import took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    crossdock_node::run()
}
