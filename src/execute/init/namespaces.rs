//! Which namespaces a process is in.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;

use crate::plan::Namespace;
use crate::sys::{self, Call, Result};

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
pub(super) struct Namespaces([Option<u64>; KINDS.len()]);

impl Namespaces {
    /// How many bytes they are in a message.
    pub(super) const SIZE: usize = KINDS.len() * size_of::<u64>();

    /// As they are in a message; no number is 0.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0.into_iter().flat_map(|number| number.unwrap_or_default().to_le_bytes())
    }

    /// Read from a message.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut all = Self::default();
        for (number, bytes) in all.0.iter_mut().zip(bytes.as_chunks().0) {
            *number = Some(u64::from_le_bytes(*bytes)).filter(|number| *number != 0);
        }
        all
    }

    /// This process's own.
    pub(super) fn own() -> Self {
        let proc = sys::open(Path::new("/proc"), OFlag::O_PATH | OFlag::O_DIRECTORY);
        let Ok(proc) = proc else { return Self::default() };
        let links = Links::of(proc.as_fd());
        Self(KINDS.map(|kind| links.number(kind).ok()))
    }

    /// Whether this process, whose links these are, is in other ones of all these kinds.
    pub(super) fn differ(self, kinds: &[Namespace], links: &Links<'_>) -> Result<bool> {
        for kind in kinds {
            let inside = links.number(*kind)?;
            let outside = KINDS.iter().zip(self.0).find(|(known, _)| *known == kind);
            if outside.and_then(|(_, outside)| outside).is_none_or(|outside| outside == inside) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The links of this process's namespaces.
pub(super) struct Links<'p> {
    proc: BorrowedFd<'p>,
    /// Their directory: from there to them is a third faster than from /proc. None where this
    /// process is allowed no further descriptor.
    directory: Option<OwnedFd>,
}

impl<'p> Links<'p> {
    /// Whom `proc` shows is this process.
    pub(super) fn of(proc: BorrowedFd<'p>) -> Self {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        Self { proc, directory: sys::openat(proc, Path::new(DIRECTORY), flags, 0).ok() }
    }

    /// As the link has it, "user:[4026531837]": to follow it would make an inode of it, which
    /// takes five times as long.
    fn number(&self, kind: Namespace) -> Result<u64> {
        let path = path(kind);
        let short = path.strip_prefix(DIRECTORY).and_then(|path| path.strip_prefix('/'));
        let (from, path) = match (&self.directory, short) {
            (Some(directory), Some(short)) => (directory.as_fd(), short),
            _ => (self.proc, path),
        };
        let mut text = [0; 64];
        let link = sys::read_link(from, Path::new(path), &mut text)?;
        let number =
            link.split(|byte| *byte == b'[').nth(1).and_then(|rest| rest.strip_suffix(b"]"));
        let number = number.and_then(|number| str::from_utf8(number).ok()?.parse().ok());
        number.ok_or(Call::CheckNamespaces.fault(Errno::EINVAL))
    }
}

const DIRECTORY: &str = "self/ns";

fn path(kind: Namespace) -> &'static str {
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
