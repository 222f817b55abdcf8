//! Which login is found, and what is refused, from files as docker, podman and people write them.

use std::cell::RefCell;
use std::os::unix::fs::symlink;

use super::*;

/// Answers as a helper would, and remembers the questions.
#[derive(Default)]
struct Scripted {
    answers: BTreeMap<&'static str, &'static str>,
    asked: RefCell<Vec<String>>,
}

impl CredentialHelper for Scripted {
    fn get(&self, name: &str, server: &str) -> Result<Option<Vec<u8>>, ErrorKind> {
        self.asked.borrow_mut().push(format!("{name} {server}"));
        if name == "locked" {
            return Err(ErrorKind::CredentialHelper { why: "the keychain is locked".to_owned() });
        }
        Ok(self.answers.get(server).map(|it| it.as_bytes().to_vec()))
    }
}

struct Home(tempfile::TempDir);

impl Home {
    fn new(files: &[(&str, &str)]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            home.write(name, text.as_bytes(), 0o600);
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &[u8], mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn store(&self, names: &[&str]) -> CredentialStore {
        CredentialStore::new(names.iter().map(|it| self.path(it)).collect())
    }
}

fn shown(found: Option<&Login>) -> String {
    match found {
        None => "none".to_owned(),
        Some(Login::Basic { user, secret }) => format!("{user}:{}", secret.expose()),
        Some(Login::IdentityToken(token)) => format!("token {}", token.expose()),
    }
}

/// What one file gives a repository.
fn found(file: &str, host: &str, path: &str, run: &Scripted) -> Result<String> {
    let home = Home::new(&[("auth.json", file)]);
    let found = home.store(&["auth.json"]).find(host, path, run)?;
    Ok(shown(found.map(|it| it.login).as_ref()))
}

fn auth(login: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(login)
}

/// A file with logins by key.
fn auths(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, it)| format!("\"{key}\": {{\"auth\": \"{}\"}}", auth(it)))
        .collect();
    format!("{{\"auths\": {{{}}}}}", entries.join(", "))
}

#[test]
fn the_longest_key_wins_and_docker_s_spellings_are_found() {
    let file = auths(&[
        ("h", "host:1"),
        ("h/a", "a:2"),
        ("h/a/b", "b:3"),
        ("h:5000", "port:4"),
        ("https://old.example/v1/", "old:5"),
        ("HTTP.example/", "case:6"),
        ("http://plain.example", "plain:7"),
        ("https://index.docker.io/v1/", "hub:8"),
        ("docker.io/me", "me:9"),
        ("https://index.docker.io/v1/access-token", "wrong:10"),
        ("https://index.docker.io/v1/refresh-token", "wrong:11"),
        ("https://tokens.example/v1/access-token", "wrong:12"),
        ("twice.example", "first:13"),
        ("twice.example", "last:14"),
        ("https://both.example/v1/", "url:15"),
        ("both.example", "name:16"),
    ]);
    for (host, path, expected) in [
        ("h", "a/b/c", "b:3"),
        ("h", "a/b", "b:3"),
        ("h", "a/bc", "a:2"),
        ("h", "a", "a:2"),
        ("h", "ab", "host:1"),
        ("h", "A/b", "host:1"),
        ("h", "", "host:1"),
        ("H", "a/b", "b:3"),
        ("h:5000", "a/b", "port:4"),
        ("h:5001", "a/b", "none"),
        ("evil.h", "a", "none"),
        ("h.evil", "a", "none"),
        ("old.example", "a", "old:5"),
        ("old.example:443", "a", "none"),
        ("http.EXAMPLE", "a", "case:6"),
        ("plain.example", "a", "plain:7"),
        ("docker.io", "library/nginx", "hub:8"),
        ("registry-1.docker.io", "library/nginx", "hub:8"),
        ("index.docker.io", "library/nginx", "hub:8"),
        ("registry-1.docker.io", "me/app", "me:9"),
        ("auth.docker.io", "me/app", "none"),
        ("tokens.example", "a", "none"),
        ("twice.example", "a", "last:14"),
        ("both.example", "a", "name:16"),
    ] {
        assert_eq!(
            found(&file, host, path, &Scripted::default()).unwrap(),
            expected,
            "{host}/{path}"
        );
    }
}

