//! The `security` section.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};

use super::AbsolutePath;
use super::fault::{Fault, Meant, shown, unknown_word};
use super::limits::plain_text;
use super::notation::{
    MOST_ITEMS, Notation, ShortOrLong, Written, described, few, notation, short_or_long,
    text_schema, words,
};
use super::scalar::HostPath;
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

/// How much the command may ask of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecurityLevel {
    /// As strict as docker.
    #[default]
    Default,
    /// Only what ordinary programs need.
    Strict,
    /// What debuggers need, too; sandboxes inside take `nested_namespaces`.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// EPERM.
    #[default]
    Errno,
    /// The process is killed.
    Kill,
    /// It is let through, and logged by the kernel.
    Log,
}

/// The second wall: landlock(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Landlock {
    /// Where the kernel has it.
    #[default]
    Auto,
    /// The run is refused without it.
    Required,
    /// Not used.
    None,
}

/// The long form of `security`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SecurityMap {
    /// How much the command may ask of the kernel.
    #[schemars(example = &"strict")]
    level: SecurityLevel,
    /// The whole set of capabilities that the command has, within its user namespace.
    #[schemars(example = &["NET_BIND_SERVICE"])]
    capabilities: Vec<CapabilityName>,
    /// Programs that the command starts gain no privilege by set-user-id bits or file capabilities.
    #[schemars(example = false)]
    no_new_privileges: bool,
    /// The filter of system calls; by default the one of `level`.
    #[schemars(extend("default" = null), example = &"strict", example = serde_json::json!({"allow": ["io_uring_setup"]}))]
    seccomp: Seccomp,
    /// The second wall: landlock(7).
    #[schemars(example = &"required")]
    landlock: Landlock,
    /// The paths that are hidden; by default those of the OCI runtimes.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "few")]
    #[schemars(with = "Vec<AbsolutePath>", length(max = MOST_ITEMS), example = &["/proc/kcore"])]
    masked_paths: Option<Vec<AbsolutePath>>,
    /// The paths that can't be written; by default those of the OCI runtimes.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "few")]
    #[schemars(with = "Vec<AbsolutePath>", length(max = MOST_ITEMS), example = &["/proc/sys"])]
    readonly_paths: Option<Vec<AbsolutePath>>,
    /// The command may make user namespaces of its own; to map user 0 in them it takes the
    /// capability SETFCAP as well (user_namespaces(7)).
    #[schemars(example = true)]
    nested_namespaces: bool,
}

impl Default for SecurityMap {
    fn default() -> Self {
        Self::from(Security::default())
    }
}

impl Default for Security {
    fn default() -> Self {
        Self {
            level: SecurityLevel::Default,
            capabilities: Vec::new(),
            no_new_privileges: true,
            seccomp: Seccomp::default(),
            landlock: Landlock::Auto,
            masked_paths: None,
            readonly_paths: None,
            nested_namespaces: false,
        }
    }
}

impl From<Security> for SecurityMap {
    fn from(security: Security) -> Self {
        Self {
            level: security.level,
            capabilities: security.capabilities.into_iter().map(CapabilityName).collect(),
            no_new_privileges: security.no_new_privileges,
            seccomp: security.seccomp,
            landlock: security.landlock,
            masked_paths: security.masked_paths,
            readonly_paths: security.readonly_paths,
            nested_namespaces: security.nested_namespaces,
        }
    }
}

const LEVELS: &[(&str, &str, SecurityLevel)] = &[
    ("default", "As strict as docker.", SecurityLevel::Default),
    ("strict", "Only what ordinary programs need.", SecurityLevel::Strict),
    (
        "loose",
        "What debuggers need, too; sandboxes inside take `nested_namespaces`.",
        SecurityLevel::Loose,
    ),
];

fn level(text: &str) -> Option<SecurityLevel> {
    LEVELS.iter().find(|(word, ..)| *word == text).map(|(.., level)| *level)
}

fn level_word(level: SecurityLevel) -> String {
    LEVELS
        .iter()
        .find(|(.., known)| *known == level)
        .map_or("default", |(word, ..)| word)
        .to_owned()
}

impl ShortOrLong for Security {
    const WANTED: &'static str = "a level, or a mapping";
    type Long = SecurityMap;

    fn short_schema() -> Vec<Schema> {
        let known: Vec<_> = LEVELS.iter().map(|(word, meaning, _)| (*word, *meaning)).collect();
        vec![words(&known)]
    }

    fn short(text: &str) -> Result<Self, Fault> {
        let level =
            level(text).ok_or_else(|| unknown_word(text, &["default", "strict", "loose"]))?;
        Ok(Self { level, ..Self::default() })
    }

    fn long(long: SecurityMap) -> Result<Self, Fault> {
        Ok(Self {
            level: long.level,
            capabilities: long.capabilities.into_iter().map(|name| name.0).collect(),
            no_new_privileges: long.no_new_privileges,
            seccomp: long.seccomp,
            landlock: long.landlock,
            masked_paths: long.masked_paths,
            readonly_paths: long.readonly_paths,
            nested_namespaces: long.nested_namespaces,
        })
    }

    fn written(&self) -> Written<SecurityMap> {
        if *self == (Self { level: self.level, ..Self::default() }) {
            return Written::Short(level_word(self.level));
        }
        Written::Long(self.clone().into())
    }
}

/// The long form of `seccomp`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeccompMap {
    /// The profile that the filter starts from; by default the one of `level`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"strict")]
    base: Option<BaseName>,
    /// System calls let through besides; none by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "few")]
    #[schemars(length(max = MOST_ITEMS), example = &["io_uring_setup"])]
    allow: Vec<SystemCall>,
    /// System calls refused besides; none by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "few")]
    #[schemars(length(max = MOST_ITEMS), example = &["ptrace"])]
    deny: Vec<SystemCall>,
    /// What a refused system call gets.
    #[serde(default)]
    #[schemars(example = &"kill")]
    refuse_with: Refusal,
}

