//! What init does between the clone and exec: the plan's steps, one after the other.
//!
//! Nothing here allocates on the good way, and nothing waits for one who comes after. The first
//! step that fails ends it all: the parent is told its number, and the command never runs.

mod command;
mod namespaces;
mod outside;
mod reaper;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::line;
use super::mounts::{Content, Tree};
use super::text::Text;
use crate::plan::{Command, IdRange, Init, Namespace, Plan};
use crate::sys::supervise::Window;
use crate::sys::{self, Call, Fault, Named, Result};

use namespaces::Namespaces;
pub use namespaces::flags;
pub use outside::Outside;

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

/// The code of a process that gave up while it built.
const SETUP: i32 = 125;

/// What lets init go, and tells it of the runner.
#[must_use]
pub fn go(outside: &Outside) -> [u8; 1 + Outside::SIZE] {
    let mut message = [GO; 1 + Outside::SIZE];
    outside.bytes().zip(message.iter_mut().skip(1)).for_each(|(byte, to)| *to = byte);
    message
}

const GO: u8 = b'g';

/// What tells init that the parent has done its steps.
pub const ATTENDED: u8 = b'a';

/// Builds the sandbox around this process, waits for [`go`] on the line `go`, and becomes the
/// command. Where the plan has steps of the parent's, it waits for [`ATTENDED`] before it needs
/// them.
///
/// Every descriptor above 2 that is not `line`, `go`, or in `ready` is closed, whoever left it.
pub fn build(plan: &Plan, ready: &Ready, line: BorrowedFd<'_>, go: OwnedFd) -> ! {
    let closed = keep_only(ready, line, go.as_fd());
    let mut scene = Scene::new(plan, ready, line);
    scene.check(plan.clone.n, closed);
    let early = plan.init.iter().take_while(|step| is_early(&step.action)).count();
    let (before, after) = plan.init.split_at_checked(early).unwrap_or_default();
    for step in before {
        scene.timed(step.n, |scene| scene.perform(step.n, &step.action));
    }
    if !plan.attend.is_empty() {
        scene.wait(line, go.as_fd(), ATTENDED);
    }
    for step in after {
        let kept = scene.tree.keep_root(&step.action);
        scene.check(step.n, kept);
    }
    if let Some(step) = &plan.spawn {
        // While it may still open a file.
        scene.check(step.n, scene.forget_arguments());
    }
    for step in after {
        scene.timed(step.n, |scene| scene.perform(step.n, &step.action));
    }
    scene.wait(line, go.as_fd(), GO);
    drop(go);
    if let Some(step) = &plan.spawn {
        // Before the parent hears that all is built, and sends signals.
        scene.check(step.n, reaper::listen());
    }
    scene.check(plan.clone.n, scene.send_times());
    if let Some(step) = &plan.spawn {
        let proc = scene.proc.as_ref().map_err(|fault| *fault);
        let first = plan.clone.action.namespaces.contains(&Namespace::Pid);
        let spawned = proc.and_then(|proc| reaper::spawn(line, proc.as_fd(), first));
        scene.check(step.n, spawned);
    }
    scene.command()
}

/// What init does before it waits: that it dies with the runner, whenever that dies, must stand,
/// and what needs no id inside may as well.
fn is_early(action: &Init) -> bool {
    matches!(
        action,
        Init::ParentDeathSignal
            | Init::NewSession
            | Init::Hostname { .. }
            | Init::LoopbackUp
            | Init::PrivateMounts
    )
}

fn keep_only(ready: &Ready, line: BorrowedFd<'_>, go: BorrowedFd<'_>) -> Result<()> {
    let raw = |fd: &Option<OwnedFd>| fd.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    let [a, b, c] = &ready.streams;
    let [d, e] = &ready.counted;
    let keep = [line.as_raw_fd(), go.as_raw_fd(), raw(a), raw(b), raw(c), raw(d), raw(e)];
    sys::close_all_but(3, &keep)
}

/// How many steps are timed.
const TIMED: usize = 256;

/// What init holds while it builds.
pub(super) struct Scene<'p> {
    plan: &'p Plan,
    ready: &'p Ready,
    line: BorrowedFd<'p>,
    /// The host's /proc, where this process still finds itself when it has none of its own.
    proc: Result<OwnedFd>,
    /// The host's /dev/null.
    null: Result<OwnedFd>,
    /// The runner's.
    outside: Outside,
    /// /proc/self/oom_score_adj, which can't be opened any more once nobody may trace us.
    oom: Option<Result<OwnedFd>>,
    tree: Tree<'p>,
    /// The sandbox's terminal.
    terminal: Option<OwnedFd>,
    /// Landlock's rules, made while descriptors can still be had.
    rules: Option<OwnedFd>,
    times: [[u8; 4]; TIMED],
    timed: usize,
}

