//! A lean client: it shares two cores with the server, and what it needs the server has not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// Room for an answer, at first.
const ANSWER_BYTES: usize = 4 << 10;
/// An answer is no longer than that.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long a request may go unanswered.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it goes over the wire.
pub(crate) type Request = Vec<u8>;

/// `POST`, with the key that names the command and further lines of the head.
pub(crate) fn post(path: &str, head: &[(&str, &str)], body: &[u8]) -> Request {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: bench\r\n");
    for (name, value) in head {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n", body.len());
    let mut request = request.into_bytes();
    request.extend_from_slice(body);
    request
}

/// `GET`, with further lines of the head.
pub(crate) fn get(path: &str, head: &[(&str, &str)]) -> Request {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n");
    for (name, value) in head {
        request += &format!("{name}: {value}\r\n");
    }
    (request + "\r\n").into_bytes()
}

/// What the head of an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Whether it says when to come again.
    says_when: bool,
    /// Where the body is.
    body: Range<usize>,
}

/// One connection: a request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            received: vec![0; ANSWER_BYTES],
        }
    }

    /// The head of the answer.
    async fn ask(&mut self, request: &[u8]) -> Head {
        let answered = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        answered.unwrap()
    }

    async fn exchange(&mut self, request: &[u8]) -> Head {
        self.stream.write_all(request).await.unwrap();
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.received[filled..]).await;
            let read = read.unwrap();
            assert_ne!(read, 0, "the server hung up");
            filled += read;
            if let Some(head) = head(&self.received[..filled]) {
                let end = head.body.end;
                if end <= filled {
                    return head;
                }
                assert!(end <= ANSWER_BYTES_MAX, "an endless answer");
                self.received.resize(end.max(self.received.len()), 0);
            } else if filled == self.received.len() {
                self.received.resize(2 * filled, 0);
            }
        }
    }
}

/// The head of an answer; nothing while it is not all there.
fn head(bytes: &[u8]) -> Option<Head> {
    let body = body(bytes)?;
    let head = std::str::from_utf8(&bytes[..body.start]).unwrap();
    let status = head.split(' ').nth(1).unwrap();
    Some(Head {
        status: status.parse().unwrap(),
        says_when: field(head, "retry-after").is_some(),
        body,
    })
}

/// Where the body of a request or an answer is; nothing while its head is not all there.
pub(crate) fn body(bytes: &[u8]) -> Option<Range<usize>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let length = field(head, "content-length");
    let length: usize = length.map_or(0, |text| text.parse().unwrap());
    Some(end..end + length)
}

fn field<'a>(head: &'a str, named: &str) -> Option<&'a str> {
    let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(named));
    found.map(|(_, value)| value.trim())
}

/// What came of many requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Answers by status.
    pub(crate) answers: BTreeMap<u16, u64>,
    /// Answers 503 that say when to come again.
    put_off: u64,
    /// Of those that succeeded, in the order of their length once they are all there.
    latencies: Vec<Duration>,
    pub(crate) lasted: Duration,
}

impl Tally {
    fn enter(&mut self, head: &Head, latency: Duration) {
        let status = head.status;
        *self.answers.entry(status).or_default() += 1;
        self.put_off += u64::from(status == 503 && head.says_when);
        if status < 300 {
            self.latencies.push(latency);
        }
    }

    fn join(&mut self, other: Self) {
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        self.put_off += other.put_off;
        self.latencies.extend(other.latencies);
    }

    /// Those that succeeded.
    pub(crate) fn done(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// Those that did not.
    pub(crate) fn refused(&self) -> u64 {
        self.answers.values().sum::<u64>() - self.done()
    }

    /// Those that were told when to come again.
    pub(crate) fn put_off(&self) -> u64 {
        self.put_off
    }

    /// Fails where anything was refused that was not told when to come again.
    pub(crate) fn done_or_put_off(self, what: &str) -> Self {
        let failed = self.refused() - self.put_off;
        let answers = &self.answers;
        assert_eq!(
            failed, 0,
            "{what} failed, or were not told when to come again: {answers:?}"
        );
        self
    }

    /// Those that succeeded, a second.
    pub(crate) fn rate(&self) -> f64 {
        self.done() as f64 / self.lasted.as_secs_f64()
    }

    /// Within how many milliseconds so many of a thousand succeeded.
    pub(crate) fn ms(&self, permille: usize) -> f64 {
        let place = (self.latencies.len() * permille).div_ceil(1_000);
        let latency = self.latencies.get(place.saturating_sub(1));
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
    }

    /// Fails where anything was refused.
    pub(crate) fn all_done(self) -> Self {
        assert_eq!(self.refused(), 0, "{:?}", self.answers);
        self
    }
}

/// Makes the request of each number.
pub(crate) type Make = Arc<dyn Fn(u64) -> Request + Send + Sync>;

/// Each connection asks again once it is answered, until the time is over or there are no more requests.
pub(crate) async fn closed(
    to: SocketAddr,
    connections: usize,
    lasts: Duration,
    requests_max: u64,
    make: Make,
) -> Tally {
    let next = Arc::new(AtomicU64::new(0));
    let doors = open_all(to, connections).await;
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for mut door in doors {
        let (next, make) = (Arc::clone(&next), Arc::clone(&make));
        clients.spawn(async move {
            let mut tally = Tally::default();
            while start.elapsed() < lasts {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests_max {
                    break;
                }
                let request = make(number);
                let began = Instant::now();
                let head = door.ask(&request).await;
                tally.enter(&head, began.elapsed());
            }
            tally
        });
    }
    joined(clients, start).await
}

/// So many requests a second, whether or not those before them are answered; latency counts from when each was to be sent.
pub(crate) async fn open(
    to: SocketAddr,
    connections: usize,
    per_s: f64,
    lasts: Duration,
    make: Make,
) -> Tally {
    paced(to, connections, per_s, Ends::after(lasts), make).await
}

/// When requests are no longer sent.
#[derive(Clone)]
pub(crate) struct Ends {
    lasts: Duration,
    /// Whether it has ended before that.
    early: Arc<AtomicBool>,
    /// Whether those that were to be sent by then are still sent.
    all_sent: bool,
}

impl Ends {
    /// After that time, once all are sent.
    pub(crate) fn after(lasts: Duration) -> Self {
        let early = Arc::default();
        let all_sent = true;
        Self {
            lasts,
            early,
            all_sent,
        }
    }

