//! Tokens and credentials for a registry (distribution `docs/spec/auth/token.md`, `oauth.md`).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::challenge::Challenge;
use super::credentials::Login;
use super::http::{HttpAnswer, NoAnswer, Sent};
use super::name::RegistryName;
use super::origin::{Scheme, WebOrigin};
use super::secret::Secret;
use super::session::{
    Registries, RegistryEvent, RepositoryScope, is_passing, may_follow, retry_after,
};
use super::url::Url;
use crate::error::{Error, ErrorKind};
use crate::limits;

/// How a registry lets in.
#[derive(Debug, Clone)]
pub(super) enum Authority {
    /// With this header.
    Basic(Secret),
    /// With tokens of a server.
    Bearer(TokenServer),
}

#[derive(Debug, Clone)]
pub(super) struct TokenServer {
    realm: Url,
    service: String,
}

#[derive(Debug)]
pub(super) struct Token {
    value: Secret,
    until: Instant,
}

/// How long a token is valid if its server does not say it.
const USUAL: u64 = 60;
/// How long before its end a token is replaced.
const MARGIN: u64 = 10;

impl Token {
    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.until
    }

    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.value.expose())
    }
}

impl Registries {
    /// The user's credentials for a name.
    pub(super) fn login(&self, name: &RegistryName) -> Result<Option<Login>, ErrorKind> {
        match &self.access.login {
            Some((host, login)) if host == name.host() => Ok(Some(login.clone())),
            _ => {
                let (store, helper) = (&self.access.credentials, &*self.access.helper);
                let found = store.find(name.host(), name.path(), helper).map_err(of_file)?;
                for note in store.notes() {
                    self.tell_once(&note, &RegistryEvent::CredentialsNote(note.clone()))?;
                }
                Ok(found.map(|it| it.login))
            }
        }
    }

