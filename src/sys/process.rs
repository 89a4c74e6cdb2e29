//! Processes: how they start, what they inherit, how they end.

use std::hash::{DefaultHasher, Hasher};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::Resource;

use super::{Call, Named, Result, prctl};

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
pub fn clone(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> Result<Twin> {
    let mut pidfd: RawFd = -1;
    // SAFETY: zero is a valid value of every field.
    let mut args: libc::clone_args = unsafe { MaybeUninit::zeroed().assume_init() };
    args.flags = u64::from((flags | libc::CLONE_PIDFD).cast_unsigned());
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

/// Tries sethostname(2) in a throw-away user and UTS namespace. `None`: no such namespaces can be
/// made here.
#[must_use]
pub fn may_set_host_name() -> Option<bool> {
    match clone(libc::CLONE_NEWUSER | libc::CLONE_NEWUTS, None).ok()? {
        Twin::Child => quit(i32::from(nix::unistd::sethostname("tried").is_err())),
        Twin::Parent(pid, _) => {
            let (status, _) = super::supervise::reap(pid).ok()?;
            Some(status == Status::Exit(0))
        }
    }
}

/// Ends this process, and runs nothing on the way out.
pub fn quit(code: i32) -> ! {
    // SAFETY: always safe.
    unsafe { libc::_exit(code) }
}

/// This process is killed when its parent dies.
pub fn die_with_parent() -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL.unsigned_abs().into())
}

/// This process gets SIGTERM when its parent dies.
pub fn hear_of_parents_death() -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM.unsigned_abs().into())
}

/// A child with a copy of everything; its pid, or none in the child.
pub fn fork() -> Result<Option<i32>> {
    // SAFETY: this process has one thread, so no lock is left held in the child's memory. The
    // system call is made plainly, since the C library's fork may allocate.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    let pid = Call::Fork.check(pid)?;
    Ok(i32::try_from(pid).ok().filter(|pid| *pid > 0))
}

/// The kernel's own idea of struct sigaction: handler, flags, restorer, mask.
const DEFAULT_ACTION: [u64; 4] = [libc::SIG_DFL as u64, 0, 0, 0];
const SIGNALS: i32 = 64;
const SET: usize = 8;

/// Every signal has its default action.
///
/// The system call is made plainly: the C library keeps 32 and 33 from us, and the caller may
/// have left them ignored.
pub fn default_actions() -> Result<()> {
    for signal in 1..=SIGNALS {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            let (new, old) = (DEFAULT_ACTION.as_ptr(), std::ptr::null::<u64>());
            // SAFETY: the new action outlives the call; no old one is asked for.
            let returned = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, new, old, SET) };
            Call::Sigaction.check(returned)?;
        }
    }
    Ok(())
}

/// Every signal has its default action and none is blocked, as a new program expects it.
pub fn reset_signals() -> Result<()> {
    default_actions()?;
    block_signals(0)
}

/// Blocks the signals of `set` and no others; bit n - 1 stands for signal n. The C library's own
/// call leaves some out.
pub fn block_signals(set: u64) -> Result<()> {
    let (new, old) = (&raw const set, std::ptr::null::<u64>());
    // SAFETY: the set outlives the call; no old one is asked for.
    let returned =
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, new, old, SET) };
    Call::Sigprocmask.check(returned).map(drop)
}

/// Waits for a signal of `set`, all of which are blocked, and takes it.
pub fn wait_for_signal(set: u64) -> Result<i32> {
    let none = std::ptr::null::<u8>();
    // SAFETY: the set outlives the call; nothing more is asked for, and there is no end of time.
    let returned =
        unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, none, none, SET) };
    let signal = Call::Sigtimedwait.check(returned)?;
    i32::try_from(signal).map_err(|_| Call::Sigtimedwait.fault(Errno::EINVAL))
}

