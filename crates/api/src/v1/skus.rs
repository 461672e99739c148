//! SKUs: what they are called, how their stock is kept, what kits are made of.

use std::collections::BTreeSet;

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{Component, Kit, Scope, Tracking};
use crossdock_model::{Answer, Command, EntityId, SkuId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::consistent::{consistent, look, page};
use super::kits::may_split;
use super::stock::{ComponentDoc, StockDoc, component_docs, stock_now, tracking_name};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Filter, Id, Input};
use crate::route::Route;
use crate::wire::{Items, SkuText, Text};

/// Routes of SKUs.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/skus", Scope::Read, "List SKUs", list)
            .filters::<SkuQuery>()
            .answers::<Items<SkuDoc>>(),
        Route::put("/v1/skus/{sku}", Scope::Operate, "Define a SKU", define)
            .takes::<SkuInput>()
            .answers::<StockDoc>(),
    ]
}

/// Which SKUs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkuQuery {
    /// That begin with this text, or have it in their title, in any case.
    text: Option<String>,
    /// Where the page begins.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200.
    limit: Option<usize>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// A SKU in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SkuDoc {
    sku: String,
    title: String,
    /// `tracked`, `untracked` or `kit`.
    tracking: &'static str,
    /// What a kit is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Vec<ComponentDoc>>,
    /// Whether a kit's components may leave from different locations.
    #[serde(skip_serializing_if = "Option::is_none")]
    may_split: Option<bool>,
    /// Units that waiting orders lack.
    waiting_units: i64,
}

/// What a SKU is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkuInput {
    /// What people call it; the SKU if absent.
    pub title: Option<Text>,
    /// How its stock is kept; `tracked` if absent.
    #[serde(default)]
    pub tracking: TrackingName,
    /// What a kit is made of.
    #[serde(default)]
    pub components: Vec<ComponentInput>,
    /// Whether a kit's components may leave from different locations.
    #[serde(default)]
    pub may_split: bool,
}

/// How stock is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrackingName {
    /// Units are counted per location.
    #[default]
    Tracked,
    /// There is always enough.
    Untracked,
    /// Reserved by component.
    Kit,
}

/// A part of a kit.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentInput {
    /// The SKU.
    pub sku: SkuText,
    /// Units of it in one kit.
    pub units_per_kit: u32,
}

/// Components for a command.
pub(super) fn components(all: Vec<ComponentInput>) -> Vec<Component> {
    let read = |one: ComponentInput| Component {
        sku: one.sku.0,
        units_per_kit: one.units_per_kit,
    };
    all.into_iter().map(read).collect()
}

impl SkuInput {
    /// The command that says so.
    pub fn command(self, sku: &SkuId) -> Result<SkuCommand, ApiError> {
        let tracking = match (self.tracking, self.components.is_empty()) {
            (TrackingName::Kit, false) => Tracking::Kit(Kit {
                components: components(self.components),
                may_split: self.may_split,
            }),
            (TrackingName::Kit, true) => {
                return Err(ApiError::invalid(
                    "components",
                    "a kit is made of something",
                ));
            }
            (_, false) => {
                return Err(ApiError::invalid("tracking", "only a kit has components"));
            }
            (TrackingName::Tracked, true) => Tracking::Tracked,
            (TrackingName::Untracked, true) => Tracking::Untracked,
        };
        let title = self.title.map(String::from);
        let title = title.unwrap_or_else(|| sku.to_string());
        Ok(SkuCommand::Define { title, tracking })
    }
}

async fn list(asking: Asking, Filter(query): Filter<SkuQuery>) -> Answered<Doc<Items<SkuDoc>>> {
    consistent(&asking.state, query.consistent_with.as_deref()).await?;
    let limit = page(query.limit)?;
    let read = move |insight: &crossdock_insight::Insight| {
        insight.skus(query.text.as_deref(), query.cursor.as_deref(), limit)
    };
    let rows = look(&asking.state, read).await?;
    Ok(Doc::read(Items::of(rows, |row| {
        let tracking = serde_json::from_value(row.tracking).unwrap_or(Tracking::Tracked);
        SkuDoc {
            sku: row.sku,
            title: row.title,
            tracking: tracking_name(&tracking),
            components: component_docs(&tracking),
            may_split: may_split(&tracking),
            waiting_units: row.waiting_units,
        }
    })))
}

/// Refuses a SKU that nobody defined.
pub(super) async fn known(asking: &Asking, sku: &SkuId) -> Result<(), ApiError> {
    asking.state.kits.is_kit(asking, sku).await.map(drop)
}

/// Refuses a kit of something that nobody defined. `also` is being defined with it.
pub(super) async fn known_parts(
    asking: &Asking,
    command: &SkuCommand,
    also: &BTreeSet<SkuId>,
) -> Result<(), ApiError> {
    let SkuCommand::Define {
        tracking: Tracking::Kit(kit),
        ..
    } = command
    else {
        return Ok(());
    };
    let parts = kit.components.iter();
    for part in parts.filter(|part| !also.contains(&part.sku)) {
        let found = known(asking, &part.sku).await;
        found.map_err(|error| match error.code() {
            "not_found" => {
                let problem = format!("there is no {}: define it first", part.sku);
                ApiError::invalid("components", problem)
            }
            _ => error,
        })?;
    }
    Ok(())
}

async fn define(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<SkuInput>,
) -> Answered<Doc<StockDoc>> {
    let command = input.value.command(&sku)?;
    known_parts(&asking, &command, &BTreeSet::new()).await?;
    let entity = EntityId::Sku(sku.clone());
    let asked = asking.ask(entity.clone(), Command::Sku(command), input.hash);
    let done = asked.await?;
    let waited_for = waited_for(&asking, &sku);
    asking.state.handle.unpark(waited_for).await?;
    match asking.read(entity).await?.answer {
        Answer::Stock(view) => Ok(Doc::of(&done, stock_now(&asking, &view).await?)),
        other => Err(ApiError::internal(&format!("a SKU answered {other:?}"))),
    }
}

/// What deliveries of every channel wait for that name a SKU nobody has defined.
pub(super) fn waited_for(asking: &Asking, sku: &SkuId) -> Vec<String> {
    let channels = asking.state.channels.keys();
    channels.map(|channel| format!("{channel}/{sku}")).collect()
}
