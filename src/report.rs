//! What really happened: how a run ended, what it used, and how that is told.

use std::time::Duration;

use crate::sys::Fault;
use crate::sys::supervise::Came;

mod json;
mod place;
mod sentence;

pub use json::{Report, schema};
pub use place::Place;
pub use sentence::{refusal, sentence, size};

/// Why a run is over: the closed list.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The command ended with 0.
    Ok,
    /// It ended with another code.
    Exit(i32),
    /// A signal killed it that the runner did not send.
    Signal(i32),
    /// `timeout` passed.
    Timeout,
    /// `limits.cpu_time` was used up.
    CpuTime,
    /// `limits.memory` was reached, and the kernel killed.
    Memory,
    /// `limits.output` was written.
    Output,
    /// This signal asked the runner to stop.
    Cancelled(i32),
    /// The sandbox could not be set up.
    Setup(Failure),
    /// The command is not there.
    NotFound(Failure),
    /// It is there, but can't be executed.
    NotExecutable(Failure),
}

impl Ending {
    /// The code that `up` exits with.
    #[must_use]
    pub fn code(&self) -> u8 {
        let signalled = |signal: i32| 128 + u8::try_from(signal.clamp(0, 127)).unwrap_or_default();
        match self {
            Self::Ok => 0,
            Self::Exit(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
            Self::Signal(signal) | Self::Cancelled(signal) => signalled(*signal),
            Self::Timeout | Self::CpuTime => 124,
            Self::Memory | Self::Output => 137,
            Self::Setup(_) => 125,
            Self::NotFound(_) => 127,
            Self::NotExecutable(_) => 126,
        }
    }

    /// The step that could not be done, where that was the end.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Setup(failure) | Self::NotFound(failure) | Self::NotExecutable(failure) => {
                Some(failure)
            }
            _ => None,
        }
    }
}

/// A step that could not be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The step's number in the plan.
    pub n: u16,
    /// The call and the kernel's reason.
    pub fault: Fault,
    /// What init found when it looked for the reason, inside.
    pub evidence: Option<String>,
}

/// How much is said about one fault, in bytes.
pub(crate) const MOST_EVIDENCE: usize = 16 * 1024;

impl Failure {
    /// Takes note of one more part of what init found.
    pub(crate) fn learn(&mut self, part: &str) {
        let evidence = self.evidence.get_or_insert_default();
        if evidence.len() + part.len() <= MOST_EVIDENCE {
            evidence.push_str(part);
        }
    }
}

/// All that is known about a run when it is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Why it is over.
    pub ending: Ending,
    /// What the kernel said of the command: its code or signal, whatever the ending.
    pub status: Option<crate::sys::Status>,
    /// The signal that asked the runner to stop, and its sender.
    pub asked: Option<Came>,
    /// The runner killed the command: it could not hear the stop signal, or did not end.
    pub killed: bool,
    /// The command ran.
    pub started: bool,
    /// What it used.
    pub figures: Figures,
    /// How long each step took.
    pub times: Vec<Time>,
    /// What went wrong beside it: output that could not be written, a group that stayed.
    pub troubles: Vec<String>,
}

impl Outcome {
    /// The code that `up` exits with: never 0 when something was lost.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self.ending.code() {
            0 if !self.troubles.is_empty() => 125,
            code => code,
        }
    }
}

/// What a run used, as far as anybody counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// From the runner's start to the end.
    pub wall: Duration,
    /// From the runner's start until the command ran.
    pub setup: Option<Duration>,
    /// On processors, in user mode, all processes together.
    pub cpu_user: Option<Duration>,
    /// On processors, in the kernel.
    pub cpu_system: Option<Duration>,
    /// The most memory held at a time, in bytes.
    pub memory_peak: Option<u64>,
    /// The limit it was held to.
    pub memory_limit: Option<u64>,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: Option<u64>,
    /// The most processes and threads at a time.
    pub pids_peak: Option<u64>,
    /// How often one more was refused.
    pub pids_refused: Option<u64>,
    /// How often a period's share of processor time was used up.
    pub throttled_periods: Option<u64>,
    /// How long it waited for the next period.
    pub throttled: Option<Duration>,
    /// Bytes of output that passed through the runner.
    pub output: Option<u64>,
}

/// How long a step took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// The step's number in the plan.
    pub n: u16,
    /// In microseconds.
    pub micros: u32,
}
