//! Reads channels' orders: what was lost on the way is made good, and numbers that wait until orders are read may go on.
//!
//! A [`Poller`] reads one channel. What it reads goes into the inbox first, as if it had been delivered, then its cursor
//! moves. Once every order that was read up to some time is taken off stock (or waits for it, or is over), the buckets
//! that wait are told so: that is the proof which raising needs. An order that cannot be placed, as nobody has said what
//! its lines are, holds the proof back.

mod behind;
mod changes;
mod looks;
mod open;
mod order;
mod round;
mod standing;
mod subscriptions;
#[cfg(test)]
mod tests;
mod theirs;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crossdock_channels::CallError;
use crossdock_model::command::{BucketCommand, ChannelCommand, ExceptionCommand};
use crossdock_model::v1::Polled;
use crossdock_model::{
    Answer, Class, Command, CredentialId, Duration, EntityId, ExternalId, Timestamp,
};
use crossdock_runtime::{AskError, By, Clock, Handle};
use tokio::task::JoinHandle;

use crate::exceptions;
use crate::links::{Link, Links, Pace};
use crate::spend::Turn;
use crate::watch::watch;
use looks::Looks;
pub use open::open_orders;
use order::Failing;
use standing::{Heard, Standing};
use theirs::Theirs;

/// Kind of the exception about a channel whose orders cannot be read.
const ORDERS_UNREAD: &str = "orders_unread";
/// What is told of one second may have come in any order: an order is read once more when that is over.
const SECOND: Duration = Duration::from_s(1);
/// Shortest pause between two notes of where reading stands.
const KEEP_PAUSE: Duration = Duration::from_s(5);
/// First pause before it is looked again whether what was read is placed; it doubles up to the longest.
const LOOK_MIN: Duration = Duration::from_ms(50);
/// Longest such pause.
const LOOK_MAX: Duration = Duration::from_s(5);
/// First pause after a read that failed; it doubles up to the longest.
const AGAIN_MIN: Duration = Duration::from_s(1);
/// Longest such pause.
const AGAIN_MAX: Duration = Duration::from_minutes(2);
/// Pause before something is asked of an entity again that could not answer.
const PAUSE: Duration = Duration::from_s(1);

/// Why nothing is read while its turn does not come.
const NO_CALLS_LEFT: &str = "not made, as others use the channel's calls up";
/// Why nothing is read to its end while a list has more pages than may be read.
const LONG_LIST: &str = "made, but more has changed than its lists tell in the calls that it allows: the rest of the list waits for more";

/// Starts a reader for every channel. The tasks run until they are aborted.
pub fn start(
    links: &Links,
    handle: &Handle,
    clock: &Arc<dyn Clock>,
    principal: &CredentialId,
) -> Vec<JoinHandle<()>> {
    let pollers = links.values().map(|link| Poller {
        link: Arc::clone(link),
        handle: handle.clone(),
        clock: Arc::clone(clock),
        by: By::new(principal.clone()).of(Class::ChannelOrder),
    });
    let pollers = pollers.map(Arc::new).flat_map(|poller| {
        let reading = Arc::clone(&poller).watch("reading orders", Poller::run);
        let watching =
            Arc::clone(&poller).watch("looking after subscriptions", Poller::watch_subscriptions);
        let changes =
            Arc::clone(&poller).watch("reading orders that have changed", Poller::read_changes);
        let telling = poller.watch(
            "telling how far reading is behind",
            Poller::tell_how_far_behind,
        );
        [
            tokio::spawn(reading),
            tokio::spawn(watching),
            tokio::spawn(changes),
            tokio::spawn(telling),
        ]
    });
    pollers.collect()
}

/// Why a channel was not read.
#[derive(Debug)]
enum Unread {
    /// The channel gave no answer.
    Call(CallError),
    /// What was read could not be stored.
    Ask(AskError),
    /// So many orders are read and not placed that no more are read.
    Full(usize),
}

impl From<CallError> for Unread {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<AskError> for Unread {
    fn from(error: AskError) -> Self {
        Self::Ask(error)
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Ask(error) => error.fmt(f),
            Self::Full(orders) => write!(
                f,
                "not made, as {orders} orders that were read are not placed: map their listings, or see their exceptions"
            ),
        }
    }
}

/// Reads one channel.
struct Poller {
    link: Arc<Link>,
    handle: Handle,
    clock: Arc<dyn Clock>,
    by: By,
}

