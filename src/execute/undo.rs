//! What was made, and how it is unmade.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::sys;

/// Everything that a run left in the world so far, in the order in which it was made.
#[derive(Debug, Default)]
pub(super) struct Undo(Vec<Made>);

/// One thing that was made.
#[derive(Debug)]
pub(super) enum Made {
    /// A control group. It is locked as long as its runner lives.
    Cgroup { path: PathBuf, _lock: OwnedFd },
    /// A layer's directory is locked.
    Lock { _layer: OwnedFd },
    /// The runner left this network namespace.
    Network { before: OwnedFd },
}

impl Undo {
    pub(super) fn push(&mut self, made: Made) {
        self.0.push(made);
    }

    /// Unmakes everything, last first. What could not be unmade is told in words.
    pub(super) fn all(mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.pop()).filter_map(|made| made.undo().err()).collect()
    }
}

impl Made {
    fn undo(self) -> Result<(), String> {
        match self {
            Self::Cgroup { path, .. } => super::cgroup::remove(&path).map_err(|fault| {
                let path = path.display().to_string();
                format!("the control group {} stays: {fault}", path.escape_default())
            }),
            Self::Lock { .. } => Ok(()),
            Self::Network { before } => sys::supervise::enter_network(&before)
                .map_err(|fault| format!("the runner stays in the sandbox's network: {fault}")),
        }
    }
}
