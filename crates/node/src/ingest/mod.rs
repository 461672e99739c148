//! Works on stored deliveries: reads what they say, maps listings to SKUs, and tells the entities.
//!
//! A delivery is marked done only when its effect is durable. What cannot be read or mapped is parked under an
//! open exception and comes back by itself once the missing mapping is there.

mod levels;
mod lines;
mod take;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crossdock_api::trace::{FinishedSpan, Spans};
use crossdock_channels::{Shipping, Told};
use crossdock_journal::{InboxId, InboxInsert, InboxRow};
use crossdock_model::v1::TraceContext;
use crossdock_model::{ChannelId, Timestamp};
use crossdock_runtime::{AtWork, CHANNEL_AT_ONCE, Handle};
use tokio::time::Instant;

use crate::links::Links;
pub use take::adopt;
use worker::{Lack, Worked, Worker, delivery_subject};

/// Deliveries worked on at once: some are left when three channels have as many at work as they may.
const WORKERS: usize = 4 * CHANNEL_AT_ONCE;

/// What each channel's ways of sending promise.
pub type Ways = Arc<BTreeMap<ChannelId, Shipping>>;

/// What a channel said when it was asked, as if it had been delivered then.
pub(crate) fn read_delivery(channel: &ChannelId, told: Told, at: Timestamp) -> InboxInsert {
    InboxInsert {
        id: InboxId {
            channel: channel.clone(),
            delivery: told.delivery_id,
        },
        received_at: at,
        topic: told.topic.to_owned(),
        headers: Vec::new(),
        body: told.body,
    }
}

/// Starts the workers; they end with the runtime they are spawned on.
pub fn start(handle: &Handle, ways: &Ways, links: &Links, spans: Option<&Arc<dyn Spans>>) {
    for _ in 0..WORKERS {
        let worker = Worker {
            handle: handle.clone(),
            ways: Arc::clone(ways),
            links: Arc::clone(links),
            trace: None,
        };
        let spans = spans.cloned();
        tokio::spawn(async move {
            loop {
                let row = worker.handle.next_delivery().await;
                work_apart(&worker, spans.as_ref(), row).await;
            }
        });
    }
}

/// Works on a delivery in a task of its own, so that one that crashes it is put aside and takes no worker along.
async fn work_apart(worker: &Worker, spans: Option<&Arc<dyn Spans>>, row: AtWork) {
    let row = Arc::new(row);
    let parent = traceparent(&row);
    let trace = spans.map(|spans| spans.begin(parent, false)).or(parent);
    let worker = Worker {
        trace,
        ..worker.clone()
    };
    let (started, started_at) = (Instant::now(), SystemTime::now());
    let task = tokio::spawn({
        let (worker, row) = (worker.clone(), Arc::clone(&row));
        async move { worker.work(&row).await }
    });
    let outcome = match task.await {
        Ok(outcome) => outcome,
        Err(crash) => {
            tracing::error!(delivery = row.delivery.id.delivery, %crash, "working on a delivery crashed");
            let topic = &row.delivery.topic;
            let lack = Lack {
                kind: "unreadable",
                subject: delivery_subject(&row),
                cause: format!("Working on a {topic} delivery crashed: this is a defect."),
            };
            worker.park(&row, &lack, None).await;
            Worked::Parked
        }
    };
    if let (Some(spans), Some(context)) = (spans, trace) {
        let id = &row.delivery.id;
        let span = FinishedSpan {
            context,
            parent,
            name: format!("delivery {}", row.delivery.topic),
            is_server: false,
            started: started_at,
            took: started.elapsed(),
            error: (outcome != Worked::Done).then(|| outcome.name().to_owned()),
            attributes: vec![
                ("crossdock.channel", id.channel.to_string()),
                ("crossdock.delivery", id.delivery.clone()),
            ],
        };
        if span.is_wanted() {
            spans.report(span);
        }
    }
}

/// The trace of the request that brought it.
fn traceparent(row: &InboxRow) -> Option<TraceContext> {
    let mut headers = row.delivery.headers.iter();
    let (_, text) = headers.find(|(name, _)| name == "traceparent")?;
    crossdock_api::trace::read(text)
}

#[cfg(test)]
mod tests;
