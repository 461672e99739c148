//! `demo --sync`: what it costs to tell channels late, and other experiments of the laboratory. They run in
//! accelerated time; the same seed gives the same table on every machine.

use std::str::FromStr;

use crossdock_model::v1::Writes;
use crossdock_sim::lab::{Estimate, LabError, Rates, buffers, formulas, priority, sync, trap};
use serde::Serialize;
use serde_json::Value;

use super::exit::{Failure, Outcome};
use super::out::Out;

/// Stock-outs under buffers, of each kind of channel.
const STOCK_OUTS: u64 = 10_000;
/// Stock-outs, or arrivals, of each arm of the trap.
const EPISODES: u64 = 2_000;
/// Runs of each formula.
const RUNS: u64 = 60_000;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Study {
    /// Every way of telling channels.
    All,
    /// One of them.
    One(sync::Sync),
    /// The formulas against a simulation.
    Formulas,
    /// Buffers at a target of 0.1 %.
    Buffers,
    /// A channel whose own sales are heard of late.
    Trap,
    /// What is sent first where a channel takes fewer numbers than change.
    Priority,
}

impl FromStr for Study {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "all" => Self::All,
            "formulas" => Self::Formulas,
            "buffers" => Self::Buffers,
            "trap" => Self::Trap,
            "priority" => Self::Priority,
            other => {
                let problem =
                    |problem| format!("{problem}, all, formulas, buffers, trap, priority");
                Self::One(other.parse().map_err(problem)?)
            }
        })
    }
}

/// A table, and the same for programs.
struct Table {
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
    document: Value,
}

impl Table {
    fn of<T: Serialize>(
        head: &'static [&'static str],
        found: &[T],
        cells: impl Fn(&T) -> Vec<String>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            head,
            rows: found.iter().map(cells).collect(),
            document: serde_json::json!({ "rows": found }),
        })
    }
}

/// Measures, on a thread of its own, and prints.
pub(crate) async fn run(out: Out, study: Study, orders: u64, seed: u64) -> Outcome {
    let measured = tokio::task::spawn_blocking(move || measure(study, orders, seed));
    let table = measured.await.map_err(anyhow::Error::from)??;
    out.show(&table.document, |out, _| out.table(table.head, &table.rows));
    Ok(())
}

fn measure(study: Study, orders: u64, seed: u64) -> Result<Table, Failure> {
    let table = match study {
        Study::All => told(&sync::SYNCS, orders, seed),
        Study::One(how) => told(&[how], orders, seed),
        Study::Formulas => compared(seed),
        Study::Buffers => buffered(seed),
        Study::Trap => trapped(seed),
        Study::Priority => rushed(seed),
    };
    Ok(table?)
}

fn told(syncs: &[sync::Sync], orders: u64, seed: u64) -> anyhow::Result<Table> {
    let markets = sync::MARKETS.into_iter();
    let rows = markets.flat_map(|market| {
        let each = syncs.iter();
        each.map(move |how| sync::row(seed, market, *how, orders))
    });
    let rows: Vec<sync::Row> = rows.collect::<Result<_, LabError>>()?;
    let head = &[
        "CHANNELS",
        "TOLD",
        "ORDERS",
        "OVERSOLD/10,000 ORDERS",
        "FORMULA",
        "OVERSOLD/STOCK-OUT",
        "FORMULA",
    ];
    Table::of(head, &rows, |row| {
        // What keeps back unlike numbers is only bounded by the formula.
        let at_most = match (row.market, row.sync) {
            (sync::Market::ShopAndAmazon, sync::Sync::Events | sync::Sync::EventsAndBuffers) => {
                "≤ "
            }
            _ => "",
        };
        vec![
            String::from(row.market),
            String::from(row.sync),
            row.orders.to_string(),
            figure(&row.oversold_per_10k),
            format!("{at_most}{}", short(row.predicted_per_10k)),
            figure(&row.oversold_per_stock_out),
            format!("{at_most}{}", short(row.predicted_per_stock_out)),
        ]
    })
}