/// Sends a signal to a process.
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: no pointers.
    Call::Kill.check(unsafe { libc::kill(pid, signal) }.into()).map(drop)
}

/// Nobody has this pid here. A pid of another PID namespace may be somebody's there.
#[must_use]
pub fn is_gone(pid: i32) -> bool {
    kill(pid, 0) == Err(Call::Kill.fault(Errno::ESRCH))
}

/// Nobody has this pid here, or one who has ended and was not waited for. Takes ten times as long
/// as [`is_gone`], 4 us.
#[must_use]
pub fn is_dead(pid: i32) -> bool {
    is_gone(pid) || has_ended(pid).unwrap_or(false)
}

/// A number that nobody outside this process knows, from what the kernel gave it at its start
/// (getauxval(3), AT_RANDOM), but not that itself: the C library's guards are made of it.
#[must_use]
pub fn secret() -> u64 {
    // SAFETY: it reads what the kernel laid beside the arguments.
    let at = unsafe { libc::getauxval(libc::AT_RANDOM) };
    let at = std::ptr::with_exposed_provenance::<[u8; 16]>(usize::try_from(at).unwrap_or_default());
    let mut hasher = DefaultHasher::new();
    if !at.is_null() {
        // SAFETY: sixteen bytes lie there as long as the process lives, and nobody writes to them.
        hasher.write(&unsafe { at.read() });
    }
    hasher.finish()
}

/// A process's descriptor can be read once it has ended (pidfd_open(2)).
fn has_ended(pid: i32) -> Result<bool> {
    // SAFETY: no pointers.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let pidfd = Call::PidfdOpen.fd(returned)?;
    let mut awaited = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut awaited, PollTimeout::ZERO).of(Call::Poll)? > 0)
}

/// Sets the umask; the one that was.
#[must_use]
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: no pointers.
    unsafe { libc::umask(mask) }
}

/// Leaves namespaces for new ones (CLONE_NEW*).
pub fn unshare(flags: i32) -> Result<()> {
    // SAFETY: only namespaces are unshared, no memory or descriptors.
    Call::Unshare.check(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// A limit of setrlimit(2), by its name in small letters.
#[must_use]
pub fn resource(name: &str) -> Option<Resource> {
    let all = [
        ("as", Resource::RLIMIT_AS),
        ("core", Resource::RLIMIT_CORE),
        ("cpu", Resource::RLIMIT_CPU),
        ("data", Resource::RLIMIT_DATA),
        ("fsize", Resource::RLIMIT_FSIZE),
        ("locks", Resource::RLIMIT_LOCKS),
        ("memlock", Resource::RLIMIT_MEMLOCK),
        ("msgqueue", Resource::RLIMIT_MSGQUEUE),
        ("nice", Resource::RLIMIT_NICE),
        ("nofile", Resource::RLIMIT_NOFILE),
        ("nproc", Resource::RLIMIT_NPROC),
        ("rss", Resource::RLIMIT_RSS),
        ("rtprio", Resource::RLIMIT_RTPRIO),
        ("rttime", Resource::RLIMIT_RTTIME),
        ("sigpending", Resource::RLIMIT_SIGPENDING),
        ("stack", Resource::RLIMIT_STACK),
    ];
    all.iter().find(|(known, _)| *known == name).map(|(_, resource)| *resource)
}

/// Back to the ordinary scheduler.
pub fn plain_scheduler() -> Result<()> {
    // SAFETY: zero is a valid value of every field, and the priority that SCHED_OTHER wants.
    let plain: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `plain` outlives the call.
    let returned = unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &raw const plain)
    };
    Call::SchedSetscheduler.check(returned)?;
    // SAFETY: no pointers. No class of its own: the nice value decides.
    Call::IoprioSet.check(unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, 0) })?;
    prctl(libc::PR_SET_TIMERSLACK, super::look::ORDINARY_SLACK.cast_unsigned())
}

/// What a process is called that has forgotten what it was called with.
const INIT: &[u8] = b"init";

