//! What a registry asks for after 401: the values of `WWW-Authenticate` (RFC 9110, 11.6.1).
//!
//! A scope is not read: the one that is asked for is computed here, never taken from a registry.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::header::FieldText;
use crate::limits;

/// One way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password.
    Basic { realm: String },
    /// A token, which `realm` gives out.
    Bearer { realm: String, service: String },
    /// A scheme that imgconv does not know, or a challenge that can be read in two ways.
    Other,
}

impl Challenge {
    /// The challenges of all fields. What follows a syntax error in one field is not read.
    pub(crate) fn parse<'a>(fields: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut left = limits::ANSWER_HEAD;
        let mut found = Vec::new();
        for field in fields {
            let Some(rest) = left.checked_sub(field.len()) else { break };
            left = rest;
            read(FieldText::new(field), &mut found);
        }
        found
    }

    /// The challenge to answer: a token rather than the password.
    pub(crate) fn choose(all: &[Self]) -> Option<&Self> {
        let bearer = all.iter().find(|it| matches!(it, Self::Bearer { .. }));
        bearer.or_else(|| all.iter().find(|it| matches!(it, Self::Basic { .. })))
    }

    fn new(scheme: &str, params: Params) -> Self {
        let Params { realm, service, twice } = params;
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        match realm {
            _ if twice => Self::Other,
            Some(realm) if is("bearer") && !realm.is_empty() => {
                Self::Bearer { realm, service: service.unwrap_or_default() }
            }
            realm if is("basic") => Self::Basic { realm: realm.unwrap_or_default() },
            _ => Self::Other,
        }
    }
}

/// The parameters that count.
#[derive(Default)]
struct Params {
    realm: Option<String>,
    service: Option<String>,
    /// Whether one of them is repeated: programs differ in which one they take.
    twice: bool,
}

fn read(mut text: FieldText<'_>, found: &mut Vec<Challenge>) {
    loop {
        text.commas();
        let scheme = text.token();
        if scheme.is_empty() {
            return;
        }
        let Some(params) = params(&mut text) else { return found.push(Challenge::Other) };
        found.push(Challenge::new(scheme, params));
    }
}

/// The parameters of one challenge, up to the next scheme; `None` after a syntax error.
fn params(text: &mut FieldText<'_>) -> Option<Params> {
    let mut params = Params::default();
    text.blanks();
    if skip_token68(text) {
        return Some(params);
    }
    loop {
        let mut next = *text;
        next.commas();
        let name = next.token();
        next.blanks();
        if name.is_empty() {
            return next.is_empty().then_some(params);
        }
        if !next.eat('=') {
            // The scheme of the next challenge.
            return Some(params);
        }
        next.blanks();
        let value = next.value()?;
        *text = next;
        let place = match name.to_ascii_lowercase().as_str() {
            "realm" => &mut params.realm,
            "service" => &mut params.service,
            _ => continue,
        };
        params.twice |= place.replace(value).is_some();
    }
}

