//! What clients want: buyers, channels and operators, in no order that makes sense.

mod stock;

use std::collections::BTreeSet;

use crossdock_model::command::{LineEdit, LocationCommand, OrderCommand, SkuCommand};
use crossdock_model::v1::{
    Condition, Destination, LineFacts, LineUnits, LocationFacts, OrderFacts, Origin, Part, Payment,
    RefundLine, Restock, ReturnLine, Sale,
};
use crossdock_model::{
    ChannelId, Command, Duration, EntityId, ExternalId, HoldId, LineId, LocationId, OrderId,
    RefundId, ReturnId, SkuId, Timestamp,
};

use super::Broken;
use super::knobs::Knobs;
use super::requests::Means;
use crate::Dice;

/// Kinds of requests that clients make, numbered from 0.
pub const KINDS: usize = 22;

/// For how long something is held where holds are to be released.
const PLAIN_HOLD: Duration = Duration::from_minutes(720);

/// The kind by which orders are kept from locations.
const REROUTES: usize = 8;

/// A request that a client makes.
pub(super) struct Wish {
    pub to: EntityId,
    pub command: Command,
    pub means: Means,
}

struct Placed {
    id: OrderId,
    facts: OrderFacts,
    is_cart: bool,
    /// Locations that it is kept from.
    kept_from: BTreeSet<LocationId>,
}

impl Placed {
    /// It is stated again: a cart is ordered, a shop sells a unit less.
    fn state_again(&mut self, is_market: bool, now: Timestamp) -> Wish {
        if self.is_cart {
            let facts = OrderFacts {
                updated_at: now,
                ..self.facts.clone()
            };
            return state(self.id.clone(), facts, Origin::Api);
        }
        self.facts.updated_at = now;
        let line = self.facts.lines.first_mut();
        if let Some(line) = line.filter(|_| !is_market) {
            line.cancelled_units = (line.cancelled_units + 1).min(line.ordered_units);
        }
        state(self.id.clone(), self.facts.clone(), Origin::Channel)
    }
}

/// The clients, and what they remember.
pub(super) struct Clients {
    pub skus: Vec<SkuId>,
    pub locations: Vec<LocationId>,
    /// Those that sell what they show, and one that asks first.
    pub channels: [ChannelId; 2],
    asks: ChannelId,
    placed: Vec<Placed>,
    holds: Vec<(SkuId, HoldId, u32)>,
    transfers: Vec<stock::Transfer>,
    numbers: u64,
}

impl Clients {
    pub fn new(knobs: &Knobs) -> Result<Self, Broken> {
        let skus = (0..knobs.skus).map(|number| SkuId::new(format!("S{number}")));
        let locations = (0..knobs.locations).map(|number| LocationId::new(format!("L{number}")));
        Ok(Self {
            skus: skus.collect::<Result<_, _>>()?,
            locations: locations.collect::<Result<_, _>>()?,
            channels: [ChannelId::checked("shop")?, ChannelId::checked("market")?],
            asks: ChannelId::checked("api")?,
            placed: Vec::new(),
            holds: Vec::new(),
            transfers: Vec::new(),
            numbers: 0,
        })
    }

