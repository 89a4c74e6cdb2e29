//! The new root file system, while init builds it.
//!
//! Nothing in it is trusted. A mount is made as a descriptor that lies nowhere, and put on an inode
//! that was looked up without leaving the root; names are not looked up twice. Only a name that was
//! just made in a file system of ours, or that is the kernel's own, is mounted upon as a name:
//! nobody could have put a link there. What is written is written into file systems made here, and
//! into no directory of the host's.

mod cover;
mod place;

use std::cell::Cell;
use std::fmt::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::libc;
use nix::sys::stat::FileStat;
use nix::sys::statfs::FsType;

use super::text::Text;
use crate::plan::{
    Bind, Init, KernelMount, Layer, MAPPED_MOUNTS, MountFlags, OVERLAY_LAYERS, OWN_FILE_SYSTEMS,
    Owner, Root,
};
use crate::sys::{self, Call, Fault, Named, Result};

const OPEN: MountFlags =
    MountFlags { read_only: false, nosuid: false, nodev: false, noexec: false };
const NO_PRIVILEGE: MountFlags = MountFlags { nosuid: true, nodev: true, ..OPEN };
/// The modes of directories and files that are made to mount upon.
const USUAL: u32 = 0o755;
const FILE: u32 = 0o644;
const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

/// The magic number of devpts (linux/magic.h).
const DEVPTS: FsType = FsType(0x1cd1);

/// The places whose mounts are held by descriptor, so that what lies below them is reached
/// through that very mount, whatever the root file system does to the names.
const ANCHORED: [&str; 3] = ["/proc", "/dev", "/sys"];

/// What a file of ours gets.
#[derive(Clone, Copy)]
pub(super) struct Content<'p> {
    pub(super) text: &'p str,
    pub(super) mode: u32,
    pub(super) owner: Option<Owner>,
}

/// The new root and what it is made of.
#[derive(Default)]
pub(super) struct Tree<'p> {
    root: Option<OwnedFd>,
    /// The tmpfs out of sight that holds layers and files.
    scratch: Option<OwnedFd>,
    /// The root is a tmpfs made here, in which nothing is but what was made.
    empty_root: bool,
    /// What lies at the places of [`ANCHORED`].
    anchors: [Option<Anchor>; ANCHORED.len()],
    /// The directory of ours that something was made in last, and its path. No mount came over it.
    kept: Option<(&'p str, OwnedFd)>,
    /// The working directory, which the names of mount(2) start at.
    here: Cell<Option<RawFd>>,
    /// The device numbers of file systems that were made here.
    ours: Ours,
    /// The empty directory that was last put over another.
    empty: Option<OwnedFd>,
    /// The name in our /proc that was first covered with a node, and that node.
    covered: Option<(Text, FileStat)>,
    /// The copies that the parent handed over, in the order of the steps.
    pub(super) mapped: Mapped,
    /// Copies of the host's root, made before anything lay over it.
    roots: Mapped,
    /// How many mounts lie between the old root and the new.
    above: usize,
}

/// What lies at one of the places of [`ANCHORED`].
struct Anchor {
    mount: OwnedFd,
    kind: AnchorKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AnchorKind {
    /// Something of the host's, or of the root file system's.
    Foreign,
    /// A kernel file system made here, in which no name is anybody's.
    Kernel,
    /// A tmpfs made here, in which nothing is but what was made.
    Ours,
}

/// Mounts that wait for their step.
pub(super) struct Mapped {
    all: [Option<OwnedFd>; MAPPED_MOUNTS],
    handed: usize,
    taken: usize,
}

impl Default for Mapped {
    fn default() -> Self {
        Self { all: [const { None }; MAPPED_MOUNTS], handed: 0, taken: 0 }
    }
}

impl Mapped {
    /// Takes one in.
    pub(super) fn hand(&mut self, mount: OwnedFd) {
        if let Some(place) = self.all.get_mut(self.handed) {
            *place = Some(mount);
            self.handed += 1;
        }
    }

    fn take(&mut self) -> Result<OwnedFd> {
        let next = self.all.get_mut(self.taken).and_then(Option::take);
        self.taken += 1;
        next.ok_or(Call::OpenTree.fault(Errno::EBADF))
    }
}

struct Ours([u64; OWN_FILE_SYSTEMS], usize);

impl Default for Ours {
    fn default() -> Self {
        Self([0; OWN_FILE_SYSTEMS], 0)
    }
}

impl Ours {
    fn add(&mut self, mount: BorrowedFd<'_>) -> Result<()> {
        self.add_device(sys::seen(mount)?.st_dev)
    }

