//! Registries that lie, stall, redirect and ask for credentials.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::image::{Image, digest, layer};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv, imgconv_with};
use crate::build::scripted::{Asked, Content, Reply, Scripted, honest};

pub(crate) const PASSWORD: &str = "marked-p4ssword";

pub(crate) fn layout() -> Layout {
    Layout::nameless(&["one"], MediaFamily::Oci)
}

pub(crate) fn content() -> Content {
    Content::of_layout(&layout(), "a/b", "1")
}

/// The digest of the only layer.
pub(crate) fn blob() -> String {
    digest(&crate::build::codec::gzip(&layer("one")))
}

/// A registry that follows the specification but for what `change` does.
pub(crate) fn but(change: impl Fn(&Asked, Reply) -> Reply + Send + Sync + 'static) -> Scripted {
    let content = Mutex::new(content());
    Scripted::new(move |asked| {
        let reply = content.lock().unwrap().answer(asked);
        change(asked, reply)
    })
}

pub(crate) fn pull(registry: &Scripted, place: &Place, more: &[&str]) -> crate::build::run::Ran {
    let (name, out) = (format!("{}/a/b:1", registry.host()), place.path("layout"));
    let mut args = vec!["pull"];
    if !more.contains(&"--retries") {
        args.extend(["--retries", "1"]);
    }
    args.extend(more);
    args.extend([name.as_str(), out.as_str()]);
    imgconv(&args)
}

pub(crate) type Change = fn(&Asked, Reply) -> Reply;

/// Wrong answers: what the registry does, the exit status, and words of the message.
pub(crate) const WRONG: &[(&str, Change, i32, &[&str])] = &[
    (
        "a manifest with other bytes than its digest",
        |asked, mut reply| {
            if asked.path.ends_with("/manifests/1") {
                reply.body.push(b' ');
            }
            reply
        },
        1,
        &["digest differs"],
    ),
    (
        "a blob with other bytes",
        |asked, mut reply| {
            if asked.path.ends_with(&blob()) {
                reply.body[30] ^= 1;
            }
            reply
        },
        1,
        &["digest differs", "sha256:"],
    ),
    (
        "a blob that is longer than its descriptor says",
        |asked, mut reply| {
            if asked.path.ends_with(&blob()) {
                reply.body.push(0);
            }
            reply
        },
        1,
        &["size differs"],
    ),
    (
        "a blob that is shorter",
        |asked, mut reply| {
            if asked.path.ends_with(&blob()) {
                reply.body.pop();
            }
            reply
        },
        1,
        &["size differs"],
    ),
    (
        "a blob that is encoded",
        |asked, reply| match asked.path.ends_with(&blob()) {
            true => reply.with("Content-Encoding", "gzip"),
            false => reply,
        },
        1,
        &["Content-Encoding"],
    ),
    (
        "a redirect in a circle",
        |asked, reply| match asked.path.contains("/blobs/") {
            true => Reply::new(307, "").with("Location", asked.path.clone()),
            false => reply,
        },
        2,
        &["redirects"],
    ),
    (
        "a redirect to the address of a cloud's metadata",
        |asked, reply| match asked.path.contains("/blobs/") {
            true => Reply::new(307, "").with("Location", "http://169.254.169.254/latest"),
            false => reply,
        },
        2,
        &["redirects", "169.254.169.254"],
    ),
    (
        "a redirect to a file",
        |asked, reply| match asked.path.contains("/blobs/") {
            true => Reply::new(307, "").with("Location", "file:///etc/passwd"),
            false => reply,
        },
        2,
        &["invalid URL"],
    ),
    (
        "a redirect without a place",
        |asked, reply| match asked.path.contains("/blobs/") {
            true => Reply::new(307, ""),
            false => reply,
        },
        2,
        &["Location"],
    ),
    (
        "a manifest without end",
        |asked, reply| match asked.path.contains("/manifests/") {
            true => Reply::new(200, vec![b' '; (4 << 20) + 10]),
            false => reply,
        },
        1,
        &["over the limit"],
    ),
    (
        "an index under the type of a manifest",
        |asked, reply| match asked.path.ends_with("/manifests/1") {
            true => {
                let body = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
                Reply::new(200, body.to_vec())
                    .with("Content-Type", "application/vnd.oci.image.manifest.v1+json")
            }
            false => reply,
        },
        1,
        &["media type differs"],
    ),
    (
        "no HTTP at all",
        |_, reply| Reply { raw: Some(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), ..reply },
        2,
        &["does not answer as expected"],
    ),
    (
        "a status that is not a number",
        |_, reply| Reply { raw: Some(b"HTTP/1.1 20 OK\r\n\r\n".to_vec()), ..reply },
        2,
        &[],
    ),
    (
        "too many header fields",
        |_, mut reply| {
            reply.headers.extend((0..10_000).map(|it| (format!("x-{it}"), "y".to_owned())));
            reply
        },
        2,
        &[],
    ),
    (
        "an error in words with escape codes",
        |_, _| Reply::new(400, format!("\u{1b}[31mred {}", "x".repeat(60_000))),
        2,
        &["400", "red"],
    ),
    (
        "an error in words where an image should be",
        |_, _| Reply::new(404, "\u{1b}[31mno page").with("Content-Type", "text/plain"),
        2,
        &["404"],
    ),
    (
        "an error with escape codes",
        |_, _| Reply::error(404, "NAME_UNKNOWN", "\\u001b[31mred"),
        2,
        &["404"],
    ),
];

