//! What a demo shows while it runs: a document for the page, and lines for the terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Wait;

use crossdock_api::Page;
use crossdock_insight::{OpenExceptions, OrderCount};
use crossdock_model::ChannelId;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::exit::Outcome;
use super::super::out::Out;
use super::history::History;
use super::market::MARKET;
use super::scene::{SHOP, Scene, trouble};

/// The page, which reads the document again and again.
const PAGE: &str = include_str!("page.html");
/// Rows of each table.
const ROWS: usize = 8;
/// Pause between two lines where no screen can be drawn anew.
const LINE: Wait = Wait::from_secs(5);
/// Kinds of faults that are named which did not happen yet.
const NAMED_MAX: usize = 4;
/// Columns after which a list goes on in the next line.
const COLUMNS: usize = 78;
/// Puts the cursor in the upper left corner and clears what is below it (ECMA-48), and cuts lines that are too long for
/// the terminal (a private mode of DEC's, which every terminal has).
const CLEAR: &str = "\u{1b}[H\u{1b}[J\u{1b}[?7l";
/// Lines are not cut any more.
const WRAP: &str = "\u{1b}[?7h";

/// Where the newest document is.
#[derive(Clone)]
pub(super) struct Board(Arc<Mutex<Seen>>);

struct Seen {
    document: Value,
    began: Instant,
    looked: Instant,
    /// Time that each SKU's actor had worked then.
    busy: BTreeMap<String, Wait>,
}

impl Default for Board {
    fn default() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Seen {
            document: json!({}),
            began: now,
            looked: now,
            busy: BTreeMap::new(),
        })))
    }
}

impl Board {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page that shows it.
    pub(super) fn page(&self) -> Page {
        let board = self.clone();
        Page {
            html: PAGE,
            document: Arc::new(move || board.document()),
        }
    }

    /// The newest document.
    pub(super) fn document(&self) -> Value {
        self.seen().document.clone()
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// When the server cannot write, or its journal cannot be read.
    pub(super) async fn look(&self, scene: &Scene, history: &mut History) -> Outcome {
        if let Some(failure) = trouble(&scene.server.handle) {
            return Err(failure);
        }
        let journal = scene.server.handle.journal();
        let read = tokio::task::block_in_place(|| history.read_on(&*journal));
        read?;
        let insight = Arc::clone(&scene.server.insight);
        let counted = tokio::task::spawn_blocking(move || {
            anyhow::Ok((insight.order_counts()?, insight.open_exceptions()?))
        });
        let (orders, exceptions) = counted.await.map_err(anyhow::Error::from)??;
        let lags = [SHOP, MARKET].into_iter().map(|channel| {
            let lags = scene.server.lags.of(&ChannelId::new(channel)?);
            anyhow::Ok(json!({
                "channel": channel, "changes": lags.count(), "ms_p50": lags.quantile_ms(0.5),
                "ms_p99": lags.quantile_ms(0.99),
            }))
        });
        let lags = lags.collect::<Result<Vec<Value>, _>>()?;
        let on_shelves = |sku: &str| -> u32 {
            let books = scene.warehouses.iter();
            books
                .map(|one| one.with(|book| book.shelf.get(sku).copied().unwrap_or(0)))
                .sum()
        };
        let numbers: Vec<Value> = scene
            .numbers(history)
            .into_iter()
            .take(ROWS)
            .map(|one| {
                json!({
                    "sku": one.sku, SHOP: one.shown, MARKET: scene.stand.shown(&one.sku),
                    "sellable": one.should, "on_shelves": on_shelves(&one.sku),
                })
            })
            .collect();
        let hot = self.hot(scene);
        let mut seen = self.seen();
        seen.document = json!({
            "since_s": seen.began.elapsed().as_secs(),
            "orders": orders.iter().map(order_count).collect::<Vec<_>>(),
            "numbers": numbers,
            "lag": lags,
            "hot": hot,
            "exceptions": exceptions.iter().map(open_exceptions).collect::<Vec<_>>(),
            "faults": scene.faults(),
        });
        Ok(())
    }

    /// The SKUs whose actors worked the largest share of the time since the last look.
    fn hot(&self, scene: &Scene) -> Vec<Value> {
        let mut seen = self.seen();
        let passed = seen.looked.elapsed().as_secs_f64().max(1e-3);
        let hot = scene.server.handle.hot_skus().into_iter();
        let mut shares: Vec<(u64, String, Option<u64>)> = hot
            .map(|hot| {
                let sku = hot.sku.to_string();
                let before = seen.busy.insert(sku.clone(), hot.busy).unwrap_or(hot.busy);
                let share = hot.busy.saturating_sub(before).as_secs_f64() / passed;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a share of time"
                )]
                let millionths = (share * 1e6) as u64;
                (millionths, sku, hot.available_units)
            })
            .collect();
        seen.looked = Instant::now();
        shares.sort_by(|one, other| other.cmp(one));
        let shares = shares.into_iter().take(ROWS);
        shares
            .map(|(ppm, sku, units)| json!({ "sku": sku, "busy_ppm": ppm, "sellable": units }))
            .collect()
    }
}

