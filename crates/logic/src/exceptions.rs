//! Open exceptions, kept by whoever records them: one open per kind and subject.
//!
//! Each opening of the same (kind, subject) is an episode of its own, and no episode number is ever given
//! twice: a view folded from the journal may take (kind, subject, episode) as a key for ever.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crossdock_model::Rejection;
use crossdock_model::command::ExceptionCommand;
use crossdock_model::v1::{
    ChannelEvent, ExceptionClosed, ExceptionKey, ExceptionNoted, ExceptionOpened, SystemEvent,
};
use serde::{Deserialize, Serialize};

/// Exceptions of one entity that may be open at a time.
pub const OPEN_MAX: usize = 100_000;
/// Closed exceptions whose episode is remembered one by one.
pub const CLOSED_MAX: usize = 10_000;

/// Longest text of a person that is kept, in bytes.
pub const TEXT_BYTES_MAX: usize = 4_096;

type Name = (String, String);

/// Which exceptions are open, and how often each was opened before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenExceptions {
    open: BTreeMap<Name, u32>,
    closed: BTreeMap<Name, u32>,
    /// Closed ones, the one closed first in front; a name that was opened again meanwhile is skipped.
    closed_order: VecDeque<(Name, u32)>,
    /// Highest episode among those forgotten: an opening nobody remembers counts on from here.
    forgotten: u32,
}

impl OpenExceptions {
    /// The event that opens it; none when it is open already.
    #[must_use]
    pub fn open(
        &self,
        kind: &str,
        subject: &str,
        cause: &str,
        evidence: &[(String, String)],
    ) -> Option<ExceptionOpened> {
        let name = (kind.to_owned(), subject.to_owned());
        if self.open.contains_key(&name) {
            return None;
        }
        let before = self.closed.get(&name).copied().unwrap_or(self.forgotten);
        Some(ExceptionOpened {
            key: key(name, before + 1),
            cause: cause.to_owned(),
            evidence: evidence.to_vec(),
        })
    }

    /// As [`Self::open`], for callers that can be told that there are too many.
    ///
    /// # Errors
    /// [`Rejection::Limit`] when [`OPEN_MAX`] others are open.
    pub fn try_open(
        &self,
        kind: &str,
        subject: &str,
        cause: &str,
        evidence: &[(String, String)],
    ) -> Result<Option<ExceptionOpened>, Rejection> {
        match self.open(kind, subject, cause, evidence) {
            Some(_) if self.open.len() >= OPEN_MAX => Err(Rejection::Limit {
                what: "open exceptions of one entity".to_owned(),
                max: OPEN_MAX as u64,
            }),
            opened => Ok(opened),
        }
    }

    /// The event that closes it; none when it is not open, or when not that episode of it is.
    #[must_use]
    pub fn close(
        &self,
        kind: &str,
        subject: &str,
        episode: Option<u32>,
        how: &str,
    ) -> Option<ExceptionClosed> {
        let name = (kind.to_owned(), subject.to_owned());
        let open = *self.open.get(&name)?;
        let episode = Some(open).filter(|open| episode.is_none_or(|wanted| wanted == *open))?;
        Some(ExceptionClosed {
            key: key(name, episode),
            how: how.to_owned(),
        })
    }

    /// What a command comes to; nothing when it is so already.
    ///
    /// # Errors
    /// As [`Self::try_open`], [`Self::resolve`] and [`Self::note`].
    pub fn decide(&self, command: &ExceptionCommand) -> Result<Option<ExceptionEvent>, Rejection> {
        Ok(match command {
            ExceptionCommand::Open {
                kind,
                subject,
                cause,
                evidence,
            } => self
                .try_open(kind, subject, cause, evidence)?
                .map(ExceptionEvent::Opened),
            ExceptionCommand::Close { kind, subject, how } => self
                .close(kind, subject, None, how)
                .map(ExceptionEvent::Closed),
            ExceptionCommand::Resolve { key, how } => {
                Some(ExceptionEvent::Closed(self.resolve(key, how)?))
            }
            ExceptionCommand::Note { key, text } => {
                Some(ExceptionEvent::Noted(self.note(key, text)?))
            }
        })
    }

