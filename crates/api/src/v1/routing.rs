//! Routing rules: TOML, checked as a whole before they are in force.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use crossdock_model::command::SystemCommand;
use crossdock_model::v1::Scope;
use crossdock_model::{Answer, Command, EntityId};
use crossdock_runtime::{CompiledRules, Reply, parse_rules};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::consistent::{consistent, look, page};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Filter, unread};
use crate::route::Route;
use crate::wire::{Items, Time};

/// Routes of routing rules.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/v1/routing/rules",
            Scope::Read,
            "Show the rules in force",
            show,
        )
        .answers::<RulesDoc>(),
        Route::get(
            "/v1/routing/rules/versions",
            Scope::Read,
            "List the rules that were in force, newest first",
            versions,
        )
        .filters::<VersionQuery>()
        .answers::<Items<VersionDoc>>(),
        Route::put(
            "/v1/routing/rules",
            Scope::Admin,
            "Check rules and put them in force",
            save,
        )
        .filters::<RulesQuery>()
        .takes_text("application/toml")
        .answers::<RulesDoc>(),
    ]
}

/// How rules are taken.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesQuery {
    /// Only check them.
    #[serde(default)]
    preview: bool,
}

/// Rules.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RulesDoc {
    /// Version in force; 0 for the built-in rule.
    version: u32,
    /// TOML.
    document: String,
}

/// A page of versions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionQuery {
    /// Where the page begins.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200.
    limit: Option<usize>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// Rules as they were saved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionDoc {
    version: i64,
    /// TOML.
    document: String,
    saved_at: Time,
    /// Who saved them: the name of a person or system.
    by: String,
}

async fn versions(
    asking: Asking,
    Filter(query): Filter<VersionQuery>,
) -> Answered<Doc<Items<VersionDoc>>> {
    let state = &asking.state;
    consistent(state, query.consistent_with.as_deref()).await?;
    let limit = page(query.limit)?;
    let read = move |insight: &crossdock_insight::Insight| {
        insight.rule_sets(query.cursor.as_deref(), limit)
    };
    let rows = look(state, read).await?;
    let names = state.keys.names(&state.handle).await?;
    Ok(Doc::read(Items::of(rows, |row| VersionDoc {
        version: row.version,
        document: row.document,
        saved_at: Time::from_ms(row.at),
        by: names.of(row.principal),
    })))
}

async fn read(asking: &Asking) -> Result<(RulesDoc, Reply), ApiError> {
    let read = Command::System(SystemCommand::ReadRuleSet);
    let reply = asking
        .ask_by(EntityId::System(0), read, asking.by())
        .await?;
    match reply.answer.clone() {
        Answer::RuleSet { version, document } => Ok((RulesDoc { version, document }, reply)),
        other => Err(ApiError::internal(&format!(
            "rules were answered by {other:?}"
        ))),
    }
}

async fn show(asking: Asking) -> Answered<Doc<RulesDoc>> {
    let (document, reply) = read(&asking).await?;
    Ok(Doc::of(&reply, document))
}

/// Compiles a document against the locations there are; every problem is told.
fn compiled(asking: &Asking, version: u32, document: &str) -> Result<CompiledRules, ApiError> {
    let wrong = |problems: Vec<String>| {
        let detail = format!("{} problems; nothing was changed", problems.len());
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        ApiError::new(status, "rules_invalid", detail).with_problems(problems)
    };
    let rules = parse_rules(document).map_err(|problem| wrong(vec![problem.to_string()]))?;
    let locations = asking.state.handle.location_ids();
    CompiledRules::compile(version, &rules, &locations)
        .map_err(|problems| wrong(problems.iter().map(ToString::to_string).collect()))
}

async fn save(
    asking: Asking,
    Filter(query): Filter<RulesQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Answered<Doc<RulesDoc>> {
    let body = body.map_err(unread)?;
    let document = String::from_utf8(body.to_vec())
        .map_err(|_| ApiError::invalid("body", "expected TOML in UTF-8"))?;
    compiled(&asking, 0, &document)?;
    if query.preview {
        let version = 0;
        return Ok(Doc::read(RulesDoc { version, document }));
    }
    let save = Command::System(SystemCommand::SaveRuleSet { document });
    let done = asking
        .ask_by(EntityId::System(0), save, asking.by())
        .await?;
    let (saved, _) = read(&asking).await?;
    let rules = compiled(&asking, saved.version, &saved.document)?;
    asking.state.handle.set_rules(rules);
    Ok(Doc::of(&done, saved))
}
