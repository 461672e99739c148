//! Shoppers: they come by chance, want what sells best most often, and buy it if the shop shows it.

use std::collections::VecDeque;
use std::sync::Arc;

use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::Clock;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::Dice;

/// Visits at once; whoever comes beyond them leaves at once.
const VISITS_MAX: usize = 512;
/// Orders of which one is changed now and then: the last so many.
const RECENT_MAX: usize = 64;

/// How shoppers of one shop behave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// Visits in an hour.
    pub visits_per_h: f64,
    /// How much more the better-selling listing is wanted: the exponent of Zipf's law.
    pub zipf: f64,
    /// Listings a shopper looks at until one is sold.
    pub looks_max: u32,
    /// Share of visits that cancel an order that was placed a while ago.
    pub cancel: f64,
    /// Share of visits that take a unit out of an order that was placed a while ago.
    pub edit: f64,
}

/// A place where shoppers buy.
pub trait Counter: Send + Sync + 'static {
    /// A shopper wants units of the listing of that rank, the best-selling being 0. Returns the order, if it is sold.
    fn buy(&self, rank: usize, units: u32) -> impl Future<Output = Option<String>> + Send;

    /// The buyer of an order cancels it, if that can still be done.
    fn cancel(&self, order: &str);

    /// The buyer of an order wants a unit less, if that can still be done.
    fn edit(&self, order: &str);
}

/// What came of visits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visits {
    /// Those that bought.
    pub bought: u64,
    /// Those that found nothing.
    pub left: u64,
    /// Those that changed an order.
    pub changed: u64,
}

/// Ranks by Zipf's law.
#[derive(Debug)]
pub(super) struct Ranks(Vec<f64>);

impl Ranks {
    pub fn new(listings: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weight = |rank: usize| 1.0 / libm::pow(rank as f64 + 1.0, exponent);
        let sums = (0..listings).map(|rank| {
            sum += weight(rank);
            sum
        });
        Self(sums.collect())
    }

    pub fn pick(&self, dice: &mut Dice) -> usize {
        let at = dice.unit() * self.0.last().copied().unwrap_or_default();
        let rank = self.0.partition_point(|sum| *sum <= at);
        rank.min(self.0.len().saturating_sub(1))
    }
}

/// Mostly one unit, sometimes two or three.
fn units(dice: &mut Dice) -> u32 {
    match dice.below(20) {
        0 => 3,
        1..=3 => 2,
        _ => 1,
    }
}

/// Lets shoppers come until they are told to stop, and ends once the last of them has left.
pub async fn visit<C: Counter>(
    counter: Arc<C>,
    listings: usize,
    habits: Habits,
    mut dice: Dice,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) -> Visits {
    let ranks = Ranks::new(listings, habits.zipf);
    let room = Arc::new(Semaphore::new(VISITS_MAX));
    let (mut visits, mut inside) = (Visits::default(), JoinSet::new());
    let mut recent: VecDeque<String> = VecDeque::new();
    let mut next: Timestamp = clock.now();
    loop {
        next = next + Duration::from_ms(dice.gap_ms(habits.visits_per_h));
        tokio::select! {
            () = clock.sleep_until(next) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
        while let Some(left) = inside.try_join_next() {
            visits.note(left.unwrap_or_default(), &mut recent);
        }
        let (changes, which) = (dice.unit(), dice.bits());
        let wanted: Vec<(usize, u32)> = (0..habits.looks_max)
            .map(|_| (ranks.pick(&mut dice), units(&mut dice)))
            .collect();
        if changes < habits.cancel + habits.edit
            && let Some(order) = take(&mut recent, which)
        {
            visits.changed += 1;
            match changes < habits.cancel {
                true => counter.cancel(&order),
                false => counter.edit(&order),
            }
            continue;
        }
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            visits.left += 1;
            continue;
        };
        let counter = Arc::clone(&counter);
        inside.spawn(async move {
            let _permit = permit;
            for (rank, units) in wanted {
                if let Some(order) = counter.buy(rank, units).await {
                    return Some(order);
                }
            }
            None
        });
    }
    while let Some(left) = inside.join_next().await {
        visits.note(left.unwrap_or_default(), &mut recent);
    }
    visits
}

fn take(recent: &mut VecDeque<String>, which: u64) -> Option<String> {
    let at = which.checked_rem(recent.len() as u64)?;
    recent.remove(usize::try_from(at).ok()?)
}

impl Visits {
    fn note(&mut self, order: Option<String>, recent: &mut VecDeque<String>) {
        let Some(order) = order else {
            self.left += 1;
            return;
        };
        self.bought += 1;
        recent.push_back(order);
        if recent.len() > RECENT_MAX {
            recent.pop_front();
        }
    }
}
