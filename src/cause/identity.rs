//! Why namespaces were not made, and ids not mapped or taken.

use std::path::Path;

use nix::errno::Errno;

use super::Scene;
use super::finding::{Finding, list, name};
use super::{cgroup, mount, scarcity};
use crate::capability::Capability;
use crate::plan::{CloneInit, IdKind, IdRange, Namespace};
use crate::sys::{Call, Fault, Sets};

pub(super) fn clone(scene: Scene<'_>, clone: &CloneInit, fault: Fault) -> Option<Finding> {
    let into = clone.into_cgroup.as_deref();
    if let Some(path) = into
        && let Some(finding) = cgroup::born_in(scene, path, fault)
    {
        return Some(finding);
    }
    namespaces(scene, &clone.namespaces, fault)
}

pub(super) fn namespaces(scene: Scene<'_>, kinds: &[Namespace], fault: Fault) -> Option<Finding> {
    match fault.errno {
        Errno::EPERM | Errno::EACCES => forbidden(scene),
        // As docker's filter has it, so that a program tries clone(2) instead.
        Errno::ENOSYS => filter(),
        Errno::ENOSPC | Errno::EUSERS => exhausted(scene, kinds),
        Errno::EAGAIN | Errno::ENOMEM => scarcity::processes(scene, fault.errno),
        Errno::EINVAL => unknown(scene, kinds),
        _ => None,
    }
}

/// Who forbids user namespaces here.
pub(super) fn forbidden(scene: Scene<'_>) -> Option<Finding> {
    let view = scene.view;
    let sysctl = |key: &str| view.number(&format!("/proc/sys/{}", key.replace('.', "/")));
    if sysctl("kernel.unprivileged_userns_clone") == Some(0) {
        return Some(Finding::new(
            "this host lets only root make user namespaces (kernel.unprivileged_userns_clone = 0)",
            "as root: `sysctl kernel.unprivileged_userns_clone=1`",
        ));
    }
    if sysctl("kernel.apparmor_restrict_unprivileged_userns") == Some(1) {
        return Some(Finding::new(
            "AppArmor keeps programs without a profile from using user namespaces (kernel.apparmor_restrict_unprivileged_userns = 1)",
            "as root: give sixdocker a profile with `userns,` in /etc/apparmor.d, or `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
        ));
    }
    filter().or_else(|| in_a_chroot(scene)).or_else(|| unmapped_caller(scene))
}

fn filter() -> Option<Finding> {
    scarcity::filtered(Call::Clone3).then(|| Finding::new(
        "the runner itself runs under a seccomp filter, as in a container, that refuses new namespaces",
        "run it outside of that container, or start the container with a profile that allows clone3 and unshare (docker and podman: `--security-opt seccomp=unconfined`)",
    ))
}

/// The kernel makes no user namespace for a process in a chroot.
fn in_a_chroot(scene: Scene<'_>) -> Option<Finding> {
    let mounts = mount::table(scene.view);
    (!mounts.is_empty() && !mounts.iter().any(|mount| mount.point == "/")).then(|| {
        Finding::new(
            "the runner is in a chroot, and from there the kernel makes no user namespaces",
            "enter that directory as a mount (`unshare -m`, pivot_root) instead of by chroot",
        )
    })
}

fn unmapped_caller(scene: Scene<'_>) -> Option<Finding> {
    let uid = nix::unistd::geteuid().as_raw();
    let map = ranges(&scene.view.read("/proc/self/uid_map")?);
    let mapped = map.iter().any(|range| range.holds(uid));
    (!mapped).then(|| {
        let why =
            format!("uid {uid} of the caller is not mapped in the user namespace that it is in");
        Finding::new(why, "run as an id that is mapped there")
    })
}

/// The kinds with their limits in /proc/sys/user, and their links in /proc/self/ns.
fn limit(kind: Namespace) -> (&'static str, &'static str) {
    match kind {
        Namespace::User => ("max_user_namespaces", "user"),
        Namespace::Mount => ("max_mnt_namespaces", "mnt"),
        Namespace::Pid => ("max_pid_namespaces", "pid"),
        Namespace::Network => ("max_net_namespaces", "net"),
        Namespace::Uts => ("max_uts_namespaces", "uts"),
        Namespace::Ipc => ("max_ipc_namespaces", "ipc"),
        Namespace::Cgroup => ("max_cgroup_namespaces", "cgroup"),
        Namespace::Time => ("max_time_namespaces", "time"),
    }
}

