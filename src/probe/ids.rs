//! The caller's groups and subordinate ids, and what forbids a user namespace.

use std::path::PathBuf;

use crate::capability::Capability;
use crate::host::{Gap, Subordinate};
use crate::manifest::Manifest;
use crate::sys;

/// The caller's supplementary groups.
pub(super) fn groups(own: u32) -> Vec<u32> {
    let mut all = sys::groups();
    all.retain(|group| *group != own);
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether a manifest wants more than one id.
pub(super) fn needed(manifest: &Manifest) -> bool {
    let over = [Capability::Chown, Capability::Setuid, Capability::Setgid];
    let listed = |capability| manifest.security.capabilities.contains(capability);
    !manifest.groups.is_empty() || over.iter().any(listed)
}

/// Whether this is the first user namespace: every id stands for itself.
pub(super) fn initial() -> bool {
    let map = super::text("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether groups can be set in this user namespace: not where root of it is one ordinary user
/// without subordinate ids (user_namespaces(7), /proc/pid/setgroups).
pub(super) fn may_give_up_groups() -> bool {
    super::text("/proc/self/setgroups").is_none_or(|text| text.trim() == "allow")
}

/// The caller's ranges in /etc/subuid and /etc/subgid, or what of that is missing.
pub(super) fn subordinate(uid: u32) -> Result<Subordinate, Gap> {
    let account = name(uid);
    let text = |path: &str| super::text(path).unwrap_or_default();
    let (subuid, subgid) = (text("/etc/subuid"), text("/etc/subgid"));
    let own = |text: &str| range(text, uid, account.as_deref());
    match (own(&subuid), own(&subgid), program("newuidmap"), program("newgidmap")) {
        (Some(uid), Some(gid), Some(newuidmap), Some(newgidmap)) => {
            Ok(Subordinate { uid, gid, newuidmap, newgidmap })
        }
        (uid, gid, newuidmap, newgidmap) => Err(Gap {
            helpers: newuidmap.is_none() || newgidmap.is_none(),
            subuid: uid.is_none(),
            subgid: gid.is_none(),
            free: free(&subuid).max(free(&subgid)),
            account,
        }),
    }
}

/// Whether newgidmap can map one id of the range besides the caller's own: only then does the
/// kernel let groups be given up (user_namespaces(7)).
pub(super) fn may_map(ids: &Subordinate) -> bool {
    let map = super::text("/proc/self/gid_map").unwrap_or_default();
    let covers = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        let (inside, _, count) = (next()?, next()?, next()?);
        Some((inside..inside + count).contains(&ids.gid.0.into()))
    };
    map.lines().any(|line| covers(line) == Some(true))
        && sys::gives_privileges(&ids.newgidmap)
        && !sys::has_no_new_privileges().unwrap_or(true)
}

/// The first id above all ranges, and above those of ordinary accounts.
fn free(text: &str) -> u32 {
    let end = |line: &str| {
        let (_, range) = line.trim().split_once(':')?;
        let (first, count) = range.split_once(':')?;
        first.parse::<u32>().ok()?.checked_add(count.parse().ok()?)
    };
    text.lines().filter_map(end).fold(100_000, u32::max)
}

fn name(uid: u32) -> Option<String> {
    account(&super::text("/etc/passwd")?, uid)
}

/// The first account of this number.
fn account(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The first range of a user, by name or number.
fn range(text: &str, uid: u32, name: Option<&str>) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.trim().splitn(3, ':').collect();
        let [user, first, count] = fields.as_slice() else { return None };
        let own = Some(*user) == name || user.parse() == Ok(uid);
        let range: (u32, u32) = (first.parse().ok()?, count.parse().ok()?);
        (own && range.1 > 0 && range.0.checked_add(range.1).is_some()).then_some(range)
    })
}

fn program(name: &str) -> Option<PathBuf> {
    let dirs = ["/usr/bin", "/usr/local/bin", "/bin", "/run/wrappers/bin"];
    dirs.iter().map(|dir| PathBuf::from(dir).join(name)).find(|path| path.exists())
}

/// What keeps the caller from making a user namespace.
pub(super) fn forbidden(privileged: bool) -> Option<String> {
    let is = |path: &str, value: &str| super::word(path).as_deref() == Some(value);
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return Some("the sysctl user.max_user_namespaces is 0".into());
    }
    if privileged {
        return None;
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return Some("the sysctl kernel.unprivileged_userns_clone is 0".into());
    }
    let restricted = is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1");
    // A profile of the runner's own may allow it; what is not confined is not allowed.
    let confined =
        || super::word("/proc/self/attr/current").is_some_and(|word| word != "unconfined");
    (restricted && !confined()).then(|| {
        "AppArmor lets no ordinary program make them (kernel.apparmor_restrict_unprivileged_userns is 1)".to_owned()
    })
}

/// Reads files that anybody may have written.
#[cfg(any(test, fuzzing))]
pub(super) fn endure(passwd: &str, subordinate: &str) {
    let name = account(passwd, 1000);
    _ = range(subordinate, 1000, name.as_deref());
    _ = free(subordinate);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_by_name_or_number() {
        let text = "# c\nann:100000:65536\n1001:200000:10\nbob:x:y\nbob:300000:0\nbob:400000:7\n";
        assert_eq!(range(text, 5, Some("ann")), Some((100_000, 65_536)));
        assert_eq!(range(text, 1001, None), Some((200_000, 10)));
        assert_eq!(range(text, 6, Some("bob")), Some((400_000, 7)));
        assert_eq!(range(text, 7, Some("eve")), None);
        assert_eq!(free(text), 400_007);
        assert_eq!(free("ann:4294967295:9\n"), 100_000);
    }
}
