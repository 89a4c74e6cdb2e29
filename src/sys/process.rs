//! Processes: how they start, what they inherit, how they end, what they become.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;

use super::{Call, Fault, Named, Result, prctl};

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

/// This process is killed when its parent dies.
pub fn die_with_parent() -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL.unsigned_abs().into())
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
