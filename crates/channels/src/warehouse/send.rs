//! Sends a signed message to the checked address, follows no redirects, reads little.

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

/// Finds a host's addresses. Asked once a call: the address that was checked is the one that is called.
pub trait Resolve: Send + Sync {
    /// The addresses of a host.
    fn resolve(&self, host: String, port: u16) -> Resolving;
}

struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String, port: u16) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, port)).await;
            found
                .map(|all| all.map(|address| address.ip()).collect())
                .unwrap_or_default()
        })
    }
}

/// Sends signed messages.
#[derive(Clone)]
pub struct HttpSender {
    policy: Policy,
    resolver: Arc<dyn Resolve>,
}

impl HttpSender {
    /// A sender that resolves names by the system.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            resolver: Arc::new(SystemResolver),
        }
    }

    /// A sender with a resolver of one's own.
    #[must_use]
    pub fn with_resolver(policy: Policy, resolver: Arc<dyn Resolve>) -> Self {
        Self { policy, resolver }
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
        let url = reqwest::Url::parse(url).map_err(|_| Refused::Url)?;
        let (host, address) = self.check(&url).await?;
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(CALL_MAX)
            .no_proxy()
            .resolve(&host, address)
            .build()
            .map_err(unreachable)?;
        let mut request = client.post(url).header("content-type", "application/json");
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

    /// The host and the one address that is called: every address of the name must be allowed.
    async fn check(&self, url: &reqwest::Url) -> Result<(String, SocketAddr), Refused> {
        match url.scheme() {
            "https" => {}
            "http" if self.policy.allow_private => {}
            "http" => return Err(Refused::Plain),
            _ => return Err(Refused::Url),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let host = url
            .host_str()
            .ok_or(Refused::Url)?
            .trim_matches(['[', ']'])
            .to_owned();
        let port = url.port_or_known_default().ok_or(Refused::Url)?;
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host.clone(), port).await,
        };
        for address in &addresses {
            self.policy.check(*address)?;
        }
        let address = addresses.first().ok_or(Refused::Unresolved)?;
        Ok((host, SocketAddr::new(*address, port)))
    }
}

fn unreachable(error: reqwest::Error) -> SendError {
    SendError::Unreachable(match error.is_timeout() {
        true => format!("nothing within {} s", CALL_MAX.as_secs()),
        false => error.without_url().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Says a public address first and a private one ever after.
    #[derive(Default)]
    struct Rebinding(AtomicUsize);

    impl Resolve for Rebinding {
        fn resolve(&self, _host: String, _port: u16) -> Resolving {
            let asked = self.0.fetch_add(1, Ordering::SeqCst);
            let address = if asked == 0 {
                "203.0.112.1"
            } else {
                "127.0.0.1"
            };
            Box::pin(std::future::ready(vec![address.parse().unwrap()]))
        }
    }

    async fn check(url: &str) -> Result<SocketAddr, Refused> {
        let sender = HttpSender::with_resolver(Policy::default(), Arc::new(Rebinding::default()));
        sender
            .check(&reqwest::Url::parse(url).unwrap())
            .await
            .map(|(_, address)| address)
    }

    #[tokio::test]
    async fn hostile_urls_are_refused() {
        for url in [
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
        ] {
            assert_eq!(check(url).await, Err(Refused::Url), "{url}");
        }
        assert_eq!(check("http://example.com/").await, Err(Refused::Plain));
        assert_eq!(
            check("https://user:word@example.com/").await,
            Err(Refused::Credentials)
        );
        for url in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::ffff:10.0.0.1]/",
        ] {
            assert!(
                matches!(check(url).await, Err(Refused::Private(_))),
                "{url}"
            );
        }
    }

    /// The address that was checked is the one that is called: a second answer of the name is never asked for.
    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_resolved_once() {
        let resolver = Arc::new(Rebinding::default());
        let sender =
            HttpSender::with_resolver(Policy::default(), Arc::clone(&resolver) as Arc<dyn Resolve>);
        let url = reqwest::Url::parse("https://rebind.example/").unwrap();
        let (_, address) = sender.check(&url).await.unwrap();
        assert_eq!(address.to_string(), "203.0.112.1:443");
        assert_eq!(resolver.0.load(Ordering::SeqCst), 1);
        assert!(matches!(sender.check(&url).await, Err(Refused::Private(_))));
    }
}
