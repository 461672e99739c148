//! One order among real SKUs, with answers and notices on their way, a router that may be behind, and crashes.

use std::collections::BTreeMap;

use crossdock_model::answer::StockView;
use crossdock_model::command::{LocationCommand, OrderCommand, PlanRequest, SkuCommand};
use crossdock_model::v1::{Fallback, Origin, Plan, Sale, Tracking};
use crossdock_model::{
    Answer, Command, CredentialId, Effect, EntityId, LineId, LocationId, Meta, Notice, Rejection,
    SkuId,
};

use super::scene::*;
use super::shop::Shop;
use crate::entity::DEDUP_WINDOW;
use crate::order::state::Order;
use crate::{Announcement, Entity, Outcome};

pub const SKUS: [&str; 2] = ["A", "B"];
pub const PLACES: [&str; 2] = ["newark", "reno"];

type Given = (u32, EntityId, Result<Answer, Rejection>);
pub struct World {
    pub scene: Scene,
    pub skus: BTreeMap<SkuId, Entity>,
    /// What the router believes: it may be stale.
    announced: BTreeMap<SkuId, StockView>,
    /// Answers on their way to the order.
    pub answers: Vec<Given>,
    pub notices: Vec<Command>,
    /// What SKUs were asked so far: a copy of it may come late.
    carried: Vec<(SkuId, Command)>,
    pub others: u32,
    pub stated: OrderCommand,
    /// How often locations have no capacity.
    full_times: u8,
    /// The most units of each line that were ever ordered.
    pub most: BTreeMap<LineId, u32>,
    /// Records of the order that a crash cannot lose: what rests on them has left.
    pub durable: usize,
    pub shop: Shop,
}

impl World {
    /// `held`: units of A and B that are kept under the hold that the order names; none: it names none.
    pub fn new(stock: [u8; 4], asks: bool, held: Option<(u8, u8)>) -> Self {
        let lines = [line("1", "A", 2), line("2", "B", 1), line("3", "A", 1)];
        let sale = if asks { Sale::Asks } else { Sale::AlreadySold };
        let stated = match held {
            None => stated(facts(sale, &lines), Origin::Channel),
            Some(_) => OrderCommand::Place {
                facts: Box::new(facts(sale, &lines)),
                origin: Origin::Api,
                hold: Some(id("h")),
                claim: id("k"),
            },
        };
        let mut world = Self {
            scene: Scene::new(),
            skus: BTreeMap::new(),
            announced: BTreeMap::new(),
            answers: Vec::new(),
            notices: Vec::new(),
            carried: Vec::new(),
            others: 0,
            stated: stated.clone(),
            full_times: 3,
            most: BTreeMap::new(),
            durable: 0,
            shop: Shop::default(),
        };
        for (i, sku) in SKUS.iter().enumerate() {
            let entity = Entity::new(EntityId::Sku(id(sku)));
            world.skus.insert(id(sku), entity);
            let title = (*sku).to_owned();
            let tracking = Tracking::Tracked;
            let _ = world.sku(sku, SkuCommand::Define { title, tracking });
            for (j, place) in PLACES.iter().enumerate() {
                world.receive(sku, place, u32::from(stock[i * 2 + j] % 4));
            }
        }
        for (sku, units) in SKUS
            .into_iter()
            .zip(held.map(<[u8; 2]>::from).unwrap_or_default())
        {
            let hold = SkuCommand::Hold {
                hold: id("h"),
                units: u32::from(units % 4),
                takes: Vec::new(),
                among: None,
                expires_at: ms(T0 + 20_000),
            };
            let _ = world.sku(sku, hold);
        }
        world.scene.tell(stated);
        world
    }

    pub fn receive(&mut self, sku: &str, place: &str, units: u32) {
        if units > 0 {
            let location = id(place);
            let reference = None;
            let _ = self.sku(
                sku,
                SkuCommand::Receive {
                    location,
                    units,
                    reference,
                },
            );
        }
    }

