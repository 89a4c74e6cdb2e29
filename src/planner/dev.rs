//! /dev: a small tmpfs with the standard nodes, terminals, shared memory and message queues.

use crate::manifest::Size;
use crate::plan::{Bind, Init, KernelMount, MountFlags, Namespace, Step};

use super::draft::{Draft, default, either, step};
use super::identity::Identity;
use super::isolation::Isolation;
use super::proc::CLOSED;
use super::root::{Tree, Whose};

/// The nodes that every program may count on.
const NODES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// A node that every sandbox has.
pub(super) fn is_usual(path: &str) -> bool {
    path.strip_prefix("/dev/").is_some_and(|name| NODES.contains(&name))
}

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("ptmx", "pts/ptmx"),
    ("stderr", "/proc/self/fd/2"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
];

const DEFAULT_SHM: u64 = 64 * 1024 * 1024;

/// Makes /dev.
pub(super) fn steps(
    draft: &mut Draft<'_>,
    tree: &mut Tree,
    isolation: &Isolation,
    identity: &Identity,
) -> Vec<Step<Init>> {
    let origin = default("devices");
    let Size(shm) = draft.manifest.shm_size;
    let shm_origin = either("shm_size", shm != DEFAULT_SHM);
    let make_target = tree.place(draft, "/dev", &origin);
    tree.mounted("/dev", Whose::Tmpfs);
    // Shared memory is a directory of this tmpfs: a mount less, and one limit for all of it.
    let options = vec![pair("mode", "755"), pair("size", &shm.max(4096).to_string())];
    let mut steps = vec![
        mount("tmpfs", "/dev", options, make_target, &shm_origin),
        step(Init::Mkdir { target: "/dev/shm".into(), mode: 0o1777 }, &shm_origin),
    ];
    for node in NODES {
        let path = format!("/dev/{node}");
        steps.push(step(Init::Bind(device(&path, &path)), &origin));
    }
    steps.push(mount("devpts", "/dev/pts", pts(identity), true, &origin));
    if isolation.has(Namespace::Ipc) {
        steps.push(mount("mqueue", "/dev/mqueue", Vec::new(), true, &origin));
    }
    for (name, to) in LINKS {
        let (target, to) = (format!("/dev/{name}"), to.to_owned());
        steps.push(step(Init::Symlink { target, to }, &origin));
    }
    steps
}

pub(super) fn pair(key: &str, value: &str) -> (String, Option<String>) {
    (key.to_owned(), Some(value.to_owned()))
}

fn mount(
    fstype: &'static str,
    target: &str,
    options: Vec<(String, Option<String>)>,
    make_target: bool,
    origin: &crate::plan::Origin,
) -> Step<Init> {
    let flags = MountFlags { nodev: fstype != "devpts", ..CLOSED };
    let target = target.to_owned();
    step(Init::Mount(KernelMount { fstype, target, flags, options, make_target }), origin)
}

/// So that no sandbox takes all of the machine's pseudo-terminals: of 4096, 1024 are kept for the
/// host's own (kernel/pty/max and reserve), and the others are for all sandboxes together.
const MOST_TERMINALS: &str = "1024";

/// Terminals of this sandbox alone; they belong to the group `tty` where there is one.
fn pts(identity: &Identity) -> Vec<(String, Option<String>)> {
    let mut options = vec![
        ("newinstance".into(), None),
        pair("ptmxmode", "0666"),
        pair("mode", "0620"),
        pair("max", MOST_TERMINALS),
    ];
    let tty = identity.gids.iter().any(|map| map.inside <= 5 && 5 - map.inside < map.count);
    if tty {
        options.push(pair("gid", "5"));
    }
    options
}

/// A device node of the host's, shown inside: nobody in a user namespace can make one. Read-only
/// is the node, whose mode and times are the host's; what it leads to is read and written.
pub(super) fn device(source: &str, target: &str) -> Bind {
    Bind {
        source: source.into(),
        target: target.to_owned(),
        flags: MountFlags { read_only: true, nosuid: true, nodev: false, noexec: true },
        recursive: false,
        optional: false,
        make_target: true,
        mapped: false,
    }
}
