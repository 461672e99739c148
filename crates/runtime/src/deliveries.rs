//! Calls to locations' connectors.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Wait;

use crossdock_engine::Asker;
use crossdock_model::command::{Delivery, OrderCommand};
use crossdock_model::{Command, EffectNumber, EntityId, LocationId};

use crate::node::Connector;
use crate::shared::Shared;

/// Calls under way at one location: one that does not answer holds no other up. What is asked for beyond that is
/// dropped; its order asks again.
const CALLS_PER_LOCATION_MAX: usize = 256;
/// A call that takes longer has failed. Connectors have shorter limits of their own.
const CALL_MAX: Wait = Wait::from_secs(120);

type Call = (EntityId, EffectNumber);

#[derive(Default)]
struct Calls {
    under_way: HashSet<Call>,
    by_location: HashMap<LocationId, usize>,
}

/// The connector, and the calls that are under way.
pub(crate) struct Deliveries {
    connector: Arc<dyn Connector>,
    calls: Mutex<Calls>,
}

impl Deliveries {
    pub fn new(connector: Arc<dyn Connector>) -> Self {
        Self {
            connector,
            calls: Mutex::default(),
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, call: &Call, location: &LocationId) -> bool {
        let mut calls = self.calls();
        let busy = calls.by_location.get(location).copied().unwrap_or(0);
        if busy >= CALLS_PER_LOCATION_MAX || !calls.under_way.insert(call.clone()) {
            return false;
        }
        calls.by_location.insert(location.clone(), busy + 1);
        true
    }

    fn end(&self, call: &Call, location: &LocationId) {
        let mut calls = self.calls();
        calls.under_way.remove(call);
        if let Some(busy) = calls.by_location.get_mut(location) {
            *busy -= 1;
            if *busy == 0 {
                calls.by_location.remove(location);
            }
        }
    }
}

/// Ends a call, also when the connector panics: else it would never be tried again.
struct UnderWay {
    shared: Arc<Shared>,
    call: Call,
    location: LocationId,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.deliveries.end(&self.call, &self.location);
    }
}

/// Calls the connector, once at a time for each effect. A delivery leaves only when its event is durable, so its
/// number, request and attempt mean the same in every life: a call that an earlier life began is not begun again
/// beside it, and what came of it may be told to any later life.
pub(crate) fn deliver(shared: &Arc<Shared>, from: Asker, delivery: Delivery) {
    let call = (from.entity.clone(), from.effect);
    let location = delivery.location.clone();
    if !shared.deliveries.begin(&call, &location) {
        return;
    }
    let under_way = UnderWay {
        shared: Arc::clone(shared),
        call,
        location,
    };
    let (request, attempt) = (delivery.request, delivery.attempt);
    let connector = Arc::clone(&shared.deliveries.connector);
    shared.tokio.spawn(async move {
        let delivered = tokio::time::timeout(CALL_MAX, connector.deliver(delivery)).await;
        let error = match delivered {
            Ok(delivered) => delivered.err(),
            Err(_) => Some(format!("no answer within {} s", CALL_MAX.as_secs())),
        };
        let shared = Arc::clone(&under_way.shared);
        drop(under_way);
        let command = Command::Order(OrderCommand::Delivered {
            request,
            attempt,
            error,
        });
        shared.send_internal(&from.entity, command);
    });
}