    pub fn sku(&mut self, sku: &str, command: SkuCommand) -> Result<Answer, Rejection> {
        self.at_sku(&id(sku), &Command::Sku(command))
    }

    pub fn at_sku(&mut self, sku: &SkuId, command: &Command) -> Result<Answer, Rejection> {
        let now = ms(self.scene.now);
        let meta = Meta {
            principal: CredentialId::new("test").expect("an id"),
            reason: None,
            key: None,
            body_hash: 0,
            issued_at: now,
            effective_at: None,
            trace: None,
        };
        let entity = self.skus.get_mut(sku).expect("a SKU");
        let (answer, notices) = match entity.decide(command, &meta, now, DEDUP_WINDOW)? {
            Outcome::Unchanged { answer, notices } => (answer, notices),
            Outcome::Changed {
                record,
                answer,
                notices,
            } => {
                entity.apply(&record, DEDUP_WINDOW).expect("legal");
                (answer, notices)
            }
        };
        let ours = EntityId::Order(id("shop:1"));
        let ours = notices.into_iter().filter(|Notice { to, .. }| *to == ours);
        self.notices.extend(ours.map(|notice| notice.command));
        Ok(answer)
    }

    pub fn view(&self, sku: &SkuId) -> StockView {
        match self.skus[sku].announcement(ms(self.scene.now)) {
            Some(Announcement::Stock(spoken)) => spoken.view,
            other => panic!("{other:?}"),
        }
    }

    pub fn announce(&mut self) {
        for sku in SKUS {
            let view = self.view(&id(sku));
            self.announced.insert(id(sku), view);
        }
    }

    /// Carries an outstanding effect out; its answer is on its way then.
    pub fn carry_out(&mut self, number: u32, effect: &Effect) {
        let tentative = match effect {
            Effect::Tell { tentative, .. } => *tentative,
            Effect::Plan(_) => true,
            Effect::Deliver(_) | Effect::Report(_) => false,
        };
        if !tentative {
            self.durable = self.scene.records.len();
        }
        let order = self.scene.entity.id().clone();
        match effect {
            Effect::Plan(request) => {
                let plan = Answer::Plan(Box::new(self.route(request)));
                self.answers.push((number, order, Ok(plan)));
            }
            Effect::Deliver(one) => {
                let failed = one.attempt == 1 && self.scene.now % 3 == 0;
                self.notices.push(Command::Order(OrderCommand::Delivered {
                    request: one.request,
                    attempt: one.attempt,
                    error: failed.then(|| "refused".to_owned()),
                }));
            }
            Effect::Report(call) => self.report(call),
            Effect::Tell { to, command, .. } => {
                let result = match (to, command.as_ref()) {
                    (EntityId::Sku(sku), command) => {
                        self.carried.push((sku.clone(), command.clone()));
                        self.at_sku(sku, command)
                    }
                    (_, Command::Location(LocationCommand::TakeCapacity { .. }))
                        if number.is_multiple_of(3) && self.full_times > 0 =>
                    {
                        self.full_times -= 1;
                        Err(Rejection::CapacityFull {
                            day: "2026-12-01".to_owned(),
                        })
                    }
                    (_, Command::Location(LocationCommand::TakeCapacity { .. })) => {
                        Ok(Answer::CapacityGranted {
                            day: "2026-12-01".to_owned(),
                            acknowledge_by: ms(self.scene.now + 600_000),
                        })
                    }
                    (EntityId::Location(location), Command::Read) => Ok(Answer::Location {
                        facts: Box::new(place(location.as_str())),
                        source_since: None,
                    }),
                    _ => Ok(Answer::Done),
                };
                self.answers.push((number, to.clone(), result));
            }
        }
    }

