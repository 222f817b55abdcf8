//! Recipes of `docs/ci`, `action.yml` and `.pre-commit-hooks.yaml`: schemas judge the YAML, and what
//! they run is run, each in a clean folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::build::check::{list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::Place;
use crate::ci_formats::parsed;
use crate::judges::{absent, find};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn said(done: &Output) -> String {
    let out = String::from_utf8_lossy(&done.stdout);
    format!("{out}{}", String::from_utf8_lossy(&done.stderr))
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

/// A YAML file as JSON.
fn yaml(name: &str) -> Option<Value> {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let done = Command::new(find("python3")?).args(["-c", script, name]).current_dir(ROOT).output();
    let done = done.unwrap();
    if said(&done).contains("No module named") {
        absent("python3 has no yaml");
        return None;
    }
    Some(serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{name}: {}", said(&done))))
}

/// A folder with a good archive and a damaged one.
fn folder() -> Place {
    let place = Place::new();
    let image = |name: &str| Image::new(&["base", name]).named(&[&format!("x.test/{name}:1")]);
    place.put("good.tar", &archive(&[image("good")], Repeat::Symlink));
    let mut bytes = archive(&[image("bad")], Repeat::Symlink);
    bytes.truncate(4000);
    place.put("bad image.tar", &bytes);
    place
}

/// Runs a script in a folder, with imgconv on PATH.
fn shell(program: &str, script: &[&str], place: &Place, set: &[(&str, &str)]) -> Output {
    let own = Path::new(env!("CARGO_BIN_EXE_imgconv")).parent().unwrap();
    let search = std::env::var_os("PATH").unwrap();
    let mut command = Command::new(program);
    command.args(script).current_dir(place.path("")).envs(set.iter().copied());
    command.env("PATH", format!("{}:{}", own.display(), search.display()));
    command.env("NO_COLOR", "1").output().unwrap()
}

#[test]
fn schemas_accept_the_recipes() {
    let Some(check) = find("check-jsonschema") else { return };
    for (schema, more, name) in [
        ("vendor.github-actions", &[][..], "action.yml"),
        ("vendor.github-workflows", &[], "docs/ci/github.yml"),
        ("vendor.gitlab-ci", &["--data-transform", "gitlab-ci"], "docs/ci/gitlab.yml"),
    ] {
        let judge = |file: &str| {
            let mut command = Command::new(&check);
            command.args(["--builtin-schema", schema]).args(more).arg(file);
            command.current_dir(ROOT).output().unwrap()
        };
        let done = judge(name);
        assert!(done.status.success(), "{name}: {}", said(&done));
        // The judge is awake.
        let place = Place::new();
        let wrong = read(name).replace("runs:", "run:").replace("jobs:", "job:");
        let wrong = wrong.replace("  script:", "  script: 1\n  scripts:");
        assert!(!judge(&place.put("wrong.yml", wrong.as_bytes())).status.success(), "{name}");
    }
}

#[test]
fn pre_commit_takes_the_hooks_and_they_judge_files() {
    let Some(hooks) = yaml(".pre-commit-hooks.yaml") else { return };
    if let Some(pre_commit) = find("pre-commit") {
        let path = format!("{ROOT}/.pre-commit-hooks.yaml");
        let done = Command::new(pre_commit).args(["validate-manifest", &path]).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
    }
    let place = folder();
    for hook in list(&hooks) {
        let entry = text(&hook["entry"]);
        let run = |file: &str| {
            let script = format!("{entry} \"$@\"");
            shell("sh", &["-c", &script, "sh", file], &place, &[]).status.code()
        };
        assert_eq!((run("good.tar"), run("bad image.tar")), (Some(0), Some(1)), "{entry}");
    }
}

/// The scripts of the recipes that write JUnit.
fn scripts() -> Option<Vec<(&'static str, String)>> {
    let gitlab = yaml("docs/ci/gitlab.yml")?;
    let gitlab: Vec<&str> = list(&gitlab["imgconv"]["script"]).iter().map(text).collect();
    let tekton = yaml("docs/ci/tekton.yaml")?;
    let tekton = text(&tekton["spec"]["steps"][0]["script"]).to_owned();
    let jenkins = read("docs/ci/Jenkinsfile");
    let jenkins = jenkins.split("sh '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    Some(vec![("gitlab", gitlab.join("\n")), ("tekton", tekton), ("jenkins", jenkins)])
}

#[test]
fn each_server_gets_its_report_and_a_failed_job() {
    let Some(scripts) = scripts() else { return };
    for (server, script) in scripts {
        let place = folder();
        let done = shell("sh", &["-e", "-c", &script], &place, &[]);
        assert_eq!(done.status.code(), Some(1), "{server}: {}", said(&done));
        let report = fs::read(place.path("imgconv.xml")).unwrap();
        let Some(suites) = parsed(&report) else { return };
        let names: Vec<&str> = list(&suites).iter().map(|it| text(&it["name"])).collect();
        assert_eq!(names, ["bad image.tar", "good.tar"], "{server}");
        fs::remove_file(place.path("bad image.tar")).unwrap();
        let done = shell("sh", &["-e", "-c", &script], &place, &[]);
        assert!(done.status.success(), "{server}: {}", said(&done));
    }
}

#[test]
fn the_action_annotates_counts_and_sums_up() {
    let Some(action) = yaml("action.yml") else { return };
    let steps = list(&action["runs"]["steps"]);
    for step in steps {
        let run = text(&step["run"]);
        assert!(!run.contains("${{"), "an input in a script: {run}");
        let script = run.split("$GITHUB_ACTION_PATH/").nth(1).unwrap().trim_end_matches('"');
        assert!(script.starts_with("packaging/"), "{script}");
    }
    let step = steps.iter().find(|it| it["id"] == "check").unwrap();
    let run = |set: &[(&str, &str)]| {
        let place = folder();
        let mut all = vec![("GITHUB_ACTION_PATH", ROOT.to_owned())];
        for (name, value) in step["env"].as_object().unwrap() {
            let input = text(value).trim_start_matches("${{ inputs.").trim_end_matches(" }}");
            let given = set.iter().find(|it| it.0 == input).map(|it| it.1);
            let value = given.or(action["inputs"][input]["default"].as_str());
            all.push((name, value.unwrap_or_default().to_owned()));
        }
        for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
            all.push((name, place.put(name, b"")));
        }
        let set: Vec<(&str, &str)> = all.iter().map(|it| (it.0, it.1.as_str())).collect();
        let done = shell("sh", &["-e", "-c", text(&step["run"])], &place, &set);
        let file = |name: &str| fs::read_to_string(place.path(name)).unwrap_or_default();
        let files = [file("GITHUB_OUTPUT"), file("GITHUB_STEP_SUMMARY"), file("out.sarif")];
        (done.status.code().unwrap(), said(&done), files)
    };
    let (code, words, [out, summary, _]) = run(&[("sources", "*.tar\n")]);
    assert_eq!(code, 1, "{words}");
    assert!(
        words.lines().any(|it| it.starts_with("::error title=truncated::bad image.tar")),
        "{words}"
    );
    assert_eq!(out, "problems=1\n");
    assert!(
        summary.contains("1 problems in 2 sources")
            && summary.contains("    truncated: bad image.tar")
    );
    let (code, words, [out, _, sarif]) = run(&[
        ("sources", "good.tar"),
        ("checks", "both"),
        ("sarif", "out.sarif"),
        ("strict", "true"),
    ]);
    assert_eq!(code, 0, "{words}");
    assert_eq!(out, "sarif=out.sarif\nproblems=0\n");
    assert_eq!(serde_json::from_str::<Value>(&sarif).unwrap()["version"], "2.1.0");
    assert!(words.contains("THROUGH"), "{words}");
    let (code, words, _) = run(&[("sources", "good.tar"), ("checks", "$(touch x)")]);
    assert!(code == 2 && words.contains("expected verify, roundtrip or both"), "{words}");
    assert_eq!(run(&[("sources", "")]).0, 2);
}

#[test]
fn scripts_are_posix_shell() {
    let Some(shellcheck) = find("shellcheck") else { return };
    for name in [
        "docs/batch/parallel.sh",
        "docs/batch/xargs.sh",
        "docs/batch/slurm.sbatch",
        "packaging/action.sh",
    ] {
        let done = Command::new(&shellcheck).arg(name).current_dir(ROOT).output().unwrap();
        assert!(done.status.success(), "{name}: {}", said(&done));
    }
}
