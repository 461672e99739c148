//! Makes deciders durable, as a synchronous state machine.
//!
//! Messages, disk answers and time come in; journal writes, answers, effects and wake-ups go out. Nothing here
//! spawns, awaits, reads a clock or does I/O: `crossdock-runtime` is one shell around it, the simulator another.
//!
//! - [`Core`] is one live entity: it decides in memory and hands what it decided to the committer, in order.
//! - [`Queue`] holds what waits at an entity, and finds the command that crashes it.
//! - [`Committer`] gathers what all entities decided into batches and releases what each batch made durable.
//! - [`Loads`] brings passive entities to life in their turn, [`who_goes`] says which live ones become passive.
//! - [`route`] sends effects where they belong, [`Calls`] holds those to connectors.
//! - [`Announcer`] carries what SKUs say to the buckets that list them, [`Desk`] picks what a channel is sent next, within
//!   its [`Budget`].
//! - [`Course`] says what becomes of a delivery that was tried.
//! - [`Door`] says what is let in while much waits, [`Doors`] how much of it.
//! - [`Wheel`] knows which entity must be woken when.
//! - [`Crashes`] decides when a command or an entity is poison, [`Quarantine`] knows what is put aside.
//! - [`recover`] builds one entity from what is stored, [`Folding`] a whole shard when a node takes it over.

mod admission;
mod announcer;
mod batch;
mod budget;
mod committer;
mod core;
mod course;
mod crashes;
mod desk;
mod dispatch;
mod doors;
mod fold;
mod lanes;
mod loads;
mod passivation;
mod quarantine;
mod queue;
mod recovery;
mod step;
mod wheel;

pub use admission::Door;
pub use announcer::{Announcement, Announcer};
pub use batch::{Batch, Completed, Done, Other, ShardBatch, ShardOutcome, Snapshot};
pub use budget::Budget;
pub use committer::{Committer, Handed};
pub use core::{Asker, Core, Limits, Message, ReplyTo};
pub use course::{Course, Next, Tried};
pub use crashes::{CRASH_WINDOW, CRASHES_MAX, Crashes, UNKNOWN, Verdict};
pub use desk::{Desk, DeskLimits, Ended, Funds, Number, Pick};
pub use dispatch::{
    CALL_MAX, Call, Calls, Destination, Planning, Work, answer, delivered, reported, route,
};
pub use doors::Doors;
pub use fold::{Folding, Unfolded, fold};
pub use lanes::own_class;
pub use loads::{Cause, LOADING_MAX, LOADS_MAX, Loads};
pub use passivation::{
    CHECKPOINTS_MAX, IDLE, LIFE_MAX, Live, QUIET, UNCOVERED_RECORDS_MAX, who_goes,
};
pub use quarantine::{Poison, Quarantine, answer_of_one_aside, answer_to_poison};
pub use queue::{BATCH_MAX, OUTSIDE_QUEUE_MAX, Pushed, QUEUE_MAX, Queue, Taken};
pub use recovery::{Recovered, RecoveryError, recover};
pub use step::{AtOnce, Outgoing, Release, Step, StepKind};
pub use wheel::{DUE_SWEEP, HORIZON, Wheel, wake_again_at};