#[test]
fn wrong_answers_are_refused_and_nothing_is_written() {
    for (what, change, status, words) in WRONG {
        let registry = but(*change);
        let place = Place::new();
        let ran = pull(&registry, &place, &[]).refused(*status, words);
        assert!(!ran.err.contains('\u{1b}') && ran.err.len() < 2000, "{what}: {}", ran.err);
        assert!(place.tree().is_empty(), "{what}: {:?}", place.tree().keys());
    }
}

#[test]
fn the_target_of_a_redirect_gets_no_credentials() {
    let stored = crate::build::codec::gzip(&layer("one"));
    let other = Scripted::new(move |_| Reply::new(200, stored.clone()));
    let to = format!("http://127.0.0.1:{}/stored?signature=x", other.port);
    let registry = guarded(Guard::Basic, move |asked, reply| match asked.path.ends_with(&blob()) {
        true => Reply::new(307, "").with("Location", to.clone()),
        false => reply,
    });
    let place = Place::new();
    log_in(&registry, &place, &["pull"]).ok();
    assert_eq!(other.lines(), ["GET /stored?signature=x"]);
    let headers = &other.asked()[0].headers;
    assert!(
        !headers.contains_key("authorization") && !headers.contains_key("cookie"),
        "{headers:?}"
    );
}

/// How a registry asks for credentials.
#[derive(Clone)]
pub(crate) enum Guard {
    Basic,
    /// By a token of this realm.
    Bearer(String),
}

pub(crate) fn guarded(
    guard: Guard,
    change: impl Fn(&Asked, Reply) -> Reply + Send + Sync + 'static,
) -> Scripted {
    let content = Mutex::new(content());
    Scripted::new(move |asked| {
        let expected = match &guard {
            Guard::Basic => format!("Basic {}", base64(&format!("me:{PASSWORD}"))),
            Guard::Bearer(_) => "Bearer t0ken".to_owned(),
        };
        if asked.headers.get("authorization") != Some(&expected) {
            let challenge = match &guard {
                Guard::Basic => "Basic realm=\"x\"".to_owned(),
                Guard::Bearer(realm) => {
                    format!(
                        "Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:*:push,delete\""
                    )
                }
            };
            return Reply::error(401, "UNAUTHORIZED", "log in").with("WWW-Authenticate", challenge);
        }
        let reply = content.lock().unwrap().answer(asked);
        change(asked, reply)
    })
}

