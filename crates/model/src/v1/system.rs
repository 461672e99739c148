//! Events of the system's own documents.

use serde::{Deserialize, Serialize};

use super::{ExceptionClosed, ExceptionNoted, ExceptionOpened};
use crate::{ChannelId, CredentialId, Timestamp};

/// What a key may do; each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    Read,
    Operate,
    Admin,
}

/// Events of `system:{n}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SystemEvent {
    /// A rule set was loaded: its text (TOML) as a journaled, versioned document.
    RuleSetSaved {
        version: u32,
        document: String,
    },
    /// An API key was made; only its SHA-256 is kept.
    KeyCreated {
        id: CredentialId,
        name: String,
        scope: Scope,
        secret_sha256: [u8; 32],
        expires_at: Option<Timestamp>,
    },
    KeyRevoked {
        id: CredentialId,
    },
    /// An outgoing webhook endpoint; its secret is found under this name in the configuration.
    EndpointSet {
        id: String,
        url: String,
        topics: Vec<String>,
        secret_name: String,
    },
    EndpointRemoved {
        id: String,
    },
    /// A command (or with `None` the whole entity) is put aside after repeated crashes.
    Quarantined {
        entity: String,
        command_hash: Option<u64>,
        cause: String,
        /// Of the exception that it is listed as: tells it from others of the same entity and command.
        episode: u32,
    },
    /// A person decided: what was put aside may come again, or (`skipped`) that command stays refused for good.
    QuarantineLifted {
        entity: String,
        command_hash: Option<u64>,
        skipped: bool,
    },
    ExceptionOpened(ExceptionOpened),
    ExceptionClosed(ExceptionClosed),
    ExceptionNoted(ExceptionNoted),
    /// A channel was connected for the first time.
    ChannelNamed {
        channel: ChannelId,
    },
}

/// The kind of exception as which a quarantine is listed, in `docs/exceptions.md`.
pub const QUARANTINE: &str = "quarantine";

/// The subject of that exception: what is put aside.
#[must_use]
pub fn quarantined(entity: &str, command_hash: Option<u64>) -> String {
    command_hash.map_or_else(|| entity.to_owned(), |hash| format!("{entity}#{hash:016x}"))
}
