//! Which namespaces a process is in.

use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc;
use nix::sys::stat::fstatat;

use crate::plan::Namespace;
use crate::sys::{Call, Named, Result};

const KINDS: [Namespace; 8] = [
    Namespace::User,
    Namespace::Mount,
    Namespace::Pid,
    Namespace::Network,
    Namespace::Uts,
    Namespace::Ipc,
    Namespace::Cgroup,
    Namespace::Time,
];

/// A process's namespaces, as their numbers; none where the kernel has no such kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces([Option<u64>; KINDS.len()]);

impl Namespaces {
    /// This process's own.
    #[must_use]
    pub fn own() -> Self {
        Self(KINDS.map(|kind| number(AT_FDCWD, Path::new(file(kind))).ok()))
    }

    /// Whether this process, whom `proc` shows, is in another one of this kind.
    pub(super) fn differs(self, kind: Namespace, proc: BorrowedFd<'_>) -> Result<bool> {
        let inside = number(proc, below_proc(kind))?;
        let outside = KINDS.iter().zip(self.0).find(|(known, _)| **known == kind);
        Ok(outside.and_then(|(_, outside)| outside).is_some_and(|outside| outside != inside))
    }
}

fn number(dir: BorrowedFd<'_>, path: &Path) -> Result<u64> {
    fstatat(dir, path, AtFlags::empty()).of(Call::CheckNamespaces).map(|seen| seen.st_ino)
}

fn below_proc(kind: Namespace) -> &'static Path {
    Path::new(file(kind).strip_prefix("/proc/").unwrap_or_default())
}

fn file(kind: Namespace) -> &'static str {
    match kind {
        Namespace::User => "/proc/self/ns/user",
        Namespace::Mount => "/proc/self/ns/mnt",
        Namespace::Pid => "/proc/self/ns/pid",
        Namespace::Network => "/proc/self/ns/net",
        Namespace::Uts => "/proc/self/ns/uts",
        Namespace::Ipc => "/proc/self/ns/ipc",
        Namespace::Cgroup => "/proc/self/ns/cgroup",
        Namespace::Time => "/proc/self/ns/time",
    }
}

/// The flags of clone(2) and unshare(2) that make these.
#[must_use]
pub fn flags(kinds: &[Namespace]) -> i32 {
    kinds.iter().fold(0, |flags, kind| flags | flag(*kind))
}

fn flag(kind: Namespace) -> i32 {
    match kind {
        Namespace::User => libc::CLONE_NEWUSER,
        Namespace::Mount => libc::CLONE_NEWNS,
        Namespace::Pid => libc::CLONE_NEWPID,
        Namespace::Network => libc::CLONE_NEWNET,
        Namespace::Uts => libc::CLONE_NEWUTS,
        Namespace::Ipc => libc::CLONE_NEWIPC,
        Namespace::Cgroup => libc::CLONE_NEWCGROUP,
        Namespace::Time => libc::CLONE_NEWTIME,
    }
}
