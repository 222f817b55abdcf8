//! Writers of gzip that give the exact bytes of other programs.
//!
//! gzip writers are deterministic, few, and old, so the compressed bytes of a layer can be made
//! again from the uncompressed ones. Each writer is one row here and one file. A writer that gives
//! other bytes costs time and never correctness: the digest decides.

use std::fmt;

use imgconv_deflate::GoRelease::{From127, To126};
use imgconv_deflate::KlauspostRelease::{
    V1_4_1, V1_9_0, V1_9_8, V1_10_1, V1_10_2, V1_11_13, V1_12_2, V1_12_3, V1_14_0, V1_14_2,
    V1_14_3, V1_15_0, V1_15_10, V1_18_1,
};
use imgconv_deflate::PgzipBlock::{Large, Small};
use imgconv_deflate::ZlibProgram::{BusyBoxBig, BusyBoxMedium, BusyBoxSmall, Gzip, Pigz, Zlib};
use imgconv_deflate::{DeflateWriter, go, go_early, pgzip, zlib};

/// A writer of gzip.
pub(crate) struct WriterRow {
    /// Its name in recovery files, which never changes.
    pub(crate) name: &'static str,
    /// The program that is known for it, as in "compressed as docker does".
    pub(crate) like: &'static str,
    /// What it is.
    pub(crate) what: &'static str,
    /// Text in a config that is a trace of its programs.
    pub(crate) traces: &'static [&'static str],
    /// The headers (RFC 1952, 2.3) that its programs write, the usual one first.
    pub(crate) headers: &'static [&'static [u8]],
    /// Whether its headers have a time.
    pub(crate) dated: Dated,
    start: fn() -> Option<Box<dyn DeflateWriter>>,
}

/// Whether the headers of a writer have the time of the compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dated {
    /// Its programs write none.
    Never,
    /// Python and others write it.
    Mostly,
}

/// A header without a name: what it says of the level, the time, and the operating system.
const fn header(xfl: u8, mtime: [u8; 4], os: u8) -> [u8; 10] {
    let [a, b, c, d] = mtime;
    [0x1f, 0x8b, 8, 0, a, b, c, d, xfl, os]
}

/// No time, at a usual level, of an unknown system, and of DOS (Java to 15) and Unix.
const UNKNOWN: &[u8] = &header(0, [0; 4], 255);
const DOS: &[u8] = &header(0, [0; 4], 0);
const UNIX: &[u8] = &header(0, [0; 4], 3);
/// The same at the levels for size and speed.
const SMALLEST: &[u8] = &header(2, [0; 4], 255);
const SMALLEST_UNIX: &[u8] = &header(2, [0; 4], 3);
const FASTEST: &[u8] = &header(4, [0; 4], 255);
const FASTEST_UNIX: &[u8] = &header(4, [0; 4], 3);
/// pgzip writes the zero of Go's `time.Time`, in the year 1, as seconds since 1970.
const YEAR_1: &[u8] = &header(0, [0x00, 0x09, 0x6e, 0x88], 255);

const fn row(
    (name, what): (&'static str, &'static str),
    like: &'static str,
    headers: &'static [&'static [u8]],
    start: fn() -> Option<Box<dyn DeflateWriter>>,
) -> WriterRow {
    WriterRow { name, like, what, traces: &[], headers, dated: Dated::Never, start }
}

/// What Helm writes into its charts, which registries hold as artifacts.
const HELM: &[u8] =
    b"\x1f\x8b\x08\x14\0\0\0\0\0\xff)\0+aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=Helm\0";

impl WriterRow {
    const fn traced(self, traces: &'static [&'static str]) -> Self {
        Self { traces, ..self }
    }

    const fn dated(self) -> Self {
        Self { dated: Dated::Mostly, ..self }
    }
}

