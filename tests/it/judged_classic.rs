//! The `classic` dialect is what dockerd 20.10 wrote, member for member; owner names aside, which
//! that version takes from the machine's user database.

use crate::judges::imgconv;
use crate::judges::layout::layout_of;
use crate::judges::members::{Member, assert_same, members};
use crate::judges::scenario::{Saved, scenario};

fn classic(saved: &Saved) -> Vec<Member> {
    let layout = layout_of(&saved.path, &[]);
    let temp = tempfile::tempdir().unwrap();
    let archive = temp.path().join("classic.tar");
    imgconv(&[&"oci2save", &"--quiet", &"--dialect", &"classic", &layout.dir, &archive]);
    members(&archive)
}

#[test]
fn classic_of_one_image_is_member_for_member_what_docker_saved() {
    let Some(scenario) = scenario() else { return };
    for (name, saved) in scenario.single().filter(|(name, _)| *name != "twice") {
        assert_same(&classic(saved), &members(&saved.path), name);
    }
}

#[test]
fn classic_of_a_repeated_layer_is_what_docker_saved_but_for_the_time_of_the_link() {
    let Some(scenario) = scenario() else { return };
    let saved = scenario.saved("twice");
    let (mut ours, mut dockers) = (classic(saved), members(&saved.path));
    let links: Vec<_> = dockers.iter().filter(|it| !it.link.is_empty()).collect();
    let [link] = &links[..] else { panic!("one layer is there twice") };
    // docker leaves the clock's time on the whole directory of a layer that is a link.
    let dir = link.name.strip_suffix("layer.tar").unwrap().to_owned();
    for member in ours.iter_mut().chain(&mut dockers).filter(|it| it.name.starts_with(&dir)) {
        member.mtime = 0;
    }
    assert_same(&ours, &dockers, "twice");
}
