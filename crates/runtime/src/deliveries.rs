//! Calls to connectors: of locations, which are told what to do, and of channels, which are told what became of orders.

use std::sync::{Arc, Mutex, PoisonError};

use crossdock_engine::{CALL_MAX, Call, Calls, Work, delivered, reported};
use crossdock_model::command::{Delivery, ReportCall, Said};
use crossdock_model::{Class, Command, EffectNumber, EntityId};

use crate::clock::within;
use crate::node::{Connector, Reports};
use crate::shared::Shared;

/// The connectors, and the calls that are under way.
pub(crate) struct Deliveries {
    connector: Arc<dyn Connector>,
    reports: Arc<dyn Reports>,
    calls: Mutex<Calls>,
}

impl Deliveries {
    pub fn new(connector: Arc<dyn Connector>, reports: Arc<dyn Reports>) -> Self {
        Self {
            connector,
            reports,
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
    receiver: EntityId,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let deliveries = &self.shared.deliveries;
        deliveries.change(|calls| calls.end(&self.order, self.effect, &self.receiver));
    }
}

/// Calls the connector, once at a time for each effect.
pub(crate) fn deliver(shared: &Arc<Shared>, call: Call) {
    if !shared.deliveries.change(|calls| calls.begin(&call)) {
        return;
    }
    let under_way = UnderWay {
        shared: Arc::clone(shared),
        order: call.order.clone(),
        effect: call.effect,
        receiver: call.work.receiver(),
    };
    shared.tokio.spawn(async move {
        let shared = Arc::clone(&under_way.shared);
        let ended = match call.work {
            Work::Deliver(delivery) => Some(tell_location(&shared, *delivery).await),
            Work::Report(report) => tell_channel(&shared, report).await,
        };
        drop(under_way);
        if let Some((command, class)) = ended {
            shared.send_internal(&call.order, command, class);
        }
    });
}

fn too_late() -> String {
    format!("no answer within {} s", CALL_MAX.as_ms() / 1000)
}

async fn tell_location(shared: &Arc<Shared>, delivery: Delivery) -> (Command, Class) {
    let (request, attempt) = (delivery.request, delivery.attempt);
    let call = shared.deliveries.connector.deliver(delivery);
    let error = match within(&*shared.clock, CALL_MAX, call).await {
        Some(delivered) => delivered.err(),
        None => Some(too_late()),
    };
    delivered(request, attempt, error)
}

/// What the order is told of it; nothing if it is to ask again.
async fn tell_channel(shared: &Arc<Shared>, report: ReportCall) -> Option<(Command, Class)> {
    let call = shared.deliveries.reports.tell(report.clone());
    let said = within(&*shared.clock, CALL_MAX, call).await;
    let said = said.unwrap_or_else(|| {
        Some(Said::Failed {
            error: too_late(),
            in_doubt: true,
        })
    });
    said.map(|said| reported(&report, said))
}
