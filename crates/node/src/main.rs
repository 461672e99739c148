//! The command `crossdock`.

fn main() -> std::process::ExitCode {
    crossdock_node::run()
}
