//! Places that are asked before a registry or instead of it (containers-registries.conf(5),
//! containerd `docs/hosts.md`).
//!
//! A mirror is asked by digest as the registry is, so that it can only refuse. By tag it can choose
//! what the tag means: [`RegistryEvent::MirrorTag`] tells of it.

use super::name::{RegistryName, Which};
use super::session::{Registries, RegistryEvent};
use crate::digest::Digest;
use crate::error::ErrorKind;

/// What names of images begin with: a registry or a part of it; `*.example.com` stands for every host
/// below that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePrefix(String);

impl NamePrefix {
    /// A prefix, as `docker.io/library`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches('/').to_owned())
    }

    /// What follows it in a full repository; `None` if that begins with something else.
    pub(super) fn rest<'r>(&self, repository: &'r str) -> Option<&'r str> {
        let rest = match self.0.strip_prefix('*').filter(|it| it.starts_with('.')) {
            None => repository.strip_prefix(self.0.as_str())?,
            Some(parent) => {
                let end = repository.find('/').unwrap_or(repository.len());
                let (host, rest) = repository.split_at_checked(end)?;
                host.strip_suffix(parent).filter(|it| !it.is_empty())?;
                rest
            }
        };
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// What a mirror is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MirrorUse {
    /// Everything.
    Everything,
    /// Images that were named by digest.
    NamedByDigest,
    /// Images that were named by tag.
    NamedByTag,
    /// What is asked for by digest.
    Digests,
    /// What a tag means.
    Tags,
}

impl MirrorUse {
    fn fits(self, name: &RegistryName, which: Which<'_>) -> bool {
        let by_digest = |it: Which<'_>| matches!(it, Which::Digest(_));
        match self {
            Self::Everything => true,
            Self::NamedByDigest => by_digest(name.which()),
            Self::NamedByTag => !by_digest(name.which()),
            Self::Digests => by_digest(which),
            Self::Tags => !by_digest(which),
        }
    }
}

/// A place with copies of images.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// What takes the place of the prefix.
    pub to: String,
    /// What it is asked for.
    pub serves: MirrorUse,
}

/// Where images are whose names begin with a prefix. Of several rules the one with the longest
/// prefix counts.
#[derive(Debug, Clone)]
pub struct MirrorRule {
    /// The beginning of the names.
    pub prefix: NamePrefix,
    /// Whether nothing is asked for.
    pub blocked: bool,
    /// What takes the place of the prefix when the registry itself is read.
    pub location: Option<String>,
    /// The mirrors, in order.
    pub mirrors: Vec<Mirror>,
}

