//! Publishes numbers to channels: what is most dangerous first, as each channel's rate allows, each channel by itself.
//!
//! A [`Publisher`] is the shell of one channel's desk. It asks a bucket to begin a call, which is an event before the
//! call is made, makes it, and tells the bucket what became of it.

mod bulk;
mod call;
mod lag;
mod measure;
mod not_stocked;
mod recheck;
mod recount;
#[cfg(test)]
mod tests;
mod theirs;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crossdock_channels::CallError;
use crossdock_model::command::{BucketCommand, ExceptionCommand};
use crossdock_model::{
    Answer, ChannelId, Class, Command, CredentialId, Duration, EntityId, Timestamp,
};
use crossdock_runtime::{
    AskError, BUCKETS, By, Clock, Desk, Funds, Handle, NotThere, Offers, Outbound, Pick,
};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::exceptions;
use crate::links::{Link, Links};
use crate::watch::watch;

/// Kind of the exception about a channel that does not answer.
const CHANNEL_AWAY: &str = "channel_away";
/// Pause before something is said to a bucket again that could not take it.
const AGAIN: Duration = Duration::from_ms(500);

pub use lag::{Lags, Spread};
pub use not_stocked::{NOT_STOCKED, places_of};

use measure::Gauge;

/// Who publishes to which channel.
#[derive(Default)]
pub struct Publishers(HashMap<ChannelId, Arc<Publisher>>);

impl Publishers {
    /// Publishers to all channels that can be called, which note how long changes take.
    #[must_use]
    pub fn of(links: &Links, clock: &Arc<dyn Clock>, lags: &Arc<Lags>) -> Self {
        let publishers = links.values().map(|link| {
            Arc::new(Publisher::new(
                Arc::clone(link),
                Arc::clone(clock),
                Arc::clone(lags),
            ))
        });
        Self::new(publishers)
    }

    /// These publishers, each for its channel.
    #[must_use]
    pub fn new(publishers: impl IntoIterator<Item = Arc<Publisher>>) -> Self {
        let named = publishers.into_iter();
        Self(named.map(|one| (one.link.channel.clone(), one)).collect())
    }

    /// Begins to publish, once the node runs. The tasks run until they are aborted.
    pub fn start(&self, handle: &Handle, principal: &CredentialId) -> Vec<JoinHandle<()>> {
        let door = || Door {
            handle: handle.clone(),
            by: By::new(principal.clone()).of(Class::Announcement),
        };
        let fresh = self.0.values();
        let fresh = fresh.filter(|publisher| publisher.door.set(door()).is_ok());
        let tasks = fresh.flat_map(|publisher| {
            [
                tokio::spawn(Arc::clone(publisher).watch(Publisher::run)),
                tokio::spawn(Arc::clone(publisher).watch(Publisher::recheck)),
                tokio::spawn(Arc::clone(publisher).watch(Publisher::hand_over)),
                tokio::spawn(Arc::clone(publisher).watch(Publisher::measure)),
                tokio::spawn(Arc::clone(publisher).watch(Publisher::tell_of_theirs)),
                tokio::spawn(Arc::clone(publisher).watch(Publisher::tell_of_missing)),
            ]
        });
        tasks.collect()
    }
}

impl Outbound for Publishers {
    fn channels(&self) -> Vec<ChannelId> {
        self.0.keys().cloned().collect()
    }

    fn offered(&self, offers: Offers) {
        if let Some(publisher) = self.0.get(&offers.channel) {
            let waits = &publisher.link.waits;
            waits.set(offers.bucket, offers.unproven);
            publisher.note_theirs(offers.bucket, offers.sent_by_channel);
            publisher.note_missing(offers.bucket, &offers.missing);
            publisher.desk().offered(offers);
            publisher.changed.notify_one();
        }
    }
}

struct Door {
    handle: Handle,
    by: By,
}