fn order_count(count: &OrderCount) -> Value {
    json!({ "channel": count.channel, "status": count.status, "orders": count.orders })
}

fn open_exceptions(open: &OpenExceptions) -> Value {
    json!({ "kind": open.kind, "count": open.count })
}

/// The terminal.
pub(super) struct Screen {
    out: Out,
    is_drawn: bool,
    last: Option<Instant>,
}

impl Screen {
    /// One that is drawn anew where that can be, and gets a line now and then elsewhere.
    pub(super) fn new(out: Out) -> Self {
        Self {
            out,
            is_drawn: std::io::stderr().is_terminal(),
            last: None,
        }
    }

    /// Shows a document.
    pub(super) fn show(&mut self, document: &Value) {
        if self.is_drawn {
            self.out
                .say(format_args!("{CLEAR}{}{WRAP}", drawn(document).join("\n")));
            return;
        }
        if self.last.is_none_or(|last| last.elapsed() >= LINE) {
            self.last = Some(Instant::now());
            self.out.say(line(document));
        }
    }
}

fn rows<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// One line: how many orders are in which state, and how fast numbers are shown.
fn line(document: &Value) -> String {
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows(document, "orders") {
        *states.entry(word(row, "status")).or_default() += number(row, "orders");
    }
    let states: Vec<String> = states
        .iter()
        .map(|(state, count)| format!("{state} {count}"))
        .collect();
    let lag = rows(document, "lag")
        .first()
        .map_or(0, |lag| number(lag, "ms_p99"));
    let open: u64 = rows(document, "exceptions")
        .iter()
        .map(|row| number(row, "count"))
        .sum();
    format!(
        "{:>4} s  {}  lag p99 {lag} ms  open exceptions {open}",
        number(document, "since_s"),
        states.join(", ")
    )
}

/// The whole screen.
fn drawn(document: &Value) -> Vec<String> {
    let since = number(document, "since_s");
    let mut lines = vec![format!("Crossdock demo, {since} s"), "ORDERS".to_owned()];
    let mut channels: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in rows(document, "orders") {
        let count = format!("{} {}", word(row, "status"), number(row, "orders"));
        channels
            .entry(word(row, "channel"))
            .or_default()
            .push(count);
    }
    for (channel, counts) in channels {
        lines.extend(listed(&format!("  {channel:<8}"), &counts));
    }
    lines.extend(numbers_drawn(document));
    for row in rows(document, "lag") {
        lines.push(format!(
            "CHANGES SHOWN by {}: {}, half within {} ms, 99 of 100 within {} ms",
            word(row, "channel"),
            number(row, "changes"),
            number(row, "ms_p50"),
            number(row, "ms_p99")
        ));
    }
    let hot = rows(document, "hot").iter();
    let hot = hot.map(|row| {
        let share = number(row, "busy_ppm") as f64 / 1e4;
        format!("{} {share:.2} %", word(row, "sku"))
    });
    lines.extend(listed("BUSIEST: ", &hot.collect::<Vec<_>>()));
    let open = rows(document, "exceptions").iter();
    let open = open.map(|row| format!("{} {}", word(row, "kind"), number(row, "count")));
    lines.extend(listed("OPEN EXCEPTIONS: ", &open.collect::<Vec<_>>()));
    lines.extend(faults_drawn(document));
    lines
}

