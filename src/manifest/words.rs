//! Words of the neighbours, and what they are called here.

/// A key of docker, compose, bubblewrap, nsjail, systemd or OCI, our key, and whether the value
/// is written in the same way.
const NEIGHBOURS: &[(&str, &str, bool)] = &[
    ("workdir", "working_dir", true),
    ("cwd", "working_dir", true),
    ("chdir", "working_dir", true),
    ("WorkingDirectory", "working_dir", true),
    ("image", "rootfs", false),
    ("root", "rootfs", false),
    ("chroot", "rootfs", true),
    ("entrypoint", "command", false),
    ("cmd", "command", true),
    ("exec", "command", false),
    ("ExecStart", "command", false),
    ("env", "environment", true),
    ("Environment", "environment", false),
    ("EnvironmentFile", "env_file", true),
    ("environment_file", "env_file", true),
    ("env_files", "env_file", true),
    ("volumes", "mounts", false),
    ("volume", "mounts", false),
    ("binds", "mounts", false),
    ("mount", "mounts", false),
    ("mem_limit", "limits.memory", false),
    ("memory", "limits.memory", false),
    ("memory_limit", "limits.memory", false),
    ("MemoryMax", "limits.memory", false),
    ("MemoryHigh", "limits.memory_high", false),
    ("memswap_limit", "limits.swap", false),
    ("MemorySwapMax", "limits.swap", false),
    ("cpus", "limits.cpus", false),
    ("cpu", "limits.cpus", false),
    ("CPUQuota", "limits.cpus", false),
    ("cpu_shares", "limits.cpu_weight", false),
    ("CPUWeight", "limits.cpu_weight", false),
    ("cpuset", "limits.cpuset", false),
    ("cpuset_cpus", "limits.cpuset", false),
    ("pids_limit", "limits.pids", false),
    ("TasksMax", "limits.pids", false),
    ("resources", "limits", false),
    ("deploy", "limits", false),
    ("time_limit", "timeout", true),
    ("RuntimeMaxSec", "timeout", false),
    ("cap_add", "security.capabilities", false),
    ("capabilities", "security.capabilities", false),
    ("seccomp", "security.seccomp", false),
    ("no_new_privileges", "security.no_new_privileges", true),
    ("NoNewPrivileges", "security.no_new_privileges", true),
    ("network_mode", "network", true),
    ("net", "network", true),
    ("read_only", "rootfs.write", false),
    ("rlimits", "ulimits", false),
    ("group_add", "groups", true),
    ("uid", "user", true),
    ("User", "user", true),
    ("userns_mode", "userns", true),
    ("pid", "namespaces.pid", true),
    ("ipc", "namespaces.ipc", true),
    ("uts", "namespaces.uts", true),
    ("domainname", "hostname", false),
    ("container_name", "name", true),
    ("sysctl", "sysctls", true),
    ("terminal", "tty", true),
    ("stop_timeout", "stop_grace_period", true),
    ("TimeoutStopSec", "stop_grace_period", false),
    ("KillSignal", "stop_signal", true),
];

/// The same below the root, where such a key of ours is.
const NESTED: &[(&str, &str, bool)] = &[
    ("src", "source", true),
    ("from", "source", true),
    ("dst", "target", true),
    ("destination", "target", true),
    ("to", "target", true),
    ("readonly", "read_only", true),
    ("ro", "read_only", true),
    ("kind", "type", true),
    ("mem", "memory", true),
    ("mem_limit", "memory", true),
    ("memory_limit", "memory", true),
    ("MemoryMax", "memory", false),
    ("memory_reservation", "memory_low", true),
    ("cpu_shares", "cpu_weight", false),
    ("pids_limit", "pids", true),
    ("TasksMax", "pids", false),
    ("blkio_weight", "io_weight", false),
    ("caps", "capabilities", true),
    ("cap_add", "capabilities", true),
    ("text", "content", true),
    ("dir", "path", true),
    ("directory", "path", true),
];

/// Keys of the neighbours for what there is not, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("services", "one file describes one sandbox: write the keys of one service at the root"),
    ("version", "the file has no version: unknown keys are refused instead"),
    ("restart", "there is no daemon that could restart it: a service manager does that"),
    ("depends_on", "one file describes one sandbox: what runs before it, its caller decides"),
    ("links", "sandboxes share no network"),
    ("build", "images are not built here: `rootfs` names a directory"),
    ("pull_policy", "there are no images: `rootfs` names a directory"),
    ("platform", "there are no images: `rootfs` names a directory"),
    ("healthcheck", "there is no daemon that could look: the command's exit code tells"),
    ("logging", "output goes where `stdout` and `stderr` say"),
    ("stdin_open", "leave it out: the command reads what the caller's standard input is"),
    ("expose", "leave it out: nothing outside of the sandbox reaches its network"),
    ("detach", "there is no daemon: a sandbox ends with its runner"),
    ("profiles", "one file describes one sandbox: write another file"),
    ("extends", "nothing is taken from other files: `vars` and `--set` make one file fit many"),
    (
        "privileged",
        "there is no switch for everything: `security` and `devices` open what is needed",
    ),
    (
        "cap_drop",
        "leave it out: the command has no capability but those of `security.capabilities`",
    ),
    (
        "security_opt",
        "leave `no-new-privileges` out, it is so by default; a profile is `security: {seccomp: FILE}`",
    ),
    (
        "secrets",
        "write `files: {/run/secrets/NAME: {source: ./NAME, mode: \"0400\"}}`, or variables in \
         an `env_file`",
    ),
    ("configs", "write `files: {/PATH: {source: ./FILE}}`"),
    ("include", "nothing is taken from other files: `vars` and `--set` make one file fit many"),
];

/// Keys that a later version takes.
const NOT_YET: &[&str] = &["ports", "dns", "caches", "artifacts", "hooks"];

/// Our name of a neighbour's key, and whether its value is written in the same way.
pub(super) fn ours(word: &str, root: bool) -> Option<(&'static str, bool)> {
    let all = if root { NEIGHBOURS } else { NESTED };
    all.iter().find(|(theirs, ..)| *theirs == word).map(|(_, ours, same)| (*ours, *same))
}

/// The keys of the neighbours that stand at the root there, with ours.
pub(super) fn neighbours() -> impl Iterator<Item = (&'static str, &'static str)> {
    NEIGHBOURS.iter().map(|(theirs, ours, _)| (*theirs, *ours))
}

/// How a key of the neighbours is written here, where the example of ours says the opposite.
pub(super) fn written(word: &str) -> Option<&'static str> {
    (word == "read_only").then_some("rootfs: {write: none}")
}

/// What is not as the neighbours have it, where a key of theirs is called otherwise.
pub(super) fn differs(ours: &str) -> &'static str {
    if ours == "mounts" { "; without `:rw` it is read-only" } else { "" }
}

/// Why a key of the neighbours is not there.
pub(super) fn without(word: &str) -> Option<&'static str> {
    WITHOUT.iter().find(|(theirs, _)| *theirs == word).map(|(_, why)| *why)
}

pub(super) fn is_not_yet(word: &str) -> bool {
    NOT_YET.contains(&word)
}
