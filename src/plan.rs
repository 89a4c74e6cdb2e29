//! What will be done, said before any of it is done.
//!
//! A [`Plan`] is plain data: it is printed, compared and tested without privilege, and the
//! executor performs it and nothing else. Each scene has its own kind of step, so a step in
//! the wrong scene does not compile:
//!
//! ```text
//! parent   prepare ── clone ── attend ─────────────────────────────── supervise ── undo
//! init                  └──────────────── init ── (spawn) ── command ── exec
//! ```

mod holes;
mod listing;
mod show;
mod steps;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::capability::Capability;
use crate::seccomp::Filter;
use crate::source::Pointer;

pub use holes::{Hole, Opening};
pub use listing::{Line, holes, json, listing};
pub(crate) use listing::{asked, wrapped};
pub use steps::{AnyStep, Side};

/// The most mounts that are handed to init with their ids mapped.
pub const MAPPED_MOUNTS: usize = 64;

/// As many file systems in memory as init knows again, its own among them.
pub const OWN_FILE_SYSTEMS: usize = 256;

/// All the steps of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The sandbox's name.
    pub name: String,
    /// The manifest's labels, for the report.
    pub labels: BTreeMap<String, String>,
    /// The parent makes ready. What it makes here is undone at the end, last first.
    pub prepare: Vec<Step<Prepare>>,
    /// The parent starts init.
    pub clone: Step<CloneInit>,
    /// The parent does for init what it can't do itself, while it waits.
    pub attend: Vec<Step<Attend>>,
    /// Init builds the sandbox around itself.
    pub init: Vec<Step<Init>>,
    /// With `init: true`, init starts the command as its child and stays to reap.
    pub spawn: Option<Step<Spawn>>,
    /// The process that becomes the command gets its session and streams.
    pub command: Vec<Step<Command>>,
    /// It becomes the command.
    pub exec: Step<Exec>,
    /// What the parent watches while the command runs.
    pub supervise: Supervise,
    /// What the host could not give and `allow_degraded` let go.
    pub degraded: Vec<Degraded>,
    /// What the manifest opens, and what is open by default.
    pub holes: Vec<Hole>,
}

/// One thing to do, and what asked for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step<Action> {
    /// Its number in the plan, from 1.
    pub n: u16,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// What asked for it.
    pub origin: Origin,
}

/// Whom a file belongs to that is not root's, by ids inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// What asked for a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The key of the manifest.
    pub key: Pointer,
    /// The manifest is silent there: the default asked.
    pub default: bool,
}

/// A loss that `allow_degraded` permits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Degraded {
    /// The word of `allow_degraded`.
    pub name: &'static str,
    /// What was lost, and why.
    pub reason: String,
}

/// What the parent does before there is anybody inside.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Prepare {
    /// Asks systemd for a scope with the runner in it; undone by systemd when the runner ends.
    StartScope { socket: PathBuf, unit: String, slice: String, path: PathBuf },
    /// Makes a control group beside the sandbox's, and moves the runner there.
    StepAside { path: PathBuf },
    /// Makes a control group; undone by rmdir.
    MakeCgroup { path: PathBuf },
    /// Hands controllers down to the children of a cgroup v2 group.
    EnableControllers { path: PathBuf, controllers: Vec<String> },
    /// The same in a group of systemd's, which takes a controller back as soon as no unit of its
    /// own needs it: the kernel refuses that as long as a group there, an empty one, hands the
    /// controller down itself. Undone by rmdir.
    HoldControllers { path: PathBuf, holder: PathBuf, controllers: Vec<String> },
    /// Writes a file of a control group.
    WriteCgroup { path: PathBuf, value: String },
    /// Asks to be told when a cgroup v1 group runs out of memory, where the kernel tells.
    WatchMemory { path: PathBuf },
    /// Enters an existing network namespace, which init inherits.
    JoinNetwork { path: PathBuf },
    /// Locks the directory of a layer that is kept, for as long as the runner lives: of two
    /// overlays that write to one, the kernel says that neither shows what it should.
    LockLayer { path: PathBuf },
    /// Opens a file as one of the command's standard streams (0, 1, 2).
    OpenStream { stream: u8, path: PathBuf },
}

/// Starts init in new namespaces.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename = "clone")]
pub struct CloneInit {
    /// The namespaces made by the clone itself.
    pub namespaces: Vec<Namespace>,
    /// The cgroup v2 group that init is born in.
    pub into_cgroup: Option<PathBuf>,
}