    /// How the registry of a challenge lets in; `None` if only with credentials that there are not.
    pub(super) fn authority(
        &self,
        home: &WebOrigin,
        scope: &RepositoryScope<'_>,
        answer: &HttpAnswer,
    ) -> Result<Option<Authority>, ErrorKind> {
        let challenges = Challenge::parse(answer.headers("www-authenticate"));
        match Challenge::choose(&challenges) {
            Some(Challenge::Bearer { realm, service }) => {
                let realm = Url::parse(realm)?;
                may_follow(home, &realm, "the registry names a token server")?;
                let service = service.clone();
                Ok(Some(Authority::Bearer(TokenServer { realm, service })))
            }
            Some(Challenge::Basic { .. }) => {
                let plain = home.scheme == Scheme::Http;
                let named = self.access.plain.contains(&home.authority());
                match self.login(scope.name)? {
                    Some(Login::Basic { user, secret })
                        if !plain || named || home.is_loopback() =>
                    {
                        Ok(Some(Authority::Basic(basic(&user, &secret)?)))
                    }
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// A new token.
    pub(super) fn token(
        &self,
        server: &TokenServer,
        scope: &RepositoryScope<'_>,
    ) -> Result<Token, NoAnswer> {
        let lasting = NoAnswer::lasting;
        let home = self.url(scope.name, "").map_err(lasting)?;
        let home = home.origin();
        let login = self.login(scope.name).map_err(lasting)?;
        if login.is_some() && server.realm.origin().host != home.host {
            let (registry, server) = (home.authority(), server.realm.origin().authority());
            let key = format!("{registry} {server}");
            let event = RegistryEvent::LoginElsewhere { registry, server };
            self.tell_once(&key, &event).map_err(lasting)?;
        }
        if let Some(Login::IdentityToken(identity)) = &login {
            let answer = self.refreshed(server, (home, scope), identity)?;
            // Servers before OAuth 2 know only GET.
            if !matches!(answer.status, 404 | 405) {
                return self.token_of(scope, answer);
            }
        }
        let mut query: Vec<(&str, &str)> = Vec::new();
        if !server.service.is_empty() {
            query.push(("service", &server.service));
        }
        let scopes = scope.words();
        query.extend(scopes.iter().map(|it| ("scope", it.as_str())));
        let mut headers = Vec::new();
        if let Some(Login::Basic { user, secret }) = &login {
            query.push(("account", user));
            let header = basic(user, secret).map_err(lasting)?;
            headers.push(("authorization", header.expose().to_owned()));
        }
        let url = server.realm.with_query(&query);
        let sent = Sent { method: "GET", url: &url, home, headers, body: None };
        let answer = self.http.send(sent)?;
        self.log.add("GET", &url, answer.status);
        self.token_of(scope, answer)
    }

    /// The answer to a request with an identity token.
    fn refreshed(
        &self,
        server: &TokenServer,
        (home, scope): (&WebOrigin, &RepositoryScope<'_>),
        identity: &Secret,
    ) -> Result<HttpAnswer, NoAnswer> {
        let scopes = scope.words().join(" ");
        let form = form(&[
            ("grant_type", "refresh_token"),
            ("service", &server.service),
            ("client_id", "imgconv"),
            ("scope", &scopes),
            ("refresh_token", identity.expose()),
        ]);
        let size = form.len() as u64;
        let mut body = form.as_bytes();
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let (url, body) = (&server.realm, Some((&mut body as _, size)));
        let answer = self.http.send(Sent { method: "POST", url, home, headers, body })?;
        self.log.add("POST", url, answer.status);
        Ok(answer)
    }

    /// The token of an answer; what a busy server asks for is heeded.
    fn token_of(&self, scope: &RepositoryScope<'_>, answer: HttpAnswer) -> Result<Token, NoAnswer> {
        let passing = is_passing(answer.status);
        let asked = retry_after(&answer).filter(|_| passing);
        self.token_in(scope, answer).map_err(|kind| NoAnswer { kind, passing, asked })
    }

    fn token_in(
        &self,
        scope: &RepositoryScope<'_>,
        mut answer: HttpAnswer,
    ) -> Result<Token, ErrorKind> {
        if answer.status != 200 {
            return Err(self.refusal(scope, "token", 200, answer));
        }
        let wrong = |found: &str| ErrorKind::RegistryAnswer {
            what: "expected a token",
            found: found.to_owned(),
        };
        let raw = answer.read(limits::TOKEN).map_err(|error| wrong(&error.to_string()))?;
        if raw.len() as u64 > limits::TOKEN {
            return Err(ErrorKind::limit("the size of a token, in bytes,", limits::TOKEN, "more"));
        }
        let said: serde_json::Value =
            serde_json::from_slice(&raw).map_err(|_| wrong("something else than JSON"))?;
        let text = |key: &str| said.get(key).and_then(|it| it.as_str()).filter(|it| !it.is_empty());
        let value = text("token").or_else(|| text("access_token")).ok_or_else(|| wrong("none"))?;
        let value = Secret::new(value.to_owned())?;
        let seconds = said.get("expires_in").and_then(serde_json::Value::as_u64);
        let seconds = seconds.filter(|it| *it > 0).unwrap_or(USUAL).min(86_400);
        let valid = Duration::from_secs(seconds.saturating_sub(MARGIN).max(1));
        let until = Instant::now().checked_add(valid).unwrap_or_else(Instant::now);
        Ok(Token { value, until })
    }
}

/// The header of Basic credentials (RFC 7617).
fn basic(user: &str, secret: &Secret) -> Result<Secret, ErrorKind> {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", secret.expose()))))
}

/// The body of a form.
fn form(pairs: &[(&str, &str)]) -> String {
    let whole = Url::parse("http://localhost").map(|it| it.with_query(pairs).full());
    let (_, form) = whole.as_deref().ok().and_then(|it| it.split_once('?')).unwrap_or_default();
    form.to_owned()
}

/// An error of a credentials file or helper, with its place, which is not that of an image.
fn of_file(error: Error) -> ErrorKind {
    let at = error.at;
    match error.kind {
        ErrorKind::CredentialsFile { why } => {
            ErrorKind::CredentialsFile { why: format!("{at}: {why}") }
        }
        ErrorKind::CredentialHelper { why } => {
            ErrorKind::CredentialHelper { why: format!("{at}: {why}") }
        }
        kind => ErrorKind::CredentialsFile { why: format!("{at}: {}", kind.text()) },
    }
}
