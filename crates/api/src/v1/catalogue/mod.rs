//! What a channel says of itself, before anything is published to it: where it keeps stock, and what it sells, which is
//! mapped to SKUs of the same text. Whatever is mapped already stays as it is, so importing again is safe.

mod import;
mod to_do;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::StatusCode;
use crossdock_channels::Place;
use crossdock_model::v1::{ChannelPlace, Scope};
use crossdock_model::{Answer, ChannelId, Class, EntityId};
use crossdock_runtime::catalogue::{Left, Named};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub(crate) use import::Catalogues;

use self::import::{Begun, Counts, Import, Row, State, read_page, work_and_forget};
use self::to_do::{Outcome, to_do};
use super::channels::{self, ChannelPath};
use super::consistent::page;
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::Filter;
use crate::route::Route;
use crate::wire::Items;

/// Why listings are mapped, where the caller does not say.
const REASON: &str = "the channel sells it under the same SKU";

/// Routes of what a channel says of itself.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/v1/channels/{channel}/places",
            Scope::Read,
            "List where the channel keeps stock, and which locations sell there",
            places,
        )
        .answers::<Items<PlaceDoc>>()
        .import(),
        Route::post(
            "/v1/channels/{channel}/catalogue/import",
            Scope::Operate,
            "Map what the channel sells to SKUs of the same text; what waited for it is worked on",
            start,
        )
        .filters::<CatalogueQuery>()
        .answers::<CatalogueDoc>()
        .may_be_later()
        .import(),
        Route::get(
            "/v1/channels/{channel}/catalogue",
            Scope::Read,
            "How far the last import of what the channel sells is",
            show,
        )
        .answers::<CatalogueDoc>(),
        Route::get(
            "/v1/channels/{channel}/catalogue/variants",
            Scope::Read,
            "List what the channel sells, and what became of each in its last import",
            list,
        )
        .filters::<VariantQuery>()
        .answers::<Items<VariantDoc>>(),
    ]
}

/// A place of a channel, or one that only the settings name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaceDoc {
    /// Its id, as the settings name it.
    place: String,
    /// Absent: the channel has no such place.
    name: Option<String>,
    /// Whether the channel keeps stock there now.
    active: bool,
    /// Locations whose stock it sells, by the settings.
    locations: Vec<String>,
    /// What is wrong with the settings, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// How to import.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct CatalogueQuery {
    /// Say what would happen, and change nothing.
    #[serde(default)]
    preview: bool,
}

/// How far an import of what a channel sells is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CatalogueDoc {
    channel: String,
    /// Whether nothing is changed.
    preview: bool,
    /// How it stands.
    state: State,
    /// Variants that were read.
    variants: u64,
    /// Variants of which it is known what becomes of them.
    settled: u64,
    #[serde(flatten)]
    counts: Counts,
    /// Why it stopped, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<CatalogueProblem>,
}

/// Why an import stopped.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CatalogueProblem {
    /// A stable code.
    code: &'static str,
    detail: String,
}

/// A page of what a channel sells.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct VariantQuery {
    /// Where the page begins.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200.
    limit: Option<usize>,
}

/// Something that a channel sells.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariantDoc {
    /// As orders name it.
    variant: String,
    /// As numbers name it.
    number: String,
    /// The SKU it has there.
    sku: Option<String>,
    title: String,
    /// Whether the channel counts it: else nothing of it can be published.
    counted: bool,
    /// What became of it, or in a preview would; absent: that is not known yet.
    outcome: Option<OutcomeName>,
    /// What a person is to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_do: Option<String>,
}

/// What became of a variant.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutcomeName {
    /// Mapped to the SKU of the same text.
    Mapped,
    /// Mapped before.
    Known,
    /// Mapped to something else, and left so.
    Conflict,
    /// Without a SKU.
    NoSku,
    /// With a SKU that is none of ours.
    UnknownSku,
    /// With a SKU that other variants have too.
    RepeatedSku,
    /// Sent by the channel itself, and left out.
    SentByChannel,
    /// Could not be done for the moment.
    Failed,
}