/// Publishes to one channel.
pub struct Publisher {
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    desk: Mutex<Desk>,
    changed: Notify,
    lags: Arc<Lags>,
    gauge: Mutex<Gauge>,
    /// Numbers of what the channel sends itself, by bucket.
    theirs: watch::Sender<BTreeMap<u16, usize>>,
    /// What was counted as the channel shows it.
    settled: recount::Settled,
    /// What the channel does not have at its places, by bucket.
    missing: watch::Sender<BTreeMap<u16, Vec<NotThere>>>,
    door: OnceLock<Door>,
    /// Whether it is noted that the channel answers.
    is_near: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Publisher {
    /// A publisher to a channel, that notes in `lags` how long changes take.
    #[must_use]
    pub fn new(link: Arc<Link>, clock: Arc<dyn Clock>, lags: Arc<Lags>) -> Self {
        let desk = Mutex::new(Desk::of(link.channel.clone(), link.numbers.limits));
        Self {
            link,
            clock,
            desk,
            changed: Notify::new(),
            lags,
            gauge: Mutex::default(),
            theirs: watch::Sender::default(),
            settled: recount::Settled::default(),
            missing: watch::Sender::default(),
            door: OnceLock::new(),
            is_near: AtomicBool::new(false),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }

    /// Begins work anew that crashes.
    async fn watch<W>(self: Arc<Self>, work: fn(Arc<Self>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let work = || work(Arc::clone(&self));
        watch(self.link.channel.as_str(), "publishing", &*self.clock, work).await;
    }

    async fn run(self: Arc<Self>) {
        self.lose_calls().await;
        self.link.may_write().await;
        loop {
            let now = self.clock.now();
            let numbers = &self.link.numbers;
            let (freed, reads_freed) = (numbers.purse.freed(), numbers.read_purse().freed());
            if let Some(pick) = self.pick(now) {
                tokio::spawn(Arc::clone(&self).call(pick));
                continue;
            }
            let due = self.desk().next_due(now);
            tokio::select! {
                () = self.changed.notified() => {}
                () = freed => {}
                () = reads_freed => {}
                () = self.clock.sleep_until(due.unwrap_or(Timestamp::MAX)) => {}
            }
        }
    }

    /// Numbers for the next call, which is paid then.
    fn pick(&self, now: Timestamp) -> Option<Pick> {
        let (mut desk, numbers) = (self.desk(), &self.link.numbers);
        let mut sets = numbers.purse.budget();
        match &numbers.read_purse {
            None => desk.pick(&mut *sets, now),
            Some(reads) => {
                let (sets, reads) = (&mut *sets, &mut *reads.budget());
                desk.pick(Funds::Apart { sets, reads }, now)
            }
        }
    }

    /// Calls that another process began are of unknown outcome.
    async fn lose_calls(&self) {
        for bucket in 0..BUCKETS {
            self.ask_surely(bucket, BucketCommand::Lose).await;
        }
    }

    /// Asks until there is an answer; `None`: the bucket is put aside, or refuses.
    async fn ask_surely(&self, bucket: u16, command: BucketCommand) -> Option<Answer> {
        loop {
            match self.ask(bucket, command.clone()).await {
                Ok(answer) => return Some(answer),
                Err(AskError::Rejected(_) | AskError::Quarantined { .. }) => return None,
                Err(_) => self.clock.sleep(AGAIN).await,
            }
        }
    }

    async fn ask(&self, bucket: u16, command: BucketCommand) -> Result<Answer, AskError> {
        let entity = EntityId::Bucket(self.link.channel.clone(), bucket);
        self.ask_entity(entity, Command::Bucket(command)).await
    }

    async fn ask_entity(&self, entity: EntityId, command: Command) -> Result<Answer, AskError> {
        let Some(door) = self.door.get() else {
            return Err(AskError::ShuttingDown);
        };
        let asked = door.handle.ask(entity, command, door.by.clone());
        Ok(asked.await?.answer)
    }

    /// Notes how the call went, and tells when a channel goes away and comes back.
    async fn note_call(&self, result: Result<(), CallError>) {
        let now = self.clock.now();
        match result {
            Ok(()) => {
                if self.desk().answered() {
                    self.is_near.store(false, Ordering::SeqCst);
                }
                self.tell_near().await;
            }
            Err(CallError::Throttled { retry_after }) => {
                self.desk().throttled(now + retry_after);
            }
            Err(error @ (CallError::NotDone(_) | CallError::Unknown(_))) => {
                if self.desk().unanswered(now) {
                    let channel = &self.link.channel;
                    let cause = format!(
                        "{channel} does not answer, or refuses the calls: its numbers may be wrong by what was sold since. It is tried again \
                         all the time; see its status page, and its token here. The last call: {error}"
                    );
                    let open = ExceptionCommand::open(CHANNEL_AWAY, channel.as_str(), cause);
                    self.tell(open).await;
                }
            }
        }
    }

    /// Closes what says that the channel is away, once: the process before this one may have opened it.
    async fn tell_near(&self) {
        if self.is_near.swap(true, Ordering::SeqCst) {
            return;
        }
        let (channel, how) = (&self.link.channel, "the channel answers again");
        let close = ExceptionCommand::close(CHANNEL_AWAY, channel.as_str(), how);
        let is_told = self.tell(close).await;
        self.is_near.store(is_told, Ordering::SeqCst);
    }

    /// Whether it is noted.
    async fn tell(&self, command: ExceptionCommand) -> bool {
        let Some(Door { handle, by }) = self.door.get() else {
            return false;
        };
        exceptions::tell(handle, by, Some(&self.link.channel), command).await
    }

    async fn ask_channel(&self, command: Command) -> Result<Answer, AskError> {
        let entity = EntityId::Channel(self.link.channel.clone());
        self.ask_entity(entity, command).await
    }
}
