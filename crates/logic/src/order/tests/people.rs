//! What people, locations and the channel say of an order in a random history.

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{
    Destination, OrderFacts, Origin, Payment, RefundLine, RejectReason, Restock, ReturnLine,
};

use super::scene::*;
use super::world::{PLACES, SKUS, World};

impl World {
    pub fn person(&mut self, which: u8, how: u8) {
        let request = u32::from(how % 3) + 1;
        let one = ["1", "2", "3"][usize::from(how) % 3];
        let command = match which % 30 {
            0 => OrderCommand::Cancel {
                reason: "buyer".to_owned(),
                lines: Some(vec![units(one, 1)]),
            },
            1 if how < 64 => OrderCommand::Cancel {
                reason: "buyer".to_owned(),
                lines: None,
            },
            2 => OrderCommand::Hold {
                lines: vec![],
                reason: "check".to_owned(),
                until: Some(ms(self.scene.now + 1_000)),
            },
            3 => OrderCommand::Unhold { lines: vec![] },
            4 => OrderCommand::Reject {
                request,
                reason: RejectReason::NotInStock,
            },
            5 => OrderCommand::Acknowledge { request },
            6 => ship(request, &format!("s{how}"), &[]),
            7 => ship(request, &format!("p{how}"), &[request_line(one, "A", 1)]),
            8 => answer_cancel(request, how.is_multiple_of(4).then_some(1), how < 128),
            9 => OrderCommand::Reroute { exclude: vec![] },
            10 => OrderCommand::ShortPick {
                request,
                lines: vec![request_line(one, "A", 1)],
            },
            11 => OrderCommand::EditLines {
                lines: vec![edit(
                    one,
                    [None, Some("A"), Some("B")][usize::from(how / 4) % 3],
                    u32::from(how % 4),
                )],
            },
            12 => self.newer(how),
            13 => self.stated.clone(),
            _ => self.further(which, how, one),
        };
        self.scene.tell(command);
        self.pass_notices_on();
    }

    /// What comes more rarely.
    fn further(&mut self, which: u8, how: u8, one: &str) -> OrderCommand {
        let pick = usize::from(how / 3);
        let some = u32::from(how / 64);
        match which % 30 {
            14 | 15 => OrderCommand::Refund {
                refund: id(&format!("r{}", how % 7)),
                lines: vec![RefundLine {
                    line: id(one),
                    units: some,
                    restock: [Restock::No, Restock::Cancel, Restock::Return][pick % 3],
                    location: None,
                }],
            },
            16 | 17 => OrderCommand::Return {
                return_id: id(&format!("b{}", how % 7)),
                lines: vec![ReturnLine {
                    line: id(one),
                    units: some,
                    location: id(PLACES[pick % 2]),
                    condition: None,
                }],
            },
            18 => OrderCommand::ShippedElsewhere {
                shipment: id(&format!("x{}", how % 4)),
                lines: vec![units(one, some)],
                tracking: Some("theirs".to_owned()),
            },
            19 => OrderCommand::UndoElsewhere {
                shipment: id(&format!("x{}", how % 4)),
            },
            20 => OrderCommand::ChangeDestination {
                destination: Destination {
                    country: ["US", "CA"][pick % 2].to_owned(),
                    address_version: some.into(),
                    ..Destination::default()
                },
            },
            21 | 22 => OrderCommand::Split {
                lines: vec![units(one, some)],
            },
            23 => OrderCommand::Hold {
                lines: vec![id(one)],
                reason: "check".to_owned(),
                until: how.is_multiple_of(2).then_some(ms(self.scene.now + 1_000)),
            },
            24 => OrderCommand::Free,
            25 => self.edited(how, one),
            26 => self.tied(how),
            27 => self.placed_anew(),
            _ => self.newest(how),
        }
    }

    /// With a key of its own: it counts if the order was refused.
    fn placed_anew(&mut self) -> OrderCommand {
        OrderCommand::Place {
            facts: Box::new(self.facts().clone()),
            origin: Origin::Api,
            hold: None,
            claim: id(&format!("k{}", self.scene.records.len())),
        }
    }

    /// What whoever placed it last says when asking again.
    pub fn repeated(&mut self) -> OrderCommand {
        let claim = self.the_order().claims.last().cloned();
        claim.map_or(self.stated.clone(), |claim| OrderCommand::Place {
            facts: Box::new(self.facts().clone()),
            origin: Origin::Api,
            hold: None,
            claim,
        })
    }

    fn facts(&mut self) -> &mut OrderFacts {
        match &mut self.stated {
            OrderCommand::State { facts, .. } | OrderCommand::Place { facts, .. } => facts,
            other => panic!("an order is stated or placed, not {other:?}"),
        }
    }

    fn edited(&mut self, how: u8, one: &str) -> OrderCommand {
        let updated_at = self.facts().updated_at.as_ms();
        OrderCommand::Edited {
            edited_at: ms(updated_at + i64::from(how % 3)),
            removed: vec![units(one, 1)],
        }
    }

    /// Another statement of the same time.
    fn tied(&mut self, how: u8) -> OrderCommand {
        let mut facts = self.facts().clone();
        facts.lines[0].cancelled_units = u32::from(how % 2);
        if how > 200 {
            facts.cancelled = Some((ms(T0), "fraud".to_owned()));
        }
        stated(facts, Origin::Channel)
    }

    /// A newer statement of which anything may be new: payment, lines, what they are made of, what is cancelled.
    fn newest(&mut self, how: u8) -> OrderCommand {
        let now = self.scene.now;
        let facts = self.facts();
        facts.updated_at = ms(facts.updated_at.as_ms() + 1);
        let index = usize::from(how / 4) % facts.lines.len();
        let line = &mut facts.lines[index];
        match how % 8 {
            0 => facts.payment = Payment::Voided,
            1 => facts.payment = Payment::OnHoldUntil(ms(now + 2_000)),
            2 => facts.payment = Payment::Ready,
            3 => line.cancelled_units = u32::from(how / 32) % (line.ordered_units + 1),
            4 => line.parts[0].sku = id(SKUS[usize::from(how / 64) % 2]),
            5 => line.parts[0].units_per_line_unit = u32::from(how / 128) + 1,
            6 => facts.cancelled = (how > 128).then(|| (ms(T0), "customer".to_owned())),
            _ => {
                let mut rest = facts.clone();
                rest.lines.remove(index);
                return stated(rest, Origin::Channel);
            }
        }
        stated(facts.clone(), Origin::Channel)
    }

    fn newer(&mut self, how: u8) -> OrderCommand {
        let facts = self.facts();
        facts.updated_at = ms(facts.updated_at.as_ms() + 1);
        let index = usize::from(how) % facts.lines.len();
        facts.lines[index].ordered_units = u32::from(how % 5) + 1;
        facts.payment = match how % 3 {
            0 => Payment::Pending,
            _ => Payment::Ready,
        };
        stated(facts.clone(), Origin::Channel)
    }
}
