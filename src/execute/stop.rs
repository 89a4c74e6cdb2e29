//! Why and how a run is being ended.

use std::time::Instant;

use nix::sys::signal::Signal;

use super::limits::Reached;
use crate::report::Ending;
use crate::sys::supervise::Came;

/// Why a run is being ended, and how far that is.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) reason: Reason,
    /// When patience ends.
    pub(super) kill: Option<Instant>,
    /// All were killed.
    pub(super) killed: bool,
}

/// Why a run is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Limit(Reached),
    Output,
    Asked(Came),
    /// Nobody takes its output any more.
    Unread,
    /// The caller's terminal is gone.
    HungUp,
}

impl Stop {
    pub(super) fn asked(&self) -> Option<Came> {
        match self.reason {
            Reason::Asked(came) => Some(came),
            _ => None,
        }
    }
}

impl Reason {
    /// The command gets the time to end by itself.
    pub(super) fn is_gentle(self) -> bool {
        !matches!(self, Self::Output | Self::Limit(Reached::CpuTime | Reached::Memory))
    }

    /// What it would get in its own way: the signal that came, a hang-up.
    pub(super) fn signal(self) -> Option<i32> {
        match self {
            Self::Asked(came) => Some(came.signal as i32),
            Self::Unread | Self::HungUp => Some(Signal::SIGHUP as i32),
            Self::Limit(_) | Self::Output => None,
        }
    }

    pub(super) fn ending(self) -> Ending {
        match self {
            Self::Limit(Reached::Timeout) => Ending::Timeout,
            Self::Limit(Reached::CpuTime) => Ending::CpuTime,
            Self::Limit(Reached::Memory) => Ending::Memory,
            Self::Output => Ending::Output,
            Self::Asked(came) => Ending::Cancelled(came.signal as i32),
            Self::Unread => Ending::Cancelled(Signal::SIGPIPE as i32),
            Self::HungUp => Ending::Cancelled(Signal::SIGHUP as i32),
        }
    }
}
