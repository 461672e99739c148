//! The connector's client against the shop, over loopback: what is done, and what is known of it afterwards.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossdock_channels::shopify::admin::{Admin, AdminOptions, Points, Wait};
use crossdock_channels::shopify::verify;
use crossdock_channels::{
    CallError, Delivery, NumberSet, NumberShown, Numbers, Secret, SetOutcome,
};
use crossdock_model::{ListingId, SourceId, Timestamp};
use crossdock_runtime::testing::in_time;
use crossdock_runtime::{Clock, PausedClock};
use tokio::net::TcpListener;

use super::*;

const TOKEN: &str = "shpat_t0ken";
const NOW: Timestamp = Timestamp::from_ms(1_793_629_800_000);

struct World {
    shop: Arc<Shop>,
    clock: Arc<PausedClock>,
    serving: Serving,
    admin: Admin,
    ledger: Arc<Ledger>,
    products: Vec<Product>,
    place: u64,
}

/// Longer than any machine takes for a call.
const CALL_MAX: Duration = Duration::from_secs(20);
/// Where answers are waited for in vain.
const SILENT_MAX: Duration = Duration::from_secs(1);

fn admin((url, token): (&str, &str), call_max: Duration, points: Arc<Ledger>) -> Admin {
    let mut options = AdminOptions::new(url, Secret::new(token));
    options.call_max = call_max;
    Admin::new(&options, points).unwrap()
}

/// What calls are paid from: points without end.
struct Ledger {
    clock: Arc<PausedClock>,
    /// What was taken for calls beyond the first.
    taken: Mutex<Vec<u32>>,
    /// What the shop said last is left.
    left: Mutex<Option<u32>>,
}

impl Points for Ledger {
    fn take(&self, points: u32) -> Wait {
        self.taken.lock().unwrap().push(points);
        Box::pin(std::future::ready(()))
    }

    fn pause(&self, time: crossdock_model::Duration) -> Wait {
        let clock = Arc::clone(&self.clock);
        Box::pin(async move { clock.sleep(time).await })
    }

    fn correct(&self, left: u32) {
        *self.left.lock().unwrap() = Some(left);
    }
}