impl<'p> Scene<'p> {
    /// Opens what of the host is needed later, when it is out of reach.
    fn new(plan: &'p Plan, ready: &'p Ready, line: BorrowedFd<'p>) -> Self {
        // Until the plan says otherwise, what is made here can be read by all, written by us.
        _ = sys::set_umask(0o022);
        let proc = sys::open(Path::new("/proc"), OFlag::O_PATH | OFlag::O_DIRECTORY);
        let scored = plan.init.iter().any(|step| matches!(step.action, Init::OomScoreAdj { .. }));
        Self {
            plan,
            ready,
            line,
            proc,
            null: sys::null(),
            outside: Outside::default(),
            oom: scored.then(|| sys::open(Path::new("/proc/self/oom_score_adj"), OFlag::O_WRONLY)),
            tree: Tree::default(),
            terminal: None,
            rules: None,
            times: [[0; 4]; TIMED],
            timed: 0,
        }
    }

    /// Waits until the parent says `word`, takes what it hands over, and quits if it gave up.
    fn wait(&mut self, line: BorrowedFd<'_>, go: BorrowedFd<'_>, word: u8) {
        let mut message = [0; 1 + Outside::SIZE];
        while let Ok((length, handed)) = sys::receive_descriptor(go, &mut message) {
            match (handed, message.split_first()) {
                (Some(mount), _) => self.tree.mapped.hand(mount),
                // A parent that died after it wrote, but before this process asked to die
                // with it.
                (None, Some((first, outside)))
                    if length > 0 && *first == word && !sys::hung_up(line) =>
                {
                    self.outside = Outside::of(outside);
                    return;
                }
                _ => break,
            }
        }
        sys::quit(SETUP)
    }

    /// Goes on if step `n` was done; else tells why not, and quits.
    fn check<T>(&self, n: u16, result: Result<T>) -> T {
        match result {
            Ok(value) => value,
            Err(fault) => self.give_up(n, fault),
        }
    }

    fn give_up(&self, n: u16, fault: Fault) -> ! {
        line::send_fault(self.line, n, fault);
        // From here on there is no good way to keep free of allocation.
        if let Some(text) = crate::cause::inside(self.plan, n, fault, self.tree.seen()) {
            line::send_evidence(self.line, &text);
        }
        sys::quit(SETUP)
    }

    fn timed(&mut self, n: u16, act: impl FnOnce(&mut Self) -> Result<()>) {
        let begun = Instant::now();
        let done = act(self);
        self.check(n, done);
        let micros = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        if let Some(time) = self.times.get_mut(self.timed) {
            *time = micros.to_le_bytes();
            self.timed += 1;
        }
    }

    /// Without that the parent would not know that the command runs.
    fn send_times(&self) -> Result<()> {
        let times = self.times.get(..self.timed).unwrap_or_default();
        line::send_times(self.line, times.as_flattened())
    }

    /// Whoever is inside may read what the init that stays was called with: that was the runner's.
    fn forget_arguments(&self) -> Result<()> {
        sys::forget_arguments(self.proc.as_ref().map_err(|fault| *fault)?.as_fd())
    }

    fn write_proc(&self, path: &str, value: &[u8]) -> Result<()> {
        let proc = self.proc.as_ref().map_err(|fault| *fault)?;
        let file = sys::openat(proc.as_fd(), Path::new(path), OFlag::O_WRONLY, 0)?;
        sys::write_once(file.as_fd(), value)
    }

    fn perform(&mut self, n: u16, action: &'p Init) -> Result<()> {
        match action {
            Init::Scratch { .. }
            | Init::Root(_)
            | Init::Mkdir { .. }
            | Init::Symlink { .. }
            | Init::WriteFile { .. }
            | Init::Bind(_)
            | Init::Mount(_)
            | Init::File { .. }
            | Init::Mask { .. }
            | Init::ReadOnlyPath { .. }
            | Init::ReadOnlyRoot => self.perform_mount(n, action),
            Init::ParentDeathSignal => self.die_with_parent(),
            Init::NewSession => nix::unistd::setsid().of(Call::Setsid).map(drop),
            Init::MapSelf { uid, gid } => self.map_self(*uid, *gid),
            Init::JoinCgroup { path } => join_cgroup(path),
            Init::Unshare { namespaces } => sys::unshare(flags(namespaces)),
            Init::Undumpable => sys::undumpable(),
            Init::Hostname { name } => nix::unistd::sethostname(name).of(Call::Sethostname),
            Init::LoopbackUp => sys::loopback_up(),
            Init::NewKeyring => sys::new_keyring(),
            Init::Personality => sys::plain_personality(),
            Init::Scheduler => sys::plain_scheduler(),
            Init::PrivateMounts => sys::private_mounts(),
            Init::PivotRoot => self.pivot_root(),
            Init::Sysctl { key, value } => self.sysctl(key, value),
            Init::OomScoreAdj { value } => self.oom_score(*value),
            Init::Nice { value } => sys::set_nice(*value),
            Init::Umask { mask } => {
                _ = sys::set_umask(*mask);
                Ok(())
            }
            Init::SetIds { uid, gid, groups } => self.set_ids(*uid, *gid, groups.as_deref()),
            Init::OpenTerminal => self.open_terminal(),
            Init::Capabilities { keep } => {
                sys::keep_capabilities(keep.iter().fold(0, |all, one| all | one.bit()))
            }
            Init::NoNewPrivileges => sys::no_new_privileges(),
            Init::Chdir { path } => change_directory(path),
        }
    }

