//! Refunds: what the buyer keeps, what was never sent, what comes back.

use crossdock_model::v1::{RefundLine, Restock};
use crossdock_model::{LineId, RefundId};

use crate::fields::{MapError, Part};

/// A refund's id and lines; an amount without lines has none.
pub(super) fn read(root: &Part<'_>) -> Result<(RefundId, Vec<RefundLine>), MapError> {
    let refund = root.need("id")?.typed::<RefundId>()?;
    let lines: Result<Vec<RefundLine>, MapError> =
        root.list("refund_line_items")?.iter().map(line).collect();
    let lines = lines?.into_iter().filter(|line| line.units > 0);
    Ok((refund, lines.collect()))
}

fn line(part: &Part<'_>) -> Result<RefundLine, MapError> {
    let restock = match part.text("restock_type").as_deref() {
        Some("cancel") => Restock::Cancel,
        Some("return" | "legacy_restock") => Restock::Return,
        Some("no_restock") | None => Restock::No,
        Some(other) => return Err(part.wrong(format!("restock_type {other:?} is unknown"))),
    };
    Ok(RefundLine {
        line: part.need("line_item_id")?.typed::<LineId>()?,
        units: part.need("quantity")?.units()?,
        restock,
        // The shop's place, not one of ours: where goods come back is said by whoever has them in hand.
        location: None,
    })
}
