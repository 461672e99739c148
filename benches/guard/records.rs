//! Records and checkpoints to bytes, and back.

use crossdock_logic::Entity;
use crossdock_model::Record;

use crate::scene::{id, record, sku};
use crate::{count, order};

pub fn run() {
    let mut mug = sku("MUG-BLUE", &[("columbus", 50), ("reno", 50)]);
    let mut stated = Entity::new(id("order:shop:820000000001001"));
    for (name, record) in [
        ("reserve-record", record(&mut mug, &crate::sku::reserve(1))),
        ("order-record", record(&mut stated, &order::stated())),
    ] {
        let bytes = record.encode().unwrap();
        count(&format!("{name}-encode"), record, |record| {
            (record.encode().unwrap(), record)
        });
        count(&format!("{name}-decode"), bytes, |bytes| {
            (Record::decode(&bytes).unwrap(), bytes)
        });
    }
    let requested = order::requested();
    let name = requested.id().clone();
    let bytes = requested.encode().unwrap();
    count("order-checkpoint-encode", requested, |order| {
        (order.encode().unwrap(), order)
    });
    count("order-checkpoint-decode", (name, bytes), |(name, bytes)| {
        Entity::decode(name, &bytes).unwrap()
    });
}
