//! Terminals and standard streams.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

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
