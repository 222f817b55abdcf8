//! One login as a file or a helper writes it. No error shows any part of a value.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Login;
use crate::error::ErrorKind;
use crate::json::{JsonKind, Trailing, Value, check};
use crate::limits;
use crate::registry::secret::Secret;

/// With or without padding: people write entries by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The user that a helper names for an identity token.
const TOKEN_USER: &str = "<token>";

/// Some text of an object; empty if the field is missing or `null`.
pub(super) fn text(value: Option<Value<'_>>, field: &str) -> Result<String, String> {
    match value {
        None => Ok(String::new()),
        Some(value) => match value.string(field) {
            Ok(text) => Ok(text.into_owned()),
            Err(_) => Err(format!("{field}: expected a string, found {}", kind_name(value))),
        },
    }
}

/// The type of a value, since its text may be a secret.
pub(super) fn kind_name(value: Value<'_>) -> &'static str {
    match value.kind() {
        JsonKind::Null => "null",
        JsonKind::Bool => "true or false",
        JsonKind::Number => "a number",
        JsonKind::String => "a string",
        JsonKind::Array => "a list",
        JsonKind::Object => "an object",
    }
}

/// The login in an entry of `auths`; `None` if there is none, as docker leaves an empty entry beside
/// a helper.
pub(super) fn of_file(entry: Value<'_>) -> Result<Option<Login>, String> {
    if entry.is_null() {
        return Ok(None);
    }
    let names = ["auth", "identitytoken", "username", "password"];
    let Ok([auth, token, user, password]) = entry.fields("", names) else {
        return Err(format!("expected an object, found {}", kind_name(entry)));
    };
    let token = text(token, "identitytoken")?;
    if !token.is_empty() {
        return secret(token).map(Login::IdentityToken).map(Some);
    }
    let auth = text(auth, "auth")?;
    let (user, password) = if auth.is_empty() {
        (text(user, "username")?, text(password, "password")?)
    } else {
        decoded(&auth).ok_or("auth: expected USER:PASSWORD in base64, found something else")?
    };
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }
    basic(&user, password).map(Some)
}

/// User and password; a password may contain colons and ends before zero bytes, as for docker.
fn decoded(auth: &str) -> Option<(String, String)> {
    let compact: Vec<u8> = auth.bytes().filter(|it| !matches!(it, b'\r' | b'\n')).collect();
    let text = String::from_utf8(BASE64.decode(compact).ok()?).ok()?;
    let (user, password) = text.split_once(':').filter(|(user, _)| !user.is_empty())?;
    Some((user.to_owned(), password.trim_matches('\0').to_owned()))
}

/// The login that a helper printed; `None` if user and password are empty.
pub(super) fn of_helper(raw: &[u8]) -> Result<Option<Login>, ErrorKind> {
    let limit = limits::HELPER_ANSWER;
    let answer = || {
        if raw.len() as u64 > limit {
            return Err(format!("its answer is over the limit of {limit} bytes"));
        }
        let expected = "expected Username and Secret as JSON, found something else";
        let value = check(raw, Trailing::Refused).map_err(|_| expected)?.value;
        let [user, password] = value.fields("", ["Username", "Secret"]).map_err(|_| expected)?;
        let (user, password) = (text(user, "Username")?, text(password, "Secret")?);
        match (user.as_str(), password.is_empty()) {
            ("", true) => Ok(None),
            (TOKEN_USER, _) => secret(password).map(Login::IdentityToken).map(Some),
            _ => basic(&user, password).map(Some),
        }
    };
    answer().map_err(|why| ErrorKind::CredentialHelper { why })
}

fn basic(user: &str, password: String) -> Result<Login, String> {
    // The user may be half of a password that was written in the wrong place.
    Login::basic(user, password).map_err(|error| match error {
        ErrorKind::Usage { what, .. } => format!("{what}, found another one"),
        error => error.text(),
    })
}

fn secret(text: String) -> Result<Secret, String> {
    Secret::new(text).map_err(|error| error.text())
}
