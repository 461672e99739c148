//! Stock per location, and the ledger.

use crossdock_model::v1::{MoveReason, SkuEvent};
use crossdock_model::{LocationId, SkuId, Timestamp, TransferId};
use serde_json::json;

use super::{Folded, Folding};
use crate::{InsightError, sentences};

/// A running sum of a SKU at a location: a column of `stock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    OnHand,
    Unavailable,
    Committed,
    Held,
    Tentative,
    InTransit,
}

impl Sum {
    fn column(self) -> &'static str {
        match self {
            Self::OnHand => "on_hand",
            Self::Unavailable => "unavailable",
            Self::Committed => "committed",
            Self::Held => "held",
            Self::Tentative => "tentative",
            Self::InTransit => "in_transit",
        }
    }

    /// Tentative units come and go within a moment: nobody outside is told.
    fn is_public(self) -> bool {
        match self {
            Self::OnHand | Self::Unavailable | Self::Committed | Self::Held | Self::InTransit => {
                true
            }
            Self::Tentative => false,
        }
    }
}

/// A line of the ledger.
struct Entry<'a> {
    location: &'a LocationId,
    effective_at: Timestamp,
    /// Change of what is on hand, and of what of it is unavailable.
    deltas: [i64; 2],
    on_hand: i64,
    reason: String,
    reference: Option<String>,
}

