//! Tells channels what became of their orders.
//!
//! An order asks for a report to be told. Just before the call it is asked what the report says, and notes that the call
//! is begun: a process that dies then leaves a report in doubt, and whoever tells it next looks whether it was told.

mod amazon;
mod figures;
mod shopify;
#[cfg(feature = "sim")]
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use crossdock_channels::Repeat;
use crossdock_model::answer::ReportTask;
use crossdock_model::command::{OrderCommand, ReportCall, Said};
use crossdock_model::v1::{ChannelMode, LineUnits};
use crossdock_model::{
    Answer, ChannelId, Class, Command, CredentialId, Duration, EntityId, LocationId,
};
use crossdock_runtime::{By, Clock, Handle, ReportFuture, Reports};
use prometheus_client::registry::Registry;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::{Config, Publish};
use crate::links::{Link, Links, SellerLink};
use crate::spend::Spend;
use amazon::Account;
use figures::Figures;
use shopify::{Shop, ShopOptions};

/// Points of a shop that a call costs at most which reads, and which changes something.
const SHOP_POINTS: [u32; 2] = [120, 20];
/// Points of a shop that reports leave to numbers.
const SPARE_POINTS: u32 = 100;

/// Reports to one channel under way at most.
const CALLS_MAX: usize = 4;
/// How long a report waits for its turn before its order asks again.
const TURN_MAX: Duration = Duration::from_s(45);
/// A call that was under way when its process died has surely ended after that.
const CALL_FOR: Duration = Duration::from_s(15);

/// What came of telling, later.
pub type Telling = Pin<Box<dyn Future<Output = Said> + Send>>;

/// A channel that can be told what became of its orders. A report is told within a bounded time.
pub trait Told: Send + Sync {
    /// What it does to tell the same report again.
    fn repeat(&self) -> Repeat;

    /// Ends once a report may be told, by the channel's rate.
    fn turn(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Tells a report.
    fn tell(&self, call: ReportCall, task: ReportTask) -> Telling;
}

struct Channel {
    told: Arc<dyn Told>,
    room: Semaphore,
}

struct Door {
    handle: Handle,
    by: By,
}

/// Tells each channel by itself.
#[derive(Default)]
pub struct Reporters {
    channels: HashMap<ChannelId, Arc<Channel>>,
    figures: Arc<Figures>,
    /// Set once the node runs: it is made before it.
    door: OnceLock<Arc<Door>>,
}

impl Reporters {
    /// Tells all channels that can be called.
    #[must_use]
    pub fn of(config: &Config, links: &Links, clock: &Arc<dyn Clock>) -> Self {
        let publishes = |id: &ChannelId| config.channels.get(id.as_str())?.publish.as_ref();
        let told = links.iter().filter_map(|(id, link)| {
            let told = told_by(link, publishes(id), clock)?;
            Some((id.clone(), told))
        });
        Self::new(told)
    }

    /// These channels can be told.
    #[must_use]
    pub fn new(channels: impl IntoIterator<Item = (ChannelId, Arc<dyn Told>)>) -> Self {
        let channels = channels.into_iter().map(|(id, told)| {
            let room = Semaphore::new(CALLS_MAX);
            (id, Arc::new(Channel { told, room }))
        });
        Self {
            channels: channels.collect(),
            figures: Arc::default(),
            door: OnceLock::new(),
        }
    }

    /// Registers what is counted of it.
    pub fn register(&self, registry: &mut Registry) {
        self.figures.register(registry);
    }

    /// Gives it the door to the node.
    pub fn connect(&self, handle: Handle, principal: &CredentialId) {
        let by = By::new(principal.clone()).of(Class::ChannelOrder);
        // Connecting twice would be a second node in one process: the first stays.
        let _ = self.door.set(Arc::new(Door { handle, by }));
    }
}

impl Reports for Reporters {
    fn tell(&self, call: ReportCall) -> ReportFuture {
        let Some(channel) = self.channels.get(&call.order.channel).cloned() else {
            return Box::pin(std::future::ready(Some(Said::NotTold)));
        };
        let (door, figures) = (self.door.get().cloned(), Arc::clone(&self.figures));
        Box::pin(async move {
            let door = door?;
            if !is_let_in(&door, &call).await {
                return None;
            }
            let turn = tokio::select! {
                turn = channel.turn() => turn,
                () = door.handle.sleep(TURN_MAX) => return None,
            };
            let told = tell(&door, &*channel.told, call, &figures).await;
            drop(turn);
            told
        })
    }
}

impl Channel {
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let room = self.room.acquire().await.ok();
        self.told.turn().await;
        room
    }
}