/// What a reader remembers as long as it runs.
struct Progress {
    standing: Standing,
    /// What is kept in the channel, and since when. `None`: it has to be asked.
    kept: Option<Standing>,
    kept_at: Timestamp,
    /// Orders that are placed, by the time of the state that is: they need not be looked at again while they are listed.
    placed: BTreeMap<ExternalId, Timestamp>,
    /// Orders that are waited for and could not be read.
    failing: BTreeMap<ExternalId, Failing>,
    /// Orders up to then were read.
    read_up_to: Timestamp,
    /// Orders up to then are placed.
    proven: Timestamp,
    /// What each bucket was told of that.
    told: BTreeMap<u16, Timestamp>,
    next_read: Timestamp,
    last_read: Timestamp,
    next_look: Timestamp,
    /// At what of that it is looked next.
    looks: Looks,
    /// What that look began with, as long as it finds nothing that is still worked on.
    settles: Option<Timestamp>,
    /// How far orders are read that the channel sends itself.
    theirs: Theirs,
    /// The next read, while it is due and waits for what it costs.
    turn: Option<Turn>,
    failures: u32,
    /// Why the last read failed.
    problem: Option<String>,
    /// Whether the exception about it is open. `None`: another process may have opened it.
    is_told: Option<bool>,
}

impl Poller {
    /// Work that crashes begins anew; reading does so from where it stood.
    async fn watch<W>(self: Arc<Self>, what: &'static str, work: fn(Arc<Self>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let work = || work(Arc::clone(&self));
        watch(self.link.channel.as_str(), what, &*self.clock, work).await;
    }

    async fn run(self: Arc<Self>) {
        let mut progress = self.begin().await;
        loop {
            self.prove(&mut progress).await;
            if self.link.waits.take_hurry() {
                progress.next_read = self.clock.now();
            }
            let next_read = self.turn(&mut progress);
            self.tell_when_late(&mut progress).await;
            let now = self.clock.now();
            if next_read.is_none() {
                let read = self.read(&mut progress).await;
                let is_read = read.is_ok();
                self.note(&mut progress, read).await;
                if is_read {
                    self.read_theirs(&mut progress).await;
                }
            } else if next_again(&progress) <= now {
                self.hear_again(&mut progress).await;
            } else if !progress.standing.awaited.is_empty() && progress.next_look <= now {
                self.look(&mut progress).await;
            } else {
                let rest = self.next_of_rest(&progress);
                let due = next_read.map_or(rest, |at| at.min(rest));
                tokio::select! {
                    () = self.link.waits.changed() => {}
                    () = self.clock.sleep_until(due) => {}
                }
            }
            self.keep(&mut progress).await;
        }
    }

    /// From where reading stood.
    async fn begin(&self) -> Progress {
        let now = self.clock.now();
        let kept = self.kept().await;
        let anew = || Standing::at(self.link.orders.orders.since(now), now);
        let standing = kept.clone().unwrap_or_else(anew);
        self.link.reached.set(standing.settled);
        let unread = standing.awaited.values();
        let unread = unread.filter(|awaited| awaited.heard == Heard::Unread);
        let unread = unread.filter_map(|awaited| awaited.order.clone());
        let failing = unread.map(|order| (order, Failing::default())).collect();
        Progress {
            standing,
            kept: Some(kept.unwrap_or_default()),
            kept_at: Timestamp::default(),
            placed: BTreeMap::new(),
            failing,
            read_up_to: Timestamp::default(),
            proven: Timestamp::default(),
            told: BTreeMap::new(),
            next_read: now,
            last_read: now,
            next_look: now,
            looks: Looks::default(),
            settles: None,
            theirs: Theirs::new(now),
            turn: None,
            failures: 0,
            problem: None,
            is_told: None,
        }
    }

    /// What the channel has kept of it.
    async fn kept(&self) -> Option<Standing> {
        let polled = self.polled().await;
        polled.as_ref().map(Standing::read)
    }

    /// What the channel has kept, once it is connected.
    async fn polled(&self) -> Option<Polled> {
        loop {
            let channel = EntityId::Channel(self.link.channel.clone());
            match self.handle.read(channel).await.map(|reply| reply.answer) {
                Ok(Answer::Channel { polled, .. }) => return polled,
                Ok(_) | Err(_) => self.clock.sleep(PAUSE).await,
            }
        }
    }

