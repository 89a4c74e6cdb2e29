//! What the planner must know of the machine it plans for.
//!
//! The planner asks this value, never the machine, so a plan for any machine can be drawn on
//! any other. `probe` fills it; `doctor --format json` writes it; `plan --host` reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Facts about a machine and the caller's standing on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// The kernel's release, as uname(2) gives it.
    pub kernel: String,
    /// The caller's effective ids.
    pub uid: u32,
    pub gid: u32,
    /// The caller's supplementary groups, without `gid`.
    pub groups: Vec<u32>,
    /// The caller may map ids and give up groups as it likes: it has CAP_SETUID, CAP_SETGID
    /// and CAP_SYS_ADMIN.
    pub privileged: bool,
    /// The caller is in the user namespace that the machine began with: what is refused to
    /// others may be done there, such as mapping the ids of a mount.
    pub initial: bool,
    /// It has CAP_SYS_RESOURCE there: it may raise hard limits and lower oom_score_adj.
    pub unlimited: bool,
    /// A word that no other run alive has: the runner's pid.
    pub run: String,
    /// None where the run needs no control group and nobody looked.
    pub cgroups: Option<Cgroups>,
    /// Why a new proc can't be mounted in a nested namespace, where that is so
    /// (the first mount that covers a part of /proc).
    pub proc_mask: Option<String>,
    /// The caller's subordinate ids, and the helpers that map them.
    pub subordinate: Option<Subordinate>,
    /// What of that is missing, where something is and somebody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subordinate_gap: Option<Gap>,
    /// The caller has groups, and newgidmap with a range of its own can have them given up.
    pub gives_up_groups: bool,
    /// What keeps the caller from making a user namespace, where something does.
    pub userns_forbidden: Option<String>,
    /// What keeps the caller from making a network namespace, where something is known to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_forbidden: Option<String>,
    /// What keeps a host name from being set even in a namespace of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname_forbidden: Option<String>,
    /// The version of Landlock's interface; 0 is none.
    pub landlock: u8,
    /// Why no seccomp filter can be installed, where that is so.
    pub seccomp_missing: Option<String>,
    /// Why no overlay can be mounted, where that is so.
    pub overlay_missing: Option<String>,
    /// The caller's resource limits, by the word of `ulimits`.
    pub limits: BTreeMap<String, ResourceLimit>,
    /// The caller's personality(2); 0 is plain Linux.
    pub personality: u32,
    /// The caller goes before ordinary processes: by its scheduler, in the queue of a disk, or
    /// by more exact timers.
    pub realtime: bool,
    pub oom_score_adj: i16,
    pub nice: i8,
    /// The machine has swap.
    pub swap: bool,
    /// What could not be looked at, and why: nothing is planned then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
}

/// A limit of setrlimit(2); none is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimit {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// The caller's ranges in /etc/subuid and /etc/subgid: first id and count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subordinate {
    pub uid: (u32, u32),
    pub gid: (u32, u32),
    pub newuidmap: PathBuf,
    pub newgidmap: PathBuf,
}

/// What keeps an ordinary caller from having more than one id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gap {
    /// The caller's account in /etc/passwd.
    pub account: Option<String>,
    /// `newuidmap` and `newgidmap` are not both installed.
    pub helpers: bool,
    /// No line of /etc/subuid is the caller's.
    pub subuid: bool,
    /// No line of /etc/subgid is the caller's.
    pub subgid: bool,
    /// The first id above everybody's ranges.
    pub free: u32,
}

/// The control group hierarchies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cgroups {
    /// The cgroup v2 hierarchy (pure, or the `unified` one of a hybrid host).
    pub unified: Option<Hierarchy>,
    /// The cgroup v1 hierarchies by controller.
    pub legacy: BTreeMap<String, Hierarchy>,
    /// The caller's systemd; none where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd: Option<Systemd>,
}

/// The manager of a systemd, which gives scopes of cgroup v2 away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Systemd {
    /// Where it answers.
    pub socket: PathBuf,
    /// The slice that its scopes are to lie in.
    pub slice: String,
    /// `parent` is that slice's directory; where there is none, nobody answers.
    pub hierarchy: Hierarchy,
}

/// A place where groups can be made, or the reason why not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The runner's own group.
    pub own: PathBuf,
    /// The directory in which our groups may be made.
    pub parent: Option<PathBuf>,
    /// Why there is none.
    pub reason: Option<String>,
    /// v2: `parent` is systemd's own, which may take controllers from it at any time.
    pub contested: bool,
    /// v2: controllers that a child of `parent` has, or can be given.
    pub controllers: Vec<String>,
    /// v2: those of them that still must be enabled in `parent`'s subtree_control.
    pub enable: Vec<String>,
    /// Files that a group of another machine might have and one of this machine has not, such
    /// as `memory.swap.max`, as far as that is known.
    pub lacks: Vec<String>,
    /// What `parent` itself has, where a child must copy it or may not go beyond it, such as
    /// `cpuset.cpus`.
    pub has: BTreeMap<String, String>,
}

/// Major and minor of a release such as `6.1.0-13-amd64`.
#[must_use]
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_versions() {
        assert_eq!(version("6.1.0-13-amd64"), Some((6, 1)));
        assert_eq!(version("5.10"), Some((5, 10)));
        assert_eq!(version("odd"), None);
    }
}
