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
/// `other.crt`, an authority that signed nothing.
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
        let names = format!("subjectAltName=DNS:localhost,DNS:{HOST},IP:127.0.0.1\n");
        for (name, usage) in [("server", "serverAuth"), ("client", "clientAuth")] {
            let (to, request) = (format!("{name}.key"), format!("{name}.csr"));
            let (out, more) = (format!("{name}.crt"), format!("{name}.ext"));
            let text = format!("{names}extendedKeyUsage={usage}\n");
            fs::write(folder.path().join(&more), text).unwrap();
            let own: Args<'_> = &[&"req", &"-subj", &"/CN=imgconv"];
            openssl(&[own, key, &[&"-keyout", &to, &"-out", &request]].concat());
            let own: Args<'_> = &[&"x509", &"-req", &"-days", &"30", &"-CA", &"ca.crt"];
            let more: Args<'_> = &[&"-CAkey", &"ca.key", &"-CAcreateserial", &"-extfile", &more];
            openssl(&[own, more, &[&"-in", &request, &"-out", &out]].concat());
        }
        Some(Self(folder))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The lines of a registry's section `http`.
    pub(crate) fn server(&self) -> String {
        let path = |name| self.path(name).display().to_string();
        format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            path("server.crt"),
            path("server.key")
        )
    }

    /// The same; clients have to show a certificate.
    pub(crate) fn server_for_known(&self) -> String {
        format!("{}    clientcas: [{}]\n", self.server(), self.path("ca.crt").display())
    }
}

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
