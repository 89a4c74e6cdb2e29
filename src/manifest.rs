//! What the user asks for.
//!
//! The types here are the one home of the manifest's keys: names, meanings, defaults, examples
//! and constraints. Reading, the schema and `explain` all come from them.

mod contradictions;
pub mod devices;
mod environment;
mod fault;
pub mod files;
pub mod limits;
pub mod mounts;
pub mod network;
pub(crate) mod notation;
pub mod process;
mod reader;
pub mod rootfs;
pub mod scalar;
pub mod security;
mod shell;
pub mod streams;
pub mod tmpfs;
pub mod ulimits;
mod variables;
pub mod vars;
mod walk;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use notation::{MOST_ITEMS, Ranged, few, keyed, through};
use reader::UNREAD;
use scalar::HostPath;

use crate::diagnostic::Problem;
use crate::source::{Document, Entry, Node, Pointer, Value};

pub use devices::Device;
pub use environment::Environment;
pub use files::{File, FileContent};
pub use limits::{Cgroup, CgroupManager, CpuSet, Io, Limits};
pub use mounts::{Mount, MountKind, Proc};
pub use network::{Degradable, Namespaces, Network, Sharing, SysctlValue, Userns};
pub use process::{Command, EnvPattern, Report};
pub use rootfs::{RootSource, Rootfs, Write};
pub use scalar::{AbsolutePath, Duration, Hostname, Id, Mode, Name, OneOrMany, Signal, Size, User};
pub use security::{Landlock, Refusal, Seccomp, SeccompBase, Security, SecurityLevel};
pub use streams::{ErrorOutput, Input, Output, Tty};
pub use tmpfs::Tmpfs;
pub use ulimits::{Ulimit, UlimitValue};
use variables::Substituted;
pub use variables::{Borrowed, Variables};
pub use vars::Var;

type OomScore = Ranged<-1000, 1000>;
type Niceness = Ranged<-20, 19>;

