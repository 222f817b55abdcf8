//! Certificates, passwords, tokens and proxies, as real programs make and ask for them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::build::run::Place;
use crate::judges::certs::{Authority, HOST, with_hosts};
use crate::judges::containers::Skopeo;
use crate::judges::registry::{Registry, another};
use crate::judges::{attempt, find, run};

const ARCHIVE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");
const PROGRAM: &str = env!("CARGO_BIN_EXE_imgconv");
const PASSWORD: &str = "marked-p4ssword";

fn nothing(_: &Path) -> String {
    String::new()
}

/// imgconv without the credentials and proxies of whoever runs the tests.
fn clean(mut command: Command, home: &Place) -> Command {
    for name in ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env("HOME", home.path("")).stdin(Stdio::null());
    command
}

fn imgconv(home: &Place) -> Command {
    clean(Command::new(PROGRAM), home)
}

/// Ends with 2 and these words, and never shows the password.
#[track_caller]
fn refused(command: &mut Command, words: &[&str]) {
    let Output { status, stderr, .. } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(2), "{command:?}\n{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[test]
fn a_registry_is_trusted_with_the_certificate_of_its_authority() {
    let Some(authority) = Authority::new() else { return };
    let Some(registry) = another(&|_| authority.server(), &nothing) else { return };
    let place = Place::new();
    let name = format!("{}/tls/app:1", registry.host());
    // Of this machine, a registry has TLS where there is a folder of its certificates.
    let certs = |ca: &str| {
        let certs = place.path(&format!("certs-{ca}"));
        let folder = Path::new(&certs).join(registry.host());
        fs::create_dir_all(&folder).unwrap();
        fs::copy(authority.path(ca), folder.join("ca.crt")).unwrap();
        certs
    };
    let good = certs("ca.crt");
    run(imgconv(&place).args(["push", ARCHIVE, &name, "--certs-dir", &good]));
    run(imgconv(&place).args(["pull", &name, &place.path("layout"), "--certs-dir", &good]));
    run(imgconv(&place).args(["verify", "--strict", &place.path("layout")]));
    let bad = certs("other.crt");
    let out = place.path("out");
    let words = ["TLS", "certificate", "hint: ", "--ca-file"];
    refused(imgconv(&place).args(["pull", &name, &out, "--certs-dir", &bad]), &words);
}

#[test]
fn a_registry_with_a_name_has_tls_and_is_trusted_with_a_file_of_authorities() {
    let Some(authority) = Authority::new() else { return };
    let Some(registry) = another(&|_| authority.server(), &nothing) else { return };
    let place = Place::new();
    let hosts = place.put("hosts", format!("127.0.0.1 localhost {HOST} wrong.test\n").as_bytes());
    let Some(inside) = with_hosts(hosts.as_ref(), PROGRAM) else { return };
    drop(inside);
    let imgconv = || clean(with_hosts(hosts.as_ref(), PROGRAM).unwrap(), &place);
    let name = |host: &str| format!("{host}:{}/tls/app:1", registry.port);
    let ca = authority.path("ca.crt");
    run(imgconv().args(["push", ARCHIVE, &name(HOST), "--ca-file"]).arg(&ca));
    run(imgconv().args(["pull", &name(HOST), &place.path("layout"), "--ca-file"]).arg(&ca));
    let out = place.path("out");
    let began = std::time::Instant::now();
    refused(imgconv().args(["pull", &name(HOST), &out]), &["TLS", "hint: ", "--ca-file"]);
    // It is not tried again: a certificate does not get better.
    assert!(began.elapsed().as_secs() < 5);
    let other = authority.path("other.crt");
    refused(imgconv().args(["pull", &name(HOST), &out, "--ca-file"]).arg(other), &["TLS"]);
    let wrong = name("wrong.test");
    refused(imgconv().args(["pull", &wrong, &out, "--ca-file"]).arg(&ca), &["TLS", "wrong.test"]);
    // HTTP to a server that speaks TLS.
    let host = format!("{HOST}:{}", registry.port);
    refused(
        imgconv().args(["pull", &name(HOST), &out, "--plain-http", &host]),
        &["400", "HTTP request to an HTTPS server"],
    );
    assert!(!Path::new(&out).exists());
}

/// The certificate that docker's manual makes for a registry is its own authority.
#[test]
fn a_registry_with_a_certificate_of_its_own_is_trusted_by_that_alone() {
    let Some(authority) = Authority::new() else { return };
    let place = Place::new();
    let server = |name: &str| another(&|_| authority.server_with(name, "alone.key"), &nothing);
    let Some(registry) = server("alone.crt") else { return };
    let hosts = place.put("hosts", format!("127.0.0.1 localhost {HOST} wrong.test\n").as_bytes());
    let Some(inside) = with_hosts(hosts.as_ref(), PROGRAM) else { return };
    drop(inside);
    let imgconv = || clean(with_hosts(hosts.as_ref(), PROGRAM).unwrap(), &place);
    let name = |host: &str, port: u16| format!("{host}:{port}/tls/app:1");
    let own = authority.path("alone.crt");
    let good = name(HOST, registry.port);
    run(imgconv().args(["push", ARCHIVE, &good, "--ca-file"]).arg(&own));
    run(imgconv().args(["pull", &good, &place.path("layout"), "--ca-file"]).arg(&own));
    let out = place.path("out");
    let pull = |name: &str| {
        let mut command = imgconv();
        command.args(["pull", name, &out, "--ca-file"]);
        command
    };
    // Another authority, another name, and a time that is over.
    refused(pull(&good).arg(authority.path("other.crt")), &["TLS", "UnknownIssuer"]);
    let wrong = name("wrong.test", registry.port);
    refused(pull(&wrong).arg(&own), &["TLS", "not valid for name", "wrong.test"]);
    let Some(registry) = server("past.crt") else { return };
    let past = name(HOST, registry.port);
    refused(pull(&past).arg(authority.path("past.crt")), &["TLS", "expired"]);
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_registry_that_knows_its_clients_gets_a_certificate() {
    let Some(authority) = Authority::new() else { return };
    let Some(registry) = another(&|_| authority.server_for_known(), &nothing) else { return };
    let place = Place::new();
    let name = format!("{}/tls/app:1", registry.host());
    let certs = place.path("certs");
    let folder = Path::new(&certs).join(registry.host());
    fs::create_dir_all(&folder).unwrap();
    fs::copy(authority.path("ca.crt"), folder.join("ca.crt")).unwrap();
    let args = ["push", ARCHIVE, &name, "--certs-dir", &certs];
    refused(imgconv(&place).args(args), &["TLS", "certificate"]);
    fs::copy(authority.path("client.crt"), folder.join("client.cert")).unwrap();
    fs::copy(authority.path("client.key"), folder.join("client.key")).unwrap();
    run(imgconv(&place).args(args));
    fs::copy(authority.path("ca.crt"), folder.join("client.key")).unwrap();
    refused(imgconv(&place).args(args), &["private key"]);
}

/// A registry that lets in `me` with the password.
fn guarded() -> Option<Registry> {
    let htpasswd = find("htpasswd")?;
    let table = run(Command::new(htpasswd).args(["-Bbn", "me", PASSWORD]));
    another(&nothing, &|dir| {
        let file = dir.join("htpasswd");
        fs::write(&file, &table).unwrap();
        format!("auth:\n  htpasswd:\n    realm: x\n    path: {}\n", file.display())
    })
}

#[test]
fn a_password_comes_from_the_files_of_others_from_a_helper_and_from_a_pipe() {
    let Some(registry) = guarded() else { return };
    let place = Place::new();
    let host = registry.host();
    let name = format!("{host}/login/app:1");
    let push = ["push", ARCHIVE, name.as_str()];
    let words = ["not allowed", "401 without credentials", "login"];
    refused(imgconv(&place).args(push), &words);
    // A pipe.
    let mut piped = imgconv(&place);
    piped.args(push).args(["--creds-stdin", "me"]).stdin(Stdio::piped());
    let mut child = piped.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    // A helper, named in docker's file.
    let folder = place.dir("bin");
    let helper = Path::new(&folder).join("docker-credential-judged");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = {host} ] || exit 1\necho '{{\"Username\": \"me\", \"Secret\": \"{PASSWORD}\"}}'\n"
    );
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    place.dir(".docker");
    let config = format!("{{\"credHelpers\": {{\"{host}\": \"judged\"}}}}");
    place.put(".docker/config.json", config.as_bytes());
    let path = format!("{folder}:/usr/bin:/bin");
    run(imgconv(&place).args(push).env("PATH", path));
    fs::remove_file(&helper).unwrap();
    refused(imgconv(&place).args(push).env("PATH", folder), &["docker-credential-judged"]);
    fs::remove_file(place.path(".docker/config.json")).unwrap();
    // Files of docker and of skopeo and podman.
    let Some(skopeo) = Skopeo::find() else { return };
    let file = place.path("auth.json");
    skopeo.login(file.as_ref(), &host, ("me", PASSWORD));
    run(imgconv(&place).args(push).args(["--authfile", &file]));
    run(imgconv(&place).args(push).env("REGISTRY_AUTH_FILE", &file));
    fs::create_dir_all(place.path(".config/containers")).unwrap();
    fs::copy(&file, place.path(".config/containers/auth.json")).unwrap();
    run(imgconv(&place).args(["pull", &name, &place.path("layout")]));
    let wrong = fs::read_to_string(&file).unwrap();
    let start = wrong.find("\"auth\": \"").unwrap() + 9;
    let end = wrong[start..].find('"').unwrap() + start;
    let wrong = format!("{}bWU6d3Jvbmc={}", &wrong[..start], &wrong[end..]);
    let wrong = place.put("wrong.json", wrong.as_bytes());
    refused(
        imgconv(&place).args(push).args(["--authfile", &wrong]),
        &["401 with your credentials"],
    );
}

