//! The record that one decision leaves in the journal.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::answer::Answer;
use crate::codec::{self, CodecError};
use crate::{CommandKey, CredentialId, Timestamp};

/// Trace context carried with a command, 25 bytes: trace id, span id, flags (W3C trace context).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub flags: u8,
}

/// Who, why and under which key: the same for every event of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Who asked: an API key's name, `channel:shop`, `order:…`, `system`.
    pub principal: CredentialId,
    /// Why, in the words of who asked.
    pub reason: Option<String>,
    /// The caller's key; a repeat within the dedup window gets the stored answer.
    pub key: Option<CommandKey>,
    /// Hash of the command's body, to tell a repeat from a conflict.
    pub body_hash: u64,
    /// When the caller issued it; a keyed command older than the dedup window is refused *too old*.
    pub issued_at: Timestamp,
    /// When the thing happened in the world, where that differs from the record's time.
    pub effective_at: Option<Timestamp>,
    /// The trace it belongs to.
    pub trace: Option<TraceContext>,
}

/// One decision of one entity: envelope, events and the answer that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The entity's version after this record: counts its records.
    pub version: u64,
    /// When it was decided.
    pub at: Timestamp,
    pub meta: Meta,
    pub events: Vec<Event>,
    /// The answer, kept for keyed commands only.
    pub answer: Option<Answer>,
}

const VERSION: u8 = 1;

impl Record {
    /// The record as bytes behind its version byte.
    ///
    /// # Errors
    /// [`CodecError::Unencodable`] past the size limit of a record.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(VERSION, self)
    }

    /// Reads a record of any version up to this one.
    ///
    /// # Errors
    /// [`CodecError`] for unknown versions and bytes that are no record.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (_, body) = codec::version(bytes, VERSION)?;
        codec::decode(body)
    }
}
