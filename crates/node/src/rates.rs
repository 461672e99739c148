//! How often channels may be called, as their clients ask for it and tell it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossdock_channels::amazon::{Operation, Rates, Turn};
use crossdock_channels::shopify::admin::{Points, Wait as Waiting};
use crossdock_model::Duration;
use crossdock_runtime::{Budget, Clock};

use crate::config::Amazon;
use crate::spend::{Purse, Spend};

/// Calls an hour that are believed to be granted at most.
const GRANTED_PER_H_MAX: f64 = 3_600_000.0;
const OPERATIONS: usize = Operation::ALL.len();

/// Budgets of sellers' accounts: one for each account, as Amazon counts them, whichever of its channels calls.
#[derive(Default)]
pub struct Accounts(BTreeMap<[String; 3], Arc<AccountRates>>);

impl Accounts {
    /// Those of the account that a channel is on.
    pub fn rates(&mut self, amazon: &Amazon, clock: &Arc<dyn Clock>) -> Arc<AccountRates> {
        let rates = self.0.entry(amazon.account());
        Arc::clone(rates.or_insert_with(|| AccountRates::new(clock)))
    }
}

/// The budgets of a seller's account: one for each operation, as Amazon counts them.
pub struct AccountRates {
    purses: [Arc<Purse>; OPERATIONS],
    clock: Arc<dyn Clock>,
}

impl AccountRates {
    /// All of them full.
    #[must_use]
    pub fn new(clock: &Arc<dyn Clock>) -> Arc<Self> {
        let full = |operation: Operation| {
            let per_h = operation.per_hour().into();
            Purse::new(Budget::per_hour(per_h, operation.burst(), clock.now()))
        };
        Arc::new(Self {
            purses: Operation::ALL.map(full),
            clock: Arc::clone(clock),
        })
    }

    /// What calls of an operation are paid from.
    #[must_use]
    pub fn purse(&self, operation: Operation) -> &Arc<Purse> {
        &self.purses[operation as usize]
    }

    /// What a call of an operation costs.
    #[must_use]
    pub fn spend(&self, operation: Operation) -> Spend {
        Spend::new(self.purse(operation), 1, 0, &self.clock)
    }
}

impl Rates for AccountRates {
    fn turn(&self, operation: Operation) -> Turn {
        match operation {
            // Whoever makes them has waited: what is done depends on what there is.
            Operation::SearchOrders
            | Operation::GetOrder
            | Operation::ConfirmShipment
            | Operation::PatchListingsItem
            | Operation::SearchListingsItems
            | Operation::CreateFeedDocument
            | Operation::CreateFeed => Box::pin(std::future::ready(())),
            Operation::GetListingsItem
            | Operation::GetFeed
            | Operation::GetFeeds
            | Operation::GetFeedDocument => {
                let spend = self.spend(operation);
                Box::pin(async move { spend.take().await })
            }
        }
    }

    fn told(&self, operation: Operation, granted_per_s: Option<f64>, is_over: bool) {
        let (purse, now) = (self.purse(operation), self.clock.now());
        if let Some(per_s) = granted_per_s {
            purse.grant(per_hour(per_s), now);
        }
        if is_over {
            purse.correct(0, now);
        }
    }
}

/// Whole calls an hour.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of calls that is not negative and has a limit"
)]
fn per_hour(per_s: f64) -> u64 {
    (per_s * 3_600.0).clamp(1.0, GRANTED_PER_H_MAX) as u64
}

/// The budget of a shop: its client pays for what it reads beyond the first call, and tells what is left.
pub struct ShopPoints {
    purse: Arc<Purse>,
    clock: Arc<dyn Clock>,
}

impl ShopPoints {
    /// Points of that purse.
    #[must_use]
    pub fn of(purse: &Arc<Purse>, clock: &Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            purse: Arc::clone(purse),
            clock: Arc::clone(clock),
        })
    }
}

impl Points for ShopPoints {
    fn take(&self, points: u32) -> Waiting {
        let spend = Spend::new(&self.purse, points, 0, &self.clock);
        Box::pin(async move { spend.take().await })
    }

    fn pause(&self, time: Duration) -> Waiting {
        let clock = Arc::clone(&self.clock);
        Box::pin(async move { clock.sleep(time).await })
    }

    fn correct(&self, left: u32) {
        self.purse.correct(left, self.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::Timestamp;
    use crossdock_runtime::PausedClock;
    use futures::FutureExt;

    use super::*;

    fn paused() -> (Arc<PausedClock>, Arc<dyn Clock>) {
        let paused = Arc::new(PausedClock::new(Timestamp::default()));
        (Arc::clone(&paused), paused)
    }

    /// None is paid from another's, and a burst is as large as Amazon says.
    #[test]
    fn each_operation_has_a_budget_of_its_own() {
        let (_, clock) = paused();
        let rates = AccountRates::new(&clock);
        for operation in Operation::ALL {
            let spend = rates.spend(operation);
            let calls = (0..99).filter(|_| spend.try_take()).count();
            assert_eq!(calls, operation.burst() as usize, "{operation:?}");
        }
    }

    /// What Amazon says of its rate holds from then on; that a call was one too many means that nothing is left.
    #[test]
    fn what_amazon_says_is_believed() {
        let (time, clock) = paused();
        let rates = AccountRates::new(&clock);
        let spend = rates.spend(Operation::PatchListingsItem);
        rates.told(Operation::PatchListingsItem, Some(0.5), true);
        assert!(!spend.try_take());
        time.advance(Duration::from_ms(1_999));
        assert!(!spend.try_take(), "one in two seconds");
        time.advance(Duration::from_ms(1));
        assert!(spend.try_take());
        rates.told(Operation::PatchListingsItem, None, false);
        assert!(!spend.try_take());
        assert!(rates.spend(Operation::GetListingsItem).try_take());
        // As Amazon rounds it: one in three minutes, and no more.
        for (per_s, per_h) in [(0.0056, 20), (0.0083, 29), (0.0222, 79), (5.0, 18_000)] {
            assert_eq!(per_hour(per_s), per_h);
        }
        for (per_s, per_h) in [(1e-9, 1), (1e30, 3_600_000)] {
            assert_eq!(per_hour(per_s), per_h);
        }
    }

    /// Looking how far feeds are, and at what cannot be looked at beside others, waits for its own points, and for nothing else.
    #[test]
    fn what_nobody_waits_for_waits_in_the_client() {
        for operation in [
            Operation::GetListingsItem,
            Operation::GetFeed,
            Operation::GetFeeds,
            Operation::GetFeedDocument,
        ] {
            let (time, clock) = paused();
            let rates = AccountRates::new(&clock);
            for _ in 0..operation.burst() {
                assert!(rates.turn(operation).now_or_never().is_some());
            }
            assert!(rates.turn(operation).now_or_never().is_none());
            time.advance(Duration::from_minutes(1));
            assert!(
                rates.turn(operation).now_or_never().is_some(),
                "{operation:?}"
            );
        }
    }
}
