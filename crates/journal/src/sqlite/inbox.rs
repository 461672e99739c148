//! Deliveries: compressed, then encrypted under the key of the day they were received.

use crossdock_model::{ChannelId, ShardId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::commit::WriteError;
use super::error::{int, reading};
use super::sum;
use super::vault::is_erased;
use crate::bytes::{Malformed, Reader, put_bytes, put_varint};
use crate::crypto::{DataKey, KEY_BYTES, Keyring};
use crate::types::day_of;
use crate::{InboxId, InboxInsert, InboxMark, InboxRow, InboxState, Inserted, JournalError};

/// Keys of days kept in memory.
pub(super) const DAY_KEYS_MAX: usize = 4;

const ZSTD_LEVEL: i32 = 1;

/// Compresses bodies. What that needs is made once: it is a hundred times as large as most bodies.
pub(super) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    pub(super) fn new() -> std::io::Result<Self> {
        zstd::bulk::Compressor::new(ZSTD_LEVEL).map(Self)
    }
}

/// What a damaged length can make us allocate at most.
const BODY_BYTES_MAX: usize = 256 << 20;

fn key_name(day: i64) -> String {
    format!("inbox key of day {day}")
}

/// The key of a day; makes and stores one when the day has none.
pub(super) fn day_key(
    transaction: &Transaction<'_>,
    keys: &Keyring,
    day: i64,
) -> Result<DataKey, WriteError> {
    let sql = "SELECT wrapped FROM inbox_key WHERE day = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let found: Option<Vec<u8>> = statement.query_row([day], |row| row.get(0)).optional()?;
    if let Some(wrapped) = found {
        return Ok(keys.unwrap(&key_name(day), &wrapped)?);
    }
    let key = DataKey::generate()?;
    let wrapped = keys.wrap(&key_name(day), &key)?;
    let sql = "INSERT INTO inbox_key (day, crc, wrapped) VALUES (?1, ?2, ?3)";
    transaction.execute(sql, params![day, key_sum(day, &wrapped), wrapped])?;
    Ok(key)
}

/// Checksum of a day's key.
pub(super) fn key_sum(day: i64, wrapped: &[u8]) -> u32 {
    sum::of(&[&day.to_le_bytes(), wrapped])
}

/// Stores a delivery unless one of its id is stored already; tells which.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    keys: &Keyring,
    (key, packer): (&DataKey, &mut Packer),
    delivery: &InboxInsert,
) -> Result<Inserted, WriteError> {
    let hash = keys.body(&delivery.body);
    let (channel, id) = (delivery.id.channel.as_str(), &delivery.id.delivery);
    let sql = "SELECT body_hash FROM inbox WHERE channel = ?1 AND delivery = ?2";
    let mut statement = transaction.prepare_cached(sql)?;
    let known = statement.query_row([channel, id], |row| row.get::<_, [u8; KEY_BYTES]>(0));
    match known.optional()? {
        Some(known) if known == hash => return Ok(Inserted::Repeat),
        Some(_) => return Ok(Inserted::Conflict),
        None => {}
    }
    let sql = "
INSERT INTO inbox
  (channel, delivery, shard, state, attempts, received_at, day, topic, body_hash, crc, body)
VALUES (?1, ?2, ?3, 0, 0, ?4, ?5, ?6, ?7, ?8, ?9)";
    let body = seal(key, packer, delivery)?;
    let day = day_of(delivery.received_at);
    let received_at = delivery.received_at.as_ms();
    let crc = row_sum(channel, id, received_at, day, &delivery.topic, &hash, &body);
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![
        channel,
        id,
        delivery.id.shard().number(),
        received_at,
        day,
        delivery.topic,
        hash,
        crc,
        body,
    ])?;
    Ok(Inserted::New)
}

/// Checksum of what never changes in a row, until its body goes.
fn row_sum(
    channel: &str,
    delivery: &str,
    received_at: i64,
    day: i64,
    topic: &str,
    hash: &[u8],
    body: &[u8],
) -> u32 {
    sum::of(&[
        channel.as_bytes(),
        delivery.as_bytes(),
        &received_at.to_le_bytes(),
        &day.to_le_bytes(),
        topic.as_bytes(),
        hash,
        body,
    ])
}

