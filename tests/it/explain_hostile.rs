//! Hostile texts in every place that `explain` shows: no terminal is driven, nothing of them becomes
//! markup, and JSON has them unharmed.
//!
//! The page of a hostile image has to have the structure of the page of a harmless one, element for
//! element; how a page looks to a terminal is judged by its characters and columns.

use std::process::Command;

use html5gum::{DefaultEmitter, Token, Tokenizer};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::image::{digest, hex, layer};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv};
use crate::build::tar::Tar;

/// What others have tripped over.
const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onfocus=alert(1) autofocus x='",
    "</title></style></code></pre></svg><!-- ]]> <?x <math>",
    "&lt;b&gt; &#60;i&#62; &amp;lt;",
    "\u{1b}[31m\u{1b}]0;title\u{7}\u{1b}[2J\r\u{8}\u{0}\u{7f}",
    "\u{9b}2J\u{90}x\u{9c}\u{85}",
    "\u{202e}gnp\u{202c}\u{200f}\u{200e}\u{61c}\u{2066}x\u{2069}",
    "`` ` ``` |a|b| \\| \\` $x$ $$y$$",
    "[a](javascript:alert(1)) ![i](http://evil.example/i.png) [b]: http://evil.example",
    "<https://evil.example> https://evil.example/x www.evil.example a@evil.example @user #1",
    "\n\n# heading\n\n---\n\n- item\n\n```\nfence\n~~~\n> quote\n    code\n| a | b |\n| - | - |\n",
    "1. x\n+ y\n* z\n[ ] t\n[^1] *a* _b_ ~~c~~ **d** ==e==",
    "\ttab\u{2028}line\u{2029}paragraph\u{feff}",
];

/// A text for each place: harmless, hostile and short, or hostile and long.
#[derive(Clone, Copy)]
enum Texts {
    Harmless,
    Hostile(&'static str),
    Long,
}

impl Texts {
    fn text(self, place: &str) -> String {
        match self {
            Self::Harmless => format!("a {place}"),
            Self::Hostile(text) => format!("{text}{place}"),
            Self::Long => HOSTILE.concat().repeat(10),
        }
    }
}

/// A config with texts wherever a page could take one from.
fn config(texts: Texts, layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|it| digest(it)).collect();
    let steps = (0..=ids.len()).map(|at| {
        json!({
            "created": texts.text("time"), "created_by": texts.text("instruction"),
            "comment": texts.text("comment"), "author": texts.text("author"),
            "empty_layer": at == 1
        })
    });
    let label = texts.text("label").repeat(if matches!(texts, Texts::Long) { 4 } else { 1 });
    let labels = json!({"a": label, "b": "c"});
    let env: Vec<String> = match texts {
        Texts::Long => (0..100).map(|at| format!("E{at}={}", texts.text("env"))).collect(),
        _ => vec![format!("E={}", texts.text("env"))],
    };
    json!({
        "architecture": "amd64", "os": "linux", "author": texts.text("author"),
        "created": "2020-01-02T03:04:05Z", "comment": texts.text("comment"),
        "config": {"Env": env, "Labels": labels, "Cmd": [texts.text("cmd")]},
        "history": steps.collect::<Vec<_>>(),
        "rootfs": {"type": "layers", "diff_ids": ids}
    })
    .to_string()
    .into_bytes()
}

/// Sources with texts in names, paths, annotations and documents.
fn sources(texts: Texts) -> Vec<(&'static str, Vec<u8>)> {
    let layers = [layer("one"), layer("two")];
    let config = config(texts, &layers);
    let schema1 = json!({
        "schemaVersion": 1, "name": texts.text("name"), "tag": texts.text("tag"),
        "architecture": texts.text("architecture"),
        "fsLayers": [{"blobSum": digest(b"x")}],
        "history": [{"v1Compatibility": json!({
            "id": hex(b"x"), "created": "2020-01-02T03:04:05Z",
            "container_config": {"Cmd": [texts.text("instruction")]}
        }).to_string()}]
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(),
        "config": {"mediaType": MediaFamily::Oci.config(), "digest": digest(&config), "size": config.len()},
        "layers": [{
            "mediaType": MediaFamily::Oci.layer(b""), "digest": digest(&layers[0]), "size": 3,
            "annotations": {"a": texts.text("annotation")}, "urls": [texts.text("url")]
        }],
        "annotations": {"a": texts.text("annotation")}
    });
    vec![
        ("archive", saved(texts, &config, &layers)),
        ("layout", laid_out(texts, &config, &layers)),
        ("config", config),
        ("schema1", schema1.to_string().into_bytes()),
        ("manifest", manifest.to_string().into_bytes()),
    ]
}

