//! Tests of the command and the library from outside, in one binary; this is the list of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what is wrong by stopping; clippy.toml covers only test functions"
)]

// Builders of archives and layouts that share no code with src/, and checks of what comes out.
mod build;

// Archives from before docker 1.10, with the image IDs that docker gives them.
mod dialects_v1;
// What docker saved since: links, several images, and the hybrids of docker 25 with their defects.
mod dialects_docker;
// Docker archives of podman, crane, jib, nix and others.
mod dialects_others;
// Codecs of layers and whole archives, and the forms of a tar.
mod dialects_bytes;
// OCI layouts as directories and tars: indexes, artifacts, inline data, sha512.
mod dialects_layouts;

// Real artefacts by many producers, in a shared folder beside the repository.
mod corpus;
// Hostile and unusual input, judged by its own runner.
mod attack;
// What verify finds: all of it, with codes; and nothing in whole artefacts.
mod verify;
// What CI servers read: JUnit and workflow commands.
mod ci_formats;
// What is said of sources that others stumble over, and of names that are left out or move.
mod notes;
// What is said of layers: that they are stored elsewhere, and annotations.
mod described_layers;
// Inputs for each row of the catalogue of what programs cannot read.
mod refused_inputs;
// The catalogue, verify, conversions and explain name the same programs.
mod judged_readers;
mod what_readers_refuse;
// Histories of stored files and of a bare config.
mod history;
// Registry manifests as documents: golden pairs of others, there and back.
mod manifests;
// What their conversion names besides: what readers refuse, entries that become one.
mod manifests_named;
// What skopeo makes of the same image, and a registry that takes every kind.
mod judged_manifests;
// inspect: producers, trees, bare documents, 80 columns.
mod inspect;
// compare: levels, reasons, and the fields that other programs lose.
mod compare;
// roundtrip: the same image through every form, and what others make of it.
mod roundtrip;
// explain: every fact of a page, worked out again from the files.
mod explain;
// explain: documents alone, what is not whole, the catalogue, refusals.
mod explain_asked;
// explain: which layers the images of a source share.
mod explain_shared;
// Names, digests, numbers and platforms choose what is meant.
mod choosing;
// explain: both stores of docker, side by side, and where each digest comes from.
mod explain_stores;
// explain: hostile texts do no harm in any format.
mod explain_hostile;
// explain foresees: conversions are run and held against what was said of them.
mod explain_foreseen;
// Completion of words and values in bash, zsh and fish.
mod completions;
// Compressed layers, made again from uncompressed ones.
mod recover;
// The same through real programs and a real registry.
mod judged_recover;
// Writers of deflate, each beside the program.
mod judged_deflate;
// Every option of every command, and the exit status of each kind of end.
mod options;
// One message of each kind of error, all in one file.
mod errors;
// Errors as a user meets them, and that nothing is left behind.
mod refusals;
mod refusals_told;
// A fault at every system call that writes.
mod faults;
// What is damaged, not supported, over a limit, or not taken by some reader.
mod answers;
// Machines with few processes, small limits, odd descriptors; and what follows an archive.
mod machine;
// Broken machines beside that: no room, slow pipes, signals, sources that change.
mod broken;
// The border of the library: images, bytes of layers, words, traits.
mod border;
// The library watched: ended at any event, totals that are reached.
mod watching;
// Lists of sources: every item ends once; receipts that cannot be kept.
mod batch;
mod batch_receipts;
// Recipes of docs/batch, run by Slurm, GNU parallel and xargs; those of docs/ci, judged by schemas.
mod batch_engines;
mod ci_recipes;
// Several writers at once, writers that are killed, and file systems without locks.
mod killed;
mod locks;
mod owner;
mod together;
// Every output verifies, nothing goes missing, and convert and verify agree: odd inputs everywhere.
mod promises;
// There and back for any image; a changed byte is found.
mod properties;
// A test for each limit.
mod limits;
// A test for each advisory.
mod advisories;
// What two readers of tars would read differently.
mod readings;
// Every byte changed: found, or shown not to matter.
mod flipped_documents;
mod flips;
// Seeds for fuzz/.
mod seeds;
// Pipes: what a file gives, in one pass.
mod pipes;
// File systems that share the bytes of a copy.
mod shared;
// Same input, same bytes: any number of threads, pipes and paths.
mod determinism;

// Registries: pull, push and tags, with one that says whatever a test wants.
mod registry_attached;
// Documents without the blobs.
mod registry_documents;
// Two registries, each with its own credentials.
mod registry_ends;
// explain docker://NAME, topics pull and push: the requests of imgconv itself.
mod registry_explained;
mod registry_hostile;
// Registries that never end, are too slow, lead elsewhere or change.
mod registry_limits;
// Mirrors out of files of podman and containerd.
mod registry_mirrors;
// How many connections, which pauses, and a second try.
mod registry_pace;
mod registry_pull;
mod registry_push;
// A marked password through all of them.
mod registry_secrets;
// Registries that have only schema 1.
mod registry_schema1;
// Folders of skopeo's dir:, read, written, and judged by skopeo.
mod dir_folders;

// Real programs as judges, and the images that a real dockerd makes for them.
mod judges;
// save2oci: docker's image IDs, and what skopeo, podman, umoci and containerd make of the layout.
mod judged_layouts;
// oci2save: docker loads every dialect, and a layout comes back file for file.
mod judged_archives;
// The classic dialect is what docker wrote, member for member.
mod judged_classic;
// A pipe gives the bytes of a path.
mod judged_streams;
// A second archive in a layout.
mod judged_append;
// Layers in gzip, zstd and plain, read whole by others.
mod judged_codecs;
// history: the columns of docker and podman.
mod judged_history;
// explain, topics pull and push: the requests and refusals of dockerd, containerd and a registry.
mod judged_transfer;
// The same of today's docker, with each of its stores.
mod judged_transfer_today;
// Stored files: what the README lists, and each converts.
mod judged_testdata;
// What today's programs write, through every form.
mod judged_today_written;
// Images through a real registry.
mod judged_registry;
// Certificates, passwords, tokens and proxies, with the programs that make and ask for them.
mod judged_login;
mod judged_token;
// What imgconv wrote, read by today's programs.
mod judged_today_read;
// What only some of today's programs write or read.
mod judged_today_odd;
// explain: its pages in a browser.
mod pages;

// Files of a release: installer, sums, and that they are the same twice.
mod packages;

// The house: imports point down, files are short; examples/, the examples and links of README.md and
// docs/, the schemas and the story of nginx are true.
mod examples;
mod layers;
mod readme;
mod schemas;
mod scripts;
mod stories;
mod tidy;
