//! Mistakes of a node that tests make on purpose, to see that they are found. Those of deciders are in `logic`.

/// A mistake of what carries the deciders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plant {
    /// Answers leave before what they tell of is on the disk.
    AnswersBeforeFlush,
    /// Effects leave before what they follow from is on the disk.
    EffectsBeforeFlush,
    /// What repeats a request is answered at once, though what it repeats is still to be flushed.
    RepeatsBeforeFlush,
    /// A checkpoint is taken for written that is not.
    LosesCheckpoints,
    /// A checkpoint is of the state one record before the one that it covers.
    CheckpointOneShort,
    /// A checkpoint is on the disk before the records that it covers, which a crash then takes.
    CheckpointBeforeLog,
    /// What was not written, as the disk was full, is taken for written.
    FullTakenForWritten,
    /// What a process wrote when it died reaches the disk after the next one has begun.
    WritesAfterDeath,
    /// A process that starts does not fold what no checkpoint covers.
    ForgetsUncovered,
    /// A process that starts does not know who is to be woken.
    ForgetsWakes,
    /// Deadlines of live entities are not noted.
    NotesNoWakes,
    /// A request that is made again counts as another one.
    KnowsNoRepeats,
    /// An entity is read while something of it is being flushed.
    LoadsWhileFlushing,
    /// An entity becomes passive though something of it is still to be flushed.
    PassiveUnsettled,
    /// What a crashed life had decided leaves though it is lost.
    CrashReleases,
    /// What a bucket did not take over is not said again.
    StatementsForgotten,
    /// A process that starts does not know who was not heard.
    ForgetsUntold,
    /// A call to a channel that nobody knows the outcome of is taken for done.
    UnknownIsConfirmed,
    /// Whoever reads a SKU is told what the one before was told of it.
    StaleReads,
    /// Whoever brings a delivery is told that it is stored before it is.
    StoredLater,
    /// A delivery is marked done before the order that it tells of is on the disk.
    DoneBeforeDurable,
    /// A process that starts works on what was stored after the last delivery that is done.
    InboxByCursor,
    /// A delivery under an id that is not known is taken for news, whatever it says of its time.
    DeliveryTakenForNews,
    /// The node's clock is what the wall clock says.
    FollowsWallClock,
    /// A flush that has failed is tried again, and taken for done when it does not fail again.
    GoesOnAfterFailure,
    /// What is behind the last whole transaction counts.
    TornTailKept,
}

impl Plant {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 26] = [
        Self::AnswersBeforeFlush,
        Self::EffectsBeforeFlush,
        Self::RepeatsBeforeFlush,
        Self::LosesCheckpoints,
        Self::CheckpointOneShort,
        Self::CheckpointBeforeLog,
        Self::FullTakenForWritten,
        Self::WritesAfterDeath,
        Self::ForgetsUncovered,
        Self::ForgetsWakes,
        Self::NotesNoWakes,
        Self::KnowsNoRepeats,
        Self::LoadsWhileFlushing,
        Self::PassiveUnsettled,
        Self::CrashReleases,
        Self::StatementsForgotten,
        Self::ForgetsUntold,
        Self::UnknownIsConfirmed,
        Self::StaleReads,
        Self::StoredLater,
        Self::DoneBeforeDurable,
        Self::InboxByCursor,
        Self::DeliveryTakenForNews,
        Self::FollowsWallClock,
        Self::GoesOnAfterFailure,
        Self::TornTailKept,
    ];
}
