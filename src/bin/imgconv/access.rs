//! How registries are reached: the options, and what the environment says.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Args;
use imgconv::error::{Error, ErrorKind, Location, Shown};
use imgconv::progress::{Event, Progress as _};
use imgconv::registry::{
    Access, CredentialStore, Login, MirrorRule, Registries, RegistryEvent, RetryWait,
};
use indicatif::HumanBytes;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::helper::Helpers;
use crate::mirrors::MirrorFiles;
use crate::place::PlaceArg;
use crate::ui::Ui;

/// How registries are reached.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Registry options")]
pub(crate) struct AccessArgs {
    /// File with credentials, instead of those of docker and podman
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Log in as USER; the password is read from standard input
    #[arg(long, value_name = "USER", conflicts_with = "authfile")]
    creds_stdin: Option<String>,
    /// More certificates of authorities to trust, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Certificates of single hosts, in folders HOST[:PORT], as in /etc/docker/certs.d
    #[arg(long, value_name = "DIR")]
    certs_dir: Option<PathBuf>,
    /// Use HTTP for this host; may be repeated [default: only for this machine]
    #[arg(long, value_name = "HOST[:PORT]")]
    plain_http: Vec<String>,
    /// Ask TO before FROM, a registry or a part of one; may be repeated
    #[arg(long, value_name = "FROM=TO", value_parser = mirror)]
    mirror: Vec<(String, String)>,
    /// Ask the mirrors of a registries.conf of podman or a hosts.toml of containerd; may be repeated
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    mirrors_from: Vec<PathBuf>,
    /// How often to repeat a request that fails [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
    retries: Option<u32>,
    /// How long a server may be silent [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
    #[arg(skip)]
    session: OnceLock<Arc<Registries>>,
    /// Those of the destination, if one end has credentials of its own.
    #[arg(skip)]
    destination: OnceLock<Arc<Registries>>,
    #[arg(skip)]
    ends: OnceLock<EndAuthfiles>,
    /// The host that `--creds-stdin` is for.
    #[arg(skip)]
    login_host: OnceLock<String>,
    /// Whether nothing is kept after a failure.
    #[arg(skip)]
    forgets: AtomicBool,
    /// The number of threads of the run.
    #[arg(skip)]
    threads: OnceLock<usize>,
    /// Whether a registry is asked what a tag means after a mirror has said it.
    #[arg(skip)]
    asks_origin: AtomicBool,
    /// Whether the notes about `--mirrors-from` were printed.
    #[arg(skip)]
    noted: AtomicBool,
}

/// Files with credentials for one end of a conversion, before those of the others.
#[derive(Debug, Default, Args)]
pub(crate) struct EndAuthfiles {
    /// File with credentials for the source, instead of --authfile
    #[arg(long, value_name = "FILE", conflicts_with = "creds_stdin")]
    #[arg(help_heading = "Registry options")]
    src_authfile: Option<PathBuf>,
    /// File with credentials for the destination, instead of --authfile
    #[arg(long, value_name = "FILE", conflicts_with = "creds_stdin")]
    #[arg(help_heading = "Registry options")]
    dest_authfile: Option<PathBuf>,
}

impl EndAuthfiles {
    /// Refuses a file for an end that is not in a registry.
    pub(crate) fn needed(&self, [source, destination]: [&PlaceArg; 2]) -> Result<(), Failure> {
        for (option, end, place) in
            [(self.source(), "source", source), (self.destination(), "destination", destination)]
        {
            if let Some((option, _)) = option.filter(|_| !place.is_registry()) {
                let text = format!("{option}: expected a {end} in a registry, found files");
                return Err(Failure::usage(text, format!("leave out {option}")));
            }
        }
        Ok(())
    }

    fn source(&self) -> Option<(&'static str, &Path)> {
        Some(("--src-authfile", self.src_authfile.as_deref()?))
    }

    fn destination(&self) -> Option<(&'static str, &Path)> {
        Some(("--dest-authfile", self.dest_authfile.as_deref()?))
    }
}