/// A shop of three products with ten units of each, that is called.
async fn world(faults: Faults, rate: Rate) -> World {
    let mut store = Store::new(StoreOptions {
        faults,
        rate,
        ..StoreOptions::default()
    });
    let place = store.add_location("Reno");
    let products: Vec<Product> = ["TEE", "MUG", "CAP"]
        .map(|sku| store.add_product(sku, 2400))
        .to_vec();
    for product in &products {
        store.set_by_hand(product.item, place, 10, NOW);
    }
    let clock = Arc::new(PausedClock::new(NOW));
    let shop = Shop::new(
        store,
        clock.clone(),
        Secret::new(TOKEN),
        Secret::new("hush"),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = shop.serve(listener).unwrap();
    let ledger = Arc::new(Ledger {
        clock: Arc::clone(&clock),
        taken: Mutex::default(),
        left: Mutex::default(),
    });
    World {
        admin: admin((serving.url(), TOKEN), CALL_MAX, Arc::clone(&ledger)),
        ledger,
        shop,
        clock,
        serving,
        products,
        place,
    }
}

impl World {
    fn listing(&self, at: usize) -> ListingId {
        ListingId::new(format!("inventory_item:{}", self.products[at].item)).unwrap()
    }

    fn place(&self) -> SourceId {
        SourceId::new(format!("shop/{}", self.place)).unwrap()
    }

    fn number(&self, at: usize, units: u32, change_from: i64, key: &str) -> NumberSet {
        NumberSet {
            listing: self.listing(at),
            place: self.place(),
            units,
            change_from: Some(change_from),
            key: format!("shop:{at}:{key}"),
        }
    }

    async fn set(&self, numbers: Vec<NumberSet>) -> Result<Vec<SetOutcome>, CallError> {
        self.admin.set(numbers).await
    }

    /// As [`World::set`], by a client that waits no longer than a moment.
    async fn set_hastily(&self, numbers: Vec<NumberSet>) -> Result<Vec<SetOutcome>, CallError> {
        let ledger = Arc::clone(&self.ledger);
        let hasty = admin((self.serving.url(), TOKEN), SILENT_MAX, ledger);
        hasty.set(numbers).await
    }

    /// Points that the shop said are left.
    fn left(&self) -> Option<u32> {
        *self.ledger.left.lock().unwrap()
    }

    fn shown(&self) -> Vec<i64> {
        let items = self.products.iter().map(|product| product.item);
        self.shop.with(|store, _| {
            let shown = items.map(|item| store.available(item, self.place));
            shown.map(Option::unwrap).collect()
        })
    }

    fn go_wrong(&self, kind: Fault) {
        self.shop
            .with(|store, _| store.set_faults(Faults::none(1).with(kind, 1.0)));
    }
}

const CONFIRMED: SetOutcome = SetOutcome::Confirmed { at: NOW };

#[tokio::test]
async fn numbers_are_set_and_read() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let numbers = vec![world.number(0, 4, 10, "1"), world.number(1, 10, 10, "1")];
    let called = world.admin.set(numbers).await.unwrap();
    assert_eq!(called, [CONFIRMED, CONFIRMED]);
    assert_eq!(world.left(), Some(1988));
    assert_eq!(world.shown(), [4, 10, 10]);

    let elsewhere = SourceId::new("shop/1").unwrap();
    let variant = ListingId::new(world.products[0].variant.to_string()).unwrap();
    world
        .shop
        .with(|store, _| store.track(world.products[2].item, false));
    let asked = vec![
        (world.listing(0), world.place()),
        (world.listing(1), elsewhere),
        (variant, world.place()),
        (world.listing(2), world.place()),
    ];
    let read = world.admin.read(asked).await.unwrap();
    let changed_at = Some(NOW);
    let shown = |units| {
        Some(NumberShown {
            units,
            at: NOW,
            changed_at,
        })
    };
    assert_eq!(read, [shown(Some(4)), None, None, shown(None)]);
}

#[tokio::test]
async fn a_stale_number_keeps_its_whole_call_from_being_carried_out() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    world
        .shop
        .with(|store, now| store.buy(world.products[1].variant, 1, now));
    let numbers = vec![world.number(0, 4, 10, "1"), world.number(1, 5, 10, "1")];
    assert_eq!(
        world.set(numbers).await,
        Ok(vec![SetOutcome::NotDone, SetOutcome::Stale])
    );
    assert_eq!(world.shown(), [10, 9, 10]);
    let numbers = vec![world.number(0, 4, 10, "2"), world.number(1, 5, 9, "2")];
    assert_eq!(world.set(numbers).await, Ok(vec![CONFIRMED, CONFIRMED]));
    assert_eq!(world.shown(), [4, 5, 10]);
}

/// It shows none instead of what was expected, and what it shows is read after that.
#[tokio::test]
async fn what_is_not_stocked_at_a_place_is_found_by_setting_it_and_by_reading() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let item = world.products[1].item;
    world.shop.with(|store, _| store.unstock(item, world.place));
    let numbers = vec![world.number(0, 4, 10, "1"), world.number(1, 5, 10, "1")];
    assert_eq!(
        world.set(numbers).await,
        Ok(vec![SetOutcome::NotDone, SetOutcome::Stale])
    );
    let asked = vec![(world.listing(1), world.place())];
    assert_eq!(world.admin.read(asked).await, Ok(vec![None]));
}