fn saved(texts: Texts, config: &[u8], layers: &[Vec<u8>]) -> Vec<u8> {
    let path = |name: &str| {
        let text = texts.text(name).replace(['/', '\0'], "");
        text.chars().take(60).collect::<String>() + name
    };
    let paths = [path("one"), path("two")];
    let item = json!([{
        "Config": path("config"), "RepoTags": [texts.text("name"), texts.text("other")],
        "Layers": paths
    }]);
    let mut tar = Tar::new();
    for (name, bytes) in [path("config")].iter().chain(&paths).zip([config, &layers[0], &layers[1]])
    {
        tar.file(name, bytes);
    }
    tar.file("manifest.json", item.to_string().as_bytes()).end()
}

fn laid_out(texts: Texts, config: &[u8], layers: &[Vec<u8>]) -> Vec<u8> {
    let mut layout = Layout::new();
    let config = layout.descriptor(MediaFamily::Oci.config(), config);
    let layers: Vec<Value> = layers
        .iter()
        .map(|it| {
            let mut layer = layout.descriptor(MediaFamily::Oci.layer(it), it);
            layer["annotations"] = json!({texts.text("key"): texts.text("annotation")});
            layer
        })
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": layers,
        "annotations": {texts.text("key"): texts.text("annotation")}
    });
    let manifest = layout.document(MediaFamily::Oci.manifest(), &manifest);
    layout.named(&manifest, &texts.text("name"), Some(&texts.text("full")));
    layout.tar("")
}

/// File names: what a source may be called.
fn file_name(texts: Texts) -> String {
    let name = texts.text("file").replace(['/', '\0'], "");
    name.chars().take(60).collect()
}

/// Every hostile text, one page each, by every kind of source.
fn pages(format: &str, visit: &mut dyn FnMut(&str, Texts, &str)) {
    let place = Place::new();
    let all = HOSTILE.iter().map(|text| Texts::Hostile(text)).chain([Texts::Harmless, Texts::Long]);
    for texts in all {
        for (kind, bytes) in sources(texts) {
            let source = place.put(&file_name(texts), &bytes);
            let page = painted(&["explain", "--format", format, &source]);
            visit(kind, texts, &page);
        }
    }
}

/// A page as a terminal gets it, without the colours that are ours: for a pipe, whatever drives
/// terminals would be stripped, and nobody would see that a text of the source has it.
fn painted(arguments: &[&str]) -> String {
    let mut imgconv = Command::new(env!("CARGO_BIN_EXE_imgconv"));
    let done = imgconv.args(arguments).env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
    let done = done.output().unwrap();
    assert!(done.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&done.stderr));
    let page = String::from_utf8(done.stdout).unwrap();
    ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m"].iter().fold(page, |page, it| page.replace(it, ""))
}

#[test]
fn text_drives_no_terminal_and_fits_eighty_columns() {
    pages("text", &mut |kind, _, page| {
        for char in page.chars() {
            let bidi = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(char == '\n' || !(char.is_control() || bidi), "{kind}: {char:?} in {page:?}");
        }
        for (number, line) in page.lines().enumerate() {
            // Digests that are asked for are whole.
            let whole = line.split(|it: char| !it.is_ascii_hexdigit()).any(|it| it.len() == 64);
            let columns = line.chars().count();
            assert!(whole || columns <= 80, "{kind}: line {number} has {columns} columns: {line}");
        }
    });
}

/// What `inspect` and others would have to say is said by `--format json` as it stands.
#[test]
fn json_has_the_texts_unharmed() {
    pages("json", &mut |kind, texts, page| {
        let told = check::json(page.as_bytes());
        let steps = list(&told["history"]["steps"]);
        match kind {
            "archive" | "layout" | "config" => {
                assert_eq!(steps[0]["createdBy"], texts.text("instruction"), "{kind}");
                assert_eq!(steps[0]["created"], texts.text("time"), "{kind}");
            }
            "schema1" => assert_eq!(steps[0]["createdBy"], texts.text("instruction")),
            _ => (),
        }
        match kind {
            "archive" => {
                // What is no name by the grammar is none, and stands in the item as it is.
                let item = check::json(text(&told["manifestJson"]["item"]).as_bytes());
                let names = json!([texts.text("name"), texts.text("other")]);
                assert_eq!(item["RepoTags"], names);
            }
            "layout" => assert!(list(&told["names"]).len() == 1, "{}", told["names"]),
            _ => (),
        }
    });
}

