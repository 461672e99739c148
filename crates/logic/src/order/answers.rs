//! Answers to what an order asked. One to an effect that is not outstanding any more changes nothing.

use crossdock_model::command::{LocationCommand, SkuCommand};
use crossdock_model::v1::{Allocation, OrderEvent};
use crossdock_model::{
    Answer, Command, Effect, EffectNumber, EntityId, LocationId, Rejection, SkuId,
};

use super::draft::Draft;
use super::effects::{reads_stock, reserves};
use super::state::Piece;
use crate::decider::Decision;
use crate::location::acknowledge_by;
use crate::router::no_stock;

type Given<'a> = &'a Result<Answer, Rejection>;

impl Draft<'_> {
    pub fn answered(
        mut self,
        number: EffectNumber,
        from: &EntityId,
        result: Given<'_>,
    ) -> Decision<OrderEvent> {
        let effect = self.order.pending.get(number).cloned();
        match effect {
            Some(Effect::Plan(request)) => {
                if let Ok(Answer::Plan(plan)) = result {
                    self.plan_answered(number, &request, plan);
                }
            }
            Some(Effect::Tell { to, command, .. }) if to == *from => {
                match (&to, command.as_ref()) {
                    (EntityId::Sku(sku), command) if reads_stock(command) => {
                        self.stock_answered(sku, result);
                    }
                    (EntityId::Sku(sku), Command::Sku(command)) => {
                        self.sku_answered(number, sku, command, result);
                    }
                    (
                        EntityId::Location(location),
                        Command::Location(LocationCommand::TakeCapacity { attempt, .. }),
                    ) => self.capacity_answered(location, *attempt, result),
                    (EntityId::Location(location), Command::Read) => {
                        self.location_answered(number, location, result);
                    }
                    _ => self.told(number, result),
                }
            }
            Some(Effect::Tell { .. } | Effect::Deliver(_) | Effect::Report(_)) | None => {}
        }
        self.unchanged()
    }

    fn sku_answered(
        &mut self,
        number: EffectNumber,
        sku: &SkuId,
        command: &SkuCommand,
        result: Given<'_>,
    ) {
        if let Some((id, takes)) = reserves(command) {
            return self.reserve_answered(sku, id.attempt, takes, result);
        }
        match (command, result) {
            (SkuCommand::Wait { .. }, Ok(Answer::RetryNow)) => {
                self.emit(OrderEvent::StockReturned { sku: sku.clone() });
            }
            // A SKU that is not known yet, or whose queue is full: asked again until it takes the order in.
            (SkuCommand::Wait { .. }, Err(_)) => {}
            (SkuCommand::Confirm { id }, Err(Rejection::Superseded | Rejection::NotFound(_))) => {
                self.emit(OrderEvent::EffectDone { effect: number });
                self.let_lost_go(sku, id.attempt);
            }
            _ => self.told(number, result),
        }
    }

    /// An effect whose answer says no more than that it was done, or never can be. Anything else answers
    /// another effect, of a life that is lost: this one stays outstanding.
    fn told(&mut self, effect: EffectNumber, result: Given<'_>) {
        let done = match result {
            Ok(answer) => matches!(answer, Answer::Done | Answer::Waits),
            Err(why) => matches!(
                why,
                Rejection::Invalid { .. }
                    | Rejection::NotFound(_)
                    | Rejection::TooOld { .. }
                    | Rejection::WrongState { .. }
            ),
        };
        if done {
            self.emit(OrderEvent::EffectDone { effect });
        }
    }

    /// A location that was asked for its calendar. One that nobody knows any more is given the time it had.
    fn location_answered(
        &mut self,
        effect: EffectNumber,
        location: &LocationId,
        result: Given<'_>,
    ) {
        let now = self.asked.now;
        let by = match result {
            Ok(Answer::Location { facts, .. }) => acknowledge_by(facts, now),
            Err(Rejection::NotFound(_)) => {
                let order = self.order.order.as_deref();
                let mut slots = order.iter().flat_map(|order| &order.slots);
                let known = slots.rfind(|((_, at), _)| at == location);
                known.map_or(now, |(_, slot)| {
                    now + slot.acknowledge_by.since(slot.granted_at)
                })
            }
            Ok(_) | Err(_) => return,
        };
        self.location_said = Some((location.clone(), by));
        self.emit(OrderEvent::EffectDone { effect });
    }

    fn stock_answered(&mut self, sku: &SkuId, result: Given<'_>) {
        let stock = match result {
            Ok(Answer::Stock(stock)) => stock.clone(),
            Err(Rejection::NotFound(_)) => Box::new(no_stock(sku)),
            // It is put aside, or a person gave up that it is read.
            Err(_) => return self.stock_withheld(sku),
            Ok(_) => return,
        };
        self.emit(OrderEvent::StockSeen { stock });
    }

    /// A SKU does not know units that this order had committed: they are placed anew rather than sent twice.
    fn let_lost_go(&mut self, sku: &SkuId, attempt: u32) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let pieces = order.pieces.iter();
        let lost = pieces.filter(|piece| {
            piece.attempt == attempt && piece.sku == *sku && piece.request.is_none()
        });
        let lines: Vec<Allocation> = lost.map(Piece::allocation).collect();
        if !lines.is_empty() {
            self.emit(OrderEvent::Released { attempt, lines });
        }
    }
}
