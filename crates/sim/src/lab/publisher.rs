//! Who decides what a channel is told, and publishers that only the laboratory has.

use crossdock_model::{Duration, Timestamp};

use super::LabError;
use super::book::Book;

/// What a channel is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// To show so many more, or fewer.
    Add(i64),
    /// To show as many, whatever it shows.
    Replace(u32),
    /// To show as many if it shows that number still.
    Swap { from: i64, units: u32 },
    /// What it shows.
    Read,
}

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It shows what was sent, since then.
    Taken { at: Timestamp },
    /// It showed another number; nothing has changed.
    Stale,
    /// It shows that many; it was asked at that time.
    Shows {
        units: i64,
        at: Timestamp,
        asked_at: Timestamp,
    },
}

/// Decides what one channel is told.
pub(super) trait Publisher {
    /// The book has changed.
    fn heard(&mut self, _book: &Book, _now: Timestamp) -> Result<(), LabError> {
        Ok(())
    }

    /// The channel says what it shows, of its own accord.
    fn stated(&mut self, _units: i64, _at: Timestamp, _now: Timestamp) -> Result<(), LabError> {
        Ok(())
    }

    /// All sales of the channel up to then are in the book.
    fn proved(&mut self, _: Timestamp, _: &Book, _now: Timestamp) -> Result<(), LabError> {
        Ok(())
    }

    /// What to ask the channel now. It is asked until there is nothing more.
    fn next(&mut self, book: &Book, now: Timestamp) -> Result<Option<Ask>, LabError>;

    /// The channel has answered.
    fn answered(&mut self, _told: Told, _now: Timestamp) -> Result<(), LabError> {
        Ok(())
    }

    /// Whether it shows what it should, as far as is known.
    fn is_settled(&self, book: &Book) -> bool;

    /// Whether it wants to know that the channel's sales were read.
    fn wants_proof(&self, _book: &Book) -> bool {
        false
    }

    /// When it looks by itself at what is to be done.
    fn due(&self) -> Option<Timestamp> {
        None
    }

    /// That time has come.
    fn woken(&mut self, _now: Timestamp) -> Result<(), LabError> {
        Ok(())
    }
}

/// Shows all there is, told as differences: what the formulas for channels that show all assume.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    channel: usize,
    /// What was told so far, without the channel's own sales.
    told: i64,
}

impl Mirror {
    /// For the channel of that number.
    pub fn new(channel: usize) -> Self {
        Self { channel, told: 0 }
    }

    /// What there is, with the channel's own sales: those have lowered its number already.
    fn should(&self, book: &Book) -> i64 {
        book.balance()
            .saturating_add_unsigned(book.sold_units(self.channel))
    }
}

impl Publisher for Mirror {
    fn next(&mut self, book: &Book, _now: Timestamp) -> Result<Option<Ask>, LabError> {
        let change = self.should(book) - self.told;
        self.told += change;
        Ok((change != 0).then_some(Ask::Add(change)))
    }

    fn is_settled(&self, book: &Book) -> bool {
        self.should(book) == self.told
    }
}

/// Fetches everybody's orders every so often, and then replaces the channel's number.
#[derive(Debug)]
pub(super) struct Batch {
    every: Duration,
    next_at: Timestamp,
    is_due: bool,
    sent: Option<u32>,
}

impl Batch {
    /// Every so often, at the same times for all channels.
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            next_at: Timestamp::default() + every,
            is_due: false,
            sent: None,
        }
    }
}

impl Publisher for Batch {
    fn next(&mut self, book: &Book, _now: Timestamp) -> Result<Option<Ask>, LabError> {
        if !std::mem::take(&mut self.is_due) {
            return Ok(None);
        }
        self.sent = Some(book.units());
        Ok(Some(Ask::Replace(book.units())))
    }

    fn is_settled(&self, book: &Book) -> bool {
        self.sent == Some(book.units())
    }

    fn due(&self) -> Option<Timestamp> {
        Some(self.next_at)
    }

    fn woken(&mut self, now: Timestamp) -> Result<(), LabError> {
        if now >= self.next_at {
            self.is_due = true;
            self.next_at = self.next_at + self.every;
        }
        Ok(())
    }
}

/// Replaces the number with what there is whenever it seems to be another one.
#[derive(Debug)]
pub(super) struct Overwriter {
    channel: usize,
    /// Whether a raise waits until the channel's sales up to its cause are in the book.
    proves: bool,
    proof: Timestamp,
    shown: Option<(u32, Timestamp)>,
    under_way: Option<u32>,
    wrong_since: Option<Timestamp>,
}

impl Overwriter {
    /// Writes at once, whatever that does.
    pub fn naive(channel: usize) -> Self {
        Self {
            channel,
            proves: false,
            proof: Timestamp::default(),
            shown: None,
            under_way: None,
            wrong_since: None,
        }
    }

    /// Lowers at once, raises with proof.
    pub fn with_proof(channel: usize) -> Self {
        Self {
            proves: true,
            ..Self::naive(channel)
        }
    }

    /// What it shows, if all its sales are in the book.
    fn believed(&self, book: &Book) -> Option<i64> {
        let (units, at) = self.shown?;
        Some(i64::from(units) - book.sold_after(self.channel, at))
    }
}

impl Publisher for Overwriter {
    fn proved(&mut self, up_to: Timestamp, _: &Book, _: Timestamp) -> Result<(), LabError> {
        self.proof = up_to;
        Ok(())
    }

    fn next(&mut self, book: &Book, now: Timestamp) -> Result<Option<Ask>, LabError> {
        let (should, believed) = (book.units(), self.believed(book));
        if self.under_way.is_some() || believed == Some(should.into()) {
            return Ok(None);
        }
        let since = *self.wrong_since.get_or_insert(now);
        let is_lower = believed.is_some_and(|believed| i64::from(should) < believed);
        if self.proves && !is_lower && self.proof < since {
            return Ok(None);
        }
        self.under_way = Some(should);
        Ok(Some(Ask::Replace(should)))
    }

    fn answered(&mut self, told: Told, _now: Timestamp) -> Result<(), LabError> {
        if let (Some(units), Told::Taken { at }) = (self.under_way.take(), told) {
            self.shown = Some((units, at));
            self.wrong_since = None;
        }
        Ok(())
    }

    fn wants_proof(&self, book: &Book) -> bool {
        self.proves && !self.is_settled(book)
    }

    fn is_settled(&self, book: &Book) -> bool {
        self.under_way.is_none() && self.believed(book) == Some(book.units().into())
    }
}
