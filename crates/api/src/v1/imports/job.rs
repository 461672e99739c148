//! An import on its way: how far it is and which lines are bad.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
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
    /// Begins an import, unless it is known or too many run.
    pub(super) fn begin(&self, job: Job) -> Result<Begun, ApiError> {
        let known = self.find(&job.id);
        if let Some(job) = known.filter(|job| job.state() != State::Stopped) {
            return Ok(Begun::Known(job));
        }
        let turn = Arc::clone(&self.turns).try_acquire_owned().map_err(|_| {
            let detail = format!("{AT_ONCE} imports run already: try again");
            ApiError::later("overloaded", detail, 2000)
        })?;
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|known| known.id != job.id);
        if jobs.len() >= REMEMBERED {
            jobs.pop_front();
        }
        let job = Arc::new(job);
        jobs.push_back(Arc::clone(&job));
        Ok(Begun::New(AtWork { job, turn }))
    }

    /// The import of that id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Job>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().find(|job| job.id == id).cloned()
    }
}

/// What came of beginning an import.
pub(super) enum Begun {
    /// It is to be done.
    New(AtWork),
    /// It is done already, or on its way.
    Known(Arc<Job>),
}

/// An import at work. However the work ends, it has ended: nobody waits for it in vain.
pub(super) struct AtWork {
    pub job: Arc<Job>,
    /// Others begin when it has ended.
    #[allow(dead_code, reason = "held, not read")]
    turn: OwnedSemaphorePermit,
}

impl AtWork {
    /// Every line was tried. Where some are left it has not come to its end: a repeat of its key does those.
    pub fn finish(self) {
        if self.job.left.load(Ordering::Relaxed) == 0 {
            self.job.state.send_replace(State::Done);
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let state = &self.job.state;
        state.send_if_modified(|state| match state {
            State::Running => {
                *state = State::Stopped;
                true
            }
            State::Done | State::Stopped => false,
        });
    }
}

/// How an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Lines are being worked on.
    Running,
    /// Every line was worked on.
    Done,
    /// It broke off, or lines are left: begin it again with the same key.
    Stopped,
}

/// An import.
pub(crate) struct Job {
    id: String,
    kind: &'static str,
    preview: bool,
    lines: AtomicU64,
    imported: AtomicU64,
    bad: AtomicU64,
    left: AtomicU64,
    state: watch::Sender<State>,
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
    /// How it stands.
    state: State,
    /// Lines of the file.
    lines: u64,
    /// Lines that are imported, or could be.
    imported: u64,
    /// Lines that are not, whenever they come.
    bad: u64,
    /// Lines that could not be done for the moment: begin it again with the same key.
    left: u64,
    /// The first 10,000 bad lines and those left, by number.
    errors: Vec<LineError>,
}

/// A line that is bad, or left.
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
            bad: AtomicU64::new(0),
            left: AtomicU64::new(0),
            state: watch::Sender::new(State::Running),
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

    /// A line is bad.
    pub fn failed(&self, error: LineError) {
        self.bad.fetch_add(1, Ordering::Relaxed);
        self.tell(error);
    }

    /// A line could not be done for the moment.
    pub fn left(&self, error: LineError) {
        self.left.fetch_add(1, Ordering::Relaxed);
        self.tell(error);
    }

    fn tell(&self, error: LineError) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < ERRORS_MAX {
            errors.push(error);
        }
    }

    fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        let mut state = self.state.subscribe();
        // The job has the sender, so it is not gone.
        let _ = state.wait_for(|state| *state != State::Running).await;
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
            state: self.state(),
            lines: self.lines.load(Ordering::Relaxed),
            imported: self.imported.load(Ordering::Relaxed),
            bad: self.bad.load(Ordering::Relaxed),
            left: self.left.load(Ordering::Relaxed),
            errors,
        }
    }
}