    /// The event of a note on that episode.
    ///
    /// # Errors
    /// As [`noted`].
    pub fn note(&self, key: &ExceptionKey, text: &str) -> Result<ExceptionNoted, Rejection> {
        noted(self.is_open(key), key, text)
    }

    /// The event by which a person settles that episode.
    ///
    /// # Errors
    /// As [`resolved`].
    pub fn resolve(&self, key: &ExceptionKey, how: &str) -> Result<ExceptionClosed, Rejection> {
        resolved(self.is_open(key), key, how)
    }

    /// Subjects of those of a kind that are open.
    #[must_use]
    pub fn open_of(&self, kind: &str) -> BTreeSet<String> {
        let from = (kind.to_owned(), String::new());
        let open = self.open.range(from..).map(|(name, _)| name);
        let open = open.take_while(|(known, _)| known == kind);
        open.map(|(_, subject)| subject.clone()).collect()
    }

    fn is_open(&self, key: &ExceptionKey) -> bool {
        self.open.get(&name(key)) == Some(&key.episode)
    }

    /// Takes an opening over.
    pub fn apply_opened(&mut self, opened: &ExceptionOpened) {
        let name = name(&opened.key);
        self.closed.remove(&name);
        self.open.insert(name, opened.key.episode);
    }

    /// Takes a closing over.
    pub fn apply_closed(&mut self, closed: &ExceptionClosed) {
        let (name, episode) = (name(&closed.key), closed.key.episode);
        self.open.remove(&name);
        self.closed.insert(name.clone(), episode);
        self.closed_order.push_back((name, episode));
        while self.closed_order.len() > CLOSED_MAX {
            let Some((name, episode)) = self.closed_order.pop_front() else {
                return;
            };
            if self.closed.get(&name) == Some(&episode) {
                self.closed.remove(&name);
                self.forgotten = self.forgotten.max(episode);
            }
        }
    }
}

/// What happened to an exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExceptionEvent {
    /// It is open.
    Opened(ExceptionOpened),
    /// It is over.
    Closed(ExceptionClosed),
    /// A person wrote onto it.
    Noted(ExceptionNoted),
}

impl From<ExceptionEvent> for ChannelEvent {
    fn from(event: ExceptionEvent) -> Self {
        match event {
            ExceptionEvent::Opened(opened) => Self::ExceptionOpened(opened),
            ExceptionEvent::Closed(closed) => Self::ExceptionClosed(closed),
            ExceptionEvent::Noted(noted) => Self::ExceptionNoted(noted),
        }
    }
}

impl From<ExceptionEvent> for SystemEvent {
    fn from(event: ExceptionEvent) -> Self {
        match event {
            ExceptionEvent::Opened(opened) => Self::ExceptionOpened(opened),
            ExceptionEvent::Closed(closed) => Self::ExceptionClosed(closed),
            ExceptionEvent::Noted(noted) => Self::ExceptionNoted(noted),
        }
    }
}

/// What a person wrote onto an exception, which must be open.
///
/// # Errors
/// [`Rejection::NotFound`] unless it is, [`Rejection::Invalid`] when the text is too long.
pub fn noted(open: bool, key: &ExceptionKey, text: &str) -> Result<ExceptionNoted, Rejection> {
    check_text("text", text)?;
    match open {
        true => Ok(ExceptionNoted {
            key: key.clone(),
            text: text.to_owned(),
        }),
        false => Err(not_open(key)),
    }
}

/// What a person says of settling an exception, which must be open.
///
/// # Errors
/// [`Rejection::NotFound`] unless it is, [`Rejection::Invalid`] when the text is too long.
pub fn resolved(open: bool, key: &ExceptionKey, how: &str) -> Result<ExceptionClosed, Rejection> {
    check_text("how", how)?;
    match open {
        true => Ok(ExceptionClosed {
            key: key.clone(),
            how: how.to_owned(),
        }),
        false => Err(not_open(key)),
    }
}

