//! The credentials of a user, where docker and podman keep them: files and helper programs.
//!
//! Rules: `GetCredentials` of containers/image (keys with a path, from long to short) and
//! `configfile` of docker/cli (helpers). A file is read when a registry asks for credentials, and
//! one behind a match is not read.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod entry;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::secret::Secret;
use crate::bytes::files::file_of;
use crate::error::{At as _, Error, ErrorKind, Location, Result, Shown};
use crate::limits;
pub(super) use file::CredentialsFile;

/// What a registry wants to see.
#[derive(Debug, Clone)]
pub enum Login {
    /// User and password.
    Basic {
        /// The user, without a colon.
        user: String,
        /// The password.
        secret: Secret,
    },
    /// A token that is exchanged for others (OAuth 2 `refresh_token`).
    IdentityToken(Secret),
}

impl Login {
    /// A user and a password.
    ///
    /// # Errors
    /// The user is empty or has a colon or a control character, or the password has a control
    /// character: they could not be sent.
    pub fn basic(user: &str, secret: String) -> Result<Self, ErrorKind> {
        if user.is_empty() || user.contains(|it: char| it == ':' || it.is_control()) {
            let what = "expected a user without colons and control characters";
            return Err(ErrorKind::Usage { what, found: user.to_owned() });
        }
        Ok(Self::Basic { user: user.to_owned(), secret: Secret::new(secret)? })
    }
}

/// A login, and the file or helper that it is from.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The login.
    pub login: Login,
    /// The file or the helper.
    pub from: Location,
}

/// Runs credential helpers, since the library starts no program.
pub trait CredentialHelper {
    /// What `docker-credential-NAME get` prints for a server; `None` if it says that it has no
    /// credentials for it.
    ///
    /// # Errors
    /// The helper is missing, fails or does not end.
    fn get(&self, name: &str, server: &str) -> Result<Option<Vec<u8>>, ErrorKind>;
}

/// The files with the credentials of the user, in the order in which they are searched.
#[derive(Debug, Default)]
pub struct CredentialStore {
    files: Vec<PathBuf>,
    /// What helpers answered, by name and server: some ask the user.
    answers: Mutex<BTreeMap<(String, String), Option<Login>>>,
    notes: Mutex<BTreeSet<String>>,
}

impl CredentialStore {
    /// A store of these files, those that exist; none is read yet.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self { files, ..Self::default() }
    }

    /// The credentials for a repository of a host, `host[:port]`; `None` if there are none, or if
    /// the helper for this host has none.
    ///
    /// # Errors
    /// A file exists and cannot be read, or a helper fails: that is not the same as none.
    pub fn find(
        &self,
        host: &str,
        path: &str,
        run: &dyn CredentialHelper,
    ) -> Result<Option<Credentials>> {
        for path_of_file in &self.files {
            let at = Location::of(path_of_file);
            let Some(raw) = self.read(path_of_file, &at)? else { continue };
            let file = CredentialsFile::parse(&raw).at(&at)?;
            self.judge(path_of_file, &file);
            if let Some((name, server)) = file.helper(host).at(&at)? {
                return self.ask(name, server, run);
            }
            if let Some((name, server)) = file.store(host).at(&at)?
                && let Some(found) = self.ask(name, server, run)?
            {
                return Ok(Some(found));
            }
            if let Some(login) = file.login(host, path).at(&at)? {
                return Ok(Some(Credentials { login, from: at }));
            }
        }
        Ok(None)
    }

    /// What the user should know about the files that were read, each once, in order.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        locked(&self.notes).iter().cloned().collect()
    }

    fn read(&self, path: &Path, at: &Location) -> Result<Option<Vec<u8>>> {
        let read = || match file_of(path.to_owned(), at.clone())? {
            Some(file) => file.read(limits::CREDENTIALS, "a credentials file").map(Some),
            None => Ok(None),
        };
        read().map_err(|error| {
            // The run is at fault, not an image.
            Error::new(at, ErrorKind::CredentialsFile { why: error.kind.text() })
        })
    }

    /// Notes what other users may do with a file.
    fn judge(&self, path: &Path, file: &CredentialsFile<'_>) {
        let Ok(there) = fs::metadata(path) else { return };
        let mode = there.permissions().mode();
        let can = match (mode & 0o002 != 0, mode & 0o004 != 0 && file.has_secrets()) {
            (true, _) => "change this file, which names your passwords and the programs to ask",
            (false, true) => "read the passwords in this file",
            (false, false) => return,
        };
        let path = path.to_string_lossy();
        let note = format!("{0}: other users can {can}; run chmod 600 {0}", Shown(&path));
        locked(&self.notes).insert(note);
    }

    fn ask(
        &self,
        name: &str,
        server: &str,
        run: &dyn CredentialHelper,
    ) -> Result<Option<Credentials>> {
        let from = Location::named(&format!("docker-credential-{name}"));
        let key = (name.to_owned(), server.to_owned());
        // Locked while it runs, so that no helper asks the user twice.
        let mut answers = locked(&self.answers);
        let login = match answers.get(&key) {
            Some(known) => known.clone(),
            None => {
                let answer = run.get(name, server).at(&from)?;
                let login = answer.map(|it| entry::of_helper(&it)).transpose().at(&from)?;
                answers.entry(key).or_insert(login.flatten()).clone()
            }
        };
        Ok(login.map(|login| Credentials { login, from }))
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
