//! Limits reach the kernel, and do what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{NoLitter, Session, Temp, busybox_root, is_root, need, need_root, run, sixdocker};

/// Control groups with this word in their name.
fn groups(mark: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), 8, mark, &mut found);
    found
}

fn walk(path: &Path, depth: u32, mark: &str, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    for path in entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains(mark)) {
            found.push(path.clone());
        }
        if depth > 0 {
            walk(&path, depth - 1, mark, found);
        }
    }
}

/// What a file of this name says in the one group that has it.
#[track_caller]
fn value(mark: &str, files: [&str; 2]) -> String {
    let groups = groups(mark);
    let read = |file: &&str| groups.iter().find_map(|g| fs::read_to_string(g.join(file)).ok());
    let found = files.iter().find_map(read);
    found.unwrap_or_else(|| panic!("no {files:?} in {groups:?}")).trim().to_owned()
}

fn is_v1(mark: &str) -> bool {
    groups(mark).iter().any(|group| group.join("tasks").exists())
}

/// Runs `sixdocker run` with these flags until the kernel's files have been looked at.
fn while_running(flags: &[&str], look: impl FnOnce(&str)) {
    let litter = NoLitter::new();
    let mut command = sixdocker();
    command.args(["run", "--name", litter.mark(), "--rootfs"]).arg(busybox_root()).args(flags);
    command.args(["--", "sh", "-c", "echo ready; exec sleep 1000"]);
    let session = Session::start(&mut command);
    session.expect("ready");
    look(litter.mark());
    session.signal(Signal::SIGTERM);
    assert_eq!(session.finish().0, 143);
    litter.check();
}

#[test]
fn the_flags_of_the_original_reach_the_kernel() {
    if !need_root() {
        return;
    }
    let flags = ["-m", "100m", "--cpus", "1.5", "--cpu-shares", "512", "--cpuset", "0"];
    while_running(&flags, |mark| {
        assert_eq!(value(mark, ["memory.max", "memory.limit_in_bytes"]), "104857600");
        assert_eq!(value(mark, ["cpuset.cpus", "cpuset.cpus"]), "0");
        if is_v1(mark) {
            assert_eq!(value(mark, ["cpu.cfs_quota_us", "cpu.cfs_quota_us"]), "150000");
            assert_eq!(value(mark, ["cpu.shares", "cpu.shares"]), "512");
        } else {
            assert_eq!(value(mark, ["cpu.max", "cpu.max"]), "150000 100000");
        }
    });
}

#[test]
fn the_command_is_in_the_group_and_the_runner_is_not() {
    if !need_root() {
        return;
    }
    while_running(&["-m", "100m"], |mark| {
        let members = value(mark, ["cgroup.procs", "cgroup.procs"]);
        assert_eq!(members.lines().count(), 1, "{members:?}");
        let program = fs::read_link(format!("/proc/{members}/exe")).unwrap();
        assert_eq!(program, Path::new("/bin/busybox"));
    });
}

struct Case {
    temp: Temp,
    litter: NoLitter,
}

impl Case {
    fn new(manifest: &str) -> Self {
        let (temp, litter) = (Temp::new(), NoLitter::new());
        let root = busybox_root().display().to_string();
        temp.write("case.yaml", litter.marked(&root, manifest));
        Self { temp, litter }
    }

    fn command(&self) -> Command {
        let mut command = sixdocker();
        command.arg("up").arg(self.temp.join("case.yaml"));
        command.arg("--report").arg(self.temp.join("report.json"));
        command
    }

    fn run(&self) -> support::Ran {
        let ran = run(&mut self.command());
        self.litter.check();
        ran
    }

    fn usage(&self) -> serde_json::Value {
        let report: serde_json::Value =
            serde_json::from_str(&self.temp.read("report.json")).unwrap();
        report["usage"].clone()
    }
}

