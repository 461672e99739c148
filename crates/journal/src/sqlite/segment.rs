//! Sealed segments: files of old commits, written once, with checksums and an index at the end.
//!
//! ```text
//! magic "CDSEG001"
//! chunks: each zstd of rows (id i64, time i64, heads length varint, heads, frames length varint, frames)
//! index:  chunks varint, then a chunk: first row i64, offset, bytes, raw bytes (varint), crc32c u32
//! end:    index bytes u32, crc32c of the index u32, magic
//! ```

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crossdock_model::Timestamp;

use super::private;
use super::row::Row;
use crate::JournalError;
use crate::bytes::{Malformed, Reader, put_bytes, put_varint};
use crate::crypto::sync_dir;

const MAGIC: &[u8; 8] = b"CDSEG001";
/// Rows are compressed together up to about this many bytes; one row may be larger.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes after the index.
const END_BYTES: usize = 16;
/// What a damaged index can make us allocate at most.
const CHUNK_BYTES_MAX: usize = 1 << 30;
const ZSTD_LEVEL: i32 = 3;

/// Folder of the segments in a data directory.
pub(super) const FOLDER: &str = "segments";

/// Path of a block's segment.
pub(super) fn path(dir: &Path, block: i64) -> PathBuf {
    dir.join(FOLDER).join(format!("{block:012}.segment"))
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    first_row: i64,
    offset: u64,
    bytes: usize,
    raw_bytes: usize,
    crc: u32,
}

/// A segment being written. It gets its name only when it is complete and flushed.
pub(super) struct SegmentWriter {
    file: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
    offset: u64,
    raw: Vec<u8>,
    first_row: Option<i64>,
    chunks: Vec<Chunk>,
}

impl SegmentWriter {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            private::make(folder)?;
        }
        let partial = path.with_extension("partial");
        let mut file = BufWriter::new(private::create(&partial)?);
        file.write_all(MAGIC)?;
        Ok(Self {
            file,
            partial,
            path: path.to_owned(),
            offset: MAGIC.len() as u64,
            raw: Vec::new(),
            first_row: None,
            chunks: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, row: &Row) -> io::Result<()> {
        self.first_row.get_or_insert(row.id);
        self.raw.extend_from_slice(&row.id.to_le_bytes());
        self.raw.extend_from_slice(&row.at.as_ms().to_le_bytes());
        put_bytes(&mut self.raw, &row.heads);
        put_bytes(&mut self.raw, &row.frames);
        if self.raw.len() >= CHUNK_BYTES {
            self.end_chunk()?;
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> io::Result<()> {
        let Some(first_row) = self.first_row.take() else {
            return Ok(());
        };
        let packed = zstd::bulk::compress(&self.raw, ZSTD_LEVEL)?;
        self.file.write_all(&packed)?;
        self.chunks.push(Chunk {
            first_row,
            offset: self.offset,
            bytes: packed.len(),
            raw_bytes: self.raw.len(),
            crc: crc32c::crc32c(&packed),
        });
        self.offset += packed.len() as u64;
        self.raw.clear();
        Ok(())
    }

    /// Writes the index, flushes and gives the file its name. Durable when it returns.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end_chunk()?;
        let mut index = Vec::new();
        put_varint(&mut index, self.chunks.len() as u64);
        for chunk in &self.chunks {
            index.extend_from_slice(&chunk.first_row.to_le_bytes());
            put_varint(&mut index, chunk.offset);
            put_varint(&mut index, chunk.bytes as u64);
            put_varint(&mut index, chunk.raw_bytes as u64);
            index.extend_from_slice(&chunk.crc.to_le_bytes());
        }
        self.file.write_all(&index)?;
        self.file.write_all(&(index.len() as u32).to_le_bytes())?;
        self.file.write_all(&crc32c::crc32c(&index).to_le_bytes())?;
        self.file.write_all(MAGIC)?;
        let file = self.file.into_inner().map_err(|e| e.into_error())?;
        file.sync_all()?;
        std::fs::rename(&self.partial, &self.path)?;
        sync_dir(self.path.parent())
    }
}

/// A sealed segment.
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    chunks: Vec<Chunk>,
}

