//! What a process gives up.

use nix::errno::Errno;
use nix::libc;

use super::{Call, Fault, Result, prctl};

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
