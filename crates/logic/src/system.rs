//! The system's own documents: rule sets, API keys, endpoints, quarantine marks, exceptions of no entity.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::answer::{EndpointView, KeyView, QuarantineView};
use crossdock_model::command::{ExceptionCommand, SystemCommand};
use crossdock_model::v1::{self, SystemEvent};
use crossdock_model::{Answer, ChannelId, CredentialId, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};
use crate::exceptions::{self, ExceptionEvent, OpenExceptions};

/// API keys, endpoints, quarantine marks and channels at most, each.
const DOCUMENTS_MAX: usize = 10_000;
/// Bytes of a rule set's document at most.
const RULE_SET_BYTES_MAX: usize = 1 << 20;

/// State of the system's documents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemState {
    rule_set: (u32, String),
    keys: BTreeMap<CredentialId, KeyView>,
    endpoints: BTreeMap<String, EndpointView>,
    quarantine: BTreeMap<(String, Option<u64>), Mark>,
    exceptions: OpenExceptions,
    /// Every channel that was ever connected.
    channels: BTreeSet<ChannelId>,
}

/// What is put aside, and which episode of its exception that is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mark {
    view: QuarantineView,
    episode: u32,
}

impl Decider for SystemState {
    type Command = SystemCommand;
    type Event = SystemEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        command: &SystemCommand,
    ) -> Result<Decision<SystemEvent>, Rejection> {
        if let Some(answer) = self.answer(command) {
            return Ok(Decision::unchanged(answer));
        }
        if let SystemCommand::Exception(command) = command {
            let event = self.about_exception(command)?.map(SystemEvent::from);
            return Ok(Decision::done(event.into_iter().collect()));
        }
        let change = self.change(command, asked.version);
        if change.is_some() {
            self.check(command)?;
        }
        Ok(Decision::done(change.into_iter().collect()))
    }

    fn read(&self, _asked: &Asked<'_>) -> Result<Answer, Rejection> {
        let (version, document) = self.rule_set.clone();
        Ok(Answer::RuleSet { version, document })
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        event: &SystemEvent,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        match event.clone() {
            SystemEvent::RuleSetSaved { version, document } => self.rule_set = (version, document),
            SystemEvent::KeyCreated {
                id,
                name,
                scope,
                secret_sha256,
                expires_at,
            } => {
                let key = KeyView {
                    id: id.clone(),
                    name,
                    scope,
                    secret_sha256,
                    expires_at,
                    revoked: false,
                };
                self.forget_revoked();
                self.keys.insert(id, key);
            }
            SystemEvent::KeyRevoked { id } => {
                if let Some(key) = self.keys.get_mut(&id) {
                    key.revoked = true;
                }
            }
            SystemEvent::EndpointSet {
                id,
                url,
                topics,
                secret_name,
            } => {
                let view = EndpointView {
                    id: id.clone(),
                    url,
                    topics,
                    secret_name,
                };
                self.endpoints.insert(id, view);
            }
            SystemEvent::EndpointRemoved { id } => drop(self.endpoints.remove(&id)),
            SystemEvent::Quarantined {
                entity,
                command_hash,
                cause,
                episode,
            } => {
                let view = QuarantineView {
                    entity: entity.clone(),
                    command_hash,
                    cause,
                    since: at,
                    skipped: false,
                };
                let mark = Mark { view, episode };
                self.quarantine.insert((entity, command_hash), mark);
            }
            SystemEvent::QuarantineLifted {
                entity,
                command_hash,
                skipped,
            } => self.lift(&(entity, command_hash), skipped),
            SystemEvent::ExceptionOpened(opened) => self.exceptions.apply_opened(&opened),
            SystemEvent::ExceptionClosed(closed) => self.exceptions.apply_closed(&closed),
            // Views show it; nothing is decided by it.
            SystemEvent::ExceptionNoted(_) => {}
            SystemEvent::ChannelNamed { channel } => drop(self.channels.insert(channel)),
        }
        Ok(())
    }
}

