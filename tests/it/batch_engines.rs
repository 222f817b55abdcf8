//! Recipes of `docs/batch`, run by the engines that they are for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::build::check::{list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, imgconv};
use crate::build::tar::Tar;
use crate::judges::{absent, find, or_absent, root};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn recipe(name: &str) -> String {
    format!("{ROOT}/docs/batch/{name}")
}

/// A program that finds imgconv, in a folder.
fn command(program: &Path, folder: &str) -> Command {
    let own = Path::new(env!("CARGO_BIN_EXE_imgconv")).parent().unwrap();
    let search = std::env::var_os("PATH").unwrap();
    let mut command = Command::new(program);
    command.env("PATH", format!("{}:{}", own.display(), search.display()));
    command.env("NO_COLOR", "1").env("HOME", folder).current_dir(folder);
    command
}

fn said(done: &Output) -> String {
    let out = String::from_utf8_lossy(&done.stdout);
    format!("{out}{}", String::from_utf8_lossy(&done.stderr))
}

/// A list of good sources, each seventh damaged, in a folder that it names as its own.
fn listed(place: &Place, count: usize) -> String {
    let mut lines = String::new();
    for number in 0..count {
        let noise: Vec<u8> =
            (0..200_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let layer = Tar::new().file(&format!("own{number}"), &noise).end();
        let image = Image::of(vec![layer]).named(&[&format!("x.test/app{number}:1")]);
        let mut bytes = archive(&[image], Repeat::Symlink);
        if number % 7 == 3 {
            bytes.truncate(60_000);
        }
        // A name with all that a shell takes apart.
        let path = place.put(&format!("a b$'{number}.tar"), &bytes);
        lines += &format!("{path}\n");
    }
    place.put("list.txt", lines.as_bytes())
}

/// Every item has ended once, as it should.
#[track_caller]
fn all_ended(list_path: &str, kept: &str, count: usize) {
    let args = ["batch", list_path, "--receipts", kept, "--status", "--format", "json"];
    let answer: Value = serde_json::from_slice(&imgconv(&args).out).unwrap();
    for (number, item) in list(&answer["items"]).iter().enumerate() {
        let expected = if number % 7 == 3 { "no" } else { "done" };
        assert_eq!(item["outcome"], expected, "{item}");
    }
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for entry in fs::read_dir(kept).unwrap() {
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let receipt: Value = serde_json::from_str(line).unwrap();
            *lines.entry(text(&receipt["source"]).to_owned()).or_default() += 1;
        }
    }
    assert_eq!(lines.len(), count);
    assert!(lines.values().all(|it| *it == 1), "{lines:?}");
}

#[test]
fn parallel_and_xargs_do_all_shards_and_say_how_it_went() {
    for (script, program) in [("parallel.sh", "parallel"), ("xargs.sh", "xargs")] {
        let Some(_) = find(program) else { continue };
        let place = Place::new();
        let list_path = listed(&place, 15);
        let (kept, layout) = (place.path("receipts"), place.path("the layout"));
        let run = || {
            let mut command = command(Path::new(&recipe(script)), &place.path(""));
            command.args([&list_path, &kept, "4", "--into", &layout]).output().unwrap()
        };
        let done = run();
        assert_eq!(done.status.code(), Some(1), "{script}: {}", said(&done));
        assert!(said(&done).contains("15 items: 13 done, 2 refused"), "{}", said(&done));
        all_ended(&list_path, &kept, 15);
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 4);
        imgconv(&["verify", "--strict", &layout]).ok();
        let before = place.tree();
        assert_eq!(run().status.code(), Some(1));
        assert!(before == place.tree(), "{script}: a second run changes nothing");
    }
}

#[test]
fn snakemake_does_all_shards() {
    let Some(snakemake) = find("snakemake") else { return };
    let place = Place::new();
    let list_path = listed(&place, 8);
    let mut command = command(&snakemake, &place.path(""));
    command.args(["--cores", "2", "--keep-going", "-s", &recipe("Snakefile")]);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    all_ended(&list_path, &place.path("receipts"), 8);
    assert_eq!(fs::read_dir(place.path("shards")).unwrap().count(), 4);
}

