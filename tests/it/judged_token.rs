//! A real registry that lets in with tokens, and a server that gives them out.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::build::run::{Place, imgconv, imgconv_with};
use crate::build::scripted::{Asked, Reply, Scripted};
use crate::judges::certs::Authority;
use crate::judges::registry::another;
use crate::judges::{find, run};

const ARCHIVE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");
const PASSWORD: &str = "marked-p4ssword";

/// Signs tokens as docker's token servers do (distribution `docs/spec/auth/jwt.md`).
struct Signer {
    openssl: PathBuf,
    place: Place,
}

impl Signer {
    fn new() -> Option<Self> {
        let (openssl, place) = (find("openssl")?, Place::new());
        let key = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"];
        let files = ["-subj", "/CN=tokens", "-keyout", "tokens.key", "-out", "tokens.crt"];
        run(Command::new(&openssl).current_dir(place.path("")).args(key).args(files));
        Some(Self { openssl, place })
    }

    fn certificate(&self) -> String {
        self.place.path("tokens.crt")
    }

    /// A token for these scopes, `repository:NAME:ACTION,ACTION`.
    fn token(&self, scopes: &[String]) -> String {
        let pem = fs::read_to_string(self.certificate()).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        let access: Vec<_> = scopes
            .iter()
            .map(|scope| {
                let mut parts = scope.split(':');
                let mut next = || parts.next().unwrap();
                let (kind, name) = (next(), next());
                let actions: Vec<_> = next().split(',').collect();
                json!({"type": kind, "name": name, "actions": actions})
            })
            .collect();
        let head = json!({"typ": "JWT", "alg": "RS256", "x5c": [der]});
        let body = json!({
            "iss": "judge", "aud": "registry.judged", "sub": "me", "jti": "1", "access": access,
            "iat": 0, "nbf": 0, "exp": 4_102_444_800_u64
        });
        let [head, body] = [head, body].map(|it| URL_SAFE_NO_PAD.encode(it.to_string()));
        let signed = format!("{head}.{body}");
        let mut sign = Command::new(&self.openssl);
        sign.args(["dgst", "-sha256", "-sign", &self.place.path("tokens.key")]);
        let mut child = sign.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(signed.as_bytes()).unwrap();
        let signature = child.wait_with_output().unwrap().stdout;
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn decoded(text: &str) -> String {
    text.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/")
}

/// Gives everybody who pulls a token, and to push only `me`.
fn answer(signer: &Signer, asked: &Asked) -> Reply {
    let query = asked.path.split_once('?').map_or("", |it| it.1);
    let query = query.split('&').filter_map(|it| it.strip_prefix("scope="));
    let scopes: Vec<String> = query.map(decoded).collect();
    let known = format!("Basic {}", STANDARD.encode(format!("me:{PASSWORD}")));
    let known = asked.headers.get("authorization") == Some(&known);
    if asked.headers.contains_key("authorization") && !known {
        return Reply::error(401, "UNAUTHORIZED", "wrong password");
    }
    let allowed = |scope: String| if known { scope } else { scope.replace(",push", "") };
    let scopes: Vec<String> = scopes.into_iter().map(allowed).collect();
    Reply::new(200, json!({"token": signer.token(&scopes), "expires_in": 300}).to_string())
}

#[test]
fn tokens_open_what_their_scope_says() {
    let Some(signer) = Signer::new().map(Arc::new) else { return };
    let theirs = Arc::clone(&signer);
    let tokens = Scripted::new(move |asked| answer(&theirs, asked));
    let section = |_: &Path| {
        format!(
            "auth:\n  token:\n    realm: http://127.0.0.1:{}/token\n    service: registry.judged\n    issuer: judge\n    rootcertbundle: {}\n",
            tokens.port,
            signer.certificate()
        )
    };
    let Some(registry) = another(&|_| String::new(), &section) else { return };
    let place = Place::new();
    let name = |repository: &str| format!("{}/tokens/{repository}:1", registry.host());
    // Without credentials a token opens nothing to write.
    imgconv(&["push", ARCHIVE, &name("one")]).refused(2, &["not allowed to push", "without"]);
    tokens.forget();
    let push = |name: &str| {
        let args = ["push", "-v", "--creds-stdin", "me", ARCHIVE, name];
        imgconv_with(PASSWORD.as_bytes(), &args).ok()
    };
    let ran = push(&name("one"));
    assert!(!ran.err.contains(PASSWORD), "{}", ran.err);
    assert!(ran.err.contains(&format!("log in at 127.0.0.1:{}", tokens.port)), "{}", ran.err);
    let asked: Vec<_> = tokens.lines().iter().map(|line| decoded(line)).collect();
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert!(asked[0].contains("scope=repository:tokens/one:pull,push"), "{asked:#?}");
    imgconv(&["pull", &name("one"), &place.path("layout")]).ok();
    imgconv(&["verify", "--strict", &place.path("layout")]).ok();
    // A copy on one registry: one token for both repositories, and nothing is sent.
    tokens.forget();
    let places = [name("one"), name("two")].map(|it| format!("docker://{it}"));
    let args = ["convert", "--creds-stdin", "me", &places[0], &places[1]];
    imgconv_with(PASSWORD.as_bytes(), &args).ok();
    let back = place.path("back");
    imgconv(&["pull", &name("two"), &back]).ok();
    imgconv(&["compare", "--level", "manifest", &place.path("layout"), &back]).ok();
    let wrong = ["push", "--creds-stdin", "me", ARCHIVE, &name("one")];
    imgconv_with(b"wrong", &wrong).refused(2, &["with your credentials"]);
}

#[test]
fn a_token_server_without_tls_gets_nothing_of_a_registry_with_it() {
    let (Some(signer), Some(authority)) = (Signer::new(), Authority::new()) else { return };
    let tokens = Scripted::new(|_| Reply::new(200, r#"{"token": "x"}"#));
    let section = |_: &Path| {
        format!(
            "auth:\n  token:\n    realm: http://127.0.0.1:{}/token\n    service: registry.judged\n    issuer: judge\n    rootcertbundle: {}\n",
            tokens.port,
            signer.certificate()
        )
    };
    let Some(registry) = another(&|_| authority.server(), &section) else { return };
    let place = Place::new();
    let certs = place.path("certs");
    let folder = Path::new(&certs).join(registry.host());
    fs::create_dir_all(&folder).unwrap();
    fs::copy(authority.path("ca.crt"), folder.join("ca.crt")).unwrap();
    let name = format!("{}/tokens/one:1", registry.host());
    let args = ["push", "--creds-stdin", "me", "--certs-dir", &certs, ARCHIVE, &name];
    let ran = imgconv_with(PASSWORD.as_bytes(), &args);
    let ran = ran.refused(2, &["the token server has no TLS", "127.0.0.1"]);
    assert!(!ran.err.contains(PASSWORD), "{}", ran.err);
    assert!(tokens.lines().is_empty(), "{:?}", tokens.lines());
}
