//! How the configured channels' APIs are called: one client and one budget for everybody who calls one.

#[cfg(test)]
pub mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration as Wait;

use anyhow::Context;
use crossdock_channels::amazon::{Operation, READS_MAX as ITEMS_MAX, Rates, Seller, SellerAccount};
use crossdock_channels::shopify::admin::{Admin, AdminOptions, NUMBERS_MAX};
use crossdock_channels::{Bulk, Numbers, Orders, Secret};
use crossdock_model::{ChannelId, Duration};
use crossdock_runtime::{Budget, Clock, DeskLimits};
use tokio::sync::Notify;

use crate::config::{Amazon, Channel, Config, Publish, SecretSource};
use crate::rates::{AccountRates, Accounts, ShopPoints};
use crate::spend::{Purse, Spend};
use crate::waits::{Reached, Waits};

/// Points of a shop that setting numbers costs, however many.
const SET_POINTS: u32 = 13;
/// Points of a shop that reading one number costs.
const READ_POINTS: u32 = 3;
/// Numbers of a shop read in one call: with more, what is to be lowered would wait for the points of what is read.
const READS_MAX: usize = 50;
/// Points of a shop that a list of orders costs at most.
const LIST_POINTS: u32 = 250;
/// Points of a shop that reading an order costs at most.
const ORDER_POINTS: u32 = 300;
/// Points of a shop that reading leaves to numbers.
const SPARE_POINTS: u32 = 200;
/// Seconds of points that a shop's bucket holds.
const BUCKET_S: u32 = 20;
/// Orders of a channel that are read and not placed at most, but for the last page of them.
const UNPLACED_MAX: usize = 10_000;
/// Calls about numbers to one channel under way at most.
const CALLS_MAX: usize = 4;
/// Numbers of a seller that wait before a feed is made of them: one by one they would take three minutes, about as long as a
/// feed.
const FEED_WAITING_MIN: usize = 1_000;
/// How often it is looked how far a feed is.
const FEED_LOOK_EVERY: Duration = Duration::from_s(15);
/// How often it is looked whether feeds have ended of which this process knows nothing: Amazon lists them 80 times an hour,
/// and one whose beginning had no answer is listed by then.
const FEED_LIST_EVERY: Duration = Duration::from_minutes(1);
/// A feed has surely ended after that.
const FEED_OPEN_MAX: Duration = Duration::from_minutes(120);
/// Pause after a feed that was given up.
const FEED_REST: Duration = Duration::from_minutes(30);
/// After so long beyond its turn somebody is told that a seller's orders are not read.
const SELLER_UNREAD_AFTER: Duration = Duration::from_minutes(12);
/// Time for a call.
const CALL_MAX: Duration = Duration::from_s(10);

/// How often a channel's orders are read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// When nothing waits for it.
    pub every: Duration,
    /// Shortest pause, when something does.
    pub pause: Duration,
    /// With so many orders that are read and not placed, no more are read.
    pub unplaced_max: usize,
    /// How late the channel's lists are: a sale may be missing from them for so long.
    pub late: Duration,
    /// After so long without a read somebody has to look.
    pub unread_after: Duration,
    /// Where writes replace numbers, which leave room for some unread sales: after so long without a read there must be more.
    pub behind_after: Option<Duration>,
}

/// What reads and sets numbers.
pub struct NumbersLink {
    /// The client.
    pub numbers: Arc<dyn Numbers>,
    /// How it is written to.
    pub limits: DeskLimits,
    /// A call about numbers has surely ended after that.
    pub call_max: Duration,
    /// Every number is looked at that often, as far as the budget allows, whether it is still shown.
    pub recheck_every: Duration,
    /// What its calls are paid from.
    pub purse: Arc<Purse>,
    /// What reading is paid from, where that is something else.
    pub read_purse: Option<Arc<Purse>>,
    /// How many numbers are handed over at a time, where they can be.
    pub bulk: Option<BulkLink>,
}

impl NumbersLink {
    /// What reading is paid from.
    #[must_use]
    pub fn read_purse(&self) -> &Arc<Purse> {
        self.read_purse.as_ref().unwrap_or(&self.purse)
    }
}

/// What takes many numbers at a time.
pub struct BulkLink {
    /// The client.
    pub bulk: Arc<dyn Bulk>,
    /// What handing over costs, one call after the other.
    pub spends: Vec<Spend>,
    /// With fewer that wait, each is sent by itself.
    pub waiting_min: usize,
    /// How often it is looked how far they are.
    pub look_every: Duration,
    /// As a rule they are set within that.
    pub set_within: Duration,
    /// How often it is looked whether any are still to be set that nobody knows by name: what was begun is listed by then.
    pub list_every: Duration,
    /// They have surely been set after that, or never will be.
    pub open_max: Duration,
    /// Pause after they were given up.
    pub rest: Duration,
}

/// What reads orders.
pub struct OrdersLink {
    /// The client.
    pub orders: Arc<dyn Orders>,
    /// What a page of a list costs.
    pub list: Spend,
    /// What an order costs.
    pub read: Spend,
    /// How often.
    pub pace: Pace,
}

