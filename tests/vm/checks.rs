//! What is checked in the virtual machine, as root and as ordinary users.
//!
//! Times are compared with lower bounds only: under emulation everything takes long.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{NoLitter, Ran, Session, Temp, binary, busybox_root_of, run};

const CGROUPS: &str = "/sys/fs/cgroup";

/// Who runs the sandbox.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Root,
    /// Uid 1000, with the controllers that systemd delegates by itself and 65536 subordinate ids.
    User,
    /// Uid 1001, with every controller delegated to it and 16 subordinate ids.
    Few,
    /// Uid 1000 in a group of root's.
    Stranger,
}

use Who::{Few, Root, Stranger, User};

impl Who {
    fn uid(self) -> u32 {
        match self {
            Root => 0,
            User | Stranger => 1000,
            Few => 1001,
        }
    }

    /// The group that the runner is in.
    fn group(self) -> PathBuf {
        let uid = self.uid();
        let slice = format!("{CGROUPS}/user.slice/user-{uid}.slice");
        PathBuf::from(match self {
            Root => format!("{CGROUPS}/init.scope"),
            User | Few => format!("{slice}/user@{uid}.service/run.scope"),
            Stranger => format!("{slice}/session-1.scope"),
        })
    }

    /// The runner, or what is put before it, in that group and with a bare environment.
    fn command(self, before: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 0 >\"$0/cgroup.procs\" && exec /usr/bin/setpriv \"$@\""]);
        let uid = self.uid();
        command.arg(self.group()).args([format!("--reuid={uid}"), format!("--regid={uid}")]);
        command.args(["--clear-groups", "--"]).args(before).arg(binary());
        command.env_clear().env("PATH", "/usr/bin").stdin(Stdio::null());
        command
    }
}

/// A manifest of somebody's.
struct Case {
    who: Who,
    temp: Temp,
    litter: NoLitter,
}

impl Case {
    /// On a busybox root file system of theirs.
    #[track_caller]
    fn new(who: Who, manifest: &str) -> Self {
        Self::on(&busybox_root_of(who.uid()), who, manifest)
    }

    #[track_caller]
    fn on(root: &Path, who: Who, manifest: &str) -> Self {
        assert!(Path::new("/checks").exists(), "this is for the virtual machine");
        let case = Self { who, temp: Temp::new(), litter: NoLitter::new() };
        let head = format!("name: {}\nrootfs: {}\n", case.litter.mark(), root.display());
        case.temp.write("box.yaml", head + manifest);
        chown(case.temp.path(), Some(who.uid()), None).unwrap();
        case
    }

    fn command(&self, before: &[&str]) -> Command {
        let mut command = self.who.command(before);
        command.arg("up").arg(self.temp.join("box.yaml"));
        command.arg("--report").arg(self.temp.join("report.json"));
        command
    }

    /// Runs it; nothing of it may be left.
    #[track_caller]
    fn run(&self) -> Ran {
        let ran = run(&mut self.command(&[]));
        self.litter.check();
        ran
    }

    fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.temp.read("report.json")).unwrap()
    }

    /// The system calls of these names, of the runner and all its children.
    #[track_caller]
    fn traced(&self, calls: &str, code: i32) -> String {
        let trace = self.temp.join("trace");
        let filter = format!("trace={calls}");
        let strace = ["strace", "-f", "-o", trace.to_str().unwrap(), "-e", &filter];
        run(&mut self.command(&strace)).expect(code);
        self.litter.check();
        self.temp.read("trace")
    }
}

#[track_caller]
fn up(who: Who, manifest: &str) -> Ran {
    Case::new(who, manifest).run()
}

/// What a file of the sandbox's own control group says inside.
#[track_caller]
fn reads(who: Who, limits: &str, file: &str) -> String {
    let manifest = format!(
        "command: [cat, /sys/fs/cgroup/{file}]\nmounts: [{{type: cgroup, target: /sys/fs/cgroup}}]\nlimits: {{{limits}}}\n"
    );
    up(who, &manifest).expect(0).stdout.trim().to_owned()
}

/// The same for those who may have limits.
#[track_caller]
fn all_read(limits: &str, file: &str, expected: &str) {
    for who in [Root, User, Few] {
        assert_eq!(reads(who, limits, file), expected, "{who:?}: {limits}");
    }
}

