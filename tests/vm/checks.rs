//! What is checked in the virtual machine.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Ran, Temp, binary, busybox_root, project, run, user_binary};

/// Who runs the sandbox.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Root,
    /// Uid 1000 in a control group that was delegated to it.
    Delegated,
    /// Uid 1000 in a group of root's.
    Bare,
}

const BOTH: [Who; 2] = [Who::Root, Who::Delegated];

impl Who {
    fn command(self) -> Command {
        let mut command = match self {
            Self::Root => Command::new(binary()),
            Self::Delegated => {
                let mut command = Command::new("/run/vm/user");
                command.arg(user_binary());
                command
            }
            Self::Bare => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=1000", "--regid=1000", "--clear-groups"]).arg(user_binary());
                command
            }
        };
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command.current_dir("/");
        command
    }

    /// Runs this manifest on a busybox root file system.
    fn up(self, text: &str) -> Ran {
        let temp = Temp::new();
        let root = busybox_root();
        let path = temp.write("box.yaml", format!("rootfs: {}\n{text}", root.display()));
        run(self.command().arg("up").arg(path))
    }

    /// What a file of the sandbox's own control group says inside.
    fn reads(self, limits: &str, file: &str) -> String {
        let text = format!(
            "command: [cat, /sys/fs/cgroup/{file}]\nmounts: [{{type: cgroup, target: /sys/fs/cgroup}}]\nlimits: {limits}\n"
        );
        self.up(&text).expect(0).stdout.trim().to_owned()
    }
}

/// A name, and what is checked.
type Check = (&'static str, fn());

const CHECKS: &[Check] = &[
    ("the machine has cgroup v2 and nothing else", pure),
    ("a sandbox runs without limits", plain),
    ("memory: the kill is told in one sentence", memory),
    ("memory: 4m is enough for a small command", small_memory),
    ("memory, swap, cpus, pids, weights are read back", read_back),
    ("cpuset is read back", cpuset),
    ("pids: 1 works, and is a limit", one_process),
    ("a tree is killed when its time is over", whole_tree),
    ("hugetlb is read back", hugetlb),
    ("a huge page size that is not there is refused", hugetlb_refused),
    ("io limits reach the kernel", io),
    ("a raw file reaches the kernel", raw),
    ("a raw file that is not there is named", raw_missing),
    ("a value that the kernel refuses is named", raw_invalid),
    ("a group that may hold no more groups is named", descendants),
    ("limits without delegation are refused with a way out", bare),
    ("a user has the ids of /etc/subuid", subordinate),
    ("an out-of-memory kill of a child ends it all", oom_group),
];

pub(crate) fn all() {
    // The build's own directory may be read-only here, and overlays want a real file system.
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    if tmp.exists() {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "mode=1777", "tmp"]).arg(tmp);
        let mounted = { mounted }.status().unwrap();
        assert!(mounted.success());
    }
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        let passed = catch_unwind(*check).is_ok() && nothing_left();
        println!("{} {name}", if passed { "ok    " } else { "FAILED" });
        if !passed {
            failed.push((*name).to_owned());
        }
    }
    let others = std::env::var("SIXDOCKER_OTHERS").unwrap_or_default();
    for program in others.split(':').filter(|path| !path.is_empty()) {
        for who in BOTH {
            let passed = other(program, who);
            println!("{} {program} as {who:?}", if passed { "ok    " } else { "FAILED" });
            if !passed {
                failed.push(format!("{program} as {who:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:#?}");
    println!("every check passed");
}

/// Runs another test program; what it prints goes to the machine's output.
fn other(program: &str, who: Who) -> bool {
    let mut command = match who {
        Who::Root => Command::new(program),
        _ => {
            let copy = PathBuf::from(format!("/tmp/other-{}", std::process::id()));
            fs::copy(program, &copy).unwrap();
            let mut command = Command::new("/run/vm/user");
            command.arg(copy);
            command
        }
    };
    command.current_dir(project()).env("SIXDOCKER_IN_VM", "1");
    command.status().is_ok_and(|status| status.success())
}

/// No group of a sandbox's is left anywhere.
fn nothing_left() -> bool {
    let left = groups(Path::new("/sys/fs/cgroup"));
    if !left.is_empty() {
        println!("left behind: {left:?}");
    }
    left.is_empty()
}

fn groups(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in dir.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name().to_string_lossy().starts_with("sixdocker") {
                found.push(path.clone());
            }
            found.extend(groups(&path));
        }
    }
    found
}

fn pure() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let kinds = mounts.lines().filter_map(|line| line.split(' ').nth(2));
    let groups: Vec<_> = kinds.filter(|kind| kind.starts_with("cgroup")).collect();
    assert_eq!(groups, ["cgroup2"]);
    println!("Linux {}", fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim());
}

fn plain() {
    for who in [Who::Root, Who::Delegated, Who::Bare] {
        let ran = who.up("command: [echo, hello]\n").expect(0);
        assert_eq!(ran.stdout, "hello\n", "{who:?}: {}", ran.stderr);
    }
}

const GROW: &str = "command: [awk, \"BEGIN { s = sprintf(\\\"%1000000s\\\", \\\"\\\"); while (1) s = s s }\"]\n";

fn memory() {
    for who in BOTH {
        let ran = who.up(&format!("{GROW}limits: {{memory: 64m}}\n")).expect(137);
        let sentence = ran.stderr.lines().last().unwrap_or_default();
        assert!(sentence.contains("memory") && sentence.contains("64 MiB"), "{who:?}: {}", ran.stderr);
    }
}