#[tokio::test]
async fn what_is_no_number_of_the_shop_is_refused() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let mut unknown = world.number(1, 4, 10, "1");
    unknown.listing = ListingId::new("inventory_item:1").unwrap();
    let mut variant = world.number(2, 4, 10, "1");
    variant.listing = ListingId::new("2000").unwrap();
    let numbers = vec![variant.clone(), world.number(0, 4, 10, "1"), unknown];
    let outcomes = world.set(numbers).await.unwrap();
    assert!(
        matches!(outcomes[0], SetOutcome::Refused(_)),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1], SetOutcome::NotDone);
    assert!(
        matches!(outcomes[2], SetOutcome::Refused(_)),
        "{outcomes:?}"
    );
    let outcomes = world
        .set(vec![variant, world.number(0, 4, 10, "2")])
        .await
        .unwrap();
    assert_eq!(outcomes[1], CONFIRMED);
    let many = (0..251).map(|key| world.number(0, 1, 4, &key.to_string()));
    let refused = world.set(many.collect()).await;
    assert!(matches!(refused, Err(CallError::NotDone(_))), "{refused:?}");
}

/// A key stands for one call; another one under its name, or again after it failed, is not done.
#[tokio::test]
async fn a_key_is_used_once() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let done = world.set(vec![world.number(0, 4, 10, "1")]).await;
    assert_eq!(done, Ok(vec![CONFIRMED]));
    let stale = world.set(vec![world.number(0, 3, 10, "2")]).await;
    assert_eq!(stale, Ok(vec![SetOutcome::Stale]));
    for (units, change_from, key) in [(3, 4, "1"), (3, 10, "2")] {
        let refused = world
            .set(vec![world.number(0, units, change_from, key)])
            .await;
        let answers = refused.as_deref();
        assert!(
            matches!(answers, Ok([SetOutcome::Refused(_)])),
            "{key}: {refused:?}"
        );
    }
    assert_eq!(world.shown()[0], 4);
}

/// Nobody knows what became of it; repeated with its key it is not done twice.
#[tokio::test]
async fn a_call_that_was_carried_out_and_not_answered_is_repeated_by_its_key() {
    for fault in [Fault::Unanswered, Fault::BrokenOff] {
        let world = world(Faults::default(), Rate::STANDARD).await;
        let call = || vec![world.number(0, 4, 10, "1")];
        world.go_wrong(fault);
        let lost = world.set_hastily(call()).await;
        assert!(
            matches!(lost, Err(CallError::Unknown(_))),
            "{fault:?}: {lost:?}"
        );
        assert_eq!(world.shown()[0], 4, "{fault:?}: carried out");
        world.shop.with(|store, now| {
            store.set_faults(Faults::default());
            store.buy(world.products[0].variant, 1, now)
        });
        assert_eq!(world.set(call()).await, Ok(vec![CONFIRMED]), "{fault:?}");
        assert_eq!(world.shown()[0], 3, "{fault:?}: not a second time");
        let stale = world.set(vec![world.number(0, 4, 10, "2")]).await;
        assert_eq!(stale, Ok(vec![SetOutcome::Stale]), "{fault:?}");
    }
}

#[tokio::test]
async fn what_was_surely_not_done_is_said_to_be_so() {
    let world = world(Faults::default(), Rate::STANDARD).await;
    let call = || vec![world.number(0, 4, 10, "1")];
    for fault in [Fault::TooMany, Fault::Throttled] {
        world.go_wrong(fault);
        let refused = world.set(call()).await;
        assert!(
            matches!(refused, Err(CallError::Throttled { .. })),
            "{fault:?}: {refused:?}"
        );
    }
    for fault in [Fault::Unavailable, Fault::Silent] {
        world.go_wrong(fault);
        let failed = world.set_hastily(call()).await;
        assert!(matches!(failed, Err(CallError::Unknown(_))), "{failed:?}");
    }
    let ledger = || Arc::clone(&world.ledger);
    let stranger = admin((world.serving.url(), "shpat_other"), CALL_MAX, ledger());
    let stranger = stranger.set(call()).await;
    let Err(CallError::NotDone(said)) = stranger else {
        panic!("{stranger:?}")
    };
    assert!(said.contains("token") && !said.contains("shpat"), "{said}");
    let nobody = admin(("http://127.0.0.1:1", TOKEN), CALL_MAX, ledger());
    let nobody = nobody.set(call()).await;
    assert!(matches!(nobody, Err(CallError::NotDone(_))), "{nobody:?}");
    assert_eq!(world.shown()[0], 10);
}