/// Keeps so many mebibytes.
fn hog(megabytes: u32) -> String {
    // The kernel may take another process, while the first one's memory is not free yet.
    let first = "(echo 1000 >/proc/self/oom_score_adj; exec tail)";
    format!("head -c {megabytes}m /dev/zero | {first} | wc -c")
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_machine_has_cgroup_v2_and_nothing_else() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let kinds = mounts.lines().filter_map(|line| line.split(' ').nth(2));
    let groups: Vec<_> = kinds.filter(|kind| kind.starts_with("cgroup")).collect();
    assert_eq!(groups, ["cgroup2"]);
}

#[test]
#[ignore = "runs in the virtual machine"]
fn everybody_may_run_without_limits() {
    for who in [Root, User, Few, Stranger] {
        let ran = up(who, "command: [echo, hello]\n").expect(0);
        assert_eq!(ran.stdout, "hello\n", "{who:?}: {}", ran.stderr);
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_hosts_own_system_is_a_root() {
    for who in [Root, User, Few, Stranger] {
        let case = Case::on(Path::new("host"), who, "command: [sh, -c, 'echo from $0', here]\n");
        assert_eq!(case.run().expect(0).stdout, "from here\n", "{who:?}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn memory_is_read_back() {
    all_read("memory: 64m", "memory.max", "67108864");
    all_read("memory: 64m", "memory.oom.group", "1");
    all_read("memory_high: 32m", "memory.high", "33554432");
    all_read("memory_low: 16m", "memory.low", "16777216");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn swap_is_read_back_and_is_none_by_default() {
    let swaps = fs::read_to_string("/proc/swaps").unwrap();
    assert!(swaps.contains("/dev/loop0"), "the machine should have swap: {swaps}");
    all_read("memory: 64m", "memory.swap.max", "0");
    all_read("memory: 64m, swap: 8m", "memory.swap.max", "8388608");
    all_read("pids: 9", "memory.swap.max", "max");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn processors_are_read_back() {
    all_read("cpus: 0.5", "cpu.max", "50000 100000");
    all_read("cpu_weight: 250", "cpu.weight", "250");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn processes_are_read_back() {
    all_read("pids: 77", "pids.max", "77");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_cpuset_is_read_back_where_it_is_delegated() {
    for who in [Root, Few] {
        assert_eq!(reads(who, "cpuset: \"1\"", "cpuset.cpus.effective"), "1", "{who:?}");
        assert_eq!(reads(who, "cpuset_mems: \"0\"", "cpuset.mems"), "0", "{who:?}");
    }
    let ran = up(User, "command: ['true']\nlimits:\n  cpuset: \"1\"\n");
    ran.expect(125).says("the cpuset controller is not delegated to").says("box.yaml:5:");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn huge_pages_are_read_back() {
    for who in [Root, Few] {
        assert_eq!(reads(who, "hugetlb: {2MB: 4m}", "hugetlb.2MB.max"), "4194304", "{who:?}");
        let ran = up(who, "command: ['true']\nlimits: {hugetlb: {16GB: 4m}}\n");
        ran.expect(125).says("16GB");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn disks_are_limited() {
    for who in [Root, Few] {
        let read = reads(who, "io: [{device: /dev/loop1, rbps: 1m, wiops: 50}]", "io.max");
        assert!(read.contains("7:1 rbps=1048576"), "{who:?}: {read}");
        assert!(read.contains("wiops=50"), "{who:?}: {read}");
        assert_eq!(reads(who, "io_weight: 300", "io.weight"), "default 300", "{who:?}");
    }
    // Four times what may be read in a second, which is nothing without a limit.
    let manifest = "command: [cat, /dev/loop1]\nstdout: none\ndevices: [/dev/loop1]\nlimits: {io: [{device: /dev/loop1, rbps: 1m}]}\n";
    let took = up(Root, manifest).expect(0).took;
    assert!(took > Duration::from_secs(2), "{took:?}");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_raw_file_reaches_the_kernel() {
    all_read("cgroup: {memory.max: \"40M\"}", "memory.max", "41943040");
    all_read("cgroup: {cgroup.max.depth: \"3\"}", "cgroup.max.depth", "3");
    for who in [Root, User, Few] {
        let missing = "command: ['true']\nlimits:\n  pids: 9\n  cgroup:\n    pids.maxx: \"1\"\n";
        up(who, missing).expect(125).says("pids.maxx").says("box.yaml:7:").says("pids.max`");
        let invalid = "command: ['true']\nlimits:\n  cgroup:\n    cpu.weight: \"0\"\n";
        up(who, invalid).expect(125).says("cpu.weight").says("box.yaml:6:").says("1 to 10000");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn memory_beyond_the_limit_is_told_in_one_sentence() {
    for who in [Root, User, Few] {
        let manifest =
            format!("command: trap '' TERM; {}; sleep 1000\nlimits: {{memory: 32m}}\n", hog(64));
        let case = Case::new(who, &manifest);
        let ran = case.run().expect(137);
        let last = ran.stderr.trim_end().lines().last().unwrap_or_default();
        let told = "was killed by its memory limit of 32 MiB (peak 32 MiB)";
        assert!(last.contains(told), "{who:?}: {}", ran.stderr);
        let report = case.report();
        assert_eq!(report["ending"], "memory");
        assert_eq!(report["usage"]["memory_limit"], 32 << 20);
        assert_eq!(report["usage"]["memory_peak"], 32 << 20);
        assert!(report["usage"]["oom_kills"].as_u64().unwrap() >= 1, "{report}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn without_oom_group_the_others_live_on() {
    for who in [Root, User] {
        let manifest = format!(
            "command: {}; echo alive; exit 6\nlimits: {{memory: 32m, oom_group: false}}\n",
            hog(64)
        );
        let ran = up(who, &manifest).expect(6);
        assert!(ran.stdout.contains("alive"), "{who:?}: {ran:?}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn small_limits_hold_the_command_alone() {
    for who in [Root, User, Few] {
        let case = Case::new(who, "command: [echo, small]\nlimits: {memory: 4m, pids: 1}\n");
        assert_eq!(case.run().expect(0).stdout, "small\n", "{who:?}");
        let usage = case.report()["usage"].clone();
        assert_eq!(usage["pids_peak"], 1, "{who:?}: {usage}");
        assert!(usage["memory_peak"].as_u64().unwrap() <= 4 << 20, "{who:?}: {usage}");
        let more = "command: (true) && echo forked\nlimits: {pids: 1}\n";
        let ran = up(who, more);
        assert!(!ran.stdout.contains("forked"), "{who:?}: {ran:?}");
        assert!(ran.stderr.contains("fork"), "{who:?}: {ran:?}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_runner_is_never_in_the_measured_group() {
    for who in [Root, User, Few] {
        let case = Case::new(who, "command: echo ready; exec sleep 1000\nlimits: {memory: 50m}\n");
        let session = Session::start(&mut case.command(&[]));
        session.expect("ready");
        let runner = fs::read_to_string(format!("/proc/{}/cgroup", session.pid())).unwrap();
        let group = who.group();
        let own = group.strip_prefix(CGROUPS).unwrap().display();
        assert_eq!(runner, format!("0::/{own}\n"), "{who:?}");
        let found = case.litter.found();
        let groups: Vec<_> =
            found.iter().filter_map(|found| found.strip_prefix("cgroup ")).collect();
        let [measured] = groups.as_slice() else { panic!("{found:?}") };
        let members = fs::read_to_string(format!("{measured}/cgroup.procs")).unwrap();
        assert_eq!(members.lines().count(), 1, "{who:?}: {members}");
        session.signal(Signal::SIGTERM);
        assert_eq!(session.finish().0, 143);
        case.litter.check();
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_command_is_born_in_its_group() {
    for who in [Root, User] {
        let case = Case::new(who, "command: ['true']\nlimits: {pids: 9}\n");
        let trace = case.traced("clone3,openat", 0);
        let clone = trace.lines().find(|line| line.contains("CLONE_INTO_CGROUP"));
        assert!(clone.is_some_and(|line| line.contains("CLONE_NEWPID")), "{who:?}: {trace}");
        // Nobody was moved.
        let moved = |line: &&str| {
            (line.contains("cgroup.procs") || line.contains("/tasks\""))
                && !line.contains("O_RDONLY")
        };
        assert_eq!(trace.lines().find(moved), None, "{who:?}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_tree_is_killed_when_its_time_is_over() {
    for who in [Root, User] {
        let case = Case::new(
            who,
            "command: sleep 5000 & setsid sleep 5000 & exec sleep 5000\ntimeout: 1s\nstop_grace_period: 1s\nlimits: {pids: 20}\n",
        );
        let ran = case.run().expect(124).says("its timeout of 1 s");
        assert!(ran.took > Duration::from_secs(1), "{who:?}: {:?}", ran.took);
        assert_eq!(case.report()["ending"], "timeout");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_kernel_kills_a_group_as_a_whole() {
    for who in [Root, User] {
        // No PID namespace holds them together.
        let case = Case::new(
            who,
            "command: sleep 5000 & setsid sleep 5000 & setsid sleep 5000 & exit 7\nnamespaces: {pid: host}\nlimits: {pids: 20}\n",
        );
        let trace = case.traced("openat", 7);
        assert!(trace.contains("/cgroup.kill\", O_WRONLY"), "{who:?}: {trace}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn processor_time_is_limited() {
    for who in [Root, User, Few] {
        let case = Case::new(who, "command: while :; do :; done\nlimits: {cpu_time: 1s}\n");
        case.run().expect(124).says("was killed by its processor time limit of 1 s");
        let usage = case.report()["usage"].clone();
        let used = |of: &str| usage[of].as_f64().unwrap();
        assert!(used("cpu_user_seconds") + used("cpu_system_seconds") >= 0.9, "{usage}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn throttling_is_counted() {
    for who in [Root, User] {
        let case = Case::new(
            who,
            "command: i=0; while [ $$i -lt 3000 ]; do i=$$((i+1)); done\nlimits: {cpus: 0.1}\n",
        );
        case.run().expect(0);
        let usage = case.report()["usage"].clone();
        assert!(usage["throttled_periods"].as_u64().unwrap() > 0, "{usage}");
        assert!(usage["throttled_seconds"].as_f64().unwrap() > 0.0, "{usage}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn what_is_written_is_thrown_away() {
    for who in [Root, User, Few, Stranger] {
        let root = busybox_root_of(who.uid());
        let before = listing(&root);
        let change = "command: echo more >/etc/passwd && echo new >/here && rm /etc/group && mkdir /var/x && cat /etc/passwd | tail -n 1 && ls /here /etc /var\n";
        let ran = up(who, change).expect(0);
        assert_eq!(
            ran.stdout, "more\n/here\n\n/etc:\npasswd\n\n/var:\nx\n",
            "{who:?}: {}",
            ran.stderr
        );
        assert_eq!(listing(&root), before, "{who:?}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_directory_can_be_removed_where_tmpfs_has_attributes() {
    for who in [Root, User] {
        let root = busybox_root_of(who.uid());
        let before = listing(&root);
        let ran = up(who, "command: rm -r /usr && mkdir /usr && ls -A /usr\n");
        // Since 6.6 a layer on tmpfs can note that a directory hides what was there before.
        if version() >= (6, 6) {
            assert_eq!(ran.expect(0).stdout, "", "{who:?}");
        } else {
            ran.expect(1).says("Input/output error");
            let doctor = run(who.command(&[]).arg("doctor")).stdout;
            assert!(doctor.contains("before Linux 6.6"), "{doctor}");
        }
        assert_eq!(listing(&root), before, "{who:?}");
    }
}

fn version() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut parts = release.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap(), parts.next().unwrap())
}

/// Every path below, with its kind, size and time of change.
fn listing(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root).unwrap().flatten() {
        let (path, seen) = (entry.path(), entry.metadata().unwrap());
        all.push(format!("{} {:o} {} {}", path.display(), seen.mode(), seen.size(), seen.ctime()));
        if seen.is_dir() {
            all.extend(listing(&path));
        }
    }
    all.sort();
    all
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_user_has_the_ids_of_subuid() {
    let manifest = "command: id && cat /proc/self/uid_map && echo made >/mnt/file\nuser: \"33:44\"\ngroups: [55]\nmounts: [{type: bind, source: own, target: /mnt, read_only: false}]\n";
    let case = Case::new(User, manifest);
    fs::create_dir(case.temp.join("own")).unwrap();
    chown(case.temp.join("own"), Some(1000), Some(1000)).unwrap();
    let ran = case.run().expect(0);
    assert!(ran.stdout.starts_with("uid=33 gid=44 groups=55\n"), "{}", ran.stdout);
    let map: Vec<Vec<&str>> =
        ran.stdout.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(map, [["0", "100000", "33"], ["33", "1000", "1"], ["34", "100033", "65503"]]);
    // Whoever it is inside, outside it is the caller.
    let made = fs::metadata(case.temp.join("own/file")).unwrap();
    assert_eq!((made.uid(), made.gid()), (1000, 1000));
}

/// What somebody in two more groups sees inside of them, and what doctor says.
fn seen_of_groups() -> (String, String) {
    let case = Case::new(User, "command: [id, -G]\n");
    let in_groups = |words: &[&str]| {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid=1000", "--regid=1000", "--groups=27,44", "--"]).arg(binary());
        run(command.args(words).stdin(Stdio::null()))
    };
    let file = case.temp.join("box.yaml");
    let seen = in_groups(&["up", file.to_str().unwrap()]).expect(0).stdout;
    case.litter.check();
    (seen, in_groups(&["doctor"]).stdout)
}

#[test]
#[ignore = "runs in the virtual machine"]
fn groups_are_given_up_where_there_is_a_range() {
    let (seen, doctor) = seen_of_groups();
    assert_eq!(seen, "0\n");
    assert!(doctor.contains("the caller's groups 27, 44 are given up"), "{doctor}");
    let ranges = fs::read_to_string("/etc/subgid").unwrap();
    fs::write("/etc/subgid", "").unwrap();
    let (seen, doctor) = seen_of_groups();
    fs::write("/etc/subgid", ranges).unwrap();
    assert_eq!(seen, "0 65534 65534\n");
    assert!(doctor.contains("keeps the caller's groups 27, 44"), "{doctor}");
    assert!(doctor.contains("→ sudo usermod --add-subgids 200016-265551 user\n"), "{doctor}");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn sixteen_ids_are_enough_for_sixteen() {
    let ran = up(Few, "command: id && cat /proc/self/gid_map\nuser: \"3:4\"\ngroups: [16]\n");
    let ran = ran.expect(0);
    assert!(ran.stdout.starts_with("uid=3 gid=4 groups=16\n"), "{}", ran.stdout);
    let map: Vec<Vec<&str>> =
        ran.stdout.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(map, [["0", "200000", "4"], ["4", "1001", "1"], ["5", "200004", "12"]]);
    let ran = up(Few, "command: [id]\ngroups: [17]\n");
    ran.expect(125).says("group 17 is beyond the caller's subordinate range of 16 ids");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn without_delegation_limits_are_refused_with_a_way_out() {
    let ran = up(Stranger, "command: ['true']\nlimits:\n  memory: 64m\n");
    ran.expect(125).says("box.yaml:5:").says("loginctl enable-linger");
    let let_go = "command: [echo, let go]\nlimits: {memory: 64m}\nallow_degraded: [memory]\n";
    let case = Case::new(Stranger, let_go);
    assert_eq!(case.run().expect(0).stdout, "let go\n");
    assert_eq!(case.report()["degraded"][0]["name"], "memory");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_group_that_may_hold_no_more_groups_is_named() {
    let file = format!("{CGROUPS}/user.slice/user-1000.slice/cgroup.max.descendants");
    fs::write(&file, "3").unwrap();
    let ran = up(User, "command: ['true']\nlimits: {pids: 9}\n");
    fs::write(&file, "max").unwrap();
    ran.expect(125).says("cgroup.max.descendants").says("user-1000.slice");
}

/// Forbids user namespaces for these callers, who are told so by `up` and `doctor`; then does what
/// they say, and they are allowed again.
#[track_caller]
fn forbids(sysctl: &str, callers: &[Who], others: &[Who]) {
    let path = format!("/proc/sys/{}", sysctl.replace('.', "/"));
    let before = fs::read_to_string(&path).unwrap();
    for who in callers {
        fs::write(&path, "0").unwrap();
        let case = Case::new(*who, "command: ['true']\n");
        let ran = case.run().expect(125).says(&format!("the sysctl {sysctl} is 0"));
        let doctor = run(who.command(&[]).arg("doctor")).expect(1).stdout;
        assert!(doctor.contains(&format!("the sysctl {sysctl} is 0")), "{who:?}: {doctor}");
        for other in others {
            up(*other, "command: ['true']\n").expect(0);
        }
        let way = format!("sysctl -w {sysctl}=");
        let told = ran.stderr.split("sudo ").find(|told| told.starts_with(&way)).unwrap();
        let value = told[way.len()..].split(|c: char| !c.is_ascii_digit()).next().unwrap();
        assert!(doctor.contains(&format!("→ sudo {way}{value}\n")), "{who:?}: {doctor}");
        run(Command::new("sysctl").args(["-w", &format!("{sysctl}={value}")])).expect(0);
        case.run().expect(0);
    }
    fs::write(&path, before).unwrap();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn who_may_make_no_user_namespace_is_told_why_and_what_helps() {
    forbids("user.max_user_namespaces", &[Root, User], &[]);
    forbids("kernel.unprivileged_userns_clone", &[User], &[Root]);
    let sysctl = "/proc/sys/user/max_user_namespaces";
    let before = fs::read_to_string(sysctl).unwrap();
    fs::write(sysctl, "0").unwrap();
    let ran = up(Root, "userns: host\ncommand: [echo, without one]\n").expect(0);
    fs::write(sysctl, before).unwrap();
    assert_eq!(ran.stdout, "without one\n");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_next_run_removes_what_a_killed_runner_left() {
    for who in [Root, User] {
        let manifest = "command: echo ready; exec sleep 1000\nlimits: {memory: 50m}\n";
        let case = Case::new(who, manifest);
        let session = Session::start(&mut case.command(&[]));
        session.expect("ready");
        session.signal(Signal::SIGKILL);
        session.finish();
        let next = "command: ['true']\nlimits: {memory: 50m}\n";
        up(who, next).expect(0);
        case.litter.check();
    }
}

/// Sets the machine's clock ahead or back, for as long as this lives.
struct Clock(i64);

impl Clock {
    fn moved(seconds: i64) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let then = i64::try_from(now.as_secs()).unwrap() + seconds;
        run(Command::new("date").arg("-s").arg(format!("@{then}"))).expect(0);
        Self(seconds)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        if self.0 != 0 {
            Self::moved(-self.0).0 = 0;
        }
    }
}

const DAY: i64 = 24 * 3600;

#[test]
#[ignore = "runs in the virtual machine"]
fn a_clock_that_is_set_moves_no_timeout() {
    for (by, manifest, code) in [
        (DAY, "timeout: 10m\ncommand: echo ready; sleep 2; exit 7\n", 7),
        (-DAY, "timeout: 5s\ncommand: echo ready; exec sleep 1000\n", 124),
    ] {
        let case = Case::new(Root, manifest);
        let session = Session::start(&mut case.command(&[]));
        session.expect("ready");
        let clock = Clock::moved(by);
        let (ended, _, stderr) = session.finish();
        drop(clock);
        assert_eq!(ended, code, "{stderr}");
        let wall = case.report()["usage"]["wall_seconds"].as_f64().unwrap();
        assert!((1.0..3600.0).contains(&wall), "{wall}");
        case.litter.check();
    }
}

/// How many files the machine may have open, as it was, to be restored.
struct Files {
    most: File,
    before: String,
}

impl Files {
    const MOST: &str = "/proc/sys/fs/file-max";

    fn now() -> Self {
        let before = fs::read_to_string(Self::MOST).unwrap();
        Self { most: File::options().write(true).open(Self::MOST).unwrap(), before }
    }

    /// The command, before which so many are left, or are there too many.
    fn left(count: i64, inner: &Command) -> Command {
        let used = fs::read_to_string("/proc/sys/fs/file-nr").unwrap();
        let used: i64 = used.split_whitespace().next().unwrap().parse().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("echo \"$0\" >{} && exec \"$@\"", Self::MOST)]);
        command.arg((used + count).to_string()).arg(inner.get_program()).args(inner.get_args());
        command.env_clear().env("PATH", "/usr/bin").stdin(Stdio::null());
        command
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.most.write_all(self.before.as_bytes()).unwrap();
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_machine_without_files_to_open_is_told_of() {
    let case = Case::new(User, "command: ['true']\n");
    let (mut ran, mut refused) = (0, 0);
    // The kernel counts roughly, in steps of some dozens: there must be more than that.
    let _held: Vec<File> = (0..300).map(|_| File::open("/dev/null").unwrap()).collect();
    for left in -64..64 {
        let files = Files::now();
        let one = run(&mut Files::left(left, &case.command(&[])));
        drop(files);
        case.litter.check();
        match one.code() {
            0 => ran += 1,
            // Of who could not execute the runner.
            2 | 126 | 127 if !one.stderr.starts_with("sixdocker: ") => {}
            125 => {
                let told = ["file table overflow", "Too many open files in system", "fs.file-max"];
                assert!(told.iter().any(|word| one.stderr.contains(word)), "{left}: {one:?}");
                refused += 1;
            }
            _ => panic!("{left}: {one:?}"),
        }
    }
    println!("{refused} refused, {ran} ran");
    assert!(refused > 3 && ran > 3, "{refused} refused, {ran} ran");
}
