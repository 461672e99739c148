//! 200 buyers, 50 units: exactly 50 are sold, in every mode, by every path.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::process::Command;

use serde_json::{Value, json};
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
    let arguments = [
        "race", "--buyers", "200", "--units", "50", "--json", "--mode", mode, "--path", path,
    ];
    let ran = Command::new(binary()).args(arguments).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let error = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{mode} by {path}: {said}{error}");
    judge(
        &format!("{mode} by {path}"),
        said.lines().last().unwrap_or_default(),
        50,
        150,
    );
}

fn judge(race: &str, line: &str, sold: u64, refused: u64) {
    let verdict: Value = serde_json::from_str(line).unwrap();
    let figures = [
        "sold",
        "refused",
        "oversold",
        "doubled",
        "needlessly_refused",
    ];
    let said = figures.map(|figure| verdict[figure].clone());
    assert_eq!(
        said,
        [json!(sold), json!(refused), json!(0), json!(0), json!(0)],
        "{race}: {line}"
    );
}
