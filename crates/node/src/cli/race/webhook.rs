//! Orders that come as signed webhooks: they have happened, so that sold is reserved and refused is backordered.

use std::collections::BTreeMap;
use std::time::Duration;

use crossdock_channels::Secret;
use crossdock_runtime::{Clock, RealClock};
use tokio::time::Instant;

use super::super::client::{Call, Client, Received};
use super::super::delivery::{Delivery, Order};
use super::super::exit::Outcome;
use super::host::Host;
use super::http::{CONNECTIONS_MAX, ended};
use super::run::Pressed;
use super::scene::Scene;
use super::shop::{self, Shop};
use super::verdict::{Books, Ended, Tally, Verdict};

/// How long orders may take to settle after the last webhook was taken.
const SETTLE: Duration = Duration::from_secs(300);
/// Wait between two looks at orders that are not settled.
const LOOK: Duration = Duration::from_millis(100);
/// Looks at settled orders until they stand still.
const LOOKS_MAX: u32 = 50;
/// How much later than it was placed an order is cancelled, by the shop's clock.
const CANCELLED_AFTER_MS: u64 = 1000;

/// Every buyer's order, signed before the start: signing is the shop's work, not the server's.
pub(super) struct Webhooks {
    channel: String,
    by_buyer: Vec<Signed>,
}

struct Signed {
    order: String,
    created: Call,
    cancelled: Call,
}

impl Webhooks {
    /// Signs them.
    pub(super) fn signed(host: &Host, scene: &Scene, buyers: u32) -> Outcome<Self> {
        let secret = host.secret()?;
        let at_ms = u64::try_from(RealClock::default().now().as_ms()).unwrap_or_default();
        // Shopify's ids are numbers: the run's mark keeps those of two runs apart.
        let base = u64::from_str_radix(&scene.mark, 16).unwrap_or_default() << 24;
        let signed = |buyer: u32| {
            let order = Order {
                number: base + u64::from(buyer) + 1,
                lines: scene.basket(buyer),
                at_ms,
            };
            Signed::new(host, secret, &order)
        };
        Ok(Self {
            channel: host.channel().to_owned(),
            by_buyer: (0..buyers).map(signed).collect::<Outcome<_>>()?,
        })
    }

    /// The buyer's order as the shop calls it.
    pub(super) fn order(&self, buyer: u32) -> &str {
        self.by_buyer
            .get(buyer as usize)
            .map_or("", |signed| &signed.order)
    }

    /// The buyer's order as it is called here.
    pub(super) fn id(&self, buyer: u32) -> String {
        format!("{}:{}", self.channel, self.order(buyer))
    }

    /// Says that it was placed.
    pub(super) async fn created(&self, client: &Client, buyer: u32) -> Outcome<Received> {
        client.send(&self.by_buyer[buyer as usize].created).await
    }

    /// Says that it was cancelled.
    pub(super) async fn cancelled(&self, client: &Client, buyer: u32) -> Outcome<Received> {
        client.send(&self.by_buyer[buyer as usize].cancelled).await
    }
}

impl Signed {
    fn new(host: &Host, secret: &Secret, order: &Order) -> Outcome<Self> {
        let created = Delivery::of_template("orders/create", order)?;
        let later = Order {
            at_ms: order.at_ms + CANCELLED_AFTER_MS,
            ..order.clone()
        };
        let cancelled = Delivery::of_template("orders/cancelled", &later)?;
        let call = |delivery: &Delivery| delivery.call(host.client(), host.channel(), secret);
        Ok(Self {
            created: call(&created),
            cancelled: call(&cancelled),
            order: created.order,
        })
    }
}

/// Waits until every order that was taken is reserved or backordered, and stands still: a unit that came free goes to one that is
/// backordered.
pub(super) async fn settle<S: Shop>(
    shop: &S,
    scene: &Scene,
    mut tally: Tally,
    mut books: Books,
) -> Outcome<(Tally, Books)> {
    let owners = scene.owners(u32::MAX);
    let taken = tally.sold().into_iter();
    let taken = taken.filter(|(buyer, _)| *buyer >= owners && !scene.holds_against(*buyer));
    let taken: BTreeMap<u32, String> = taken.collect();
    let mut before = BTreeMap::new();
    for _ in 0..LOOKS_MAX {
        let settled = statuses(shop, &taken).await?;
        tally.settle(|buyer, _| settled.get(&buyer).cloned());
        books = shop::books(shop, scene, &tally).await?;
        let is_right = Verdict::of(scene, &tally, &books).is_right();
        if is_right && settled == before {
            break;
        }
        before = settled;
        tokio::time::sleep(LOOK).await;
    }
    Ok((tally, books))
}

/// What became of each order, once nothing is under way with it.
async fn statuses<S: Shop>(
    shop: &S,
    taken: &BTreeMap<u32, String>,
) -> Outcome<BTreeMap<u32, Ended>> {
    let (start, mut open) = (Instant::now(), taken.clone());
    let mut settled = BTreeMap::new();
    loop {
        let mut still = BTreeMap::new();
        let all: Vec<(u32, String)> = open.into_iter().collect();
        for some in all.chunks(CONNECTIONS_MAX) {
            let looks = some.iter().map(|(buyer, _)| shop.status(*buyer));
            for ((buyer, order), status) in some.iter().zip(futures::future::join_all(looks).await)
            {
                match ended(order, &status?, false) {
                    Pressed::Settled(ended) => drop(settled.insert(*buyer, ended)),
                    Pressed::Again(_) => drop(still.insert(*buyer, order.clone())),
                }
            }
        }
        open = still;
        if open.is_empty() || start.elapsed() > SETTLE {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let why = || Ended::Unsettled(format!("not settled after {} s", SETTLE.as_secs()));
    settled.extend(open.into_keys().map(|buyer| (buyer, why())));
    Ok(settled)
}
