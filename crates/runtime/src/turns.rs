//! Turns: where several steps at one entity belong together, one caller takes them at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossdock_model::EntityId;
use tokio::sync::OwnedMutexGuard;

use crate::ask::Handle;

impl Handle {
    /// Waits until nobody else on this node has a turn at the entity.
    pub async fn turn(&self, entity: &EntityId) -> Turn<'_> {
        self.0.turns.take(entity).await
    }
}

type Waiting = Arc<tokio::sync::Mutex<()>>;

/// One at a time for each entity. Holds an entry only for those that are taken or waited for.
#[derive(Default)]
pub(crate) struct Turns(Mutex<BTreeMap<EntityId, Waiting>>);

/// A turn; the next one waits until it is dropped.
pub struct Turn<'a> {
    turns: &'a Turns,
    entity: EntityId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    async fn take(&self, entity: &EntityId) -> Turn<'_> {
        let mine = Arc::clone(self.lock().entry(entity.clone()).or_default());
        // Made first, so that the entry goes also when nobody waits for the turn any more.
        let mut turn = Turn {
            turns: self,
            entity: entity.clone(),
            guard: None,
        };
        turn.guard = Some(mine.lock_owned().await);
        turn
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<EntityId, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut turns = self.turns.lock();
        if turns
            .get(&self.entity)
            .is_some_and(|one| Arc::strong_count(one) == 1)
        {
            turns.remove(&self.entity);
        }
    }
}
