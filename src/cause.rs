//! Why a step failed, found by looking.
//!
//! The kernel says `ENOENT` and no more. After a fault, and only then, this room looks at what
//! the step was about: which part of a path is missing, which loader a program wants, which
//! limit is used up. Init looks where only it can see ([`inside`]); the runner puts it
//! into words and says what asked for the step ([`problem`]). Looking changes nothing, opens
//! nothing that could block, and reads no more than a bounded piece of anything.

mod cgroup;
mod exec;
mod finding;
mod identity;
mod look;
mod mount;
mod overlay;
mod process;
mod program;
mod scarcity;

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::diagnostic::{Place, Problem};
use crate::host::Host;
use crate::plan::{
    Attend, CloneInit, Command, Exec, Init, Layer, Namespace, Origin, Plan, Prepare, Root,
};
use crate::report::Failure;
use crate::source::Pointer;
use crate::sys::{Fault, Status};

use finding::Finding;
use look::View;

/// Looks for the reason of a fault where it happened: called in init, or in the process that
/// was to become the command. `root` is the new root file system until it is pivoted to.
#[must_use]
pub fn inside(plan: &Plan, n: u16, fault: Fault, root: Option<BorrowedFd<'_>>) -> Option<String> {
    let look = || {
        let view = View::here()?;
        let root = root.and_then(View::at);
        let (root, pivoted) = (root.as_ref(), pivoted(plan, n));
        let scene = Scene { plan, view: &view, root, inside: true, pivoted };
        scene.why(action(plan, n)?.0, fault)
    };
    scarcity::descriptors(fault.errno).or_else(look).map(Finding::encode)
}

/// Step `n` comes after the pivot.
fn pivoted(plan: &Plan, n: u16) -> bool {
    plan.init.iter().any(|step| matches!(step.action, Init::PivotRoot) && step.n < n)
}

/// Looks for the reason of a fault of the runner's own, before it undoes what it has made.
#[must_use]
pub fn outside(plan: &Plan, n: u16, fault: Fault) -> Option<String> {
    let look = || {
        let view = View::here()?;
        let scene = Scene { plan, view: &view, root: None, inside: false, pivoted: false };
        scene.why(action(plan, n)?.0, fault)
    };
    scarcity::descriptors(fault.errno).or_else(look).map(Finding::encode)
}

/// Says how init ended, where it could not say so itself.
#[must_use]
pub fn vanished(status: Status) -> String {
    let how = match status {
        Status::Exit(code) => format!("ended with code {code}"),
        Status::Signal(number) => match Signal::try_from(number) {
            Ok(signal) => format!("was killed by {signal}"),
            Err(_) => format!("was killed by signal {number}"),
        },
    };
    Finding::only(format!("init {how} before the command ran, without a word")).encode()
}

/// Says what failed, why, what asked for it, and what to do.
#[must_use]
pub fn problem(plan: &Plan, host: &Host, failure: &Failure) -> Problem {
    let found = failure.evidence.as_deref().map(Finding::decode);
    let found = found.or_else(|| scarcity::ordinary(failure.fault, host));
    let found = found.map(|found| match code(plan, failure) {
        "command_not_found" => on_the_host(plan, found),
        _ => found,
    });
    let (what, origin) = named(plan, failure.n);
    let asked = || origin.map_or_else(Pointer::root, |origin| origin.key.clone());
    let blamed = found.as_ref().and_then(|found| found.key.as_deref()).map(pointer);
    Problem {
        code: code(plan, failure),
        at: Place::Value(blamed.unwrap_or_else(asked)),
        text: sentence(&what, found.as_ref(), failure.fault),
        label: label(origin),
        help: found.and_then(|found| found.help),
        fix: None,
    }
}

fn pointer(key: &str) -> Pointer {
    key.split('/').fold(Pointer::root(), |pointer, part| pointer.key(part))
}

fn named(plan: &Plan, n: u16) -> (String, Option<&Origin>) {
    match plan.step(n) {
        Some((what, origin)) => (finding::plain(&what), Some(origin)),
        None => ("set the sandbox up".to_owned(), None),
    }
}

fn sentence(what: &str, found: Option<&Finding>, fault: Fault) -> String {
    let kernel = format!("{}: {}", fault.call, finding::errno(fault.errno));
    match found {
        Some(found) => format!("could not {what}: {} ({kernel})", found.why),
        None => format!("could not {what}: {kernel}"),
    }
}

fn label(origin: Option<&Origin>) -> String {
    match origin {
        // It is always written.
        Some(Origin { key, default: true }) if *key == Pointer::root().key("command") => {
            "every command has this step".to_owned()
        }
        Some(Origin { key, default: true }) => format!("by default: `{key}` is not written"),
        Some(_) => "this asked for it".to_owned(),
        None => "of this sandbox".to_owned(),
    }
}

