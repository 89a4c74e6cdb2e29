//! Somebody meddles with a run: another one of the same name, a stop, a change of what it reads.
//!
//! MEDDLING=all holds a stopped runner for a minute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::{NoLitter, Session, Temp, busybox_root, busybox_root_at, need_root, run, sixdocker};

struct Case {
    temp: Temp,
    litter: NoLitter,
}

impl Case {
    fn on(root: &Path, manifest: &str) -> Self {
        let (temp, litter) = (Temp::new(), NoLitter::new());
        let root = format!("{{path: {}, write: none}}", root.display());
        temp.write("case.yaml", litter.marked(&root, manifest));
        Self { temp, litter }
    }

    fn new(manifest: &str) -> Self {
        Self::on(&busybox_root(), manifest)
    }

    fn command(&self) -> Command {
        let mut command = sixdocker();
        command.arg("up").arg(self.temp.join("case.yaml"));
        command
            .arg("--report")
            .arg(self.temp.join(format!("report-{:?}", std::thread::current().id())));
        command
    }
}

#[test]
fn two_of_one_name_at_one_moment_do_not_meet() {
    let case = Case::new("command: [\"true\"]\nlimits: {pids: 20}\n");
    let barrier = Barrier::new(2);
    let both = || {
        for _ in 0..60 {
            barrier.wait();
            let ran = run(&mut case.command()).expect(0);
            assert_eq!(ran.stderr, "");
        }
    };
    std::thread::scope(|scope| {
        let one = scope.spawn(both);
        let other = scope.spawn(both);
        one.join().unwrap();
        other.join().unwrap();
    });
    case.litter.check();
}

/// While one is killed, the next begins, and collects what the first left: nothing of others'.
#[test]
fn a_runner_that_dies_takes_none_of_its_name_with_it() {
    let case = Case::new("command: [sleep, '1000']\nlimits: {pids: 20}\n");
    let lasting = Case::new("command: echo ready; read x; echo done\nlimits: {pids: 20}\n");
    let text = lasting.temp.read("case.yaml").replace(lasting.litter.mark(), case.litter.mark());
    let lasting = case.temp.write("lasting.yaml", text);
    let mut other = sixdocker();
    other.arg("up").arg(lasting).stdin(std::process::Stdio::piped());
    let other = Session::start(&mut other);
    other.expect("ready");
    for moment in 0..40 {
        let one = Session::start(&mut case.command());
        std::thread::sleep(Duration::from_micros(moment * 500));
        one.signal(Signal::SIGKILL);
        one.finish();
    }
    other.signal(Signal::SIGTERM);
    let (code, _, stderr) = other.finish();
    assert_eq!(code, 143, "{stderr}");
    // The next run collects what the killed ones left.
    let last = Case::new("command: [\"true\"]\nlimits: {pids: 20}\n");
    let text = last.temp.read("case.yaml").replace(last.litter.mark(), case.litter.mark());
    case.temp.write("case.yaml", text);
    run(&mut case.command()).expect(0);
    case.litter.check();
}

/// In PID namespaces of their own both runners have the same pid, and so groups of the same name.
#[test]
fn a_living_run_of_the_same_pid_keeps_its_group() {
    if !need_root() {
        return;
    }
    let case = Case::new("command: echo ready; sleep 2\nlimits: {pids: 20}\n");
    let command = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc"]).arg(support::binary());
        command.arg("up").arg(case.temp.join("case.yaml"));
        command
    };
    let first = Session::start(&mut command());
    first.expect("ready");
    run(&mut command()).expect(125).says("another run has it");
    let groups = Command::new("find")
        .args(["/sys/fs/cgroup", "-type", "d", "-name"])
        .arg(format!("*{}*", case.litter.mark()))
        .output()
        .unwrap();
    let group = String::from_utf8(groups.stdout).unwrap().lines().next().unwrap().to_owned();
    let (code, _, stderr) = first.finish();
    assert_eq!(code, 0, "{stderr}");
    // One that is empty yet: its run has locked it and is about to begin.
    fs::create_dir(&group).unwrap();
    let dir = fs::File::open(&group).unwrap();
    dir.lock().unwrap();
    run(&mut command()).expect(125).says("another run has it");
    fs::remove_dir(&group).unwrap();
    case.litter.check();
}

/// As long as a runner is held.
fn held() -> Duration {
    let all = std::env::var("MEDDLING").is_ok_and(|value| value == "all");
    Duration::from_secs(if all { 60 } else { 2 })
}

