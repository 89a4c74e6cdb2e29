//! Places in the new root: found without leaving it, and made only in what is ours.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{ANCHORED, Anchor, AnchorKind, Content, DIRECTORY, FILE, Tree, USUAL, write_new};
use crate::sys::{self, Call, Fault, Result};

/// A directory, and a name in it.
type Top<'d, 'n> = (BorrowedFd<'d>, &'n Path);

impl<'p> Tree<'p> {
    /// The place of a mount: a directory, or a file for a file. A missing one is made with
    /// `make`.
    pub(super) fn place(
        &mut self,
        target: &'p str,
        mut make: bool,
        directory: bool,
    ) -> Result<OwnedFd> {
        if make && self.is_new(target) {
            // Most likely nobody has made it yet.
            match self.make(target, directory) {
                Ok(made) => return Ok(made),
                // It may be a link that leads nowhere, and is not made again.
                Err(fault) => make = fault.errno != Errno::EEXIST,
            }
        }
        match self.look(target, directory) {
            Err(Fault { errno: Errno::ENOENT, .. }) if make => self.make(target, directory),
            found => {
                // By a link it may be what is kept, and what is mounted there covers that.
                self.kept = None;
                self.here.set(None);
                found
            }
        }
    }

    /// It lies where nothing was before init made it, if not below a mount.
    pub(super) fn is_new(&self, target: &str) -> bool {
        match self.anchored(target) {
            Some(_) => self.top(AnchorKind::Ours, target).is_some(),
            None => self.empty_root,
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

    fn make(&mut self, target: &'p str, directory: bool) -> Result<OwnedFd> {
        let (dir, name) = self.parent(target)?;
        if directory {
            sys::mkdirat(dir, name, USUAL)?;
            return sys::openat(dir, name, OFlag::O_PATH | OFlag::O_NOFOLLOW, 0);
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        sys::openat(dir, name, flags, FILE)
    }

    /// Makes a directory. One that is there already is good.
    pub(in crate::execute) fn mkdir(&mut self, target: &'p str, mode: u32) -> Result<()> {
        let (dir, name) = self.parent(target)?;
        match sys::mkdirat(dir, name, mode) {
            Err(Fault { errno: Errno::EEXIST, .. }) => self.look(target, true).map(drop),
            Err(fault) => Err(fault),
            Ok(()) if mode & !USUAL == 0 => Ok(()),
            Ok(()) => sys::chmod(dir, name, mode),
        }
    }

    /// Makes a symbolic link.
    pub(in crate::execute) fn symlink(&mut self, target: &'p str, to: &str) -> Result<()> {
        let (dir, name) = self.parent(target)?;
        sys::symlinkat(to, dir, name)
    }

    /// Writes a file.
    pub(in crate::execute) fn write_file(
        &mut self,
        target: &'p str,
        content: Content<'_>,
    ) -> Result<()> {
        let (dir, name) = self.parent(target)?;
        write_new(dir, name, content)
    }

    /// The directory of ours that a path lies in, made if it is missing, and its name there.
    pub(super) fn parent(&mut self, target: &'p str) -> Result<Top<'_, 'p>> {
        if self.known(target).is_none() {
            let (base, path) = self.base(target)?;
            let (parents, _) = split(path);
            let dir = match open(base, parents) {
                Err(Fault { errno: Errno::ENOENT, .. }) => self.make_all(base, parents)?,
                found => found?,
            };
            self.is_ours(dir.as_fd())?;
            self.kept = Some((split(target).0, dir));
            self.here.set(None);
        }
        self.known(target).ok_or(Call::Openat2.fault(Errno::ENOENT))
    }

    /// The same where it is open already.
    pub(super) fn known<'t>(&self, target: &'t str) -> Option<Top<'_, 't>> {
        if let Some(top) = self.top(AnchorKind::Ours, target) {
            return Some(top);
        }
        let (parents, name) = split(target);
        let dir = match &self.kept {
            _ if parents.is_empty() && self.empty_root => self.root.as_ref()?,
            Some((path, dir)) if *path == parents => dir,
            _ => return None,
        };
        Some((dir.as_fd(), Path::new(name)))
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

/// What a path's last name lies in, and that name.
fn split(path: &str) -> (&str, &str) {
    path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path))
}

fn open(base: BorrowedFd<'_>, path: &str) -> Result<OwnedFd> {
    let path = if path.is_empty() { "/" } else { path };
    sys::resolve(base, Path::new(path), DIRECTORY, 0)
}
