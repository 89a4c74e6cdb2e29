//! The root file system, and what lies above what in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::inputs::Found;
use crate::manifest::{Degradable, RootSource, Size, Write};
use crate::plan::{Bind, Init, Layer, MountFlags, Opening, Origin, Owner, Prepare, Root, Step};
use crate::source::Pointer;

use super::draft::{Draft, at, default, either, key, step};
use super::exposure;
use super::identity::Identity;

/// Whose a mount is, for what may be made in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// A tmpfs of ours: files are written right into it.
    Tmpfs,
    /// A layer of ours above a directory: mount points may be made in it.
    Layer,
    /// The host's: not a byte of it is changed.
    Host,
}

/// The new root in the making.
pub(super) struct Tree {
    pub(super) steps: Vec<Step<Init>>,
    /// What is mounted where.
    mounts: BTreeMap<String, Whose>,
    /// Whom the command runs as.
    pub(super) user: Owner,
}

impl Tree {
    /// Notes a mount.
    pub(super) fn mounted(&mut self, target: &str, whose: Whose) {
        let target = target.trim_end_matches('/');
        let target = if target.is_empty() { "/" } else { target };
        self.mounts.insert(target.to_owned(), whose);
    }

    /// Whose the file system is that `target` stands in.
    pub(super) fn whose(&self, target: &str) -> Whose {
        self.above(target).map_or(Whose::Host, |(_, whose)| whose)
    }

    /// The nearest mount above `target`. There may be thousands: each is looked up, and not all
    /// are gone through.
    fn above(&self, target: &str) -> Option<(&str, Whose)> {
        let mut path = target;
        while let Some((parent, _)) = path.rsplit_once('/') {
            path = parent;
            let mount = if parent.is_empty() { "/" } else { parent };
            if let Some((mount, whose)) = self.mounts.get_key_value(mount) {
                return Some((mount, *whose));
            }
        }
        None
    }

    /// Whether a missing mount point may be made; where it may not and it is known to be
    /// missing, that is a problem.
    pub(super) fn place(&self, draft: &mut Draft<'_>, target: &str, origin: &Origin) -> bool {
        if self.whose(target) != Whose::Host {
            return true;
        }
        let inside = draft.inputs.inside.get(target);
        if self.in_root(target) && inside == Some(&Found::Missing) {
            let text = format!(
                "the root file system has no {target} to mount on, and `write` lets none be made"
            );
            let help = format!("make {target} there, or write `write: discard` below `rootfs`");
            let write = key("rootfs").key("write");
            draft.wrong(
                "no_mount_point",
                if origin.default { &write } else { &origin.key },
                text,
                "missing in the root file system",
                help,
            );
        }
        false
    }

    /// `target` stands in the root file system itself.
    fn in_root(&self, target: &str) -> bool {
        self.above(target).is_none_or(|(mount, _)| mount == "/")
    }
}

/// What asked for the root file system.
pub(super) fn origin(draft: &Draft<'_>) -> Origin {
    let rootfs = &draft.manifest.rootfs;
    either("rootfs", rootfs.source != RootSource::Host || rootfs.write.is_some())
}

/// Takes the root, and with `rootfs: host` fills it.
pub(super) fn choose(draft: &mut Draft<'_>, identity: &Identity) -> Tree {
    let manifest = draft.manifest;
    let user = Owner { uid: identity.uid, gid: identity.gid };
    let mut tree = Tree { steps: Vec::new(), mounts: BTreeMap::new(), user };
    match &manifest.rootfs.source {
        RootSource::Host => host(draft, &mut tree),
        RootSource::Dir(path) => {
            let path = draft.path(path);
            let place = key("rootfs").key("path");
            if draft.not_led_astray(&path, &place) {
                draft.directory_exists(&path, &place);
            }
            exposure::root(draft, &path, &at(place));
            directory(draft, &mut tree, draft.real(&path));
        }
    }
    tree
}

/// The most that a layer or tmpfs root may hold.
fn size(draft: &Draft<'_>) -> String {
    draft.manifest.rootfs.size.map_or_else(|| "40%".to_owned(), |Size(size)| size.to_string())
}

fn host(draft: &mut Draft<'_>, tree: &mut Tree) {
    let origin = origin(draft);
    let size = size(draft);
    draft.hole(Opening::HostPrograms, "", &origin);
    tree.steps.push(step(Init::Root(Root::Tmpfs { size }), &origin));
    tree.mounted("/", Whose::Tmpfs);
    for path in crate::inputs::SYSTEM {
        let target = path.to_owned();
        match draft.inputs.paths.get(Path::new(path)) {
            Some(Found::Link(to)) => {
                let to = to.clone();
                tree.steps.push(step(Init::Symlink { target, to }, &origin));
            }
            Some(Found::Directory) => {
                tree.steps.push(step(Init::Bind(read_only(draft, path)), &origin));
                tree.mounted(path, Whose::Host);
            }
            _ => {}
        }
    }
    for (target, mode) in [("/etc", 0o755), ("/root", 0o700)] {
        tree.steps.push(step(Init::Mkdir { target: target.to_owned(), mode }, &origin));
    }
}