/// One sandbox, as `sixdocker up FILE` runs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The schema of this file, for editors; without effect here. None by default.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", example = &"https://raw.githubusercontent.com/sixdocker/sixdocker/main/schema/manifest.json")]
    pub schema: Option<String>,
    /// The name of the sandbox, of its control group and its host; by default the file's stem.
    #[serde(default)]
    #[schemars(example = &"judge")]
    pub name: Option<Name>,
    /// What the sandbox is for. Nothing by default.
    #[serde(default)]
    #[schemars(with = "String", example = &"compiles the project and runs its tests")]
    pub description: Option<String>,
    /// Words of your own, which the report carries.
    #[serde(default)]
    #[schemars(example = json!({"team": "core"}))]
    pub labels: BTreeMap<String, String>,
    /// Variables for `${NAME}` in the values of this file; `--set NAME=value` overrides them.
    #[serde(default, deserialize_with = "variables::vars")]
    #[schemars(schema_with = "keyed::<variables::VarName, Var>", example = json!({"LEVEL": {"default": "release", "enum": ["debug", "release"]}}))]
    pub vars: BTreeMap<String, Var>,

    /// The root file system: `host` (the host's own /usr, read-only), or a directory.
    #[serde(default = "default::rootfs")]
    #[schemars(example = &"./rootfs", example = json!({"path": "./rootfs", "write": "none"}))]
    pub rootfs: Rootfs,
    /// What runs: a list of program and arguments, or a text for `/bin/sh -c`. A text gets `args`
    /// as `$1`, `$2` and so on, and goes on after a command that fails unless it begins with
    /// `set -e`.
    #[schemars(example = &["echo", "hello"], example = &"make && make test")]
    pub command: Command,
    /// Arguments appended to the command; `up FILE -- …` appends more. A text gets them as `$1`,
    /// `$2` and so on, all of them as `"$@"`, and must use them.
    #[serde(default)]
    #[schemars(example = &["--verbose"])]
    pub args: Vec<String>,
    /// The directory that the command starts in.
    #[serde(default = "default::working_dir")]
    #[schemars(example = &"/work")]
    pub working_dir: AbsolutePath,
    /// Variables of the command's environment; one without a value is the caller's own.
    #[serde(default)]
    #[schemars(example = json!({"LANG": "C.UTF-8", "CI": null}), example = &["LANG=C.UTF-8"])]
    pub environment: Environment,
    /// Files with more variables, one `NAME=value` a line.
    #[serde(default, deserialize_with = "through::<_, OneOrMany<HostPath>, _>")]
    #[schemars(with = "OneOrMany<HostPath>", example = &"./ci.env")]
    pub env_file: OneOrMany<PathBuf>,
    /// Variables of the caller that are passed on; `PREFIX*` passes all that begin so.
    #[serde(default)]
    #[schemars(example = &["SSH_AUTH_SOCK", "CI_*"])]
    pub pass_env: Vec<EnvPattern>,
    /// The user inside, by name or number. Outside it is the caller, for an ordinary caller; for
    /// root it is a user of the same number, or where the plan says so one that owns nothing
    /// there.
    #[serde(default = "default::user")]
    #[schemars(example = &"nobody", example = &"1000:1000")]
    pub user: User,
    /// Supplementary groups inside.
    #[serde(default, deserialize_with = "few")]
    #[schemars(length(max = MOST_ITEMS), example = &["audio"])]
    pub groups: Vec<Id>,
    /// The mode bits that new files don't get.
    #[serde(default = "default::umask")]
    #[schemars(example = &"0077")]
    pub umask: Mode,
    /// The host name inside; by default `name`.
    #[serde(default)]
    #[schemars(example = &"sandbox")]
    pub hostname: Option<Hostname>,
    /// Whether the command has a terminal of its own.
    #[serde(default = "default::tty")]
    #[schemars(example = true)]
    pub tty: Tty,
    /// Where the command reads.
    #[serde(default = "default::stdin")]
    #[schemars(example = &"none", example = &"./input.txt")]
    pub stdin: Input,
    /// Where the command writes.
    #[serde(default = "default::stdout")]
    #[schemars(example = &"./output.txt")]
    pub stdout: Output,
    /// Where the command writes its errors.
    #[serde(default = "default::stderr")]
    #[schemars(example = &"stdout", example = &"./errors.txt")]
    pub stderr: ErrorOutput,
    /// A minimal process 1 that reaps and forwards signals; without it the command is process 1.
    #[serde(default)]
    #[schemars(example = true)]
    pub init: bool,

    /// What is mounted, in this order, but what lies in another one after that:
    /// `SOURCE:TARGET[:rw]`, or a mapping. What is the host's is read-only unless `rw` or
    /// `read_only: false` says otherwise.
    #[serde(default, deserialize_with = "few")]
    #[schemars(length(max = MOST_ITEMS), example = &["./src:/src", "./out:/out:rw"], example = json!([{"type": "tmpfs", "target": "/cache", "size": "1g"}]))]
    pub mounts: Vec<Mount>,
    /// File systems in memory: `PATH[:size=SIZE,mode=MODE]`. A list takes the place of the
    /// default one: `/tmp` and `/run` are there only if it has them.
    #[serde(default = "default::tmpfs", deserialize_with = "few")]
    #[schemars(length(max = MOST_ITEMS), example = &["/tmp:size=64m"])]
    pub tmpfs: Vec<Tmpfs>,
    /// Files written inside, and never on the host: a text, or a mapping.
    #[serde(default, deserialize_with = "few")]
    #[schemars(schema_with = "keyed::<files::FilePath, File>", example = json!({"/etc/motd": "hello\n"}))]
    pub files: BTreeMap<AbsolutePath, File>,
    /// Devices of the host: `DEVICE[:TARGET][:rw]`.
    #[serde(default, deserialize_with = "few")]
    #[schemars(length(max = MOST_ITEMS), example = &["/dev/kvm"])]
    pub devices: Vec<Device>,
    /// Which /proc the command sees.
    #[serde(default)]
    #[schemars(example = &"none")]
    pub proc: Proc,
    /// The size of /dev/shm.
    #[serde(default = "default::shm_size")]
    #[schemars(example = &"1g")]
    pub shm_size: Size,

    /// What the command, with all its children, may use; enforced by control groups.
    #[serde(default)]
    #[schemars(example = json!({"memory": "100m", "cpus": 1.5, "pids": 64}))]
    pub limits: Limits,
    /// Limits of setrlimit(2): a number, `unlimited`, or soft and hard.
    #[serde(default)]
    #[schemars(schema_with = "ulimits::schema", example = json!({"nofile": 1024, "core": 0}))]
    pub ulimits: BTreeMap<Ulimit, UlimitValue>,
    /// How readily the kernel kills the command when memory runs out; by default as the caller, but
    /// no less than an ordinary process.
    #[serde(default, deserialize_with = "through::<_, OomScore, _>")]
    #[schemars(with = "OomScore", example = 500)]
    pub oom_score_adj: Option<i16>,
    /// The nice value: 19 gives way to everybody; by default the caller's, but no less than 0.
    #[serde(default, deserialize_with = "through::<_, Niceness, _>")]
    #[schemars(with = "Niceness", example = 10)]
    pub nice: Option<i8>,
    /// Who makes the control group.
    #[serde(default = "default::cgroup")]
    #[schemars(example = &"systemd", example = json!({"manager": "fs", "parent": "/ci"}))]
    pub cgroup: Cgroup,

    /// The longest that the command may run, such as `90s` or `1m30s` (a number alone is seconds);
    /// unlimited by default.
    #[serde(default)]
    #[schemars(example = &"90s")]
    pub timeout: Option<Duration>,
    /// The signal that asks the command to end.
    #[serde(default = "default::stop_signal")]
    #[schemars(example = &"SIGINT")]
    pub stop_signal: Signal,
    /// How long the command may take to end before it is killed, such as `30s` (a number alone is
    /// seconds). Process 1 has no part in it where it neither handles, blocks nor ignores the signal.
    #[serde(default = "default::stop_grace_period")]
    #[schemars(example = &"1m30s")]
    pub stop_grace_period: Duration,

    /// The network: `none`, `host`, or the path of an existing network namespace.
    #[serde(default = "default::network")]
    #[schemars(example = &"none", example = &"host", example = &"/run/netns/lab")]
    pub network: Network,
    /// More lines of /etc/hosts.
    #[serde(default, deserialize_with = "network::extra_hosts")]
    #[schemars(schema_with = "keyed::<network::ExtraHost, network::Address>", example = json!({"db": "10.0.0.5"}))]
    pub extra_hosts: BTreeMap<String, std::net::IpAddr>,

    /// Whether ids are mapped by a user namespace.
    #[serde(default)]
    #[schemars(example = &"auto", example = &"host")]
    pub userns: Userns,
    /// Which namespaces are the sandbox's own.
    #[serde(default)]
    #[schemars(example = json!({"ipc": "host"}))]
    pub namespaces: Namespaces,
    /// Kernel parameters of the sandbox's namespaces.
    #[serde(default, deserialize_with = "network::sysctls")]
    #[schemars(schema_with = "keyed::<network::SysctlName, SysctlValue>", example = json!({"net.ipv4.ip_unprivileged_port_start": 0}))]
    pub sysctls: BTreeMap<String, SysctlValue>,
    /// How tightly the command is held: a level, or a mapping.
    #[serde(default)]
    #[schemars(example = &"strict", example = json!({"capabilities": ["NET_BIND_SERVICE"]}))]
    pub security: Security,
    /// What may be lost where this host can't give it; anything else is refused.
    #[serde(default)]
    #[schemars(example = &["fresh_proc"])]
    pub allow_degraded: Vec<Degradable>,

    /// A file that tells how the run went; none by default.
    #[serde(default)]
    #[schemars(example = &"report.json")]
    pub report: Option<Report>,

    /// What of the caller's environment its `${…}` have taken.
    #[serde(skip)]
    pub borrowed: Vec<Borrowed>,
}

