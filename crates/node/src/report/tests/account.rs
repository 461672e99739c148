//! An account on Amazon that is told: each package is confirmed once, the rest is left to people.

use crossdock_channels::amazon::{Operation, Rates, Seller};
use crossdock_sim::amazon::{self, Listing, Market};

use super::*;
use crate::rates::AccountRates;

/// An account whose answers are lost half of the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_confirmed_once_however_often_it_is_said() {
    let clock = clock();
    let options = amazon::Options {
        payment_takes: Duration::default(),
        faults: amazon::Faults {
            lost_answers: 0.5,
            silence: Duration::from_s(5),
            ..amazon::Faults::default()
        },
        ..amazon::Options::default()
    };
    let market = Market::new(options.clone(), Arc::clone(&clock));
    let listing = Listing::of_seller("Tee", 897, 50);
    market.with(|account, _| account.list("TEE", listing));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(amazon::serve(listener, Arc::clone(&market)));
    let account = options.account(&endpoint, CALL_MAX);
    let now = {
        let clock = Arc::clone(&clock);
        Arc::new(move || clock.now())
    };
    let rates = AccountRates::new(&clock);
    let seller = Seller::new(account, now, Arc::clone(&rates) as Arc<dyn Rates>).unwrap();
    let spend = rates.spend(Operation::ConfirmShipment);
    let scene = Scene::start(Arc::new(Account::new(seller, spend)), clock).await;
    for _ in 0..4 {
        let order = market
            .with(|account, now| account.buy("TEE", 3, now))
            .unwrap();
        let item = market.with(|account, _| {
            let orders = account.orders();
            orders
                .iter()
                .find(|one| one.id == order)
                .unwrap()
                .item
                .clone()
        });
        scene.sold(&order, &item, 3).await;
        scene.ships(&order, "p1", &item, 1, Some("1Z1")).await;
        scene.ships(&order, "p2", &item, 1, Some("1Z2")).await;
        scene.ships(&order, "p3", &item, 1, None).await;
        scene.reports_are(&order, &["told", "told", "left"]).await;
        market.with(|account, _| {
            let orders = account.orders();
            let known = orders.iter().find(|one| one.id == order).unwrap();
            assert_eq!((known.packages(), known.shipped_units()), (2, 2));
        });
    }
    assert_eq!(scene.open_exceptions(), ["ship_by_hand"; 4]);
    assert!(market.seen().lost_answers > 0);
    scene.node.stop().await;
}