    /// After that time, and nothing is sent later: what cannot be sent in time is nobody's wish any more.
    pub(crate) fn sharp(lasts: Duration) -> Self {
        Self {
            all_sent: false,
            ..Self::after(lasts)
        }
    }

    /// Now, once all are sent.
    pub(crate) fn end(&self) {
        self.early.store(true, Ordering::Relaxed);
    }

    fn is_over(&self, start: Instant) -> bool {
        self.early.load(Ordering::Relaxed) || start.elapsed() >= self.lasts
    }
}

/// So many requests a second until it ends.
pub(crate) async fn paced(
    to: SocketAddr,
    connections: usize,
    per_s: f64,
    ends: Ends,
    make: Make,
) -> Tally {
    let doors = open_all(to, connections).await;
    let (due, waiting) = mpsc::unbounded_channel();
    let waiting = Arc::new(Mutex::new(waiting));
    let start = Instant::now();
    let until = ends.clone();
    let pacer = std::thread::spawn(move || {
        let count = (per_s * until.lasts.as_secs_f64()) as u64;
        for number in 0..count {
            let at = start + Duration::from_secs_f64(number as f64 / per_s);
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            // Nobody takes any more once the time is over and they are not all sent.
            if until.early.load(Ordering::Relaxed) || due.send((number, at)).is_err() {
                break;
            }
        }
    });
    let mut clients = JoinSet::new();
    for mut door in doors {
        let (waiting, make, ends) = (Arc::clone(&waiting), Arc::clone(&make), ends.clone());
        clients.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let next = waiting.lock().await.recv().await;
                let Some((number, at)) = next else {
                    return tally;
                };
                if !ends.all_sent && ends.is_over(start) {
                    return tally;
                }
                let head = door.ask(&make(number)).await;
                tally.enter(&head, at.elapsed());
            }
        });
    }
    drop(waiting);
    let tally = joined(clients, start).await;
    pacer.join().unwrap();
    tally
}

async fn open_all(to: SocketAddr, connections: usize) -> Vec<Connection> {
    futures::future::join_all((0..connections).map(|_| Connection::open(to))).await
}

async fn joined(mut clients: JoinSet<Tally>, start: Instant) -> Tally {
    let mut all = Tally::default();
    while let Some(tally) = clients.join_next().await {
        all.join(tally.unwrap());
    }
    all.lasted = start.elapsed();
    all.latencies.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_they_come() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
        for some in 0..answer.len() - 5 {
            assert_eq!(head(&answer[..some]), None, "{some}");
        }
        let told = head(answer).unwrap();
        assert_eq!((told.status, &answer[told.body]), (201, &b"hello"[..]));
        let told = head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        assert_eq!((told.status, told.body), (204, 27..27));
    }

    #[test]
    fn a_tally_tells_refusals_from_what_was_done() {
        let answer = |text: &str| head(text.as_bytes()).unwrap();
        let mut tally = Tally::default();
        let ok = answer("HTTP/1.1 200 OK\r\n\r\n");
        (1..=100).for_each(|ms| tally.enter(&ok, Duration::from_millis(ms)));
        let later = answer("HTTP/1.1 503 Later\r\nretry-after: 1\r\n\r\n");
        tally.enter(&later, Duration::from_millis(7));
        assert_eq!(tally.put_off(), 1);
        let mut tally = tally.done_or_put_off("all");
        tally.lasted = Duration::from_secs(2);
        assert_eq!((tally.done(), tally.refused()), (100, 1));
        assert_eq!(
            (tally.rate(), tally.ms(990), tally.ms(500)),
            (50.0, 99.0, 50.0)
        );
    }

    #[test]
    #[should_panic(expected = "holds failed, or were not told when to come again: {503: 1}")]
    fn who_is_put_off_is_told_until_when() {
        let mut tally = Tally::default();
        let never = head(b"HTTP/1.1 503 Later\r\n\r\n").unwrap();
        tally.enter(&never, Duration::from_millis(7));
        drop(tally.done_or_put_off("holds"));
    }
}
