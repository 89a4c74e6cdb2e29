//! Whether a new /proc can be mounted from a nested namespace.

use std::ffi::CStr;

use crate::manifest::{Manifest, MountKind, Proc, Sharing};
use crate::sys;

/// Whether a manifest wants a new /proc.
pub(super) fn needed(manifest: &Manifest) -> bool {
    let own = matches!(manifest.proc, Proc::Auto | Proc::New);
    let mount = |kind: &MountKind| matches!(kind, MountKind::Proc { .. });
    (own && manifest.namespaces.pid == Sharing::Private)
        || manifest.mounts.iter().any(|m| mount(&m.kind))
}

/// What containers cover: OCI runtimes' masks, and the files that lxcfs shows instead. Who covers
/// some of them covers one of these; a look at each is cheaper than reading a long mountinfo, and
/// what is missed is told by the mount itself.
const COVERED: [&CStr; 12] = [
    c"/proc/sys",
    c"/proc/keys",
    c"/proc/kcore",
    c"/proc/bus",
    c"/proc/irq",
    c"/proc/fs",
    c"/proc/acpi",
    c"/proc/timer_list",
    c"/proc/meminfo",
    c"/proc/uptime",
    c"/proc/sysrq-trigger",
    c"/proc/sys/kernel",
];

/// The first mount that covers a part of /proc, in words.
pub(super) fn mask() -> Option<String> {
    if !sys::is_mount_point(c"/proc") {
        return Some("/proc is not mounted here".into());
    }
    // It is the runner's own in every procfs.
    if !std::path::Path::new("/proc/self").is_symlink() {
        return Some("something else is mounted on /proc".into());
    }
    let covered = COVERED.iter().find(|path| sys::is_mount_point(path))?;
    Some(format!(
        "{} is covered by a mount of the surrounding container",
        covered.to_string_lossy()
    ))
}
