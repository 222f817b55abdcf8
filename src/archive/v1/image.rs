//! Docker's V1 image structure, decoded and encoded exactly as in dockerd.
//!
//! Legacy IDs and the configs of archives from before 1.10 depend on these bytes, so every field,
//! its order and its zero value matter: moby `image/image.go` `V1Image` and `api/types/container`
//! `Config`, as of docker 1.12 to 28. Unknown keys are dropped, names match without case, duplicate
//! objects are merged.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::fields::{CONFIG, Emit, Field, IMAGE, Type};
use crate::error::ErrorKind;
use crate::json::{JsonKind, Value, go, same_key};

/// A decoded V1 image, without `id` and `parent`, which are never hashed directly.
#[derive(Debug)]
pub(crate) struct V1Image(Vec<Data>);

/// The zero time of Go.
pub(crate) const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

impl V1Image {
    /// Decodes a config or a V1 `json`.
    pub(crate) fn decode(value: Value<'_>) -> Result<Self, ErrorKind> {
        let mut fields = zero(&IMAGE);
        decode_struct(value, "the image", &IMAGE, &mut fields)?;
        Ok(Self(fields))
    }

    /// Whether docker can decode a value as this kind of field.
    pub(super) fn decodes(value: Value<'_>, name: &str, kind: Type) -> Result<(), ErrorKind> {
        decode(value, name, kind, &mut zero_of(kind))
    }

    /// The image of a layer that is not on top: only its creation time.
    pub(crate) fn below(created: &str) -> Self {
        let mut fields = zero(&IMAGE);
        for (field, data) in IMAGE.iter().zip(&mut fields) {
            if field.name == "created" {
                *data = Data::Text(created.to_owned());
            }
        }
        Self(fields)
    }

    /// The members that are printed, in the order of the structure.
    pub(crate) fn members(&self) -> Vec<(&'static str, String)> {
        members(&IMAGE, &self.0).collect()
    }

