//! `completions`: shell completions on stdout.

use clap::CommandFactory;
use clap_complete::Shell;

use super::exit::Outcome;
use super::target::Target;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell: `source <(crossdock completions bash)`
    shell: Shell,
}

/// Runs it.
pub(crate) fn run(target: &Target, args: &Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "crossdock",
        &mut script,
    );
    target.out().raw(&script);
    Ok(())
}