impl Folding<'_> {
    /// Only dispatches.
    #[rustfmt::skip]
    pub(super) fn sku(&mut self, sku: &SkuId, number: usize, event: &SkuEvent) -> Folded {
        match event {
            SkuEvent::Defined { title, tracking } => {
                let sql = "INSERT INTO skus (sku, title, tracking) VALUES (?1, ?2, ?3)
                    ON CONFLICT (sku) DO UPDATE SET title = ?2, tracking = ?3";
                self.run(sql, (sku.as_str(), title, serde_json::to_string(tracking)?))?;
                Ok(())
            }
            SkuEvent::Moved { .. } => self.moved(sku, number, event),
            SkuEvent::IncomingSet { location, reference, units, expected_at } =>
                self.incoming_set(sku, location, reference, *units, *expected_at),
            SkuEvent::SafetySet { location, units } => self.safety_set(sku, location, *units),
            SkuEvent::Held { hold, takes, expires_at } => self.held(sku, hold, takes, *expires_at),
            SkuEvent::HoldExpired { hold } | SkuEvent::HoldReleased { hold } | SkuEvent::HoldConfirmed { hold, .. } => {
                self.hold_ended(sku, hold)
            }
            SkuEvent::Reserved { id, takes, .. } => self.units_reserved(sku, id, takes),
            SkuEvent::Confirmed { id } => self.confirmed(sku, id),
            SkuEvent::Released { id } => self.freed(sku, id),
            SkuEvent::Settled { id, location, shipped_units, released_units, missing_units: _ } =>
                self.settled(sku, id, location, *shipped_units, *released_units),
            SkuEvent::Waiting { order, units, promised_at, .. } => self.waiting(sku, order, *units, *promised_at),
            SkuEvent::WaitEnded { order } => self.wait_ended(sku, order),
            SkuEvent::Offered { order, takes, .. } => self.offered(sku, order, takes),
            SkuEvent::OfferEnded { order } => self.offer_ended(sku, order),
            SkuEvent::ExceptionOpened(opened) => self.exception_opened(opened),
            SkuEvent::ExceptionClosed(closed) => self.exception_closed(closed),
            SkuEvent::ExceptionNoted(noted) => self.exception_noted(noted),
            SkuEvent::Counted { .. } => self.counted(sku, number, event),
            // They move no unit: a queue has none yet.
            SkuEvent::OutcomeAsked { .. } | SkuEvent::Queued { .. }
            | SkuEvent::Unqueued { .. } | SkuEvent::AskedBack { .. } | SkuEvent::KeptBy { .. }
            | SkuEvent::Subscribed { .. } | SkuEvent::Unsubscribed { .. }
            // An order says itself what operators changed.
            | SkuEvent::AddedHere { .. } => Ok(()),
        }
    }

    /// Adds to a sum.
    pub(super) fn shift(
        &mut self,
        sku: &SkuId,
        location: &LocationId,
        sum: Sum,
        units: i64,
    ) -> Folded {
        let column = sum.column();
        let sql = format!(
            "INSERT INTO stock (sku, location, {column}) VALUES (?1, ?2, ?3)
            ON CONFLICT (sku, location) DO UPDATE SET {column} = {column} + ?3"
        );
        if sum.is_public() && units != 0 {
            self.changed.insert(location.clone());
        }
        self.run(&sql, (sku.as_str(), location.as_str(), units))?;
        Ok(())
    }

    /// Adds to what is on hand and says how many that is then.
    fn shift_on_hand(
        &mut self,
        sku: &SkuId,
        location: &LocationId,
        units: i64,
    ) -> Result<i64, InsightError> {
        self.shift(sku, location, Sum::OnHand, units)?;
        let sql = "SELECT on_hand FROM stock WHERE sku = ?1 AND location = ?2";
        let mut statement = self.work.prepare_cached(sql)?;
        let key = (sku.as_str(), location.as_str());
        Ok(statement.query_row(key, |row| row.get(0))?)
    }

    fn moved(&mut self, sku: &SkuId, number: usize, event: &SkuEvent) -> Folded {
        let SkuEvent::Moved {
            location,
            on_hand_delta,
            unavailable_delta,
            reason,
            effective_at,
            ..
        } = event
        else {
            return Ok(());
        };
        self.shift(sku, location, Sum::Unavailable, *unavailable_delta)?;
        let on_hand = self.shift_on_hand(sku, location, *on_hand_delta)?;
        self.on_the_way(sku, location, *on_hand_delta, reason)?;
        let entry = Entry {
            location,
            effective_at: *effective_at,
            deltas: [*on_hand_delta, *unavailable_delta],
            on_hand,
            reason: sentences::movement(reason),
            reference: sentences::reference(reason),
        };
        self.enter(sku, number, entry)
    }

    /// A count that balances follow shows as the movement that follows; one that they do not as an entry of nothing.
    fn counted(&mut self, sku: &SkuId, number: usize, event: &SkuEvent) -> Folded {
        let SkuEvent::Counted {
            location,
            source,
            counted,
            effective_at,
            outcome,
            ..
        } = event
        else {
            return Ok(());
        };
        let Some(why) = sentences::not_applied(*outcome) else {
            return Ok(());
        };
        let entry = Entry {
            location,
            effective_at: *effective_at,
            deltas: [0, 0],
            on_hand: self.shift_on_hand(sku, location, 0)?,
            reason: format!("counted {counted} by {source}, not applied: {why}"),
            reference: Some(source.to_string()),
        };
        self.enter(sku, number, entry)
    }

    fn enter(&mut self, sku: &SkuId, number: usize, entry: Entry<'_>) -> Folded {
        let sql = "INSERT INTO ledger (sku, number, at, effective_at, location, on_hand_delta,
            unavailable_delta, on_hand, reason, reference, principal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let [on_hand_delta, unavailable_delta] = entry.deltas;
        self.run(
            sql,
            (
                sku.as_str(),
                self.number(number),
                self.at(),
                entry.effective_at.as_ms(),
                entry.location.as_str(),
                on_hand_delta,
                unavailable_delta,
                entry.on_hand,
                entry.reason,
                entry.reference,
                self.principal(),
            ),
        )?;
        Ok(())
    }

    /// What a movement does to units that were expected.
    fn on_the_way(
        &mut self,
        sku: &SkuId,
        location: &LocationId,
        on_hand_delta: i64,
        reason: &MoveReason,
    ) -> Folded {
        match reason {
            MoveReason::TransferOut { transfer, to } => {
                self.shift(sku, to, Sum::InTransit, -on_hand_delta)?;
                let sql = "INSERT INTO transfers (sku, transfer, source, target, units, sent_at)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (sku, transfer) DO UPDATE SET units = units + ?5";
                let (from, to) = (location.as_str(), to.as_str());
                let values = (
                    sku.as_str(),
                    transfer.as_str(),
                    from,
                    to,
                    -on_hand_delta,
                    self.at(),
                );
                self.run(sql, values)?;
            }
            MoveReason::TransferIn { transfer, .. } => {
                self.shift(sku, location, Sum::InTransit, -on_hand_delta)?;
                self.transferred(sku, transfer, on_hand_delta)?;
            }
            MoveReason::TransferLost { transfer, units } => {
                self.shift(sku, location, Sum::InTransit, -i64::from(*units))?;
                self.transferred(sku, transfer, i64::from(*units))?;
            }
            MoveReason::Received {
                reference: Some(reference),
            } => {
                let sql = "UPDATE incoming SET units = max(0, units - ?4)
                    WHERE sku = ?1 AND location = ?2 AND reference = ?3";
                let values = (sku.as_str(), location.as_str(), reference, on_hand_delta);
                self.run(sql, values)?;
                let sql = "DELETE FROM incoming
                    WHERE sku = ?1 AND location = ?2 AND reference = ?3 AND units = 0";
                self.run(sql, (sku.as_str(), location.as_str(), reference))?;
            }
            MoveReason::Received { reference: None }
            | MoveReason::Counted { .. }
            | MoveReason::Adjusted { .. }
            | MoveReason::MarkedUnavailable
            | MoveReason::MadeAvailable
            | MoveReason::Shipped { .. }
            | MoveReason::NotFound { .. }
            | MoveReason::Returned { .. }
            | MoveReason::SoldAtTill { .. } => {}
        }
        Ok(())
    }

    /// Units of a transfer are on their way no longer.
    fn transferred(&self, sku: &SkuId, transfer: &TransferId, units: i64) -> Folded {
        let values = (sku.as_str(), transfer.as_str(), units);
        let sql = "UPDATE transfers SET units = units - ?3 WHERE sku = ?1 AND transfer = ?2";
        self.run(sql, values)?;
        let sql = "DELETE FROM transfers WHERE sku = ?1 AND transfer = ?2 AND units <= 0";
        self.run(sql, (sku.as_str(), transfer.as_str()))?;
        Ok(())
    }

    fn incoming_set(
        &mut self,
        sku: &SkuId,
        location: &LocationId,
        reference: &str,
        units: u32,
        expected_at: Timestamp,
    ) -> Folded {
        self.changed.insert(location.clone());
        self.shift(sku, location, Sum::OnHand, 0)?;
        if units == 0 {
            let sql = "DELETE FROM incoming WHERE sku = ?1 AND location = ?2 AND reference = ?3";
            self.run(sql, (sku.as_str(), location.as_str(), reference))?;
            return Ok(());
        }
        let sql = "INSERT OR REPLACE INTO incoming (sku, location, reference, units, expected_at)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let at = expected_at.as_ms();
        self.run(sql, (sku.as_str(), location.as_str(), reference, units, at))?;
        Ok(())
    }

    fn safety_set(&mut self, sku: &SkuId, location: &LocationId, units: u32) -> Folded {
        self.changed.insert(location.clone());
        let sql = "INSERT INTO stock (sku, location, safety) VALUES (?1, ?2, ?3)
            ON CONFLICT (sku, location) DO UPDATE SET safety = ?3";
        self.run(sql, (sku.as_str(), location.as_str(), units))?;
        Ok(())
    }

    /// One event of the feed for each location whose figures the record changed.
    pub(super) fn announce_stock(&mut self) -> Folded {
        let changed = std::mem::take(&mut self.changed);
        for location in changed.iter().filter(|_| !self.told) {
            let sku = match self.entity {
                crossdock_model::EntityId::Sku(sku) => sku,
                _ => return Ok(()),
            };
            let sql = "SELECT on_hand, unavailable, committed, tentative, safety, held - (SELECT coalesce(sum(units), 0)
                FROM holds h WHERE h.sku = s.sku AND h.location = s.location AND h.expires_at <= ?3)
                FROM stock s WHERE sku = ?1 AND location = ?2";
            let values = (sku.as_str(), location.as_str(), self.at());
            let sums: [i64; 6] = self.work.prepare_cached(sql)?.query_row(values, |row| {
                let mut sums = [0; 6];
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum = row.get(at)?;
                }
                Ok(sums)
            })?;
            let [on_hand, unavailable, committed, tentative, safety, held] = sums;
            let data = json!({
                "location": location, "on_hand": on_hand, "unavailable": unavailable, "committed": committed,
                "held": held, "safety": safety,
                "available": on_hand - unavailable - committed - tentative - held,
            });
            self.feed("stock.changed", sku.as_str(), &data)?;
        }
        Ok(())
    }
}
