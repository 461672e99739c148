//! Random histories: one order among real SKUs, with answers that are late, doubled, reordered or lost,
//! others who take stock, and people who change their minds. In the end everybody agrees on who has what.

use std::collections::BTreeMap;

use crossdock_model::answer::StockView;
use crossdock_model::command::{LocationCommand, OrderCommand, PlanRequest, SkuCommand};
use crossdock_model::v1::{
    AttemptId, Destination, Fallback, OrderFacts, Origin, Payment, Plan, RefundLine, RejectReason,
    Restock, ReturnLine, Sale, Tracking,
};
use crossdock_model::{
    Answer, Command, CredentialId, Effect, EntityId, LineId, LocationId, Meta, Notice, Rejection,
    SkuId,
};
use proptest::prelude::*;

use super::scene::*;
use crate::entity::DEDUP_WINDOW;
use crate::order::state::{Order, Placing};
use crate::{Announcement, Entity, Outcome};

const SKUS: [&str; 2] = ["A", "B"];
const PLACES: [&str; 2] = ["newark", "reno"];

type Given = (u32, EntityId, Result<Answer, Rejection>);

pub struct World {
    pub scene: Scene,
    skus: BTreeMap<SkuId, Entity>,
    /// What the router believes: it may be stale.
    announced: BTreeMap<SkuId, StockView>,
    /// Answers on their way to the order.
    answers: Vec<Given>,
    pub notices: Vec<Command>,
    /// What SKUs were asked so far: a copy of it may come late.
    carried: Vec<(SkuId, Command)>,
    others: u32,
    stated: OrderCommand,
    /// How often locations have no capacity.
    full_times: u8,
    /// The most units of each line that were ever ordered.
    most: BTreeMap<LineId, u32>,
    /// Records of the order that a crash cannot lose: what rests on them has left.
    durable: usize,
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

