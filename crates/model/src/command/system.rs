//! What the system's own entity can be asked to do.
#![allow(
    missing_docs,
    reason = "variants are documented; fields are named for what they hold, with units in name or type"
)]

use serde::{Deserialize, Serialize};

use super::ExceptionCommand;
use crate::v1::Scope;
use crate::{ChannelId, CredentialId, Timestamp};

/// Commands for `system:{n}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SystemCommand {
    /// The document was compiled and tested by the caller.
    SaveRuleSet {
        document: String,
    },
    ReadRuleSet,
    CreateKey {
        id: CredentialId,
        name: String,
        scope: Scope,
        secret_sha256: [u8; 32],
        expires_at: Option<Timestamp>,
    },
    RevokeKey {
        id: CredentialId,
    },
    ReadKeys,
    SetEndpoint {
        id: String,
        url: String,
        topics: Vec<String>,
        secret_name: String,
    },
    RemoveEndpoint {
        id: String,
    },
    ReadEndpoints,
    Quarantine {
        entity: String,
        command_hash: Option<u64>,
        cause: String,
    },
    LiftQuarantine {
        entity: String,
        command_hash: Option<u64>,
        skipped: bool,
    },
    ReadQuarantine,
    Exception(ExceptionCommand),
    /// A channel is connected: it is remembered by its name, whatever the configuration says later.
    NameChannel {
        channel: ChannelId,
    },
    /// A read: every channel that was ever connected, as `Channels`.
    ReadChannels,
}
