//! The origin of a URL, which credentials belong to, and where it leads.
//!
//! A number that only some programs take for an address is refused (WHATWG URL, "ends in a number"),
//! so that a name is never one. The types are those of `core::net`, which has no sockets.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

use crate::error::ErrorKind;

/// The longest host name (RFC 1035).
const HOST: usize = 253;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AddressClass {
    /// A name, which is still to be resolved.
    Name,
    Loopback,
    /// The network of the user, or one that is shared with other customers of a provider.
    Private,
    LinkLocal,
    /// No address; Linux takes it for loopback.
    Unspecified,
    /// The internet.
    Other,
}

impl AddressClass {
    /// The class of an address; an IPv6 address that stands for an IPv4 address has the class of
    /// that one.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => match inner_v4(address) {
                Some(inner) => Self::of_v4(inner),
                None => Self::of_v6(address),
            },
        }
    }

    /// Whether it leads to what only this machine or its network reaches.
    pub(crate) fn is_inside(self) -> bool {
        !matches!(self, Self::Name | Self::Other)
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [0, ..] => Self::Unspecified,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [10, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [100, 64..=127, ..] // RFC 6598; some clouds serve metadata there
            => Self::Private,
            _ => Self::Other,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Unspecified,
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Self::Private,
            _ => Self::Other,
        }
    }
}

/// The IPv4 address in an IPv6 address: mapped, compatible, NAT64, 6to4.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            (high, low)
        }
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// What credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WebOrigin {
    pub(crate) scheme: Scheme,
    /// Lower case; an IPv6 address is in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl WebOrigin {
    /// The origin of `host[:port]`.
    #[cfg(test)]
    pub(crate) fn new(scheme: Scheme, authority: &str) -> Result<Self, ErrorKind> {
        Self::read(scheme, authority).map_err(|expected| refused(expected, authority))
    }

    /// The same; an error is what was expected.
    pub(super) fn read(scheme: Scheme, authority: &str) -> Result<Self, &'static str> {
        if authority.contains('@') {
            return Err("no user or password in it");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, ""),
        };
        let is_number = port.bytes().all(|it| it.is_ascii_digit());
        let port = match port {
            "" => Some(scheme.default_port()),
            port => port.parse().ok().filter(|port| is_number && *port != 0),
        };
        let port = port.ok_or("a port from 1 to 65535")?;
        let host = canonical(host).ok_or("a host name or IP address")?;
        Ok(Self { scheme, host, port })
    }

    /// The address, if the host is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            Some(inside) => inside.parse().map(IpAddr::V6).ok(),
            None => self.host.parse().map(IpAddr::V4).ok(),
        }
    }

    /// Where it leads. `localhost` is loopback; other names under it are not, because a name server
    /// may answer for them.
    pub(crate) fn address_class(&self) -> AddressClass {
        match self.address() {
            Some(address) => AddressClass::of(address),
            None if self.host == "localhost" => AddressClass::Loopback,
            None => AddressClass::Name,
        }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.address_class() == AddressClass::Loopback
    }

    /// As in the name of an image and in credential files: without the default port.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

/// Refuses a text, without showing a password or a signature in it.
pub(super) fn refused(expected: &'static str, text: &str) -> ErrorKind {
    let is_hidden = |it: char| matches!(it, '?' | '#');
    let cut = |text: &str| match text.split_once(is_hidden) {
        Some((before, _)) => format!("{before}?…"),
        None => text.to_owned(),
    };
    let found = match text.rsplit_once('@') {
        // A password with a question mark, or a query with an at sign.
        Some((before, _)) if before.contains(is_hidden) => "…@…".to_owned(),
        Some((_, after)) => format!("…@{}", cut(after)),
        None => cut(text),
    };
    ErrorKind::Url { expected, found }
}

