//! Why something could not be mounted, or put where it was to go.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::statvfs::FsFlags;

use super::Scene;
use super::finding::{Finding, list, name};
use super::look::{Kind, Obstacle, View, owner};
use super::{identity, overlay, scarcity};
use crate::mountinfo::Line;
use crate::plan::{Bind, Init, KernelMount, Namespace, Root};
use crate::sys::{self, Call, Fault};

/// A mount that could not be copied with its ids mapped.
pub(super) fn mapped(scene: Scene<'_>, source: &Path, fault: Fault) -> Option<Finding> {
    let text = source.to_string_lossy();
    if let Some(obstacle) = scene.view.obstacle(&text) {
        return Some(Finding::only(obstacle.why));
    }
    matches!(fault.errno, Errno::EINVAL | Errno::EPERM).then(|| {
        Finding::new(
            format!(
                "the mount of {} does not let its ids be mapped (mount_setattr(2)): its file system can't, or they are mapped already",
                name(text.as_bytes())
            ),
            "show what is on another file system, or run it as an ordinary user",
        )
    })
}

/// One line of /proc/self/mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: String,
    pub(super) fstype: String,
    /// Its flags and its peer groups.
    options: String,
}

/// The mounts that this process sees.
pub(super) fn table(view: &View) -> Vec<Mount> {
    view.read_long("/proc/self/mountinfo").map_or_else(Vec::new, |text| parse(&text))
}

fn parse(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let line = Line::read(line)?;
        let options = line.options().collect::<Vec<_>>().join(" ");
        Some(Mount { point: line.point()?, fstype: line.fstype().to_owned(), options })
    };
    text.lines().filter_map(mount).collect()
}

/// The mount that a path is on, by the longest point that leads it.
pub(super) fn on(mounts: &[Mount], path: &str) -> Option<Mount> {
    let leads = |mount: &&Mount| {
        path == mount.point
            || mount.point == "/"
            || path.strip_prefix(&mount.point).is_some_and(|rest| rest.starts_with('/'))
    };
    mounts.iter().filter(leads).max_by_key(|mount| mount.point.len()).cloned()
}

pub(super) fn below<'m>(mounts: &'m [Mount], path: &str) -> impl Iterator<Item = &'m Mount> {
    let prefix = format!("{}/", path.trim_end_matches('/'));
    let inner =
        move |mount: &&Mount| mount.point.len() > prefix.len() && mount.point.starts_with(&prefix);
    mounts.iter().filter(inner)
}

// ---- simple steps

pub(super) fn private(scene: Scene<'_>, fault: Fault) -> Option<Finding> {
    matches!(fault.errno, Errno::EPERM | Errno::EACCES)
        .then(|| identity::forbidden(scene))
        .flatten()
        .or_else(|| {
            (fault.errno == Errno::EINVAL).then(|| {
                Finding::new(
                    "the runner is in a chroot, whose root is no mount",
                    "enter it as a mount instead",
                )
            })
        })
}

pub(super) fn tmpfs(size: &str, fault: Fault) -> Option<Finding> {
    match fault.errno {
        Errno::EINVAL => {
            let why = format!("the kernel does not take the size {}", name(size));
            Some(Finding::new(why, "write it as bytes, or as `64m`"))
        }
        _ => None,
    }
}

pub(super) fn pivot(scene: Scene<'_>, fault: Fault) -> Option<Finding> {
    let root = on(&table(scene.view), "/")?;
    (fault.errno == Errno::EINVAL && root.fstype == "rootfs").then(|| {
        Finding::new(
            "the root of this machine is its initramfs, and pivot_root can't leave that",
            "mount a root file system and switch to it (switch_root) first",
        )
    })
}

// ---- the root

pub(super) fn root(scene: Scene<'_>, path: &Path, fault: Fault) -> Option<Finding> {
    source(scene, path, true, fault).or_else(|| refused_clone(scene, path, true, fault))
}

