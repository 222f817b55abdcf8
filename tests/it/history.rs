//! `history`: steps of stored files, and of a config alone.

use serde_json::Value;

use crate::build::check::{list, text};
use crate::build::run::imgconv;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const ARTICLE: &str = "f68d6e55e06520f152403e6d96d0de5c9790a89b4cfc99f4626f68146fa1dbdc";

fn steps(arguments: &[&str]) -> Vec<Value> {
    let ran = imgconv(&[&["history", "--format", "json"], arguments].concat()).ok();
    let answer: Value = serde_json::from_slice(&ran.out).unwrap();
    list(&answer["images"][0]["steps"]).to_vec()
}

#[test]
fn a_config_alone_has_its_steps_newest_first_and_no_sizes() {
    let steps = steps(&[&format!("{ROOT}/testdata/article/{ARTICLE}.json")]);
    assert_eq!(steps.len(), 11);
    assert_eq!(steps.iter().filter(|it| it["emptyLayer"] == false).count(), 3);
    assert!(text(&steps[0]["createdBy"]).contains("CMD [\"nginx\" \"-g\" \"daemon off;\"]"));
    assert!(text(&steps[10]["createdBy"]).contains("ADD file:5ffb798d6408"));
    assert_eq!(steps[10]["filesSize"], Value::Null);
    assert_eq!(steps[0]["filesSize"], 0);
    let id = "sha256:cf5b3c6798f77b1f78bf4e297b27cfa5b6caa982f04caeb5de7d13c255fd7a1e";
    assert_eq!(steps[10]["diffId"], id);
}

#[test]
fn the_narrow_table_is_cut_and_the_wide_one_is_not() {
    let source = format!("{ROOT}/testdata/archives/docker-20.10-one.tar");
    let narrow = imgconv(&["history", &source]).ok();
    let wide = imgconv(&["history", "--verbose", &source]).ok();
    let (narrow, wide) = (narrow.lines(), wide.lines());
    assert_eq!(narrow.len(), wide.len());
    assert!(narrow[0].starts_with("IMAGE ") && narrow[0].ends_with("DIFF ID"));
    assert!(narrow[1].starts_with("ee7886259ffc   ") && narrow[2].starts_with("<missing>   "));
    assert!(narrow[4].contains("COPY file:5390fa9870ce40cf…   4B "));
    assert!(wide[4].contains("aaff42a251 in /srv/app"));
}

#[test]
fn an_image_is_chosen_by_name_and_all_are_shown_else() {
    let source = format!("{ROOT}/testdata/archives/docker-20.10-several.tar");
    let all = imgconv(&["history", &source]).ok();
    assert_eq!(all.lines().iter().filter(|it| it.starts_with("IMAGE")).count(), 3);
    assert_eq!(steps(&[&source, "-i", "imgconv.test/base:1"]).len(), 1);
}
