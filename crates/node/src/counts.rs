//! Reads now and then what warehouses say they have, and what that comes to.
//!
//! A count is told to the SKU like any other: where the location names its warehouse as its source of stock truth, or
//! nobody, the balances follow it. What was moving while it was counted is the SKU's own `drift`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossdock_channels::Secret;
use crossdock_channels::warehouse::{CountsPage, HttpSender};
use crossdock_model::command::{ExceptionCommand, SkuCommand, SystemCommand};
use crossdock_model::v1::{CountBasis, CountOutcome};
use crossdock_model::{
    Answer, Class, Command, CredentialId, Duration, EntityId, LocationId, SkuId, SourceId,
    Timestamp,
};
use crossdock_runtime::{AskError, By, Handle};
use tokio::task::JoinHandle;

use crate::config::{Config, Counts};

/// Kind of the exception about counts that cannot be read.
const COUNTS_UNREAD: &str = "counts_unread";
/// Kind of the exception about a count of something that is no SKU here.
const UNCOUNTABLE: &str = "uncountable";
/// Readings in a row that fail before a person is told.
const FAILURES_MAX: u32 = 3;
/// Pages of one reading at most.
const PAGES_MAX: usize = 1_000;
/// First pause after a reading that failed; it doubles with each, up to the pause between two readings.
const AGAIN: Duration = Duration::from_s(30);

/// Where one location tells what it has.
pub struct Counter {
    handle: Handle,
    sender: HttpSender,
    secret: Secret,
    location: LocationId,
    counts: Counts,
    by: By,
}

/// What one reading came to, in SKUs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Reading {
    as_known: u32,
    corrected: u32,
    passed_over: u32,
    unknown: u32,
}

/// Begins to read the counts of every configured location. The tasks run until they are aborted.
///
/// # Errors
/// When a location is no id, or its secret is not configured.
pub fn start(
    config: &Config,
    handle: &Handle,
    sender: &HttpSender,
    secrets: &Arc<BTreeMap<String, Secret>>,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut tasks = Vec::new();
    for (location, counts) in &config.warehouse.counts {
        let secret = secrets.get(&counts.secret).cloned();
        let secret = secret.ok_or_else(|| {
            let name = &counts.secret;
            anyhow::anyhow!(
                "warehouse.counts.{location}: there is no secret {name:?}: add [secrets.{name}]"
            )
        })?;
        let counter = Counter {
            handle: handle.clone(),
            sender: sender.clone(),
            secret,
            location: LocationId::new(location.as_str())?,
            counts: counts.clone(),
            by: By::new(CredentialId::new("counts")?).of(Class::Location),
        };
        tasks.push(tokio::spawn(counter.run()));
    }
    Ok(tasks)
}

impl Counter {
    async fn run(self) {
        let every = Duration::from_minutes(self.counts.every_minutes.into());
        let mut failures = 0;
        loop {
            let began = self.handle.now();
            let pause = match self.read(began).await {
                Ok(reading) => {
                    failures = 0;
                    let location = &self.location;
                    tracing::info!(%location, ?reading, "counts were read");
                    self.close(
                        COUNTS_UNREAD,
                        &self.location.to_string(),
                        "they are read again",
                    )
                    .await;
                    every
                }
                Err(why) => {
                    failures += 1;
                    self.note_failure(failures, &why).await;
                    Duration::from_ms(AGAIN.as_ms() << failures.min(10)).min(every)
                }
            };
            self.handle.sleep(pause).await;
        }
    }

    async fn read(&self, began: Timestamp) -> Result<Reading, String> {
        let mut reading = Reading::default();
        let mut cursor: Option<String> = None;
        for page in 0..PAGES_MAX {
            let id = format!("counts:{}:{}:{page}", self.location, began.as_ms());
            let now = self.handle.now();
            let read =
                self.sender
                    .counts(&self.counts.url, &self.secret, &id, now, cursor.as_deref());
            let page: CountsPage = read.await.map_err(|error| error.to_string())?;
            for (sku, units) in page.counts {
                let counted_at = page.counted_at.min(now);
                self.count(sku, units, counted_at, &mut reading).await?;
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(reading);
            }
        }
        Err(format!("there are more than {PAGES_MAX} pages"))
    }