/// What is wrong with a thing of the host's that was to be shown.
pub(super) fn source(
    scene: Scene<'_>,
    path: &Path,
    directory: bool,
    fault: Fault,
) -> Option<Finding> {
    let text = path.to_string_lossy();
    if let Some(link) = super::look::laid(path, fault) {
        return Some(link);
    }
    if let Some(Obstacle { why, errno }) = scene.view.obstacle(&text) {
        let help = match errno {
            Errno::EACCES => {
                "open that directory to the caller (`chmod o+x`), or choose another path".to_owned()
            }
            _ if text.starts_with("/dev/") => {
                "the host itself has no such device, as in a bare container: make it there, or load its driver"
                    .to_owned()
            }
            _ => near(scene.view, &text),
        };
        return Some(Finding::new(why, help));
    }
    let kind = scene.view.kind(&text).ok()?;
    (directory && kind != Kind::Directory && fault.errno != Errno::EPERM).then(|| {
        let why = format!("{} is {}, not a directory", name(text.as_bytes()), kind.words());
        Finding::new(why, "name a directory that holds a root file system")
    })
}

fn near(view: &View, path: &str) -> String {
    let (dir, last) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
    let dir = if dir.is_empty() { "/" } else { dir };
    let close = view
        .names(dir, 20_000)
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&name, last), name))
        .min()
        .filter(|(distance, _)| distance * 3 <= last.chars().count().max(3));
    match close {
        Some((_, other)) => {
            format!("did you mean {}?", name(format!("{}/{other}", dir.trim_end_matches('/'))))
        }
        None => {
            "correct the path, or make it first; relative paths start at the manifest's directory"
                .to_owned()
        }
    }
}

/// Why the kernel copies no mount of this path.
fn refused_clone(scene: Scene<'_>, path: &Path, recursive: bool, fault: Fault) -> Option<Finding> {
    let text = path.to_string_lossy();
    let mounts = table(scene.view);
    let inner: Vec<_> = below(&mounts, &text).take(3).map(|mount| name(&mount.point)).collect();
    match fault.errno {
        Errno::EINVAL if !recursive && !inner.is_empty() => Some(Finding::new(
            format!(
                "{} has mounts below it ({}), and a user namespace may not show what they cover",
                name(text.as_bytes()),
                list(inner, "and")
            ),
            "write `recursive: true`, so that they come along",
        )),
        Errno::EINVAL
            if on(&mounts, &text).is_some_and(|mount| mount.options.contains("unbindable")) =>
        {
            let why = format!("{} is on a mount marked unbindable", name(text.as_bytes()));
            Some(Finding::new(why, "`mount --make-private` it as root"))
        }
        Errno::EPERM | Errno::EACCES => {
            let flags = scene.view.flags(&text);
            let locked: Vec<_> = [
                (FsFlags::ST_RDONLY, "read-only"),
                (FsFlags::ST_NOEXEC, "noexec"),
                (FsFlags::ST_NODEV, "nodev"),
                (FsFlags::ST_NOSUID, "nosuid"),
            ]
            .iter()
            .filter(|(flag, _)| flags.contains(*flag))
            .map(|(_, word)| (*word).to_owned())
            .collect();
            (!locked.is_empty()).then(|| {
                Finding::new(
                    format!(
                        "the host mounts the file system of {} {}, and a user namespace may not lift that",
                        name(text.as_bytes()),
                        list(locked, "and")
                    ),
                    "ask for what the host's mount allows (`read_only`, `exec`, `suid`, `dev`)",
                )
            })
        }
        _ => None,
    }
}

// ---- targets

pub(super) fn read_only(view: &View, path: &str) -> Finding {
    let mounts = table(view);
    let point = on(&mounts, path).map_or_else(String::new, |mount| {
        format!(" ({} is mounted read-only)", name(&mount.point))
    });
    Finding::new(
        format!("{} is on a read-only file system{point}", name(path)),
        "choose a place that can be written",
    )
}

