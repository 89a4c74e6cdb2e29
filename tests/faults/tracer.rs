//! A tracer that counts the system calls of each process apart, and strikes one of them.
//!
//! strace counts in every process alike: what is to strike init's third call strikes the
//! runner's third as well.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use sixdocker::seccomp::calls::{Architecture, CALLS};

use super::scene;

/// Longer than any loaded machine needs for a run that does next to nothing.
pub(crate) const HANGS: Duration = Duration::from_secs(40);

/// Who makes a call: the runner is `r`, its first child (init) `r.0`, that one's `r.0.0`.
pub(crate) type Role = String;

/// One call of a run: the `nth` of its name that this process makes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) role: Role,
    pub(crate) name: &'static str,
    pub(crate) nth: u32,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// It is not made, and fails.
    Error(Errno),
    /// Its process is killed instead.
    Kill,
}

/// A call that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) point: Point,
    /// The path that it names, or its first argument.
    pub(crate) about: String,
    /// Another program than ours makes it, or what comes before `main`.
    pub(crate) foreign: bool,
}

/// What was seen of a run.
#[derive(Default)]
pub(crate) struct Traced {
    pub(crate) calls: Vec<Seen>,
    /// The runner's exit code, or the signal that ended it.
    pub(crate) end: Option<Result<i32, Signal>>,
    pub(crate) struck: bool,
    pub(crate) hung: bool,
    /// What surrounds the command when it is executed.
    pub(crate) scene: Option<Vec<String>>,
    /// Processes that were alive when the runner ended.
    pub(crate) outlived: usize,
    /// A process of ours that died of a signal that is no SIGKILL.
    pub(crate) crashed: Option<Signal>,
}

struct Process {
    role: Role,
    children: u32,
    counts: HashMap<&'static str, u32>,
    /// Which calls of [`MAKING`] it made, and those that it is a copy of before.
    made: BTreeMap<String, u32>,
    /// The call that it is in is to fail so.
    failing: Option<Errno>,
    /// It is the runner, init or a helper, and not yet the command.
    ours: bool,
    /// It executed another program, or has not yet come to `main`.
    foreign: bool,
}

/// Calls that make containment, and leave no other trace that can be seen from outside.
const MAKING: &[&str] = &[
    "landlock_add_rule",
    "landlock_restrict_self",
    "seccomp",
    "keyctl",
    "sethostname",
    "setsid",
    "capset",
    "prctl",
    "ioprio_set",
    "personality",
    "sched_setscheduler",
];

/// It makes nothing: it is asked until the kernel knows no further capability.
const PR_CAPBSET_READ: u64 = 23;
/// What is left stands in the status; what is not there can't be dropped.
const PR_CAPBSET_DROP: u64 = 24;

pub(crate) struct Tracer<'t> {
    binary: &'t Path,
    manifest: &'t str,
    place: &'t str,
    mark: &'t str,
    target: Option<(&'t Point, Strike)>,
    processes: HashMap<Pid, Process>,
    /// Children that stopped before their parent's clone was told of.
    early: Vec<Pid>,
    begun: bool,
    seen: Traced,
}

/// Runs the command, traced from the point where it executes `binary`; `mark` names its sandbox.
pub(crate) fn trace(
    command: &mut Command,
    gate: &Gate,
    (binary, manifest, place, mark): (&Path, &str, &str, &str),
    target: Option<(&Point, Strike)>,
) -> Traced {
    #[expect(clippy::zombie_processes, reason = "it is waited for with all others")]
    let child = command.spawn().unwrap();
    let runner = Pid::from_raw(child.id().cast_signed());
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(runner, options).unwrap();
    let mut tracer = Tracer {
        binary,
        manifest,
        place,
        mark,
        target,
        processes: HashMap::new(),
        early: Vec::new(),
        begun: false,
        seen: Traced::default(),
    };
    tracer.join(runner, "r".to_owned());
    let watchdog = Watchdog::new(runner);
    let _open = gate.open();
    tracer.follow(runner, &watchdog);
    tracer.seen.hung = watchdog.has_bitten();
    tracer.seen
}