impl SystemState {
    /// The answer of a command that only reads.
    fn answer(&self, command: &SystemCommand) -> Option<Answer> {
        match command {
            SystemCommand::ReadRuleSet => {
                let (version, document) = self.rule_set.clone();
                Some(Answer::RuleSet { version, document })
            }
            SystemCommand::ReadKeys => Some(Answer::Keys(self.keys.values().cloned().collect())),
            SystemCommand::ReadEndpoints => Some(Answer::Endpoints(
                self.endpoints.values().cloned().collect(),
            )),
            SystemCommand::ReadQuarantine => Some(Answer::Quarantine(
                self.quarantine
                    .values()
                    .map(|mark| mark.view.clone())
                    .collect(),
            )),
            SystemCommand::ReadChannels => {
                Some(Answer::Channels(self.channels.iter().cloned().collect()))
            }
            _ => None,
        }
    }

    /// Whether the command asks for what is so already: a repeat, or nothing to do.
    fn is_so(&self, command: &SystemCommand) -> bool {
        match command {
            SystemCommand::SaveRuleSet { document } => *document == self.rule_set.1,
            SystemCommand::CreateKey {
                id,
                name,
                scope,
                secret_sha256,
                expires_at,
            } => self.keys.get(id).is_some_and(|key| {
                (&key.name, &key.scope) == (name, scope)
                    && (&key.secret_sha256, &key.expires_at) == (secret_sha256, expires_at)
            }),
            SystemCommand::RevokeKey { id } => self.keys.get(id).is_some_and(|key| key.revoked),
            SystemCommand::SetEndpoint {
                id,
                url,
                topics,
                secret_name,
            } => self.endpoints.get(id).is_some_and(|known| {
                (&known.url, &known.topics, &known.secret_name) == (url, topics, secret_name)
            }),
            SystemCommand::RemoveEndpoint { id } => !self.endpoints.contains_key(id),
            SystemCommand::NameChannel { channel } => self.channels.contains(channel),
            SystemCommand::Quarantine {
                entity,
                command_hash,
                ..
            } => self
                .mark(entity, *command_hash)
                .is_some_and(|mark| !mark.skipped),
            SystemCommand::LiftQuarantine {
                entity,
                command_hash,
                skipped,
            } => self
                .mark(entity, *command_hash)
                .is_none_or(|mark| mark.skipped && *skipped),
            SystemCommand::ReadRuleSet
            | SystemCommand::ReadKeys
            | SystemCommand::ReadEndpoints
            | SystemCommand::ReadQuarantine
            | SystemCommand::ReadChannels
            | SystemCommand::Exception(_) => false,
        }
    }

    fn lift(&mut self, mark: &(String, Option<u64>), skipped: bool) {
        match self.quarantine.get_mut(mark) {
            Some(known) if skipped && mark.1.is_some() => known.view.skipped = true,
            _ => drop(self.quarantine.remove(mark)),
        }
    }

    /// Revoked keys give way once there are too many: a key that nobody knows opens nothing either.
    fn forget_revoked(&mut self) {
        let full = self.keys.len() >= DOCUMENTS_MAX;
        let revoked = self.keys.values().find(|key| full && key.revoked);
        if let Some(id) = revoked.map(|key| key.id.clone()) {
            self.keys.remove(&id);
        }
    }

    fn mark(&self, entity: &str, command_hash: Option<u64>) -> Option<&QuarantineView> {
        let mark = self.quarantine.get(&(entity.to_owned(), command_hash));
        mark.map(|mark| &mark.view)
    }

    /// Whether there is room for what the command would change, and sense in it.
    fn check(&self, command: &SystemCommand) -> Result<(), Rejection> {
        match command {
            SystemCommand::SaveRuleSet { document } => match document.len() > RULE_SET_BYTES_MAX {
                true => Err(limit("bytes of a rule set", RULE_SET_BYTES_MAX)),
                false => Ok(()),
            },
            SystemCommand::CreateKey { id, .. } if self.keys.contains_key(id) => {
                let problem = "there is another key of this id: choose a new one";
                Err(Rejection::invalid("id", problem))
            }
            SystemCommand::CreateKey { .. } => {
                let live = self.keys.values().filter(|key| !key.revoked);
                room("API keys", live.count())
            }
            SystemCommand::RevokeKey { id } => match self.keys.contains_key(id) {
                true => Ok(()),
                false => Err(Rejection::NotFound(format!("key {id}"))),
            },
            SystemCommand::SetEndpoint { id, .. } => match self.endpoints.contains_key(id) {
                true => Ok(()),
                false => room("endpoints", self.endpoints.len()),
            },
            SystemCommand::Quarantine { .. } => room("quarantine marks", self.quarantine.len()),
            SystemCommand::NameChannel { .. } => room("channels", self.channels.len()),
            _ => Ok(()),
        }
    }

