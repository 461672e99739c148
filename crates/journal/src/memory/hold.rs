//! Commits that a test holds up, however long that is.

use std::sync::{MutexGuard, PoisonError};

use super::{MemoryJournal, State};

/// Holds every commit of a journal up until it is dropped.
#[derive(Debug)]
pub struct Hold<'a>(&'a MemoryJournal);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        (state.is_held, state.let_through) = (false, 0);
        drop(state);
        self.0.released.notify_all();
    }
}

impl Hold<'_> {
    /// Lets one commit end, the one that is held or else the next.
    pub fn let_one_through(&self) {
        self.0.lock().let_through += 1;
        self.0.released.notify_all();
    }
}

impl MemoryJournal {
    /// Lets no commit end until what is returned is dropped.
    #[must_use]
    pub fn hold(&self) -> Hold<'_> {
        self.lock().is_held = true;
        Hold(self)
    }

    /// How many commits are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.lock().held
    }

    /// What a commit changes, once nobody holds it up.
    pub(super) fn pass(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.held += 1;
        let stays = |state: &mut State| state.is_held && state.let_through == 0;
        let passed = self.released.wait_while(state, stays);
        state = passed.unwrap_or_else(PoisonError::into_inner);
        state.held -= 1;
        state.let_through = state.let_through.saturating_sub(1);
        state
    }
}
