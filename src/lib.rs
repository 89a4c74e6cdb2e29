//! Runs a command in a sandbox that one YAML file describes.
//!
//! ```text
//! text ──source──▶ Document ──manifest──▶ Manifest ──planner──▶ Plan ──execute──▶ Outcome ──report──▶ exit code
//!                                                       ▲
//!                                         Host (probed once)
//! ```
//!
//! Every arrow is one room and goes one way. What stands left of `execute` is pure, but for
//! `probe` and `check`, which look at the machine and change nothing.

pub mod audit;
pub mod capability;
pub mod cause;
pub mod check;
pub mod cli;
pub mod diagnostic;
pub mod doctor;
pub mod execute;
pub mod explain;
#[cfg(any(test, fuzzing))]
pub mod foreign;
pub mod host;
pub mod inputs;
pub mod manifest;
mod mountinfo;
pub mod plan;
pub mod planner;
pub mod probe;
pub mod render;
pub mod report;
pub mod schema;
pub mod seccomp;
pub mod source;
pub mod sys;
pub mod systemd;
