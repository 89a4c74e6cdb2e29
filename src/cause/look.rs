//! Looking at a file system without changing it, being led out of it, or waiting for it.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::libc;
use nix::sys::stat::{FileStat, fstat};
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, fstatfs};
use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::finding::{Finding, errno, name};
use crate::sys::{self, Call, Fault};

/// A file system, from one root directory on. No link leads out of it.
#[derive(Debug)]
pub(super) struct View {
    root: OwnedFd,
    /// The root is this process's own, so that paths mean the same to open(2).
    own: bool,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Link,
    Other(&'static str),
}

impl Kind {
    pub(super) fn of(stat: &FileStat) -> Self {
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFDIR => Self::Directory,
            libc::S_IFREG => Self::File,
            libc::S_IFLNK => Self::Link,
            libc::S_IFIFO => Self::Other("a FIFO"),
            libc::S_IFSOCK => Self::Other("a socket"),
            libc::S_IFCHR => Self::Other("a character device"),
            libc::S_IFBLK => Self::Other("a block device"),
            _ => Self::Other("something odd"),
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Directory => "a directory",
            Self::File => "a file",
            Self::Link => "a symbolic link",
            Self::Other(words) => words,
        }
    }
}

/// A link on a way that had none when the plan was made.
pub(super) fn laid(path: &Path, fault: Fault) -> Option<Finding> {
    let refused = (fault.call, fault.errno) == (Call::Openat2, Errno::ELOOP);
    let (_, links) = refused.then(|| sys::Ways::default().real(Path::new("/"), path)).flatten()?;
    let link = name(links.first()?.to_string_lossy().as_bytes());
    Some(Finding::new(
        format!("{link} is a symbolic link, which somebody has laid since it was looked at"),
        "see who else writes there",
    ))
}

/// What stands in the way of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// In words, with the culprit's name.
    pub(super) why: String,
    pub(super) errno: Errno,
}

/// How often a link is followed when it is looked where it leads.
const LINKS: u8 = 8;

impl View {
    /// This process's own.
    pub(super) fn here() -> Option<Self> {
        let root = sys::open(Path::new("/"), OFlag::O_PATH | OFlag::O_DIRECTORY).ok()?;
        Some(Self { root, own: true })
    }

    /// From this directory on.
    pub(super) fn at(root: BorrowedFd<'_>) -> Option<Self> {
        Some(Self { root: root.try_clone_to_owned().ok()?, own: false })
    }

    fn open(&self, path: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
        let path = Path::new(if path.is_empty() { "/" } else { path });
        match sys::resolve(self.root.as_fd(), path, flags, 0) {
            // The call is hidden by a filter: nobody else's links are in this process's root
            // that it could not follow anyway.
            Err(fault) if self.own && matches!(fault.errno, Errno::ENOSYS | Errno::EPERM) => {
                sys::open(path, flags).map_err(|fault| fault.errno)
            }
            other => other.map_err(|fault| fault.errno),
        }
    }

    /// What stands at `path`, links followed.
    pub(super) fn stat(&self, path: &str) -> Result<FileStat, Errno> {
        fstat(self.open(path, OFlag::O_PATH)?)
    }

    /// What kind of thing stands at `path`, links followed.
    pub(super) fn kind(&self, path: &str) -> Result<Kind, Errno> {
        self.stat(path).map(|stat| Kind::of(&stat))
    }

