//! The inner parsers: the tar index, documents, JSON, names, answers of registries.

use std::io::Read as _;

use imgconv::digest::{ChainId, DiffId, Digest, ImageId, V1LayerId};
use imgconv::platform::Platform;
use imgconv::reference::Reference;
use imgconv::{fuzzing, manifest};
use serde_json::value::RawValue;

/// The index sees what `tar::Archive` sees, in every archive that it takes.
pub fn tar_index(bytes: &[u8]) {
    let Ok(members) = fuzzing::members(bytes) else { return };
    if odd_extension(bytes) {
        return;
    }
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().expect("an archive");
    // Headers that speak of others; of type X only where they say nothing that counts.
    let extended = |entry: &tar::Entry<'_, &[u8]>| {
        matches!(entry.header().entry_type().as_byte(), b'g' | b'X')
    };
    let mut theirs = entries.filter(|entry| !entry.as_ref().is_ok_and(extended));
    for (at, member) in members.iter().enumerate() {
        let entry = theirs.next().unwrap_or_else(|| panic!("member {at} is not there for others"));
        // It refuses more here and there: a size of nothing but NUL, two pax headers.
        let Ok(mut entry) = entry else { return };
        // It takes one NUL from the end of a long name, where all others stop at the first.
        let name = whole(&entry.path_bytes());
        let name = std::str::from_utf8(&name).ok().and_then(fuzzing::clean);
        assert_eq!(name, member.path, "name of member {at}");
        if let Some((offset, size)) = member.data {
            assert_eq!(entry.size(), size, "size of member {at}");
            assert_eq!(entry.raw_file_position(), offset, "data of member {at}");
            let mut data = Vec::new();
            entry.read_to_end(&mut data).expect("all data");
            assert_eq!(data.len() as u64, size);
        }
        if let Some(link) = &member.link {
            let theirs = whole(&entry.link_name_bytes().unwrap_or_default());
            assert_eq!(*link, String::from_utf8_lossy(&theirs), "target of member {at}");
        }
    }
    assert!(
        !matches!(theirs.next(), Some(Ok(_))),
        "others see more than {} members",
        members.len()
    );
    for path in members.iter().filter_map(|member| member.path.as_deref()).take(64) {
        assert_eq!(fuzzing::clean(path).as_deref(), Some(path), "a cleaned name is clean");
        let Ok(Some(found)) = fuzzing::resolve(bytes, path) else { continue };
        assert!(members[found as usize].link.is_none(), "{path} ends at a link");
    }
}