impl Tracer<'_> {
    fn join(&mut self, pid: Pid, role: Role) {
        let (counts, made, ours) = (HashMap::new(), BTreeMap::new(), true);
        let foreign = role == "r";
        let new = Process { role, children: 0, counts, made, failing: None, ours, foreign };
        self.processes.insert(pid, new);
    }

    /// Until nobody is left.
    fn follow(&mut self, runner: Pid, watchdog: &Watchdog) {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            match waitpid(None, Some(flags)) {
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    assert_eq!(errno, Errno::ECHILD);
                    return;
                }
                Ok(WaitStatus::Exited(pid, code)) => self.ended(pid, runner, Ok(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    self.ended(pid, runner, Err(signal));
                }
                Ok(WaitStatus::PtraceSyscall(pid)) => {
                    self.call(pid);
                    self.resume(pid, None);
                }
                Ok(WaitStatus::PtraceEvent(pid, signal, event)) => {
                    self.event(pid, signal, event, watchdog);
                }
                Ok(WaitStatus::Stopped(pid, signal)) => self.resume(pid, Some(signal)),
                Ok(other) => panic!("{other:?}"),
            }
        }
    }

    fn ended(&mut self, pid: Pid, runner: Pid, end: Result<i32, Signal>) {
        let process = self.processes.remove(&pid);
        if pid == runner {
            self.seen.outlived = self.processes.len();
            self.seen.end = Some(end);
        }
        if let Err(signal) = end
            && signal != Signal::SIGKILL
            && process.is_some_and(|it| it.ours && (it.role == "r" || !it.foreign))
        {
            self.seen.crashed = Some(signal);
        }
    }

    /// Lets it go on, up to its next call if that is of interest.
    fn resume(&self, pid: Pid, signal: Option<Signal>) {
        let go = if self.is_watched(pid) { ptrace::syscall } else { ptrace::cont };
        // It may have been killed.
        _ = go(pid, signal);
    }

    fn is_watched(&self, pid: Pid) -> bool {
        let Some(process) = self.processes.get(&pid) else { return false };
        let target = match self.target {
            _ if !self.begun || !process.ours => return false,
            None => true,
            Some((point, _)) => !self.seen.struck && point.role == process.role,
        };
        target || process.failing.is_some() || process.role.starts_with("r.0")
    }

    fn event(&mut self, pid: Pid, signal: Signal, event: i32, watchdog: &Watchdog) {
        const CLONE: i32 = Event::PTRACE_EVENT_CLONE as i32;
        const FORK: i32 = Event::PTRACE_EVENT_FORK as i32;
        const VFORK: i32 = Event::PTRACE_EVENT_VFORK as i32;
        const EXEC: i32 = Event::PTRACE_EVENT_EXEC as i32;
        const STOP: i32 = Event::PTRACE_EVENT_STOP as i32;
        match event {
            CLONE | FORK | VFORK => self.cloned(pid, watchdog),
            EXEC => self.executed(pid),
            STOP if !self.processes.contains_key(&pid) => {
                self.early.push(pid);
                return;
            }
            STOP if signal != Signal::SIGTRAP => {
                // All of it is stopped, and may be continued by a signal only.
                self.resume(pid, None);
                return;
            }
            _ => {}
        }
        self.resume(pid, None);
    }

    fn cloned(&mut self, pid: Pid, watchdog: &Watchdog) {
        let Ok(child) = ptrace::getevent(pid) else { return };
        let child = Pid::from_raw(i32::try_from(child).unwrap());
        watchdog.add(child);
        let parent = self.processes.get_mut(&pid).unwrap();
        let role = if self.begun {
            format!("{}.{}", parent.role, parent.children)
        } else {
            "before".to_owned()
        };
        let (foreign, ours) = (parent.foreign, parent.ours && self.begun);
        let made = parent.made.clone();
        parent.children += u32::from(self.begun);
        self.join(child, role);
        let process = self.processes.get_mut(&child).unwrap();
        (process.foreign, process.ours, process.made) = (foreign, ours, made);
        if let Some(n) = self.early.iter().position(|early| *early == child) {
            self.early.swap_remove(n);
            self.resume(child, None);
        }
    }

    fn executed(&mut self, pid: Pid) {
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let process = self.processes.get_mut(&pid).unwrap();
        if process.role == "r" {
            self.begun |= program == self.binary;
        } else if process.role.starts_with("r.0") {
            if process.ours && self.seen.scene.is_none() {
                let mut scene = scene::around(pid, self.mark, self.place);
                scene.extend(
                    process.made.iter().map(|(name, count)| format!("made {name} {count}")),
                );
                self.seen.scene = Some(scene);
            }
            process.ours = false;
        } else {
            process.foreign = true;
        }
    }

    /// It is about to make a call, or comes back from one.
    fn call(&mut self, pid: Pid) {
        let Ok(info) = ptrace::syscall_info(pid) else { return };
        let Ok(registers) = ptrace::getregs(pid) else { return };
        if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
            self.left(pid, registers);
        } else {
            self.entered(pid, registers);
        }
    }

    fn left(&mut self, pid: Pid, mut registers: Registers) {
        let process = self.processes.get_mut(&pid).unwrap();
        let name = name(registers.orig_rax);
        if let Some(errno) = process.failing.take() {
            registers.rax = i64::from(-(errno as i32)).cast_unsigned();
            _ = ptrace::setregs(pid, registers);
        } else if process.role.starts_with("r.0")
            && registers.rax.cast_signed() >= 0
            && MAKING.contains(&name)
        {
            let option = if name == "prctl" { registers.rdi } else { 0 };
            if ![PR_CAPBSET_READ, PR_CAPBSET_DROP].contains(&option) {
                *process.made.entry(format!("{name} {option}")).or_default() += 1;
            }
        }
    }

    fn entered(&mut self, pid: Pid, registers: Registers) {
        let process = self.processes.get_mut(&pid).unwrap();
        let name = name(registers.orig_rax);
        let count = process.counts.entry(name).or_default();
        *count += 1;
        let point = Point { role: process.role.clone(), name, nth: *count };
        match self.target {
            None => {
                let about = about(pid, name, &registers);
                process.foreign &= !(process.role == "r" && about == self.manifest);
                self.seen.calls.push(Seen { point, about, foreign: process.foreign });
            }
            Some((target, strike)) if *target == point && !self.seen.struck => {
                self.seen.struck = true;
                self.strike(pid, strike, registers);
            }
            Some(_) => {}
        }
    }

    fn strike(&mut self, pid: Pid, strike: Strike, mut registers: Registers) {
        let Strike::Error(errno) = strike else { return kill(pid, Signal::SIGKILL).unwrap() };
        self.processes.get_mut(&pid).unwrap().failing = Some(errno);
        // Whatever close(2) returns, the descriptor is closed.
        if name(registers.orig_rax) != "close" {
            registers.orig_rax = u64::MAX;
            ptrace::setregs(pid, registers).unwrap();
        }
    }
}