    /// What is to be known before anything is sold.
    pub fn first(&self, knobs: &Knobs, dice: &mut Dice) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for location in &self.locations {
            wishes.push(define(location, true));
        }
        for sku in &self.skus {
            wishes.push(Wish {
                to: EntityId::Sku(sku.clone()),
                command: Command::Sku(SkuCommand::Define {
                    title: sku.to_string(),
                    tracking: crossdock_model::v1::Tracking::Tracked,
                }),
                means: Means::Nothing,
            });
            for location in &self.locations {
                let units = u32::try_from(dice.below(knobs.units + 1)).unwrap_or(0);
                if units > 0 {
                    wishes.push(receive(sku, location, units));
                }
            }
        }
        wishes
    }

    fn placed(&self, order: &OrderId) -> Option<&Placed> {
        self.placed.iter().find(|placed| placed.id == *order)
    }

    /// When an order was placed first.
    pub fn placed_at(&self, order: &OrderId) -> Option<Timestamp> {
        self.placed(order).map(|placed| placed.facts.placed_at)
    }

    /// Whether a line of an order is made of several SKUs.
    pub fn has_kit(&self, order: &OrderId) -> bool {
        let mut placed = self.placed(order).into_iter();
        placed.any(|placed| placed.facts.lines.iter().any(|line| line.parts.len() > 1))
    }

    /// Whether somebody asked to keep an order from a location, whatever was answered.
    pub fn is_kept_from(&self, order: &OrderId, location: &LocationId) -> bool {
        let placed = self.placed(order);
        placed.is_some_and(|placed| placed.kept_from.contains(location))
    }

    fn sku(&self, dice: &mut Dice) -> SkuId {
        pick(&self.skus, dice).clone()
    }

    fn location(&self, dice: &mut Dice) -> LocationId {
        pick(&self.locations, dice).clone()
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// One more wish, if there is any of the kind that comes up.
    pub fn wish(
        &mut self,
        knobs: &Knobs,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Result<Option<Wish>, Broken> {
        if knobs.is_plain {
            return self.plain(now, dice).map(Some);
        }
        // Something is always sold.
        let weight = |kind: usize| knobs.wishes[kind] + u64::from(kind < 2);
        let mut left = dice.below((0..KINDS).map(weight).sum());
        let mut kind = 0;
        while left >= weight(kind) {
            left -= weight(kind);
            kind += 1;
        }
        let (sale, origin) = match kind {
            0 => (Sale::AlreadySold, Origin::Channel),
            1 => (Sale::Asks, Origin::Api),
            2 => {
                let expires_at = now + Duration::from_s(1 + dice.below(600));
                (Sale::Asks, Origin::Hold { expires_at })
            }
            3..=10 => return self.of_an_order(kind, now, dice),
            20 => return self.confirm(now, dice),
            21 => return self.returns(dice),
            _ => return self.of_stock(kind, now, dice),
        };
        self.place(sale, origin, knobs.publishes, now, dice)
            .map(Some)
    }

    /// A wish of those that there is a model of. What is held is held until it is released.
    fn plain(&mut self, now: Timestamp, dice: &mut Dice) -> Result<Wish, Broken> {
        let (sku, location) = (self.sku(dice), self.location(dice));
        let units = 1 + u32::try_from(dice.below(3)).unwrap_or(0);
        let of = |command, means| Wish {
            to: EntityId::Sku(sku.clone()),
            command,
            means,
        };
        Ok(match dice.below(8) {
            0 => receive(&sku, &location, units),
            1 => {
                let delta = -i64::from(units);
                let adjust = SkuCommand::Adjust {
                    location,
                    delta,
                    reason: "broken".to_owned(),
                };
                of(
                    Command::Sku(adjust),
                    Means::Moves(vec![(sku.clone(), delta)]),
                )
            }
            2 | 3 => of(Command::Read, Means::Nothing),
            _ => self.hold(sku, units, now + PLAIN_HOLD, dice)?,
        })
    }

    fn place(
        &mut self,
        sale: Sale,
        origin: Origin,
        publishes: bool,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Result<Wish, Broken> {
        let number = self.number();
        let publishes = publishes && origin == Origin::Channel;
        let mut lines = Vec::new();
        for number in 0..1 + dice.below(3) {
            let units = 1 + u32::try_from(dice.below(3)).unwrap_or(0);
            let parts = match publishes {
                // What channels show of is what they sell.
                true => vec![single(self.sku(dice))],
                false => self.parts(dice),
            };
            lines.push(line(number, units, parts)?);
        }
        let payment = match dice.below(10) {
            0 => Payment::Pending,
            _ => Payment::Ready,
        };
        let facts = order_facts(number, lines, sale, payment, now);
        let id = OrderId {
            channel: match origin {
                Origin::Channel => pick(&self.channels, dice).clone(),
                _ => self.asks.clone(),
            },
            external: ExternalId::new(number.to_string())?,
        };
        self.placed.push(Placed {
            id: id.clone(),
            facts: facts.clone(),
            is_cart: matches!(origin, Origin::Hold { .. }),
            kept_from: BTreeSet::new(),
        });
        Ok(state(id, facts, origin))
    }

    /// A SKU, or a kit of two, or a pack.
    fn parts(&self, dice: &mut Dice) -> Vec<Part> {
        let first = self.sku(dice);
        let of = |sku: SkuId, units_per_line_unit: u32| Part {
            sku,
            units_per_line_unit,
        };
        match dice.below(6) {
            0 => {
                let second = self.sku(dice);
                // A kit names each of its parts once.
                let is_kit = second != first;
                let second = is_kit.then(|| of(second, 2));
                [of(first, 1)].into_iter().chain(second).collect()
            }
            1 => vec![of(first, 2)],
            _ => vec![of(first, 1)],
        }
    }

    fn of_an_order(
        &mut self,
        kind: usize,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Result<Option<Wish>, Broken> {
        if self.placed.is_empty() {
            return Ok(None);
        }
        let number = self.number();
        let at = usize::try_from(dice.below(self.placed.len() as u64)).unwrap_or(0);
        let exclude = self.location(dice);
        let placed = &mut self.placed[at];
        let line = pick(&placed.facts.lines, dice).line.clone();
        let units = LineUnits {
            line: line.clone(),
            units: 1,
        };
        let command = match kind {
            3 => {
                let is_market = placed.id.channel == self.channels[1];
                return Ok(Some(placed.state_again(is_market, now)));
            }
            4 => OrderCommand::Cancel {
                reason: "changed mind".to_owned(),
                lines: dice.happens(0.5).then(|| vec![units]),
            },
            5 => OrderCommand::EditLines {
                lines: vec![LineEdit {
                    line,
                    units: u32::try_from(dice.below(5)).unwrap_or(0),
                    sku: None,
                    title: None,
                    unit_price: None,
                }],
            },
            6 => OrderCommand::Hold {
                lines: Vec::new(),
                reason: "looked at".to_owned(),
                until: Some(now + Duration::from_s(dice.below(600))),
            },
            7 => OrderCommand::Unhold { lines: Vec::new() },
            REROUTES => {
                placed.kept_from.insert(exclude.clone());
                OrderCommand::Reroute {
                    exclude: vec![exclude],
                }
            }
            9 => OrderCommand::Split { lines: vec![units] },
            _ => OrderCommand::Refund {
                refund: RefundId::new(number.to_string())?,
                lines: vec![RefundLine {
                    line,
                    units: 1,
                    restock: match dice.below(3) {
                        0 => Restock::No,
                        1 => Restock::Return,
                        _ => Restock::Cancel,
                    },
                    location: None,
                }],
            },
        };
        Ok(Some(Wish {
            to: EntityId::Order(placed.id.clone()),
            command: Command::Order(command),
            means: Means::Nothing,
        }))
    }

    /// A buyer sends a unit back, if any has left: all that it is made of is there again, some of it to be sold.
    fn returns(&mut self, dice: &mut Dice) -> Result<Option<Wish>, Broken> {
        if self.placed.is_empty() {
            return Ok(None);
        }
        let return_id = ReturnId::new(self.number().to_string())?;
        let location = self.location(dice);
        let placed = pick(&self.placed, dice);
        let line = pick(&placed.facts.lines, dice);
        let parts = line.parts.iter();
        let moves = parts.map(|part| (part.sku.clone(), i64::from(part.units_per_line_unit)));
        let command = OrderCommand::Return {
            return_id,
            lines: vec![ReturnLine {
                line: line.line.clone(),
                units: 1,
                location,
                condition: dice.happens(0.3).then_some(Condition::Damaged),
            }],
        };
        Ok(Some(Wish {
            to: EntityId::Order(placed.id.clone()),
            command: Command::Order(command),
            means: Means::Moves(moves.collect()),
        }))
    }
}

/// One of these, of which there is at least one.
fn pick<'a, T>(of: &'a [T], dice: &mut Dice) -> &'a T {
    let at = dice.below(of.len() as u64);
    &of[usize::try_from(at).unwrap_or(0)]
}

fn single(sku: SkuId) -> Part {
    Part {
        sku,
        units_per_line_unit: 1,
    }
}

fn line(number: u64, ordered_units: u32, parts: Vec<Part>) -> Result<LineFacts, Broken> {
    Ok(LineFacts {
        line: LineId::new(number.to_string())?,
        title: String::new(),
        ordered_units,
        cancelled_units: 0,
        parts,
        unit_price: None,
        ships: true,
    })
}

fn order_facts(
    number: u64,
    lines: Vec<LineFacts>,
    sale: Sale,
    payment: Payment,
    now: Timestamp,
) -> OrderFacts {
    OrderFacts {
        name: format!("#{number}"),
        placed_at: now,
        updated_at: now,
        sale,
        lines,
        destination: Some(Destination {
            country: "US".to_owned(),
            ..Destination::default()
        }),
        service_level: None,
        ship_by: None,
        deliver_by: None,
        payment,
        cancelled: None,
        total: None,
        tags: Vec::new(),
        test: false,
    }
}

fn state(id: OrderId, facts: OrderFacts, origin: Origin) -> Wish {
    let settle = facts.sale == Sale::Asks;
    Wish {
        to: EntityId::Order(id),
        command: Command::Order(OrderCommand::State {
            facts: Box::new(facts),
            origin,
            settle,
        }),
        means: Means::Nothing,
    }
}

fn define(location: &LocationId, enabled: bool) -> Wish {
    let facts = LocationFacts {
        enabled,
        ..LocationFacts::plain(location.clone(), "US")
    };
    Wish {
        to: EntityId::Location(location.clone()),
        command: Command::Location(LocationCommand::Define(Box::new(facts))),
        means: Means::Nothing,
    }
}

fn receive(sku: &SkuId, location: &LocationId, units: u32) -> Wish {
    Wish {
        to: EntityId::Sku(sku.clone()),
        command: Command::Sku(SkuCommand::Receive {
            location: location.clone(),
            units,
            reference: None,
        }),
        means: Means::Moves(vec![(sku.clone(), i64::from(units))]),
    }
}
