//! What is put aside after crashes: single commands, or whole entities.

use std::collections::BTreeMap;

use crossdock_model::command::SkuCommand;
use crossdock_model::{Command, EntityId, Rejection};

/// How a command that crashed its entity is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    /// It waits for a person's word: callers are refused, entities hear what [`answer_to_poison`] says, mostly nothing,
    /// and ask again.
    Aside,
    /// A person gave it up: whoever asks is refused, for good.
    Skipped,
}

#[derive(Debug, Default)]
struct Known {
    commands: BTreeMap<u64, Poison>,
    entity: Option<String>,
}

/// What an entity hears that asks one put aside. Mostly nothing: it asks again, and is served once the other works
/// again. But an order that reserves gives up what it took elsewhere, rather than keep it from others meanwhile; and
/// one that asks for stock has somebody who waits for its answer.
#[must_use]
pub fn answer_of_one_aside(command: &Command, to: &EntityId) -> Option<Rejection> {
    match (command, to) {
        (
            Command::Read
            | Command::Sku(
                SkuCommand::Reserve { .. }
                | SkuCommand::ReserveHeld { .. }
                | SkuCommand::ReadHeld { .. },
            ),
            EntityId::Sku(sku),
        ) => Some(Rejection::Busy {
            sku: sku.clone(),
            retry_after_ms: 1_000,
        }),
        _ => None,
    }
}

/// What an entity hears whose command is put aside while the other one works. Nothing, but of a read: that is the same
/// command whoever asks and however often, so nobody could look at the other one until a person decides. A reservation
/// that was answered would come again as another attempt, and bring the other one down.
#[must_use]
pub fn answer_to_poison(command: &Command, to: &EntityId) -> Option<Rejection> {
    match command {
        Command::Read | Command::Sku(SkuCommand::ReadHeld { .. }) => {
            answer_of_one_aside(command, to)
        }
        _ => None,
    }
}

/// What is put aside. The durable marks are on `system:0`; this is what a node goes by.
#[derive(Debug, Default)]
pub struct Quarantine(BTreeMap<EntityId, Known>);

impl Quarantine {
    /// Whether nothing was ever put aside, or all of it was taken back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a command aside, by its hash, or the whole entity.
    pub fn put_aside(&mut self, entity: &EntityId, command_hash: Option<u64>, cause: &str) {
        let known = self.0.entry(entity.clone()).or_default();
        match command_hash {
            Some(hash) => drop(known.commands.insert(hash, Poison::Aside)),
            None => known.entity = Some(cause.to_owned()),
        }
    }

    /// A command stays refused for good.
    pub fn skip(&mut self, entity: &EntityId, command_hash: u64) {
        let known = self.0.entry(entity.clone()).or_default();
        known.commands.insert(command_hash, Poison::Skipped);
    }

    /// Takes a mark back.
    pub fn lift(&mut self, entity: &EntityId, command_hash: Option<u64>) {
        let Some(known) = self.0.get_mut(entity) else {
            return;
        };
        match command_hash {
            Some(hash) => drop(known.commands.remove(&hash)),
            None => known.entity = None,
        }
        if known.entity.is_none() && known.commands.is_empty() {
            self.0.remove(entity);
        }
    }

    /// Why the whole entity is put aside, if it is.
    #[must_use]
    pub fn cause(&self, entity: &EntityId) -> Option<&str> {
        self.0.get(entity)?.entity.as_deref()
    }

    /// Every entity that is put aside.
    pub fn entities(&self) -> impl Iterator<Item = &EntityId> {
        let aside = self.0.iter().filter(|(_, known)| known.entity.is_some());
        aside.map(|(entity, _)| entity)
    }

    /// Whether commands of the entity are put aside or skipped.
    #[must_use]
    pub fn has_commands(&self, entity: &EntityId) -> bool {
        let known = self.0.get(entity);
        known.is_some_and(|known| !known.commands.is_empty())
    }

    /// How that command is treated, if it is poison.
    #[must_use]
    pub fn poison(&self, entity: &EntityId, hash: u64) -> Option<Poison> {
        self.0.get(entity)?.commands.get(&hash).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_works_again_without_what_is_skipped() {
        let entity: EntityId = "sku:a".parse().unwrap();
        let mut quarantine = Quarantine::default();
        quarantine.put_aside(&entity, Some(7), "It crashed.");
        quarantine.put_aside(&entity, None, "It crashed.");
        assert_eq!(quarantine.cause(&entity), Some("It crashed."));
        quarantine.lift(&entity, None);
        quarantine.skip(&entity, 7);
        assert_eq!(quarantine.cause(&entity), None);
        assert_eq!(quarantine.poison(&entity, 7), Some(Poison::Skipped));
        assert_eq!(quarantine.poison(&entity, 8), None);
        quarantine.lift(&entity, Some(7));
        assert!(!quarantine.has_commands(&entity));
        assert!(quarantine.0.is_empty());
    }
}
