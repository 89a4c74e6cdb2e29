//! With `init: true`, PID 1: it reaps whom nobody waits for, hands signals on to the command,
//! and ends when the command ends. It holds nothing but the line to the parent.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

use crate::execute::line;
use crate::sys::{self, Result, Sets};

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
/// Whoever is inside may read what PID 1 was called with: that was the runner's.
pub(super) fn spawn(line: BorrowedFd<'_>, proc: BorrowedFd<'_>) -> Result<()> {
    sys::forget_arguments(proc)?;
    match sys::fork()? {
        None => Ok(()),
        Some(child) => stay(line, child),
    }
}

fn stay(line: BorrowedFd<'_>, child: i32) -> ! {
    // Whoever waits for the end of a stream must not wait for us.
    _ = sys::close_all_but(0, &[line.as_raw_fd()]);
    _ = Sets::default().set();
    loop {
        match sys::wait_for_signal(HANDED_ON) {
            Ok(libc::SIGCHLD) => reap(line, child),
            Ok(signal) => _ = sys::kill(child, signal),
            Err(_) => {}
        }
    }
}

/// Reaps all that have ended; with the command, all is over.
fn reap(line: BorrowedFd<'_>, child: i32) {
    while let Some((pid, status)) = sys::reap_any() {
        if pid == child {
            line::send_ended(line, status);
            sys::quit(0);
        }
    }
}
