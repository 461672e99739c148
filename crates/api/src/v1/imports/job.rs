//! An import on its way: how far it is and which lines are bad.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;

use crate::error::ApiError;

/// Imports at once: each holds its file in memory.
const AT_ONCE: usize = 2;
/// Imports whose outcome is remembered.
const REMEMBERED: usize = 100;
/// Bad lines told of one import.
const ERRORS_MAX: usize = 10_000;

/// Imports of this server since its start.
pub(crate) struct Jobs {
    jobs: Mutex<VecDeque<Arc<Job>>>,
    turns: Arc<Semaphore>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            jobs: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Jobs {
    /// Begins an import, unless too many run.
    pub(super) fn begin(&self, job: &Arc<Job>) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().map_err(|_| {
            let detail = format!("{AT_ONCE} imports run already: try again");
            ApiError::later("overloaded", detail, 2000)
        })?;
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|known| known.id != job.id);
        if jobs.len() >= REMEMBERED {
            jobs.pop_front();
        }
        jobs.push_back(Arc::clone(job));
        Ok(turn)
    }

    /// The import of that id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Job>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().find(|job| job.id == id).cloned()
    }
}

/// An import.
pub(crate) struct Job {
    id: String,
    kind: &'static str,
    preview: bool,
    lines: AtomicU64,
    imported: AtomicU64,
    ended: AtomicBool,
    errors: Mutex<Vec<LineError>>,
}

/// How far an import is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportDoc {
    /// Ask for it by this id.
    import: String,
    /// `skus`, `stock`, `locations` or `listings`.
    kind: &'static str,
    /// Whether lines were only checked.
    preview: bool,
    /// `running` or `done`.
    state: &'static str,
    /// Lines of the file.
    lines: u64,
    /// Lines that are imported, or could be.
    imported: u64,
    /// Lines that are not, by number.
    errors: Vec<LineError>,
}

/// A bad line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LineError {
    /// Its number in the file, from 1.
    pub line: u64,
    /// A stable code.
    pub code: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

impl LineError {
    /// What is wrong with a line.
    pub fn of(line: u64, error: &ApiError) -> Self {
        // Lines are worked on after the request was answered: nobody else tells the log.
        if let Some(cause) = error.cause() {
            tracing::error!(line, cause, "a line of an import failed");
        }
        Self {
            line,
            code: error.code(),
            detail: error.detail().to_owned(),
        }
    }
}

impl Job {
    pub fn new(id: String, kind: &'static str, preview: bool) -> Self {
        Self {
            id,
            kind,
            preview,
            lines: AtomicU64::new(0),
            imported: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            errors: Mutex::default(),
        }
    }

    pub fn is_preview(&self) -> bool {
        self.preview
    }

    pub fn found(&self, lines: usize) {
        self.lines.store(lines as u64, Ordering::Relaxed);
    }

    pub fn imported(&self) {
        self.imported.fetch_add(1, Ordering::Relaxed);
    }

    pub fn failed(&self, error: LineError) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < ERRORS_MAX {
            errors.push(error);
        }
    }

    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// How far it is.
    pub fn doc(&self) -> ImportDoc {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let mut errors = errors.clone();
        errors.sort_by_key(|error| error.line);
        ImportDoc {
            import: self.id.clone(),
            kind: self.kind,
            preview: self.preview,
            state: match self.ended.load(Ordering::Relaxed) {
                true => "done",
                false => "running",
            },
            lines: self.lines.load(Ordering::Relaxed),
            imported: self.imported.load(Ordering::Relaxed),
            errors,
        }
    }
}
