//! Containers that the runner is started in: an ordinary user's by unshare and bubblewrap, and
//! those of crun and runc, as docker and podman have them made.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{is_root, missing, need, shared, user_binary};

/// A way into a container whose /proc is masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outer {
    pub(crate) program: &'static str,
    /// Who the runner is in it.
    pub(crate) user: u32,
    /// Whose filter of system calls it has.
    pub(crate) filter: Filter,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Filter {
    None,
    /// It lets namespaces be made, but no host name be set.
    Podmans,
    /// It lets no namespace be made.
    Dockers,
}

const fn outer(program: &'static str, user: u32, filter: Filter) -> Outer {
    Outer { program, user, filter }
}

/// Where a sandbox can be made.
const OPEN: [Outer; 6] = [
    outer("unshare", 1000, Filter::None),
    outer("bwrap", 1000, Filter::None),
    outer("crun", 0, Filter::Podmans),
    outer("crun", 1000, Filter::Podmans),
    outer("runc", 0, Filter::Podmans),
    outer("runc", 1000, Filter::Podmans),
];

/// Where none can.
const SHUT: [Outer; 4] = [
    outer("crun", 0, Filter::Dockers),
    outer("crun", 1000, Filter::Dockers),
    outer("runc", 0, Filter::Dockers),
    outer("runc", 1000, Filter::Dockers),
];

pub(crate) fn open() -> impl Iterator<Item = Outer> {
    OPEN.into_iter().filter(Outer::is_there)
}

pub(crate) fn shut() -> impl Iterator<Item = Outer> {
    SHUT.into_iter().filter(Outer::is_there)
}

/// The filter of podman, and of docker but for what that keeps for CAP_SYS_ADMIN.
const PROFILE: &str = "/usr/share/containers/seccomp.json";

impl Outer {
    fn is_there(&self) -> bool {
        if !need(self.program) {
            return false;
        }
        let engine = self.filter != Filter::None;
        if engine && !is_root() {
            missing("a container of an engine's takes root");
            return false;
        }
        if engine && !Path::new(PROFILE).exists() {
            missing(&format!("{PROFILE} is not installed"));
            return false;
        }
        true
    }

    /// The runner in it; what the container is made of lies in `place`.
    pub(crate) fn runner(&self, place: &Path) -> Command {
        let words = match (self.filter, self.program) {
            (Filter::None, "unshare") => UNSHARE,
            (Filter::None, _) => BUBBLEWRAP,
            (filter, _) => return self.of_engine(place, filter),
        };
        let mut command = self.of_user(&words.split('|').collect::<Vec<_>>());
        command.arg(user_binary());
        command
    }

    /// An ordinary user's container, and what runs in it is still to come.
    pub(crate) fn of_user(&self, words: &[&str]) -> Command {
        let mut command = Command::new(if is_root() { "setpriv" } else { self.program });
        if is_root() {
            command.args(["--reuid=1000", "--regid=1000", "--clear-groups", "--", self.program]);
        }
        plain(command.args(words));
        command
    }

    /// The arguments after these are the runner's.
    fn of_engine(&self, place: &Path, filter: Filter) -> Command {
        let bundle = place.join("bundle");
        root(&bundle.join("rootfs"));
        fs::write(bundle.join("config.json"), self.spec(filter).to_string()).unwrap();
        // The runner's words are known only later, and crun refuses a machine with both kinds of
        // control groups.
        let script = "umount /sys/fs/cgroup/unified 2>/dev/null
            bundle=$1 program=$2; shift 2
            printf '%s\\n' \"$@\" >$bundle/rootfs/words
            exec $program --root $bundle/state run --bundle $bundle nested-$$";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "-"]).arg(bundle).arg(self.program);
        plain(&mut command);
        command
    }

