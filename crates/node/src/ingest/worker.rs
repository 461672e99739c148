//! One delivery's way: worked on until it is done, parked under an open exception, or left for later.

use crossdock_journal::{InboxMark, InboxRow, InboxState};
use crossdock_model::command::ChannelCommand;
use crossdock_model::v1::TraceContext;
use crossdock_model::{ChannelId, Class, Command, CredentialId, Duration, EntityId};
use crossdock_runtime::{AskError, By, Handle};

/// Pause before a delivery that met an overloaded or unavailable entity is tried again.
const RETRY: Duration = Duration::from_ms(250);
/// Tries of one delivery in a row before it waits for the next sweep of the inbox.
const TRIES: u32 = 5;

/// Why a delivery is not done.
pub(super) enum Stuck {
    /// Try again: nothing is wrong with the delivery.
    Later(AskError),
    /// Waits under an open exception.
    Parked {
        kind: &'static str,
        subject: String,
        cause: String,
        parked_on: String,
    },
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
    pub(super) trace: Option<TraceContext>,
}

impl Worker {
    /// Works on a delivery.
    pub(super) async fn work(&self, row: &InboxRow) -> Worked {
        let mut subject = row.subject.clone();
        match self.try_until_settled(row, &mut subject).await {
            Ok(()) => {
                self.done(row, row.parked_on.clone(), subject).await;
                Worked::Done
            }
            Err(Stuck::Later(error)) => {
                self.later(row, &error);
                Worked::Later
            }
            Err(Stuck::Parked {
                kind,
                subject: about,
                cause,
                parked_on,
            }) => {
                self.park(row, kind, &about, &cause, &parked_on, subject.clone())
                    .await;
                // What it waits for may have come while it was being parked, and found nothing waiting.
                if self.take_in(row, &mut subject).await.is_err() {
                    return Worked::Parked;
                }
                self.done(row, Some(parked_on), subject).await;
                Worked::Done
            }
        }
    }

    /// Opens an exception, then puts the delivery aside until what it waits for is there.
    pub(super) async fn park(
        &self,
        row: &InboxRow,
        kind: &str,
        about: &str,
        cause: &str,
        parked_on: &str,
        subject: Option<String>,
    ) {
        self.open_exception(row, kind, about, cause).await;
        self.mark(row, InboxState::Parked, Some(parked_on.to_owned()), subject)
            .await;
    }

    async fn done(&self, row: &InboxRow, waited_for: Option<String>, subject: Option<String>) {
        if let Some(waited_for) = waited_for {
            self.close_exception(&row.delivery.id.channel, &waited_for)
                .await;
        }
        self.mark(row, InboxState::Done, None, subject).await;
    }

    fn later(&self, row: &InboxRow, error: &AskError) {
        let id = &row.delivery.id;
        tracing::warn!(channel = %id.channel, delivery = id.delivery, %error, "tried again later");
        self.handle.release_delivery(id);
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

    async fn try_until_settled(
        &self,
        row: &InboxRow,
        subject: &mut Option<String>,
    ) -> Result<(), Stuck> {
        let mut tries = 0;
        loop {
            match self.take_in(row, subject).await {
                Err(Stuck::Later(_)) if tries < TRIES => {
                    tries += 1;
                    self.handle
                        .sleep(Duration::from_ms(RETRY.as_ms() * u64::from(tries)))
                        .await;
                }
                settled => return settled,
            }
        }
    }

    async fn open_exception(&self, row: &InboxRow, kind: &str, subject: &str, cause: &str) {
        let id = &row.delivery.id;
        let evidence = vec![
            ("topic".to_owned(), row.delivery.topic.clone()),
            ("delivery".to_owned(), id.delivery.clone()),
        ];
        let command = ChannelCommand::OpenException {
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            cause: cause.to_owned(),
            evidence,
        };
        self.tell_channel(&id.channel, command).await;
    }

    async fn close_exception(&self, channel: &ChannelId, subject: &str) {
        for kind in ["unmapped", "refused", "unreadable"] {
            let command = ChannelCommand::CloseException {
                kind: kind.to_owned(),
                subject: subject.to_owned(),
                how: "The delivery was worked on after all.".to_owned(),
            };
            self.tell_channel(channel, command).await;
        }
    }

    async fn tell_channel(&self, channel: &ChannelId, command: ChannelCommand) {
        let Ok(principal) = CredentialId::new("ingest") else {
            return;
        };
        let entity = EntityId::Channel(channel.clone());
        let asked = self.handle.ask(
            entity,
            Command::Channel(command),
            By::new(principal).of(Class::ChannelOrder),
        );
        if let Err(error) = asked.await {
            tracing::warn!(%channel, %error, "an exception could not be recorded; the delivery stays parked");
        }
    }
}

/// What a delivery that names no order is called.
pub(super) fn delivery_subject(row: &InboxRow) -> String {
    let id = &row.delivery.id;
    format!("delivery:{}/{}", id.channel, id.delivery)
}
