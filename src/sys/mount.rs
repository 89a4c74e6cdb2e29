//! Mounts, by descriptors.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::libc;

use super::{Call, Fault, Named, Result, c};
use crate::plan::MountFlags;

/// A copy of the mount at `path` (of all below it, too, with `recursive`), attached nowhere.
pub fn open_tree(dir: BorrowedFd<'_>, path: &Path, recursive: bool) -> Result<OwnedFd> {
    let below = if recursive { libc::AT_RECURSIVE.unsigned_abs() } else { 0 };
    let empty = if path.as_os_str().is_empty() { libc::AT_EMPTY_PATH.unsigned_abs() } else { 0 };
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | below | empty;
    c(Call::OpenTree, path, |path| {
        let dir = dir.as_raw_fd();
        // SAFETY: `path` is a C string that outlives the call.
        Call::OpenTree.fd(unsafe { libc::syscall(libc::SYS_open_tree, dir, path.as_ptr(), flags) })
    })
}

impl MountFlags {
    fn attributes(self) -> u64 {
        [
            (self.read_only, libc::MOUNT_ATTR_RDONLY),
            (self.nosuid, libc::MOUNT_ATTR_NOSUID),
            (self.nodev, libc::MOUNT_ATTR_NODEV),
            (self.noexec, libc::MOUNT_ATTR_NOEXEC),
        ]
        .iter()
        .filter(|(set, _)| *set)
        .fold(0, |all, (_, flag)| all | flag)
    }
}

/// A new kernel file system, attached nowhere.
pub fn filesystem<'o>(
    fstype: &str,
    options: impl Iterator<Item = (&'o str, Option<&'o str>)>,
    flags: MountFlags,
) -> Result<OwnedFd> {
    let fs = open_filesystem(fstype)?;
    for (key, value) in options {
        set_option(&fs, key, value)?;
    }
    configure(&fs, libc::FSCONFIG_CMD_CREATE, None, None)?;
    let fs = fs.as_raw_fd();
    // SAFETY: no pointers.
    Call::Fsmount.fd(unsafe {
        libc::syscall(libc::SYS_fsmount, fs, libc::FSMOUNT_CLOEXEC, flags.attributes())
    })
}

/// Whether a file system of this type takes the option, asked of one that is never made.
pub fn takes_option(fstype: &str, key: &str, value: Option<&str>) -> Result<()> {
    let fs = open_filesystem(fstype)?;
    set_option(&fs, key, value)
}

fn open_filesystem(fstype: &str) -> Result<OwnedFd> {
    c(Call::Fsopen, fstype, |fstype| {
        let flags = libc::FSOPEN_CLOEXEC;
        // SAFETY: `fstype` is a C string that outlives the call.
        Call::Fsopen.fd(unsafe { libc::syscall(libc::SYS_fsopen, fstype.as_ptr(), flags) })
    })
}

fn set_option(fs: &OwnedFd, key: &str, value: Option<&str>) -> Result<()> {
    c(Call::Fsconfig, key, |key| match value {
        None => configure(fs, libc::FSCONFIG_SET_FLAG, Some(key), None),
        Some(value) => c(Call::Fsconfig, value, |value| {
            configure(fs, libc::FSCONFIG_SET_STRING, Some(key), Some(value))
        }),
    })
}

fn configure(fs: &OwnedFd, command: u32, key: Option<&CStr>, value: Option<&CStr>) -> Result<()> {
    let key = key.map_or(std::ptr::null(), CStr::as_ptr);
    let value = value.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: each pointer is null or a C string that outlives the call.
    let returned =
        unsafe { libc::syscall(libc::SYS_fsconfig, fs.as_raw_fd(), command, key, value, 0) };
    Call::Fsconfig.check(returned).map(drop)
}

/// Sets flags of a mount (of all below it, too, with `recursive`), and with `private` takes it
/// out of every peer group, so that what the host mounts later does not appear in it.
pub fn set_mount(
    mount: BorrowedFd<'_>,
    flags: MountFlags,
    clear: MountFlags,
    private: bool,
    recursive: bool,
) -> Result<()> {
    let attributes = libc::mount_attr {
        attr_set: flags.attributes(),
        attr_clr: clear.attributes(),
        propagation: if private { libc::MS_PRIVATE } else { 0 },
        userns_fd: 0,
    };
    let at = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let (fd, empty, size) = (mount.as_raw_fd(), c"".as_ptr(), size_of_val(&attributes));
    // SAFETY: `attributes` is whole, and it and the empty string outlive the call.
    let returned = unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd, empty, at, &raw const attributes, size)
    };
    Call::MountSetattr.check(returned).map(drop)
}

