//! Channels: connected, let in, paused.

use crossdock_model::command::ChannelCommand;
use crossdock_model::v1::{Buffer, ChannelMode, ChannelSettings, Publishing, Sale, Scope};
use crossdock_model::{Answer, ChannelId, Command, Duration, EntityId};
use crossdock_runtime::Reply;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Input, read_id};
use crate::route::Route;
use crate::wire::{Items, Text, Time};

/// Routes of channels.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/v1/channels",
            Scope::Read,
            "List channels of the configuration",
            list,
        )
        .answers::<Items<ChannelDoc>>(),
        Route::get(
            "/v1/channels/{channel}",
            Scope::Read,
            "Show a channel",
            show,
        )
        .answers::<ChannelDoc>(),
        Route::put(
            "/v1/channels/{channel}",
            Scope::Admin,
            "Connect a channel",
            connect,
        )
        .takes::<Connect>()
        .answers::<ChannelDoc>(),
        Route::post(
            "/v1/channels/{channel}/mode",
            Scope::Admin,
            "Observe, activate or pause",
            set_mode,
        )
        .takes::<SetMode>()
        .answers::<ChannelDoc>(),
    ]
}

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelDoc {
    channel: String,
    /// `shopify`, `api`, …
    connector: String,
    /// `asks` or `already_sold`.
    sale: &'static str,
    /// Whether a listing that is not mapped stands for the SKU of the same text.
    map_by_sku: bool,
    /// `observed`, `active` or `paused`.
    mode: &'static str,
    /// Orders placed before are adopted.
    adopt_older_than: Option<Time>,
    /// Whether its numbers can be read and set, as the settings name a place.
    publishes: bool,
    /// What is kept back of each listing, where its numbers can be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    buffer: Option<BufferDoc>,
    /// Its orders were read up to then, where they are read from its API, and what they sold is taken off stock or waits for
    /// a person.
    read_up_to: Option<Time>,
    /// SKUs of which it shows none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paused_skus: Vec<String>,
    /// Locations whose stock it does not show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paused_locations: Vec<String>,
    /// Of the locations of its places, those that are closed: it shows nothing of theirs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    closed_locations: Vec<String>,
    /// New places that are named since it was published to: they are read, and nothing is sent there until it is published to
    /// again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    observed_places: Vec<String>,
}

/// Units of each listing that are kept back.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum BufferDoc {
    /// Always as many.
    Fixed {
        /// So many.
        units: u32,
    },
    /// As many as others sell within the lag, but for that risk.
    Measured {
        /// Risk at which others sell more.
        risk: f64,
        /// Seconds from a sale elsewhere until the channel shows it, as they are reckoned with.
        lag_s: f64,
        /// Where the lag comes from: `configured`, or `measured` while that is longer.
        lag_from: &'static str,
        /// What was measured, if that is reckoned with.
        #[serde(skip_serializing_if = "Option::is_none")]
        measured: Option<MeasuredDoc>,
        /// Units kept back at least.
        floor_units: u32,
        /// Units kept back at most.
        cap_units: u32,
    },
}

/// What was measured of how far a channel is behind.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct MeasuredDoc {
    /// Of a hundred changes 99 were shown within so many seconds.
    p99_s: f64,
    /// So many were measured.
    changes: u64,
}

impl BufferDoc {
    fn of(publishing: &Publishing) -> Self {
        match publishing.buffer {
            Buffer::Fixed { units } => Self::Fixed { units },
            Buffer::Measured {
                risk_ppm,
                lag,
                floor_units,
                cap_units,
            } => {
                let measured = publishing.lag_measured.as_ref();
                let measured = measured.filter(|measured| measured.lag > lag);
                Self::Measured {
                    risk: f64::from(risk_ppm) / 1_000_000.0,
                    lag_s: seconds(publishing.lag_beside(lag)),
                    lag_from: measured.map_or("configured", |_| "measured"),
                    measured: measured.map(|measured| MeasuredDoc {
                        p99_s: seconds(measured.p99),
                        changes: measured.changes,
                    }),
                    floor_units,
                    cap_units,
                }
            }
        }
    }
}

fn seconds(span: Duration) -> f64 {
    span.as_ms() as f64 / 1_000.0
}

fn names<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// How a channel is connected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connect {
    /// `shopify`, `api`, …; secrets come from the configuration.
    connector: Text,
    sale: SaleName,
    #[serde(default = "yes")]
    map_by_sku: bool,
}

fn yes() -> bool {
    true
}

/// How a channel sells.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SaleName {
    /// It asks first and can be refused.
    Asks,
    /// The buyer holds a confirmation.
    AlreadySold,
}

/// How far a channel is let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetMode {
    mode: ModeName,
    /// With `active`: also the places that are named since it was published to. See their numbers in the preview first.
    #[serde(default)]
    let_in_places: bool,
}

/// How far a channel is let in.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModeName {
    Observed,
    Active,
    Paused,
}

/// A channel named in a path.
pub(super) struct ChannelPath(pub ChannelId);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for ChannelPath {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let path = path.map_err(|error| ApiError::invalid("channel", error.body_text()))?;
        channel_id(&path.0).map(Self)
    }
}

/// Reads a channel's id.
pub(super) fn channel_id(text: &str) -> Result<ChannelId, ApiError> {
    let _: ChannelId = read_id("channel", text)?;
    ChannelId::checked(text).map_err(|error| ApiError::invalid("channel", error.to_string()))
}

