//! Receipts: a line of JSON for each item that was done, in a file for each shard.
//!
//! A line is written after its destination is visible, and synced. A last line without its end was
//! torn by a crash; it counts as absent.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use imgconv::error::Shown;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::list::BatchItem;
use super::shard::Shard;
use super::stamp::SourceStamp;
use crate::failure::Failure;
use crate::ui::Ui;

/// The version of the format.
const VERSION: u32 = 1;

/// How an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ItemOutcome {
    /// Converted, or verified without problems.
    Done,
    /// The source is damaged or refused.
    No,
    /// It could not run.
    Failed,
}

impl ItemOutcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::No => "no",
            Self::Failed => "failed",
        }
    }
}

/// One line; `docs/schema/receipt.json` describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    pub(crate) version: u32,
    pub(crate) source: String,
    /// The bytes of the path in hex, if they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_bytes: Option<String>,
    pub(crate) stamp: Option<SourceStamp>,
    /// The digest of the source, if it was requested.
    pub(crate) sha256: Option<String>,
    /// The digest of the verb and its options.
    pub(crate) task: String,
    pub(crate) destination: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) destination_bytes: Option<String>,
    pub(crate) outcome: ItemOutcome,
    pub(crate) images: Vec<ReceiptImage>,
    /// The digests in the index of the destination.
    pub(crate) digests: Vec<String>,
    pub(crate) error: Option<Value>,
    pub(crate) time: String,
    pub(crate) seconds: f64,
    pub(crate) tool: String,
}

/// An image that was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptImage {
    pub(crate) names: Vec<String>,
    pub(crate) manifest_digest: Option<String>,
    pub(crate) image_id: String,
}

/// What a receipt is about: the bytes of both paths.
pub(crate) type ItemKey = (Vec<u8>, Option<Vec<u8>>);

/// The key of an item, with its destination or that of the whole batch.
pub(crate) fn key(item: &BatchItem, into: Option<&Path>) -> ItemKey {
    let destination = item.destination.as_deref().or(into.map(Path::as_os_str));
    (item.source.as_bytes().to_vec(), destination.map(|it| it.as_bytes().to_vec()))
}

/// A path as text, and its bytes in hex if the text does not tell them.
pub(crate) fn spelled(path: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(path) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => {
            let hex = path.iter().map(|byte| format!("{byte:02x}")).collect();
            (String::from_utf8_lossy(path).into_owned(), Some(hex))
        }
    }
}

