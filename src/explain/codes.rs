//! The catalogues by their codes: why something changes or is lost, and what can be wrong or odd.

use serde::Serialize;

use crate::error::Severity;
use crate::image::readers::{READERS, ReaderRow};
use crate::image::reason::{Lost, Reason};
use crate::verify::{CHECKS, Check, DESTINATION_NOTES};

/// One entry of a catalogue. `docs/schema/catalogue.json` describes its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Code {
    /// The stable word.
    pub code: &'static str,
    /// `reason` of a loss or a change, `problem` or `note` of `verify`, or `failure` of a command.
    pub group: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What follows from it.
    pub consequence: &'static str,
    /// Where it comes from, or what to do about it; empty for reasons, which say it themselves.
    pub advice: &'static str,
    /// Where the rule is written; empty for what is one of this program alone.
    pub section: &'static str,
    /// Which programs cannot read what, and in which versions that was seen.
    pub readers: Vec<&'static ReaderRow>,
}

impl Code {
    fn of_reason(reason: Reason) -> Self {
        let row = reason.row();
        let consequence = match row.lost {
            Lost::Yes => {
                "Something is gone from the result and cannot be had back from it. Conversions name \
                 it as a loss before anything is written; --strict refuses it."
            }
            Lost::No => {
                "The bytes differ and the meaning stays: it can be had back, or was never there."
            }
        };
        let (code, meaning, section) = (row.code, row.sentence, row.section);
        let readers = of_readers(code);
        Self { code, group: "reason", meaning, consequence, advice: "", section, readers }
    }

    fn of_check(check: &Check) -> Self {
        let (group, consequence) = match check.severity {
            Severity::Problem => {
                ("problem", "verify lists it and exits 1; conversions refuse what it touches.")
            }
            Severity::Note => (
                "note",
                "Odd, and it changes nothing that is converted. verify lists it and exits 0; \
                 --strict refuses it.",
            ),
        };
        let (code, meaning, advice) = (check.code, check.sentence, check.advice);
        let readers = of_readers(code);
        Self { code, group, meaning, consequence, advice, section: "", readers }
    }

    /// A note about a destination, which `verify` does not make.
    fn of_destination(check: &Check) -> Self {
        let consequence = "Conversions name it; the destination is as it should be.";
        Self { consequence, ..Self::of_check(check) }
    }
}

fn of_readers(code: &str) -> Vec<&'static ReaderRow> {
    READERS.iter().copied().filter(|row| row.code == code).collect()
}

/// Failures of commands that are not findings of `verify`: code, meaning, advice.
#[rustfmt::skip]
const FAILURES: [(&str, &str, &str); 34] = [
    ("credential-helper", "a credential helper fails", "Run it by itself to see more."),
    ("credentials-file", "a file with credentials cannot be read", "Write it with docker login or podman login, or choose another with --authfile."),
    ("denied", "the registry does not allow the pull or push", "Log in with docker login or podman login, or pass --authfile FILE."),
    ("network", "a registry cannot be reached", "Check the address and the proxy."),
    ("not-in-registry", "the registry does not have the image", "Check the name; imgconv tags lists the tags of a repository."),
    ("registry-answer", "a server does not answer as a registry does", "Check that the address is that of a registry."),
    ("registry-refuses", "the registry refuses a blob or manifest", "The message has its words; --manifest docker makes schema 2 manifests."),
    ("tls", "the certificate of a registry is not trusted", "Pass the certificate of its authority with --ca-file."),
    ("unsafe-url", "a registry names an address that imgconv does not follow", "Ask the operator of the registry."),
    ("url", "a registry names an address that is not a URL", "Ask the operator of the registry."),
    ("cannot-convert", "the manifest has something that the requested kind cannot express", "Choose another kind with --to."),
    ("cannot-hold", "the destination format cannot store the image", "Choose another destination, such as an OCI layout."),
    ("damaged", "the existing destination is damaged, so nothing is added to it", "Check it with imgconv verify; repair it or choose another name."),
    ("destination-changed", "another program changed the destination during the run", "Run the command again; nothing was written."),
    ("exists", "the destination already exists", "Choose another name, remove it, or add to it with --append."),
    ("image-incomplete", "layers of the chosen image are missing in the source", "Save it again with all its layers, or choose a complete platform with --platform."),
    ("interrupted", "a signal or the calling program ended the run", "Nothing was written; run the command again."),
    ("locked", "another process holds the lock of the destination", "Wait until it ends. If no imgconv is running, remove the lock."),
    ("missing-input", "the conversion of a manifest needs a document or layers that it was not given", "Pass them with the option in the message."),
    ("no", "the check of the command failed", "The message and the other output say what differs."),
    ("no-parent", "the directory of the destination is missing or is not a directory", "Create it first."),
    ("no-space", "the file system of the destination is too full", "Free some space, or choose another destination."),
    ("no-such-image", "--image names nothing in the source", "Choose one of those in the message: by name, digest or @N."),
    ("no-such-platform", "--platform names a platform that the source does not have", "Choose one of those in the message."),
    ("not-a-layout", "the destination is a directory with other files", "Choose an empty or new directory."),
    ("several-images", "the command needs one image, and the source has several", "Choose one with --image."),
    ("spool", "a temporary file cannot be written", "Free some space, or set TMPDIR to a folder that can be written to."),
    ("strict", "--strict refused a loss or a note", "Leave out --strict, or choose a destination that keeps everything."),
    ("symlink", "the destination is a symbolic link", "Pass the path that it links to."),
    ("usage", "the command line makes no sense", "Run the command with --help."),
    ("write", "the destination cannot be written", "The message has the reason of the operating system."),
    ("wrong-blob", "a blob of the existing destination does not match its name", "Repair or remove it, and run the command again."),
    ("other-image", "--recover was given the manifest of another image", "Pass the manifest of this image."),
    ("wrong-kind", "the source has another format than the command reads", "Use convert --to FORMAT."),
];

/// Every entry, reasons first.
#[must_use]
pub fn codes() -> Vec<Code> {
    let reasons = Reason::ALL.into_iter().map(Code::of_reason);
    let destinations = DESTINATION_NOTES.iter().map(Code::of_destination);
    let failures = FAILURES.map(|(code, meaning, advice)| {
        let consequence = "The command ends and writes nothing.";
        let readers = Vec::new();
        Code { code, group: "failure", meaning, consequence, advice, section: "", readers }
    });
    reasons.chain(CHECKS.iter().map(Code::of_check)).chain(destinations).chain(failures).collect()
}

/// The entry of a code.
#[must_use]
pub fn code(code: &str) -> Option<Code> {
    codes().into_iter().find(|known| known.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_means_two_things() {
        let mut seen = std::collections::BTreeSet::new();
        for known in codes() {
            assert!(seen.insert(known.code), "{} twice", known.code);
            assert_eq!(code(known.code), Some(known.clone()));
        }
    }
}
