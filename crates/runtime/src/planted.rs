//! Mistakes that tests make on purpose, to see that they are found. Without the feature `planted` there are none, and no
//! code for them. Those of deciders are in `logic`.

/// A mistake of the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Answers leave before what they tell of is written.
    AnswersBeforeFlush,
    /// What a flush that failed was to write is taken for written.
    FailureTakenForWritten,
    /// What was queued while an entity was brought to life waits for ever.
    WakeLost,
    /// Of much that is queued only the first is looked at, until something else comes.
    RestForgotten,
    /// Nobody is woken by a deadline.
    DeadlinesPassedOver,
    /// An entity does not hear that what it decided was not written.
    LossUntold,
    /// What a crashed life had decided is written all the same.
    CrashKeepsSteps,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AnswersBeforeFlush,
        Self::FailureTakenForWritten,
        Self::WakeLost,
        Self::RestForgotten,
        Self::DeadlinesPassedOver,
        Self::LossUntold,
        Self::CrashKeepsSteps,
    ];

    /// Whether this thread's node makes it.
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

/// Has this thread's node make a mistake, or none any more.
#[cfg(feature = "planted")]
pub fn plant(mistake: Option<Mistake>) {
    PLANTED.set(mistake);
}
