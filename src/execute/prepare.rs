//! What the parent makes before there is anybody inside.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::libc;

use super::undo::{Made, Undo};
use super::{cgroup, scope, time};
use crate::plan::{Plan, Prepare};
use crate::report::{Failure, Time};
use crate::sys::supervise::{enter_network, lock, set_nonblocking, watch_oom};
use crate::sys::{self, Call, Fault, Result};

/// What was opened.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Files for the standard streams.
    pub(super) streams: [Option<OwnedFd>; 3],
    /// Can be read when the memory group is out of memory, where the kernel tells.
    pub(super) memory: Option<OwnedFd>,
}

/// Performs all steps of the scene.
pub(super) fn all(
    plan: &Plan,
    undo: &mut Undo,
    times: &mut Vec<Time>,
) -> std::result::Result<Prepared, Failure> {
    let mut prepared = Prepared::default();
    sweep(plan);
    for step in &plan.prepare {
        let at = Instant::now();
        let done = perform(&step.action, &mut prepared, undo);
        done.map_err(|(fault, evidence)| Failure { n: step.n, fault, evidence })?;
        times.push(time(step.n, at));
    }
    Ok(prepared)
}

/// Removes what runs that were killed left in the directories where groups are made now.
fn sweep(plan: &Plan) {
    let mut parents: Vec<&Path> = Vec::new();
    for step in &plan.prepare {
        if let Prepare::MakeCgroup { path } | Prepare::HoldControllers { holder: path, .. } =
            &step.action
            && let Some(parent) = path.parent()
            && !parents.contains(&parent)
        {
            parents.push(parent);
            cgroup::sweep(parent);
        }
    }
}

/// Performs one step. A fault may come with what systemd said about it.
fn perform(
    action: &Prepare,
    prepared: &mut Prepared,
    undo: &mut Undo,
) -> std::result::Result<(), (Fault, Option<String>)> {
    let done = match action {
        Prepare::StartScope { socket, unit, slice, path } => {
            return scope::start(socket, unit, slice, path);
        }
        Prepare::StepAside { path } => scope::step_aside(path),
        Prepare::MakeCgroup { path } => make_cgroup(path, undo),
        Prepare::EnableControllers { path, controllers } => enable(path, controllers),
        Prepare::HoldControllers { path, holder, controllers } => {
            hold(path, holder, controllers, undo)
        }
        Prepare::WriteCgroup { path, value } => sys::write_file(path, value.as_bytes()),
        Prepare::WatchMemory { path } => {
            prepared.memory = watch_oom(path).ok();
            Ok(())
        }
        Prepare::JoinNetwork { path } => join_network(path, undo),
        Prepare::LockLayer { path } => lock_layer(path, undo),
        Prepare::OpenStream { stream, path } => open_stream(*stream, path).map(|file| {
            if let Some(place) = prepared.streams.get_mut(usize::from(*stream)) {
                *place = Some(file);
            }
        }),
    };
    done.map_err(|fault| (fault, None))
}

/// Between mkdir and lock another run's sweep may take the group for one that was left: then
/// it is made again. One that is locked is a living run's, and stays.
fn make_cgroup(path: &Path, undo: &mut Undo) -> Result<()> {
    let mut failed = Call::Mkdir.fault(Errno::EAGAIN);
    for _ in 0..8 {
        match make_directory(path) {
            // Left by one that had our pid; or somebody has it in another PID namespace, and lives.
            Err(fault @ Fault { errno: Errno::EEXIST, .. }) => {
                if let Ok(Some(_lock)) = claim(path) {
                    _ = sys::rmdir(path);
                }
                failed = fault;
                continue;
            }
            made => made?,
        }
        match claim(path) {
            Ok(Some(lock)) => {
                undo.push(Made::Cgroup { path: path.to_owned(), _lock: lock });
                return Ok(());
            }
            Ok(None) => {}
            Err(fault) => {
                _ = sys::rmdir(path);
                return Err(fault);
            }
        }
    }
    Err(failed)
}

/// Whatever the caller's umask. To change the mode afterwards takes a control group as long as to
/// be made.
fn make_directory(path: &Path) -> Result<()> {
    let callers = sys::set_umask(0o022);
    let made = sys::mkdirat(AT_FDCWD, path, 0o755);
    _ = sys::set_umask(callers);
    made
}

/// The lock of a group that was made just now; none if another run has taken the group away.
fn claim(path: &Path) -> Result<Option<OwnedFd>> {
    match sys::open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
        Err(Fault { errno: Errno::ENOENT, .. }) => Ok(None),
        Err(fault) => Err(fault),
        Ok(dir) => Ok(Some(dir).filter(|dir| lock(dir.as_fd()) && path.is_dir())),
    }
}

fn enable(path: &Path, controllers: &[String]) -> Result<()> {
    let words: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
    sys::write_file(&path.join("cgroup.subtree_control"), words.join(" ").as_bytes())
}

/// systemd may take a controller back until both groups hand it down.
fn hold(path: &Path, holder: &Path, controllers: &[String], undo: &mut Undo) -> Result<()> {
    make_cgroup(holder, undo)?;
    let mut held = Ok(());
    for _ in 0..8 {
        enable(path, controllers)?;
        held = enable(holder, controllers);
        if held.is_ok() {
            break;
        }
    }
    held
}

fn lock_layer(path: &Path, undo: &mut Undo) -> Result<()> {
    let dir = sys::open_unled(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
    if !lock(dir.as_fd()) {
        return Err(Call::Flock.fault(Errno::EBUSY));
    }
    undo.push(Made::Lock { _layer: dir });
    Ok(())
}

fn join_network(path: &Path, undo: &mut Undo) -> Result<()> {
    let there = open_special(path, OFlag::O_RDONLY)?;
    let before = sys::open(Path::new("/proc/self/ns/net"), OFlag::O_RDONLY)?;
    enter_network(&there)?;
    undo.push(Made::Network { before });
    Ok(())
}

/// Opens a file as a standard stream, without waiting for the other end of a FIFO and without
/// making a terminal the runner's own.
fn open_stream(stream: u8, path: &Path) -> Result<OwnedFd> {
    if stream == 0 {
        return open_special(path, OFlag::O_RDONLY);
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    open_special(path, flags)
}

fn open_special(path: &Path, flags: OFlag) -> Result<OwnedFd> {
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = sys::open_unled(path, flags, 0o666)?;
    if sys::seen(file.as_fd())?.st_mode & libc::S_IFMT == libc::S_IFDIR {
        return Err(Fault { call: Call::Open, errno: Errno::EISDIR });
    }
    set_nonblocking(file.as_fd(), false)?;
    Ok(file)
}
