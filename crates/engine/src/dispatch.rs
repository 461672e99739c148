//! Where an effect goes, in which class of work, and how its answer comes back.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::{Delivery, OrderCommand, PlanRequest, ReportCall, Said};
use crossdock_model::{
    Answer, Class, Command, Duration, Effect, EffectNumber, EntityId, Meta, Rejection,
};

use crate::core::{Asker, Message, ReplyTo};
use crate::step::Outgoing;

/// A call to a connector that takes longer has failed. Connectors have shorter limits of their own.
pub const CALL_MAX: Duration = Duration::from_s(120);
/// Calls under way at one location or channel: one that does not answer holds no other up. What is asked for beyond that
/// is dropped; its order asks again.
const CALLS_PER_RECEIVER_MAX: usize = 256;

/// Who carries an effect out.
#[derive(Debug)]
pub enum Destination<T> {
    /// Another entity.
    Entity {
        /// Which.
        to: EntityId,
        /// What it is told.
        message: Message<T>,
    },
    /// The router.
    Router(Planning),
    /// A location's or a channel's connector.
    Connector(Call),
}

/// A plan to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Planning {
    /// Who is answered.
    pub from: Asker,
    /// The class of the work.
    pub class: Class,
    /// What is to be planned.
    pub request: PlanRequest,
}

/// A call to make. It leaves only when its event is durable, so its numbers mean the same in every life: a call that an
/// earlier life began is not begun again beside it, and what came of it may be told to any later life.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The order.
    pub order: EntityId,
    /// Its effect.
    pub effect: EffectNumber,
    /// What is to be done.
    pub work: Work,
}

/// What a connector is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Tell a location.
    Deliver(Box<Delivery>),
    /// Tell an order's channel.
    Report(ReportCall),
}

impl Work {
    /// Who is called.
    #[must_use]
    pub fn receiver(&self) -> EntityId {
        match self {
            Self::Deliver(delivery) => EntityId::Location(delivery.location.clone()),
            Self::Report(call) => EntityId::Channel(call.order.channel.clone()),
        }
    }
}

/// What an order is told once a location was called; `error` says what went wrong, if anything did.
#[must_use]
pub fn delivered(request: u32, attempt: u32, error: Option<String>) -> (Command, Class) {
    let command = Command::Order(OrderCommand::Delivered {
        request,
        attempt,
        error,
    });
    (command, Class::Location)
}

/// What an order is told once its channel was called.
#[must_use]
pub fn reported(call: &ReportCall, said: Said) -> (Command, Class) {
    let command = Command::Order(OrderCommand::Reported {
        report: call.report,
        attempt: call.attempt,
        said,
    });
    (command, Class::ChannelOrder)
}

/// Where an effect goes. `meta` is the node's own.
#[must_use]
pub fn route<T>(outgoing: Outgoing, meta: Meta) -> Destination<T> {
    let Outgoing {
        from,
        class,
        effect,
    } = outgoing;
    match effect {
        Effect::Tell { to, command, .. } => Destination::Entity {
            to,
            message: Message {
                command: *command,
                meta,
                reply: ReplyTo::Entity(from),
                class,
                life: None,
            },
        },
        Effect::Plan(request) => Destination::Router(Planning {
            from,
            class,
            request: *request,
        }),
        Effect::Deliver(delivery) => Destination::Connector(Call {
            order: from.entity,
            effect: from.effect,
            work: Work::Deliver(delivery),
        }),
        Effect::Report(call) => Destination::Connector(Call {
            order: from.entity,
            effect: from.effect,
            work: Work::Report(call),
        }),
    }
}

/// The answer to an effect, for the life that asked.
#[must_use]
pub fn answer<T>(
    to: &Asker,
    from: EntityId,
    result: Result<Answer, Rejection>,
    class: Class,
    meta: Meta,
) -> Message<T> {
    Message {
        command: Command::Answered {
            effect: to.effect,
            from,
            result,
        },
        meta,
        reply: ReplyTo::Nobody,
        class,
        life: Some(to.life),
    }
}

type Key = (EntityId, EffectNumber);

