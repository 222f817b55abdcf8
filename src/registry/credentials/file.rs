//! A credentials file: podman's `auth.json` and docker's `config.json` have the same form.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::borrow::Cow;

use super::{Login, entry};
use crate::error::{ErrorKind, Shown};
use crate::json::{JsonKind, Trailing, Value, check};

/// The names of Docker Hub, by which users and programs log in.
const HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The key that docker writes for Docker Hub, and asks helpers for.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A helper that an answer is wanted from: its name, and the server to ask for.
type HelperQuestion<'f> = (&'f str, &'f str);

/// The parts of a file that imgconv reads. Of equal keys the last counts, as in Go.
pub(in crate::registry) struct CredentialsFile<'a> {
    /// By key: logins that are still to be decoded, because a broken one may be another host's.
    logins: Vec<(Cow<'a, str>, Value<'a>)>,
    /// The name of a helper, by host.
    helpers: Vec<(Cow<'a, str>, String)>,
    /// The name of the helper for all hosts.
    store: String,
}

impl<'a> CredentialsFile<'a> {
    pub(in crate::registry) fn parse(raw: &'a [u8]) -> Result<Self, ErrorKind> {
        Self::read(raw).map_err(|why| ErrorKind::CredentialsFile { why })
    }

    fn read(raw: &'a [u8]) -> Result<Self, String> {
        if raw.trim_ascii().is_empty() {
            return Ok(Self { logins: Vec::new(), helpers: Vec::new(), store: String::new() });
        }
        let value = check(raw, Trailing::Refused).map_err(|it| ErrorKind::from(it).text())?.value;
        let Ok([logins, helpers, store]) = value.fields("", ["auths", "credHelpers", "credsStore"])
        else {
            return Err(format!("expected an object, found {}", entry::kind_name(value)));
        };
        let helpers = members(helpers, "credHelpers")?.into_iter().map(|(host, name)| {
            let name = entry::text(Some(name).filter(|it| !it.is_null()), "credHelpers")?;
            Ok((host, name))
        });
        Ok(Self {
            logins: members(logins, "auths")?,
            helpers: helpers.collect::<Result<_, String>>()?,
            store: entry::text(store, "credsStore")?,
        })
    }

    /// Whether somebody who reads it learns a password.
    pub(super) fn has_secrets(&self) -> bool {
        self.logins.iter().any(|(_, entry)| entry::of_file(*entry).map_or(true, |it| it.is_some()))
    }

    /// The helper of one host and its key there. An empty name means no helper, not even the one
    /// for all hosts.
    pub(super) fn helper<'f>(
        &'f self,
        host: &str,
    ) -> Result<Option<HelperQuestion<'f>>, ErrorKind> {
        match self.helper_entry(host) {
            Some((key, name)) if !name.is_empty() => checked(name).map(|name| Some((name, key))),
            _ => Ok(None),
        }
    }

    /// The helper of all hosts, unless the file says something else about this one.
    pub(super) fn store<'f>(
        &'f self,
        host: &'f str,
    ) -> Result<Option<HelperQuestion<'f>>, ErrorKind> {
        if self.store.is_empty() || self.helper_entry(host).is_some() {
            return Ok(None);
        }
        let server = if is_hub(host) { HUB_KEY } else { host };
        checked(&self.store).map(|name| Some((name, server)))
    }

    fn helper_entry(&self, host: &str) -> Option<(&str, &str)> {
        let all = || self.helpers.iter().rev();
        spellings(host).into_iter().find_map(|host| {
            let found = all().find(|(key, _)| same(key, host));
            let found = found.or_else(|| all().find(|(key, _)| is_url_of(key, host)));
            found.map(|(key, name)| (&**key, name.as_str()))
        })
    }

    /// The login with the longest key, from `host/path` down to `host`, then of the URL of the host.
    /// An entry without a login does not count.
    pub(in crate::registry) fn login(
        &self,
        host: &str,
        path: &str,
    ) -> Result<Option<Login>, ErrorKind> {
        let hosts = spellings(host);
        let whole = Some(path.trim_matches('/'));
        let paths = std::iter::successors(whole, |path| path.rsplit_once('/').map(|it| it.0));
        for path in paths.filter(|it| !it.is_empty()) {
            for host in &hosts {
                let key = format!("{host}/{path}");
                if let Some(login) = self.first(|it| same(it, &key))? {
                    return Ok(Some(login));
                }
            }
        }
        for fits in [same, is_url_of] {
            for host in &hosts {
                if let Some(login) = self.first(|key| fits(key, host))? {
                    return Ok(Some(login));
                }
            }
        }
        Ok(None)
    }

    /// The login of the last key that fits and has one.
    fn first(&self, fits: impl Fn(&str) -> bool) -> Result<Option<Login>, ErrorKind> {
        for (key, value) in self.logins.iter().rev().filter(|(key, _)| fits(key)) {
            let login = entry::of_file(*value).map_err(|why| {
                let why = format!("auths, {}: {why}", Shown(key));
                ErrorKind::CredentialsFile { why }
            })?;
            if login.is_some() {
                return Ok(login);
            }
        }
        Ok(None)
    }
}

fn members<'a>(
    value: Option<Value<'a>>,
    field: &str,
) -> Result<Vec<(Cow<'a, str>, Value<'a>)>, String> {
    let Some(value) = value else { return Ok(Vec::new()) };
    match value.kind() {
        JsonKind::Object => Ok(value.members(field).map_err(|it| it.text())?.collect()),
        _ => Err(format!("{field}: expected an object, found {}", entry::kind_name(value))),
    }
}

/// A name that can be part of the name of a program.
fn checked(name: &str) -> Result<&str, ErrorKind> {
    let is_fine = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    if name.bytes().all(is_fine) {
        return Ok(name);
    }
    let expected = "expected the name of a helper from letters, digits, dots, _ and -";
    Err(ErrorKind::CredentialsFile { why: format!("{expected}, found {}", Shown(name)) })
}

fn is_hub(host: &str) -> bool {
    HUB.iter().any(|it| it.eq_ignore_ascii_case(host))
}

/// The names of a host, its own first.
fn spellings(host: &str) -> Vec<&str> {
    let others = HUB.into_iter().filter(|it| is_hub(host) && !it.eq_ignore_ascii_case(host));
    std::iter::once(host).chain(others).collect()
}

/// Whether a key is this host and path. A host is compared without case.
fn same(key: &str, wanted: &str) -> bool {
    let end = wanted.find('/').unwrap_or(wanted.len());
    let (host, path) = wanted.split_at_checked(end).unwrap_or((wanted, ""));
    let found = key.trim_end_matches('/').split_at_checked(end);
    found.is_some_and(|(found, rest)| found.eq_ignore_ascii_case(host) && rest == path)
}

/// Whether a key is a URL of this host, as docker writes it for Docker Hub and once did for all.
/// Below it are also the tokens of a login by browser, which are not passwords.
fn is_url_of(key: &str, host: &str) -> bool {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let (found, path) = rest.map_or(("", ""), |it| it.split_once('/').unwrap_or((it, "")));
    found.eq_ignore_ascii_case(host) && !path.ends_with("-token")
}
