//! What a channel is told, and what it says it shows.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration as Wait;

use crossdock_model::{Duration, ListingId, SourceId, Timestamp};
use thiserror::Error;

/// Characters of a channel's own words that are kept: they are journaled, and shown to people.
const SAID_CHARS_MAX: usize = 300;

/// A channel's own words, as far as they are kept.
pub(crate) fn said(words: &str) -> String {
    match words.char_indices().nth(SAID_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

/// What it does to make the same call again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A key names the call: however often it is made, it is carried out once.
    Keyed,
    /// It is carried out again, but the channel says whether it was: that is read before it is made again.
    ReadBeforeRetry,
    /// It is carried out again, and nobody can say whether it was: it is never made again by itself.
    Once,
}

/// A number to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberSet {
    /// The listing.
    pub listing: ListingId,
    /// The channel's place.
    pub place: SourceId,
    /// Units to show.
    pub units: u32,
    /// What must be shown for it to be taken, on a channel that compares.
    pub change_from: Option<i64>,
    /// Names this call: the same for whoever repeats it.
    pub key: String,
}

/// What became of a number that the channel answered about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetOutcome {
    /// It is shown, since then by the channel's clock.
    Confirmed {
        /// When.
        at: Timestamp,
    },
    /// Another number was shown than it was compared with, or none; nothing has changed.
    Stale,
    /// It is refused, for this reason; nothing has changed.
    Refused(String),
    /// Nothing became of it, as another number of the same call was not taken.
    NotDone,
}

/// A span of so many seconds, as a channel tells it; `None`: it is none.
pub(crate) fn seconds(told: f64) -> Option<Duration> {
    let span = Wait::try_from_secs_f64(told).ok()?;
    u64::try_from(span.as_millis()).ok().map(Duration::from_ms)
}

/// The time of an HTTP `Date`.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let instant = parser.parse_timestamp(text.trim()).ok()?;
    Some(Timestamp::from_ms(instant.as_millisecond()))
}

/// What a channel shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberShown {
    /// Units, also fewer than none; `None`: it is not counted there.
    pub units: Option<i64>,
    /// When, by the channel's clock.
    pub at: Timestamp,
    /// Since when, where the channel says so.
    pub changed_at: Option<Timestamp>,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The channel is asked too much. Nothing was done.
    #[error("the channel is asked too much, again in {} ms", retry_after.as_ms())]
    Throttled {
        /// When it may be asked again.
        retry_after: Duration,
    },
    /// It surely was not done.
    #[error("not done: {0}")]
    NotDone(String),
    /// Nobody knows whether it was done.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// Answers, later: one for each number, in the order they were given.
pub type Calling<T> = Pin<Box<dyn Future<Output = Result<Vec<T>, CallError>> + Send>>;

/// How far many numbers are that were handed over together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkState {
    /// They are being set, or will be.
    Open,
    /// All are set but those that were refused.
    Done {
        /// Since when at the latest, by the channel's clock.
        at: Timestamp,
        /// Why, by their place in what was handed over.
        refused: BTreeMap<usize, String>,
    },
    /// None was set, and none will be.
    NotDone,
    /// It has ended, and nobody knows which were set.
    Lost(String),
}

/// What became of handing over.
pub type Handing<T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send>>;

/// A channel that also takes many numbers at a time and sets them minutes later, each over whatever was set meanwhile.
pub trait Bulk: Send + Sync {
    /// Numbers handed over together at most.
    fn numbers_max(&self) -> usize;

    /// Hands numbers over; what they are called together. *Once*.
    fn hand_over(&self, numbers: Vec<(ListingId, SourceId, u32)>) -> Handing<String>;

    /// How far they are, of which there are so many. Reads only.
    fn look(&self, name: String, count: usize) -> Handing<BulkState>;

    /// Whether any that were handed over between those times, by whomever, are being set or will be. Reads only.
    fn is_open(&self, since: Timestamp, until: Timestamp) -> Handing<bool>;
}

/// A channel whose numbers can be read and set. A call ends within its own time limit.
pub trait Numbers: Send + Sync {
    /// Sets numbers.
    fn set(&self, numbers: Vec<NumberSet>) -> Calling<SetOutcome>;

    /// Reads numbers; `None` for a listing that the channel does not have there.
    fn read(&self, numbers: Vec<(ListingId, SourceId)>) -> Calling<Option<NumberShown>>;
}
