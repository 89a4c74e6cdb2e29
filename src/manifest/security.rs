//! The `security` section.

use std::path::PathBuf;

use super::AbsolutePath;
use crate::capability::Capability;

/// `security: default | strict | loose | {level, …}`
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    pub level: SecurityLevel,
    /// The whole set that the command has; empty by default.
    pub capabilities: Vec<Capability>,
    /// `no_new_privileges`, true by default.
    pub no_new_privileges: bool,
    pub seccomp: Seccomp,
    pub landlock: Landlock,
    /// `None`: the list that OCI runtimes mask.
    pub masked_paths: Option<Vec<AbsolutePath>>,
    /// `None`: the list that OCI runtimes make read-only.
    pub readonly_paths: Option<Vec<AbsolutePath>>,
    /// The command may make user namespaces; false by default.
    pub nested_namespaces: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityLevel {
    Default,
    Strict,
    Loose,
}

/// `seccomp: default | strict | loose | none | FILE (has a slash) | {base, allow, deny, refuse_with}`
#[derive(Clone, Debug, PartialEq)]
pub struct Seccomp {
    pub base: SeccompBase,
    /// System calls let through besides.
    pub allow: Vec<String>,
    /// System calls refused besides.
    pub deny: Vec<String>,
    pub refuse_with: Refusal,
}

/// Which profile a filter starts from.
#[derive(Clone, Debug, PartialEq)]
pub enum SeccompBase {
    /// As `level` says.
    Level,
    Profile(SecurityLevel),
    None,
    /// A profile in the JSON of the OCI runtime specification.
    File(PathBuf),
}

/// What a refused system call gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// EPERM.
    Errno,
    /// The process is killed.
    Kill,
    /// It is let through, and logged by the kernel.
    Log,
}

/// The second wall: landlock(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landlock {
    /// Where the kernel has it.
    Auto,
    /// The run is refused without it.
    Required,
    None,
}
