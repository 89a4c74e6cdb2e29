//! The flags of `run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

// Docker's words for a sandbox. (A doc comment would become the command's.)
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(in crate::cli) struct Run {
    /// Print this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// A terminal of its own for the command
    #[arg(short, long)]
    pub(super) tty: bool,
    /// Accepted: standard input is always handed through
    #[arg(short, long)]
    pub(super) interactive: bool,
    /// The root file system: a directory; without it, the host's own /usr, read-only
    #[arg(long, value_name = "DIR")]
    pub(super) rootfs: Option<String>,
    /// The most memory, such as 100m; swap is 0 unless --memory-swap says more
    #[arg(short, long, value_name = "SIZE")]
    pub(super) memory: Option<String>,
    /// Memory and swap together
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(super) memory_swap: Option<String>,
    /// Memory that is taken back last
    #[arg(long, value_name = "SIZE")]
    pub(super) memory_reservation: Option<String>,
    /// Processors, such as 1.5
    #[arg(long, value_name = "NUMBER")]
    pub(super) cpus: Option<String>,
    /// Share of the processors when they are scarce; 1024 shares are a `cpu_weight` of 100
    #[arg(short = 'c', long, value_name = "SHARES")]
    pub(super) cpu_shares: Option<u64>,
    /// The processors it may run on, such as 0-1,3
    #[arg(long, visible_alias = "cpuset", value_name = "LIST")]
    pub(super) cpuset_cpus: Option<String>,
    /// The memory nodes it may use
    #[arg(long, value_name = "LIST")]
    pub(super) cpuset_mems: Option<String>,
    /// The most processes and threads, by default 4096; -1 is as many as the kernel can count
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(super) pids_limit: Option<String>,
    /// Shows a directory or file of the host inside, writable unless :ro
    #[arg(short, long, value_name = "SRC:DST[:ro|rw]")]
    pub(super) volume: Vec<String>,
    /// An empty file system in memory
    #[arg(long, value_name = "DST[:size=SIZE,mode=MODE]")]
    pub(super) tmpfs: Vec<String>,
    /// The size of /dev/shm
    #[arg(long, value_name = "SIZE")]
    pub(super) shm_size: Option<String>,
    /// A variable; without a value, the caller's
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(super) env: Vec<String>,
    /// Variables from a file
    #[arg(long, value_name = "FILE")]
    pub(super) env_file: Vec<String>,
    /// The working directory inside
    #[arg(short, long, value_name = "DIR")]
    pub(super) workdir: Option<String>,
    /// The user inside: a name, or uid[:gid]
    #[arg(short, long, value_name = "USER")]
    pub(super) user: Option<String>,
    /// A supplementary group inside
    #[arg(long, value_name = "GROUP")]
    pub(super) group_add: Vec<String>,
    /// The host name inside
    #[arg(short = 'h', long, value_name = "NAME")]
    pub(super) hostname: Option<String>,
    /// The sandbox's name
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// A label, carried into the report
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(super) label: Vec<String>,
    /// The root file system can't be written to
    #[arg(long)]
    pub(super) read_only: bool,
    /// Accepted: nothing of a sandbox stays anyway
    #[arg(long)]
    pub(super) rm: bool,
    /// A minimal PID 1 that reaps zombies and forwards signals
    #[arg(long)]
    pub(super) init: bool,
    /// none, or host
    #[arg(long, visible_alias = "net", value_name = "MODE")]
    pub(super) network: Option<String>,
    /// A name for an address, in /etc/hosts
    #[arg(long, value_name = "NAME:IP")]
    pub(super) add_host: Vec<String>,
    /// A limit of setrlimit(2)
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub(super) ulimit: Vec<String>,
    /// A device of the host
    #[arg(long, value_name = "SRC[:DST][:rwm]")]
    pub(super) device: Vec<String>,
    /// A capability for the command, which has none by default
    #[arg(long, value_name = "CAPABILITY")]
    pub(super) cap_add: Vec<String>,
    /// Accepted: the command has no capability but those of --cap-add
    #[arg(long, value_name = "CAPABILITY")]
    pub(super) cap_drop: Vec<String>,
    /// seccomp=FILE, seccomp=unconfined, no-new-privileges[=false]
    #[arg(long, value_name = "OPTION")]
    pub(super) security_opt: Vec<String>,
    /// A sysctl of the sandbox's namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) sysctl: Vec<String>,
    /// How readily the kernel kills it when memory is scarce
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(super) oom_score_adj: Option<String>,
    /// The signal that asks the command to stop
    #[arg(long, value_name = "SIGNAL")]
    pub(super) stop_signal: Option<String>,
    /// How long it has to stop, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(super) stop_timeout: Option<String>,
    /// The longest it may run, such as 90s
    #[arg(long, value_name = "DURATION")]
    pub(super) timeout: Option<String>,
    /// Lets a loss pass that this host forces, such as memory; may be given again
    #[arg(long, value_name = "NAME")]
    pub(super) allow_degraded: Vec<String>,
    /// Writes a report of the run, as JSON, to this file
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Prints the manifest that `up` takes for the same sandbox, and runs nothing
    #[arg(long)]
    pub(super) print_manifest: bool,
    /// The command with its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}
