//! Looks at the machine, and changes nothing.
//!
//! Only what a manifest needs is looked at: every look is paid by every start.

mod cgroups;
mod ids;
mod kernel;
mod proc;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, getrlimit};

use crate::capability::Capability;
use crate::host::{Host, ResourceLimit};
use crate::manifest::{Landlock, Manifest, Sharing, Ulimit, Userns};
use crate::sys;

/// What the planner must know; with no manifest, all there is to know.
#[must_use]
pub fn host(manifest: Option<&Manifest>) -> Host {
    let wants = |asks: fn(&Manifest) -> bool| manifest.is_none_or(asks);
    let uid = nix::unistd::geteuid().as_raw();
    let gid = nix::unistd::getegid().as_raw();
    let root = has(&[Capability::Setuid, Capability::Setgid, Capability::SysAdmin]);
    let initial = root && ids::initial();
    // It may map ids and give up groups as it likes.
    let privileged = initial || root && ids::may_give_up_groups();
    let userns = wants(|manifest| manifest.userns == Userns::Auto);
    let groups = ids::groups(gid);
    let many = userns && !privileged && !groups.is_empty();
    let ids = (many || wants(ids::needed)).then(|| ids::subordinate(uid));
    let host = Host {
        kernel: sys::release(),
        uid,
        gid,
        gives_up_groups: many && matches!(&ids, Some(Ok(ids)) if ids::may_map(ids)),
        groups,
        privileged,
        initial,
        unlimited: initial && has(&[Capability::SysResource]),
        run: std::process::id().to_string(),
        cgroups: cgroups::look(manifest),
        proc_mask: if wants(proc::needed) { proc::mask() } else { None },
        subordinate_gap: ids
            .as_ref()
            .and_then(|ids| ids.as_ref().err().cloned())
            .filter(|_| !privileged),
        subordinate: ids.and_then(Result::ok),
        userns_forbidden: if userns { ids::forbidden(privileged) } else { None },
        network_forbidden: if wants(kernel::may_share_network) {
            kernel::network_forbidden()
        } else {
            None
        },
        hostname_forbidden: if wants(|m| m.namespaces.uts == Sharing::Private) {
            kernel::hostname_forbidden()
        } else {
            None
        },
        landlock: if wants(|m| m.security.landlock != Landlock::None) {
            sys::landlock_version()
        } else {
            0
        },
        seccomp_missing: if manifest.is_none() { kernel::seccomp_missing() } else { None },
        overlay_missing: if wants(kernel::layers) { kernel::overlay_missing() } else { None },
        limits: limits(manifest),
        personality: sys::personality(),
        realtime: sys::realtime(),
        oom_score_adj: kernel::oom_score_adj(),
        nice: sys::nice(),
        swap: wants(|m| m.limits.memory.is_some()) && kernel::swap(),
        unseen: None,
    };
    Host { unseen: sys::take_unseen(), ..host }
}

/// Whether the caller has these capabilities.
fn has(needed: &[Capability]) -> bool {
    let needed = needed.iter().fold(0, |all, capability| all | capability.bit());
    sys::Sets::own().is_ok_and(|own| own.effective & needed == needed)
}

/// The resource limits that a plan depends on.
fn limits(manifest: Option<&Manifest>) -> BTreeMap<String, ResourceLimit> {
    let some = |value| Some(value).filter(|value| *value != RLIM_INFINITY);
    let usual = [
        Ulimit::Core,
        Ulimit::Memlock,
        Ulimit::Msgqueue,
        Ulimit::Nice,
        Ulimit::Nofile,
        Ulimit::Nproc,
        Ulimit::Rtprio,
        Ulimit::Sigpending,
        Ulimit::Stack,
    ];
    let asked =
        |ulimit: &Ulimit| manifest.is_none_or(|manifest| manifest.ulimits.contains_key(ulimit));
    Ulimit::ALL
        .iter()
        .filter(|ulimit| usual.contains(ulimit) || asked(ulimit))
        .filter_map(|ulimit| {
            let (soft, hard) = getrlimit(sys::resource(ulimit.word())?).ok()?;
            let limit = ResourceLimit { soft: some(soft), hard: some(hard) };
            Some((ulimit.word().to_owned(), limit))
        })
        .collect()
}

/// A file of the kernel's, which has no size, or a small one: with room for all of it, read in
/// two calls. A mount or an account of somebody's may have a name that is not UTF-8, which is no
/// reason to see none of the others.
fn text(path: impl AsRef<Path>) -> Option<String> {
    let mut bytes = Vec::with_capacity(4096);
    let mut read = || File::open(&path)?.take(LONGEST).read_to_end(&mut bytes);
    if let Err(error) = read() {
        unseen(&path.as_ref().to_string_lossy(), &error);
        return None;
    }
    bytes.shrink_to_fit();
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(String::from_utf8(bytes).unwrap_or_else(|error| lossy(error.as_bytes())))
}

fn unseen(what: &str, error: &std::io::Error) {
    sys::unseen(what, error.raw_os_error().map_or(Errno::EIO, Errno::from_raw));
}

/// No such file is longer, not even the mounts of a host with thousands of them.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The first word of a small file of the kernel's.
fn word(path: &str) -> Option<String> {
    let text = text(path)?;
    Some(text.split_whitespace().next()?.to_owned())
}

/// Reads subordinate ids and accounts that anybody may have written.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure_ids(passwd: &str, ranges: &str) {
    ids::endure(passwd, ranges);
}

/// Reads mounts and groups that any container may show.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure_cgroups(mounts: &str, own: &str) {
    cgroups::endure(mounts, own);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_looked_at_without_a_fault() {
        let host = host(None);
        assert!(!host.kernel.is_empty());
        let text = serde_json::to_string(&host).unwrap();
        assert_eq!(serde_json::from_str::<Host>(&text).unwrap(), host);
    }
}
