//! A lean client: it shares two cores with the server, and what it needs the server has not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

    /// The status of the answer, and its body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> (u16, &[u8]) {
        let answered = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        let (status, body) = answered.unwrap();
        (status, &self.received[body])
    }

    async fn exchange(&mut self, request: &[u8]) -> (u16, std::ops::Range<usize>) {
        self.stream.write_all(request).await.unwrap();
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.received[filled..]).await;
            let read = read.unwrap();
            assert_ne!(read, 0, "the server hung up");
            filled += read;
            if let Some((status, body)) = head(&self.received[..filled]) {
                if body.end <= filled {
                    return (status, body);
                }
                assert!(body.end <= ANSWER_BYTES_MAX, "an endless answer");
                self.received.resize(body.end.max(self.received.len()), 0);
            } else if filled == self.received.len() {
                self.received.resize(2 * filled, 0);
            }
        }
    }
}

/// Status of an answer, and where its body is; nothing while the head is not there.
fn head(bytes: &[u8]) -> Option<(u16, std::ops::Range<usize>)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    Some((status.parse().unwrap(), end..end + length.unwrap_or(0)))
}

/// What came of many requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Answers by status.
    pub(crate) answers: BTreeMap<u16, u64>,
    /// Of those that succeeded, in the order of their length once they are all there.
    latencies: Vec<Duration>,
    pub(crate) lasted: Duration,
}

impl Tally {
    fn enter(&mut self, status: u16, latency: Duration) {
        *self.answers.entry(status).or_default() += 1;
        if status < 300 {
            self.latencies.push(latency);
        }
    }

    fn join(&mut self, other: Self) {
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
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
                let (status, _) = door.ask(&request).await;
                tally.enter(status, began.elapsed());
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
    let doors = open_all(to, connections).await;
    let (due, waiting) = mpsc::unbounded_channel();
    let waiting = Arc::new(Mutex::new(waiting));
    let start = Instant::now();
    let pacer = std::thread::spawn(move || {
        let count = (per_s * lasts.as_secs_f64()) as u64;
        for number in 0..count {
            let at = start + Duration::from_secs_f64(number as f64 / per_s);
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            due.send((number, at)).unwrap();
        }
    });
    let mut clients = JoinSet::new();
    for mut door in doors {
        let (waiting, make) = (Arc::clone(&waiting), Arc::clone(&make));
        clients.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let next = waiting.lock().await.recv().await;
                let Some((number, at)) = next else {
                    return tally;
                };
                let (status, _) = door.ask(&make(number)).await;
                tally.enter(status, at.elapsed());
            }
        });
    }
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
        let (status, body) = head(answer).unwrap();
        assert_eq!((status, &answer[body]), (201, &b"hello"[..]));
        assert_eq!(
            head(b"HTTP/1.1 204 No Content\r\n\r\n"),
            Some((204, 27..27))
        );
    }

    #[test]
    fn a_tally_tells_refusals_from_what_was_done() {
        let mut tally = Tally::default();
        (1..=100).for_each(|ms| tally.enter(200, Duration::from_millis(ms)));
        tally.enter(503, Duration::from_millis(7));
        tally.lasted = Duration::from_secs(2);
        assert_eq!((tally.done(), tally.refused()), (100, 1));
        assert_eq!(
            (tally.rate(), tally.ms(990), tally.ms(500)),
            (50.0, 99.0, 50.0)
        );
    }
}