    /// Whether `path` itself is a symbolic link, wherever that leads.
    pub(super) fn is_link(&self, path: &str) -> bool {
        let stat = self.open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW).and_then(fstat);
        stat.is_ok_and(|stat| Kind::of(&stat) == Kind::Link)
    }

    /// The flags of the mount that `path` is on.
    pub(super) fn flags(&self, path: &str) -> FsFlags {
        let flags = self.open(path, OFlag::O_PATH).and_then(|fd| fstatvfs(&fd));
        flags.map_or(FsFlags::empty(), |found| found.flags())
    }

    /// Free blocks and, where they are counted, free inodes of the file system of `path`.
    pub(super) fn free(&self, path: &str) -> Option<(u64, Option<u64>)> {
        let found = fstatvfs(self.open(path, OFlag::O_PATH).ok()?).ok()?;
        Some((found.blocks_available(), (found.files() > 0).then(|| found.files_available())))
    }

    /// The type of the file system that `path` is on.
    pub(super) fn fs_type(&self, path: &str) -> Option<FsType> {
        fs_type_of(&self.open(path, OFlag::O_PATH).ok()?)
    }

    /// A regular file, opened for reading.
    pub(super) fn file(&self, path: &str) -> Result<std::fs::File, Errno> {
        let regular = |stat: FileStat| match Kind::of(&stat) {
            Kind::File => Ok(()),
            _ => Err(Errno::EINVAL),
        };
        regular(self.stat(path)?)?;
        let fd = self.open(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
        regular(fstat(&fd)?)?;
        Ok(fd.into())
    }

    /// The beginning of a regular file, as text.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        self.read_most(path, 64 * 1024)
    }

    /// A file that may be longer, such as the mounts of a host with a thousand of them.
    pub(super) fn read_long(&self, path: &str) -> Option<String> {
        self.read_most(path, 4 * 1024 * 1024)
    }

    fn read_most(&self, path: &str, most: u64) -> Option<String> {
        let mut bytes = Vec::new();
        self.file(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A number that stands alone in a file of the kernel's.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.trim().parse().ok()
    }

    /// The value after `key` in a file of lines `key value`.
    pub(super) fn field(&self, path: &str, key: &str) -> Option<String> {
        let text = self.read(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_start_matches([':', ' ', '\t']).trim_end().to_owned())
    }

    /// Names of entries of a directory, at most so many.
    pub(super) fn names(&self, dir: &str, most: usize) -> Vec<String> {
        let Ok(fd) = self.open(dir, OFlag::O_PATH | OFlag::O_DIRECTORY) else { return vec![] };
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let path = if self.own { dir } else { &path };
        let entries = std::fs::read_dir(path).into_iter().flatten().take(most).flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// What stands in the way of `path`, with the part of it that is to blame.
    pub(super) fn obstacle(&self, path: &str) -> Option<Obstacle> {
        self.walk(path, LINKS)
    }

    fn walk(&self, path: &str, links: u8) -> Option<Obstacle> {
        let mut before = "/".to_owned();
        let mut parts = path.split('/').filter(|part| !matches!(*part, "" | ".")).peekable();
        while let Some(part) = parts.next() {
            let here = format!("{}/{part}", before.trim_end_matches('/'));
            match self.open(&here, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
                Err(errno) => return Some(self.refused(&here, &before, errno)),
                Ok(fd) => {
                    let obstacle = self.entry(&fd, &here, parts.peek().is_none(), links);
                    if obstacle.is_some() {
                        return obstacle;
                    }
                }
            }
            before = here;
        }
        None
    }

    fn entry(&self, fd: &OwnedFd, here: &str, last: bool, links: u8) -> Option<Obstacle> {
        let kind = fstat(fd).map_or(Kind::Other("something odd"), |stat| Kind::of(&stat));
        match kind {
            Kind::Directory => None,
            Kind::Link => self.link(fd, here, last, links),
            _ if last => None,
            _ => Some(not_a_directory(here, kind)),
        }
    }

    fn link(&self, fd: &OwnedFd, here: &str, last: bool, links: u8) -> Option<Obstacle> {
        let to = readlinkat(fd, "").unwrap_or_default();
        let to = to.to_string_lossy();
        match self.kind(here) {
            Ok(Kind::Directory) => None,
            Ok(_) if last => None,
            Ok(kind) => Some(not_a_directory(here, kind)),
            Err(Errno::ELOOP) => {
                let what = if fs_type_of(fd) == Some(PROC_SUPER_MAGIC) {
                    "a link of /proc's own, which is not followed"
                } else {
                    "a symbolic link that leads in a circle"
                };
                Some(Obstacle { why: format!("{} is {what}", name(here)), errno: Errno::ELOOP })
            }
            Err(error) => {
                let dir = here.rsplit_once('/').map_or("", |(dir, _)| dir);
                let full = if to.starts_with('/') { to.to_string() } else { format!("{dir}/{to}") };
                let beyond = (links > 0).then(|| self.walk(&full, links - 1)).flatten();
                let beyond = beyond.map_or_else(|| errno(error), |beyond| beyond.why);
                let why = format!("{} is a symbolic link to {}: {beyond}", name(here), name(&*to));
                Some(Obstacle { why, errno: error })
            }
        }
    }

    fn refused(&self, here: &str, before: &str, errno_: Errno) -> Obstacle {
        let why = match errno_ {
            Errno::ENOENT => format!("{} is not there", name(here)),
            Errno::EACCES => format!("{}: {}", name(before), self.not_searchable(before)),
            Errno::ENAMETOOLONG => format!("a part of {} is longer than 255 bytes", name(here)),
            other => format!("{} can't be looked at ({})", name(here), errno(other)),
        };
        Obstacle { why, errno: errno_ }
    }

    /// Why this process may not go through the directory.
    fn not_searchable(&self, dir: &str) -> String {
        let who = nix::unistd::geteuid();
        match self.stat(dir) {
            Ok(stat) => {
                format!("this directory can't be searched by uid {who}: it {}", owner(&stat))
            }
            Err(_) => format!("this directory can't be searched by uid {who}"),
        }
    }
}

/// Whose a file is, and who may do what with it.
pub(super) fn owner(stat: &FileStat) -> String {
    let mode = stat.st_mode & 0o7777;
    let uid = (!is_foreign("uid", stat.st_uid)).then(|| format!("uid {}", stat.st_uid));
    let gid = (!is_foreign("gid", stat.st_gid)).then(|| format!("gid {}", stat.st_gid));
    match (uid, gid) {
        (Some(uid), Some(gid)) => format!("belongs to {uid}, {gid}, with mode {mode:04o}"),
        (None, Some(gid)) => {
            format!(
                "belongs to a user of the host who is not mapped in the sandbox, and {gid}, with mode {mode:04o}"
            )
        }
        (Some(uid), None) => {
            format!(
                "belongs to {uid} and a group of the host that is not mapped in the sandbox, with mode {mode:04o}"
            )
        }
        (None, None) => format!(
            "belongs to a user and group of the host who are not mapped in the sandbox, with mode {mode:04o}"
        ),
    }
}

/// What the kernel shows instead of an id that has no number in this user namespace
/// (`kernel.overflowuid`).
const OVERFLOW: u32 = 65_534;

/// The id stands for one that is not mapped here.
fn is_foreign(kind: &str, id: u32) -> bool {
    id == OVERFLOW && {
        let map = std::fs::read_to_string(format!("/proc/self/{kind}_map")).unwrap_or_default();
        !super::identity::ranges(&map).iter().any(|range| range.holds(id))
    }
}

fn fs_type_of(fd: &OwnedFd) -> Option<FsType> {
    Some(fstatfs(fd).ok()?.filesystem_type())
}

fn not_a_directory(here: &str, kind: Kind) -> Obstacle {
    let why = format!("{} is {}, not a directory", name(here), kind.words());
    Obstacle { why, errno: Errno::ENOTDIR }
}
