//! Builds an entity from its checkpoint and its records. Recovery is replay, never repair.

use crossdock_logic::{Entity, IllegalHistory};
use crossdock_model::codec::CodecError;
use crossdock_model::{Duration, EntityId, Record};
use thiserror::Error;

/// Why an entity cannot be recovered.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// A record or checkpoint does not decode.
    #[error("{entity}: {source}")]
    Codec {
        /// Whose it is.
        entity: EntityId,
        /// What is wrong.
        source: CodecError,
    },
    /// Records do not fit together.
    #[error(transparent)]
    Illegal(#[from] IllegalHistory),
}

/// An entity as of its last durable record.
#[derive(Debug)]
pub struct Recovered {
    /// The entity.
    pub entity: Entity,
    /// Version of its checkpoint, 0 for none.
    pub checkpointed: u64,
}

/// Builds an entity from its checkpoint's body and the records of the log, of which those that the
/// checkpoint covers are passed over.
///
/// # Errors
/// [`RecoveryError`] names the entity and what does not fit.
pub fn recover<'a>(
    id: &EntityId,
    checkpoint: Option<&[u8]>,
    records: impl IntoIterator<Item = &'a [u8]>,
    window: Duration,
) -> Result<Recovered, RecoveryError> {
    let codec = |source| RecoveryError::Codec {
        entity: id.clone(),
        source,
    };
    let mut entity = match checkpoint {
        Some(body) => Entity::decode(id.clone(), body).map_err(codec)?,
        None => Entity::new(id.clone()),
    };
    let checkpointed = entity.version();
    for body in records {
        let record = Record::decode(body).map_err(codec)?;
        if record.version > entity.version() {
            entity.apply(&record, window)?;
        }
    }
    Ok(Recovered {
        entity,
        checkpointed,
    })
}
