//! What a manifest names outside itself, looked up once before the plan is made.
//!
//! The planner asks this value and never the machine. What is looked up is opened without
//! following a link out of the root file system, and never blocks on a FIFO or a device.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything that was looked up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// The absolute directory that relative paths are relative to: the manifest's own.
    pub base: PathBuf,
    /// The file's stem: the default name.
    pub stem: String,
    /// The caller's environment.
    pub environment: BTreeMap<String, String>,
    /// Which of stdin, stdout and stderr are terminals.
    pub terminals: [bool; 3],
    /// /etc/passwd and /etc/group of the root file system, where they can be read.
    pub passwd: Option<String>,
    pub group: Option<String>,
    /// Every path of the host that the manifest names, as an absolute path.
    pub paths: BTreeMap<PathBuf, Found>,
}

/// What stands at a path of the host.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Missing,
    /// It can't be looked at, or not be read: the reason in words.
    Denied(String),
    Directory,
    /// A regular file; its content where the manifest wants it read (`env_file`,
    /// `files: source`, a seccomp profile).
    File(Option<String>),
    /// A character or block device: `c` or `b`, major, minor.
    Device(char, u32, u32),
    /// A FIFO, socket, or other thing.
    Other(&'static str),
}
