//! What really happened.

use crate::sys::Fault;

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
