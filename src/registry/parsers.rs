//! Parsers of what servers and files of credentials say, for the targets in `fuzz/`.

use super::challenge::Challenge;
use super::credentials::CredentialsFile;
use super::link;
use super::url::Url;
use crate::error::ErrorKind;

/// The URL that a `Location` leads to.
pub(crate) fn joined(base: &str, location: &str) -> Result<String, ErrorKind> {
    Ok(Url::parse(base)?.join(location)?.full())
}

/// The next page of a list, as the values of `Link` say.
pub(crate) fn next_page(fields: &[&str]) -> Option<String> {
    link::next_page(fields.iter().copied())
}

/// Whether the values of `WWW-Authenticate` have a challenge that can be met.
pub(crate) fn is_met(fields: &[&str]) -> bool {
    Challenge::choose(&Challenge::parse(fields.iter().copied())).is_some()
}

/// Whether a file of credentials has a login for a repository.
pub(crate) fn has_login(raw: &[u8], host: &str, path: &str) -> Result<bool, ErrorKind> {
    Ok(CredentialsFile::parse(raw)?.login(host, path)?.is_some())
}
