//! What the parent does for init, while init waits.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statfs::FsType;

use crate::mountinfo::Line;
use crate::plan::{Attend, IdKind, IdRange};
use crate::sys::{self, Call, Fault};

/// The magic number of pipes without a name (linux/magic.h).
const PIPEFS: FsType = FsType(0x5049_5045);

/// Performs one step; what it makes is for init. A fault may come with what the helper said
/// about it.
pub(super) fn perform(
    action: &Attend,
    pid: i32,
) -> Result<Option<OwnedFd>, (Fault, Option<String>)> {
    let done = match action {
        Attend::MapIds { kind, map, helper: Some(helper) } => {
            return ask_helper(*kind, map, helper, pid).map(|()| None);
        }
        Attend::MapIds { kind, map, helper: None } => write_map(*kind, map, pid).map(|()| None),
        Attend::RaiseLimit { resource, hard } => raise_limit(resource, *hard, pid).map(|()| None),
        Attend::MapMount { source, layer: true, .. } if has_mounts_below(source) => {
            Err(Call::OpenTree.fault(Errno::EINVAL))
        }
        Attend::MapMount { source, recursive, .. } => map_mount(source, *recursive, pid).map(Some),
        Attend::OpenPipes => open_pipes().map(|()| None),
    };
    done.map_err(|fault| (fault, None))
}

fn raise_limit(resource: &str, hard: Option<u64>, pid: i32) -> sys::Result<()> {
    let resource = sys::resource(resource).ok_or(Call::Setrlimit.fault(Errno::EINVAL))?;
    sys::set_rlimit(pid, resource, hard, hard)
}

/// What is mounted below keeps its ids where its file system can't have them mapped: then they
/// are nobody's inside.
fn map_mount(source: &Path, recursive: bool, pid: i32) -> sys::Result<OwnedFd> {
    let ids = sys::open(&PathBuf::from(format!("/proc/{pid}/ns/user")), OFlag::O_RDONLY)?;
    let tree = sys::copy_mount(source, recursive)?;
    let whole = recursive && sys::map_mount(tree.as_fd(), ids.as_fd(), true).is_ok();
    if !whole {
        sys::map_mount(tree.as_fd(), ids.as_fd(), false)?;
    }
    Ok(tree)
}

/// Whether another file system is mounted somewhere below `dir` (proc_pid_mountinfo(5)).
fn has_mounts_below(dir: &Path) -> bool {
    let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points = table.lines().filter_map(|line| Line::read(line)?.point().map(PathBuf::from));
    points.any(|point| point != dir && point.starts_with(&dir))
}

fn open_pipes() -> sys::Result<()> {
    for number in 0..3 {
        let stream = sys::stream(number);
        // A FIFO that has a name is somebody's file; a closed stream is nothing.
        if sys::is_filesystem(stream, PIPEFS).unwrap_or(false) {
            sys::open_pipe(stream, number)?;
        }
    }
    Ok(())
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

/// How many bytes of a helper's words are kept.
const MOST_SAID: u64 = 4096;

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
    command.stdin(process::Stdio::null()).stdout(process::Stdio::null());
    let failed = |error| (call.fault(errno(&error)), None);
    let mut child = command.stderr(process::Stdio::piped()).spawn().map_err(failed)?;
    // Not `output`, which panics where it can't read. What was said is no more than evidence.
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        _ = stderr.take(MOST_SAID).read_to_end(&mut said);
    }
    if child.wait().map_err(failed)?.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said).trim().escape_default().to_string();
    Err((call.fault(Errno::EPERM), (!said.is_empty()).then_some(said)))
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
