//! What the kernel has.

use std::path::Path;

use crate::manifest::{Manifest, MountKind, RootSource, Write};

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
    let release = crate::sys::release();
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
