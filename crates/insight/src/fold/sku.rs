//! Stock per location and the ledger.

use crossdock_model::v1::SkuEvent;
use crossdock_model::{EntityId, LocationId, SkuId};
use serde_json::json;

use super::Folding;
use crate::{InsightError, sentences};

impl Folding<'_> {
    pub fn sku(&self, number: usize, event: &SkuEvent) -> Result<(), InsightError> {
        let EntityId::Sku(sku) = self.entity else {
            return Ok(());
        };
        match event {
            SkuEvent::Defined { title, tracking } => {
                let sql = "INSERT INTO skus (sku, title, tracking) VALUES (?1, ?2, ?3)
                    ON CONFLICT (sku) DO UPDATE SET title = ?2, tracking = ?3";
                self.work
                    .execute(sql, (sku.as_str(), title, serde_json::to_string(tracking)?))?;
            }
            SkuEvent::Moved {
                location,
                on_hand_delta,
                unavailable_delta,
                reason,
                effective_at,
                ..
            } => {
                let on_hand = self.balance(sku, location, *on_hand_delta, *unavailable_delta)?;
                let sql = "INSERT OR REPLACE INTO ledger (sku, number, at, effective_at, location, on_hand_delta,
                    unavailable_delta, on_hand, reason, principal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
                self.work.prepare_cached(sql)?.execute((
                    sku.as_str(),
                    self.number(number),
                    self.at(),
                    effective_at.as_ms(),
                    location.as_str(),
                    on_hand_delta,
                    unavailable_delta,
                    on_hand,
                    sentences::movement(reason),
                    self.record.meta.principal.as_str(),
                ))?;
                let data = json!({ "location": location, "on_hand": on_hand, "reason": sentences::movement(reason) });
                self.feed("stock.changed", sku.as_str(), &data)?;
            }
            SkuEvent::SafetySet { location, units } => {
                let sql = "INSERT INTO stock (sku, location, safety) VALUES (?1, ?2, ?3)
                    ON CONFLICT (sku, location) DO UPDATE SET safety = ?3";
                self.work
                    .execute(sql, (sku.as_str(), location.as_str(), units))?;
            }
            SkuEvent::ExceptionOpened(opened) => self.opened(opened)?,
            SkuEvent::ExceptionClosed(closed) => self.closed(closed)?,
            // What is reserved and held is asked of the SKU itself: it changes with time, not only with events.
            _ => {}
        }
        Ok(())
    }

    fn balance(
        &self,
        sku: &SkuId,
        location: &LocationId,
        on_hand: i64,
        unavailable: i64,
    ) -> Result<i64, InsightError> {
        let sql = "INSERT INTO stock (sku, location, on_hand, unavailable) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (sku, location) DO UPDATE
            SET on_hand = on_hand + ?3, unavailable = unavailable + ?4 RETURNING on_hand";
        let mut statement = self.work.prepare_cached(sql)?;
        Ok(statement.query_row(
            (sku.as_str(), location.as_str(), on_hand, unavailable),
            |row| row.get(0),
        )?)
    }
}
