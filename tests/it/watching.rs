//! The library as a program watches it: every run can be ended at any event and then leaves
//! nothing, what was announced is read, and what starts ends.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgconv::bytes::files::Input;
use imgconv::convert::{self, Destination, Dialect, Existing, Format, LayerCompression, Target};
use imgconv::error::{Error, ErrorKind};
use imgconv::history::history;
use imgconv::progress::{Activity, Event, Progress, Quiet, Watch};
use imgconv::source;
use imgconv::verify::verify;

use crate::build::inside;
use crate::build::tar::Tar;
use crate::build::v1;

const FORMATS: [Format; 4] = [
    Format::Layout,
    Format::OciArchive,
    Format::DockerArchive(Dialect::Universal),
    Format::DockerArchive(Dialect::Classic),
];

fn archive(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/archives").join(name)
}

fn convert(from: &Path, target: Target, progress: &dyn Progress) -> Result<(), Error> {
    let source = source::open(Input::from(from), &inside::options(), progress)?;
    let plan = convert::plan(source, target)?;
    convert::run(&plan, progress).map(drop)
}

fn target(destination: Destination, format: Format) -> Target {
    let mut target = Target::new(destination, format);
    target.threads = 1;
    if !matches!(format, Format::DockerArchive(Dialect::Classic)) {
        target.compression = LayerCompression::Gzip;
    }
    target
}

fn append(path: &Path, format: Format) -> Target {
    let mut target = target(Destination::Path(path.to_owned()), format);
    target.existing = Existing::Append;
    target
}

/// All files below a folder, with their bytes.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in folder.read_dir().unwrap().map(Result::unwrap) {
            let path = entry.path();
            match path.is_dir() {
                true => todo.push(path),
                false => found.push((path.clone(), std::fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

/// Ends a run at its first event, at its second one, and so on; `there` makes what is at the
/// destination before, `run` does the work. Says how many events there were.
fn ended_at_each_event(
    there: &dyn Fn(&Path),
    run: &dyn Fn(&Path, &dyn Progress) -> Result<(), Error>,
) -> usize {
    for last in 0.. {
        let folder = tempfile::tempdir().unwrap();
        there(folder.path());
        let before = tree(folder.path());
        let (count, at) = (AtomicUsize::new(0), Mutex::new(String::new()));
        // Once only: what was said once counts.
        let watch = Watch(|event: Event<'_>| {
            if count.fetch_add(1, Ordering::Relaxed) != last {
                return ControlFlow::Continue(());
            }
            *at.lock().unwrap() = format!("{event:?}");
            ControlFlow::Break(())
        });
        let done = run(folder.path(), &watch);
        let at = format!("event {last}, {}", at.into_inner().unwrap());
        match done {
            Err(error) => {
                assert!(matches!(error.kind, ErrorKind::Interrupted), "{at}: {error}");
                assert_eq!(tree(folder.path()), before, "{at}");
            }
            // Everything is in its place, and nothing is left to be ended.
            Ok(()) if at.contains("Settled") => (),
            Ok(()) => {
                assert_eq!(count.into_inner(), last, "{at}: it went on");
                return last;
            }
        }
    }
    unreachable!()
}

#[test]
fn a_new_destination_can_be_given_up_at_any_event() {
    for format in FORMATS {
        let events = ended_at_each_event(&|_| (), &|folder, progress| {
            let target = target(Destination::Path(folder.join("out")), format);
            convert(&archive("docker-20.10-one.tar"), target, progress)
        });
        assert!(events > 8, "{format:?}: {events}");
    }
}

#[test]
fn adding_can_be_given_up_at_any_event() {
    for format in [Format::Layout, Format::OciArchive] {
        let there = |folder: &Path| {
            let target = target(Destination::Path(folder.join("out")), format);
            convert(&archive("docker-20.10-one.tar"), target, &Quiet).unwrap();
        };
        ended_at_each_event(&there, &|folder, progress| {
            let target = append(&folder.join("out"), format);
            convert(&archive("docker-20.10-several.tar"), target, progress)
        });
    }
}

#[test]
fn a_pipe_gets_no_end_after_a_break() {
    ended_at_each_event(&|_| (), &|_, progress| {
        let out = tempfile::tempfile().unwrap();
        let target = inside::target(&out, Format::OciArchive);
        let done = convert(&archive("docker-20.10-one.tar"), target, progress);
        let opened = source::open(Input::from(out), &inside::options(), &Quiet);
        assert!(done.is_ok() || opened.is_err(), "a whole archive");
        done
    });
}

#[test]
fn readers_can_be_ended_at_any_event() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("docker-1.9.tar");
    let layer = v1::docker19("base", None, Tar::new().end(), "echo");
    std::fs::write(&old, v1::archive(&[layer], None)).unwrap();
    for path in [archive("docker-20.10-one.tar"), old] {
        ended_at_each_event(&|_| (), &|_, progress| {
            verify(Input::from(&*path), &inside::options(), 1, progress).map(drop)
        });
        ended_at_each_event(&|_| (), &|_, progress| {
            let source = source::open(Input::from(&*path), &inside::options(), progress)?;
            history(&source, progress).map(drop)
        });
    }
}

/// What was announced, and what came of it.
#[derive(Debug, Default)]
struct Told {
    total: u64,
    read: u64,
    started: Vec<(Activity, String)>,
    finished: Vec<(Activity, String)>,
}

fn told(run: impl FnOnce(&dyn Progress)) -> Told {
    let told = Mutex::new(Told::default());
    run(&Watch(|event: Event<'_>| {
        let mut told = told.lock().unwrap();
        match event {
            Event::Total(total) => (told.total, told.read) = (total, 0),
            Event::Read(count) => told.read += count,
            Event::Started { activity, at, .. } => told.started.push((activity, at.to_string())),
            Event::Finished { activity, at } => told.finished.push((activity, at.to_string())),
            _ => (),
        }
        ControlFlow::Continue(())
    }));
    told.into_inner().unwrap()
}

