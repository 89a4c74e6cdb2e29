//! What the runner needs to watch a sandbox: signals as messages, the child as a descriptor,
//! out-of-memory events, and the caller's terminal.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::{Call, Fault, Named, Result, Status, prctl};

/// The signals that come as messages while this value lives; then the mask is as before.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: SigSet,
}

/// A signal that came, and who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    /// Which one.
    pub signal: Signal,
    /// The sender's pid and uid; none when the kernel sent it (a key, a hang-up).
    pub sender: Option<(u32, u32)>,
}

/// Those that ask the runner to stop. A caller who ignores one of the first three (nohup(1), a
/// shell's background job) means it.
const IGNORABLE: [Signal; 3] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT];
const ALWAYS: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGCHLD,
    // Blocked, so that a write to nobody is an error and not the runner's death.
    Signal::SIGPIPE,
];

impl Signals {
    /// Takes the signals. Whatever mask the caller left, no other is blocked. With `terminal`
    /// the stops from a terminal come as messages, too.
    pub fn take(terminal: bool) -> Result<Self> {
        // With it ignored, children could not be waited for.
        set_action(Signal::SIGCHLD, libc::SIG_DFL)?;
        let mut set: SigSet = ALWAYS.into_iter().collect();
        set.extend(IGNORABLE.into_iter().filter(|signal| !ignored(*signal)));
        if terminal {
            set.extend([Signal::SIGTSTP, Signal::SIGCONT]);
        }
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&set), Some(&mut before))
            .of(Call::Sigprocmask)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&set, flags).of(Call::Signalfd)?;
        Ok(Self { fd, before })
    }

    /// The next signal, without waiting.
    #[must_use]
    pub fn next(&self) -> Option<Came> {
        loop {
            let info = self.fd.read_signal().ok()??;
            let Ok(number) = i32::try_from(info.ssi_signo) else { continue };
            let Ok(signal) = Signal::try_from(number) else { continue };
            // What a process sends has a code of zero or below (sigaction(2), SI_USER).
            let sender = (info.ssi_code <= 0).then_some((info.ssi_pid, info.ssi_uid));
            return Some(Came { signal, sender });
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // What is pending now was meant for a run that is over.
        while self.next().is_some() {}
        _ = self.before.thread_set_mask();
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn action(signal: Signal, new: *const libc::sigaction) -> Result<libc::sigaction> {
    // SAFETY: zero is a valid value of every field.
    let mut old: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `new` is null or whole, and both outlive the call.
    let returned = unsafe { libc::sigaction(signal as i32, new, &raw mut old) };
    Call::Sigaction.check(returned.into()).map(|_| old)
}

fn ignored(signal: Signal) -> bool {
    action(signal, std::ptr::null()).is_ok_and(|old| old.sa_sigaction == libc::SIG_IGN)
}

/// Ignores a signal.
pub(super) fn ignore(signal: Signal) -> Result<()> {
    set_action(signal, libc::SIG_IGN)
}

fn set_action(signal: Signal, handler: usize) -> Result<()> {
    // SAFETY: zero is a valid value of every field.
    let mut new: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    new.sa_sigaction = handler;
    action(signal, &raw const new).map(drop)
}

/// Orphans among this process's descendants become its children.
pub fn adopt_orphans() -> Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1)
}

/// Sends a signal to the very process that `pidfd` names. One that is gone is no fault.
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    let (fd, none) = (pidfd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: a null siginfo is allowed.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, none, 0) };
    match Call::Kill.check(returned) {
        Err(Fault { errno: Errno::ESRCH, .. }) => Ok(()),
        other => other.map(drop),
    }
}

/// What a process and its children that it waited for have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors in user mode.
    pub user: Duration,
    /// Time on processors in the kernel.
    pub system: Duration,
    /// The most memory that one of the processes held, in bytes.
    pub resident: u64,
}

/// Reaps child `pid`, waiting for its end.
pub fn reap(pid: i32) -> Result<(Status, Usage)> {
    // SAFETY: zero is a valid value of every field.
    let mut usage: libc::rusage = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut status = 0;
    loop {
        // SAFETY: both pointers are to values that outlive the call.
        let returned = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        match Call::Waitid.check(returned.into()) {
            Err(Fault { errno: Errno::EINTR, .. }) => {}
            Err(fault) => return Err(fault),
            Ok(_) => return Ok((decode(status), used(&usage))),
        }
    }
}

fn decode(status: i32) -> Status {
    if libc::WIFEXITED(status) {
        Status::Exit(libc::WEXITSTATUS(status))
    } else {
        Status::Signal(libc::WTERMSIG(status))
    }
}

