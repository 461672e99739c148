//! Keeps the read models up to date and small, in threads that give way to whatever else is to be done.

use std::sync::Arc;
use std::time::Duration as Wait;

use anyhow::Context;
use crossdock_insight::{Insight, Stop};
use crossdock_journal::Journal;
use crossdock_model::Duration;
use crossdock_runtime::Handle;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

/// By so much they give way (`nice(2)`): they get a quarter of a core that others keep busy, and who begins to wait for a core
/// has it at once.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;
/// What is under way when they end, at most.
const END_MAX: Wait = Wait::from_secs(5);
/// Pause of the read models when there is nothing to fold: what changes again and again meanwhile is written once, and a
/// disk that is busy with figures is one that sales wait for. Who asks for what is not folded does not wait for its end.
const FOLD_PAUSE: Wait = Wait::from_millis(250);
/// How often it is looked whether somebody asked.
const FOLD_LOOK: Wait = Wait::from_millis(20);
/// Pause after the read models could not follow the journal.
const FOLD_AGAIN: Wait = Wait::from_secs(1);
/// How long events stay in the feed for those who read it.
const FEED_KEPT: Duration = Duration::from_days(30);
/// Pause between two looks for old events.
const PRUNE_PAUSE: Wait = Wait::from_secs(600);

/// Those threads. Dropped, they end without being waited for.
pub(crate) struct ReadModels(Option<Runtime>);

impl ReadModels {
    /// Follows the journal until it is ended.
    ///
    /// # Errors
    /// When there are no threads to be had.
    pub(crate) fn follow(
        insight: &Arc<Insight>,
        journal: &Arc<impl Journal + 'static>,
        handle: &Handle,
    ) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("read-models")
            .on_thread_start(give_way)
            .enable_time()
            .build()
            .context("starting threads for the read models")?;
        let log = Arc::clone(journal) as Arc<dyn Journal>;
        runtime.spawn(fold(Arc::clone(insight), log));
        runtime.spawn(prune(Arc::clone(insight), handle.clone()));
        Ok(Self(Some(runtime)))
    }

    /// Ends once what is under way is done.
    pub(crate) async fn end(mut self) {
        let runtime = self.0.take();
        let ending = move || runtime.map(|runtime| runtime.shutdown_timeout(END_MAX));
        let _ = tokio::task::spawn_blocking(ending).await;
    }
}

/// The thread that calls it gives way, where that is a thread's own: elsewhere it would be the whole process.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the read models give way to nobody");
    }
}

impl Drop for ReadModels {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Deletes old events of the feed until the task is ended.
async fn prune(insight: Arc<Insight>, handle: Handle) {
    loop {
        let insight = Arc::clone(&insight);
        let before = (handle.now() - FEED_KEPT).as_ms();
        let pruned = tokio::task::spawn_blocking(move || insight.prune_feed(before)).await;
        match pruned {
            Ok(Ok(true)) => tokio::task::yield_now().await,
            Ok(Ok(false)) => tokio::time::sleep(PRUNE_PAUSE).await,
            Ok(Err(error)) => {
                tracing::warn!(%error, "old events cannot be deleted; tried again");
                tokio::time::sleep(PRUNE_PAUSE).await;
            }
            Err(_) => return,
        }
    }
}

/// Keeps the read models up to date until the task is ended.
async fn fold(insight: Arc<Insight>, journal: Arc<dyn Journal>) {
    loop {
        let (writer, log) = (Arc::clone(&insight), Arc::clone(&journal));
        let folded = tokio::task::spawn_blocking(move || writer.catch_up(&*log)).await;
        let trouble = match folded {
            Ok(Ok(progress)) => {
                for Stop { at, cause } in progress.stopped {
                    tracing::error!(record = %at, cause, "the read models of a shard stand still before this record");
                }
                if !progress.behind {
                    rest(&insight).await;
                }
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) if error.is_cancelled() => return,
            // What was begun is taken back, and the same record comes again: /readyz says no until it is taken.
            Err(_) => "folding the journal panicked".to_owned(),
        };
        insight.stand_still(&trouble);
        tracing::error!(trouble, "the read models stand still");
        tokio::time::sleep(FOLD_AGAIN).await;
    }
}

/// Until it is time to fold again.
async fn rest(insight: &Insight) {
    let until = Instant::now() + FOLD_PAUSE;
    while Instant::now() < until && !insight.is_awaited() {
        tokio::time::sleep(FOLD_LOOK).await;
    }
}
