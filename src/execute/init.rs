//! What init does between the clone and exec.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::plan::Plan;
use crate::sys::{self, supervise::Window};

/// What the parent laid out for init before the clone.
#[derive(Debug)]
pub struct Ready {
    /// The command, as the kernel wants it.
    pub image: sys::Image,
    /// The files that were opened for standard streams.
    pub streams: [Option<OwnedFd>; 3],
    /// The write ends of the pipes that are counted: stdout's and stderr's.
    pub counted: [Option<OwnedFd>; 2],
    /// The size that the sandbox's terminal has from the first.
    pub window: Option<Window>,
}

/// Waits for a byte on `go`, builds the sandbox around this process, and becomes the command.
pub fn build(_plan: &Plan, _ready: &Ready, _line: BorrowedFd<'_>, _go: OwnedFd) -> ! {
    sys::quit(1)
}