impl Manifest {
    /// Reads a manifest, or gives every fault of it, in the order of the text.
    pub fn read(document: &Document, variables: &Variables) -> Result<Self, Vec<Problem>> {
        let Substituted { document: substituted, mut problems, borrowed } =
            variables::substitute(document, variables);
        let typed = reader::read_root::<Self>(substituted.root());
        let faultless = problems.is_empty() && document.faults().is_empty();
        match typed {
            Ok(mut manifest) if faultless => {
                problems = manifest.contradictions();
                if problems.is_empty() {
                    manifest.borrowed = borrowed;
                    return Ok(manifest);
                }
            }
            typed => {
                problems.extend_from_slice(document.faults());
                problems.extend(faults(substituted.root(), typed.err()));
            }
        }
        variables::conceal(&mut problems, &borrowed, variables);
        problems.sort_by_cached_key(|problem| document.span(&problem.at).start);
        Err(problems)
    }

    /// Every fault that a walk of the schema finds: none, where the typed reading finds none.
    #[must_use]
    pub fn walked(document: &Document, variables: &Variables) -> Vec<Problem> {
        walk::faults(variables::substitute(document, variables).document.root())
    }

    /// What can be read of a manifest that has faults: the keys at its root that have none. Also
    /// gives the names of those that have.
    #[must_use]
    pub fn readable_part(
        document: &Document,
        variables: &Variables,
        problems: &[Problem],
    ) -> Option<(Self, Vec<String>)> {
        let substituted = variables::substitute(document, variables).document;
        let mut root = substituted.root().clone();
        let faulty: Vec<_> = problems.iter().filter_map(|one| document.root_key(&one.at)).collect();
        let Value::Map(entries) = &mut root.value else { return None };
        entries.retain(|entry| !faulty.contains(&entry.key));
        if entries.iter().all(|entry| entry.key != "command") {
            // Any will do, whatever arguments there are.
            entries.push(Entry::text("command", "\"$@\""));
        }
        reader::read_root(&root).ok().map(|manifest| (manifest, faulty))
    }

