//! One delivery's way: worked on until it is done, parked under an open exception, or left for later.

use crossdock_engine::{Course, Next, Tried};
use crossdock_journal::{InboxMark, InboxRow, InboxState};
use crossdock_model::command::ExceptionCommand;
use crossdock_model::v1::TraceContext;
use crossdock_model::{ChannelId, Class, CredentialId};
use crossdock_runtime::{AskError, By, CONFLICT_HEADER, Handle};

use super::Ways;
use crate::exceptions;
use crate::links::Links;

/// Kinds of exceptions under which a delivery waits.
const WAITS: [&str; 5] = ["unmapped", "early", "refused", "uncountable", "unreadable"];

/// Why a delivery is not done.
pub(super) enum Stuck {
    /// Try again: nothing is wrong with the delivery.
    Later(AskError),
    /// Waits under an open exception until its subject is there.
    Parked(Lack),
}

/// What a delivery waits for.
pub(super) struct Lack {
    pub(super) kind: &'static str,
    pub(super) subject: String,
    pub(super) cause: String,
}

impl From<AskError> for Stuck {
    fn from(error: AskError) -> Self {
        Self::Later(error)
    }
}

/// How work on a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worked {
    Done,
    Parked,
    Later,
}

impl Worked {
    /// As spans call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Parked => "parked",
            Self::Later => "later",
        }
    }
}

/// Works on one delivery at a time.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) handle: Handle,
    pub(super) ways: Ways,
    /// To whoever reads orders again that are only said to have changed.
    pub(super) links: Links,
    pub(super) trace: Option<TraceContext>,
}

impl Worker {
    /// Works on a delivery until it is done, parked or given back.
    pub(super) async fn work(&self, row: &InboxRow) -> Worked {
        self.tell_of_conflict(row).await;
        let mut subject = row.subject.clone();
        let mut course = Course::of(row.parked_on.clone());
        loop {
            let tried = self.take_in(row, &mut subject).await;
            match course.ended(ended(&tried)) {
                Next::Again(pause) => self.handle.sleep(pause).await,
                Next::Done { waited_for } => {
                    self.found(row, waited_for.as_deref(), None).await;
                    self.mark(row, InboxState::Done, None, subject).await;
                    return Worked::Done;
                }
                Next::GivenBack { waits_for } => {
                    self.later(row, tried.err(), waits_for, subject).await;
                    return Worked::Later;
                }
                Next::Parks { waited_for } => {
                    if let Err(Stuck::Parked(lack)) = &tried {
                        self.found(row, waited_for.as_deref(), Some(lack)).await;
                        self.park(row, lack, subject.clone()).await;
                    }
                }
                Next::Rests => return Worked::Parked,
            }
        }
    }

    /// Tells people of a delivery whose id the channel had used for another one. It is worked on like any other.
    async fn tell_of_conflict(&self, row: &InboxRow) {
        let mut headers = row.delivery.headers.iter();
        let taken = headers.find(|(name, _)| name == CONFLICT_HEADER);
        let Some((_, taken)) = taken.filter(|_| row.attempts == 0) else {
            return;
        };
        let channel = &row.delivery.id.channel;
        let lack = Lack {
            kind: "delivery_conflict",
            subject: delivery_subject(row),
            cause: format!(
                "{channel} sent two different deliveries as {taken}: both are kept and worked on."
            ),
        };
        self.open_exception(row, &lack).await;
    }

    /// Opens an exception, then puts the delivery aside until what it waits for is there.
    pub(super) async fn park(&self, row: &InboxRow, lack: &Lack, subject: Option<String>) {
        self.open_exception(row, lack).await;
        let waits_for = Some(lack.subject.clone());
        self.mark(row, InboxState::Parked, waits_for, subject).await;
    }

    /// What a delivery waited for has come, but for what it still lacks.
    async fn found(&self, row: &InboxRow, waited_for: Option<&str>, lack: Option<&Lack>) {
        let Some(subject) = waited_for else {
            return;
        };
        let lacks =
            |kind: &str| lack.is_some_and(|lack| (lack.kind, &*lack.subject) == (kind, subject));
        for kind in WAITS.into_iter().filter(|kind| !lacks(kind)) {
            let how = "What it waited for has come.";
            self.close_exception(&row.delivery.id.channel, kind, subject, how)
                .await;
        }
    }

    /// Gives a delivery back as it is, but one more attempt on: the next sweep finds those first that were not tried
    /// as often, so that the deliveries of a channel that is put aside stand in the way of no other.
    async fn later(
        &self,
        row: &InboxRow,
        stuck: Option<Stuck>,
        waits_for: Option<String>,
        subject: Option<String>,
    ) {
        let id = &row.delivery.id;
        if let Some(Stuck::Later(error)) = stuck {
            tracing::warn!(channel = %id.channel, delivery = id.delivery, %error, "tried again later");
            if error == AskError::ShuttingDown {
                self.handle.release_delivery(id);
                return;
            }
        }
        let state = match waits_for {
            Some(_) => InboxState::Parked,
            None => InboxState::Open,
        };
        self.mark(row, state, waits_for, subject).await;
    }

    async fn mark(
        &self,
        row: &InboxRow,
        state: InboxState,
        parked_on: Option<String>,
        subject: Option<String>,
    ) {
        let mark = InboxMark {
            id: row.delivery.id.clone(),
            state,
            parked_on,
            subject,
        };
        if let Err(error) = self.handle.mark_delivery(mark).await {
            tracing::warn!(%error, "a delivery's mark was lost: it will be worked on again");
        }
    }

    pub(super) async fn open_exception(&self, row: &InboxRow, lack: &Lack) {
        let id = &row.delivery.id;
        let evidence = vec![
            ("topic".to_owned(), row.delivery.topic.clone()),
            ("delivery".to_owned(), id.delivery.clone()),
        ];
        let cause = lack.cause.clone();
        let open = ExceptionCommand::open_with(lack.kind, &lack.subject, cause, evidence);
        self.tell_channel(&id.channel, open).await;
    }

    pub(super) async fn close_exception(
        &self,
        channel: &ChannelId,
        kind: &str,
        subject: &str,
        how: &str,
    ) {
        let close = ExceptionCommand::close(kind, subject, how);
        self.tell_channel(channel, close).await;
    }

    async fn tell_channel(&self, channel: &ChannelId, command: ExceptionCommand) {
        let Ok(principal) = CredentialId::new("ingest") else {
            return;
        };
        let by = By::new(principal).of(Class::ChannelOrder);
        exceptions::tell(&self.handle, &by, Some(channel), command).await;
    }
}

/// A try as its course takes it.
fn ended(tried: &Result<(), Stuck>) -> Tried<'_> {
    match tried {
        Ok(()) => Tried::Done,
        Err(Stuck::Later(error)) => Tried::Later {
            passes_soon: passes_soon(error),
        },
        Err(Stuck::Parked(lack)) => Tried::Lacks(&lack.subject),
    }
}

/// Whether what stands in the way is gone in a moment, so that a worker waits for it.
fn passes_soon(error: &AskError) -> bool {
    match error {
        AskError::Overloaded { .. } | AskError::Unknown => true,
        AskError::Rejected(_)
        | AskError::Unavailable(_)
        | AskError::Quarantined { .. }
        | AskError::ShuttingDown => false,
    }
}

/// What a delivery that names no order is called.
pub(super) fn delivery_subject(row: &InboxRow) -> String {
    let id = &row.delivery.id;
    format!("delivery:{}/{}", id.channel, id.delivery)
}
