//! The connector against the account, over loopback, with what goes wrong.

use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_channels::amazon::{
    Cursor, FEED_NUMBERS_MAX, FeedReport, FeedState, ORDER, Operation, Package, Searched, Seller,
    SellerAccount, StoredOrder, Taken, map,
};
use crossdock_channels::{
    Bulk, BulkState, CallError, ChannelOrder, Inbound, NumberSet, Numbers, Secret, SetOutcome,
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
    SellerAccount {
        endpoint: endpoint.to_owned(),
        token_endpoint: format!("{endpoint}/auth/o2/token"),
        seller: options.seller.clone(),
        marketplace: options.marketplace.clone(),
        client_id: "app".to_owned(),
        client_secret: Secret::new(options.client_secret.clone()),
        refresh_token: Secret::new(options.refresh_token.clone()),
        product_type: "PRODUCT".to_owned(),
        call_max: match options.faults.lost_answers > 0.0 {
            true => LOST_MAX,
            false => CALL_MAX,
        },
    }
}

fn client(account: SellerAccount, clock: &Arc<PausedClock>) -> Seller {
    let clock = Arc::clone(clock);
    Seller::new(account, Arc::new(move || clock.now())).unwrap()
}

impl Scene {
    async fn new(options: Options) -> Self {
        let clock = Arc::new(PausedClock::new(Timestamp::from_ms(1_800_000_000_000)));
        let market = Market::new(options.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        market.with(|account, _| {
            for sku in ["MUG/BLUE 1", "TEE", "LAMP"] {
                let listing = Listing {
                    title: sku.to_lowercase(),
                    price_cents: 897,
                    units: 10,
                    amazon_ships: sku == "LAMP",
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
        Ok(self.seller.set(vec![number]).await?.answers)
    }

    /// Units that the account says it shows; `None`: it does not have the SKU.
    async fn read(&self, sku: &str) -> Result<Option<i64>, CallError> {
        let number = (sku.parse().unwrap(), "amazon/DEFAULT".parse().unwrap());
        let mut answers = self.seller.read(vec![number]).await?.answers;
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
    let refused = scene.set("LAMP", 3).await.unwrap();
    assert!(
        matches!(refused[..], [SetOutcome::Refused(_)]),
        "{refused:?}"
    );
    assert_eq!(
        scene.read("LAMP").await,
        Ok(None),
        "it shows nothing at our place"
    );
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

/// A feed is worked on minutes later, over what was set meanwhile.
#[tokio::test]
async fn a_feed_sets_its_numbers_when_it_is_worked_on() {
    let scene = Scene::plain().await;
    let number = |sku: &str, units| {
        (
            sku.parse().unwrap(),
            "amazon/DEFAULT".parse().unwrap(),
            units,
        )
    };
    let numbers = [number("TEE", 7), number("UNHEARD", 1)];
    let feed = scene.seller.set_by_feed(&numbers).await.unwrap();
    assert_eq!(scene.seller.get_feed(&feed).await, Ok(FeedState::Open));
    scene.set("TEE", 0).await.unwrap();
    assert_eq!(scene.shown("TEE"), Some(0));
    scene.pass(3);
    assert_eq!(
        scene.shown("TEE"),
        Some(7),
        "what was lowered meanwhile is to be sent again"
    );
    let Ok(FeedState::Done {
        report: Some(report),
    }) = scene.seller.get_feed(&feed).await
    else {
        panic!("it is done");
    };
    let problem = "4000001: The SKU or its attributes are invalid".to_owned();
    let expected = FeedReport {
        accepted: 1,
        refused: vec![(2, problem)],
    };
    assert_eq!(scene.seller.feed_report(&report).await, Ok(expected));
}

/// The seller has no listing for the first number.
#[tokio::test]
async fn a_feed_says_of_each_number_whether_it_was_set() {
    let scene = Scene::plain().await;
    let number = |sku: &str, units| {
        (
            sku.parse().unwrap(),
            "amazon/DEFAULT".parse().unwrap(),
            units,
        )
    };
    let numbers = vec![number("UNHEARD", 1), number("TEE", 7)];
    let feed = scene.seller.hand_over(numbers).await.unwrap();
    let look = |count| scene.seller.look(feed.clone(), count);
    assert_eq!(look(2).await, Ok(BulkState::Open));
    let begun_at = scene.clock.now();
    assert_eq!(scene.seller.is_open(begun_at).await, Ok(true));
    let later = begun_at + Duration::from_minutes(11);
    assert_eq!(scene.seller.is_open(later).await, Ok(false), "begun before");
    scene.pass(3);
    assert_eq!(scene.seller.is_open(begun_at).await, Ok(false));
    let problem = "4000001: The SKU or its attributes are invalid".to_owned();
    let done = BulkState::Done {
        at: scene.clock.now(),
        refused: [(0, problem)].into(),
    };
    assert_eq!(look(2).await, Ok(done));
    let lost = look(3).await;
    assert!(
        matches!(lost, Ok(BulkState::Lost(_))),
        "the report says nothing of the third: {lost:?}"
    );
}

#[tokio::test]
async fn of_a_feed_that_was_given_up_nobody_knows_what_was_set() {
    let options = Options {
        faults: Faults {
            fatal_feeds: 1.0,
            ..Faults::default()
        },
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap(), 7);
    let feed = scene.seller.hand_over(vec![number]).await.unwrap();
    scene.pass(3);
    let state = scene.seller.look(feed, 1).await;
    assert!(matches!(state, Ok(BulkState::Lost(_))), "{state:?}");
}

/// As many numbers as a feed may have go in one document; one more is not sent.
#[tokio::test]
async fn a_feed_has_a_limit() {
    let scene = Scene::plain().await;
    let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap(), 7);
    let mut numbers = vec![number; FEED_NUMBERS_MAX];
    assert!(scene.seller.set_by_feed(&numbers).await.is_ok());
    numbers.push(numbers[0].clone());
    let refused = scene.seller.set_by_feed(&numbers).await;
    assert!(matches!(refused, Err(CallError::NotDone(_))), "{refused:?}");
}

#[tokio::test]
async fn tokens_are_renewed_before_they_run_out_and_when_they_are_refused() {
    let scene = Scene::plain().await;
    let tokens = || (scene.market.seen().tokens, scene.market.seen().denied);
    for minutes in [0, 58] {
        scene.pass(minutes);
        scene.read("TEE").await.unwrap();
        assert_eq!(tokens(), (1, 0), "one is used as long as it is good");
    }
    scene.pass(1);
    scene.read("TEE").await.unwrap();
    assert_eq!(tokens(), (2, 0), "no call meets one that has run out");
    scene.market.revoke_tokens();
    assert_eq!(scene.set("TEE", 3).await, Ok(scene.confirmed()));
    assert_eq!((tokens(), scene.shown("TEE")), ((3, 1), Some(3)));
}

#[tokio::test]
async fn of_many_callers_one_asks_for_a_token() {
    let scene = Scene::plain().await;
    for granted in [1, 2] {
        let number = || vec![("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap())];
        let reads: Vec<_> = (0..5)
            .map(|_| tokio::spawn(scene.seller.read(number())))
            .collect();
        for read in reads {
            assert!(read.await.unwrap().is_ok());
        }
        assert_eq!(scene.market.seen().tokens, granted);
        scene.market.revoke_tokens();
        scene.pass(1);
    }
}

#[tokio::test]
async fn who_is_not_authorised_hears_what_to_do() {
    let scene = Scene::plain().await;
    let mut withdrawn = account(&scene.endpoint, &Options::default());
    withdrawn.refresh_token = Secret::new("withdrawn-token");
    let seller = client(withdrawn, &scene.clock);
    let Err(CallError::NotDone(why)) = seller.get_feed("feed-1").await else {
        panic!("nothing was done");
    };
    assert!(
        why.contains("invalid_grant") && why.contains("authorise"),
        "{why}"
    );
    assert!(!why.contains("withdrawn-token"), "{why}");
    // Every token is refused: one is asked for, once, and the call is surely not done.
    let options = Options {
        faults: Faults {
            lost_tokens: 1.0,
            ..Faults::default()
        },
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    let refused = scene.set("TEE", 1).await.unwrap_err();
    assert!(
        matches!(&refused, CallError::NotDone(why) if why.contains("roles")),
        "{refused:?}"
    );
    assert_eq!(
        (scene.market.seen().tokens, scene.shown("TEE")),
        (2, Some(10))
    );
}

#[tokio::test]
async fn calls_beyond_the_rate_are_throttled_and_say_for_how_long() {
    let scene = Scene::plain().await;
    for _ in 0..Operation::PatchListingsItem.burst() {
        assert_eq!(scene.set("TEE", 5).await, Ok(scene.confirmed()));
    }
    let retry_after = Wait::from_millis(200);
    assert_eq!(
        scene.set("TEE", 6).await,
        Err(CallError::Throttled { retry_after })
    );
    assert_eq!(scene.shown("TEE"), Some(5), "nothing was done");
    assert_eq!(
        scene.read("TEE").await,
        Ok(Some(5)),
        "each operation has its own bucket"
    );
    scene.clock.advance(Duration::from_ms(200));
    assert_eq!(scene.set("TEE", 6).await, Ok(scene.confirmed()));
}

/// Whoever keeps to what the connector says of rates is never throttled.
#[tokio::test]
async fn rates_are_not_above_what_is_granted() {
    for operation in Operation::ALL {
        let mut gate = gate::Gate::new(Options::default(), Timestamp::from_ms(0));
        let form = [
            ("grant_type", "refresh_token"),
            ("client_secret", "simulated-client-secret"),
            ("refresh_token", "simulated-refresh-token"),
        ];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (_, granted) = gate.grant(&form.into(), Timestamp::from_ms(0));
        let token = granted["access_token"].as_str();
        let mut pass = |at| {
            gate.pass(operation.name(), token, Timestamp::from_ms(at))
                .is_ok()
        };
        let burst = (0..operation.burst()).all(|_| pass(0));
        let pause_ms = i64::from(3_600_000_u32.div_ceil(operation.per_hour()));
        let steady = (1..9).all(|at| pass(at * pause_ms));
        assert!(burst && steady, "{operation:?}");
    }
}

#[tokio::test]
async fn what_has_no_answer_is_unknown() {
    let options = |server_errors, lost_answers| Options {
        faults: Faults {
            server_errors,
            lost_answers,
            ..Faults::default()
        },
        ..Options::default()
    };
    // (chance of 5xx, of a lost answer, units shown behind the call)
    for (server_errors, lost_answers, shown) in [(1.0, 0.0, 10), (0.0, 1.0, 3)] {
        let scene = Scene::new(options(server_errors, lost_answers)).await;
        let unknown = scene.set("TEE", 3).await;
        assert!(matches!(unknown, Err(CallError::Unknown(_))), "{unknown:?}");
        assert_eq!(scene.shown("TEE"), Some(shown));
        let seen = scene.market.seen();
        assert_eq!(
            (seen.server_errors, seen.lost_answers),
            (server_errors as u64, lost_answers as u64)
        );
    }
}

/// A token is granted, and then nobody takes the call: it was surely not done.
#[tokio::test]
async fn what_nobody_took_was_not_done() {
    let scene = Scene::plain().await;
    let mut account = account(&scene.endpoint, &Options::default());
    "http://127.0.0.1:1".clone_into(&mut account.endpoint);
    let refused = client(account, &scene.clock).get_feed("feed-1").await;
    assert_eq!(refused, Err(CallError::NotDone("no connection".to_owned())));
    assert_eq!(scene.market.seen().tokens, 1);
}

/// Token and call have their time together: nobody sends a number that was given up.
#[tokio::test]
async fn a_call_ends_within_its_time() {
    let scene = Scene::plain().await;
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut account = account(&scene.endpoint, &Options::default());
    account.call_max = Wait::from_millis(500);
    account.token_endpoint = format!("http://{}/", slow.local_addr().unwrap());
    account.endpoint.clone_from(&account.token_endpoint);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = slow.accept().await {
            tokio::time::sleep(Wait::from_millis(300)).await;
            let body = r#"{"access_token":"t","expires_in":3600}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let ended = client(account, &scene.clock).get_feed("feed-1").await;
    assert_eq!(ended, Err(CallError::Unknown("nothing in time".to_owned())));
}

/// A package whose confirmation was taken and not answered is said again, and is one package.
#[tokio::test]
async fn what_was_done_and_not_answered_is_done_once() {
    let options = Options {
        faults: Faults {
            lost_answers: 0.5,
            ..Faults::default()
        },
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    let id = scene.buy("TEE", 2).unwrap().parse().unwrap();
    scene.pass(4);
    let line = scene
        .market
        .with(|account, _| account.orders()[0].item.clone());
    let sent = Package {
        number: 1,
        lines: vec![LineUnits {
            line: line.parse().unwrap(),
            units: 2,
        }],
        tracking: ParcelTracking {
            carrier: None,
            number: None,
            url: None,
        },
        carrier_code: None,
        method: None,
        shipped_at: scene.clock.now(),
    };
    let mut unknown = 0;
    while let Err(CallError::Unknown(_)) = scene.seller.confirm_shipment(&id, &sent).await {
        unknown += 1;
        assert!(unknown < 9, "it is never answered");
    }
    let packages = scene
        .market
        .with(|account, _| account.orders()[0].packages());
    assert_eq!((packages, unknown > 0), (1, true));
}

/// Only once it was done, and to no other operation.
#[tokio::test]
async fn what_is_to_go_wrong_does_so_once() {
    let mut scene = Scene::plain().await;
    let mut hasty = account(&scene.endpoint, &Options::default());
    hasty.call_max = LOST_MAX;
    scene.seller = client(hasty, &scene.clock);
    let id = scene.buy("TEE", 1).unwrap().parse().unwrap();
    for operation in ["patchListingsItem", "confirmShipment", "createFeed"] {
        scene.market.surely(Fault::LostAnswer, operation);
    }
    let stated = read(&scene.seller.get_order(&id).await.unwrap().unwrap());
    let parcel = package(&stated, 1, 1);
    let early = scene.seller.confirm_shipment(&id, &parcel).await;
    assert!(matches!(early, Ok(Taken::Refused(_))), "{early:?}");
    scene.pass(4);
    let lost = CallError::Unknown("nothing in time".to_owned());
    assert_eq!(scene.set("TEE", 4).await, Err(lost.clone()));
    assert_eq!(scene.shown("TEE"), Some(4));
    assert_eq!(scene.set("TEE", 5).await, Ok(scene.confirmed()));
    for expected in [Err(lost), Ok(Taken::Done)] {
        let said = scene.seller.confirm_shipment(&id, &parcel).await;
        assert_eq!(said, expected);
    }
    let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap(), 7);
    let begun = scene.seller.set_by_feed(&[number]).await;
    assert!(matches!(begun, Err(CallError::Unknown(_))), "{begun:?}");
    assert_eq!(scene.market.with(|account, _| account.feeds_begun()), 1);
    for (operation, times) in [
        ("patchListingsItem", 1),
        ("confirmShipment", 1),
        ("createFeed", 1),
        ("getOrder", 0),
    ] {
        let lost = scene.market.happened(Fault::LostAnswer, operation);
        assert_eq!(lost, times, "{operation}");
    }
    scene.market.surely(Fault::ServerError, "patchListingsItem");
    let failed = scene.set("TEE", 3).await;
    assert!(matches!(failed, Err(CallError::Unknown(_))), "{failed:?}");
    assert_eq!(scene.shown("TEE"), Some(5));
    scene.market.surely(Fault::TooMany, "patchListingsItem");
    let refused = scene.set("TEE", 2).await;
    assert!(
        matches!(refused, Err(CallError::Throttled { .. })),
        "{refused:?}"
    );
    assert_eq!(scene.set("TEE", 2).await, Ok(scene.confirmed()));
    let refused = scene.market.happened(Fault::TooMany, "patchListingsItem");
    assert_eq!(refused, 1);
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
        let listing = Listing {
            title: "tee".to_owned(),
            price_cents: 500,
            units: 40,
            amazon_ships: false,
        };
        account.list("TEE", listing);
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
