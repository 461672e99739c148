//! What deciding takes, without any disk: a reservation, and a plan.

use crate::report::{Report, Row};

/// Rounds of each piece.
const ROUNDS: usize = 50;
/// Pieces with their names in the table, and the most that each may take, microseconds.
const PIECES: [(&str, &str, f64); 5] = [
    ("sku-reserve", "decide and apply a reservation", 1.0),
    (
        "busy-sku-reserve",
        "decide and apply a reservation, SKU with 2,000 open",
        1.0,
    ),
    ("route-1-line", "plan an order of 1 line, 5 locations", 10.0),
    (
        "route-3-lines",
        "plan an order of 3 lines, 5 locations",
        10.0,
    ),
    (
        "route-3-lines-split",
        "plan an order of 3 lines that has to be split, 5 locations",
        10.0,
    ),
];

/// Measures them.
pub(crate) fn run(report: &mut Report) {
    let done = crossdock_guard::run(ROUNDS);
    for (name, what, most) in PIECES {
        let piece = done.iter().find(|piece| piece.name == name).unwrap();
        let us = piece.took.as_secs_f64() * 1e6;
        report.add(Row::new(what, us, "µs").at_most(most));
    }
}