    /// What the command leads to after that version; nothing when it is so already.
    fn change(&self, command: &SystemCommand, version: u64) -> Option<SystemEvent> {
        if self.is_so(command) {
            return None;
        }
        match command.clone() {
            SystemCommand::ReadRuleSet
            | SystemCommand::ReadKeys
            | SystemCommand::ReadEndpoints
            | SystemCommand::ReadQuarantine
            | SystemCommand::ReadChannels
            | SystemCommand::Exception(_) => None,
            SystemCommand::SaveRuleSet { document } => {
                let version = self.rule_set.0 + 1;
                Some(SystemEvent::RuleSetSaved { version, document })
            }
            SystemCommand::CreateKey {
                id,
                name,
                scope,
                secret_sha256,
                expires_at,
            } => Some(SystemEvent::KeyCreated {
                id,
                name,
                scope,
                secret_sha256,
                expires_at,
            }),
            SystemCommand::RevokeKey { id } => Some(SystemEvent::KeyRevoked { id }),
            SystemCommand::SetEndpoint {
                id,
                url,
                topics,
                secret_name,
            } => Some(SystemEvent::EndpointSet {
                id,
                url,
                topics,
                secret_name,
            }),
            SystemCommand::RemoveEndpoint { id } => Some(SystemEvent::EndpointRemoved { id }),
            SystemCommand::NameChannel { channel } => Some(SystemEvent::ChannelNamed { channel }),
            SystemCommand::Quarantine {
                entity,
                command_hash,
                cause,
            } => Some(SystemEvent::Quarantined {
                entity,
                command_hash,
                cause,
                // Marks come and go, and none of them remembers how many there were before.
                episode: u32::try_from(version + 1).unwrap_or(u32::MAX),
            }),
            SystemCommand::LiftQuarantine {
                entity,
                command_hash,
                skipped,
            } => Some(SystemEvent::QuarantineLifted {
                entity,
                command_hash,
                skipped,
            }),
        }
    }

    /// A quarantine is listed among the exceptions, and ends with its mark alone.
    fn quarantined(&self, kind: &str, subject: &str) -> Option<&Mark> {
        let marks = self.quarantine.values().filter(|mark| !mark.view.skipped);
        let mut marks = marks.filter(|_| kind == v1::QUARANTINE);
        marks.find(|Mark { view, .. }| v1::quarantined(&view.entity, view.command_hash) == subject)
    }

    fn about_exception(
        &self,
        command: &ExceptionCommand,
    ) -> Result<Option<ExceptionEvent>, Rejection> {
        let (kind, subject) = command.about();
        match (self.quarantined(kind, subject), command) {
            (Some(_), ExceptionCommand::Close { .. } | ExceptionCommand::Resolve { .. }) => {
                Err(Rejection::WrongState {
                    state: format!("{subject} is put aside"),
                    hint: "retry or skip it in quarantine, which closes this too".to_owned(),
                })
            }
            (Some(mark), ExceptionCommand::Note { key, text }) => {
                let noted = exceptions::noted(mark.episode == key.episode, key, text)?;
                Ok(Some(ExceptionEvent::Noted(noted)))
            }
            (None, _) | (Some(_), ExceptionCommand::Open { .. }) => self.exceptions.decide(command),
        }
    }
}

fn limit(what: &str, max: usize) -> Rejection {
    Rejection::Limit {
        what: what.to_owned(),
        max: max as u64,
    }
}

