//! How many orders are in which state, and how much channels are still to be told of them.

use crate::{Insight, InsightError};

/// Orders of a channel in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderCount {
    /// The channel.
    pub channel: String,
    /// The state.
    pub status: String,
    /// How many.
    pub orders: u64,
}

/// What a channel is to know of its orders and does not, as far as we know, in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedCount {
    /// The channel.
    pub channel: String,
    /// `waiting`, `telling`, `in_doubt` or `left` to a person.
    pub status: String,
    /// How many reports.
    pub reports: u64,
}

impl Insight {
    /// How many reports each channel has not been told, by their state.
    ///
    /// # Errors
    /// [`InsightError::Sql`].
    pub fn reports_owed(&self) -> Result<Vec<OwedCount>, InsightError> {
        let reader = self.reader();
        // Channels have no colon in their names.
        let sql =
            "SELECT substr(id, 1, instr(id, ':') - 1) AS channel, status, count(*) FROM reports
            WHERE status NOT IN ('told', 'void') GROUP BY channel, status ORDER BY channel, status";
        let mut statement = reader.prepare_cached(sql)?;
        let counts = statement.query_map([], |row| {
            let reports: i64 = row.get(2)?;
            Ok(OwedCount {
                channel: row.get(0)?,
                status: row.get(1)?,
                reports: reports.unsigned_abs(),
            })
        })?;
        Ok(counts.collect::<Result<_, _>>()?)
    }

    /// How many orders each channel has in each state.
    ///
    /// # Errors
    /// [`InsightError::Sql`].
    pub fn order_counts(&self) -> Result<Vec<OrderCount>, InsightError> {
        let reader = self.reader();
        let sql = "SELECT channel, status, count(*) FROM orders GROUP BY channel, status ORDER BY channel, status";
        let mut statement = reader.prepare_cached(sql)?;
        let counts = statement.query_map([], |row| {
            let orders: i64 = row.get(2)?;
            Ok(OrderCount {
                channel: row.get(0)?,
                status: row.get(1)?,
                orders: orders.unsigned_abs(),
            })
        })?;
        Ok(counts.collect::<Result<_, _>>()?)
    }
}
