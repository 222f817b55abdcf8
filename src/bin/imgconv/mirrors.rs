//! Reads the mirrors of `--mirrors-from`: podman's `registries.conf` (version 2 of the format,
//! containers-registries.conf(5)) and containerd's `hosts.toml` (containerd `docs/hosts.md`).
//!
//! What would turn off a check of certificates is not followed, and neither is what the options say
//! better (certificates, headers); a note says so.

use std::fmt::Display;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use imgconv::error::Shown;
use imgconv::limits;
use imgconv::reference::Reference;
use imgconv::registry::{Mirror, MirrorRule, MirrorUse, NamePrefix};
use toml::de::{DeTable, DeValue};

use crate::failure::Failure;

/// Where something is in the text.
type TextSpan = Range<usize>;

/// What the files say.
#[derive(Debug, Default)]
pub(crate) struct MirrorFiles {
    pub(crate) rules: Vec<MirrorRule>,
    /// What is not followed.
    pub(crate) notes: Vec<String>,
}

impl MirrorFiles {
    /// Adds what a file says; `plain` are the hosts of `--plain-http`.
    pub(crate) fn read(&mut self, path: &Path, plain: &[String]) -> Result<(), Failure> {
        let text = text_of(path)?;
        let file = MirrorFile { path, text: &text, plain };
        let parsed = DeTable::parse(&text).map_err(|error| {
            let what = error.message().replace('\n', ", ");
            file.wrong(error.span().unwrap_or_default(), what)
        })?;
        let table = parsed.get_ref();
        let has = |key: &str| table.contains_key(key);
        if let Some(old) = table.get("registries") {
            let text = "[registries] is version 1 of the format, expected [[registry]]";
            return Err(file.wrong(old.span(), text));
        }
        if has("host") || has("server") || path.file_name().is_some_and(|it| it == "hosts.toml") {
            return self.hosts(&file, table);
        }
        let before = self.rules.len();
        for registry in file.tables(table, "registry")? {
            self.registry(&file, registry)?;
        }
        if self.rules.len() == before {
            self.notes.push(format!("{}: no [[registry]] in this file", file.shown()));
        }
        Ok(())
    }

