//! One SKU on the floor: channels that show a number, shoppers who buy while it is above 0, and publishers that hear of
//! it late.

use crossdock_model::v1::Writes;
use crossdock_model::{Duration, Timestamp};

use super::LabError;
use super::agenda::Agenda;
use super::book::Book;
use super::bucket::CALL_FOR;
use super::estimate::{Estimate, Samples};
use super::publisher::{Ask, Publisher, Told};
use crate::Dice;

/// A span that differs from time to time, each in between being as likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub min: Duration,
    /// The most.
    pub max: Duration,
}

impl Span {
    /// Always the same.
    #[must_use]
    pub const fn fixed(span: Duration) -> Self {
        Self {
            min: span,
            max: span,
        }
    }

    fn draw(&self, dice: &mut Dice) -> Duration {
        let width = self.max.as_ms().saturating_sub(self.min.as_ms());
        match width {
            0 => self.min,
            width => Duration::from_ms(self.min.as_ms() + dice.below(width + 1)),
        }
    }
}

/// A channel of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlet {
    /// Its name.
    pub name: &'static str,
    /// Shoppers per hour.
    pub per_h: f64,
    /// For an uncertain rate, drawn anew each hour: the shape of its gamma distribution.
    pub shape: Option<f64>,
    /// How it takes numbers.
    pub writes: Writes,
    /// From a sale until it is in the book.
    pub heard_after: Span,
    /// From a decision until the channel shows it.
    pub shown_after: Span,
    /// Share of the numbers sent of which nothing is heard again: one in two is shown, at some time until [`CALL_FOR`].
    pub lost: f64,
}

/// What there is to sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supply {
    /// Units at the start, and again after each stock-out has been settled.
    pub units: u32,
    /// Units that arrive every so often while it sells.
    pub arrivals: Option<(Duration, u32)>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Stock-outs, or arrivals if goods arrive all the time.
    pub episodes: u64,
    /// Units that were ordered.
    pub orders: u64,
    /// Units sold beyond what there was, per episode.
    pub oversold: Estimate,
    /// Share of episodes with any.
    pub oversold_share: Estimate,
    /// Episodes with any.
    pub oversold_episodes: u64,
    /// Units sold beyond what there was, by channel.
    pub by_channel: Vec<u64>,
}

#[derive(Debug)]
enum Happening {
    /// A shopper comes, or only the hour ends.
    Turn {
        at: usize,
        buys: bool,
    },
    Heard {
        by: usize,
        at: Timestamp,
    },
    Stated {
        by: usize,
        units: i64,
        at: Timestamp,
    },
    Carried {
        to: usize,
        ask: Ask,
        asked_at: Timestamp,
    },
    Proof {
        of: usize,
        asked_at: Timestamp,
    },
    /// A lost call is carried out after all.
    Late {
        to: usize,
        ask: Ask,
    },
    Wake {
        of: usize,
    },
    Arrival,
}

struct Front<'a> {
    outlet: &'a Outlet,
    publisher: Box<dyn Publisher + 'a>,
    shown: i64,
    /// Times the mean rate, in this hour.
    pace: f64,
    oversold: u64,
    wakes_at: Option<Timestamp>,
    is_proving: bool,
}

impl Front<'_> {
    /// Shows what is asked for. Returns whether it was taken.
    fn show(&mut self, ask: Ask) -> bool {
        match ask {
            Ask::Read => {}
            Ask::Swap { from, .. } if from != self.shown => return false,
            Ask::Swap { units, .. } | Ask::Replace(units) => self.shown = units.into(),
            Ask::Add(units) => self.shown += units,
        }
        true
    }
}

/// An experiment under way.
pub(super) struct Floor<'a> {
    supply: Supply,
    dice: Dice,
    agenda: Agenda<Happening>,
    book: Book,
    fronts: Vec<Front<'a>>,
    stock: i64,
    unheard: usize,
    under_way: usize,
    /// Lost calls that will be carried out.
    late: usize,
    /// Shoppers are let in: everything shows what it should.
    is_open: bool,
    orders: u64,
    oversold_before: u64,
    units: Samples,
    any: Samples,
    oversold_episodes: u64,
    episodes: u64,
    began_at: Timestamp,
}

/// An episode that takes longer will never end.
const EPISODE_MAX: Duration = Duration::from_days(30);
const HOUR_MS: i64 = 3_600_000;

