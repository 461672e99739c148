//! Checksums of rows, so that damage is found without the key that reads them.

/// Checksum of the parts, each behind its length.
pub(super) fn of(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |sum, part| {
        let length = (part.len() as u64).to_le_bytes();
        crc32c::crc32c_append(crc32c::crc32c_append(sum, &length), part)
    })
}
