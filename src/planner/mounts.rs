//! The mounts that the manifest asks for, in its order, but each after what it lies in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::inputs::Found;
use crate::manifest::{AbsolutePath, FileContent, Manifest, Mode, Mount, MountKind, Size, Tmpfs};
use crate::plan::{
    Bind, Init, KernelMount, MountFlags, Namespace, OVERLAY_LAYERS, OWN_FILE_SYSTEMS, Opening,
    Origin, Step,
};
use crate::source::Pointer;

use super::dev::{device, pair};
use super::draft::{Draft, at, key, step};
use super::isolation::Isolation;
use super::root::{Tree, Whose};
use super::{dev, exposure, files, proc};

type Options = Vec<(String, Option<String>)>;

/// How much of the machine's memory a tmpfs may take where the manifest is silent.
fn share(target: &str) -> String {
    if target == "/run" { "5%".to_owned() } else { "20%".to_owned() }
}

/// An item of the `tmpfs` or of the `mounts` list, by its number.
#[derive(Clone, Copy)]
enum Item {
    Tmpfs(usize),
    Mount(usize),
}

/// The items of both lists that may be mounted before the `mounts` (false), or with them (true):
/// in their order, but what lies in another one after that, which would hide it.
fn items(manifest: &Manifest, with_mounts: bool) -> Vec<Item> {
    let tmpfs = manifest.tmpfs.iter().enumerate();
    let tmpfs = tmpfs.map(|(n, tmpfs)| (tmpfs.target.0.as_str(), Item::Tmpfs(n)));
    let mounts = manifest.mounts.iter().enumerate();
    let mounts = mounts.map(|(n, mount)| (mount.target.0.as_str(), Item::Mount(n)));
    let all: Vec<(&str, Item)> = tmpfs.chain(mounts).collect();
    let numbers: BTreeMap<&str, usize> =
        all.iter().enumerate().map(|(number, (target, _))| (*target, number)).collect();
    let mut items = Vec::new();
    for (number, (target, item)) in all.into_iter().enumerate() {
        let ends = target.match_indices('/').skip(1);
        let above = ends.filter_map(|(end, _)| numbers.get(target.get(..end)?).copied());
        let last = above.clone().fold(number, usize::max);
        if with_mounts == (last >= manifest.tmpfs.len()) {
            items.push((last, above.count(), item));
        }
    }
    items.sort_by_key(|(last, depth, _)| (*last, *depth));
    items.into_iter().map(|(_, _, item)| item).collect()
}

/// The `tmpfs` list, but for what lies in one of the `mounts`.
pub(super) fn tmpfs(
    draft: &mut Draft<'_>,
    tree: &mut Tree,
    isolation: &Isolation,
) -> Vec<Step<Init>> {
    all(draft, tree, isolation, false)
}

/// The `mounts` list, and what of `tmpfs` lies in one of them.
pub(super) fn steps(
    draft: &mut Draft<'_>,
    tree: &mut Tree,
    isolation: &Isolation,
) -> Vec<Step<Init>> {
    are_few(draft);
    all(draft, tree, isolation, true)
}

/// Init has to know them again.
fn are_few(draft: &mut Draft<'_>) {
    const OTHERS: usize = 16;
    let manifest = draft.manifest;
    let tmpfs = |mount: &&Mount| matches!(mount.kind, MountKind::Tmpfs { .. });
    let count = manifest.tmpfs.len() + manifest.mounts.iter().filter(tmpfs).count();
    let most = OWN_FILE_SYSTEMS - OTHERS;
    if count > most {
        let place = key(if manifest.tmpfs.len() > most { "tmpfs" } else { "mounts" });
        let text = format!("{count} file systems in memory are more than {most}");
        draft.wrong("bad_mount", &place, text, "too many", "make directories in one of them");
    }
}

fn all(
    draft: &mut Draft<'_>,
    tree: &mut Tree,
    isolation: &Isolation,
    with_mounts: bool,
) -> Vec<Step<Init>> {
    let manifest = draft.manifest;
    let step = |item| match item {
        Item::Tmpfs(n) => one_tmpfs(draft, tree, n, manifest.tmpfs.get(n)?),
        Item::Mount(n) => one(draft, tree, isolation, n, manifest.mounts.get(n)?),
    };
    items(manifest, with_mounts).into_iter().filter_map(step).collect()
}