#[test]
fn a_runner_that_was_stopped_goes_on() {
    let case = Case::new(
        "command: echo ready; while [ ! -e /shared/go ]; do sleep 0.05; done; exit 7\nmounts: [\"HERE:/shared\"]\n",
    );
    let here = Temp::new();
    let text = case.temp.read("case.yaml").replace("HERE", &here.path().display().to_string());
    case.temp.write("case.yaml", text);
    let session = Session::start(&mut case.command());
    session.expect("ready");
    session.signal(Signal::SIGSTOP);
    here.write("go", "");
    std::thread::sleep(held());
    session.signal(Signal::SIGCONT);
    assert_eq!(session.finish().0, 7);
    case.litter.check();
}

#[test]
fn a_timeout_that_passes_while_the_runner_is_stopped_counts() {
    let case = Case::new(
        "command: trap '' TERM; echo ready; while :; do sleep 0.1; done\ntimeout: 1s\nstop_grace_period: 0s\n",
    );
    let session = Session::start(&mut case.command());
    session.signal(Signal::SIGSTOP);
    std::thread::sleep(held());
    session.signal(Signal::SIGCONT);
    assert_eq!(session.finish().0, 124);
    case.litter.check();
}

#[test]
fn a_runner_may_be_stopped_at_any_moment() {
    let case = Case::new("command: [\"true\"]\nlimits: {pids: 20, output: 1m}\n");
    for moment in 0..40 {
        let session = Session::start(&mut case.command());
        std::thread::sleep(Duration::from_micros(moment * 400));
        session.signal(Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(30));
        session.signal(Signal::SIGCONT);
        let (code, _, stderr) = session.finish();
        assert_eq!(code, 0, "{stderr}");
    }
    case.litter.check();
}

#[test]
fn a_manifest_that_is_gone_or_another_changes_nothing_of_a_run() {
    let case = Case::new("command: echo ready; while :; do sleep 0.1; done\n");
    for meddle in [
        (|path: &Path| fs::remove_file(path).unwrap()) as fn(&Path),
        |path| fs::write(path, "").unwrap(),
        |path| fs::write(path, "\u{1}: [").unwrap(),
    ] {
        let path = case.temp.join("case.yaml");
        let text = case.temp.read("case.yaml");
        let session = Session::start(&mut case.command());
        session.expect("ready");
        meddle(&path);
        session.signal(Signal::SIGTERM);
        let (code, _, stderr) = session.finish();
        assert_eq!(code, 143, "{stderr}");
        fs::write(path, text).unwrap();
    }
    case.litter.check();
}

#[test]
fn a_root_that_is_removed_under_a_run_ends_no_runner() {
    let place = Temp::new();
    let root = place.join("root");
    busybox_root_at(&root);
    let case = Case::on(&root, "command: echo ready; read x; while :; do sleep 0.1; done\n");
    let session = Session::start(&mut case.command());
    session.expect("ready");
    fs::remove_dir_all(&root).unwrap();
    session.signal(Signal::SIGTERM);
    let (code, _, stderr) = session.finish();
    assert!([143, 127, 1].contains(&code), "{code} {stderr}");
    case.litter.check();
}

/// The root comes and goes while runs begin: each one runs, or tells what was not there.
#[test]
fn a_root_that_comes_and_goes_while_it_is_set_up() {
    let place = Temp::new();
    let (root, away) = (place.join("root"), place.join("away"));
    busybox_root_at(&root);
    let case = Case::on(&root, "command: [\"true\"]\n");
    let over = AtomicBool::new(false);
    let mut codes = [0; 256];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut micros = 50;
            while !over.load(Ordering::Relaxed) {
                fs::rename(&root, &away).unwrap();
                std::thread::sleep(Duration::from_micros(micros));
                fs::rename(&away, &root).unwrap();
                std::thread::sleep(Duration::from_micros(micros));
                micros = micros * 3 / 2 % 5000 + 20;
            }
        });
        let begun = Instant::now();
        for _ in 0..60 {
            let ran = run(&mut case.command());
            let told = ran.code() == 0 || ran.stderr.contains("sixdocker: ");
            assert!(told && [0, 125, 126, 127].contains(&ran.code()), "{ran:?}");
            codes[usize::try_from(ran.code()).unwrap()] += 1;
        }
        over.store(true, Ordering::Relaxed);
        println!("{} ran, {} were refused, in {:?}", codes[0], codes[125], begun.elapsed());
    });
    case.litter.check();
}
