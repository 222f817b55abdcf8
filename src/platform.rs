//! Operating system and architecture, as `os/arch[/variant]`.
//!
//! Matches as docker does: a platform without a variant matches any variant; `arm64` means `v8`
//! (containerd `platforms`, `Normalize`).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Text that is not a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected OS/ARCH or OS/ARCH/VARIANT")]
pub struct InvalidPlatform;

/// A platform, as in descriptors and configs.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Platform {
    /// `linux`, `windows`, …
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v8`, `v7`, …; empty if it does not matter.
    pub variant: String,
    /// Windows build number; empty elsewhere.
    pub os_version: String,
    /// Windows features.
    pub os_features: Vec<String>,
}

impl Platform {
    /// The platform that this program runs on.
    ///
    /// On macOS this is `linux`, because containers run in a Linux virtual machine there.
    #[must_use]
    pub fn host() -> Self {
        let order = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };
        Self::of(std::env::consts::OS, std::env::consts::ARCH, order)
    }

    /// The platform in Go's terms, from Rust's names of a system and a machine.
    fn of(os: &str, machine: &str, order: Endian) -> Self {
        let architecture = match (machine, order) {
            ("x86_64", _) => "amd64",
            ("x86", _) => "386",
            ("aarch64", _) => "arm64",
            ("powerpc", _) => "ppc",
            ("powerpc64", Endian::Big) => "ppc64",
            ("powerpc64", Endian::Little) => "ppc64le",
            ("mips", Endian::Little) => "mipsle",
            ("mips64", Endian::Little) => "mips64le",
            ("loongarch64", _) => "loong64",
            (other, _) => other,
        };
        let os = if os == "macos" { "linux" } else { os };
        Self { os: os.to_owned(), architecture: architecture.to_owned(), ..Self::default() }
    }

    /// Whether an image for `self` satisfies a request for `wanted`.
    #[must_use]
    pub fn matches(&self, wanted: &Self) -> bool {
        let (ours, theirs) = (self.normal(), wanted.normal());
        ours.0 == theirs.0
            && ours.1 == theirs.1
            && (wanted.variant.is_empty() || ours.2 == theirs.2)
    }

    fn normal(&self) -> (String, &str, &str) {
        let architecture = match self.architecture.as_str() {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            "i386" => "386",
            "armhf" | "armel" => "arm",
            other => other,
        };
        let variant = match (architecture, self.variant.as_str()) {
            ("arm64", "" | "8") => "v8",
            ("arm", "") => "v7",
            (_, variant) => variant,
        };
        (self.os.to_lowercase(), architecture, variant)
    }
}

/// Byte order, which distinguishes machines with the same name.
#[derive(Clone, Copy)]
enum Endian {
    Big,
    Little,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
        write!(f, "{}/{}", or(&self.os), or(&self.architecture))?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl Serialize for Platform {
    /// As text, without the build and features of Windows.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (os, architecture, &""),
            [os, architecture, variant] if !variant.is_empty() => (os, architecture, variant),
            _ => return Err(InvalidPlatform),
        };
        if os.is_empty() || architecture.is_empty() {
            return Err(InvalidPlatform);
        }
        Ok(Self {
            os: (*os).to_owned(),
            architecture: (*architecture).to_owned(),
            variant: (*variant).to_owned(),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_match_as_docker_matches_them() {
        for (image, wanted, matches) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/aarch64", "linux/arm64", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm/v6", "linux/arm", true),
            ("windows/amd64", "linux/amd64", false),
        ] {
            let image: Platform = image.parse().unwrap();
            assert_eq!(image.matches(&wanted.parse().unwrap()), matches, "{image} for {wanted}");
        }
    }

    #[test]
    fn the_host_is_named_in_the_words_of_go_and_runs_linux_on_macos() {
        use Endian::{Big, Little};
        for (os, machine, order, named) in [
            ("linux", "x86_64", Little, "linux/amd64"),
            ("macos", "aarch64", Little, "linux/arm64"),
            ("macos", "x86_64", Little, "linux/amd64"),
            ("freebsd", "x86_64", Little, "freebsd/amd64"),
            ("windows", "x86_64", Little, "windows/amd64"),
            ("linux", "powerpc64", Little, "linux/ppc64le"),
            ("linux", "powerpc64", Big, "linux/ppc64"),
            ("linux", "mips64", Little, "linux/mips64le"),
            ("linux", "mips64", Big, "linux/mips64"),
            ("linux", "s390x", Big, "linux/s390x"),
            ("linux", "riscv64", Little, "linux/riscv64"),
        ] {
            assert_eq!(Platform::of(os, machine, order).to_string(), named);
        }
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for text in ["", "linux", "linux/", "/amd64", "a/b/c/d", "a/b/"] {
            assert_eq!(text.parse::<Platform>(), Err(InvalidPlatform), "{text}");
        }
    }
}