/// Sets flags of the mount at `name`, and of all below it, and takes them out of every peer group.
pub fn set_mount_at(dir: BorrowedFd<'_>, name: &Path, flags: MountFlags) -> Result<()> {
    let attributes = libc::mount_attr {
        attr_set: flags.attributes(),
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let at = libc::AT_SYMLINK_NOFOLLOW | libc::AT_RECURSIVE;
    c(Call::MountSetattr, name, |name| {
        let (dir, name, size) = (dir.as_raw_fd(), name.as_ptr(), size_of_val(&attributes));
        // SAFETY: `attributes` is whole, and it and `name` outlive the call.
        let returned = unsafe {
            libc::syscall(libc::SYS_mount_setattr, dir, name, at, &raw const attributes, size)
        };
        Call::MountSetattr.check(returned).map(drop)
    })
}

/// Mounts a new kernel file system at `name` in the working directory. It is never read-only: that
/// would be the file system itself, not the mount.
pub fn mount_here(name: &Path, fstype: &str, options: &str, flags: MountFlags) -> Result<()> {
    use nix::mount::{MsFlags, mount};
    let set = [
        (flags.nosuid, MsFlags::MS_NOSUID),
        (flags.nodev, MsFlags::MS_NODEV),
        (flags.noexec, MsFlags::MS_NOEXEC),
    ];
    let flags = set.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag).collect();
    mount(Some(fstype), name, Some(fstype), flags, Some(options)).of(Call::Mount)
}

/// Shows what is at `from` at `to` in the working directory, too.
pub fn bind_here(from: &Path, to: &Path, recursive: bool) -> Result<()> {
    use nix::mount::{MsFlags, mount};
    let below = if recursive { MsFlags::MS_REC } else { MsFlags::empty() };
    let none = None::<&str>;
    mount(Some(from), to, none, MsFlags::MS_BIND | below, none).of(Call::Mount)
}

/// Maps the ids of a mount that is attached nowhere as the user namespace `ids` does: what
/// belongs to an id inside, read as an id of the file system's, is shown as that id. A copy of a
/// shared mount is shared, too, and leaves its peer group here: what is mounted upon it in a
/// sandbox would appear on the host.
pub fn map_mount(mount: BorrowedFd<'_>, ids: BorrowedFd<'_>, recursive: bool) -> Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: u64::from(ids.as_raw_fd().unsigned_abs()),
    };
    let at = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let (fd, empty, size) = (mount.as_raw_fd(), c"".as_ptr(), size_of_val(&attributes));
    // SAFETY: `attributes` is whole, and it and the empty string outlive the call.
    let returned = unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd, empty, at, &raw const attributes, size)
    };
    Call::MountSetattr.check(returned).map(drop)
}

/// Attaches a mount at `place`.
pub fn move_mount(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let (mount, place, empty) = (mount.as_raw_fd(), place.as_raw_fd(), c"".as_ptr());
    // SAFETY: the empty string outlives the call.
    let returned =
        unsafe { libc::syscall(libc::SYS_move_mount, mount, empty, place, empty, flags) };
    Call::MoveMount.check(returned).map(drop)
}

/// Attaches a mount over the present root, where lookups from / don't see it.
pub fn move_mount_over_root(mount: BorrowedFd<'_>) -> Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
    let (mount, empty, root) = (mount.as_raw_fd(), c"".as_ptr(), c"/".as_ptr());
    // SAFETY: the strings outlive the call.
    let returned =
        unsafe { libc::syscall(libc::SYS_move_mount, mount, empty, libc::AT_FDCWD, root, flags) };
    Call::MoveMount.check(returned).map(drop)
}

/// Opens `path` inside `root`: links, even absolute ones and `..`, never lead out of it
/// (openat2(2), RESOLVE_IN_ROOT). With O_PATH nothing is opened that could block or act.
pub fn resolve(root: BorrowedFd<'_>, path: &Path, flags: OFlag, mode: u32) -> Result<OwnedFd> {
    openat2(root, path, flags, mode, libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS)
}

