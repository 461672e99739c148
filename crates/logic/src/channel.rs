//! A channel: its settings, how far it is let in, and exceptions about things that are no entities.
//!
//! An exception may be opened before the channel is connected: what came too early must be seen, not lost.

use crossdock_model::command::ChannelCommand;
use crossdock_model::v1::{ChannelEvent, ChannelMode, ChannelSettings, ExceptionKey};
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};
use crate::exceptions::OpenExceptions;

/// State of a channel. A new one is observed: orders come in, nothing is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelState {
    settings: Option<ChannelSettings>,
    mode: ChannelMode,
    adopt_older_than: Option<Timestamp>,
    exceptions: OpenExceptions,
}

impl Default for ChannelState {
    fn default() -> Self {
        Self {
            settings: None,
            mode: ChannelMode::Observed,
            adopt_older_than: None,
            exceptions: OpenExceptions::default(),
        }
    }
}

impl Decider for ChannelState {
    type Command = ChannelCommand;
    type Event = ChannelEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        command: &ChannelCommand,
    ) -> Result<Decision<ChannelEvent>, Rejection> {
        let connected = self.settings.is_some();
        let event = match command {
            ChannelCommand::Connect(settings) => (self.settings.as_ref() != Some(settings))
                .then(|| ChannelEvent::Connected(settings.clone())),
            ChannelCommand::SetMode(_) | ChannelCommand::BeginAdoption { .. } if !connected => {
                return Err(Rejection::NotFound(asked.id.to_string()));
            }
            ChannelCommand::SetMode(mode) => {
                (self.mode != *mode).then_some(ChannelEvent::ModeSet(*mode))
            }
            ChannelCommand::BeginAdoption { older_than } => (self.adopt_older_than
                != Some(*older_than))
            .then_some(ChannelEvent::AdoptionBegan {
                older_than: *older_than,
            }),
            ChannelCommand::OpenException {
                kind,
                subject,
                cause,
                evidence,
            } => self
                .exceptions
                .try_open(kind, subject, cause, evidence)?
                .map(ChannelEvent::ExceptionOpened),
            ChannelCommand::CloseException {
                kind,
                subject,
                episode: Some(episode),
                how,
            } => {
                let key = ExceptionKey {
                    kind: kind.clone(),
                    subject: subject.clone(),
                    episode: *episode,
                };
                let closed = self.exceptions.resolve(&key, how)?;
                Some(ChannelEvent::ExceptionClosed(closed))
            }
            ChannelCommand::CloseException {
                kind,
                subject,
                episode: None,
                how,
            } => self
                .exceptions
                .close(kind, subject, None, how)
                .map(ChannelEvent::ExceptionClosed),
            ChannelCommand::NoteException { key, text } => Some(ChannelEvent::ExceptionNoted(
                self.exceptions.note(key, text)?,
            )),
        };
        Ok(Decision::done(event.into_iter().collect()))
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        if self.settings.is_none() {
            return Err(Rejection::NotFound(asked.id.to_string()));
        }
        Ok(Answer::Channel {
            settings: self.settings.clone(),
            mode: self.mode,
            adopt_older_than: self.adopt_older_than,
        })
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        event: &ChannelEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        match event {
            ChannelEvent::Connected(settings) => self.settings = Some(settings.clone()),
            ChannelEvent::ModeSet(mode) => self.mode = *mode,
            ChannelEvent::AdoptionBegan { older_than } => self.adopt_older_than = Some(*older_than),
            ChannelEvent::ExceptionOpened(opened) => self.exceptions.apply_opened(opened),
            ChannelEvent::ExceptionClosed(closed) => self.exceptions.apply_closed(closed),
            // Views show it; nothing is decided by it.
            ChannelEvent::ExceptionNoted(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::command::ChannelCommand;
    use crossdock_model::v1::{ChannelEvent, ChannelMode, ChannelSettings, Sale};
    use crossdock_model::{Answer, Command, Event, Rejection, Timestamp};

    use crate::testing::Scene;

    fn settings(sale: Sale) -> ChannelSettings {
        ChannelSettings {
            connector: "shopify".to_owned(),
            sale,
            map_by_sku: true,
        }
    }

    /// Asks in turn; each command leads to so many events.
    #[track_caller]
    fn check(channel: &mut Scene, steps: Vec<(ChannelCommand, usize)>) {
        for (command, events) in steps {
            let command = Command::Channel(command);
            assert_eq!(
                channel.ask(command.clone()),
                Ok(Answer::Done),
                "{command:?}"
            );
            assert_eq!(channel.events.len(), events, "{command:?}");
        }
    }

    #[test]
    fn a_new_channel_is_observed_and_repeats_change_nothing() {
        use ChannelCommand::{BeginAdoption, Connect, SetMode};
        let mut channel = Scene::new("channel:shop");
        let unknown = Err(Rejection::NotFound("channel:shop".to_owned()));
        assert_eq!(channel.ask(Command::Read), unknown);
        let active = Command::Channel(SetMode(ChannelMode::Active));
        assert_eq!(channel.ask(active), unknown);
        check(
            &mut channel,
            vec![
                (Connect(settings(Sale::AlreadySold)), 1),
                (Connect(settings(Sale::AlreadySold)), 0),
                (SetMode(ChannelMode::Observed), 0),
            ],
        );
        let answer = |sale, mode, adopt_older_than| Answer::Channel {
            settings: Some(settings(sale)),
            mode,
            adopt_older_than,
        };
        let observed = answer(Sale::AlreadySold, ChannelMode::Observed, None);
        assert_eq!(channel.ask(Command::Read), Ok(observed));
        let older_than = Timestamp::from_ms(9);
        check(
            &mut channel,
            vec![
                (SetMode(ChannelMode::Active), 1),
                (SetMode(ChannelMode::Active), 0),
                (BeginAdoption { older_than }, 1),
                (BeginAdoption { older_than }, 0),
                (Connect(settings(Sale::Asks)), 1),
            ],
        );
        let active = answer(Sale::Asks, ChannelMode::Active, Some(older_than));
        assert_eq!(channel.ask(Command::Read), Ok(active));
    }

    #[test]
    fn an_exception_is_open_once_and_counts_its_episodes() {
        let open = || ChannelCommand::OpenException {
            kind: "unmapped".to_owned(),
            subject: "listing:42".to_owned(),
            cause: "Nothing is mapped to this listing.".to_owned(),
            evidence: Vec::new(),
        };
        let close = || ChannelCommand::CloseException {
            kind: "unmapped".to_owned(),
            subject: "listing:42".to_owned(),
            episode: None,
            how: "It was mapped.".to_owned(),
        };
        let mut channel = Scene::new("channel:shop");
        let steps = [
            (close(), 0),
            (open(), 1),
            (open(), 0),
            (close(), 1),
            (open(), 1),
        ];
        check(&mut channel, steps.into());
        let [Event::Channel(ChannelEvent::ExceptionOpened(opened))] = &channel.events[..] else {
            panic!("{:?}", channel.events);
        };
        assert_eq!(opened.key.episode, 2);
        // Whoever settles the first one is told that it is over.
        let late = ChannelCommand::CloseException {
            kind: "unmapped".to_owned(),
            subject: "listing:42".to_owned(),
            episode: Some(1),
            how: "It is not ours.".to_owned(),
        };
        let late = channel.ask(Command::Channel(late));
        assert!(matches!(late, Err(Rejection::NotFound(_))), "{late:?}");
    }

    #[test]
    fn layout_is_golden() {
        use ChannelCommand::{BeginAdoption, Connect, OpenException, SetMode};
        let mut channel = Scene::new("channel:shop");
        let open = OpenException {
            kind: "listing_unmapped".to_owned(),
            subject: "7".to_owned(),
            cause: "nobody mapped it".to_owned(),
            evidence: vec![("sku".to_owned(), "A".to_owned())],
        };
        let older_than = Timestamp::from_ms(5);
        let steps = [
            Connect(settings(Sale::AlreadySold)),
            SetMode(ChannelMode::Active),
            BeginAdoption { older_than },
            open,
        ];
        check(&mut channel, steps.map(|step| (step, 1)).into());
        crate::golden::check(&channel.entity);
    }
}
