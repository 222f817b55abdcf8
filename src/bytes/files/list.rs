//! Lists every name in a source, to find files that no document refers to.

use std::fs;
use std::io;
use std::path::Path;

use super::{Files, FilesIn};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::limits;
use crate::tar::TarBody;

/// The type of a file or member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A regular file.
    File,
    /// A symbolic or hard link.
    Link,
    /// Something else that is not a directory.
    Other,
}

/// A file or member that is not a directory.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The cleaned name; `None` if it escapes the archive or is not UTF-8.
    pub(crate) path: Option<String>,
    pub(crate) what: What,
    /// Whether an earlier member has the same name.
    pub(crate) again: bool,
}

impl Files {
    /// All names, in the order of the archive, or sorted for a directory.
    pub(crate) fn list(&self) -> Result<Vec<Listed>> {
        match &self.there {
            FilesIn::Directory(root) => {
                let mut found = Vec::new();
                folder(root, &self.at, &mut found)?;
                Ok(found)
            }
            FilesIn::Flat(flat) => {
                let mut found = Vec::new();
                folder(&flat.root, &self.at, &mut found)?;
                let named = |it: Listed| Listed { path: it.path.map(|it| flat.name_of(it)), ..it };
                Ok(found.into_iter().map(named).collect())
            }
            // Everything that is known is named by a document.
            FilesIn::Remote { .. } => Ok(Vec::new()),
            FilesIn::Archive { index, .. } => {
                let listed = index.members.iter().enumerate().filter_map(|(at, member)| {
                    let what = match member.body {
                        TarBody::Directory => return None,
                        TarBody::File { .. } => What::File,
                        TarBody::Symlink(_) | TarBody::Hardlink(_) => What::Link,
                        TarBody::Other(_) => What::Other,
                    };
                    let path = member.path.clone();
                    let first = path.as_deref().and_then(|path| index.named(path).next());
                    let again = first.is_some_and(|(first, _)| (first as usize) < at);
                    Some(Listed { path, what, again })
                });
                Ok(listed.collect())
            }
        }
    }
}

/// All files below a folder; folders are never followed through symbolic links.
fn folder(root: &Path, at: &Location, found: &mut Vec<Listed>) -> Result<()> {
    let mut todo = vec![String::new()];
    while let Some(below) = todo.pop() {
        let mut names = Vec::new();
        let here = if below.is_empty() { at.clone() } else { at.member(&below) };
        let entries = match fs::read_dir(root.join(&below)) {
            // A writer may remove its private folder while it is being read.
            Err(error) if is_gone(&error) && !below.is_empty() => continue,
            entries => entries.map_err(ErrorKind::Read).at(&here)?,
        };
        for entry in entries {
            let entry = entry.map_err(ErrorKind::Read).at(&here)?;
            let kind = match entry.file_type() {
                Err(error) if is_gone(&error) => continue,
                kind => kind.map_err(ErrorKind::Read).at(&here)?,
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            names.push((path, kind));
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, kind) in names.into_iter().rev() {
            if kind.is_dir() {
                todo.push(path);
                continue;
            }
            if found.len() >= limits::MEMBERS {
                let limit = limits::MEMBERS as u64;
                let kind = ErrorKind::limit("the number of files", limit, "more");
                return Err(Error::new(at, kind));
            }
            let what = if kind.is_file() {
                What::File
            } else if kind.is_symlink() {
                What::Link
            } else {
                What::Other
            };
            found.push(Listed { path: Some(path), what, again: false });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
