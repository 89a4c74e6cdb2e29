//! With `init: true`, PID 1: it reaps whom nobody waits for, hands signals on to the command,
//! and ends when the command ends. It holds nothing but the line to the parent. Without a PID
//! namespace, it is whom the command's processes belong to.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::libc;

use crate::execute::line;
use crate::sys::{self, Result, Sets, Status};

/// The signals that are this process's own: those of its faults. No others can be kept from it
/// than KILL and STOP, and all others go on to the command.
const OWN: [i32; 7] = [
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGSEGV,
    libc::SIGSYS,
    libc::SIGTRAP,
];

const HANDED_ON: u64 = !set(&OWN);

const fn set(signals: &[i32]) -> u64 {
    let (mut set, mut rest) = (0, signals);
    while let [signal, others @ ..] = rest {
        set |= 1 << (*signal - 1);
        rest = others;
    }
    set
}

/// From here on no signal that comes is lost: PID 1 is not told of those that it neither handles
/// nor blocks.
pub(super) fn listen() -> Result<()> {
    // A child of a process that ignores SIGCHLD can't be waited for.
    sys::default_actions()?;
    sys::block_signals(HANDED_ON)
}

/// Starts the process that becomes the command, and returns in it. This one stays.
///
/// Where it is not PID 1, no kernel ends the others with it: then it is the one whom orphans come
/// to, and hears of the runner's death instead of dying.
pub(super) fn spawn(line: BorrowedFd<'_>, proc: BorrowedFd<'_>, first: bool) -> Result<()> {
    if !first {
        sys::supervise::adopt_orphans()?;
        sys::hear_of_parents_death()?;
    }
    match sys::fork()? {
        None => Ok(()),
        Some(child) => Init { line, proc, first, child }.stay(),
    }
}

struct Init<'a> {
    line: BorrowedFd<'a>,
    /// The host's /proc.
    proc: BorrowedFd<'a>,
    /// It is PID 1.
    first: bool,
    /// The command.
    child: i32,
}

impl Init<'_> {
    fn stay(self) -> ! {
        // Whoever waits for the end of a stream must not wait for us.
        let proc = if self.first { -1 } else { self.proc.as_raw_fd() };
        _ = sys::close_all_but(0, &[self.line.as_raw_fd(), proc]);
        _ = Sets::default().set();
        loop {
            if !self.first && sys::hung_up(self.line) {
                self.end_all();
            }
            match sys::wait_for_signal(HANDED_ON) {
                Ok(libc::SIGCHLD) => self.reap(),
                Ok(signal) => _ = sys::kill(self.child, signal),
                Err(_) => {}
            }
        }
    }

    /// Reaps all that have ended; with the command, all is over.
    fn reap(&self) {
        loop {
            match sys::reap_any() {
                Ok(Some((pid, status))) if pid == self.child => self.tell(status),
                Ok(Some(_)) => {}
                Ok(None) => return,
                // There is no child: how the command ended, nobody will tell any more.
                Err(_) => self.tell(Status::Signal(libc::SIGKILL)),
            }
        }
    }

    fn tell(&self, status: Status) -> ! {
        line::send_ended(self.line, status);
        sys::quit(0)
    }

    /// The runner is dead: kills all whom the command left, generation after generation.
    fn end_all(&self) -> ! {
        while self.kill_children() && sys::wait_for_child() {}
        sys::quit(128 + libc::SIGKILL)
    }

    /// Whether any was there to be killed.
    fn kill_children(&self) -> bool {
        let mut list = [0; 4096];
        let children = Path::new("thread-self/children");
        let length = sys::openat(self.proc, children, OFlag::O_RDONLY, 0)
            .and_then(|file| sys::read(file.as_fd(), &mut list));
        // A number that was cut off is another number.
        let list = list.get(..length.unwrap_or_default()).unwrap_or_default();
        let whole = list.split_inclusive(|byte| *byte == b' ').filter(|part| part.ends_with(b" "));
        let pids = whole.filter_map(|part| str::from_utf8(part).ok()?.trim_end().parse().ok());
        pids.filter(|pid| sys::kill(*pid, libc::SIGKILL).is_ok()).count() > 0
    }
}
