//! Why a step failed, found by looking at the machine.

use crate::plan::Plan;
use crate::sys::Fault;

/// What is found inside about a fault of step `n`.
#[must_use]
pub fn inside(_plan: &Plan, _n: u16, _fault: Fault) -> Option<String> {
    None
}