    /// One `[[registry]]` of podman.
    fn registry(
        &mut self,
        file: &MirrorFile<'_>,
        (place, table): (TextSpan, &DeTable<'_>),
    ) -> Result<(), Failure> {
        let location = file.location(table, "location")?;
        let prefix = match file.string(table, "prefix")? {
            Some((_, prefix)) if !prefix.is_empty() => prefix.to_owned(),
            _ => location.clone().ok_or_else(|| {
                file.wrong(place.clone(), "[[registry]] without prefix and location")
            })?,
        };
        let after_host = prefix.split_once('/').map_or("", |it| it.1);
        if after_host.contains([':', '@']) {
            let text = format!("the prefix {prefix} of single tags is not followed");
            self.notes.push(file.line(&place, text));
            return Ok(());
        }
        if let Some(location) = &location {
            self.judge(file, (table, "insecure"), location)?;
        }
        let only_digests = file.flag(table, "mirror-by-digest-only")?;
        let mut mirrors = Vec::new();
        for (place, mirror) in file.tables(table, "mirror")? {
            let missing = || file.wrong(place.clone(), "[[registry.mirror]] without location");
            let to = file.location(mirror, "location")?.ok_or_else(missing)?;
            self.judge(file, (mirror, "insecure"), &to)?;
            let serves = match file.string(mirror, "pull-from-mirror")? {
                None | Some((_, "")) if only_digests => MirrorUse::NamedByDigest,
                None | Some((_, "" | "all")) => MirrorUse::Everything,
                Some((_, "digest-only")) => MirrorUse::NamedByDigest,
                Some((_, "tag-only")) => MirrorUse::NamedByTag,
                Some((place, other)) => {
                    let text = "pull-from-mirror: expected all, digest-only or tag-only, found";
                    return Err(file.wrong(place, format!("{text} {}", Shown(other))));
                }
            };
            mirrors.push(Mirror { to, serves });
        }
        self.rules.push(MirrorRule {
            blocked: file.flag(table, "blocked")?,
            location: location.filter(|it| *it != prefix),
            prefix: NamePrefix::new(&prefix),
            mirrors,
        });
        Ok(())
    }

    /// Notes a place that is to be asked without a check of its certificate, and is not.
    fn judge(
        &mut self,
        file: &MirrorFile<'_>,
        (table, key): (&DeTable<'_>, &str),
        location: &str,
    ) -> Result<(), Failure> {
        let host = location.split('/').next().unwrap_or_default();
        if file.flag(table, key)? && !file.is_plain(host) {
            let place = table.get(key).map(toml::Spanned::span).unwrap_or_default();
            let text = format!(
                "{key} is not followed: {} is asked over HTTPS, and its certificate checked; \
                 --plain-http {0} or --ca-file are for that",
                Shown(host)
            );
            self.notes.push(file.line(&place, text));
        }
        Ok(())
    }

    /// A `hosts.toml` of containerd: one registry.
    fn hosts(&mut self, file: &MirrorFile<'_>, table: &DeTable<'_>) -> Result<(), Failure> {
        let server = match file.string(table, "server")? {
            Some((place, url)) => Some(self.host(file, (place, url), table)?),
            None => None,
        };
        // As in /etc/containerd/certs.d/docker.io/hosts.toml.
        let folder = file.path.parent().filter(|it| {
            it.parent().and_then(Path::file_name).is_some_and(|above| above == "certs.d")
        });
        let folder = folder.and_then(|it| it.file_name()?.to_str()).filter(|it| *it != "_default");
        let prefix = folder.map(str::to_owned).or_else(|| server.clone().flatten());
        let Some(prefix) = prefix else {
            let text = "expected server, or a file certs.d/HOST/hosts.toml, to know the registry";
            return Err(file.wrong(0..0, text));
        };
        let mut hosts: Vec<(TextSpan, &str, &DeTable<'_>)> = Vec::new();
        if let Some(all) = table.get("host") {
            let all = file.table(all.span(), all.get_ref(), "host")?;
            for (url, host) in all {
                let table = file.table(host.span(), host.get_ref(), "host")?;
                hosts.push((url.span(), url.get_ref(), table));
            }
        }
        // containerd asks them in the order of the file.
        hosts.sort_by_key(|(place, ..)| place.start);
        let mut mirrors = Vec::new();
        for (place, url, host) in hosts {
            let serves = file.capabilities(host)?;
            let to = self.host(file, (place, url), host)?;
            if let (Some(to), Some(serves)) = (to, serves) {
                mirrors.push(Mirror { to, serves });
            }
        }
        let location = server.flatten().filter(|it| *it != prefix);
        let prefix = NamePrefix::new(&prefix);
        self.rules.push(MirrorRule { prefix, blocked: false, location, mirrors });
        Ok(())
    }

    /// The host of a URL of containerd, with the part of its path that takes the place of a prefix;
    /// `None` if imgconv cannot ask it.
    fn host(
        &mut self,
        file: &MirrorFile<'_>,
        (place, url): (TextSpan, &str),
        table: &DeTable<'_>,
    ) -> Result<Option<String>, Failure> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let rest = rest.trim_end_matches('/');
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !matches!(scheme, "http" | "https") || !is_location(host) || rest.contains('@') {
            let text = format!("expected https://HOST, found {}", Shown(without_user(url)));
            return Err(file.wrong(place, text));
        }
        if scheme == "http" && !file.is_plain(host) {
            let text = format!(
                "http is not followed: {host} is asked over HTTPS; --plain-http {host} is for that"
            );
            self.notes.push(file.line(&place, text));
        }
        self.judge(file, (table, "skip_verify"), host)?;
        for key in ["ca", "client", "header"] {
            if table.contains_key(key) {
                let text = format!("{key} is not followed; --ca-file and --certs-dir are for that");
                self.notes.push(file.line(&place, text));
            }
        }
        let host = if host == "registry-1.docker.io" { "docker.io" } else { host };
        // containerd puts /v2 behind the path, unless it is told that the path has it.
        let inside = match (path, file.flag(table, "override_path")?) {
            ("", _) | ("/v2", true) => Some(""),
            (path, true) => path.strip_prefix("/v2").filter(|it| it.starts_with('/')),
            (path, false) => path.is_empty().then_some(""),
        };
        let there = inside.map(|inside| format!("{host}{inside}")).filter(|it| is_location(it));
        if there.is_none() {
            let text = "a path is not followed unless it begins with /v2 and override_path is set";
            self.notes.push(file.line(&place, text));
        }
        Ok(there)
    }
}

/// A file that is read, for messages with the number of a line.
struct MirrorFile<'a> {
    path: &'a Path,
    text: &'a str,
    plain: &'a [String],
}

impl MirrorFile<'_> {
    fn shown(&self) -> String {
        format!("--mirrors-from {}", Shown(&self.path.to_string_lossy()))
    }

    fn line(&self, place: &TextSpan, text: impl Display) -> String {
        let before = self.text.get(..place.start).unwrap_or_default();
        let line = before.bytes().filter(|it| *it == b'\n').count() + 1;
        format!("{}, line {line}: {text}", self.shown())
    }

    fn wrong(&self, place: TextSpan, text: impl Display) -> Failure {
        let hint = "it is read as containers-registries.conf(5) or as hosts.toml of containerd";
        Failure::usage(self.line(&place, text), hint.to_owned())
    }

