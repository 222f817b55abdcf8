//! A folder of blobs that are named by their hex digests, shown as a layout.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::byte_source::{ByteSource, file_of};
use crate::error::{Location, Result};

/// The end of the name of a manifest in an index; its beginning is the hex digest.
pub(crate) const CHILD: &str = ".manifest.json";

#[derive(Debug)]
pub(super) struct Flat {
    pub(super) root: PathBuf,
    /// By their names in a layout.
    pub(super) documents: BTreeMap<String, ByteSource>,
}

impl Flat {
    /// The file with a name in a layout.
    pub(super) fn find(&self, name: &str, folder: &Location) -> Result<Option<ByteSource>> {
        if let Some(found) = self.documents.get(name) {
            return Ok(Some(found.clone()));
        }
        let Some(hex) = hex_of(name) else { return Ok(None) };
        for file in [format!("{hex}{CHILD}"), hex.to_owned()] {
            let found = file_of(self.root.join(&file), folder.member(&file))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The place of a file that may be missing, from its name in a layout.
    pub(super) fn place(&self, name: &str, folder: &Location) -> Location {
        match self.find(name, folder) {
            Ok(Some(found)) => found.at.clone(),
            _ => folder.member(hex_of(name).unwrap_or(name)),
        }
    }

    /// The name in a layout of a file.
    pub(super) fn name_of(&self, file: String) -> String {
        let is_here = |it: &(&String, &ByteSource)| it.1.at.member_name() == Some(&file);
        if let Some((name, _)) = self.documents.iter().find(is_here) {
            return name.clone();
        }
        let hex = file.strip_suffix(CHILD).unwrap_or(&file);
        match hex.len() {
            64 if is_hex(hex) => format!("blobs/sha256/{hex}"),
            128 if is_hex(hex) => format!("blobs/sha512/{hex}"),
            _ => file,
        }
    }
}

/// The hex digest in the name of a blob in a layout.
fn hex_of(name: &str) -> Option<&str> {
    let (_, hex) = name.strip_prefix("blobs/")?.split_once('/')?;
    is_hex(hex).then_some(hex)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}
