//! Reads now and then what warehouses say they have, and what that comes to.
//!
//! A count is told to the SKU like any other: where the location names its warehouse as its source of stock truth, or
//! nobody, the balances follow it. What was moving while it was counted is the SKU's own `drift`.

mod absent;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossdock_channels::Secret;
use crossdock_channels::warehouse::{CountsPage, HttpSender};
use crossdock_insight::{ExceptionFilter, Insight, InsightError};
use crossdock_model::command::{ExceptionCommand, SkuCommand};
use crossdock_model::v1::{CountBasis, CountOutcome};
use crossdock_model::{
    Answer, Class, Command, CredentialId, Duration, EntityId, LocationId, SkuId, SourceId,
    Timestamp,
};
use crossdock_runtime::{AskError, By, Clock, Door, Handle};
use futures::future::join_all;
use tokio::task::JoinHandle;

use crate::config::{Config, Counts};
use crate::exceptions;
use crate::watch::watch;
use absent::{Listed, UNCOUNTED};

/// Kind of the exception about counts that cannot be read.
const COUNTS_UNREAD: &str = "counts_unread";
/// Kind of the exception about a count of something that is no SKU here.
const UNCOUNTABLE: &str = "uncountable";
/// Unknown SKUs of one reading that are told one by one; of more a person is told how many there are.
const UNKNOWN_MAX: u32 = 100;
/// Exceptions read at once.
const PAGE: usize = 200;
/// Readings in a row that fail before a person is told.
const FAILURES_MAX: u32 = 3;
/// Pages of one reading at most.
const PAGES_MAX: usize = 1_000;
/// First pause after a reading that failed; it doubles with each, up to the pause between two readings.
const AGAIN: Duration = Duration::from_s(30);

/// SKUs that are counted at once.
const AT_ONCE: usize = 16;
/// First pause before a SKU is asked again that cannot answer for the moment; it doubles up to the longest.
const BUSY_MIN: Duration = Duration::from_ms(250);
/// Longest such pause.
const BUSY_MAX: Duration = Duration::from_s(10);
/// For so long a SKU is asked; then the reading is given up.
const BUSY_FOR: Duration = Duration::from_minutes(5);

/// Where one location tells what it has.
pub struct Counter {
    handle: Handle,
    sender: HttpSender,
    secret: Secret,
    location: LocationId,
    counts: Counts,
    by: By,
    insight: Arc<Insight>,
}

/// What one reading came to, in SKUs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Reading {
    as_known: u32,
    corrected: u32,
    passed_over: u32,
    unknown: u32,
}

/// What a count of one SKU came to.
enum Counted {
    AsKnown,
    Corrected,
    /// It is older than what is known.
    PassedOver,
    /// It takes no count, and why.
    Unknown(String),
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
    (insight, clock): (&Arc<Insight>, &Arc<dyn Clock>),
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
            insight: Arc::clone(insight),
        };
        let clock = Arc::clone(clock);
        tasks.push(tokio::spawn(Arc::new(counter).watch(clock)));
    }
    let counted = config.warehouse.counts.keys().cloned().collect();
    let by = By::new(CredentialId::new("counts")?).of(Class::Location);
    let left = close_left(handle.clone(), Arc::clone(insight), by, counted);
    tasks.push(tokio::spawn(left));
    Ok(tasks)
}

/// Closes what is open about locations whose counts are not read any more: nobody else would.
async fn close_left(handle: Handle, insight: Arc<Insight>, by: By, counted: BTreeSet<String>) {
    let left = tokio::task::spawn_blocking(move || {
        let left = [COUNTS_UNREAD, UNCOUNTABLE, UNCOUNTED].map(|kind| {
            let open = open_of(&insight, kind, |location| !counted.contains(location))?;
            Ok(open.into_iter().map(move |subject| (kind, subject)))
        });
        left.into_iter().collect::<Result<Vec<_>, InsightError>>()
    });
    let left = match left.await {
        Ok(Ok(left)) => left,
        Ok(Err(error)) => return tracing::warn!(%error, "exceptions about counts cannot be read"),
        Err(_) => return,
    };
    for (kind, subject) in left.into_iter().flatten() {
        let how = "what the location has is not read any more";
        // What stays open the next start closes.
        let close = ExceptionCommand::close(kind, &subject, how);
        exceptions::tell(&handle, &by, None, close).await;
    }
}