#[tokio::test]
async fn calls_are_paid_from_a_budget_that_comes_back() {
    let rate = Rate {
        maximum: 18.0,
        restore_per_s: 10.0,
    };
    let world = world(Faults::default(), rate).await;
    let first = world.set(vec![world.number(0, 4, 10, "1")]).await;
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(world.left(), Some(6));
    let throttled = CallError::Throttled {
        retry_after: crossdock_model::Duration::from_ms(700),
    };
    assert_eq!(
        world.set(vec![world.number(0, 3, 4, "2")]).await,
        Err(throttled)
    );
    world.clock.advance(crossdock_model::Duration::from_ms(700));
    assert_eq!(
        world.set(vec![world.number(0, 3, 4, "2")]).await,
        Ok(vec![CONFIRMED])
    );
}

/// Whatever goes wrong: what is said to be done is done, and what is said not to be done is not.
#[tokio::test]
async fn outcomes_are_true_whatever_goes_wrong() {
    let rate = Rate {
        maximum: 1e9,
        restore_per_s: 1e9,
    };
    for seed in 0..2 {
        let faults = Faults::every(0.06, seed).with(Fault::Unanswered, 0.02);
        let world = world(faults.with(Fault::Silent, 0.02), rate).await;
        let mut dice = crate::Dice::new(seed);
        let mut met = std::collections::BTreeSet::new();
        for step in 0..80 {
            let before = world.shown();
            let number = |at: usize, dice: &mut crate::Dice| {
                let off = i64::from(dice.happens(0.2));
                let units = u32::try_from(dice.below(50)).unwrap();
                world.number(at, units, before[at] + off, &step.to_string())
            };
            let call = vec![number(0, &mut dice), number(1, &mut dice)];
            let outcomes = world.set_hastily(call.clone()).await;
            let after = world.shown();
            let sent: Vec<i64> = call.iter().map(|number| number.units.into()).collect();
            let (is_sent, is_same) = (after[..2] == sent[..], after == before);
            match &outcomes {
                Ok(all) if *all == [CONFIRMED, CONFIRMED] => assert!(is_sent, "{seed} {step}"),
                Err(CallError::Unknown(_)) => assert!(is_sent || is_same, "{seed} {step}"),
                other => assert!(is_same, "{seed} {step}: {other:?}"),
            }
            met.insert(format!("{outcomes:?}").chars().take(12).collect::<String>());
        }
        assert!(met.len() >= 4, "{seed}: {met:?}");
    }
}

/// The shop's webhooks reach who subscribed, signed as the connector expects.
#[tokio::test]
async fn webhooks_are_signed() {
    use axum::http::HeaderMap;
    let world = world(Faults::default(), Rate::STANDARD).await;
    let (taken, mut received) = tokio::sync::mpsc::unbounded_channel();
    let receive = move |headers: HeaderMap, body: axum::body::Bytes| async move {
        let _ = taken.send((headers, body));
    };
    let router = axum::Router::new().route("/webhooks/shop", axum::routing::post(receive));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/shop", listener.local_addr().unwrap());
    let receiver = tokio::spawn(async move { axum::serve(listener, router).await });
    world.shop.with(|store, now| {
        store.subscribe("orders/create", &url);
        store.buy(world.products[0].variant, 2, now)
    });
    world.clock.advance(crossdock_model::Duration::from_s(1));
    let (headers, body) = in_time("it is told", received.recv()).await.unwrap();
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let headers: Vec<_> = headers.iter().map(text).collect();
    let delivery = Delivery {
        headers: &headers,
        body: &body,
    };
    let verified = verify(&[Secret::new("hush")], &delivery).unwrap();
    assert_eq!(verified.topic, "orders/create");
    assert!(verify(&[Secret::new("other")], &delivery).is_err());
    assert!(world.shop.with(|store, _| store.next_due().is_none()));
    receiver.abort();
}

mod operations;
mod schema;
