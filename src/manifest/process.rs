//! The command: arguments, environment, identity, standard streams.

use std::path::PathBuf;

use super::{Size, scalar::Mode};

/// What runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The program and its arguments.
    Argv(Vec<String>),
    /// Text for `/bin/sh -c`.
    Shell(String),
}

/// Variables in the order of the manifest; no value: taken from the caller.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Environment(pub Vec<(String, Option<String>)>);

/// A name, or a prefix with `*` at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvPattern(pub String);

/// A variable for `${NAME}`: a scalar, or `{default, description, enum}`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Var {
    pub default: Option<String>,
    pub description: Option<String>,
    pub choices: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tty {
    Auto,
    Yes,
    No,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Inherit,
    None,
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Inherit,
    None,
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
pub enum ErrorOutput {
    Inherit,
    None,
    File(PathBuf),
    Stdout,
}

/// A resource of setrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ulimit {
    As,
    Core,
    Cpu,
    Data,
    Fsize,
    Locks,
    Memlock,
    Msgqueue,
    Nice,
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Rttime,
    Sigpending,
    Stack,
}

/// Soft and hard limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UlimitValue {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// `report: FILE | {file, format: json}`
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub file: PathBuf,
}

/// One file written inside.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub content: FileContent,
    pub mode: Mode,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FileContent {
    Text(String),
    /// Read from this file of the host when the plan is made.
    Source(PathBuf),
}

/// `"/tmp[:size=64m,mode=1777]"`
#[derive(Clone, Debug, PartialEq)]
pub struct Tmpfs {
    pub target: super::AbsolutePath,
    pub size: Option<Size>,
    pub mode: Option<Mode>,
}

/// `"/dev/kvm[:DST][:rwm]"`
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    pub source: super::AbsolutePath,
    pub target: super::AbsolutePath,
    pub read: bool,
    pub write: bool,
}