pub(crate) fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

/// Runs with the password on standard input, and looks for it where it must not be.
pub(crate) fn log_in(registry: &Scripted, place: &Place, args: &[&str]) -> crate::build::run::Ran {
    let (name, out) = (format!("{}/a/b:1", registry.host()), place.path("layout"));
    let mut all = args.to_vec();
    all.extend(["-v", "--creds-stdin", "me", name.as_str(), out.as_str()]);
    let ran = imgconv_with(format!("{PASSWORD}\n").as_bytes(), &all);
    let out = String::from_utf8_lossy(&ran.out).into_owned();
    for text in [&ran.err, &out] {
        assert!(!text.contains(PASSWORD) && !text.contains(&base64(PASSWORD)), "{text}");
    }
    for bytes in place.tree().values().flatten() {
        assert!(!bytes.windows(PASSWORD.len()).any(|it| it == PASSWORD.as_bytes()));
    }
    ran
}

#[test]
fn credentials_are_sent_after_the_registry_asked_for_them() {
    let registry = guarded(Guard::Basic, |_, reply| reply);
    let place = Place::new();
    log_in(&registry, &place, &["pull"]).ok();
    let asked = registry.asked();
    assert!(!asked[0].headers.contains_key("authorization"));
    assert!(asked[1..].iter().all(|it| it.headers.contains_key("authorization")));
    // Without, and with wrong ones.
    let words = ["not allowed to pull", "401 without credentials", "docker login"];
    pull(&registry, &Place::new(), &[]).refused(2, &words);
    let place = Place::new();
    let file = place.put("auth.json", wrong(&registry).as_bytes());
    let ran = pull(&registry, &Place::new(), &["--authfile", &file]);
    ran.refused(2, &["401 with your credentials"]);
}

fn wrong(registry: &Scripted) -> String {
    let auth = base64("me:wrong");
    serde_json::json!({"auths": {registry.host(): {"auth": auth}}}).to_string()
}

#[test]
fn a_token_is_fetched_once_for_our_own_scope() {
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&count);
    let tokens = Scripted::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Reply::new(200, r#"{"token":"t0ken","expires_in":300}"#)
    });
    let realm = format!("http://localhost:{}/token", tokens.port);
    let registry = guarded(Guard::Bearer(realm), |_, reply| reply);
    let place = Place::new();
    log_in(&registry, &place, &["pull"]).ok();
    assert_eq!(count.load(Ordering::SeqCst), 1, "{:?}", tokens.lines());
    let asked = &tokens.asked()[0];
    assert!(asked.path.contains("scope=repository%3Aa%2Fb%3Apull"), "{}", asked.path);
    assert!(!asked.path.contains("push") && asked.path.contains("service=s"), "{}", asked.path);
    let expected = format!("Basic {}", base64(&format!("me:{PASSWORD}")));
    assert_eq!(asked.headers.get("authorization"), Some(&expected));
    // The registry itself never sees the password.
    for asked in registry.asked() {
        assert_ne!(asked.headers.get("authorization"), Some(&expected));
    }
}

#[test]
fn a_token_server_inside_a_network_or_with_a_strange_token_is_refused() {
    for realm in ["http://10.0.0.1/token", "http://user:x@localhost/token", "ftp://x/", "nonsense"]
    {
        let registry = guarded(Guard::Bearer(realm.to_owned()), |_, reply| reply);
        let place = Place::new();
        log_in(&registry, &place, &["pull"]).refused(2, &[]);
        assert!(place.tree().is_empty());
    }
    for token in [r#"{"token":"a\r\nHost: evil"}"#, "{}", "[]", "no JSON", r#"{"token":7}"#] {
        let tokens = Scripted::new(move |_| Reply::new(200, token));
        let realm = format!("http://localhost:{}/token", tokens.port);
        let registry = guarded(Guard::Bearer(realm), |_, reply| reply);
        log_in(&registry, &Place::new(), &["pull"]).refused(2, &[]);
    }
}