    fn add_device(&mut self, device: u64) -> Result<()> {
        let room = self.0.get_mut(self.1).ok_or(Call::Mount.fault(Errno::E2BIG))?;
        *room = device;
        self.1 += 1;
        Ok(())
    }

    fn has(&self, device: u64) -> bool {
        self.0.get(..self.1).unwrap_or_default().contains(&device)
    }
}

impl<'p> Tree<'p> {
    fn at_root(&self) -> Result<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(Call::Openat2.fault(Errno::EBADF))
    }

    /// The new root, once there is one.
    pub(super) fn seen(&self) -> Option<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd)
    }

    fn at_scratch(&self) -> Result<BorrowedFd<'_>> {
        self.scratch.as_ref().map(AsFd::as_fd).ok_or(Call::Open.fault(Errno::EBADF))
    }

    /// Mounts the scratch tmpfs.
    pub(super) fn scratch(&mut self, size: &str) -> Result<()> {
        let options = [("size", Some(size)), ("mode", Some("700"))];
        let mount = sys::filesystem("tmpfs", options.into_iter(), NO_PRIVILEGE)?;
        self.hide(mount.as_fd())?;
        self.ours.add(mount.as_fd())?;
        self.scratch = Some(mount);
        Ok(())
    }

    /// Attaches a mount where no lookup sees it: what is attached nowhere holds no layers.
    fn hide(&mut self, mount: BorrowedFd<'_>) -> Result<()> {
        sys::move_mount_over_root(mount)?;
        self.above += 1;
        Ok(())
    }

    /// Takes a new root. It lies over the old one, where no lookup sees it, until the pivot.
    pub(super) fn root(&mut self, root: &Root) -> Result<()> {
        let mount = match root {
            Root::Tmpfs { size } => {
                let options = [("size", Some(size.as_str())), ("mode", Some("755"))];
                sys::filesystem("tmpfs", options.into_iter(), NO_PRIVILEGE)?
            }
            Root::Bind { path, read_only, mapped } => {
                let tree = self.copy(path, *mapped, true)?;
                let flags = MountFlags { read_only: *read_only, ..NO_PRIVILEGE };
                sys::set_mount(tree.as_fd(), flags, OPEN, true, true)?;
                tree
            }
            Root::Overlay { lower, upper, mapped } => self.overlay(lower, upper, *mapped)?,
        };
        sys::move_mount_over_root(mount.as_fd())?;
        if !matches!(root, Root::Bind { .. }) {
            self.ours.add(mount.as_fd())?;
        }
        self.empty_root = matches!(root, Root::Tmpfs { .. });
        self.root = Some(mount);
        Ok(())
    }

    /// The layers are named by descriptor: then no character in a path is an option's, and
    /// nobody inside reads in /proc/mounts where they lie.
    fn overlay(&mut self, lower: &Path, upper: &Layer, mapped: bool) -> Result<OwnedFd> {
        let lower = self.layers(lower, mapped)?;
        let opened;
        let (dir, ours) = match upper {
            Layer::Scratch => (self.at_scratch()?, true),
            Layer::Dir(path) => {
                opened = self.layers(path, mapped)?;
                (opened.as_fd(), false)
            }
        };
        let mode = if ours { sys::seen(lower.as_fd())?.st_mode & 0o7777 } else { 0o755 };
        let (upper, work) = (layer(dir, "upper", mode)?, layer(dir, "work", 0o700)?);
        let named = |fd: &OwnedFd| Text::of(format_args!("/proc/self/fd/{}", fd.as_raw_fd()));
        let (lower, upper, work) = (named(&lower), named(&upper), named(&work));
        let options = [
            ("lowerdir", Some(lower.as_str())),
            ("upperdir", Some(upper.as_str())),
            ("workdir", Some(work.as_str())),
            ("userxattr", None),
        ];
        sys::filesystem("overlay", options.into_iter(), NO_PRIVILEGE)
    }

    /// A directory that holds a layer.
    fn layers(&mut self, path: &Path, mapped: bool) -> Result<OwnedFd> {
        if !mapped {
            return sys::open_unled(path, DIRECTORY, 0);
        }
        let mount = self.mapped.take()?;
        self.hide(mount.as_fd())?;
        Ok(mount)
    }

    /// Shows something of the host.
    pub(super) fn bind(&mut self, bind: &'p Bind) -> Result<()> {
        if let Ok(flagged) = self.bind_node(bind) {
            return flagged;
        }
        let tree = match self.copy(&bind.source, bind.mapped, bind.recursive) {
            Err(Fault { errno: Errno::ENOENT | Errno::ENOTDIR, .. }) if bind.optional => {
                return Ok(());
            }
            tree => tree?,
        };
        let directory = is_directory(tree.as_fd())?;
        let place = self.place(&bind.target, bind.make_target, directory)?;
        sys::set_mount(tree.as_fd(), bind.flags, OPEN, true, bind.recursive)?;
        sys::move_mount(tree.as_fd(), place.as_fd())?;
        self.anchor(&bind.target, tree, AnchorKind::Foreign);
        Ok(())
    }

    /// Shows a node in our /dev by mount(2), which makes no mount namespace for the copy to wait
    /// in. The outer error: nothing was mounted, and the longer way tells why. The inner one: the
    /// node is mounted and has not got its flags; a second try would put another mount above.
    fn bind_node(&self, bind: &Bind) -> Result<Result<()>> {
        let unfit = Call::Mount.fault(Errno::EINVAL);
        let (dir, name) = self.top(AnchorKind::Ours, &bind.target).ok_or(unfit)?;
        let seen = sys::seen_at(AT_FDCWD, &bind.source)?;
        let node = seen.st_mode & libc::S_IFMT == libc::S_IFCHR && sys::is_kernels(&bind.source);
        if bind.mapped || bind.recursive || !node || !bind.make_target {
            return Err(unfit);
        }
        sys::make_file(dir, name, FILE)?;
        self.enter(dir)?;
        sys::bind_here(&bind.source, name, false)?;
        Ok(sys::set_mount_at(dir, name, bind.flags))
    }

    /// Copies the host's root for this step: once a scratch or the new root lies over it, a copy
    /// would show that.
    pub(super) fn keep_root(&mut self, action: &Init) -> Result<()> {
        let (path, mapped, recursive) = match action {
            Init::Bind(bind) => (&bind.source, bind.mapped, bind.recursive),
            Init::Root(Root::Bind { path, mapped, .. }) => (path, *mapped, true),
            _ => return Ok(()),
        };
        if !mapped && is_root(path) {
            self.roots.hand(sys::copy_mount(path, recursive)?);
        }
        Ok(())
    }

    /// A copy of something of the host's, in the order of the steps.
    fn copy(&mut self, path: &Path, mapped: bool, recursive: bool) -> Result<OwnedFd> {
        if mapped {
            return self.mapped.take();
        }
        if is_root(path) {
            return self.roots.take();
        }
        sys::copy_mount(path, recursive)
    }

    /// Mounts a kernel file system.
    pub(super) fn mount(&mut self, mount: &'p KernelMount) -> Result<()> {
        if let Ok(mounted) = self.mount_by_name(mount) {
            return mounted;
        }
        let place = self.place(&mount.target, mount.make_target, true)?;
        let options = mount.options.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
        let made = if mount.fstype == "overlay" {
            layered(mount)?
        } else {
            sys::filesystem(mount.fstype, options, mount.flags)?
        };
        sys::move_mount(made.as_fd(), place.as_fd())?;
        // layered() has gone elsewhere.
        self.here.set(None);
        self.hold(mount, made)
    }

    /// The same by mount(2), which takes a third of the calls, where the place is made for it: such
    /// a name leads nowhere else. The outer error: nothing was mounted, and the longer way tells why.
    fn mount_by_name(&mut self, mount: &'p KernelMount) -> Result<Result<()>> {
        let unfit = Call::Mount.fault(Errno::EINVAL);
        let plain = mount.fstype != "overlay" && !mount.flags.read_only;
        if !plain || !mount.make_target || !self.is_new(&mount.target) {
            return Err(unfit);
        }
        let options = in_one_text(&mount.options).ok_or(unfit)?;
        let (dir, name) = self.parent(&mount.target)?;
        sys::mkdirat(dir, name, USUAL)?;
        let (dir, name) = self.known(&mount.target).ok_or(unfit)?;
        self.enter(dir)?;
        sys::mount_here(name, mount.fstype, options.as_str(), mount.flags)?;
        if ANCHORED.contains(&mount.target.as_str()) {
            let made = sys::openat(dir, name, DIRECTORY | OFlag::O_NOFOLLOW, 0);
            return Ok(made.and_then(|made| self.hold(mount, made)));
        }
        if mount.fstype != "tmpfs" {
            return Ok(Ok(()));
        }
        Ok(sys::seen_at(dir, name).and_then(|seen| self.ours.add_device(seen.st_dev)))
    }

    /// Notes a mount of a kernel file system: what may be made in it, and what lies there.
    fn hold(&mut self, mount: &KernelMount, made: OwnedFd) -> Result<()> {
        let kind = if mount.fstype == "tmpfs" {
            self.ours.add(made.as_fd())?;
            AnchorKind::Ours
        } else if mount.fstype == "overlay" {
            AnchorKind::Foreign
        } else {
            AnchorKind::Kernel
        };
        self.anchor(&mount.target, made, kind);
        Ok(())
    }

    fn anchor(&mut self, target: &str, mount: OwnedFd, kind: AnchorKind) {
        let place = ANCHORED.iter().position(|place| *place == target);
        if let Some(anchor) = place.and_then(|place| self.anchors.get_mut(place)) {
            *anchor = Some(Anchor { mount, kind });
            self.here.set(None);
        }
    }

    /// Makes `dir`, which stays open, the working directory.
    fn enter(&self, dir: BorrowedFd<'_>) -> Result<()> {
        if self.here.get() != Some(dir.as_raw_fd()) {
            nix::unistd::fchdir(dir).of(Call::Fchdir)?;
            self.here.set(Some(dir.as_raw_fd()));
        }
        Ok(())
    }

    /// Shows a file with this content. Step `n` names it in the scratch tmpfs.
    pub(super) fn file(
        &mut self,
        n: u16,
        target: &'p str,
        content: Content<'_>,
        make: bool,
    ) -> Result<()> {
        let name = Text::of(format_args!("file{n}"));
        write_new(self.at_scratch()?, name.path(), content)?;
        let file = sys::open_tree(self.at_scratch()?, name.path(), false)?;
        let place = self.place(target, make, false)?;
        sys::move_mount(file.as_fd(), place.as_fd())
    }

    /// Opens the master of a new terminal of the sandbox's own.
    pub(super) fn open_ptmx(&self) -> Result<OwnedFd> {
        let (base, path) = self.base("/dev/pts/ptmx")?;
        let seen = sys::resolve_plain(base, Path::new(path), OFlag::O_PATH)?;
        if !sys::is_filesystem(seen.as_fd(), DEVPTS)? {
            return Err(Call::CheckMount.fault(Errno::ENODEV));
        }
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        sys::resolve_plain(base, Path::new(path), flags)
    }

    /// Makes the root mount read-only.
    pub(super) fn read_only_root(&self) -> Result<()> {
        let flags = MountFlags { read_only: true, ..NO_PRIVILEGE };
        sys::set_mount(self.at_root()?, flags, OPEN, false, false)
    }

    /// Changes to the new root and lets go of the old, and of all that is not needed any more.
    pub(super) fn pivot(&mut self) -> Result<()> {
        sys::pivot_root(self.at_root()?, self.above)?;
        *self = Self::default();
        Ok(())
    }
}

