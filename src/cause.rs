//! Why a step failed, found by looking at the machine.

use crate::plan::Plan;
use crate::report::Failure;
use crate::sys::Fault;

/// What is found inside about a fault of step `n`.
#[must_use]
pub fn inside(_plan: &Plan, _n: u16, _fault: Fault) -> Option<String> {
    None
}

/// Whether the command itself is not there, so that the run ends with 127 and not with 126.
#[must_use]
pub fn is_missing(failure: &Failure) -> bool {
    use nix::errno::Errno;
    matches!(failure.fault.errno, Errno::ENOENT | Errno::ENOTDIR) && failure.evidence.is_none()
}