/// Events that say how a page is built, without what stands in it.
fn outline(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut headings, mut inside) = (0, false);
    for event in Parser::new_ext(page, Options::all() - plain()) {
        match event {
            Event::Html(_) | Event::InlineHtml(_) => panic!("HTML: {event:?}"),
            Event::InlineMath(_) | Event::DisplayMath(_) | Event::FootnoteReference(_) => {
                panic!("{event:?}")
            }
            Event::TaskListMarker(_) | Event::Rule => panic!("{event:?}"),
            Event::Start(Tag::Image { .. }) => panic!("{event:?}"),
            Event::Start(Tag::Link { ref dest_url, .. }) => {
                assert!(dest_url.starts_with('#'), "{event:?}");
                found.push(format!("link {dest_url}"));
            }
            Event::Start(Tag::CodeBlock(_)) => {
                inside = true;
                found.push("code block".into());
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Start(Tag::Heading { level, .. }) => {
                headings += 1;
                found.push(format!("{level}"));
            }
            Event::Start(Tag::Emphasis | Tag::Strikethrough | Tag::Superscript) => {
                found.push("emphasis".into());
            }
            Event::Start(tag) => found.push(format!("{tag:?}")),
            Event::HardBreak => found.push("break".into()),
            // What renderers make links of, or call people by.
            Event::Text(text) if !inside => {
                for live in ["://", "www.", "@", "mailto:"] {
                    assert!(!text.contains(live), "{live} in {text:?}");
                }
            }
            _ => (),
        }
    }
    assert!(headings >= 9, "{headings}");
    found
}

/// Extensions that no renderer of pull requests has.
fn plain() -> Options {
    Options::ENABLE_SMART_PUNCTUATION
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS
        | Options::ENABLE_OLD_FOOTNOTES
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_SUPERSCRIPT
        | Options::ENABLE_SUBSCRIPT
        | Options::ENABLE_WIKILINKS
}

#[test]
fn markdown_has_the_structure_of_a_harmless_page() {
    let harmless = harmless("markdown");
    pages("markdown", &mut |kind, texts, page| {
        let expected = outline(&harmless[kind]);
        let found = outline(page);
        let control = page.chars().find(|it| it.is_control() && *it != '\n');
        assert_eq!(control, None, "{kind} {:?}", texts.text(""));
        let first = expected.iter().zip(&found).position(|(one, other)| one != other);
        assert!(expected == found, "{kind} {:?}: {first:?}\n{page}", texts.text(""));
    });
}

fn harmless(format: &str) -> std::collections::BTreeMap<&'static str, String> {
    let place = Place::new();
    let run = |(kind, bytes): (&'static str, Vec<u8>)| {
        let source = place.put(&file_name(Texts::Harmless), &bytes);
        let ran = imgconv(&["explain", "--format", format, &source]).ok();
        (kind, String::from_utf8(ran.out).unwrap())
    };
    sources(Texts::Harmless).into_iter().map(run).collect()
}

/// Elements with their attributes, in order; every one is closed.
fn elements(page: &str) -> Vec<String> {
    const VOID: [&str; 2] = ["meta", "br"];
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for token in Tokenizer::new_with_emitter(page, emitter) {
        match token.unwrap() {
            Token::StartTag(tag) => {
                let name = String::from_utf8(tag.name.to_vec()).unwrap();
                let mut shown = name.clone();
                for (key, value) in &tag.attributes {
                    let key = String::from_utf8(key.to_vec()).unwrap();
                    harms_nothing(&name, &key, std::str::from_utf8(&value.value).unwrap());
                    shown += &format!(" {key}");
                }
                if !VOID.contains(&name.as_str()) {
                    open.push(name);
                }
                found.push(shown);
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8(tag.name.to_vec()).unwrap();
                assert_eq!(open.pop(), Some(name), "{:?}", found.last());
            }
            Token::Comment(comment) => panic!("{comment:?}"),
            Token::Error(error) => panic!("{error:?} behind {:?}", found.last()),
            Token::String(text) => {
                let style = open.last().is_some_and(|it| it == "style");
                let text = String::from_utf8(text.value.to_vec()).unwrap();
                assert!(!style || !(text.contains("url(") || text.contains("@import")), "{text}");
                let shown = |it: char| it == '\n' || !it.is_control();
                assert!(text.chars().all(shown), "{text:?}");
            }
            Token::Doctype(_) => (),
        }
    }
    assert!(open.is_empty(), "{open:?} is not closed");
    found
}

/// Nothing runs and nothing is fetched.
fn harms_nothing(element: &str, key: &str, value: &str) {
    assert!(!["script", "img", "iframe", "link", "object", "base", "form"].contains(&element));
    assert!(
        !key.starts_with("on") && !["src", "srcset", "srcdoc", "action"].contains(&key),
        "{key}"
    );
    assert!(key != "href" || value.starts_with('#'), "{element} {key}={value}");
    let width = value.strip_prefix("width:").and_then(|it| it.strip_suffix('%'));
    assert!(key != "style" || width.is_some_and(|it| it.parse::<f64>().is_ok()), "{value}");
}

#[test]
fn html_has_the_structure_of_a_harmless_page_and_fetches_nothing() {
    let harmless = harmless("html");
    pages("html", &mut |kind, texts, page| {
        let expected = elements(&harmless[kind]);
        let found = elements(page);
        let first = expected.iter().zip(&found).position(|(one, other)| one != other);
        assert!(expected == found, "{kind} {:?}: {first:?}", texts.text(""));
        let ids: Vec<&str> =
            page.split(" id=\"").skip(1).map(|it| it.split('"').next().unwrap()).collect();
        let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "an id is there twice");
    });
}
