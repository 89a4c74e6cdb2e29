//! Which namespaces a process is in.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::fcntl::{AtFlags, OFlag};
use nix::libc;
use nix::sys::stat::fstatat;

use crate::plan::Namespace;
use crate::sys::{self, Call, Named, Result};

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
        let proc = sys::open(Path::new("/proc"), OFlag::O_PATH | OFlag::O_DIRECTORY);
        let number = |kind| number(proc.as_ref().ok()?.as_fd(), kind).ok();
        Self(KINDS.map(number))
    }

    /// Whether this process, whom `proc` shows, is in another one of this kind. It may be allowed
    /// no further descriptor.
    pub(super) fn differs(self, kind: Namespace, proc: BorrowedFd<'_>) -> Result<bool> {
        let inside = number(proc, kind)?;
        let outside = KINDS.iter().zip(self.0).find(|(known, _)| **known == kind);
        Ok(outside.and_then(|(_, outside)| outside).is_some_and(|outside| outside != inside))
    }
}

fn number(proc: BorrowedFd<'_>, kind: Namespace) -> Result<u64> {
    let seen = fstatat(proc, Path::new(file(kind)), AtFlags::empty());
    seen.of(Call::CheckNamespaces).map(|seen| seen.st_ino)
}

fn file(kind: Namespace) -> &'static str {
    match kind {
        Namespace::User => "self/ns/user",
        Namespace::Mount => "self/ns/mnt",
        Namespace::Pid => "self/ns/pid",
        Namespace::Network => "self/ns/net",
        Namespace::Uts => "self/ns/uts",
        Namespace::Ipc => "self/ns/ipc",
        Namespace::Cgroup => "self/ns/cgroup",
        Namespace::Time => "self/ns/time",
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
