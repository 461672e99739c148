//! A reservation's way at a SKU, by itself and among many that are open.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crossdock_logic::Entity;
use crossdock_model::Command;
use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{AttemptId, Sale, Take};

use crate::scene::{NOW, ask, id, meta, record, sku};
use crate::{Work, middle};

const MANY: u32 = 2_000;

pub fn run(pieces: &mut Work) {
    for (name, open) in [("sku", 0), ("busy-sku", MANY)] {
        let mut entity = busy(open);
        let steps = [
            ("reserve", reserve(open)),
            ("confirm", confirm(open)),
            ("ship", ship(open)),
        ];
        for (verb, command) in steps {
            let before = (entity.clone(), command.clone(), meta());
            pieces.piece(
                &format!("{name}-{verb}"),
                before,
                |(mut sku, command, meta)| {
                    let told = ask(&mut sku, &command, &meta);
                    (sku, told)
                },
            );
            record(&mut entity, &command);
        }
    }
}

/// The time that each of so many reservations takes in a row, at a SKU that keeps them open: the middle one of some rounds.
pub fn in_a_row(count: u32, rounds: usize) -> Duration {
    let commands: Vec<Command> = (0..count).map(reserve).collect();
    let round = |_| {
        let (mut sku, meta) = (busy(0), meta());
        let started = Instant::now();
        for command in &commands {
            let (answer, record) = ask(&mut sku, command, &meta);
            black_box((answer.unwrap(), record));
        }
        started.elapsed() / count
    };
    middle((0..rounds).map(round).collect())
}

/// A SKU at two locations with so many reservations that are confirmed and have not left.
fn busy(open: u32) -> Entity {
    let mut mug = sku("MUG-BLUE", &[("columbus", 5_000), ("reno", 5_000)]);
    for number in 0..open {
        record(&mut mug, &reserve(number));
        record(&mut mug, &confirm(number));
    }
    mug
}

fn attempt(number: u32) -> AttemptId {
    AttemptId {
        order: id(&format!("shop:82{number:09}")),
        attempt: 1,
    }
}

pub fn reserve(number: u32) -> Command {
    Command::Sku(SkuCommand::Reserve {
        id: attempt(number),
        takes: vec![Take {
            location: id("reno"),
            units: 2,
        }],
        sale: Sale::AlreadySold,
        promised_at: NOW,
        added_units: 0,
        queue: false,
    })
}

fn confirm(number: u32) -> Command {
    Command::Sku(SkuCommand::Confirm {
        id: attempt(number),
    })
}

fn ship(number: u32) -> Command {
    Command::Sku(SkuCommand::Settle {
        id: attempt(number),
        location: id("reno"),
        shipped_units: 2,
        released_units: 0,
        missing_units: 0,
    })
}
