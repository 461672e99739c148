//! Carries what SKUs say to the buckets that list them, and what buckets offer to whoever publishes.

use std::sync::{Arc, Mutex, PoisonError};

use crossdock_engine::{Announcement, Announcer};
use crossdock_logic::bucket::{BUCKETS, Offers};
use crossdock_logic::sku::Publication;
use crossdock_model::command::BucketCommand;
use crossdock_model::v1::{PublishedStock, Tracking};
use crossdock_model::{ChannelId, Class, Command, EntityId, SkuId, Timestamp};

use crate::ask::{By, Handle};
use crate::loading;
use crate::shared::Shared;

/// Publishes numbers to channels.
pub trait Outbound: Send + Sync {
    /// The channels it publishes to.
    fn channels(&self) -> Vec<ChannelId>;

    /// What a bucket would have sent, in place of what it said before. Must not block.
    fn offered(&self, offers: Offers);
}

/// For nodes that publish to no channel.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unpublished;

impl Outbound for Unpublished {
    fn channels(&self) -> Vec<ChannelId> {
        Vec::new()
    }

    fn offered(&self, _offers: Offers) {}
}

/// Statements on their way.
#[derive(Default)]
pub(crate) struct Telling(Mutex<Announcer>);

impl Telling {
    fn change<R>(&self, change: impl FnOnce(&mut Announcer) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether everybody has taken over what an entity of that version says.
    pub fn is_told(&self, entity: &EntityId, version: u64) -> bool {
        match entity {
            EntityId::Sku(sku) => self.change(|announcer| announcer.is_told(sku, version)),
            _ => true,
        }
    }

    /// SKUs of which something has not been taken over.
    pub fn owed_skus(&self) -> usize {
        self.change(|announcer| announcer.owed_skus())
    }
}

/// A SKU speaks.
pub(crate) fn say(shared: &Arc<Shared>, said: Vec<Publication>) {
    let now = shared.clock.now();
    let messages = shared.telling.change(|announcer| announcer.say(said, now));
    messages
        .into_iter()
        .for_each(|message| send(shared, message));
}

/// A SKU is put aside: whoever lists it shows none. If it cannot be read who that is, all are told.
pub(crate) fn say_aside(shared: &Arc<Shared>, entity: &EntityId) {
    let EntityId::Sku(sku) = entity else { return };
    let (shared, entity, sku) = (Arc::clone(shared), entity.clone(), sku.clone());
    shared.tokio.clone().spawn(async move {
        let loaded = loading::load(&shared, &entity).await.ok();
        let recovered = loaded.and_then(Result::ok);
        let spoken = recovered.and_then(|found| found.entity.announcement(shared.clock.now()));
        let said = match spoken {
            Some(crossdock_logic::Announcement::Stock(spoken)) => spoken.said,
            Some(_) | None => to_everybody(shared.outbound.channels(), &sku, shared.clock.now()),
        };
        let said = said.into_iter().map(|mut one| {
            one.stock.aside = true;
            one
        });
        say(&shared, said.collect());
    });
}

/// That nothing is known of a SKU, to every bucket of these channels.
fn to_everybody(channels: Vec<ChannelId>, sku: &SkuId, now: Timestamp) -> Vec<Publication> {
    let said = channels.into_iter().map(|channel| Publication {
        channel,
        buckets: (0..BUCKETS).collect(),
        stock: PublishedStock {
            sku: sku.clone(),
            version: 0,
            tracking: Tracking::Tracked,
            ats: Vec::new(),
            sold: Vec::new(),
            sold_units: 0,
            sole: false,
            rates: Vec::new(),
            aside: true,
            at: now,
        },
    });
    said.collect()
}

/// Sends what is due after a pause.
pub(crate) fn send_due(shared: &Arc<Shared>) {
    let now = shared.clock.now();
    let messages = shared.telling.change(|announcer| announcer.due(now));
    messages
        .into_iter()
        .for_each(|message| send(shared, message));
}

fn send(shared: &Arc<Shared>, message: Announcement) {
    let shared = Arc::clone(shared);
    shared.tokio.clone().spawn(async move {
        let mut next = Some(message);
        while let Some(Announcement { to, stock }) = next {
            let by = By::new(shared.system.clone()).of(Class::Announcement);
            let command = Command::Bucket(BucketCommand::Stock(stock));
            let told = Handle(Arc::clone(&shared))
                .ask(to.clone(), command, by)
                .await;
            if let Err(error) = &told {
                tracing::debug!(bucket = %to, %error, "stock was not taken over; said again");
            }
            let now = shared.clock.now();
            next = shared
                .telling
                .change(|announcer| announcer.ended(&to, told.is_ok(), now));
        }
    });
}