fn code(plan: &Plan, failure: &Failure) -> &'static str {
    match action(plan, failure.n) {
        Some((Action::Exec(_), _)) if is_missing(failure) => "command_not_found",
        Some((Action::Exec(_), _)) => "command_not_executable",
        _ => "step_failed",
    }
}

/// Adds where the host has a command that the sandbox has not.
fn on_the_host(plan: &Plan, found: Finding) -> Finding {
    let Some(command) = plan.exec.action.argv.first() else { return found };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).map(|dir| dir.join(command)).collect();
    if command.contains('/') {
        places = vec![PathBuf::from(command)];
    }
    let there = places.iter().find(|place| place.is_absolute() && place.is_file());
    let Some(place) = there else { return found };
    // Of that name, the sandbox has one.
    if found.help.as_ref().is_some_and(|help| help.contains(exec::BY_PATH)) {
        return found;
    }
    let place = finding::name(place.to_string_lossy().as_bytes());
    let help = found.help.map(|help| format!("{help}; ")).unwrap_or_default();
    let seen = "is the host's, and no part of the sandbox: `mounts` can show it inside";
    Finding { help: Some(format!("{help}{place} {seen}")), ..found }
}

/// Whether the command itself is not there, so that the run ends with 127 and not with 126. A
/// program whose loader is missing is there.
#[must_use]
pub fn is_missing(failure: &Failure) -> bool {
    let there = failure.evidence.as_deref().is_some_and(|text| Finding::decode(text).there);
    matches!(failure.fault.errno, Errno::ENOENT | Errno::ENOTDIR) && !there
}

