//! What an order says of itself, and when it must be looked at again.

use std::collections::BTreeMap;

use crossdock_model::answer::OrderSummary;
use crossdock_model::v1::{OrderStatus, Payment};
use crossdock_model::{Answer, Rejection, SkuId, Timestamp};

use super::state::{Order, OrderState, Phase, Piece, Placing, Request};
use super::{CLOSE_AFTER, EDIT_PATIENCE, RETRY_ASKS_MAX};

impl OrderState {
    pub(super) fn summary(&self, version: u64) -> Option<OrderSummary> {
        let order = self.order.as_deref()?;
        let requests = order.requests.iter();
        let mut backordered: BTreeMap<SkuId, u32> = BTreeMap::new();
        if let Placing::Waiting(missing) = &order.placing {
            for ((_, sku), units) in missing {
                *backordered.entry(sku.clone()).or_default() += units;
            }
        }
        Some(OrderSummary {
            order: order.id.clone(),
            version,
            status: order.status,
            updated_at: order.facts.updated_at,
            unfreed: order.is_unfreed(),
            requests: requests
                .map(|(number, one)| (*number, one.location.clone(), one.words().to_owned()))
                .collect(),
            backordered: backordered.into_iter().collect(),
            reserved: order.pieces.iter().map(Piece::allocation).collect(),
            hold_expires_at: order.expires_at(),
            address_version: order.address_version(),
            placed: order.is_placed(),
            tied: order.seen.tie_at == Some(order.facts.updated_at),
        })
    }

    /// What those are told who wait for the order to settle; nothing while it is being placed.
    pub(super) fn outcome(&self, version: u64) -> Option<Result<Answer, Rejection>> {
        let order = self.order.as_deref()?;
        if let Some(why) = &order.refused {
            return Some(Err(why.clone()));
        }
        let placed = match &order.placing {
            _ if order.is_over() => true,
            Placing::Busy { sku, .. } if order.is_lacking() => {
                return Some(Err(Rejection::Busy {
                    sku: sku.clone(),
                    retry_after_ms: RETRY_ASKS_MAX.as_ms(),
                }));
            }
            Placing::Planning | Placing::Reading(_) | Placing::Reserving(_) => false,
            // It pauses: whoever sold it already need not wait for that.
            Placing::Again(Some(_)) if !order.asks() => true,
            Placing::Idle | Placing::Again(_) | Placing::Busy { .. } => !order.is_lacking(),
            Placing::Waiting(_) | Placing::Stuck(_) => true,
        };
        let summary = self.summary(version).filter(|_| placed)?;
        Some(Ok(Answer::Order(Box::new(summary))))
    }

    /// The first thing that is due though nobody asks.
    pub(super) fn deadline(&self) -> Option<(Timestamp, &'static str)> {
        let order = self.order.as_deref()?;
        let mut due: Vec<(Timestamp, &'static str)> = Vec::new();
        let mut add = |at: Option<Timestamp>, why| due.extend(at.map(|at| (at, why)));
        add(order.expires_at(), "the hold expires");
        add(order.report_due(), "tell the channel again");
        if !order.is_over() {
            match order.placing {
                Placing::Again(at) => add(at, "plan again"),
                Placing::Waiting(_) => add(Some(order.review_at), "look at the rules again"),
                Placing::Busy { until, .. } => add(Some(until), "nobody asked again"),
                _ => {}
            }
            if let Payment::OnHoldUntil(until) = order.facts.payment {
                add(Some(until), "the payment's hold ends");
            }
            add(order.holds.whole.flatten(), "the hold ends");
            let lines = order.holds.lines.values().flatten();
            add(lines.min().copied(), "the hold of a line ends");
            for (_, request) in order.open_requests() {
                add(request.sending.retry_at, "deliver a request again");
                let asks = request.asks.values();
                let asks = asks.filter_map(|ask| ask.sending.retry_at).min();
                add(asks, "ask a location again");
                let late = request.is_awaited().then_some(request.acknowledge_by);
                add(late, "acknowledge a request");
            }
            let edit = order.seen.edit;
            add(
                edit.map(|(_, heard)| heard + EDIT_PATIENCE),
                "state an edit",
            );
            let shipped = order.shipped_at;
            let shipped = shipped.filter(|_| order.status == OrderStatus::Shipped);
            add(shipped.map(|at| at + CLOSE_AFTER), "close the order");
        }
        due.into_iter()
            .filter(|(at, _)| *at > order.looked_at)
            .min()
    }
}

impl Order {
    /// Whether nothing of it is still to be taken off stock, as far as that can be.
    fn is_placed(&self) -> bool {
        let is_under_way = match &self.placing {
            Placing::Planning | Placing::Reading(_) | Placing::Reserving(_) => true,
            Placing::Idle | Placing::Again(_) | Placing::Busy { .. } => self.is_lacking(),
            Placing::Waiting(_) | Placing::Stuck(_) => false,
        };
        self.is_over() || self.refused.is_some() || !is_under_way
    }
}

impl Request {
    /// Its state in words, as shown to people.
    fn words(&self) -> &'static str {
        match self.phase {
            Phase::Rejected => "rejected",
            Phase::Cancelled => "cancelled",
            Phase::Shipped => "shipped",
            _ if !self.asks.is_empty() => "cancelling",
            _ if self.shipped => "partly_shipped",
            Phase::Acknowledged => "acknowledged",
            _ if self.overdue => "overdue",
            Phase::Sent => "sent",
            Phase::Created => "created",
        }
    }
}