/// A path of the host's at its own place, read-only.
pub(super) fn read_only(draft: &Draft<'_>, path: &str) -> Bind {
    Bind {
        source: draft.real(Path::new(path)),
        target: path.to_owned(),
        flags: MountFlags { read_only: true, nosuid: true, nodev: true, noexec: false },
        recursive: true,
        optional: false,
        make_target: true,
        mapped: false,
    }
}

fn directory(draft: &mut Draft<'_>, tree: &mut Tree, path: PathBuf) {
    let manifest = draft.manifest;
    let origin = origin(draft);
    let place = key("rootfs").key("write");
    let write = match &manifest.rootfs.write {
        None | Some(Write::Discard) => Write::Discard,
        Some(write) => write.clone(),
    };
    let write = layered(draft, write, &place);
    let root = match write {
        Write::None if lacks_places(draft) => {
            tree.steps.push(step(Init::Scratch { size: size(draft) }, &origin));
            Root::Overlay { lower: path, upper: Layer::Scratch, mapped: false }
        }
        Write::None => Root::Bind { path, read_only: true, mapped: false },
        Write::Direct => {
            exposure::changed(draft, &path, Opening::WritableRoot, &at(place));
            Root::Bind { path, read_only: false, mapped: false }
        }
        Write::Discard => {
            tree.steps.push(step(Init::Scratch { size: size(draft) }, &origin));
            Root::Overlay { lower: path, upper: Layer::Scratch, mapped: false }
        }
        Write::Keep(dir) => {
            let dir = draft.path(&dir);
            if draft.not_led_astray(&dir, &place.key("keep")) {
                draft.directory_exists(&dir, &place.key("keep"));
            }
            exposure::changed(draft, &dir, Opening::KeptWrites, &at(place.clone()));
            let dir = draft.real(&dir);
            if dir.starts_with(&path) || path.starts_with(&dir) {
                let text =
                    format!("{} and the root file system lie one in the other", dir.display());
                let help = "keep the layer outside of the root file system";
                draft.wrong("bad_path", &place.key("keep"), text, "in the root itself", help);
            }
            Root::Overlay { lower: path, upper: Layer::Dir(dir), mapped: false }
        }
    };
    let whose = if matches!(root, Root::Overlay { .. }) { Whose::Layer } else { Whose::Host };
    tree.mounted("/", whose);
    tree.steps.push(step(Init::Root(root), &origin));
}

/// Nobody else may write to a layer that is kept, meanwhile.
pub(super) fn lock(draft: &Draft<'_>) -> Option<Step<Prepare>> {
    let Some(Write::Keep(dir)) = &draft.manifest.rootfs.write else { return None };
    let origin = at(key("rootfs").key("write").key("keep"));
    let overlay = draft.host.overlay_missing.is_none();
    overlay.then(|| step(Prepare::LockLayer { path: draft.real(&draft.path(dir)) }, &origin))
}

/// A mount point is missing that a layer could hold. The layer is closed to the command then,
/// like the directory itself.
fn lacks_places(draft: &Draft<'_>) -> bool {
    let ours = |target: &str| crate::inputs::OWN_ETC.contains(&target);
    let missing = |(target, found): (&String, &Found)| *found == Found::Missing && !ours(target);
    draft.host.overlay_missing.is_none() && draft.inputs.inside.iter().any(missing)
}

/// Without overlay there are no layers; let go of, writes are refused instead.
fn layered(draft: &mut Draft<'_>, write: Write, place: &Pointer) -> Write {
    let layer = matches!(write, Write::Discard | Write::Keep(_));
    match draft.host.overlay_missing.clone().filter(|_| layer) {
        Some(reason) => {
            let help = "`write: none` below `rootfs` needs no overlay";
            draft.lost(Degradable::Overlay, place, &reason, help);
            Write::None
        }
        None => write,
    }
}

/// Closes the root to writes, where it is ours and the manifest wants no writes in it.
pub(super) fn seal(tree: &Tree, draft: &Draft<'_>) -> Option<Step<Init>> {
    let read_only = matches!(draft.manifest.rootfs.write, None | Some(Write::None));
    let given = draft.manifest.rootfs.write.is_some();
    let ours = tree.mounts.get("/").is_some_and(|whose| match whose {
        Whose::Tmpfs => true,
        Whose::Layer => given,
        Whose::Host => false,
    });
    let origin = match draft.manifest.rootfs.write {
        None => default("rootfs"),
        Some(_) => at(key("rootfs").key("write")),
    };
    (ours && read_only).then(|| step(Init::ReadOnlyRoot, &origin))
}