#[test]
fn a_login_is_read_as_docker_and_podman_write_it() {
    let with = |entry: &str| format!("{{\"auths\": {{\"h\": {entry}}}}}");
    for (entry, expected) in [
        ("{\"auth\": \"bWU6cGFzcw==\"}", "me:pass"),
        ("{\"auth\": \"bWU6cGFzcw\"}", "me:pass"),
        ("{\"auth\": \"bWU6\\ncGFzcw==\\r\\n\"}", "me:pass"),
        ("{\"AUTH\": \"bWU6cGFzcw==\", \"email\": 1}", "me:pass"),
        // me:a:b, me: with zero bytes, me:
        ("{\"auth\": \"bWU6YTpi\"}", "me:a:b"),
        ("{\"auth\": \"bWU6cAAA\"}", "me:p"),
        ("{\"auth\": \"bWU6\"}", "me:"),
        ("{\"auth\": \"bWU6\", \"identitytoken\": \"abc\"}", "token abc"),
        ("{\"username\": \"me\", \"password\": \"pass\"}", "me:pass"),
        ("{\"auth\": \"bWU6cGFzcw==\", \"username\": \"x\", \"password\": \"y\"}", "me:pass"),
        ("{}", "none"),
        ("null", "none"),
        ("{\"auth\": \"\"}", "none"),
        ("{\"auth\": null, \"identitytoken\": null}", "none"),
    ] {
        assert_eq!(
            found(&with(entry), "h", "a", &Scripted::default()).unwrap(),
            expected,
            "{entry}"
        );
    }
    for file in ["", " \n", "{}", "{\"auths\": null}", "{\"auths\": {}, \"detachKeys\": 1}"] {
        assert_eq!(found(file, "h", "a", &Scripted::default()).unwrap(), "none", "{file}");
    }
}

#[test]
fn an_empty_entry_does_not_hide_a_shorter_key() {
    let file =
        format!("{{\"auths\": {{\"h/a\": {{}}, \"h\": {{\"auth\": \"{}\"}}}}}}", auth("me:p"));
    assert_eq!(found(&file, "h", "a/b", &Scripted::default()).unwrap(), "me:p");
}

#[test]
fn a_malformed_file_is_an_error_that_shows_nothing_of_it() {
    for file in [
        "{\"marked",
        "marked",
        "[\"marked\"]",
        "\"marked\"",
        "{} marked",
        "{\"auths\": \"marked\"}",
        "{\"auths\": [\"marked\"]}",
        "{\"auths\": {\"h\": \"marked\"}}",
        "{\"auths\": {\"h\": {\"auth\": \"marked\"}}}",
        "{\"auths\": {\"h\": {\"auth\": {\"marked\": 1}}}}",
        "{\"auths\": {\"h\": {\"auth\": 1234567}}}",
        "{\"auths\": {\"h\": {\"identitytoken\": [\"marked\"]}}}",
        "{\"auths\": {\"h\": {\"identitytoken\": \"marked\\r\\nX: y\"}}}",
        "{\"auths\": {\"h\": {\"username\": \"mar:ked\", \"password\": \"marked\"}}}",
        "{\"auths\": {\"h\": {\"username\": \"\", \"password\": \"marked\"}}}",
        "{\"auths\": {\"h\": {\"username\": \"me\", \"password\": \"marked\\n\"}}}",
        // marked, :marked, and bytes that are not UTF-8
        "{\"auths\": {\"h\": {\"auth\": \"bWFya2Vk\"}}}",
        "{\"auths\": {\"h\": {\"auth\": \"Om1hcmtlZA==\"}}}",
        "{\"auths\": {\"h\": {\"auth\": \"/zptYXJrZWQ=\"}}}",
        "{\"credsStore\": [\"marked\"]}",
        "{\"credHelpers\": \"marked\"}",
        "{\"credHelpers\": {\"h\": 1234567}}",
    ] {
        let error = found(file, "h", "a", &Scripted::default()).expect_err(file);
        let text = format!("{error} {error:?} {:?}", error.hint());
        assert!(error.code() == "credentials-file", "{file}: {text}");
        let secrets = ["marked", "mar:ked", "1234567", "bWFya2Vk", "Om1hcm"];
        assert!(secrets.iter().all(|it| !text.contains(it)), "{file}: {text}");
        assert!(error.at.place().ends_with("auth.json"), "{text}");
    }
    // One of another host is not looked at.
    let file = "{\"auths\": {\"other\": {\"auth\": \"%\"}, \"h\": {\"auth\": \"bWU6cGFzcw==\"}}}";
    assert_eq!(found(file, "h", "a", &Scripted::default()).unwrap(), "me:pass");
}

