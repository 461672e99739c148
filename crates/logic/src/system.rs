//! The system's own documents: rule sets, API keys, endpoints, quarantine marks, exceptions of no entity.

use std::collections::BTreeMap;

use crossdock_model::answer::{EndpointView, KeyView, QuarantineView};
use crossdock_model::command::SystemCommand;
use crossdock_model::v1::SystemEvent;
use crossdock_model::{Answer, CredentialId, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};
use crate::exceptions::OpenExceptions;

/// API keys, endpoints and quarantine marks at most, each.
const DOCUMENTS_MAX: usize = 10_000;
/// Bytes of a rule set's document at most.
const RULE_SET_BYTES_MAX: usize = 1 << 20;

/// State of the system's documents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemState {
    rule_set: (u32, String),
    keys: BTreeMap<CredentialId, KeyView>,
    endpoints: BTreeMap<String, EndpointView>,
    quarantine: BTreeMap<(String, Option<u64>), QuarantineView>,
    exceptions: OpenExceptions,
}

impl Decider for SystemState {
    type Command = SystemCommand;
    type Event = SystemEvent;

    fn decide(
        &self,
        _asked: &Asked<'_>,
        command: &SystemCommand,
    ) -> Result<Decision<SystemEvent>, Rejection> {
        if let Some(answer) = self.answer(command) {
            return Ok(Decision::unchanged(answer));
        }
        self.check(command)?;
        Ok(Decision::done(self.change(command).into_iter().collect()))
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
            SystemEvent::KeyCreated { id, name, scope, secret_sha256, expires_at } => {
                let key = KeyView { id: id.clone(), name, scope, secret_sha256, expires_at, revoked: false };
                self.keys.insert(id, key);
            }
            SystemEvent::KeyRevoked { id } => {
                if let Some(key) = self.keys.get_mut(&id) {
                    key.revoked = true;
                }
            }
            SystemEvent::EndpointSet { id, url, topics, secret_name } => {
                self.endpoints.insert(id.clone(), EndpointView { id, url, topics, secret_name });
            }
            SystemEvent::EndpointRemoved { id } => drop(self.endpoints.remove(&id)),
            SystemEvent::Quarantined { entity, command_hash, cause } => {
                let view = QuarantineView { entity: entity.clone(), command_hash, cause, since: at };
                self.quarantine.insert((entity, command_hash), view);
            }
            SystemEvent::QuarantineLifted { entity, command_hash, .. } => {
                self.quarantine.remove(&(entity, command_hash));
            }
            SystemEvent::ExceptionOpened(opened) => self.exceptions.apply_opened(&opened),
            SystemEvent::ExceptionClosed(closed) => self.exceptions.apply_closed(&closed),
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
            SystemCommand::ReadEndpoints => {
                Some(Answer::Endpoints(self.endpoints.values().cloned().collect()))
            }
            SystemCommand::ReadQuarantine => {
                Some(Answer::Quarantine(self.quarantine.values().cloned().collect()))
            }
            _ => None,
        }
    }

    fn check(&self, command: &SystemCommand) -> Result<(), Rejection> {
        let full = |what: &str, len: usize| match len >= DOCUMENTS_MAX {
            true => Err(Rejection::Limit { what: what.to_owned(), max: DOCUMENTS_MAX as u64 }),
            false => Ok(()),
        };
        match command {
            SystemCommand::SaveRuleSet { document } if document.len() > RULE_SET_BYTES_MAX => {
                Err(Rejection::Limit {
                    what: "bytes of a rule set".to_owned(),
                    max: RULE_SET_BYTES_MAX as u64,
                })
            }
            SystemCommand::CreateKey { id, .. } if self.keys.contains_key(id) => {
                Err(Rejection::invalid("id", "there is a key of this id"))
            }
            SystemCommand::CreateKey { .. } => full("API keys", self.keys.len()),
            SystemCommand::RevokeKey { id } if !self.keys.contains_key(id) => {
                Err(Rejection::NotFound(format!("key {id}")))
            }
            SystemCommand::SetEndpoint { .. } => full("endpoints", self.endpoints.len()),
            SystemCommand::Quarantine { .. } => full("quarantine marks", self.quarantine.len()),
            _ => Ok(()),
        }
    }

    fn change(&self, command: &SystemCommand) -> Option<SystemEvent> {
        match command.clone() {
            SystemCommand::ReadRuleSet
            | SystemCommand::ReadKeys
            | SystemCommand::ReadEndpoints
            | SystemCommand::ReadQuarantine => None,
            SystemCommand::SaveRuleSet { document } => {
                let version = self.rule_set.0 + 1;
                (document != self.rule_set.1).then_some(SystemEvent::RuleSetSaved { version, document })
            }
            SystemCommand::CreateKey { id, name, scope, secret_sha256, expires_at } => {
                Some(SystemEvent::KeyCreated { id, name, scope, secret_sha256, expires_at })
            }
            SystemCommand::RevokeKey { id } => {
                let live = self.keys.get(&id).is_some_and(|key| !key.revoked);
                live.then_some(SystemEvent::KeyRevoked { id })
            }
            SystemCommand::SetEndpoint { id, url, topics, secret_name } => {
                Some(SystemEvent::EndpointSet { id, url, topics, secret_name })
            }
            SystemCommand::RemoveEndpoint { id } => {
                self.endpoints.contains_key(&id).then_some(SystemEvent::EndpointRemoved { id })
            }
            SystemCommand::Quarantine { entity, command_hash, cause } => {
                let known = self.quarantine.contains_key(&(entity.clone(), command_hash));
                (!known).then_some(SystemEvent::Quarantined { entity, command_hash, cause })
            }
            SystemCommand::LiftQuarantine { entity, command_hash, skipped } => {
                let known = self.quarantine.contains_key(&(entity.clone(), command_hash));
                known.then_some(SystemEvent::QuarantineLifted { entity, command_hash, skipped })
            }
            SystemCommand::OpenException { kind, subject, cause, evidence } => {
                let opened = self.exceptions.open(&kind, &subject, &cause, &evidence);
                opened.map(SystemEvent::ExceptionOpened)
            }
            SystemCommand::CloseException { kind, subject, how } => {
                self.exceptions.close(&kind, &subject, &how).map(SystemEvent::ExceptionClosed)
            }
        }
    }
}
