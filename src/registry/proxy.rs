//! Which proxy a request goes through: the variables as Go reads them (`golang.org/x/net/http/httpproxy`),
//! since docker, podman and skopeo do.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use core::net::IpAddr;
use std::fmt;

use super::origin::{Scheme, WebOrigin};
use super::url::Url;

/// The proxies of the user, as in the variables of the same names. An empty text is the same as
/// none.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For `http`.
    pub http: Option<String>,
    /// For `https`.
    pub https: Option<String>,
    /// For a scheme that has none.
    pub all: Option<String>,
    /// Hosts that are reached without: names, `.suffix`, addresses, networks, each with or without
    /// a port, or `*`; separated by commas or blanks.
    pub no_proxy: String,
}

impl fmt::Debug for Proxies {
    // The address of a proxy may have a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

impl Proxies {
    /// The proxy for a URL; `None` if the host is reached without. Loopback always is.
    pub(crate) fn for_url(&self, url: &Url) -> Option<&str> {
        let origin = url.origin();
        let own = match origin.scheme {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        let given = |proxy: &'_ &String| !proxy.is_empty();
        let proxy = own.as_ref().filter(given).or(self.all.as_ref().filter(given))?;
        let mut excluded = self.no_proxy.split([',', ' ', '\t']);
        let is_direct = origin.is_loopback() || excluded.any(|it| excludes(it, origin));
        (!is_direct).then_some(proxy)
    }
}

/// Whether an entry of `NO_PROXY` means this host.
fn excludes(entry: &str, origin: &WebOrigin) -> bool {
    if entry == "*" {
        return true;
    }
    let entry = entry.to_ascii_lowercase();
    if let Some(network) = entry.split_once('/') {
        return origin.address().is_some_and(|address| is_in(address, network));
    }
    if let Some(address) = address(&entry) {
        return origin.address().map(|it| it.to_canonical()) == Some(address);
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (entry.as_str(), None),
    };
    if port.is_some_and(|port| port.parse() != Ok(origin.port)) {
        return false;
    }
    if let Some(address) = address(host) {
        return origin.address().map(|it| it.to_canonical()) == Some(address);
    }
    // As in Go, `.suffix` and `*.suffix` mean the names below, `suffix` also the name itself.
    let name = host.strip_prefix('*').filter(|it| it.starts_with('.')).unwrap_or(host);
    let (below, itself) = match name.strip_prefix('.') {
        Some(suffix) => (suffix, false),
        None => (name, true),
    };
    let is_below = |host: &str| host.strip_suffix(below).is_some_and(|it| it.ends_with('.'));
    let is_name = origin.address().is_none() && !below.is_empty();
    is_name && (is_below(&origin.host) || (itself && origin.host == below))
}

/// An IPv6 address may be in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let inside = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    inside.parse().ok().map(|it: IpAddr| it.to_canonical())
}

/// Whether an address is in a network, `ADDRESS/BITS`.
fn is_in(found: IpAddr, (start, bits): (&str, &str)) -> bool {
    let Ok(bits) = bits.parse::<u32>() else { return false };
    let differ = match (found.to_canonical(), start.parse()) {
        (IpAddr::V4(found), Ok(IpAddr::V4(start))) if bits <= 32 => {
            (found.to_bits() ^ start.to_bits()).leading_zeros()
        }
        (IpAddr::V6(found), Ok(IpAddr::V6(start))) if bits <= 128 => {
            (found.to_bits() ^ start.to_bits()).leading_zeros()
        }
        _ => return false,
    };
    differ >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(no_proxy: &str) -> Proxies {
        let some = |text: &str| Some(text.to_owned());
        Proxies {
            http: some("http://plain"),
            https: some("http://tls"),
            all: some("http://all"),
            no_proxy: no_proxy.to_owned(),
        }
    }

    fn through<'a>(proxies: &'a Proxies, url: &str) -> Option<&'a str> {
        proxies.for_url(&Url::parse(url).unwrap())
    }

    #[test]
    fn the_scheme_chooses_the_proxy_and_an_empty_one_is_none() {
        let mut given = proxies("");
        assert_eq!(through(&given, "https://h/"), Some("http://tls"));
        assert_eq!(through(&given, "http://h/"), Some("http://plain"));
        given.https = Some(String::new());
        assert_eq!(through(&given, "https://h/"), Some("http://all"));
        given.http = None;
        assert_eq!(through(&given, "http://h/"), Some("http://all"));
        given.all = Some(String::new());
        assert_eq!(through(&given, "https://h/"), None);
        assert_eq!(through(&Proxies::default(), "https://h/"), None);
    }

    #[test]
    fn loopback_never_goes_through_a_proxy() {
        for url in ["http://localhost:5000/", "https://127.0.0.2/", "http://[::1]:5000/"] {
            assert_eq!(through(&proxies(""), url), None, "{url}");
        }
    }

    #[test]
    fn no_proxy_means_the_hosts_that_it_means_in_go() {
        for (entries, host, direct) in [
            ("*", "h", true),
            ("a.example", "a.example", true),
            ("a.example", "b.a.example", true),
            ("a.example", "xa.example", false),
            ("a.example", "example", false),
            ("A.Example", "a.EXAMPLE", true),
            (".a.example", "b.a.example", true),
            (".a.example", "a.example", false),
            ("*.a.example", "b.a.example", true),
            ("*.a.example", "a.example", false),
            ("*a.example", "ba.example", false),
            ("x, a.example ,y", "a.example", true),
            ("x a.example", "a.example", true),
            ("", "h", false),
            (",,. ,*.", "h", false),
            // Ports.
            ("a.example:5000", "a.example:5000", true),
            ("a.example:5000", "b.a.example:5000", true),
            ("a.example:5000", "a.example", false),
            ("a.example:443", "a.example", true),
            ("a.example:x", "a.example", false),
            // Addresses.
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.30", false),
            ("10.1.2.3", "[::ffff:10.1.2.3]", true),
            ("10.1.2.3:5000", "10.1.2.3:5000", true),
            ("10.1.2.3:5000", "10.1.2.3", false),
            ("2.3", "10.1.2.3", false),
            ("fd00::1", "[fd00::1]", true),
            ("[fd00::1]", "[fd00::1]:5000", true),
            ("[fd00::1]:5000", "[fd00::1]:5000", true),
            ("[fd00::1]:5000", "[fd00::1]", false),
            // Networks.
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "10.example", false),
            ("10.1.2.3/8", "10.0.0.1", true),
            ("192.168.4.0/22", "192.168.7.255", true),
            ("192.168.4.0/22", "192.168.8.0", false),
            ("10.0.0.0/8", "[::ffff:10.0.0.1]", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "h", false),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("fd00::/8", "[fdff::1]", true),
            ("fd00::/8", "[fe00::1]", false),
            ("::/0", "10.0.0.1", false),
            ("10.0.0.0/33", "10.0.0.0", false),
            ("fd00::/129", "[fd00::]", false),
            ("10.0.0.0/", "10.0.0.0", false),
            ("/8", "10.0.0.0", false),
        ] {
            let given = proxies(entries);
            let found = through(&given, &format!("https://{host}/"));
            assert_eq!(found.is_none(), direct, "{entries:?} {host}");
        }
    }

    #[test]
    fn no_message_shows_the_password_of_a_proxy() {
        let given = Proxies { all: Some("http://me:marked@proxy".to_owned()), ..proxies("h") };
        assert_eq!(format!("{given:?}"), "Proxies { no_proxy: \"h\", .. }");
    }
}