/// Says of each delivery what is wrong with it, if anything; returns how many there are. Needs no key.
pub(super) fn examine(
    connection: &Connection,
    mut problem: impl FnMut(String),
) -> Result<u64, JournalError> {
    let sql = "
SELECT i.channel, i.delivery, i.received_at, i.day, i.topic, i.body_hash, i.crc, i.body, i.shard, i.state,
  i.subject, k.crc, k.wrapped
FROM inbox i LEFT JOIN inbox_key k ON k.day = i.day ORDER BY i.id";
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let mut rows = statement.query([]).map_err(reading)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(reading)? {
        count += 1;
        if let Some(what) = examine_row(connection, row).map_err(reading)? {
            let (channel, id): (String, String) =
                (row.get(0).map_err(reading)?, row.get(1).map_err(reading)?);
            problem(format!("delivery {channel}:{id}: {what}"));
        }
    }
    Ok(count)
}

fn examine_row(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Option<&'static str>> {
    let (channel, delivery): (String, String) = (row.get(0)?, row.get(1)?);
    let (received_at, day): (i64, i64) = (row.get(2)?, row.get(3)?);
    let (topic, hash): (String, Vec<u8>) = (row.get(4)?, row.get(5)?);
    let body: Option<Vec<u8>> = row.get(7)?;
    let subject: Option<String> = row.get(10)?;
    let key: (Option<u32>, Option<Vec<u8>>) = (row.get(11)?, row.get(12)?);
    let of_shard = ShardId::of_key(&format!("inbox:{channel}:{delivery}"));
    if of_shard.number() != row.get::<_, u16>(8)? {
        return Ok(Some("it is not of its shard"));
    }
    if !(0..=2).contains(&row.get::<_, i64>(9)?) {
        return Ok(Some("its state is unknown"));
    }
    let Some(body) = body else {
        let erased = match subject {
            Some(subject) => is_erased(connection, &subject)?,
            None => false,
        };
        return Ok((!erased).then_some("its body is missing, and nobody was erased"));
    };
    if row_sum(&channel, &delivery, received_at, day, &topic, &hash, &body)
        != row.get::<_, u32>(6)?
    {
        return Ok(Some("its checksum does not match"));
    }
    Ok(match key {
        (Some(crc), Some(wrapped)) if key_sum(day, &wrapped) == crc => None,
        (Some(_), Some(_)) => Some("the checksum of its day's key does not match"),
        _ => Some("the key of its day is missing"),
    })
}

/// Name a body is bound to, so that it does not open in another row.
fn bound_to(id: &InboxId) -> String {
    format!("delivery {}:{}", id.channel, id.delivery)
}

fn seal(
    key: &DataKey,
    packer: &mut Packer,
    delivery: &InboxInsert,
) -> Result<Vec<u8>, JournalError> {
    let mut plain = Vec::new();
    put_pairs(&mut plain, &delivery.headers);
    plain.extend_from_slice(&delivery.body);
    let name = bound_to(&delivery.id);
    let packed = packer
        .0
        .compress(&plain)
        .map_err(|e| JournalError::Io(format!("{name} does not compress: {e}")))?;
    let mut out = Vec::new();
    put_varint(&mut out, plain.len() as u64);
    out.extend_from_slice(&packed);
    key.seal(&name, &out)
}

