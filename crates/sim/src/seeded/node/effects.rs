//! Effects of entities: to each other, to the router, to locations and channels.

use crossdock_engine::{
    Call, Destination, Message, Outgoing, Planning, ReplyTo, Work, answer, delivered, reported,
    route,
};
use crossdock_logic::router;
use crossdock_model::command::Said;
use crossdock_model::{Answer, Class, Command, Duration, EntityId, SkuId};

use super::{Caller, Inside, Node, Stock, Surroundings};

impl Node {
    pub(super) fn dispatch(&mut self, outgoing: Outgoing, around: &mut Surroundings<'_>) {
        match route(outgoing, self.meta(around.now())) {
            Destination::Entity { to, message } => self.send(to, message, around),
            Destination::Router(planning) => self.plan(planning, Stock::new(), around),
            Destination::Connector(call) => self.call(call, around),
        }
    }

    pub(super) fn plan(&mut self, planning: Planning, told: Stock, around: &mut Surroundings<'_>) {
        let known = |sku: &SkuId| self.stock.get(sku).or_else(|| told.get(sku)).cloned();
        match router::stock_for(&planning.request, known) {
            Ok(stock) => {
                let now = around.now();
                let plan =
                    router::route(&planning.request, &stock, &self.locations, &self.rules, now);
                let asker = &planning.from;
                let result = Ok(Answer::Plan(Box::new(plan)));
                let from = asker.entity.clone();
                let message = answer(asker, from, result, planning.class, self.meta(now));
                self.send(asker.entity.clone(), message, around);
            }
            Err(sku) => {
                let message = Message {
                    command: Command::Read,
                    meta: self.meta(around.now()),
                    reply: ReplyTo::Caller(Caller::Router(Box::new(planning), sku.clone(), told)),
                    class: Class::ChannelOrder,
                    life: None,
                };
                self.send(EntityId::Sku(sku), message, around);
            }
        }
    }

    pub(super) fn call(&mut self, call: Call, around: &mut Surroundings<'_>) {
        if !self.calls.begin(&call) {
            return;
        }
        let (span, ended) = around.call(match &call.work {
            Work::Deliver(delivery) => Some(delivery.as_ref()),
            Work::Report(_) => None,
        });
        self.later(
            Duration::from_ms(span.as_ms() + 1),
            Inside::Called(Box::new(call), ended),
            around,
        );
    }

    pub(super) fn called(
        &mut self,
        call: Call,
        ended: Result<(), String>,
        around: &mut Surroundings<'_>,
    ) {
        self.calls
            .end(&call.order, call.effect, &call.work.receiver());
        let (command, class) = match &call.work {
            Work::Deliver(delivery) => delivered(delivery.request, delivery.attempt, ended.err()),
            Work::Report(report) => reported(report, Said::NotTold),
        };
        self.tell(call.order, command, class, around);
    }
}
