//! A channel whose writes replace its number, with numbers that are handed over among many and set later or never: never is
//! more shown than we believe at most, and in the end what should be.

use super::*;

/// What was handed over, as the channel knows it.
#[derive(Clone, Copy, PartialEq)]
enum Feed {
    None,
    Open(u32),
    WorkedOn,
}

struct Channel {
    dice: Dice,
    slot: Slot,
    feed: Feed,
    shown: i64,
    stock: u32,
    calls: u64,
    now_ms: i64,
}

impl Channel {
    fn new(seed: u64) -> Self {
        let mut slot = Slot::default();
        slot.state(shows(5, 0), Writes::Absolute);
        Self {
            dice: Dice(seed),
            slot,
            feed: Feed::None,
            shown: 5,
            stock: 5,
            calls: 0,
            now_ms: 1,
        }
    }

    fn now(&self) -> Timestamp {
        ms(self.now_ms)
    }

    fn happens(&mut self, chance: f64) -> bool {
        self.dice.unit() < chance
    }

    fn want(&self) -> Want<'static> {
        Want {
            units: self.stock,
            writes: Writes::Absolute,
            unseen: 0,
            behind: None,
            sold: None,
            proof: self.now(),
        }
    }

    fn send(&mut self) {
        let Act::Set { units, .. } = self.slot.act(&self.want(), self.now()) else {
            return;
        };
        self.calls += 1;
        let is_raise = self.slot.most(None) < Some(units.into());
        if is_raise && self.feed == Feed::None && self.happens(0.7) {
            let until = ms(self.now_ms + 500);
            self.slot.hand_over(self.calls, units, until, self.now());
            self.feed = Feed::Open(units);
        } else {
            self.slot.begin(self.calls, units, self.now());
        }
    }

    fn answer(&mut self, faults: bool) {
        let Some(flight) = self.slot.flight() else {
            return;
        };
        let is_done = !(faults && self.happens(0.3));
        if is_done {
            self.shown = flight.units.into();
        }
        let is_heard = !(faults && self.happens(0.3));
        match (is_done, is_heard) {
            (true, true) => self.slot.confirm(self.now()),
            (false, true) => self.slot.refuse(false),
            (_, false) => self.slot.lose(ms(self.now_ms + 20)),
        }
    }

    /// The feed is worked on, or given up, or its report is read.
    fn go_on(&mut self, faults: bool) {
        let (at, is_heard) = (self.now(), !(faults && self.happens(0.2)));
        let is_given_up = faults && self.happens(0.1);
        match self.feed {
            Feed::None => {}
            Feed::Open(_) if is_given_up => {
                self.slot.refuse_handed();
                self.feed = Feed::None;
            }
            Feed::Open(units) => {
                self.shown = units.into();
                self.feed = Feed::WorkedOn;
            }
            Feed::WorkedOn if is_heard => {
                self.slot.confirm_handed(at, at);
                self.feed = Feed::None;
            }
            Feed::WorkedOn => {
                self.slot.lose_handed(at);
                self.feed = Feed::None;
            }
        }
    }

    fn step(&mut self, faults: bool) {
        self.now_ms += 1;
        if self.slot.doubt_due().is_some_and(|due| due <= self.now()) {
            self.slot.end_doubt(self.now());
        }
        match self.dice.unit() {
            ..0.1 if faults => self.stock = (self.dice.unit() * 4.0) as u32 * 10,
            ..0.6 => self.send(),
            ..0.85 => self.answer(faults),
            _ => self.go_on(faults),
        }
        self.slot.note(&self.want(), self.now());
        let under_way = self.slot.flight().map(|flight| i64::from(flight.units));
        let most = self.slot.most(None).max(under_way);
        assert!(Some(self.shown) <= most, "{} {:?}", self.shown, self.slot);
    }
}

#[test]
fn what_was_handed_over_is_overwritten_where_it_came_too_late() {
    for seed in 1..=500 {
        let mut channel = Channel::new(seed * 0x9E37_79B9);
        (0..300).for_each(|_| channel.step(true));
        (0..300).for_each(|_| channel.step(false));
        let is_settled = channel.slot.is_settled();
        let shown = (channel.shown, is_settled);
        assert_eq!(
            shown,
            (channel.stock.into(), true),
            "{seed}: {:?}",
            channel.slot
        );
    }
}
