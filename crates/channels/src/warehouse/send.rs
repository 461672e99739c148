//! Sends a signed message to a checked address, follows no redirects, reads little.
//!
//! One client is used for all calls, so that connections are kept. Addresses are checked where names are resolved
//! for a connection: what was checked is what is called, whatever the name says later.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crossdock_model::Timestamp;
use reqwest::redirect;
use thiserror::Error;

use super::address::{Policy, Refused};
use crate::inbound::Secret;
use crate::standard_webhooks;

/// Time for a whole call.
const CALL_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Connections to one host that are kept for later calls.
const IDLE_MAX: usize = 4;

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// The URL may not be called.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No connection, or no answer in time.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// An answer that is not 2xx.
    #[error("answered with status {0}")]
    Status(u16),
}

/// A list of addresses, later.
pub type Resolving = Pin<Box<dyn Future<Output = Vec<IpAddr>> + Send>>;

/// Finds a host's addresses.
pub trait Resolve: Send + Sync {
    /// The addresses of a host.
    fn resolve(&self, host: String) -> Resolving;
}

struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await;
            found
                .map(|all| all.map(|address| address.ip()).collect())
                .unwrap_or_default()
        })
    }
}

/// Finds only addresses that may be called.
#[derive(Clone)]
struct CheckedResolver {
    policy: Policy,
    resolver: Arc<dyn Resolve>,
}

impl CheckedResolver {
    /// The addresses of a name: every one of them must be allowed.
    async fn checked(self, host: String) -> Result<Vec<IpAddr>, Refused> {
        let addresses = self.resolver.resolve(host).await;
        for address in &addresses {
            self.policy.check(*address)?;
        }
        match addresses.is_empty() {
            true => Err(Refused::Unresolved),
            false => Ok(addresses),
        }
    }
}

impl reqwest::dns::Resolve for CheckedResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let checked = self.clone().checked(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = checked.await?.into_iter();
            // The port comes from the URL.
            let sockets = addresses.map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as reqwest::dns::Addrs)
        })
    }
}

/// Sends signed messages. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct HttpSender {
    client: reqwest::Client,
    resolver: CheckedResolver,
}

