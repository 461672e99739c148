//! Hands over many numbers at a time where a channel takes them so, once more wait than can be sent one by one soon.
//!
//! Only what nobody oversells by while it waits; what must be lower goes by itself, before, meanwhile and after. The buckets
//! hold what was handed over until they are told what became of it, or its time is up: also if this process is gone. The
//! next one knows no name for it, and asks the channel whether anything is still to be set.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossdock_channels::{BulkState, CallError};
use crossdock_model::answer::NumberCallKind;
use crossdock_model::command::{BucketCommand, CallEnd};
use crossdock_model::v1::CallOutcome;
use crossdock_model::{Answer, Duration, Timestamp};
use crossdock_runtime::{BUCKETS, CALLS_MAX, Number};

use super::Publisher;
use crate::links::BulkLink;
use crate::spend::Spend;

/// A number that is handed over.
struct Handed {
    bucket: u16,
    number: Number,
    call: u64,
    units: u32,
    since: Option<Timestamp>,
}

impl Publisher {
    /// Hands over what waits, one after the other; never ends.
    pub(super) async fn hand_over(self: Arc<Self>) {
        let Some(link) = &self.link.numbers.bulk else {
            return std::future::pending().await;
        };
        self.link.may_write().await;
        self.end_unnamed(link).await;
        let mut refusals = 0;
        loop {
            let now = self.clock.now();
            let is_due = self.desk().may_wait(now) >= link.waiting_min
                && link.spends.iter().all(Spend::is_ready);
            let pause = match is_due {
                true => self.hand_over_once(link, &mut refusals).await,
                false => link.look_every,
            };
            self.clock.sleep(pause).await;
        }
    }

    /// From its beginning to its end. Returns for how long nothing is to be handed over after that: longer, the more often in
    /// a row nothing came of it.
    pub(super) async fn hand_over_once(&self, link: &BulkLink, refusals: &mut u32) -> Duration {
        let until = self.clock.now() + link.open_max;
        let handed = self.begin_in_bulk(link, until).await;
        if handed.is_empty() {
            return link.look_every;
        }
        for spend in &link.spends {
            spend.take().await;
        }
        let numbers = handed.iter().map(|one| {
            let (listing, place) = one.number.clone();
            (listing, place, one.units)
        });
        let channel = &self.link.channel;
        let state = match link.bulk.hand_over(numbers.collect()).await {
            Ok(name) => {
                *refusals = 0;
                tracing::info!(%channel, name, numbers = handed.len(), "numbers are handed over");
                self.await_end(link, &name, handed.len(), until).await
            }
            Err(CallError::Unknown(problem)) => {
                tracing::warn!(%channel, problem, "nobody knows whether numbers were handed over");
                self.end_unnamed(link).await;
                return link.rest;
            }
            Err(error @ (CallError::NotDone(_) | CallError::Throttled { .. })) => {
                tracing::warn!(%channel, %error, "numbers could not be handed over");
                self.end_in_bulk(handed, &BulkState::NotDone).await;
                let pause = refused_pause(link, &error, *refusals);
                *refusals = refusals.saturating_add(1);
                return pause;
            }
        };
        if let BulkState::Lost(problem) = &state {
            tracing::warn!(%channel, problem, "nobody knows which of the numbers handed over were set");
        }
        let is_done = matches!(state, BulkState::Done { .. });
        self.end_in_bulk(handed, &state).await;
        match is_done {
            true => link.look_every,
            false => link.rest,
        }
    }

    /// Ends what is handed over and has no name here, once the channel says that nothing is to be set any more. All others
    /// wait until then.
    async fn end_unnamed(&self, link: &BulkLink) {
        let Some(first) = self.first_in_bulk().await else {
            return;
        };
        let begun_before = self.clock.now() + Duration::from_ms(1);
        loop {
            self.clock.sleep(link.list_every).await;
            match link.bulk.is_open(first, begun_before).await {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => tracing::debug!(%error, "whether numbers are to be set is not known"),
            }
            if self.clock.now() >= begun_before + link.open_max {
                // The time of each is up, as its bucket knows.
                return;
            }
        }
        tracing::info!(channel = %self.link.channel, "nothing handed over before is to be set any more");
        for bucket in 0..BUCKETS {
            let lose = BucketCommand::LoseInBulk { begun_before };
            self.ask_surely(bucket, lose).await;
        }
    }