fn small_memory() {
    for who in BOTH {
        who.up("command: [\"true\"]\nlimits: {memory: 4m}\n").expect(0);
    }
}

fn read_back() {
    for who in BOTH {
        let read = |limits: &str, file: &str| who.reads(limits, file);
        assert_eq!(read("{memory: 64m}", "memory.max"), "67108864", "{who:?}");
        assert_eq!(read("{memory: 64m}", "memory.swap.max"), "0", "{who:?}");
        assert_eq!(read("{memory: 64m, memory_high: 32m}", "memory.high"), "33554432", "{who:?}");
        assert_eq!(read("{pids: 77}", "pids.max"), "77", "{who:?}");
        let quota = read("{cpus: 0.5}", "cpu.max");
        let numbers: Vec<u64> = quota.split(' ').map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers[0] * 2, numbers[1], "{who:?}: {quota}");
        assert_eq!(read("{cpu_weight: 250}", "cpu.weight"), "250", "{who:?}");
    }
}

fn cpuset() {
    for who in BOTH {
        assert_eq!(who.reads("{cpuset: \"1\"}", "cpuset.cpus.effective"), "1", "{who:?}");
    }
}

fn one_process() {
    for who in BOTH {
        who.up("command: [echo, alone]\nlimits: {pids: 1}\n").expect(0);
        let text = "command: [sh, -c, \"(true) && echo forked; exit 3\"]\nlimits: {pids: 1}\n";
        let ran = who.up(text);
        assert!(!ran.stdout.contains("forked"), "{who:?}: {ran:?}");
    }
}

fn whole_tree() {
    for who in BOTH {
        let text = "command: [sh, -c, \"sleep 5000 & setsid sleep 5000 & sleep 5000\"]\ntimeout: 2s\nstop_grace_period: 1s\nlimits: {pids: 20}\n";
        who.up(text).expect(124);
        let alive = Command::new("pgrep").args(["-f", "sleep 5000"]).output().unwrap();
        assert!(alive.stdout.is_empty(), "{who:?}: {alive:?}");
    }
}

fn hugetlb() {
    if Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB").exists() {
        assert_eq!(Who::Root.reads("{hugetlb: {2MB: 4m}}", "hugetlb.2MB.max"), "4194304");
    }
}

fn hugetlb_refused() {
    for who in BOTH {
        let ran = who.up("command: [\"true\"]\nlimits: {hugetlb: {16GB: 4m}}\n");
        assert_eq!(ran.code(), 125, "{who:?}: {ran:?}");
        assert!(ran.stderr.contains("16GB"), "{who:?}: {}", ran.stderr);
    }
}

fn io() {
    let loaded = Command::new("/run/vm/modprobe").arg("loop").status();
    if !loaded.is_ok_and(|status| status.success()) || !Path::new("/dev/loop0").exists() {
        println!("no loop device: io is not checked");
        return;
    }
    let limits = "{io: [{device: /dev/loop0, rbps: 1m, wiops: 50}]}";
    let read = Who::Root.reads(limits, "io.max");
    assert!(read.contains("7:0 rbps=1048576") && read.contains("wiops=50"), "{read}");
}

fn raw() {
    for who in BOTH {
        assert_eq!(who.reads("{cgroup: {pids.max: \"33\"}}", "pids.max"), "33", "{who:?}");
    }
}

fn raw_missing() {
    for who in BOTH {
        let ran = who.up("command: [\"true\"]\nlimits:\n  pids: 9\n  cgroup:\n    pids.maxx: \"1\"\n");
        ran.expect(125).says("pids.maxx").says("box.yaml:6:").says("pids.max`");
    }
}

fn raw_invalid() {
    for who in BOTH {
        let ran = who.up("command: [\"true\"]\nlimits:\n  cgroup:\n    cpu.weight: \"0\"\n");
        ran.expect(125).says("cpu.weight").says("box.yaml:5:").says("1 to 10000");
    }
}

fn descendants() {
    let file = "/sys/fs/cgroup/user.slice/user-1000.slice/cgroup.max.descendants";
    fs::write(file, "2").unwrap();
    let caught = catch_unwind(|| {
        let ran = Who::Delegated.up("command: [\"true\"]\nlimits: {pids: 9}\n");
        ran.expect(125).says("cgroup.max.descendants").says("user-1000.slice");
    });
    fs::write(file, "max").unwrap();
    caught.unwrap();
}

fn bare() {
    let ran = Who::Bare.up("command: [\"true\"]\nlimits:\n  memory: 64m\n");
    ran.expect(125).says("box.yaml:4:").says("systemd-run");
}

fn subordinate() {
    let text = "command: [id]\nuser: \"33:44\"\ngroups: [55]\n";
    let ran = Who::Delegated.up(text).expect(0);
    assert!(ran.stdout.contains("uid=33 gid=44") && ran.stdout.contains("55"), "{ran:?}");
}

fn oom_group() {
    for who in BOTH {
        let text = "command: [sh, -c, \"awk 'BEGIN { s = sprintf(\\\"%1000000s\\\", \\\"\\\"); while (1) s = s s }'; echo survived; sleep 5000\"]\nlimits: {memory: 64m}\n";
        let ran = who.up(text).expect(137);
        assert!(!ran.stdout.contains("survived"), "{who:?}: {ran:?}");
    }
}