/// A directory of an overlay's; it may be there from an earlier run, but as no link that somebody
/// has laid there.
fn layer(dir: BorrowedFd<'_>, name: &str, mode: u32) -> Result<OwnedFd> {
    let open = |flags| sys::resolve_plain(dir, Path::new(name), flags);
    match sys::mkdirat(dir, Path::new(name), 0o700) {
        Err(Fault { errno: Errno::EEXIST, .. }) => open(DIRECTORY),
        Err(fault) => Err(fault),
        Ok(()) => {
            let made = open(OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
            let mode = nix::sys::stat::Mode::from_bits_truncate(mode);
            nix::sys::stat::fchmod(&made, mode).of(Call::Fchmod)?;
            Ok(made)
        }
    }
}

/// The options as mount(2) takes them: each is one, and stays so in a text of all; none where one
/// would not, or where they are too long.
fn in_one_text(options: &[(String, Option<String>)]) -> Option<Text> {
    let mut text = Text::empty();
    for (n, (key, value)) in options.iter().enumerate() {
        let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if !plain || value.as_ref().is_some_and(|value| value.contains(',')) {
            return None;
        }
        let comma = if n == 0 { "" } else { "," };
        match value {
            Some(value) => write!(text, "{comma}{key}={value}"),
            None => write!(text, "{comma}{key}"),
        }
        .ok()?;
    }
    Some(text)
}

/// An overlay whose layers are named by descriptor, so that no link is followed that was laid since
/// they were looked at.
fn layered(mount: &KernelMount) -> Result<OwnedFd> {
    // An option has 256 bytes (fsconfig(2)), and so the names are short.
    nix::unistd::chdir("/proc/self").of(Call::Chdir)?;
    let mut held = [const { None }; OVERLAY_LAYERS + 2];
    let mut free = held.iter_mut();
    let (mut lower, mut upper, mut work) = (Text::empty(), Text::empty(), Text::empty());
    for (key, value) in &mount.options {
        let named = match key.as_str() {
            "lowerdir" => &mut lower,
            "upperdir" => &mut upper,
            "workdir" => &mut work,
            _ => continue,
        };
        each_layer(value.as_deref().unwrap_or_default(), |path| {
            let place = free.next().ok_or(Call::Fsconfig.fault(Errno::E2BIG))?;
            let layer = sys::open_unled(path, DIRECTORY, 0);
            let layer = layer.map_err(|fault| Call::Fsconfig.fault(fault.errno))?;
            let colon = if named.bytes().is_empty() { "" } else { ":" };
            let number = place.insert(layer).as_raw_fd();
            let written = write!(named, "{colon}fd/{number}");
            written.map_err(|_| Call::Fsconfig.fault(Errno::E2BIG))
        })?;
    }
    let options = mount.options.iter().map(|(key, value)| match key.as_str() {
        "lowerdir" => (key.as_str(), Some(lower.as_str())),
        "upperdir" => (key.as_str(), Some(upper.as_str())),
        "workdir" => (key.as_str(), Some(work.as_str())),
        _ => (key.as_str(), value.as_deref()),
    });
    sys::filesystem(mount.fstype, options, mount.flags)
}

/// Takes an option of overlay's apart, in which `\` stands before a colon that is none
/// (Documentation/filesystems/overlayfs.rst).
fn each_layer(value: &str, mut act: impl FnMut(&Path) -> Result<()>) -> Result<()> {
    let (mut path, mut length) = ([0; libc::PATH_MAX.unsigned_abs() as usize], 0);
    let mut bytes = value.bytes();
    loop {
        let byte = match bytes.next() {
            Some(b'\\') => bytes.next(),
            Some(b':') | None => {
                let whole = path.get(..length).unwrap_or_default();
                act(Path::new(std::ffi::OsStr::from_bytes(whole)))?;
                if bytes.len() == 0 {
                    return Ok(());
                }
                length = 0;
                continue;
            }
            byte => byte,
        };
        let place = path.get_mut(length).ok_or(Call::Fsconfig.fault(Errno::ENAMETOOLONG))?;
        *place = byte.unwrap_or_default();
        length += 1;
    }
}

fn is_root(path: &Path) -> bool {
    path.components().eq([std::path::Component::RootDir])
}

fn is_directory(fd: BorrowedFd<'_>) -> Result<bool> {
    Ok(sys::seen(fd)?.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

/// Writes a file that was not there.
fn write_new(dir: BorrowedFd<'_>, name: &Path, content: Content<'_>) -> Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    // The umask leaves such modes as they are.
    let usual = content.mode & !USUAL == 0;
    let file = sys::openat(dir, name, flags, if usual { content.mode } else { 0o600 })?;
    sys::write_all(file.as_fd(), content.text.as_bytes())?;
    if let Some(Owner { uid, gid }) = content.owner {
        nix::unistd::fchown(file, Some(uid.into()), Some(gid.into())).of(Call::Fchown)?;
    }
    if usual { Ok(()) } else { sys::chmod(dir, name, content.mode) }
}
