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

use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Filter, unread};
use crate::route::Route;

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
