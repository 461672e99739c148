//! What the world does with numbers that are published: calls get to channels, their orders are read, and it is looked what they
//! show.

use crossdock_model::command::BucketCommand;
use crossdock_model::{Command, Duration, EntityId};

use super::clients::Wish;
use super::node::{ChannelCall, Inside};
use super::requests::Means;
use super::{Broken, Event, World, check, meta};

/// How often the orders of channels are read, and what these show.
pub(super) const PROVES_EVERY: Duration = Duration::from_s(30);
pub(super) const LOOKS_EVERY: Duration = Duration::from_minutes(60);

/// No channel shows the wrong number for so long if nothing changes, and no order waits for stock that is there, once it has
/// healed: an order that let an offer pass is offered the same a quarter of an hour later at the latest.
pub(super) const LATE_MAX: Duration = Duration::from_minutes(16);

impl World {
    pub(super) fn number_called(
        &mut self,
        call: ChannelCall,
        back_to: Option<u32>,
    ) -> Result<(), Broken> {
        let now = self.now();
        let (said, states) = self.shops.called(&call.channel, &call.call, now);
        if let Some(process) = back_to {
            let what = Inside::Said(Box::new(call), Some(said));
            self.note(Duration::from_ms(1), Event::Inside(process, what));
        }
        states.map_or(Ok(()), |states| self.make(states))
    }

    /// Orders of channels are read: buckets that wait for it are told up to when all are taken off the stock.
    pub(super) fn proves(&mut self) -> Result<(), Broken> {
        self.note(PROVES_EVERY, Event::Proves);
        let Some(node) = &self.node else {
            return Ok(());
        };
        let now = self.now().node;
        let by = meta(&self.by, now);
        for (order, updated_at) in self.shops.open() {
            let entity = EntityId::Order(order.clone());
            let stored = node.stored(&self.disk, &entity, self.knobs.limits.dedup_window)?;
            if check::is_placed(&stored, updated_at, &by) {
                self.shops.placed(&order);
            }
        }
        let proven = self.shops.proven(now);
        let waits: Vec<_> = node.waits().cloned().collect();
        for (channel, bucket) in waits {
            let Some(up_to) = proven.get(&channel).copied() else {
                continue;
            };
            self.make(Wish {
                to: EntityId::Bucket(channel, bucket),
                command: Command::Bucket(BucketCommand::Prove { up_to }),
                means: Means::Nothing,
            })?;
        }
        Ok(())
    }

    pub(super) fn looks(&mut self) -> Result<(), Broken> {
        self.note(LOOKS_EVERY, Event::Looks);
        for wish in self.shops.looks(self.now()) {
            self.make(wish)?;
        }
        Ok(())
    }

    pub(super) fn compares(&mut self) -> Result<(), Broken> {
        self.note(LATE_MAX, Event::Compares);
        let late = self.late()?;
        if let Some(known) = late.intersection(&self.late).next() {
            let what = format!("for too long: {known:?}");
            return Err(Broken::new(known.promise(), what));
        }
        self.late = late;
        Ok(())
    }
}
