//! Which addresses webhooks may go to: nothing inside our own network, unless it is allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// Where webhooks may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether private, loopback and link-local addresses, and plain HTTP, are allowed.
    pub allow_private: bool,
}

/// Why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// Not a URL, or neither http nor https.
    #[error("not a web address: expected https://…")]
    Url,
    /// Plain HTTP.
    #[error("plain http is refused: use https")]
    Plain,
    /// A user name or password in the URL.
    #[error("a URL with a user name or password is refused")]
    Credentials,
    /// The name resolves to an address inside.
    #[error("{0} is not a public address (warehouse.allow_private_addresses permits it)")]
    Private(IpAddr),
    /// The name does not resolve.
    #[error("the host name does not resolve")]
    Unresolved,
}

impl Policy {
    /// Whether an address may be called.
    ///
    /// # Errors
    /// [`Refused::Private`].
    pub fn check(self, address: IpAddr) -> Result<(), Refused> {
        match self.allow_private || is_public(address) {
            true => Ok(()),
            false => Err(Refused::Private(address)),
        }
    }
}

/// Whether an address is on the public internet (IANA special-purpose registries, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let special = (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || (a == 192 && b == 88 && c == 99)
        || a == 0
        || a >= 224;
    !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared || special)
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let first = v6.segments()[0];
    // Only global unicast, 2000::/3, without documentation, Teredo and ORCHID.
    let special = v6.segments()[0] == 0x2001 && matches!(v6.segments()[1], 0..=0x01ff | 0x0db8);
    (first & 0xe000) == 0x2000 && !special && first != 0x3fff
}

/// The IPv4 address inside: mapped, compatible, 6to4, or NAT64.
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if high != 0 || low > 1 => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses that lead back into the house.
    const HOSTILE: &[&str] = &[
        "127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 172.16.0.1",
        "172.31.255.255 192.168.0.1 192.168.255.255 169.254.169.254 169.254.0.1 100.64.0.1",
        "100.127.255.255 192.0.0.1 192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.1",
        "203.0.113.9 192.88.99.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255",
        ":: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::10.0.0.1 fe80::1",
        "febf::1 fc00::1 fd00:ec2::254 ff02::1 2001:db8::1 2001::1 2002:7f00:1:: 2002:a00:1::",
        "64:ff9b::7f00:1 64:ff9b::a00:1 3fff::1 100::1 fec0::1",
    ];

    #[test]
    fn only_public_addresses_pass() {
        for text in HOSTILE.iter().flat_map(|line| line.split(' ')) {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(
                Policy::default().check(address),
                Err(Refused::Private(address)),
                "{text}"
            );
            assert_eq!(
                Policy {
                    allow_private: true
                }
                .check(address),
                Ok(())
            );
        }
        for text in [
            "8.8.8.8",
            "100.63.255.255",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(
                Policy::default().check(text.parse().unwrap()),
                Ok(()),
                "{text}"
            );
        }
    }
}
