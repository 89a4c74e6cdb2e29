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
    ("volumes", "mounts", false),
    ("volume", "mounts", false),
    ("binds", "mounts", false),
    ("mount", "mounts", false),
    ("mem_limit", "limits.memory", false),
    ("memory", "limits.memory", false),
    ("MemoryMax", "limits.memory", false),
    ("MemoryHigh", "limits.memory_high", false),
    ("memswap_limit", "limits.swap", false),
    ("MemorySwapMax", "limits.swap", false),
    ("cpus", "limits.cpus", false),
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
    ("cap_drop", "security.capabilities", false),
    ("capabilities", "security.capabilities", false),
    ("privileged", "security.level", false),
    ("security_opt", "security", false),
    ("seccomp", "security.seccomp", false),
    ("no_new_privileges", "security.no_new_privileges", false),
    ("NoNewPrivileges", "security.no_new_privileges", false),
    ("network_mode", "network", true),
    ("net", "network", false),
    ("read_only", "rootfs.write", false),
    ("restart", "", false),
    ("rlimits", "ulimits", false),
    ("group_add", "groups", true),
    ("uid", "user", true),
    ("User", "user", true),
    ("userns_mode", "userns", true),
    ("pid", "namespaces.pid", false),
    ("ipc", "namespaces.ipc", false),
    ("uts", "namespaces.uts", false),
    ("domainname", "hostname", false),
    ("container_name", "name", true),
    ("sysctl", "sysctls", true),
    ("terminal", "tty", true),
    ("stop_timeout", "stop_grace_period", true),
    ("TimeoutStopSec", "stop_grace_period", false),
    ("KillSignal", "stop_signal", true),
];

/// Keys that a later version takes.
const NOT_YET: &[&str] = &["ports", "dns", "caches", "artifacts", "hooks"];

/// Our name of a neighbour's key, and whether its value is written in the same way.
pub(super) fn ours(word: &str) -> Option<(&'static str, bool)> {
    let found = NEIGHBOURS.iter().find(|(theirs, ..)| *theirs == word)?;
    Some((found.1, found.2)).filter(|(ours, _)| !ours.is_empty())
}

pub(super) fn is_not_yet(word: &str) -> bool {
    NOT_YET.contains(&word)
}