impl AccessArgs {
    /// Refuses these options if no place is in a registry, and a password that is not for one.
    pub(crate) fn needed(&self, places: &[&PlaceArg]) -> Result<(), Failure> {
        if places.iter().any(|it| it.is_registry()) {
            return self.one_login(places);
        }
        let given = [
            ("--authfile", self.authfile.is_some()),
            ("--creds-stdin", self.creds_stdin.is_some()),
            ("--ca-file", self.ca_file.is_some()),
            ("--certs-dir", self.certs_dir.is_some()),
            ("--plain-http", !self.plain_http.is_empty()),
            ("--mirror", !self.mirror.is_empty()),
            ("--mirrors-from", !self.mirrors_from.is_empty()),
            ("--retries", self.retries.is_some()),
            ("--timeout", self.timeout.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((option, _)) => {
                let text = format!("{option}: expected an image of a registry, found only files");
                Err(Failure::usage(text, format!("leave out {option}, or use docker://NAME")))
            }
        }
    }

    /// The same for sources as they were written; a wrong one is refused where it is opened.
    pub(crate) fn needed_for(&self, sources: &[OsString]) -> Result<(), Failure> {
        let places: Vec<PlaceArg> =
            sources.iter().filter_map(|it| PlaceArg::parse(it).ok()).collect();
        self.needed(&places.iter().collect::<Vec<_>>())
    }

    /// The password of `--creds-stdin` goes to one registry, which the user named: the names in a
    /// source are those of its author.
    fn one_login(&self, places: &[&PlaceArg]) -> Result<(), Failure> {
        let hosts = places.iter().flat_map(|it| &it.names).map(|it| it.host());
        let hosts: Vec<&str> = hosts.collect::<BTreeSet<_>>().into_iter().collect();
        match (&self.creds_stdin, hosts.as_slice()) {
            (None, _) => Ok(()),
            (Some(_), [host]) => {
                self.login_host.get_or_init(|| (*host).to_owned());
                Ok(())
            }
            (Some(_), hosts) => {
                let found = if hosts.is_empty() { "none".to_owned() } else { hosts.join(", ") };
                let text = format!("--creds-stdin: expected names of one registry, found {found}");
                let hint = "--authfile and the files of docker login are for any number of them";
                Err(Failure::usage(text, hint.to_owned()))
            }
        }
    }

    /// Sets what is kept of a pull that fails.
    pub(crate) fn keep(&self, keep: Keep) {
        self.forgets.store(keep == Keep::Nothing, Ordering::Relaxed);
    }

    /// Uses the connections of a run with this many threads.
    pub(crate) fn connect(&self, threads: usize) {
        self.threads.get_or_init(|| threads);
    }

    /// Asks the registry too what a tag means where a mirror has said it.
    pub(crate) fn distrust_mirrors(&self) {
        self.asks_origin.store(true, Ordering::Relaxed);
    }

    /// Sets the credentials of single ends.
    pub(crate) fn set_ends(&self, ends: &EndAuthfiles) {
        let (src_authfile, dest_authfile) = (ends.src_authfile.clone(), ends.dest_authfile.clone());
        self.ends.get_or_init(|| EndAuthfiles { src_authfile, dest_authfile });
    }

    /// The registries that are read, as the options and the environment describe them.
    pub(crate) fn session(&self, ui: &Ui) -> Result<Arc<Registries>, Failure> {
        let own = self.ends.get().and_then(EndAuthfiles::source);
        self.opened(ui, &self.session, own)
    }

    /// The registries that are written: the same, if no end has credentials of its own.
    pub(crate) fn destination(&self, ui: &Ui) -> Result<Arc<Registries>, Failure> {
        let ends = self.ends.get();
        let own = ends.and_then(EndAuthfiles::destination);
        match own.or(ends.and_then(EndAuthfiles::source)) {
            None => self.session(ui),
            Some(_) => self.opened(ui, &self.destination, own),
        }
    }

    fn opened(
        &self,
        ui: &Ui,
        kept: &OnceLock<Arc<Registries>>,
        own: Option<(&'static str, &Path)>,
    ) -> Result<Arc<Registries>, Failure> {
        if let Some(session) = kept.get() {
            return Ok(Arc::clone(session));
        }
        let session = Registries::new(self.access(ui, own)?);
        let ended = Arc::clone(&session);
        ui.at_signal(move || ended.keep());
        Ok(Arc::clone(kept.get_or_init(|| session)))
    }

    /// What the options and the environment say, with this file of credentials.
    fn access(&self, ui: &Ui, own: Option<(&'static str, &Path)>) -> Result<Access, Failure> {
        let mut access = Access::default();
        let environment = Environment::new(&variable);
        let user = rustix::process::getuid().as_raw();
        let given = own.or(self.authfile.as_deref().map(|file| ("--authfile", file)));
        access.credentials = CredentialStore::new(match given {
            Some((_, file)) => vec![file.to_owned()],
            None => environment.auth_files(user),
        });
        if let Some((option, file)) = given.filter(|(_, file)| !file.exists()) {
            let text = format!("{option} {}: does not exist", file.display());
            return Err(Failure::usage(text, None));
        }
        if let (Some(user), Some(host)) = (&self.creds_stdin, self.login_host.get()) {
            access.login = Some((host.clone(), login(user)?));
        }
        access.helper = Arc::new(Helpers::new(&variable("PATH").unwrap_or_default()));
        if let Some(file) = &self.ca_file {
            let at = |kind| Error::new(&Location::of(file), kind);
            let pem = std::fs::read(file).map_err(|error| at(ErrorKind::Open(error)))?;
            access.trust(pem).map_err(at)?;
        }
        access.certs = match &self.certs_dir {
            Some(folder) => vec![folder.clone()],
            None => environment.certs_dirs(),
        };
        self.threads.get().into_iter().for_each(|threads| access.connect(*threads));
        access.asks_origin = self.asks_origin.load(Ordering::Relaxed);
        access.keep = !self.forgets.load(Ordering::Relaxed);
        access.proxies = environment.proxies();
        access.plain.clone_from(&self.plain_http);
        access.mirrors.clone_from(&self.mirror);
        access.rules = self.rules(ui)?;
        access.retries = self.retries.unwrap_or(access.retries);
        access.timeout = self.timeout.map_or(access.timeout, Duration::from_secs);
        let watching = ui.clone();
        access.events = Arc::new(move |event: &RegistryEvent| {
            match event {
                RegistryEvent::CredentialsNote(text) => watching.warning(text),
                RegistryEvent::LoginElsewhere { registry, server } => {
                    watching.step(&format!("log in at {server} for {registry}"));
                }
                RegistryEvent::MirrorTag { host, tag, digest } => {
                    watching.step(&format!("{tag} is {digest}, as {host} says"));
                }
                event => watching.note(&words(event)),
            }
            watching.event(Event::Read(0))
        });
        Ok(access)
    }
}

impl AccessArgs {
    /// What the files of `--mirrors-from` say; notes are printed once.
    fn rules(&self, ui: &Ui) -> Result<Vec<MirrorRule>, Failure> {
        let mut files = MirrorFiles::default();
        for file in &self.mirrors_from {
            files.read(file, &self.plain_http)?;
        }
        if !self.noted.swap(true, Ordering::Relaxed) {
            files.notes.iter().for_each(|note| ui.note(note));
        }
        Ok(files.rules)
    }
}

/// Parses `FROM=TO`.
fn mirror(text: &str) -> Result<(String, String), &'static str> {
    let sides = text.split_once('=').filter(|(from, to)| !from.is_empty() && !to.is_empty());
    let (from, to) = sides.ok_or("expected FROM=TO, for example docker.io=mirror.lan:5000")?;
    Ok((from.to_owned(), to.to_owned()))
}

/// What is kept of a pull that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Fetched,
    Nothing,
}

/// What the user reads of an event.
fn words(event: &RegistryEvent) -> String {
    match event {
        RegistryEvent::Retry(RetryWait { host, why, pause, attempt: (attempt, all), .. }) => {
            let seconds = pause.as_secs_f64().ceil();
            let (host, why) = (Shown(host), Shown(why));
            format!("{host}: {why}, retrying in {seconds} s ({attempt} of {all})")
        }
        RegistryEvent::Kept { path, blobs, bytes } => {
            let (path, size) = (path.to_string_lossy(), HumanBytes(*bytes));
            let blobs = if *blobs == 1 { "1 blob".to_owned() } else { format!("{blobs} blobs") };
            let path = Shown(&path);
            format!("kept {blobs} ({size}) in {path}; run the same command again to resume")
        }
        RegistryEvent::NotAReferrer { name, digest } => {
            let name = Shown(name);
            format!("{name}: {digest} is listed as a referrer, but has another subject; not taken")
        }
        RegistryEvent::OtherTag { name, found: Some(found) } => {
            format!("{}: the tag is {found} now; the digest counts", Shown(name))
        }
        RegistryEvent::OtherTag { name, found: None } => {
            format!("{}: there is no such tag now; the digest counts", Shown(name))
        }
        RegistryEvent::Schema1 { name, digest } => {
            let name = Shown(name);
            format!("{name}: has only a schema 1 manifest, {digest}; it is converted to schema 2")
        }
        RegistryEvent::MirrorFailed { host, why } => {
            format!("{}: {}; the next place is asked", Shown(host), Shown(why))
        }
        _ => String::new(),
    }
}

/// The password of a user, from standard input, without its line break.
fn login(user: &str) -> Result<Login, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(64 << 10).read_to_string(&mut text);
    read.map_err(|error| Failure::usage(format!("standard input: cannot read: {error}"), None))?;
    let secret = text.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Login::basic(user, secret).map_err(|kind| Error::new(&Location::named("-"), kind))?)
}

pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
