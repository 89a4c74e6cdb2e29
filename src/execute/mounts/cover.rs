//! Parts of kernel file systems that are hidden, or closed to writes.
//!
//! The very inode that was looked at is covered, and the name is looked up once more afterwards:
//! what was swapped in between is noticed (CVE-2025-31133, CVE-2025-52565, CVE-2025-52881).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::FileStat;

use super::{AnchorKind, MountFlags, NO_PRIVILEGE, OPEN, Text, Tree, is_directory};
use crate::sys::{self, Call, Fault, Result};

const SHUT: MountFlags = MountFlags { read_only: true, noexec: true, ..NO_PRIVILEGE };
/// The node of a mask: its mode and times are the host's.
const NODE: MountFlags = MountFlags { nodev: false, ..SHUT };
const READ_ONLY: MountFlags = MountFlags { read_only: true, ..OPEN };

impl Tree<'_> {
    /// Hides what is at `target` under `null`, or under an empty directory.
    pub(in crate::execute) fn mask(&mut self, target: &str, null: BorrowedFd<'_>) -> Result<()> {
        if let Some(done) = self.mask_again(target) {
            return done;
        }
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
        let node = sys::seen(cover.as_fd())?;
        self.shows(target, &node)?;
        if directory {
            self.empty = Some(cover);
        } else if self.top(AnchorKind::Kernel, target).is_some() {
            self.covered = Some((Text::of(format_args!("{target}")), node));
        }
        Ok(())
    }

    /// Hides a file beside one that is hidden already, under the same node, where both are names
    /// of a kernel file system of our own: there a name means the same inode from call to call,
    /// and mount(2) takes a quarter of the time.
    fn mask_again(&self, target: &str) -> Option<Result<()>> {
        let (dir, name) = self.top(AnchorKind::Kernel, target)?;
        let (first, node) = self.covered.as_ref()?;
        let (beside, cover) = self.top(AnchorKind::Kernel, first.as_str())?;
        if beside.as_raw_fd() != dir.as_raw_fd() {
            return None;
        }
        match sys::seen_at(dir, name) {
            Err(Fault { errno: Errno::ENOENT, .. }) => return Some(Ok(())),
            Ok(seen) if seen.st_mode & libc::S_IFMT == libc::S_IFREG => {}
            _ => return None,
        }
        let same = || {
            self.enter(dir)?;
            sys::bind_here(cover, name, false)?;
            is_same(&sys::seen_at(dir, name)?, node)
        };
        Some(same())
    }

    /// Binds what is at `target` over itself, read-only.
    pub(in crate::execute) fn read_only_path(&self, target: &str) -> Result<()> {
        if let Some(done) = self.close_name(target) {
            return done;
        }
        let Some(place) = self.there(target)? else { return Ok(()) };
        let cover = sys::open_tree(place.as_fd(), Path::new(""), true)?;
        sys::set_mount(cover.as_fd(), READ_ONLY, OPEN, true, true)?;
        sys::move_mount(cover.as_fd(), place.as_fd())?;
        let now = self.shows(target, &sys::seen(cover.as_fd())?)?;
        is_closed(sys::is_read_only(now.as_fd())?)
    }

    /// The same for a name of a kernel file system of our own, as in [`Self::mask_again`].
    fn close_name(&self, target: &str) -> Option<Result<()>> {
        let (dir, name) = self.top(AnchorKind::Kernel, target)?;
        let before = match sys::seen_at(dir, name) {
            Err(Fault { errno: Errno::ENOENT, .. }) => return Some(Ok(())),
            Ok(seen) if seen.st_mode & libc::S_IFMT != libc::S_IFLNK => seen,
            _ => return None,
        };
        let close = || {
            self.enter(dir)?;
            sys::bind_here(name, name, true)?;
            sys::set_mount_at(dir, name, READ_ONLY)?;
            is_same(&sys::seen_at(dir, name)?, &before)?;
            is_closed(sys::is_read_only_here(name)?)
        };
        Some(close())
    }

    /// What is at `target`, if anything is.
    fn there(&self, target: &str) -> Result<Option<OwnedFd>> {
        match self.look(target, false) {
            Err(Fault { errno: Errno::ENOENT | Errno::ENOTDIR, .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// What the name shows now, which must be what covers it.
    fn shows(&self, target: &str, cover: &FileStat) -> Result<OwnedFd> {
        let now = self.look(target, false)?;
        is_same(&sys::seen(now.as_fd())?, cover)?;
        Ok(now)
    }
}

/// The name shows what was put there.
fn is_same(now: &FileStat, wanted: &FileStat) -> Result<()> {
    let same = (now.st_dev, now.st_ino) == (wanted.st_dev, wanted.st_ino);
    if same { Ok(()) } else { Err(Call::CheckMount.fault(Errno::ESTALE)) }
}

fn is_closed(closed: bool) -> Result<()> {
    if closed { Ok(()) } else { Err(Call::CheckMount.fault(Errno::ESTALE)) }
}

/// An empty directory that nobody can write to.
fn empty() -> Result<OwnedFd> {
    let options = [("size", Some("4k")), ("nr_inodes", Some("1")), ("mode", Some("555"))];
    sys::filesystem("tmpfs", options.into_iter(), SHUT)
}
