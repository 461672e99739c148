//! Publishing to a simulated channel whose orders are heard of late.

use crossdock_model::Timestamp;
use crossdock_model::v1::{Sold, Writes};

use super::Dice;
use crate::oversell::Demand;
use crate::publish::{Act, Slot, Statement, Want};

#[derive(Clone, Copy, PartialEq)]
enum Arm {
    Naive,
    Proof,
    ProofAndUnseen,
    /// And more room while nothing is read.
    AndBehind,
}

const LAG_MS: i64 = 180_000;
const FAST_PER_H: f64 = 200.0;
const SLOW_PER_H: f64 = 20.0;
const STOCK: i64 = 60;
const ARRIVAL: i64 = 12;
const NEVER: i64 = i64::MAX / 2;
const HOUR_MS: i64 = 3_600_000;
/// The fast channel's orders are read so often; what is read is a lag old.
const STEP_MS: i64 = 5_000;

/// One SKU on two channels: a fast one that takes numbers as they are sent and whose orders are heard of after a lag,
/// and a slow one that is always in sync.
struct Trap {
    dice: Dice,
    arm: Arm,
    slot: Slot,
    sold: Vec<Sold>,
    /// Sales of the fast channel that were not heard of yet.
    unheard: Vec<i64>,
    stock: i64,
    known: i64,
    shown: i64,
    oversold: i64,
    /// Goods arrive so often while there still are some; [`NEVER`]: not.
    arrives_every_ms: i64,
    arrives_at: i64,
    /// What arrives when all is sold.
    restock: i64,
    /// For how long the fast channel's orders are not read, some time after that, and from when till when that is.
    unread_ms: i64,
    unread: (i64, i64),
}

impl Trap {
    fn new(seed: u64, arm: Arm, arrives_every_ms: i64) -> Self {
        let mut slot = Slot::default();
        let at = Timestamp::from_ms(0);
        slot.state(Statement { units: 0, at }, Writes::Absolute);
        Self {
            dice: Dice(seed),
            arm,
            slot,
            sold: Vec::new(),
            unheard: Vec::new(),
            stock: 0,
            known: 0,
            shown: 0,
            oversold: 0,
            arrives_every_ms,
            arrives_at: arrives_every_ms,
            restock: STOCK,
            unread_ms: 0,
            unread: (0, 0),
        }
    }

    /// As many goods as are sold in an hour and a half, an hour of which nothing is read.
    fn unread(seed: u64, arm: Arm) -> Self {
        Self {
            restock: 300,
            unread_ms: HOUR_MS,
            ..Self::new(seed, arm, NEVER)
        }
    }

    fn sell(&mut self) {
        self.stock -= 1;
        self.oversold += i64::from(self.stock < 0);
    }

    fn publish(&mut self, now_ms: i64) {
        let now = Timestamp::from_ms(now_ms);
        let unseen = match self.arm {
            Arm::Naive | Arm::Proof => 0,
            Arm::ProofAndUnseen | Arm::AndBehind => unseen_in(LAG_MS + STEP_MS),
        };
        let read_up_to = self.read_up_to(now_ms);
        let behind = (self.arm == Arm::AndBehind).then(|| behind(now_ms - read_up_to));
        let mut sold = self.sold.clone();
        let want = Want {
            units: u32::try_from(self.known.max(0)).unwrap(),
            writes: Writes::Absolute,
            unseen,
            behind: behind.flatten(),
            sold: Some(&self.sold.clone()),
            proof: match self.arm {
                Arm::Naive => Timestamp::MAX,
                Arm::Proof | Arm::ProofAndUnseen | Arm::AndBehind => Timestamp::from_ms(read_up_to),
            },
        };
        self.slot.note(&want, now);
        if let Act::Set { units, .. } = self.slot.act(&want, now) {
            self.slot.begin(1, units, now);
            self.slot.confirm(now);
            self.shown = i64::from(units);
            sold.retain(|sold| sold.at > now);
            self.slot.note(
                &Want {
                    sold: Some(&sold),
                    ..want
                },
                now,
            );
            self.sold = sold;
        }
    }

    fn is_unread(&self, now_ms: i64) -> bool {
        (self.unread.0..self.unread.1).contains(&now_ms)
    }

    fn read_up_to(&self, now_ms: i64) -> i64 {
        match self.is_unread(now_ms) {
            true => self.unread.0 - LAG_MS,
            false => now_ms - LAG_MS,
        }
    }

