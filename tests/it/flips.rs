//! Every byte of small archives and layouts, changed: found and named, or shown not to matter.
//!
//! What a change may do without being found is worked out here from where it is: the offset in a
//! header, padding, a member that nothing names, a name that nothing vouches for.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use imgconv::bytes::files::Input;
use imgconv::image::Node;
use imgconv::progress::Quiet;
use imgconv::source;
use imgconv::verify::verify;
use serde_json::{Value, json};

use crate::build::classic::{Repeat, archive};
use crate::build::codec::{Codec, unpack};
use crate::build::hybrid::{Defect, docker25};
use crate::build::image::Image;
use crate::build::inside::{options, written};
use crate::build::layout::Layout;
use crate::build::tar::Tar;
use crate::build::{others, v1};

/// Image IDs with their diff IDs.
type Pictures = BTreeSet<(String, Vec<String>)>;

/// What is seen of a source.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    /// Code and place of every finding.
    findings: BTreeSet<(String, String)>,
    pictures: Pictures,
    /// The layout that it becomes.
    written: Vec<u8>,
}

/// What a conversion makes of it and verify says of it; the refusal where there is one.
fn seen(path: &Path) -> Result<Seen, String> {
    let refused = |error: imgconv::error::Error| {
        assert!(!error.at.to_string().is_empty() && !error.kind.to_string().is_empty());
        error.to_string()
    };
    let source = source::open(Input::Path(path.to_owned()), &options(), &Quiet).map_err(refused)?;
    let picture = |node: &Node| match node {
        Node::Image(image) => {
            let ids = image.config.view().diff_ids.iter().map(ToString::to_string).collect();
            Some((image.id().to_string(), ids))
        }
        _ => None,
    };
    let pictures = source.nodes.iter().filter_map(picture).collect();
    let written = written(source).map_err(refused)?;
    let verified = verify(Input::Path(path.to_owned()), &options(), 1, &Quiet).unwrap();
    let findings = verified.findings.iter();
    let findings = findings.map(|it| (it.code.to_owned(), it.at.to_string())).collect();
    Ok(Seen { findings, pictures, written })
}

/// How a change that is not found may show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Effect {
    /// The same layout comes out, byte for byte.
    Nothing,
    /// The same images under other names, or with other things said of them in `index.json`.
    Names,
    /// Other images.
    Images,
}

