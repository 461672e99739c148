//! What a SKU tells a channel of the channel's own sales.

use crossdock_model::EntityId;

use super::*;

/// Units sold on the shop, as its bucket is told.
fn sold(bench: &Bench) -> u64 {
    let EntityId::Sku(sku) = bench.entity.id() else {
        panic!("no SKU");
    };
    let view = bench.state().view(sku, bench.entity.version(), bench.now);
    let said = bench.state().publications(&view, bench.now);
    let stock = &said.first().expect("the bucket listens").stock;
    let named: u64 = stock.sold.iter().map(|sold| u64::from(sold.units)).sum();
    assert_eq!(named, stock.sold_units, "few sales are all named");
    stock.sold_units
}

/// However an order comes by its units, in parts or anew, all of them are one sale.
#[test]
fn all_units_of_an_order_are_sold_once() {
    let bucket = "bucket:shop:1".parse().unwrap();
    let part = |name, number, units| reserve(name, number, &[("a", units)], AlreadySold, false);
    let steps = [
        (SkuCommand::Subscribe { bucket }, 0),
        (receive("a", 9), 0),
        (part("whole", 1, 2), 2),
        // Placed anew after it was released.
        (release("whole", 1), 2),
        (part("whole", 2, 2), 2),
        (confirm("whole", 2), 2),
        // One of three at first, and the rest when it came.
        (part("parts", 1, 1), 3),
        (confirm("parts", 1), 3),
        (wait("parts", 2, 0, u64::MAX), 5),
        (part("parts", 2, 2), 5),
        (confirm("parts", 2), 5),
        // Another channel's sales are not the shop's.
        (part("web/other", 1, 1), 5),
    ];
    let mut bench = Bench::new();
    for (number, (command, units)) in steps.into_iter().enumerate() {
        let told = bench.ask(command);
        assert!(told.is_ok(), "step {}: {told:?}", number + 1);
        if number > 0 {
            assert_eq!(sold(&bench), units, "step {}", number + 1);
        }
    }
    bench.check_replay();
}
