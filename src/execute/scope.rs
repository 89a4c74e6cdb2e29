//! A scope of systemd's, and the runner's place in it.

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;

use crate::sys::{self, Call, Fault};
use crate::systemd::Manager;

/// Has systemd move the runner into a new scope. A fault comes with systemd's own words.
pub(super) fn start(
    socket: &Path,
    unit: &str,
    slice: &str,
    path: &Path,
) -> Result<(), (Fault, Option<String>)> {
    let told = |error: &io::Error| {
        let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        (Call::StartTransientUnit.fault(errno), Some(format!("systemd did not give it: {error}")))
    };
    let mut manager = Manager::connect(socket).map_err(|error| told(&error))?;
    manager.start_scope(unit, slice).map_err(|error| told(&error))?;
    if is_in(path) {
        return Ok(());
    }
    let text = format!("systemd has put the runner elsewhere than to {}", path.display());
    Err((Call::StartTransientUnit.fault(Errno::ENOENT), Some(text)))
}

/// Whether this process is in the group: its path within the hierarchy ends the path of its
/// directory.
fn is_in(path: &Path) -> bool {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    // The root of a cgroup namespace has no name, which would end every path.
    own.is_some_and(|own| !own.is_empty() && path.ends_with(own))
}

/// Makes a group for the runner and moves it there.
pub(super) fn step_aside(path: &Path) -> sys::Result<()> {
    sys::mkdirat(AT_FDCWD, path, 0o755)?;
    sys::write_file(&path.join("cgroup.procs"), b"0")
}
