//! The story of nginx 1.17.1 in `docs/`, told by `explain` from the config in testdata, is current.
//! `.ci/bless` writes it anew.

use std::path::Path;
use std::process::Command;

#[test]
fn the_story_of_nginx_is_what_explain_tells() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = "f68d6e55e06520f152403e6d96d0de5c9790a89b4cfc99f4626f68146fa1dbdc.json";
    for (format, name) in [("markdown", "nginx-1.17.1.md"), ("html", "nginx-1.17.1.html")] {
        let done = Command::new(env!("CARGO_BIN_EXE_imgconv"))
            .args(["explain", "-v", "--tag", "nginx:1.17.1", "--format", format])
            .arg(format!("testdata/article/{config}"))
            .current_dir(root)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let path = root.join("docs").join(name);
        if std::env::var_os("IMGCONV_BLESS").is_some() {
            std::fs::write(&path, &done.stdout).unwrap();
        }
        let told = std::fs::read(&path).unwrap_or_default();
        assert!(told == done.stdout, "{} is not current, run .ci/bless", path.display());
    }
}
