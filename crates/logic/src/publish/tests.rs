//! What is done about one number, step by step.

mod bulk;
mod shop;
mod trap;

use crossdock_model::Timestamp;
use crossdock_model::v1::{Sold, Writes};

use super::{Act, Slot, Statement, Want};

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
        behind: None,
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

/// A channel whose writes replace its number, and whose sales are all read: the units it should show.
fn replaced(units: u32) -> Want<'static> {
    Want {
        writes: Writes::Absolute,
        ..want(units, &[])
    }
}

fn send(units: u32) -> Act {
    Act::Set {
        units,
        change_from: None,
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
        ("surely lower", 20, 5, 0, send(15)),
        ("none is never a raise", 4, 5, 0, send(0)),
        ("may be a raise", 22, 5, 0, Act::AwaitProof { of: ms(15) }),
        ("may be a raise, read", 22, 5, 15, send(17)),
        ("a raise", 30, 5, 14, Act::AwaitProof { of: ms(15) }),
        ("a raise, read", 30, 5, 15, send(25)),
    ];
    for (what, units, unseen, proof, act) in cases {
        let want = Want {
            unseen,
            proof: ms(proof),
            ..replaced(units)
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
    let mut slot = Slot::default();
    slot.state(shows(20, 10), Writes::Absolute);
    slot.begin(1, 12, ms(20));
    slot.lose(ms(50));
    assert_eq!(slot.most(None), Some(20));
    slot.note(&replaced(12), ms(21));
    assert_eq!(slot.act(&replaced(12), ms(21)), send(12), "at once");
    slot.begin(1, 12, ms(21));
    slot.confirm(ms(22));
    assert_eq!(slot.act(&replaced(12), ms(49)), Act::Nothing);
    assert_eq!(slot.act(&replaced(12), ms(50)), send(12), "and again");
    slot.begin(1, 12, ms(50));
    slot.confirm(ms(51));
    slot.note(&replaced(12), ms(51));
    assert_eq!(slot.act(&replaced(12), ms(99)), Act::Nothing);
    assert_eq!(slot.wrong_since(), None);
}

/// A lost call may leave more than is wanted: what is wanted is sent at once and once more when that has surely ended,
/// and not over and over until then, as each of these calls may be lost too.
#[test]
fn what_overwrites_a_lost_call_is_sent_twice() {
    for (shown, first) in [(0, 0), (3, 3), (30, 9)] {
        let mut slot = Slot::default();
        slot.state(shows(shown, 10), Writes::Absolute);
        slot.begin(1, 20, ms(20));
        slot.lose(ms(50));
        slot.note(&replaced(first), ms(21));
        assert_eq!(slot.act(&replaced(first), ms(21)), send(first), "at once");
        slot.begin(2, first, ms(21));
        slot.confirm(ms(22));
        assert_eq!(slot.act(&replaced(first), ms(23)), Act::Nothing);
        if first > 0 {
            assert_eq!(slot.act(&replaced(0), ms(24)), send(0), "sold meanwhile");
            slot.begin(3, 0, ms(24));
            slot.confirm(ms(25));
        }
        assert_eq!(slot.act(&replaced(0), ms(49)), Act::Nothing);
        assert_eq!(slot.act(&replaced(0), ms(50)), send(0), "and again");
        slot.begin(4, 0, ms(50));
        slot.confirm(ms(51));
        slot.note(&replaced(0), ms(51));
        assert_eq!(slot.act(&replaced(0), ms(99)), Act::Nothing);
        assert_eq!(slot.wrong_since(), None);
    }
}

/// A lost raise may be shown already, so that nothing is sent at once. That it may not be is looked after when the call
/// has surely ended, though nobody asks.
#[test]
fn a_lost_raise_is_sent_again_once_it_has_surely_ended() {
    let wanted = Want {
        units: 20,
        writes: Writes::Absolute,
        unseen: 0,
        behind: None,
        sold: Some(&[]),
        proof: ms(0),
    };
    let mut slot = Slot::default();
    slot.state(shows(10, 10), Writes::Absolute);
    slot.begin(1, 20, ms(20));
    slot.lose(ms(50));
    slot.note(&wanted, ms(21));
    assert_eq!(slot.act(&wanted, ms(21)), Act::Nothing);
    assert_eq!(slot.doubt_due(), Some(ms(50)));
    slot.end_doubt(ms(50));
    let again = Act::Set {
        units: 20,
        change_from: None,
    };
    assert_eq!((slot.doubt_due(), slot.act(&wanted, ms(50))), (None, again));
    slot.begin(2, 20, ms(50));
    slot.confirm(ms(51));
    slot.note(&wanted, ms(51));
    assert_eq!((slot.doubt_due(), slot.wrong_since()), (None, None));
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
