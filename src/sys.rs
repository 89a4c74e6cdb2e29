//! The kernel, made safe: the only unsafe code of the crate.
//!
//! Every function here is one system call, or two that are never apart. Those that init uses
//! do not allocate, so they may stand between clone and exec. A call that fails tells which
//! call it was; what was being done with it, its caller knows.
#![allow(unsafe_code, reason = "this is the fence")]

use std::ffi::{CStr, CString, OsStr, c_char, c_long};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::libc;

use crate::plan::MountFlags;

macro_rules! calls {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// The system calls, as numbers small enough to send in a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "each has a manual page")]
        pub enum Call { $($name),* }

        impl Call {
            const ALL: &[Self] = &[$(Self::$name),*];

            /// The call with number `n`.
            #[must_use]
            pub fn number(n: u8) -> Option<Self> {
                Self::ALL.get(usize::from(n)).copied()
            }
        }

        impl fmt::Display for Call {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text),* })
            }
        }
    };
}

calls! {
    Capset = "capset", Chdir = "chdir", Clone3 = "clone3", CloseRange = "close_range", Dup2 = "dup2",
    Execve = "execve", Fchdir = "fchdir", Fchmod = "fchmod", Fork = "fork", Fsconfig = "fsconfig",
    Fsmount = "fsmount", Fsopen = "fsopen", Ioctl = "ioctl", Kill = "kill", Mkdir = "mkdir",
    Mount = "mount", MountSetattr = "mount_setattr", MoveMount = "move_mount",
    Newgidmap = "newgidmap", Newuidmap = "newuidmap", Open = "open", Openat2 = "openat2",
    OpenTree = "open_tree", Pipe = "pipe", PivotRoot = "pivot_root", Poll = "poll",
    Prctl = "prctl", Read = "read", Rmdir = "rmdir", Sendmsg = "sendmsg", Setgroups = "setgroups",
    Sethostname = "sethostname", Setns = "setns", Setpriority = "setpriority",
    Setresgid = "setresgid", Setresuid = "setresuid", Setrlimit = "setrlimit", Setsid = "setsid",
    Sigaction = "sigaction", Sigprocmask = "sigprocmask", Signalfd = "signalfd",
    Socket = "socket", Socketpair = "socketpair", Symlink = "symlink", Tcsetattr = "tcsetattr",
    Timerfd = "timerfd", Umount2 = "umount2", Unshare = "unshare", Waitid = "waitid",
    Write = "write", Eventfd = "eventfd",
}

/// A call that failed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The call.
    pub call: Call,
    /// The kernel's reason.
    pub errno: Errno,
}

/// What a call returns.
pub type Result<T> = std::result::Result<T, Fault>;

impl Call {
    /// This call failed with `errno`.
    #[must_use]
    pub fn fault(self, errno: Errno) -> Fault {
        Fault { call: self, errno }
    }

    fn check(self, returned: c_long) -> Result<c_long> {
        if returned < 0 { Err(self.fault(Errno::last())) } else { Ok(returned) }
    }