impl Counter {
    /// Counting that crashes begins anew.
    async fn watch(self: Arc<Self>, clock: Arc<dyn Clock>) {
        let work = || Arc::clone(&self).run();
        watch(self.location.as_str(), "reading counts", &*clock, work).await;
    }

    async fn run(self: Arc<Self>) {
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
        let open = self.open_of(UNCOUNTABLE).await?;
        let (mut listed, mut first_at) = (Listed::new(), began);
        let mut cursor: Option<String> = None;
        for page in 0..PAGES_MAX {
            let id = format!("counts:{}:{}:{page}", self.location, began.as_ms());
            let now = self.handle.now();
            let read =
                self.sender
                    .counts(&self.counts.url, &self.secret, &id, now, cursor.as_deref());
            let page: CountsPage = read.await.map_err(|error| error.to_string())?;
            let counted_at = page.counted_at.min(now);
            first_at = first_at.min(counted_at);
            listed.extend(page.counts.iter().map(|(sku, _)| sku.to_string()));
            for some in page.counts.chunks(AT_ONCE) {
                let counting = some
                    .iter()
                    .map(|(sku, units)| self.count(sku, *units, counted_at));
                let counted = join_all(counting).await;
                for ((sku, units), counted) in some.iter().zip(counted) {
                    self.note(sku, *units, counted?, (&mut reading, &open))
                        .await;
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                self.note_many_unknown(reading.unknown, &open).await;
                let noted = self.note_absent(listed, first_at, (&mut reading, &open));
                return noted.await.map(|()| reading);
            }
        }
        Err(format!("there are more than {PAGES_MAX} pages"))
    }

    /// What exceptions of a kind about the location, or SKUs of it, are open, by their subjects.
    async fn open_of(&self, kind: &'static str) -> Result<BTreeSet<String>, String> {
        let (insight, location) = (Arc::clone(&self.insight), self.location.clone());
        let read = tokio::task::spawn_blocking(move || {
            open_of(&insight, kind, |of| of == location.as_str())
        });
        let read = read.await.map_err(|error| error.to_string())?;
        read.map_err(|error| error.to_string())
    }

    fn source(&self) -> Result<SourceId, String> {
        SourceId::new(format!("{}/counts", self.location)).map_err(|error| error.to_string())
    }

    /// Counts a SKU.
    async fn count(
        &self,
        sku: &SkuId,
        counted: u32,
        effective_at: Timestamp,
    ) -> Result<Counted, String> {
        let location = self.handle.known_location(&self.location);
        let location = location.ok_or_else(|| format!("there is no location {}", self.location))?;
        let count = SkuCommand::Count {
            location: self.location.clone(),
            source: self.source()?,
            truth: location.stock_source,
            basis: match self.counts.net_of_allocated {
                true => CountBasis::NetOfAllocated,
                false => CountBasis::OnHand,
            },
            counted,
            effective_at,
        };
        let sku = EntityId::Sku(sku.clone());
        // A count alone would make a SKU of what is none.
        let counted = match self.ask_again(&sku, None).await {
            Ok(_) => self.ask_again(&sku, Some(&count)).await,
            Err(error) => Err(error),
        };
        match counted {
            Ok(Answer::Counted {
                outcome: CountOutcome::OlderThanLast | CountOutcome::TooOld,
                ..
            }) => Ok(Counted::PassedOver),
            Ok(Answer::Counted {
                on_hand_delta: 1.. | ..=-1,
                ..
            }) => Ok(Counted::Corrected),
            Ok(_) => Ok(Counted::AsKnown),
            Err(refused @ (AskError::Rejected(_) | AskError::Quarantined { .. })) => {
                Ok(Counted::Unknown(refused.to_string()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Counts a SKU, or only looks at it, again and again for a while: one that cannot answer for the moment is no reason to
    /// begin at the first page again. A count that is told twice changes nothing the second time.
    async fn ask_again(
        &self,
        sku: &EntityId,
        count: Option<&SkuCommand>,
    ) -> Result<Answer, AskError> {
        let mut pause = BUSY_MIN;
        let give_up_at = self.handle.now() + BUSY_FOR;
        loop {
            let asked = match count {
                Some(count) => {
                    let command = Command::Sku(count.clone());
                    let asked = self.handle.ask(sku.clone(), command, self.by.clone());
                    asked.await
                }
                // As long as counts are let in.
                None => self.handle.read_through(Door::Ask, sku.clone()).await,
            };
            match asked {
                Ok(reply) => return Ok(reply.answer),
                Err(AskError::Overloaded { .. } | AskError::Unknown | AskError::Unavailable(_))
                    if self.handle.now() < give_up_at =>
                {
                    self.handle.sleep(pause).await
                }
                Err(error) => return Err(error),
            }
            pause = Duration::from_ms(pause.as_ms() * 2).min(BUSY_MAX);
        }
    }

    /// Notes what a count came to. `open`: what exceptions about unknown SKUs are open.
    async fn note(
        &self,
        sku: &SkuId,
        units: u32,
        counted: Counted,
        (reading, open): (&mut Reading, &BTreeSet<String>),
    ) {
        match counted {
            Counted::Unknown(why) => return self.note_unknown(reading, sku, units, &why).await,
            Counted::AsKnown => reading.as_known += 1,
            Counted::Corrected => reading.corrected += 1,
            Counted::PassedOver => reading.passed_over += 1,
        }
        let subject = format!("{}/{sku}", self.location);
        if open.contains(&subject) {
            self.close(UNCOUNTABLE, &subject, "it is counted again")
                .await;
        }
    }

    async fn note_unknown(&self, reading: &mut Reading, sku: &SkuId, counted: u32, why: &str) {
        reading.unknown += 1;
        if reading.unknown > UNKNOWN_MAX {
            return;
        }
        let location = &self.location;
        let cause = format!(
            "{location} counts {counted} units of {sku}, which takes no count here: {why}. Define the SKU, or correct its \
             name there."
        );
        self.open(UNCOUNTABLE, &format!("{location}/{sku}"), cause)
            .await;
    }

    /// Of more unknown SKUs than are told one by one a person is told once.
    async fn note_many_unknown(&self, unknown: u32, open: &BTreeSet<String>) {
        let location = self.location.as_str();
        if unknown > UNKNOWN_MAX {
            let cause = format!(
                "{location} counts {unknown} SKUs that take no count here, of which the first {UNKNOWN_MAX} are told one by \
                 one. Define the SKUs, or correct their names there."
            );
            self.open(UNCOUNTABLE, location, cause).await;
        } else if open.contains(location) {
            self.close(UNCOUNTABLE, location, "they are told one by one")
                .await;
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

    /// What is not noted is told with the next reading.
    async fn tell(&self, command: ExceptionCommand) {
        exceptions::tell(&self.handle, &self.by, None, command).await;
    }
}

/// Subjects of open exceptions of a kind about what such locations count.
fn open_of(
    insight: &Insight,
    kind: &str,
    is_it: impl Fn(&str) -> bool,
) -> Result<BTreeSet<String>, InsightError> {
    let is_here =
        |subject: &String| is_it(subject.split_once('/').map_or(&**subject, |(of, _)| of));
    let system = EntityId::System(0).to_string();
    let (mut open, mut cursor) = (BTreeSet::new(), None);
    loop {
        let page = insight.exceptions(&ExceptionFilter {
            kind: Some(kind.to_owned()),
            open: Some(true),
            cursor,
            limit: PAGE,
            ..ExceptionFilter::default()
        })?;
        // Channels have exceptions of the same kinds.
        let rows = page.rows.into_iter().filter(|row| row.entity == system);
        open.extend(rows.map(|row| row.subject).filter(is_here));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(open);
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
    use crossdock_journal::memory::Fault;
    use crossdock_journal::{Journal, MemoryJournal};
    use crossdock_model::command::LocationCommand;
    use crossdock_model::v1::{LocationFacts, Tracking};
    use crossdock_runtime::{Node, Options, RealClock, Unconnected};

    use super::*;
    use crate::config::Absent;

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

    async fn counter(url: String) -> (Node, Counter, Arc<MemoryJournal>) {
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let journal = Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1)));
        let node = Node::start(
            Arc::clone(&journal) as Arc<dyn Journal>,
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
                absent: Absent::Told,
            },
            by: By::new(CredentialId::new("counts").unwrap()),
            insight: Arc::new(Insight::open_in_memory().unwrap()),
        };
        (node, counter, journal)
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

    async fn on_hand(counter: &Counter, sku: &str) -> i64 {
        let sku = EntityId::Sku(SkuId::new(sku).unwrap());
        match counter.handle.read(sku).await.unwrap().answer {
            Answer::Stock(stock) => stock.locations.iter().map(|place| place.on_hand).sum(),
            other => panic!("{other:?}"),
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
        let (node, counter, _) = counter(url).await;
        define(&counter).await;
        let reading = counter.read(counter.handle.now()).await;
        let expected = Reading {
            as_known: 1,
            corrected: 1,
            passed_over: 0,
            unknown: 1,
        };
        assert_eq!(reading, Ok(expected));
        assert_eq!(on_hand(&counter, "MUG").await, 3);
        let unread = counter.read(counter.handle.now()).await;
        assert!(unread.unwrap_err().contains("no answer"));
        node.stop().await;
    }

    /// A moment in which nothing can be written ends no reading: the SKUs that could not answer are asked again.
    #[tokio::test]
    async fn what_cannot_be_counted_for_the_moment_is_counted_after_it() {
        let items = r#"{"sku":"TEE","units":4},{"sku":"MUG","units":3}"#;
        let body = format!(
            r#"{{"counted_at":"2099-01-01T00:00:00Z","items":[{items}],"next_cursor":null}}"#
        );
        let (node, counter, journal) = counter(serve(vec![body])).await;
        define(&counter).await;
        journal.inject(Fault::Full);
        let reading = counter.read(counter.handle.now()).await;
        let expected = Reading {
            corrected: 2,
            ..Reading::default()
        };
        assert_eq!(reading, Ok(expected));
        let left = [
            on_hand(&counter, "TEE").await,
            on_hand(&counter, "MUG").await,
        ];
        assert_eq!(left, [4, 3]);
        node.stop().await;
    }

    /// What is unknown is told one by one, up to a bound, and is over once it is counted; nothing is said of the rest.
    #[tokio::test]
    async fn unknown_skus_are_told_and_closed_where_they_are_open() {
        let page = |items: &[String]| {
            let items = items.join(",");
            format!(
                r#"{{"counted_at":"2099-01-01T00:00:00Z","items":[{items}],"next_cursor":null}}"#
            )
        };
        let item = |sku: &str| format!(r#"{{"sku":"{sku}","units":5}}"#);
        let many: Vec<String> = (0..=UNKNOWN_MAX).map(|n| item(&format!("N{n}"))).collect();
        let known = ["TEE", "MUG", "N0"].map(item);
        let (node, counter, journal) = counter(serve(vec![page(&many), page(&known)])).await;
        define(&counter).await;
        let open = async || {
            counter.insight.catch_up(&*journal).unwrap();
            counter.open_of(UNCOUNTABLE).await.unwrap()
        };
        counter.read(counter.handle.now()).await.unwrap();
        let told = open().await;
        assert_eq!(told.len(), UNKNOWN_MAX as usize + 1);
        assert!(told.contains("reno") && told.contains("reno/N0"));
        assert!(!told.contains(&format!("reno/N{UNKNOWN_MAX}")));
        let define = SkuCommand::Define {
            title: "N0".to_owned(),
            tracking: Tracking::Tracked,
        };
        let sku = EntityId::Sku(SkuId::new("N0").unwrap());
        let told = counter
            .handle
            .ask(sku, Command::Sku(define), counter.by.clone());
        told.await.unwrap();
        counter.read(counter.handle.now()).await.unwrap();
        let left = open().await;
        assert_eq!(left.len(), UNKNOWN_MAX as usize - 1);
        assert!(!left.contains("reno") && !left.contains("reno/N0"));
        node.stop().await;
    }

    fn list_of(items: &[&str]) -> String {
        let items: Vec<String> = items
            .iter()
            .map(|sku| format!(r#"{{"sku":"{sku}","units":5}}"#))
            .collect();
        let items = items.join(",");
        format!(r#"{{"counted_at":"2099-01-01T00:00:00Z","items":[{items}],"next_cursor":null}}"#)
    }

    /// What is left out of a list is told until it is listed again, or taken for none, as is configured; a list with nothing
    /// in it is taken for no list.
    #[tokio::test]
    async fn what_a_list_leaves_out_is_told_or_is_none() {
        let lists = [&["TEE"][..], &["TEE", "MUG"], &["TEE"], &[]];
        let url = serve(lists.map(list_of).into());
        let (node, mut counter, journal) = counter(url).await;
        define(&counter).await;
        let mut read = async |absent: Absent| {
            counter.insight.catch_up(&*journal).unwrap();
            counter.counts.absent = absent;
            let read = counter.read(counter.handle.now()).await;
            counter.insight.catch_up(&*journal).unwrap();
            let told = counter.open_of(UNCOUNTED).await.unwrap();
            let told: Vec<String> = told.into_iter().collect();
            (read.is_ok(), told, on_hand(&counter, "MUG").await)
        };
        let is_told = (true, vec!["reno/MUG".to_owned()], 5);
        assert_eq!(read(Absent::Told).await, is_told);
        assert_eq!(
            read(Absent::Told).await,
            (true, vec![], 5),
            "it is listed again"
        );
        assert_eq!(read(Absent::None).await, (true, vec![], 0));
        assert_eq!(
            read(Absent::None).await,
            (false, vec![], 0),
            "it is no list"
        );
        assert_eq!(on_hand(&counter, "TEE").await, 5);
        node.stop().await;
    }

    /// What was open about a location is closed once its counts are not read any more.
    #[tokio::test]
    async fn nothing_stays_open_of_a_location_that_is_not_read_any_more() {
        let (node, counter, journal) = counter(serve(vec![list_of(&["TEE", "GONE"])])).await;
        define(&counter).await;
        counter.insight.catch_up(&*journal).unwrap();
        counter.read(counter.handle.now()).await.unwrap();
        counter.note_failure(FAILURES_MAX, "no answer").await;
        let open = async || {
            counter.insight.catch_up(&*journal).unwrap();
            let mut open = 0;
            for kind in [COUNTS_UNREAD, UNCOUNTABLE, UNCOUNTED] {
                open += counter.open_of(kind).await.unwrap().len();
            }
            open
        };
        assert_eq!(open().await, 3);
        for (counted, left) in [("reno", 3), ("york", 0)] {
            let (handle, insight) = (counter.handle.clone(), Arc::clone(&counter.insight));
            let counted = [counted.to_owned()].into();
            close_left(handle, insight, counter.by.clone(), counted).await;
            assert_eq!(open().await, left);
        }
        node.stop().await;
    }

    /// A list that is no source of stock truth need not be whole.
    #[tokio::test]
    async fn what_another_one_counts_is_not_missed() {
        let (node, mut counter, journal) = counter(serve(vec![list_of(&["TEE"])])).await;
        define(&counter).await;
        let facts = LocationFacts::plain(counter.location.clone(), "US");
        let define = Command::Location(LocationCommand::Define(Box::new(facts)));
        let location = EntityId::Location(counter.location.clone());
        let told = counter.handle.ask(location, define, counter.by.clone());
        told.await.unwrap();
        counter.insight.catch_up(&*journal).unwrap();
        counter.counts.absent = Absent::None;
        assert!(counter.read(counter.handle.now()).await.is_ok());
        assert_eq!(on_hand(&counter, "MUG").await, 5);
        node.stop().await;
    }
}
