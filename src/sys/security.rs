//! What a process gives up.

use std::ffi::c_long;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc;

use super::{Call, Fault, Named, Result, ask, prctl};

/// Nobody traces this process or reads its memory through /proc.
pub fn undumpable() -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// No exec gives this process privileges that it does not have.
pub fn no_new_privileges() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// The sets of a process that capget(2) tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// What it may do now.
    pub effective: u64,
    /// What it may make effective.
    pub permitted: u64,
    /// What an exec may pass on.
    pub inheritable: u64,
}

/// Version 3 of the header, and this process.
const HEADER: [u32; 2] = [0x2008_0522, 0];

impl Sets {
    /// This process's own.
    pub fn own() -> Result<Self> {
        let (mut header, mut data) = (HEADER, [0u32; 6]);
        let (to_header, to_data) = (header.as_mut_ptr(), data.as_mut_ptr());
        // SAFETY: header and data have the layout of version 3, and outlive the call.
        let returned = unsafe { libc::syscall(libc::SYS_capget, to_header, to_data) };
        Call::Capget.check(returned)?;
        let [e0, p0, i0, e1, p1, i1] = data;
        let whole = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        let (effective, permitted) = (whole(e0, e1), whole(p0, p1));
        Ok(Self { effective, permitted, inheritable: whole(i0, i1) })
    }

    /// All three with the same capabilities.
    #[must_use]
    pub fn of(all: u64) -> Self {
        Self { effective: all, permitted: all, inheritable: all }
    }

    /// Makes them this process's.
    pub fn set(self) -> Result<()> {
        let Self { effective: e, permitted: p, inheritable: i } = self;
        let low = |set: u64| ((set << 32) >> 32) as u32;
        let high = |set: u64| (set >> 32) as u32;
        let data = [low(e), low(p), low(i), high(e), high(p), high(i)];
        let (header, data) = (HEADER.as_ptr(), data.as_ptr());
        // SAFETY: header and data have the layout of version 3, and outlive the call.
        let returned = unsafe { libc::syscall(libc::SYS_capset, header, data) };
        Call::Capset.check(returned).map(drop)
    }
}

/// Leaves the capabilities of `keep` and no others in the five sets of this process, for good
/// (capabilities(7)).
pub fn keep_capabilities(keep: u64) -> Result<()> {
    plain_securebits()?;
    for n in ones(!keep) {
        match prctl(libc::PR_CAPBSET_DROP, n) {
            // Past the last one.
            Err(Fault { errno: Errno::EINVAL, .. }) => break,
            // Who may drop none may have none to drop.
            Err(_) if ask(libc::PR_CAPBSET_READ, n, 0) == Ok(0) => {}
            dropped => dropped?,
        }
    }
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64)?;
    Sets::of(keep).set()?;
    let raise = libc::PR_CAP_AMBIENT_RAISE as u64;
    ones(keep).try_for_each(|n| ask(libc::PR_CAP_AMBIENT, raise, n).map(drop))
}

/// Root and changes of ids mean for capabilities what they usually do, as far as the caller has not
/// locked that (capabilities(7)).
fn plain_securebits() -> Result<()> {
    const LOCKS: u64 = 0xaa;
    let own = ask(libc::PR_GET_SECUREBITS, 0, 0)?.cast_unsigned();
    let locks = own & LOCKS;
    let locked = own & locks >> 1 | locks;
    if own == locked { Ok(()) } else { prctl(libc::PR_SET_SECUREBITS, locked) }
}

fn ones(set: u64) -> impl Iterator<Item = u64> {
    (0..64).filter(move |n| set >> n & 1 == 1)
}

/// The bounding set of this process, as far as this kernel knows capabilities.
pub fn bounding() -> Result<u64> {
    let known = (0..64).map_while(|n| ask(libc::PR_CAPBSET_READ, n, 0).ok());
    Ok((0..).zip(known).fold(0, |set, (n, is_set)| set | u64::from(is_set == 1) << n))
}

/// The ambient set of this process, as far as `within` goes. The kernel never lets it hold more
/// than the permitted and the inheritable set.
pub fn ambient(within: u64) -> Result<u64> {
    let is_set = libc::PR_CAP_AMBIENT_IS_SET as u64;
    ones(within)
        .try_fold(0, |set, n| Ok(set | u64::from(ask(libc::PR_CAP_AMBIENT, is_set, n)? == 1) << n))
}

/// Whether no exec can give this process privileges.
pub fn has_no_new_privileges() -> Result<bool> {
    Ok(ask(libc::PR_GET_NO_NEW_PRIVS, 0, 0)? == 1)
}

/// Whether a system call filter is installed.
pub fn is_filtered() -> Result<bool> {
    const FILTER: c_long = 2;
    Ok(ask(libc::PR_GET_SECCOMP, 0, 0)? == FILTER)
}

