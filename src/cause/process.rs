//! Why the process could not be given what it was to have.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use super::Scene;
use super::finding::{Finding, name};
use super::look::{Kind, owner};
use super::scarcity;
use crate::sys::{self, Fault};

pub(super) fn stream(scene: Scene<'_>, path: &Path, fault: Fault) -> Option<Finding> {
    let text = path.to_string_lossy();
    let shown = name(text.as_bytes());
    if let Some(link) = super::look::laid(path, fault) {
        return Some(link);
    }
    match fault.errno {
        Errno::EISDIR => {
            return Some(Finding::new(format!("{shown} is a directory"), "name a file in it"));
        }
        Errno::ENXIO => {
            return Some(Finding::new(
                format!("{shown} is a FIFO that nobody reads, or a device that is not there"),
                "start its reader first",
            ));
        }
        Errno::EROFS => return Some(super::mount::read_only(scene.view, &text)),
        Errno::ENOSPC => return scarcity::space(scene.view, parent(&text)),
        _ => {}
    }
    if let Some(obstacle) = scene.view.obstacle(&text) {
        let new = obstacle.errno == Errno::ENOENT;
        let help = if new {
            "make the directory first, or correct the path"
        } else {
            "correct the path or its permissions"
        };
        return Some(Finding::new(obstacle.why, help));
    }
    (fault.errno == Errno::EACCES).then(|| {
        let stat = scene.view.stat(&text);
        let owner = stat.map_or_else(|_| String::new(), |stat| format!(", which {}", owner(&stat)));
        let uid = nix::unistd::geteuid();
        Finding::new(format!("uid {uid} may not open {shown}{owner}"), "choose a file of your own")
    })
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((dir, _)) => dir,
    }
}

pub(super) fn hostname(host: &str, fault: Fault) -> Option<Finding> {
    (fault.errno == Errno::EINVAL && host.len() > 64).then(|| {
        Finding::new(
            format!(
                "the host name {} has {} bytes, and the kernel takes 64 at most",
                name(host),
                host.len()
            ),
            "write a shorter `hostname` (or `name`)",
        )
    })
}

pub(super) fn scheduler() -> Finding {
    Finding::new(
        "the runner was started under a real-time or idle scheduler that it may not leave",
        "start it with the ordinary one: `chrt --other 0 sixdocker …`",
    )
}

pub(super) fn sysctl(scene: Scene<'_>, key: &str, value: &str, fault: Fault) -> Option<Finding> {
    let swapped = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    let path: String = "/proc/sys/".chars().chain(key.chars().map(swapped)).collect();
    let view = scene.view;
    match fault.errno {
        Errno::ENOENT | Errno::ENOTDIR => {
            if let Err(Errno::ENOENT) = view.stat("/proc/sys") {
                let why = "the sandbox has no /proc/sys to write it through";
                return Some(Finding::new(why, "`proc: new` gives it one"));
            }
            let obstacle = view.obstacle(&path)?;
            Some(Finding::new(
                format!("this kernel has no sysctl {}: {}", name(key), obstacle.why),
                near_sysctl(scene, &path),
            ))
        }
        Errno::EINVAL | Errno::ERANGE => {
            let now = view
                .read(&path)
                .map_or_else(String::new, |text| format!(" (it is {} now)", name(text.trim())));
            Some(Finding::new(
                format!("the kernel does not take {} for {}{now}", name(value), name(key)),
                "see what it takes in the kernel's documentation of that sysctl",
            ))
        }
        Errno::EACCES | Errno::EPERM | Errno::EROFS => Some(Finding::new(
            format!(
                "{} belongs to the whole machine, not to a namespace of this sandbox",
                name(key)
            ),
            "set it on the host as root (`sysctl`), or leave it out",
        )),
        _ => None,
    }
}

fn near_sysctl(scene: Scene<'_>, path: &str) -> String {
    let (dir, last) = path.rsplit_once('/').unwrap_or(("", path));
    let names = scene.view.names(dir, 5_000);
    let nearest = names.iter().min_by_key(|name| strsim::damerau_levenshtein(name, last));
    match nearest.filter(|name| strsim::damerau_levenshtein(name, last) <= 3) {
        Some(other) => format!("did you mean {}?", name(other)),
        None => "leave it out, or load the module that brings it".to_owned(),
    }
}

fn amount(limit: Option<u64>) -> String {
    match limit {
        Some(u64::MAX) | None => "unlimited".to_owned(),
        Some(limit) => limit.to_string(),
    }
}