impl OutcomeName {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Mapped => Self::Mapped,
            Outcome::Left(Left::Known) => Self::Known,
            Outcome::Left(Left::Conflict(..)) => Self::Conflict,
            Outcome::Left(Left::Unnamed(named)) => match named {
                Named::Nothing => Self::NoSku,
                Named::Unknown | Named::Ours(_) => Self::UnknownSku,
                Named::Repeated(..) => Self::RepeatedSku,
            },
            Outcome::SentByChannel => Self::SentByChannel,
            Outcome::Failed(_) => Self::Failed,
        }
    }
}

fn unsupported(detail: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "unsupported", detail)
}

async fn places(
    asking: Asking,
    ChannelPath(channel): ChannelPath,
) -> Answered<Doc<Items<PlaceDoc>>> {
    let known = asking.read(EntityId::Channel(channel.clone())).await?;
    let Answer::Channel {
        settings: Some(_),
        publishing,
        ..
    } = known.answer
    else {
        return Err(ApiError::not_found(format!("channel {channel}")));
    };
    let read = asking.state.read_places.as_ref();
    let read = read.ok_or_else(|| unsupported("this server reads no places"))?;
    let found = read(channel.clone()).await?;
    let named = publishing.map_or_else(Vec::new, |publishing| publishing.places);
    Ok(Doc::read(Items::all(place_docs(&channel, found, &named))))
}

/// The channel's places, and after them what only the settings name.
fn place_docs(channel: &ChannelId, found: Vec<Place>, named: &[ChannelPlace]) -> Vec<PlaceDoc> {
    let id = |place: &ChannelPlace| {
        let name = place.place.as_str();
        name.rsplit_once('/').map_or(name, |(_, id)| id).to_owned()
    };
    let locations = |place: &ChannelPlace| {
        let ids = place.locations.iter();
        ids.map(ToString::to_string).collect::<Vec<_>>()
    };
    let there: BTreeSet<String> = found.iter().map(|place| place.id.clone()).collect();
    let settings = format!("correct places in [channels.{channel}.publish]");
    let of_channel = found.into_iter().map(|place| {
        let set = named.iter().find(|set| id(set) == place.id);
        let is_closed = set.is_some() && !place.is_active;
        PlaceDoc {
            problem: is_closed.then(|| {
                format!("the channel has deactivated it, and takes no numbers there: {settings}, or activate it there")
            }),
            locations: set.map_or_else(Vec::new, locations),
            place: place.id,
            name: Some(place.name),
            active: place.is_active,
        }
    });
    let missing = named.iter().filter(|set| !there.contains(&id(set)));
    let missing = missing.map(|set| PlaceDoc {
        place: id(set),
        name: None,
        active: false,
        locations: locations(set),
        problem: Some(format!("the channel has no such place: {settings}")),
    });
    of_channel.chain(missing).collect()
}

async fn start(
    asking: Asking,
    ChannelPath(channel): ChannelPath,
    Filter(query): Filter<CatalogueQuery>,
) -> Answered<Doc<CatalogueDoc>> {
    channels::doc(&asking, &channel).await?;
    let state = asking.state.clone();
    let read = state.read_variants.clone();
    let read = read.ok_or_else(|| unsupported("this server does not read what channels sell"))?;
    let import = match state.catalogues.begin(&channel, query.preview)? {
        Begun::Known(import) => import,
        Begun::New(at_work) => {
            let import = Arc::clone(&at_work.0);
            // A channel that cannot be read at all is the answer.
            let next = read_page(&import, &channel, &read, None).await?;
            let asking = asking.of(Class::Import).because(REASON);
            // On its own: a caller who hangs up does not break it off.
            tokio::spawn(work_and_forget(
                asking,
                channel.clone(),
                read,
                at_work,
                next,
            ));
            import
        }
    };
    Ok(Doc::read(doc(&channel, &import)).accepted())
}

