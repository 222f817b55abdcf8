//! What the environment says: about registries, files with credentials and certificates, proxies; about
//! the array of jobs that this process is one of.

use std::ffi::OsString;
use std::path::PathBuf;

use imgconv::error::Shown;
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

/// The variables in which one engine tells a process its place in an array of jobs.
struct JobArray {
    engine: &'static str,
    index: &'static str,
    /// Where counting starts: a number, or the variables of the least index and of the step.
    from: CountedFrom,
    /// The number of jobs; some engines do not tell it.
    count: Option<&'static str>,
}

enum CountedFrom {
    Number(usize),
    Variables { least: &'static str, step: &'static str },
}

/// Every engine, in the order in which they are asked: one that runs inside another comes first.
const JOB_ARRAYS: [JobArray; 5] = [
    JobArray {
        engine: "Slurm",
        index: "SLURM_ARRAY_TASK_ID",
        from: CountedFrom::Variables {
            least: "SLURM_ARRAY_TASK_MIN",
            step: "SLURM_ARRAY_TASK_STEP",
        },
        count: Some("SLURM_ARRAY_TASK_COUNT"),
    },
    JobArray {
        engine: "Kubernetes",
        index: "JOB_COMPLETION_INDEX",
        from: CountedFrom::Number(0),
        count: None,
    },
    JobArray {
        engine: "AWS Batch",
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        from: CountedFrom::Number(0),
        count: Some("AWS_BATCH_JOB_ARRAY_SIZE"),
    },
    JobArray {
        engine: "CI",
        index: "CI_NODE_INDEX",
        from: CountedFrom::Number(1),
        count: Some("CI_NODE_TOTAL"),
    },
    JobArray {
        engine: "Nomad",
        index: "NOMAD_ALLOC_INDEX",
        from: CountedFrom::Number(0),
        count: None,
    },
];

/// The place of this process in an array of jobs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ArrayPlace {
    pub(crate) engine: &'static str,
    pub(crate) variable: &'static str,
    /// The value of the variable.
    pub(crate) value: usize,
    /// The place, from 0.
    pub(crate) index: usize,
    /// The number of jobs, if the engine tells it.
    pub(crate) count: Option<usize>,
}

impl Environment<'_> {
    /// The place of this process in an array of jobs, if it is in one. `count` replaces what the
    /// engine says; then the index counts in the whole array, of which this may be a part.
    ///
    /// # Errors
    /// A variable that is not such a number.
    pub(crate) fn array_place(&self, count: Option<usize>) -> Result<Option<ArrayPlace>, String> {
        for array in &JOB_ARRAYS {
            let Some(value) = self.number(array.index)? else { continue };
            let (least, step) = match array.from {
                CountedFrom::Number(number) => (number, 1),
                CountedFrom::Variables { .. } if count.is_some() => (0, 1),
                CountedFrom::Variables { least, step } => {
                    (self.number(least)?.unwrap_or(0), self.number(step)?.unwrap_or(1).max(1))
                }
            };
            let own = array.count.map(|it| self.number(it)).transpose()?.flatten();
            let index = value
                .checked_sub(least)
                .map(|it| it / step)
                .ok_or_else(|| format!("{}={value}: expected {least} or more", array.index))?;
            return Ok(Some(ArrayPlace {
                engine: array.engine,
                variable: array.index,
                value,
                index,
                count: count.or(own),
            }));
        }
        Ok(None)
    }

    /// A variable with a number.
    fn number(&self, name: &str) -> Result<Option<usize>, String> {
        let Some(value) = (self.0)(name).filter(|it| !it.is_empty()) else { return Ok(None) };
        let value = value.to_string_lossy();
        let wrong = |_| format!("{name}={}: expected a number", Shown(&value));
        value.parse().map(Some).map_err(wrong)
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

    #[test]
    fn each_engine_tells_the_place_in_its_array() {
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "14"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "5"),
        ];
        let aws = [("AWS_BATCH_JOB_ARRAY_INDEX", "3"), ("AWS_BATCH_JOB_ARRAY_SIZE", "7")];
        let ci = [("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "4")];
        for (set, count, expected) in [
            (&slurm[..], None, Some(("Slurm", 2, Some(5)))),
            (&slurm, Some(20), Some(("Slurm", 14, Some(20)))),
            (&[("JOB_COMPLETION_INDEX", "0")], Some(20), Some(("Kubernetes", 0, Some(20)))),
            (&[("JOB_COMPLETION_INDEX", "0")], None, Some(("Kubernetes", 0, None))),
            (&aws, None, Some(("AWS Batch", 3, Some(7)))),
            (&ci, None, Some(("CI", 0, Some(4)))),
            (&[("NOMAD_ALLOC_INDEX", "2")], Some(3), Some(("Nomad", 2, Some(3)))),
            (&[("NOMAD_ALLOC_INDEX", "")], Some(3), None),
            (&[ci.as_slice(), &slurm].concat(), None, Some(("Slurm", 2, Some(5)))),
        ] {
            let found = with(set, |it| it.array_place(count)).unwrap();
            let found = found.map(|it| (it.engine, it.index, it.count));
            assert_eq!(found, expected, "{set:?} {count:?}");
        }
        for set in [[("JOB_COMPLETION_INDEX", "one")], [("CI_NODE_INDEX", "0")]] {
            assert!(with(&set, |it| it.array_place(None)).is_err(), "{set:?}");
        }
    }
}
