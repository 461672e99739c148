//! The shell around the engine: actors, the committer's thread, supervision, timers and effect dispatch.
//!
//! Nothing is decided here. Every live entity is a ractor actor with a bounded queue of its own; ractor
//! carries a coalesced *wake*, because its mailboxes are unbounded and lose what is queued on a panic. An
//! actor drains its queue, decides in memory and hands the steps to the committer without awaiting; the
//! committer's thread writes them in one flush and releases what became durable. [`Handle`] is the door for
//! everything outside.

mod actor;
mod ask;
mod batch;
mod busy;
mod clock;
mod commit;
mod deliveries;
mod directory;
mod doors;
mod fair;
mod heat;
mod inbox;
mod leaving;
mod loading;
mod metrics;
mod node;
mod passivation;
pub mod planted;
mod quarantine;
mod router;
mod shared;
mod takeover;
mod telling;
pub mod testing;
mod threads;
mod timers;
mod turns;
mod vault;

pub use crossdock_engine::{Budget, Desk, DeskLimits, Door, Ended, Funds, Limits, Number, Pick};
pub use crossdock_journal::{InboxId, InboxInsert, InboxRow, InboxState, PersonState, VaultEntry};
pub use crossdock_logic::bucket::{
    BUCKETS, CALLS_MAX, NotThere, Offer, Offers, Urgency, bucket_of,
};
pub use crossdock_logic::catalogue;
pub use crossdock_logic::router::{CompiledRules, parse_rules};
pub use crossdock_logic::sku::{KIT_DEPTH_MAX, kit_ats};

pub use ask::{AskError, By, Handle, Reply, body_hash};
pub use clock::{Anchored, Clock, FastClock, PausedClock, RealClock, Sleep, last_commit_at};
pub use doors::Entered;
pub use fair::Room;
pub use heat::HotSku;
pub use inbox::{AtWork, CHANNEL_AT_ONCE, CONFLICT_HEADER, Ready, beside};
pub use metrics::{Metrics, ReserveMetrics};
pub use node::{
    Company, Connector, DeliverFuture, Node, Options, ReportFuture, Reports, StartError,
    Unconnected, Unreported,
};
pub use telling::{Outbound, Unpublished};
pub use threads::{Pace, Threads};
pub use turns::Turn;
pub use vault::Personal;