/// Skips the one value that some schemes have in place of parameters, such as `Negotiate YWJj==`.
fn skip_token68(text: &mut FieldText<'_>) -> bool {
    let mut next = *text;
    let value = next.until(|it| !it.is_ascii_alphanumeric() && !"-._~+/".contains(it));
    next.until(|it| it != '=');
    next.blanks();
    let is_whole = !value.is_empty() && (next.is_empty() || next.eat(','));
    if is_whole {
        *text = next;
    }
    is_whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: &str) -> Challenge {
        Challenge::Bearer { realm: realm.to_owned(), service: service.to_owned() }
    }

    fn basic(realm: &str) -> Challenge {
        Challenge::Basic { realm: realm.to_owned() }
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        use Challenge::Other;
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull""#;
        let hub_is = bearer("https://auth.docker.io/token", "registry.docker.io");
        let tables: &[(&[&str], &[Challenge])] = &[
            (&[hub], std::slice::from_ref(&hub_is)),
            (&["Basic realm=\"Registry Realm\""], &[basic("Registry Realm")]),
            (&["bAsIc ReAlM=harbor"], &[basic("harbor")]),
            (&["Basic"], &[basic("")]),
            (&["BEARER realm = \"https://a/t\" , SERVICE=b"], &[bearer("https://a/t", "b")]),
            (&["Bearer realm=https://a/t?x=1,service=b"], &[bearer("https://a/t?x=1", "b")]),
            (&["Bearer realm=\"https://a/t\" service=\"b\""], &[bearer("https://a/t", "b")]),
            (&["Bearer realm=\"https://a/t\""], &[bearer("https://a/t", "")]),
            // Several in one field, and several fields.
            (
                &["Basic realm=\"a\", Bearer realm=\"https://b\",service=c"],
                &[basic("a"), bearer("https://b", "c")],
            ),
            (&["Bearer realm=\"https://b\",Basic realm=a"], &[bearer("https://b", ""), basic("a")]),
            (&["Basic realm=a", hub], &[basic("a"), hub_is.clone()]),
            (&["Negotiate, Basic realm=a"], &[Other, basic("a")]),
            (&["Negotiate YWJj/+==, Basic realm=a"], &[Other, basic("a")]),
            (&["Digest realm=\"x\", nonce=\"a,b\\\"c\", Basic realm=a"], &[Other, basic("a")]),
            // Quoted strings.
            (&[r#"Basic realm="a \"b\" \\ c, d""#], &[basic(r#"a "b" \ c, d"#)]),
            (&[r#"Bearer realm="x=y, Basic realm=evil""#], &[bearer("x=y, Basic realm=evil", "")]),
        ];
        for (fields, expected) in tables {
            assert_eq!(Challenge::parse(fields.iter().copied()), *expected, "{fields:?}");
        }
    }

    #[test]
    fn a_hostile_challenge_is_refused_or_ends_the_field() {
        use Challenge::Other;
        let tables: &[(&str, &[Challenge])] = &[
            ("", &[]),
            (" ,, ,", &[]),
            ("=", &[]),
            ("\"Bearer\" realm=x", &[]),
            ("Bearer", &[Other]),
            ("Bearer service=b", &[Other]),
            ("Bearer realm=\"\"", &[Other]),
            ("Bearer realm=\"https://a", &[Other]),
            ("Bearer realm=\"https://a\\", &[Other]),
            ("Bearer realm=\"https://a\", =b", &[Other]),
            ("Bearer realm=\"a\"; Basic realm=b", &[Other]),
            // Readers differ in which one they take.
            ("Bearer realm=\"https://a\",realm=\"https://b\"", &[Other]),
            ("Bearer realm=\"https://a\",service=b,Service=c", &[Other]),
            ("Basic realm=a,realm=a", &[Other]),
            ("Bearer é=1", &[Other]),
            ("Beärer realm=x", &[Other]),
        ];
        for (field, expected) in tables {
            assert_eq!(Challenge::parse([*field]), *expected, "{field:?}");
        }
    }

    #[test]
    fn every_cut_and_every_long_field_is_read_without_a_panic_and_in_linear_time() {
        let whole = r#"Bearer realm="https://ä.example/t\"",service="s" , Basic realm=b, N YQ=="#;
        for end in (0..=whole.len()).filter(|it| whole.is_char_boundary(*it)) {
            Challenge::parse([&whole[..end]]);
            Challenge::parse([&whole[end..]]);
        }
        for part in ["a ", "a=", "a,", "\"", "\\", "a=\"\\\"", "Basic ", ",", "é", "a=b "] {
            Challenge::parse([part.repeat(limits::ANSWER_HEAD / part.len()).as_str()]);
        }
        let long = format!("Basic realm={}", "a".repeat(limits::ANSWER_HEAD));
        assert_eq!(Challenge::parse([long.as_str(), "Basic realm=a"]), []);
    }

    #[test]
    fn a_token_is_chosen_before_the_password() {
        let (basic, bearer) = (basic("a"), bearer("https://b", "c"));
        for (all, chosen) in [
            (vec![basic.clone(), Challenge::Other, bearer.clone()], Some(&bearer)),
            (vec![Challenge::Other, basic.clone()], Some(&basic)),
            (vec![Challenge::Other], None),
            (vec![], None),
        ] {
            assert_eq!(Challenge::choose(&all), chosen);
        }
    }
}
