//! Calls to locations' connectors.

use std::sync::{Arc, Mutex, PoisonError};

use crossdock_engine::{CALL_MAX, Call, Calls};
use crossdock_model::{EffectNumber, EntityId, LocationId};

use crate::clock::within;
use crate::node::Connector;
use crate::shared::Shared;

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

    fn change<R>(&self, change: impl FnOnce(&mut Calls) -> R) -> R {
        change(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends a call, also when the connector panics: else it would never be tried again.
struct UnderWay {
    shared: Arc<Shared>,
    order: EntityId,
    effect: EffectNumber,
    location: LocationId,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let deliveries = &self.shared.deliveries;
        deliveries.change(|calls| calls.end(&self.order, self.effect, &self.location));
    }
}

/// Calls the connector, once at a time for each effect.
pub(crate) fn deliver(shared: &Arc<Shared>, call: Call) {
    if !shared.deliveries.change(|calls| calls.begin(&call)) {
        return;
    }
    let Call {
        order,
        effect,
        delivery,
    } = call;
    let under_way = UnderWay {
        shared: Arc::clone(shared),
        order: order.clone(),
        effect,
        location: delivery.location.clone(),
    };
    let (request, attempt) = (delivery.request, delivery.attempt);
    let connector = Arc::clone(&shared.deliveries.connector);
    shared.tokio.spawn(async move {
        let shared = Arc::clone(&under_way.shared);
        let delivered = within(&*shared.clock, CALL_MAX, connector.deliver(delivery)).await;
        let error = match delivered {
            Some(delivered) => delivered.err(),
            None => Some(format!("no answer within {} s", CALL_MAX.as_ms() / 1000)),
        };
        drop(under_way);
        let (command, class) = Call::ended(request, attempt, error);
        shared.send_internal(&order, command, class);
    });
}