impl Segment {
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |e: io::Error| unreadable(path, &e);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut end = [0; END_BYTES];
        let end_at = length.checked_sub(END_BYTES as u64);
        let end_at = end_at.ok_or_else(|| damaged(path, "it is too short"))?;
        file.read_exact_at(&mut end, end_at).map_err(failed)?;
        let mut reader = Reader(&end);
        let bad = |Malformed| damaged(path, "its index does not decode");
        let (bytes, crc) = (reader.u32().map_err(bad)?, reader.u32().map_err(bad)?);
        let index_at = end_at.checked_sub(u64::from(bytes));
        let index_at = index_at.filter(|_| reader.0 == MAGIC);
        let index_at = index_at.ok_or_else(|| damaged(path, "its end is not that of a segment"))?;
        let mut index = vec![0; bytes as usize];
        file.read_exact_at(&mut index, index_at).map_err(failed)?;
        if crc32c::crc32c(&index) != crc {
            return Err(damaged(path, "the checksum of its index does not match"));
        }
        let chunks = decode_index(&index).map_err(bad)?;
        let path = path.to_owned();
        Ok(Self { file, path, chunks })
    }

    /// Number of chunks.
    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The chunk that holds a row.
    pub(super) fn chunk_of(&self, row: i64) -> Option<usize> {
        let after = self.chunks.partition_point(|chunk| chunk.first_row <= row);
        after.checked_sub(1)
    }

    /// The rows of a chunk.
    pub(super) fn rows(&self, number: usize) -> Result<Vec<Row>, JournalError> {
        let bad = |what: &str| damaged(&self.path, &format!("chunk {number}: {what}"));
        let chunk = self
            .chunks
            .get(number)
            .ok_or_else(|| bad("no such chunk"))?;
        if chunk.bytes.max(chunk.raw_bytes) > CHUNK_BYTES_MAX {
            return Err(bad("its length is impossible"));
        }
        let mut packed = vec![0; chunk.bytes];
        self.file
            .read_exact_at(&mut packed, chunk.offset)
            .map_err(|e| unreadable(&self.path, &e))?;
        if crc32c::crc32c(&packed) != chunk.crc {
            return Err(bad("its checksum does not match"));
        }
        let raw = zstd::bulk::decompress(&packed, chunk.raw_bytes)
            .map_err(|_| bad("it does not decompress"))?;
        decode_rows(&raw).map_err(|Malformed| bad("its rows do not decode"))
    }
}

fn decode_index(index: &[u8]) -> Result<Vec<Chunk>, Malformed> {
    let mut reader = Reader(index);
    let mut chunks = Vec::new();
    for _ in 0..reader.varint()? {
        chunks.push(Chunk {
            first_row: reader.i64()?,
            offset: reader.varint()?,
            bytes: reader.length()?,
            raw_bytes: reader.length()?,
            crc: reader.u32()?,
        });
    }
    Ok(chunks)
}

fn decode_rows(raw: &[u8]) -> Result<Vec<Row>, Malformed> {
    let mut reader = Reader(raw);
    let mut rows = Vec::new();
    while !reader.0.is_empty() {
        rows.push(Row {
            id: reader.i64()?,
            at: Timestamp::from_ms(reader.i64()?),
            heads: reader.bytes()?.to_vec(),
            frames: reader.bytes()?.to_vec(),
        });
    }
    Ok(rows)
}

fn unreadable(path: &Path, error: &io::Error) -> JournalError {
    match error.kind() {
        io::ErrorKind::NotFound => damaged(path, "the file is missing"),
        io::ErrorKind::UnexpectedEof => damaged(path, "the file is cut short"),
        _ => JournalError::Io(format!("{}: {error}", path.display())),
    }
}

fn damaged(path: &Path, what: &str) -> JournalError {
    JournalError::Corrupt {
        at: format!("segment {}", path.display()),
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    fn row(id: i64, bytes: usize) -> Row {
        Row {
            id,
            at: Timestamp::from_ms(id * 10),
            heads: vec![1, 2, 3],
            frames: vec![id as u8; bytes],
        }
    }

    #[test]
    fn rows_read_back_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), 3);
        let mut writer = SegmentWriter::create(&path).unwrap();
        let rows: Vec<_> = (10..20).map(|id| row(id, 100_000)).collect();
        for row in &rows {
            writer.push(row).unwrap();
        }
        writer.finish().unwrap();
        let segment = Segment::open(&path).unwrap();
        assert!(segment.chunks() > 1);
        for wanted in &rows {
            let chunk = segment.chunk_of(wanted.id).unwrap();
            assert!(segment.rows(chunk).unwrap().contains(wanted));
        }
        assert_eq!(segment.chunk_of(9), None);
        let good = std::fs::read(&path).unwrap();
        for place in (8..good.len()).step_by(7) {
            let mut bytes = good.clone();
            bytes[place] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let read = Segment::open(&path)
                .and_then(|s| (0..s.chunks()).try_for_each(|chunk| s.rows(chunk).map(drop)));
            assert!(matches!(read, Err(JournalError::Corrupt { .. })), "{place}");
        }
    }

    /// A file of the first version reads for ever; what zstd writes may change with its version.
    #[test]
    fn layout_is_golden() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), 1);
        let mut writer = SegmentWriter::create(&path).unwrap();
        writer.push(&row(1, 4)).unwrap();
        writer.push(&row(2, 5)).unwrap();
        writer.finish().unwrap();
        let golden = golden::stored("segment.hex", &[&std::fs::read(&path).unwrap()]);
        std::fs::write(&path, &golden[0]).unwrap();
        let rows = Segment::open(&path).unwrap().rows(0).unwrap();
        assert_eq!(rows, [row(1, 4), row(2, 5)]);
    }
}
