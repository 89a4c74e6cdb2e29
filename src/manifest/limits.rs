//! The `limits` and `cgroup` sections.

use std::collections::BTreeMap;

use super::{AbsolutePath, Duration, Size};

/// What the command, with all its children, may use.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Limits {
    pub memory: Option<Size>,
    pub memory_high: Option<Size>,
    pub memory_low: Option<Size>,
    pub swap: Option<Size>,
    /// Processors, as in `1.5`; a number or a numeric string.
    pub cpus: Option<f64>,
    pub cpu_weight: Option<u32>,
    pub cpuset: Option<CpuSet>,
    pub cpuset_mems: Option<CpuSet>,
    pub pids: Option<u32>,
    pub io_weight: Option<u32>,
    pub io: Vec<Io>,
    /// By page size, as in `2MB`.
    pub hugetlb: BTreeMap<String, Size>,
    pub cpu_time: Option<Duration>,
    pub output: Option<Size>,
    /// `None` is the default, true.
    pub oom_group: Option<bool>,
    /// Raw cgroup v2 files.
    pub cgroup: BTreeMap<String, String>,
}

/// A list of processors or memory nodes, as in `0-1,3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuSet(pub String);

/// Limits for one block device.
#[derive(Clone, Debug, PartialEq)]
pub struct Io {
    /// The device node, or `MAJ:MIN`.
    pub device: String,
    pub rbps: Option<Size>,
    pub wbps: Option<Size>,
    pub riops: Option<u64>,
    pub wiops: Option<u64>,
}

/// `cgroup: auto | systemd | fs | none | {manager, parent}`
#[derive(Clone, Debug, PartialEq)]
pub struct Cgroup {
    pub manager: CgroupManager,
    pub parent: Option<AbsolutePath>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupManager {
    Auto,
    Systemd,
    Fs,
    None,
}
