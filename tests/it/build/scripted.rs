//! A registry on a loopback port that says whatever a test wants, and remembers what it was asked.
//!
//! It knows just enough HTTP/1.1 for that: requests with a length, answers with a length or cut.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::image::digest;
use super::layout::Layout;

/// A request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What the registry does with a request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection ends after this many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// Sent in place of everything else.
    pub(crate) raw: Option<Vec<u8>>,
    /// Before the first byte.
    pub(crate) delay: Duration,
    /// After `raw`, the body is sent again and again, with this pause after each byte; or at once.
    pub(crate) drip: Option<Duration>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (headers, delay) = (Vec::new(), Duration::ZERO);
        Self { status, headers, body: body.into(), cut: None, raw: None, delay, drip: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// These bytes in place of an answer, and then the end of the connection.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { raw: Some(bytes.into()), ..Self::new(200, "") }
    }

    /// These bytes, and then others again and again, without an end.
    pub(crate) fn endless(head: &str, body: &str, pause: Duration) -> Self {
        let body = body.as_bytes().to_vec();
        Self { raw: Some(head.as_bytes().to_vec()), drip: Some(pause), ..Self::new(200, body) }
    }

    /// The error of the specification.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
        Self::new(status, body).with("Content-Type", "application/json")
    }
}

/// A running registry; it ends with the test.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    pub(crate) fn new(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&log), Arc::new(answer));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (log, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                thread::spawn(move || serve(client, &log, &*answer));
            }
        });
        Self { port, log }
    }

    /// `localhost:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Everything that was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// The same as lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }
}

