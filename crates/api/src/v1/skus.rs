//! SKUs: what they are called, how their stock is kept, what kits are made of.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{Component, Scope, Tracking};
use crossdock_model::{Answer, Command, EntityId, SkuId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::stock::{StockDoc, stock_doc};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Id, Input};
use crate::route::Route;
use crate::wire::SkuText;

/// Routes of SKUs.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::put("/v1/skus/{sku}", Scope::Operate, "Define a SKU", define)
            .takes::<SkuInput>()
            .answers::<StockDoc>(),
    ]
}

/// What a SKU is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkuInput {
    /// What people call it; the SKU if absent.
    pub title: Option<String>,
    /// How its stock is kept; `tracked` if absent.
    #[serde(default)]
    pub tracking: TrackingName,
    /// What a kit is made of.
    #[serde(default)]
    pub components: Vec<ComponentInput>,
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
            (TrackingName::Kit, false) => Tracking::Kit(components(self.components)),
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
        let title = self.title.unwrap_or_else(|| sku.to_string());
        Ok(SkuCommand::Define { title, tracking })
    }
}

async fn define(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<SkuInput>,
) -> Answered<Doc<StockDoc>> {
    let command = input.value.command(&sku)?;
    let entity = EntityId::Sku(sku.clone());
    let asked = asking.ask(entity.clone(), Command::Sku(command), input.hash);
    let done = asked.await?;
    resume(&asking, &sku).await?;
    match asking.read(entity).await?.answer {
        Answer::Stock(view) => Ok(Doc::of(&done, stock_doc(&view))),
        other => Err(ApiError::internal(&format!("a SKU answered {other:?}"))),
    }
}

/// Puts deliveries to work again that waited for a SKU of this name.
pub(super) async fn resume(asking: &Asking, sku: &SkuId) -> Result<(), ApiError> {
    let state = &asking.state;
    for channel in state.channels.keys() {
        state.handle.unpark(&format!("{channel}/{sku}")).await?;
    }
    Ok(())
}
