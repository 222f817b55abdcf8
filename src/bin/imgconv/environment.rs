//! What the environment says about registries: files with credentials and certificates, proxies.

use std::ffi::OsString;
use std::path::PathBuf;

use imgconv::registry::Proxies;

/// Looks up a variable.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The variables of this process; an empty one is the same as none.
pub(crate) struct Environment<'a>(Lookup<'a>);

impl<'a> Environment<'a> {
    pub(crate) fn new(lookup: Lookup<'a>) -> Self {
        Self(lookup)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        (self.0)(name).filter(|it| !it.is_empty()).map(PathBuf::from)
    }

    /// The configuration folder of the user.
    fn config(&self) -> Option<PathBuf> {
        self.path("XDG_CONFIG_HOME").or_else(|| Some(self.path("HOME")?.join(".config")))
    }

    /// Files with credentials, in the order in which they are searched, whether they exist or not.
    /// Without `XDG_RUNTIME_DIR`, podman keeps its file in a folder of the user `user` in `/run`.
    pub(crate) fn auth_files(&self, user: u32) -> Vec<PathBuf> {
        let runtime = self.path("XDG_RUNTIME_DIR").map_or_else(
            || PathBuf::from(format!("/run/containers/{user}")),
            |it| it.join("containers"),
        );
        let docker = || Some(self.path("HOME")?.join(".docker"));
        let files = [
            self.path("REGISTRY_AUTH_FILE"),
            Some(runtime.join("auth.json")),
            self.config().map(|it| it.join("containers/auth.json")),
            self.path("DOCKER_CONFIG").or_else(docker).map(|it| it.join("config.json")),
        ];
        files.into_iter().flatten().collect()
    }

    /// Folders with a folder of certificates for each host.
    pub(crate) fn certs_dirs(&self) -> Vec<PathBuf> {
        let own = self.config().map(|it| it.join("containers/certs.d"));
        let system = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
        own.into_iter().chain(system).collect()
    }

    /// The proxies; lower case wins, as for curl and Go. A web server puts the header `Proxy` of a
    /// request into `HTTP_PROXY`, so that one does not count where `REQUEST_METHOD` is set.
    pub(crate) fn proxies(&self) -> Proxies {
        let text = |name: &str| (self.0)(name)?.into_string().ok().filter(|it| !it.is_empty());
        let either = |name: &str| text(&name.to_lowercase()).or_else(|| text(name));
        let is_cgi = text("REQUEST_METHOD").is_some();
        Proxies {
            http: if is_cgi { text("http_proxy") } else { either("HTTP_PROXY") },
            https: either("HTTPS_PROXY"),
            all: either("ALL_PROXY"),
            no_proxy: either("NO_PROXY").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variables of a test.
    fn with<T>(set: &[(&str, &str)], ask: impl FnOnce(&Environment<'_>) -> T) -> T {
        let lookup = |name: &str| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        ask(&Environment::new(&lookup))
    }

    #[test]
    fn files_are_searched_in_the_order_of_podman_and_then_docker() {
        for (set, expected) in [
            (vec![], vec!["/run/containers/7/auth.json"]),
            (
                vec![("HOME", "/h")],
                vec![
                    "/run/containers/7/auth.json",
                    "/h/.config/containers/auth.json",
                    "/h/.docker/config.json",
                ],
            ),
            (
                vec![
                    ("HOME", "/h"),
                    ("REGISTRY_AUTH_FILE", "/r/mine"),
                    ("XDG_RUNTIME_DIR", "/x"),
                    ("XDG_CONFIG_HOME", "/c"),
                    ("DOCKER_CONFIG", "/d"),
                ],
                vec![
                    "/r/mine",
                    "/x/containers/auth.json",
                    "/c/containers/auth.json",
                    "/d/config.json",
                ],
            ),
            (
                vec![("REGISTRY_AUTH_FILE", ""), ("XDG_RUNTIME_DIR", ""), ("DOCKER_CONFIG", "")],
                vec!["/run/containers/7/auth.json"],
            ),
        ] {
            let expected: Vec<PathBuf> = expected.into_iter().map(PathBuf::from).collect();
            assert_eq!(with(&set, |it| it.auth_files(7)), expected, "{set:?}");
        }
    }

    #[test]
    fn proxies_are_read_in_both_cases_and_not_from_a_request() {
        let ask = |set: &[(&str, &str)]| {
            let found = with(set, |it| it.proxies());
            (found.http, found.https, found.all, found.no_proxy)
        };
        let some = |text: &str| Some(text.to_owned());
        let upper =
            [("HTTP_PROXY", "a"), ("HTTPS_PROXY", "b"), ("ALL_PROXY", "c"), ("NO_PROXY", "d")];
        let lower =
            [("http_proxy", "e"), ("https_proxy", "f"), ("all_proxy", "g"), ("no_proxy", "h")];
        assert_eq!(ask(&upper), (some("a"), some("b"), some("c"), "d".to_owned()));
        assert_eq!(
            ask(&[upper, lower].concat()),
            (some("e"), some("f"), some("g"), "h".to_owned())
        );
        let cgi = [("REQUEST_METHOD", "GET")];
        let found = ask(&[&upper[..], &cgi].concat());
        assert_eq!(found, (None, some("b"), some("c"), "d".to_owned()));
        assert_eq!(ask(&[&lower[..], &cgi].concat()).0, some("e"));
        assert_eq!(ask(&[("http_proxy", ""), ("HTTP_PROXY", "a")]).0, some("a"));
        assert_eq!(ask(&[]), (None, None, None, String::new()));
    }

    #[test]
    fn certificates_of_the_user_come_before_those_of_the_system() {
        let dirs = with(&[("HOME", "/h")], |it| it.certs_dirs());
        let expected =
            ["/h/.config/containers/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"];
        assert_eq!(dirs, expected.map(PathBuf::from));
        assert_eq!(with(&[], |it| it.certs_dirs()).len(), 2);
    }
}
