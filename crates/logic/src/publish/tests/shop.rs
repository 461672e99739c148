//! A shop that compares, one-second clocks, orders and levels that come late and in any order or not at all, calls whose
//! answers are lost: nothing sold is put back, and in the end the shop shows what there is.

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