/// What is shown, and what there is.
fn numbers_drawn(document: &Value) -> Vec<String> {
    let row = |sku: &str, [shop, market, sellable, shelves]: [&str; 4]| {
        format!("{sku:<10}{shop:>12}{market:>14}{sellable:>13}{shelves:>12}")
    };
    let head = ["SHOP SHOWS", "AMAZON SHOWS", "CAN BE SOLD", "ON SHELVES"];
    let mut lines = vec![row("SKU", head)];
    for one in rows(document, "numbers") {
        let cells = [SHOP, MARKET, "sellable", "on_shelves"].map(|name| one[name].to_string());
        lines.push(row(word(one, "sku"), cells.each_ref().map(String::as_str)));
    }
    lines
}

/// How much went wrong, and what is still to come, once that is little. The page has every kind.
fn faults_drawn(document: &Value) -> Vec<String> {
    let faults = document["faults"].as_object().into_iter().flatten();
    let (mut times, mut kinds, mut missing) = (0, 0, Vec::new());
    for (kind, count) in faults {
        kinds += 1;
        match count.as_u64().unwrap_or_default() {
            0 => missing.push(kind.clone()),
            count => times += count,
        }
    }
    let happened = kinds - missing.len();
    let head = format!("WENT WRONG: {times} times, in {happened} of {kinds} ways");
    match missing.len() {
        1..=NAMED_MAX => listed(&format!("{head}, not yet "), &missing),
        _ => vec![head],
    }
}

/// A list that goes on in the next line where one is full.
fn listed(head: &str, items: &[String]) -> Vec<String> {
    let indent = " ".repeat(head.chars().count().min(COLUMNS / 4));
    let (mut lines, mut line, mut gap) = (Vec::new(), head.to_owned(), "");
    for item in items {
        if !gap.is_empty() && line.chars().count() + 2 + item.chars().count() > COLUMNS {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            gap = "";
        }
        line = line + gap + item;
        gap = "  ";
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_as_a_line_and_as_a_screen() {
        let document = json!({
            "since_s": 7,
            "orders": [
                { "channel": "shop", "status": "shipped", "orders": 3 },
                { "channel": "till", "status": "shipped", "orders": 2 },
            ],
            "numbers": [{ "sku": "SKU-001", "shop": 4, "amazon": 3, "sellable": 5, "on_shelves": 6 }],
            "lag": [{ "channel": "shop", "changes": 9, "ms_p50": 10, "ms_p99": 20 }],
            "hot": [{ "sku": "SKU-001", "busy_ppm": 12_345, "sellable": 5 }],
            "exceptions": [{ "kind": "short", "count": 1 }],
            "faults": { "webhook_late": 2, "webhook_lost": 0, "call_429": 1 },
        });
        assert_eq!(
            line(&document),
            "   7 s  shipped 5  lag p99 20 ms  open exceptions 1"
        );
        let screen = drawn(&document).join("\n");
        for text in [
            "  shop    shipped 3",
            "SKU-001              4             3            5           6",
            "half within 10 ms",
            "SKU-001 1.23 %",
            "short 1",
            "WENT WRONG: 3 times, in 2 of 3 ways, not yet webhook_lost",
        ] {
            assert!(screen.contains(text), "{text} in\n{screen}");
        }
    }

    #[test]
    fn a_list_is_broken_where_a_line_is_full() {
        let items: Vec<String> = (0..12).map(|one| format!("kind_{one:04} 10")).collect();
        let lines = listed("KINDS: ", &items);
        assert!(lines.len() > 1, "{lines:?}");
        assert!(lines.iter().all(|line| line.len() <= COLUMNS), "{lines:?}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let all: Vec<String> = words(&lines.join(" "));
        assert_eq!(all[1..], words(&items.join(" ")) as Vec<String>);
        assert_eq!(listed("NONE: ", &[]), ["NONE: "]);
    }

    /// The page reads every part of the document, and nothing from elsewhere.
    #[test]
    fn the_page_stands_by_itself() {
        for part in [
            "orders",
            "numbers",
            "lag",
            "hot",
            "exceptions",
            "faults",
            "since_s",
        ] {
            assert!(PAGE.contains(&format!("status.{part}")), "{part}");
        }
        for outside in ["http://", "https://", "src=", "@import"] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
    }
}
