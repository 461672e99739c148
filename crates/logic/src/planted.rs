//! Mistakes that tests make on purpose, to see that they are found. Without the feature `planted` there are none, and no
//! code for them.

/// A mistake of a decider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Units are taken before it is looked whether they are there.
    CheckAfterWrite,
    /// Of units at several locations only the first are looked at.
    PerLineCheck,
    /// A SKU gives undecided units back without asking the order.
    TentativeDropped,
    /// What has shipped leaves the stock once more each time that it is said.
    ShippedTwice,
    /// Units that are held can be taken.
    HeldNotCounted,
    /// An order says of what it has given up that it is committed.
    GivenUpAsCommitted,
    /// Units that an order gives back after it was committed stay taken.
    GivenBackKept,
    /// Who holds units gets all but the last one.
    LastNotHeld,
    /// What ran out is held until a timer says so.
    ExpiryByTimerOnly,
    /// A hold that ran out can still be confirmed.
    ExpiredHoldRevived,
    /// A hold is granted though its release came before it.
    ReleaseOvertakesHold,
    /// What has arrived counts again each time that it is said.
    ArrivedTwice,
    /// What came back counts again each time that it is said.
    ReturnedTwice,
    /// What comes free is offered to nobody who waits.
    WaitersPassedOver,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::CheckAfterWrite,
        Self::PerLineCheck,
        Self::TentativeDropped,
        Self::ShippedTwice,
        Self::HeldNotCounted,
        Self::GivenUpAsCommitted,
        Self::GivenBackKept,
        Self::LastNotHeld,
        Self::ExpiryByTimerOnly,
        Self::ExpiredHoldRevived,
        Self::ReleaseOvertakesHold,
        Self::ArrivedTwice,
        Self::ReturnedTwice,
        Self::WaitersPassedOver,
    ];

    /// Whether this thread's deciders make it.
    #[cfg(feature = "planted")]
    pub(crate) fn is_planted(self) -> bool {
        PLANTED.get() == Some(self)
    }

    /// None is made.
    #[cfg(not(feature = "planted"))]
    pub(crate) const fn is_planted(self) -> bool {
        false
    }
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mistake>> = const { std::cell::Cell::new(None) };
}

/// Has this thread's deciders make a mistake, or none any more.
#[cfg(feature = "planted")]
pub fn plant(mistake: Option<Mistake>) {
    PLANTED.set(mistake);
}
