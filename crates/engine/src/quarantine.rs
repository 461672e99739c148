//! What is put aside after crashes: single commands, or whole entities.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crossdock_model::EntityId;

#[derive(Default)]
struct Poison {
    commands: HashSet<u64>,
    entity: Option<String>,
}

/// What is put aside. The durable marks are on `system:0`; this is what a node goes by.
#[derive(Default)]
pub(crate) struct Quarantine(RwLock<HashMap<EntityId, Poison>>);

impl Quarantine {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<EntityId, Poison>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<EntityId, Poison>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command aside, by its hash, or the whole entity.
    pub fn put_aside(&self, entity: &EntityId, command_hash: Option<u64>, cause: &str) {
        let mut aside = self.write();
        let known = aside.entry(entity.clone()).or_default();
        match command_hash {
            Some(hash) => drop(known.commands.insert(hash)),
            None => known.entity = Some(cause.to_owned()),
        }
    }

    /// Takes a mark back.
    pub fn lift(&self, entity: &EntityId, command_hash: Option<u64>) {
        let mut aside = self.write();
        let Some(known) = aside.get_mut(entity) else {
            return;
        };
        match command_hash {
            Some(hash) => drop(known.commands.remove(&hash)),
            None => known.entity = None,
        }
        if known.entity.is_none() && known.commands.is_empty() {
            aside.remove(entity);
        }
    }

    /// Why the whole entity is put aside, if it is.
    pub fn cause(&self, entity: &EntityId) -> Option<String> {
        self.read().get(entity)?.entity.clone()
    }

    /// Whether the whole entity is put aside.
    pub fn is_aside(&self, entity: &EntityId) -> bool {
        self.read()
            .get(entity)
            .is_some_and(|known| known.entity.is_some())
    }

    /// Whether commands of the entity are put aside.
    pub fn has_commands(&self, entity: &EntityId) -> bool {
        self.read()
            .get(entity)
            .is_some_and(|known| !known.commands.is_empty())
    }

    /// Whether that command is put aside.
    pub fn is_poison(&self, entity: &EntityId, hash: u64) -> bool {
        self.read()
            .get(entity)
            .is_some_and(|known| known.commands.contains(&hash))
    }
}
