//! Terminals and standard streams.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;

use super::{Call, Result};

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

/// One of the standard streams.
#[must_use]
pub fn stream(n: u8) -> BorrowedFd<'static> {
    // SAFETY: 0, 1 and 2 stay open as long as the process: the standard library sees to it at
    // the start, and nothing here closes them while they are in use.
    unsafe { BorrowedFd::borrow_raw(RawFd::from(n.min(2))) }
}

/// /dev/null, looked at: nothing else is taken for it.
pub fn null() -> Result<OwnedFd> {
    let null = super::open(Path::new("/dev/null"), OFlag::O_RDWR | OFlag::O_NOCTTY)?;
    if is_null(&super::seen(null.as_fd())?) {
        Ok(null)
    } else {
        Err(Call::Open.fault(Errno::ENODEV))
    }
}

/// Whether this is the null device (null(4)).
#[must_use]
pub fn is_null(seen: &nix::sys::stat::FileStat) -> bool {
    seen.st_mode & libc::S_IFMT == libc::S_IFCHR && seen.st_rdev == libc::makedev(1, 3)
}

/// The /dev/null of a sandbox: through its read-only mount nobody changes the mode or the owner of
/// the host's.
pub fn sealed_null() -> Result<OwnedFd> {
    let null = null()?;
    let sealed = super::is_read_only(null.as_fd())?;
    if sealed { Ok(null) } else { Err(Call::Open.fault(Errno::EPERM)) }
}

/// Whether this process runs in the background of the terminal, as far as it is its own.
#[must_use]
pub fn is_background(terminal: BorrowedFd<'_>) -> bool {
    nix::unistd::tcgetpgrp(terminal).is_ok_and(|front| front != nix::unistd::getpgrp())
}

/// Whether this is open for writing.
#[must_use]
pub fn is_writable(fd: BorrowedFd<'_>) -> bool {
    fcntl(fd, FcntlArg::F_GETFL).is_ok_and(|flags| flags & libc::O_ACCMODE != libc::O_RDONLY)
}