fn serve(
    client: TcpStream,
    log: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> Reply,
) -> Option<()> {
    client.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut client = client;
    loop {
        let asked = read(&mut reader, &mut client)?;
        log.lock().unwrap().push(asked.clone());
        let reply = answer(&asked);
        thread::sleep(reply.delay);
        if let Some(raw) = reply.raw {
            client.write_all(&raw).ok()?;
            while let Some(pause) = reply.drip {
                for byte in reply.body.chunks(if pause.is_zero() { 4096 } else { 1 }) {
                    client.write_all(byte).ok()?;
                    thread::sleep(pause);
                }
            }
            return None;
        }
        let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let sized = reply.headers.iter().any(|it| it.0.eq_ignore_ascii_case("content-length"));
        if !sized {
            head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
        }
        head.push_str("\r\n");
        client.write_all(head.as_bytes()).ok()?;
        if asked.method == "HEAD" {
            continue;
        }
        let end = reply.cut.unwrap_or(reply.body.len()).min(reply.body.len());
        client.write_all(&reply.body[..end]).ok()?;
        if reply.cut.is_some() {
            return None;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>, client: &mut TcpStream) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    if headers.get("expect").is_some_and(|it| it == "100-continue") {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let size = headers.get("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    let mut body = vec![0; size];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body })
}

/// What a registry holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// Media type and bytes, by repository and tag or digest.
    pub(crate) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    pub(crate) uploads: usize,
}

impl Content {
    /// The images of a layout, the first under this repository and tag.
    pub(crate) fn of_layout(layout: &Layout, repository: &str, tag: &str) -> Self {
        let mut content = Self::default();
        let files = layout.files();
        for bytes in files.iter().filter(|it| it.0.starts_with("blobs/")).map(|it| it.1.clone()) {
            let value: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
            let kind = value.as_ref().and_then(|it| it.get("mediaType")?.as_str());
            if let Some(kind) = kind {
                content.manifest(repository, &digest(&bytes), kind, &bytes);
            }
            content.blobs.insert(digest(&bytes), bytes);
        }
        let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let entry = &index["manifests"][0];
        let bytes = content.blobs[entry["digest"].as_str().unwrap()].clone();
        content.manifest(repository, tag, entry["mediaType"].as_str().unwrap(), &bytes);
        content
    }

    pub(crate) fn manifest(&mut self, repository: &str, name: &str, kind: &str, bytes: &[u8]) {
        let key = (repository.to_owned(), name.to_owned());
        self.manifests.insert(key, (kind.to_owned(), bytes.to_vec()));
    }

    /// What a registry that follows the specification answers.
    pub(crate) fn answer(&mut self, asked: &Asked) -> Reply {
        let missing = || Reply::error(404, "NAME_UNKNOWN", "not here");
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let Some(path) = path.strip_prefix("/v2/") else { return missing() };
        if path.is_empty() {
            return Reply::new(200, "{}");
        }
        if let Some((repository, name)) = path.split_once("/manifests/") {
            return self.on_manifest(asked, repository, name);
        }
        if let Some((_, rest)) = path.split_once("/blobs/uploads/") {
            return self.on_upload(asked, path, rest, query);
        }
        if let Some((_, digest)) = path.split_once("/blobs/") {
            let Some(blob) = self.blobs.get(digest) else {
                return Reply::error(404, "BLOB_UNKNOWN", "not here");
            };
            return ranged(asked, blob).with("Docker-Content-Digest", digest);
        }
        if let Some(repository) = path.strip_suffix("/tags/list") {
            let own = self.manifests.keys().filter(|it| it.0 == repository);
            let tags: Vec<&String> = own.map(|it| &it.1).filter(|it| !it.contains(':')).collect();
            return Reply::new(
                200,
                serde_json::json!({"name": repository, "tags": tags}).to_string(),
            );
        }
        missing()
    }

    fn on_manifest(&mut self, asked: &Asked, repository: &str, name: &str) -> Reply {
        if asked.method == "PUT" {
            let kind = asked.headers["content-type"].clone();
            let own = digest(&asked.body);
            self.manifest(repository, name, &kind, &asked.body);
            self.manifest(repository, &own, &kind, &asked.body);
            return Reply::new(201, "").with("Docker-Content-Digest", own);
        }
        match self.manifests.get(&(repository.to_owned(), name.to_owned())) {
            Some((kind, bytes)) => Reply::new(200, bytes.clone())
                .with("Content-Type", kind)
                .with("Docker-Content-Digest", digest(bytes)),
            None => Reply::error(404, "MANIFEST_UNKNOWN", "not here"),
        }
    }

    fn on_upload(&mut self, asked: &Asked, path: &str, rest: &str, query: &str) -> Reply {
        let mount = query.split('&').find_map(|it| it.strip_prefix("mount="));
        let mount = mount.map(|it| it.replace("%3A", ":"));
        if let Some(digest) = mount.filter(|it| self.blobs.contains_key(it)) {
            return Reply::new(201, "").with("Docker-Content-Digest", digest);
        }
        if asked.method == "POST" {
            self.uploads += 1;
            let place = format!("/v2/{path}{}?state=a%2Fb", self.uploads);
            return Reply::new(202, "").with("Location", place);
        }
        let named = query.split('&').find_map(|it| it.strip_prefix("digest="));
        let named = named.unwrap_or_default().replace("%3A", ":");
        let own = digest(&asked.body);
        if rest.is_empty() || !query.contains("state=a%2Fb") || own != named {
            return Reply::error(400, "DIGEST_INVALID", "wrong upload");
        }
        self.blobs.insert(own.clone(), asked.body.clone());
        Reply::new(201, "").with("Docker-Content-Digest", own)
    }
}

/// A blob, or the part of it that is asked for.
pub(crate) fn ranged(asked: &Asked, blob: &[u8]) -> Reply {
    let from =
        asked.headers.get("range").and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-'));
    match from.and_then(|it| it.parse::<usize>().ok()) {
        Some(from) if from < blob.len() => {
            let range = format!("bytes {from}-{}/{}", blob.len() - 1, blob.len());
            Reply::new(206, &blob[from..]).with("Content-Range", range)
        }
        Some(_) => Reply::new(416, ""),
        None => Reply::new(200, blob),
    }
}

/// A registry of this content that follows the specification.
pub(crate) fn honest(content: Content) -> (Scripted, Arc<Mutex<Content>>) {
    let content = Arc::new(Mutex::new(content));
    let kept = Arc::clone(&content);
    (Scripted::new(move |asked| kept.lock().unwrap().answer(asked)), content)
}