#[test]
fn a_helper_of_a_host_comes_before_the_store_and_the_store_before_the_file() {
    let run = || Scripted {
        answers: BTreeMap::from([
            ("h", "{\"ServerURL\": \"h\", \"Username\": \"me\", \"Secret\": \"helped\"}"),
            ("t", "{\"Username\": \"<token>\", \"Secret\": \"abc\"}"),
            ("e", "{\"Username\": \"\", \"Secret\": \"\"}"),
            ("https://index.docker.io/v1/", "{\"Username\": \"hub\", \"Secret\": \"helped\"}"),
        ]),
        ..Scripted::default()
    };
    let file = |settings: &str, host: &str| {
        format!("{{{settings}, \"auths\": {{\"{host}\": {{\"auth\": \"{}\"}}}}}}", auth("in:file"))
    };
    let hub = "https://index.docker.io/v1/";
    for (settings, host, expected, asked) in [
        (
            "\"credHelpers\": {\"h\": \"a.b_c-1\"}, \"credsStore\": \"s\"",
            "h",
            "me:helped",
            vec!["a.b_c-1 h"],
        ),
        ("\"credHelpers\": {\"t\": \"a\"}", "t", "token abc", vec!["a t"]),
        // The helper of this host has none, so there is none; the store may have only some.
        ("\"credHelpers\": {\"x\": \"a\"}, \"credsStore\": \"s\"", "x", "none", vec!["a x"]),
        ("\"credHelpers\": {\"e\": \"a\"}", "e", "none", vec!["a e"]),
        ("\"credsStore\": \"s\"", "x", "in:file", vec!["s x"]),
        ("\"credsStore\": \"s\"", "h", "me:helped", vec!["s h"]),
        // An empty name means none.
        ("\"credHelpers\": {\"h\": \"\"}, \"credsStore\": \"s\"", "h", "in:file", vec![]),
        ("\"credHelpers\": {\"h\": null}, \"credsStore\": \"s\"", "h", "in:file", vec![]),
        ("\"credsStore\": \"\"", "h", "in:file", vec![]),
        ("\"credHelpers\": {\"other\": \"a\"}", "h", "in:file", vec![]),
        ("\"credHelpers\": {\"h/a\": \"a\"}", "h", "in:file", vec![]),
        // Docker Hub.
        ("\"credsStore\": \"s\"", "docker.io", "hub:helped", vec!["s https://index.docker.io/v1/"]),
        (
            "\"credsStore\": \"s\"",
            "registry-1.docker.io",
            "hub:helped",
            vec!["s https://index.docker.io/v1/"],
        ),
        (
            &format!("\"credHelpers\": {{\"{hub}\": \"a\"}}"),
            "docker.io",
            "hub:helped",
            vec!["a https://index.docker.io/v1/"],
        ),
        (
            "\"credHelpers\": {\"docker.io\": \"a\"}",
            "registry-1.docker.io",
            "none",
            vec!["a docker.io"],
        ),
    ] {
        let run = run();
        assert_eq!(
            found(&file(settings, host), host, "a/b", &run).unwrap(),
            expected,
            "{settings}"
        );
        assert_eq!(*run.asked.borrow(), asked, "{settings}");
    }
}

#[test]
fn a_helper_that_fails_or_answers_something_else_is_an_error() {
    let file = |name: &str| format!("{{\"credHelpers\": {{\"h\": \"{name}\"}}}}");
    for name in ["../evil", "a;b", "a b", "a/b", "a\\nb", "ä", "$(x)"] {
        let run = Scripted::default();
        let error = found(&file(name), "h", "a", &run).unwrap_err();
        assert_eq!(error.code(), "credentials-file", "{name}: {error}");
        assert!(run.asked.borrow().is_empty());
    }
    let error = found(&file("locked"), "h", "a", &Scripted::default()).unwrap_err();
    let expected = "docker-credential-locked: cannot get the credentials: the keychain is locked";
    assert_eq!(error.to_string(), expected);
    for answer in [
        "",
        "marked",
        "[]",
        "{\"Username\": \"me\", \"Secret\": 1234}",
        "{\"Username\": \"\", \"Secret\": \"marked\"}",
        "{\"Username\": \"me\", \"Secret\": \"marked\\r\\n\"}",
        "{\"Username\": \"m:e\", \"Secret\": \"marked\"}",
        "{\"Username\": \"<token>\", \"Secret\": \"marked\\n\"}",
    ] {
        let run = Scripted { answers: BTreeMap::from([("h", answer)]), ..Scripted::default() };
        let error = found(&file("a"), "h", "a", &run).unwrap_err();
        assert_eq!(error.code(), "credential-helper", "{answer}: {error}");
        assert!(!format!("{error} {error:?}").contains("marked"), "{answer}: {error:?}");
    }
    let long = vec![b' '; usize::try_from(limits::HELPER_ANSWER).unwrap() + 1];
    assert!(entry::of_helper(&long).unwrap_err().text().contains("over the limit"));
}

