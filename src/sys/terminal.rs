//! Terminals and standard streams.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
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

/// The host's /dev/null, looked at: nothing else is taken for it.
pub fn null() -> Result<OwnedFd> {
    let null = super::open(Path::new("/dev/null"), OFlag::O_RDWR | OFlag::O_NOCTTY)?;
    let seen = super::seen(null.as_fd())?;
    let device = seen.st_mode & libc::S_IFMT == libc::S_IFCHR;
    let is_null = device && seen.st_rdev == libc::makedev(1, 3);
    if is_null { Ok(null) } else { Err(Call::Open.fault(Errno::ENODEV)) }
}
