//! Carries our errors through [`std::io`] and back.

use std::io;

use super::{Class, Error, ErrorKind};

/// Wraps a kind, so that it passes through [`io::Read`] and [`io::Write`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Carried(ErrorKind);

impl From<ErrorKind> for io::Error {
    fn from(kind: ErrorKind) -> Self {
        Self::other(Carried(kind))
    }
}

impl From<Error> for io::Error {
    /// Keeps the I/O error kind, if there is one.
    fn from(error: Error) -> Self {
        let kind = match &error.kind {
            ErrorKind::Open(cause)
            | ErrorKind::Read(cause)
            | ErrorKind::Write(cause)
            | ErrorKind::Spool(cause) => cause.kind(),
            ErrorKind::NoSpace { .. } => io::ErrorKind::StorageFull,
            kind if kind.class() == Class::Refused => io::ErrorKind::InvalidData,
            // Not `Interrupted`, because callers retry after it.
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Whether an I/O error is one of ours.
pub(crate) fn carried(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Carried>())
}

/// The kind that an I/O error carries, or `other` of the error itself.
pub(crate) fn kind_of(error: io::Error, other: fn(io::Error) -> ErrorKind) -> ErrorKind {
    if !carried(&error) {
        return other(error);
    }
    match error.into_inner().map(|inner| inner.downcast::<Carried>()) {
        Some(Ok(carried)) => carried.0,
        _ => ErrorKind::Interrupted, // Cannot be: it was carried.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Location;

    #[test]
    fn kinds_come_back_as_they_were_and_errors_keep_the_kind_of_their_cause() {
        let error = io::Error::from(ErrorKind::Twice);
        assert!(matches!(kind_of(error, ErrorKind::Read), ErrorKind::Twice));
        let error = io::Error::other("another");
        assert!(matches!(kind_of(error, ErrorKind::Read), ErrorKind::Read(_)));
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        for (kind, io_kind) in [
            (ErrorKind::Open(missing()), io::ErrorKind::NotFound),
            (ErrorKind::NoSpace { needed: 2, free: 1 }, io::ErrorKind::StorageFull),
            (ErrorKind::Twice, io::ErrorKind::InvalidData),
            (ErrorKind::Interrupted, io::ErrorKind::Other),
        ] {
            let error = Error::new(&Location::named("a.tar"), kind);
            let (text, code) = (error.to_string(), error.code());
            let error = io::Error::from(error);
            assert_eq!((error.kind(), error.to_string()), (io_kind, text));
            let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
            assert_eq!(inner.code(), code);
        }
    }
}
