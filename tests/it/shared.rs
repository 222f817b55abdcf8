//! File systems that can share the bytes of two files: a copy of a layout takes no room there, and
//! is checked as everywhere.

use std::process::Command;

use crate::build::image::Image;
use crate::build::layout::Layout;
use crate::build::run::Place;
use crate::judges::{absent, find};

/// Bytes that no file system makes smaller.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(size)
    .collect()
}

#[test]
fn a_copied_layout_takes_no_room_where_files_can_share_it() {
    let Some(mkfs) = find("mkfs.btrfs") else { return };
    let place = Place::new();
    let layer = crate::build::tar::Tar::new().file("noise", &noise(48 << 20)).end();
    let blobs = Layout::of(&[Image::of(vec![layer])]);
    let (layout, damaged) = (place.dir("layout"), place.dir("damaged"));
    blobs.write(layout.as_ref());
    blobs.write(damaged.as_ref());
    // A blob that has more bytes than its name and its descriptor say.
    let blobs = std::fs::read_dir(format!("{damaged}/blobs/sha256")).unwrap();
    let largest = blobs.map(|it| it.unwrap()).max_by_key(|it| it.metadata().unwrap().len());
    let mut longer =
        std::fs::OpenOptions::new().append(true).open(largest.unwrap().path()).unwrap();
    std::io::Write::write_all(&mut longer, b"more").unwrap();
    let (disk, mounted) = (place.path("disk"), place.dir("mounted"));
    std::fs::File::create(&disk).unwrap().set_len(512 << 20).unwrap();
    let script = format!(
        r#"set -e
        "{}" -q {disk} > /dev/null && mount -o loop {disk} {mounted} && cp -r {layout} {damaged} {mounted} || exit 77
        cd {mounted} && sync
        before=$(df --output=used -B1 . | tail -1)
        "$0" convert layout out --to oci > /dev/null && diff -r layout out && sync
        echo "$(($(df --output=used -B1 . | tail -1) - before))"
        "$0" convert damaged other --to oci 2>&1 || echo "exit $?"
        ls -A"#,
        mkfs.display()
    );
    let done = Command::new("unshare")
        .args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_imgconv")])
        .output();
    let done = match done {
        Ok(done) if done.status.code() != Some(77) => done,
        other => return absent(&format!("no loop devices here: {other:?}")),
    };
    let (answer, said) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let mut lines = answer.lines();
    let grown: i64 = lines.next().unwrap_or_default().trim().parse().expect(&said);
    assert!(grown < 8 << 20, "{grown} bytes more: {said}");
    let rest: Vec<&str> = lines.collect();
    assert!(rest[0].contains("size differs") && rest[2] == "exit 1", "{rest:?}");
    assert_eq!(rest[3..], ["damaged", "layout", "out"], "{rest:?}");
}
