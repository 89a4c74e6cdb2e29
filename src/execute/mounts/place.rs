//! Places in the new root: found without leaving it, and made only in what is ours.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{ANCHORED, Anchor, AnchorKind, Content, DIRECTORY, Tree, write_new};
use crate::sys::{self, Call, Fault, Result};

const USUAL: u32 = 0o755;

/// A directory, and a name in it.
type Top<'d, 'n> = (BorrowedFd<'d>, &'n Path);

impl Tree {
    /// The place of a mount: a directory, or a file for a file. A missing one is made with
    /// `make`.
    pub(super) fn place(&self, target: &str, make: bool, directory: bool) -> Result<OwnedFd> {
        if make && self.top(AnchorKind::Ours, target).is_some() {
            // Most likely nobody has made it yet.
            return match self.make(target, directory) {
                Err(Fault { errno: Errno::EEXIST, .. }) => self.look(target, directory),
                made => made,
            };
        }
        match self.look(target, directory) {
            Err(Fault { errno: Errno::ENOENT, .. }) if make => self.make(target, directory),
            found => found,
        }
    }

    /// Looks a path up. The places of kernel file systems may be no links: through one, all that
    /// is hidden or closed below them later would be so at another place.
    pub(super) fn look(&self, target: &str, directory: bool) -> Result<OwnedFd> {
        let flags = if directory { DIRECTORY } else { OFlag::O_PATH };
        let (base, path) = self.base(target)?;
        if ANCHORED.contains(&target) {
            return sys::resolve_plain(base, Path::new(path), flags);
        }
        let found = sys::resolve(base, Path::new(path), flags, 0)?;
        if path == target {
            self.is_apart(found.as_fd())?;
        }
        Ok(found)
    }

    /// A name outside of the places of kernel file systems may not lead into one of them, nor to
    /// the root: what is put there would hide them.
    fn is_apart(&self, found: BorrowedFd<'_>) -> Result<()> {
        let linked = Call::Openat2.fault(Errno::ELOOP);
        let mount = sys::mount_of(found)?;
        for anchor in self.anchors.iter().flatten() {
            if sys::mount_of(anchor.mount.as_fd())? == mount {
                return Err(linked);
            }
        }
        let (found, root) = (sys::seen(found)?, sys::seen(self.at_root()?)?);
        let is_root = (found.st_dev, found.st_ino) == (root.st_dev, root.st_ino);
        if is_root { Err(linked) } else { Ok(()) }
    }

    /// The mount that a path is looked up in, and the path in it.
    pub(super) fn base<'t>(&self, target: &'t str) -> Result<(BorrowedFd<'_>, &'t str)> {
        match self.anchored(target) {
            Some((anchor, below)) => Ok((anchor.mount.as_fd(), below)),
            None => Ok((self.at_root()?, target)),
        }
    }

    fn anchored<'t>(&self, target: &'t str) -> Option<(&Anchor, &'t str)> {
        ANCHORED.iter().zip(&self.anchors).find_map(|(place, anchor)| {
            let below = target.strip_prefix(place).filter(|below| below.starts_with('/'));
            anchor.as_ref().zip(below)
        })
    }

    /// The file system of this kind that a path lies at the top of, and its name there: nothing
    /// leads away from it, and nothing has to be looked for.
    pub(super) fn top<'t>(&self, kind: AnchorKind, target: &'t str) -> Option<Top<'_, 't>> {
        let (anchor, below) = self.anchored(target)?;
        let name = below.strip_prefix('/')?;
        let plain = anchor.kind == kind && !name.contains('/') && !["", ".", ".."].contains(&name);
        plain.then(|| (anchor.mount.as_fd(), Path::new(name)))
    }

    fn make(&self, target: &str, directory: bool) -> Result<OwnedFd> {
        let (dir, name) = self.parent(target)?;
        if directory {
            sys::mkdirat(dir.as_fd(), name, USUAL)?;
            return sys::openat(dir.as_fd(), name, OFlag::O_PATH | OFlag::O_NOFOLLOW, 0);
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        sys::openat(dir.as_fd(), name, flags, 0o644)
    }

    /// Makes a directory. One that is there already is good.
    pub(in crate::execute) fn mkdir(&self, target: &str, mode: u32) -> Result<()> {
        let (dir, name) = self.parent(target)?;
        match sys::mkdirat(dir.as_fd(), name, mode) {
            Err(Fault { errno: Errno::EEXIST, .. }) => self.look(target, true).map(drop),
            Err(fault) => Err(fault),
            Ok(()) if mode & !USUAL == 0 => Ok(()),
            Ok(()) => sys::chmod(dir.as_fd(), name, mode),
        }
    }

    /// Makes a symbolic link.
    pub(in crate::execute) fn symlink(&self, target: &str, to: &str) -> Result<()> {
        let (dir, name) = self.parent(target)?;
        sys::symlinkat(to, dir.as_fd(), name)
    }

    /// Writes a file.
    pub(in crate::execute) fn write_file(&self, target: &str, content: Content<'_>) -> Result<()> {
        let (dir, name) = self.parent(target)?;
        write_new(dir.as_fd(), name, content)
    }

    /// The directory that a path lies in, made if it is missing, and the last name in the path.
    fn parent<'t>(&self, target: &'t str) -> Result<(Dir<'_>, &'t Path)> {
        if let Some((dir, name)) = self.top(AnchorKind::Ours, target) {
            return Ok((Dir::Anchor(dir), name));
        }
        let (base, path) = self.base(target)?;
        let (parents, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
        let dir = match open(base, parents) {
            Err(Fault { errno: Errno::ENOENT, .. }) => self.make_all(base, parents)?,
            found => found?,
        };
        self.is_ours(dir.as_fd())?;
        Ok((Dir::Opened(dir), Path::new(name)))
    }

    fn make_all(&self, base: BorrowedFd<'_>, path: &str) -> Result<OwnedFd> {
        let mut dir = open(base, "")?;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends.skip_while(|end| *end == 0) {
            let part = path.get(..end).unwrap_or(path);
            dir = match open(base, part) {
                Err(Fault { errno: Errno::ENOENT, .. }) => {
                    self.is_ours(dir.as_fd())?;
                    let name = part.rsplit('/').next().unwrap_or(part);
                    sys::mkdirat(dir.as_fd(), Path::new(name), USUAL)?;
                    open(base, part)?
                }
                found => found?,
            };
        }
        Ok(dir)
    }

    /// Nothing is made in a directory of the host's: there, what is missing stays missing.
    fn is_ours(&self, dir: BorrowedFd<'_>) -> Result<()> {
        let ours = self.ours.has(sys::seen(dir)?.st_dev);
        if ours { Ok(()) } else { Err(Call::Openat2.fault(Errno::ENOENT)) }
    }
}

/// A directory that something is made in.
enum Dir<'t> {
    Anchor(BorrowedFd<'t>),
    Opened(OwnedFd),
}

impl AsFd for Dir<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Anchor(dir) => *dir,
            Self::Opened(dir) => dir.as_fd(),
        }
    }
}

fn open(base: BorrowedFd<'_>, path: &str) -> Result<OwnedFd> {
    let path = if path.is_empty() { "/" } else { path };
    sys::resolve(base, Path::new(path), DIRECTORY, 0)
}