fn compared(seed: u64) -> anyhow::Result<Table> {
    let found = formulas::compare(seed, RUNS)?;
    Table::of(&["WHAT", "FORMULA", "SIMULATED", "WITHIN"], &found, |one| {
        let within = if one.simulated.holds(one.predicted) {
            "yes"
        } else {
            "no"
        };
        vec![
            one.what.clone(),
            short(one.predicted),
            figure(&one.simulated),
            within.to_owned(),
        ]
    })
}

fn buffered(seed: u64) -> anyhow::Result<Table> {
    let mut found = Vec::new();
    for writes in [Writes::CompareAndSet, Writes::Absolute] {
        for rates in [Rates::Known, Rates::Learned] {
            found.push(buffers::at_target(
                seed,
                writes,
                rates,
                buffers::TARGET_PPM,
                STOCK_OUTS,
            )?);
        }
    }
    let head = &[
        "CHANNEL",
        "STOCK-OUTS",
        "OVERSOLD",
        "AT MOST (95 %)",
        "ORDERS",
    ];
    Table::of(head, &found, |one| {
        vec![
            one.what.clone(),
            one.stock_outs.to_string(),
            one.oversold.to_string(),
            format!("{:.3} %", one.share_max * 100.0),
            one.orders.to_string(),
        ]
    })
}

fn trapped(seed: u64) -> anyhow::Result<Table> {
    let mut found = Vec::new();
    for flow in [trap::Flow::SellDown, trap::Flow::Restocks] {
        for arm in trap::ARMS {
            found.push(trap::trap(seed, arm, flow, EPISODES)?);
        }
    }
    let head = &["FLOW", "ARM", "EPISODES", "ORDERS", "OVERSOLD/EPISODE"];
    Table::of(head, &found, |one| {
        vec![
            format!("{:?}", one.flow),
            format!("{:?}", one.arm),
            one.episodes.to_string(),
            one.orders.to_string(),
            figure(&one.oversold),
        ]
    })
}

fn rushed(seed: u64) -> anyhow::Result<Table> {
    let mut found = Vec::new();
    for order in [priority::Order::Danger, priority::Order::FirstIn] {
        found.push(priority::rush(seed, order, &priority::Rush::REAL)?);
    }
    let head = &[
        "FIRST", "ORDERS", "OVERSOLD", "SHOP", "AMAZON", "SKUS", "SENT",
    ];
    Table::of(head, &found, |one| {
        let [shop, amazon] = one.oversold;
        vec![
            format!("{:?}", one.order),
            one.orders.to_string(),
            one.oversold_units().to_string(),
            shop.to_string(),
            amazon.to_string(),
            one.oversold_skus.to_string(),
            one.sent.map(|sent| sent.to_string()).join("+"),
        ]
    })
}

/// A mean with its 95 % interval.
fn figure(estimate: &Estimate) -> String {
    format!("{} ± {}", short(estimate.mean), short(estimate.plus_minus))
}

/// A number with about three digits that say something.
fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        0.001.. => format!("{value:.4}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_named_once() {
        assert_eq!("all".parse(), Ok(Study::All));
        let events = Study::One(sync::Sync::EventsAndBuffers);
        assert_eq!("events+buffers".parse(), Ok(events));
        let problem = "hourly".parse::<Study>().unwrap_err();
        assert!(
            problem.contains("batch:15m") && problem.contains("trap"),
            "{problem}"
        );
    }

    #[test]
    fn a_table_has_a_line_for_each_market() {
        let table = told(&[sync::Sync::Batch(60)], 1_000, 1).unwrap();
        assert_eq!(table.rows.len(), sync::MARKETS.len());
        assert!(table.rows.iter().all(|row| row.len() == table.head.len()));
        assert_eq!(table.document["rows"][0]["sync"], "batch:60m");
    }
}