#[test]
fn a_helper_is_asked_once_for_a_server() {
    let home = Home::new(&[("a", "{\"credsStore\": \"s\"}")]);
    let (store, run) = (home.store(&["a"]), Scripted::default());
    for path in ["a", "b", "b/c"] {
        assert!(store.find("h", path, &run).unwrap().is_none());
    }
    store.find("i", "a", &run).unwrap();
    assert_eq!(*run.asked.borrow(), ["s h", "s i"]);
}

#[test]
fn the_first_file_with_a_match_wins_and_what_is_behind_it_is_not_read() {
    let home = Home::new(&[
        ("one", &auths(&[("h/a", "one:1")])),
        ("two", &auths(&[("h", "two:2"), ("h/a/b", "two:3")])),
        ("broken", "{"),
    ]);
    let run = Scripted::default();
    let store = home.store(&["missing", "missing/too", "one", "two", "broken"]);
    for (path, login, file) in [("a/b", "one:1", "one"), ("c", "two:2", "two")] {
        let found = store.find("h", path, &run).unwrap().unwrap();
        assert_eq!(shown(Some(&found.login)), login);
        assert_eq!(found.from, Location::of(&home.path(file)));
    }
    let error = store.find("other", "a", &run).unwrap_err();
    assert_eq!(error.at, Location::of(&home.path("broken")));
    assert_eq!(error.class(), crate::error::Class::CouldNot);
    assert!(CredentialStore::default().find("h", "a", &run).unwrap().is_none());
}

#[test]
fn a_file_is_regular_and_of_limited_size_and_a_link_is_followed() {
    let home = Home::new(&[("real", &auths(&[("h", "me:p")]))]);
    symlink("real", home.path("link")).unwrap();
    symlink("nowhere", home.path("dangling")).unwrap();
    symlink("/dev/zero", home.path("endless")).unwrap();
    let (fifo, mode) = (home.path("fifo"), 0o600.into());
    rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let large = fs::File::create(home.path("large")).unwrap();
    large.set_len(limits::CREDENTIALS + 1).unwrap();
    fs::create_dir(home.path("folder")).unwrap();
    let run = Scripted::default();
    let find = |name: &str| home.store(&[name]).find("h", "a", &run);
    assert!(find("link").unwrap().is_some());
    assert!(find("dangling").unwrap().is_none());
    for (name, why) in [
        ("fifo", "not a regular file, found a FIFO"),
        ("folder", "not a regular file, found a directory"),
        ("endless", "not a regular file, found a character device"),
        (
            "large",
            "a credentials file is over the limit, expected at most 1048576, found 1048577 bytes",
        ),
        ("real/below", "cannot open: Not a directory (os error 20)"),
    ] {
        let error = find(name).unwrap_err();
        let path = home.path(name);
        assert_eq!(
            error.to_string(),
            format!("{}: cannot read the credentials: {why}", path.display())
        );
        assert_eq!(error.class(), crate::error::Class::CouldNot);
    }
}

#[test]
fn it_is_said_what_other_users_can_do_with_a_file() {
    let secrets = auths(&[("h", "me:p")]);
    let none = "{\"credsStore\": \"s\", \"auths\": {\"h\": {}}}";
    for (text, mode, note) in [
        (secrets.as_str(), 0o600, None),
        (secrets.as_str(), 0o660, None),
        (secrets.as_str(), 0o644, Some("read the passwords")),
        (secrets.as_str(), 0o666, Some("change this file")),
        (none, 0o644, None),
        (none, 0o666, Some("change this file")),
    ] {
        let home = Home::new(&[]);
        home.write("auth.json", text.as_bytes(), mode);
        let (store, run) = (home.store(&["auth.json"]), Scripted::default());
        for _ in 0..2 {
            store.find("h", "a", &run).unwrap();
        }
        let notes = store.notes();
        assert_eq!(notes.len(), usize::from(note.is_some()), "{mode:o} {notes:?}");
        assert!(notes.iter().all(|it| it.contains(note.unwrap())), "{mode:o} {notes:?}");
    }
}
