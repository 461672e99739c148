//! Customers who come by several ways at a time, ask again under the same key until they are answered, and write down what
//! they were told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;

use super::ledger::{Books, Ledger, PLENTY, SCARCE, Shelf, Told, Way, Wish, Wrong};
use super::{Door, Server, folded, orders, shop, stock, units, until, worked_off};

/// Who asks at a time.
const CUSTOMERS: usize = 24;
/// How long one asks for the same thing before giving the server up.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);
/// What a customer may hear beside an answer: each says that the same may be asked again under its key.
const ASK_AGAIN: [&str; 7] = [
    "busy",
    "contended",
    "not_ready",
    "outcome_unknown",
    "overloaded",
    "timeout",
    "unavailable",
];
/// How an order is listed that has its units and waits for its location.
const REQUESTED: &str = "requested";
/// How an order is listed that was refused to whoever asked for it.
const REFUSED: &str = "cancelled";
const PLENTY_UNITS: u32 = 1_000_000;
const SCARCE_UNITS: u32 = 30;

/// What all of them know.
pub struct Customers {
    ledger: Mutex<Ledger>,
    /// How long their holds last, in seconds.
    hold_s: u64,
}

impl Customers {
    /// Fills the shelves that they come for; their holds last so many seconds.
    pub async fn of(server: &Server, hold_s: u64) -> Arc<Self> {
        stock(
            server,
            None,
            &[(PLENTY, PLENTY_UNITS), (SCARCE, SCARCE_UNITS)],
        )
        .await;
        let mut ledger = Ledger::default();
        ledger.stocked(PLENTY, PLENTY_UNITS);
        ledger.stocked(SCARCE, SCARCE_UNITS);
        Arc::new(Self {
            ledger: Mutex::new(ledger),
            hold_s,
        })
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Asks once more for what was kept last: it must be answered the same.
    pub async fn repeat_newest(&self, server: &Server, count: usize) {
        let wishes = self.ledger().newest_kept(count);
        for wish in wishes {
            assert!(self.ask(server, wish).await, "the server is gone");
        }
    }

    /// Asks until there is an answer; whether there was one before the server was gone.
    async fn ask(&self, server: &Door, wish: Wish) -> bool {
        let asked = Instant::now();
        loop {
            let Some((status, answer)) = self.try_once(server, wish).await else {
                return false;
            };
            let code = answer["code"].as_str().unwrap_or_default();
            match status {
                200..300 => {
                    self.ledger().told(wish, Told::Kept(for_good(wish, answer)));
                    return true;
                }
                409 if code == "short" => {
                    self.ledger().told(wish, Told::Refused);
                    return true;
                }
                503 | 504 if ASK_AGAIN.contains(&code) => tokio::time::sleep(PAUSE).await,
                _ => panic!("{wish:?} is answered {status}: {answer}"),
            }
            assert!(asked.elapsed() < PATIENCE, "{wish:?}: {answer}");
        }
    }

    async fn try_once(&self, server: &Door, wish: Wish) -> Option<(u16, Value)> {
        let (key, body) = (wish.key(), wish.body(self.hold_s));
        match wish.way() {
            Way::Webhook => shop::try_deliver(server, "orders/create", &key, &body).await,
            Way::Order => server.try_post("/v1/orders", &key, &body).await,
            Way::Hold => server.try_post("/v1/holds", &key, &body).await,
        }
    }

    /// Everything that is wrong once nothing is under way.
    pub async fn judge(&self, server: &Server) -> Vec<Wrong> {
        let books = Self::books(server).await;
        self.ledger().judge(&books)
    }

    async fn books(server: &Server) -> Books {
        worked_off(server).await;
        let mut listed = Vec::new();
        until("every order is where it stays", async || {
            folded(server).await;
            listed = orders(server).await;
            let mut listed = listed.iter();
            listed.all(|(_, status)| [REQUESTED, REFUSED].contains(&status.as_str()))
        })
        .await;
        let stands = listed.into_iter().filter(|(_, status)| status != REFUSED);
        let mut books = Books {
            orders: stands.map(|(order, _)| order).collect(),
            ..Books::default()
        };
        for sku in [PLENTY, SCARCE] {
            let path = format!("/v1/stock/{sku}");
            until("nothing is tentative", async || {
                units(&server.get(&path).await, "tentative") == 0
            })
            .await;
            let stock = server.get(&path).await;
            let shelf = Shelf {
                on_hand: units(&stock, "on_hand"),
                committed: units(&stock, "committed"),
                held: units(&stock, "held"),
            };
            books.shelves.insert(sku.to_owned(), shelf);
        }
        books
    }
}

/// What an answer says that no repeat may say otherwise: an order goes on, a hold stays as it is.
fn for_good(wish: Wish, answer: Value) -> Value {
    match wish.way() {
        Way::Webhook => Value::Null,
        Way::Order => answer["order"].clone(),
        Way::Hold => answer,
    }
}

/// Customers at a server.
pub struct Crowd {
    tasks: Vec<JoinHandle<()>>,
    leaves: Arc<AtomicBool>,
}

impl Crowd {
    /// Lets them in: what nobody was told of yet is asked for first.
    pub fn at(server: &Server, customers: &Arc<Customers>) -> Self {
        let leaves = Arc::new(AtomicBool::new(false));
        let unanswered = Arc::new(Mutex::new(customers.ledger().unanswered()));
        let come = |_| {
            let (door, customers) = (server.door(), Arc::clone(customers));
            let (leaves, unanswered) = (Arc::clone(&leaves), Arc::clone(&unanswered));
            tokio::spawn(async move {
                loop {
                    let open = unanswered.lock().unwrap().pop();
                    let wish = match open {
                        Some(wish) => wish,
                        None if leaves.load(Ordering::Relaxed) => return,
                        None => customers.ledger().next(),
                    };
                    if !customers.ask(&door, wish).await {
                        return;
                    }
                }
            })
        };
        let tasks = (0..CUSTOMERS).map(come).collect();
        Self { tasks, leaves }
    }

    /// They leave once they have been answered, or the server is gone.
    pub async fn leave(self) {
        self.leaves.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// Has everything answered that was asked for.
pub async fn settle(server: &Server, customers: &Arc<Customers>) {
    Crowd::at(server, customers).leave().await;
    let open = customers.ledger().unanswered();
    assert!(open.is_empty(), "the server is gone: {open:?}");
}