/// Overwrites what this process was called with, which everybody who sees it can read, as long as
/// it executes nothing. `proc` shows it.
pub fn forget_arguments(proc: BorrowedFd<'_>) -> Result<()> {
    let file = super::openat(proc, Path::new("self/stat"), OFlag::O_RDONLY, 0)?;
    let mut text = [0; 1024];
    let length = super::read(file.as_fd(), &mut text)?;
    let unknown = Call::Read.fault(Errno::EINVAL);
    let (start, end) = arguments(text.get(..length).unwrap_or_default()).ok_or(unknown)?;
    let place = std::ptr::with_exposed_provenance_mut::<u8>(start);
    let room = end.saturating_sub(start);
    // SAFETY: the kernel says that the arguments lie there, and nobody has borrowed them.
    unsafe { place.write_bytes(0, room) };
    // SAFETY: it is shorter than the room.
    unsafe { place.copy_from(INIT.as_ptr(), INIT.len().min(room.saturating_sub(1))) };
    Ok(())
}

/// Where the arguments lie: the fields 48 and 49 of proc_pid_stat(5). The second one is a name
/// that may hold anything.
fn arguments(stat: &[u8]) -> Option<(usize, usize)> {
    let name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = str::from_utf8(stat.get(name..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace().skip(46);
    let mut next = || fields.next()?.parse().ok();
    let (start, end): (usize, usize) = (next()?, next()?);
    (start != 0 && start < end).then_some((start, end))
}

/// Back to the personality of plain Linux.
pub fn plain_personality() -> Result<()> {
    // SAFETY: no pointers.
    Call::Personality.check(unsafe { libc::personality(0) }.into()).map(drop)
}

/// prlimit(2); `pid` 0 is this process.
pub fn set_rlimit(
    pid: i32,
    resource: Resource,
    soft: Option<u64>,
    hard: Option<u64>,
) -> Result<()> {
    let limit = libc::rlimit64 {
        rlim_cur: soft.unwrap_or(libc::RLIM64_INFINITY),
        rlim_max: hard.unwrap_or(libc::RLIM64_INFINITY),
    };
    // SAFETY: `limit` outlives the call; no old value is asked for.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid,
            resource as u32,
            &raw const limit,
            std::ptr::null::<u8>(),
        )
    };
    Call::Setrlimit.check(returned).map(drop)
}

/// Sets this process's nice value.
pub fn set_nice(value: i8) -> Result<()> {
    // SAFETY: no pointers.
    let returned = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value.into()) };
    Call::Setpriority.check(returned.into()).map(drop)
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with a code.
    Exit(i32),
    /// By a signal.
    Signal(i32),
}

/// Reaps a child that has ended, without waiting; its pid and how it ended, if there is one.
pub fn reap_any() -> Result<Option<(i32, Status)>> {
    // SAFETY: zero is a valid value of every field.
    let mut info: libc::siginfo_t = unsafe { MaybeUninit::zeroed().assume_init() };
    let flags = libc::WEXITED | libc::WNOHANG;
    // SAFETY: `info` outlives the call.
    let returned = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, flags) };
    Call::Waitid.check(returned.into())?;
    // SAFETY: waitid has filled `info` in for a child, or left it zero.
    let pid = unsafe { info.si_pid() };
    // SAFETY: likewise.
    let status = unsafe { info.si_status() };
    let exited = info.si_code == libc::CLD_EXITED;
    let status = if exited { Status::Exit(status) } else { Status::Signal(status) };
    Ok((pid > 0).then_some((pid, status)))
}

/// Waits for the end of a child, and reaps it; whether there was one.
#[must_use]
pub fn wait_for_child() -> bool {
    // SAFETY: a null status is allowed.
    unsafe { libc::wait4(-1, std::ptr::null_mut(), 0, std::ptr::null_mut()) > 0 }
}
