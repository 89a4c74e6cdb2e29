//! With `init: true`, PID 1: it reaps whom nobody waits for, hands signals on to the command,
//! and ends when the command ends. It holds nothing but the line to the parent.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use crate::execute::line;
use crate::sys::{self, Call, Named, Result, Sets};

/// The signals that go on to the command.
const FORWARDED: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

/// Starts the process that becomes the command, and returns in it. This one stays.
pub(super) fn spawn(line: BorrowedFd<'_>) -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    FORWARDED.iter().for_each(|signal| signals.add(*signal));
    // A child of a process that ignores SIGCHLD can't be waited for. And blocked before the
    // fork, none that comes early is lost.
    sys::default_actions()?;
    signals.thread_set_mask().of(Call::Sigprocmask)?;
    match sys::fork()? {
        None => Ok(()),
        Some(child) => stay(line, &signals, Pid::from_raw(child)),
    }
}

fn stay(line: BorrowedFd<'_>, signals: &SigSet, child: Pid) -> ! {
    // Whoever waits for the end of a stream must not wait for us.
    _ = sys::close_all_but(0, &[line.as_raw_fd()]);
    _ = Sets::default().set();
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => reap(line, child),
            Ok(signal) => _ = kill(child, signal),
            Err(_) => {}
        }
    }
}

/// Reaps all that have ended; with the command, all is over.
fn reap(line: BorrowedFd<'_>, child: Pid) {
    while let Some((pid, status)) = sys::reap_any() {
        if pid == child.as_raw() {
            line::send_ended(line, status);
            sys::quit(0);
        }
    }
}
