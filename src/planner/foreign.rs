//! Ids that are nobody's on the host, for the sandboxes of root.
//!
//! Root inside is a user of the host's that owns nothing there; the mounts that show something
//! of the host translate, so that files come out as root's all the same.

use std::path::Path;

use nix::sys::statfs::FsType;

use crate::inputs::Found;
use crate::manifest::{ErrorOutput, MountKind, Output, Tty, Userns};
use crate::plan::{Attend, Init, Layer, MAPPED_MOUNTS, Root, Step, is_kernels};

use super::draft::{Draft, default, step};

/// The ids that systemd leaves to containers (UIDS-GIDS.md), in ranges of 65536.
const FIRST: u32 = 0x0008_0000;
const RANGES: u32 = 0x6ff8;
pub(super) const RANGE: u32 = 0x1_0000;

/// The first outside id of a range that no other run alive has; why it can't be had, where
/// root's own ids are what is left.
pub(super) fn first(draft: &Draft<'_>, ids: &[u32]) -> Result<u32, String> {
    let manifest = draft.manifest;
    if !draft.host.initial {
        return Err("only root of the whole machine may map the ids of a mount".into());
    }
    if let Some(id) = ids.iter().find(|id| **id >= RANGE) {
        return Err(format!("id {id} is beyond the range of {RANGE} ids"));
    }
    if !manifest.devices.is_empty() {
        return Err("`devices` belong to the host's root, and device nodes can't be mapped".into());
    }
    if manifest.mounts.iter().any(|mount| matches!(mount.kind, MountKind::Overlay { .. })) {
        return Err("the layers of an overlay among `mounts` can't be mapped".into());
    }
    if manifest.mounts.len() >= MAPPED_MOUNTS / 2 {
        return Err(format!("more than {} mounts can't be mapped", MAPPED_MOUNTS / 2));
    }
    own_stream(draft)?;
    draft.inputs.filesystems.iter().try_for_each(|(path, magic)| maps(draft, path, *magic))?;
    let run: u32 = draft.host.run.parse().unwrap_or_default();
    Ok(FIRST + run % RANGES * RANGE)
}

/// A stream that is a file of root's could not be opened anew through /dev/stdout.
fn own_stream(draft: &Draft<'_>) -> Result<(), String> {
    let manifest = draft.manifest;
    let [_, output, error] = draft.inputs.owned;
    let [input_terminal, output_terminal, _] = draft.inputs.terminals;
    let terminal = match manifest.tty {
        Tty::Yes => true,
        Tty::No => false,
        Tty::Auto => input_terminal && output_terminal,
    };
    let counted = manifest.limits.output.is_some();
    let plain = !terminal && !counted;
    let stdout = match manifest.stdout {
        Output::Inherit => plain && output,
        Output::None => false,
        Output::File(_) => !counted,
    };
    let stderr = match manifest.stderr {
        ErrorOutput::Inherit => plain && error,
        ErrorOutput::None | ErrorOutput::Stdout => false,
        ErrorOutput::File(_) => !counted,
    };
    match (stdout, stderr) {
        (true, _) => Err("stdout is a file or device of root's, which the command may want to open as /dev/stdout".into()),
        (_, true) => Err("stderr is a file or device of root's, which the command may want to open as /dev/stderr".into()),
        _ => Ok(()),
    }
}

/// File systems that let the ids of a mount be mapped, by their magic numbers (linux/magic.h),
/// and since which version of the kernel (mount_setattr(2), and the flag FS_ALLOW_IDMAP).
const MAPPING: [(FsType, &str, (u32, u32)); 9] = [
    (FsType(0xef53), "ext4", (5, 12)),
    (FsType(0x5846_5342), "xfs", (5, 12)),
    (FsType(0x4d44), "vfat", (5, 12)),
    (FsType(0x9123_683e), "btrfs", (5, 15)),
    (FsType(0xf2f5_2010), "f2fs", (5, 18)),
    (FsType(0xe0f5_e1e2), "erofs", (5, 19)),
    (FsType(0x7371_7368), "squashfs", (6, 2)),
    (FsType(0x0102_1994), "tmpfs", (6, 3)),
    (FsType(0x7366_746e), "ntfs3", (5, 15)),
];

fn maps(draft: &Draft<'_>, path: &Path, magic: FsType) -> Result<(), String> {
    let path = path.display();
    let Some((_, name, since)) = MAPPING.iter().find(|(known, ..)| *known == magic) else {
        return Err(format!("the file system of {path} does not let the ids of a mount be mapped"));
    };
    let kernel = crate::host::version(&draft.host.kernel);
    if kernel.is_some_and(|kernel| kernel >= *since) {
        return Ok(());
    }
    let (major, minor) = since;
    Err(format!("{path} is on {name}, whose ids can be mapped from Linux {major}.{minor} on"))
}

/// Whether root's ids are to be nobody's at all.
pub(super) fn wanted(draft: &Draft<'_>) -> bool {
    draft.manifest.userns == Userns::Auto && draft.host.uid == 0
}

/// Has every mount that shows something of the host handed over with its ids mapped.
pub(super) fn map(draft: &Draft<'_>, init: &mut [Step<Init>]) -> Vec<Step<Attend>> {
    let mut steps = Vec::new();
    let mut copy = |source: &Path, recursive, layer, origin: &_| {
        let source = source.to_owned();
        steps.push(step(Attend::MapMount { source, recursive, layer }, origin));
    };
    for Step { action, origin, .. } in init {
        match action {
            Init::Root(Root::Bind { path, mapped, .. }) => {
                *mapped = true;
                copy(path, true, false, origin);
            }
            Init::Root(Root::Overlay { lower, upper, mapped }) => {
                *mapped = true;
                copy(lower, false, true, origin);
                if let Layer::Dir(dir) = upper {
                    copy(dir, false, true, origin);
                }
            }
            Init::Bind(bind) if shows(draft, &bind.source) => {
                bind.mapped = true;
                copy(&bind.source, bind.recursive, false, origin);
            }
            _ => {}
        }
    }
    steps.push(step(Attend::OpenPipes, &default("userns")));
    steps
}

/// It is there, and belongs to somebody: device nodes are open to all, and what is in /proc
/// belongs to the processes.
fn shows(draft: &Draft<'_>, source: &Path) -> bool {
    let kernels = is_kernels(source) || source.starts_with("/sys");
    !kernels && draft.inputs.paths.get(source) != Some(&Found::Missing)
}
