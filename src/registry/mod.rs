//! Registries: pulls images from them and pushes images to them (distribution-spec).
//!
//! A repository is read as a layout whose blobs are far away ([`input`]), and written as a store.
//! Only `http` opens sockets.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod access;
pub(crate) mod attached;
mod certs;
mod challenge;
mod credentials;
mod header;
mod http;
mod link;
mod mirror;
mod name;
mod origin;
#[cfg(fuzzing)]
pub(crate) mod parsers;
mod partial;
mod proxy;
mod read;
mod remote;
mod requests;
mod resolver;
mod schema1;
mod secret;
mod session;
mod tls;
mod token;
mod upload;
mod url;
pub(crate) mod write;

pub use access::{Access, Events, NoCredentialHelper};
pub use attached::With;
pub use certs::{Certs, ClientPair, HostCerts};
pub use credentials::{CredentialHelper, CredentialStore, Credentials, Login};
pub use mirror::{Mirror, MirrorRule, MirrorUse, NamePrefix};
pub use name::RegistryName;
pub(crate) use name::Which;
pub use proxy::Proxies;
pub use read::{document, input};
pub use secret::Secret;
pub(crate) use session::RepositoryScope;
pub use session::{Registries, RegistryEvent, RetryWait};
