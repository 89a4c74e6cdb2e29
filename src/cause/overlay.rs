//! Why a layer could not be laid over the root file system.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::statfs::FsType;
use nix::sys::statvfs::FsFlags;

use super::Scene;
use super::finding::{Finding, list, name};
use super::look::{Kind, laid, owner};
use super::mount::{below, on, read_only, source, table};
use super::scarcity;
use crate::plan::{Init, Layer};
use crate::sys::Fault;

pub(super) fn why(scene: Scene<'_>, lower: &Path, upper: &Layer, fault: Fault) -> Option<Finding> {
    if let Some(finding) = source(scene, lower, true, fault) {
        return Some(finding);
    }
    if let Layer::Dir(dir) = upper
        && let Some(finding) = layer(scene, dir, fault)
    {
        return Some(finding.key("rootfs/write/keep"));
    }
    let filesystems = scene.view.read("/proc/filesystems").unwrap_or_default();
    if fault.errno == Errno::ENODEV && !filesystems.contains("overlay") {
        return Some(Finding::new(
            "this kernel has no overlay file system",
            "load it (`modprobe overlay`), or use no layer: `write: none` below `rootfs`, with all mount points in the directory",
        ));
    }
    let text = lower.to_string_lossy();
    let mounts = table(scene.view);
    let inner: Vec<_> = below(&mounts, &text).take(3).map(|mount| name(&mount.point)).collect();
    match fault.errno {
        Errno::EINVAL if !inner.is_empty() => Some(Finding::new(
            format!(
                "{} has mounts below it ({}), which an overlay can't show in a user namespace",
                name(text.as_bytes()),
                list(inner, "and")
            ),
            without_layer(scene, lower),
        )),
        Errno::EINVAL if scene.view.fs_type(&text) == Some(OVERLAYFS) => {
            Some(Finding::new(
                format!(
                    "{} is on an overlay of overlays, and the kernel stacks no more than two",
                    name(text.as_bytes())
                ),
                "put it on an ordinary file system, or use no layer: `write: none` below `rootfs`, with all mount points in the directory",
            ))
        }
        Errno::EINVAL => on(&mounts, &text).map(|mount| {
            Finding::new(
                format!(
                    "{} is on a file system of the type {}, which the kernel may not take as a layer",
                    name(text.as_bytes()),
                    name(&mount.fstype)
                ),
                "put it on an ordinary file system, or use no layer: `write: none` below `rootfs`, with all mount points in the directory",
            )
        }),
        Errno::EPERM => Some(Finding::new(
            "this kernel mounts overlays only for root (before Linux 5.11), or a security module forbids it",
            "run as root, or use no layer: `write: none` below `rootfs`, with all mount points in the directory",
        )),
        _ => None,
    }
}

/// How to do without a layer: it holds writes, and mount points that the directory lacks.
fn without_layer(scene: Scene<'_>, lower: &Path) -> String {
    let targets = scene.plan.init.iter().filter_map(|step| match &step.action {
        Init::Bind(bind) => Some(&bind.target),
        Init::Mount(mount) => Some(&mount.target),
        Init::File { target, .. } => Some(target),
        _ => None,
    });
    let stands = |target: &&String| lower.join(target.trim_start_matches('/')).exists();
    let ours = |target: &&String| ["/dev/", "/etc/"].iter().any(|dir| target.starts_with(dir));
    let lacking = targets.filter(|target| !ours(target) && !stands(target));
    let lacking: Vec<_> = lacking.take(3).map(|target| name(target.as_bytes())).collect();
    let way = if lower == Path::new("/") { "write `rootfs: host`" } else { "unmount them" };
    if lacking.is_empty() {
        return format!("{way}, or use no layer: `write: none` below `rootfs`");
    }
    let all = list(lacking, "and");
    format!(
        "{way}, or use no layer: `write: none` below `rootfs` needs none once {all} can be mounted on (`mkdir`)"
    )
}

pub(super) const OVERLAYFS: FsType = FsType(0x794c_7630);

/// File systems that can't take an overlay's writes.
const NO_UPPER: &[(FsType, &str)] = &[
    (OVERLAYFS, "an overlay"),
    (FsType(0x6969), "NFS"),
    (FsType(0xff53_4d42), "CIFS"),
    (FsType(0xfe53_4d42), "SMB"),
    (FsType(0x0102_1997), "9p"),
    (FsType(0x4d44), "FAT"),
    (FsType(0x2011_bab0), "exFAT"),
    (FsType(0x7366_746e), "NTFS"),
    (FsType(0x6573_5546), "FUSE"),
    (FsType(0x9660), "ISO 9660"),
    (FsType(0x7371_7368), "squashfs"),
    (FsType(0x6165_676c), "pstore"),
];

/// What is wrong with the directory of a layer that is kept.
pub(super) fn layer(scene: Scene<'_>, dir: &Path, fault: Fault) -> Option<Finding> {
    let text = dir.to_string_lossy();
    let shown = name(text.as_bytes());
    let inner = [dir.to_owned(), dir.join("upper"), dir.join("work")];
    if let Some(link) = inner.iter().find_map(|path| laid(path, fault)) {
        return Some(link);
    }
    if let Some(obstacle) = scene.view.obstacle(&text) {
        return Some(Finding::new(obstacle.why, "make that directory first, or correct the path"));
    }
    if let Ok(kind) = scene.view.kind(&text)
        && kind != Kind::Directory
    {
        let why = format!("{shown} is {}, not a directory", kind.words());
        return Some(Finding::new(why, "name a directory for the layer"));
    }
    if scene.view.flags(&text).contains(FsFlags::ST_RDONLY) || fault.errno == Errno::EROFS {
        return Some(read_only(scene.view, &text));
    }
    if fault.errno == Errno::ENOSPC {
        return scarcity::space(scene.view, &text);
    }
    let fs = scene.view.fs_type(&text);
    let unfit = NO_UPPER.iter().find(|(magic, _)| Some(*magic) == fs);
    if let Some((_, what)) =
        unfit.filter(|_| matches!(fault.errno, Errno::EINVAL | Errno::EOPNOTSUPP))
    {
        return Some(Finding::new(
            format!("{shown} is on {what}, which can't hold the layer of an overlay"),
            "keep it on ext4, xfs, btrfs or tmpfs",
        ));
    }
    match fault.errno {
        Errno::EBUSY => Some(Finding::new(
            format!("another sandbox uses the layer {shown} at this moment"),
            "wait for its end, or keep this one elsewhere",
        )),
        Errno::ESTALE => Some(Finding::new(
            format!("the layer {shown} was made over another root file system"),
            "keep it elsewhere, or remove it",
        )),
        Errno::EACCES | Errno::EPERM => {
            let stat = scene.view.stat(&text).ok()?;
            Some(Finding::new(
                format!(
                    "uid {} may not write to {shown}, which {}",
                    nix::unistd::geteuid(),
                    owner(&stat)
                ),
                "choose a directory of your own",
            ))
        }
        _ => None,
    }
}
