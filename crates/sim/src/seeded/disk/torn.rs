//! The end of the disk's write-ahead log when the power goes while a batch is being written: some of the batch's frames, the
//! last of them cut, and not the mark by which a transaction counts. Who opens it passes over all of them.

use crossdock_model::EntityId;

use super::{Disk, Flush};
use crate::Dice;
use crate::seeded::Broken;
use crate::seeded::plant::Plant;

impl Disk {
    /// A batch gets to the disk in part.
    pub fn tear(&mut self, flush: Flush, dice: &mut Dice) {
        let parts = flush.batch.shards.into_iter();
        let mut frames: Vec<(EntityId, Vec<u8>)> = parts.flat_map(|part| part.records).collect();
        let whole = usize::try_from(dice.below(frames.len() as u64 + 1)).unwrap_or(0);
        frames.truncate(whole + 1);
        if let Some((_, last)) = frames.get_mut(whole) {
            last.truncate(last.len() / 2);
        }
        self.torn = frames;
    }

    /// The disk is opened: what belongs to no whole transaction is no part of it. Whether there was any.
    ///
    /// # Errors
    /// [`Broken`] as in [`Disk::write`], where by mistake it is taken for written.
    pub fn open(&mut self, plant: Option<Plant>) -> Result<bool, Broken> {
        let torn = std::mem::take(&mut self.torn);
        let was_torn = !torn.is_empty();
        if plant == Some(Plant::TornTailKept) {
            torn.into_iter()
                .try_for_each(|(entity, body)| self.append(entity, body))?;
        }
        Ok(was_torn)
    }
}
