//! What happened, in plain sentences without personal data.

mod order;

use crossdock_model::v1::MoveReason;

pub(crate) use order::order;

/// Why units moved.
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
        MoveReason::Returned { order, return_id } => format!("return {return_id} of order {order}"),
        MoveReason::SoldAtTill { reference } => format!("sold at the till ({reference})"),
    }
}
