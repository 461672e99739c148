//! Open exceptions of an entity that is not their subject: one open per kind and subject.

use std::collections::BTreeMap;

use crossdock_model::v1::{ExceptionClosed, ExceptionKey, ExceptionOpened};
use serde::{Deserialize, Serialize};

/// Kinds and subjects whose count of episodes is remembered at most.
const EPISODES_MAX: usize = 100_000;

/// Which exceptions are open, and how often each was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenExceptions {
    episodes: BTreeMap<(String, String), u32>,
    open: BTreeMap<(String, String), u32>,
}

impl OpenExceptions {
    /// The event that opens it; none when it is open.
    #[must_use]
    pub fn open(
        &self,
        kind: &str,
        subject: &str,
        cause: &str,
        evidence: &[(String, String)],
    ) -> Option<ExceptionOpened> {
        let name = (kind.to_owned(), subject.to_owned());
        if self.open.contains_key(&name) {
            return None;
        }
        let episode = self.episodes.get(&name).copied().unwrap_or(0) + 1;
        let key = ExceptionKey { kind: name.0, subject: name.1, episode };
        Some(ExceptionOpened { key, cause: cause.to_owned(), evidence: evidence.to_vec() })
    }

    /// The event that closes it; none when it is not open.
    #[must_use]
    pub fn close(&self, kind: &str, subject: &str, how: &str) -> Option<ExceptionClosed> {
        let name = (kind.to_owned(), subject.to_owned());
        let episode = *self.open.get(&name)?;
        let key = ExceptionKey { kind: name.0, subject: name.1, episode };
        Some(ExceptionClosed { key, how: how.to_owned() })
    }

    /// Takes an opening over.
    pub fn apply_opened(&mut self, opened: &ExceptionOpened) {
        let name = (opened.key.kind.clone(), opened.key.subject.clone());
        self.open.insert(name.clone(), opened.key.episode);
        self.episodes.insert(name, opened.key.episode);
        if self.episodes.len() > EPISODES_MAX {
            self.episodes.pop_first();
        }
    }

    /// Takes a closing over.
    pub fn apply_closed(&mut self, closed: &ExceptionClosed) {
        self.open.remove(&(closed.key.kind.clone(), closed.key.subject.clone()));
    }
}