fn one_tmpfs(
    draft: &mut Draft<'_>,
    tree: &mut Tree,
    n: usize,
    tmpfs: &Tmpfs,
) -> Option<Step<Init>> {
    let manifest = draft.manifest;
    let plain = |tmpfs: &Tmpfs, target: &str| {
        tmpfs.target.0 == target && tmpfs.size.is_none() && tmpfs.mode.is_none()
    };
    let usual = matches!(manifest.tmpfs.as_slice(), [a, b] if plain(a, "/tmp") && plain(b, "/run"));
    let target = tmpfs.target.0.as_str();
    let origin = proc::tmpfs_origin(!usual, n);
    if target == "/" {
        over_root(draft, &origin);
        return None;
    }
    let taken = manifest.mounts.iter().any(|mount| mount.target.0 == target);
    // What nobody asked for gives way: to a mount, and to a root that has no place for it.
    let absent = tree.whose(target) == Whose::Host
        && draft.inputs.inside.get(target) == Some(&Found::Missing);
    if taken || (usual && absent) {
        return None;
    }
    let mode = tmpfs.mode.map_or(if target == "/tmp" { 0o1777 } else { 0o755 }, |mode| mode.0);
    let size = tmpfs.size.map_or_else(|| share(target), |Size(size)| size.to_string());
    let make_target = tree.place(draft, target, &origin);
    tree.mounted(target, Whose::Tmpfs);
    let flags = MountFlags { nosuid: true, nodev: true, ..MountFlags::default() };
    let options = vec![pair("mode", &format!("{mode:o}")), pair("size", &size)];
    let target = target.to_owned();
    let mount = KernelMount { fstype: "tmpfs", target, flags, options, make_target };
    Some(step(Init::Mount(mount), &origin))
}

fn over_root(draft: &mut Draft<'_>, origin: &Origin) {
    let text = "the root itself can't be mounted over";
    draft.wrong("bad_mount", &origin.key, text, "mounts over /", "`rootfs` says what / is");
}

fn flags(mount: &Mount) -> MountFlags {
    MountFlags {
        read_only: mount.read_only,
        nosuid: !mount.suid,
        nodev: !mount.dev,
        noexec: mount.exec == Some(false),
    }
}

fn one(
    draft: &mut Draft<'_>,
    tree: &mut Tree,
    isolation: &Isolation,
    n: usize,
    mount: &Mount,
) -> Option<Step<Init>> {
    let origin = &at(key("mounts").index(n));
    let target = mount.target.0.clone();
    if target == "/" {
        over_root(draft, origin);
        return None;
    }
    if let MountKind::File { content, mode } = &mount.kind {
        return file(draft, tree, &mount.target, content, *mode, origin);
    }
    let make_target = tree.place(draft, &target, origin);
    opened(draft, mount, origin);
    let kernel = |fstype, flags, options| {
        let target = target.clone();
        Some(step(Init::Mount(KernelMount { fstype, target, flags, options, make_target }), origin))
    };
    let mut whose = Whose::Host;
    let made = match &mount.kind {
        MountKind::Bind { source, recursive } => {
            let bind = bind(draft, mount, source, *recursive, make_target, origin);
            Some(step(Init::Bind(bind), origin))
        }
        MountKind::Tmpfs { size, mode, options } => {
            whose = if mount.read_only { Whose::Host } else { Whose::Tmpfs };
            let mode = mode.map_or(0o755, |mode| mode.0);
            let size = size.map_or_else(|| share(&target), |Size(size)| size.to_string());
            let mut all = vec![pair("mode", &format!("{mode:o}")), pair("size", &size)];
            all.extend(raw(options));
            kernel("tmpfs", flags(mount), all)
        }
        MountKind::Overlay { lower, upper, work, options } => {
            let layers = overlay(draft, lower, upper.as_deref(), work.as_deref(), origin);
            let own = isolation.has(Namespace::User).then(|| ("userxattr".to_owned(), None));
            let all = layers.into_iter().chain(own).chain(raw(options)).collect();
            kernel("overlay", flags(mount), all)
        }
        MountKind::Proc { options } => {
            proc::needs_pid(draft, isolation, origin);
            draft.hole(Opening::BareProc, &target, origin);
            kernel(
                "proc",
                MountFlags { read_only: mount.read_only, ..proc::CLOSED },
                raw(options).collect(),
            )
        }
        MountKind::Sysfs => {
            needs(draft, isolation, Namespace::Network, "sysfs", "network", origin);
            draft.hole(Opening::Hardware, &target, origin);
            kernel("sysfs", MountFlags { read_only: mount.read_only, ..proc::CLOSED }, Vec::new())
        }
        MountKind::Cgroup => {
            cgroup(draft, isolation, origin);
            draft.hole(Opening::CgroupFiles, &target, origin);
            kernel("cgroup2", MountFlags { read_only: mount.read_only, ..proc::CLOSED }, Vec::new())
        }
        MountKind::Mqueue => {
            needs(draft, isolation, Namespace::Ipc, "mqueue", "ipc", origin);
            kernel("mqueue", MountFlags { read_only: mount.read_only, ..proc::CLOSED }, Vec::new())
        }
        MountKind::File { .. } => None,
    };
    let absent = matches!(&mount.kind, MountKind::Bind { source, .. } if mount.optional
        && draft.inputs.paths.get(&draft.path(source)) == Some(&Found::Missing));
    // What is not there covers nothing.
    if !absent {
        tree.mounted(&target, whose);
    }
    made
}

