//! What the parent does for init, while init waits.

use std::io;
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;

use crate::plan::{Attend, IdKind, IdRange};
use crate::sys::{self, Call, Fault};

/// Performs one step. A fault may come with what the helper said about it.
pub(super) fn perform(action: &Attend, pid: i32) -> Result<(), (Fault, Option<String>)> {
    match action {
        Attend::MapIds { kind, map, helper: None } => {
            write_map(*kind, map, pid).map_err(|fault| (fault, None))
        }
        Attend::MapIds { kind, map, helper: Some(helper) } => ask_helper(*kind, map, helper, pid),
        Attend::RaiseLimit { resource, hard } => {
            let number = sys::resource(resource).ok_or(Call::Setrlimit.fault(Errno::EINVAL));
            let raised = number.and_then(|number| sys::set_rlimit(pid, number, *hard, *hard));
            raised.map_err(|fault| (fault, None))
        }
    }
}

fn write_map(kind: IdKind, map: &[IdRange], pid: i32) -> sys::Result<()> {
    let file = match kind {
        IdKind::Uid => "uid_map",
        IdKind::Gid => "gid_map",
    };
    let line = |range: &IdRange| format!("{} {} {}\n", range.inside, range.outside, range.count);
    let lines: String = map.iter().map(line).collect();
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    sys::write_file(&path, lines.as_bytes())
}

fn ask_helper(
    kind: IdKind,
    map: &[IdRange],
    helper: &Path,
    pid: i32,
) -> Result<(), (Fault, Option<String>)> {
    let call = match kind {
        IdKind::Uid => Call::Newuidmap,
        IdKind::Gid => Call::Newgidmap,
    };
    let mut command = process::Command::new(helper);
    command.arg(pid.to_string()).env_clear();
    for range in map {
        command.args([range.inside, range.outside, range.count].map(|n| n.to_string()));
    }
    let output = command
        .stdin(process::Stdio::null())
        .output()
        .map_err(|error| (call.fault(errno(&error)), None))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().escape_default().to_string();
    Err((call.fault(Errno::EPERM), (!said.is_empty()).then_some(said)))
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