    fn hear(&mut self, now_ms: i64) {
        if self.is_unread(now_ms) {
            return;
        }
        while let Some(at_ms) = self
            .unheard
            .first()
            .copied()
            .filter(|at| at + LAG_MS <= now_ms)
        {
            self.unheard.remove(0);
            self.known -= 1;
            let at = Timestamp::from_ms(at_ms);
            self.sold.push(Sold { at, units: 1 });
        }
    }

    /// Oversold units per stock-out, or per arrival where goods arrive all the time, over so many.
    fn run(&mut self, times: i64) -> f64 {
        let mut now_ms = 0;
        let (mut fast_at, mut slow_at) = (1, 1);
        let mut seen = 0;
        while seen < times {
            // Restocked once nothing is left, nothing is shown and all is heard of.
            if self.stock <= 0 && self.known <= 0 && self.unheard.is_empty() {
                seen += 1;
                self.stock += self.restock;
                self.known += self.restock;
                let from = now_ms + 300_000 + (self.dice.unit() * 1_500_000.0) as i64;
                self.unread = (from, from + self.unread_ms);
            }
            now_ms += STEP_MS;
            if self.arrives_at <= now_ms {
                self.arrives_at = now_ms + self.arrives_every_ms;
                seen += 1;
                self.stock += ARRIVAL;
                self.known += ARRIVAL;
            }
            while fast_at.min(slow_at) <= now_ms {
                let at = fast_at.min(slow_at);
                self.hear(at);
                if fast_at <= slow_at {
                    if self.shown > 0 {
                        self.shown -= 1;
                        self.sell();
                        self.unheard.push(at);
                    }
                    fast_at += self.dice.gap_ms(FAST_PER_H);
                } else {
                    if self.known > 0 {
                        self.known -= 1;
                        self.sell();
                    }
                    slow_at += self.dice.gap_ms(SLOW_PER_H);
                }
                self.publish(at);
            }
            self.hear(now_ms);
            self.publish(now_ms);
        }
        self.oversold as f64 / times as f64
    }
}

/// Units sold on the fast channel in so long, but for a risk.
fn unseen_in(span_ms: i64) -> u32 {
    Demand::poisson(FAST_PER_H * span_ms as f64 / HOUR_MS as f64).units_at_risk(0.001)
}

/// The same since orders were read, told in steps a quarter apart.
fn behind(unread_for_ms: i64) -> Option<u32> {
    let steps = std::iter::successors(Some(LAG_MS + STEP_MS), |step| Some(step * 5 / 4));
    let mut steps = steps.skip_while(|step| *step < unread_for_ms);
    let step = steps.next().filter(|step| *step > LAG_MS + STEP_MS);
    step.map(unseen_in)
}

/// In a pure sell-down every naive write is a lowering, and puts the unseen sales back on sale: proof changes nothing,
/// room for unseen sales does.
#[test]
fn unseen_sales_are_not_put_back_on_sale() {
    let [naive, proof, unseen] =
        [Arm::Naive, Arm::Proof, Arm::ProofAndUnseen].map(|arm| Trap::new(7, arm, NEVER).run(400));
    assert!((8.0..11.0).contains(&naive), "{naive}");
    assert!((proof - naive).abs() < 0.5, "{proof} for {naive}");
    assert!(unseen < 0.01, "{unseen}");
}

/// With goods arriving in the middle of a sale, a raise without proof puts unseen sales back as well.
#[test]
fn a_raise_waits_until_what_was_sold_is_read() {
    let [naive, proof, unseen] = [Arm::Naive, Arm::Proof, Arm::ProofAndUnseen]
        .map(|arm| Trap::new(7, arm, 240_000).run(400));
    assert!(proof <= naive, "{proof} for {naive}");
    assert!(unseen < 0.01, "{unseen}");
}

/// An hour in which the fast channel's orders cannot be read, while the slow one goes on selling: every write for its sake
/// would put back on sale what the fast one sold unseen.
#[test]
fn a_channel_that_is_not_read_for_an_hour_oversells_no_more_than_one_that_is() {
    let oversold = |arm| Trap::unread(7, arm).run(100);
    let read = Trap {
        unread_ms: 0,
        ..Trap::unread(7, Arm::AndBehind)
    }
    .run(100);
    let [unseen, behind] = [Arm::ProofAndUnseen, Arm::AndBehind].map(oversold);
    assert!(unseen > 4.0, "{unseen}");
    assert!(behind <= read.max(0.01), "{behind} for {read}");
}
