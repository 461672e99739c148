//! Work that goes on for as long as the node runs, and is begun anew when it crashes.

use crossdock_model::Duration;
use crossdock_runtime::Clock;
use tokio::task::JoinSet;

/// Pause before work that crashed is begun anew.
const PAUSE: Duration = Duration::from_s(1);

/// Does the work of a channel or a location, over and over. It ends with the task that it is done in.
pub(crate) async fn watch<W>(of: &str, what: &str, clock: &dyn Clock, work: impl Fn() -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    loop {
        // A set ends its tasks when it is dropped.
        let mut set = JoinSet::new();
        set.spawn(work());
        if let Some(Err(crash)) = set.join_next().await {
            tracing::error!(of, what, %crash, "this crashed; it begins anew");
        }
        clock.sleep(PAUSE).await;
    }
}