    /// What docker and podman ask of the runtime.
    fn spec(&self, filter: Filter) -> Value {
        let mount = |kind: &str, target: &str, options: &[&str]| json!({"destination": target, "type": kind, "source": kind, "options": options});
        let bind = |path: &str, options: &[&str]| json!({"destination": path, "type": "bind", "source": path, "options": options});
        let shared = shared().display().to_string();
        let spaces =
            ["pid", "ipc", "uts", "mount", "network", "cgroup"].map(|kind| json!({"type": kind}));
        let caps: Vec<String> = if self.user == 0 { capabilities() } else { Vec::new() };
        let script = format!(
            "set --; while read -r word; do set -- \"$@\" \"$word\"; done </words; exec {} \"$@\"",
            user_binary().display()
        );
        json!({
            "ociVersion": "1.0.2", "hostname": "outer", "root": {"path": "rootfs"},
            "process": {
                "user": {"uid": self.user, "gid": self.user}, "args": ["sh", "-c", script], "cwd": "/",
                "env": ["PATH=/usr/bin:/bin"], "noNewPrivileges": false,
                "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            },
            "mounts": [
                mount("proc", "/proc", &["nosuid", "noexec", "nodev"]),
                mount("tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
                mount("devpts", "/dev/pts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
                mount("sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
                mount("mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"]),
                mount("tmpfs", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777"]),
                mount("tmpfs", "/tmp", &["nosuid", "nodev", "mode=1777"]),
                bind("/usr", &["rbind", "ro"]), bind(&shared, &["rbind"]),
            ],
            "linux": {
                "namespaces": spaces, "seccomp": profile(filter),
                "maskedPaths": [
                    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                    "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            },
        })
    }
}

fn plain(command: &mut Command) {
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
}

const UNSHARE: &str =
    "-Urmpf|--mount-proc|sh|-c|mount -t tmpfs -o ro none /proc/fs && exec \"$@\"|sh";
const BUBBLEWRAP: &str = "--unshare-user|--unshare-pid|--uid|0|--gid|0|--cap-add|ALL|--bind|/|/|--dev-bind|/dev|/dev|--proc|/proc|--tmpfs|/proc/fs|--";

/// The host's programs, and an account.
fn root(root: &Path) {
    for directory in ["usr", "etc", "proc", "sys", "dev", "tmp"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for part in ["bin", "sbin", "lib", "lib64"] {
        if !root.join(part).is_symlink() {
            symlink(format!("usr/{part}"), root.join(part)).unwrap();
        }
    }
    let accounts = "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n";
    fs::write(root.join("etc/passwd"), accounts).unwrap();
}

fn capabilities() -> Vec<String> {
    let all = "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE";
    all.split(' ').map(|name| format!("CAP_{name}")).collect()
}

/// What docker's filter allows to holders of CAP_SYS_ADMIN alone (moby's default.json).
const OF_SYS_ADMIN: &str = "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare";

/// The filter, with the conditions of its rules decided as engines do.
fn profile(filter: Filter) -> Value {
    let given: Value = serde_json::from_str(&fs::read_to_string(PROFILE).unwrap()).unwrap();
    let mut rules: Vec<Value> =
        given["syscalls"].as_array().unwrap().iter().filter(|rule| holds(rule)).cloned().collect();
    for rule in &mut rules {
        let rule = rule.as_object_mut().unwrap();
        rule.retain(|key, _| ["names", "action", "args", "errnoRet"].contains(&key.as_str()));
        if filter == Filter::Dockers && rule["action"] == "SCMP_ACT_ALLOW" {
            let kept = |name: &Value| !OF_SYS_ADMIN.split(' ').any(|known| name == known);
            rule["names"].as_array_mut().unwrap().retain(kept);
        }
    }
    rules.retain(|rule| !rule["names"].as_array().unwrap().is_empty());
    if filter == Filter::Dockers {
        let plain =
            json!({"index": 0, "value": 0x7e02_0000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"});
        rules.push(json!({"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [plain]}));
        rules.push(json!({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}));
    }
    json!({
        "defaultAction": given["defaultAction"], "defaultErrnoRet": given["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": rules,
    })
}

/// Whether a rule is for a container with the usual capabilities, on this machine.
fn holds(rule: &Value) -> bool {
    let words = |path: &str| -> Vec<String> {
        let list = rule.pointer(path).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|word| word.as_str().map(String::from)).collect()
    };
    let own = capabilities();
    let here = "amd64".to_owned();
    let arches = words("/includes/arches");
    words("/includes/caps").iter().all(|cap| own.contains(cap))
        && (arches.is_empty() || arches.contains(&here))
        && !words("/excludes/caps").iter().any(|cap| own.contains(cap))
        && !words("/excludes/arches").contains(&here)
}