    /// A string field by its name.
    pub(crate) fn text(&self, name: &str) -> &str {
        IMAGE
            .iter()
            .zip(&self.0)
            .find_map(|(field, data)| match data {
                Data::Text(text) if field.name == name => Some(text.as_str()),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// `container_config.Cmd`, joined with spaces; docker shows it as `CREATED BY`.
    pub(crate) fn created_by(&self) -> String {
        let config = IMAGE.iter().zip(&self.0).find(|(field, _)| field.name == "container_config");
        let Some((_, Data::Struct(fields))) = config else { return String::new() };
        let command = CONFIG.iter().zip(fields).find(|(field, _)| field.name == "Cmd");
        match command {
            Some((_, Data::List(Some(words)))) => words.join(" "),
            _ => String::new(),
        }
    }
}

#[derive(Debug, Clone)]
enum Data {
    Text(String),
    Flag(bool),
    Number(i64),
    List(Option<Vec<String>>),
    /// Values are compact JSON.
    Map(Option<BTreeMap<String, String>>),
    Struct(Vec<Data>),
    Pointer(Option<Box<Data>>),
}

fn zero(fields: &[Field]) -> Vec<Data> {
    fields.iter().map(|field| zero_of(field.kind)).collect()
}

fn zero_of(kind: Type) -> Data {
    match kind {
        Type::Text => Data::Text(String::new()),
        Type::Time => Data::Text(ZERO_TIME.to_owned()),
        Type::Flag => Data::Flag(false),
        Type::Number => Data::Number(0),
        Type::List | Type::Command => Data::List(None),
        Type::Texts | Type::Set => Data::Map(None),
        Type::Struct(fields) => Data::Struct(zero(fields)),
        Type::Pointer(_) => Data::Pointer(None),
    }
}

fn decode_struct(
    value: Value<'_>,
    name: &str,
    fields: &'static [Field],
    into: &mut [Data],
) -> Result<(), ErrorKind> {
    if value.kind() != JsonKind::Object {
        return Err(value.unexpected(name, "an object"));
    }
    for (key, value) in value.members(name)? {
        let exact = fields.iter().position(|field| field.name == key);
        let at = exact.or_else(|| fields.iter().position(|field| same_key(field.name, &key)));
        let found = at.and_then(|at| Some((fields.get(at)?, into.get_mut(at)?)));
        if let Some((field, data)) = found {
            decode(value, field.name, field.kind, data)?;
        }
    }
    Ok(())
}

fn decode(value: Value<'_>, name: &str, kind: Type, into: &mut Data) -> Result<(), ErrorKind> {
    if value.is_null() {
        // On null, Go keeps values and clears what can be nil.
        if matches!(into, Data::List(_) | Data::Map(_) | Data::Pointer(_)) {
            *into = zero_of(kind);
        }
        return Ok(());
    }
    match (kind, into) {
        (Type::Time, into) => *into = Data::Text(time(value, name)?),
        (Type::Command, into) if value.kind() == JsonKind::String => {
            *into = Data::List(Some(vec![value.string(name)?.into_owned()]));
        }
        (Type::Struct(fields), Data::Struct(into)) => decode_struct(value, name, fields, into)?,
        (Type::Pointer(kind), Data::Pointer(into)) => {
            let into = into.get_or_insert_with(|| Box::new(zero_of(*kind)));
            decode(value, name, *kind, into)?;
        }
        (Type::Texts | Type::Set, Data::Map(into)) => {
            let map = into.get_or_insert_default();
            for (key, value) in value.members(name)? {
                map.insert(key.into_owned(), map_value(value, name, kind)?);
            }
        }
        (Type::Flag, into) => *into = Data::Flag(value.bool(name)?),
        (Type::Number, into) => {
            let number = value.raw().parse().map_err(|_| value.unexpected(name, "an integer"))?;
            *into = Data::Number(number);
        }
        (Type::List | Type::Command, into) => {
            let list = value.list(name)?.map(|it| {
                if it.is_null() { Ok(String::new()) } else { it.string(name).map(Into::into) }
            });
            *into = Data::List(Some(list.collect::<Result<_, _>>()?));
        }
        (_, into) => *into = Data::Text(value.string(name)?.into_owned()),
    }
    Ok(())
}

fn map_value(value: Value<'_>, name: &str, kind: Type) -> Result<String, ErrorKind> {
    if matches!(kind, Type::Set) {
        return match value.kind() {
            JsonKind::Object | JsonKind::Null => Ok("{}".to_owned()),
            _ => Err(value.unexpected(name, "an object")),
        };
    }
    let mut text = String::new();
    let string = if value.is_null() { "".into() } else { value.string(name)? };
    go::string(&mut text, &string);
    Ok(text)
}

fn members<'a>(
    fields: &'static [Field],
    data: &'a [Data],
) -> impl Iterator<Item = (&'static str, String)> + use<'a> {
    fields
        .iter()
        .zip(data)
        .filter(|(field, data)| field.emit == Emit::Always || !is_empty(data))
        .map(|(field, data)| (field.name, print(field.kind, data)))
}

/// Whether `omitempty` omits it; never a structure.
fn is_empty(data: &Data) -> bool {
    match data {
        Data::Text(text) => text.is_empty(),
        Data::Flag(flag) => !flag,
        Data::Number(number) => *number == 0,
        Data::List(list) => list.as_ref().is_none_or(Vec::is_empty),
        Data::Map(map) => map.as_ref().is_none_or(BTreeMap::is_empty),
        Data::Struct(_) => false,
        Data::Pointer(pointer) => pointer.is_none(),
    }
}

fn print(kind: Type, data: &Data) -> String {
    match data {
        Data::Text(text) => go::quoted(text),
        Data::Flag(flag) => flag.to_string(),
        Data::Number(number) => number.to_string(),
        Data::List(None) | Data::Map(None) | Data::Pointer(None) => "null".to_owned(),
        Data::List(Some(list)) => go::strings(list),
        Data::Map(Some(map)) => {
            let mut object = go::Object::new();
            for (key, value) in map {
                object.json(key, value);
            }
            object.finish()
        }
        Data::Struct(inside) => {
            let fields: &'static [Field] = match kind {
                Type::Struct(fields) => fields,
                _ => &[],
            };
            let mut object = go::Object::new();
            for (name, value) in members(fields, inside) {
                object.json(name, &value);
            }
            object.finish()
        }
        Data::Pointer(Some(inside)) => match kind {
            Type::Pointer(kind) => print(*kind, inside),
            kind => print(kind, inside),
        },
    }
}

/// A time as Go decodes and encodes it: RFC 3339, at most nine fraction digits without trailing
/// zeros, `Z` for no offset.
pub(crate) fn time(value: Value<'_>, name: &str) -> Result<String, ErrorKind> {
    let text = value.string(name)?;
    let bad = || ErrorKind::field(name, "an RFC 3339 time", &text);
    let (clock, rest) = text.split_at_checked(19).ok_or_else(bad)?;
    clock.parse::<jiff::civil::DateTime>().map_err(|_| bad())?;
    if clock.as_bytes().get(10) != Some(&b'T') {
        return Err(bad());
    }
    let zone = rest.find(['Z', '+', '-']).ok_or_else(bad)?;
    let (fraction, zone) = rest.split_at_checked(zone).ok_or_else(bad)?;
    let digits = match fraction.strip_prefix('.') {
        Some(digits) if !digits.is_empty() => digits,
        None if fraction.is_empty() => "",
        _ => return Err(bad()),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !is_zone(zone) {
        return Err(bad());
    }
    let digits = digits.get(..9).unwrap_or(digits).trim_end_matches('0');
    let fraction = if digits.is_empty() { String::new() } else { format!(".{digits}") };
    let zone = if matches!(zone, "+00:00" | "-00:00") { "Z" } else { zone };
    Ok(format!("{clock}{fraction}{zone}"))
}

fn is_zone(zone: &str) -> bool {
    let number = |digits: &str, limit: u8| {
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.parse::<u8>().is_ok_and(|number| number < limit)
    };
    match (zone, zone.get(1..).and_then(|zone| zone.split_once(':'))) {
        ("Z", _) => true,
        (_, Some((hours, minutes))) => {
            hours.len() == 2 && minutes.len() == 2 && number(hours, 24) && number(minutes, 60)
        }
        _ => false,
    }
}