/// All writers, in the order in which they are tried.
#[rustfmt::skip]
pub(crate) static WRITERS: [WriterRow; 56] = [
    row(("go-6", "Go compress/flate, level 6"), "docker", &[UNKNOWN, HELM], || go(To126, 6)).traced(&["buildkit.dockerfile", "/bin/sh -c #(nop)"]),
    row(("go-1", "Go compress/flate, level 1"), "crane", &[FASTEST, UNKNOWN], || go(To126, 1)).traced(&["kaniko", "bazel", "ko build", "crane"]),
    row(("pgzip-1.18.1", "klauspost/pgzip with klauspost/compress 1.18.1 or later"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_18_1))).traced(&["buildah", "podman"]),
    row(("pgzip-1.15.10", "klauspost/pgzip with klauspost/compress 1.15.10 to 1.18.0"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_15_10))).traced(&["buildah", "podman"]),
    row(("zlib-6", "zlib, level 6"), "jib", &[DOS, UNKNOWN, UNIX], || Some(zlib(Zlib, 6))).traced(&["jib-"]).dated(),
    row(("go-1.27-6", "Go 1.27 compress/flate, level 6"), "docker", &[UNKNOWN, HELM], || go(From127, 6)),
    row(("go-1.27-1", "Go 1.27 compress/flate, level 1"), "crane", &[FASTEST, UNKNOWN], || go(From127, 1)),
    row(("gzip-6", "GNU gzip, level 6"), "gzip", &[UNIX], || Some(zlib(Gzip, 6))).dated(),
    row(("pgzip-1.15", "klauspost/pgzip with klauspost/compress 1.15.0 to 1.15.9"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_15_0))).traced(&["buildah", "podman"]),
    row(("pgzip-1.14.3", "klauspost/pgzip with klauspost/compress 1.14.3 or 1.14.4"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_14_3))).traced(&["buildah", "podman"]),
    row(("pgzip-1.14.2", "klauspost/pgzip with klauspost/compress 1.14.2"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_14_2))).traced(&["buildah", "podman"]),
    row(("pgzip-1.14", "klauspost/pgzip with klauspost/compress 1.14.0 or 1.14.1"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_14_0))).traced(&["buildah", "podman"]),
    row(("pgzip-1.12.3", "klauspost/pgzip with klauspost/compress 1.12.3 to 1.13.6"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_12_3))).traced(&["buildah", "podman"]),
    row(("pgzip-1.12.2", "klauspost/pgzip with klauspost/compress 1.12.2"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_12_2))).traced(&["buildah", "podman"]),
    row(("pgzip-1.11.13", "klauspost/pgzip with klauspost/compress 1.11.13 to 1.12.1"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_11_13))).traced(&["buildah", "podman"]),
    row(("pgzip-1.10.2", "klauspost/pgzip with klauspost/compress 1.10.2 to 1.11.12"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_10_2))).traced(&["buildah", "podman"]),
    row(("pgzip-1.10.1", "klauspost/pgzip with klauspost/compress 1.10.1"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_10_1))).traced(&["buildah", "podman"]),
    row(("pgzip-1.9.8", "klauspost/pgzip with klauspost/compress 1.9.8 or 1.10.0"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_9_8))).traced(&["buildah", "podman"]),
    row(("pgzip-1.9", "klauspost/pgzip with klauspost/compress 1.9.0 to 1.9.7"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_9_0))).traced(&["buildah", "podman"]),
    row(("pgzip-1.4.1", "klauspost/pgzip with klauspost/compress 1.4.1 to 1.8.6"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Large, V1_4_1))).traced(&["buildah", "podman"]),
    row(("pgzip-1.18.1-small", "klauspost/pgzip with klauspost/compress 1.18.1 or later and small blocks"), "umoci", &[YEAR_1, UNKNOWN], || Some(pgzip(Small, V1_18_1))).traced(&["umoci"]),
    row(("pgzip-1.15.10-small", "klauspost/pgzip with klauspost/compress 1.15.10 to 1.18.0 and small blocks"), "umoci", &[YEAR_1, UNKNOWN], || Some(pgzip(Small, V1_15_10))).traced(&["umoci"]),
    row(("pgzip-1.15-small", "klauspost/pgzip with klauspost/compress 1.15.0 to 1.15.9 and small blocks"), "umoci", &[YEAR_1, UNKNOWN], || Some(pgzip(Small, V1_15_0))).traced(&["umoci"]),
    row(("pgzip-1.12.3-small", "klauspost/pgzip with klauspost/compress 1.12.3 to 1.13.6 and small blocks"), "umoci", &[YEAR_1, UNKNOWN], || Some(pgzip(Small, V1_12_3))).traced(&["umoci"]),
    row(("pgzip-1.11.13-small", "klauspost/pgzip with klauspost/compress 1.11.13 to 1.12.1 and small blocks"), "umoci", &[YEAR_1, UNKNOWN], || Some(pgzip(Small, V1_11_13))).traced(&["umoci"]),
    row(("pgzip-1.10.2-small", "klauspost/pgzip with klauspost/compress 1.10.2 to 1.11.12 and small blocks"), "umoci", &[YEAR_1, UNKNOWN], || Some(pgzip(Small, V1_10_2))).traced(&["umoci"]),
    row(("pgzip-1.4.1-small", "klauspost/pgzip with klauspost/compress 1.4.1 to 1.8.6 and small blocks"), "skopeo", &[YEAR_1, UNKNOWN], || Some(pgzip(Small, V1_4_1))).traced(&["buildah", "podman"]),
    row(("go-1.6-6", "Go compress/flate up to 1.6, level 6"), "docker before 1.12", &[YEAR_1, UNKNOWN], || Some(go_early())),
    row(("zlib-9", "zlib, level 9"), "zlib -9", &[SMALLEST, SMALLEST_UNIX, UNKNOWN, UNIX, DOS], || Some(zlib(Zlib, 9))).dated(),
    row(("zlib-5", "zlib, level 5"), "zlib -5", &[UNKNOWN, UNIX, DOS], || Some(zlib(Zlib, 5))).dated(),
    row(("zlib-4", "zlib, level 4"), "zlib -4", &[UNKNOWN, UNIX, DOS], || Some(zlib(Zlib, 4))).dated(),
    row(("zlib-3", "zlib, level 3"), "zlib -3", &[UNKNOWN, UNIX, DOS], || Some(zlib(Zlib, 3))).dated(),
    row(("zlib-2", "zlib, level 2"), "zlib -2", &[UNKNOWN, UNIX, DOS], || Some(zlib(Zlib, 2))).dated(),
    row(("zlib-7", "zlib, level 7"), "zlib -7", &[UNKNOWN, UNIX, DOS], || Some(zlib(Zlib, 7))).dated(),
    row(("zlib-8", "zlib, level 8"), "zlib -8", &[UNKNOWN, UNIX, DOS], || Some(zlib(Zlib, 8))).dated(),
    row(("gzip-9", "GNU gzip, level 9"), "gzip -9", &[SMALLEST_UNIX], || Some(zlib(Gzip, 9))).dated(),
    row(("go-9", "Go compress/flate, level 9"), "Go at level 9", &[SMALLEST], || go(To126, 9)),
    row(("go-1.27-9", "Go 1.27 compress/flate, level 9"), "Go at level 9", &[SMALLEST], || go(From127, 9)),
    row(("zlib-1", "zlib, level 1"), "zlib -1", &[FASTEST, FASTEST_UNIX, UNKNOWN, UNIX, DOS], || Some(zlib(Zlib, 1))).dated(),
    row(("gzip-1", "GNU gzip, level 1"), "gzip -1", &[FASTEST_UNIX], || Some(zlib(Gzip, 1))).dated(),
    row(("pigz-6", "pigz with threads, level 6"), "pigz", &[UNIX], || Some(zlib(Pigz, 6))).dated(),
    row(("pigz-9", "pigz with threads, level 9"), "pigz -9", &[SMALLEST_UNIX], || Some(zlib(Pigz, 9))).dated(),
    row(("pigz-1", "pigz with threads, level 1"), "pigz -1", &[FASTEST_UNIX], || Some(zlib(Pigz, 1))).dated(),
    row(("busybox-9", "BusyBox gzip, level 9"), "BusyBox", &[SMALLEST_UNIX, UNIX], || Some(zlib(BusyBoxSmall, 9))).dated(),
    row(("busybox-6", "BusyBox gzip, level 6"), "BusyBox", &[UNIX], || Some(zlib(BusyBoxSmall, 6))).dated(),
    row(("busybox-medium-9", "BusyBox gzip with GZIP_FAST 1, level 9"), "BusyBox", &[SMALLEST_UNIX, UNIX], || Some(zlib(BusyBoxMedium, 9))).dated(),
    row(("busybox-medium-6", "BusyBox gzip with GZIP_FAST 1, level 6"), "BusyBox", &[UNIX], || Some(zlib(BusyBoxMedium, 6))).dated(),
    row(("busybox-big-9", "BusyBox gzip with GZIP_FAST 2, level 9"), "BusyBox", &[SMALLEST_UNIX, UNIX], || Some(zlib(BusyBoxBig, 9))).dated(),
    row(("busybox-big-6", "BusyBox gzip with GZIP_FAST 2, level 6"), "BusyBox", &[UNIX], || Some(zlib(BusyBoxBig, 6))).dated(),
    row(("go-5", "Go compress/flate, level 5"), "Go at level 5", &[UNKNOWN], || go(To126, 5)),
    row(("go-4", "Go compress/flate, level 4"), "Go at level 4", &[UNKNOWN], || go(To126, 4)),
    row(("go-3", "Go compress/flate, level 3"), "Go at level 3", &[UNKNOWN], || go(To126, 3)),
    row(("go-2", "Go compress/flate, level 2"), "Go at level 2", &[UNKNOWN], || go(To126, 2)),
    row(("go-7", "Go compress/flate, level 7"), "Go at level 7", &[UNKNOWN], || go(To126, 7)),
    row(("go-8", "Go compress/flate, level 8"), "Go at level 8", &[UNKNOWN], || go(To126, 8)),
    row(("go-0", "Go compress/flate, level 0"), "Go at level 0", &[UNKNOWN], || go(To126, 0)),
];

