//! Backups of the journal in use.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::StatusCode;
use crossdock_model::v1::Scope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::Input;
use crate::route::Route;

/// Routes of backups.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/v1/journal/backups",
            Scope::Admin,
            "Copy the journal to a directory of the server",
            create,
        )
        .takes::<BackupInput>()
        .creates::<BackupDoc>()
        .import(),
    ]
}

/// Where to copy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupInput {
    /// An absolute path on the server that does not exist yet.
    to: String,
}

/// What was copied.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackupDoc {
    to: String,
    files: u64,
    bytes: u64,
}

async fn create(asking: Asking, input: Input<BackupInput>) -> Answered<Doc<BackupDoc>> {
    let backup = asking.state.backup.clone().ok_or_else(|| {
        let detail = "this server makes no backups";
        ApiError::new(StatusCode::CONFLICT, "unsupported", detail)
    })?;
    let to = PathBuf::from(&input.value.to);
    if !to.is_absolute() {
        return Err(ApiError::invalid("to", "expected an absolute path"));
    }
    let run = Arc::clone(&backup);
    let copied = tokio::task::spawn_blocking(move || run(to)).await;
    let report = copied.map_err(|error| ApiError::internal(&error))?;
    let report =
        report.map_err(|cause| ApiError::new(StatusCode::CONFLICT, "backup_failed", cause))?;
    let document = BackupDoc {
        to: input.value.to,
        files: report.files,
        bytes: report.bytes,
    };
    Ok(Doc::read(document).created())
}