/// A channel; one that was never connected is not found.
pub(super) async fn doc(
    asking: &Asking,
    channel: &ChannelId,
) -> Result<(ChannelDoc, Reply), ApiError> {
    let reply = asking.read(EntityId::Channel(channel.clone())).await?;
    let Answer::Channel {
        settings: Some(settings),
        mode,
        adopt_older_than,
        publishing,
        polled,
        ..
    } = &reply.answer
    else {
        return Err(ApiError::not_found(format!("channel {channel}")));
    };
    let document = ChannelDoc {
        channel: channel.to_string(),
        connector: settings.connector.clone(),
        sale: match settings.sale {
            Sale::Asks => "asks",
            Sale::AlreadySold => "already_sold",
        },
        map_by_sku: settings.map_by_sku,
        mode: match mode {
            ChannelMode::Observed => "observed",
            ChannelMode::Active => "active",
            ChannelMode::Paused => "paused",
        },
        adopt_older_than: adopt_older_than.map(Time),
        publishes: publishing
            .as_ref()
            .is_some_and(|known| !known.places.is_empty()),
        buffer: publishing.as_deref().map(BufferDoc::of),
        read_up_to: polled.as_ref().map(|polled| Time(polled.read_up_to)),
        paused_skus: publishing
            .as_ref()
            .map_or_else(Vec::new, |known| names(&known.paused_skus)),
        paused_locations: publishing
            .as_ref()
            .map_or_else(Vec::new, |known| names(&known.paused_locations)),
        closed_locations: publishing
            .as_ref()
            .map_or_else(Vec::new, |known| names(&known.closed_locations)),
        observed_places: publishing
            .as_ref()
            .map_or_else(Vec::new, |known| names(&known.observed_places)),
    };
    Ok((document, reply))
}

async fn list(asking: Asking) -> Answered<Doc<Items<ChannelDoc>>> {
    let mut items = Vec::new();
    for name in asking.state.channels.keys() {
        items.push(doc(&asking, &channel_id(name)?).await?.0);
    }
    Ok(Doc::read(Items::all(items)))
}

async fn show(asking: Asking, ChannelPath(channel): ChannelPath) -> Answered<Doc<ChannelDoc>> {
    let (document, reply) = doc(&asking, &channel).await?;
    Ok(Doc::of(&reply, document))
}

async fn connect(
    asking: Asking,
    ChannelPath(channel): ChannelPath,
    input: Input<Connect>,
) -> Answered<Doc<ChannelDoc>> {
    if channel.as_str() == ChannelId::HOLDS {
        let problem = "this name is kept for carts' holds: choose another one";
        return Err(ApiError::invalid("channel", problem));
    }
    let settings = ChannelSettings {
        connector: input.value.connector.into(),
        sale: match input.value.sale {
            SaleName::Asks => Sale::Asks,
            SaleName::AlreadySold => Sale::AlreadySold,
        },
        map_by_sku: input.value.map_by_sku,
    };
    change(
        &asking,
        channel,
        ChannelCommand::Connect(settings),
        input.hash,
    )
    .await
}

async fn set_mode(
    asking: Asking,
    ChannelPath(channel): ChannelPath,
    input: Input<SetMode>,
) -> Answered<Doc<ChannelDoc>> {
    let mode = match input.value.mode {
        ModeName::Observed => ChannelMode::Observed,
        ModeName::Active => ChannelMode::Active,
        ModeName::Paused => ChannelMode::Paused,
    };
    let command = match (mode, input.value.let_in_places) {
        (ChannelMode::Active, true) => ChannelCommand::Publish,
        (_, true) => {
            let problem = "places are let in where `mode` is `active`: leave it out";
            return Err(ApiError::invalid("let_in_places", problem));
        }
        (mode, false) => ChannelCommand::SetMode(mode),
    };
    change(&asking, channel, command, input.hash).await
}

pub(super) async fn change(
    asking: &Asking,
    channel: ChannelId,
    command: ChannelCommand,
    hash: u64,
) -> Answered<Doc<ChannelDoc>> {
    let entity = EntityId::Channel(channel.clone());
    let done = asking.ask(entity, Command::Channel(command), hash).await?;
    let (document, _) = doc(asking, &channel).await?;
    Ok(Doc::of(&done, document))
}

#[cfg(test)]
mod tests {
    use crossdock_model::v1::{MeasuredLag, Writes};
    use serde_json::json;

    use super::*;

    /// (lag that is measured in milliseconds, lag reckoned with, where it comes from) beside five seconds.
    #[test]
    fn a_channel_says_what_lag_is_reckoned_with_and_why() {
        let mut publishing = Publishing {
            buffer: Buffer::Measured {
                risk_ppm: 1_000,
                lag: Duration::from_s(5),
                floor_units: 1,
                cap_units: 9,
            },
            ..Publishing::plain(Writes::Absolute, Vec::new())
        };
        for (measured_ms, lag_s, from) in [
            (None, 5.0, "configured"),
            (Some(3_375), 5.0, "configured"),
            (Some(7_593), 7.593, "measured"),
        ] {
            publishing.lag_measured = measured_ms.map(|ms| MeasuredLag {
                lag: Duration::from_ms(ms),
                p99: Duration::from_ms(ms - 300),
                changes: 412,
            });
            let mut expected = json!({
                "kind": "measured", "risk": 0.001, "lag_s": lag_s, "lag_from": from, "floor_units": 1, "cap_units": 9,
            });
            if from == "measured" {
                expected["measured"] = json!({ "p99_s": 7.293, "changes": 412 });
            }
            let said = serde_json::to_value(BufferDoc::of(&publishing)).unwrap();
            assert_eq!(said, expected);
        }
        publishing.buffer = Buffer::Fixed { units: 3 };
        let said = serde_json::to_value(BufferDoc::of(&publishing)).unwrap();
        assert_eq!(said, json!({ "kind": "fixed", "units": 3 }));
    }
}
