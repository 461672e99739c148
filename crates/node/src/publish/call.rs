//! Calls: their buckets begin them, the channel is called, and the buckets are told what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossdock_channels::{CallError, NumberSet, NumberShown, SetOutcome};
use crossdock_model::answer::{NumberCall, NumberCallKind, Seen};
use crossdock_model::command::{BucketCommand, CallEnd};
use crossdock_model::v1::{CallOutcome, ShownLevel};
use crossdock_model::{Answer, ListingId, SourceId, Timestamp};
use crossdock_runtime::{Ended, Number, Pick};
use futures::future::join_all;

use super::Publisher;

impl Publisher {
    /// A call in a task of its own: one that crashes takes no other along, and what it had begun is lost by its deadline.
    pub(super) async fn call(self: Arc<Self>, pick: Pick) {
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
                    until,
                } => {
                    let begun = Begun {
                        bucket,
                        call,
                        units,
                        change_from,
                        since,
                        tells_lag,
                        until,
                    };
                    calls.insert(number, begun);
                }
            }
        }
        let (calls, late) = self.in_time(calls);
        if calls.is_empty() && reads.is_empty() {
            self.give_up(late).await;
            return None;
        }
        let (set, read, ()) = tokio::join!(self.set(calls), self.read(reads), self.give_up(late));
        Some(set.and(read))
    }

    /// Calls that have surely ended before their buckets take them for ended, and others: it took too long until it was
    /// durable that these are begun, and what they set could be shown after nobody reckons with it any more.
    fn in_time(&self, calls: Calls) -> (Calls, Calls) {
        let ends_at = self.clock.now() + self.link.numbers.call_max;
        calls
            .into_iter()
            .partition(|(_, begun)| ends_at <= begun.until)
    }

    /// They are not made; their numbers are offered again.
    async fn give_up(&self, calls: Calls) {
        let numbers: Vec<Number> = calls.keys().cloned().collect();
        let mut ended: BTreeMap<u16, Vec<CallEnd>> = BTreeMap::new();
        for (number, begun) in calls {
            let end = begun.ended(number, CallOutcome::NotDone);
            ended.entry(begun.bucket).or_default().push(end);
        }
        self.end_calls(ended).await;
        self.end_all(&numbers, Ended::Done);
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

    async fn set(&self, calls: Calls) -> Result<(), CallError> {
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
        let (answers, result) = settle(
            self.link.numbers.numbers.set(numbers.collect()).await,
            calls.len(),
        );
        let is_undone = |answer: &SetOutcome| matches!(answer, SetOutcome::NotDone);
        match &result {
            Ok(()) => self.desk().resize(answers.iter().any(is_undone)),
            Err(CallError::Throttled { .. }) => {}
            // One number may be what a call of many failed for: the next ones are smaller.
            Err(CallError::NotDone(_) | CallError::Unknown(_)) => self.desk().resize(true),
        }
        let mut ended: BTreeMap<u16, Vec<CallEnd>> = BTreeMap::new();
        let (mut refused, mut done) = (Vec::new(), Vec::new());
        for (at, (number, begun)) in calls.into_iter().enumerate() {
            let outcome = outcome(answers.get(at), result.as_ref().err());
            if let (CallOutcome::Confirmed { .. }, Some(since)) = (&outcome, begun.since) {
                self.note_lag(since, begun.tells_lag);
            }
            let end = begun.ended(number.clone(), outcome);
            ended.entry(begun.bucket).or_default().push(end);
            match answers.get(at) {
                Some(SetOutcome::Refused(_)) => refused.push(number),
                Some(_) | None => done.push(number),
            }
        }
        self.end_calls(ended).await;
        self.end_all(&refused, Ended::Refused);
        self.end_all(&done, ended_with(&result));
        result
    }

    async fn end_calls(&self, ended: BTreeMap<u16, Vec<CallEnd>>) {
        let ended = ended.into_iter();
        join_all(ended.map(|(bucket, calls)| self.end(bucket, calls))).await;
    }

    /// Tells the bucket. One that cannot take it loses the calls by their own deadline.
    pub(super) async fn end(&self, bucket: u16, calls: Vec<CallEnd>) {
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
        let (answers, result) = settle(self.link.numbers.numbers.read(numbers).await, reads.len());
        match &result {
            Ok(()) => self.desk().resize_reads(false),
            Err(CallError::Throttled { .. }) => {}
            Err(CallError::NotDone(_) | CallError::Unknown(_)) => self.desk().resize_reads(true),
        }
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
                false => self.end_all(&[number], ended_with(&result)),
            }
        }
        for (bucket, numbers) in missing {
            self.miss(bucket, numbers.clone(), asked_at).await;
            self.end_all(&numbers, Ended::Refused);
        }
        result
    }

    /// Tells a bucket that the channel does not have these numbers.
    pub(super) async fn miss(&self, bucket: u16, numbers: Vec<Number>, asked_at: Timestamp) {
        let miss = BucketCommand::Miss { numbers, asked_at };
        if let Err(error) = self.ask(bucket, miss).await {
            tracing::debug!(%error, "that numbers are missing was not taken; they are asked for again");
        }
    }

    pub(super) async fn show(
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
}

/// What was answered, for as many numbers as were asked about.
pub(super) fn settle<T>(
    called: Result<Vec<T>, CallError>,
    asked: usize,
) -> (Vec<T>, Result<(), CallError>) {
    match called {
        Ok(mut answers) => {
            answers.truncate(asked);
            (answers, Ok(()))
        }
        Err(error) => (Vec::new(), Err(error)),
    }
}

/// What became of the numbers of a call that none of them was refused by.
fn ended_with(result: &Result<(), CallError>) -> Ended {
    match result {
        Ok(()) | Err(CallError::Throttled { .. }) => Ended::Done,
        Err(CallError::NotDone(_) | CallError::Unknown(_)) => Ended::Failed,
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
    /// Its bucket takes it for ended from then on.
    until: Timestamp,
}

impl Begun {
    fn ended(&self, (listing, place): Number, outcome: CallOutcome) -> CallEnd {
        CallEnd {
            listing,
            place,
            call: self.call,
            outcome,
        }
    }
}

type Calls = BTreeMap<Number, Begun>;
