//! The connector against the account, over loopback, with what goes wrong.

mod calls;
mod feeds;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration as Wait;

use crossdock_channels::amazon::{
    Cursor, FEED_NUMBERS_MAX, FeedReport, FeedState, ORDER, Operation, Package, Rates, Searched,
    Seller, SellerAccount, StoredOrder, Taken, Turn, map,
};
use crossdock_channels::{
    Bulk, BulkState, CallError, ChannelOrder, Inbound, Listed, NumberSet, Numbers, Orders, Secret,
    SetOutcome,
};
use crossdock_model::v1::{LineUnits, ParcelTracking, Payment};
use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::{Clock, PausedClock};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

/// Longer than any machine takes for a call.
const CALL_MAX: Wait = Wait::from_secs(20);
/// Where answers are lost, and waited for in vain.
const LOST_MAX: Wait = Wait::from_secs(2);

/// An account that is served, a client that calls it, and the clock of both.
struct Scene {
    market: Arc<Market>,
    seller: Seller,
    endpoint: String,
    clock: Arc<PausedClock>,
}

fn account(endpoint: &str, options: &Options) -> SellerAccount {
    let is_lossy = options.faults.lost_answers > 0.0;
    options.account(endpoint, if is_lossy { LOST_MAX } else { CALL_MAX })
}

/// Calls that wait for nothing, and what their answers say of the rate: calls a second, and whether it was one too many.
#[derive(Default)]
struct Heard {
    turns: Mutex<Vec<Operation>>,
    told: Mutex<Vec<(Operation, Option<f64>, bool)>>,
}

impl Rates for Heard {
    fn turn(&self, operation: Operation) -> Turn {
        self.turns.lock().unwrap().push(operation);
        Box::pin(std::future::ready(()))
    }

    fn told(&self, operation: Operation, granted_per_s: Option<f64>, is_over: bool) {
        let told = (operation, granted_per_s, is_over);
        self.told.lock().unwrap().push(told);
    }
}

fn client(account: SellerAccount, clock: &Arc<PausedClock>) -> Seller {
    heard_by(account, clock, Arc::default())
}

fn heard_by(account: SellerAccount, clock: &Arc<PausedClock>, heard: Arc<Heard>) -> Seller {
    let clock = Arc::clone(clock);
    Seller::new(account, Arc::new(move || clock.now()), heard).unwrap()
}

