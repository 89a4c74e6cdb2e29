//! What the user asks for.

pub mod limits;
pub mod mounts;
pub mod network;
pub mod process;
pub mod rootfs;
pub mod scalar;
pub mod security;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use limits::*;
pub use mounts::*;
pub use network::*;
pub use process::*;
pub use rootfs::*;
pub use scalar::*;
pub use security::*;

/// One sandbox.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// `$schema`: for editors; ignored.
    pub schema: Option<String>,
    pub name: Option<Name>,
    pub description: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub vars: BTreeMap<String, Var>,

    pub rootfs: Rootfs,
    pub command: Command,
    pub args: Vec<String>,
    pub working_dir: AbsolutePath,
    pub environment: Environment,
    pub env_file: OneOrMany<PathBuf>,
    pub pass_env: Vec<EnvPattern>,
    pub user: User,
    pub groups: Vec<Id>,
    pub umask: Mode,
    pub hostname: Option<Hostname>,
    pub tty: Tty,
    pub stdin: Input,
    pub stdout: Output,
    pub stderr: ErrorOutput,
    pub init: bool,

    pub mounts: Vec<Mount>,
    pub tmpfs: Vec<Tmpfs>,
    pub files: BTreeMap<AbsolutePath, File>,
    pub devices: Vec<Device>,
    pub proc: Proc,
    pub shm_size: Size,

    pub limits: Limits,
    pub ulimits: BTreeMap<Ulimit, UlimitValue>,
    pub oom_score_adj: Option<i16>,
    pub nice: Option<i8>,
    pub cgroup: Cgroup,

    pub timeout: Option<Duration>,
    pub stop_signal: Signal,
    pub stop_grace_period: Duration,

    pub network: Network,
    pub extra_hosts: BTreeMap<String, std::net::IpAddr>,

    pub userns: Userns,
    pub namespaces: Namespaces,
    pub sysctls: BTreeMap<String, SysctlValue>,
    pub security: Security,
    pub allow_degraded: Vec<Degradable>,

    pub report: Option<Report>,
}