/// Calls to connectors that are under way: each effect's once at a time.
#[derive(Debug, Default)]
pub struct Calls {
    under_way: BTreeSet<Key>,
    by_receiver: BTreeMap<EntityId, usize>,
}

impl Calls {
    /// Whether the call may be made now. One that may ends with [`Calls::end`].
    pub fn begin(&mut self, call: &Call) -> bool {
        let receiver = call.work.receiver();
        let busy = self.by_receiver.get(&receiver).copied().unwrap_or(0);
        let key = (call.order.clone(), call.effect);
        if busy >= CALLS_PER_RECEIVER_MAX || !self.under_way.insert(key) {
            return false;
        }
        self.by_receiver.insert(receiver, busy + 1);
        true
    }

    /// The call has ended.
    pub fn end(&mut self, order: &EntityId, effect: EffectNumber, receiver: &EntityId) {
        if !self.under_way.remove(&(order.clone(), effect)) {
            return;
        }
        if let Some(busy) = self.by_receiver.get_mut(receiver) {
            *busy -= 1;
            if *busy == 0 {
                self.by_receiver.remove(receiver);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_model::LocationId;
    use crossdock_model::command::DeliveryKind;

    /// A call for an order, to a location or, without one, to the order's channel.
    fn call(channel: &str, order: usize, location: Option<&str>) -> Call {
        let id = format!("{channel}:{order}").parse().unwrap();
        let report = |order| {
            Work::Report(ReportCall {
                order,
                report: 1,
                attempt: 1,
            })
        };
        let work = location.map(|location| {
            Work::Deliver(Box::new(Delivery {
                order: format!("{channel}:{order}").parse().unwrap(),
                order_name: String::new(),
                request: 1,
                location: LocationId::new(location).unwrap(),
                attempt: 1,
                kind: DeliveryKind::Fulfil,
                lines: Vec::new(),
                service_level: None,
                ship_by: None,
                address_version: 0,
            }))
        });
        Call {
            order: EntityId::Order(format!("{channel}:{order}").parse().unwrap()),
            effect: 1,
            work: work.unwrap_or_else(|| report(id)),
        }
    }

    #[test]
    fn an_effect_is_called_once_at_a_time_and_no_receiver_holds_others_up() {
        let max = CALLS_PER_RECEIVER_MAX;
        for (slow, quick) in [
            (("shop", Some("slow")), ("shop", Some("quick"))),
            (("slow", None), ("quick", None)),
        ] {
            let mut calls = Calls::default();
            let slow = |order| call(slow.0, order, slow.1);
            for order in 0..max {
                assert!(calls.begin(&slow(order)));
                assert!(!calls.begin(&slow(order)), "under way");
            }
            assert!(!calls.begin(&slow(max)));
            assert!(calls.begin(&call(quick.0, max, quick.1)));
            let first = slow(0);
            for _ in 0..2 {
                calls.end(&first.order, 1, &first.work.receiver());
            }
            assert!(calls.begin(&slow(1_000)));
            assert!(!calls.begin(&slow(1_001)), "ended once");
        }
    }

    /// What a channel is told leaves by its own way, and what came of it names the same call.
    #[test]
    fn a_report_goes_to_the_orders_channel() {
        let call = call("shop", 7, None);
        let Work::Report(report) = call.work.clone() else {
            panic!("{call:?}")
        };
        let outgoing = Outgoing {
            from: Asker {
                entity: call.order.clone(),
                life: 3,
                effect: 1,
            },
            class: Class::Location,
            effect: Effect::Report(report.clone()),
        };
        assert!(!outgoing.effect.is_tentative());
        let meta = Meta {
            principal: "node".parse().unwrap(),
            reason: None,
            key: None,
            body_hash: 0,
            issued_at: crossdock_model::Timestamp::default(),
            effective_at: None,
            trace: None,
        };
        let routed = route::<()>(outgoing, meta);
        assert!(matches!(routed, Destination::Connector(made) if made == call));
        assert_eq!(call.work.receiver().to_string(), "channel:shop");
        let (told, _) = reported(&report, Said::NotTold);
        let expected = OrderCommand::Reported {
            report: 1,
            attempt: 1,
            said: Said::NotTold,
        };
        assert_eq!(told, Command::Order(expected));
    }
}
