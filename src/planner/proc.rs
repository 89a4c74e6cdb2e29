//! /proc, and what of it and of /sys is hidden or closed.

use crate::manifest::{AbsolutePath, MountKind, Proc};
use crate::plan::{Bind, Init, KernelMount, MountFlags, Namespace, Opening, Origin, Step};

use super::draft::{Draft, asked, at, default, either, key, step};
use super::identity::Identity;
use super::isolation::Isolation;
use super::root::{Tree, Whose};

/// Flags of every kernel file system that holds no programs.
pub(super) const CLOSED: MountFlags =
    MountFlags { read_only: false, nosuid: true, nodev: true, noexec: true };

/// Mounts /proc, or shows the outer one.
pub(super) fn mount(
    draft: &mut Draft<'_>,
    tree: &mut Tree,
    isolation: &Isolation,
) -> Option<Step<Init>> {
    let origin = either("proc", draft.manifest.proc != Proc::Auto);
    if isolation.proc == Proc::None {
        return None;
    }
    let make_target = tree.place(draft, "/proc", &origin);
    tree.mounted("/proc", Whose::Host);
    let target = "/proc".to_owned();
    let action = if isolation.proc == Proc::Outer {
        let source = "/proc".into();
        Init::Bind(Bind {
            source,
            target,
            flags: CLOSED,
            recursive: true,
            optional: false,
            make_target,
            mapped: false,
        })
    } else {
        Init::Mount(KernelMount {
            fstype: "proc",
            target,
            flags: CLOSED,
            options: Vec::new(),
            make_target,
        })
    };
    Some(step(action, &origin))
}

/// What OCI runtimes hide: it tells about the machine, or about keys.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What OCI runtimes close to writes: it commands the machine.
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What only the host's root may read or command, and so root inside where the two are one: the
/// kernel asks for no capability there.
const OF_ROOT: [&str; 9] = [
    "/proc/allocinfo",
    "/proc/dynamic_debug",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/pagetypeinfo",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
    "/sys/devices/virtual/dmi",
];

/// Hides and closes paths.
pub(super) fn masks(
    draft: &mut Draft<'_>,
    isolation: &Isolation,
    identity: &Identity,
) -> Vec<Step<Init>> {
    let security = &draft.manifest.security;
    let (masked, closed) = (&security.masked_paths, &security.readonly_paths);
    let hosts_root = draft.host.uid == 0 && identity.foreign.is_none();
    let of_root: &[&str] = if hosts_root { &OF_ROOT } else { &[] };
    let usual = [&MASKED, of_root].concat();
    let hidden = (Opening::UnmaskedPaths, "masked_paths", usual.as_slice());
    let hidden = list(draft, isolation, hidden, masked.as_deref());
    let shut = (Opening::WritablePaths, "readonly_paths", &READ_ONLY[..]);
    let closed = list(draft, isolation, shut, closed.as_deref());
    let mask = |(target, origin): (String, Origin)| step(Init::Mask { target }, &origin);
    let close = |(target, origin): (String, Origin)| step(Init::ReadOnlyPath { target }, &origin);
    hidden.into_iter().map(mask).chain(closed.into_iter().map(close)).collect()
}

/// The manifest's list, or the default one as far as its file systems are there.
fn list(
    draft: &mut Draft<'_>,
    isolation: &Isolation,
    (opening, word, usual): (Opening, &str, &[&str]),
    given: Option<&[AbsolutePath]>,
) -> Vec<(String, Origin)> {
    let place = key("security").key(word);
    let Some(given) = given else {
        let origin = Origin { key: place, default: true };
        let there = usual.iter().filter(|path| exists(draft, isolation, path));
        return there.map(|path| ((*path).to_owned(), origin.clone())).collect();
    };
    let closed = |path: &&&str| given.iter().any(|given| given.0 == **path);
    let open = usual.iter().filter(|path| !closed(path) && exists(draft, isolation, path));
    let open: Vec<_> = open.copied().collect();
    if !open.is_empty() {
        draft.hole(opening, open.join(", "), &at(place.clone()));
    }
    let each = given.iter().enumerate();
    each.map(|(n, path)| (path.0.clone(), at(place.index(n)))).collect()
}

/// Whether the file system of one of the usual paths is mounted at all.
fn exists(draft: &Draft<'_>, isolation: &Isolation, path: &str) -> bool {
    let mounted = |kind: &str, root: &str| {
        draft.manifest.mounts.iter().any(|mount| {
            let is = match &mount.kind {
                MountKind::Sysfs => kind == "sysfs",
                MountKind::Proc { .. } => kind == "proc",
                MountKind::Bind { source, .. } => source.starts_with(root),
                _ => false,
            };
            is && mount.target.0 == root
        })
    };
    if path.starts_with("/sys/") {
        mounted("sysfs", "/sys")
    } else {
        isolation.proc != Proc::None || mounted("proc", "/proc")
    }
}

/// A mount of the manifest's of type proc: only in a PID namespace of its own.
pub(super) fn needs_pid(draft: &mut Draft<'_>, isolation: &Isolation, origin: &Origin) {
    if !isolation.has(Namespace::Pid) {
        let text = "a new proc shows a PID namespace of its own, and the sandbox has none";
        draft.wrong(
            "contradiction",
            &origin.key,
            text,
            "without a PID namespace",
            "take it out, or give the sandbox a PID namespace",
        );
    }
    if let Some(mask) = draft.host.proc_mask.clone() {
        draft.lost(crate::manifest::Degradable::FreshProc, &origin.key, &mask, "");
    }
}

/// Where the default list of `tmpfs` is from.
pub(super) fn tmpfs_origin(given: bool, n: usize) -> Origin {
    if given { at(asked("tmpfs").key.index(n)) } else { default("tmpfs") }
}
