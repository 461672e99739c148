//! Why units of a SKU moved.

use crossdock_model::v1::{CountOutcome, MoveReason};

/// Why, in a few words.
pub(crate) fn movement(reason: &MoveReason) -> String {
    match reason {
        MoveReason::Counted { source } => format!("counted by {source}"),
        MoveReason::Adjusted { reason } => format!("adjusted: {reason}"),
        MoveReason::Received {
            reference: Some(reference),
        } => format!("received ({reference})"),
        MoveReason::Received { reference: None } => "received".to_owned(),
        MoveReason::TransferOut { transfer, to } => format!("transfer {transfer} to {to}"),
        MoveReason::TransferIn { transfer, from } => format!("transfer {transfer} from {from}"),
        MoveReason::MarkedUnavailable => "marked unavailable".to_owned(),
        MoveReason::MadeAvailable => "made available".to_owned(),
        MoveReason::Shipped { order, .. } => format!("shipped with order {order}"),
        MoveReason::NotFound { order, .. } => format!("not found when picked for order {order}"),
        MoveReason::Returned {
            order, return_id, ..
        } => format!("return {return_id} of order {order}"),
        MoveReason::SoldAtTill { reference } => format!("sold at the till ({reference})"),
        MoveReason::TransferLost { transfer, units } => {
            format!("{units} of transfer {transfer} never arrived")
        }
    }
}

/// Why balances do not follow a count, if so.
pub(crate) fn not_applied(outcome: CountOutcome) -> Option<&'static str> {
    match outcome {
        CountOutcome::Applied => None,
        CountOutcome::OlderThanLast => Some("a later count is known"),
        CountOutcome::TooOld => Some("it is older than a day"),
    }
}

/// What it refers to: an order, a transfer, a delivery note.
pub(crate) fn reference(reason: &MoveReason) -> Option<String> {
    match reason {
        MoveReason::Counted { source } => Some(source.to_string()),
        MoveReason::Received { reference } => reference.clone(),
        MoveReason::TransferOut { transfer, .. }
        | MoveReason::TransferIn { transfer, .. }
        | MoveReason::TransferLost { transfer, .. } => Some(transfer.to_string()),
        MoveReason::Shipped { order, .. }
        | MoveReason::NotFound { order, .. }
        | MoveReason::Returned { order, .. } => Some(order.to_string()),
        MoveReason::SoldAtTill { reference } => Some(reference.clone()),
        MoveReason::Adjusted { .. } | MoveReason::MarkedUnavailable | MoveReason::MadeAvailable => {
            None
        }
    }
}
