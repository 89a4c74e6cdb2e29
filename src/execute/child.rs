//! Init, as its parent sees it.

use std::cell::Cell;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sys::supervise::{Usage, reap, signal};
use crate::sys::{self, Result, Status};

/// A child that is killed and reaped when it is let go, if it was not before.
#[derive(Debug)]
pub(super) struct Child {
    pid: i32,
    pidfd: OwnedFd,
    end: Cell<Option<(Status, Usage)>>,
}

/// How whoever was killed ended, as far as nobody tells more.
pub(super) const KILLED: Status = Status::Signal(Signal::SIGKILL as i32);

impl Child {
    pub(super) fn new(pid: i32, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd, end: Cell::new(None) }
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn is_dead(&self) -> bool {
        self.end.get().is_some()
    }

    /// How it ended, and what it and those it waited for have used.
    pub(super) fn end(&self) -> Option<(Status, Usage)> {
        self.end.get()
    }

    /// Sends it a signal. It may have ended meanwhile.
    pub(super) fn signal(&self, number: i32) {
        _ = signal(self.pidfd.as_fd(), number);
    }

    /// Waits for its end.
    pub(super) fn reap(&self) -> Result<()> {
        // Asked twice: a zombie must not stay where the first answer was a fault.
        let reaped = reap(self.pid).or_else(|fault| reap(self.pid).map_err(|_| fault));
        // One that can't be waited for is not ours to wait for.
        let lost = (KILLED, Usage::default());
        self.end.set(Some(*reaped.as_ref().unwrap_or(&lost)));
        reaped.map(drop)
    }

    /// Whether it would notice the signal, as PID 1: the kernel keeps from it what it neither
    /// handles nor blocks (pid_namespaces(7)).
    pub(super) fn receives(&self, number: i32) -> bool {
        number == Signal::SIGKILL as i32 || self.has(number, &["SigCgt:", "SigBlk:"])
    }

    /// Whether the signal would end it, were it not PID 1: it neither handles, blocks nor ignores it.
    pub(super) fn would_end(&self, number: i32) -> bool {
        !self.has(number, &["SigCgt:", "SigBlk:", "SigIgn:"])
    }

    /// Whether the signal is in one of these sets (proc_pid_status(5)).
    fn has(&self, number: i32, sets: &[&str]) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default()
        };
        let bit = u32::try_from(number - 1).ok().and_then(|shift| 1u64.checked_shl(shift));
        bit.is_some_and(|bit| sets.iter().any(|name| set(name) & bit != 0))
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_dead() {
            self.signal(Signal::SIGKILL as i32);
            _ = self.reap();
        }
    }
}

/// Kills and reaps all whom the sandbox left behind where it has no PID namespace of its own:
/// they became our children, besides those that the caller had before it became the runner.
pub(super) fn kill_orphans(callers: &[i32]) {
    loop {
        let mut orphans = children();
        orphans.retain(|pid| !callers.contains(pid));
        if orphans.is_empty() {
            return;
        }
        for pid in orphans {
            _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            _ = reap(pid);
        }
    }
}

/// The children of this process.
pub(super) fn children() -> Vec<i32> {
    let own = std::process::id();
    match fs::read_to_string(format!("/proc/{own}/task/{own}/children")) {
        Ok(list) => list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect(),
        // A kernel without CONFIG_PROC_CHILDREN.
        Err(_) => whose_parent_is(i32::try_from(own).unwrap_or_default()),
    }
}

fn whose_parent_is(own: i32) -> Vec<i32> {
    let all = sys::entries(Path::new("/proc"));
    let numbers = all.iter().filter_map(|(name, _)| name.to_str()?.parse().ok());
    numbers.filter(|pid| sys::parent(*pid) == Some(own)).collect()
}
