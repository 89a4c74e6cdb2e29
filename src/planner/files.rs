//! Files that are written inside and nowhere on the host.

use std::path::Path;

use crate::inputs::Found;
use crate::manifest::{FileContent, Network, RootSource};
use crate::plan::{Init, Origin, Step};
use crate::source::Pointer;

use super::draft::{Draft, asked, at, default, either, key, step};
use super::exposure;
use super::identity;
use super::isolation::hostname;
use super::passwd;
use super::root::{self, Tree, Whose};

/// Writes a file right into a tmpfs of ours, or lays it over what is there. What its mode keeps
/// from others is the command's user's.
pub(super) fn place(
    draft: &mut Draft<'_>,
    tree: &mut Tree,
    target: &str,
    content: String,
    mode: u32,
    origin: &Origin,
) -> Step<Init> {
    let whose = tree.whose(target);
    let target = target.to_owned();
    let owner = Some(tree.user).filter(|user| user.uid != 0 && mode & OTHERS_READ == 0);
    if whose == Whose::Tmpfs {
        return step(Init::WriteFile { target, content, mode, owner }, origin);
    }
    let make_target = tree.place(draft, &target, origin);
    step(Init::File { target, content, mode, owner, make_target }, origin)
}

const OTHERS_READ: u32 = 0o004;

/// The text of a file.
pub(super) fn content(
    draft: &mut Draft<'_>,
    content: &FileContent,
    place: &Pointer,
) -> Option<String> {
    match content {
        FileContent::Text(text) => Some(text.clone()),
        FileContent::Source(path) => {
            let (path, place) = (draft.path(path), place.key("source"));
            exposure::seen(draft, &path, &at(place.clone()));
            text(draft, &path, &place)
        }
    }
}

/// The text of a file of the host's that the manifest wants read.
pub(super) fn text(draft: &mut Draft<'_>, path: &Path, place: &Pointer) -> Option<String> {
    if !draft.not_led_astray(path, place) {
        return None;
    }
    if let Some(reason) = draft.inputs.unreadable.get(path) {
        draft.denied(path, reason, place);
        return None;
    }
    match draft.inputs.paths.get(path) {
        Some(Found::File(Some(text))) => return Some(text.clone()),
        Some(Found::Missing) => draft.missing(path, place),
        Some(Found::Denied(reason)) => draft.denied(path, reason, place),
        None | Some(Found::File(None)) => {
            let text = format!("{} is not a text of at most 1 MiB in UTF-8", path.display());
            draft.wrong(
                "bad_file",
                place,
                text,
                "not such a text",
                "show it with `mounts` instead",
            );
        }
        Some(_) => {
            let text = format!("{} is not a regular file", path.display());
            draft.wrong("bad_file", place, text, "not a file", "show it with `mounts` instead");
        }
    }
    None
}

/// The most that files may hold together: all of it stands in the plan.
const MOST_BYTES: usize = 16 << 20;

/// The `files` map.
pub(super) fn steps(draft: &mut Draft<'_>, tree: &mut Tree) -> Vec<Step<Init>> {
    let manifest = draft.manifest;
    let mut steps = Vec::new();
    let mut room = MOST_BYTES;
    for (target, file) in &manifest.files {
        let origin = at(key("files").key(&target.0));
        if let Some(content) = content(draft, &file.content, &origin.key) {
            let Some(left) = room.checked_sub(content.len()) else {
                let text = format!("the files hold more than {} MiB together", MOST_BYTES >> 20);
                let help = "show a directory with `mounts` instead";
                draft.wrong("bad_file", &origin.key, text, "one too many", help);
                break;
            };
            room = left;
            steps.push(place(draft, tree, &target.0, content, file.mode.0, &origin));
        }
    }
    steps
}

/// The files of /etc that belong to the sandbox rather than to its root file system.
pub(super) fn etc(draft: &mut Draft<'_>, tree: &mut Tree) -> Vec<Step<Init>> {
    match draft.manifest.rootfs.source {
        RootSource::Host => generated(draft, tree),
        RootSource::Dir(_) => replaced(draft, tree),
    }
}

const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n";