    /// When orders may be read next: once they are due, and it is their turn to call the channel. `None`: now; what that
    /// costs is taken.
    fn turn(&self, progress: &mut Progress) -> Option<Timestamp> {
        let next_read = self.next_read(progress);
        if next_read > self.clock.now() {
            return Some(next_read);
        }
        let list = &self.link.orders.list;
        let turn = progress.turn.get_or_insert_with(|| list.turn());
        if !turn.try_take() {
            return Some(turn.ready_at());
        }
        progress.turn = None;
        None
    }

    /// Waits until the next page of a list may be read, and takes what that costs. Until its end nothing is proven, which somebody
    /// has to know if it takes long.
    async fn take_page(&self, progress: &mut Progress) {
        let take = self.link.orders.list.take();
        tokio::pin!(take);
        loop {
            let late_at = progress.last_read + self.link.orders.pace.unread_after;
            let look_at = match progress.is_told {
                Some(true) => Timestamp::MAX,
                Some(false) | None => late_at.max(self.clock.now() + PAUSE),
            };
            tokio::select! {
                () = &mut take => return,
                () = self.clock.sleep_until(look_at) => self.tell_late(progress, LONG_LIST).await,
            }
        }
    }

    /// Why no more may be read now: what is read has to be placed first.
    fn full(&self, progress: &Progress) -> Option<Unread> {
        let unplaced = progress.standing.awaited.len();
        (unplaced >= self.link.orders.pace.unplaced_max).then_some(Unread::Full(unplaced))
    }

    /// When orders are due to be read next: sooner if that lets a number go on.
    fn next_read(&self, progress: &Progress) -> Timestamp {
        let pace = self.link.orders.pace;
        if self.full(progress).is_some() {
            // What is found to be placed makes room.
            return Timestamp::MAX;
        }
        if progress.failures > 0 {
            return progress.next_read;
        }
        let waits = self.link.waits.all().into_values();
        let waits = waits.filter(|until| *until > progress.read_up_to);
        let urgent = waits.map(|until| until + pace.late + Duration::from_ms(1));
        let urgent = urgent.map(|at| at.max(progress.last_read + pace.pause));
        let next = urgent.chain([progress.next_read]).min();
        next.unwrap_or_default()
    }

    fn next_of_rest(&self, progress: &Progress) -> Timestamp {
        let look = (!progress.standing.awaited.is_empty()).then_some(progress.next_look);
        let keep = is_worth_keeping(progress).then_some(progress.kept_at + KEEP_PAUSE);
        let rest = look.into_iter().chain(keep).min();
        rest.unwrap_or(Timestamp::MAX).min(next_again(progress))
    }

    /// Notes how a read went.
    async fn note(&self, progress: &mut Progress, read: Result<(), Unread>) {
        let now = self.clock.now();
        let error = match read {
            Ok(()) => {
                progress.failures = 0;
                progress.problem = None;
                progress.last_read = now;
                progress.next_read = now + every(self.link.orders.pace, progress);
                if progress.is_told != Some(false) && self.tell(self.readable_again()).await {
                    progress.is_told = Some(false);
                }
                return;
            }
            Err(error) => error,
        };
        tracing::warn!(channel = %self.link.channel, %error, "orders could not be read; tried again");
        progress.failures = progress.failures.saturating_add(1);
        progress.next_read = now + pause(&error, progress.failures);
        progress.problem = Some(error.to_string());
    }

    /// Tells when orders have not been read for too long, because that fails, its turn does not come, or too many of them are
    /// not placed.
    async fn tell_when_late(&self, progress: &mut Progress) {
        let full = self.full(progress).map(|full| full.to_string());
        if progress.failures > 0 || progress.turn.is_some() || full.is_some() {
            let problem = full.or(progress.problem.clone());
            let problem = problem.as_deref().unwrap_or(NO_CALLS_LEFT);
            self.tell_late(progress, problem).await;
        }
    }

    async fn tell_late(&self, progress: &mut Progress, problem: &str) {
        let unread_for = self.clock.now().since(progress.last_read);
        let is_late = unread_for >= self.link.orders.pace.unread_after;
        if is_late && progress.is_told != Some(true) {
            let told = self.unreadable(progress.last_read, unread_for, problem);
            if self.tell(told).await {
                progress.is_told = Some(true);
            }
        }
    }