#[test]
fn a_password_comes_from_the_file_that_docker_writes() {
    let Some(registry) = guarded() else { return };
    let Some(docker) = find("docker") else { return };
    let place = Place::new();
    let host = registry.host();
    let name = format!("{host}/login/app:1");
    // Without a daemon, a client of 20.10 cannot log in; then that is said.
    let mut login = Command::new(docker);
    login.args(["--config", &place.path("config"), "login", "-u", "me", "-p", PASSWORD, &host]);
    if let Err(said) = attempt(&mut login) {
        return crate::judges::excused(&format!("docker login needs its daemon here: {said}"));
    }
    let config = place.path("config");
    run(imgconv(&place).args(["push", ARCHIVE, &name]).env("DOCKER_CONFIG", config));
}

/// A proxy on a port of this machine, in front of a table of names.
struct Proxy {
    port: u16,
    child: std::process::Child,
    log: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn proxy(place: &Place, hosts: &Path) -> Option<Proxy> {
    let tinyproxy = find("tinyproxy")?;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let log = place.path("proxy.log");
    let config = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 60\nLogLevel Connect\nLogFile \"{log}\"\nMaxClients 20\nAllow 127.0.0.1\nBasicAuth proxy pr0xy-secret\n"
    );
    let config = place.put("proxy.conf", config.as_bytes());
    let mut command = with_hosts(hosts, tinyproxy)?;
    let child = command.args(["-d", "-c", &config]).stdout(Stdio::null()).stderr(Stdio::null());
    let child = child.spawn().unwrap();
    for _ in 0..500 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Some(Proxy { port, child, log })
}

