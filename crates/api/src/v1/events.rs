//! The feed of public events.

use crossdock_insight::FeedEvent;
use crossdock_model::v1::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::consistent::{consistent, look, page};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::extract::Filter;
use crate::route::Route;
use crate::wire::Time;

/// Routes of the feed.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/v1/events",
            Scope::Read,
            "Read events after a place in the feed",
            list,
        )
        .filters::<EventQuery>()
        .answers::<EventPage>(),
    ]
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventQuery {
    /// The last event you have; 0 for the oldest there is. Events are kept for 30 days.
    #[serde(default)]
    after: i64,
    /// Events at most, 1 to 200.
    limit: Option<usize>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
    /// Only topics that begin with one of these, separated by commas: `order.,stock.changed`.
    topics: Option<String>,
}

/// Events in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    items: Vec<EventDoc>,
    /// Ask with this as `after` for what follows.
    after: i64,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventDoc {
    id: i64,
    /// `order.reserved`, `stock.changed`, …: `docs/events.md` has all of them.
    topic: String,
    /// What it is about.
    subject: String,
    at: Time,
    data: serde_json::Value,
}

fn doc(event: FeedEvent) -> EventDoc {
    EventDoc {
        id: event.id,
        topic: event.topic,
        subject: event.subject,
        at: Time::from_ms(event.at),
        data: event.data,
    }
}

async fn list(asking: Asking, Filter(query): Filter<EventQuery>) -> Answered<Doc<EventPage>> {
    consistent(&asking.state, query.consistent_with.as_deref()).await?;
    let (after, limit) = (query.after, page(query.limit)?);
    let topics = query.topics.as_deref().unwrap_or_default().split(',');
    let topics = topics.map(str::trim).filter(|topic| !topic.is_empty());
    let topics: Vec<String> = topics.map(str::to_owned).collect();
    let read =
        move |insight: &crossdock_insight::Insight| insight.events_after(after, limit, &topics);
    let found = look(&asking.state, read).await?;
    Ok(Doc::read(EventPage {
        items: found.events.into_iter().map(doc).collect(),
        after: found.next_after,
    }))
}