/// A profile by its word, or a file.
#[derive(Clone)]
pub(crate) struct BaseName(SeccompBase);

const BASES: &[(&str, &str)] = &[
    ("default", "As strict as docker."),
    ("strict", "Only what ordinary programs need."),
    ("loose", "What debuggers need, too; sandboxes inside take `nested_namespaces`."),
    ("none", "No filter."),
];

impl Notation for BaseName {
    const WANTED: &'static str = "a profile, or the path of one";

    fn pattern() -> String {
        "^[^~]*/".to_owned()
    }

    fn schema() -> Schema {
        let file = described(
            text_schema(&Self::pattern(), Self::WANTED),
            "A profile in the JSON of the OCI runtime specification; the path has a slash.",
        );
        json_schema!({"anyOf": [words(BASES), file]})
    }

    fn read(text: &str) -> Result<Self, Fault> {
        if let Some(level) = level(text) {
            return Ok(Self(SeccompBase::Profile(level)));
        }
        match text {
            "none" => Ok(Self(SeccompBase::None)),
            path if path.split('/').next().is_some_and(|first| first.len() < path.len() && !first.contains('~')) => {
                Ok(Self(SeccompBase::File(HostPath::read(path)?.0)))
            }
            path if path.contains('/') => Err(super::scalar::tilde(path)),
            "unconfined" => Err(unknown_word(text, &["default", "strict", "loose", "none"]).help("write `none`")),
            other => Err(unknown_word(other, &["default", "strict", "loose", "none"])
                .help("write one of these words, or the path of a profile with a slash in it, such as `./profile.json`")),
        }
    }
}

impl fmt::Display for BaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SeccompBase::Level | SeccompBase::Profile(SecurityLevel::Default) => {
                f.write_str("default")
            }
            SeccompBase::Profile(level) => f.write_str(&level_word(*level)),
            SeccompBase::None => f.write_str("none"),
            SeccompBase::File(path) => path.display().fmt(f),
        }
    }
}

impl Default for Seccomp {
    fn default() -> Self {
        let (allow, deny) = (Vec::new(), Vec::new());
        Self { base: SeccompBase::Level, allow, deny, refuse_with: Refusal::Errno }
    }
}

impl ShortOrLong for Seccomp {
    const WANTED: &'static str = "a profile, its path, or a mapping";
    type Long = SeccompMap;

    fn short_schema() -> Vec<Schema> {
        vec![words(BASES), text_schema(&BaseName::pattern(), Self::WANTED)]
    }

    fn short(text: &str) -> Result<Self, Fault> {
        Ok(Self { base: BaseName::read(text)?.0, ..Self::default() })
    }

    fn long(long: SeccompMap) -> Result<Self, Fault> {
        let names = |calls: Vec<SystemCall>| calls.into_iter().map(|call| call.0).collect();
        Ok(Self {
            base: long.base.map_or(SeccompBase::Level, |base| base.0),
            allow: names(long.allow),
            deny: names(long.deny),
            refuse_with: long.refuse_with,
        })
    }

    fn written(&self) -> Written<SeccompMap> {
        let base = (self.base != SeccompBase::Level).then(|| BaseName(self.base.clone()));
        let plain =
            self.allow.is_empty() && self.deny.is_empty() && self.refuse_with == Refusal::Errno;
        if let (true, Some(base)) = (plain, &base) {
            return Written::Short(base.to_string());
        }
        let calls = |names: &[String]| names.iter().cloned().map(SystemCall).collect();
        Written::Long(SeccompMap {
            base,
            allow: calls(&self.allow),
            deny: calls(&self.deny),
            refuse_with: self.refuse_with,
        })
    }
}

plain_text!(
    SystemCall,
    "the name of a system call",
    "^[a-z_][a-z0-9_]*$",
    None,
    |text| {
        text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && text.starts_with(|c: char| !c.is_ascii_digit())
    },
    "write a name from syscalls(2), such as `io_uring_setup`"
);

/// A capability by name, with `CAP_` or without.
#[derive(Clone, Copy)]
pub(crate) struct CapabilityName(Capability);

impl Notation for CapabilityName {
    const WANTED: &'static str = "a capability such as `NET_BIND_SERVICE`";

    fn pattern() -> String {
        let names: Vec<&str> = Capability::ALL.iter().map(|capability| capability.word()).collect();
        format!("^(CAP_)?({})$", names.join("|"))
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let upper = text.to_ascii_uppercase();
        let known = Capability::named(text).filter(|_| upper == text);
        known.map(Self).ok_or_else(|| unknown_capability(text, &upper))
    }
}

fn unknown_capability(text: &str, upper: &str) -> Fault {
    let fault = Fault::value(format!("{} is not a capability", shown(text)), "not a capability");
    let word = upper.strip_prefix("CAP_").unwrap_or(upper);
    if word == "ALL" {
        return fault.help(
            "name each that is needed; `sixdocker explain security.capabilities` lists them",
        );
    }
    // No fix: a guess must not give a power.
    let meant = Meant::among(word, Capability::ALL.iter().map(|capability| capability.word()));
    let other = || "write a name from capabilities(7), such as `NET_BIND_SERVICE`".to_owned();
    fault.help(meant.question().unwrap_or_else(other))
}

impl fmt::Display for CapabilityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.word())
    }
}
notation!(BaseName, CapabilityName);
short_or_long!(Security, Seccomp);