impl Registries {
    /// The rule for a name, and what follows its prefix.
    fn rule<'r>(&self, repository: &'r str) -> Option<(&MirrorRule, &'r str)> {
        let rules = self.access.rules.iter();
        let fits = rules.filter_map(|it| Some((it, it.prefix.rest(repository)?)));
        // Of equal ones the last.
        fits.rev().min_by_key(|(_, rest)| rest.len())
    }

    /// Refuses a name that a rule blocks.
    pub(super) fn allowed(&self, name: &RegistryName) -> Result<(), ErrorKind> {
        match self.rule(&name.full_repository()) {
            Some((rule, _)) if rule.blocked => {
                let what = "expected a registry that the file of --mirrors-from does not block";
                Err(ErrorKind::Usage { what, found: rule.prefix.0.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The place where a name is read, which may have another name.
    pub(super) fn place_of(&self, name: &RegistryName) -> RegistryName {
        let repository = name.full_repository();
        let rule = self.rule(&repository);
        let place = rule.and_then(|(rule, rest)| name.placed(rule.location.as_deref()?, rest));
        place.unwrap_or_else(|| name.clone())
    }

    /// The mirrors to ask for something, in order.
    fn mirrors(&self, name: &RegistryName, which: Which<'_>) -> Vec<RegistryName> {
        let repository = name.full_repository();
        let own = self.access.mirrors.iter();
        let own =
            own.filter_map(|(from, to)| name.placed(to, NamePrefix::new(from).rest(&repository)?));
        let ruled = self.rule(&repository).into_iter().flat_map(|(rule, rest)| {
            let fits = rule.mirrors.iter().filter(|it| it.serves.fits(name, which));
            fits.filter_map(|it| name.placed(&it.to, rest)).collect::<Vec<_>>()
        });
        own.chain(ruled).collect()
    }

    /// Asks the mirrors of a registry, then itself: what fails at a mirror is asked for at the next
    /// place. Returns where it was found.
    pub(super) fn at_mirrors<T>(
        &self,
        (name, which): (&RegistryName, Which<'_>),
        ask: &dyn Fn(&RegistryName) -> Result<T, ErrorKind>,
        has: fn(&T) -> bool,
    ) -> Result<(T, AnsweredBy), ErrorKind> {
        self.allowed(name)?;
        for mirror in self.mirrors(name, which) {
            let why = match ask(&mirror) {
                Ok(found) if has(&found) => return Ok((found, AnsweredBy::Mirror(mirror))),
                Ok(_) => "does not have it".to_owned(),
                Err(kind @ ErrorKind::Interrupted) => return Err(kind),
                Err(kind) => kind.text(),
            };
            let host = mirror.repository();
            self.tell(&RegistryEvent::MirrorFailed { host, why })?;
        }
        Ok((ask(&self.place_of(name))?, AnsweredBy::Registry))
    }

    /// Tells what a mirror says that a tag means; with [`super::Access::asks_origin`], the registry
    /// must say the same.
    pub(super) fn tag_of_mirror(
        &self,
        (name, mirror): (&RegistryName, &RegistryName),
        (tag, found): (&str, Digest),
    ) -> Result<(), ErrorKind> {
        let (host, tag) = (mirror.host().to_owned(), format!("{}:{tag}", name.repository()));
        self.tell(&RegistryEvent::MirrorTag { host, tag, digest: found })?;
        if !self.access.asks_origin {
            return Ok(());
        }
        match self.digest_at(&self.place_of(name))? {
            expected if expected == found => Ok(()),
            expected => Err(ErrorKind::Digest { expected, found }),
        }
    }
}

/// Who had what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AnsweredBy {
    Mirror(RegistryName),
    Registry,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Access;

    #[test]
    fn a_prefix_ends_at_a_slash_or_stands_for_hosts_below() {
        for (prefix, repository, rest) in [
            ("docker.io", "docker.io/library/nginx", Some("/library/nginx")),
            ("quay.io/a/", "quay.io/a/b", Some("/b")),
            ("quay.io/a", "quay.io/a", Some("")),
            ("quay.io/a", "quay.io/ab/c", None),
            ("quay.io", "quay.io:443/a", None),
            ("*.example.com", "a.example.com/b/c", Some("/b/c")),
            ("*.example.com", "a.b.example.com/c", Some("/c")),
            ("*.example.com", "example.com/c", None),
            ("*.example.com", "evil-example.com/c", None),
            ("*.example.com", "evil.test/a.example.com", None),
            ("*.example.com:5000", "a.example.com:5000/c", Some("/c")),
        ] {
            assert_eq!(NamePrefix::new(prefix).rest(repository), rest, "{prefix} {repository}");
        }
    }

    #[test]
    fn a_mirror_stands_for_a_registry_or_a_part_of_it() {
        for (from, to, name, expected) in [
            ("docker.io", "m.lan:5000", "nginx:1", Some("m.lan:5000/library/nginx:1")),
            ("docker.io", "m.lan/hub/", "a/b", Some("m.lan/hub/a/b:latest")),
            ("quay.io/a", "m.lan/x", "quay.io/a/b:1", Some("m.lan/x/b:1")),
            ("quay.io/a", "m.lan/x", "quay.io/ab/c:1", None),
            ("quay.io", "m.lan", "ghcr.io/a/b", None),
        ] {
            let mirrors = vec![(from.to_owned(), to.to_owned())];
            let access = Access { mirrors, ..Access::default() };
            let name: RegistryName = name.parse().unwrap();
            let found = Registries::new(access).mirrors(&name, name.which());
            let found = found.first().map(ToString::to_string);
            assert_eq!(found.as_deref(), expected, "{from} {name}");
        }
    }

    fn rule(prefix: &str, location: Option<&str>, mirrors: &[(&str, MirrorUse)]) -> MirrorRule {
        let mirror =
            |(to, serves): &(&str, MirrorUse)| Mirror { to: (*to).to_owned(), serves: *serves };
        MirrorRule {
            prefix: NamePrefix::new(prefix),
            blocked: false,
            location: location.map(str::to_owned),
            mirrors: mirrors.iter().map(mirror).collect(),
        }
    }

    #[test]
    fn the_longest_prefix_counts_and_each_mirror_is_asked_for_what_it_has() {
        let mirrors = vec![("docker.io".to_owned(), "first.lan".to_owned())];
        let rules = vec![
            rule("docker.io", None, &[("wrong.lan", MirrorUse::Everything)]),
            rule(
                "docker.io/library",
                Some("hub.lan/lib"),
                &[
                    ("all.lan/x", MirrorUse::Everything),
                    ("named.lan", MirrorUse::NamedByDigest),
                    ("tagged.lan", MirrorUse::NamedByTag),
                    ("digests.lan", MirrorUse::Digests),
                    ("tags.lan", MirrorUse::Tags),
                ],
            ),
        ];
        let session = Registries::new(Access { mirrors, rules, ..Access::default() });
        let name: RegistryName = "nginx:1".parse().unwrap();
        let digest = Digest::of(b"");
        let asked = |name: &RegistryName, which| -> Vec<String> {
            session.mirrors(name, which).iter().map(|it| it.host().to_owned()).collect()
        };
        assert_eq!(
            asked(&name, Which::Tag("1")),
            ["first.lan", "all.lan", "tagged.lan", "tags.lan"]
        );
        assert_eq!(
            asked(&name, Which::Digest(digest)),
            ["first.lan", "all.lan", "tagged.lan", "digests.lan"]
        );
        let exact: RegistryName = format!("nginx@{digest}").parse().unwrap();
        assert_eq!(
            asked(&exact, Which::Digest(digest)),
            ["first.lan", "all.lan", "named.lan", "digests.lan"]
        );
        assert_eq!(session.mirrors(&name, Which::Tag("1"))[1].path(), "x/nginx");
        assert_eq!(session.place_of(&name).to_string(), "hub.lan/lib/nginx:1");
        let other: RegistryName = "a/b".parse().unwrap();
        assert_eq!(session.place_of(&other), other);
    }

    #[test]
    fn what_is_blocked_is_not_asked_for() {
        let rules = vec![MirrorRule { blocked: true, ..rule("*.evil.test", None, &[]) }];
        let session = Registries::new(Access { rules, ..Access::default() });
        assert!(session.allowed(&"a.evil.test/b".parse().unwrap()).is_err());
        assert!(session.allowed(&"evil.test/b".parse().unwrap()).is_ok());
    }
}