    fn receive(&mut self, sku: &str, place: &str, units: u32) {
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
            Some(Announcement::Stock(stock)) => StockView::clone(&stock),
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
            Effect::Deliver(_) => false,
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
                    (EntityId::Location(location), Command::Read) => {
                        Ok(Answer::Location(Box::new(place(location.as_str()))))
                    }
                    _ => Ok(Answer::Done),
                };
                self.answers.push((number, to.clone(), result));
            }
        }
    }

    /// First come, first served, on what is believed, corrected by what the order was told.
    fn route(&self, request: &PlanRequest) -> Plan {
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
    fn pass_notices_on(&mut self) {
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
    fn come_late(&mut self, index: usize) {
        let carried = self.carried.get(index % self.carried.len().max(1));
        if let Some((sku, command)) = carried.cloned() {
            let _ = self.at_sku(&sku, &command);
        }
    }

    pub fn step(&mut self, (what, which, how): (u8, u8, u8)) {
        let index = usize::from(which);
        match what % 12 {
            0..=3 => {
                let pending = self.scene.pending();
                if let Some((number, effect)) = pending.get(index % pending.len().max(1)) {
                    self.carry_out(*number, effect);
                }
            }
            4..=6 => self.give(index, how % 8 == 0),
            7 => self.hear(index, how % 8 == 0),
            8 => self.other(which, how),
            9 => {
                self.scene.now += [5, 40, 600, 6_000][index % 4];
                self.wake_all();
            }
            10 if how % 4 == 0 => self.crash(),
            10 if how % 4 == 1 => self.come_late(index),
            10 => self.announce(),
            _ => self.person(which, how),
        }
        self.holds_together();
        if how == 0 {
            self.scene.recovers();
        }
    }

    /// Loses what was not durable; tentative effects of it have left all the same, and answers to them come.
    fn crash(&mut self) {
        let kept = self.durable.max(1);
        self.scene.records.truncate(kept);
        let mut entity = Entity::new(self.scene.entity.id().clone());
        for record in &self.scene.records {
            entity.apply(record, DEDUP_WINDOW).expect("replays");
        }
        self.scene.entity = entity;
    }

    fn wake_all(&mut self) {
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

    /// Another order takes a unit, tentatively, and lets it go or keeps it later; or units arrive.
    fn other(&mut self, which: u8, how: u8) {
        let sku = SKUS[usize::from(which) % 2];
        let place = PLACES[usize::from(which / 2) % 2];
        let attempt = |number: u32| AttemptId {
            order: id(&format!("other:{number}")),
            attempt: 1,
        };
        let _ = match how % 4 {
            0 => {
                self.receive(sku, place, 1);
                return;
            }
            1 => {
                self.others += 1;
                let reserve = SkuCommand::Reserve {
                    id: attempt(self.others),
                    takes: vec![take(place, 1)],
                    sale: Sale::AlreadySold,
                    promised_at: ms(0),
                    queue: false,
                };
                self.sku(sku, reserve)
            }
            2 => self.sku(
                sku,
                SkuCommand::Release {
                    id: attempt(self.others),
                },
            ),
            _ => {
                let adjust = SkuCommand::Adjust {
                    location: id(place),
                    delta: -1,
                    reason: "lost".to_owned(),
                };
                self.sku(sku, adjust)
            }
        };
    }

    fn person(&mut self, which: u8, how: u8) {
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

    pub fn the_order(&self) -> &Order {
        self.scene.order().order.as_deref().expect("an order")
    }

    fn is_busy(&self) -> bool {
        matches!(self.scene.settled(), Some(Err(Rejection::Busy { .. })))
    }

    /// What holds at every moment.
    fn holds_together(&mut self) {
        let order = self.scene.order().order.as_deref().expect("an order");
        for (id, line) in &order.lines {
            let most = self.most.entry(id.clone()).or_default();
            *most = line.facts.ordered_units.max(*most);
        }
        let order = self.the_order();
        for (id, line) in &order.lines {
            let sent = line.sent_units();
            let all = sent + line.cancelled;
            assert!(all <= line.facts.ordered_units.max(sent), "{id}: {line:?}");
            assert!(line.returned <= line.shipped_units() + line.elsewhere);
            assert!(
                line.begun_units() <= self.most[id],
                "sent twice: {id}: {line:?}"
            );
        }
        let (more, fewer) = order.recount();
        let refused = order.refused.is_some();
        assert!(
            refused || (more.is_empty() && fewer.is_empty()),
            "{order:#?}"
        );
        for grant in order.grants.values() {
            assert!(grant.shipped + grant.released <= grant.units, "{grant:?}");
        }
        for (key, grant) in &order.grants {
            let pieces = order.pieces.iter();
            let here = pieces.filter(|piece| {
                (piece.attempt, &piece.sku, &piece.location) == (key.0, &key.1, &key.2)
            });
            let open: u32 = here.map(|piece| piece.units).sum();
            assert_eq!(
                open,
                grant.units - grant.shipped - grant.released,
                "{key:?}"
            );
        }
        for ((line, sku), units) in order.excess() {
            let idle = order.pieces.iter().filter(|piece| piece.request.is_none());
            let idle = idle
                .filter(|piece| piece.line == line && piece.sku == sku)
                .count();
            let asked = order.recalled_units(&line, &sku);
            assert!(idle == 0 || asked >= units, "{line} {sku}\n{order:#?}");
        }
    }

    /// Everybody answers and others let go, until nothing moves any more.
    pub fn quiesce(&mut self) {
        for number in 1..=self.others {
            let release = SkuCommand::Release {
                id: AttemptId {
                    order: id(&format!("other:{number}")),
                    attempt: 1,
                },
            };
            for sku in SKUS {
                let _ = self.sku(sku, release.clone());
            }
        }
        let end = self.scene.now + 300_000;
        for _ in 0..3_000 {
            self.announce();
            while !self.notices.is_empty() {
                self.hear(0, false);
            }
            while !self.answers.is_empty() {
                self.give(0, false);
            }
            let pending = self.scene.pending();
            let version = self.scene.entity.version();
            for (number, effect) in &pending {
                self.carry_out(*number, effect);
            }
            while !self.answers.is_empty() {
                self.give(0, false);
            }
            if self.scene.entity.version() != version || !self.notices.is_empty() {
                continue;
            }
            let due = self.skus.values().filter_map(Entity::next_deadline);
            let due = due.chain(self.scene.entity.next_deadline());
            let Some(next) = due.map(|(at, _)| at.as_ms()).min().filter(|at| *at < end) else {
                return;
            };
            self.scene.now = self.scene.now.max(next);
            self.wake_all();
        }
        panic!(
            "never quiet: {:?} {:?}",
            self.scene.effects(),
            self.the_order().placing
        );
    }

    /// What holds once nothing moves.
    pub fn agrees(&mut self) {
        let order = self.the_order();
        for sku in SKUS.map(id::<SkuId>) {
            for place in &self.view(&sku).locations {
                let pieces = order.pieces.iter();
                let ours =
                    pieces.filter(|piece| piece.sku == sku && piece.location == place.location);
                let ours: u32 = ours.map(|piece| piece.units).sum();
                assert_eq!(
                    (place.committed, place.tentative),
                    (ours, 0),
                    "{sku} {place:?}\n{order:#?}"
                );
            }
        }
        let waits = matches!(
            order.placing,
            Placing::Waiting(_) | Placing::Stuck(_) | Placing::Busy { .. }
        );
        let missing = !order.missing().is_empty();
        assert!(order.is_over() || !missing || waits, "{order:#?}");
        let now = ms(self.scene.now);
        let may_go = self.scene.order().may_request(now);
        assert!(!may_go || order.work().is_empty(), "{order:#?}");
        assert_eq!(self.scene.effects(), Vec::<String>::new());
        self.scene.recovers();
        let settled = self.scene.settled();
        let repeated = self.repeated();
        let version = self.scene.entity.version();
        self.scene.tell(repeated);
        if self.scene.entity.version() == version {
            assert_eq!(Some(self.scene.answer.clone()), settled);
        }
    }
}

proptest! {

    #[test]
    fn everybody_agrees_in_the_end(
        stock in any::<[u8; 4]>(),
        asks in any::<bool>(),
        held in any::<Option<(u8, u8)>>(),
        steps in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..160),
    ) {
        let mut world = World::new(stock, asks, held);
        world.announce();
        for step in steps {
            world.step(step);
        }
        world.quiesce();
        world.agrees();
        if world.is_busy() {
            let again = world.repeated();
            world.scene.tell(again);
            world.quiesce();
            world.agrees();
            prop_assert!(!world.is_busy(), "nobody is in the way any more");
        }
    }
}