/// What the parent does for init while it waits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Attend {
    /// Writes an id map by `newuidmap` or `newgidmap`, or directly where we may.
    MapIds { kind: IdKind, map: Vec<IdRange>, helper: Option<PathBuf> },
    /// Raises a hard limit above the caller's own, which nobody can from within a user namespace
    /// (prlimit(2), CAP_SYS_RESOURCE); none is unlimited.
    RaiseLimit { resource: &'static str, hard: Option<u64> },
    /// Copies the mount at `source` with its ids mapped as the sandbox's are (mount_setattr(2),
    /// MOUNT_ATTR_IDMAP), and hands the copy to init. With `layer` nothing may be mounted below
    /// it: an overlay would not show that.
    MapMount { source: PathBuf, recursive: bool, layer: bool },
    /// Lets pipes that are standard streams be opened anew by others than their owner: to be read
    /// where that is stdin, to be written to where not. Another process, such as a shell that
    /// reads its script from the same pipe, would obey what the command wrote there.
    OpenPipes,
}

/// User or group ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdKind {
    Uid,
    Gid,
}

/// A run of ids inside that stands for as many outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IdRange {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

impl IdRange {
    /// The id inside is one of the run.
    #[must_use]
    pub fn holds(&self, id: u32) -> bool {
        id >= self.inside && id - self.inside < self.count
    }
}

/// What init does to build the sandbox. Paths called `target` are inside the new root.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Init {
    /// prctl(PR_SET_PDEATHSIG, SIGKILL): init dies with the runner.
    ParentDeathSignal,
    /// A session of its own, so that signals to the runner's group don't reach it.
    NewSession,
    /// Maps one id, its own, by itself.
    MapSelf { uid: IdRange, gid: Option<IdRange> },
    /// Writes 0 to the `tasks` file of a cgroup v1 group.
    JoinCgroup { path: PathBuf },
    /// Unshares namespaces that must come after the cgroup was joined.
    Unshare { namespaces: Vec<Namespace> },
    /// prctl(PR_SET_DUMPABLE, 0): nobody traces init or reads its memory.
    Undumpable,
    /// Sets the host name.
    Hostname { name: String },
    /// Brings the loopback device up.
    LoopbackUp,
    /// A session keyring of its own: keyctl(KEYCTL_JOIN_SESSION_KEYRING).
    NewKeyring,
    /// personality(2) back to plain Linux.
    Personality,
    /// Back to the ordinary scheduler, disk queue and timers, where the caller goes before others.
    Scheduler,
    /// Makes all mounts of the new namespace private.
    PrivateMounts,
    /// Mounts a tmpfs, out of sight, that holds layers and files. `size` as tmpfs(5) takes it:
    /// bytes, or a percentage of memory.
    Scratch { size: String },
    /// Takes a new root file system.
    Root(Root),
    /// Makes a directory in the new root.
    Mkdir { target: String, mode: u32 },
    /// Makes a symbolic link in the new root.
    Symlink { target: String, to: String },
    /// Writes a file into the new root itself (only where the root is a tmpfs of ours).
    WriteFile { target: String, content: String, mode: u32, owner: Option<Owner> },
    /// Shows a file or directory of the host in the new root.
    Bind(Bind),
    /// Mounts a kernel file system.
    Mount(KernelMount),
    /// Shows a file with this content, from the scratch tmpfs, in the new root.
    File { target: String, content: String, mode: u32, owner: Option<Owner>, make_target: bool },
    /// Hides a file under /dev/null, or a directory under an empty read-only tmpfs. What is not
    /// there is passed over. The very inode that was looked at is covered, not its name.
    Mask { target: String },
    /// Binds a path over itself, read-only. What is not there is passed over.
    ReadOnlyPath { target: String },
    /// Makes the root mount itself read-only.
    ReadOnlyRoot,
    /// Changes to the new root and lets go of the old.
    PivotRoot,
    /// Writes a sysctl of the new namespaces.
    Sysctl { key: String, value: String },
    /// Writes /proc/self/oom_score_adj.
    OomScoreAdj { value: i16 },
    /// setpriority(2).
    Nice { value: i8 },
    /// umask(2).
    Umask { mask: u32 },
    /// setgroups, setresgid, setresuid; no `groups` leaves them as they are.
    SetIds { uid: u32, gid: u32, groups: Option<Vec<u32>> },
    /// Opens a terminal in the sandbox's devpts and hands its master to the parent.
    OpenTerminal,
    /// Leaves these and no others in the bounding, inheritable, permitted, effective and ambient
    /// sets.
    Capabilities { keep: Vec<Capability> },
    /// prctl(PR_SET_NO_NEW_PRIVS, 1).
    NoNewPrivileges,
    /// Changes the working directory.
    Chdir { path: String },
}

/// The new root file system.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Root {
    /// An empty tmpfs.
    Tmpfs { size: String },
    /// A directory itself.
    Bind { path: PathBuf, read_only: bool, mapped: bool },
    /// A directory below a layer that takes the writes.
    Overlay { lower: PathBuf, upper: Layer, mapped: bool },
}

/// Where an overlay's writes go.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// To the scratch tmpfs: thrown away.
    Scratch,
    /// To `upper` and `work` in this directory.
    Dir(PathBuf),
}

