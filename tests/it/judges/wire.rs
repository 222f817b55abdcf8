//! A proxy in front of the registry: every request in the order in which they start, how many run
//! at once, and answers with other bytes where a test wants that.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for requests that may run side by side to do so.
const HOLD: Duration = Duration::from_millis(250);

/// One request and when it ran.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    began: Instant,
    ended: Option<Instant>,
}

/// A listening proxy.
pub(crate) struct Wire {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    registry: u16,
    log: Mutex<Vec<Exchange>>,
    /// Replaced in the bodies of GET; both of one length.
    swap: Option<(Vec<u8>, Vec<u8>)>,
}

impl Wire {
    /// In front of a registry; in what it answers to GET, the first bytes become the second.
    pub(crate) fn before(registry: u16, swap: Option<(&[u8], &[u8])>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let swap = swap.map(|(from, to)| (from.to_vec(), to.to_vec()));
        let state = Arc::new(State { registry, log: Mutex::new(Vec::new()), swap });
        let shared = Arc::clone(&state);
        // Ends with the test binary.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(client));
            }
        });
        Self { port, state }
    }

    /// What was asked since the last call.
    pub(crate) fn taken(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.state.log.lock().unwrap())
    }
}

/// How many of these ran at the same time.
pub(crate) fn at_once(exchanges: &[&Exchange]) -> usize {
    let runs = |it: &Exchange, at: Instant| it.began <= at && it.ended.is_none_or(|end| end > at);
    let counts =
        exchanges.iter().map(|one| exchanges.iter().filter(|it| runs(it, one.began)).count());
    counts.max().unwrap_or(0)
}

impl State {
    /// One request; the connection ends with it. An error is a client that went away.
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let (head, rest) = head(&mut client)?;
        let (line, headers) = head.split_once("\r\n")?;
        let (method, path) = line.strip_suffix(" HTTP/1.1")?.split_once(' ')?;
        let number = {
            let mut log = self.log.lock().ok()?;
            let (method, path) = (method.to_owned(), path.to_owned());
            log.push(Exchange { method, path, began: Instant::now(), ended: None });
            log.len() - 1
        };
        if ["GET", "PATCH", "PUT"].contains(&method) && path.contains("/blobs/") {
            thread::sleep(HOLD);
        }
        let answer = self.ask(&client, line, headers, &rest);
        if let Some(exchange) = self.log.lock().ok()?.get_mut(number) {
            exchange.ended = Some(Instant::now());
        }
        let answer = match &self.swap {
            Some((from, to)) if method == "GET" => swapped(answer?, from, to),
            _ => answer?,
        };
        client.write_all(&answer).ok()?;
        client.shutdown(Shutdown::Both).ok()
    }

    fn ask(&self, client: &TcpStream, line: &str, headers: &str, rest: &[u8]) -> Option<Vec<u8>> {
        let mut registry = TcpStream::connect(("127.0.0.1", self.registry)).ok()?;
        let kept =
            headers.split("\r\n").filter(|it| !it.to_ascii_lowercase().starts_with("connection:"));
        let kept: String = kept.map(|it| format!("{it}\r\n")).collect();
        registry.write_all(format!("{line}\r\nConnection: close\r\n{kept}\r\n").as_bytes()).ok()?;
        registry.write_all(rest).ok()?;
        let (mut from, mut to) = (client.try_clone().ok()?, registry.try_clone().ok()?);
        // The body of the request, for as long as the client has more of it.
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        let mut answer = Vec::new();
        registry.read_to_end(&mut answer).ok()?;
        Some(answer)
    }
}

/// The head of a request, and what was read of its body; nothing for what is no HTTP.
fn head(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = client.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        if !bytes[0].is_ascii_uppercase() {
            // TLS. containerd asks again without it where the answer is HTTP.
            client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").ok()?;
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            bytes.truncate(end);
            return Some((String::from_utf8(bytes).ok()?, rest));
        }
    }
}

fn swapped(mut answer: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    while let Some(at) = answer.windows(from.len()).position(|it| it == from) {
        answer[at..at + to.len()].copy_from_slice(to);
    }
    answer
}
