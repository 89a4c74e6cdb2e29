//! What stays open, and why that is right.

use std::path::Path;

use nix::unistd::geteuid;

use crate::probe::Who;
use crate::scenes::{Root, Scene};
use crate::support::{is_root, shared};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Exception {
    /// A group, and a name in it or every name.
    probe: (&'static str, &'static str),
    /// Where it holds.
    holds: fn(&Scene, Who) -> bool,
    #[expect(dead_code, reason = "it is for the reader")]
    reason: &'static str,
}

const ALL: &str = "*";

const fn filter(name: &'static str, reason: &'static str) -> Exception {
    Exception { probe: ("calls", name), holds: |scene, _| !is_strict(scene), reason }
}

const fn unfiltered(group: &'static str, name: &'static str, reason: &'static str) -> Exception {
    Exception { probe: (group, name), holds: |scene, _| is_unfiltered(scene), reason }
}

fn is_strict(scene: &Scene) -> bool {
    scene.security.contains("strict")
}

fn is_unfiltered(scene: &Scene) -> bool {
    scene.security.contains("seccomp: none")
}

const DEBUGGERS: &str = "debuggers need it, and nobody but the sandbox's own can be traced";
const NAMES: &str = "the C library asks it for interfaces and routes of the sandbox's own network";
const READS: &str = "without a capability it only reads";

const DIRECT: &str = "the manifest lets it write to a directory of the host's, which is in memory";
const ROOTS_OWN: &str =
    "where a file system maps no ids, root's own id is the only one that can show it";

const EXCEPTIONS: &[Exception] = &[
    filter("adjtimex", READS),
    filter("clock_adjtime", READS),
    filter("cachestat", "it tells no more than mincore(2)"),
    filter("fanotify_mark", "nothing can be marked without fanotify_init(2)"),
    filter("map_shadow_stack", "memory of the program's own"),
    filter("listmount", "it tells what /proc/self/mountinfo tells"),
    filter("statmount", "it tells what /proc/self/mountinfo tells"),
    filter("memfd_secret", "memory of the program's own"),
    filter("modify_ldt", "old programs of 16 bits need it"),
    filter("name_to_handle_at", "the handle can't be opened"),
    filter("process_mrelease", "it frees memory of a process that is being killed"),
    filter("process_vm_readv", DEBUGGERS),
    filter("process_vm_writev", DEBUGGERS),
    filter("ptrace", DEBUGGERS),
    filter("netlink_route", NAMES),
    filter("netlink_sock_diag", NAMES),
    filter("netlink_netfilter", NAMES),
    filter("netlink_generic", NAMES),
    filter("netlink_xfrm", NAMES),
    filter("netlink_crypto", NAMES),
    filter("netlink_audit", "nothing can be sent to it without a capability"),
    filter("netlink_uevent", "only the host's own network namespace hears of devices"),
    filter("tiocsetd", "a line discipline for a terminal of the sandbox's own"),
    filter("tiocsetd_high_bit", "a line discipline for a terminal of the sandbox's own"),
    unfiltered("calls", ALL, "the manifest opens the whole surface"),
    unfiltered("inside", "filtered", "the manifest opens the whole surface"),
    unfiltered("neighbours", "vsock_to_host", "no namespace holds AF_VSOCK, only the filter does"),
    Exception {
        probe: ("inside", "namespace_user"),
        holds: |scene, _| shares_users(scene),
        reason: "the manifest asks for the host's",
    },
    Exception {
        probe: ("inside", "supplementary_groups"),
        holds: |_, who| who == Who::User && !has_range(),
        reason: "a user without subordinate ids can't give up groups (user_namespaces(7))",
    },
    Exception {
        probe: ("inside", "outer_root_user"),
        holds: |scene, who| who == Who::Root && (!maps_ids(scene) || shares_users(scene)),
        reason: ROOTS_OWN,
    },
    Exception {
        probe: ("inside", "outer_root_group"),
        holds: |scene, who| who == Who::Root && (!maps_ids(scene) || shares_users(scene)),
        reason: ROOTS_OWN,
    },
    Exception {
        probe: ("resources", "size:/"),
        holds: |scene, _| is_in_memory(scene),
        reason: DIRECT,
    },
    Exception {
        probe: ("resources", "closed_root"),
        holds: |scene, _| is_in_memory(scene),
        reason: DIRECT,
    },
];

/// Whether uid 1000, or whoever runs the tests, has a range of group ids.
fn has_range() -> bool {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let id = if is_root() { "1000".to_owned() } else { geteuid().to_string() };
    let passwd = text("/etc/passwd");
    let own = passwd.lines().find(|line| line.split(':').nth(2) == Some(&id));
    let name = own.and_then(|line| line.split(':').next());
    let first = |line: &str| line.split(':').next().map(str::to_owned);
    let owners: Vec<_> = text("/etc/subgid").lines().filter_map(first).collect();
    let listed = owners.iter().any(|owner| Some(owner.as_str()) == name || *owner == id);
    listed && Path::new("/usr/bin/newgidmap").exists()
}

fn shares_users(scene: &Scene) -> bool {
    scene.more == "userns: host"
}

const TMPFS: i64 = 0x0102_1994;

/// Whether the file system that is shown lets its ids be mapped, as far as these tests know.
fn maps_ids(scene: &Scene) -> bool {
    const MAPPING: [i64; 3] = [0xef53, 0x5846_5342, 0x9123_683e];
    let path = if scene.root == Root::Host { Path::new("/usr") } else { shared() };
    MAPPING.contains(&kind(path)) || (kind(path) == TMPFS && kernel() >= (6, 3))
}

/// The magic number of a path's file system.
fn kind(path: &Path) -> i64 {
    nix::sys::statfs::statfs(path).unwrap().filesystem_type().0
}

fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    sixdocker::host::version(&release).unwrap()
}

/// The sandbox writes to a directory that is kept in memory itself.
fn is_in_memory(scene: &Scene) -> bool {
    scene.root == Root::Directory("direct") && kind(shared()) == TMPFS
}

/// The exception that lets this probe be open here.
pub(crate) fn exception(scene: &Scene, who: Who, group: &str, name: &str) -> Option<Exception> {
    let applies = |it: &&Exception| {
        it.probe.0 == group && [name, ALL].contains(&it.probe.1) && (it.holds)(scene, who)
    };
    EXCEPTIONS.iter().find(applies).copied()
}
