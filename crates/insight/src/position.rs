//! Positions of the journal as text: read-your-writes tokens.

use std::collections::BTreeMap;

use crossdock_journal::Seq;
use crossdock_model::ShardId;
use rusqlite::Connection;

use crate::InsightError;

/// `shard:sequence`, or several with commas between.
pub(crate) fn token(positions: &BTreeMap<ShardId, Seq>) -> String {
    let each: Vec<String> = positions
        .iter()
        .map(|(shard, seq)| format!("{shard}:{seq}"))
        .collect();
    each.join(",")
}

/// Reads a token. An empty one names no position.
pub(crate) fn read(token: &str) -> Result<Vec<(ShardId, Seq)>, InsightError> {
    let one = |text: &str| {
        let (shard, seq) = text.split_once(':')?;
        Some((ShardId::new(shard.parse().ok()?)?, seq.parse().ok()?))
    };
    let wrong = || InsightError::Cursor(token.to_owned());
    let parts = token.split(',').filter(|part| !part.is_empty());
    parts.map(|part| one(part).ok_or_else(wrong)).collect()
}

/// The last sequence of each shard in a table of (shard, sequence).
pub(crate) fn all(
    connection: &Connection,
    table: &str,
) -> Result<BTreeMap<ShardId, Seq>, rusqlite::Error> {
    let sql = format!("SELECT shard, seq FROM {table}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, u16>(0)?, row.get::<_, i64>(1)?)))?;
    let rows: Vec<(u16, i64)> = rows.collect::<Result<_, _>>()?;
    let known = |(shard, seq): (u16, i64)| Some((ShardId::new(shard)?, seq.unsigned_abs()));
    Ok(rows.into_iter().filter_map(known).collect())
}

/// Moves a shard forward in such a table; never back.
pub(crate) fn raise(
    connection: &Connection,
    table: &str,
    shard: ShardId,
    seq: Seq,
) -> Result<(), rusqlite::Error> {
    let sql = format!(
        "INSERT INTO {table} (shard, seq) VALUES (?1, ?2)
        ON CONFLICT (shard) DO UPDATE SET seq = max(seq, ?2)"
    );
    connection
        .prepare_cached(&sql)?
        .execute((shard.number(), seq.cast_signed()))?;
    Ok(())
}
