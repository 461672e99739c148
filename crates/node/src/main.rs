//! The command `crossdock`.

/// An order is thousands of small allocations over several threads: this one takes an eighth off what it costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    crossdock_node::run()
}