/// What a mount's own keys open.
fn opened(draft: &mut Draft<'_>, mount: &Mount, origin: &Origin) {
    let place = |word: &str| at(origin.key.key(word));
    let target = mount.target.0.as_str();
    let (mut options, mut kernels) = (&Vec::new(), false);
    match &mount.kind {
        MountKind::Tmpfs { options: raw, .. } | MountKind::Overlay { options: raw, .. } => {
            options = raw;
        }
        MountKind::Proc { options: raw } => (options, kernels) = (raw, true),
        MountKind::Sysfs | MountKind::Cgroup => kernels = true,
        MountKind::Bind { .. } | MountKind::Mqueue | MountKind::File { .. } => {}
    }
    let writable = kernels && !mount.read_only;
    for (is, opening, word) in [
        (writable, Opening::KernelFiles, "read_only"),
        // The flags of the kernel's own file systems are not the manifest's to choose.
        (mount.suid && !kernels, Opening::SetUserId, "suid"),
        (mount.dev && !kernels, Opening::DeviceNodes, "dev"),
        (!options.is_empty(), Opening::MountOption, "options"),
    ] {
        if is {
            draft.hole(opening, target, &place(word));
        }
    }
}

fn raw(options: &[String]) -> impl Iterator<Item = (String, Option<String>)> {
    options.iter().map(|option| match option.split_once('=') {
        Some((key, value)) => pair(key, value),
        None => (option.clone(), None),
    })
}

fn file(
    draft: &mut Draft<'_>,
    tree: &mut Tree,
    target: &AbsolutePath,
    content: &FileContent,
    mode: Mode,
    origin: &Origin,
) -> Option<Step<Init>> {
    let content = files::content(draft, content, &origin.key)?;
    Some(files::place(draft, tree, &target.0, content, mode.0, origin))
}

fn bind(
    draft: &mut Draft<'_>,
    mount: &Mount,
    source: &Path,
    recursive: bool,
    make_target: bool,
    origin: &Origin,
) -> Bind {
    let source = draft.path(source);
    let place = origin.key.key("source");
    if draft.not_led_astray(&source, &place) && !mount.optional {
        draft.source_exists(&source, &place);
    }
    exposure::seen(draft, &source, origin);
    if !mount.read_only {
        let origin = at(origin.key.key("read_only"));
        exposure::changed(draft, &source, Opening::WritableFiles, &origin);
    }
    if mount.dev && draft.real(&source).starts_with("/dev") {
        draft.hole(Opening::RawDevice, "every device", &at(origin.key.key("dev")));
    }
    let target = mount.target.0.clone();
    Bind {
        source: draft.real(&source),
        target,
        flags: flags(mount),
        recursive,
        optional: mount.optional,
        make_target,
        mapped: false,
    }
}

