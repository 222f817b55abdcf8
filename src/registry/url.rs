//! URLs of registries: `http` and `https` only, resolved and judged before a request is made.
//!
//! Resolved as in RFC 3986, 5, and stricter than a browser, so that no other reader of the same text
//! sees another host: no user info, no backslash.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fmt;

use super::origin::{Scheme, WebOrigin, refused};
use crate::error::ErrorKind;

/// An absolute URL without fragment. `Display` and `Debug` leave out the query: that of a redirect
/// is often a signature that opens what it names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Url {
    origin: WebOrigin,
    /// Starts with `/`.
    path: String,
    query: Option<String>,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, ErrorKind> {
        Self::absolute(without_fragment(text)?)
    }

    /// The URL that a `Location` or a link of an answer to this one names.
    pub(crate) fn join(&self, location: &str) -> Result<Self, ErrorKind> {
        let text = without_fragment(location)?;
        if text.is_empty() {
            return Err(refused("a URL", location));
        }
        let first = text.split(['/', '?']).next().unwrap_or_default();
        if first.contains(':') {
            return Self::absolute(text);
        }
        if let Some(rest) = text.strip_prefix("//") {
            return Self::after_scheme(self.origin.scheme, rest, text);
        }
        let (path, query) = split_query(text);
        let path = match path {
            "" => self.path.clone(),
            path if path.starts_with('/') => without_dots(path),
            path => {
                let folder = self.path.rsplit_once('/').map_or("", |it| it.0);
                without_dots(&format!("{folder}/{path}"))
            }
        };
        Ok(Self { origin: self.origin.clone(), path, query })
    }

    fn absolute(text: &str) -> Result<Self, ErrorKind> {
        let after = |scheme: &str| {
            let (name, rest) = text.split_once("://")?;
            name.eq_ignore_ascii_case(scheme).then_some(rest)
        };
        for scheme in [Scheme::Https, Scheme::Http] {
            if let Some(rest) = after(scheme.name()) {
                return Self::after_scheme(scheme, rest, text);
            }
        }
        Err(refused("http:// or https://", text))
    }

    /// The URL with this rest of its whole text.
    fn after_scheme(scheme: Scheme, rest: &str, whole: &str) -> Result<Self, ErrorKind> {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (path, query) = split_query(target);
        // A password may contain a slash, so that only the whole text shows what is one.
        let origin = WebOrigin::read(scheme, authority).map_err(|it| refused(it, whole))?;
        Ok(Self { origin, path: without_dots(path), query })
    }

    pub(crate) fn origin(&self) -> &WebOrigin {
        &self.origin
    }

    /// The same with more names and values in its query, which it keeps.
    pub(crate) fn with_query(&self, pairs: &[(&str, &str)]) -> Self {
        let mut query = self.query.clone().unwrap_or_default();
        for (name, value) in pairs {
            if !query.is_empty() && !query.ends_with('&') {
                query.push('&');
            }
            encode(&mut query, name);
            query.push('=');
            encode(&mut query, value);
        }
        let query = Some(query).filter(|it| !it.is_empty());
        Self { origin: self.origin.clone(), path: self.path.clone(), query }
    }

    /// The whole text, for the request alone.
    pub(crate) fn full(&self) -> String {
        match &self.query {
            Some(query) => format!("{}{}?{query}", self.origin, self.path),
            None => format!("{}{}", self.origin, self.path),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.query.is_some() { "?…" } else { "" };
        write!(f, "{}{}{query}", self.origin, self.path)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// Checks the characters of a URL and drops its fragment.
fn without_fragment(text: &str) -> Result<&str, ErrorKind> {
    let is_fine = |it: char| it.is_ascii_graphic() && !matches!(it, '"' | '<' | '>' | '\\' | '`');
    if !text.chars().all(is_fine) {
        return Err(refused("no space, control or other character that is not part of URLs", text));
    }
    Ok(text.split_once('#').map_or(text, |it| it.0))
}

fn split_query(text: &str) -> (&str, Option<String>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (text, None),
    }
}

/// An absolute path without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = true;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => (),
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

/// Appends a text with everything encoded that has a meaning in a query.
fn encode(to: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            to.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_url_has_one_spelling() {
        for (text, full) in [
            ("https://ghcr.io/v2/", "https://ghcr.io/v2/"),
            ("HTTPS://GHCR.io:443/v2/A?b=C#d", "https://ghcr.io/v2/A?b=C"),
            ("http://localhost:5000", "http://localhost:5000/"),
            ("http://h:80/", "http://h/"),
            ("https://h:80/", "https://h:80/"),
            ("https://h:/", "https://h/"),
            ("https://h?a=b", "https://h/?a=b"),
            ("https://h/a/./b/../c/..", "https://h/a/"),
            ("https://h/../../a", "https://h/a"),
            ("https://h/a//b", "https://h/a//b"),
            ("https://h/%2e%2e/a?..%2f/../x", "https://h/%2e%2e/a?..%2f/../x"),
            ("https://[::1]:5000/", "https://[::1]:5000/"),
            ("https://[0:0::1]/", "https://[::1]/"),
            ("https://[::FFFF:127.0.0.1]/", "https://[::ffff:127.0.0.1]/"),
            ("https://127.0.0.1/", "https://127.0.0.1/"),
            ("https://a_b-c.example/", "https://a_b-c.example/"),
            ("https://1.2.example/", "https://1.2.example/"),
            ("https://h/a@sha256:b", "https://h/a@sha256:b"),
        ] {
            assert_eq!(url(text).full(), full, "{text}");
        }
    }

    #[test]
    fn what_only_some_programs_read_alike_is_refused() {
        for text in [
            "",
            "h",
            "//h/",
            "/v2/",
            "https:h",
            "https:/h",
            "https://",
            "https:///v2/",
            "https://?a",
            "file:///etc/passwd",
            "ftp://h/",
            "httpss://h/",
            " https://h/",
            "https://h/a b",
            "https://h/a\r\nX: y",
            "https://h/\0",
            "https://h/\u{7f}",
            "https://h/ä",
            "https://ä/",
            "https://h\\@evil/",
            "https:\\\\h/",
            "https://user@h/",
            "https://user:secret@h/",
            "https://@h/",
            "https://h:0/",
            "https://h:65536/",
            "https://h:+80/",
            "https://h:-1/",
            "https://h:8x/",
            "https://h:80:80/",
            "https://::1/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[::1]x:5/",
            "https://[fe80::1%25eth0]/",
            "https://[127.0.0.1]/",
            "https://[]/",
            "https://a..b/",
            "https://.a/",
            "https://a./",
            "https://a%2eb/",
            "https://a*b/",
        ] {
            let error = Url::parse(text).expect_err(text);
            assert!(matches!(error, ErrorKind::Url { .. }), "{text}");
        }
    }

    #[test]
    fn a_location_is_resolved_against_its_request() {
        for (base, location, full) in [
            ("https://h/v2/a/blobs/uploads/", "https://o/x?y", "https://o/x?y"),
            ("https://h/v2/a", "HTTP://o", "http://o/"),
            ("https://h:5000/v2/a", "//o/x", "https://o/x"),
            ("http://h/v2/a", "//o:81/x", "http://o:81/x"),
            ("https://h:5000/v2/a?b", "/x/../y?z=1#f", "https://h:5000/y?z=1"),
            ("https://h/v2/a/b?q", "c", "https://h/v2/a/c"),
            ("https://h/v2/a/b", "../c/./d?e", "https://h/v2/c/d?e"),
            ("https://h/v2/a/", "..", "https://h/v2/"),
            ("https://h", "a", "https://h/a"),
            ("https://h/v2/a?b=c", "?n=1&last=x", "https://h/v2/a?n=1&last=x"),
            ("https://h/v2/a", "/u?_state=a%3D/b:c==", "https://h/u?_state=a%3D/b:c=="),
            ("https://h/v2/a", "b?c=https://o/", "https://h/v2/b?c=https://o/"),
            ("https://h/v2/a", "/.//o/x", "https://h//o/x"),
        ] {
            assert_eq!(url(base).join(location).unwrap().full(), full, "{base} {location}");
        }
        let base = url("https://h/v2/a?b");
        for location in [
            "",
            "#f",
            "file:///etc/passwd",
            "gopher://h/",
            "javascript:x",
            "https:x",
            "a:b/c",
            ":x",
            "//user@h/",
            "///x",
            "//",
            "//[::1/",
            "/a b",
            "/a\r\nSet-Cookie: x",
            "/a\tb",
            "\\\\evil/x",
            "/\\evil/x",
            " /a",
            "https://0x7f.1/",
        ] {
            assert!(base.join(location).is_err(), "{location}");
        }
    }

    #[test]
    fn a_query_is_kept_and_what_is_added_is_encoded() {
        let scope = ("scope", "repository:a/b:pull,push");
        for (text, pairs, full) in [
            ("https://h/t", vec![scope], "https://h/t?scope=repository%3Aa%2Fb%3Apull%2Cpush"),
            (
                "https://h/u?_state=x%3D",
                vec![("digest", "sha256:a")],
                "https://h/u?_state=x%3D&digest=sha256%3Aa",
            ),
            (
                "https://h/u?",
                vec![("a", "b"), ("a", "c d&=+#é")],
                "https://h/u?a=b&a=c%20d%26%3D%2B%23%C3%A9",
            ),
            ("https://h/u?a&", vec![("b", "\r\n")], "https://h/u?a&b=%0D%0A"),
            ("https://h/u?a", vec![], "https://h/u?a"),
            ("https://h/u", vec![], "https://h/u"),
        ] {
            let with = url(text).with_query(&pairs);
            assert_eq!(with.full(), full);
            assert_eq!(url(&with.full()), with);
        }
    }

    proptest! {
        #[test]
        fn a_url_that_was_read_is_read_again_as_the_same(
            base in "https?://[ah.]{1,3}(:[0-9]{0,5})?[/.a?#]{0,6}",
            location in prop::string::string_regex(r"(https?:)?[a-c:@.\\/?#%\[\]0x \r]{0,12}").unwrap(),
        ) {
            let Ok(base) = Url::parse(&base) else { return Ok(()) };
            for url in [Ok(base.clone()), Url::parse(&location), base.join(&location)] {
                let Ok(url) = url else { continue };
                prop_assert_eq!(Url::parse(&url.full()).unwrap(), url.clone());
                prop_assert_eq!(base.join(&url.full()).unwrap(), url.clone());
                prop_assert!(!url.origin.to_string().contains(['@', '%', '?', '#']));
                prop_assert!(!url.full().contains(['\\', ' ', '\r', '#']));
            }
        }
    }

    #[test]
    fn no_message_shows_a_signature_or_a_password() {
        let signed = url("https://s3.example/blob?X-Amz-Signature=marked");
        assert_eq!(signed.to_string(), "https://s3.example/blob?…");
        assert!(!format!("{signed:?}").contains("marked"));
        for text in [
            "https://me:marked@h/",
            "https://me:mar@marked@h/",
            "https://me:marked/marked?marked@h/",
            "//me:marked@h",
            "me:marked@h",
            "ftp://h/?sig=marked",
            "ftp://h/#marked",
            "https://h/a b?marked",
            "https://h:0?marked@x",
            "https://h:0?x@marked",
            "ftp://h/#x@marked",
            "ftp://a@h/?marked",
        ] {
            for error in [Url::parse(text), signed.join(text)].into_iter().filter_map(Result::err) {
                assert!(!format!("{error} {error:?}").contains("marked"), "{text}: {error}");
            }
        }
    }
}