/// The command of the pod, from the YAML, with another folder for its volume.
fn of_the_pod(folder: &str) -> Option<Vec<String>> {
    let script = "import json, sys, yaml; job = yaml.safe_load(open(sys.argv[1]))['spec']; \
         pod = job['template']['spec']['containers'][0]; \
         print(json.dumps([job['completions'], pod['command']]))";
    let python = find("python3")?;
    let done = Command::new(python).args(["-c", script, &recipe("kubernetes.yaml")]).output();
    let done = done.unwrap();
    if said(&done).contains("No module named") {
        absent("python3 has no yaml");
        return None;
    }
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(answer[0], 20);
    let word = |it: &Value| text(it).replace("/data", folder);
    Some(list(&answer[1]).iter().map(word).collect())
}

#[test]
fn a_pod_does_the_shard_of_its_index() {
    let place = Place::new();
    let list_path = listed(&place, 21);
    let Some(words) = of_the_pod(place.path("").trim_end_matches('/')) else { return };
    assert_eq!(words[0], "imgconv");
    let mut codes = BTreeMap::new();
    for index in 0..20 {
        let mut command = command(Path::new(env!("CARGO_BIN_EXE_imgconv")), &place.path(""));
        let command = command.args(&words[1..]).env("JOB_COMPLETION_INDEX", index.to_string());
        let done = command.output().unwrap();
        codes.insert(index, done.status.code().unwrap());
    }
    // The policy takes 1 as the answer: the index has failed, and is not tried again.
    let refused: Vec<i32> = codes.iter().filter(|it| *it.1 == 1).map(|it| *it.0).collect();
    assert_eq!(refused, [3, 10, 17], "{codes:?}");
    assert!(codes.values().all(|it| *it <= 1), "{codes:?}");
    all_ended(&list_path, &place.path("receipts"), 21);
}

#[test]
fn the_job_follows_the_schema_of_kubernetes() {
    let Some(validate) = find("kubernetes-validate") else { return };
    for version in ["1.33", "1.34"] {
        let mut command = Command::new(&validate);
        let command = command.args(["--strict", "-k", version, &recipe("kubernetes.yaml")]);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{version}: {}", said(&done));
    }
}

/// One node of Slurm, as root, without accounting. Ended on drop.
struct Slurm {
    place: Place,
    conf: String,
    daemons: Vec<Child>,
}

