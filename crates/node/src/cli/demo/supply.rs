//! Goods that come in while shoppers buy, of each about as many as they want: so things sell out, and come again.

use std::sync::Arc;

use crossdock_model::Duration;
use crossdock_runtime::Clock;
use crossdock_sim::Dice;
use crossdock_sim::world::Warehouse;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::scene::Goods;

/// Pause between two rounds of deliveries.
const ROUND: Duration = Duration::from_s(4);
/// Seconds of demand that are there at the start.
const FIRST_S: f64 = 6.0;
/// Share of the demand that comes in.
const SHARE: f64 = 1.1;

/// Units that are there of something at the start, at one of so many warehouses.
pub(super) fn first_units(goods: &Goods, warehouses: usize) -> u32 {
    whole(goods.units_per_s * FIRST_S / warehouses as f64) + 1
}

/// Lets goods come in until it is told to stop.
pub(super) async fn deliver(
    goods: Vec<Goods>,
    warehouses: Vec<Arc<Warehouse>>,
    mut dice: Dice,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    // What is less than a unit in one round comes with a later one.
    let mut owed = vec![0.0; goods.len()];
    for round in 1_u64.. {
        tokio::select! {
            () = clock.sleep(ROUND) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let seconds = ROUND.as_ms() as f64 / 1_000.0;
        let mut coming = JoinSet::new();
        for (one, owed) in goods.iter().zip(&mut owed) {
            *owed += one.units_per_s * seconds * SHARE * (0.5 + dice.unit());
            let units = whole(*owed);
            let at = dice.below(warehouses.len() as u64);
            if let (1.., Some(warehouse)) = (units, warehouses.get(at as usize)) {
                *owed -= f64::from(units);
                let (warehouse, sku) = (Arc::clone(warehouse), one.sku.clone());
                let delivery = format!("round-{round}");
                coming.spawn(async move { warehouse.receive(&sku, units, &delivery).await });
            }
        }
        coming.join_all().await;
    }
}

/// Whole units of it.
fn whole(units: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as saturates, and nothing is negative"
    )]
    let whole = units.floor() as u32;
    whole
}
