//! An authority of certificates, made by openssl, and names that are in no name server.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Args, find, or_absent, root, run};

/// The host of the certificates, beside `localhost`.
pub(crate) const HOST: &str = "registry.test";

/// Files in PEM: `ca.crt`; `server.crt` and `.key` for this machine; `client.crt` and `.key`;
/// `other.crt`, an authority that signed nothing; `alone.crt` and `.key`, a server that is its own
/// authority, as `openssl req -x509` makes it; `past.crt`, the same key, valid until 2021.
pub(crate) struct Authority(TempDir);

impl Authority {
    pub(crate) fn new() -> Option<Self> {
        let openssl = find("openssl")?;
        let folder = tempfile::tempdir().unwrap();
        let openssl = |args: Args<'_>| {
            run(Command::new(&openssl).current_dir(folder.path()).args(args));
        };
        let key: Args<'_> =
            &[&"-newkey", &"ec", &"-pkeyopt", &"ec_paramgen_curve:P-256", &"-nodes"];
        for name in ["ca", "other"] {
            let (to, out, who) =
                (format!("{name}.key"), format!("{name}.crt"), format!("/CN=imgconv {name}"));
            let own: Args<'_> = &[&"req", &"-x509", &"-days", &"30", &"-subj", &who];
            openssl(&[own, key, &[&"-keyout", &to, &"-out", &out]].concat());
        }
        let names = format!("subjectAltName=DNS:localhost,DNS:{HOST},IP:127.0.0.1");
        for (name, usage) in [("server", "serverAuth"), ("client", "clientAuth")] {
            let (to, request) = (format!("{name}.key"), format!("{name}.csr"));
            let (out, more) = (format!("{name}.crt"), format!("{name}.ext"));
            let text = format!("{names}\nextendedKeyUsage={usage}\n");
            fs::write(folder.path().join(&more), text).unwrap();
            let own: Args<'_> = &[&"req", &"-subj", &"/CN=imgconv"];
            openssl(&[own, key, &[&"-keyout", &to, &"-out", &request]].concat());
            let own: Args<'_> = &[&"x509", &"-req", &"-days", &"30", &"-CA", &"ca.crt"];
            let more: Args<'_> = &[&"-CAkey", &"ca.key", &"-CAcreateserial", &"-extfile", &more];
            openssl(&[own, more, &[&"-in", &request, &"-out", &out]].concat());
        }
        let names: Args<'_> = &[&"-addext", &names];
        let own: Args<'_> = &[&"req", &"-x509", &"-days", &"30", &"-subj", &"/CN=alone"];
        let files: Args<'_> = &[&"-keyout", &"alone.key", &"-out", &"alone.crt"];
        openssl(&[own, key, names, files].concat());
        let own: Args<'_> = &[&"req", &"-new", &"-subj", &"/CN=alone", &"-key", &"alone.key"];
        openssl(&[own, names, &[&"-out", &"past.csr"]].concat());
        fs::write(folder.path().join("ca.conf"), PAST).unwrap();
        fs::write(folder.path().join("index"), "").unwrap();
        let own: Args<'_> = &[&"ca", &"-batch", &"-config", &"ca.conf", &"-selfsign"];
        let when: Args<'_> = &[&"-startdate", &"20200101000000Z", &"-enddate", &"20210101000000Z"];
        let files: Args<'_> = &[&"-keyfile", &"alone.key", &"-in", &"past.csr"];
        openssl(&[own, when, files, &[&"-out", &"past.crt", &"-notext"]].concat());
        Some(Self(folder))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The lines of a registry's section `http`.
    pub(crate) fn server(&self) -> String {
        self.server_with("server.crt", "server.key")
    }

    /// The same, with this certificate and its key.
    pub(crate) fn server_with(&self, certificate: &str, key: &str) -> String {
        let path = |name| self.path(name).display().to_string();
        format!("  tls:\n    certificate: {}\n    key: {}\n", path(certificate), path(key))
    }

    /// The same; clients have to show a certificate.
    pub(crate) fn server_for_known(&self) -> String {
        format!("{}    clientcas: [{}]\n", self.server(), self.path("ca.crt").display())
    }
}

/// For a certificate of the past, which `openssl req` does not make.
const PAST: &str = "[ca]\ndefault_ca=it\n[it]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\n\
    default_md=sha256\npolicy=any\nx509_extensions=own\ncopy_extensions=copy\n\
    [any]\ncommonName=supplied\n[own]\nbasicConstraints=critical,CA:TRUE\n";

/// Puts names into the addresses that only this command sees. A name of loopback is one of another
/// machine for imgconv, but for `localhost`.
pub(crate) fn with_hosts(file: &Path, program: impl AsRef<OsStr>) -> Option<Command> {
    or_absent(root("a table of names"))?;
    let mut command = Command::new("sh");
    command.args(["-c", INSIDE, "sh"]).arg(file).arg(program);
    Some(command)
}

/// Inside a chroot / is no mount point, and its propagation cannot be changed.
const INSIDE: &str = r#"
unshare --mount true 2> /dev/null && how=private || how=unchanged
exec unshare --mount --propagation "$how" sh -c '
mount --bind "$1" /etc/hosts || exit 99
shift
exec "$@"
' sh "$@"
"#;