/// Which of user.max_* is used up. In a new user namespace they are all its own: the limits
/// around it are seen from outside alone.
fn exhausted(scene: Scene<'_>, kinds: &[Namespace]) -> Option<Finding> {
    if scene.inside && scene.makes(Namespace::User) {
        return None;
    }
    let most = |kind: &Namespace| {
        Some((limit(*kind).0, scene.view.number(&format!("/proc/sys/user/{}", limit(*kind).0))?))
    };
    let all: Vec<_> = kinds.iter().filter_map(most).collect();
    if let Some((which, _)) = all.iter().find(|(_, most)| *most == 0) {
        return Some(Finding::new(
            format!("this host allows no such namespace (user.{which} = 0)"),
            format!("as root: `sysctl user.{which}=10000`"),
        ));
    }
    let used = kinds.iter().filter_map(|kind| {
        let (which, most) = most(kind)?;
        let used = alive(limit(*kind).1);
        (used >= most).then_some((which, most, used))
    });
    if let Some((which, most, used)) = used.max_by_key(|(_, most, used)| used - most) {
        return Some(Finding::new(
            format!("{used} such namespaces are alive, of {most} at most (user.{which})"),
            format!("end some sandboxes, or as root: `sysctl user.{which}=…`"),
        ));
    }
    let lowest = all.iter().min_by_key(|(_, most)| most)?;
    Some(Finding::new(
        format!(
            "a limit of user.max_*_namespaces is used up, here or in a namespace around this one, or 32 are nested (the lowest here is user.{} = {})",
            lowest.0, lowest.1
        ),
        "end some sandboxes, or raise that sysctl as root",
    ))
}

/// How many different namespaces of a kind the processes are in that can be seen.
fn alive(kind: &str) -> u64 {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten().take(100_000);
    let mut seen: Vec<_> = pids
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter_map(|entry| std::fs::read_link(entry.path().join("ns").join(kind)).ok())
        .collect();
    seen.sort();
    seen.dedup();
    seen.len() as u64
}

fn unknown(scene: Scene<'_>, kinds: &[Namespace]) -> Option<Finding> {
    let links = scene.view.names("/proc/self/ns", 100);
    let missing =
        kinds.iter().map(|kind| limit(*kind).1).find(|kind| !links.iter().any(|l| l == kind));
    let kind = missing.filter(|_| !links.is_empty())?;
    Some(Finding::new(
        format!("this kernel has no {kind} namespaces"),
        format!("use a kernel with them, or share the host's: `namespaces: {{{kind}: host}}`"),
    ))
}

pub(super) fn join(scene: Scene<'_>, path: &Path, fault: Fault) -> Option<Finding> {
    let text = path.to_string_lossy();
    match fault.errno {
        Errno::EINVAL => Some(Finding::new(
            format!("{} is no network namespace", name(text.as_bytes())),
            "name a file such as /run/netns/NAME (made by `ip netns add NAME`) or /proc/PID/ns/net",
        )),
        Errno::EPERM => Some(Finding::new(
            format!(
                "it takes root, or the owner's user namespace, to enter {}",
                name(text.as_bytes())
            ),
            "run as root, or let sixdocker make a network of its own",
        )),
        _ => scene.view.obstacle(&text).map(|obstacle| Finding::only(obstacle.why)),
    }
}

// ---- ids

pub(super) fn map(
    scene: Scene<'_>,
    kind: IdKind,
    map: &[IdRange],
    helper: Option<&Path>,
    fault: Fault,
) -> Option<Finding> {
    let Some(helper) = helper else { return map_directly(scene, kind, map, fault) };
    let helper = helper.to_string_lossy();
    let tool = if kind == IdKind::Uid { "newuidmap" } else { "newgidmap" };
    if let Some(obstacle) = scene.view.obstacle(&helper) {
        let why = format!("{tool} is missing: {}", obstacle.why);
        return Some(Finding::new(why, "install it (Debian: `apt install uidmap`)"));
    }
    not_allowed(scene, kind, map)
        .or_else(|| overlapping(kind, map))
        .or_else(|| weak_helper(scene, &helper, tool))
}

/// Two runs that would show one id of the host as two.
fn overlapping(kind: IdKind, map: &[IdRange]) -> Option<Finding> {
    let end = |range: &IdRange| u64::from(range.outside) + u64::from(range.count);
    let mut sorted: Vec<&IdRange> = map.iter().collect();
    sorted.sort_by_key(|range| range.outside);
    let pair = sorted.windows(2).find_map(|pair| match pair {
        [first, second] if end(first) > u64::from(second.outside) => Some((*first, *second)),
        _ => None,
    });
    let (first, second) = pair?;
    let letter = kind_letter(kind);
    Some(Finding::new(
        format!(
            "the {letter}s {} and {} of the host overlap, and none may stand for two inside",
            span(first),
            span(second)
        ),
        format!("give the caller a range in /etc/sub{letter} without its own {letter} in it"),
    ))
}

