//! Waiting for stock: offers to this order.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{OrderEvent, Take};
use crossdock_model::{SkuId, Timestamp};

use super::draft::Draft;
use super::state::{Order, Placing};
use crate::decider::Decision;

impl Draft<'_> {
    /// Units came free for this order. It plans with them if it waits, else they go to others at once.
    pub fn offer(mut self, sku: &SkuId, takes: &[Take], until: Timestamp) -> Decision<OrderEvent> {
        let waits_for = |order: &&Order| order.waits.contains_key(sku);
        let order = self.order.order.as_deref().filter(waits_for);
        let (Some(order), Some(id)) = (order, self.order_id()) else {
            // It is not to be offered anything again and again: it has all it needs, or never was.
            if let Some(order) = self.order_id() {
                self.tell_sku(sku, SkuCommand::StopWaiting { order });
            }
            return self.unchanged();
        };
        let known = order.offers.get(sku);
        if known.is_some_and(|known| known.until == until) || until <= self.asked.now {
            return self.unchanged();
        }
        if !matches!(order.placing, Placing::Waiting(_)) {
            self.tell_sku(sku, SkuCommand::DeclineOffer { order: id });
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
}