/// What is wrong with the place that something was to be mounted on.
pub(super) fn target(
    scene: Scene<'_>,
    target: &str,
    source: Option<Kind>,
    fault: Fault,
) -> Option<Finding> {
    let view = scene.sandbox()?;
    let shown = name(target);
    if let Some(Obstacle { why, errno }) = view.obstacle(target) {
        return Some(Finding::new(
            format!("inside the sandbox, {why}"),
            missing_target(scene, target, errno),
        ));
    }
    let kind = view.kind(target).ok()?;
    let directory = |kind| kind == Kind::Directory;
    match source {
        Some(source) if directory(source) != directory(kind) => Some(Finding::new(
            format!(
                "{shown} is {} in the root file system, and what is to be mounted there is {}",
                kind.words(),
                source.words()
            ),
            "mount a directory on a directory, and a file on a file",
        )),
        // What can't be looked at from here: the kernel has no other reason at this point.
        None if (fault.call, fault.errno) == (Call::MoveMount, Errno::EINVAL) => {
            Some(Finding::new(
                format!(
                    "{shown} is {} in the root file system, and what is to be mounted there is not",
                    kind.words()
                ),
                "mount a directory on a directory, and a file on a file",
            ))
        }
        _ if fault.errno == Errno::ELOOP => Some(Finding::new(
            format!(
                "the root file system has a symbolic link in {shown}, and nothing is mounted through that"
            ),
            "name the path that it leads to, or make a real directory of it",
        )),
        _ => None,
    }
}

fn missing_target(scene: Scene<'_>, target: &str, errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT if ["/proc/", "/sys/"].iter().any(|dir| target.starts_with(dir)) => {
            "only the kernel makes files there: choose another path"
        }
        Errno::ENOENT if !makes_targets(scene) => {
            "make it in the root file system: sixdocker makes nothing there but in a layer (`write: discard` below `rootfs`)"
        }
        Errno::ENOENT => "make it in the root file system, or correct the path",
        Errno::ELOOP => "nothing is mounted through a link that leads in a circle: remove it",
        _ => "correct the path or the root file system",
    }
}

/// The root is one in which missing targets are made.
fn makes_targets(scene: Scene<'_>) -> bool {
    !scene.plan.init.iter().any(|step| matches!(step.action, Init::Root(Root::Bind { .. })))
}

/// Why a directory, link or file could not be made inside.
pub(super) fn make(scene: Scene<'_>, path: &str, fault: Fault) -> Option<Finding> {
    let view = scene.sandbox()?;
    // The directories above it may have been to be made as well.
    let mut above = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
    let dir = above.find(|dir| view.stat(dir).is_ok()).unwrap_or("/");
    let shown = name(path);
    match fault.errno {
        Errno::ENOSPC | Errno::EDQUOT => full(scene, view, dir)
            .or_else(|| Some(Finding::only(format!("there is no room for {shown}")))),
        Errno::EOVERFLOW => Some(Finding::new(
            format!(
                "{} belongs to an id that is not mapped in the sandbox, so the overlay can't copy it up to write there",
                name(dir)
            ),
            "`chown` it to the caller, map more ids (`/etc/subuid`), or write `write: none` below `rootfs`",
        )),
        Errno::EROFS => Some(read_only(view, path)),
        Errno::EEXIST => {
            let kind = view.kind(path).map_or("there already", Kind::words);
            Some(Finding::new(
                format!("{shown} is {kind} in the root file system"),
                "choose another path",
            ))
        }
        Errno::EACCES | Errno::EPERM => {
            let stat = view.stat(dir).ok()?;
            Some(Finding::new(
                format!(
                    "uid {} can't write to {}, which {}",
                    nix::unistd::geteuid(),
                    name(dir),
                    owner(&stat)
                ),
                "choose another path, or `chown` that directory to the caller",
            ))
        }
        _ => target(scene, dir, Some(Kind::Directory), fault)
            .or_else(|| target(scene, path, None, fault)),
    }
}

