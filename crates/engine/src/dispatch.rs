//! Where an effect goes, in which class of work, and how its answer comes back.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::{Delivery, OrderCommand, PlanRequest};
use crossdock_model::{
    Answer, Class, Command, Duration, Effect, EffectNumber, EntityId, LocationId, Meta, Rejection,
};

use crate::core::{Asker, Message, Outgoing, ReplyTo};

/// A call to a connector that takes longer has failed. Connectors have shorter limits of their own.
pub const CALL_MAX: Duration = Duration::from_s(120);
/// Calls under way at one location: one that does not answer holds no other up. What is asked for beyond that is
/// dropped; its order asks again.
const CALLS_PER_LOCATION_MAX: usize = 256;

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
    /// A location's connector.
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

/// A call to make. A delivery leaves only when its event is durable, so its number, request and attempt mean the same
/// in every life: a call that an earlier life began is not begun again beside it, and what came of it may be told to
/// any later life.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The order.
    pub order: EntityId,
    /// Its effect.
    pub effect: EffectNumber,
    /// What is delivered.
    pub delivery: Delivery,
}

impl Call {
    /// What the order is told once the call has ended; `error` says what went wrong, if anything did.
    #[must_use]
    pub fn ended(request: u32, attempt: u32, error: Option<String>) -> (Command, Class) {
        let command = Command::Order(OrderCommand::Delivered {
            request,
            attempt,
            error,
        });
        (command, Class::Location)
    }
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
            delivery: *delivery,
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
    by_location: BTreeMap<LocationId, usize>,
}

impl Calls {
    /// Whether the call may be made now. One that may ends with [`Calls::end`].
    pub fn begin(&mut self, call: &Call) -> bool {
        let location = &call.delivery.location;
        let busy = self.by_location.get(location).copied().unwrap_or(0);
        let key = (call.order.clone(), call.effect);
        if busy >= CALLS_PER_LOCATION_MAX || !self.under_way.insert(key) {
            return false;
        }
        self.by_location.insert(location.clone(), busy + 1);
        true
    }

    /// The call has ended.
    pub fn end(&mut self, order: &EntityId, effect: EffectNumber, location: &LocationId) {
        if !self.under_way.remove(&(order.clone(), effect)) {
            return;
        }
        if let Some(busy) = self.by_location.get_mut(location) {
            *busy -= 1;
            if *busy == 0 {
                self.by_location.remove(location);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_model::command::DeliveryKind;

    fn call(order: usize, location: &str) -> Call {
        let id = format!("shop:{order}").parse().unwrap();
        Call {
            order: EntityId::Order(id),
            effect: 1,
            delivery: Delivery {
                order: format!("shop:{order}").parse().unwrap(),
                order_name: String::new(),
                request: 1,
                location: LocationId::new(location).unwrap(),
                attempt: 1,
                kind: DeliveryKind::Fulfil,
                lines: Vec::new(),
                service_level: None,
                ship_by: None,
                address_version: 0,
            },
        }
    }

    #[test]
    fn an_effect_is_called_once_at_a_time_and_no_location_holds_others_up() {
        let mut calls = Calls::default();
        for order in 0..CALLS_PER_LOCATION_MAX {
            assert!(calls.begin(&call(order, "slow")));
            assert!(!calls.begin(&call(order, "slow")), "under way");
        }
        let next = call(CALLS_PER_LOCATION_MAX, "slow");
        assert!(!calls.begin(&next));
        assert!(calls.begin(&call(CALLS_PER_LOCATION_MAX, "quick")));
        let first = call(0, "slow");
        for _ in 0..2 {
            calls.end(&first.order, 1, &first.delivery.location);
        }
        assert!(calls.begin(&call(1_000, "slow")));
        assert!(!calls.begin(&call(1_001, "slow")), "ended once");
    }
}
