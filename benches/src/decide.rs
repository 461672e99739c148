//! What deciding takes, without any disk: a reservation, and a plan.

use std::time::Duration;

use crate::report::{Report, Row};

/// Rounds of each piece.
const ROUNDS: usize = 50;
/// Pieces with their names in the table.
const PLANS: [(&str, &str); 3] = [
    ("route-1-line", "plan an order of 1 line, 5 locations"),
    ("route-3-lines", "plan an order of 3 lines, 5 locations"),
    (
        "route-3-lines-split",
        "plan an order of 3 lines that has to be split, 5 locations",
    ),
];

/// Microseconds at most.
const RESERVE_US_MAX: f64 = 1.0;
const PLAN_US_MAX: f64 = 10.0;
/// Reservations in a row.
const IN_A_ROW: u32 = 2_000;

/// Measures them.
pub(crate) fn run(report: &mut Report) {
    let took = crossdock_guard::in_a_row(IN_A_ROW, ROUNDS);
    let name = "decide and apply a reservation, 2,000 in a row";
    report.add(Row::new(name, us(took), "µs").at_most(RESERVE_US_MAX));
    let done = crossdock_guard::run(ROUNDS);
    for (name, what) in PLANS {
        let piece = done.iter().find(|piece| piece.name == name).unwrap();
        report.add(Row::new(what, us(piece.took), "µs").at_most(PLAN_US_MAX));
    }
}

fn us(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}