/// Appends pairs of texts, as many as there are.
pub(super) fn put_pairs(out: &mut Vec<u8>, pairs: &[(String, String)]) {
    put_varint(out, pairs.len() as u64);
    for (name, value) in pairs {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

/// Reads what [`put_pairs`] wrote.
pub(super) fn pairs(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>, Malformed> {
    let count = reader.varint()?;
    let pair = |_| Ok((reader.text()?.to_owned(), reader.text()?.to_owned()));
    (0..count).map(pair).collect()
}

type Opened = (Vec<(String, String)>, Vec<u8>);

fn open(key: &DataKey, id: &InboxId, sealed: &[u8]) -> Result<Opened, JournalError> {
    let name = bound_to(id);
    let packed = key.open(&name, sealed)?;
    unpack(&packed).map_err(|Malformed| JournalError::Corrupt {
        at: name,
        what: "its body does not decode".to_owned(),
    })
}

fn unpack(packed: &[u8]) -> Result<Opened, Malformed> {
    let mut reader = Reader(packed);
    let length = reader.length()?;
    if length > BODY_BYTES_MAX {
        return Err(Malformed);
    }
    let plain = zstd::bulk::decompress(reader.0, length).map_err(|_| Malformed)?;
    let mut reader = Reader(&plain);
    let headers = pairs(&mut reader)?;
    Ok((headers, reader.0.to_vec()))
}

fn number(state: InboxState) -> i64 {
    match state {
        InboxState::Open => 0,
        InboxState::Parked => 1,
        InboxState::Done => 2,
    }
}

/// Changes a delivery's state. The body of a finished delivery of an erased subject is dropped here: it came
/// later, or could not be found by its subject when that was erased. Returns whether one was dropped.
pub(super) fn mark(transaction: &Transaction<'_>, mark: &InboxMark) -> rusqlite::Result<bool> {
    let sql = "
UPDATE inbox SET state = ?3, parked_on = ?4, subject = coalesce(?5, subject), attempts = attempts + 1
WHERE channel = ?1 AND delivery = ?2 AND (state <> 2 OR ?3 = 2)";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![
        mark.id.channel.as_str(),
        mark.id.delivery,
        number(mark.state),
        mark.parked_on,
        mark.subject,
    ])?;
    match &mark.subject {
        Some(subject) if is_erased(transaction, subject)? => {}
        Some(_) | None => return Ok(false),
    }
    let sql = "
UPDATE inbox SET body = NULL WHERE channel = ?1 AND delivery = ?2 AND state = 2 AND body IS NOT NULL";
    let mut statement = transaction.prepare_cached(sql)?;
    let dropped = statement.execute([mark.id.channel.as_str(), &mark.id.delivery])?;
    Ok(dropped > 0)
}

const COLUMNS: &str = "
SELECT i.channel, i.delivery, i.received_at, i.topic, i.body, i.state, i.parked_on, i.subject, i.attempts,
  i.day, k.wrapped
FROM inbox i LEFT JOIN inbox_key k ON k.day = i.day";

/// What lets SQLite find rows of a state by their index, which has none that are done: of those there are millions, and
/// each would change a page of every shard (<https://sqlite.org/partialindex.html>).
fn unfinished(state: InboxState) -> &'static str {
    match state {
        InboxState::Open | InboxState::Parked => " AND state <> 2",
        InboxState::Done => "",
    }
}

/// The channels of the rows in a state: one step through the index for each, however many rows it has.
pub(super) fn channels(
    connection: &Connection,
    state: InboxState,
) -> Result<Vec<ChannelId>, JournalError> {
    let unfinished = unfinished(state);
    let sql =
        format!("SELECT min(channel) FROM inbox WHERE state = ?1 AND channel > ?2{unfinished}");
    let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let next = statement.query_row(params![number(state), after], |row| row.get(0));
        let Some(name) = next.map_err(reading)? else {
            return Ok(found);
        };
        after = name;
        let channel = ChannelId::checked(&after).map_err(|_| JournalError::Corrupt {
            at: format!("deliveries of {after}"),
            what: "their channel is no id".to_owned(),
        });
        found.push(channel?);
    }
}