/// What is told of parcels.
pub struct SellerLink {
    /// The client.
    pub seller: Seller,
    /// What confirming one costs.
    pub confirm: Spend,
}

/// The way to one channel.
pub struct Link {
    /// The channel.
    pub channel: ChannelId,
    /// Where it is a shop, for what only shops have.
    pub shop: Option<Admin>,
    /// Where a shop's webhooks are to go, if they are looked after.
    pub webhook_url: Option<String>,
    /// Where it is a seller's account, for what only those have.
    pub seller: Option<SellerLink>,
    /// Its numbers.
    pub numbers: NumbersLink,
    /// Its orders.
    pub orders: OrdersLink,
    /// What waits until its orders are read.
    pub waits: Waits,
    /// How far they are read.
    pub reached: Reached,
    /// Told when the channel says that an order has changed, once that is noted.
    pub changed: Notify,
}

impl Link {
    /// Ends once numbers may be written: where they leave room for what is not read, it must be known how much.
    pub async fn may_write(&self) {
        if self.orders.pace.behind_after.is_some() {
            self.reached.told().await;
        }
    }
}

/// The ways to all channels that have an API.
pub type Links = Arc<BTreeMap<ChannelId, Arc<Link>>>;

/// The ways to the configured channels.
///
/// # Errors
/// When a secret is missing, or a channel cannot be called as it is configured.
pub fn links(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Links> {
    let (mut links, mut accounts) = (BTreeMap::new(), Accounts::default());
    for (name, channel) in &config.channels {
        let id = ChannelId::checked(name)?;
        let link = link(&id, channel, config, &mut accounts, clock);
        let link = link.with_context(|| format!("channels.{name}"))?;
        links.extend(link.map(|link| (id, Arc::new(link))));
    }
    Ok(Arc::new(links))
}

fn link(
    id: &ChannelId,
    channel: &Channel,
    config: &Config,
    accounts: &mut Accounts,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<Link>> {
    match (&channel.publish, &channel.amazon) {
        (Some(publish), _) => shopify(id, publish, clock).context("publish").map(Some),
        (None, Some(amazon)) => {
            let rates = accounts.rates(amazon, clock);
            let channels = config.channels_of(&amazon.account());
            seller(id, (amazon, channels), &rates, clock)
                .context("amazon")
                .map(Some)
        }
        (None, None) => Ok(None),
    }
}

fn secret(source: &SecretSource, setting: &'static str) -> anyhow::Result<Secret> {
    let secret = source.read().map_err(anyhow::Error::msg).context(setting)?;
    Ok(Secret::new(secret))
}

fn shopify(id: &ChannelId, publish: &Publish, clock: &Arc<dyn Clock>) -> anyhow::Result<Link> {
    let token = secret(&publish.token, "token")?;
    let mut options = AdminOptions::new(&publish.url, token);
    options.call_max = Wait::from_millis(CALL_MAX.as_ms());
    let burst = publish.points_per_s.saturating_mul(BUCKET_S);
    let purse = Purse::new(Budget::new(publish.points_per_s, burst, clock.now()));
    let admin = Admin::new(&options, ShopPoints::of(&purse, clock))?;
    let spend = |points: u32| Spend::new(&purse, points, SPARE_POINTS, clock);
    Ok(Link {
        channel: id.clone(),
        shop: Some(admin.clone()),
        webhook_url: publish.webhook_url.clone(),
        seller: None,
        orders: OrdersLink {
            orders: Arc::new(admin.clone()),
            list: spend(LIST_POINTS),
            read: spend(ORDER_POINTS),
            pace: Pace {
                every: Duration::from_s(30),
                pause: Duration::from_s(2),
                unplaced_max: UNPLACED_MAX,
                late: Duration::from_s(publish.list_lag_s.into()),
                unread_after: Duration::from_minutes(5),
                behind_after: None,
            },
        },
        numbers: NumbersLink {
            numbers: Arc::new(admin),
            limits: DeskLimits {
                batch_max: NUMBERS_MAX,
                calls_max: CALLS_MAX,
                cost: SET_POINTS,
                reads_max: READS_MAX,
                read_cost: READ_POINTS,
            },
            call_max: CALL_MAX,
            recheck_every: Duration::from_minutes(publish.recheck_minutes.into()),
            purse,
            read_purse: None,
            bulk: None,
        },
        waits: Waits::default(),
        reached: Reached::default(),
        changed: Notify::default(),
    })
}

fn seller(
    id: &ChannelId,
    (amazon, channels): (&Amazon, u32),
    rates: &Arc<AccountRates>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Link> {
    let account = SellerAccount {
        endpoint: amazon.endpoint.clone(),
        token_endpoint: amazon.token_endpoint.clone(),
        seller: amazon.seller.clone(),
        marketplace: amazon.marketplace.clone(),
        client_id: amazon.client_id.clone(),
        client_secret: secret(&amazon.client_secret, "client_secret")?,
        refresh_token: secret(&amazon.refresh_token, "refresh_token")?,
        product_type: amazon.product_type.clone(),
        call_max: Wait::from_millis(CALL_MAX.as_ms()),
    };
    let now = {
        let clock = Arc::clone(clock);
        Arc::new(move || clock.now())
    };
    let seller = Seller::new(account, now, Arc::clone(rates) as Arc<dyn Rates>)?;
    // Channels of an account take turns, as if each was read by itself.
    let every = Amazon::read_every(channels);
    let purse = |operation| Arc::clone(rates.purse(operation));
    let spend = |operation| rates.spend(operation);
    Ok(Link {
        channel: id.clone(),
        shop: None,
        webhook_url: None,
        seller: Some(SellerLink {
            seller: seller.clone(),
            confirm: spend(Operation::ConfirmShipment),
        }),
        orders: OrdersLink {
            orders: Arc::new(seller.clone()),
            list: spend(Operation::SearchOrders),
            read: spend(Operation::GetOrder),
            pace: Pace {
                every,
                pause: Duration::from_s(5),
                unplaced_max: UNPLACED_MAX,
                late: Duration::from_s(amazon.list_lag_s.into()),
                unread_after: Duration::from_ms(every.as_ms() + SELLER_UNREAD_AFTER.as_ms()),
                behind_after: Some(amazon.behind_after()),
            },
        },
        numbers: NumbersLink {
            numbers: Arc::new(seller.clone()),
            limits: DeskLimits {
                batch_max: 1,
                calls_max: CALLS_MAX,
                cost: 1,
                reads_max: ITEMS_MAX,
                // The call costs, however many it reads.
                read_cost: 0,
            },
            call_max: CALL_MAX,
            recheck_every: Duration::from_minutes(amazon.recheck_minutes.into()),
            purse: purse(Operation::PatchListingsItem),
            read_purse: Some(purse(Operation::SearchListingsItems)),
            bulk: Some(BulkLink {
                bulk: Arc::new(seller),
                spends: [Operation::CreateFeedDocument, Operation::CreateFeed]
                    .map(spend)
                    .into(),
                waiting_min: FEED_WAITING_MIN,
                look_every: FEED_LOOK_EVERY,
                set_within: Duration::from_minutes(amazon.feed_minutes.into()),
                list_every: FEED_LIST_EVERY,
                open_max: FEED_OPEN_MAX,
                rest: FEED_REST,
            }),
        },
        waits: Waits::default(),
        reached: Reached::default(),
        changed: Notify::default(),
    })
}

#[cfg(test)]
mod tests {
    use crossdock_model::Timestamp;
    use crossdock_runtime::PausedClock;

    use super::*;

    /// Two marketplaces of one seller, and another seller's: (channel, lists that it may ask for after those before). Each of the two
    /// is read half as often, and is late later.
    #[test]
    fn channels_of_one_account_share_what_it_may_ask() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "hush").unwrap();
        let channel = |(name, seller, marketplace): (&str, &str, &str)| {
            format!(
                "[channels.{name}]\nkind = \"amazon\"\n[channels.{name}.amazon]\n\
                 endpoint = \"https://sellingpartnerapi-eu.amazon.com\"\nseller = \"{seller}\"\n\
                 marketplace = \"{marketplace}\"\nclient_id = \"app\"\nlocations = [\"reno\"]\nunseen_minutes = 9\n\
                 client_secret = {{ file = {secret:?} }}\nrefresh_token = {{ file = {secret:?} }}\n"
            )
        };
        let channels = [
            ("de", "S1", "M1"),
            ("fr", "S1", "M2"),
            ("other", "S2", "M1"),
        ];
        let text = channels.map(channel).concat();
        let config = Config::parse(dir.path(), &text).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(PausedClock::new(Timestamp::default()));
        let links = links(&config, &clock).unwrap();
        let link = |name: &str| &links[&ChannelId::checked(name).unwrap()];
        for (name, every, unread_after) in [("de", 6, 18), ("fr", 6, 18), ("other", 3, 15)] {
            let pace = link(name).orders.pace;
            let found = (pace.every, pace.unread_after);
            assert_eq!(
                found,
                (
                    Duration::from_minutes(every),
                    Duration::from_minutes(unread_after)
                ),
                "{name}"
            );
        }
        let (lists, numbers) = (Operation::SearchOrders, Operation::PatchListingsItem);
        assert!(link("fr").orders.list.try_take());
        assert!(link("fr").numbers.purse.budget().take(1, clock.now()));
        for (name, used) in [("de", 1), ("fr", lists.burst()), ("other", 0)] {
            let list = &link(name).orders.list;
            let left = (0..99).filter(|_| list.try_take()).count();
            assert_eq!(left, (lists.burst() - used) as usize, "{name}");
        }
        let sets = link("de")
            .numbers
            .purse
            .budget()
            .take(numbers.burst(), clock.now());
        assert!(!sets, "one was set on the other marketplace");
    }
}
