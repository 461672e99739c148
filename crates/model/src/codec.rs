//! The one place that names the binary codec: bincode 2 (variable-length integers, little endian).
//!
//! Every blob starts with a version byte, so that a later layout can live beside an earlier one.
//! bincode 2.0.1 is pinned: 3.0.0 is a tombstone and RUSTSEC-2025-0141 marks the crate unmaintained.
//! Nothing outside this module depends on it, and golden files hold every layout that was ever written.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// Why bytes are not a record of the expected kind.
#[derive(Debug, Error)]
pub enum CodecError {
    /// No bytes at all.
    #[error("the record is empty")]
    Empty,
    /// A version this program does not know: written by a newer one.
    #[error(
        "record version {found} is unknown here, the newest known is {known}: run a newer crossdock"
    )]
    Version {
        /// The version byte found.
        found: u8,
        /// The newest version this program reads.
        known: u8,
    },
    /// The bytes do not decode.
    #[error("the record does not decode: {0}")]
    Malformed(String),
    /// Bytes are left after the record.
    #[error("{0} bytes are left after the record")]
    Trailing(usize),
    /// A value that cannot be encoded.
    #[error("the record cannot be encoded: {0}")]
    Unencodable(String),
}

/// Largest record decoded, in bytes: bounds what a damaged length prefix can make us allocate.
const RECORD_BYTES_MAX: usize = 64 << 20;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<RECORD_BYTES_MAX>()
}

/// Encodes a value behind its version byte.
///
/// # Errors
/// [`CodecError::Unencodable`] when serde or the size limit refuses the value.
pub fn encode<T: Serialize>(version: u8, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![version];
    bincode::serde::encode_into_std_write(value, &mut bytes, config())
        .map_err(|e| CodecError::Unencodable(e.to_string()))?;
    Ok(bytes)
}

/// A short stand-in for a value, by which another value under the same id is told from a repeat.
#[must_use]
pub fn digest<T: Serialize>(value: &T) -> u64 {
    let bytes = encode(0, value).unwrap_or_else(|why| why.to_string().into_bytes());
    xxh3_64(&bytes)
}

/// Splits a blob into its version byte and the rest.
///
/// # Errors
/// [`CodecError::Empty`] for no bytes, [`CodecError::Version`] for a version above `known`.
pub fn version(bytes: &[u8], known: u8) -> Result<(u8, &[u8]), CodecError> {
    let (&found, rest) = bytes.split_first().ok_or(CodecError::Empty)?;
    if found == 0 || found > known {
        return Err(CodecError::Version { found, known });
    }
    Ok((found, rest))
}

/// Decodes what follows the version byte, all of it.
///
/// # Errors
/// [`CodecError::Malformed`] or [`CodecError::Trailing`].
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    let (value, used) = bincode::serde::decode_from_slice(body, config())
        .map_err(|e| CodecError::Malformed(e.to_string()))?;
    match body.len() - used {
        0 => Ok(value),
        left => Err(CodecError::Trailing(left)),
    }
}
