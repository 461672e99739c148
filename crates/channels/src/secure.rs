//! Where secrets may be sent.

use std::net::IpAddr;

use reqwest::Url;

/// Whether secrets may be sent to an address: over TLS, or to this machine itself, by its number.
#[must_use]
pub fn keeps_secrets(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else {
        return false;
    };
    match url.scheme() {
        "https" => url.has_host(),
        "http" => {
            let host = url.host_str().unwrap_or_default();
            let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
            ip.is_ok_and(|ip| ip.is_loopback())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        let good = [
            "https://example.myshopify.com",
            "https://127.0.0.1.example.com/",
            "http://127.0.0.1:8080",
            "http://127.8.9.1",
            "http://[::1]:1",
        ];
        let bad = [
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "http://localhost:1",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://",
            "example.com",
            "",
        ];
        assert_eq!(good.map(keeps_secrets), [true; 5]);
        assert_eq!(bad.map(keeps_secrets), [false; 8]);
    }
}
