//! What is on hand here and is not in a whole list. Most warehouses list what they have, so that there may be none of it any
//! more: its last number would be sold for ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use crossdock_insight::{Insight, InsightError, StockFilter, StockSearch};
use crossdock_model::{LocationId, SkuId, Timestamp};
use futures::future::join_all;

use super::{AT_ONCE, Counter, PAGE, Reading};
use crate::config::Absent;

/// Kind of the exception about a SKU that its location does not list.
pub(super) const UNCOUNTED: &str = "uncounted";
/// SKUs of one reading that are told one by one; of more a person is told how many there are.
const TOLD_MAX: usize = 100;

/// Names of the SKUs that a list has.
pub(super) type Listed = BTreeSet<String>;

impl Counter {
    /// Sees to what a whole list leaves out, where the location has no other source of stock truth.
    pub(super) async fn note_absent(
        &self,
        listed: Listed,
        counted_at: Timestamp,
        (reading, unknown): (&mut Reading, &BTreeSet<String>),
    ) -> Result<(), String> {
        let is_empty = listed.is_empty();
        let absent = match self.is_truth()? {
            true => self.absent(listed).await?,
            false => Vec::new(),
        };
        if is_empty && !absent.is_empty() {
            return Err("it lists nothing at all".to_owned());
        }
        match self.counts.absent {
            Absent::Told => self.tell_absent(&absent).await,
            Absent::None => {
                for some in absent.chunks(AT_ONCE) {
                    let counting = some.iter().map(|(sku, _)| self.count(sku, 0, counted_at));
                    for ((sku, _), counted) in some.iter().zip(join_all(counting).await) {
                        self.note(sku, 0, counted?, (reading, unknown)).await;
                    }
                }
                self.tell_absent(&[]).await
            }
        }
    }

    fn is_truth(&self) -> Result<bool, String> {
        let known = self.handle.known_location(&self.location);
        Ok(known.and_then(|known| known.stock_source) == Some(self.source()?))
    }

    /// What is on hand and not listed, with its units.
    async fn absent(&self, listed: Listed) -> Result<Vec<(SkuId, i64)>, String> {
        let (insight, location) = (Arc::clone(&self.insight), self.location.clone());
        let is_net = self.counts.net_of_allocated;
        let read =
            tokio::task::spawn_blocking(move || unlisted(&insight, &location, &listed, is_net));
        let read = read.await.map_err(|error| error.to_string())?;
        read.map_err(|error| error.to_string())
    }

    /// Tells of these, and that the others are listed.
    async fn tell_absent(&self, absent: &[(SkuId, i64)]) -> Result<(), String> {
        let location = &self.location;
        let open = self.open_of(UNCOUNTED).await?;
        let mut told = BTreeSet::new();
        for (sku, units) in absent.iter().take(TOLD_MAX) {
            let subject = format!("{location}/{sku}");
            let cause = format!(
                "{location} leaves {sku} out of its list, and {units} units of it are on hand here: they go on being sold. \
                 Count it; or, if the list has only what there is, say `absent = \"none\"` in warehouse.counts.{location}."
            );
            if !open.contains(&subject) {
                self.open(UNCOUNTED, &subject, cause).await;
            }
            told.insert(subject);
        }
        if absent.len() > TOLD_MAX {
            let count = absent.len();
            let cause = format!(
                "{location} leaves {count} SKUs out of its list that are on hand here, of which the first {TOLD_MAX} are told \
                 one by one. If the list has only what there is, say `absent = \"none\"` in warehouse.counts.{location}."
            );
            self.open(UNCOUNTED, location.as_str(), cause).await;
            told.insert(location.to_string());
        }
        for subject in open.difference(&told) {
            let how = "it is listed, or there is none of it here";
            self.close(UNCOUNTED, subject, how).await;
        }
        Ok(())
    }
}

/// SKUs with units at the location, or with units that no order is to get, which are not listed.
fn unlisted(
    insight: &Insight,
    location: &LocationId,
    listed: &Listed,
    is_net: bool,
) -> Result<Vec<(SkuId, i64)>, InsightError> {
    let (mut absent, mut cursor) = (Vec::new(), None);
    loop {
        let page = insight.search_stock(&StockSearch {
            base: StockFilter {
                location: Some(location.to_string()),
                cursor,
                limit: PAGE,
                ..StockFilter::default()
            },
            ..StockSearch::default()
        })?;
        let rows = page.rows.into_iter().filter_map(|row| {
            let units = match is_net {
                true => row.on_hand - row.committed,
                false => row.on_hand,
            };
            let is_absent = units > 0 && !listed.contains(&row.sku);
            let sku = SkuId::new(row.sku).ok().filter(|_| is_absent)?;
            Some((sku, units))
        });
        absent.extend(rows);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(absent);
        }
    }
}