    /// The directories and files of the host that it lets the command write to, as it names them.
    pub fn written(&self) -> impl Iterator<Item = &PathBuf> {
        let shown = self.mounts.iter().filter(|mount| !mount.read_only);
        let shown = shown.filter_map(|mount| match &mount.kind {
            MountKind::Bind { source, .. } => Some(source),
            MountKind::Overlay { upper, .. } => upper.as_ref(),
            _ => None,
        });
        let root = match (&self.rootfs.source, &self.rootfs.write) {
            (RootSource::Dir(dir), Some(Write::Direct)) | (_, Some(Write::Keep(dir))) => Some(dir),
            _ => None,
        };
        shown.chain(root)
    }
}

/// What a key of docker, compose, OCI, systemd or nsjail is called here.
#[must_use]
pub fn called_here(word: &str) -> Option<&'static str> {
    words::ours(word, true).map(|(ours, _)| ours)
}

/// Why a key of theirs is not here, and what is there instead.
#[must_use]
pub fn not_here(word: &str) -> Option<&'static str> {
    let later = words::is_not_yet(word).then_some("it is not built yet");
    words::without(word).or(later)
}

/// The faults of a tree that the typed reading has refused.
fn faults(root: &Node, typed: Option<reader::Refusal>) -> Vec<Problem> {
    let found = walk::faults(root);
    match typed.filter(|refusal| refusal.fault.code != UNREAD) {
        Some(refusal) if found.is_empty() => vec![refusal.problem(&Pointer::root())],
        _ => found,
    }
}

/// Defaults that are not those of their type.
mod default {
    use super::{
        AbsolutePath, Cgroup, CgroupManager, Duration, ErrorOutput, Id, Input, Mode, Network,
        Output, RootSource, Rootfs, Signal, Size, Tmpfs, Tty, User,
    };

    pub(super) fn rootfs() -> Rootfs {
        Rootfs { source: RootSource::Host, write: None, size: None }
    }

    pub(super) fn working_dir() -> AbsolutePath {
        AbsolutePath("/".to_owned())
    }

    pub(super) fn user() -> User {
        User { user: Id::Name("root".to_owned()), group: None }
    }

    pub(super) fn umask() -> Mode {
        Mode(0o022)
    }

    pub(super) fn tty() -> Tty {
        Tty::Auto
    }

    pub(super) fn stdin() -> Input {
        Input::Inherit
    }

    pub(super) fn stdout() -> Output {
        Output::Inherit
    }

    pub(super) fn stderr() -> ErrorOutput {
        ErrorOutput::Inherit
    }

    pub(super) fn tmpfs() -> Vec<Tmpfs> {
        let at =
            |path: &str| Tmpfs { target: AbsolutePath(path.to_owned()), size: None, mode: None };
        vec![at("/tmp"), at("/run")]
    }

    pub(super) fn shm_size() -> Size {
        Size(64 << 20)
    }

    pub(super) fn cgroup() -> Cgroup {
        Cgroup { manager: CgroupManager::Auto, parent: None }
    }

    pub(super) fn stop_signal() -> Signal {
        Signal(15)
    }

    pub(super) fn stop_grace_period() -> Duration {
        Duration(std::time::Duration::from_secs(10))
    }

    pub(super) fn network() -> Network {
        Network::None
    }
}