fn overlay(
    draft: &mut Draft<'_>,
    lower: &[PathBuf],
    upper: Option<&Path>,
    work: Option<&Path>,
    origin: &Origin,
) -> Options {
    let place = &origin.key;
    let lowers: Vec<PathBuf> = lower.iter().map(|path| draft.path(path)).collect();
    for (n, path) in lowers.iter().enumerate() {
        let place = place.key("lower").index(n);
        if draft.not_led_astray(path, &place) {
            draft.directory_exists(path, &place);
        }
        exposure::seen(draft, path, &at(place));
    }
    if lowers.len() > OVERLAY_LAYERS {
        let text = format!("{} lower layers, and {OVERLAY_LAYERS} fit into a mount", lowers.len());
        let help = "put several into one directory";
        draft.wrong("bad_mount", &place.key("lower"), text, "too many", help);
    }
    match (upper, work) {
        (None, None) if lowers.len() < 2 => {
            let text = "an overlay without `upper` needs two directories in `lower`";
            draft.wrong(
                "bad_mount",
                place,
                text,
                "nothing to lay over",
                "add `upper` and `work`, or a second lower directory",
            );
        }
        (Some(_), None) | (None, Some(_)) => {
            let text = "`upper` and `work` go together";
            draft.wrong(
                "bad_mount",
                place,
                text,
                "one without the other",
                "name two directories of one file system",
            );
        }
        _ => {}
    }
    let list: Vec<_> = lowers.iter().map(|path| escaped(&draft.real(path))).collect();
    let mut options = vec![pair("lowerdir", &list.join(":"))];
    for (name, word, path) in [("upperdir", "upper", upper), ("workdir", "work", work)] {
        let Some(path) = path.map(|path| draft.path(path)) else { continue };
        if draft.not_led_astray(&path, &place.key(word)) {
            draft.directory_exists(&path, &place.key(word));
        }
        if word == "upper" {
            exposure::changed(draft, &path, Opening::KeptWrites, &at(place.key(word)));
        }
        options.push(pair(name, &escaped(&draft.real(&path))));
    }
    options
}

/// Overlay takes colons apart unless they are escaped.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:")
}

fn needs(
    draft: &mut Draft<'_>,
    isolation: &Isolation,
    namespace: Namespace,
    fstype: &str,
    word: &str,
    origin: &Origin,
) {
    // An entered network namespace belongs to another user namespace.
    let own = isolation.in_clone.contains(&namespace);
    if !own && isolation.has(Namespace::User) {
        let text =
            format!("{fstype} can be mounted only with a {word} namespace of the sandbox's own");
        let help = format!(
            "bind the host's instead: \"/{}:{}\"",
            if word == "network" { "sys" } else { "dev/mqueue" },
            "TARGET"
        );
        draft.wrong(
            "bad_mount",
            &origin.key,
            text,
            format!("needs a private {word} namespace"),
            help,
        );
    }
}

fn cgroup(draft: &mut Draft<'_>, isolation: &Isolation, origin: &Origin) {
    let unified = draft.host.cgroups.as_ref().is_some_and(|cgroups| cgroups.unified.is_some());
    if !unified {
        let text = "this host has no cgroup v2 hierarchy to mount";
        draft.wrong("unavailable", &origin.key, text, "no cgroup v2 here", "take it out");
    }
    needs(draft, isolation, Namespace::Cgroup, "cgroup2", "cgroup", origin);
}

/// The `devices` list.
pub(super) fn devices(draft: &mut Draft<'_>, tree: &mut Tree) -> Vec<Step<Init>> {
    let manifest = draft.manifest;
    let mut steps = Vec::new();
    for (n, asked) in manifest.devices.iter().enumerate() {
        let origin = at(key("devices").index(n));
        if !draft.not_led_astray(Path::new(&asked.source.0), &origin.key) {
            continue;
        }
        check_device(draft, &asked.source.0, &origin.key);
        if asked.read != asked.write {
            let text = "a device is shown with the permissions of its node: reading alone can't be enforced";
            draft.wrong(
                "unavailable",
                &origin.key,
                text,
                "half the access",
                "write `rw`, and let the node's mode decide",
            );
        }
        let real = draft.real(Path::new(&asked.source.0)).to_string_lossy().into_owned();
        if !dev::is_usual(&real) {
            exposure::device(draft, &asked.source.0, &origin);
        }
        let make_target = tree.place(draft, &asked.target.0, &origin);
        let bind = Bind { make_target, ..device(&real, &asked.target.0) };
        steps.push(step(Init::Bind(bind), &origin));
    }
    steps
}

fn check_device(draft: &mut Draft<'_>, path: &str, place: &Pointer) {
    let path = Path::new(path);
    match draft.inputs.paths.get(path) {
        None | Some(Found::Device(..)) => {}
        Some(Found::Missing) => draft.missing(path, place),
        Some(Found::Denied(reason)) => draft.denied(path, reason, place),
        Some(_) => {
            let text = format!("{} is not a device", path.display());
            draft.wrong(
                "bad_device",
                place,
                text,
                "not a device",
                "`mounts` shows files and directories",
            );
        }
    }
}