fn bytes_of(text: &str, hex: Option<&str>) -> Option<Vec<u8>> {
    let Some(hex) = hex else { return Some(text.as_bytes().to_vec()) };
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

impl Receipt {
    fn key(&self) -> Option<ItemKey> {
        let source = bytes_of(&self.source, self.source_bytes.as_deref())?;
        let destination = match &self.destination {
            Some(text) => Some(bytes_of(text, self.destination_bytes.as_deref())?),
            None => None,
        };
        Some((source, destination))
    }

    /// A receipt of now, of this program.
    pub(crate) fn new((source, destination): &ItemKey, task: &str, outcome: ItemOutcome) -> Self {
        let (source, source_bytes) = spelled(source);
        let (destination, destination_bytes) =
            destination.as_deref().map(spelled).map_or((None, None), |it| (Some(it.0), it.1));
        Self {
            version: VERSION,
            source,
            source_bytes,
            stamp: None,
            sha256: None,
            task: task.to_owned(),
            destination,
            destination_bytes,
            outcome,
            images: Vec::new(),
            digests: Vec::new(),
            error: None,
            time: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            seconds: 0.0,
            tool: format!("imgconv {}", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// The last receipt of each item.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    latest: BTreeMap<ItemKey, Receipt>,
}

impl Receipts {
    /// Reads all files of a folder, of whatever shards they are.
    pub(crate) fn read(folder: &Path, ui: &Ui) -> Result<Self, Failure> {
        let wrong = |error: io::Error| {
            let folder = folder.to_string_lossy();
            let text = format!("--receipts {}: cannot read: {error}", Shown(&folder));
            Failure::usage(text, "pass a folder for the receipts of this list".to_owned())
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path.extension().is_some_and(|it| it == "jsonl") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut all = Self::default();
        for path in paths {
            let bytes = fs::read(&path).map_err(wrong)?;
            for (key, receipt) in lines(&path, &bytes, ui) {
                // Of two files the later time counts, in one file the later line.
                match all.latest.get(&key) {
                    Some(known) if known.time > receipt.time => (),
                    _ => drop(all.latest.insert(key, receipt)),
                }
            }
        }
        Ok(all)
    }

    pub(crate) fn of(&self, key: &ItemKey) -> Option<&Receipt> {
        self.latest.get(key)
    }

    /// The last receipt of a source with any destination.
    pub(crate) fn of_source(&self, source: &[u8]) -> Option<&Receipt> {
        let from = (source.to_vec(), None);
        let own = self.latest.range(from..).take_while(|(key, _)| key.0 == source);
        own.map(|(_, receipt)| receipt).max_by(|a, b| a.time.cmp(&b.time))
    }
}

/// The last receipt of each item in one file. A line that is not a receipt does its item again.
fn lines(path: &Path, bytes: &[u8], ui: &Ui) -> BTreeMap<ItemKey, Receipt> {
    let mut found = BTreeMap::new();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    for (number, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let receipt = serde_json::from_slice::<Receipt>(line).ok();
        let receipt = receipt.filter(|it| it.version == VERSION);
        match receipt.and_then(|it| Some((it.key()?, it))) {
            Some((key, receipt)) => drop(found.insert(key, receipt)),
            None => {
                let path = path.to_string_lossy();
                let text = "not a receipt of this version, so its item is done again";
                ui.warning(&format!("{}, line {}: {text}", Shown(&path), number + 1));
            }
        }
    }
    found
}

/// The file of this shard, which no other process has.
#[derive(Debug)]
pub(crate) struct ReceiptFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl ReceiptFile {
    /// Opens or creates the file, locks it, and removes a torn last line.
    pub(crate) fn open(folder: &Path, shard: Shard) -> Result<Self, Failure> {
        let path = folder.join(format!("{}-of-{}.jsonl", shard.index, shard.count));
        let wrong = |error| unwritable(&path, &error);
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(unwritable(folder, &error));
            }
            _ => (),
        }
        let is_new = !path.exists();
        let open = OpenOptions::new().create(true).append(true).read(true).open(&path);
        let file = open.map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                let text =
                    format!("{}: another process does this shard", Shown(&path.to_string_lossy()));
                return Err(Failure::usage(text, "wait for it, or end it".to_owned()));
            }
            Err(TryLockError::Error(error)) => {
                let text = format!("{}: cannot lock: {error}", Shown(&path.to_string_lossy()));
                let hint = "put the receipts on a file system with locks (flock)".to_owned();
                return Err(Failure::usage(text, hint));
            }
        }
        let bytes = fs::read(&path).map_err(wrong)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(wrong)?;
        }
        // The name of a new file must last too.
        if is_new {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong)?;
        }
        Ok(Self { path, file: Mutex::new(file) })
    }

    /// Appends a receipt; it is on disk when this returns. Nothing stays of one that does not fit.
    pub(crate) fn add(&self, receipt: &Receipt) -> Result<(), Failure> {
        let line = serde_json::to_string(receipt).unwrap_or_default() + "\n";
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = file.metadata().map(|it| it.len());
        let done = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        done.map_err(|error| {
            if let Ok(before) = before {
                let _ = file.set_len(before);
            }
            unwritable(&self.path, &error)
        })
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let path = path.to_string_lossy();
    let text = format!("{}: cannot write receipts: {error}", Shown(&path));
    Failure::usage(text, "pass --receipts with a folder that can be written".to_owned())
}
