//! Orders that are given up.

use crossdock_model::ExternalId;
use serde_json::json;

use super::gid::gid;
use super::{Admin, AdminError, accepted};

pub(super) const CANCEL: &str = "mutation CancelOrder(
  $id: ID!, $reason: OrderCancelReason!, $restock: Boolean!, $refund: OrderCancelRefundMethodInput, $notify: Boolean,
  $note: String
) {
  orderCancel(
    orderId: $id, reason: $reason, restock: $restock, refundMethod: $refund, notifyCustomer: $notify, staffNote: $note
  ) {
    job { id }
    orderCancelUserErrors { code field message }
  }
}";

/// Why an order is cancelled, in the shop's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// The buyer wants it no longer.
    Customer,
    /// It was not paid.
    Declined,
    /// Somebody else's money.
    Fraud,
    /// It is not there.
    Inventory,
    /// Somebody made a mistake.
    Staff,
    /// Anything else.
    Other,
}

impl CancelReason {
    fn word(self) -> &'static str {
        match self {
            Self::Customer => "CUSTOMER",
            Self::Declined => "DECLINED",
            Self::Fraud => "FRAUD",
            Self::Inventory => "INVENTORY",
            Self::Staff => "STAFF",
            Self::Other => "OTHER",
        }
    }
}

/// How an order is cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// Why.
    pub reason: CancelReason,
    /// Whether the shop shows its units again by itself. Where numbers are published they are ours to raise.
    pub restock: bool,
    /// Whether the money goes back the way it came.
    pub refund: bool,
    /// Whether the shop tells the buyer.
    pub notify: bool,
    /// For the shop's people.
    pub note: Option<String>,
}

impl Admin {
    /// Cancels an order none of which was sent. The shop does so a little later: the order itself says when.
    /// *Read before retry*: once done, the order is cancelled.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn cancel_order(
        &self,
        order: &ExternalId,
        cancel: &Cancel,
    ) -> Result<(), AdminError> {
        let refund = json!({ "originalPaymentMethodsRefund": cancel.refund });
        let variables = json!({
            "id": gid("Order", order.as_str()),
            "reason": cancel.reason.word(),
            "restock": cancel.restock,
            "refund": refund,
            "notify": cancel.notify,
            "note": cancel.note,
        });
        let reply = self.call(CANCEL, variables).await?;
        accepted(&reply, "orderCancel", "orderCancelUserErrors").map(drop)
    }
}