async fn show(asking: Asking, ChannelPath(channel): ChannelPath) -> Answered<Doc<CatalogueDoc>> {
    let import = find(&asking, &channel)?;
    Ok(Doc::read(doc(&channel, &import)))
}

fn find(asking: &Asking, channel: &ChannelId) -> Result<Arc<Import>, ApiError> {
    let import = asking.state.catalogues.find(channel);
    import.ok_or_else(|| {
        ApiError::not_found(format!(
            "an import of what {channel} sells since this server's start"
        ))
    })
}

fn doc(channel: &ChannelId, import: &Import) -> CatalogueDoc {
    let progress = import.progress();
    let problem = progress.problem.as_ref();
    CatalogueDoc {
        channel: channel.to_string(),
        preview: import.preview,
        state: progress.state,
        variants: progress.variants as u64,
        settled: progress.counts.settled(),
        counts: progress.counts.clone(),
        problem: problem.map(|error| CatalogueProblem {
            code: error.code(),
            detail: error.detail().to_owned(),
        }),
    }
}

async fn list(
    asking: Asking,
    ChannelPath(channel): ChannelPath,
    Filter(query): Filter<VariantQuery>,
) -> Answered<Doc<Items<VariantDoc>>> {
    let limit = page(query.limit)?;
    let begin = match query.cursor.as_deref().map(str::parse::<usize>) {
        None => 0,
        Some(Ok(begin)) => begin,
        Some(Err(_)) => return Err(ApiError::invalid("cursor", "not the next_cursor of a page")),
    };
    let import = find(&asking, &channel)?;
    let progress = import.progress();
    if progress.is_over {
        let what =
            "what became of each variant in the last import, which is too long ago: import again";
        return Err(ApiError::not_found(what));
    }
    let rows = progress.rows.iter().skip(begin).take(limit);
    let items: Vec<VariantDoc> = rows.map(|row| variant(&channel, row)).collect();
    let end = begin.saturating_add(limit);
    Ok(Doc::read(Items {
        items,
        next_cursor: (end < progress.rows.len()).then(|| end.to_string()),
    }))
}

fn variant(channel: &ChannelId, row: &Row) -> VariantDoc {
    let Row { variant, outcome } = row;
    VariantDoc {
        variant: variant.sold_as.to_string(),
        number: variant.counted_as.to_string(),
        sku: variant.sku.clone(),
        title: variant.title.clone(),
        counted: variant.is_tracked,
        outcome: outcome.as_ref().map(OutcomeName::of),
        to_do: outcome
            .as_ref()
            .and_then(|outcome| to_do(channel, variant, outcome)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the settings name is held against what the channel has.
    #[test]
    fn settings_that_name_a_wrong_place_are_told() {
        let channel = ChannelId::checked("shop").unwrap();
        let place = |id: &str, is_active| Place {
            id: id.to_owned(),
            name: format!("Place {id}"),
            is_active,
        };
        let set = |id: &str, location: &str| ChannelPlace {
            place: format!("shop/{id}").parse().unwrap(),
            locations: vec![location.parse().unwrap()],
        };
        let found = vec![
            place("1", true),
            place("2", false),
            place("3", true),
            place("4", false),
        ];
        let named = [set("1", "reno"), set("2", "york"), set("9", "ulm")];
        let told = place_docs(&channel, found, &named);
        let told: Vec<_> = told
            .iter()
            .map(|one| {
                let problem = one.problem.as_deref().unwrap_or_default();
                let problem = problem.split(':').next().unwrap_or_default();
                (
                    one.place.as_str(),
                    one.active,
                    one.locations.join(","),
                    problem,
                )
            })
            .collect();
        let closed = "the channel has deactivated it, and takes no numbers there";
        let expected = [
            ("1", true, "reno", ""),
            ("2", false, "york", closed),
            ("3", true, "", ""),
            ("4", false, "", ""),
            ("9", false, "ulm", "the channel has no such place"),
        ];
        let expected = expected.map(|(id, active, at, what)| (id, active, at.to_owned(), what));
        assert_eq!(told, expected);
    }
}
