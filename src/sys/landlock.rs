//! Landlock: rules that a process sets itself, for good (landlock(7)).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::{Call, Fault, Named, Result};

/// The rights of the kernel's first interface, and those that came with later ones.
const FIRST: u64 = (1 << 13) - 1;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;

/// What can be done with a file that is no directory, but for executing it.
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;

/// Abstract sockets and signals stay within.
const SCOPES: u64 = 0b11;

/// Every right that version `abi` of the kernel's interface knows.
#[must_use]
pub fn all_rights(abi: u8) -> u64 {
    let since = |version, right| if abi >= version { right } else { 0 };
    FIRST | since(2, REFER) | since(3, TRUNCATE) | since(5, IOCTL_DEV)
}

/// What may be done with an open file that is opened anew: no more than with it, so that a log
/// that is written to can't be read.
pub fn stream_rights(abi: u8, stream: BorrowedFd<'_>) -> Result<u64> {
    let flags = fcntl(stream, FcntlArg::F_GETFL).of(Call::Fcntl)?;
    let rights = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => READ_FILE,
        libc::O_WRONLY => WRITE_FILE | TRUNCATE,
        _ => READ_FILE | WRITE_FILE | TRUNCATE,
    };
    Ok((rights | IOCTL_DEV) & all_rights(abi))
}

#[repr(C)]
struct Handled {
    files: u64,
    network: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

/// A set of rules that handles all rights, and allows nothing yet.
pub fn ruleset(abi: u8) -> Result<OwnedFd> {
    let scoped = if abi >= 6 { SCOPES } else { 0 };
    let handled = Handled { files: all_rights(abi), network: 0, scoped };
    let size = size_of_val(&handled);
    // SAFETY: `handled` is whole and outlives the call; what an older kernel does not know of it
    // is zero.
    Call::LandlockCreateRuleset.fd(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size, 0)
    })
}

/// Allows `rights` over a file, or over all below a directory. What lies in no file system that
/// can be mounted, such as a pipe or a socket, needs no rule.
pub fn allow(ruleset: BorrowedFd<'_>, place: BorrowedFd<'_>, rights: u64) -> Result<()> {
    const PATH_BENEATH: i32 = 1;
    let rule = Beneath { allowed: rights, parent: place.as_raw_fd() };
    let ruleset = ruleset.as_raw_fd();
    // SAFETY: `rule` is whole and outlives the call.
    let returned = unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, &raw const rule, 0)
    };
    match Call::LandlockAddRule.check(returned) {
        Err(Fault { errno: Errno::EBADFD, .. }) => Ok(()),
        other => other.map(drop),
    }
}

/// Binds this process to the rules.
pub fn restrict(ruleset: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no pointers.
    let returned =
        unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    Call::LandlockRestrictSelf.check(returned).map(drop)
}