    fn fd(self, returned: c_long) -> Result<OwnedFd> {
        let fd = self.check(returned)?;
        let fd = RawFd::try_from(fd).map_err(|_| self.fault(Errno::EOVERFLOW))?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// Names the call that an error of nix's comes from.
pub trait Named<T> {
    /// The result, with the call's name in its error.
    fn of(self, call: Call) -> Result<T>;
}

impl<T> Named<T> for nix::Result<T> {
    fn of(self, call: Call) -> Result<T> {
        self.map_err(|errno| call.fault(errno))
    }
}

/// Lends `text` as a C string from the stack.
fn c<T>(call: Call, text: impl AsRef<OsStr>, lend: impl FnOnce(&CStr) -> Result<T>) -> Result<T> {
    let bytes = text.as_ref().as_bytes();
    let mut buffer = [0u8; libc::PATH_MAX as usize];
    let room = buffer.get_mut(..bytes.len()).ok_or(call.fault(Errno::ENAMETOOLONG))?;
    room.copy_from_slice(bytes);
    let text = buffer.get(..=bytes.len()).ok_or(call.fault(Errno::ENAMETOOLONG))?;
    lend(CStr::from_bytes_with_nul(text).map_err(|_| call.fault(Errno::EINVAL))?)
}

/// Opens a file, close-on-exec.
pub fn open(path: &Path, flags: OFlag) -> Result<OwnedFd> {
    openat(AT_FDCWD, path, flags, 0)
}

/// Opens a file relative to `dir`, close-on-exec.
pub fn openat(dir: BorrowedFd<'_>, path: &Path, flags: OFlag, mode: u32) -> Result<OwnedFd> {
    c(Call::Open, path, |path| {
        let flags = (flags | OFlag::O_CLOEXEC).bits();
        // SAFETY: `path` is a C string that outlives the call.
        let fd = unsafe { libc::openat(dir.as_raw_fd(), path.as_ptr(), flags, mode) };
        Call::Open.fd(fd.into())
    })
}

/// Writes the whole of `value` to a file that exists, in one call as kernel files want it.
pub fn write_file(path: &Path, value: &[u8]) -> Result<()> {
    let file = open(path, OFlag::O_WRONLY)?;
    write_once(file.as_fd(), value)
}

/// Writes the whole of `value` in one call.
pub fn write_once(fd: BorrowedFd<'_>, value: &[u8]) -> Result<()> {
    let written = nix::unistd::write(fd, value).of(Call::Write)?;
    if written == value.len() { Ok(()) } else { Err(Call::Write.fault(Errno::ENOSPC)) }
}

/// Writes all of `value`, in as many calls as it takes.
pub fn write_all(fd: BorrowedFd<'_>, mut value: &[u8]) -> Result<()> {
    while !value.is_empty() {
        match nix::unistd::write(fd, value) {
            Ok(written) => value = value.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Call::Write.fault(errno)),
        }
    }
    Ok(())
}

/// Makes a directory.
pub fn mkdirat(dir: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<()> {
    c(Call::Mkdir, path, |path| {
        // SAFETY: `path` is a C string that outlives the call.
        let returned = unsafe { libc::mkdirat(dir.as_raw_fd(), path.as_ptr(), mode) };
        Call::Mkdir.check(returned.into()).map(drop)
    })
}

/// Makes a symbolic link called `path` that says `to`.
pub fn symlinkat(to: &str, dir: BorrowedFd<'_>, path: &Path) -> Result<()> {
    c(Call::Symlink, to, |to| {
        c(Call::Symlink, path, |path| {
            // SAFETY: both are C strings that outlive the call.
            let returned = unsafe { libc::symlinkat(to.as_ptr(), dir.as_raw_fd(), path.as_ptr()) };
            Call::Symlink.check(returned.into()).map(drop)
        })
    })
}

/// Removes an empty directory.
pub fn rmdir(path: &Path) -> Result<()> {
    c(Call::Rmdir, path, |path| {
        // SAFETY: `path` is a C string that outlives the call.
        let returned = unsafe { libc::rmdir(path.as_ptr()) };
        Call::Rmdir.check(returned.into()).map(drop)
    })
}

/// Two ends of a line that carries whole messages, and closes on exec.
///
/// Not a pipe: whoever may see a process's descriptors in /proc may open its pipes anew, and
/// say what they like. A socket cannot be opened so.
pub fn line() -> Result<(OwnedFd, OwnedFd)> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .of(Call::Socketpair)
}

/// Takes a descriptor that came in a message.
#[must_use]
pub(crate) fn adopt(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Which of two a process is after a clone.
#[derive(Debug)]
pub enum Twin {
    /// The one that was there before; the other's pid, and a descriptor of it.
    Parent(i32, OwnedFd),
    /// The new one.
    Child,
}

/// From linux/sched.h; the libc crate has it in a type too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Starts a child with its own copy of memory, in the new namespaces of `flags` (CLONE_NEW*),
/// and where `cgroup` is given in that cgroup v2 group (clone(2), CLONE_INTO_CGROUP).
pub fn clone(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Twin> {
    let mut pidfd: RawFd = -1;
    // SAFETY: zero is a valid value of every field.
    let mut args: libc::clone_args = unsafe { MaybeUninit::zeroed().assume_init() };
    args.flags = flags | u64::from(libc::CLONE_PIDFD.unsigned_abs());
    args.pidfd = (&raw mut pidfd).addr() as u64;
    args.exit_signal = libc::SIGCHLD.unsigned_abs().into();
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    // SAFETY: `args` is whole and outlives the call; without CLONE_VM the child has a copy of
    // our memory, and this process has one thread, so no lock is left held in it.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) };
    match Call::Clone3.check(pid)? {
        0 => Ok(Twin::Child),
        pid => {
            let pid = i32::try_from(pid).map_err(|_| Call::Clone3.fault(Errno::EOVERFLOW))?;
            Ok(Twin::Parent(pid, Call::Clone3.fd(pidfd.into())?))
        }
    }
}

/// Ends this process, and runs nothing on the way out.
pub fn quit(code: i32) -> ! {
    // SAFETY: always safe.
    unsafe { libc::_exit(code) }
}

/// prctl(2) with one argument.
fn prctl(option: i32, argument: u64) -> Result<()> {
    // SAFETY: the options used here take no pointers.
    let returned = unsafe { libc::prctl(option, argument, 0, 0, 0) };
    Call::Prctl.check(returned.into()).map(drop)
}

/// This process is killed when its parent dies.
pub fn die_with_parent() -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL.unsigned_abs().into())
}

/// Nobody traces this process or reads its memory through /proc.
pub fn undumpable() -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// No exec gives this process privileges that it does not have.
pub fn no_new_privileges() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Empties the five capability sets of this process, for good (capabilities(7)).
pub fn drop_capabilities() -> Result<()> {
    let mut capability = 0;
    loop {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            Ok(()) => capability += 1,
            // Past the last one that this kernel knows.
            Err(Fault { errno: Errno::EINVAL, .. }) if capability > 0 => break,
            Err(fault) => return Err(fault),
        }
    }
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64)?;
    let header: [u32; 2] = [0x2008_0522, 0];
    let none = [0u32; 6];
    // SAFETY: header and data have the layout of version 3, and outlive the call.
    let returned = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    Call::Capset.check(returned).map(drop)
}