fn room(what: &str, len: usize) -> Result<(), Rejection> {
    match len >= DOCUMENTS_MAX {
        true => Err(limit(what, DOCUMENTS_MAX)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::command::{ExceptionCommand, SystemCommand};
    use crossdock_model::v1::{self, ExceptionKey, Scope};
    use crossdock_model::{Answer, ChannelId, Command, CredentialId, Rejection};

    use crate::testing::Scene;

    fn create(id: &str, name: &str) -> SystemCommand {
        SystemCommand::CreateKey {
            id: CredentialId::new(id).unwrap(),
            name: name.to_owned(),
            scope: Scope::Operate,
            secret_sha256: [7; 32],
            expires_at: None,
        }
    }

    /// Asks in turn; each is done, and the system has that version then.
    #[track_caller]
    fn check(system: &mut Scene, steps: Vec<(SystemCommand, u64)>) {
        for (command, version) in steps {
            let command = Command::System(command);
            assert_eq!(system.ask(command.clone()), Ok(Answer::Done), "{command:?}");
            assert_eq!(system.version(), version, "{command:?}");
        }
    }

    #[test]
    fn rule_sets_count_their_versions() {
        let save = |document: &str| SystemCommand::SaveRuleSet {
            document: document.to_owned(),
        };
        let mut system = Scene::new("system:0");
        check(
            &mut system,
            vec![(save("a"), 1), (save("a"), 1), (save("b"), 2)],
        );
        let (version, document) = (2, "b".to_owned());
        let read = Command::System(SystemCommand::ReadRuleSet);
        let found = Answer::RuleSet { version, document };
        assert_eq!(system.ask(read), Ok(found));
        let long = Command::System(save(&"x".repeat((1 << 20) + 1)));
        assert!(matches!(system.ask(long), Err(Rejection::Limit { .. })));
    }

    #[test]
    fn keys_are_made_once_and_revoked() {
        let id = || CredentialId::new("k1").unwrap();
        let mut system = Scene::new("system:0");
        let revoke = || SystemCommand::RevokeKey { id: id() };
        let unknown = Err(Rejection::NotFound("key k1".to_owned()));
        assert_eq!(system.ask(Command::System(revoke())), unknown);
        check(
            &mut system,
            vec![(create("k1", "till"), 1), (create("k1", "till"), 1)],
        );
        let other = system.ask(Command::System(create("k1", "other")));
        assert!(matches!(other, Err(Rejection::Invalid { .. })), "{other:?}");
        check(&mut system, vec![(revoke(), 2), (revoke(), 2)]);
        let read = Command::System(SystemCommand::ReadKeys);
        let Ok(Answer::Keys(keys)) = system.ask(read) else {
            panic!("no keys");
        };
        let seen = keys.iter().map(|key| (key.name.as_str(), key.revoked));
        assert_eq!(seen.collect::<Vec<_>>(), [("till", true)]);
        check(&mut system, vec![(create("k1", "till"), 2)]);
    }

    #[test]
    fn channels_are_remembered_by_name() {
        let name = |id: &str| SystemCommand::NameChannel {
            channel: ChannelId::new(id).unwrap(),
        };
        let mut system = Scene::new("system:0");
        let steps = [(name("shop"), 1), (name("shop"), 1), (name("market"), 2)];
        check(&mut system, steps.into());
        let known = ["market", "shop"].map(|id| ChannelId::new(id).unwrap());
        let read = Command::System(SystemCommand::ReadChannels);
        assert_eq!(system.ask(read), Ok(Answer::Channels(known.into())));
    }

    #[test]
    fn endpoints_are_set_and_removed() {
        let set = |url: &str| SystemCommand::SetEndpoint {
            id: "erp".to_owned(),
            url: url.to_owned(),
            topics: vec!["order.reserved".to_owned()],
            secret_name: "erp".to_owned(),
        };
        let remove = || SystemCommand::RemoveEndpoint {
            id: "erp".to_owned(),
        };
        let mut system = Scene::new("system:0");
        let steps = [(remove(), 0), (set("a"), 1), (set("a"), 1), (set("b"), 2)];
        check(&mut system, steps.into());
        let read = || Command::System(SystemCommand::ReadEndpoints);
        let Ok(Answer::Endpoints(endpoints)) = system.ask(read()) else {
            panic!("no endpoints");
        };
        assert_eq!(endpoints[0].url, "b");
        check(&mut system, vec![(remove(), 3)]);
        assert_eq!(system.ask(read()), Ok(Answer::Endpoints(Vec::new())));
    }

    #[test]
    fn quarantine_marks_stay_until_lifted() {
        let mark = |command_hash| SystemCommand::Quarantine {
            entity: "sku:A".to_owned(),
            command_hash,
            cause: "It crashed three times.".to_owned(),
        };
        let lift = |command_hash| SystemCommand::LiftQuarantine {
            entity: "sku:A".to_owned(),
            command_hash,
            skipped: false,
        };
        let mut system = Scene::new("system:0");
        let steps = [
            (lift(None), 0),
            (mark(None), 1),
            (mark(None), 1),
            (mark(Some(4)), 2),
        ];
        check(&mut system, steps.into());
        let key = ExceptionKey {
            kind: v1::QUARANTINE.to_owned(),
            subject: "sku:A".to_owned(),
            episode: 1,
        };
        let how = "Looked at.".to_owned();
        let resolve = ExceptionCommand::Resolve {
            key: key.clone(),
            how,
        };
        let close = ExceptionCommand::close(&key.kind, &key.subject, "Looked at.");
        for command in [resolve, close] {
            let refused = system.ask(Command::System(SystemCommand::Exception(command)));
            assert!(
                matches!(refused, Err(Rejection::WrongState { .. })),
                "{refused:?}"
            );
        }
        let text = "Asked for help.".to_owned();
        let note = SystemCommand::Exception(ExceptionCommand::Note { key, text });
        check(&mut system, vec![(note.clone(), 3)]);
        check(&mut system, vec![(lift(None), 4), (lift(None), 4)]);
        let over = system.ask(Command::System(note.clone()));
        assert!(matches!(over, Err(Rejection::NotFound(_))), "{over:?}");
        // Put aside once more it is another exception: what is said of the first one is not said of that.
        check(&mut system, vec![(mark(None), 5)]);
        let over = system.ask(Command::System(note));
        assert!(matches!(over, Err(Rejection::NotFound(_))), "{over:?}");
        check(&mut system, vec![(lift(None), 6)]);
        let read = Command::System(SystemCommand::ReadQuarantine);
        let Ok(Answer::Quarantine(marks)) = system.ask(read) else {
            panic!("no marks");
        };
        let hashes = marks.iter().map(|mark| mark.command_hash);
        assert_eq!(hashes.collect::<Vec<_>>(), [Some(4)]);
    }

    /// What is skipped stays known, so that the next start refuses it too; an entity cannot be skipped.
    #[test]
    fn a_skipped_command_stays_refused_until_it_may_come_again() {
        let mark = |command_hash| SystemCommand::Quarantine {
            entity: "sku:A".to_owned(),
            command_hash,
            cause: "It crashed three times.".to_owned(),
        };
        let lift = |command_hash, skipped| SystemCommand::LiftQuarantine {
            entity: "sku:A".to_owned(),
            command_hash,
            skipped,
        };
        let table = [
            (mark(None), vec![(None, false)]),
            (mark(Some(4)), vec![(None, false), (Some(4), false)]),
            (lift(None, true), vec![(Some(4), false)]),
            (lift(Some(4), true), vec![(Some(4), true)]),
            (lift(Some(4), true), vec![(Some(4), true)]),
            (mark(Some(4)), vec![(Some(4), false)]),
            (lift(Some(4), true), vec![(Some(4), true)]),
            (lift(Some(4), false), vec![]),
        ];
        let mut system = Scene::new("system:0");
        for (command, expected) in table {
            let asked = system.ask(Command::System(command.clone()));
            assert_eq!(asked, Ok(Answer::Done), "{command:?}");
            let read = Command::System(SystemCommand::ReadQuarantine);
            let Ok(Answer::Quarantine(marks)) = system.ask(read) else {
                panic!("no marks");
            };
            let marks = marks.iter().map(|mark| (mark.command_hash, mark.skipped));
            assert_eq!(marks.collect::<Vec<_>>(), expected, "{command:?}");
        }
    }

    #[test]
    fn layout_is_golden() {
        let mut system = Scene::new("system:0");
        let save = SystemCommand::SaveRuleSet {
            document: "a".to_owned(),
        };
        check(&mut system, vec![(save, 1), (create("k1", "first"), 2)]);
        crate::golden::check(&system.entity);
    }
}
