//! 200 buyers, 50 units: exactly 50 are sold, in every mode, by every path on which it can be.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{Setup, binary, stock};

const MODES: [&str; 6] = [
    "one",
    "two-lines",
    "crossed",
    "same-sku",
    "kit",
    "locations",
];

#[test]
fn in_process() {
    for mode in MODES {
        sells_exactly_all(mode, "engine");
    }
}

#[test]
fn by_holds() {
    for mode in MODES {
        sells_exactly_all(mode, "hold");
    }
}

#[test]
fn by_orders() {
    for mode in MODES {
        sells_exactly_all(mode, "order");
    }
}

#[test]
fn by_webhooks() {
    for mode in MODES {
        sells_exactly_all(mode, "webhook");
    }
}

#[test]
fn holds_against_orders() {
    for path in ["engine", "order", "webhook"] {
        sells_exactly_all("holds-against-orders", path);
    }
}

/// What is cancelled is sold to others, and what is shipped is not.
#[test]
fn cancel_against_ship() {
    for path in ["engine", "order", "webhook"] {
        sells_exactly_all("cancel-against-ship", path);
    }
}

/// What expires is sold to others, and what is confirmed is not.
#[test]
fn expiry_against_confirm() {
    for path in ["engine", "hold"] {
        sells_exactly_all("expiry-against-confirm", path);
    }
}

#[test]
fn duplicates() {
    for path in ["engine", "hold", "order", "webhook"] {
        sells_exactly_all("duplicates", path);
    }
}

/// Buyers come one after the other, whether or not those before them were answered.
#[test]
fn at_a_rate() {
    let arguments = ["--mode", "one", "--path", "order", "--rate", "400"];
    let verdict = raced("at a rate", &arguments);
    let ms = |figure: &str| verdict[figure].as_u64().unwrap();
    let ascending = ["p50", "p90", "p99", "p999", "max"].map(|p| ms(&format!("latency_ms_{p}")));
    assert!(ascending.is_sorted(), "{verdict}");
    assert!(ms("generator_late_ms_p99") <= ms("generator_late_ms_max"));
}

/// What cannot be raced says what can.
#[test]
fn impossible_races_are_refused() {
    let refused = [
        ("holds-against-orders", "hold", "--path order"),
        ("cancel-against-ship", "hold", "--path order"),
        ("expiry-against-confirm", "order", "--path hold"),
        ("expiry-against-confirm", "webhook", "--path hold"),
    ];
    for (mode, path, remedy) in refused {
        let arguments = ["race", "--mode", mode, "--path", path];
        let ran = Command::new(binary()).args(arguments).output().unwrap();
        let error = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{mode} by {path}: {error}");
        assert!(error.contains(remedy), "{error}");
    }
}

/// A race on a server that runs already goes through its channel and leaves its books.
#[tokio::test]
async fn on_a_running_server() {
    let setup = Setup::new();
    let server = setup.start().await;
    stock(&server, None, &[("A", 20)]).await;
    let arguments = [
        "race", "--buyers", "40", "--units", "10", "--path", "webhook", "--json",
    ];
    let arguments = [&arguments[..], &["--url", &server.url]].concat();
    let (code, said, error) = setup.crossdock(&arguments);
    assert_eq!(code, 0, "{said}{error}");
    judge("on a running server", said.lines().last().unwrap(), 10, 30);
    assert_eq!(server.get("/v1/stock/A").await["ats"], 20);
}

fn sells_exactly_all(mode: &str, path: &str) {
    raced(
        &format!("{mode} by {path}"),
        &["--mode", mode, "--path", path],
    );
}

/// The verdict on 200 buyers of 50 units.
fn raced(race: &str, arguments: &[&str]) -> Value {
    let usual = ["race", "--buyers", "200", "--units", "50", "--json"];
    let mut command = Command::new(binary());
    let ran = command.args(usual).args(arguments).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let error = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{race}: {said}{error}");
    judge(race, said.lines().last().unwrap_or_default(), 50, 150)
}

/// Whoever has cancelled neither has the goods nor was refused.
fn judge(race: &str, line: &str, sold: u64, others: u64) -> Value {
    let verdict: Value = serde_json::from_str(line).unwrap();
    let units = |figure: &str| verdict[figure].as_u64().unwrap();
    let refused = units("refused") + units("cancelled");
    let wrong = ["oversold", "doubled", "needlessly_refused"].map(units);
    assert_eq!(
        (units("sold"), refused, wrong),
        (sold, others, [0; 3]),
        "{race}: {line}"
    );
    verdict
}