#[track_caller]
fn is_reached(told: &Told) {
    assert!(told.total > 0, "{told:?}");
    assert_eq!(told.read, told.total, "{told:?}");
    let sorted = |list: &[(Activity, String)]| {
        let mut list: Vec<String> = list.iter().map(|it| format!("{it:?}")).collect();
        list.sort();
        list
    };
    assert_eq!(sorted(&told.started), sorted(&told.finished));
}

#[test]
fn all_that_was_announced_is_read() {
    for name in ["docker-20.10-one.tar", "docker-20.10-several.tar"] {
        for format in FORMATS {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join("out");
            is_reached(&told(|progress| {
                let target = target(Destination::Path(out.clone()), format);
                convert(&archive(name), target, progress).unwrap();
            }));
            is_reached(&told(|progress| {
                verify(Input::from(&*out), &inside::options(), 2, progress).unwrap();
            }));
            if format != Format::Layout {
                is_reached(&told(|progress| {
                    let out = File::create(folder.path().join("pipe")).unwrap();
                    let target = inside::target(&out, format);
                    convert(&archive(name), target, progress).unwrap();
                }));
            }
        }
    }
}

#[test]
fn a_layer_that_is_there_already_counts_as_much_as_one_that_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = archive("docker-20.10-one.tar");
    convert(&path, target(Destination::Path(out.clone()), Format::Layout), &Quiet).unwrap();
    let told = told(|progress| convert(&path, append(&out, Format::Layout), progress).unwrap());
    is_reached(&told);
    let is_reuse = |it: &(Activity, String)| matches!(it.0, Activity::Reuse { .. });
    assert!(told.started.iter().all(is_reuse), "{told:?}");
}

#[test]
fn observers_are_taken_in_any_wrapping() {
    fn takes(progress: &(impl Progress + 'static)) -> &(dyn Progress + Send + Sync) {
        progress
    }
    takes(&Quiet);
    takes(&Box::new(Quiet));
    takes(&(std::sync::Arc::new(Quiet) as std::sync::Arc<dyn Progress>));
    takes(&Watch(|_: Event<'_>| ControlFlow::Continue(())));
}
