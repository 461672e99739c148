//! Publishes numbers to channels: what is most dangerous first, as each channel's rate allows, each channel by itself.
//!
//! A [`Publisher`] is the shell of one channel's desk. It asks a bucket to begin a call, which is an event before the
//! call is made, makes it, and tells the bucket what became of it.

mod bulk;
mod lag;
mod measure;
mod recheck;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crossdock_channels::{CallError, Called, NumberSet, NumberShown, SetOutcome};
use crossdock_model::answer::{NumberCall, NumberCallKind, Seen};
use crossdock_model::command::{BucketCommand, CallEnd, ChannelCommand, ExceptionCommand};
use crossdock_model::v1::{CallOutcome, ShownLevel};
use crossdock_model::{
    Answer, ChannelId, Class, Command, CredentialId, Duration, EntityId, ListingId, SourceId,
    Timestamp,
};
use crossdock_runtime::{
    AskError, BUCKETS, Budget, By, Clock, Desk, Ended, Handle, Number, Offers, Outbound, Pick,
};
use futures::future::join_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::links::{Link, Links};
use crate::watch::watch;

/// Kind of the exception about a channel that does not answer.
const CHANNEL_AWAY: &str = "channel_away";
/// Pause before something is said to a bucket again that could not take it.
const AGAIN: Duration = Duration::from_ms(500);

pub use lag::{Lags, Spread};

use measure::Gauge;

/// Who publishes to which channel.
#[derive(Default)]
pub struct Publishers(HashMap<ChannelId, Arc<Publisher>>);

