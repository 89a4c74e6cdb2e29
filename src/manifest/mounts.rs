//! The `mounts` section.

use std::path::PathBuf;

use super::{AbsolutePath, FileContent, Mode, Size};

/// One mount, in the order of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    pub kind: MountKind,
    pub target: AbsolutePath,
    pub read_only: bool,
    /// A missing source is no error.
    pub optional: bool,
    /// `None`: as the source has it.
    pub exec: Option<bool>,
    pub suid: bool,
    pub dev: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq)]
pub enum MountKind {
    Bind {
        source: PathBuf,
        recursive: bool,
    },
    Tmpfs {
        size: Option<Size>,
        mode: Option<Mode>,
        options: Vec<String>,
    },
    Overlay {
        lower: Vec<PathBuf>,
        upper: Option<PathBuf>,
        work: Option<PathBuf>,
        options: Vec<String>,
    },
    Proc {
        options: Vec<String>,
    },
    Sysfs,
    Cgroup,
    Mqueue,
    File {
        content: FileContent,
        mode: Mode,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proc {
    Auto,
    New,
    Outer,
    None,
}
