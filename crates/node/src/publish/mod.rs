//! Publishes numbers to channels: what is most dangerous first, as each channel's rate allows, each channel by itself.
//!
//! A [`Publisher`] is the shell of one channel's desk. It asks a bucket to begin a call, which is an event before the
//! call is made, makes it, and tells the bucket what became of it.

mod shopify;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crossdock_channels::{CallError, Called, NumberSet, NumberShown, Numbers, SetOutcome};
use crossdock_model::answer::{NumberCall, NumberCallKind};
use crossdock_model::command::{BucketCommand, ChannelCommand};
use crossdock_model::v1::{CallOutcome, ShownLevel};
use crossdock_model::{
    Answer, ChannelId, Class, Command, CredentialId, Duration, EntityId, ListingId, SourceId,
    Timestamp,
};
use crossdock_runtime::{
    AskError, BUCKETS, Budget, By, Clock, Desk, DeskLimits, Ended, Handle, Number, Offers,
    Outbound, Pick,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Kind of the exception about a channel that does not answer.
const CHANNEL_AWAY: &str = "channel_away";
/// Pause before something is said to a bucket again that could not take it.
const AGAIN: Duration = Duration::from_ms(500);

pub use shopify::publishers;

/// Who publishes to which channel.
#[derive(Default)]
pub struct Publishers(HashMap<ChannelId, Arc<Publisher>>);

impl Publishers {
    /// These publishers, each for its channel.
    #[must_use]
    pub fn new(publishers: impl IntoIterator<Item = Arc<Publisher>>) -> Self {
        let named = publishers.into_iter();
        Self(named.map(|one| (one.channel.clone(), one)).collect())
    }

    /// Begins to publish, once the node runs. The tasks run until they are aborted.
    pub fn start(&self, handle: &Handle, principal: &CredentialId) -> Vec<JoinHandle<()>> {
        let door = || Door {
            handle: handle.clone(),
            by: By::new(principal.clone()).of(Class::Announcement),
        };
        let fresh = self.0.values();
        let fresh = fresh.filter(|publisher| publisher.door.set(door()).is_ok());
        fresh
            .map(|publisher| tokio::spawn(Arc::clone(publisher).run()))
            .collect()
    }
}

impl Outbound for Publishers {
    fn offered(&self, offers: Offers) {
        if let Some(publisher) = self.0.get(&offers.channel) {
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
    channel: ChannelId,
    numbers: Arc<dyn Numbers>,
    clock: Arc<dyn Clock>,
    desk: Mutex<Desk>,
    budget: Arc<Mutex<Budget>>,
    changed: Notify,
    door: OnceLock<Door>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Publisher {
    /// A publisher. `budget` is shared with all others that call the channel.
    #[must_use]
    pub fn new(
        channel: ChannelId,
        numbers: Arc<dyn Numbers>,
        clock: Arc<dyn Clock>,
        limits: DeskLimits,
        budget: Arc<Mutex<Budget>>,
    ) -> Self {
        Self {
            channel,
            numbers,
            clock,
            desk: Mutex::new(Desk::new(limits)),
            budget,
            changed: Notify::new(),
            door: OnceLock::new(),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }

    async fn run(self: Arc<Self>) {
        self.lose_calls().await;
        loop {
            let now = self.clock.now();
            let picked = self.desk().pick(&mut lock(&self.budget), now);
            if let Some(pick) = picked {
                tokio::spawn(Arc::clone(&self).call(pick));
                continue;
            }
            let due = self.desk().next_due(&lock(&self.budget), now);
            tokio::select! {
                () = self.changed.notified() => {}
                () = self.clock.sleep_until(due.unwrap_or(Timestamp::MAX)) => {}
            }
        }
    }

    /// Calls that another process began are of unknown outcome.
    async fn lose_calls(&self) {
        for bucket in 0..BUCKETS {
            while let Err(error) = self.ask(bucket, BucketCommand::Lose).await {
                if matches!(error, AskError::Rejected(_) | AskError::Quarantined { .. }) {
                    break;
                }
                self.clock.sleep(AGAIN).await;
            }
        }
    }

    async fn ask(&self, bucket: u16, command: BucketCommand) -> Result<Answer, AskError> {
        let Some(door) = self.door.get() else {
            return Err(AskError::ShuttingDown);
        };
        let entity = EntityId::Bucket(self.channel.clone(), bucket);
        let asked = door
            .handle
            .ask(entity, Command::Bucket(command), door.by.clone());
        Ok(asked.await?.answer)
    }

    async fn call(self: Arc<Self>, pick: Pick) {
        let mut calls = BTreeMap::new();
        let mut reads = Vec::new();
        for (bucket, numbers) in pick {
            let begin = BucketCommand::Begin {
                numbers: numbers.clone(),
            };
            let Ok(Answer::Calls(begun)) = self.ask(bucket, begin).await else {
                self.end_all(&numbers, Ended::Refused);
                continue;
            };
            let mut idle: Vec<Number> = numbers;
            for NumberCall {
                listing,
                place,
                kind,
            } in begun
            {
                let number = (listing, place);
                idle.retain(|one| *one != number);
                match kind {
                    NumberCallKind::Read => reads.push((bucket, number)),
                    NumberCallKind::Set {
                        call,
                        units,
                        change_from,
                    } => {
                        let begun = Begun {
                            bucket,
                            call,
                            units,
                            change_from,
                        };
                        calls.insert(number, begun);
                    }
                }
            }
            self.end_all(&idle, Ended::Done);
        }
        if calls.is_empty() && reads.is_empty() {
            self.desk().idle();
        } else {
            let (set, read) = tokio::join!(self.set(calls), self.read(reads));
            self.note_call(set.and(read)).await;
        }
        self.changed.notify_one();
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
        let numbers = calls.iter().map(|((listing, place), begun)| NumberSet {
            listing: listing.clone(),
            place: place.clone(),
            units: begun.units,
            change_from: begun.change_from,
            key: format!("{}:{}:{}", self.channel, begun.bucket, begun.call),
        });
        let (answers, result) = self.settle(self.numbers.set(numbers.collect()).await, calls.len());
        if result.is_ok() {
            let is_undone = |answer: &SetOutcome| matches!(answer, SetOutcome::NotDone);
            self.desk().resize(answers.iter().any(is_undone));
        }
        for (at, (number, begun)) in calls.into_iter().enumerate() {
            let outcome = match (answers.get(at), &result) {
                (Some(SetOutcome::Confirmed { at }), _) => CallOutcome::Confirmed { at: *at },
                (Some(SetOutcome::Stale), _) => CallOutcome::Stale,
                (Some(SetOutcome::Refused(problem)), _) => CallOutcome::Refused {
                    problem: problem.clone(),
                },
                (Some(SetOutcome::NotDone), _) => CallOutcome::Refused {
                    problem: "another number of the same call was not taken".to_owned(),
                },
                (None, Err(error @ (CallError::Throttled { .. } | CallError::NotDone(_)))) => {
                    CallOutcome::Refused {
                        problem: error.to_string(),
                    }
                }
                (None, Ok(()) | Err(CallError::Unknown(_))) => CallOutcome::Unknown,
            };
            let is_refused = matches!(answers.get(at), Some(SetOutcome::Refused(_)));
            let ended = if is_refused {
                Ended::Refused
            } else {
                Ended::Done
            };
            self.end(number, begun, outcome, ended).await;
        }
        result
    }

    /// Tells the bucket. One that cannot take it loses the call by its own deadline.
    async fn end(&self, number: Number, begun: Begun, outcome: CallOutcome, ended: Ended) {
        let (listing, place) = number.clone();
        let end = BucketCommand::End {
            listing,
            place,
            call: begun.call,
            outcome,
        };
        if let Err(error) = self.ask(begun.bucket, end).await {
            tracing::debug!(%error, "a call's end was not taken; its bucket will lose it");
        }
        self.end_all(&[number], ended);
    }

    async fn read(&self, reads: Vec<(u16, Number)>) -> Result<(), CallError> {
        if reads.is_empty() {
            return Ok(());
        }
        let numbers: Vec<(ListingId, SourceId)> =
            reads.iter().map(|(_, number)| number.clone()).collect();
        let asked_at = self.clock.now();
        let (answers, result) = self.settle(self.numbers.read(numbers).await, reads.len());
        for (at, (bucket, number)) in reads.into_iter().enumerate() {
            let shown: Option<&NumberShown> = answers.get(at).and_then(Option::as_ref);
            let ended = match (shown, &result) {
                (Some(shown), _) => {
                    self.show(bucket, &number, shown, asked_at).await;
                    Ended::Done
                }
                (None, Ok(())) => Ended::Refused,
                (None, Err(_)) => Ended::Done,
            };
            self.end_all(&[number], ended);
        }
        result
    }

    async fn show(
        &self,
        bucket: u16,
        (listing, place): &Number,
        shown: &NumberShown,
        asked_at: Timestamp,
    ) {
        let show = BucketCommand::Show {
            listing: listing.clone(),
            level: ShownLevel {
                place: place.clone(),
                units: shown.units,
                at: shown.at,
            },
            asked_at: Some(asked_at),
        };
        if let Err(error) = self.ask(bucket, show).await {
            tracing::debug!(%error, "what a channel shows was not taken; it is read again");
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
                    lock(&self.budget).correct(left, self.clock.now());
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
                    let how = "the channel answers again".to_owned();
                    self.tell(ChannelCommand::CloseException {
                        kind: CHANNEL_AWAY.to_owned(),
                        subject: self.channel.to_string(),
                        episode: None,
                        how,
                    })
                    .await;
                }
            }
            Err(CallError::Throttled { retry_after }) => {
                let span = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
                self.desk().throttled(now + Duration::from_ms(span));
            }
            Err(error @ (CallError::NotDone(_) | CallError::Unknown(_))) => {
                if self.desk().unanswered(now) {
                    self.tell(ChannelCommand::OpenException {
                        kind: CHANNEL_AWAY.to_owned(),
                        subject: self.channel.to_string(),
                        cause: format!(
                            "{} does not answer: its numbers may be wrong by what was sold since. It is tried again \
                             all the time; see its status page, and its token here. The last call: {error}",
                            self.channel
                        ),
                        evidence: Vec::new(),
                    })
                    .await;
                }
            }
        }
    }

    async fn tell(&self, command: ChannelCommand) {
        let Some(door) = self.door.get() else { return };
        let entity = EntityId::Channel(self.channel.clone());
        let told = door
            .handle
            .ask(entity, Command::Channel(command), door.by.clone());
        if let Err(error) = told.await {
            tracing::warn!(channel = %self.channel, %error, "an exception could not be noted");
        }
    }
}

/// A call under way.
struct Begun {
    bucket: u16,
    call: u64,
    units: u32,
    change_from: Option<i64>,
}
