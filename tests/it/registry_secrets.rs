//! A password goes to the registry that asked for it, or to its token server, and nowhere else:
//! whatever a registry does, it is not in an output, a file, or a request to another listener.

use std::time::Duration;

use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, Ran, imgconv_with};
use crate::build::scripted::{Asked, Reply, Scripted};
use crate::registry_hostile::{Guard, PASSWORD, WRONG, base64, blob, guarded};

/// The password in every form in which it is sent.
fn forms() -> [String; 3] {
    [PASSWORD.to_owned(), base64(PASSWORD), base64(&format!("me:{PASSWORD}"))]
}

fn has_secret(bytes: &[u8]) -> bool {
    forms().iter().any(|it| bytes.windows(it.len()).any(|part| part == it.as_bytes()))
}

/// All that a listener was sent.
fn sent(asked: &Asked) -> Vec<u8> {
    let headers = asked.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let text = format!("{}\n{}", asked.line(), headers.collect::<String>());
    [text.as_bytes(), &asked.body].concat()
}

/// How a registry lets in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Login {
    Password,
    Token,
}

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verb {
    Pull,
    Push,
    Tags,
    /// A pull of everything beside the image too.
    All,
}

fn run(verb: Verb, host: &str, place: &Place) -> Ran {
    let (name, out) = (format!("{host}/a/b:1"), place.path("layout"));
    let (new, repository) = (format!("{host}/x/y:2"), format!("{host}/a/b"));
    let image = Image::new(&["pushed"]).named(&["a:1"]);
    let tar = match verb {
        Verb::Push => place.put("one.tar", &archive(&[image], Repeat::Symlink)),
        _ => String::new(),
    };
    let own: &[&str] = match verb {
        Verb::Pull => &["pull", &name, &out],
        Verb::Push => &["push", &tar, &new],
        Verb::Tags => &["tags", &repository],
        Verb::All => &["pull", "--with", "all", &name, &out],
    };
    let args = ["-v", "--retries", "0", "--timeout", "2", "--creds-stdin", "me"];
    imgconv_with(format!("{PASSWORD}\n").as_bytes(), &[own, &args].concat())
}

/// Looks everywhere after a run; `registry` may get the password in this one header.
fn search(what: &str, ran: &Ran, place: &Place, registry: &Scripted, other: &Scripted) {
    assert!(!has_secret(ran.err.as_bytes()) && !has_secret(&ran.out), "{what}: {}", ran.err);
    assert!(!ran.err.contains("panicked"), "{what}: {}", ran.err);
    for (path, bytes) in place.tree() {
        assert!(!has_secret(&bytes.unwrap_or_default()), "{what}: {}", path.display());
    }
    for asked in other.asked() {
        assert!(!has_secret(&sent(&asked)), "{what}: {}", asked.line());
        let headers = &asked.headers;
        assert!(!headers.contains_key("authorization"), "{what}: {}", asked.line());
        assert!(!headers.contains_key("cookie"), "{what}: {}", asked.line());
    }
    for mut asked in registry.asked() {
        asked.headers.remove("authorization");
        assert!(!has_secret(&sent(&asked)), "{what}: {}", asked.line());
    }
}

/// What a registry does to an answer; the text is the address of another listener.
type Hostile = fn(&Asked, Reply, &str) -> Reply;

fn redirect(asked: &Asked, reply: Reply, part: &str, to: String) -> Reply {
    match asked.path.contains(part) {
        true => Reply::new(307, "").with("Location", to).with("Set-Cookie", "a=b"),
        false => reply,
    }
}