impl<'a> Floor<'a> {
    /// A floor with these channels, each with its publisher.
    pub fn new(
        seed: u64,
        supply: Supply,
        book: Book,
        channels: impl IntoIterator<Item = (&'a Outlet, Box<dyn Publisher + 'a>)>,
    ) -> Self {
        let front = |(outlet, publisher)| Front {
            outlet,
            publisher,
            shown: 0,
            pace: 1.0,
            oversold: 0,
            wakes_at: None,
            is_proving: false,
        };
        Self {
            supply,
            dice: Dice::new(seed),
            agenda: Agenda::default(),
            book,
            fronts: channels.into_iter().map(front).collect(),
            stock: 0,
            unheard: 0,
            under_way: 0,
            late: 0,
            is_open: false,
            orders: 0,
            oversold_before: 0,
            units: Samples::default(),
            any: Samples::default(),
            oversold_episodes: 0,
            episodes: 0,
            began_at: Timestamp::default(),
        }
    }

    /// Sells until there were so many stock-outs, or arrivals if goods arrive all the time.
    pub fn run(mut self, episodes: u64) -> Result<Outcome, LabError> {
        self.restock()?;
        for at in 0..self.fronts.len() {
            self.new_hour(at);
        }
        if let Some((every, _)) = self.supply.arrivals {
            self.agenda.after(every, Happening::Arrival);
        }
        while self.episodes < episodes
            && let Some(what) = self.agenda.next()
        {
            if self.agenda.now() > self.began_at + EPISODE_MAX {
                return Err(LabError::Stuck);
            }
            self.happen(what)?;
        }
        Ok(Outcome {
            episodes: self.episodes,
            orders: self.orders,
            oversold: self.units.estimate(),
            oversold_share: self.any.estimate(),
            oversold_episodes: self.oversold_episodes,
            by_channel: self.fronts.iter().map(|front| front.oversold).collect(),
        })
    }

    fn happen(&mut self, what: Happening) -> Result<(), LabError> {
        let now = self.agenda.now();
        match what {
            Happening::Turn { at, buys: true } => self.shop(at),
            Happening::Turn { at, buys: false } => self.new_hour(at),
            Happening::Heard { by, at } => {
                self.unheard -= 1;
                self.book.sell(by, at, now);
                self.tell_all()?;
            }
            Happening::Stated { by, units, at } => {
                self.fronts[by].publisher.stated(units, at, now)?;
                self.push(by)?;
            }
            Happening::Carried { to, ask, asked_at } => self.carry(to, ask, asked_at)?,
            Happening::Late { to, ask } => {
                self.late -= 1;
                self.fronts[to].show(ask);
            }
            Happening::Proof { of, asked_at } => {
                let front = &mut self.fronts[of];
                front.is_proving = false;
                // Whatever was sold before it was asked has been heard of by now.
                front.publisher.proved(asked_at, &self.book, now)?;
                self.push(of)?;
            }
            Happening::Wake { of } => {
                let front = &mut self.fronts[of];
                if front.wakes_at == Some(now) {
                    front.wakes_at = None;
                    front.publisher.woken(now)?;
                    self.push(of)?;
                }
            }
            Happening::Arrival => self.arrive()?,
        }
        self.look()
    }

    /// The rate is drawn, and the next shopper within the hour with it.
    fn new_hour(&mut self, at: usize) {
        let front = &mut self.fronts[at];
        if let Some(shape) = front.outlet.shape {
            front.pace = self.dice.gamma(shape) / shape;
        }
        self.next_turn(at);
    }

    fn next_turn(&mut self, at: usize) {
        let front = &self.fronts[at];
        let now = self.agenda.now();
        let gap = self.dice.gap_ms(front.outlet.per_h * front.pace);
        let comes_at = now + Duration::from_ms(gap);
        let hour_ends = Timestamp::from_ms((now.as_ms() / HOUR_MS + 1) * HOUR_MS);
        let ends_first = front.outlet.shape.is_some() && hour_ends < comes_at;
        match ends_first {
            true => self
                .agenda
                .note(hour_ends, Happening::Turn { at, buys: false }),
            false => self
                .agenda
                .note(comes_at, Happening::Turn { at, buys: true }),
        }
    }

    /// A shopper buys what is shown.
    fn shop(&mut self, at: usize) {
        self.next_turn(at);
        let now = self.agenda.now();
        let front = &mut self.fronts[at];
        if !self.is_open || front.shown <= 0 {
            return;
        }
        front.shown -= 1;
        self.stock -= 1;
        self.orders += 1;
        self.unheard += 1;
        if self.stock < 0 {
            front.oversold += 1;
        }
        let heard = front.outlet.heard_after.draw(&mut self.dice);
        self.agenda
            .after(heard, Happening::Heard { by: at, at: now });
        if front.outlet.writes == Writes::Absolute {
            return;
        }
        let units = front.shown;
        let stated = front.outlet.heard_after.draw(&mut self.dice);
        let stated_what = Happening::Stated {
            by: at,
            units,
            at: now,
        };
        self.agenda.after(stated, stated_what);
    }

