//! Tar archives as lists of members, to build and to compare, through the `tar` crate alone.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tar::{Archive, Builder, EntryType, Header};

/// A member with everything a program could have written differently, apart from owner names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) kind: EntryType,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: u64,
    pub(crate) link: String,
    pub(crate) data: Vec<u8>,
}

/// A file as a layer holds it.
pub(crate) fn file(name: &str, data: &[u8]) -> Member {
    let (name, link) = (name.to_owned(), String::new());
    let (kind, owner, data) = (EntryType::Regular, (0, 0), data.to_vec());
    Member { name, kind, mode: 0o644, owner, mtime: 1_500_000_000, link, data }
}

/// A symbolic link as a layer holds it.
pub(crate) fn link(name: &str, target: &str) -> Member {
    Member { kind: EntryType::Symlink, link: target.to_owned(), ..file(name, b"") }
}

/// The bytes of an archive.
pub(crate) fn tar(members: &[Member]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for member in members {
        let mut header = Header::new_ustar();
        header.set_entry_type(member.kind);
        header.set_mode(member.mode);
        header.set_uid(member.owner.0);
        header.set_gid(member.owner.1);
        header.set_mtime(member.mtime);
        header.set_size(u64::try_from(member.data.len()).unwrap());
        if member.link.is_empty() {
            builder.append_data(&mut header, &member.name, member.data.as_slice()).unwrap();
        } else {
            builder.append_link(&mut header, &member.name, &member.link).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

/// The members of an archive in their order.
pub(crate) fn members(archive: &Path) -> Vec<Member> {
    let mut archive = Archive::new(File::open(archive).unwrap());
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut data = Vec::new();
            entry.read_to_end(&mut data).unwrap();
            let link = entry.link_name_bytes().unwrap_or_default();
            let header = entry.header();
            Member {
                name: String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
                kind: header.entry_type(),
                mode: header.mode().unwrap(),
                owner: (header.uid().unwrap(), header.gid().unwrap()),
                mtime: header.mtime().unwrap(),
                link: String::from_utf8(link.into_owned()).unwrap(),
                data,
            }
        })
        .collect()
}

/// Compares member by member, so that a failure shows one and not megabytes.
pub(crate) fn assert_same(ours: &[Member], dockers: &[Member], what: &str) {
    let names = |list: &[Member]| -> Vec<_> { list.iter().map(|it| it.name.clone()).collect() };
    assert_eq!(names(ours), names(dockers), "{what}");
    for (our, docker) in ours.iter().zip(dockers) {
        let facts = |it: &Member| Member { data: Vec::new(), ..it.clone() };
        assert_eq!(facts(our), facts(docker), "{what}");
        if our.data.len() < 10_000 {
            let text = |it: &Member| String::from_utf8_lossy(&it.data).into_owned();
            assert_eq!(text(our), text(docker), "{what}: {}", our.name);
        }
        assert!(our.data == docker.data, "{what}: {}", our.name);
    }
}
