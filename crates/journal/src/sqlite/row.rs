//! Layout of one commit in the log: the heads say which frames of which shard, the frames follow.
//!
//! ```text
//! heads:  version u8 = 1, shards varint, then a shard: shard, epoch, first seq, frames, bytes (all varint),
//!         then crc32c u32 of the commit's time and everything before it
//! frames: a frame: crc32c u32, entity length varint, body length varint, entity, body
//! ```
//! A frame's checksum covers its shard, sequence, epoch and time too, so a frame in the wrong place is found.

use std::fmt::Write;

use crossdock_model::{EntityId, ShardId, Timestamp};

use crate::bytes::{Malformed, Reader, put_varint};
use crate::{Epoch, Frame, JournalError, Position, Seq, StoredFrame};

const VERSION: u8 = 1;

/// The frames of one shard in a commit, to be written.
pub(super) struct Group<'a> {
    pub shard: ShardId,
    pub epoch: Epoch,
    pub first_seq: Seq,
    pub frames: &'a [Frame],
}

/// One commit as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub id: i64,
    pub at: Timestamp,
    pub heads: Vec<u8>,
    pub frames: Vec<u8>,
}

/// Where the frames of one shard are in a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub shard: ShardId,
    pub epoch: Epoch,
    pub first_seq: Seq,
    pub count: u64,
    offset: usize,
    bytes: usize,
}

/// Encodes heads and frames of a commit.
pub(super) fn encode(at: Timestamp, groups: &[Group<'_>]) -> (Vec<u8>, Vec<u8>) {
    let mut heads = vec![VERSION];
    put_varint(&mut heads, groups.len() as u64);
    let (mut frames, mut name) = (Vec::new(), String::new());
    for group in groups {
        let before = frames.len();
        for (seq, frame) in (group.first_seq..).zip(group.frames) {
            name.clear();
            // Writing into a string does not fail.
            let _ = write!(name, "{}", frame.entity);
            put_frame(&mut frames, at, group, seq, (&name, &frame.body));
        }
        put_varint(&mut heads, u64::from(group.shard.number()));
        put_varint(&mut heads, group.epoch);
        put_varint(&mut heads, group.first_seq);
        put_varint(&mut heads, group.frames.len() as u64);
        put_varint(&mut heads, (frames.len() - before) as u64);
    }
    let crc = heads_crc(at, &heads);
    heads.extend_from_slice(&crc.to_le_bytes());
    // They are kept for a while.
    frames.shrink_to_fit();
    (heads, frames)
}

/// `entity`: the name of the frame's entity.
fn put_frame(
    out: &mut Vec<u8>,
    at: Timestamp,
    group: &Group<'_>,
    seq: Seq,
    (entity, body): (&str, &[u8]),
) {
    let place = Place {
        shard: group.shard,
        seq,
        epoch: group.epoch,
        at,
    };
    let crc = place.crc(entity.as_bytes(), body);
    out.extend_from_slice(&crc.to_le_bytes());
    put_varint(out, entity.len() as u64);
    put_varint(out, body.len() as u64);
    out.extend_from_slice(entity.as_bytes());
    out.extend_from_slice(body);
}

fn heads_crc(at: Timestamp, heads: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&at.as_ms().to_le_bytes()), heads)
}

struct Place {
    shard: ShardId,
    seq: Seq,
    epoch: Epoch,
    at: Timestamp,
}

impl Place {
    fn crc(&self, entity: &[u8], body: &[u8]) -> u32 {
        let mut fixed = [0; 30];
        fixed[..2].copy_from_slice(&self.shard.number().to_le_bytes());
        fixed[2..10].copy_from_slice(&self.seq.to_le_bytes());
        fixed[10..18].copy_from_slice(&self.epoch.to_le_bytes());
        fixed[18..26].copy_from_slice(&self.at.as_ms().to_le_bytes());
        fixed[26..].copy_from_slice(&(entity.len() as u32).to_le_bytes());
        let crc = crc32c::crc32c(&fixed);
        crc32c::crc32c_append(crc32c::crc32c_append(crc, entity), body)
    }
}

/// Decodes the heads of a commit.
pub(super) fn heads(id: i64, at: Timestamp, bytes: &[u8]) -> Result<Vec<Head>, JournalError> {
    let damaged = |what: &str| JournalError::Corrupt {
        at: format!("commit {id}"),
        what: what.to_owned(),
    };
    let (body, crc) = bytes
        .split_last_chunk::<4>()
        .ok_or_else(|| damaged("its heads are too short"))?;
    if heads_crc(at, body) != u32::from_le_bytes(*crc) {
        return Err(damaged("the checksum of its heads does not match"));
    }
    decode_heads(body).map_err(|Malformed| damaged("its heads do not decode"))
}