/// A host in its one spelling; `None` if it is none, or if only some programs take it for an
/// address, as `0x7f.1`.
fn canonical(host: &str) -> Option<String> {
    if let Some(inside) = host.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let host = host.to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x");
    let ends_in_number = last.bytes().all(|it| it.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|it| it.is_ascii_hexdigit()));
    if ends_in_number {
        return host.parse().ok().map(|address: Ipv4Addr| address.to_string());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
    };
    (host.len() <= HOST && host.split('.').all(is_label)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        for text in [
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "127.1",
            "0177.0.0.1",
            "127.0.0.0x1",
            "127.0.0.0X1",
            "127.0.0.1.",
            "127.0.0.01",
            "256.0.0.1",
            "1.2.3.4.5",
            "a.0x",
            "a.1",
        ] {
            let error = WebOrigin::new(Scheme::Https, text).expect_err(text);
            assert!(error.text().contains("expected a host name or IP address"), "{text}: {error}");
        }
        let long = |size| WebOrigin::new(Scheme::Https, &"a".repeat(size));
        assert!(long(HOST).is_ok() && long(HOST + 1).is_err());
    }

    #[test]
    fn origins_are_equal_when_scheme_host_and_port_are() {
        let of = |text: &str| {
            let scheme = if text.starts_with("https") { Scheme::Https } else { Scheme::Http };
            WebOrigin::new(scheme, text.split_once("://").unwrap().1).unwrap()
        };
        for (a, b, expected) in [
            ("https://h", "https://H:443", true),
            ("https://h", "http://h", false),
            ("https://h", "https://h:444", false),
            ("https://h:80", "http://h", false),
            ("https://h", "https://h.evil", false),
            ("https://[::1]", "https://[0::1]", true),
        ] {
            assert_eq!(of(a) == of(b), expected, "{a} {b}");
        }
        for (text, shown, authority) in [
            ("https://h:443", "https://h", "h"),
            ("http://h:443", "http://h:443", "h:443"),
            ("https://[::1]:5000", "https://[::1]:5000", "[::1]:5000"),
        ] {
            let origin = of(text);
            assert_eq!(
                (origin.to_string().as_str(), origin.authority().as_str()),
                (shown, authority)
            );
        }
    }

    #[test]
    fn addresses_have_the_class_of_where_they_lead() {
        use AddressClass as C;
        for (host, class) in [
            ("ghcr.io", C::Name),
            ("localhost.evil", C::Name),
            ("a.localhost", C::Name),
            ("localhost", C::Loopback),
            ("127.0.0.1", C::Loopback),
            ("127.255.0.1", C::Loopback),
            ("[::1]", C::Loopback),
            ("[::ffff:127.0.0.1]", C::Loopback),
            ("[::ffff:7f00:1]", C::Loopback),
            ("[::127.0.0.1]", C::Loopback),
            ("[64:ff9b::127.0.0.1]", C::Loopback),
            ("[2002:7f00:1::]", C::Loopback),
            ("0.0.0.0", C::Unspecified),
            ("[::]", C::Unspecified),
            ("[::ffff:0.0.0.0]", C::Unspecified),
            ("10.1.2.3", C::Private),
            ("172.16.0.1", C::Private),
            ("172.31.255.255", C::Private),
            ("172.32.0.1", C::Other),
            ("192.168.1.1", C::Private),
            ("100.100.100.200", C::Private),
            ("100.128.0.1", C::Other),
            ("[fd00:ec2::254]", C::Private),
            ("[fec0::1]", C::Private),
            ("[::ffff:10.0.0.1]", C::Private),
            ("169.254.169.254", C::LinkLocal),
            ("[::ffff:169.254.169.254]", C::LinkLocal),
            ("[fe80::1]", C::LinkLocal),
            ("[febf::1]", C::LinkLocal),
            ("1.1.1.1", C::Other),
            ("[2606:4700::1111]", C::Other),
            ("[64:ff9b::1.1.1.1]", C::Other),
        ] {
            let origin = WebOrigin::new(Scheme::Https, host).unwrap();
            assert_eq!(origin.address_class(), class, "{host}");
            assert_eq!(origin.is_loopback(), class == C::Loopback, "{host}");
        }
    }
}
