//! Long work that meets a server too busy for a part of it: the part is tried again while others get on.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ApiError;

/// How long parts of one work are tried again.
pub(super) struct Patience {
    limit: Duration,
    /// When the work last got on with a part.
    got_on: Mutex<Instant>,
}

impl Patience {
    /// So long without getting on at all.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            got_on: Mutex::new(Instant::now()),
        }
    }

    /// Does a part, again and again while that is all it takes. What it has done is known by its key, or is done anew.
    pub async fn take<T, F>(&self, part: impl Fn() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        loop {
            let taken = part().await;
            let Some(pause) = self.pause(taken.as_ref().err()) else {
                return taken;
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// After what pause a part is tried again, if at all. Once none has got on for long, each of the others is tried
    /// once.
    fn pause(&self, error: Option<&ApiError>) -> Option<Duration> {
        let mut got_on = self.got_on.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = error.and_then(ApiError::retry_after);
        if pause.is_none() {
            *got_on = Instant::now();
        }
        pause.filter(|pause| got_on.elapsed() + *pause <= self.limit)
    }
}
