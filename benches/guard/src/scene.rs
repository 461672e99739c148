//! Who takes part: entities that are asked, and stock that they have.

use std::fmt::Debug;
use std::str::FromStr;

use crossdock_logic::entity::DEDUP_WINDOW;
use crossdock_logic::{Entity, Outcome};
use crossdock_model::command::SkuCommand;
use crossdock_model::v1::Tracking;
use crossdock_model::{
    Answer, Command, CredentialId, EntityId, Meta, Record, Rejection, Timestamp,
};

/// When everything happens.
pub const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

pub fn id<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub fn meta() -> Meta {
    Meta {
        principal: CredentialId::new("guard").unwrap(),
        reason: None,
        key: None,
        body_hash: 0,
        issued_at: NOW,
        effective_at: None,
        trace: None,
    }
}

/// Has it decide and applies what it decided: what a live entity does with a message before it is written.
pub fn ask(
    entity: &mut Entity,
    command: &Command,
    meta: &Meta,
) -> (Result<Answer, Rejection>, Option<Box<Record>>) {
    match entity.decide(command, meta, NOW, DEDUP_WINDOW) {
        Err(why) => (Err(why), None),
        Ok(Outcome::Unchanged { answer, .. }) => (Ok(answer), None),
        Ok(Outcome::Changed { record, answer, .. }) => {
            entity.apply(&record, DEDUP_WINDOW).unwrap();
            (Ok(answer), Some(record))
        }
    }
}

/// The record of what it decided; it is to change something.
pub fn record(entity: &mut Entity, command: &Command) -> Record {
    let (answer, record) = ask(entity, command, &meta());
    *record.unwrap_or_else(|| panic!("{answer:?}"))
}

/// A SKU with that stock.
pub fn sku(name: &str, stock: &[(&str, u32)]) -> Entity {
    let mut sku = Entity::new(EntityId::Sku(id(name)));
    let define = SkuCommand::Define {
        title: format!("{name}, of stoneware"),
        tracking: Tracking::Tracked,
    };
    record(&mut sku, &Command::Sku(define));
    for (location, units) in stock {
        let receive = SkuCommand::Receive {
            location: id(location),
            units: *units,
            reference: None,
        };
        record(&mut sku, &Command::Sku(receive));
    }
    sku
}