fn decode_heads(body: &[u8]) -> Result<Vec<Head>, Malformed> {
    let mut reader = Reader(body);
    if reader.u8()? != VERSION {
        return Err(Malformed);
    }
    let mut offset = 0_usize;
    let mut heads = Vec::new();
    for _ in 0..reader.varint()? {
        let number = u16::try_from(reader.varint()?).map_err(|_| Malformed)?;
        let head = Head {
            shard: ShardId::new(number).ok_or(Malformed)?,
            epoch: reader.varint()?,
            first_seq: reader.varint()?,
            count: reader.varint()?,
            offset,
            bytes: reader.length()?,
        };
        offset = offset.checked_add(head.bytes).ok_or(Malformed)?;
        heads.push(head);
    }
    Ok(heads)
}

impl Head {
    /// The sequence after the last frame here.
    pub(super) fn next_seq(&self) -> Seq {
        self.first_seq + self.count
    }

    /// Decodes this shard's frames out of all frames of the commit, checking each one's checksum.
    pub(super) fn frames(
        &self,
        at: Timestamp,
        all: &[u8],
    ) -> Result<Vec<StoredFrame>, JournalError> {
        let end = self.offset.saturating_add(self.bytes);
        let mut reader = Reader(all.get(self.offset..end).unwrap_or_default());
        let mut frames = Vec::new();
        for seq in self.first_seq..self.next_seq() {
            let place = Place {
                shard: self.shard,
                seq,
                epoch: self.epoch,
                at,
            };
            let (entity, body) = decode_frame(&mut reader, &place)?;
            frames.push(StoredFrame {
                position: Position {
                    shard: self.shard,
                    seq,
                },
                epoch: self.epoch,
                at,
                frame: Frame {
                    entity,
                    body: body.to_vec(),
                },
            });
        }
        Ok(frames)
    }
}

fn decode_frame<'a>(
    reader: &mut Reader<'a>,
    place: &Place,
) -> Result<(EntityId, &'a [u8]), JournalError> {
    let damaged = |what: &str| JournalError::Corrupt {
        at: format!("shard {} sequence {}", place.shard, place.seq),
        what: what.to_owned(),
    };
    let read = |reader: &mut Reader<'a>| {
        let crc = reader.u32()?;
        let (entity, body) = (reader.length()?, reader.length()?);
        Ok::<_, Malformed>((crc, reader.take(entity)?, reader.take(body)?))
    };
    let (crc, entity, body) =
        read(reader).map_err(|Malformed| damaged("the frame is cut short"))?;
    if place.crc(entity, body) != crc {
        return Err(damaged("the frame's checksum does not match"));
    }
    let name = std::str::from_utf8(entity).ok();
    let entity = name.and_then(|name| name.parse().ok());
    let entity = entity.ok_or_else(|| damaged("the frame's entity has no valid name"))?;
    Ok((entity, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{at, frame, sku};
    use crate::golden;

    fn sample() -> Row {
        let (a, b) = (sku(1), sku(2));
        let frames = [frame(&a, "first"), frame(&a, "second"), frame(&b, "third")];
        let group = |first_seq, frames| Group {
            shard: sku(1).shard(),
            epoch: (1 << 32) + 3,
            first_seq,
            frames,
        };
        let mut groups = [group(41, &frames[..2]), group(7, &frames[2..])];
        groups[1].shard = b.shard();
        let (heads, frames) = encode(at(1_700_000_000_000), &groups);
        Row {
            id: 5,
            at: at(1_700_000_000_000),
            heads,
            frames,
        }
    }

    #[test]
    fn layout_is_golden() {
        let row = sample();
        golden::check("row.hex", &[&row.heads, &row.frames]);
    }

    #[test]
    fn frames_read_back_and_damage_is_named() {
        let row = sample();
        let found = heads(row.id, row.at, &row.heads).unwrap();
        let first = found[0].frames(row.at, &row.frames).unwrap();
        assert_eq!(first[1].position.seq, 42);
        assert_eq!(first[1].frame, frame(&sku(1), "second"));
        let second = found[1].frames(row.at, &row.frames).unwrap();
        assert_eq!(second[0].frame, frame(&sku(2), "third"));
        for place in 0..row.frames.len() {
            let mut bytes = row.frames.clone();
            bytes[place] ^= 1;
            let damaged = found
                .iter()
                .any(|head| head.frames(row.at, &bytes).is_err());
            assert!(damaged, "byte {place}");
        }
        for place in 0..row.heads.len() {
            let mut bytes = row.heads.clone();
            bytes[place] ^= 1;
            assert!(heads(row.id, row.at, &bytes).is_err(), "byte {place}");
        }
        assert!(heads(row.id, at(0), &row.heads).is_err());
        assert!(found[0].frames(row.at, &row.frames[..20]).is_err());
    }
}