/// A file system of the sandbox's own that has reached its size.
fn full(scene: Scene<'_>, view: &View, dir: &str) -> Option<Finding> {
    let found = scarcity::space(view, dir)?;
    let mut steps = scene.plan.init.iter().rev();
    let (what, size, key) = steps.find_map(|step| tmpfs_around(&step.action, dir))?;
    let why = format!("{}: {what} may hold {}", found.why, bytes(&size));
    let help = match key {
        Some(key) => format!("raise `{}`", key.replace('/', ".")),
        None => "raise its `size`".to_owned(),
    };
    let given = size.bytes().all(|byte| byte.is_ascii_digit());
    let found = Finding::new(why, help);
    Some(key.filter(|_| given).map_or(found.clone(), |key| found.key(key)))
}

/// The tmpfs of this step, if `dir` lies in it: what it is, its size, and the key that sets that.
fn tmpfs_around(action: &Init, dir: &str) -> Option<(String, String, Option<&'static str>)> {
    match action {
        Init::Mount(mount)
            if mount.fstype == "tmpfs" && Path::new(dir).starts_with(&mount.target) =>
        {
            let size = mount.options.iter().find(|(key, _)| key == "size")?.1.clone()?;
            Some((format!("the tmpfs on {}", name(&mount.target)), size, None))
        }
        Init::Scratch { size } => {
            let what = "the layer that keeps what is written above the root file system";
            Some((what.to_owned(), size.clone(), Some("rootfs/size")))
        }
        Init::Root(Root::Tmpfs { size }) => {
            Some(("the root, a tmpfs,".to_owned(), size.clone(), Some("rootfs/size")))
        }
        _ => None,
    }
}

/// A size as tmpfs takes it, in words.
fn bytes(size: &str) -> String {
    size.parse().map_or_else(|_| format!("{size} of memory"), crate::report::size)
}

/// Why a file could not be laid at its place.
pub(super) fn file(scene: Scene<'_>, path: &str, fault: Fault) -> Option<Finding> {
    let wrong_kind = matches!(fault.errno, Errno::EINVAL | Errno::ENOTDIR | Errno::EISDIR);
    let found = wrong_kind.then(|| target(scene, path, Some(Kind::File), fault)).flatten();
    found.or_else(|| make(scene, path, fault))
}

pub(super) fn bind(scene: Scene<'_>, bind: &Bind, fault: Fault) -> Option<Finding> {
    // Once it was copied, nothing is wrong with the way to it.
    let copied = fault.call != Call::OpenTree;
    let opened = matches!(fault.call, Call::OpenTree | Call::Openat2);
    if opened && let Some(finding) = source(scene, &bind.source, false, fault) {
        return Some(finding);
    }
    let kind = scene.view.kind(&bind.source.to_string_lossy()).ok();
    unmade(scene, &bind.target, bind.make_target, fault)
        .or_else(|| copied.then(|| target(scene, &bind.target, kind, fault)).flatten())
        .or_else(|| refused_clone(scene, &bind.source, bind.recursive, fault))
        .or_else(|| make(scene, &bind.target, fault).filter(|_| bind.make_target))
}

/// Why a place is not there that was to be made.
fn unmade(scene: Scene<'_>, path: &str, makes: bool, fault: Fault) -> Option<Finding> {
    let makes = makes && matches!(fault.call, Call::Mkdir | Call::Open | Call::Write);
    makes.then(|| make(scene, path, fault)).flatten()
}

// ---- kernel file systems

pub(super) fn kernel(scene: Scene<'_>, mount: &KernelMount, fault: Fault) -> Option<Finding> {
    unmade(scene, &mount.target, mount.make_target, fault)
        .or_else(|| target(scene, &mount.target, Some(Kind::Directory), fault))
        .or_else(|| upper(scene, mount, fault))
        .or_else(|| match fault.errno {
            Errno::ENODEV => no_such_type(scene, mount.fstype),
            Errno::EPERM | Errno::EACCES => forbidden(scene, mount.fstype),
            Errno::EBUSY => Some(Finding::only(format!("{} is in use", name(&mount.target)))),
            Errno::EINVAL if !mount.options.is_empty() => Some(options(mount)),
            Errno::ENOSPC => scarcity::space(scene.view, "/"),
            _ => None,
        })
        .or_else(|| make(scene, &mount.target, fault).filter(|_| mount.make_target))
}

