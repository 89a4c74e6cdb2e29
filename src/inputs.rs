//! What a manifest names outside itself, looked up once before the plan is made.
//!
//! The planner asks this value and never the machine. What is looked up is opened without
//! following a link out of the root file system, and never blocks on a FIFO or a device.

mod file;
mod look;
mod reader;

pub(crate) use file::{barrier, hint};
pub use look::environment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `rootfs: host` shows of the host's root: directories, read-only, or the links they are.
pub const SYSTEM: [&str; 8] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];

/// Files that a root file system gets of ours where it has them itself.
pub const OWN_ETC: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/// What it shows of the host's /etc: what programs need and what holds no secret.
pub const ETC: [&str; 6] = [
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
];

/// Everything that was looked up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// The absolute directory that relative paths are relative to: the manifest's own.
    pub base: PathBuf,
    /// The file's stem: the default name.
    pub stem: String,
    /// The manifest's own file, where it lies in one.
    pub file: Option<PathBuf>,
    /// The caller's environment.
    pub environment: BTreeMap<String, String>,
    /// Which of stdin, stdout and stderr are terminals.
    pub terminals: [bool; 3],
    /// Which of them are files or devices of the caller's: inside, they can be opened anew
    /// (/dev/stdout) by their owner only.
    pub owned: [bool; 3],
    /// Which of them are /dev/null.
    pub nulls: [bool; 3],
    /// The process, if any, that reads its script from our stdin.
    pub reader: Option<Reader>,
    /// stdin is a terminal in whose background this process runs.
    pub background: bool,
    /// `limits.output` counts what is written, and stdin is open for writing as well.
    pub writable_stdin: bool,
    /// The network namespace that the manifest names is this process's own.
    pub own_network: bool,
    /// For root: the file systems that hold what is shown of the host, by path, as statfs(2)
    /// tells them.
    pub filesystems: BTreeMap<PathBuf, nix::sys::statfs::FsType>,
    /// /etc/passwd and /etc/group of the root file system, where they can be read.
    pub passwd: Option<String>,
    pub group: Option<String>,
    /// Every path of the host that the manifest names, as an absolute path.
    pub paths: BTreeMap<PathBuf, Found>,
    /// Where those lead that are, or lie below, symbolic links or `..`.
    pub real: BTreeMap<PathBuf, PathBuf>,
    /// The links that lead there, by their own places.
    pub links: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// Where the report can't be written: why.
    pub unwritable: BTreeMap<PathBuf, String>,
    /// What is to be read and can't be: why.
    pub unreadable: BTreeMap<PathBuf, String>,
    /// For each of `paths` where nothing is, or what is there can't be had: why, or what may have
    /// been meant.
    pub hints: BTreeMap<PathBuf, String>,
    /// What stands in a root file system that is a directory, at the paths where something is
    /// to be mounted.
    pub inside: BTreeMap<String, Found>,
    /// Of every block device that `limits.io` names and that is a partition: its whole disk,
    /// by `MAJ:MIN`.
    pub disks: BTreeMap<String, String>,
    /// What is known of the parts of those paths, while they are looked at.
    pub ways: crate::sys::Ways,
    /// What could not be looked at, and why: nothing is planned then.
    pub unseen: Option<String>,
}

impl Inputs {
    /// An absolute path of the host, without the `.` of `./src`.
    #[must_use]
    pub fn place(&self, path: &Path) -> PathBuf {
        self.base.join(path).components().collect()
    }
}

/// A shell around, or another interpreter, that reads its script from the same pipe or file as
/// stdin: it would obey what a command wrote there.
#[derive(Clone, Debug, PartialEq)]
pub struct Reader {
    /// In words.
    pub who: String,
    /// Whose the pipe or file is.
    pub owner: u32,
    /// Others may write to it.
    pub open: bool,
    /// It is a pipe without a name, over which Landlock has no say.
    pub pipe: bool,
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
    /// A symbolic link, where links are not followed (`/bin`, `/lib` … of the host).
    Link(String),
    /// A character or block device: `c` or `b`, major, minor.
    Device(char, u32, u32),
    /// A FIFO, socket, or other thing.
    Other(&'static str),
}
