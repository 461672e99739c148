//! Publishing to a simulated channel whose orders are heard of late.

mod bulk;

use crossdock_model::Timestamp;
use crossdock_model::v1::{Sold, Writes};

use super::{Act, Slot, Statement, Want};
use crate::oversell::Demand;

/// Chances from a seed.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Milliseconds until the next of so many per hour.
    fn gap_ms(&mut self, per_h: f64) -> i64 {
        (-(1.0 - self.unit()).ln() / per_h * 3_600_000.0) as i64 + 1
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Arm {
    Naive,
    Proof,
    ProofAndUnseen,
}

const LAG_MS: i64 = 180_000;
const FAST_PER_H: f64 = 200.0;
const SLOW_PER_H: f64 = 20.0;
const STOCK: i64 = 60;
const ARRIVAL: i64 = 12;
const NEVER: i64 = i64::MAX / 2;
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
            Arm::ProofAndUnseen => {
                let hours = (LAG_MS + STEP_MS) as f64 / 3_600_000.0;
                Demand::poisson(FAST_PER_H * hours).units_at_risk(0.001)
            }
        };
        let mut sold = self.sold.clone();
        let want = Want {
            units: u32::try_from(self.known.max(0)).unwrap(),
            writes: Writes::Absolute,
            unseen,
            sold: Some(&self.sold.clone()),
            proof: match self.arm {
                Arm::Naive => Timestamp::MAX,
                Arm::Proof | Arm::ProofAndUnseen => Timestamp::from_ms(now_ms - LAG_MS),
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

    fn hear(&mut self, now_ms: i64) {
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
                self.stock += STOCK;
                self.known += STOCK;
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

fn ms(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn shows(units: i64, at: i64) -> Statement {
    Statement { units, at: ms(at) }
}

/// A shop that compares: the units it should show and the sales known of by now.
fn want(units: u32, sold: &[Sold]) -> Want<'_> {
    Want {
        units,
        writes: Writes::CompareAndSet,
        unseen: 0,
        sold: Some(sold),
        proof: ms(0),
    }
}

fn set(units: u32, from: i64) -> Act {
    Act::Set {
        units,
        change_from: Some(from),
    }
}

fn slot(units: i64, at: i64) -> Slot {
    let mut slot = Slot::default();
    slot.state(shows(units, at), Writes::CompareAndSet);
    slot
}

/// (what, units wanted, units sold here and heard of, act) at a shop that showed 10.
#[test]
fn what_the_shop_lowered_itself_is_not_lowered_again() {
    let cases = [
        ("as shown", 10, 0, Act::Nothing),
        ("sold elsewhere", 9, 0, set(9, 10)),
        ("sold here", 9, 1, Act::Nothing),
        ("both", 8, 1, set(8, 9)),
        ("more arrived", 14, 1, set(14, 9)),
    ];
    for (what, units, sold, act) in cases {
        let mut slot = slot(10, 10);
        slot.explain(sold, ms(20));
        assert_eq!(slot.act(&want(units, &[]), ms(30)), act, "{what}");
    }
    assert_eq!(Slot::default().act(&want(9, &[]), ms(30)), Act::Read);
    // Stated and heard of, in either order.
    for stated_first in [true, false] {
        let mut slot = slot(10, 10);
        if stated_first {
            slot.state(shows(9, 25), Writes::CompareAndSet);
            assert_eq!(slot.act(&want(10, &[]), ms(30)), Act::Nothing);
        }
        slot.explain(1, ms(26));
        slot.state(shows(9, 25), Writes::CompareAndSet);
        assert_eq!(slot.act(&want(9, &[]), ms(30)), Act::Nothing);
        assert_eq!(slot.unexplained(), 0);
    }
}

/// The shop has sold two that we have not heard of; meanwhile one was sold elsewhere.
#[test]
fn a_fall_that_no_order_explains_is_taken_off_what_is_sent() {
    let mut slot = slot(10, 10);
    assert_eq!(slot.act(&want(9, &[]), ms(30)), set(9, 10));
    slot.begin(1, 9, ms(30));
    assert_eq!(slot.act(&want(9, &[]), ms(31)), Act::Nothing);
    slot.refuse(true);
    assert_eq!(slot.act(&want(9, &[]), ms(32)), Act::Read);
    slot.read(shows(8, 33), Writes::CompareAndSet, ms(33));
    assert_eq!(slot.unexplained(), 2);
    assert_eq!(slot.act(&want(9, &[]), ms(34)), set(7, 8));
    slot.begin(1, 7, ms(34));
    slot.confirm(ms(35));
    // Its orders come: the number that is wanted falls, what is shown has it already.
    for wanted in [8, 7] {
        slot.explain(1, ms(26));
        assert_eq!(slot.act(&want(wanted, &[]), ms(40)), Act::Nothing);
    }
    assert_eq!(slot.unexplained(), 0);
}

#[test]
fn a_fall_that_was_no_sale_is_found_once_all_orders_are_read() {
    let mut slot = slot(10, 10);
    slot.state(shows(4, 33), Writes::CompareAndSet);
    slot.note(&want(10, &[]), ms(34));
    assert_eq!(slot.act(&want(10, &[]), ms(34)), Act::Nothing);
    assert_eq!(slot.wrong_since(), Some(ms(34)), "somebody must see it");
    assert_eq!(slot.give_up_explaining(ms(32)), 0);
    assert_eq!(slot.give_up_explaining(ms(33)), 6);
    assert_eq!(slot.act(&want(10, &[]), ms(40)), set(10, 4));
}

/// What the shop states while a call is under way is that call's own number as often as not.
#[test]
fn a_statement_under_way_is_measured_when_the_call_has_ended() {
    for (units, stated_at, unexplained) in [(3, 31, 0), (3, 40, 0), (2, 40, 1), (10, 20, 0)] {
        let mut slot = slot(10, 10);
        slot.begin(1, 3, ms(30));
        slot.state(shows(units, stated_at), Writes::CompareAndSet);
        slot.confirm(ms(31));
        assert_eq!(slot.unexplained(), unexplained, "{units} at {stated_at}");
        assert!(matches!(slot.act(&want(3, &[]), ms(50)), Act::Nothing));
    }
    // Two numbers of one instant: it is asked.
    let mut slot = slot(10, 10);
    slot.state(shows(9, 10), Writes::CompareAndSet);
    assert_eq!(slot.act(&want(10, &[]), ms(50)), Act::Read);
}

/// (units lost on the way from 10, what is read, unexplained then)
#[test]
fn a_lost_call_was_carried_out_or_not_as_the_number_tells() {
    let cases = [
        (15, 15, 0),
        (15, 10, 0),
        (15, 9, 1),
        (15, 14, 1),
        (3, 3, 0),
        (3, 10, 0),
        (3, 9, 1),
        (3, 2, 1),
    ];
    for (lost, read, unexplained) in cases {
        let mut slot = slot(10, 10);
        slot.begin(1, lost, ms(20));
        slot.lose(ms(50));
        assert_eq!(slot.act(&want(lost, &[]), ms(30)), Act::Read);
        for at in [31, 32] {
            slot.read(shows(read, at), Writes::CompareAndSet, ms(at));
            assert_eq!(slot.unexplained(), unexplained, "{lost} lost, {read} read");
        }
    }
}

#[test]
fn what_nobody_knows_the_outcome_of_is_read_at_once_and_again() {
    let mut slot = slot(10, 10);
    slot.begin(1, 3, ms(20));
    slot.lose(ms(50));
    let wanted = want(5, &[]);
    assert_eq!(slot.act(&wanted, ms(30)), Act::Read);
    slot.read(shows(10, 31), Writes::CompareAndSet, ms(31));
    assert_eq!(slot.act(&wanted, ms(32)), set(5, 10));
    slot.begin(1, 5, ms(32));
    slot.confirm(ms(33));
    assert_eq!(slot.act(&wanted, ms(49)), Act::Nothing);
    assert_eq!(slot.doubt_due(), Some(ms(50)));
    slot.end_doubt(ms(50));
    assert_eq!(
        (slot.doubt_due(), slot.act(&wanted, ms(50))),
        (None, Act::Read)
    );
    slot.read(shows(5, 51), Writes::CompareAndSet, ms(51));
    assert_eq!(slot.act(&wanted, ms(60)), Act::Nothing);
}

/// (what, units wanted, unseen, proof, act) for a channel that replaces, which shows at most 20 since 10.
#[test]
fn a_channel_that_replaces_is_lowered_at_once_and_raised_with_proof() {
    let cases = [
        ("as shown", 25, 5, 0, Act::Nothing),
        (
            "surely lower",
            20,
            5,
            0,
            Act::Set {
                units: 15,
                change_from: None,
            },
        ),
        (
            "none is never a raise",
            4,
            5,
            0,
            Act::Set {
                units: 0,
                change_from: None,
            },
        ),
        ("may be a raise", 22, 5, 0, Act::AwaitProof { of: ms(15) }),
        (
            "may be a raise, read",
            22,
            5,
            15,
            Act::Set {
                units: 17,
                change_from: None,
            },
        ),
        ("a raise", 30, 5, 14, Act::AwaitProof { of: ms(15) }),
        (
            "a raise, read",
            30,
            5,
            15,
            Act::Set {
                units: 25,
                change_from: None,
            },
        ),
    ];
    for (what, units, unseen, proof, act) in cases {
        let want = Want {
            units,
            writes: Writes::Absolute,
            unseen,
            sold: Some(&[]),
            proof: ms(proof),
        };
        let mut slot = Slot::default();
        slot.state(shows(20, 10), Writes::Absolute);
        slot.note(&want, ms(15));
        assert_eq!(slot.act(&want, ms(16)), act, "{what}");
    }
}

/// Sent once more when the lost call has surely ended, at no more than may be shown by then.
#[test]
fn a_lost_call_of_a_channel_that_replaces_is_overwritten() {
    let want = |units| Want {
        units,
        writes: Writes::Absolute,
        unseen: 0,
        sold: Some(&[]),
        proof: ms(0),
    };
    let sends = |units| Act::Set {
        units,
        change_from: None,
    };
    let mut slot = Slot::default();
    slot.state(shows(20, 10), Writes::Absolute);
    slot.begin(1, 12, ms(20));
    slot.lose(ms(50));
    assert_eq!(slot.most(None), Some(20));
    slot.note(&want(12), ms(21));
    assert_eq!(slot.act(&want(12), ms(21)), sends(12), "at once");
    slot.begin(1, 12, ms(21));
    slot.confirm(ms(22));
    assert_eq!(slot.act(&want(12), ms(49)), Act::Nothing);
    assert_eq!(slot.act(&want(12), ms(50)), sends(12), "and again");
    slot.begin(1, 12, ms(50));
    slot.confirm(ms(51));
    slot.note(&want(12), ms(51));
    assert_eq!(slot.act(&want(12), ms(99)), Act::Nothing);
    assert_eq!(slot.wrong_since(), None);
}

/// A lost call may leave more than is wanted: what is wanted is sent at once and once more when that has surely ended,
/// and not over and over until then, as each of these calls may be lost too.
#[test]
fn what_overwrites_a_lost_call_is_sent_twice() {
    let want = |units| Want {
        units,
        writes: Writes::Absolute,
        unseen: 0,
        sold: Some(&[]),
        proof: ms(0),
    };
    let sends = |units| Act::Set {
        units,
        change_from: None,
    };
    for (shown, first) in [(0, 0), (3, 3), (30, 9)] {
        let mut slot = Slot::default();
        slot.state(shows(shown, 10), Writes::Absolute);
        slot.begin(1, 20, ms(20));
        slot.lose(ms(50));
        slot.note(&want(first), ms(21));
        assert_eq!(slot.act(&want(first), ms(21)), sends(first), "at once");
        slot.begin(2, first, ms(21));
        slot.confirm(ms(22));
        assert_eq!(slot.act(&want(first), ms(23)), Act::Nothing);
        if first > 0 {
            assert_eq!(slot.act(&want(0), ms(24)), sends(0), "sold meanwhile");
            slot.begin(3, 0, ms(24));
            slot.confirm(ms(25));
        }
        assert_eq!(slot.act(&want(0), ms(49)), Act::Nothing);
        assert_eq!(slot.act(&want(0), ms(50)), sends(0), "and again");
        slot.begin(4, 0, ms(50));
        slot.confirm(ms(51));
        slot.note(&want(0), ms(51));
        assert_eq!(slot.act(&want(0), ms(99)), Act::Nothing);
        assert_eq!(slot.wrong_since(), None);
    }
}

/// Where it cannot be told which number the shop's own sales lowered, what fell stays down until they are read.
#[test]
fn what_cannot_be_attributed_is_raised_with_proof() {
    let mut slot = slot(10, 10);
    slot.state(shows(8, 20), Writes::CompareAndSet);
    let want = |units, proof| Want {
        sold: None,
        proof: ms(proof),
        ..want(units, &[])
    };
    slot.note(&want(9, 0), ms(15));
    assert_eq!(slot.act(&want(7, 0), ms(30)), set(7, 8));
    assert_eq!(slot.act(&want(8, 0), ms(30)), Act::Nothing);
    assert_eq!(
        slot.act(&want(9, 19), ms(30)),
        Act::AwaitProof { of: ms(20) }
    );
    assert_eq!(slot.act(&want(9, 20), ms(30)), set(9, 8));
}

/// A shop that compares, one-second clocks, orders and levels that come late and in any order or not at all, calls whose
/// answers are lost: nothing sold is put back, and in the end the shop shows what there is.
mod shop {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Buy,
        SellElsewhere,
        Arrive(u8),
        Hear,
        Level { lost: bool },
        Act,
        Carry,
        Answer { lost: bool },
        Pass(u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => Just(Step::Buy),
            3 => Just(Step::SellElsewhere),
            1 => (1_u8..9).prop_map(Step::Arrive),
            5 => Just(Step::Hear),
            4 => any::<bool>().prop_map(|lost| Step::Level { lost }),
            6 => Just(Step::Act),
            6 => Just(Step::Carry),
            5 => prop::bool::weighted(0.1).prop_map(|lost| Step::Answer { lost }),
            4 => (0_u16..900).prop_map(Step::Pass),
        ];
        prop::collection::vec(step, 1..120)
    }

    #[derive(Debug)]
    struct Call {
        units: u32,
        from: i64,
        done: Option<Result<Timestamp, ()>>,
    }

    #[derive(Debug)]
    struct World {
        slot: Slot,
        now: i64,
        shown: i64,
        /// What we think can be sold.
        known: i64,
        unheard: i64,
        levels: Vec<Statement>,
        call: Option<Call>,
        /// What the shop answers, and when it was asked.
        read: Option<(Statement, Timestamp)>,
    }

    impl World {
        fn new() -> Self {
            Self {
                slot: slot(20, 0),
                now: 5_000,
                shown: 20,
                known: 20,
                unheard: 0,
                levels: Vec::new(),
                call: None,
                read: None,
            }
        }

        /// The shop's clock has whole seconds.
        fn clock(&self) -> Timestamp {
            ms(self.now / 1_000 * 1_000)
        }

        fn wanted(&self) -> u32 {
            u32::try_from(self.known.max(0)).unwrap()
        }

        fn state(&mut self) {
            let at = self.clock();
            self.levels.push(Statement {
                units: self.shown,
                at,
            });
        }

        fn act(&mut self) {
            if self.call.is_some() || self.read.is_some() {
                return;
            }
            let units = self.wanted();
            let now = ms(self.now);
            self.slot.note(&want(units, &[]), now);
            match self.slot.act(&want(units, &[]), now) {
                Act::Nothing | Act::AwaitProof { .. } => {}
                Act::Read => {
                    let at = self.clock();
                    let units = self.shown;
                    self.read = Some((Statement { units, at }, now));
                }
                Act::Set {
                    units: sent,
                    change_from,
                } => {
                    self.slot.begin(1, sent, now);
                    self.call = Some(Call {
                        units: sent,
                        from: change_from.unwrap(),
                        done: None,
                    });
                }
            }
        }

        /// The shop carries the call out.
        fn carry(&mut self) {
            let at = self.clock();
            let Some(call) = &mut self.call else { return };
            if call.done.is_some() {
                return;
            }
            if call.from != self.shown {
                call.done = Some(Err(()));
                return;
            }
            call.done = Some(Ok(at));
            self.shown = call.units.into();
            self.state();
        }

        fn answer(&mut self, lost: bool) {
            if let Some((statement, asked_at)) = self.read.take() {
                self.slot.read(statement, Writes::CompareAndSet, asked_at);
            }
            let Some(call) = self.call.take() else { return };
            match call.done {
                None => self.slot.lose(ms(self.now + 10_000)),
                Some(_) if lost => self.slot.lose(ms(self.now + 10_000)),
                Some(Ok(at)) => self.slot.confirm(at),
                Some(Err(())) => self.slot.refuse(true),
            }
        }

        fn step(&mut self, step: Step) {
            match step {
                Step::Buy if self.shown > 0 => {
                    self.shown -= 1;
                    self.unheard += 1;
                    self.state();
                }
                Step::SellElsewhere if self.known > 0 => self.known -= 1,
                Step::Buy | Step::SellElsewhere => {}
                Step::Arrive(units) => self.known += i64::from(units),
                Step::Hear if self.unheard > 0 => {
                    self.unheard -= 1;
                    self.known -= 1;
                    self.slot.explain(1, ms(self.now));
                }
                Step::Hear => {}
                Step::Level { lost } => {
                    if let Some(level) = self.levels.pop().filter(|_| !lost) {
                        self.slot.state(level, Writes::CompareAndSet);
                    }
                }
                Step::Act => self.act(),
                Step::Carry => self.carry(),
                Step::Answer { lost } => self.answer(lost),
                Step::Pass(span) => self.now += i64::from(span),
            }
        }

        /// Everything comes that is still to come, and the shop is let alone.
        fn settle(&mut self) {
            self.carry();
            self.answer(false);
            while self.unheard > 0 {
                self.step(Step::Hear);
            }
            for _ in 0..12 {
                self.now += 60_000;
                if self.slot.doubt_due().is_some_and(|due| due <= ms(self.now)) {
                    self.slot.end_doubt(ms(self.now));
                }
                self.slot.give_up_explaining(Timestamp::MAX);
                self.now += 1_000;
                self.act();
                self.carry();
                self.answer(false);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 512,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(1),
            ..ProptestConfig::default()
        })]

        #[test]
        fn in_the_end_it_shows_what_there_is(steps in steps()) {
            let mut world = World::new();
            for step in steps {
                world.step(step);
            }
            world.settle();
            prop_assert_eq!(world.shown, i64::from(world.wanted()), "{:?}", world);
        }
    }
}
