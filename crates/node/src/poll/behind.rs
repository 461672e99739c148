//! Tells buckets how far the reading of their channel's orders is behind, where writes replace numbers: what they send leaves
//! room for sales that are not read, and the longer nothing is read, the more there may be.
//!
//! They are told in coarse steps, each ahead of the time it is for, and once at the start: until then nothing is published,
//! as the last process may have been gone for long.

use std::sync::Arc;

use crossdock_model::command::BucketCommand;
use crossdock_model::{Command, Duration, EntityId, Timestamp};
use crossdock_runtime::{AskError, BUCKETS};
use futures::future::join_all;

use super::{PAUSE, Poller};

impl Poller {
    /// Tells them whenever they must know, where they must; never ends.
    pub(super) async fn tell_how_far_behind(self: Arc<Self>) {
        let Some(patience) = self.link.orders.pace.behind_after else {
            return std::future::pending().await;
        };
        let mut reached = self.link.reached.up_to();
        let mut told = None;
        loop {
            let up_to = *reached.borrow_and_update();
            let mut due = Timestamp::MAX;
            if let Some(up_to) = up_to {
                let unread_for = self.clock.now().since(up_to);
                let by = behind(unread_for, patience, told.flatten());
                if told != Some(by) {
                    join_all((0..BUCKETS).map(|bucket| self.tell_bucket(bucket, by))).await;
                    self.link.reached.tell();
                    told = Some(by);
                }
                due = up_to + by.unwrap_or(patience) + Duration::from_ms(1);
            }
            tokio::select! {
                changed = reached.changed() => if changed.is_err() { return },
                () = self.clock.sleep_until(due) => {}
            }
        }
    }

    /// One that is put aside sends nothing.
    async fn tell_bucket(&self, bucket: u16, by: Option<Duration>) {
        loop {
            let entity = EntityId::Bucket(self.link.channel.clone(), bucket);
            let fall_behind = Command::Bucket(BucketCommand::FallBehind { by });
            match self.handle.ask(entity, fall_behind, self.by.clone()).await {
                Ok(_) | Err(AskError::Rejected(_) | AskError::Quarantined { .. }) => return,
                Err(error) => {
                    tracing::debug!(bucket, %error, "how far reading is behind was not taken; it is told again");
                }
            }
            self.clock.sleep(PAUSE).await;
        }
    }
}

/// What is to be told of orders that are not read for so long: as much as was told last, as long as that is enough and not
/// far too much; else a quarter more than there is.
fn behind(unread_for: Duration, patience: Duration, told: Option<Duration>) -> Option<Duration> {
    if unread_for <= patience {
        return None;
    }
    let unread_ms = unread_for.as_ms();
    let is_near = |told: &Duration| (unread_ms..=unread_ms * 2).contains(&told.as_ms());
    let ahead = Duration::from_ms(unread_ms + unread_ms / 4);
    Some(told.filter(is_near).unwrap_or(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (minutes unread, minutes told last, minutes told now) of those who are patient for five
    #[test]
    fn buckets_are_told_in_steps_that_are_ahead_of_time() {
        let cases = [
            (0, None, None),
            (5, None, None),
            (8, None, Some(10)),
            (9, Some(10), Some(10)),
            (10, Some(10), Some(10)),
            (12, Some(10), Some(15)),
            (12, Some(30), Some(15)),
            (5, Some(30), None),
        ];
        let minutes = |minutes: u64| Duration::from_minutes(minutes);
        for (unread, told, by) in cases {
            let found = behind(minutes(unread), minutes(5), told.map(minutes));
            assert_eq!(found, by.map(minutes), "{unread} {told:?}");
        }
        // An hour without a read is told in about ten steps.
        let (mut steps, mut told) = (0, None);
        for unread in 0..=60 {
            let by = behind(minutes(unread), minutes(5), told);
            assert!(by.is_none_or(|by| by >= minutes(unread)));
            steps += u32::from(by != told);
            told = by;
        }
        assert!((8..=13).contains(&steps), "{steps}");
    }
}