/// Makes every descriptor above the first three close on exec.
pub fn close_on_exec() -> Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: no pointers; nothing is closed that is owned here.
    let returned = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, flags) };
    Call::CloseRange.check(returned).map(drop)
}

/// Makes `fd` a copy of `from`, inherited through exec.
pub fn dup_onto(from: BorrowedFd<'_>, fd: RawFd) -> Result<()> {
    if from.as_raw_fd() == fd {
        // SAFETY: no pointers; the flag of an open descriptor.
        let returned = unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
        return Call::Dup2.check(returned.into()).map(drop);
    }
    // SAFETY: no pointers; what `fd` was is given up by the caller.
    let returned = unsafe { libc::dup2(from.as_raw_fd(), fd) };
    Call::Dup2.check(returned.into()).map(drop)
}

/// Every signal has its default action and none is blocked, as a new program expects it.
pub fn reset_signals() -> Result<()> {
    // SAFETY: zero is a valid value of every field; SIG_DFL is zero.
    let default: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    for signal in 1..=64 {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            // The C library keeps 32 and 33 for itself; it refuses, and they are never ignored.
            // SAFETY: `default` outlives the call.
            _ = unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
        }
    }
    nix::sys::signal::SigSet::empty().thread_set_mask().of(Call::Sigprocmask)
}

/// setgroups, setresgid and setresuid, in the order that keeps each possible.
pub fn set_ids(uid: u32, gid: u32, groups: Option<&[u32]>) -> Result<()> {
    if let Some(groups) = groups {
        // SAFETY: the slice outlives the call, and its length is given.
        let returned = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) };
        Call::Setgroups.check(returned.into())?;
    }
    // SAFETY: no pointers.
    Call::Setresgid.check(unsafe { libc::setresgid(gid, gid, gid) }.into())?;
    // SAFETY: no pointers.
    Call::Setresuid.check(unsafe { libc::setresuid(uid, uid, uid) }.into()).map(drop)
}