impl HttpSender {
    /// A sender that resolves names by the system.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(policy: Policy) -> Result<Self, SendError> {
        Self::with_resolver(policy, Arc::new(SystemResolver))
    }

    /// A sender with a resolver of one's own.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn with_resolver(policy: Policy, resolver: Arc<dyn Resolve>) -> Result<Self, SendError> {
        let resolver = CheckedResolver { policy, resolver };
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(CALL_MAX)
            .pool_max_idle_per_host(IDLE_MAX)
            .no_proxy()
            .dns_resolver(Arc::new(resolver.clone()))
            .build()
            .map_err(unreachable)?;
        Ok(Self { client, resolver })
    }

    /// Posts a signed JSON body; a 2xx answer is success. `id` is the same for every try of one message.
    ///
    /// # Errors
    /// [`SendError`], without secrets.
    pub async fn send(
        &self,
        url: &str,
        secret: &Secret,
        id: &str,
        now: Timestamp,
        body: Vec<u8>,
    ) -> Result<(), SendError> {
        let url = self.parse(url)?;
        let mut request = self
            .client
            .post(url)
            .header("content-type", "application/json");
        for (name, value) in standard_webhooks::headers(secret, id, now, &body) {
            request = request.header(name, value);
        }
        let mut answer = request.body(body).send().await.map_err(unreachable)?;
        let mut read = 0;
        while let (true, Ok(Some(chunk))) = (read < ANSWER_BYTES_MAX, answer.chunk().await) {
            read += chunk.len();
        }
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(SendError::Status(status.as_u16())),
        }
    }

    /// Gets a body of at most so many bytes, from behind a cursor; the request is signed as a message without a body.
    pub(super) async fn fetch(
        &self,
        url: &str,
        secret: &Secret,
        id: &str,
        now: Timestamp,
        (cursor, bytes_max): (Option<&str>, usize),
    ) -> Result<Vec<u8>, SendError> {
        let mut url = self.parse(url)?;
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let mut request = self.client.get(url);
        for (name, value) in standard_webhooks::headers(secret, id, now, &[]) {
            request = request.header(name, value);
        }
        let mut answer = request.send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(SendError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > bytes_max {
                let what = format!("more than {bytes_max} bytes: answer with smaller pages");
                return Err(SendError::Unreachable(what));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Whether a URL may be called, as far as can be said before it is.
    ///
    /// # Errors
    /// [`Refused`]; a name that does not resolve now may do so later.
    pub async fn check(&self, url: &str) -> Result<(), Refused> {
        let url = self.parse(url)?;
        match url.domain() {
            Some(name) => {
                let checked = self.resolver.clone().checked(name.to_owned());
                checked.await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// A URL that is allowed by what it says itself. Addresses in it never meet the resolver.
    fn parse(&self, url: &str) -> Result<reqwest::Url, Refused> {
        let url = reqwest::Url::parse(url).map_err(|_| Refused::Url)?;
        let policy = self.resolver.policy;
        match url.scheme() {
            "https" => {}
            "http" if policy.allow_private => {}
            "http" => return Err(Refused::Plain),
            _ => return Err(Refused::Url),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let host = url.host_str().ok_or(Refused::Url)?;
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            policy.check(address)?;
        }
        Ok(url)
    }
}

fn unreachable(error: reqwest::Error) -> SendError {
    if let Some(refused) = refusal(&error) {
        return SendError::Refused(refused);
    }
    SendError::Unreachable(match error.is_timeout() {
        true => format!("nothing within {} s", CALL_MAX.as_secs()),
        false => error.without_url().to_string(),
    })
}

/// What the resolver said, from under the client's own errors.
fn refusal(error: &(dyn Error + 'static)) -> Option<Refused> {
    let refused = error.downcast_ref::<Refused>().cloned();
    refused.or_else(|| refusal(error.source()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Says a public address first and a private one ever after.
    #[derive(Default)]
    struct Rebinding(AtomicUsize);

    impl Resolve for Rebinding {
        fn resolve(&self, _host: String) -> Resolving {
            let asked = self.0.fetch_add(1, Ordering::SeqCst);
            let address = match asked {
                0 => "203.0.112.1",
                _ => "127.0.0.1",
            };
            Box::pin(std::future::ready(vec![address.parse().unwrap()]))
        }
    }

    fn rebinding() -> HttpSender {
        HttpSender::with_resolver(Policy::default(), Arc::new(Rebinding::default())).unwrap()
    }

    async fn send(sender: &HttpSender, url: &str) -> Result<(), SendError> {
        let now = Timestamp::from_ms(0);
        let secret = Secret::new("whsec_c2VjcmV0");
        sender.send(url, &secret, "id", now, Vec::new()).await
    }

    #[tokio::test]
    async fn hostile_urls_are_refused() {
        let sender = rebinding();
        for (url, refused) in [
            ("ftp://example.com/", Refused::Url),
            ("file:///etc/passwd", Refused::Url),
            ("gopher://example.com/", Refused::Url),
            ("https://", Refused::Url),
            ("http://example.com/", Refused::Plain),
            ("https://user:word@example.com/", Refused::Credentials),
        ] {
            assert_eq!(sender.check(url).await, Err(refused.clone()), "{url}");
            assert_eq!(send(&sender, url).await, Err(refused.into()), "{url}");
        }
        for url in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::ffff:10.0.0.1]/",
        ] {
            let (checked, sent) = (sender.check(url).await, send(&sender, url).await);
            assert!(matches!(checked, Err(Refused::Private(_))), "{url}");
            let is_private = matches!(sent, Err(SendError::Refused(Refused::Private(_))));
            assert!(is_private, "{url}: {sent:?}");
        }
    }

    /// The name was public when it was checked and leads inside when it is called: the connection itself is refused.
    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_refused_when_it_is_called() {
        let inside = TcpListener::bind("127.0.0.1:0").unwrap();
        inside.set_nonblocking(true).unwrap();
        let port = inside.local_addr().unwrap().port();
        let (sender, url) = (rebinding(), format!("https://rebind.example:{port}/"));
        assert_eq!(sender.check(&url).await, Ok(()));
        let address = "127.0.0.1".parse().unwrap();
        let refused = SendError::Refused(Refused::Private(address));
        assert_eq!(send(&sender, &url).await, Err(refused));
        assert!(inside.accept().is_err(), "nobody called");
    }

    /// Where an answer points is not followed: it may point inside.
    #[tokio::test]
    async fn redirects_are_answers_and_connections_are_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..2 {
                let mut head = [0; 4096];
                assert!(stream.read(&mut head).unwrap() > 0);
                let answer =
                    "HTTP/1.1 307 Elsewhere\r\nlocation: /inside\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let policy = Policy {
            allow_private: true,
        };
        let sender = HttpSender::new(policy).unwrap();
        for _ in 0..2 {
            assert_eq!(send(&sender, &url).await, Err(SendError::Status(307)));
        }
        served.join().unwrap();
    }
}
