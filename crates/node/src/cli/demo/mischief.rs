//! Sees to it that everything goes wrong that can: kind after kind, and again, also what chance would spare.

use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_model::Duration;
use crossdock_runtime::Clock;
use crossdock_sim::amazon::{self, Market};
use crossdock_sim::shopify::{Fault, Faults, Shop};
use tokio::sync::watch;

use super::market::TROUBLES;

/// Longest pause between two of them.
const PAUSE_MAX: Duration = Duration::from_s(3);
/// How often each kind is made to happen in the time that a demo lasts.
const TIMES: u64 = 2;

/// What is made to happen.
enum Trouble {
    /// At the shop.
    Shop(Fault),
    /// To the next call of that operation of the seller's account.
    Market(amazon::Fault, &'static str),
    /// No token of the seller's account is good any more.
    Tokens,
    /// The shop never hears that its next webhook of that topic was taken, and deletes the subscription in the end.
    NeverHeard(&'static str),
}

/// What is made to happen at the shop, in this order.
const KINDS: [Fault; 11] = [
    Fault::Lost,
    Fault::Duplicated,
    Fault::Throttled,
    Fault::Reordered,
    Fault::BrokenOff,
    Fault::Late,
    Fault::TooMany,
    Fault::Unanswered,
    Fault::Unheard,
    Fault::Unavailable,
    Fault::Silent,
];

/// What goes wrong at the shop, how often.
pub(super) fn faults(seed: u64) -> Faults {
    let often = [
        (Fault::Duplicated, 0.05),
        (Fault::Reordered, 0.05),
        (Fault::Late, 0.01),
        (Fault::Lost, 0.01),
        (Fault::Unheard, 0.02),
        (Fault::Throttled, 0.004),
        (Fault::TooMany, 0.002),
        (Fault::Unavailable, 0.004),
        (Fault::BrokenOff, 0.004),
    ];
    let none = Faults::none(seed);
    often
        .into_iter()
        .fold(none, |faults, (kind, chance)| faults.with(kind, chance))
}

/// Makes trouble until it is told to stop.
pub(super) async fn make(
    (shop, account): (Arc<Shop>, Arc<Market>),
    time: Option<Wait>,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    let market = TROUBLES.map(|(fault, operation, _)| Trouble::Market(fault, operation));
    // What takes long comes first.
    let first = [Trouble::NeverHeard("orders/updated"), Trouble::Tokens];
    let kinds = first
        .into_iter()
        .chain(market)
        .chain(KINDS.map(Trouble::Shop));
    let kinds: Vec<Trouble> = kinds.collect();
    let all = kinds.len() as u64 * TIMES + 1;
    let share = time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / all);
    let pause = share.map_or(PAUSE_MAX, |ms| Duration::from_ms(ms).min(PAUSE_MAX));
    // The catalogue's feed comes soon after the first shopper, and may be the only one.
    account.surely(amazon::Fault::LostAnswer, "createFeed");
    for kind in kinds.iter().cycle() {
        tokio::select! {
            () = clock.sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match kind {
            Trouble::Shop(fault) => shop.with(|store, _| store.surely(*fault)),
            Trouble::Market(fault, operation) => account.surely(*fault, operation),
            Trouble::Tokens => account.revoke_tokens(),
            Trouble::NeverHeard(topic) => shop.with(|store, _| store.never_hear(topic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not made to happen comes by itself: the shop deletes subscriptions that are never heard, and its lists are
    /// late all the time.
    #[test]
    fn every_kind_of_fault_is_made_to_happen() {
        for kind in Fault::ALL {
            let by_itself = matches!(kind, Fault::Unsubscribed | Fault::Lagged);
            assert_eq!(KINDS.contains(&kind), !by_itself, "{kind:?}");
        }
        let is_made = |wanted| TROUBLES.iter().any(|(kind, ..)| *kind == wanted);
        let next = |kind| match kind {
            amazon::Fault::TooMany => Some(amazon::Fault::ServerError),
            amazon::Fault::ServerError => Some(amazon::Fault::LostAnswer),
            amazon::Fault::LostAnswer => None,
        };
        let kinds = std::iter::successors(Some(amazon::Fault::TooMany), |kind| next(*kind));
        assert!(kinds.into_iter().all(is_made));
    }
}