#[test]
fn the_urls_of_a_layer_are_never_asked() {
    let listener = Scripted::new(|_| Reply::new(200, "here"));
    let url = format!("http://localhost:{}/layer", listener.port);
    let mut layout = Layout::new();
    let image = Image::new(&["one"]).stored(&[Codec::Gzip]);
    let descriptor = layout.image(&image, MediaFamily::Oci);
    let path = format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/"));
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&layout.files()[path.as_str()]).unwrap();
    manifest["layers"][0]["urls"] = serde_json::json!([url]);
    let stored = crate::build::codec::gzip(&layer("one"));
    let new = layout.document("application/vnd.oci.image.manifest.v1+json", &manifest);
    layout.entry(new);
    layout.remove_blob(&stored);
    let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
    let place = Place::new();
    let ran = pull(&registry, &place, &[]).ok();
    assert!(ran.err.contains("never fetches its urls"), "{}", ran.err);
    assert!(listener.lines().is_empty());
}

#[test]
fn lists_of_tags_lead_nowhere_else() {
    let other = Scripted::new(|_| Reply::new(200, r#"{"tags":["x"]}"#));
    let elsewhere = format!("<http://localhost:{}/v2/a/b/tags/list>; rel=\"next\"", other.port);
    for (link, tag, words) in [
        (elsewhere.as_str(), "1", "another host"),
        ("</v2/a/b/tags/list?n=1000>; rel=\"next\"", "1", "there before"),
        ("", "../x", "tags"),
    ] {
        let (link, body) = (link.to_owned(), serde_json::json!({"tags": [tag]}).to_string());
        let registry =
            Scripted::new(move |_| Reply::new(200, body.clone()).with("Link", link.clone()));
        let ran = imgconv(&["tags", &format!("{}/a/b", registry.host())]);
        assert!(matches!(ran.code, Some(1 | 2)), "{}", ran.err);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    assert!(other.lines().is_empty());
}

#[test]
fn nobody_at_the_address_is_no_damage() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let place = Place::new();
    let name = format!("localhost:{port}/a/b:1");
    imgconv(&["pull", &name, &place.path("layout")]).refused(2, &["cannot reach", "hint:"]);
    assert!(place.tree().is_empty());
}

#[test]
fn only_names_of_registries_open_connections() {
    let Some(strace) = crate::judges::find("strace") else { return };
    let place = Place::new();
    let tar = place.put(
        "app.tar",
        &archive(&[Image::new(&["one"]).named(&["localhost:1/a:1"])], Repeat::Symlink),
    );
    let out = |name: &str| place.path(name);
    let log = place.path("log");
    let calls = |args: &[&str]| {
        let mut traced = std::process::Command::new(&strace);
        traced.args(["-f", "-qq", "-e", "trace=socket,connect", "-o", &log]);
        crate::judges::run(traced.arg(env!("CARGO_BIN_EXE_imgconv")).args(args));
        std::fs::read_to_string(&log).unwrap()
    };
    let (layout, back, copy) = (out("layout"), out("back.tar"), out("copy.tar"));
    for args in [
        &["save2oci", &tar, &layout] as &[&str],
        &["oci2save", &layout, &back],
        &["convert", &layout, &copy, "--to", "docker-archive"],
        &["inspect", &tar],
        &["history", &tar],
        &["verify", &layout],
        &["compare", &tar, &layout],
        &["roundtrip", &tar],
        &["explain", &tar],
        &["manifest", "show", &layout],
    ] {
        assert_eq!(calls(args), "", "{args:?}");
    }
    let (registry, _) = honest(content());
    let name = format!("docker://{}/a/b:1", registry.host());
    assert!(calls(&["inspect", &name]).contains("connect("));
}