/// Opens `path` inside `root` where it is no symbolic link, and none leads to it.
pub fn resolve_plain(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> Result<OwnedFd> {
    openat2(root, path, flags, 0, libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS)
}

/// Opens an absolute path in which nothing may be a symbolic link, but for what the kernel itself
/// names so: the planner has followed all others, and one that stands there now was laid since.
pub fn open_unled(path: &Path, flags: OFlag, mode: u32) -> Result<OwnedFd> {
    if super::is_kernels(path) {
        return super::openat(AT_FDCWD, path, flags, mode);
    }
    let mode = if flags.contains(OFlag::O_CREAT) { mode } else { 0 };
    openat2(AT_FDCWD, path, flags, mode, libc::RESOLVE_NO_SYMLINKS)
}

/// A copy of the mount at an absolute path (of all below it, too, with `recursive`), attached
/// nowhere; opened as [`open_unled`] does.
pub fn copy_mount(path: &Path, recursive: bool) -> Result<OwnedFd> {
    if super::is_kernels(path) {
        return open_tree(AT_FDCWD, path, recursive);
    }
    // As a directory first: what is mounted by being looked at is mounted then (autofs(5)).
    let there = match open_unled(path, OFlag::O_PATH | OFlag::O_DIRECTORY, 0) {
        Err(Fault { errno: Errno::ENOTDIR, .. }) => open_unled(path, OFlag::O_PATH, 0),
        there => there,
    }?;
    open_tree(std::os::fd::AsFd::as_fd(&there), Path::new(""), recursive)
}

/// How often a lookup is made anew that a rename elsewhere has disturbed.
const TRIES: u32 = 128;

fn openat2(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    mode: u32,
    resolve: u64,
) -> Result<OwnedFd> {
    // SAFETY: zero is a valid value of every field.
    let mut how: libc::open_how = unsafe { MaybeUninit::zeroed().assume_init() };
    how.flags = u64::from((flags | OFlag::O_CLOEXEC).bits().unsigned_abs());
    how.mode = mode.into();
    how.resolve = resolve;
    c(Call::Openat2, path, |path| {
        let (root, size) = (root.as_raw_fd(), size_of_val(&how));
        let open = || {
            // SAFETY: `path` and `how` outlive the call.
            let fd = unsafe {
                libc::syscall(libc::SYS_openat2, root, path.as_ptr(), &raw const how, size)
            };
            Call::Openat2.fd(fd)
        };
        for _ in 0..TRIES {
            match open() {
                Err(Fault { errno: Errno::EAGAIN, .. }) => {}
                other => return other,
            }
        }
        open()
    })
}

/// Makes all mounts of this namespace private.
pub fn private_mounts() -> Result<()> {
    use nix::mount::{MsFlags, mount};
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).of(Call::Mount)
}

/// Makes `root` this process's root, and lets go of the old one and of the `above` mounts that
/// were stacked on it. What stays stacked on the new root would be reached by `/..`.
pub fn pivot_root(root: BorrowedFd<'_>, above: usize) -> Result<()> {
    use nix::mount::{MntFlags, umount2};
    nix::unistd::fchdir(root).of(Call::Fchdir)?;
    // The old root is stacked on the new, at "/", and taken off from above.
    nix::unistd::pivot_root(".", ".").of(Call::PivotRoot)?;
    for _ in 0..=above {
        umount2(".", MntFlags::MNT_DETACH).of(Call::Umount2)?;
    }
    nix::unistd::chdir("/").of(Call::Chdir)?;
    let alone = mount_of(root)? == mount_id(AT_FDCWD, c"/..")?;
    if alone { Ok(()) } else { Err(Call::CheckMount.fault(Errno::ESTALE)) }
}

/// The number of the mount that `fd` lies in.
pub fn mount_of(fd: BorrowedFd<'_>) -> Result<u64> {
    mount_id(fd, c"")
}

/// The number of the mount that a path leads to (statx(2)).
fn mount_id(dir: BorrowedFd<'_>, path: &CStr) -> Result<u64> {
    // SAFETY: zero is a valid value of every field.
    let mut seen: libc::statx = unsafe { MaybeUninit::zeroed().assume_init() };
    let (dir, flags) = (dir.as_raw_fd(), libc::AT_EMPTY_PATH);
    // SAFETY: `path` and `seen` outlive the call.
    let returned =
        unsafe { libc::statx(dir, path.as_ptr(), flags, libc::STATX_MNT_ID, &raw mut seen) };
    Call::CheckMount.check(returned.into())?;
    if seen.stx_mask & libc::STATX_MNT_ID == 0 {
        return Err(Call::CheckMount.fault(Errno::ENOSYS));
    }
    Ok(seen.stx_mnt_id)
}

/// The file system behind `fd` is the one with this magic number (statfs(2)).
pub fn is_filesystem(fd: BorrowedFd<'_>, magic: nix::sys::statfs::FsType) -> Result<bool> {
    Ok(nix::sys::statfs::fstatfs(fd).of(Call::Fstatfs)?.filesystem_type() == magic)
}

/// The mount through which `fd` was opened is read-only.
pub fn is_read_only(fd: BorrowedFd<'_>) -> Result<bool> {
    let flags = nix::sys::statvfs::fstatvfs(fd).of(Call::Fstatfs)?.flags();
    Ok(flags.contains(nix::sys::statvfs::FsFlags::ST_RDONLY))
}

/// The same of what `name` shows in the working directory, which must be no link.
pub fn is_read_only_here(name: &Path) -> Result<bool> {
    let flags = nix::sys::statvfs::statvfs(name).of(Call::Fstatfs)?.flags();
    Ok(flags.contains(nix::sys::statvfs::FsFlags::ST_RDONLY))
}