/// A whole small /etc.
fn generated(draft: &mut Draft<'_>, tree: &mut Tree) -> Vec<Step<Init>> {
    let root = root::origin(draft);
    let mut steps = Vec::new();
    for path in crate::inputs::ETC {
        if matches!(
            draft.inputs.paths.get(Path::new(path)),
            Some(Found::File(_) | Found::Directory)
        ) {
            steps.push(step(Init::Bind(root::read_only(draft, path)), &root));
            tree.mounted(path, Whose::Host);
        }
    }
    let (hosts, host_origin) = hosts(draft);
    let (resolv, resolv_origin) = resolv(draft);
    let name_origin = either("hostname", draft.manifest.hostname.is_some());
    let user = identity::origin(draft);
    let files = [
        ("/etc/passwd", passwd::generated(draft), &user),
        ("/etc/group", passwd::generated_group(draft), &user),
        ("/etc/hostname", format!("{}\n", hostname(draft)), &name_origin),
        ("/etc/hosts", hosts, &host_origin),
        ("/etc/nsswitch.conf", NSSWITCH.to_owned(), &root),
        ("/etc/resolv.conf", resolv, &resolv_origin),
    ];
    for (target, content, origin) in files {
        if given(draft, target) {
            continue;
        }
        steps.push(place(draft, tree, target, content, 0o644, origin));
    }
    steps
}

/// In a root file system of the user's, what it has and what is asked for.
fn replaced(draft: &mut Draft<'_>, tree: &mut Tree) -> Vec<Step<Init>> {
    let has = |draft: &Draft<'_>, path: &str| {
        matches!(draft.inputs.inside.get(path), Some(Found::File(_))) && !given(draft, path)
    };
    let mut steps = Vec::new();
    let (hosts, origin) = hosts(draft);
    let extra = !draft.manifest.extra_hosts.is_empty() && !given(draft, "/etc/hosts");
    if has(draft, "/etc/hosts") || extra {
        steps.push(place(draft, tree, "/etc/hosts", hosts, 0o644, &origin));
    }
    if has(draft, "/etc/hostname") {
        let origin = either("hostname", draft.manifest.hostname.is_some());
        let name = format!("{}\n", hostname(draft));
        steps.push(place(draft, tree, "/etc/hostname", name, 0o644, &origin));
    }
    let (resolv, origin) = resolv(draft);
    let asks = draft.manifest.network != Network::None && !given(draft, "/etc/resolv.conf");
    if has(draft, "/etc/resolv.conf") || asks {
        steps.push(place(draft, tree, "/etc/resolv.conf", resolv, 0o644, &origin));
    }
    steps
}

/// The manifest itself puts something there.
fn given(draft: &Draft<'_>, target: &str) -> bool {
    let manifest = draft.manifest;
    let mounted = manifest.mounts.iter().any(|mount| mount.target.0 == target);
    mounted || manifest.files.keys().any(|path| path.0 == target)
}

fn hosts(draft: &Draft<'_>) -> (String, Origin) {
    let extra = &draft.manifest.extra_hosts;
    let mut text = format!(
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 {}\n",
        hostname(draft)
    );
    for (name, address) in extra {
        text.push_str(&format!("{address} {name}\n"));
    }
    (text, if extra.is_empty() { default("extra_hosts") } else { asked("extra_hosts") })
}

/// Whom to ask for names: the host's servers with the host's network, else nobody.
fn resolv(draft: &Draft<'_>) -> (String, Origin) {
    if draft.manifest.network == Network::None {
        return (String::new(), default("network"));
    }
    let text = match draft.inputs.paths.get(Path::new("/etc/resolv.conf")) {
        Some(Found::File(Some(text))) => text.clone(),
        _ => String::new(),
    };
    (text, asked("network"))
}

/// The tmpfs, out of sight, that laid-over files come from, where no layer has made it.
pub(super) fn scratch(steps: &[Step<Init>]) -> Option<Step<Init>> {
    let mut bytes = 64 * 1024;
    let mut first = None;
    for step in steps {
        match &step.action {
            Init::Scratch { .. } => return None,
            Init::File { content, .. } => {
                bytes += content.len().next_multiple_of(4096) + 4096;
                first = first.or(Some(&step.origin));
            }
            _ => {}
        }
    }
    first.map(|origin| step(Init::Scratch { size: bytes.to_string() }, origin))
}