impl Scene {
    async fn new(options: Options) -> Self {
        let clock = Arc::new(PausedClock::new(Timestamp::from_ms(1_800_000_000_000)));
        let market = Market::new(options.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        market.with(|account, _| {
            for sku in ["MUG/BLUE 1", "TEE", "LAMP"] {
                let listing = Listing {
                    amazon_ships: sku == "LAMP",
                    ..Listing::of_seller(&sku.to_lowercase(), 897, 10)
                };
                account.list(sku, listing);
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Arc::clone(&market)));
        Self {
            seller: client(account(&endpoint, &options), &clock),
            endpoint,
            market,
            clock,
        }
    }

    async fn plain() -> Self {
        Self::new(Options::default()).await
    }

    fn buy(&self, sku: &str, units: u32) -> Option<String> {
        self.market
            .with(|account, now| account.buy(sku, units, now))
    }

    fn shown(&self, sku: &str) -> Option<u32> {
        self.market.with(|account, now| account.shown(sku, now))
    }

    fn pass(&self, minutes: u64) {
        self.clock.advance(Duration::from_minutes(minutes));
    }

    async fn set(&self, sku: &str, units: u32) -> Result<Vec<SetOutcome>, CallError> {
        let number = NumberSet {
            listing: sku.parse().unwrap(),
            place: "amazon/DEFAULT".parse().unwrap(),
            units,
            change_from: None,
            key: "amazon:1:1".to_owned(),
        };
        self.seller.set(vec![number]).await
    }

    /// Units that the account says it shows; `None`: it does not have the SKU.
    async fn read(&self, sku: &str) -> Result<Option<i64>, CallError> {
        let number = (sku.parse().unwrap(), "amazon/DEFAULT".parse().unwrap());
        let mut answers = self.seller.read(vec![number]).await?;
        Ok(answers.pop().unwrap().and_then(|shown| shown.units))
    }

    /// All pages from a cursor on, and the cursor behind them.
    async fn poll(&self, mut cursor: Cursor) -> (Vec<StoredOrder>, Cursor) {
        let mut orders = Vec::new();
        loop {
            let Ok(Searched::Page(page)) = self.seller.search_orders(&cursor).await else {
                panic!("no page at {cursor:?}");
            };
            cursor = cursor.behind(&page);
            orders.extend(page.orders);
            if cursor.page.is_none() {
                return (orders, cursor);
            }
        }
    }

    fn confirmed(&self) -> Vec<SetOutcome> {
        vec![SetOutcome::Confirmed {
            at: self.clock.now(),
        }]
    }
}

fn read(order: &StoredOrder) -> ChannelOrder {
    match map(ORDER, &order.body) {
        Ok(Inbound::Order(order)) => *order,
        other => panic!("{other:?}"),
    }
}

fn package(order: &ChannelOrder, number: u32, units: u32) -> Package {
    Package {
        number,
        lines: vec![LineUnits {
            line: order.lines[0].line.clone(),
            units,
        }],
        tracking: ParcelTracking {
            carrier: Some("DHL".to_owned()),
            number: Some(format!("JD{number}")),
            url: None,
        },
        carrier_code: None,
        method: None,
        shipped_at: Timestamp::from_ms(1_800_000_500_000),
    }
}

#[tokio::test]
async fn a_number_is_set_and_read() {
    let scene = Scene::plain().await;
    let sku = "MUG/BLUE 1";
    assert_eq!(scene.read(sku).await, Ok(Some(10)));
    assert_eq!(scene.set(sku, 4).await, Ok(scene.confirmed()));
    assert_eq!(
        (scene.shown(sku), scene.read(sku).await),
        (Some(4), Ok(Some(4)))
    );
    assert_eq!(scene.buy(sku, 5), None, "no more is sold than is shown");
    assert!(scene.buy(sku, 4).is_some());
    assert_eq!(scene.read(sku).await, Ok(Some(0)));
    assert_eq!(scene.read("UNHEARD").await, Ok(None));
    let refused = scene.set("UNHEARD", 1).await.unwrap();
    let why = "INVALID: 13013: This SKU is not in the catalogue";
    assert_eq!(refused, [SetOutcome::Refused(why.to_owned())]);
}

/// What was sold a moment ago comes back with the next write: the account does not subtract it.
#[tokio::test]
async fn a_write_replaces_what_was_there() {
    let options = Options {
        write_takes: Duration::from_minutes(1),
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    scene.buy("TEE", 3).unwrap();
    scene.set("TEE", 9).await.unwrap();
    assert_eq!(
        scene.shown("TEE"),
        Some(7),
        "it is taken, and not shown yet"
    );
    scene.pass(1);
    assert_eq!(scene.shown("TEE"), Some(9));
}

#[tokio::test]
async fn lists_are_late_and_every_order_maps() {
    let scene = Scene::plain().await;
    let start = Cursor::since(scene.clock.now());
    let order = scene.buy("TEE", 2).unwrap();
    let (orders, _) = scene.poll(start.clone()).await;
    assert!(orders.is_empty(), "it was placed a moment ago");
    scene.pass(2);
    let (orders, behind) = scene.poll(start).await;
    let pending = read(&orders[0]);
    assert_eq!(
        (orders.len(), pending.external.as_str()),
        (1, order.as_str())
    );
    assert_eq!(
        (pending.payment, pending.ship_to.is_none()),
        (Payment::Pending, true)
    );
    // Paid after three minutes, and told two minutes later.
    scene.pass(2);
    let (orders, behind) = scene.poll(behind).await;
    let again: Vec<Payment> = orders.iter().map(|order| read(order).payment).collect();
    assert_eq!(
        again,
        [Payment::Pending],
        "the overlap reads it again, as it was"
    );
    scene.pass(1);
    let (orders, _) = scene.poll(behind).await;
    let paid = read(&orders[0]);
    assert_eq!(
        (paid.payment, paid.lines[0].ordered_units),
        (Payment::Ready, 2)
    );
    assert!(paid.promised.ship_by.is_some() && paid.ship_to.is_some() && paid.buyer.is_some());
    let now = scene
        .seller
        .get_order(&paid.external)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(now, orders[0]);
    let unheard = "305-0000000-9999999".parse().unwrap();
    assert_eq!(scene.seller.get_order(&unheard).await, Ok(None));
}

/// What Amazon ships is in the same lists, and none of ours.
#[tokio::test]
async fn amazons_own_orders_are_kept_apart() {
    let scene = Scene::plain().await;
    let id = scene.buy("LAMP", 1).unwrap().parse().unwrap();
    scene.pass(4);
    let order = scene.seller.get_order(&id).await.unwrap().unwrap();
    assert!(read(&order).sent_by_channel);
    assert_eq!(
        scene.read("LAMP").await,
        Ok(None),
        "it shows nothing at our place"
    );
}

/// As Amazon does it: from then on the seller is to send what it sold, and what lies with Amazon is sold to nobody.
#[tokio::test]
async fn a_number_makes_the_seller_send_what_amazon_sent() {
    let scene = Scene::plain().await;
    let is_amazons = |sku| scene.market.with(|account, _| account.is_amazons(sku));
    assert!(is_amazons("LAMP") && !is_amazons("TEE"));
    assert_eq!(scene.set("LAMP", 3).await, Ok(scene.confirmed()));
    assert_eq!(
        (is_amazons("LAMP"), scene.read("LAMP").await),
        (false, Ok(Some(3)))
    );
}

/// What the seller has given no number yet shows none; what it does not have is missing. A SKU with a comma is asked for by
/// itself.
#[tokio::test]
async fn numbers_are_read_together() {
    let scene = Scene::plain().await;
    scene.market.with(|account, _| {
        let new = Listing {
            has_number: false,
            ..Listing::of_seller("new", 500, 0)
        };
        account.list("NEW", new);
        account.list("A,B", Listing::of_seller("pair", 500, 7));
        for number in 0..40 {
            let listing = Listing::of_seller("many", 500, number);
            account.list(&format!("M{number}"), listing);
        }
    });
    let place = || "amazon/DEFAULT".parse().unwrap();
    let read = async |skus: &[String]| -> Vec<Option<Option<i64>>> {
        let numbers = skus.iter().map(|sku| (sku.parse().unwrap(), place()));
        let shown = scene.seller.read(numbers.collect()).await.unwrap();
        let shown = shown.into_iter();
        shown.map(|one| one.map(|shown| shown.units)).collect()
    };
    let few = ["NEW", "A,B", "UNHEARD", "LAMP", "TEE"].map(str::to_owned);
    let expected = [
        Some(Some(0)),
        Some(Some(7)),
        None,
        Some(None),
        Some(Some(10)),
    ];
    assert_eq!(read(&few).await, expected);
    let many: Vec<String> = (0..40).map(|number| format!("M{number}")).collect();
    let expected: Vec<_> = (0..40).map(|number| Some(Some(number))).collect();
    assert_eq!(read(&many).await, expected);
}

/// An order whose payment fails is cancelled; its units are shown again.
#[tokio::test]
async fn a_payment_that_fails_cancels() {
    let options = Options {
        payments_fail: 1.0,
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    let id = scene.buy("TEE", 2).unwrap().parse().unwrap();
    assert_eq!(scene.shown("TEE"), Some(8));
    scene.pass(3);
    let order = read(&scene.seller.get_order(&id).await.unwrap().unwrap());
    assert_eq!(order.cancelled.unwrap().1, "by amazon: Payment failed");
    assert_eq!(
        (order.lines[0].cancelled_units, scene.shown("TEE")),
        (2, Some(10))
    );
}

#[tokio::test]
async fn a_buyer_asks_to_cancel() {
    let scene = Scene::plain().await;
    let id = scene.buy("TEE", 1).unwrap();
    scene.pass(4);
    assert!(
        scene
            .market
            .with(|account, now| account.ask_cancel(&id, "No need", now))
    );
    let order = scene.seller.get_order(&id.parse().unwrap()).await;
    let order = read(&order.unwrap().unwrap());
    let asked = order.cancel_asked.unwrap();
    assert_eq!(asked[0].1, "No need");
    assert_eq!(order.payment, Payment::Ready, "the seller decides");
}

#[tokio::test]
async fn orders_come_in_pages_that_can_be_asked_for_only_so_long() {
    let options = Options {
        page_orders_max: 2,
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    let start = Cursor::since(scene.clock.now());
    let placed: Vec<String> = (0..5).map(|_| scene.buy("TEE", 1).unwrap()).collect();
    scene.pass(2);
    let (orders, _) = scene.poll(start.clone()).await;
    let told: Vec<String> = orders
        .iter()
        .map(|order| read(order).external.to_string())
        .collect();
    assert_eq!(told, placed);
    let Ok(Searched::Page(page)) = scene.seller.search_orders(&start).await else {
        panic!("no page");
    };
    let second = start.behind(&page);
    scene.pass(24 * 60);
    let gone = scene.seller.search_orders(&second).await;
    assert!(matches!(gone, Ok(Searched::Restart(_))), "{gone:?}");
    assert_eq!(scene.poll(second.anew()).await.0.len(), 5);
}

/// More changed than a page tells: those that the seller has to send come by themselves, the others in a list of their own, and
/// then all in one again.
#[tokio::test]
async fn what_amazon_sends_is_listed_apart_where_it_is_much() {
    let options = Options {
        page_orders_max: 5,
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    let start = scene.seller.since(scene.clock.now());
    let theirs: Vec<String> = (0..9).map(|_| scene.buy("LAMP", 1).unwrap()).collect();
    let ours = scene.buy("TEE", 1).unwrap();
    scene.pass(2);
    let list = async |cursor: &str| {
        let page = scene.seller.changed(cursor.to_owned()).await.unwrap();
        let named = page.orders.iter().map(|order| match order {
            Listed::Stated {
                order: Some((order, _)),
                is_theirs,
                ..
            } => (order.to_string(), *is_theirs),
            other => panic!("{other:?}"),
        });
        (named.collect::<Vec<_>>(), page)
    };
    let (named, first) = list(&start).await;
    assert_eq!((named, first.is_last), (vec![], false));
    let (named, second) = list(&first.cursor).await;
    assert_eq!((named, second.is_last), (vec![(ours.clone(), false)], true));
    assert!(second.looked_until.is_some() && second.theirs.is_none());
    let (some, third) = list(&first.theirs.unwrap()).await;
    let (rest, fourth) = list(&third.cursor).await;
    let expected: Vec<_> = theirs.into_iter().map(|id| (id, true)).collect();
    assert_eq!([some, rest].concat(), expected);
    assert_eq!((third.is_last, fourth.is_last), (false, true));
    let (named, again) = list(&second.cursor).await;
    assert_eq!(
        (named, again.is_last),
        (vec![(ours, false)], true),
        "of these only"
    );
    let joined = scene.seller.joined(again.cursor, &fourth.cursor);
    scene.pass(3);
    let both = [scene.buy("LAMP", 1).unwrap(), scene.buy("TEE", 1).unwrap()];
    scene.pass(2);
    scene
        .market
        .with(|account, _| account.options.page_orders_max = 100);
    let (named, _) = list(&joined).await;
    assert!(both.iter().all(|id| named.iter().any(|(one, _)| one == id)));
}

/// More than one search tells. What Amazon sends is named as that.
#[tokio::test]
async fn all_listings_are_read_page_by_page() {
    let scene = Scene::plain().await;
    scene.market.with(|account, _| {
        for number in 0..1_100 {
            let listing = Listing::of_seller("many", 500, 1);
            account.list(&format!("M{number}"), listing);
        }
    });
    let (mut seen, mut theirs, mut next) = (BTreeSet::new(), Vec::new(), None);
    loop {
        let page = scene.seller.listings(next.as_deref()).await.unwrap();
        for one in page.variants {
            assert_eq!(
                (&one.sold_as, one.sku.as_deref()),
                (&one.counted_as, Some(one.sold_as.as_str()))
            );
            if one.is_sent_by_channel && seen.insert(one.sold_as.to_string()) {
                theirs.push((one.sold_as.to_string(), one.title));
            } else {
                seen.insert(one.sold_as.to_string());
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
        scene.clock.advance(Duration::from_ms(200));
    }
    assert_eq!(seen.len(), 1_103);
    assert_eq!(theirs, [("LAMP".to_owned(), "lamp".to_owned())]);
}

#[tokio::test]
async fn a_package_is_said_once_however_often_it_is_said() {
    let scene = Scene::plain().await;
    let id = scene.buy("TEE", 3).unwrap().parse().unwrap();
    let stated = || async { read(&scene.seller.get_order(&id).await.unwrap().unwrap()) };
    let pending = stated().await;
    let early = scene
        .seller
        .confirm_shipment(&id, &package(&pending, 1, 3))
        .await;
    assert!(
        matches!(early, Ok(Taken::Refused(_))),
        "it is not paid: {early:?}"
    );
    scene.pass(4);
    for _ in 0..2 {
        let said = scene
            .seller
            .confirm_shipment(&id, &package(&pending, 1, 2))
            .await;
        assert_eq!(said, Ok(Taken::Done));
    }
    let book = |scene: &Scene| {
        let read = |order: &Order| (order.status(), order.packages(), order.shipped_units());
        scene.market.with(|account, _| read(&account.orders()[0]))
    };
    assert_eq!(book(&scene), (Status::PartiallyShipped, 1, 2));
    let much = scene
        .seller
        .confirm_shipment(&id, &package(&pending, 2, 2))
        .await;
    assert!(matches!(much, Ok(Taken::Refused(_))), "{much:?}");
    let rest = scene
        .seller
        .confirm_shipment(&id, &package(&pending, 2, 1))
        .await;
    assert_eq!(
        (rest, book(&scene)),
        (Ok(Taken::Done), (Status::Shipped, 2, 3))
    );
    let shipped = stated().await;
    assert_eq!(
        (shipped.shipped, shipped.unshipped),
        (vec![], vec![]),
        "all of them are ours"
    );
}

/// The same seed and the same calls give the same orders.
#[test]
fn an_account_is_the_same_for_the_same_seed() {
    let run = |seed| {
        let options = Options {
            payments_fail: 0.4,
            seed,
            ..Options::default()
        };
        let mut account = Account::new(options);
        account.list("TEE", Listing::of_seller("tee", 500, 40));
        for minute in 0..60 {
            account.buy("TEE", 1, Timestamp::from_ms(minute * 60_000));
        }
        account.settle(Timestamp::MAX);
        account.orders().to_vec()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let sold = |status| {
        run(1)
            .iter()
            .filter(|order| order.status() == status)
            .count()
    };
    assert!(sold(Status::Cancelled) > 0 && sold(Status::Unshipped) > 0);
}