    fn unreadable(&self, since: Timestamp, age: Duration, problem: &str) -> ExceptionCommand {
        let channel = &self.link.channel;
        let minutes = age.as_ms() / 60_000;
        let cause = format!(
            "The orders of {channel} could not be read for {minutes} minutes: what it sold and did not tell is not known \
             here, and numbers that must not rise before that is known stay down. It is tried again all the time; see \
             the channel's status page, and its secrets here. The last call: {problem}"
        );
        ExceptionCommand::open_with(
            ORDERS_UNREAD,
            channel.as_str(),
            cause,
            vec![("read_up_to_ms".to_owned(), since.as_ms().to_string())],
        )
    }

    fn readable_again(&self) -> ExceptionCommand {
        let (channel, how) = (&self.link.channel, "orders are read again");
        ExceptionCommand::close(ORDERS_UNREAD, channel.as_str(), how)
    }

    /// Keeps where reading stands in the channel, if that has changed, and not all the time.
    async fn keep(&self, progress: &mut Progress) {
        let now = self.clock.now();
        if !is_worth_keeping(progress) || now < progress.kept_at + KEEP_PAUSE {
            return;
        }
        progress.kept_at = now;
        let kept = match progress.kept.take() {
            Some(kept) => kept,
            None => self.kept().await.unwrap_or_default(),
        };
        let polled = progress.standing.since(&kept);
        if self.note_standing(polled).await {
            progress.kept = Some(progress.standing.clone());
        }
    }

    /// Tells the buckets that wait for it up to when all orders are placed.
    async fn prove(&self, progress: &mut Progress) {
        let up_to = progress.proven;
        for (bucket, until) in self.link.waits.all() {
            let is_news = progress.told.get(&bucket).is_none_or(|told| *told < up_to);
            if until > up_to || !is_news {
                continue;
            }
            let entity = EntityId::Bucket(self.link.channel.clone(), bucket);
            let prove = Command::Bucket(BucketCommand::Prove { up_to });
            match self.handle.ask(entity, prove, self.by.clone()).await {
                Ok(_) => drop(progress.told.insert(bucket, up_to)),
                Err(error) => tracing::debug!(bucket, %error, "a proof was not taken; the next is"),
            }
        }
    }

    /// Whether it is noted; else it is noted again.
    async fn note_standing(&self, polled: Polled) -> bool {
        let channel = EntityId::Channel(self.link.channel.clone());
        let poll = Command::Channel(ChannelCommand::Poll(polled));
        let noted = self.handle.ask(channel, poll, self.by.clone()).await;
        if let Err(error) = &noted {
            tracing::debug!(channel = %self.link.channel, %error, "where reading stands was not noted");
        }
        noted.is_ok()
    }

    /// Whether it is noted.
    async fn tell(&self, command: ExceptionCommand) -> bool {
        exceptions::tell(&self.handle, &self.by, Some(&self.link.channel), command).await
    }
}

/// How often orders are read when nothing waits for it: some of the calls are for those that are read apart.
fn every(pace: Pace, progress: &Progress) -> Duration {
    let ms = pace.every.as_ms();
    match progress.standing.theirs {
        Some(_) => Duration::from_ms(ms + ms / 9),
        None => pace.every,
    }
}

/// Whether the channel has kept something else, or may have.
fn is_worth_keeping(progress: &Progress) -> bool {
    let kept = progress.kept.as_ref();
    kept.is_none_or(|kept| progress.standing.differs(kept))
}

/// When an order that could not be read is tried again.
fn next_again(progress: &Progress) -> Timestamp {
    let next = progress.failing.values().map(|failing| failing.again_at);
    next.min().unwrap_or(Timestamp::MAX)
}

/// The pause after a call that failed, the last of so many.
fn pause(error: &Unread, failures: u32) -> Duration {
    match error {
        Unread::Call(CallError::Throttled { retry_after }) => (*retry_after).max(AGAIN_MIN),
        Unread::Full(_) => Duration::default(),
        Unread::Call(_) | Unread::Ask(_) => jittered(failures),
    }
}

/// The pause after so many failures, a random part of it less, so that channels that failed together do not come back
/// together.
fn jittered(failures: u32) -> Duration {
    let whole = AGAIN_MIN.as_ms() << failures.saturating_sub(1).min(16);
    let whole = whole.min(AGAIN_MAX.as_ms());
    let mut random = [0; 1];
    // Without randomness the whole pause is as good.
    let _ = getrandom::fill(&mut random);
    Duration::from_ms(whole - whole * u64::from(random[0]) / 512)
}