#[test]
fn stress_beyond_its_memory_is_killed_and_it_is_said() {
    if !need_root() || !need("stress") {
        return;
    }
    let litter = NoLitter::new();
    let mut command = sixdocker();
    command.args(["run", "--name", litter.mark(), "-m", "100m", "--rootfs"]).arg(busybox_root());
    command.args(["--", "stress", "--vm-bytes", "800m", "--vm-keep", "-m", "1"]);
    let ran = run(&mut command).expect(137);
    let last = ran.stderr.trim_end().lines().last().unwrap_or_default().to_owned();
    assert!(last.contains("was killed by its memory limit of 100 MiB (peak 100 MiB)"), "{last}");
    litter.check();
}

/// Keeps so many mebibytes.
fn hog(megabytes: u32) -> String {
    // While the memory of whom it killed is not free yet, the kernel may kill a second process, and
    // a third: one of these, not the shell that goes on.
    let first = "echo 1000 >/proc/self/oom_score_adj";
    format!("({first}; head -c {megabytes}m /dev/zero | tail | wc -c)")
}

#[test]
fn one_process_out_of_memory_is_the_end_of_all() {
    if !need_root() {
        return;
    }
    let manifest =
        format!("limits: {{memory: 32m}}\ncommand: trap '' TERM; {}; sleep 1000\n", hog(200));
    let case = Case::new(&manifest);
    case.run().expect(137).says("memory limit of 32 MiB");
    assert!(case.usage()["oom_kills"].as_u64().unwrap() >= 1);
    assert_eq!(case.usage()["memory_limit"], 32 << 20);
}

