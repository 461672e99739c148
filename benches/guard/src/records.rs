//! Records and checkpoints to bytes, and back.

use crossdock_logic::Entity;
use crossdock_model::Record;

use crate::scene::{id, record, sku};
use crate::{Work, order};

pub fn run(pieces: &mut Work) {
    let mut mug = sku("MUG-BLUE", &[("columbus", 50), ("reno", 50)]);
    let mut stated = Entity::new(id("order:shop:820000000001001"));
    for (name, record) in [
        ("reserve-record", record(&mut mug, &crate::sku::reserve(1))),
        ("order-record", record(&mut stated, &order::stated())),
    ] {
        let bytes = record.encode().unwrap();
        pieces.piece(&format!("{name}-encode"), record, |record| {
            (record.encode().unwrap(), record)
        });
        pieces.piece(&format!("{name}-decode"), bytes, |bytes| {
            (Record::decode(&bytes).unwrap(), bytes)
        });
    }
    let requested = order::requested();
    let name = requested.id().clone();
    let bytes = requested.encode().unwrap();
    pieces.piece("order-checkpoint-encode", requested, |order| {
        (order.encode().unwrap(), order)
    });
    pieces.piece("order-checkpoint-decode", (name, bytes), |(name, bytes)| {
        Entity::decode(name, &bytes).unwrap()
    });
}