fn whole(name: &[u8]) -> Vec<u8> {
    name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// Whether there may be an extended header whose magic `tar::Archive` does not know, or one with a
/// key twice or a newline in a value: it does not obey the former, while all others go by the type
/// alone, and takes the first of two, while all others take the last.
fn odd_extension(bytes: &[u8]) -> bool {
    let twice = |key: &[u8]| bytes.windows(key.len()).filter(|it| *it == key).count() > 1;
    let keys_twice = [&b" path="[..], b" linkpath=", b" size="].iter().any(|key| twice(key));
    // It cuts records at newlines, all others by their length.
    let newline = bytes.split(|byte| *byte == b'\n').any(|line| {
        let line = String::from_utf8_lossy(line);
        let record = line.trim_start_matches('\0');
        record.split_once(' ').is_some_and(|(length, rest)| {
            let length = length.parse::<usize>();
            rest.contains('=') && length.is_ok_and(|it| it != record.len() + 1)
        })
    });
    keys_twice
        || newline
        || bytes.chunks_exact(512).any(|block| {
            let known = [b"ustar\x0000", b"ustar  \0"].iter().any(|it| block[257..265] == it[..]);
            matches!(block[156], b'x' | b'g' | b'L' | b'K' | b'X') && !known
        })
}

/// What is parsed is what is written and parsed again, and the digests agree.
pub fn documents(raw: &[u8]) {
    if let Ok(manifest) = fuzzing::manifest(raw) {
        assert_eq!(manifest.raw(), raw);
        assert_eq!(manifest.measured().digest(), Digest::of(raw));
        let written = manifest.view().to_json();
        let again = fuzzing::manifest(written.as_bytes()).expect("what was written is read");
        assert_eq!(again.view().to_json(), written);
        assert_eq!(again.view().layers, manifest.view().layers);
        let telling = manifest.view().config.is_some() || !manifest.view().layers.is_empty();
        assert!(!telling || fuzzing::index(raw).is_err(), "a manifest and an index at once");
    }
    if let Ok(index) = fuzzing::index(raw) {
        let written = index.view().to_json();
        let again = fuzzing::index(written.as_bytes()).expect("what was written is read");
        assert_eq!(again.view().to_json(), written);
        assert_eq!(again.view().manifests, index.view().manifests);
    }
    if let Ok(config) = fuzzing::config(raw) {
        assert_eq!(config.raw(), raw);
        let chain = config.view().chain_ids();
        assert_eq!(chain.len(), config.view().diff_ids.len());
        let mut below: Option<ChainId> = None;
        for (id, layer) in chain.iter().zip(&config.view().diff_ids) {
            below = Some(ChainId::extend(below.as_ref(), layer));
            assert_eq!(below, Some(*id));
        }
    }
    if let Ok(parsed) = manifest::parse(raw) {
        assert_eq!(parsed.raw(), raw);
        assert_eq!(manifest::digest(raw).expect("it was parsed"), parsed.measured().digest());
        let same = manifest::diff(&parsed, &parsed).expect("it was parsed");
        assert!(same.same_bytes && same.changes.is_empty(), "a document differs from itself");
    }
}

/// What the scanner takes, serde_json takes as well, and the other way round but for the limits.
pub fn json(raw: &[u8]) {
    let theirs = serde_json::from_slice::<&RawValue>(raw);
    match (fuzzing::json(raw), theirs) {
        (Ok((text, _)), Ok(value)) => {
            assert_eq!(text, value.get().trim());
            let rewritten = fuzzing::rewritten(raw).expect("it was scanned");
            assert_eq!(rewritten.as_bytes(), raw, "rewritten without a change");
        }
        (Err(error), Ok(_)) => assert_eq!(error.code(), "limit", "only we refuse: {error}"),
        (Ok(_), Err(error)) => panic!("only others refuse: {error}"),
        (Err(_), Err(_)) => (),
    }
}

/// What a server says leads to clean URLs.
fn answers(text: &str) {
    const BASE: &str = "https://registry.example/v2/a/b/tags/list?n=1";
    let lines: Vec<&str> = text.split('\n').collect();
    let _ = (fuzzing::is_met(&lines), fuzzing::has_login(text.as_bytes(), "a.test:5000", "b/c"));
    for location in fuzzing::next_page(&lines).iter().map(String::as_str).chain([text]) {
        let Ok(full) = fuzzing::joined(BASE, location) else { continue };
        assert!(full.starts_with("http://") || full.starts_with("https://"), "{full:?}");
        assert!(!full.chars().any(|it| it.is_control() || it == ' '), "{full:?}");
        let again = fuzzing::joined(BASE, &full).expect("a URL of ours");
        assert_eq!(again, full, "a whole URL leads to itself");
    }
}

/// What is parsed is printed as something that parses to the same.
pub fn names(raw: &[u8]) {
    let Ok(text) = std::str::from_utf8(raw) else { return };
    answers(text);
    if let Ok(reference) = text.parse::<Reference>() {
        let full = reference.to_string();
        assert_eq!(full.parse::<Reference>().as_ref(), Ok(&reference), "{full}");
        let familiar = reference.familiar();
        assert_eq!(familiar.parse::<Reference>().as_ref(), Ok(&reference), "{familiar}");
        let again = Reference::new(&reference.repository(), reference.tag());
        assert_eq!(again.as_ref(), Ok(&reference));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    if let Ok(id) = text.parse::<DiffId>() {
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse::<ImageId>().expect("the same form").to_string(), text);
    }
    if let Ok(id) = text.parse::<V1LayerId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(platform) = text.parse::<Platform>() {
        let shown = platform.to_string();
        assert_eq!(shown.parse::<Platform>().as_ref(), Ok(&platform), "{shown}");
        assert!(platform.matches(&platform), "{shown} is not itself");
    }
    if let Some(clean) = fuzzing::clean(text) {
        assert!(!clean.starts_with('/') && !clean.split('/').any(|part| part == ".."), "{clean:?}");
        assert_eq!(fuzzing::clean(&clean).as_deref(), Some(clean.as_str()));
    }
}
