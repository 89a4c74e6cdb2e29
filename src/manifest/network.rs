//! Namespaces and network.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::fault::{Fault, shown, unknown_word};
use super::limits::plain_text;
use super::notation::{Notation, described, few, notation, text_schema, words};
use super::scalar::tilde;

/// How the sandbox reaches the network.
#[derive(Clone, Debug, PartialEq)]
pub enum Network {
    None,
    Host,
    /// An existing network namespace.
    Path(PathBuf),
}

/// Whether ids are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Userns {
    /// A user namespace with one id, or with the caller's subordinate range when it is needed.
    #[default]
    Auto,
    /// No user namespace: the sandbox's root is the host's.
    Host,
}

/// Whether a namespace is the sandbox's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// The sandbox has its own.
    #[default]
    Private,
    /// The sandbox shares the host's.
    Host,
}

/// Each is private by default, but `time`, which is the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Namespaces {
    /// Process ids; with `host` the command sees the host's processes.
    #[schemars(example = &"private", example = &"host")]
    pub pid: Sharing,
    /// System V and POSIX message queues, semaphores and shared memory.
    #[schemars(example = &"private", example = &"host")]
    pub ipc: Sharing,
    /// The host name.
    #[schemars(example = &"private", example = &"host")]
    pub uts: Sharing,
    /// The view of the control groups.
    #[schemars(example = &"private", example = &"host")]
    pub cgroup: Sharing,
    /// The monotonic and boot-time clocks.
    #[schemars(example = &"private")]
    pub time: Sharing,
}

impl Default for Namespaces {
    fn default() -> Self {
        let private = Sharing::Private;
        Self { pid: private, ipc: private, uts: private, cgroup: private, time: Sharing::Host }
    }
}

/// The text to be written to the sysctl's file; an integer or a string in the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct SysctlValue(pub String);

/// What may be lost where the host can't give it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Degradable {
    /// The command's own process ids.
    PidNamespace,
    /// The command's own network.
    NetworkNamespace,
    /// A /proc of its own.
    FreshProc,
    /// A host name of its own: the surrounding one is seen.
    Hostname,
    /// The limits of memory and swap.
    Memory,
    /// The limits of processor time.
    Cpu,
    /// The limit of processes.
    Pids,
    /// The limits of disks.
    Io,
    /// The choice of processors and memory nodes.
    Cpuset,
    /// The limits of huge pages.
    Hugetlb,
    /// The layer that takes writes to the root file system.
    Overlay,
    /// The filter of system calls.
    Seccomp,
    /// The second wall.
    Landlock,
}

const NETWORKS: &[(&str, &str)] =
    &[("none", "A network of its own with nothing but loopback."), ("host", "The host's network.")];

impl Notation for Network {
    const WANTED: &'static str = "`none`, `host`, or the path of a network namespace";

    fn pattern() -> String {
        "^[^~]*/".to_owned()
    }

    fn schema() -> Schema {
        let path = described(
            text_schema(&Self::pattern(), Self::WANTED),
            "The path of an existing network namespace.",
        );
        json_schema!({"anyOf": [words(NETWORKS), path]})
    }

    fn read(text: &str) -> Result<Self, Fault> {
        match text {
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            "user" => Err(Fault::not_yet("`network: user`").help("write `none` or `host`")),
            path if path.contains('/')
                && path.split('/').next().is_some_and(|first| first.contains('~')) =>
            {
                Err(tilde(path))
            }
            path if path.contains('/') => Ok(Self::Path(PathBuf::from(path))),
            other => Err(unknown_word(other, &["none", "host"])),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Host => f.write_str("host"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl Notation for SysctlValue {
    const WANTED: &'static str = "a number or text";
    const INTEGERS: Option<(u64, u64)> = Some((0, i64::MAX as u64));

    fn pattern() -> String {
        r"^[^\n]+$".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || text.contains('\n') {
            return Err(Fault::value(
                format!("{} is not one line of text", shown(text)),
                "not one line",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SysctlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
notation!(Network, SysctlValue);

plain_text!(
    key SysctlName,
    "a sysctl of a namespace",
    r"^(net(\.[A-Za-z0-9_-]+)+|kernel\.(shm[a-z_]+|msg[a-z_]+|sem|domainname)|fs\.mqueue\.[a-z_]+)$",
    is_namespaced,
    "only `net.*`, `kernel.shm*`, `kernel.msg*`, `kernel.sem`, `kernel.domainname` and `fs.mqueue.*` belong to a sandbox"
);

fn is_namespaced(name: &str) -> bool {
    let word =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let part = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    if let Some(rest) = name.strip_prefix("net.") {
        return rest.split('.').all(part);
    }
    if let Some(rest) = name.strip_prefix("fs.mqueue.") {
        return word(rest);
    }
    let Some(rest) = name.strip_prefix("kernel.") else { return false };
    matches!(rest, "sem" | "domainname")
        || rest.strip_prefix("shm").or_else(|| rest.strip_prefix("msg")).is_some_and(word)
}

/// An address of IPv4, or one of IPv6 with `::` wherever it may stand.
fn address_pattern() -> String {
    let (byte, word) = ("(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])", "[0-9A-Fa-f]{1,4}");
    let mut all = vec![format!(r"({byte}\.){{3}}{byte}"), format!("({word}:){{7}}{word}")];
    for before in 1..7 {
        let after = 7 - before;
        all.push(format!("({word}:){{{before}}}(:{word}){{1,{after}}}"));
    }
    all.extend([format!("({word}:){{1,7}}:"), format!(":((:{word}){{1,7}}|:)")]);
    format!("^({})$", all.join("|"))
}

plain_text!(
    Address,
    "an IP address",
    address_pattern(),
    None,
    // An IPv4 address within one of IPv6 is left out: it is another way to write the same.
    |text| text.parse::<IpAddr>().is_ok() && !(text.contains(':') && text.contains('.')),
    "write an address such as `127.0.0.1` or `\"::1\"`"
);
plain_text!(
    key ExtraHost,
    "a host name",
    "^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$",
    |text| {
        let end = |c: char| c.is_ascii_alphanumeric() || c == '_';
        text.starts_with(end)
            && text.ends_with(end)
            && text.chars().all(|c| end(c) || matches!(c, '.' | '-'))
    },
    "write letters, digits, `.`, `-`, `_`"
);

pub(crate) fn extra_hosts<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, IpAddr>, D::Error> {
    let hosts: BTreeMap<ExtraHost, Address> = few(from)?;
    Ok(hosts.into_iter().filter_map(|(name, ip)| Some((name.0, ip.0.parse().ok()?))).collect())
}

pub(crate) fn sysctls<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, SysctlValue>, D::Error> {
    let sysctls: BTreeMap<SysctlName, SysctlValue> = few(from)?;
    Ok(sysctls.into_iter().map(|(name, value)| (name.0, value)).collect())
}