pub(super) fn rlimit(
    scene: Scene<'_>,
    word: &str,
    soft: Option<u64>,
    hard: Option<u64>,
    fault: Fault,
) -> Option<Finding> {
    let word = word.trim_start_matches("RLIMIT_").to_ascii_lowercase();
    if fault.errno == Errno::EINVAL {
        let why =
            format!("the soft limit {} is above the hard limit {}", amount(soft), amount(hard));
        return Some(Finding::new(why, format!("lower `ulimits.{word}.soft`")));
    }
    if fault.errno != Errno::EPERM {
        return None;
    }
    let ceiling = scene.view.number("/proc/sys/fs/nr_open");
    if word == "nofile"
        && let Some(ceiling) = ceiling
        && hard.unwrap_or(u64::MAX) > ceiling
    {
        return Some(Finding::new(
            format!(
                "no process may have more than {ceiling} files open on this host (fs.nr_open), and {} are asked for",
                amount(hard)
            ),
            format!("ask for {ceiling} at most"),
        ));
    }
    let (_, own) = getrlimit(sys::resource(&word)?).ok()?;
    Some(Finding::new(
        format!(
            "the caller's own hard limit is {}, and {} is asked for: only root may raise it",
            amount(Some(own)),
            amount(hard)
        ),
        format!(
            "ask for {} at most in `ulimits.{word}`, or raise the caller's (`ulimit`, limits.conf)",
            amount(Some(own))
        ),
    ))
}

pub(super) fn nice(value: i8, fault: Fault) -> Option<Finding> {
    if !matches!(fault.errno, Errno::EACCES | Errno::EPERM) {
        return None;
    }
    let (soft, _) = getrlimit(Resource::RLIMIT_NICE).ok()?;
    let lowest = 20_i64 - i64::try_from(soft.min(40)).ok()?;
    Some(Finding::new(
        format!(
            "the caller may go down to nice {lowest} (RLIMIT_NICE = {soft}), and {value} is asked for"
        ),
        format!("ask for {} or more, or raise the caller's limit", lowest.min(19)),
    ))
}

pub(super) fn terminal(scene: Scene<'_>, fault: Fault) -> Option<Finding> {
    match fault.errno {
        Errno::ENOSPC => {
            let most = scene.view.number("/proc/sys/kernel/pty/max")?;
            let used = scene.view.number("/proc/sys/kernel/pty/nr").unwrap_or_default();
            Some(Finding::new(
                format!(
                    "{used} pseudo-terminals are open on this machine, of {most} at most (kernel.pty.max)"
                ),
                "close some, or as root: `sysctl kernel.pty.max=…`",
            ))
        }
        Errno::ENOENT => Some(Finding::only("the sandbox has no /dev/ptmx")),
        _ => None,
    }
}

pub(super) fn chdir(scene: Scene<'_>, path: &str, fault: Fault) -> Option<Finding> {
    let view = scene.sandbox()?;
    if let Some(obstacle) = view.obstacle(path) {
        let help = match obstacle.errno {
            Errno::EACCES => {
                "open that directory to the sandbox's user, or choose another `working_dir`"
            }
            _ => "write a `working_dir` that is in the root file system or a mount; it is not made",
        };
        return Some(Finding::new(obstacle.why, help));
    }
    match view.kind(path) {
        Ok(Kind::Directory) if fault.errno == Errno::EACCES => {
            let stat = view.stat(path).ok()?;
            Some(Finding::new(
                format!(
                    "uid {} may not enter {}: it {}",
                    nix::unistd::geteuid(),
                    name(path),
                    owner(&stat)
                ),
                "open that directory to the sandbox's user, or choose another `working_dir`",
            ))
        }
        Ok(Kind::Directory) | Err(_) => None,
        Ok(kind) => Some(Finding::new(
            format!("{} is {}, not a directory", name(path), kind.words()),
            "write a directory",
        )),
    }
}

pub(super) fn landlock(scene: Scene<'_>, fault: Fault) -> Option<Finding> {
    if !matches!(fault.errno, Errno::EOPNOTSUPP | Errno::ENOSYS) {
        return None;
    }
    let modules = scene.view.read("/sys/kernel/security/lsm");
    let listed =
        modules.map_or_else(String::new, |list| format!(" (its modules: {})", name(list.trim())));
    Some(Finding::new(
        format!("this kernel was booted without Landlock{listed}"),
        "boot with `lsm=landlock,…`, or write `security: {landlock: auto}`",
    ))
}

pub(super) fn seccomp_of_the_caller(fault: Fault) -> Option<Finding> {
    let filtered = sys::is_filtered().unwrap_or_default();
    (filtered && matches!(fault.errno, Errno::EPERM | Errno::ENOSYS)).then(|| {
        Finding::new(
            "the runner itself runs under a seccomp filter, as in a container, that refuses it",
            "run it outside of that container, or under a wider profile",
        )
    })
}
