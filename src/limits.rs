//! Every limit on what an input controls, each with its reason.
//!
//! An error names the limit, its value and the value found. `SECURITY.md` lists all limits.

/// Bytes of a docker archive's `manifest.json`, of `repositories` and of `index.json`: about 20,000
/// images (skopeo takes 1 MiB, containerd 20 MiB).
pub const ARCHIVE_DOCUMENT: u64 = 8 << 20;
/// Bytes of a registry manifest or index (distribution-spec, "Pushing Manifests").
pub const MANIFEST: u64 = 4 << 20;
/// Bytes of a config or a V1 `json`: Windows and build-cache configs are large, skopeo takes 4 MiB.
pub const CONFIG: u64 = 16 << 20;
/// Bytes of `oci-layout`; 30 in practice.
pub const LAYOUT_MARKER: u64 = 64 << 10;
/// Nesting of JSON.
pub const JSON_DEPTH: usize = 128;
/// Bytes of one PAX or GNU extended header.
pub const EXTENDED_HEADER: u64 = 1 << 20;
/// Extended headers before one member.
pub const EXTENDED_HEADERS: usize = 16;
/// Bytes of a path or link target, as given and while links are resolved (`PATH_MAX`).
pub const PATH: usize = 4096;
/// Members of an archive; about 100 bytes of memory each.
pub const MEMBERS: usize = 1_000_000;
/// Links followed for one path (moby `FollowSymlinkInScope`).
pub const LINK_HOPS: usize = 255;
/// Layers of an image; overlay2 takes 128.
pub const LAYERS: usize = 4096;
/// Parents of a V1 image.
pub const V1_PARENTS: usize = 1024;
/// Images in a source: what an `index.json` of [`ARCHIVE_DOCUMENT`] bytes holds.
pub const IMAGES: usize = 20_000;
/// Manifests and indexes below an `index.json`; as many as images, so that imgconv can read its own
/// output.
pub const MANIFESTS: usize = 20_000;
/// Signatures of a schema 1 manifest.
pub const SIGNATURES: usize = 64;
/// Nesting of indexes; real indexes have at most two levels.
pub const INDEX_DEPTH: usize = 8;
/// Bytes that a decoder may allocate: zstd's default window limit; `xz -9` takes 64 MiB.
pub const DECODER_MEMORY: u64 = 256 << 20;
/// Output to input of zstd, xz and bzip2, after [`RATIO_FREE`] bytes of output of one stream: a
/// layer, a whole archive, or a pipe (where the input is what was read so far).
pub const RATIO: u64 = 10_000;
/// Output of one stream before [`RATIO`] applies: a larger real layer is not all zeros.
pub const RATIO_FREE: u64 = 1 << 30;
/// Bytes of an error answer of a registry that are read.
pub const ERROR_BODY: u64 = 64 << 10;
/// Bytes of a token server's answer.
pub const TOKEN: u64 = 1 << 20;
/// Referrers of one manifest.
pub const REFERRERS: usize = 1000;
/// Bytes of all pages of a list of tags.
pub const TAGS: u64 = 16 << 20;
/// Characters of a name or value in a message.
pub const SHOWN: usize = 200;
/// Characters of another program's or a server's own words in a message.
pub const SHOWN_ANSWER: usize = 500;
/// Bytes of all header fields of an answer.
pub const ANSWER_HEAD: usize = 64 << 10;
/// Bytes of a credentials file; docker's also has settings that imgconv does not read.
pub const CREDENTIALS: u64 = 1 << 20;
/// Bytes of a file of mirrors.
pub const MIRRORS: u64 = 1 << 20;
/// Bytes that a credential helper prints.
pub const HELPER_ANSWER: u64 = 1 << 20;
/// Bytes of a file of certificates; that of a whole system has 250 KiB.
pub const CERTIFICATES: u64 = 1 << 20;
