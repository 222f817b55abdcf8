//! Resolves names of servers, and refuses what a registry must not make imgconv ask: a name that it
//! sends us to may stand for an address of the user's own network, as an address itself would.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::origin::{AddressClass, WebOrigin};
use super::session::locked;
use crate::error::ErrorKind;

/// Where the addresses of a registry are; those of its own name, as they were resolved.
pub(super) type HomeClasses = Arc<Mutex<BTreeSet<AddressClass>>>;

/// The resolver for one server.
#[derive(Debug)]
pub(super) struct GuardedResolver {
    inner: DefaultResolver,
    origin: WebOrigin,
    /// Whether it is the registry that the user named.
    is_home: bool,
    home: HomeClasses,
}

impl GuardedResolver {
    /// The resolver for a server that a registry leads to, which may be itself.
    pub(super) fn new(origin: &WebOrigin, home: &WebOrigin, classes: HomeClasses) -> Self {
        let (origin, is_home) = (origin.clone(), origin == home);
        Self { inner: DefaultResolver::default(), origin, is_home, home: classes }
    }

    /// Learns from the addresses of the registry, or judges those of another server.
    fn judge(&self, found: impl Iterator<Item = IpAddr>) -> Result<(), ErrorKind> {
        let mut home = locked(&self.home);
        for address in found {
            let class = AddressClass::of(address);
            if self.is_home {
                home.insert(class);
            } else if class.is_inside() && !home.contains(&class) {
                let what = "the registry leads to a name of this network";
                let url = format!("{} ({address})", self.origin);
                return Err(ErrorKind::UnsafeUrl { what, url });
            }
        }
        Ok(())
    }
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout);
        let found = found.or_else(|error| this_machine(uri, self.empty()).ok_or(error));
        let found = found.map_err(unknown_host)?;
        // Another host is that of a proxy, which the user chose.
        if uri.host().is_some_and(|it| it.eq_ignore_ascii_case(&self.origin.host)) {
            let judged = self.judge(found.iter().map(|it| it.ip()));
            judged.map_err(|kind| ureq::Error::Io(kind.into()))?;
        }
        Ok(found)
    }
}

/// The addresses of `localhost` by definition (RFC 6761, 6.3), in a root that has no `/etc/hosts` to
/// say so.
fn this_machine(uri: &Uri, mut none: ResolvedSocketAddrs) -> Option<ResolvedSocketAddrs> {
    if !uri.host()?.eq_ignore_ascii_case("localhost") {
        return None;
    }
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        none.push(SocketAddr::new(address, uri.port_u16().unwrap_or(usual)));
    }
    Some(none)
}

/// Of an error in looking up a name, whether nobody knows it. One that may pass stays what it is; the
/// number of the C library does not come this far, so that its words decide.
fn unknown_host(error: ureq::Error) -> ureq::Error {
    let passes = |it: &std::io::Error| {
        let text = it.to_string();
        ["Temporary failure", "Try again"].iter().any(|word| text.contains(word))
    };
    match &error {
        ureq::Error::Io(lookup) if !passes(lookup) => ureq::Error::HostNotFound,
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::origin::Scheme;

    fn judged(home: &str, other: &str) -> Result<(), ErrorKind> {
        let origin = |name| WebOrigin::new(Scheme::Https, name).unwrap();
        let classes = HomeClasses::default();
        let address = |text: &str| std::iter::once(text.parse::<IpAddr>().unwrap());
        let [own, elsewhere] = ["registry.test", "other.test"].map(origin);
        let registry = GuardedResolver::new(&own, &own, Arc::clone(&classes));
        registry.judge(address(home)).unwrap();
        GuardedResolver::new(&elsewhere, &own, classes).judge(address(other))
    }

    #[test]
    fn only_localhost_is_this_machine_where_no_file_says_so() {
        let origin = WebOrigin::new(Scheme::Http, "localhost").unwrap();
        let resolver = GuardedResolver::new(&origin, &origin, HomeClasses::default());
        let asked = |text: &str| {
            let found = this_machine(&text.parse().unwrap(), resolver.empty());
            found.map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(asked("http://localhost:5000/").unwrap(), ["127.0.0.1:5000", "[::1]:5000"]);
        assert_eq!(asked("http://LOCALHOST/").unwrap(), ["127.0.0.1:80", "[::1]:80"]);
        assert_eq!(asked("https://localhost/").unwrap(), ["127.0.0.1:443", "[::1]:443"]);
        for other in ["http://a.localhost/", "http://localhost.test/", "http://registry.test/"] {
            assert_eq!(asked(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_that_nobody_knows_is_not_asked_for_again() {
        for (text, lasts) in [
            ("failed to lookup address information: Name or service not known", true),
            ("failed to lookup address information: Name does not resolve", true),
            ("failed to lookup address information: Temporary failure in name resolution", false),
            ("failed to lookup address information: Try again", false),
        ] {
            let error = unknown_host(ureq::Error::Io(std::io::Error::other(text)));
            assert_eq!(matches!(error, ureq::Error::HostNotFound), lasts, "{text}");
        }
    }

    #[test]
    fn a_name_that_stands_for_an_address_inside_is_refused_unless_the_registry_is_there() {
        for inside in ["10.0.0.1", "192.168.7.7", "127.0.0.1", "169.254.169.254", "fd00::1"] {
            let error = judged("203.0.113.7", inside).unwrap_err();
            let text = error.text();
            assert!(text.contains("other.test") && text.contains(inside), "{text}");
            judged(inside, inside).unwrap();
            judged(inside, "198.51.100.1").unwrap();
        }
        judged("10.1.2.3", "192.168.1.1").unwrap();
        judged("10.1.2.3", "169.254.169.254").unwrap_err();
        judged("10.1.2.3", "::ffff:169.254.169.254").unwrap_err();
    }
}