/// setrlimit(2) by the kernel's number of the resource.
pub fn set_rlimit(resource: u32, soft: Option<u64>, hard: Option<u64>) -> Result<()> {
    let limit = libc::rlimit64 {
        rlim_cur: soft.unwrap_or(libc::RLIM64_INFINITY),
        rlim_max: hard.unwrap_or(libc::RLIM64_INFINITY),
    };
    // SAFETY: `limit` outlives the call; no old value is asked for.
    let returned = unsafe {
        libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limit, std::ptr::null::<u8>())
    };
    Call::Setrlimit.check(returned).map(drop)
}

/// Sets this process's nice value.
pub fn set_nice(value: i8) -> Result<()> {
    // SAFETY: no pointers.
    let returned = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value.into()) };
    Call::Setpriority.check(returned.into()).map(drop)
}

/// Brings the loopback device of this network namespace up.
pub fn loopback_up() -> Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .of(Call::Socket)?;
    // SAFETY: zero is a valid value of every field.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    // SAFETY: `request` is whole and outlives the call.
    let returned =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Call::Ioctl.check(returned.into()).map(drop)
}

/// Makes the terminal `fd` the controlling one of this session.
pub fn controlling_terminal(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no pointers.
    let returned = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY, 0) };
    Call::Ioctl.check(returned.into()).map(drop)
}

/// Unlocks the slave of the pseudo-terminal `master` and opens it, whatever /dev/pts says.
pub fn terminal_peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let unlock: i32 = 0;
    // SAFETY: `unlock` outlives the call.
    let returned = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) };
    Call::Ioctl.check(returned.into())?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: no pointers.
    Call::Ioctl.fd(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) }.into())
}

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
    let fs = c(Call::Fsopen, fstype, |fstype| {
        let flags = libc::FSOPEN_CLOEXEC;
        // SAFETY: `fstype` is a C string that outlives the call.
        Call::Fsopen.fd(unsafe { libc::syscall(libc::SYS_fsopen, fstype.as_ptr(), flags) })
    })?;
    for (key, value) in options {
        c(Call::Fsconfig, key, |key| match value {
            None => configure(&fs, libc::FSCONFIG_SET_FLAG, Some(key), None),
            Some(value) => c(Call::Fsconfig, value, |value| {
                configure(&fs, libc::FSCONFIG_SET_STRING, Some(key), Some(value))
            }),
        })?;
    }
    configure(&fs, libc::FSCONFIG_CMD_CREATE, None, None)?;
    let fs = fs.as_raw_fd();
    // SAFETY: no pointers.
    Call::Fsmount.fd(unsafe {
        libc::syscall(libc::SYS_fsmount, fs, libc::FSMOUNT_CLOEXEC, flags.attributes())
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
/// (openat2(2), RESOLVE_IN_ROOT), and nothing is opened that could block or act (O_PATH).
pub fn resolve(root: BorrowedFd<'_>, path: &Path, flags: OFlag, mode: u32) -> Result<OwnedFd> {
    // SAFETY: zero is a valid value of every field.
    let mut how: libc::open_how = unsafe { MaybeUninit::zeroed().assume_init() };
    how.flags = u64::from((flags | OFlag::O_CLOEXEC).bits().unsigned_abs());
    how.mode = mode.into();
    how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    c(Call::Openat2, path, |path| {
        let (root, size) = (root.as_raw_fd(), size_of_val(&how));
        // SAFETY: `path` and `how` outlive the call.
        let returned =
            unsafe { libc::syscall(libc::SYS_openat2, root, path.as_ptr(), &raw const how, size) };
        Call::Openat2.fd(returned)
    })
}

/// Makes all mounts of this namespace private.
pub fn private_mounts() -> Result<()> {
    use nix::mount::{MsFlags, mount};
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).of(Call::Mount)
}

/// Makes `root` this process's root, and lets go of the old one.
pub fn pivot_root(root: BorrowedFd<'_>) -> Result<()> {
    use nix::mount::{MntFlags, umount2};
    nix::unistd::fchdir(root).of(Call::Fchdir)?;
    // The old root is stacked on the new, at "/", and taken off from above.
    nix::unistd::pivot_root(".", ".").of(Call::PivotRoot)?;
    umount2(".", MntFlags::MNT_DETACH).of(Call::Umount2)?;
    nix::unistd::chdir("/").of(Call::Chdir)
}

/// Reads exactly one message of a line into `buffer`; none at its end.
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match nix::unistd::read(fd, buffer) {
            Err(Errno::EINTR) => {}
            other => return other.of(Call::Read),
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with a code.
    Exit(i32),
    /// By a signal.
    Signal(i32),
}

/// Waits for any child; its pid and how it ended.
pub fn wait_any() -> Result<(i32, Status)> {
    // SAFETY: zero is a valid value of every field.
    let mut info: libc::siginfo_t = unsafe { MaybeUninit::zeroed().assume_init() };
    loop {
        // SAFETY: `info` outlives the call.
        let returned = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED) };
        match Call::Waitid.check(returned.into()) {
            Err(Fault { errno: Errno::EINTR, .. }) => {}
            Err(fault) => return Err(fault),
            Ok(_) => break,
        }
    }
    // SAFETY: waitid has filled `info` in for a child.
    let pid = unsafe { info.si_pid() };
    // SAFETY: likewise.
    let status = unsafe { info.si_status() };
    let exited = info.si_code == libc::CLD_EXITED;
    Ok((pid, if exited { Status::Exit(status) } else { Status::Signal(status) }))
}

