//! How many orders are in which state.

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

impl Insight {
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