    async fn count(
        &self,
        sku: SkuId,
        counted: u32,
        effective_at: Timestamp,
        reading: &mut Reading,
    ) -> Result<(), String> {
        let location = self.handle.known_location(&self.location);
        let location = location.ok_or_else(|| format!("there is no location {}", self.location))?;
        let source = SourceId::new(format!("{}/counts", self.location));
        let count = SkuCommand::Count {
            location: self.location.clone(),
            source: source.map_err(|error| error.to_string())?,
            truth: location.stock_source,
            basis: match self.counts.net_of_allocated {
                true => CountBasis::NetOfAllocated,
                false => CountBasis::OnHand,
            },
            counted,
            effective_at,
        };
        let entity = EntityId::Sku(sku.clone());
        let subject = format!("{}/{sku}", self.location);
        let Some(before) = self.on_hand(&entity).await? else {
            let why = "there is no such SKU, or it is put aside";
            self.note_unknown(reading, &sku, counted, why).await;
            return Ok(());
        };
        let asked = self
            .handle
            .ask(entity.clone(), Command::Sku(count), self.by.clone());
        let outcome = match asked.await.map(|reply| reply.answer) {
            Ok(Answer::Counted(outcome)) => outcome,
            Ok(_) => CountOutcome::Applied,
            Err(refused @ (AskError::Rejected(_) | AskError::Quarantined { .. })) => {
                let why = refused.to_string();
                self.note_unknown(reading, &sku, counted, &why).await;
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        };
        self.close(UNCOUNTABLE, &subject, "it is counted again")
            .await;
        match (outcome, Some(before) == self.on_hand(&entity).await?) {
            (CountOutcome::Applied, true) => reading.as_known += 1,
            (CountOutcome::Applied, false) => reading.corrected += 1,
            (CountOutcome::OlderThanLast | CountOutcome::TooOld, _) => reading.passed_over += 1,
        }
        Ok(())
    }

    async fn note_unknown(&self, reading: &mut Reading, sku: &SkuId, counted: u32, why: &str) {
        reading.unknown += 1;
        let location = &self.location;
        let cause = format!(
            "{location} counts {counted} units of {sku}, which takes no count here: {why}. Define the SKU, or correct its \
             name there."
        );
        self.open(UNCOUNTABLE, &format!("{location}/{sku}"), cause)
            .await;
    }

    /// Units of a SKU at the location; `None`: there is no such SKU, or it is put aside.
    async fn on_hand(&self, sku: &EntityId) -> Result<Option<i64>, String> {
        match self
            .handle
            .read(sku.clone())
            .await
            .map(|reply| reply.answer)
        {
            Ok(Answer::Stock(stock)) => {
                let mut places = stock.locations.iter();
                let place = places.find(|place| place.location == self.location);
                Ok(Some(place.map_or(0, |place| place.on_hand)))
            }
            Ok(_) | Err(AskError::Rejected(_) | AskError::Quarantined { .. }) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn note_failure(&self, failures: u32, why: &str) {
        let location = &self.location;
        tracing::warn!(%location, failures, why, "counts could not be read; tried again");
        if failures >= FAILURES_MAX {
            let cause = format!(
                "What {location} has could not be read {failures} times: {why}. Its stock here may be wrong by what \
                 moved there since. See warehouse.counts.{location} in the configuration."
            );
            self.open(COUNTS_UNREAD, location.as_str(), cause).await;
        }
    }

    async fn open(&self, kind: &str, subject: &str, cause: String) {
        self.tell(ExceptionCommand::open(kind, subject, cause))
            .await;
    }

    async fn close(&self, kind: &str, subject: &str, how: &str) {
        self.tell(ExceptionCommand::close(kind, subject, how)).await;
    }

    async fn tell(&self, command: ExceptionCommand) {
        let command = Command::System(SystemCommand::Exception(command));
        let told = self
            .handle
            .ask(EntityId::System(0), command, self.by.clone());
        if let Err(error) = told.await {
            tracing::warn!(%error, "an exception about counts could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use crossdock_channels::Delivery;
    use crossdock_channels::standard_webhooks::verify;
    use crossdock_channels::warehouse::Policy;
    use crossdock_journal::MemoryJournal;
    use crossdock_model::command::LocationCommand;
    use crossdock_model::v1::{LocationFacts, Tracking};
    use crossdock_runtime::{Clock, Node, Options, RealClock, Unconnected};

    use super::*;

    const SECRET: &str = "secret-of-the-tests";

    /// Serves these bodies, one a connection; each request must be signed.
    fn serve(bodies: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/counts", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for body in bodies {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<String> = lines
                    .map(|line| line.unwrap())
                    .take_while(|line| !line.is_empty())
                    .collect();
                let fields = head.iter().filter_map(|line| line.split_once(": "));
                let headers: Vec<(String, String)> = fields
                    .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                    .collect();
                let delivery = Delivery {
                    headers: &headers,
                    body: &[],
                };
                let now = RealClock::default().now();
                verify(&Secret::new(SECRET), &delivery, now).unwrap();
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        url
    }

    async fn counter(url: String) -> (Node, Counter) {
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let journal = Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1)));
        let node = Node::start(
            journal,
            clock,
            Arc::new(Unconnected),
            Options::new(1),
            |_| {},
        );
        let node = node.await.unwrap();
        let policy = Policy {
            allow_private: true,
        };
        let counter = Counter {
            handle: node.handle(),
            sender: HttpSender::new(policy).unwrap(),
            secret: Secret::new(SECRET),
            location: LocationId::new("reno").unwrap(),
            counts: Counts {
                url,
                secret: "warehouse".to_owned(),
                every_minutes: 60,
                net_of_allocated: false,
            },
            by: By::new(CredentialId::new("counts").unwrap()),
        };
        (node, counter)
    }

    async fn define(counter: &Counter) {
        let facts = LocationFacts {
            stock_source: Some(SourceId::new("reno/counts").unwrap()),
            ..LocationFacts::plain(counter.location.clone(), "US")
        };
        let define = Command::Location(LocationCommand::Define(Box::new(facts)));
        let location = EntityId::Location(counter.location.clone());
        let by = || counter.by.clone();
        counter.handle.ask(location, define, by()).await.unwrap();
        for sku in ["TEE", "MUG"] {
            let define = SkuCommand::Define {
                title: sku.to_owned(),
                tracking: Tracking::Tracked,
            };
            let receive = SkuCommand::Receive {
                location: counter.location.clone(),
                units: 5,
                reference: None,
            };
            for command in [define, receive] {
                let sku = EntityId::Sku(SkuId::new(sku).unwrap());
                let told = counter.handle.ask(sku, Command::Sku(command), by());
                told.await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn counts_are_read_page_by_page_and_followed() {
        let page = |items: &str, next: &str| {
            format!(
                r#"{{"counted_at":"2099-01-01T00:00:00Z","items":[{items}],"next_cursor":{next}}}"#
            )
        };
        let url = serve(vec![
            page(
                r#"{"sku":"TEE","units":5},{"sku":"GONE","units":1}"#,
                r#""2""#,
            ),
            page(r#"{"sku":"MUG","units":3}"#, "null"),
        ]);
        let (node, counter) = counter(url).await;
        define(&counter).await;
        let reading = counter.read(counter.handle.now()).await;
        let expected = Reading {
            as_known: 1,
            corrected: 1,
            passed_over: 0,
            unknown: 1,
        };
        assert_eq!(reading, Ok(expected));
        let mug = EntityId::Sku(SkuId::new("MUG").unwrap());
        assert_eq!(counter.on_hand(&mug).await, Ok(Some(3)));
        let unread = counter.read(counter.handle.now()).await;
        assert!(unread.unwrap_err().contains("no answer"));
        node.stop().await;
    }
}
