//! The kernel, made safe: the only unsafe code of the crate.
//!
//! Every function here is one system call, or two that are never apart. Those that init uses
//! do not allocate, so they may stand between clone and exec. A call that fails tells which
//! call it was; what was being done with it, its caller knows.
#![allow(unsafe_code, reason = "this is the fence")]

mod arena;
mod exec;
mod landlock;
mod look;
mod mount;
mod process;
mod security;
mod start;
pub mod supervise;
mod terminal;

use std::ffi::{CStr, OsStr, c_char, c_long};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::libc;

pub use crate::plan::is_kernels;

pub use self::{
    arena::Arena, exec::*, landlock::*, look::*, mount::*, process::*, security::*, start::*,
    terminal::*,
};

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
    Capget = "capget", Capset = "capset", Chdir = "chdir",
    CheckCapabilities = "the check of its capabilities",
    CheckFilter = "the check of the system call filter", CheckIds = "the check of its ids",
    CheckMount = "the check of what lies at the place",
    CheckNamespaces = "the check of its namespaces",
    CheckPrivileges = "the check of no_new_privs",
    CheckStreams = "the check of its standard streams", Clone3 = "clone3",
    CloseRange = "close_range", Dup2 = "dup2", Eventfd = "eventfd", Execve = "execve",
    Fchdir = "fchdir", Fchmod = "fchmod", Fchown = "fchown", Fcntl = "fcntl", Flock = "flock", Fork = "fork", Fsconfig = "fsconfig",
    Fsmount = "fsmount", Fsopen = "fsopen", Fstat = "fstat", Fstatfs = "fstatfs", Ioctl = "ioctl",
    IoprioSet = "ioprio_set",
    Keyctl = "keyctl", Kill = "kill", LandlockAddRule = "landlock_add_rule",
    LandlockCreateRuleset = "landlock_create_ruleset",
    LandlockRestrictSelf = "landlock_restrict_self", Mkdir = "mkdir", Mknod = "mknod",
    Mount = "mount",
    MountSetattr = "mount_setattr", MoveMount = "move_mount", Newgidmap = "newgidmap",
    Newuidmap = "newuidmap", Open = "open", OpenTree = "open_tree", Openat2 = "openat2",
    Personality = "personality", PidfdOpen = "pidfd_open", Pipe = "pipe", PivotRoot = "pivot_root", Poll = "poll",
    Prctl = "prctl", Read = "read", Readlink = "readlink", Recvmsg = "recvmsg", Rmdir = "rmdir", SchedSetscheduler = "sched_setscheduler",
    Seccomp = "seccomp", Sendmsg = "sendmsg", Setgroups = "setgroups",
    Sethostname = "sethostname", Setns = "setns", Setpriority = "setpriority",
    Setresgid = "setresgid", Setresuid = "setresuid", Setrlimit = "setrlimit", Setsid = "setsid",
    Sigaction = "sigaction", Signalfd = "signalfd", Sigprocmask = "sigprocmask", Sigtimedwait = "sigtimedwait",
    Socket = "socket", Socketpair = "socketpair", StartTransientUnit = "StartTransientUnit", Symlink = "symlink", Tcsetattr = "tcsetattr",
    Timerfd = "timerfd", Umount2 = "umount2", Unshare = "unshare", Waitid = "waitid",
    Write = "write",
}

/// A call that failed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The call.
    pub call: Call,
    /// The kernel's reason.
    pub errno: Errno,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.errno.desc())
    }
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
    if bytes.len() < SHORT {
        lend_from::<SHORT, T>(call, bytes, lend)
    } else {
        lend_from::<{ libc::PATH_MAX as usize }, T>(call, bytes, lend)
    }
}

/// Most texts are no longer, and to clear room for the others takes as long as a short call.
const SHORT: usize = 128;

