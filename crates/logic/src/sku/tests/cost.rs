//! What a SKU remembers does not depend on how much it has done.

use super::*;

#[test]
fn a_state_does_not_grow_with_its_history() {
    let mut bench = Bench::new();
    bench.audits = false;
    // Instants are written in as many bytes from here on.
    bench.now = at(1 << 40);
    let mut sizes = Vec::new();
    for number in 0..3_600 {
        let name = format!("o{number:05}");
        let hold = format!("h{number:05}");
        let expires_at = bench.now + crossdock_model::Duration::from_minutes(3);
        let steps = [
            receive("a", 2),
            SkuCommand::Hold {
                hold: hold_id(&hold),
                units: 1,
                takes: Vec::new(),
                among: None,
                expires_at,
            },
            reserve(&name, 1, &[("a", 1)], AlreadySold, true),
            confirm(&name, 1),
            settle(&name, "a", 1, 0),
            SkuCommand::Return {
                order: order(&name),
                return_id: ReturnId::new("r").unwrap(),
                part: 0,
                location: place("a"),
                units: 1,
                condition: None,
            },
            till(2),
        ];
        for step in steps {
            bench.ask(step).unwrap();
        }
        bench.pass(10 * 60_000);
        if [1_199, 3_599].contains(&number) {
            sizes.push(bench.entity.encode().unwrap().len());
        }
    }
    let [after_a_week, after_three] = sizes[..] else {
        panic!("{sizes:?}");
    };
    let growth = after_three as f64 / after_a_week as f64;
    assert!((0.98..1.02).contains(&growth), "{sizes:?}");
}
