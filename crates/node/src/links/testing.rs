//! Ways to channels of tests.

use std::sync::Arc;

use crossdock_channels::{Numbers, OrderRead, Orders, OrdersListed, Reading};
use crossdock_model::{ChannelId, Duration, ExternalId, Timestamp};
use crossdock_runtime::{Budget, Clock, DeskLimits};
use tokio::sync::Notify;

use super::{Link, NumbersLink, OrdersLink, Pace, UNPLACED_MAX};
use crate::spend::{Purse, Spend};
use crate::waits::{Reached, Waits};

impl Pace {
    /// Where nobody waits for orders.
    pub const EASY: Self = Self {
        every: Duration::from_minutes(1),
        pause: Duration::from_s(1),
        unplaced_max: UNPLACED_MAX,
        late: Duration::from_ms(0),
        unread_after: Duration::from_minutes(5),
        behind_after: None,
    };
}

impl Link {
    /// A way to a channel: its numbers, its orders, and calls without end.
    pub fn of(
        channel: ChannelId,
        (numbers, limits, recheck_every): (Arc<dyn Numbers>, DeskLimits, Duration),
        (orders, pace): (Arc<dyn Orders>, Pace),
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let purse = Purse::new(Budget::new(1_000_000, 1_000_000, clock.now()));
        let spend = || Spend::new(&purse, 1, 0, clock);
        let orders = OrdersLink {
            orders,
            list: spend(),
            read: spend(),
            pace,
        };
        Self {
            channel,
            shop: None,
            webhook_url: None,
            seller: None,
            numbers: NumbersLink {
                numbers,
                limits,
                call_max: Duration::default(),
                recheck_every,
                purse: Arc::clone(&purse),
                read_purse: None,
                bulk: None,
            },
            orders,
            waits: Waits::default(),
            reached: Reached::default(),
            changed: Notify::default(),
        }
    }
}

/// A channel that lists no orders.
pub struct Unlisted;

impl Orders for Unlisted {
    fn since(&self, _at: Timestamp) -> String {
        String::new()
    }

    fn changed(&self, cursor: String) -> Reading<OrdersListed> {
        let page = OrdersListed {
            orders: Vec::new(),
            cursor,
            is_last: true,
            looked_until: None,
            is_whole: false,
            theirs: None,
        };
        Box::pin(std::future::ready(Ok(page)))
    }

    fn order(&self, _order: ExternalId) -> Reading<OrderRead> {
        let read = OrderRead { told: None };
        Box::pin(std::future::ready(Ok(read)))
    }
}