    fn other_type(
        &self,
        (place, value): (TextSpan, &DeValue<'_>),
        key: &str,
        expected: &str,
    ) -> Failure {
        let found = value.type_str();
        self.wrong(place, format!("{key}: expected {expected}, found {found}"))
    }

    /// Whether HTTP without TLS is what the user wants for a host.
    fn is_plain(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').map_or(host, |it| it.0);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let address: Option<std::net::IpAddr> = address.parse().ok();
        let own = name == "localhost" || address.is_some_and(|it| it.is_loopback());
        own || self.plain.iter().any(|it| it == host)
    }

    fn string<'t>(
        &self,
        table: &'t DeTable<'_>,
        key: &str,
    ) -> Result<Option<(TextSpan, &'t str)>, Failure> {
        let Some(value) = table.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::String(text) => Ok(Some((value.span(), text))),
            other => Err(self.other_type((value.span(), other), key, "a string")),
        }
    }

    fn flag(&self, table: &DeTable<'_>, key: &str) -> Result<bool, Failure> {
        let Some(value) = table.get(key) else { return Ok(false) };
        match value.get_ref() {
            DeValue::Boolean(is) => Ok(*is),
            other => Err(self.other_type((value.span(), other), key, "true or false")),
        }
    }

    fn table<'t, 'i>(
        &self,
        place: TextSpan,
        value: &'t DeValue<'i>,
        key: &str,
    ) -> Result<&'t DeTable<'i>, Failure> {
        match value {
            DeValue::Table(table) => Ok(table),
            other => Err(self.other_type((place, other), key, "a table")),
        }
    }

    /// The tables of an array, `[[key]]`.
    fn tables<'t, 'i>(
        &self,
        table: &'t DeTable<'i>,
        key: &str,
    ) -> Result<Vec<(TextSpan, &'t DeTable<'i>)>, Failure> {
        let Some(value) = table.get(key) else { return Ok(Vec::new()) };
        let DeValue::Array(all) = value.get_ref() else {
            return Err(self.other_type((value.span(), value.get_ref()), key, "tables [[…]]"));
        };
        let each = all.iter().map(|it| Ok((it.span(), self.table(it.span(), it.get_ref(), key)?)));
        each.collect()
    }

    /// A host, or a part of a registry.
    fn location(&self, table: &DeTable<'_>, key: &str) -> Result<Option<String>, Failure> {
        let Some((place, text)) = self.string(table, key)? else { return Ok(None) };
        let location = text.trim_end_matches('/');
        if location.is_empty() {
            return Ok(None);
        }
        if !is_location(location) {
            let text = format!(
                "{key}: expected HOST[:PORT][/PATH] without https://, found {}",
                Shown(without_user(text))
            );
            return Err(self.wrong(place, text));
        }
        Ok(Some(location.to_owned()))
    }

    /// What a host of containerd is asked for; `None` for nothing that imgconv asks.
    fn capabilities(&self, table: &DeTable<'_>) -> Result<Option<MirrorUse>, Failure> {
        let key = "capabilities";
        let Some(value) = table.get(key) else { return Ok(Some(MirrorUse::Everything)) };
        let DeValue::Array(all) = value.get_ref() else {
            return Err(self.other_type((value.span(), value.get_ref()), key, "a list"));
        };
        let (mut pulls, mut resolves) = (false, false);
        for it in all {
            match it.get_ref() {
                DeValue::String(word) if word == "pull" => pulls = true,
                DeValue::String(word) if word == "resolve" => resolves = true,
                DeValue::String(word) if word == "push" || word == "referrers" => (),
                other => {
                    let expected = "pull, resolve, push or referrers";
                    return Err(match other.as_str() {
                        Some(word) => {
                            let text = format!("{key}: expected {expected}, found {}", Shown(word));
                            self.wrong(it.span(), text)
                        }
                        None => self.other_type((it.span(), other), key, expected),
                    });
                }
            }
        }
        Ok(match (pulls, resolves) {
            (true, true) => Some(MirrorUse::Everything),
            (true, false) => Some(MirrorUse::Digests),
            (false, true) => Some(MirrorUse::Tags),
            (false, false) => None,
        })
    }
}

/// Whether images can have this before their names.
fn is_location(text: &str) -> bool {
    let host = text.split('/').next().unwrap_or_default();
    let name: Result<Reference, _> = format!("{text}/x").parse();
    name.is_ok_and(|it| it.host() == host)
}

/// A URL without the password that may be in it.
fn without_user(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |it| it.1)
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let shown = path.to_string_lossy();
    let wrong = |why: &dyn Display| {
        Failure::usage(format!("--mirrors-from {}: {why}", Shown(&shown)), None)
    };
    let is_file =
        path.metadata().map_err(|error| wrong(&format!("cannot open: {error}")))?.is_file();
    if !is_file {
        return Err(wrong(&"not a regular file"));
    }
    let file = std::fs::File::open(path);
    let file = file.map_err(|error| wrong(&format!("cannot open: {error}")))?;
    let mut raw = Vec::new();
    let read = file.take(limits::MIRRORS + 1).read_to_end(&mut raw);
    read.map_err(|error| wrong(&format!("cannot read: {error}")))?;
    if raw.len() as u64 > limits::MIRRORS {
        return Err(wrong(&format!("expected at most {} bytes", limits::MIRRORS)));
    }
    String::from_utf8(raw).map_err(|_| wrong(&"expected UTF-8"))
}
