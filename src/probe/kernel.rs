//! What the kernel has.

use std::path::Path;

use crate::manifest::{Degradable, Manifest, MountKind, Network, RootSource, Write};
use crate::sys;

/// Whether a manifest wants a layer above its root file system, or an overlay mount.
pub(super) fn layers(manifest: &Manifest) -> bool {
    let rootfs = &manifest.rootfs;
    let layer = !matches!(rootfs.write, Some(Write::Direct));
    let mount = |kind: &MountKind| matches!(kind, MountKind::Overlay { .. });
    (rootfs.source != RootSource::Host && layer) || manifest.mounts.iter().any(|m| mount(&m.kind))
}

/// Why no overlay can be mounted in a user namespace.
pub(super) fn overlay_missing() -> Option<String> {
    // Who can't see it is told by the mount itself.
    let known = super::text("/proc/filesystems")?;
    let release = sys::release();
    if !known.lines().any(|line| line.ends_with("\toverlay")) {
        // A module is loaded when it is first mounted.
        let module = format!("/lib/modules/{release}/kernel/fs/overlayfs");
        if !Path::new(&module).exists() {
            return Some("the kernel has no overlay file system".into());
        }
    }
    let old = crate::host::version(&release).is_some_and(|version| version < (5, 11));
    old.then(|| format!("kernel {release} mounts no overlay in a user namespace (5.11 does)"))
}

/// Why no seccomp filter can be installed.
pub(super) fn seccomp_missing() -> Option<String> {
    let there = Path::new("/proc/sys/kernel/seccomp/actions_avail").exists();
    let status = || super::text("/proc/self/status").unwrap_or_default();
    (!there && !status().contains("\nSeccomp:"))
        .then(|| "the kernel was built without seccomp filters".to_owned())
}

/// Whether a manifest wants a network namespace, and takes the host's instead.
pub(super) fn may_share_network(manifest: &Manifest) -> bool {
    manifest.network == Network::None
        && manifest.allow_degraded.contains(&Degradable::NetworkNamespace)
}

/// Why no network namespace can be made.
pub(super) fn network_forbidden() -> Option<String> {
    if super::word("/proc/sys/user/max_net_namespaces").as_deref() == Some("0") {
        return Some("the sysctl user.max_net_namespaces is 0".to_owned());
    }
    let missing = Path::new("/proc/self/ns").exists() && !Path::new("/proc/self/ns/net").exists();
    missing.then(|| "the kernel was built without network namespaces".to_owned())
}

/// Why no host name can be set. It is tried where the runner itself is filtered: the profiles of
/// docker and podman let nobody set one who was not root of the machine before, though both may
/// let namespaces be made.
pub(super) fn hostname_forbidden() -> Option<String> {
    let filtered = sys::is_filtered().unwrap_or_default();
    (filtered && sys::may_set_host_name() == Some(false)).then(|| {
        "the runner itself runs under a seccomp filter, as in a container, that refuses sethostname"
            .to_owned()
    })
}

/// The caller's own score.
pub(super) fn oom_score_adj() -> i16 {
    let word = super::word("/proc/self/oom_score_adj");
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Whether the machine has swap.
pub(super) fn swap() -> bool {
    // A machine that does not tell is taken to have some.
    super::text("/proc/swaps").is_none_or(|text| text.lines().count() > 1)
}
