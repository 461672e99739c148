//! The demo as anybody runs it, for a few seconds: what it promises holds, and the page shows it.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{binary, until};

/// Longer than a demo of five seconds takes on the slowest machine: it waits up to a minute for what is shown at first,
/// up to four for what is under way at the end, and up to thirteen for what Amazon lists late.
const ENDS_WITHIN: Duration = Duration::from_secs(1_200);
/// How often it is looked whether it has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// A demo, which ends with the test.
struct Running(Child);

impl Running {
    async fn ended(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and that is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What Amazon sells is listed when the last shopper has left: it is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn promises_hold_and_the_page_shows_it() {
    let arguments = ["demo", "--for", "5s", "--orders-per-s", "20", "--json"];
    let mut command = Command::new(binary());
    command.args(arguments).args(["--amazon-lag", "15s"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let demo = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = Running(demo.spawn().unwrap());
    let mut told = BufReader::new(demo.0.stderr.take().unwrap());
    let mut said = String::new();
    let page = loop {
        let from = said.len();
        assert!(told.read_line(&mut said).unwrap() > 0, "{said}");
        if let Some(page) = said[from..].strip_prefix("status page: ") {
            break page.trim().to_owned();
        }
    };
    let told = tokio::task::spawn_blocking(move || {
        told.read_to_string(&mut said).unwrap();
        said
    });

    let http = reqwest::Client::new();
    let get = async |path: &str| {
        let answer = http.get(format!("{page}{path}")).send().await;
        answer.ok()?.text().await.ok()
    };
    until("the page shows orders", async || {
        let document = get("status.json").await.unwrap_or_default();
        let document: Value = serde_json::from_str(&document).unwrap_or_default();
        document["orders"]
            .as_array()
            .is_some_and(|orders| !orders.is_empty())
    })
    .await;
    assert!(get("").await.unwrap().contains("Crossdock demo"));

    let mut stdout = demo.0.stdout.take().unwrap();
    let said = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        stdout.read_to_string(&mut said).unwrap();
        said
    });
    let ended = tokio::time::timeout(ENDS_WITHIN, demo.ended()).await;
    drop(demo);
    let (said, told) = (said.await.unwrap(), told.await.unwrap());
    let ended = ended.unwrap_or_else(|_| panic!("it does not end: {said}\n{told}"));
    let verdict: Value = serde_json::from_str(said.lines().last().unwrap()).expect(&told);
    for figure in [
        "lost",
        "duplicated",
        "oversold_asking",
        "unsettled",
        "shown_wrong",
        "told_wrong",
    ] {
        assert_eq!(verdict[figure], 0, "{figure}: {verdict}\n{told}");
    }
    for figure in ["shipped", "told"] {
        assert!(verdict[figure].as_u64().unwrap() > 0, "{figure}: {verdict}");
    }
    // So an order of Amazon's was heard of, sent, and told of, in spite of all.
    let lost = verdict["faults"]["amazon_parcel_unanswered_after_commit"].as_u64();
    assert!(lost >= Some(1), "{verdict}\n{told}");
    // What never went wrong in a few seconds keeps it from being proved, and says so by its exit code.
    let is_proved = verdict["proved"].as_bool().unwrap();
    assert_eq!(ended.success(), is_proved, "{verdict}\n{told}");
}
