//! Parts of kernel file systems that are hidden, or closed to writes.
//!
//! The very inode that was looked at is covered, and the name is looked up once more afterwards:
//! what was swapped in between is noticed (CVE-2025-31133, CVE-2025-52565, CVE-2025-52881).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::{MountFlags, NO_PRIVILEGE, OPEN, Tree, is_directory};
use crate::sys::{self, Call, Fault, Result};

const SHUT: MountFlags = MountFlags { read_only: true, noexec: true, ..NO_PRIVILEGE };
/// The node of a mask: its mode and times are the host's.
const NODE: MountFlags = MountFlags { nodev: false, ..SHUT };
const READ_ONLY: MountFlags = MountFlags { read_only: true, ..OPEN };

impl Tree {
    /// Hides what is at `target` under `null`, or under an empty directory.
    pub(in crate::execute) fn mask(&mut self, target: &str, null: BorrowedFd<'_>) -> Result<()> {
        let Some(place) = self.there(target)? else { return Ok(()) };
        let directory = is_directory(place.as_fd())?;
        let cover = match &self.empty {
            _ if !directory => {
                let cover = sys::open_tree(null, Path::new(""), false)?;
                sys::set_mount(cover.as_fd(), NODE, OPEN, true, false)?;
                cover
            }
            Some(empty) => sys::open_tree(empty.as_fd(), Path::new(""), false)?,
            None => empty()?,
        };
        sys::move_mount(cover.as_fd(), place.as_fd())?;
        self.shows(target, cover.as_fd())?;
        if directory {
            self.empty = Some(cover);
        }
        Ok(())
    }

    /// Binds what is at `target` over itself, read-only.
    pub(in crate::execute) fn read_only_path(&self, target: &str) -> Result<()> {
        let Some(place) = self.there(target)? else { return Ok(()) };
        let cover = sys::open_tree(place.as_fd(), Path::new(""), true)?;
        sys::set_mount(cover.as_fd(), READ_ONLY, OPEN, true, true)?;
        sys::move_mount(cover.as_fd(), place.as_fd())?;
        let now = self.shows(target, cover.as_fd())?;
        let closed = sys::is_read_only(now.as_fd())?;
        if closed { Ok(()) } else { Err(Call::CheckMount.fault(Errno::ESTALE)) }
    }

    /// What is at `target`, if anything is.
    fn there(&self, target: &str) -> Result<Option<OwnedFd>> {
        match self.look(target, false) {
            Err(Fault { errno: Errno::ENOENT | Errno::ENOTDIR, .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// What the name shows now, which must be what `cover` is.
    fn shows(&self, target: &str, cover: BorrowedFd<'_>) -> Result<OwnedFd> {
        let now = self.look(target, false)?;
        let (seen, wanted) = (sys::seen(now.as_fd())?, sys::seen(cover)?);
        let same = (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino);
        if same { Ok(now) } else { Err(Call::CheckMount.fault(Errno::ESTALE)) }
    }
}

/// An empty directory that nobody can write to.
fn empty() -> Result<OwnedFd> {
    let options = [("size", Some("4k")), ("nr_inodes", Some("1")), ("mode", Some("555"))];
    sys::filesystem("tmpfs", options.into_iter(), SHUT)
}
