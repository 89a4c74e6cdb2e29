//! Namespaces and network.

use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub enum Network {
    None,
    Host,
    /// An existing network namespace.
    Path(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Userns {
    Auto,
    Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sharing {
    #[default]
    Private,
    Host,
}

/// Each is private by default, but `time`, which is the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespaces {
    pub pid: Sharing,
    pub ipc: Sharing,
    pub uts: Sharing,
    pub cgroup: Sharing,
    pub time: Sharing,
}

/// The text to be written to the sysctl's file; an integer or a string in the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct SysctlValue(pub String);

/// What may be lost where the host can't give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degradable {
    PidNamespace,
    NetworkNamespace,
    FreshProc,
    Memory,
    Cpu,
    Pids,
    Io,
    Cpuset,
    Hugetlb,
    Overlay,
    Seccomp,
    Landlock,
}