/// Rows of a channel and shard in a state.
pub(super) fn by_state(
    connection: &Connection,
    keys: &Keyring,
    (state, channel, shard): (InboxState, &ChannelId, ShardId),
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<InboxRow>, JournalError> {
    let unfinished = unfinished(state);
    let sql = format!(
        "{COLUMNS} WHERE i.state = ?1 AND i.channel = ?2 AND i.shard = ?3{unfinished}
ORDER BY i.attempts, i.id LIMIT ?4"
    );
    let parameters = params![
        number(state),
        channel.as_str(),
        shard.number(),
        int(limit as u64)
    ];
    select(connection, keys, &sql, parameters, bytes_max)
}

pub(super) fn by_id(
    connection: &Connection,
    keys: &Keyring,
    id: &InboxId,
) -> Result<Option<InboxRow>, JournalError> {
    let sql = format!("{COLUMNS} WHERE i.channel = ?1 AND i.delivery = ?2");
    let parameters = params![id.channel.as_str(), id.delivery];
    Ok(select(connection, keys, &sql, parameters, usize::MAX)?.pop())
}

pub(super) fn parked(
    connection: &Connection,
    keys: &Keyring,
    parked_on: &str,
    limit: usize,
) -> Result<Vec<InboxRow>, JournalError> {
    let sql = format!("{COLUMNS} WHERE i.parked_on = ?1 AND i.state = 1 ORDER BY i.id LIMIT ?2");
    select(
        connection,
        keys,
        &sql,
        params![parked_on, int(limit as u64)],
        usize::MAX,
    )
}

#[cfg(any(test, feature = "testing"))]
/// All deliveries, for tests that search everything stored.
pub(super) fn all(connection: &Connection, keys: &Keyring) -> Result<Vec<InboxRow>, JournalError> {
    select(
        connection,
        keys,
        &format!("{COLUMNS} ORDER BY i.id"),
        params![],
        usize::MAX,
    )
}

fn select(
    connection: &Connection,
    keys: &Keyring,
    sql: &str,
    parameters: &[&dyn rusqlite::ToSql],
    bytes_max: usize,
) -> Result<Vec<InboxRow>, JournalError> {
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let mut rows = statement.query(parameters).map_err(reading)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(reading)? {
        let row = decode(keys, &Stored::read(row).map_err(reading)?)?;
        bytes += row.delivery.body.len();
        found.push(row);
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(found)
}

/// A row as stored.
struct Stored {
    channel: String,
    delivery: String,
    received_at: i64,
    topic: String,
    body: Option<Vec<u8>>,
    state: i64,
    parked_on: Option<String>,
    subject: Option<String>,
    attempts: u32,
    day: i64,
    wrapped: Option<Vec<u8>>,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            channel: row.get(0)?,
            delivery: row.get(1)?,
            received_at: row.get(2)?,
            topic: row.get(3)?,
            body: row.get(4)?,
            state: row.get(5)?,
            parked_on: row.get(6)?,
            subject: row.get(7)?,
            attempts: row.get(8)?,
            day: row.get(9)?,
            wrapped: row.get(10)?,
        })
    }
}

fn decode(keys: &Keyring, stored: &Stored) -> Result<InboxRow, JournalError> {
    let damaged = |what: &str| JournalError::Corrupt {
        at: format!("delivery {}:{}", stored.channel, stored.delivery),
        what: what.to_owned(),
    };
    let channel = ChannelId::checked(&stored.channel);
    let id = InboxId {
        channel: channel.map_err(|_| damaged("its channel is no id"))?,
        delivery: stored.delivery.clone(),
    };
    let (headers, body) = match (&stored.body, &stored.wrapped) {
        (None, _) => Opened::default(),
        (Some(_), None) => return Err(damaged("the key of its day is missing")),
        (Some(sealed), Some(wrapped)) => {
            let key = keys.unwrap(&key_name(stored.day), wrapped)?;
            open(&key, &id, sealed)?
        }
    };
    let state = match stored.state {
        0 => InboxState::Open,
        1 => InboxState::Parked,
        2 => InboxState::Done,
        _ => return Err(damaged("its state is unknown")),
    };
    Ok(InboxRow {
        delivery: InboxInsert {
            id,
            received_at: Timestamp::from_ms(stored.received_at),
            topic: stored.topic.clone(),
            headers,
            body,
        },
        state,
        parked_on: stored.parked_on.clone(),
        subject: stored.subject.clone(),
        attempts: stored.attempts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, contract, golden};

    /// What a key sealed differs each time: what was sealed once must open for ever.
    #[test]
    fn layout_is_golden() {
        let keys = Keyring::new(&MasterKey::from_bytes([7; KEY_BYTES]));
        let delivery = contract::delivery("1");
        let key = DataKey::generate().unwrap();
        let wrapped = keys.wrap(&key_name(3), &key).unwrap();
        let sealed = seal(&key, &mut Packer::new().unwrap(), &delivery).unwrap();
        let stored = golden::stored("inbox.hex", &[&wrapped, &sealed]);
        let key = keys.unwrap(&key_name(3), &stored[0]).unwrap();
        let opened = open(&key, &delivery.id, &stored[1]).unwrap();
        assert_eq!(opened, (delivery.headers, delivery.body));
    }
}