    /// Performs what belongs to the new root file system.
    fn perform_mount(&mut self, n: u16, action: &'p Init) -> Result<()> {
        let tree = &mut self.tree;
        match action {
            Init::Scratch { size } => tree.scratch(size),
            Init::Root(root) => tree.root(root),
            Init::Mkdir { target, mode } => tree.mkdir(target, *mode),
            Init::Symlink { target, to } => tree.symlink(target, to),
            Init::WriteFile { target, content, mode, owner } => {
                tree.write_file(target, Content { text: content, mode: *mode, owner: *owner })
            }
            Init::Bind(bind) => tree.bind(bind),
            Init::Mount(mount) => tree.mount(mount),
            Init::File { target, content, mode, owner, make_target } => {
                let content = Content { text: content, mode: *mode, owner: *owner };
                tree.file(n, target, content, *make_target)
            }
            Init::Mask { target } => match &self.null {
                Ok(null) => tree.mask(target, null.as_fd()),
                Err(fault) => Err(*fault),
            },
            Init::ReadOnlyPath { target } => tree.read_only_path(target),
            Init::ReadOnlyRoot => tree.read_only_root(),
            _ => Err(Call::Mount.fault(Errno::EINVAL)),
        }
    }

    fn die_with_parent(&self) -> Result<()> {
        sys::die_with_parent()?;
        // It may have died before this call, or while set-up had cleared the signal.
        if sys::hung_up(self.line) {
            sys::quit(SETUP);
        }
        Ok(())
    }

    fn map_self(&self, uid: IdRange, gid: Option<IdRange>) -> Result<()> {
        let line = |IdRange { inside, outside, count }: IdRange| {
            Text::of(format_args!("{inside} {outside} {count}"))
        };
        self.write_proc("self/uid_map", line(uid).bytes())?;
        let Some(gid) = gid else { return Ok(()) };
        // Who may give up groups may gain what a group denies: the kernel wants it refused.
        self.write_proc("self/setgroups", b"deny")?;
        self.write_proc("self/gid_map", line(gid).bytes())
    }

    fn oom_score(&self, value: i16) -> Result<()> {
        let missing = Call::Open.fault(Errno::ENOENT);
        let file = self.oom.as_ref().ok_or(missing)?.as_ref().map_err(|fault| *fault)?;
        sys::write_once(file.as_fd(), Text::of(format_args!("{value}")).bytes())
    }

    /// As sysctl(8) has it, a dot in the key is a slash in the path, and the other way round.
    fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        use std::fmt::Write;
        let mut path = Text::of(format_args!("sys/"));
        for c in key.chars() {
            let c = match c {
                '.' => '/',
                '/' => '.',
                c => c,
            };
            path.write_char(c).map_err(|_| Call::Open.fault(Errno::ENAMETOOLONG))?;
        }
        self.write_proc(path.as_str(), value.as_bytes())
    }

    /// The terminal's file goes to the command's user, who may want to open it anew.
    fn set_ids(&self, uid: u32, gid: u32, groups: Option<&[u32]>) -> Result<()> {
        if let Some(terminal) = &self.terminal {
            nix::unistd::fchown(terminal, Some(uid.into()), None).of(Call::Fchown)?;
        }
        sys::set_ids(uid, gid, groups)
    }

    fn open_terminal(&mut self) -> Result<()> {
        let master = self.tree.open_ptmx()?;
        self.terminal = Some(sys::terminal_peer(master.as_fd())?);
        if let Some(window) = self.ready.window {
            window.set(master.as_fd())?;
        }
        line::send_terminal(self.line, master.as_fd())
    }

    fn pivot_root(&mut self) -> Result<()> {
        self.tree.pivot()?;
        let abi = self.plan.command.iter().find_map(|step| match &step.action {
            Command::Landlock { abi } => Some(*abi),
            _ => None,
        });
        self.rules = abi.map(command::rules).transpose()?;
        Ok(())
    }
}

fn join_cgroup(path: &Path) -> Result<()> {
    let group = sys::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
    let tasks = sys::openat(group.as_fd(), Path::new("tasks"), OFlag::O_WRONLY, 0)?;
    sys::write_once(tasks.as_fd(), b"0")
}

/// Changes the directory inside the new root, through no magic link of /proc.
fn change_directory(path: &str) -> Result<()> {
    if path == "/" {
        return nix::unistd::chdir(path).of(Call::Chdir);
    }
    let root = sys::open(Path::new("/"), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let dir = sys::resolve(root.as_fd(), Path::new(path), flags, 0)?;
    nix::unistd::fchdir(dir).of(Call::Chdir)
}