/// On cgroup v1 the runner ends the rest, and the command may be faster.
#[test]
fn a_command_that_ends_before_its_runner_hears_of_the_kill_was_killed() {
    if !need_root() {
        return;
    }
    let command = format!("echo ready; read word; {}; exit 0", hog(200));
    let case = Case::new(&format!("limits: {{memory: 32m}}\ncommand: {command}\n"));
    let fifo = case.temp.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // For both ends, so that nobody waits for the other.
    let mut input = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let session = Session::start(case.command().stdin(input.try_clone().unwrap()));
    session.expect("ready");
    session.signal(Signal::SIGSTOP);
    let pid = session.pid();
    let init = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let stat = format!("/proc/{}/stat", init.trim().parse::<i32>().unwrap());
    input.write_all(b"go\n").unwrap();
    let begun = std::time::Instant::now();
    while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
        assert!(begun.elapsed() < Duration::from_mins(1), "{init} does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    session.signal(Signal::SIGCONT);
    let (code, _, stderr) = session.finish();
    assert_eq!(code, 137, "{stderr}");
    assert!(stderr.contains("was killed by its memory limit of 32 MiB"), "{stderr}");
    case.litter.check();
}

#[test]
fn without_oom_group_the_others_live_on() {
    if !need_root() {
        return;
    }
    let manifest = format!(
        "limits: {{memory: 32m, oom_group: false}}\ncommand: {}; echo alive; exit 6\n",
        hog(200)
    );
    let case = Case::new(&manifest);
    let ran = case.run().expect(6);
    assert!(ran.stdout.contains("alive"));
    assert!(case.usage()["oom_kills"].as_u64().unwrap() >= 1);
}

#[test]
fn small_limits_hold_the_command_alone() {
    if !need_root() {
        return;
    }
    let case = Case::new("limits: {memory: 4m, pids: 1}\ncommand: [echo, small]\n");
    assert_eq!(case.run().expect(0).stdout, "small\n");
    assert_eq!(case.usage()["memory_limit"], 4 << 20);
}

#[test]
fn a_command_without_descriptors_runs() {
    if !need_root() {
        return;
    }
    for more in ["", "init: true\n", "user: 1000\n"] {
        let case = Case::new(&format!("ulimits: {{nofile: 0}}\ncommand: [echo, ran]\n{more}"));
        assert_eq!(case.run().expect(0).stdout, "ran\n", "{more}");
    }
}

#[test]
fn no_more_processes_than_allowed() {
    if !need_root() {
        return;
    }
    let case =
        Case::new("limits: {pids: 5}\ncommand: for n in 1 2 3 4 5 6 7 8; do sleep 9 & done\n");
    let ran = case.run().expect(2).says("can't fork");
    let ran = ran.says("ended with 2, and a limit of processes refused it one more once");
    assert_eq!(case.usage()["pids_refused"], 1, "{}", ran.stderr);
}

#[test]
fn processor_time_is_limited() {
    if !need_root() {
        return;
    }
    let case = Case::new("limits: {cpu_time: 1s}\ncommand: while :; do :; done\n");
    case.run().expect(124).says("was killed by its processor time limit of 1 s");
    let usage = case.usage();
    let used = usage["cpu_user_seconds"].as_f64().unwrap();
    assert!(used + usage["cpu_system_seconds"].as_f64().unwrap() >= 0.9, "{usage}");
}

#[test]
fn throttling_is_counted() {
    if !need_root() {
        return;
    }
    // The group that counts the time may be another one than that which is throttled.
    for more in ["", ", cpu_time: 10m"] {
        let manifest = format!(
            "limits: {{cpus: 0.05{more}}}\ncommand: i=0; while [ $$i -lt 20000 ]; do i=$$((i+1)); done\n"
        );
        let case = Case::new(&manifest);
        case.run().expect(0);
        assert!(case.usage()["throttled_periods"].as_u64().unwrap() > 0, "{more}");
    }
}

#[test]
fn twenty_runs_leave_no_group() {
    if !need_root() {
        return;
    }
    let case = Case::new("limits: {memory: 50m, pids: 20}\ncommand: ['true']\n");
    for _ in 0..20 {
        run(&mut case.command()).expect(0);
        assert_eq!(groups(case.litter.mark()), Vec::<PathBuf>::new());
    }
}

#[test]
fn the_next_run_removes_what_a_killed_runner_left() {
    if !need_root() {
        return;
    }
    let case = Case::new("limits: {memory: 50m}\ncommand: echo ready; exec sleep 1000\n");
    let session = Session::start(&mut case.command());
    session.expect("ready");
    let made = groups(case.litter.mark());
    assert!(!made.is_empty());
    session.signal(Signal::SIGKILL);
    session.finish();
    empty(&made);
    // The session's own process is reaped: its pid is nobody's, or somebody else's.
    let next = Case::new("limits: {memory: 50m}\ncommand: ['true']\n");
    next.run().expect(0);
    case.litter.check();
}

#[test]
fn a_run_leaves_the_groups_of_another_alone() {
    if !need_root() {
        return;
    }
    while_running(&["-m", "100m"], |mark| {
        let next = Case::new("limits: {memory: 50m}\ncommand: ['true']\n");
        next.run().expect(0);
        assert!(!groups(mark).is_empty());
    });
}

#[test]
fn the_next_run_ends_whom_a_killed_runner_and_its_init_left() {
    if !need_root() {
        return;
    }
    let case = Case::new(
        "namespaces: {pid: host}\nlimits: {memory: 50m}\ncommand: (setsid sleep 1000 &); echo ready; exec sleep 1000\n",
    );
    let session = Session::start(&mut case.command());
    session.expect("ready");
    // Each would see to it when the other dies alone.
    let pid = session.pid();
    let init = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    session.signal(Signal::SIGSTOP);
    kill(Pid::from_raw(init.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    session.signal(Signal::SIGKILL);
    session.finish();
    let next = Case::new("limits: {memory: 50m}\ncommand: ['true']\n");
    next.run().expect(0);
    // Whoever takes long to die leaves its group to yet another run.
    let begun = std::time::Instant::now();
    while !case.litter.found().is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", case.litter.found());
        next.run().expect(0);
    }
}

/// Waits until nobody is in them; the run of another test may have removed them by then.
#[track_caller]
fn empty(groups: &[PathBuf]) {
    let begun = std::time::Instant::now();
    let members = || -> String {
        let procs = groups.iter().map(|group| fs::read_to_string(group.join("cgroup.procs")));
        procs.map(Result::unwrap_or_default).collect()
    };
    while !members().is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{}", members());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// mountinfo has the bytes of every name but a few as they are.
#[test]
fn a_mount_whose_name_is_not_utf8_hides_no_control_group() {
    if !need_root() {
        return;
    }
    let place = Temp::new();
    let script = "d=$(printf 'caf\\351'); mkdir $d && mount -t tmpfs none $d && exec \"$0\" doctor --format json";
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "sh", "-c", script]).arg(support::binary()).current_dir(place.path());
    let found: serde_json::Value = serde_json::from_str(&run(&mut shell).stdout).unwrap();
    assert!(found["cgroups"].is_object(), "{found:#}");
}

#[test]
fn what_cgroup_v1_has_no_word_for_is_refused() {
    if !need_root() {
        return;
    }
    let legacy = Path::new("/sys/fs/cgroup/memory").exists();
    let words = [
        ("memory_high: 32m", "cgroup v1 knows no limit that slows down"),
        ("memory_low: 32m", "cgroup v1 can't protect memory"),
    ];
    for (limit, reason) in words {
        let ran = Case::new(&format!("limits: {{{limit}}}\ncommand: ['true']\n")).run();
        if legacy {
            ran.expect(125).says(reason)
        } else {
            ran.expect(0)
        };
    }
}

/// The kernel reaps what dies with PID 1 without telling its time to anybody (wait(2), SIG_IGN): a
/// report has it of a group, or not at all.
#[test]
fn a_report_tells_the_time_of_those_that_nobody_waited_for() {
    let text = "command: sh -c 'while :; do :; done' & sleep 0.6\n";
    let used = |usage: &serde_json::Value| {
        let of = |name: &str| usage[name].as_f64();
        Some(of("cpu_user_seconds")? + of("cpu_system_seconds")?)
    };
    let case = Case::new(text);
    case.run().expect(0);
    if is_root() {
        assert!(used(&case.usage()).unwrap() > 0.05, "{}", case.usage());
    }
    // On some hosts the time is counted in another hierarchy than the one of this limit.
    if is_root() {
        let text = text.replace("0.6", "60");
        let case = Case::new(&format!("{text}timeout: 2s\nlimits: {{cpus: 1}}\n"));
        case.run().expect(124);
        assert!(used(&case.usage()).unwrap() > 0.05, "{}", case.usage());
    }
    let case = Case::new(&format!("{text}timeout: 300ms\nstop_grace_period: 0s\ncgroup: none\n"));
    case.run().expect(124);
    assert_eq!(used(&case.usage()), None);
}

/// setrlimit(2): the machine's root is not bound by RLIMIT_NPROC.
#[test]
fn a_limit_that_would_not_hold_for_root_is_refused() {
    if !need_root() {
        return;
    }
    let dir = Temp::new();
    let root = busybox_root();
    let text =
        format!("rootfs: {}\ncommand: [\"true\"]\nulimits: {{nproc: 100}}\n", root.display());
    let file = dir.write("nproc.yaml", text);
    let up = |shell: &str| {
        let mut command = Command::new("sh");
        command.current_dir(dir.path()).args(["-c", shell, "sh"]).arg(support::binary());
        run(command.arg("up").arg(&file))
    };
    up("\"$@\" | cat").expect(0);
    up("\"$@\" >out 2>err; code=$?; cat err >&2; exit $code").expect(125).says("limits: {pids: N}");
}

/// A socket that is stdin and stdout, as node's spawn and rsh have it, can be written to at both.
#[test]
fn no_output_goes_uncounted_through_stdin_and_no_input_is_lost() {
    let dir = Temp::new();
    let text = format!(
        "rootfs: {}\ncommand: cat; head -c 100000 /dev/zero >&0\nlimits: {{output: 1000}}\n",
        busybox_root().display()
    );
    let file = dir.write("zero.yaml", text);
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = sixdocker();
    command.arg("up").arg(file);
    command.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs));
    let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(command);
    ours.write_all(b"from the caller\n").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let mut read = Vec::new();
    ours.read_to_end(&mut read).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&read), "from the caller\n", "{output:?}");
}