/// What is wrong with the directory that an overlay of the manifest's writes to.
fn upper(scene: Scene<'_>, mount: &KernelMount, fault: Fault) -> Option<Finding> {
    let (_, dir) = mount.options.iter().find(|(key, _)| key == "upperdir")?;
    overlay::layer(scene, Path::new(dir.as_deref()?), fault)
}

/// The options that a file system of this type does not take, each tried by itself.
fn options(mount: &KernelMount) -> Finding {
    let shown = |(key, value): &(String, Option<String>)| match value {
        Some(value) => name(format!("{key}={value}")),
        None => name(key),
    };
    let refused = |(key, value): &&(String, Option<String>)| {
        sys::takes_option(mount.fstype, key, value.as_deref()).is_err()
    };
    let culprits: Vec<_> = mount.options.iter().filter(refused).map(shown).collect();
    let fstype = mount.fstype;
    let why = if culprits.is_empty() {
        let all = list(mount.options.iter().map(shown), "and");
        format!("{fstype} does not take these options together: {all}")
    } else {
        format!("{fstype} does not take {}", list(culprits, "and"))
    };
    Finding::new(why, "correct `options`, `size` or `mode`")
}

fn no_such_type(scene: Scene<'_>, fstype: &str) -> Option<Finding> {
    let known = scene.view.read("/proc/filesystems")?;
    let has = known.lines().any(|line| line.split_whitespace().last() == Some(fstype));
    (!has).then(|| {
        Finding::new(
            format!("this kernel has no file system {}", name(fstype)),
            format!("load it (`modprobe {fstype}`), or leave that mount out"),
        )
    })
}

fn forbidden(scene: Scene<'_>, fstype: &str) -> Option<Finding> {
    match fstype {
        "proc" => masked(scene, "/proc").map(|mask| {
            Finding::new(
                format!("{mask} covers a part of the /proc around this sandbox, as in a container, and the kernel then mounts no new one that would show it"),
                "write `proc: outer` (the /proc of outside), `proc: none`, or `allow_degraded: [fresh_proc]`",
            )
        }),
        "sysfs" if !scene.makes(Namespace::Network) => Some(Finding::new(
            "sysfs can only be mounted by who made the network namespace, and this sandbox has the host's",
            "use `network: none`, or bind /sys read-only",
        )),
        "sysfs" => masked(scene, "/sys").map(|mask| {
            let why = format!("{mask} covers a part of the /sys around this sandbox");
            Finding::new(why, "leave that mount out")
        }),
        _ => identity::forbidden(scene),
    }
}

/// The first mount that hides a part of /proc or /sys, by its name.
fn masked(scene: Scene<'_>, place: &str) -> Option<String> {
    let mounts = table(scene.view);
    let usual = [
        "binfmt_misc",
        "autofs",
        "cgroup",
        "cgroup2",
        "securityfs",
        "debugfs",
        "tracefs",
        "fusectl",
        "configfs",
        "bpf",
        "pstore",
        "efivarfs",
        "mqueue",
        "hugetlbfs",
        "selinuxfs",
    ];
    below(&mounts, place)
        .find(|mount| !usual.contains(&mount.fstype.as_str()))
        .map(|mount| format!("the mount {} ({})", name(&mount.point), name(&mount.fstype)))
}

/// Reads mounts that any container may show.
#[cfg(any(test, fuzzing))]
pub(super) fn endure(text: &str) {
    assert!(parse(text).len() <= text.lines().count());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read_with_its_escapes() {
        let text = "22 1 0:20 / /proc\\040x rw,nosuid shared:1 master:2 - proc proc rw\nbad\n1 1 8:1 / / rw - ext4 /dev/sda rw";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!((mounts[0].point.as_str(), mounts[0].fstype.as_str()), ("/proc x", "proc"));
        assert_eq!(on(&mounts, "/proc x/1").unwrap().fstype, "proc");
        assert_eq!(on(&mounts, "/procx").unwrap().fstype, "ext4");
        assert_eq!(below(&mounts, "/").count(), 1);
    }
}