/// The ids outside, as people write them: `5`, or `100000-165535`.
fn span(range: &IdRange) -> String {
    match range.count {
        1 => range.outside.to_string(),
        count => {
            format!("{}-{}", range.outside, u64::from(range.outside) + u64::from(count) - 1)
        }
    }
}

/// A range that /etc/subuid or /etc/subgid does not give to the caller.
fn not_allowed(scene: Scene<'_>, kind: IdKind, map: &[IdRange]) -> Option<Finding> {
    let (file, own) = match kind {
        IdKind::Uid => ("/etc/subuid", nix::unistd::geteuid().as_raw()),
        IdKind::Gid => ("/etc/subgid", nix::unistd::getegid().as_raw()),
    };
    let uid = nix::unistd::geteuid();
    let user = user_name(scene, uid.as_raw()).unwrap_or_else(|| uid.to_string());
    let text = scene.view.read(file).unwrap_or_default();
    let given = subordinate(&text, &user, uid.as_raw());
    let within = |range: &IdRange| {
        let end = u64::from(range.outside) + u64::from(range.count);
        (range.count == 1 && range.outside == own)
            || given
                .iter()
                .any(|(start, count)| u64::from(range.outside) >= *start && end <= start + count)
    };
    let refused = map.iter().find(|range| !within(range))?;
    let last = u64::from(refused.outside) + u64::from(refused.count) - 1;
    let has = given.iter().map(|(start, count)| format!("{start}-{}", start + count - 1));
    Some(Finding::new(
        format!(
            "{file} does not give the ids {}-{last} to {}, but {}",
            refused.outside,
            name(&user),
            list(has, "and")
        ),
        format!(
            "as root: `usermod --add-sub{}s {}-{last} {user}`",
            kind_letter(kind),
            refused.outside
        ),
    ))
}

fn kind_letter(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Uid => "uid",
        IdKind::Gid => "gid",
    }
}

/// The ranges of a user in a file of lines `name:start:count`.
fn subordinate(text: &str, user: &str, uid: u32) -> Vec<(u64, u64)> {
    let line = |line: &str| {
        let mut parts = line.trim().splitn(3, ':');
        let who = parts.next()?;
        let (start, count) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (count > 0 && (who == user || who == uid.to_string())).then_some((start, count))
    };
    text.lines().filter_map(line).collect()
}

fn user_name(scene: Scene<'_>, uid: u32) -> Option<String> {
    let text = scene.view.read("/etc/passwd")?;
    let line = |line: &str| {
        let mut parts = line.split(':');
        let user = parts.next()?;
        (parts.nth(1)? == uid.to_string()).then(|| user.to_owned())
    };
    text.lines().find_map(line)
}

/// The helper has lost what lets it map ids.
fn weak_helper(scene: Scene<'_>, helper: &str, tool: &str) -> Option<Finding> {
    let stat = scene.view.stat(helper).ok()?;
    let nosuid = scene.view.flags(helper).contains(nix::sys::statvfs::FsFlags::ST_NOSUID);
    let no_new = scene.view.field("/proc/self/status", "NoNewPrivs").as_deref() == Some("1");
    let setuid = stat.st_mode & 0o4000 != 0 && stat.st_uid == 0;
    if no_new {
        return Some(Finding::new(
            format!("the runner was started with no_new_privs, so {tool} gets no right to map ids"),
            "start it without (no `setpriv --no-new-privs`, no `NoNewPrivileges=`)",
        ));
    }
    (nosuid || !setuid).then(|| {
        let how = if nosuid { "is on a file system mounted nosuid" } else { "is not setuid root" };
        Finding::new(
            format!(
                "{} {how}, and unless it has the capability cap_set{}id it may map nothing",
                name(helper),
                if tool == "newuidmap" { 'u' } else { 'g' }
            ),
            "install it again (Debian: `apt install --reinstall uidmap`)",
        )
    })
}

/// Since Linux 5.12 (user_namespaces(7)): else whoever gives a file capabilities in the new
/// namespace would give them in the old one.
fn may_not_map_root() -> Option<Finding> {
    let own = Sets::own().ok()?;
    (own.effective & Capability::Setfcap.bit() == 0).then(|| {
        Finding::new(
            "the caller's user 0 can be mapped by nobody who lacks CAP_SETFCAP, as this runner does",
            "run it as another user; in a sandbox of ours, give that `security: {capabilities: [SETFCAP], nested_namespaces: true}`, or `user: \"1000:1000\"`",
        )
    })
}