type Registers = libc::user_regs_struct;

fn name(number: u64) -> &'static str {
    let is = |call: &&sixdocker::seccomp::calls::Call| {
        call.number(Architecture::NATIVE).map(u64::from) == Some(number)
    };
    CALLS.iter().find(is).map_or("unknown", |call| call.name)
}

/// Calls whose first argument is a path.
const FIRST: &[&str] = &[
    "open",
    "access",
    "readlink",
    "execve",
    "rmdir",
    "mkdir",
    "unlink",
    "rename",
    "stat",
    "lstat",
    "chdir",
    "mount",
    "umount2",
    "pivot_root",
];
/// Calls whose second one is.
const SECOND: &[&str] = &[
    "openat",
    "openat2",
    "newfstatat",
    "statx",
    "mkdirat",
    "readlinkat",
    "faccessat",
    "faccessat2",
    "fchmodat",
    "fchmodat2",
    "fchownat",
    "unlinkat",
    "open_tree",
    "renameat",
    "renameat2",
];

fn about(pid: Pid, name: &str, registers: &Registers) -> String {
    let place = match name {
        _ if FIRST.contains(&name) => registers.rdi,
        _ if SECOND.contains(&name) => registers.rsi,
        // What the descriptor leads to, if it is one.
        _ => {
            let leads = format!("/proc/{pid}/fd/{}", registers.rdi);
            let end = if Path::new(&leads).is_dir() { "/" } else { "" };
            return fs::read_link(leads)
                .map_or(format!("{:#x}", registers.rdi), |it| format!("{}{end}", it.display()));
        }
    };
    let mut bytes = [0; 256];
    let memory = File::open(format!("/proc/{pid}/mem"));
    let read = memory.and_then(|memory| memory.read_at(&mut bytes, place)).unwrap_or(0);
    let text = bytes[..read].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Holds a command back until its tracer has it.
pub(crate) struct Gate(pub(crate) std::path::PathBuf);

impl Gate {
    /// A shell that waits, and then becomes what its further arguments say.
    pub(crate) fn shell(&self) -> Vec<String> {
        let script = r#"read x <"$0"; exec "$@""#;
        vec!["sh".into(), "-c".into(), script.into(), self.0.display().to_string()]
    }

    /// To wait for the shell here would keep it waiting for us, where it was seized at the end of
    /// its own execve(2): who has both ends open waits for nobody. They stay open for its read.
    fn open(&self) -> File {
        let mut both = OpenOptions::new().read(true).write(true).open(&self.0).unwrap();
        both.write_all(b"\n").unwrap();
        both
    }
}

/// Kills all that were seen when the time is up.
struct Watchdog {
    pids: Arc<Mutex<(Vec<Pid>, bool)>>,
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    fn new(runner: Pid) -> Self {
        let pids = Arc::new(Mutex::new((vec![runner], false)));
        let (done, over) = channel();
        let known = Arc::clone(&pids);
        let thread = std::thread::spawn(move || {
            let end = Instant::now() + HANGS;
            let left = end.saturating_duration_since(Instant::now());
            if over.recv_timeout(left) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let mut known = known.lock().unwrap();
                known.1 = true;
                known.0.iter().for_each(|pid| _ = kill(*pid, Signal::SIGKILL));
            }
        });
        Self { pids, done: Some(done), thread: Some(thread) }
    }

    fn add(&self, pid: Pid) {
        self.pids.lock().unwrap().0.push(pid);
    }

    fn has_bitten(mut self) -> bool {
        drop(self.done.take());
        self.thread.take().unwrap().join().unwrap();
        self.pids.lock().unwrap().1
    }
}
