//! Locations: they are told of requests, perhaps twice, and send, refuse, or cannot find what they are asked for.

use std::collections::BTreeMap;

use crossdock_model::command::{Delivery, DeliveryKind, OrderCommand};
use crossdock_model::v1::{RejectReason, RequestLine};
use crossdock_model::{
    Command, Duration, EntityId, LocationId, OrderId, ShipmentId, SkuId, Timestamp,
};

use super::clients::Wish;
use super::requests::Means;
use super::{Broken, Event, World};
use crate::Dice;

/// A location works on a request within that time.
const WORKS_WITHIN_MS: u64 = 60_000;

/// A request at its location.
#[derive(Debug)]
struct Job {
    location: LocationId,
    lines: Vec<RequestLine>,
    /// Nothing more is done about it.
    is_over: bool,
    is_refused: bool,
    parcels: u32,
}

/// What a location says of a request.
pub(super) struct Says {
    pub command: OrderCommand,
    pub means: Means,
}

/// All locations.
#[derive(Debug, Default)]
pub(super) struct Warehouses {
    jobs: BTreeMap<(OrderId, u32), Job>,
}

impl Warehouses {
    /// A location is told of a request. Returns what it says at once, and whether it will work on it.
    pub fn told(&mut self, told: &Delivery, dice: &mut Dice) -> (Option<Says>, bool) {
        let key = (told.order.clone(), told.request);
        match told.kind {
            DeliveryKind::Fulfil => {
                let is_new = !self.jobs.contains_key(&key);
                self.jobs.entry(key).or_insert_with(|| Job {
                    location: told.location.clone(),
                    lines: told.lines.clone(),
                    is_over: false,
                    is_refused: false,
                    parcels: 0,
                });
                let request = told.request;
                let says = dice.happens(0.7).then_some(Says {
                    command: OrderCommand::Acknowledge { request },
                    means: Means::Nothing,
                });
                (says.filter(|_| is_new), is_new)
            }
            DeliveryKind::Cancel { ask } => {
                let job = self.jobs.get_mut(&key);
                let accepted = match job {
                    Some(job) if !job.is_over => dice.happens(0.7) && take_off(job, &told.lines),
                    Some(_) => false,
                    // It was never told to send it.
                    None => true,
                };
                let command = OrderCommand::AnswerCancel {
                    request: told.request,
                    ask: Some(ask),
                    accepted,
                };
                let means = Means::Nothing;
                (Some(Says { command, means }), false)
            }
        }
    }

    /// A location works on a request. Returns what it says, and whether it is to work on it again.
    pub fn works(
        &mut self,
        order: &OrderId,
        request: u32,
        is_healed: bool,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Result<(Option<Says>, bool), Broken> {
        let Some(job) = self.jobs.get_mut(&(order.clone(), request)) else {
            return Ok((None, false));
        };
        if job.is_over || job.lines.is_empty() {
            return Ok((None, false));
        }
        let chance = if is_healed { 9 } else { dice.below(10) };
        let (command, means) = match chance {
            0 => {
                (job.is_over, job.is_refused) = (true, true);
                let reason = RejectReason::CannotShipThere;
                (OrderCommand::Reject { request, reason }, Means::Nothing)
            }
            1 => return Ok((None, true)),
            2 | 3 => ship(job, 1, order, request, now)?,
            _ => ship(job, usize::MAX, order, request, now)?,
        };
        Ok((Some(Says { command, means }), !job.is_over))
    }

    /// Whether a location has refused something of an order: it is asked for that no more.
    pub fn has_refused(&self, order: &OrderId, location: &LocationId) -> bool {
        let jobs = self
            .jobs
            .range((order.clone(), 0)..=(order.clone(), u32::MAX));
        let mut refused = jobs.filter(|(_, job)| job.is_refused);
        refused.any(|(_, job)| job.location == *location)
    }
}

impl World {
    pub(super) fn delivered(&mut self, delivery: &Delivery) -> Result<(), Broken> {
        let (says, works) = self.warehouses.told(delivery, &mut self.dice);
        if works {
            self.works_later(delivery.order.clone(), delivery.request);
        }
        self.says(&delivery.order, says)
    }

    fn works_later(&mut self, order: OrderId, request: u32) {
        let span = Duration::from_ms(self.dice.below(WORKS_WITHIN_MS));
        self.note(span, Event::Works(order, request));
    }

    fn says(&mut self, order: &OrderId, says: Option<Says>) -> Result<(), Broken> {
        let Some(Says { command, means }) = says else {
            return Ok(());
        };
        self.make(Wish {
            to: EntityId::Order(order.clone()),
            command: Command::Order(command),
            means,
        })
    }

    pub(super) fn works(&mut self, order: OrderId, request: u32) -> Result<(), Broken> {
        let now = self.agenda.now();
        let (says, again) =
            self.warehouses
                .works(&order, request, self.is_healed, now, &mut self.dice)?;
        self.says(&order, says)?;
        if again {
            self.works_later(order, request);
        }
        Ok(())
    }
}

/// Whether it is taken off the request: what has left cannot be.
fn take_off(job: &mut Job, lines: &[RequestLine]) -> bool {
    let left = |line: &RequestLine| {
        let same = |one: &&RequestLine| one.line == line.line && one.sku == line.sku;
        let there = job.lines.iter().find(same).map_or(0, |one| one.units);
        there.checked_sub(line.units)
    };
    if lines.iter().any(|line| left(line).is_none()) {
        return false;
    }
    for line in lines {
        for one in &mut job.lines {
            if one.line == line.line && one.sku == line.sku {
                one.units -= line.units;
            }
        }
    }
    job.lines.retain(|line| line.units > 0);
    true
}

/// The first so many lines leave in a parcel.
fn ship(
    job: &mut Job,
    lines: usize,
    order: &OrderId,
    request: u32,
    now: Timestamp,
) -> Result<(OrderCommand, Means), Broken> {
    let count = lines.min(job.lines.len());
    let lines: Vec<RequestLine> = job.lines.drain(..count).collect();
    job.is_over = job.lines.is_empty();
    job.parcels += 1;
    let mut moves: BTreeMap<SkuId, i64> = BTreeMap::new();
    for line in &lines {
        *moves.entry(line.sku.clone()).or_default() -= i64::from(line.units);
    }
    let shipment = ShipmentId::new(format!("{order}-{request}-{}", job.parcels))?;
    let command = OrderCommand::Ship {
        request,
        shipment,
        lines,
        tracking: None,
        shipped_at: now,
    };
    Ok((command, Means::Moves(moves.into_iter().collect())))
}