    /// First come, first served, on what is believed, corrected by what the order was told.
    pub fn route(&self, request: &PlanRequest) -> Plan {
        let mut free: BTreeMap<(SkuId, LocationId), i64> = BTreeMap::new();
        for (sku, announced) in &self.announced {
            let fresh = request.fresh.iter().find(|one| one.sku == *sku);
            let view = fresh.filter(|one| one.version >= announced.version);
            for place in &view.unwrap_or(announced).locations {
                let units = match request.sale {
                    Sale::Asks => i64::from(place.ats),
                    Sale::AlreadySold => place.available,
                };
                free.insert((sku.clone(), place.location.clone()), units);
            }
        }
        for (sku, takes) in &request.offered {
            for take in takes {
                let key = (sku.clone(), take.location.clone());
                *free.entry(key).or_default() += i64::from(take.units);
            }
        }
        let mut made = plan(&[], &[]);
        let barred = |place: &LocationId| request.excluded.contains(place);
        let places = PLACES.map(id::<LocationId>).into_iter();
        made.allowed = places.filter(|place| !barred(place)).collect();
        for (line, sku, units) in &request.wanted {
            let mut left = *units;
            for place in PLACES.map(id::<LocationId>) {
                let free = free.entry((sku.clone(), place.clone())).or_default();
                let units = left.min(u32::try_from((*free).max(0)).expect("small"));
                let pair = (place.clone(), sku.clone());
                let barred = request.excluded.contains(&place) || request.rejected.contains(&pair);
                if units > 0 && !barred {
                    *free -= i64::from(units);
                    left -= units;
                    made.allocations.push(crossdock_model::v1::Allocation {
                        line: line.clone(),
                        sku: sku.clone(),
                        location: place,
                        units,
                    });
                }
            }
            if left > 0 {
                made.unplaced.push((line.clone(), sku.clone(), left));
            }
        }
        made.fallback = Fallback::Backorder;
        made
    }

    pub fn give(&mut self, index: usize, again: bool) {
        if self.answers.is_empty() {
            return;
        }
        let index = index % self.answers.len();
        let (effect, from, result) = match again {
            true => self.answers[index].clone(),
            false => self.answers.swap_remove(index),
        };
        self.scene.ask(&Command::Answered {
            effect,
            from,
            result,
        });
        self.pass_notices_on();
    }

    /// What the order tells SKUs once.
    pub fn pass_notices_on(&mut self) {
        for Notice { to, command } in std::mem::take(&mut self.scene.notices) {
            self.durable = self.scene.records.len();
            if let EntityId::Sku(sku) = to {
                let _ = self.at_sku(&sku, &command);
            }
        }
    }

    pub fn hear(&mut self, index: usize, again: bool) {
        if self.notices.is_empty() {
            return;
        }
        let index = index % self.notices.len();
        let command = match again {
            true => self.notices[index].clone(),
            false => self.notices.swap_remove(index),
        };
        self.scene.ask(&command);
        self.pass_notices_on();
    }

    /// A copy of what a SKU was asked before, when nobody waits for the answer any more.
    pub fn come_late(&mut self, index: usize) {
        let carried = self.carried.get(index % self.carried.len().max(1));
        if let Some((sku, command)) = carried.cloned() {
            let _ = self.at_sku(&sku, &command);
        }
    }

    /// Loses what was not durable; tentative effects of it have left all the same, and answers to them come.
    pub fn crash(&mut self) {
        let kept = self.durable.max(1);
        self.scene.records.truncate(kept);
        let mut entity = Entity::new(self.scene.entity.id().clone());
        for record in &self.scene.records {
            entity.apply(record, DEDUP_WINDOW).expect("replays");
        }
        self.scene.entity = entity;
    }

    pub fn wake_all(&mut self) {
        let now = ms(self.scene.now);
        for sku in SKUS.map(id::<SkuId>) {
            if self.skus[&sku]
                .next_deadline()
                .is_some_and(|(at, _)| at <= now)
            {
                let _ = self.at_sku(&sku, &Command::Wake);
            }
        }
        if self
            .scene
            .entity
            .next_deadline()
            .is_some_and(|(at, _)| at <= now)
        {
            self.scene.ask(&Command::Wake);
            self.pass_notices_on();
        }
    }

    pub fn the_order(&self) -> &Order {
        self.scene.order().order.as_deref().expect("an order")
    }
}