impl Publishers {
    /// Publishers to all channels that can be called, which note how long changes take.
    #[must_use]
    pub fn of(links: &Links, clock: &Arc<dyn Clock>, lags: &Arc<Lags>) -> Self {
        let publishers = links.values().map(|link| {
            let publisher = Publisher::new(Arc::clone(link), Arc::clone(clock));
            Arc::new(publisher.noting(lags))
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
    door: OnceLock<Door>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Publisher {
    /// A publisher to a channel.
    #[must_use]
    pub fn new(link: Arc<Link>, clock: Arc<dyn Clock>) -> Self {
        let desk = Mutex::new(Desk::new(link.numbers.limits));
        Self {
            link,
            clock,
            desk,
            changed: Notify::new(),
            lags: Arc::default(),
            gauge: Mutex::default(),
            door: OnceLock::new(),
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.link.numbers.purse.budget()
    }

    /// The same publisher, that notes there how long changes take.
    #[must_use]
    pub fn noting(self, lags: &Arc<Lags>) -> Self {
        Self {
            lags: Arc::clone(lags),
            ..self
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
            let freed = self.link.numbers.purse.freed();
            let picked = self.desk().pick(&mut self.budget(), now);
            if let Some(pick) = picked {
                tokio::spawn(Arc::clone(&self).call(pick));
                continue;
            }
            let due = self.desk().next_due(&self.budget(), now);
            tokio::select! {
                () = self.changed.notified() => {}
                () = freed => {}
                () = self.clock.sleep_until(due.unwrap_or(Timestamp::MAX)) => {}
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

    /// A call in a task of its own: one that crashes takes no other along, and what it had begun is lost by its deadline.
    async fn call(self: Arc<Self>, pick: Pick) {
        let numbers: Vec<Number> = pick.values().flatten().cloned().collect();
        let called = tokio::spawn(Arc::clone(&self).carry_out(pick)).await;
        let result = called.unwrap_or_else(|crash| {
            tracing::error!(channel = %self.link.channel, %crash, "a call to a channel crashed");
            self.end_all(&numbers, Ended::Done);
            Some(Err(CallError::Unknown("the call crashed".to_owned())))
        });
        match result {
            Some(result) => self.note_call(result).await,
            None => self.desk().idle(),
        }
        self.changed.notify_one();
    }

    /// Calls the channel about what is still needed; `None`: nothing is.
    async fn carry_out(self: Arc<Self>, pick: Pick) -> Option<Result<(), CallError>> {
        let begun = pick
            .into_iter()
            .map(|(bucket, numbers)| self.begin(bucket, numbers));
        let (mut calls, mut reads) = (BTreeMap::new(), Vec::new());
        for (bucket, call) in join_all(begun).await.into_iter().flatten() {
            let number = (call.listing, call.place);
            match call.kind {
                NumberCallKind::Read => reads.push((bucket, number)),
                NumberCallKind::Set {
                    call,
                    units,
                    change_from,
                    since,
                    tells_lag,
                } => {
                    let begun = Begun {
                        bucket,
                        call,
                        units,
                        change_from,
                        since,
                        tells_lag,
                    };
                    calls.insert(number, begun);
                }
            }
        }
        if calls.is_empty() && reads.is_empty() {
            return None;
        }
        let (set, read) = tokio::join!(self.set(calls), self.read(reads));
        Some(set.and(read))
    }

    /// Calls of a bucket that are still needed.
    async fn begin(&self, bucket: u16, numbers: Vec<Number>) -> Vec<(u16, NumberCall)> {
        let begin = BucketCommand::Begin {
            numbers: numbers.clone(),
        };
        let Ok(Answer::Calls(begun)) = self.ask(bucket, begin).await else {
            self.end_all(&numbers, Ended::Refused);
            return Vec::new();
        };
        let mut idle = numbers;
        idle.retain(|(listing, place)| {
            let mut begun = begun.iter();
            !begun.any(|call| call.listing == *listing && call.place == *place)
        });
        self.end_all(&idle, Ended::Done);
        begun.into_iter().map(|call| (bucket, call)).collect()
    }

    fn end_all(&self, numbers: &[Number], ended: Ended) {
        let now = self.clock.now();
        let mut desk = self.desk();
        numbers
            .iter()
            .for_each(|number| desk.ended(number, ended, now));
    }

    async fn set(&self, calls: BTreeMap<Number, Begun>) -> Result<(), CallError> {
        if calls.is_empty() {
            return Ok(());
        }
        let now = self.clock.now().as_ms();
        let numbers = calls.iter().map(|((listing, place), begun)| NumberSet {
            listing: listing.clone(),
            place: place.clone(),
            units: begun.units,
            change_from: begun.change_from,
            // Calls are counted in the journal: after a restore the same count names another call.
            key: format!(
                "{}:{}:{}:{now}",
                self.link.channel, begun.bucket, begun.call
            ),
        });
        let (answers, result) = self.settle(
            self.link.numbers.numbers.set(numbers.collect()).await,
            calls.len(),
        );
        if result.is_ok() {
            let is_undone = |answer: &SetOutcome| matches!(answer, SetOutcome::NotDone);
            self.desk().resize(answers.iter().any(is_undone));
        }
        let mut ended: BTreeMap<u16, Vec<CallEnd>> = BTreeMap::new();
        let (mut refused, mut done) = (Vec::new(), Vec::new());
        for (at, (number, begun)) in calls.into_iter().enumerate() {
            let outcome = outcome(answers.get(at), result.as_ref().err());
            if let (CallOutcome::Confirmed { .. }, Some(since)) = (&outcome, begun.since) {
                self.note_lag(since, begun.tells_lag);
            }
            let (listing, place) = number.clone();
            ended.entry(begun.bucket).or_default().push(CallEnd {
                listing,
                place,
                call: begun.call,
                outcome,
            });
            match answers.get(at) {
                Some(SetOutcome::Refused(_)) => refused.push(number),
                Some(_) | None => done.push(number),
            }
        }
        let ended = ended.into_iter();
        join_all(ended.map(|(bucket, calls)| self.end(bucket, calls))).await;
        self.end_all(&refused, Ended::Refused);
        self.end_all(&done, Ended::Done);
        result
    }

    /// Tells the bucket. One that cannot take it loses the calls by their own deadline.
    async fn end(&self, bucket: u16, calls: Vec<CallEnd>) {
        if let Err(error) = self.ask(bucket, BucketCommand::End { calls }).await {
            tracing::debug!(%error, "the end of calls was not taken; their bucket will lose them");
        }
    }

    async fn read(&self, reads: Vec<(u16, Number)>) -> Result<(), CallError> {
        if reads.is_empty() {
            return Ok(());
        }
        let numbers: Vec<(ListingId, SourceId)> =
            reads.iter().map(|(_, number)| number.clone()).collect();
        let asked_at = self.clock.now();
        let (answers, result) =
            self.settle(self.link.numbers.numbers.read(numbers).await, reads.len());
        let shown = reads.iter().zip(&answers).filter_map(|(read, shown)| {
            let ((bucket, number), shown) = (read, shown.as_ref()?);
            Some(self.show(*bucket, number, shown, asked_at))
        });
        join_all(shown).await;
        let is_missing = |at: usize| result.is_ok() && !matches!(answers.get(at), Some(Some(_)));
        let mut missing: BTreeMap<u16, Vec<Number>> = BTreeMap::new();
        for (at, (bucket, number)) in reads.into_iter().enumerate() {
            match is_missing(at) {
                true => missing.entry(bucket).or_default().push(number),
                false => self.end_all(&[number], Ended::Done),
            }
        }
        for (bucket, numbers) in missing {
            let miss = BucketCommand::Miss {
                numbers: numbers.clone(),
            };
            if let Err(error) = self.ask(bucket, miss).await {
                tracing::debug!(%error, "that numbers are missing was not taken; they are asked for again");
            }
            self.end_all(&numbers, Ended::Refused);
        }
        result
    }

    async fn show(
        &self,
        bucket: u16,
        (listing, place): &Number,
        shown: &NumberShown,
        asked_at: Timestamp,
    ) -> Option<Seen> {
        let show = BucketCommand::Show {
            listing: listing.clone(),
            level: ShownLevel {
                place: place.clone(),
                units: shown.units,
                at: shown.at,
            },
            asked_at: Some(asked_at),
        };
        match self.ask(bucket, show).await {
            Ok(Answer::Seen(seen)) => Some(seen),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%error, "what a channel shows was not taken; it is read again");
                None
            }
        }
    }

    /// What was answered, for as many numbers as were asked about.
    fn settle<T>(
        &self,
        called: Result<Called<T>, CallError>,
        asked: usize,
    ) -> (Vec<T>, Result<(), CallError>) {
        match called {
            Ok(Called {
                mut answers,
                points_left,
            }) => {
                if let Some(left) = points_left {
                    self.link.numbers.purse.correct(left, self.clock.now());
                }
                answers.truncate(asked);
                (answers, Ok(()))
            }
            Err(error) => (Vec::new(), Err(error)),
        }
    }

    /// Notes how the call went, and tells when a channel goes away and comes back.
    async fn note_call(&self, result: Result<(), CallError>) {
        let now = self.clock.now();
        match result {
            Ok(()) => {
                let was_away = self.desk().answered();
                if was_away {
                    let (channel, how) = (&self.link.channel, "the channel answers again");
                    let close = ExceptionCommand::close(CHANNEL_AWAY, channel.as_str(), how);
                    self.tell(close).await;
                }
            }
            Err(CallError::Throttled { retry_after }) => {
                let span = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
                self.desk().throttled(now + Duration::from_ms(span));
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

    async fn tell(&self, command: ExceptionCommand) {
        let command = Command::Channel(ChannelCommand::Exception(command));
        if let Err(error) = self.ask_channel(command).await {
            tracing::warn!(channel = %self.link.channel, %error, "an exception could not be noted");
        }
    }

    async fn ask_channel(&self, command: Command) -> Result<Answer, AskError> {
        let entity = EntityId::Channel(self.link.channel.clone());
        self.ask_entity(entity, command).await
    }
}

/// What became of a call about one number.
fn outcome(answer: Option<&SetOutcome>, error: Option<&CallError>) -> CallOutcome {
    match (answer, error) {
        (Some(SetOutcome::Confirmed { at }), _) => CallOutcome::Confirmed { at: *at },
        (Some(SetOutcome::Stale), _) => CallOutcome::Stale,
        (Some(SetOutcome::Refused(problem)), _) => CallOutcome::Refused {
            problem: problem.clone(),
        },
        (Some(SetOutcome::NotDone), _)
        | (None, Some(CallError::Throttled { .. } | CallError::NotDone(_))) => CallOutcome::NotDone,
        (None, None | Some(CallError::Unknown(_))) => CallOutcome::Unknown,
    }
}

/// A call under way.
struct Begun {
    bucket: u16,
    call: u64,
    units: u32,
    change_from: Option<i64>,
    /// When the oldest change was made that it tells of.
    since: Option<Timestamp>,
    /// Nothing but the channel's pace kept that waiting.
    tells_lag: bool,
}