const ROWS: &[(&str, Verb, Hostile)] = &[
    ("blobs on another host", Verb::Pull, |asked, reply, other| {
        redirect(asked, reply, "/blobs/", format!("http://{other}/stored?x=y"))
    }),
    ("blobs on another port", Verb::Pull, |asked, reply, other| {
        let other = other.replace("127.0.0.1", "localhost");
        redirect(asked, reply, "/blobs/", format!("http://{other}/stored"))
    }),
    ("manifests on another host", Verb::Pull, |asked, reply, other| {
        redirect(asked, reply, "/manifests/", format!("http://{other}/stored"))
    }),
    ("a redirect with a user", Verb::Pull, |asked, reply, other| {
        redirect(asked, reply, "/blobs/", format!("http://me:x@{other}/stored"))
    }),
    ("another challenge on another host", Verb::Pull, |asked, reply, other| {
        redirect(asked, reply, "/blobs/", format!("http://{other}/challenge"))
    }),
    ("an upload on another host", Verb::Push, |asked, reply, other| match asked.method.as_str() {
        "POST" => Reply::new(202, "").with("Location", format!("http://{other}/upload")),
        _ => reply,
    }),
    ("an upload on another host that asks for a login", Verb::Push, |asked, reply, other| {
        match asked.method.as_str() {
            "POST" => Reply::new(202, "").with("Location", format!("http://{other}/challenge")),
            _ => reply,
        }
    }),
    ("an upload with a line break", Verb::Push, |asked, reply, other| {
        match asked.method.as_str() {
            "POST" => Reply::new(202, "").with("Location", format!("//{other}/\tx\u{b}y#z")),
            _ => reply,
        }
    }),
    ("a push that is refused", Verb::Push, |asked, reply, _| match asked.method.as_str() {
        "PUT" => Reply::error(403, "DENIED", "not yours"),
        _ => reply,
    }),
    ("a next page on another host", Verb::Tags, |_, reply, other| {
        reply.with("Link", format!("<http://{other}/v2/a/b/tags/list>; rel=\"next\""))
    }),
    ("tags that are paths", Verb::Tags, |_, _, _| Reply::new(200, r#"{"tags":["../x"]}"#)),
    ("referrers that are not there", Verb::All, |asked, reply, _| {
        match asked.path.contains("/referrers/") {
            true => {
                let digest = format!("sha256:{}", "0".repeat(64));
                let body = format!(
                    r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":2}}]}}"#
                );
                Reply::new(200, body)
            }
            false => reply,
        }
    }),
    ("a rest that was not asked for", Verb::Pull, |asked, mut reply, _| {
        if asked.path.ends_with(&blob()) {
            match asked.headers.contains_key("range") {
                true => return Reply::new(206, "x").with("Content-Range", "bytes 0-0/9"),
                false => reply.cut = Some(9),
            }
        }
        reply
    }),
    ("one byte a second", Verb::Pull, |asked, reply, _| match asked.path.ends_with(&blob()) {
        true => Reply::endless("HTTP/1.1 200 OK\r\n\r\n", "x", Duration::from_millis(900)),
        false => reply,
    }),
    ("a pause of a year", Verb::Pull, |asked, reply, _| match asked.path.contains("/blobs/") {
        true => Reply::error(429, "TOOMANYREQUESTS", "x").with("Retry-After", "99999999"),
        false => reply,
    }),
    ("a digest that is a path", Verb::Pull, |asked, reply, _| {
        match asked.path.contains("/manifests/") {
            true => Reply::new(
                200,
                r#"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:../../x","size":1},"layers":[]}"#,
            ),
            false => reply,
        }
    }),
    (ASKS_ITSELF, Verb::Pull, |asked, reply, _| match asked.path.contains("/blobs/") {
        true => {
            Reply::error(401, "UNAUTHORIZED", "again").with("WWW-Authenticate", "Basic realm=\"y\"")
        }
        false => reply,
    }),
    ("a challenge for the password in words", Verb::Pull, |asked, reply, _| {
        match asked.path.contains("/blobs/") {
            true => Reply::error(401, "UNAUTHORIZED", "send it as ?password=")
                .with("WWW-Authenticate", "Digest realm=\"y\", nonce=\"z\""),
            false => reply,
        }
    }),
];

/// A registry that asks for the password itself may have it, also after a token.
const ASKS_ITSELF: &str = "a new challenge for each answer";

/// A listener that answers everything, or asks for a login.
fn listener() -> Scripted {
    Scripted::new(|asked| match asked.path.starts_with("/challenge") {
        true => Reply::error(401, "UNAUTHORIZED", "log in here")
            .with("WWW-Authenticate", "Basic realm=\"x\""),
        false => Reply::new(200, "stored"),
    })
}

#[test]
fn no_row_of_a_hostile_registry_gets_a_password_out() {
    for by in [Login::Password, Login::Token] {
        for (what, verb, change) in ROWS {
            let (other, tokens, place) = (listener(), token_server(), Place::new());
            let address = format!("127.0.0.1:{}", other.port);
            let change = *change;
            let registry =
                guarded(guard(by, &tokens), move |asked, reply| change(asked, reply, &address));
            let ran = run(*verb, &registry.host(), &place);
            search(what, &ran, &place, &registry, &other);
            only_where_it_belongs(what, by, &registry, &tokens);
        }
        for (what, change, ..) in WRONG {
            let (other, tokens, place) = (listener(), token_server(), Place::new());
            let registry = guarded(guard(by, &tokens), *change);
            let ran = run(Verb::Pull, &registry.host(), &place);
            search(what, &ran, &place, &registry, &other);
            only_where_it_belongs(what, by, &registry, &tokens);
        }
    }
}

fn token_server() -> Scripted {
    Scripted::new(|_| Reply::new(200, r#"{"token":"t0ken","expires_in":300}"#))
}

fn guard(by: Login, tokens: &Scripted) -> Guard {
    match by {
        Login::Token => Guard::Bearer(format!("http://localhost:{}/token", tokens.port)),
        Login::Password => Guard::Basic,
    }
}

/// The password was sent, so that the search means something, and only to whom it is for.
fn only_where_it_belongs(what: &str, by: Login, registry: &Scripted, tokens: &Scripted) {
    let gets = |it: &Scripted| it.asked().iter().any(|asked| has_secret(&sent(asked)));
    let itself = by == Login::Password || what == ASKS_ITSELF;
    assert_eq!((gets(registry), gets(tokens)), (itself, by == Login::Token), "{what}");
}

#[test]
fn no_token_server_gets_a_password_out_of_place() {
    let answers: [(&str, &str); 6] = [
        ("a token with a line break", r#"{"token":"a\r\nHost: evil"}"#),
        ("no token", "{}"),
        ("no JSON", "<html>"),
        ("a token that is a number", r#"{"token":7}"#),
        ("a token that ends at once", r#"{"token":"t0ken","expires_in":-1}"#),
        ("a long token", ""),
    ];
    for (what, answer) in answers {
        let (other, place) = (listener(), Place::new());
        let tokens = Scripted::new(move |_| match answer.is_empty() {
            true => Reply::new(200, format!(r#"{{"token":"{}"}}"#, "a".repeat(2 << 20))),
            false => Reply::new(200, answer),
        });
        let registry = guarded(guard(Login::Token, &tokens), |_, reply| reply);
        let ran = run(Verb::Pull, &registry.host(), &place);
        search(what, &ran, &place, &registry, &other);
        only_where_it_belongs(what, Login::Token, &registry, &tokens);
    }
    // These get nothing at all.
    for realm in ["http://10.0.0.1/t", "http://me:x@localhost/t", "ftp://x/", "//", "a b", ""] {
        let (other, place) = (listener(), Place::new());
        let registry = guarded(Guard::Bearer(realm.to_owned()), |_, reply| reply);
        let ran = run(Verb::Pull, &registry.host(), &place);
        search(realm, &ran, &place, &registry, &other);
        assert!(!registry.asked().iter().any(|asked| has_secret(&sent(asked))), "{realm}");
    }
    // A redirect of the token server.
    let (other, place) = (listener(), Place::new());
    let to = format!("http://127.0.0.1:{}/challenge", other.port);
    let tokens = Scripted::new(move |_| Reply::new(307, "").with("Location", to.clone()));
    let registry = guarded(guard(Login::Token, &tokens), |_, reply| reply);
    let ran = run(Verb::Pull, &registry.host(), &place);
    search("a redirect of the token server", &ran, &place, &registry, &other);
}

/// The words of a file with credentials are not in the message about it.
#[test]
fn no_message_about_a_file_of_credentials_shows_what_is_in_it() {
    let registry = guarded(Guard::Basic, |_, reply| reply);
    let (host, auth) = (registry.host(), base64(&format!("me:{PASSWORD}")));
    for text in [
        format!(r#"{{"auths": {{"{host}": {{"auth": "{auth}"#),
        format!(r#"{{"auths": {{"{host}": {{"auth": "{PASSWORD}"}}}}}}"#),
        format!(r#"{{"auths": {{"{host}": {{"auth": ["{auth}"]}}}}}}"#),
        format!(r#"{{"auths": {{"{host}": "{auth}"}}}}"#),
        format!(r#"{{"auths": "{PASSWORD}"}}"#),
        format!(r#"{{"auths": {{"{host}": {{"auth": "{}"}}}}}}"#, base64(PASSWORD)),
        format!(r#"{{"auths": {{"{host}": {{"username": "me", "password": "{PASSWORD}\n"}}}}}}"#),
        format!(r#"{{"auths": {{"{host}": {{"identitytoken": "{PASSWORD}\r"}}}}}}"#),
        format!(r#""{PASSWORD}""#),
        PASSWORD.to_owned(),
    ] {
        let (place, out) = (Place::new(), Place::new());
        let file = place.put("auth.json", text.as_bytes());
        let name = format!("{host}/a/b:1");
        let args = ["pull", "-v", "--authfile", &file, &name, &out.path("layout")];
        let ran = imgconv_with(b"", &args);
        assert!(ran.code != Some(101) && !ran.err.contains("panicked"), "{text}: {}", ran.err);
        assert!(!has_secret(ran.err.as_bytes()) && !has_secret(&ran.out), "{text}: {}", ran.err);
    }
}
