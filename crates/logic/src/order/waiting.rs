//! Waiting for stock: offers to this order, and SKUs that want units back.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{OrderEvent, Take};
use crossdock_model::{LocationId, SkuId, Timestamp};

use super::draft::Draft;
use super::state::Placing;
use crate::decider::Decision;

impl Draft<'_> {
    /// Units came free for this order. It plans with them if it waits, else they go to others at once.
    pub fn offer(mut self, sku: &SkuId, takes: &[Take], until: Timestamp) -> Decision<OrderEvent> {
        let Some(order) = self.order.order.as_deref() else {
            return self.unchanged();
        };
        let known = order.offers.get(sku);
        if known.is_some_and(|known| known.until == until) || until <= self.asked.now {
            return self.unchanged();
        }
        let waits = matches!(order.placing, Placing::Waiting(_)) && order.waits.contains_key(sku);
        if !waits {
            let order = order.id.clone();
            self.tell_sku(sku, SkuCommand::DeclineOffer { order });
            return self.unchanged();
        }
        self.emit(OrderEvent::OfferSeen {
            sku: sku.clone(),
            takes: takes.to_vec(),
            until,
        });
        self.emit(OrderEvent::StockReturned { sku: sku.clone() });
        self.done()
    }

    /// A SKU has fewer units than it committed: those that nobody was asked to send go back and are placed
    /// elsewhere.
    pub fn give_back(
        mut self,
        sku: &SkuId,
        attempt: u32,
        location: &LocationId,
    ) -> Decision<OrderEvent> {
        let order = self.order.order.as_deref();
        let (Some(order), Some(id)) = (order, self.attempt_id(attempt)) else {
            return self.unchanged();
        };
        let pieces = order.pieces.iter();
        let there = pieces.filter(|piece| {
            piece.attempt == attempt && piece.sku == *sku && piece.location == *location
        });
        let (idle, busy): (Vec<_>, Vec<_>) = there.partition(|piece| piece.request.is_none());
        let units: u32 = idle.iter().map(|piece| piece.units).sum();
        let keeps = !busy.is_empty();
        if units > 0 {
            let take = Take {
                location: location.clone(),
                units,
            };
            self.emit(OrderEvent::GaveBack {
                id,
                sku: sku.clone(),
                take,
            });
        } else if keeps {
            let location = location.clone();
            self.tell_sku(sku, SkuCommand::Kept { id, location });
        }
        self.unchanged()
    }
}
