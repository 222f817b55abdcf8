//! Passwords and tokens, which no message shows.

use std::fmt;

use crate::error::ErrorKind;

/// A password or token. It has no `Display`, so that it does not get into a text by accident, and
/// `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A secret, which may go into a header.
    ///
    /// # Errors
    /// It contains a control character, such as a line break: it would end the header.
    pub fn new(text: String) -> Result<Self, ErrorKind> {
        match text.chars().find(|it| it.is_control()) {
            None => Ok(Self(text)),
            Some(_) => Err(ErrorKind::Usage {
                what: "expected a password or token without control characters",
                found: "a control character".to_owned(),
            }),
        }
    }

    /// The text, for the one request that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_shows_a_secret() {
        let secret = Secret::new("marked-pässword".to_owned()).unwrap();
        assert_eq!(secret.expose(), "marked-pässword");
        assert!(!format!("{secret:?} {secret:#?} {:?}", Some(&secret)).contains("marked"));
        for end in ["\r\nHost: evil", "\n", "\0", "\u{7f}", "\u{85}", "\t"] {
            let error = Secret::new(format!("marked{end}")).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("marked"), "{error:?}");
        }
    }
}
