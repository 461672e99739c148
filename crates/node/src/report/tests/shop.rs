//! A shop that is told: of each parcel once, and of orders that were given up.

use crossdock_channels::shopify::admin::{Admin, AdminOptions};
use crossdock_sim::shopify::{Fault, Faults, Serving, Store, StoreOptions};

use super::*;
use crate::rates::ShopPoints;

/// A shop with two places that sells tees from the first of them; ours are sent from the second.
struct ShopWorld {
    shop: Arc<crossdock_sim::shopify::Shop>,
    _serving: Serving,
    variant: u64,
    places: [u64; 2],
    scene: Scene,
}

impl ShopWorld {
    async fn new() -> Self {
        let clock = clock();
        let mut store = Store::new(StoreOptions::default());
        let places = [store.add_location("Counter"), store.add_location("Reno")];
        let tee = store.add_product("TEE", 2_400);
        for place in places {
            store.set_by_hand(tee.item, place, 50, clock.now());
        }
        let secret = Secret::new;
        let shop = crossdock_sim::shopify::Shop::new(
            store,
            Arc::clone(&clock),
            secret("token"),
            secret("hush"),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = shop.serve(listener).unwrap();
        let mut options = AdminOptions::new(serving.url(), secret("token"));
        options.call_max = CALL_MAX;
        let purse = purse(&clock);
        let told = Shop::new(
            Admin::new(&options, ShopPoints::of(&purse, &clock)).unwrap(),
            ShopOptions {
                places: [(id::<LocationId>("reno"), places[1].to_string())].into(),
                notify: true,
                refund: false,
            },
            [(); 2].map(|()| Spend::new(&purse, 1, 0, &clock)),
            Arc::clone(&clock),
        );
        let scene = Scene::start(Arc::new(told), clock).await;
        Self {
            shop,
            _serving: serving,
            variant: tee.variant,
            places,
            scene,
        }
    }

    /// An order of the shop, by its id and that of its line.
    async fn buys(&self, units: u32) -> (String, String) {
        let bought = self.shop.with(|store, now| {
            let order = store.buy(self.variant, units, now).unwrap();
            let known = store.orders().find(|one| one.id == order).unwrap();
            (order.to_string(), known.lines[0].id.to_string())
        });
        self.scene.sold(&bought.0, &bought.1, units).await;
        bought
    }

    fn goes_wrong(&self, faults: &[(Fault, &'static str)]) {
        let planned = faults
            .iter()
            .fold(Faults::none(1), |all, (kind, operation)| {
                all.once(*kind, operation)
            });
        self.shop.with(|store, _| store.set_faults(planned));
    }

    fn carried_out(&self, operation: &str) -> u64 {
        self.shop.with(|store, _| store.carried_out(operation))
    }

    /// Units and tracking of each of an order's fulfilments, by the shop's books.
    fn fulfilments(&self, order: &str) -> Vec<(u32, Option<String>)> {
        self.shop.with(|store, _| {
            let known = store.orders().find(|one| one.id.to_string() == order);
            let sent = known.unwrap().fulfilments.iter().map(|one| {
                let units = one.lines.iter().map(|(_, units)| units).sum();
                (
                    units,
                    one.tracking.as_ref().map(|(_, number)| number.clone()),
                )
            });
            sent.collect()
        })
    }
}

/// Whatever becomes of a call, its parcel is moved once to where it is sent from, and told of once.
#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_is_one_fulfilment_of_the_shop() {
    const MOVE: &str = "fulfillmentOrderMove";
    const CREATE: &str = "fulfillmentCreate";
    let world = ShopWorld::new().await;
    let table: [&[(Fault, &str)]; 7] = [
        &[],
        &[(Fault::BrokenOff, CREATE)],
        &[(Fault::Unanswered, CREATE)],
        &[(Fault::BrokenOff, MOVE)],
        &[(Fault::Unanswered, MOVE), (Fault::Unanswered, CREATE)],
        &[(Fault::BrokenOff, "FulfilmentOrders")],
        &[
            (Fault::BrokenOff, CREATE),
            (Fault::Unanswered, "query Order("),
        ],
    ];
    for (round, faults) in table.into_iter().enumerate() {
        for number in [Some("1Z"), None] {
            let (order, line) = world.buys(2).await;
            world.goes_wrong(faults);
            let before = (world.carried_out(MOVE), world.carried_out(CREATE));
            world.scene.ships(&order, "p1", &line, 1, number).await;
            let told = world.scene.reports_are(&order, &["told"]).await;
            let after = (world.carried_out(MOVE), world.carried_out(CREATE));
            assert_eq!(after, (before.0 + 1, before.1 + 1), "{round} {faults:?}");
            let sent = [(1, number.map(str::to_owned))];
            assert_eq!(world.fulfilments(&order), sent, "{round}");
            let theirs = world.shop.with(|store, _| {
                let known = store
                    .orders()
                    .find(|one| one.id.to_string() == order)
                    .unwrap();
                let from = known
                    .fulfilment_orders
                    .iter()
                    .find(|one| one.lines[0].left == 0);
                assert_eq!(from.unwrap().location, world.places[1], "{round}");
                known.fulfilments[0].id.to_string()
            });
            assert_eq!(told[0].theirs.as_deref(), Some(&*theirs));
            for (kind, _) in faults {
                assert!(world.shop.with(|store, _| store.faults().happened(*kind)) > 0);
            }
            // The rest goes as a parcel of its own, though it is the same.
            world.scene.ships(&order, "p2", &line, 1, number).await;
            world.scene.reports_are(&order, &["told", "told"]).await;
            assert_eq!(world.fulfilments(&order).len(), 2, "{round}");
        }
    }
    assert!(world.scene.open_exceptions().is_empty());
    world.scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_given_up_is_cancelled_in_the_shop_once() {
    const CANCEL: &str = "orderCancel";
    let world = ShopWorld::new().await;
    for faults in [
        vec![],
        vec![(Fault::BrokenOff, CANCEL)],
        vec![(Fault::Unanswered, CANCEL)],
    ] {
        let (order, _) = world.buys(2).await;
        world.goes_wrong(&faults);
        let before = world.carried_out(CANCEL);
        let cancel = OrderCommand::Cancel {
            reason: "inventory".to_owned(),
            lines: None,
        };
        world.scene.order(&order, cancel).await;
        world.scene.stops(&order).await;
        world.scene.reports_are(&order, &["told"]).await;
        assert_eq!(world.carried_out(CANCEL), before + 1, "{faults:?}");
        let why = world.shop.with(|store, _| {
            let known = store.orders().find(|one| one.id.to_string() == order);
            known.unwrap().cancelled.clone().unwrap().1
        });
        assert_eq!(why, "inventory");
    }
    world.scene.node.stop().await;
}

/// What no call says is left to a person; what the shop will not take is, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_told_what_to_do_in_the_shop() {
    let world = ShopWorld::new().await;
    let (order, line) = world.buys(3).await;
    let cancel = OrderCommand::Cancel {
        reason: "broken".to_owned(),
        lines: Some(vec![LineUnits {
            line: id(&line),
            units: 1,
        }]),
    };
    world.scene.order(&order, cancel).await;
    world.scene.stops(&order).await;
    world.scene.reports_are(&order, &["left"]).await;
    assert_eq!(world.scene.open_exceptions(), ["cancel_by_hand"]);
    assert_eq!(world.carried_out("orderCancel"), 0);
    world.scene.node.stop().await;
}

/// A channel that is only observed is told nothing; once it is let in, all that waited.
#[tokio::test(flavor = "multi_thread")]
async fn an_observed_shop_is_told_once_it_is_let_in() {
    let world = ShopWorld::new().await;
    let observed = ChannelCommand::SetMode(ChannelMode::Observed);
    world.scene.channel(observed).await;
    let (order, line) = world.buys(1).await;
    world.scene.ships(&order, "p1", &line, 1, None).await;
    world.scene.node.handle().sleep(Duration::from_s(10)).await;
    world.scene.reports_are(&order, &["waiting"]).await;
    assert!(world.fulfilments(&order).is_empty());
    world
        .scene
        .channel(ChannelCommand::SetMode(ChannelMode::Active))
        .await;
    world.scene.reports_are(&order, &["told"]).await;
    assert_eq!(world.fulfilments(&order).len(), 1);
    let about = r#"channel="shop",operation="shipped""#;
    let figure = |name: &str| world.scene.figure(name);
    let told = format!("crossdock_report_calls_total{{{about},outcome=\"told\"}}");
    assert_eq!(figure(&told), Some(1.0));
    let since = figure(&format!("crossdock_report_lag_seconds_sum{{{about}}}"));
    assert!(since >= Some(10.0), "from the parcel on: {since:?}");
    world.scene.node.stop().await;
}
