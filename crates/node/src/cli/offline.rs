//! A node that lives as long as one command, on a data directory that no server uses.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use crossdock_journal::sqlite::master_key;
use crossdock_journal::{JournalError, SqliteJournal, SqliteOptions};
use crossdock_runtime::{Clock, Handle, Node, Options, RealClock, Unconnected, last_commit_at};

use super::exit::{Failure, Outcome};
use crate::config::Data;

/// Starts the node, does the work and stops it.
pub(crate) async fn with_node<T>(
    data: &Data,
    work: impl AsyncFnOnce(Handle) -> anyhow::Result<T>,
) -> Outcome<T> {
    let master = master_key(&data.dir, &data.master_key()).context("the master key")?;
    let options = SqliteOptions::new(master);
    let journal = SqliteJournal::open(&data.dir, options, RealClock::default().now());
    let journal = journal.map_err(|error| match error {
        JournalError::InUse { .. } => {
            let what = format!("a server uses {}", data.dir.display());
            Failure::failed(what).remedy("ask that server, or stop it first")
        }
        other => anyhow!(other).context("the journal").into(),
    })?;
    let clock = RealClock::anchored(last_commit_at(&journal).context("the journal")?);
    let mut owner = [0; 16];
    getrandom::fill(&mut owner).map_err(|error| anyhow!("no randomness: {error}"))?;
    let options = Options::new(u128::from_be_bytes(owner));
    let node = Node::start(
        Arc::new(journal),
        Arc::new(clock),
        Arc::new(Unconnected),
        options,
        |_| {},
    )
    .await
    .context("the node")?;
    let done = work(node.handle()).await;
    node.stop().await;
    Ok(done?)
}