/// What a step does, of whatever scene.
#[derive(Clone, Copy)]
enum Action<'p> {
    Prepare(&'p Prepare),
    Clone(&'p CloneInit),
    Attend(&'p Attend),
    Init(&'p Init),
    Spawn,
    Command(&'p Command),
    Exec(&'p Exec),
}

fn action(plan: &Plan, n: u16) -> Option<(Action<'_>, &Origin)> {
    let prepare = plan.prepare.iter().map(|s| (s.n, Action::Prepare(&s.action), &s.origin));
    let clone = [(plan.clone.n, Action::Clone(&plan.clone.action), &plan.clone.origin)];
    let attend = plan.attend.iter().map(|s| (s.n, Action::Attend(&s.action), &s.origin));
    let init = plan.init.iter().map(|s| (s.n, Action::Init(&s.action), &s.origin));
    let spawn = plan.spawn.iter().map(|s| (s.n, Action::Spawn, &s.origin));
    let command = plan.command.iter().map(|s| (s.n, Action::Command(&s.action), &s.origin));
    let exec = [(plan.exec.n, Action::Exec(&plan.exec.action), &plan.exec.origin)];
    prepare
        .chain(clone)
        .chain(attend)
        .chain(init)
        .chain(spawn)
        .chain(command)
        .chain(exec)
        .find(|(number, ..)| *number == n)
        .map(|(_, action, origin)| (action, origin))
}

/// Where the looking is done.
#[derive(Clone, Copy)]
struct Scene<'s> {
    plan: &'s Plan,
    /// The file system as this process sees it.
    view: &'s View,
    /// The new root, where this process has not pivoted to it yet.
    root: Option<&'s View>,
    /// This is a process of the sandbox, with its ids.
    inside: bool,
    /// And its root is the sandbox's.
    pivoted: bool,
}

impl Scene<'_> {
    /// The reason of `fault`, where it can be found.
    fn why(self, action: Action<'_>, fault: Fault) -> Option<Finding> {
        match action {
            Action::Prepare(prepare) => self.prepare(prepare, fault),
            Action::Clone(clone) => identity::clone(self, clone, fault),
            Action::Attend(Attend::MapIds { kind, map, helper }) => {
                identity::map(self, *kind, map, helper.as_deref(), fault)
            }
            Action::Attend(Attend::RaiseLimit { resource, hard }) => {
                process::rlimit(self, resource, *hard, *hard, fault)
            }
            Action::Attend(Attend::MapMount { source, layer, .. }) => {
                let layered = || overlay::why(self, source, &Layer::Scratch, fault);
                layer.then(layered).flatten().or_else(|| mount::mapped(self, source, fault))
            }
            Action::Attend(Attend::OpenPipes) => None,
            Action::Init(init) => self.init(init, fault),
            Action::Spawn => scarcity::processes(self, fault.errno),
            Action::Command(command) => self.command(command, fault),
            Action::Exec(exec) => exec::why(self, exec, fault),
        }
    }

    fn prepare(self, prepare: &Prepare, fault: Fault) -> Option<Finding> {
        match prepare {
            Prepare::StepAside { path } | Prepare::MakeCgroup { path } => {
                cgroup::make(self, path, fault)
            }
            Prepare::EnableControllers { path, controllers }
            | Prepare::HoldControllers { path, controllers, .. } => {
                cgroup::enable(self, path, controllers, fault)
            }
            Prepare::WriteCgroup { path, value } => cgroup::write(self, path, value, fault),
            // systemd says itself what is wrong; where the kernel does not tell of memory, the
            // runner looks.
            Prepare::StartScope { .. } | Prepare::WatchMemory { .. } => None,
            Prepare::JoinNetwork { path } => identity::join(self, path, fault),
            Prepare::LockLayer { path } => overlay::layer(self, path, fault),
            Prepare::OpenStream { path, .. } => process::stream(self, path, fault),
        }
    }

    fn init(self, init: &Init, fault: Fault) -> Option<Finding> {
        self.file_system(init, fault).or_else(|| match init {
            Init::MapSelf { uid, gid } => identity::map_self(self, *uid, *gid, fault),
            Init::JoinCgroup { path } => cgroup::join(self, path, fault),
            Init::Unshare { namespaces } => identity::namespaces(self, namespaces, fault),
            Init::Hostname { name } => process::hostname(name, fault),
            Init::NewKeyring => scarcity::keys(self, fault.errno),
            Init::Scheduler => Some(process::scheduler()),
            Init::Sysctl { key, value } => process::sysctl(self, key, value, fault),
            Init::Nice { value } => process::nice(*value, fault),
            Init::SetIds { uid, gid, groups } => {
                identity::set_ids(self, *uid, *gid, groups.as_deref(), fault)
            }
            Init::OpenTerminal => process::terminal(self, fault),
            Init::Chdir { path } => process::chdir(self, path, fault),
            Init::Capabilities { .. } => process::seccomp_of_the_caller(fault),
            _ => None,
        })
    }

    fn file_system(self, init: &Init, fault: Fault) -> Option<Finding> {
        match init {
            Init::PrivateMounts => mount::private(self, fault),
            Init::Scratch { size } | Init::Root(Root::Tmpfs { size }) => mount::tmpfs(size, fault),
            Init::Root(Root::Bind { path, .. }) => mount::root(self, path, fault),
            Init::Root(Root::Overlay { lower, upper, .. }) => {
                overlay::why(self, lower, upper, fault)
            }
            Init::Mkdir { target, .. }
            | Init::Symlink { target, .. }
            | Init::WriteFile { target, .. } => mount::make(self, target, fault),
            Init::File { target, .. } => mount::file(self, target, fault),
            Init::Bind(bind) => mount::bind(self, bind, fault),
            Init::Mount(kernel) => mount::kernel(self, kernel, fault),
            Init::Mask { target } | Init::ReadOnlyPath { target } => {
                mount::target(self, target, None, fault)
            }
            Init::PivotRoot => mount::pivot(self, fault),
            _ => None,
        }
    }

    fn command(self, command: &Command, fault: Fault) -> Option<Finding> {
        match command {
            Command::Rlimit { resource, soft, hard } => {
                process::rlimit(self, resource, *soft, *hard, fault)
            }
            Command::Landlock { .. } => process::landlock(self, fault),
            Command::Seccomp { .. } => process::seccomp_of_the_caller(fault),
            Command::ControllingTerminal => process::terminal(self, fault),
            _ => None,
        }
    }

    /// The view that a path inside the sandbox is looked up in; none from outside, where no
    /// path of the sandbox means anything.
    fn sandbox(&self) -> Option<&View> {
        self.root.or_else(|| self.pivoted.then_some(self.view))
    }

    fn makes(&self, namespace: Namespace) -> bool {
        self.plan.clone.action.namespaces.contains(&namespace)
    }
}

/// Reads a program that anybody may have made.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure_program(bytes: &[u8]) {
    if let program::Program::Elf(elf) = program::Program::read(bytes) {
        assert!(!elf.architecture().is_empty());
    }
}

/// Reads mounts that any container may show.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure_mounts(text: &str) {
    mount::endure(text);
}

/// Reads an id map.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure_id_map(text: &str) {
    let ranges = identity::ranges(text);
    [0, 1000, u32::MAX].iter().for_each(|id| _ = ranges.iter().any(|range| range.holds(*id)));
}

/// What the runner would say of evidence that came over the line.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure_evidence(text: &str) -> String {
    let Finding { why, help, .. } = Finding::decode(text);
    format!("{why}\n{}", help.unwrap_or_default())
}

#[cfg(test)]
mod tests;
