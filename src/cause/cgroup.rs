//! Why a control group did not take what was asked.

use std::path::Path;

use nix::errno::Errno;

use super::Scene;
use super::finding::{Finding, list, name};
use super::look::{View, owner};
use super::{mount, scarcity};
use crate::sys::Fault;

fn split(path: &Path) -> (String, String) {
    let text = path.to_string_lossy();
    let (dir, file) = text.rsplit_once('/').unwrap_or(("", &text));
    (dir.to_owned(), file.to_owned())
}

fn words(view: &View, path: &str) -> Vec<String> {
    let text = view.read(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn quoted(words: &[String]) -> String {
    list(words.iter().map(name), "and")
}

// ---- making

pub(super) fn make(scene: Scene<'_>, path: &Path, fault: Fault) -> Option<Finding> {
    let (parent, _) = split(path);
    let view = scene.view;
    match fault.errno {
        Errno::EAGAIN => full(view, &parent),
        Errno::EACCES | Errno::EPERM => Some(not_ours(view, &parent)),
        Errno::EROFS => Some(Finding::new(
            format!(
                "the control groups at {} are mounted read-only, as in a container",
                name(&parent)
            ),
            "leave `limits` out, or mount them writable (a container wants its own cgroup namespace)",
        )),
        Errno::ENOENT | Errno::ENOTDIR => {
            let why = view.obstacle(&parent)?.why;
            Some(Finding::new(why, "correct `cgroup: {parent: …}`, or leave it out"))
        }
        Errno::EEXIST => Some(Finding::new(
            format!(
                "{} is there already: another run has it, or left it",
                name(path.to_string_lossy().as_bytes())
            ),
            "end that run, or `rmdir` the group",
        )),
        Errno::ENOSPC => scarcity::memory(scene),
        _ => None,
    }
}

/// A group above allows no more groups, or no deeper ones.
fn full(view: &View, parent: &str) -> Option<Finding> {
    let mut dir = parent.to_owned();
    let mut depth = 1;
    while dir.len() > "/sys/fs".len() {
        let limit = |file: &str| view.number(&format!("{dir}/{file}"));
        let have = view.field(&format!("{dir}/cgroup.stat"), "nr_descendants");
        let have = have.and_then(|number| number.parse::<u64>().ok());
        let most = limit("cgroup.max.descendants");
        if let (Some(most), Some(have)) = (most, have)
            && have >= most
        {
            return Some(Finding::new(
                format!(
                    "{} holds {have} groups, of {most} at most (its cgroup.max.descendants)",
                    name(&dir)
                ),
                format!(
                    "remove groups there, or raise {}",
                    name(format!("{dir}/cgroup.max.descendants"))
                ),
            ));
        }
        if let Some(most) = limit("cgroup.max.depth")
            && depth > most
        {
            return Some(Finding::new(
                format!("{} allows groups {most} deep (its cgroup.max.depth)", name(&dir)),
                format!("raise {}", name(format!("{dir}/cgroup.max.depth"))),
            ));
        }
        depth += 1;
        dir.truncate(dir.rfind('/')?);
    }
    None
}

fn not_ours(view: &View, dir: &str) -> Finding {
    let owner =
        view.stat(dir).map_or_else(|_| String::new(), |stat| format!(": it {}", owner(&stat)));
    Finding::new(
        format!(
            "uid {} may not change the control group {}{owner}",
            nix::unistd::geteuid(),
            name(dir)
        ),
        "start sixdocker in a group that is delegated to you: `systemd-run --user --scope -p Delegate=yes sixdocker up FILE`",
    )
}

// ---- handing controllers down

pub(super) fn enable(
    scene: Scene<'_>,
    path: &Path,
    controllers: &[String],
    fault: Fault,
) -> Option<Finding> {
    let text = path.to_string_lossy();
    let dir = text.strip_suffix("/cgroup.subtree_control").unwrap_or(&text);
    let view = scene.view;
    match fault.errno {
        Errno::EBUSY => Some(Finding::new(
            format!(
                "{} holds processes itself{}, and then it can hand no controller to groups below it",
                name(dir),
                inhabitants(view, dir)
            ),
            "move them to a group below it first; under systemd, `Delegate=yes` in a scope of its own does it",
        )),
        Errno::ENOENT | Errno::EINVAL => {
            let there = words(view, &format!("{dir}/cgroup.controllers"));
            let missing: Vec<_> =
                controllers.iter().filter(|one| !there.contains(one)).cloned().collect();
            (!missing.is_empty()).then(|| {
                Finding::new(
                    format!("{} is not given the controller {}, only {}", name(dir), quoted(&missing), quoted(&there)),
                    "enable it in the groups above (cgroup.subtree_control; systemd: `Delegate=` of the user manager, then `systemctl --user daemon-reexec`)",
                )
            })
        }
        Errno::EACCES | Errno::EPERM => Some(not_ours(view, dir)),
        Errno::EOPNOTSUPP => Some(threaded(dir)),
        _ => None,
    }
}

fn threaded(dir: &str) -> Finding {
    Finding::new(
        format!("{} is a threaded group, which has no such controllers", name(dir)),
        "choose another parent group",
    )
}

fn inhabitants(view: &View, dir: &str) -> String {
    let pids = words(view, &format!("{dir}/cgroup.procs"));
    let shown = pids.iter().take(3).map(|pid| {
        let command = view.read(&format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{pid} {}", name(command.trim()))
    });
    match pids.len() {
        0 => String::new(),
        1..=3 => format!(" ({})", list(shown, "and")),
        n => format!(" ({}, {n} in all)", shown.collect::<Vec<_>>().join(", ")),
    }
}

// ---- limits

pub(super) fn write(scene: Scene<'_>, path: &Path, value: &str, fault: Fault) -> Option<Finding> {
    let (dir, file) = split(path);
    let view = scene.view;
    let (shown, value) = (name(&file), name(value.trim()));
    match fault.errno {
        Errno::ENOENT => Some(no_such_file(view, &dir, &file)),
        Errno::EACCES | Errno::EPERM => Some(refused(view, path, &dir, &file)),
        Errno::ENODEV | Errno::ENXIO => Some(Finding::new(
            format!("{value} names no block device of this machine"),
            format!("`lsblk -d` lists them: {}", devices(view)),
        )),
        Errno::EBUSY => {
            let now = view.field(&format!("{dir}/{}", usage(&file)?), "")?;
            Some(Finding::new(
                format!("{shown} can't be set to {value}: {now} are in use"),
                "ask for more",
            ))
        }
        Errno::EINVAL | Errno::ERANGE | Errno::ENOSPC | Errno::EOPNOTSUPP => {
            Some(unfit(view, &dir, &file, &value))
        }
        _ => None,
    }
}

fn usage(file: &str) -> Option<&'static str> {
    match file {
        "memory.max" | "memory.high" => Some("memory.current"),
        "memory.limit_in_bytes" => Some("memory.usage_in_bytes"),
        _ => None,
    }
}

fn no_such_file(view: &View, dir: &str, file: &str) -> Finding {
    if let Some(obstacle) = view.obstacle(dir) {
        return Finding::only(obstacle.why);
    }
    let controller = file.split('.').next().unwrap_or(file);
    let have = words(view, &format!("{dir}/cgroup.controllers"));
    let files = view.names(dir, 1_000);
    let nearest = files.iter().min_by_key(|name| strsim::damerau_levenshtein(name, file));
    let near = nearest.filter(|name| strsim::damerau_levenshtein(name, file) <= 3);
    let help = match near {
        Some(other) => format!("did you mean {}?", name(other)),
        None => "leave it out: this kernel or this group has no such file".to_owned(),
    };
    if !have.is_empty() && !have.iter().any(|one| one == controller) && controller != "cgroup" {
        return Finding::new(
            format!(
                "{} has no {}: the controller {} is not enabled for it, only {}",
                name(dir),
                name(file),
                name(controller),
                quoted(&have)
            ),
            help,
        );
    }
    Finding::new(format!("{} has no file {}", name(dir), name(file)), help)
}

fn refused(view: &View, path: &Path, dir: &str, file: &str) -> Finding {
    let text = path.to_string_lossy();
    let Ok(stat) = view.stat(&text) else { return not_ours(view, dir) };
    let mode = stat.st_mode & 0o7777;
    if mode & 0o222 == 0 {
        let why = format!("{} can only be read", name(file));
        return Finding::new(why, "leave it out of `limits.cgroup`");
    }
    if file.starts_with("cpuset.") {
        return unfit(view, dir, file, "it");
    }
    Finding::new(
        format!(
            "uid {} may not write {}, which {}",
            nix::unistd::geteuid(),
            name(text.as_bytes()),
            owner(&stat)
        ),
        "a group may be delegated without this file: let its owner set it, or run as root",
    )
}

/// What a file takes, as far as it is known, and what stands in it.
fn unfit(view: &View, dir: &str, file: &str, value: &str) -> Finding {
    let now = view.read(&format!("{dir}/{file}")).unwrap_or_default();
    let now = match now.trim() {
        "" => String::new(),
        now => format!(" (it is {} now)", name(now.lines().next().unwrap_or_default())),
    };
    let takes = accepts(view, dir, file);
    Finding::new(format!("the kernel does not take {value} for {}{now}", name(file)), takes)
}

fn accepts(view: &View, dir: &str, file: &str) -> String {
    let parent = dir.rsplit_once('/').map_or("/", |(parent, _)| parent);
    let above = |names: [&str; 2]| {
        let found = names.iter().find_map(|file| view.read(&format!("{parent}/{file}")));
        name(found.unwrap_or_default().trim())
    };
    match file {
        "cpuset.cpus" => format!(
            "it takes a list of {}, which the group above has",
            above(["cpuset.cpus.effective", "cpuset.effective_cpus"])
        ),
        "cpuset.mems" => format!(
            "it takes a list of {}, which the group above has",
            above(["cpuset.mems.effective", "cpuset.effective_mems"])
        ),
        "cpu.max" => {
            "it takes `MICROSECONDS PERIOD`, both from 1000 up, the period up to 1000000".to_owned()
        }
        "cpu.weight" | "io.weight" | "io.bfq.weight" => "it takes 1 to 10000".to_owned(),
        "cpu.shares" => "it takes 2 to 262144".to_owned(),
        "blkio.weight" | "blkio.bfq.weight" => "it takes 10 to 1000".to_owned(),
        "pids.max" => "it takes a number from 0 up, or `max`".to_owned(),
        _ if file.starts_with("memory.") => "it takes bytes, or `max`".to_owned(),
        _ if file.starts_with("io.") => {
            "it takes `MAJOR:MINOR key=value…` of a whole disk".to_owned()
        }
        _ if file.starts_with("hugetlb.") => "it takes bytes, or `max`".to_owned(),
        _ => "see the kernel's documentation of that file".to_owned(),
    }
}

fn devices(view: &View) -> String {
    let mut names = view.names("/sys/block", 200);
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    let device = |name_: &String| {
        let number = view.read(&format!("/sys/block/{name_}/dev"))?;
        Some(format!("{name_} is {}", number.trim()))
    };
    names.iter().filter_map(device).take(6).collect::<Vec<_>>().join(", ")
}

// ---- entering

/// Why init could not be born in the group.
pub(super) fn born_in(scene: Scene<'_>, path: &Path, fault: Fault) -> Option<Finding> {
    let text = path.to_string_lossy();
    let view = scene.view;
    match fault.errno {
        Errno::EBUSY => {
            let on = words(view, &format!("{text}/cgroup.subtree_control"));
            Some(Finding::new(
                format!(
                    "{} hands {} down, so it can hold no process itself",
                    name(text.as_bytes()),
                    quoted(&on)
                ),
                "choose a group without groups of its own",
            ))
        }
        Errno::EACCES => Some(Finding::new(
            format!(
                "uid {} may not move a process from its group to {}: it takes write access to cgroup.procs of the group above both",
                nix::unistd::geteuid(),
                name(text.as_bytes())
            ),
            "start sixdocker inside the delegated group: `systemd-run --user --scope -p Delegate=yes …`",
        )),
        Errno::EOPNOTSUPP => Some(threaded(&text)),
        Errno::ENODEV | Errno::ENOENT => {
            let why = format!("the group {} was removed meanwhile", name(text.as_bytes()));
            Some(Finding::new(why, "start it again"))
        }
        Errno::EAGAIN => {
            let most = view.number(&format!("{text}/pids.max"))?;
            let why = format!("{} may hold no more than {most} processes", name(text.as_bytes()));
            (most == 0).then(|| Finding::new(why, "raise `limits.pids` to 1 at least"))
        }
        _ => None,
    }
}

/// Why init could not enter a group of cgroup v1.
pub(super) fn join(scene: Scene<'_>, path: &Path, fault: Fault) -> Option<Finding> {
    let (dir, file) = split(path);
    let dir = if file == "tasks" || file == "cgroup.procs" { dir } else { format!("{dir}/{file}") };
    let view = scene.view;
    match fault.errno {
        Errno::ENOSPC => {
            let empty = ["cpuset.cpus", "cpuset.mems"]
                .iter()
                .find(|file| words(view, &format!("{dir}/{file}")).is_empty())?;
            Some(Finding::new(
                format!(
                    "{} has no processor or memory node yet ({} is empty)",
                    name(&dir),
                    name(empty)
                ),
                "set `limits.cpuset` and `limits.cpuset_mems`",
            ))
        }
        Errno::EACCES | Errno::EPERM => Some(not_ours(view, &dir)),
        Errno::EROFS => Some(mount::read_only(view, &dir)),
        Errno::ENOENT => {
            view.obstacle(&path.to_string_lossy()).map(|obstacle| Finding::only(obstacle.why))
        }
        _ => None,
    }
}