/// Nothing is told to a channel that is only observed, and nothing is paid for that: its orders ask again until it is let in.
async fn is_let_in(door: &Door, call: &ReportCall) -> bool {
    let channel = EntityId::Channel(call.order.channel.clone());
    let read = door.handle.read(channel).await.map(|reply| reply.answer);
    matches!(read, Ok(Answer::Channel { mode, .. }) if mode != ChannelMode::Observed)
}

async fn tell(door: &Door, told: &dyn Told, call: ReportCall, figures: &Figures) -> Option<Said> {
    let channel = call.order.channel.clone();
    let task = begin(door, told, &call).await?;
    let (operation, made_at) = (figures::operation(&task.kind), task.made_at);
    let said = say(door, told, call, task).await;
    let after = door.handle.now().since(made_at);
    figures.observe(&channel, operation, &said, after);
    Some(said)
}

/// What there is to say, noted as begun.
async fn begin(door: &Door, told: &dyn Told, call: &ReportCall) -> Option<ReportTask> {
    // While it waited for its turn somebody may have ended that.
    if !is_let_in(door, call).await {
        return None;
    }
    let begin = Command::Order(OrderCommand::BeginReport {
        report: call.report,
        attempt: call.attempt,
        keyed: told.repeat() == Repeat::Keyed,
    });
    let order = EntityId::Order(call.order.clone());
    let begun = door.handle.ask(order, begin, door.by.clone()).await;
    match begun.map(|reply| reply.answer) {
        Ok(Answer::Report(task)) => Some(*task),
        Ok(_) | Err(_) => None,
    }
}

async fn say(door: &Door, told: &dyn Told, call: ReportCall, task: ReportTask) -> Said {
    match told.repeat() {
        Repeat::Once if task.in_doubt => {
            let error = "the call before had no answer".to_owned();
            return Said::Unknown { error };
        }
        Repeat::ReadBeforeRetry if task.in_doubt => door.handle.sleep(CALL_FOR).await,
        Repeat::Once | Repeat::ReadBeforeRetry | Repeat::Keyed => {}
    }
    told.tell(call, task).await
}

/// Units of lines, for people.
fn words(lines: &[LineUnits]) -> String {
    let one = |line: &LineUnits| format!("{} of line {}", line.units, line.line);
    lines.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Whoever can be told at the end of a link.
fn told_by(
    link: &Link,
    publish: Option<&Publish>,
    clock: &Arc<dyn Clock>,
) -> Option<Arc<dyn Told>> {
    if let (Some(admin), Some(publish)) = (&link.shop, publish) {
        let purse = &link.numbers.purse;
        let spend = SHOP_POINTS.map(|points| Spend::new(purse, points, SPARE_POINTS, clock));
        let options = ShopOptions {
            places: places(publish),
            notify: publish.notify_buyers,
            refund: publish.refund_cancelled,
        };
        let clock = Arc::clone(clock);
        return Some(Arc::new(Shop::new(admin.clone(), options, spend, clock)));
    }
    let SellerLink { seller, confirm } = link.seller.as_ref()?;
    Some(Arc::new(Account::new(seller.clone(), confirm.clone())))
}

/// The shop's places by our locations.
fn places(publish: &Publish) -> BTreeMap<LocationId, String> {
    let places = publish.places.iter();
    let pairs = places.flat_map(|(place, locations)| {
        let locations = locations.iter().filter_map(|id| LocationId::new(id).ok());
        locations.map(|location| (location, place.clone()))
    });
    pairs.collect()
}
