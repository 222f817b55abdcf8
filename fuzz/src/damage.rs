//! Damage in chosen places, with everything around it put right again.

use arbitrary::Arbitrary;
use serde_json::Value;

use crate::archive::{Member, name};

/// Something that is done to an archive.
#[derive(Arbitrary, Debug, Clone)]
pub enum Damage {
    /// A byte of a member's data.
    Data { member: u8, at: u16, with: u8 },
    /// A byte of a header, its check sum put right.
    Header { member: u8, at: u16, with: u8 },
    /// The kind of a member.
    Kind { member: u8, kind: u8 },
    /// A member, moved.
    Move { member: u8, to: u8 },
    /// A member that goes.
    Drop { member: u8 },
    /// A member again, with other data where there is any.
    Again { member: u8, data: Vec<u8> },
    /// A member that takes another's name.
    Rename { member: u8, like: u8 },
    /// A link in the place of a member.
    Link { member: u8, to: u8, symbolic: bool, dots: bool },
    /// An extended header before a member.
    Pax { member: u8, key: u8, value: String },
    /// A long name before a member.
    Long { member: u8, kind: bool, value: String },
    /// A value inside a document.
    Json { member: u8, place: u8, value: Other },
    /// Data that is longer or shorter.
    Resize { member: u8, size: u16 },
}

/// What a value in a document becomes.
#[derive(Arbitrary, Debug, Clone)]
pub enum Other {
    /// `null`.
    Null,
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// An empty list.
    List,
    /// An empty object.
    Object,
    /// The value of another place.
    Like(u8),
    /// The same value twice, in a list.
    Twice,
    /// Nothing: it goes with its key.
    Gone,
}

/// Does it; nothing where there is nothing to do it to.
pub(crate) fn damage(members: &mut Vec<Member>, damage: &Damage) {
    let count = members.len();
    if count == 0 {
        return;
    }
    let pick = |at: u8| usize::from(at) % count;
    match damage {
        Damage::Data { member, at, with } => {
            let data = &mut members[pick(*member)].data;
            let length = data.len().max(1);
            if let Some(byte) = data.get_mut(usize::from(*at) % length) {
                *byte ^= with;
            }
        }
        Damage::Header { member, at, with } => {
            let header = &mut members[pick(*member)].header;
            header[usize::from(*at) % 512] ^= with;
            crate::archive::sum(header);
        }
        Damage::Kind { member, kind } => {
            let header = &mut members[pick(*member)].header;
            header[156] = b"01234567xgLKSVDMX\0"[usize::from(*kind) % 18];
            crate::archive::sum(header);
        }
        Damage::Move { member, to } => {
            let moved = members.remove(pick(*member));
            members.insert(usize::from(*to) % count, moved);
        }
        Damage::Drop { member } => drop(members.remove(pick(*member))),
        Damage::Again { member, data } => {
            let mut again = members[pick(*member)].clone();
            if !data.is_empty() {
                again.data.clone_from(data);
                again.resize();
            }
            members.push(again);
        }
        Damage::Rename { member, like } => {
            let other = members[pick(*like)].header[..100].to_vec();
            let header = &mut members[pick(*member)].header;
            header[..100].copy_from_slice(&other);
            crate::archive::sum(header);
        }
        Damage::Link { member, to, symbolic, dots } => {
            let target = name(&members[pick(*to)]);
            let from = name(&members[pick(*member)]);
            let kind = if *symbolic { b'2' } else { b'1' };
            let mut link = Member::new(kind, &from, Vec::new());
            let target = if *dots { format!("../{target}") } else { target };
            let target = &target.as_bytes()[..target.len().min(100)];
            link.header[157..157 + target.len()].copy_from_slice(target);
            crate::archive::sum(&mut link.header);
            members[pick(*member)] = link;
        }
        Damage::Pax { member, key, value } => {
            let keys = ["path", "linkpath", "size", "mtime", "GNU.sparse.size", "comment"];
            let key = keys[usize::from(*key) % keys.len()];
            let record = crate::build::tar::record(key, value);
            members.insert(pick(*member), Member::new(b'x', "PaxHeaders/x", record));
        }
        Damage::Long { member, kind, value } => {
            let kind = if *kind { b'L' } else { b'K' };
            let text = value.clone().into_bytes();
            members.insert(pick(*member), Member::new(kind, "././@LongLink", text));
        }
        Damage::Json { member, place, value } => {
            let member = &mut members[pick(*member)];
            if let Ok(document) = serde_json::from_slice(&member.data) {
                member.data = changed(&document, usize::from(*place), value).to_string().into();
                member.resize();
            }
        }
        Damage::Resize { member, size } => {
            let member = &mut members[pick(*member)];
            member.data.resize(usize::from(*size), 0);
            member.resize();
        }
    }
}

/// The document with one of its values changed.
pub(crate) fn changed(document: &Value, place: usize, other: &Other) -> Value {
    let mut places = Vec::new();
    pointers(document, &mut String::new(), &mut places);
    let at = &places[place % places.len()];
    let mut document = document.clone();
    let old = document.pointer(at).cloned().unwrap_or_default();
    let new = match other {
        Other::Null => Value::Null,
        Other::Number(number) => (*number).into(),
        Other::Text(text) => text.clone().into(),
        Other::List => Value::Array(Vec::new()),
        Other::Object => Value::Object(serde_json::Map::new()),
        Other::Like(like) => {
            let like = &places[usize::from(*like) % places.len()];
            document.pointer(like).cloned().unwrap_or_default()
        }
        Other::Twice => Value::Array(vec![old.clone(), old]),
        Other::Gone => {
            if let Some((parent, key)) = at.rsplit_once('/') {
                match document.pointer_mut(parent) {
                    Some(Value::Object(members)) => drop(members.remove(key)),
                    Some(Value::Array(list)) => drop(list.remove(key.parse().unwrap_or(0))),
                    _ => (),
                }
            }
            return document;
        }
    };
    if let Some(value) = document.pointer_mut(at) {
        *value = new;
    }
    document
}

fn pointers(value: &Value, at: &mut String, found: &mut Vec<String>) {
    found.push(at.clone());
    let length = at.len();
    let mut inside = |key: &str, value: &Value| {
        at.push('/');
        at.push_str(&key.replace('~', "~0").replace('/', "~1"));
        pointers(value, at, found);
        at.truncate(length);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| inside(key, value)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(key, value)| inside(&key.to_string(), value));
        }
        _ => (),
    }
}