    fn tell_all(&mut self) -> Result<(), LabError> {
        let now = self.agenda.now();
        for at in 0..self.fronts.len() {
            self.fronts[at].publisher.heard(&self.book, now)?;
            self.push(at)?;
        }
        Ok(())
    }

    /// Makes the calls that are to be made, and notes when to look again.
    fn push(&mut self, at: usize) -> Result<(), LabError> {
        let now = self.agenda.now();
        let front = &mut self.fronts[at];
        while let Some(ask) = front.publisher.next(&self.book, now)? {
            self.under_way += 1;
            let span = front.outlet.shown_after.draw(&mut self.dice);
            let carried = Happening::Carried {
                to: at,
                ask,
                asked_at: now,
            };
            self.agenda.after(span, carried);
        }
        let due = front.publisher.due().map(|due| due.max(now));
        if let Some(due) = due.filter(|due| front.wakes_at.is_none_or(|known| *due < known)) {
            front.wakes_at = Some(due);
            self.agenda.note(due, Happening::Wake { of: at });
        }
        if !front.is_proving && front.publisher.wants_proof(&self.book) {
            front.is_proving = true;
            let heard_at = now + front.outlet.heard_after.max;
            let proof = Happening::Proof {
                of: at,
                asked_at: now,
            };
            self.agenda.note(heard_at + Duration::from_ms(1), proof);
        }
        Ok(())
    }

    /// The channel does what it was asked.
    fn carry(&mut self, to: usize, ask: Ask, asked_at: Timestamp) -> Result<(), LabError> {
        let at = self.agenda.now();
        let front = &mut self.fronts[to];
        let may_be_lost = ask != Ask::Read && front.outlet.lost > 0.0;
        let is_lost = may_be_lost && self.dice.happens(front.outlet.lost);
        if is_lost {
            self.under_way -= 1;
            if self.dice.happens(0.5) {
                let late = Duration::from_ms(self.dice.below(CALL_FOR.as_ms()));
                self.late += 1;
                let shown = Happening::Late { to, ask };
                self.agenda.note((asked_at + late).max(at), shown);
            }
            return Ok(());
        }
        let told = match ask {
            Ask::Read => Told::Shows {
                units: front.shown,
                at,
                asked_at,
            },
            Ask::Add(_) | Ask::Replace(_) | Ask::Swap { .. } => match front.show(ask) {
                true => Told::Taken { at },
                false => Told::Stale,
            },
        };
        self.under_way -= 1;
        front.publisher.answered(told, at)?;
        self.push(to)
    }

    fn arrive(&mut self) -> Result<(), LabError> {
        if let Some((every, units)) = self.supply.arrivals {
            self.agenda.after(every, Happening::Arrival);
            self.stock += i64::from(units);
            self.book.add(units.into(), self.agenda.now());
            self.end_episode();
            self.tell_all()?;
        }
        Ok(())
    }

    /// Opens the doors once everything shows what it should, and ends what is sold out and settled.
    fn look(&mut self) -> Result<(), LabError> {
        let is_quiet = self.unheard == 0 && self.under_way == 0 && self.late == 0;
        if !is_quiet || (self.is_open && self.fronts.iter().any(|front| front.shown > 0)) {
            return Ok(());
        }
        let mut fronts = self.fronts.iter();
        if !fronts.all(|front| front.publisher.is_settled(&self.book)) {
            return Ok(());
        }
        if !self.is_open {
            self.is_open = true;
        } else if self.supply.arrivals.is_none() {
            self.end_episode();
            self.is_open = false;
            self.restock()?;
        }
        Ok(())
    }

    /// As many as at the start are there again; whoever was sold what was not there is told so.
    fn restock(&mut self) -> Result<(), LabError> {
        let units = i64::from(self.supply.units);
        self.stock = units;
        self.book
            .add(units - self.book.balance(), self.agenda.now());
        self.tell_all()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    fn end_episode(&mut self) {
        let oversold: u64 = self.fronts.iter().map(|front| front.oversold).sum();
        let units = oversold - self.oversold_before;
        self.oversold_before = oversold;
        self.episodes += 1;
        self.began_at = self.agenda.now();
        self.oversold_episodes += u64::from(units > 0);
        self.units.add(units as f64);
        self.any.add(f64::from(u8::from(units > 0)));
    }
}
