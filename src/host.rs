//! What the planner must know of the machine it plans for.
//!
//! The planner asks this value, never the machine, so a plan for any machine can be drawn on
//! any other. `probe` fills it; `doctor --format json` writes it; `plan --host` reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Facts about a machine and the caller's standing on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The kernel's release, as uname(2) gives it.
    pub kernel: String,
    /// The caller's effective ids.
    pub uid: u32,
    pub gid: u32,
    /// A word that no other run alive has: the runner's pid.
    pub run: String,
    /// None where the run needs no control group and nobody looked.
    pub cgroups: Option<Cgroups>,
    /// Why a new proc can't be mounted in a nested namespace, where that is so
    /// (the first mount that covers a part of /proc).
    pub proc_mask: Option<String>,
    /// The caller's subordinate ids, and the helper that maps them.
    pub subordinate: Option<Subordinate>,
    /// What keeps the caller from making a user namespace, where something does.
    pub userns_forbidden: Option<String>,
}

/// The caller's ranges in /etc/subuid and /etc/subgid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subordinate {
    pub uid: (u32, u32),
    pub gid: (u32, u32),
    pub newuidmap: PathBuf,
    pub newgidmap: PathBuf,
}

/// The control group hierarchies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cgroups {
    /// The cgroup v2 hierarchy (pure, or the `unified` one of a hybrid host).
    pub unified: Option<Hierarchy>,
    /// The cgroup v1 hierarchies by controller.
    pub legacy: BTreeMap<String, Hierarchy>,
}

/// A place where groups can be made, or the reason why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The directory in which our groups may be made.
    pub parent: Option<PathBuf>,
    /// Why there is none.
    pub reason: Option<String>,
    /// v2: controllers that a child of `parent` has, or can be given.
    pub controllers: Vec<String>,
    /// v2: those of them that still must be enabled in `parent`'s subtree_control.
    pub enable: Vec<String>,
}
