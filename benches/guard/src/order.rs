//! The way of one order of three lines from its statement until two locations are asked to send it.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_logic::Entity;
use crossdock_logic::router::{CompiledRules, route};
use crossdock_model::command::{LocationCommand, OrderCommand, SkuCommand};
use crossdock_model::v1::{
    LineFacts, LocationFacts, OrderFacts, OrderStatus, Origin, Part, Payment, Sale,
};
use crossdock_model::{Answer, Command, Duration, Effect, EntityId, Money};

use crate::Work;
use crate::routes::{SPLIT, destination, locations, skus, stock};
use crate::scene::{NOW, ask, id, meta, record};

/// What the order reaches by a step of its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Received,
    Planned,
    Reserved,
    Requested,
}

pub fn run(pieces: &mut Work) {
    let (mut order, way) = way();
    assert_eq!(status(&mut order), OrderStatus::Requested);
    let mut before = Entity::new(order.id().clone());
    for (name, reached) in [
        ("order-received", Reached::Received),
        ("order-planned", Reached::Planned),
        ("order-reserved", Reached::Reserved),
        ("order-requested", Reached::Requested),
    ] {
        let steps = way.iter().filter(|(one, _)| *one == reached);
        let commands: Vec<Command> = steps.map(|(_, command)| command.clone()).collect();
        let given = (before.clone(), commands.clone(), meta());
        pieces.piece(name, given, |(mut order, commands, meta)| {
            let told: Vec<_> = commands
                .iter()
                .map(|one| ask(&mut order, one, &meta))
                .collect();
            (order, commands, told)
        });
        for command in &commands {
            ask(&mut before, command, &meta()).0.unwrap();
        }
    }
    assert_eq!(before, order);
}

/// The order at the end of its way.
pub fn requested() -> Entity {
    way().0
}

/// What the order is told on its way, by SKUs, locations and a router that are real; and what it is at the end.
fn way() -> (Entity, Vec<(Reached, Command)>) {
    let mut others: BTreeMap<EntityId, Entity> = skus()
        .into_iter()
        .chain(sites())
        .map(|one| (one.id().clone(), one))
        .collect();
    let mut order = Entity::new(id("order:shop:820000000001001"));
    let mut way = vec![(Reached::Received, stated())];
    let (mut told, mut answered) = (0, BTreeSet::new());
    while told < way.len() {
        ask(&mut order, &way[told].1, &meta()).0.unwrap();
        told += 1;
        for (number, effect) in order.pending().iter() {
            if answered.insert(number) {
                way.push(carried_out(&mut others, &order, number, effect));
            }
        }
    }
    (order, way)
}

/// Has others do what the order asks for: what it is told of that, and what it reaches by it.
fn carried_out(
    others: &mut BTreeMap<EntityId, Entity>,
    order: &Entity,
    number: u32,
    effect: &Effect,
) -> (Reached, Command) {
    let answered = |from: &EntityId, result| Command::Answered {
        effect: number,
        from: from.clone(),
        result,
    };
    match effect {
        Effect::Plan(request) => {
            let skus: Vec<Entity> = others.values().cloned().collect();
            let plan = route(
                request,
                &stock(&skus),
                &locations(),
                &CompiledRules::default(),
                NOW,
            );
            let plan = Answer::Plan(Box::new(plan));
            (Reached::Planned, answered(order.id(), Ok(plan)))
        }
        Effect::Tell { to, command, .. } => {
            let reached = match command.as_ref() {
                Command::Sku(SkuCommand::Confirm { .. }) => Reached::Requested,
                _ => Reached::Reserved,
            };
            let result = ask(others.get_mut(to).unwrap(), command, &meta()).0;
            (reached, answered(to, result))
        }
        Effect::Deliver(delivery) => {
            let delivered = OrderCommand::Delivered {
                request: delivery.request,
                attempt: delivery.attempt,
                error: None,
            };
            (Reached::Requested, Command::Order(delivered))
        }
        Effect::Report(call) => panic!("{call:?}"),
    }
}

fn sites() -> Vec<Entity> {
    let define = |facts: LocationFacts| {
        let name = format!("location:{}", facts.location);
        let mut site = Entity::new(id(&name));
        let define = LocationCommand::Define(Box::new(facts));
        record(&mut site, &Command::Location(define));
        site
    };
    locations().into_values().map(define).collect()
}

fn status(order: &mut Entity) -> OrderStatus {
    match ask(order, &Command::Read, &meta()).0 {
        Ok(Answer::Order(summary)) => summary.status,
        other => panic!("{other:?}"),
    }
}

/// A shop states it.
pub fn stated() -> Command {
    let line = |(number, (sku, units)): (u32, (&str, u32))| LineFacts {
        line: id(&format!("820000000001001{number}")),
        title: format!("{sku}, of stoneware"),
        ordered_units: units,
        cancelled_units: 0,
        parts: vec![Part {
            sku: id(sku),
            units_per_line_unit: 1,
        }],
        unit_price: Some(Money::parse("24.00", "USD").unwrap()),
        ships: true,
    };
    let facts = OrderFacts {
        name: "#1001".to_owned(),
        placed_at: NOW,
        updated_at: NOW,
        sale: Sale::AlreadySold,
        lines: (1..).zip(SPLIT).map(line).collect(),
        destination: Some(destination()),
        service_level: Some("standard".to_owned()),
        ship_by: Some(NOW + Duration::from_days(2)),
        deliver_by: None,
        payment: Payment::Ready,
        cancelled: None,
        total: Some(Money::parse("96.00", "USD").unwrap()),
        tags: Vec::new(),
        test: false,
    };
    Command::Order(OrderCommand::State {
        facts: Box::new(facts),
        origin: Origin::Channel,
        settle: false,
    })
}