/// Counts of what became of the changes.
#[derive(Default, Debug)]
struct Tally {
    refused: usize,
    found: usize,
    survived: std::collections::BTreeMap<(Effect, &'static str), usize>,
    /// What survives without a reason.
    unexplained: Vec<String>,
}

impl Tally {
    /// Looks at one change; `why` says what may survive, and how.
    fn take(
        &mut self,
        good: &Seen,
        path: &Path,
        at: &dyn Fn() -> String,
        why: &dyn Fn(Effect) -> Option<&'static str>,
    ) {
        let Ok(now) = seen(path) else {
            self.refused += 1;
            return;
        };
        if !now.findings.is_subset(&good.findings) {
            self.found += 1;
            return;
        }
        let effect = match (now.written == good.written, now.pictures == good.pictures) {
            (true, _) => Effect::Nothing,
            (_, true) => Effect::Names,
            _ => Effect::Images,
        };
        match why(effect) {
            Some(why) => *self.survived.entry((effect, why)).or_default() += 1,
            None => self.unexplained.push(format!("{}: {effect:?}", at())),
        }
    }
}

/// Where a byte of an archive is.
#[derive(Clone, Debug)]
struct Place {
    member: String,
    header: [u8; 512],
    part: Part,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Header(usize),
    Data(usize),
    Padding,
    End,
}

/// The place of each byte, by the sizes in the headers.
fn places(bytes: &[u8]) -> Vec<Place> {
    let mut places = Vec::new();
    while places.len() < bytes.len() {
        let start = places.len();
        let header: [u8; 512] = bytes[start..start + 512].try_into().unwrap();
        let mut add = |part| {
            let name = header[..100].split(|byte| *byte == 0).next().unwrap();
            let member = String::from_utf8(name.to_vec()).unwrap();
            places.push(Place { member, header, part });
        };
        if header == [0; 512] {
            (start..bytes.len()).for_each(|_| add(Part::End));
            break;
        }
        let size = std::str::from_utf8(&header[124..135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap();
        (0..512).for_each(|at| add(Part::Header(at)));
        (0..size).for_each(|at| add(Part::Data(at)));
        (size..size.next_multiple_of(512)).for_each(|_| add(Part::Padding));
    }
    places
}

/// Members that no conversion reads where there is a `manifest.json`.
fn is_unread(member: &str) -> bool {
    ["/VERSION", "/json"].iter().any(|it| member.ends_with(it)) || member == "repositories"
}

/// The links that podman writes for docker before 1.10.
fn legacy_link(place: &Place) -> bool {
    place.header[156] == b'2' && place.member.ends_with("/layer.tar")
}

/// Why a change in an archive may survive.
fn explained(place: &Place, good: &[u8], bad: &[u8], effect: Effect) -> Option<&'static str> {
    let field = |range: std::ops::Range<usize>, at: usize| range.contains(&at);
    let old = !good.windows(13).any(|it| it == b"manifest.json");
    let behind_nul = |range: std::ops::Range<usize>, at: usize| {
        range.contains(&at) && place.header[range.start..at].contains(&0)
    };
    match (place.part, effect) {
        (Part::Padding, Effect::Nothing) => Some("padding"),
        (Part::End, Effect::Nothing) => Some("behind the end"),
        (Part::Header(at), Effect::Nothing) => match at {
            at if field(100..124, at) => Some("mode and owner"),
            at if field(136..148, at) => Some("mtime"),
            at if field(148..156, at) => Some("blanks in the check sum"),
            at if behind_nul(0..100, at) => Some("name, behind its end"),
            at if field(157..257, at) && !matches!(place.header[156], b'1' | b'2') => {
                Some("link target of what is no link")
            }
            at if behind_nul(157..257, at) => Some("link target, behind its end"),
            at if field(257..265, at) => Some("magic and version"),
            at if field(265..345, at) => Some("names of owner, device numbers"),
            at if behind_nul(345..500, at) => Some("prefix, behind its end"),
            at if field(500..512, at) => Some("unused end of a header"),
            _ if place.member.ends_with('/') => Some("directory"),
            _ if is_unread(&place.member) || legacy_link(place) => {
                Some("header of a member that nothing reads")
            }
            156 => None,
            at if field(124..136, at) => Some("size, written otherwise"),
            _ => None,
        },
        (Part::Header(0..100), Effect::Names) if old && place.member == "repositories" => {
            Some("no repositories any more, so no names")
        }
        (Part::Data(_), Effect::Nothing) if is_unread(&place.member) && !old => {
            Some("member that nothing reads")
        }
        (Part::Data(_), Effect::Nothing) if old && place.member.ends_with("/VERSION") => {
            Some("member that nothing reads")
        }
        // Docker before 1.10 knew no digests: the JSON and the layer are what they are.
        (Part::Data(_), _) if old => Some("an image without digests"),
        // The diff ID is of what is inside; time and system in a header, and a few bits of deflate,
        // say nothing.
        (Part::Data(_), Effect::Names) if place.member.ends_with("/layer.tar") => {
            let layer = |bytes| data(bytes, &place.member).map(|it| unpack(&it.0));
            (layer(good) == layer(bad)).then_some("gzip that holds the same layer")
        }
        // Names, and in index.json types and keys as well: nothing else says them.
        (Part::Data(_), Effect::Names)
            if ["manifest.json", "index.json", "repositories"].contains(&place.member.as_str()) =>
        {
            Some("what nothing but this document says")
        }
        (Part::Data(_), Effect::Nothing) => (meaning(good, &place.member)
            == meaning(bad, &place.member))
        .then_some("letter case of a key, or a name that index.json says as well"),
        _ => None,
    }
}

/// What counts in a document of an archive: in `manifest.json` configs and layers, in others all;
/// keys in any letter case. The bytes of what is no document.
fn meaning(bytes: &[u8], member: &str) -> Result<Value, Vec<u8>> {
    let (data, _) = data(bytes, member).unwrap_or_default();
    let value: Value = serde_json::from_slice(&data).map_err(|_| data.clone())?;
    let lower = |value: &Value| match value {
        Value::Object(all) => all.iter().map(|(k, v)| (k.to_lowercase(), v.clone())).collect(),
        other => other.clone(),
    };
    Ok(match value.as_array().filter(|_| member == "manifest.json") {
        Some(items) => {
            let items = items.iter().map(lower);
            items.map(|it| json!([it["config"], it["layers"]])).collect()
        }
        None => lower(&value),
    })
}

fn data(bytes: &[u8], member: &str) -> Option<(Vec<u8>, usize)> {
    let places = places(bytes);
    let of = |place: &Place| place.member == member && matches!(place.part, Part::Data(_));
    let start = places.iter().position(of)?;
    let length = places[start..].iter().take_while(|it| of(it)).count();
    Some((bytes[start..start + length].to_vec(), start))
}

/// Rights the check sum of the header that holds this byte.
fn mend(bytes: &mut [u8], at: usize) -> (usize, [u8; 8]) {
    let start = at / 512 * 512;
    let header = &mut bytes[start..start + 512];
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let field: [u8; 8] = format!("{sum:06o}\0 ").into_bytes().try_into().unwrap();
    header[148..156].copy_from_slice(&field);
    (start + 148, field)
}

/// Changes every byte of an archive, those of headers once more with a check sum that is right.
#[track_caller]
fn every_byte(name: &str, good: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.tar");
    fs::write(&path, good).unwrap();
    let whole = seen(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let file = File::options().write(true).open(&path).unwrap();
    let places = places(good);
    let mut tally = Tally::default();
    for (at, place) in places.iter().enumerate() {
        let mended: &[bool] =
            if matches!(place.part, Part::Header(_)) { &[false, true] } else { &[false] };
        for mended in mended {
            let mut bad = good.to_vec();
            bad[at] ^= 1 << (at % 8);
            let mut wrote = vec![(at, vec![bad[at]])];
            if *mended {
                let (at, field) = mend(&mut bad, at);
                wrote.push((at, field.to_vec()));
            }
            wrote.iter().for_each(|(at, bytes)| file.write_all_at(bytes, *at as u64).unwrap());
            let text = || format!("{name}: byte {at} of {}: {:?}", place.member, place.part);
            tally.take(&whole, &path, &text, &|effect| explained(place, good, &bad, effect));
            for (at, bytes) in &wrote {
                file.write_all_at(&good[*at..at + bytes.len()], *at as u64).unwrap();
            }
        }
    }
    println!("{name}: {} bytes, {tally:#?}", good.len());
    assert!(tally.unexplained.is_empty(), "{name}: {:#?}", tally.unexplained);
    assert!(tally.refused + tally.found > good.len() / 8, "{name}: {tally:?}");
}

/// Two layers of one small file, one of them compressed.
fn image() -> Image {
    let layer = |text: &str| Tar::new().file(text, text.as_bytes()).end();
    Image::of(vec![layer("base"), layer("top")]).named(&["a:1"])
}

#[test]
fn of_a_classic_archive() {
    let image = image().stored(&[Codec::Gzip, Codec::Plain]);
    every_byte("classic", &archive(&[image], Repeat::Symlink));
}

#[test]
fn of_an_archive_that_is_a_layout_too() {
    every_byte("hybrid", &docker25(&[image()], Defect::None));
}

#[test]
fn of_an_archive_of_imgconv() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("source"), others::ggcr(&[image().stored(&[Codec::Gzip])])).unwrap();
    crate::build::run::imgconv(&["save2oci", &path("source"), &path("layout")]).ok();
    crate::build::run::imgconv(&["oci2save", &path("layout"), &path("universal")]).ok();
    every_byte("universal", &fs::read(path("universal")).unwrap());
}

#[test]
fn of_an_archive_of_podman() {
    every_byte("podman", &others::podman(&[image()]));
}

#[test]
fn of_an_archive_from_before_digests() {
    let layer = Tar::new().file("a", b"a").end();
    let base = v1::docker19("base", None, layer.clone(), "one");
    let top = v1::docker19("top", Some("base"), layer, "two");
    let names = json!({"demo/old": {"1": v1::id("top")}});
    every_byte("V1", &v1::archive(&[base, top], Some(&names)));
}

#[test]
fn of_a_layout_in_a_tar() {
    every_byte("layout tar", &Layout::of(&[image().stored(&[Codec::Gzip, Codec::Zstd])]).tar(""));
}

#[test]
fn of_every_file_of_a_layout() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("layout");
    Layout::of(&[image().stored(&[Codec::Gzip, Codec::Plain])]).write(&root);
    let whole = seen(&root).unwrap();
    let mut tally = Tally::default();
    let mut files: Vec<PathBuf> = crate::judges::tree(&root).into_keys().collect();
    files.sort();
    assert_eq!(files.len(), 6, "{files:?}");
    for name in files {
        let path = root.join(&name);
        let good = fs::read(&path).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        for at in 0..good.len() {
            file.write_all_at(&[good[at] ^ 1 << (at % 8)], at as u64).unwrap();
            let text = || format!("byte {at} of {}", name.display());
            let index = name == Path::new("index.json");
            let bad = fs::read(&path).unwrap();
            tally.take(&whole, &root, &text, &|effect| match effect {
                Effect::Nothing if good.eq_ignore_ascii_case(&bad) => Some("letter case of a key"),
                Effect::Names if index => {
                    Some("what nothing but this document says: names, types, keys")
                }
                _ => None,
            });
            file.write_all_at(&good[at..=at], at as u64).unwrap();
        }
    }
    println!("layout: {tally:#?}");
    assert!(tally.unexplained.is_empty(), "{:#?}", tally.unexplained);
    assert!(tally.refused + tally.found > 3000, "{tally:?}");
}
