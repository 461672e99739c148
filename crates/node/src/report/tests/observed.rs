//! Whose turn comes, and what it costs, where a channel is only observed.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Counts turns; all that it is told is taken.
#[derive(Default)]
struct Counted(AtomicUsize);

impl Told for Counted {
    fn repeat(&self) -> Repeat {
        Repeat::Keyed
    }

    fn turn(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }

    fn tell(&self, _call: ReportCall, _task: ReportTask) -> Telling {
        Box::pin(std::future::ready(Said::Told { theirs: None }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_an_observed_channel_cost_nothing() {
    let counted = Arc::new(Counted::default());
    let scene = Scene::start(Arc::clone(&counted) as Arc<dyn Told>, clock()).await;
    let mode = |mode| scene.channel(ChannelCommand::SetMode(mode));
    mode(ChannelMode::Observed).await;
    for number in 0..100 {
        let call = ReportCall {
            order: id(format!("shop:{number}")),
            report: 1,
            attempt: 1,
        };
        assert_eq!(scene.reporters.tell(call).await, None);
    }
    assert_eq!(counted.0.load(Ordering::SeqCst), 0);
    scene.sold("7", "1", 1).await;
    scene.ships("7", "p1", "1", 1, None).await;
    mode(ChannelMode::Active).await;
    scene.reports_are("7", &["told"]).await;
    assert_eq!(counted.0.load(Ordering::SeqCst), 1);
    scene.node.stop().await;
}
