//! What may be asked, and how often: each operation has a token bucket of its own.

use crossdock_model::Duration;
use std::pin::Pin;

/// An operation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Orders that changed.
    SearchOrders,
    /// One order.
    GetOrder,
    /// Says that a package has left.
    ConfirmShipment,
    /// Sets the number of one SKU.
    PatchListingsItem,
    /// Reads the number of one SKU.
    GetListingsItem,
    /// Reads the numbers of several SKUs.
    SearchListingsItems,
    /// A place to put a feed.
    CreateFeedDocument,
    /// Begins a feed.
    CreateFeed,
    /// How far a feed is.
    GetFeed,
    /// Feeds that were begun.
    GetFeeds,
    /// Where a feed's report is.
    GetFeedDocument,
}

/// Ends once a call may be made.
pub type Turn = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Who keeps count of how often an account is asked, by operation.
pub trait Rates: Send + Sync {
    /// Ends once one more call may be made, unless whoever makes it has waited for that.
    fn turn(&self, operation: Operation) -> Turn;

    /// What an answer says: how many calls are granted a second, if it does, and whether this was one too many.
    fn told(&self, operation: Operation, granted_per_s: Option<f64>, is_over: bool);
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::SearchOrders,
        Self::GetOrder,
        Self::ConfirmShipment,
        Self::PatchListingsItem,
        Self::GetListingsItem,
        Self::SearchListingsItems,
        Self::CreateFeedDocument,
        Self::CreateFeed,
        Self::GetFeed,
        Self::GetFeeds,
        Self::GetFeedDocument,
    ];

    /// Name, calls an hour, and calls at once after a rest. Defaults of Amazon's models, per selling partner and
    /// application, rounded down.
    const fn plan(self) -> (&'static str, u32, u32) {
        match self {
            Self::SearchOrders => ("searchOrders", 20, 20),
            Self::GetOrder => ("getOrder", 1_800, 30),
            Self::ConfirmShipment => ("confirmShipment", 7_200, 10),
            Self::PatchListingsItem => ("patchListingsItem", 18_000, 5),
            Self::GetListingsItem => ("getListingsItem", 18_000, 10),
            Self::SearchListingsItems => ("searchListingsItems", 18_000, 5),
            Self::CreateFeedDocument => ("createFeedDocument", 1_800, 15),
            Self::CreateFeed => ("createFeed", 29, 15),
            Self::GetFeed => ("getFeed", 7_200, 15),
            Self::GetFeeds => ("getFeeds", 79, 10),
            Self::GetFeedDocument => ("getFeedDocument", 79, 10),
        }
    }

    /// As Amazon calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.plan().0
    }

    /// Calls an hour.
    #[must_use]
    pub const fn per_hour(self) -> u32 {
        self.plan().1
    }

    /// Calls at once after a rest.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.plan().2
    }

    /// Time in which one more call is granted.
    pub(super) fn pause(self) -> Duration {
        Duration::from_ms(3_600_000 / u64::from(self.per_hour()))
    }
}