fn used(usage: &libc::rusage) -> Usage {
    let time = |time: libc::timeval| {
        let (seconds, micros) = (time.tv_sec.unsigned_abs(), time.tv_usec.unsigned_abs());
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    };
    let resident = usage.ru_maxrss.unsigned_abs() * 1024;
    Usage { user: time(usage.ru_utime), system: time(usage.ru_stime), resident }
}

/// A descriptor that can be read each time a cgroup v1 memory group runs out of memory.
pub fn watch_oom(group: &Path) -> Result<OwnedFd> {
    let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
    // SAFETY: no pointers.
    let event = Call::Eventfd.fd(unsafe { libc::eventfd(0, flags) }.into())?;
    let control = super::open(&group.join("memory.oom_control"), nix::fcntl::OFlag::O_RDONLY)?;
    let order = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    super::write_file(&group.join("cgroup.event_control"), order.as_bytes())?;
    Ok(event)
}

/// The caller's terminal in raw mode, until this value is dropped.
#[derive(Debug)]
pub struct Raw {
    terminal: OwnedFd,
    before: Termios,
    raw: Termios,
}

impl Raw {
    /// Puts `terminal` into raw mode. Without `output`, what others write to it keeps its
    /// line ends.
    pub fn enter(terminal: BorrowedFd<'_>, output: bool) -> Result<Self> {
        let terminal = duplicate(terminal)?;
        let before = tcgetattr(&terminal).of(Call::Tcsetattr)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        if !output {
            raw.output_flags |= before.output_flags & (OutputFlags::OPOST | OutputFlags::ONLCR);
        }
        let raw = Self { terminal, before, raw };
        raw.again()?;
        Ok(raw)
    }

    /// Raw mode anew, after somebody else had the terminal.
    pub fn again(&self) -> Result<()> {
        tcsetattr(&self.terminal, SetArg::TCSANOW, &self.raw).of(Call::Tcsetattr)
    }

    /// As it was before. What fails is tried once more: nobody else will put it back.
    pub fn restore(&self) -> Result<()> {
        // From the background, the kernel would stop us for touching the terminal.
        let mut stop = SigSet::empty();
        stop.add(Signal::SIGTTOU);
        let mut mask = SigSet::empty();
        _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&stop), Some(&mut mask));
        let put = || tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
        let done = put().or_else(|_| put()).of(Call::Tcsetattr);
        _ = mask.thread_set_mask();
        done
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        _ = self.restore();
    }
}

/// Another descriptor of the same open file, close-on-exec.
pub fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) };
    let copy = Call::Dup2.check(copy.into())?;
    let copy = i32::try_from(copy).map_err(|_| Call::Dup2.fault(Errno::EOVERFLOW))?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Reads and writes of this open file do not wait (or do again).
pub fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = fcntl(fd, FcntlArg::F_GETFL).of(Call::Fcntl)?;
    let mut flags = OFlag::from_bits_retain(flags);
    flags.set(OFlag::O_NONBLOCK, on);
    fcntl(fd, FcntlArg::F_SETFL(flags)).of(Call::Fcntl).map(drop)
}

/// The size of a terminal's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl Window {
    /// That of the caller's terminal, as far as there is one.
    #[must_use]
    pub fn callers() -> Option<Self> {
        [0, 1].into_iter().find_map(|stream| Self::of(super::stream(stream)))
    }

    /// That of `terminal`, if it is one and knows.
    #[must_use]
    pub fn of(terminal: BorrowedFd<'_>) -> Option<Self> {
        // SAFETY: zero is a valid value of every field.
        let mut size: libc::winsize = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the request fills in a winsize, which outlives the call.
        let returned =
            unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
        let known = returned == 0 && size.ws_col > 0;
        known.then_some(Self { rows: size.ws_row, columns: size.ws_col })
    }

    /// Gives `terminal` this size; who runs in its foreground gets SIGWINCH.
    pub fn set(self, terminal: BorrowedFd<'_>) -> Result<()> {
        let (ws_row, ws_col) = (self.rows, self.columns);
        let size = libc::winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the request reads a winsize, which outlives the call.
        let returned =
            unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        Call::Ioctl.check(returned.into()).map(drop)
    }
}

/// Enters a network namespace.
pub fn enter_network(namespace: &OwnedFd) -> Result<()> {
    nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).of(Call::Setns)
}

/// Locks a directory against all who lock it likewise, if nobody has; until `dir` is closed.
#[must_use]
pub fn lock(dir: BorrowedFd<'_>) -> bool {
    // SAFETY: no pointers.
    let returned = unsafe { libc::flock(dir.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    returned == 0
}