fn not_open(key: &ExceptionKey) -> Rejection {
    let ExceptionKey { kind, subject, .. } = key;
    Rejection::NotFound(format!("an open exception {kind} of {subject}"))
}

/// Whether a person's text is short enough to be kept.
pub(crate) fn check_text(field: &str, text: &str) -> Result<(), Rejection> {
    match text.len() <= TEXT_BYTES_MAX {
        true => Ok(()),
        false => Err(Rejection::invalid(
            field,
            format!("at most {TEXT_BYTES_MAX} bytes"),
        )),
    }
}

fn key((kind, subject): Name, episode: u32) -> ExceptionKey {
    ExceptionKey {
        kind,
        subject,
        episode,
    }
}

fn name(key: &ExceptionKey) -> Name {
    (key.kind.clone(), key.subject.clone())
}

#[cfg(test)]
mod tests {
    use super::{CLOSED_MAX, OpenExceptions};

    fn opened(exceptions: &mut OpenExceptions, subject: &str) -> Option<u32> {
        let opened = exceptions.open("drift", subject, "The count differs.", &[])?;
        exceptions.apply_opened(&opened);
        Some(opened.key.episode)
    }

    fn closed(exceptions: &mut OpenExceptions, subject: &str) -> Option<u32> {
        let closed = exceptions.close("drift", subject, None, "Counted again.")?;
        exceptions.apply_closed(&closed);
        Some(closed.key.episode)
    }

    #[test]
    fn one_is_open_and_each_opening_is_an_episode() {
        let mut exceptions = OpenExceptions::default();
        assert_eq!(closed(&mut exceptions, "a"), None);
        assert_eq!(opened(&mut exceptions, "a"), Some(1));
        assert_eq!(opened(&mut exceptions, "a"), None);
        assert_eq!(opened(&mut exceptions, "b"), Some(1));
        assert_eq!(closed(&mut exceptions, "a"), Some(1));
        assert_eq!(closed(&mut exceptions, "a"), None);
        assert_eq!(opened(&mut exceptions, "a"), Some(2));
        let close = |episode| exceptions.close("drift", "a", episode, "Looked at.");
        assert!(close(Some(1)).is_none(), "that one is over");
        assert!(close(Some(2)).is_some() && close(None).is_some());
    }

    #[test]
    fn a_note_is_of_the_open_episode_and_short() {
        let mut exceptions = OpenExceptions::default();
        let note = |exceptions: &OpenExceptions, episode, text: &str| {
            let name = ("drift".to_owned(), "a".to_owned());
            let noted = exceptions.note(&super::key(name, episode), text);
            noted.map_err(|rejection| rejection.code())
        };
        assert_eq!(note(&exceptions, 1, "Counting."), Err("not_found"));
        opened(&mut exceptions, "a");
        let noted = note(&exceptions, 1, "Counting.");
        assert_eq!(noted.map(|noted| noted.text), Ok("Counting.".to_owned()));
        assert_eq!(note(&exceptions, 2, "Counting."), Err("not_found"));
        let long = "a".repeat(super::TEXT_BYTES_MAX + 1);
        assert_eq!(note(&exceptions, 1, &long), Err("invalid"));
    }

    #[test]
    fn an_episode_is_never_counted_twice_though_its_exception_is_forgotten() {
        let mut exceptions = OpenExceptions::default();
        for _ in 0..3 {
            opened(&mut exceptions, "old");
            closed(&mut exceptions, "old");
        }
        for number in 0..CLOSED_MAX {
            let subject = number.to_string();
            opened(&mut exceptions, &subject);
            closed(&mut exceptions, &subject);
        }
        assert!(exceptions.closed_order.len() <= CLOSED_MAX);
        assert_eq!(exceptions.forgotten, 3);
        assert_eq!(opened(&mut exceptions, "old"), Some(4));
    }
}