#[inline(never)]
fn lend_from<const ROOM: usize, T>(
    call: Call,
    bytes: &[u8],
    lend: impl FnOnce(&CStr) -> Result<T>,
) -> Result<T> {
    let mut buffer = [0u8; ROOM];
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

/// Makes an empty file, where nothing is yet (mknod(2): no descriptor to be closed comes of it).
pub fn make_file(dir: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<()> {
    c(Call::Mknod, path, |path| {
        let mode = libc::S_IFREG | mode;
        // SAFETY: `path` is a C string that outlives the call.
        let returned = unsafe { libc::mknodat(dir.as_raw_fd(), path.as_ptr(), mode, 0) };
        Call::Mknod.check(returned.into()).map(drop)
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

/// What the symbolic link `path` says, cut off where `text` is too short for it.
pub fn read_link<'t>(dir: BorrowedFd<'_>, path: &Path, text: &'t mut [u8]) -> Result<&'t [u8]> {
    let length = c(Call::Readlink, path, |path| {
        let (into, size) = (text.as_mut_ptr().cast(), text.len());
        // SAFETY: `path` is a C string, `text` has room for `size` bytes, and both outlive the
        // call.
        let length = unsafe { libc::readlinkat(dir.as_raw_fd(), path.as_ptr(), into, size) };
        Call::Readlink.check(length as c_long)
    })?;
    Ok(text.get(..usize::try_from(length).unwrap_or_default()).unwrap_or_default())
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

/// A pipe that closes on exec: the end to read, and the end to write.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC).of(Call::Pipe)
}

/// Lets others than its owner open a pipe anew (/dev/stdin, /dev/stdout): for no more than it is
/// to the command, to be read as stdin, to be written to as another stream.
pub fn open_pipe(pipe: BorrowedFd<'_>, stream: u8) -> Result<()> {
    use nix::sys::stat::{Mode, fchmod};
    let mut mode = Mode::from_bits_truncate(seen(pipe)?.st_mode);
    mode.insert(if stream == 0 { Mode::S_IROTH } else { Mode::S_IWOTH });
    // It may be the stdout of another sandbox, at its other end.
    mode.set(Mode::S_IWOTH, stream != 0);
    fchmod(pipe, mode).of(Call::Fchmod)
}

/// Sends `byte` and a copy of `fd` along a line, without allocating.
pub fn send_descriptor(line: BorrowedFd<'_>, byte: u8, fd: BorrowedFd<'_>) -> Result<()> {
    let mut part =
        libc::iovec { iov_base: (&raw const byte).cast_mut().cast(), iov_len: size_of_val(&byte) };
    // One control message with one descriptor (cmsg(3)), on a boundary that its header needs.
    let mut control = Control {
        length: size_of::<libc::cmsghdr>() + size_of::<RawFd>(),
        level: libc::SOL_SOCKET,
        kind: libc::SCM_RIGHTS,
        fd: fd.as_raw_fd(),
        rest: 0,
    };
    // SAFETY: zero is a valid value of every field.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: all that `message` points to outlives the call, which only reads it.
    let returned =
        unsafe { libc::sendmsg(line.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    Call::Sendmsg.check(returned as c_long).map(drop)
}

/// The next message of a line, waiting for it, and the descriptor that came with it: how many
/// bytes of `message` it has, 0 at the end of the line. Allocates nothing.
pub fn receive_descriptor(
    line: BorrowedFd<'_>,
    message: &mut [u8],
) -> Result<(usize, Option<OwnedFd>)> {
    let mut part = libc::iovec { iov_base: message.as_mut_ptr().cast(), iov_len: message.len() };
    let mut control = Control { length: 0, level: 0, kind: 0, fd: -1, rest: 0 };
    // SAFETY: zero is a valid value of every field.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = size_of_val(&control) as _;
    let received = loop {
        // SAFETY: all that `header` points to outlives the call, and may be written to.
        let received =
            unsafe { libc::recvmsg(line.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        match Call::Recvmsg.check(received as c_long) {
            Err(Fault { errno: Errno::EINTR, .. }) => {}
            other => break other?,
        }
    };
    let handed = control.level == libc::SOL_SOCKET && control.kind == libc::SCM_RIGHTS;
    let fd = (handed && control.fd >= 0).then(|| adopt(control.fd));
    Ok((usize::try_from(received).unwrap_or_default(), fd))
}

/// A control message that carries one descriptor.
#[repr(C)]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    fd: RawFd,
    rest: i32,
}

/// Nobody is left at the other end of a line.
#[must_use]
pub fn hung_up(line: BorrowedFd<'_>) -> bool {
    use nix::sys::socket::{MsgFlags, recv};
    // Not poll(2): whoever is allowed no descriptor may not ask it about one.
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let received = again(|| recv(line.as_raw_fd(), &mut [0], flags));
    !matches!(received, Ok(1..) | Err(Errno::EAGAIN))
}

/// Does again what failed, a few times: the fault of a moment must not cost the sandbox. That it
/// would block is no fault.
pub fn again<T>(mut act: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    const TRIES: u8 = 100;
    let mut done = act();
    for _ in 0..TRIES {
        if !matches!(done, Err(errno) if errno != Errno::EAGAIN) {
            break;
        }
        done = act();
    }
    done
}

/// What stands behind a descriptor.
pub fn seen(fd: BorrowedFd<'_>) -> Result<nix::sys::stat::FileStat> {
    nix::sys::stat::fstat(fd).of(Call::Fstat)
}

/// What stands behind a name; of a symbolic link, the link.
pub fn seen_at(dir: BorrowedFd<'_>, name: &Path) -> Result<nix::sys::stat::FileStat> {
    let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
    nix::sys::stat::fstatat(dir, name, flags).of(Call::Fstat)
}

/// Makes the mode of a file or directory that was just made exactly `mode`, whatever the umask.
pub fn chmod(dir: BorrowedFd<'_>, name: &Path, mode: u32) -> Result<()> {
    c(Call::Fchmod, name, |name| {
        // SAFETY: `name` is a C string that outlives the call.
        let returned = unsafe { libc::fchmodat(dir.as_raw_fd(), name.as_ptr(), mode, 0) };
        Call::Fchmod.check(returned.into()).map(drop)
    })
}

/// Takes a descriptor that came in a message.
#[must_use]
pub(crate) fn adopt(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// prctl(2) with one argument.
fn prctl(option: i32, argument: u64) -> Result<()> {
    ask(option, argument, 0).map(drop)
}

/// prctl(2) with two arguments, and its answer.
fn ask(option: i32, first: u64, second: u64) -> Result<c_long> {
    // SAFETY: the options used here take no pointers.
    let returned = unsafe { libc::prctl(option, first, second, 0, 0) };
    Call::Prctl.check(returned.into())
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
    request.ifr_ifru.ifru_flags = libc::IFF_UP.try_into().unwrap_or_default();
    // SAFETY: `request` is whole and outlives the call.
    let returned =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    Call::Ioctl.check(returned.into()).map(drop)
}

/// One read(2), done again where it was interrupted: how many bytes came, 0 at the end. Of a
/// socket whose messages have borders that is one whole message.
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match nix::unistd::read(fd, buffer) {
            Err(Errno::EINTR) => {}
            other => return other.of(Call::Read),
        }
    }
}