    /// When the first of what is not ended was handed over.
    async fn first_in_bulk(&self) -> Option<Timestamp> {
        let mut first = None;
        for bucket in 0..BUCKETS {
            let answer = self.ask_surely(bucket, BucketCommand::LookInBulk).await;
            if let Some(Answer::InBulk(Some(at))) = answer {
                first = Some(first.map_or(at, |first: Timestamp| first.min(at)));
            }
        }
        first
    }

    async fn begin_in_bulk(&self, link: &BulkLink, until: Timestamp) -> Vec<Handed> {
        let numbers_max = link.bulk.numbers_max();
        let mut handed = Vec::new();
        for bucket in 0..BUCKETS {
            loop {
                let asked = CALLS_MAX.min(numbers_max - handed.len());
                let begin = BucketCommand::BeginInBulk {
                    numbers_max: asked,
                    until,
                    set_within: link.set_within,
                };
                let Ok(Answer::Calls(calls)) = self.ask(bucket, begin).await else {
                    break;
                };
                let is_all = calls.len() < asked;
                handed.extend(calls.into_iter().filter_map(|call| match call.kind {
                    NumberCallKind::Set {
                        call: id,
                        units,
                        since,
                        ..
                    } => Some(Handed {
                        bucket,
                        number: (call.listing, call.place),
                        call: id,
                        units,
                        since,
                    }),
                    NumberCallKind::Read => None,
                }));
                if handed.len() >= numbers_max {
                    return handed;
                }
                if is_all {
                    break;
                }
            }
        }
        handed
    }

    /// Looks until it has ended, or nobody waits for it any more.
    async fn await_end(
        &self,
        link: &BulkLink,
        name: &str,
        count: usize,
        until: Timestamp,
    ) -> BulkState {
        loop {
            self.clock.sleep(link.look_every).await;
            match link.bulk.look(name.to_owned(), count).await {
                Ok(BulkState::Open) => {}
                Ok(ended) => return ended,
                Err(error) => tracing::debug!(%error, "how far numbers are is not known"),
            }
            if self.clock.now() >= until {
                return BulkState::Lost("it has not ended in time".to_owned());
            }
        }
    }

    async fn end_in_bulk(&self, handed: Vec<Handed>, state: &BulkState) {
        let mut ended: BTreeMap<u16, Vec<CallEnd>> = BTreeMap::new();
        for (at, one) in handed.into_iter().enumerate() {
            let (listing, place) = one.number;
            let outcome = outcome(state, at);
            if let (CallOutcome::Confirmed { .. }, Some(since)) = (&outcome, one.since) {
                // What goes among many is raised.
                self.note_lag(since, false);
            }
            ended.entry(one.bucket).or_default().push(CallEnd {
                listing,
                place,
                call: one.call,
                outcome,
            });
        }
        for (bucket, calls) in ended {
            for page in calls.chunks(CALLS_MAX) {
                self.end(bucket, page.to_vec()).await;
            }
        }
    }
}

/// Pause after nothing was handed over: as long as the channel says, else doubled each time.
fn refused_pause(link: &BulkLink, error: &CallError, refusals: u32) -> Duration {
    let pause = match error {
        CallError::Throttled { retry_after } => *retry_after,
        CallError::NotDone(_) | CallError::Unknown(_) => {
            let ms = link
                .look_every
                .as_ms()
                .saturating_mul(1 << refusals.min(20));
            Duration::from_ms(ms).min(link.rest)
        }
    };
    pause.max(link.look_every)
}

/// What became of the number at that place.
fn outcome(state: &BulkState, at: usize) -> CallOutcome {
    match state {
        BulkState::Done { at: since, refused } => match refused.get(&at) {
            Some(problem) => CallOutcome::Refused {
                problem: problem.clone(),
            },
            None => CallOutcome::Confirmed { at: *since },
        },
        BulkState::NotDone => CallOutcome::NotDone,
        BulkState::Lost(_) | BulkState::Open => CallOutcome::Unknown,
    }
}