/// A program with its arguments and environment, laid out as the kernel wants them.
///
/// It is laid out before the clone, for nothing is allocated after.
#[derive(Debug)]
pub struct Image {
    /// What the pointers below point to.
    _strings: Vec<CString>,
    candidates: Vec<CString>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
}

impl Image {
    /// Lays a program out. No string may hold a NUL.
    pub fn new(candidates: &[String], argv: &[String], environment: &[String]) -> Result<Self> {
        let c = |text: &String| {
            CString::new(text.as_str()).map_err(|_| Call::Execve.fault(Errno::EINVAL))
        };
        let mut strings = Vec::with_capacity(argv.len() + environment.len());
        let mut lay = |texts: &[String]| -> Result<Vec<*const c_char>> {
            let mut pointers = Vec::with_capacity(texts.len() + 1);
            for text in texts {
                let text = c(text)?;
                pointers.push(text.as_ptr());
                strings.push(text);
            }
            pointers.push(std::ptr::null());
            Ok(pointers)
        };
        let (argv, envp) = (lay(argv)?, lay(environment)?);
        let candidates = candidates.iter().map(c).collect::<Result<_>>()?;
        Ok(Self { _strings: strings, candidates, argv, envp })
    }

    /// Becomes the first candidate that is there. It returns only if there is none, or if the
    /// one that is there can't be executed; a file without permission does not end the search,
    /// as in execvp(3).
    #[must_use]
    pub fn exec(&self) -> Fault {
        let mut denied = None;
        for program in &self.candidates {
            let (argv, envp) = (self.argv.as_ptr(), self.envp.as_ptr());
            // SAFETY: the arrays end in null, and point to strings that `self` holds.
            let returned = unsafe { libc::execve(program.as_ptr(), argv, envp) };
            let Err(fault) = Call::Execve.check(returned.into()) else { continue };
            match fault.errno {
                // A file that exists, but whose interpreter does not, ends the search.
                Errno::ENOENT if exists(program) => return fault,
                Errno::ENOENT | Errno::ENOTDIR => {}
                Errno::EACCES => denied = Some(fault),
                _ => return fault,
            }
        }
        denied.unwrap_or(Call::Execve.fault(Errno::ENOENT))
    }
}

fn exists(path: &CStr) -> bool {
    // SAFETY: `path` is a C string that outlives the call.
    let returned = unsafe { libc::access(path.as_ptr(), libc::F_OK) };
    returned == 0
}