/// Something of the host shown inside.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bind {
    pub source: PathBuf,
    pub target: String,
    pub flags: MountFlags,
    pub recursive: bool,
    /// A missing source is passed over.
    pub optional: bool,
    /// A missing target is made (never in a directory of the host's).
    pub make_target: bool,
    /// It is the copy that a `map_mount` step handed over.
    pub mapped: bool,
}

/// A kernel file system mounted inside.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelMount {
    /// As fsopen(2) takes it: `proc`, `tmpfs`, `devpts`, `overlay`…
    pub fstype: &'static str,
    pub target: String,
    pub flags: MountFlags,
    /// Options for fsconfig(2); no value is a flag.
    pub options: Vec<(String, Option<String>)>,
    pub make_target: bool,
}

/// MOUNT_ATTR_*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MountFlags {
    pub read_only: bool,
    pub nosuid: bool,
    pub nodev: bool,
    pub noexec: bool,
}

/// Starts the command's process and stays as PID 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename = "spawn")]
pub struct Spawn {}

/// What the process does that becomes the command.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Command {
    /// A session of its own.
    NewSession,
    /// The sandbox's terminal becomes the controlling one, and streams 0, 1 and 2.
    ControllingTerminal,
    /// The standard streams: files that were opened, pipes of the runner, /dev/null.
    Streams { stdin: Stream, stdout: Stream, stderr: Stream },
    /// Signals back to their defaults, none blocked.
    ResetSignals,
    /// Every descriptor above 2 closes on exec.
    CloseOnExec,
    /// setrlimit(2); none is unlimited. They hold the command alone: an init that stays, and what is
    /// done before this, need descriptors.
    Rlimit { resource: &'static str, soft: Option<u64>, hard: Option<u64> },
    /// landlock(7): nothing but what lies below / and the standard streams, whatever else a
    /// descriptor or a magic link may lead to. `abi` is the kernel's version.
    Landlock { abi: u8 },
    /// seccomp(2) with this filter.
    Seccomp { filter: Filter },
    /// Compares what this process really has with the plan, and refuses to go on if they differ.
    Verify(Verify),
}

/// What the process must have just before exec.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verify {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups; none where the caller's may be kept.
    pub groups: Option<Vec<u32>>,
    pub capabilities: Vec<Capability>,
    pub no_new_privileges: bool,
    /// A filter is installed (`Seccomp: 2` in /proc/self/status, or prctl(PR_GET_SECCOMP)).
    pub seccomp: bool,
    /// The namespaces that must differ from the runner's.
    pub namespaces: Vec<Namespace>,
}

/// Where a standard stream leads.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// The caller's, untouched.
    Inherit,
    /// /dev/null.
    None,
    /// The file that `open_stream` opened.
    File,
    /// The same as stdout.
    Stdout,
    /// A pipe of the runner's, which passes on what comes and counts what goes (`limits.output`).
    Relayed,
    /// The sandbox's terminal.
    Terminal,
}

/// Becomes the command.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename = "exec")]
pub struct Exec {
    pub argv: Vec<String>,
    /// Its whole environment, `NAME=value`.
    pub environment: Vec<String>,
    /// The paths tried in this order (from the sandbox's own PATH).
    pub candidates: Vec<String>,
}

/// A kind of namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    User,
    Mount,
    Pid,
    Network,
    Uts,
    Ipc,
    Cgroup,
    Time,
}

/// What the parent watches, and where it looks when all is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Supervise {
    /// The command has a terminal that the parent relays.
    pub terminal: bool,
    pub timeout: Option<Duration>,
    /// Processor time of all processes together; needs a group whose usage can be read.
    pub cpu_time: Option<Duration>,
    /// Bytes of stdout and stderr together.
    pub output: Option<u64>,
    pub stop_signal: i32,
    pub grace: Duration,
    /// With true, one out-of-memory kill ends the whole sandbox.
    pub oom_group: bool,
    /// `limits.memory`, for the sentence and the report.
    pub memory_limit: Option<u64>,
    /// Where the figures are read.
    pub accounts: Accounts,
    /// Where the JSON report goes.
    pub report: Option<PathBuf>,
}

/// The groups whose files hold the figures, by what is read there.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Accounts {
    pub memory: Option<Group>,
    pub pids: Option<Group>,
    pub cpu: Option<Group>,
    /// Every group that was made, for `cgroup.kill` and for counting what is alive.
    pub groups: Vec<Group>,
}

/// A control group of this run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    pub path: PathBuf,
    pub version: CgroupVersion,
}

/// Which interface a group's files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupVersion {
    V1,
    V2,
}

/// As many lower layers as one option of overlay has room for (256 bytes, fsconfig(2)), each named
/// by its descriptor.
pub const OVERLAY_LAYERS: usize = 40;

/// A name that the kernel gives to what is open, or to a device: no directory of anybody's.
#[must_use]
pub fn is_kernels(path: &Path) -> bool {
    path.starts_with("/proc") || (path.starts_with("/dev") && !path.starts_with("/dev/shm"))
}
