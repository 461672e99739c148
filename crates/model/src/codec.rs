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

/// Largest record, in bytes. What is larger is neither encoded nor decoded.
const RECORD_BYTES_MAX: usize = 256 << 20;
/// bincode counts a value as large as it is in memory against its limit, and a number of 16 bytes may be encoded in
/// one. So a limit of that many times the record refuses nothing that was encoded, and bounds what a damaged length
/// prefix can make us allocate by the length of the record.
const WIDEST: usize = 16;
/// Steps of the limit: it is a constant of the decoder's type.
const SMALL: usize = 64 << 10;
const MIDDLE: usize = 4 << 20;

/// Encodes a value behind its version byte.
///
/// # Errors
/// [`CodecError::Unencodable`] when serde refuses the value, or when it is larger than what is decoded.
pub fn encode<T: Serialize>(version: u8, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(ROOM_BYTES);
    bytes.push(version);
    bincode::serde::encode_into_std_write(value, &mut bytes, bincode::config::standard())
        .map_err(|e| CodecError::Unencodable(e.to_string()))?;
    match bytes.len() - 1 {
        0..=RECORD_BYTES_MAX => Ok(bytes),
        large => Err(CodecError::Unencodable(format!(
            "{large} bytes, at most {RECORD_BYTES_MAX} are read back"
        ))),
    }
}

/// Room for most records, so that they are written without being moved.
const ROOM_BYTES: usize = 256;

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
    match body.len() {
        small if small <= SMALL => decode_within::<T, { SMALL * WIDEST }>(body),
        middle if middle <= MIDDLE => decode_within::<T, { MIDDLE * WIDEST }>(body),
        large if large <= RECORD_BYTES_MAX => {
            decode_within::<T, { RECORD_BYTES_MAX * WIDEST }>(body)
        }
        too_large => Err(CodecError::Malformed(format!("it has {too_large} bytes"))),
    }
}

fn decode_within<T: DeserializeOwned, const LIMIT: usize>(body: &[u8]) -> Result<T, CodecError> {
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let (value, used) = bincode::serde::decode_from_slice(body, config)
        .map_err(|e| CodecError::Malformed(e.to_string()))?;
    match body.len() - used {
        0 => Ok(value),
        left => Err(CodecError::Trailing(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_back<T>(value: &T)
    where
        T: Serialize + DeserializeOwned + PartialEq,
    {
        let bytes = encode(1, value).unwrap_or_default();
        let (_, body) = version(&bytes, 1).unwrap_or_default();
        let found: Result<T, _> = decode(body);
        let why = found.as_ref().err().map(ToString::to_string);
        assert!(found.is_ok_and(|found| found == *value), "{why:?}");
    }

    /// Small numbers take a byte each and are counted as eight or sixteen.
    #[test]
    fn what_is_encoded_is_decoded_at_every_step_of_the_limit() {
        for count in [SMALL - 8, SMALL, SMALL + 8] {
            reads_back(&vec![1_u64; count]);
            reads_back(&vec![1_u128; count]);
            reads_back(&vec![(Some(1_u64), String::new()); count / 3]);
        }
        for count in [MIDDLE - 8, MIDDLE + 8] {
            reads_back(&vec![1_u64; count]);
        }
        // As many open reservations as made a checkpoint that could not be read.
        reads_back(&vec![
            (1_u64, 2_u64, "order:shop:1".to_owned(), 3_u32);
            600_000
        ]);
    }

    #[test]
    fn what_is_too_large_to_be_decoded_is_not_encoded() {
        let large = "x".repeat(RECORD_BYTES_MAX);
        assert!(matches!(encode(1, &large), Err(CodecError::Unencodable(_))));
    }

    /// A damaged length must not make us allocate it.
    #[test]
    fn a_damaged_length_is_refused() {
        for length in [1_u64 << 40, u64::MAX] {
            let bytes = encode(1, &length).unwrap_or_default();
            let text: Result<String, _> = decode(&bytes[1..]);
            assert!(matches!(text, Err(CodecError::Malformed(_))));
            let numbers: Result<Vec<u64>, _> = decode(&bytes[1..]);
            assert!(matches!(numbers, Err(CodecError::Malformed(_))));
        }
    }
}
