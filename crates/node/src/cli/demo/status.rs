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
use super::scene::{SHOP, Scene};

/// The page, which reads the document again and again.
const PAGE: &str = include_str!("page.html");
/// Rows of each table.
const ROWS: usize = 8;
/// Pause between two lines where no screen can be drawn anew.
const LINE: Wait = Wait::from_secs(5);
/// Puts the cursor in the upper left corner and clears what is below it (ECMA-48).
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

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
    pub(super) async fn look(&self, scene: &Scene, history: &mut History) -> Outcome {
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
        let numbers = scene.numbers(history).into_iter();
        let on_shelves = |sku: &str| -> u32 {
            let books = scene.warehouses.iter();
            books
                .map(|one| one.with(|book| book.shelf.get(sku).copied().unwrap_or(0)))
                .sum()
        };
        let numbers: Vec<Value> = numbers
            .take(ROWS)
            .map(|one| {
                json!({
                    "sku": one.sku, "shown": one.shown, "sellable": one.should,
                    "on_shelves": on_shelves(&one.sku),
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
                .say(format_args!("{CLEAR}{}", drawn(document).join("\n")));
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
    let mut lines = vec![
        format!("Crossdock demo, {} s", number(document, "since_s")),
        String::new(),
    ];
    lines.push("ORDERS".to_owned());
    let mut channels: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in rows(document, "orders") {
        let count = format!("{} {}", word(row, "status"), number(row, "orders"));
        channels
            .entry(word(row, "channel"))
            .or_default()
            .push(count);
    }
    let channels = channels.iter();
    lines.extend(channels.map(|(channel, counts)| format!("  {channel:<8}{}", counts.join("  "))));
    lines.push(String::new());
    lines.push(format!(
        "{:<12}{:>8}{:>12}{:>14}",
        "SKU", "SHOWN", "CAN BE SOLD", "ON SHELVES"
    ));
    for row in rows(document, "numbers") {
        let cells = ["shown", "sellable", "on_shelves"].map(|name| row[name].to_string());
        let [shown, sellable, shelves] = cells;
        lines.push(format!(
            "{:<12}{shown:>8}{sellable:>12}{shelves:>14}",
            word(row, "sku")
        ));
    }
    lines.push(String::new());
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
    let hot: Vec<String> = hot
        .map(|row| {
            format!(
                "{} {:.2} %",
                word(row, "sku"),
                number(row, "busy_ppm") as f64 / 1e4
            )
        })
        .collect();
    lines.push(format!("BUSIEST: {}", hot.join("  ")));
    let open = rows(document, "exceptions").iter();
    let open: Vec<String> = open
        .map(|row| format!("{} {}", word(row, "kind"), number(row, "count")))
        .collect();
    lines.push(format!("OPEN EXCEPTIONS: {}", open.join("  ")));
    let faults = document["faults"].as_object().into_iter().flatten();
    let faults: Vec<String> = faults
        .map(|(kind, times)| format!("{kind} {times}"))
        .collect();
    lines.push(format!("WHAT WENT WRONG: {}", faults.join("  ")));
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
            "numbers": [{ "sku": "SKU-001", "shown": 4, "sellable": 5, "on_shelves": 6 }],
            "lag": [{ "channel": "shop", "changes": 9, "ms_p50": 10, "ms_p99": 20 }],
            "hot": [{ "sku": "SKU-001", "busy_ppm": 12_345, "sellable": 5 }],
            "exceptions": [{ "kind": "short", "count": 1 }],
            "faults": { "webhook_late": 2 },
        });
        assert_eq!(
            line(&document),
            "   7 s  shipped 5  lag p99 20 ms  open exceptions 1"
        );
        let screen = drawn(&document).join("\n");
        for text in [
            "  shop    shipped 3",
            "SKU-001            4           5             6",
            "half within 10 ms",
            "SKU-001 1.23 %",
            "short 1",
            "webhook_late 2",
        ] {
            assert!(screen.contains(text), "{text} in\n{screen}");
        }
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