/// The most instructions that the kernel takes (BPF_MAXINSNS).
const LONGEST: usize = 4096;

/// Installs a system call filter, for good.
pub fn install_filter(program: &[(u16, u8, u8, u32)]) -> Result<()> {
    // The usual one needs no eight pages of stack, each of which is a fault.
    if program.len() <= USUAL { install::<USUAL>(program) } else { install::<LONGEST>(program) }
}

const USUAL: usize = 256;

#[inline(never)]
fn install<const ROOM: usize>(program: &[(u16, u8, u8, u32)]) -> Result<()> {
    let mut filter = [libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; ROOM];
    let room = filter.get_mut(..program.len()).ok_or(Call::Seccomp.fault(Errno::E2BIG))?;
    for (to, &(code, jt, jf, k)) in room.iter_mut().zip(program) {
        *to = libc::sock_filter { code, jt, jf, k };
    }
    let len = u16::try_from(program.len()).map_err(|_| Call::Seccomp.fault(Errno::E2BIG))?;
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: `program` and what it points to outlive the call, which copies them.
    let returned = unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program) };
    Call::Seccomp.check(returned).map(drop)
}

/// Joins a new session keyring that holds none of the caller's keys.
pub fn new_keyring() -> Result<()> {
    let none = std::ptr::null::<u8>();
    // SAFETY: no name is given.
    let returned =
        unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, none) };
    match Call::Keyctl.check(returned) {
        // A kernel, or a filter around us, without keyrings: then the command has none either.
        Err(Fault { errno: Errno::ENOSYS | Errno::EPERM, .. }) => Ok(()),
        other => other.map(drop),
    }
}

/// Makes every descriptor above the first three close on exec.
pub fn close_on_exec() -> Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: no pointers; nothing is closed that is owned here.
    let returned = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, flags) };
    Call::CloseRange.check(returned).map(drop)
}

/// setgroups, setresgid and setresuid, in the order that keeps each possible. The capabilities
/// stay: what is not to stay of them is dropped by [`keep_capabilities`].
pub fn set_ids(uid: u32, gid: u32, groups: Option<&[u32]>) -> Result<()> {
    if let Some(groups) = groups {
        // SAFETY: the slice outlives the call, and its length is given.
        let returned = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
        Call::Setgroups.check(returned)?;
    }
    // SAFETY: no pointers.
    Call::Setresgid.check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    prctl(libc::PR_SET_KEEPCAPS, 1)?;
    // SAFETY: no pointers.
    Call::Setresuid.check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
    let own = Sets::own()?;
    if own.effective == own.permitted {
        return Ok(());
    }
    Sets { effective: own.permitted, ..own }.set()
}

/// The user and group ids of this process: real, effective and saved.
pub fn ids() -> Result<[u32; 6]> {
    let user = nix::unistd::getresuid().of(Call::CheckIds)?;
    let group = nix::unistd::getresgid().of(Call::CheckIds)?;
    let users = [user.real, user.effective, user.saved].map(nix::unistd::Uid::as_raw);
    let groups = [group.real, group.effective, group.saved].map(nix::unistd::Gid::as_raw);
    let ([a, b, c], [d, e, f]) = (users, groups);
    Ok([a, b, c, d, e, f])
}

/// Whether these and no others are the supplementary groups of this process. Of more than 256,
/// the number alone is compared.
pub fn has_groups(planned: &[u32]) -> Result<bool> {
    let mut found = [0; 256];
    // SAFETY: a size of 0 asks how many there are, and writes nothing.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    Call::CheckIds.check(count.into())?;
    let length = usize::try_from(count).unwrap_or_default();
    if length != planned.len() || length > found.len() {
        return Ok(length == planned.len());
    }
    // SAFETY: `found` has room for so many, and outlives the call.
    let count = unsafe { libc::getgroups(count, found.as_mut_ptr()) };
    Call::CheckIds.check(count.into())?;
    Ok(found.iter().take(length).all(|group| planned.contains(group)))
}

/// Closes every descriptor from `first` on, but for those in `keep`, which are at most eight.
pub fn close_all_but(first: RawFd, keep: &[RawFd]) -> Result<()> {
    let mut sorted = [RawFd::MAX; 8];
    for (to, fd) in sorted.iter_mut().zip(keep) {
        *to = *fd;
    }
    sorted.sort_unstable();
    let mut from = first;
    for kept in sorted {
        if kept > from {
            close_range(from, kept - 1)?;
        }
        from = from.max(kept.saturating_add(1));
    }
    Ok(())
}

fn close_range(first: RawFd, last: RawFd) -> Result<()> {
    // SAFETY: no pointers; what owns one of these is never used again.
    let returned = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Call::CloseRange.check(returned).map(drop)
}