/// The settings of a cluster of one node.
const CONF: &str = "ClusterName=one
SlurmctldHost=HOST(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=DIR/sock
SlurmctldPort=PORT1
SlurmdPort=PORT2
StateSaveLocation=DIR/state
SlurmdSpoolDir=DIR/spool
SlurmctldPidFile=DIR/ctld.pid
SlurmdPidFile=DIR/d.pid
SlurmctldLogFile=DIR/ctld.log
SlurmdLogFile=DIR/d.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=300
MessageTimeout=60
MinJobAge=2
NodeName=HOST NodeAddr=127.0.0.1 CPUs=CORES RealMemory=500 State=UNKNOWN
PartitionName=all Nodes=HOST Default=YES MaxTime=INFINITE State=UP
";

impl Slurm {
    fn start() -> Option<Self> {
        or_absent(root("Slurm"))?;
        for program in ["munged", "slurmctld", "slurmd", "sbatch"] {
            find(program)?;
        }
        let place = Place::new();
        let dir = place.dir("slurm");
        for name in ["state", "spool"] {
            place.dir(&format!("slurm/{name}"));
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let host = host.trim().split('.').next().unwrap().to_owned();
        let cores = std::thread::available_parallelism().unwrap().get().min(2);
        let port = |offset: u32| (20_000 + std::process::id() % 10_000 * 2 + offset).to_string();
        let conf = CONF
            .replace("HOST", &host)
            .replace("DIR", &dir)
            .replace("CORES", &cores.to_string())
            .replace("PORT1", &port(0))
            .replace("PORT2", &port(1));
        let conf = place.put("slurm/slurm.conf", conf.as_bytes());
        let key = place.put("slurm/key", &[7; 1024]);
        let mut slurm = Self { place, conf, daemons: Vec::new() };
        let own = |name: &str| format!("{dir}/{name}");
        for path in [&dir, &key] {
            let mode = if *path == key { "400" } else { "755" };
            assert!(Command::new("chmod").args([mode, path]).status().unwrap().success());
        }
        slurm.daemon(
            "munged",
            &[
                "--foreground",
                "--force",
                &format!("--key-file={key}"),
                &format!("--socket={}", own("sock")),
                &format!("--pid-file={}", own("munge.pid")),
                &format!("--log-file={}", own("munge.log")),
                &format!("--seed-file={}", own("seed")),
            ],
        );
        slurm.until("munged", || Path::new(&own("sock")).exists());
        slurm.daemon("slurmctld", &["-D", "-c"]);
        slurm.node();
        Some(slurm)
    }

    fn daemon(&mut self, program: &str, args: &[&str]) {
        let mut command = command(&find(program).unwrap(), &self.place.path(""));
        command.args(args).env("SLURM_CONF", &self.conf);
        let log = fs::File::create(self.place.path(&format!("slurm/{program}.out"))).unwrap();
        command.stderr(log.try_clone().unwrap()).stdout(log);
        self.daemons.push(command.spawn().unwrap());
    }

    /// Starts the node, and waits until it takes jobs.
    fn node(&mut self) {
        self.daemon("slurmd", &["-D", "-c"]);
        self.until("a node", || {
            let state = self.run("sinfo", &["-h", "-o", "%T"]);
            ["idle", "mixed", "allocated"].iter().any(|it| said(&state).trim() == *it)
        });
    }

    fn run(&self, program: &str, args: &[&str]) -> Output {
        let mut command = command(&PathBuf::from(program), &self.place.path(""));
        command.args(args).env("SLURM_CONF", &self.conf).output().unwrap()
    }

    #[track_caller]
    fn until(&self, what: &str, is_there: impl Fn() -> bool) {
        for _ in 0..600 {
            if is_there() {
                return;
            }
            sleep(Duration::from_millis(200));
        }
        let logs = ["ctld.log", "d.log", "munged.out"];
        let log = |name: &&str| fs::read_to_string(self.place.path(&format!("slurm/{name}"))).ok();
        panic!("no {what}: {}", logs.iter().filter_map(log).collect::<String>());
    }

    /// Submits the array; its number.
    fn submit(&self, array: &str, list_path: &str, kept: &str) -> String {
        let out = self.place.path("slurm/job-%A-%a.log");
        let layout = self.place.path("layout");
        let done = self.run(
            "sbatch",
            &[
                "--parsable",
                "--array",
                array,
                "--cpus-per-task=1",
                "-o",
                &out,
                &recipe("slurm.sbatch"),
                list_path,
                kept,
                "--into",
                &layout,
            ],
        );
        assert!(done.status.success(), "{}", said(&done));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// Waits until no job is left, and returns what they said.
    fn ended(&self, job: &str) -> String {
        self.until("end of the jobs", || said(&self.run("squeue", &["-h"])).trim().is_empty());
        let mut words = String::new();
        for entry in fs::read_dir(self.place.path("slurm")).unwrap() {
            let path = entry.unwrap().path();
            if path.display().to_string().contains(&format!("job-{job}-")) {
                words += &fs::read_to_string(path).unwrap();
            }
        }
        words
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

#[test]
fn an_array_of_slurm_is_cancelled_and_its_node_dies_and_every_item_ends_once() {
    let Some(mut slurm) = Slurm::start() else { return };
    let place = Place::new();
    let list_path = listed(&place, 60);
    let kept = place.path("receipts");
    let lines = || {
        let files = fs::read_dir(&kept).into_iter().flatten();
        let count = |path: PathBuf| fs::read_to_string(path).unwrap_or_default().lines().count();
        files.map(|it| count(it.unwrap().path())).sum::<usize>()
    };
    let first = slurm.submit("0-3", &list_path, &kept);
    slurm.until("receipts", || lines() > 2);
    assert!(slurm.run("scancel", &[&first]).status.success());
    slurm.ended(&first);
    assert!((1..60).contains(&lines()), "{} items before it was cancelled", lines());
    let second = slurm.submit("0-3", &list_path, &kept);
    let before = lines();
    slurm.until("more receipts", || lines() > before || lines() == 60);
    let mut node = slurm.daemons.pop().unwrap();
    node.kill().unwrap();
    node.wait().unwrap();
    slurm.node();
    slurm.ended(&second);
    let third = slurm.submit("0-3", &list_path, &kept);
    let words = slurm.ended(&third);
    assert_eq!(words.matches("of 4, from SLURM_ARRAY_TASK_ID=").count(), 4, "{words}");
    all_ended(&list_path, &kept, 60);
    imgconv(&["verify", "--strict", &slurm.place.path("layout")]).ok();
    let own =
        slurm.place.tree().into_keys().find(|it| it.display().to_string().contains(".imgconv"));
    assert!(own.is_none(), "{own:?} is left");
}
