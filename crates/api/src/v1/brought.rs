//! What imports bring that deliveries may wait for. Those are put to work again many names at a time: to ask the journal
//! about each name by itself takes longer than the import.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossdock_runtime::Handle;

/// Names that the journal is asked about at once.
const ASKED_AT_ONCE: usize = 1_000;

/// Names that came, and that the journal was not asked about yet.
#[derive(Default)]
pub(super) struct Brought(Mutex<Vec<String>>);

impl Brought {
    /// These came: what waits for them is put to work once there are enough of them.
    pub async fn add(&self, handle: &Handle, names: impl IntoIterator<Item = String>) {
        let enough = {
            let mut waiting = self.lock();
            waiting.extend(names);
            (waiting.len() >= ASKED_AT_ONCE).then(|| mem::take(&mut *waiting))
        };
        if let Some(names) = enough {
            resume(handle, names).await;
        }
    }

    /// Nothing comes any more: puts to work what waits for the rest.
    pub async fn finish(&self, handle: &Handle) {
        let rest = mem::take(&mut *self.lock());
        resume(handle, rest).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines are done, so what cannot be read now is left to the next look at all that is parked.
async fn resume(handle: &Handle, names: Vec<String>) {
    if names.is_empty() {
        return;
    }
    if let Err(error) = handle.unpark(names).await {
        tracing::warn!(%error, "what waited for an import is put to work a few minutes later");
    }
}
