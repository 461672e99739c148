//! What can be said of exceptions about things that are no entities, to the entity that keeps them.
#![allow(
    missing_docs,
    reason = "variants are documented; fields are named for what they hold, with units in name or type"
)]

use serde::{Deserialize, Serialize};

use crate::v1::ExceptionKey;

/// Opens, closes or notes an exception: of an unmapped listing or an unreadable payload, say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExceptionCommand {
    /// One that is open stays open.
    Open {
        kind: String,
        subject: String,
        cause: String,
        evidence: Vec<(String, String)>,
    },
    /// The system sees that it is over, if it is open.
    Close {
        kind: String,
        subject: String,
        how: String,
    },
    /// A person settles that episode, which must be open.
    Resolve { key: ExceptionKey, how: String },
    /// A person writes onto that episode, which must be open.
    Note { key: ExceptionKey, text: String },
}

impl ExceptionCommand {
    /// Opens it; `cause` says what is to be done.
    #[must_use]
    pub fn open(kind: &str, subject: &str, cause: String) -> Self {
        Self::open_with(kind, subject, cause, Vec::new())
    }

    /// Opens it, with what tells more of it by name.
    #[must_use]
    pub fn open_with(
        kind: &str,
        subject: &str,
        cause: String,
        evidence: Vec<(String, String)>,
    ) -> Self {
        Self::Open {
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            cause,
            evidence,
        }
    }

    /// Closes it, if it is open.
    #[must_use]
    pub fn close(kind: &str, subject: &str, how: &str) -> Self {
        Self::Close {
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            how: how.to_owned(),
        }
    }

    /// Its kind and subject.
    #[must_use]
    pub fn about(&self) -> (&str, &str) {
        match self {
            Self::Open { kind, subject, .. } | Self::Close { kind, subject, .. } => (kind, subject),
            Self::Resolve { key, .. } | Self::Note { key, .. } => (&key.kind, &key.subject),
        }
    }
}