#[test]
fn requests_go_through_the_proxy_of_the_environment() {
    let Some(authority) = Authority::new() else { return };
    let Some(secure) = another(&|_| authority.server(), &nothing) else { return };
    let Some(plain) = another(&nothing, &nothing) else { return };
    let place = Place::new();
    let hosts = place.put("hosts", format!("127.0.0.1 localhost {HOST}\n").as_bytes());
    let Some(proxy) = proxy(&place, hosts.as_ref()) else { return };
    let imgconv = || clean(with_hosts(hosts.as_ref(), PROGRAM).unwrap(), &place);
    let through = format!("http://proxy:pr0xy-secret@127.0.0.1:{}", proxy.port);
    let logged = || fs::read_to_string(&proxy.log).unwrap_or_default();
    let name = format!("{HOST}:{}/proxied/app:1", secure.port);
    let ca = authority.path("ca.crt");
    let push = |command: &mut Command| {
        command.args(["push", ARCHIVE, &name, "--retries", "0", "--ca-file"]).arg(&ca);
    };
    let mut command = imgconv();
    push(&mut command);
    run(command.env("HTTPS_PROXY", &through));
    assert!(logged().contains(&format!("CONNECT {HOST}:{}", secure.port)), "{}", logged());
    // Plain HTTP.
    let host = format!("{HOST}:{}", plain.port);
    let name = format!("{host}/proxied/app:1");
    let args = ["push", ARCHIVE, &name, "--retries", "0", "--plain-http", &host];
    run(imgconv().args(args).env("HTTP_PROXY", &through));
    assert!(logged().contains(&format!("CONNECT {host}")), "{}", logged());
    // Not through it.
    let seen = logged();
    let direct = format!("elsewhere.test,{HOST}");
    run(imgconv().args(args).env("HTTP_PROXY", &through).env("NO_PROXY", direct));
    assert_eq!(logged(), seen);
    // A wrong password of the proxy, which no message shows.
    let wrong = format!("http://proxy:{PASSWORD}@127.0.0.1:{}", proxy.port);
    refused(imgconv().args(args).env("HTTP_PROXY", &wrong), &["proxy"]);
    let mut command = imgconv();
    push(&mut command);
    refused(command.env("HTTPS_PROXY", &wrong), &["proxy"]);
}

#[test]
fn a_redirect_to_a_name_of_this_network_is_refused() {
    use crate::build::scripted::{Reply, Scripted};
    let place = Place::new();
    let hosts = "127.0.0.1 localhost\n169.254.169.254 metadata.test\n127.0.0.1 loop.test\n";
    let hosts = place.put("hosts", hosts.as_bytes());
    if with_hosts(hosts.as_ref(), PROGRAM).is_none() {
        return;
    }
    for (target, fine) in [("metadata.test", false), ("loop.test", true)] {
        let listener = Scripted::new(|_| Reply::error(404, "BLOB_UNKNOWN", "nothing here"));
        let to = format!("http://{target}:{}/x", listener.port);
        let registry = Scripted::new(move |_| Reply::new(307, "").with("Location", to.clone()));
        let mut command = clean(with_hosts(hosts.as_ref(), PROGRAM).unwrap(), &place);
        command.args(["pull", "--retries", "0", &format!("{}/a:1", registry.host())]);
        command.arg(place.path("layout"));
        let words =
            if fine { ["no such tag", "404"] } else { ["metadata.test", "169.254.169.254"] };
        refused(&mut command, &words);
    }
}
