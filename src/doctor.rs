//! What this host can give to a sandbox, and the command that gives what it can't.
//!
//! A check here says what was looked at, and no more; what was tried says so.

use std::fmt;

use serde::Serialize;

use crate::diagnostic::Problem;
use crate::host::{Host, ResourceLimit};
use crate::plan::{CgroupVersion, Group};
use crate::planner::{self, lacks};
use crate::render::tame;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    /// It works, but something about it should be known.
    Caution,
    /// What needs it is refused.
    Fail,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What, in a word or two.
    pub name: &'static str,
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// The command that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Caution => "caution",
            Self::Fail => "fail",
        })
    }
}

fn check(name: &'static str, verdict: Verdict, text: impl Into<String>) -> Check {
    Check { name, verdict, text: text.into(), fix: None }
}

impl Check {
    /// What came of trying it: `works`, or the problem that it ended with.
    #[must_use]
    pub fn tried(name: &'static str, works: &str, problem: Option<Problem>) -> Self {
        match problem {
            None => check(name, Verdict::Pass, works),
            Some(Problem { text, help, .. }) => {
                Self { fix: help, ..check(name, Verdict::Fail, format!("was tried: {text}")) }
            }
        }
    }

    fn mended(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// Everything that is checked, of a host that was looked at whole.
#[must_use]
pub fn checks(host: &Host) -> Vec<Check> {
    let mut all = vec![kernel(host), user_namespaces(host), proc(host)];
    all.extend(hostname(host));
    all.extend(network(host));
    all.extend(controllers(host));
    all.extend([swap(host), seccomp(host), landlock(host), overlay(host)]);
    all.extend([subordinate(host), groups(host), limits(host)]);
    all
}

/// Checks by lines, for people.
#[must_use]
pub fn listing(checks: &[Check]) -> String {
    let mut out = String::new();
    for Check { name, verdict, text, fix } in checks {
        // A group or mount may have a name that somebody else chose.
        out.push_str(&format!("{:<7}  {name:<18}  {}\n", verdict.to_string(), tame(text)));
        if let Some(fix) = fix {
            out.push_str(&format!("{:29}→ {}\n", "", tame(fix)));
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (pass, caution, fail) =
        (count(Verdict::Pass), count(Verdict::Caution), count(Verdict::Fail));
    out.push_str(&format!("\n{pass} pass, {caution} caution, {fail} fail\n"));
    out
}

/// The host as `plan --host` reads it, with the checks beside it.
#[must_use]
pub fn json(host: &Host, checks: &[Check]) -> String {
    let mut value = serde_json::to_value(host).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.insert("checks".into(), serde_json::to_value(checks).unwrap_or_default());
    }
    crate::render::json_text(&value)
}

/// The oldest kernel that has every call that is made (mount_setattr is the youngest).
const OLDEST: (u32, u32) = (5, 12);

fn kernel(host: &Host) -> Check {
    let release = &host.kernel;
    match crate::host::version(release) {
        Some(version) if version < OLDEST => {
            let text = format!("Linux {release} is too old: 5.12 or newer is needed");
            check("kernel", Verdict::Fail, text).mended("boot a newer kernel")
        }
        _ => check("kernel", Verdict::Pass, format!("Linux {release}")),
    }
}

fn user_namespaces(host: &Host) -> Check {
    let name = "user namespaces";
    let Some(reason) = &host.userns_forbidden else {
        return check(name, Verdict::Pass, "no sysctl and no AppArmor rule forbids them");
    };
    check(name, Verdict::Fail, reason.clone()).mended(lacks::userns(reason))
}

fn proc(host: &Host) -> Check {
    match &host.proc_mask {
        None => check("proc", Verdict::Pass, "nothing known covers a part of /proc"),
        Some(mask) => {
            let text = format!("{mask}: no new /proc can be mounted");
            let fix = format!(
                "proc: none, proc: outer, or allow_degraded: [fresh_proc]  # in the manifest; or {}",
                lacks::UNMASKED
            );
            check("proc", Verdict::Caution, text).mended(fix)
        }
    }
}

/// Said where it is so: elsewhere nobody asks.
fn hostname(host: &Host) -> Option<Check> {
    let reason = host.hostname_forbidden.clone()?;
    let fix = "namespaces: {uts: host}, or allow_degraded: [hostname]  # in the manifest; or start the container with a wider filter (docker and podman: --security-opt seccomp=unconfined)";
    Some(check("host name", Verdict::Caution, reason).mended(fix))
}

/// The same.
fn network(host: &Host) -> Option<Check> {
    let reason = host.network_forbidden.clone()?;
    let fix = "sudo sysctl -w user.max_net_namespaces=15000";
    let found = check("network namespaces", Verdict::Fail, reason.clone());
    Some(if reason.contains("sysctl") { found.mended(fix) } else { found })
}

fn controllers(host: &Host) -> Vec<Check> {
    planner::controllers(host)
        .into_iter()
        .map(|(name, place)| match place {
            Ok(Group { path: parent, version }) => {
                let version = if version == CgroupVersion::V1 { "v1" } else { "v2" };
                check(
                    name,
                    Verdict::Pass,
                    format!("cgroup {version}, groups are made in {}", parent.display()),
                )
            }
            Err(reason) => {
                let verdict = if name == "hugetlb" { Verdict::Caution } else { Verdict::Fail };
                let fix = lacks::groups(&reason).or_else(|| delegate(host, name));
                let found = check(name, verdict, reason);
                match fix {
                    Some(fix) => found.mended(fix),
                    None => found,
                }
            }
        })
        .collect()
}

/// How the caller gets a controller that it lacks, called by its v2 name.
fn delegate(host: &Host, controller: &str) -> Option<&'static str> {
    let cgroups = host.cgroups.as_ref()?;
    if host.privileged {
        return None;
    }
    if cgroups.legacy.contains_key(if controller == "io" { "blkio" } else { controller }) {
        return Some("sudo sixdocker up FILE  # systemd hands no cgroup v1 controller to users");
    }
    let unified = cgroups.unified.as_ref()?;
    if controller == "hugetlb" {
        return Some("sudo sixdocker up FILE  # systemd hands that controller to no user");
    }
    let systemd = cgroups.systemd.as_ref().is_some_and(|it| it.hierarchy.parent.is_some());
    Some(if unified.parent.is_some() || systemd {
        lacks::DROP_IN
    } else {
        "sudo loginctl enable-linger \"$USER\"  # a systemd of your own, which gives groups away"
    })
}

fn swap(host: &Host) -> Check {
    let cgroups = host.cgroups.as_ref();
    let all =
        cgroups.into_iter().flat_map(|c| c.legacy.get("memory").into_iter().chain(&c.unified));
    let lacks = |file: &str| file == "memory.swap.max" || file == "memory.memsw.limit_in_bytes";
    let missing = all.flat_map(|hierarchy| &hierarchy.lacks).any(|file| lacks(file));
    match (host.swap, missing) {
        (false, _) => check("swap", Verdict::Pass, "the machine has none, so no limit is needed"),
        (true, false) => check("swap", Verdict::Pass, "it can be limited"),
        (true, true) => {
            let text = "the machine has swap, and the kernel does not count it: `limits.memory` is refused";
            check("swap", Verdict::Fail, text)
                .mended("swapaccount=1  # on the kernel's command line")
        }
    }
}

fn seccomp(host: &Host) -> Check {
    match &host.seccomp_missing {
        None => check("seccomp", Verdict::Pass, "the kernel filters system calls"),
        Some(reason) => check("seccomp", Verdict::Fail, reason.clone())
            .mended("allow_degraded: [seccomp]  # in the manifest"),
    }
}

fn landlock(host: &Host) -> Check {
    match host.landlock {
        0 => check("landlock", Verdict::Caution, "the kernel lacks it, or it is not enabled")
            .mended("lsm=landlock,…  # on the kernel's command line"),
        version => check("landlock", Verdict::Pass, format!("version {version}")),
    }
}

/// The first kernel whose tmpfs keeps the attributes by which a layer hides a directory.
const HIDES: (u32, u32) = (6, 6);

fn overlay(host: &Host) -> Check {
    let version = crate::host::version(&host.kernel);
    match &host.overlay_missing {
        None if version.is_some_and(|version| version < HIDES) => {
            let text = "writes to a root file system can be thrown away, but before Linux 6.6 removing a directory in it can fail with EIO";
            check("overlay", Verdict::Caution, text)
                .mended("write: {keep: DIR}  # of rootfs, with DIR on a disk")
        }
        None => check("overlay", Verdict::Pass, "the kernel has it"),
        Some(reason) => {
            check("overlay", Verdict::Fail, reason.clone()).mended("sudo modprobe overlay")
        }
    }
}

fn subordinate(host: &Host) -> Check {
    let name = "subordinate ids";
    match &host.subordinate {
        _ if host.privileged => check(name, Verdict::Pass, "root needs none"),
        Some(ids) => {
            let text = format!(
                "{} user ids from {}, {} group ids from {}",
                ids.uid.1, ids.uid.0, ids.gid.1, ids.gid.0
            );
            check(name, Verdict::Pass, text)
        }
        None => {
            let (missing, give) = lacks::ids(host);
            let text = format!(
                "none, since {missing}: `groups` is refused, and one user id is all there is inside"
            );
            check(name, Verdict::Caution, text).mended(give)
        }
    }
}

fn groups(host: &Host) -> Check {
    let name = "groups";
    if host.privileged || host.groups.is_empty() {
        return check(name, Verdict::Pass, "no group of the caller's is kept inside");
    }
    let list = host.groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if host.gives_up_groups {
        let text = format!("the caller's groups {list} are given up, by newgidmap");
        return check(name, Verdict::Pass, text);
    }
    let text = format!(
        "the command keeps the caller's groups {list}: giving them up takes newgidmap and a range in /etc/subgid"
    );
    let found = check(name, Verdict::Caution, text);
    if host.subordinate.is_some() { found } else { found.mended(lacks::ids(host).1) }
}

fn limits(host: &Host) -> Check {
    let hard = |word: &str| host.limits.get(word).and_then(|limit: &ResourceLimit| limit.hard);
    let name = "resource limits";
    match (hard("nofile"), hard("nproc")) {
        (Some(nofile), _) if nofile < 1024 => {
            let text = format!("only {nofile} open files are allowed");
            check(name, Verdict::Caution, text).mended("ulimit -Hn 524288  # as root, before")
        }
        (_, Some(nproc)) if nproc < 64 => {
            let text = format!("only {nproc} processes are allowed");
            check(name, Verdict::Caution, text).mended("ulimit -Hu 4096  # as root, before")
        }
        (nofile, nproc) => {
            let word = |limit: Option<u64>| limit.map_or("unlimited".into(), |n| n.to_string());
            let text = format!("open files {}, processes {}", word(nofile), word(nproc));
            check(name, Verdict::Pass, text)
        }
    }
}
