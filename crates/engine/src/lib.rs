//! Makes deciders durable, as a synchronous state machine.
//!
//! Messages, disk answers and time come in; journal writes, answers, effects and wake-ups go out. Nothing here
//! spawns, awaits, reads a clock or does I/O: `crossdock-runtime` is one shell around it, the simulator another.
//!
//! - [`Core`] is one live entity: it decides in memory and hands what it decided to the committer, in order.
//! - [`Committer`] gathers what all entities decided into batches and releases what each batch made durable.
//! - [`Wheel`] knows which entity must be woken when.
//! - [`Crashes`] decides when a command or an entity is poison.
//! - [`recover`] folds a shard's log onto its checkpoints.

mod batch;
mod committer;
mod core;
mod crashes;
mod recovery;
mod wheel;

pub use batch::{Batch, Completed, Done, Other, ShardBatch, ShardOutcome};
pub use committer::Committer;
pub use core::{Asker, Core, Limits, Lost, Message, Outgoing, Release, ReplyTo, Step, StepKind};
pub use crashes::{CRASH_WINDOW, Crashes, UNKNOWN, Verdict};
pub use recovery::{Recovered, RecoveryError, recover};
pub use wheel::Wheel;