impl WriterRow {
    /// A writer by its name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        WRITERS.iter().find(|row| row.name == name)
    }
}

/// A program that compresses layers, and those that do the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GzipProgram {
    /// docker, `BuildKit`, containerd, nerdctl.
    Docker,
    /// crane, kaniko, ko, ggcr.
    Crane,
    /// skopeo, podman, buildah.
    Skopeo,
    /// jib.
    Jib,
}

impl GzipProgram {
    /// Each name, and the program that compresses like it.
    pub const NAMES: [(&'static str, Self); 12] = [
        ("docker", Self::Docker),
        ("buildkit", Self::Docker),
        ("containerd", Self::Docker),
        ("nerdctl", Self::Docker),
        ("crane", Self::Crane),
        ("kaniko", Self::Crane),
        ("ko", Self::Crane),
        ("ggcr", Self::Crane),
        ("skopeo", Self::Skopeo),
        ("podman", Self::Skopeo),
        ("buildah", Self::Skopeo),
        ("jib", Self::Jib),
    ];

    /// Each program once.
    pub(crate) const ALL: [Self; 4] = [Self::Docker, Self::Crane, Self::Skopeo, Self::Jib];

    /// Its writer.
    pub(crate) fn writer(self) -> Option<&'static WriterRow> {
        WriterRow::named(match self {
            Self::Docker => "go-6",
            Self::Crane => "go-1",
            Self::Skopeo => "pgzip-1.18.1",
            Self::Jib => "zlib-6",
        })
    }
}

/// A gzip member behind its header: the deflate stream, and its checksum and length (RFC 1952, 2.3.1).
pub(crate) struct MemberBody {
    deflate: Box<dyn DeflateWriter>,
    crc: flate2::Crc,
}

impl MemberBody {
    /// `None` if the writer has no such level.
    pub(crate) fn start(writer: &WriterRow) -> Option<Self> {
        Some(Self { deflate: (writer.start)()?, crc: flate2::Crc::new() })
    }

    /// Compresses more, and appends what is complete to `out`.
    pub(crate) fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.crc.update(bytes);
        self.deflate.write(bytes, out);
    }

    /// Ends the member.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.deflate.finish(out);
        out.extend(self.crc.sum().to_le_bytes());
        out.extend(self.crc.amount().to_le_bytes());
    }
}

impl fmt::Debug for WriterRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for WriterRow {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