fn map_directly(scene: Scene<'_>, kind: IdKind, map: &[IdRange], fault: Fault) -> Option<Finding> {
    if !matches!(fault.errno, Errno::EPERM | Errno::EINVAL) {
        return None;
    }
    let root = kind == IdKind::Uid && map.iter().any(|range| range.outside == 0);
    // Inside, nobody knows what the runner may do.
    if root && scene.inside {
        return None;
    }
    if let Some(finding) = may_not_map_root().filter(|_| root) {
        return Some(finding);
    }
    let file = format!("/proc/self/{}_map", kind_letter(kind));
    let ours = ranges(&scene.view.read(&file)?);
    let within = |range: &IdRange| {
        let end = u64::from(range.outside) + u64::from(range.count);
        ours.iter().any(|own| {
            range.outside >= own.inside && end <= u64::from(own.inside) + u64::from(own.count)
        })
    };
    let outside = map.iter().find(|range| !within(range));
    outside.map_or_else(
        || forbidden(scene),
        |range| {
            let letter = kind_letter(kind);
            Some(Finding::new(
                format!(
                    "the runner is in a user namespace without the {letter} {}, and can't hand on what it has not",
                    span(range)
                ),
                format!("ask for ids that exist there: /proc/self/{letter}_map has them"),
            ))
        },
    )
}

pub(super) fn map_self(
    scene: Scene<'_>,
    uid: IdRange,
    gid: Option<IdRange>,
    fault: Fault,
) -> Option<Finding> {
    let root = uid.outside == 0 && fault.errno == Errno::EPERM;
    if root && scene.inside {
        return None;
    }
    if let Some(finding) = may_not_map_root().filter(|_| root).or_else(|| forbidden(scene)) {
        return Some(finding);
    }
    let alone = uid.count == 1 && gid.is_none_or(|gid| gid.count == 1);
    (alone && fault.errno == Errno::EPERM).then(|| {
        Finding::new(
            "the kernel let the user namespace be made, but not its ids be mapped: a security module forbids it, or /proc is not writable",
            "`sixdocker doctor` looks at AppArmor, SELinux and the mounts of /proc",
        )
    })
}

/// The lines `inside outside count` of an id map.
pub(super) fn ranges(text: &str) -> Vec<IdRange> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        Some(IdRange { inside: next()?, outside: next()?, count: next()? })
    };
    text.lines().filter_map(line).collect()
}

pub(super) fn set_ids(
    scene: Scene<'_>,
    uid: u32,
    gid: u32,
    groups: Option<&[u32]>,
    fault: Fault,
) -> Option<Finding> {
    let id = match fault.call {
        Call::Setgroups if fault.errno == Errno::EPERM => {
            return Some(Finding::new(
                "supplementary groups can't be set where only one id is mapped",
                "give the caller ranges in /etc/subuid and /etc/subgid, or leave `groups` out",
            ));
        }
        Call::Setgroups => *groups?.iter().find(|group| !mapped(scene, "gid", **group))?,
        Call::Setresgid => gid,
        _ => uid,
    };
    let kind = if fault.call == Call::Setresuid { "uid" } else { "gid" };
    match fault.errno {
        Errno::EAGAIN => scarcity::processes(scene, fault.errno),
        Errno::EINVAL if !mapped(scene, kind, id) => Some(Finding::new(
            format!("{kind} {id} is not mapped in the sandbox"),
            format!("give the caller a wider range in /etc/sub{kind}, or choose another id"),
        )),
        _ => None,
    }
}

/// Whether an id exists in this namespace; yes where it can't be seen.
fn mapped(scene: Scene<'_>, kind: &str, id: u32) -> bool {
    let Some(text) = scene.view.read(&format!("/proc/self/{kind}_map")) else { return true };
    ranges(&text).iter().any(|range| range.holds(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_user_are_read() {
        let text = "a:1:2\nuser:100000:65536\n1000:7:1\nuser:x:1\nuser:5\nb:1:0\n";
        assert_eq!(subordinate(text, "user", 1000), [(100_000, 65_536), (7, 1)]);
    }

    #[test]
    fn an_id_map_is_read() {
        let whole = IdRange { inside: 0, outside: 0, count: u32::MAX };
        assert_eq!(ranges("         0          0 4294967295\nx y z\n"), [whole]);
    }
}
