//! `serve`: runs the server until it is told to stop.

use super::exit::Outcome;
use super::target::Target;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs it.
pub(crate) async fn run(target: &Target, _args: Args) -> Outcome {
    let config = target.config()?;
    Ok(crate::serve::run(config).await?)
}
