//! What surrounds the command at the moment when it is executed, seen from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

/// Everything that can be told of the process, one line each; what differs from run to run is
/// left out.
pub(crate) fn around(pid: Pid, mark: &str, place: &str) -> Vec<String> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let mut scene = status(&proc);
    scene.extend(namespaces(&proc));
    scene.extend(mounts(&proc));
    for file in ["limits", "cgroup", "uid_map", "gid_map", "setgroups", "oom_score_adj", "environ"]
    {
        let text = fs::read_to_string(proc.join(file)).unwrap_or_else(|error| error.to_string());
        let lines = text.split(['\n', '\0']).filter(|line| !line.is_empty());
        scene.extend(lines.map(|line| format!("{file}: {}", words(line))));
    }
    scene.extend(descriptors(&proc));
    for link in ["cwd", "root"] {
        scene.push(format!("{link}: {:?}", fs::read_link(proc.join(link))));
    }
    scene.push(format!("nice: {:?}", stat(&proc, 16)));
    for directory in ["", "dev", "etc", "tmp", "run"] {
        scene.extend(listing(&proc.join("root"), directory));
    }
    scene.extend(groups(mark).iter().flat_map(|group| settings(group)));
    let outside = outside(&proc);
    let plain = |line: String| {
        let line = line.replace(place, "HERE");
        let line = outside.iter().fold(line, |line, id| line.replace(id, "OUTSIDE"));
        without_numbers_of(&line, mark)
    };
    scene.into_iter().map(plain).collect()
}

/// Where the ids inside begin outside, if that is a range of the run's own.
fn outside(proc: &Path) -> Option<String> {
    let map = fs::read_to_string(proc.join("uid_map")).ok()?;
    let first = map.split_whitespace().nth(1)?.to_owned();
    (first.len() > 5).then_some(first)
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

const STATUS: &[&str] = &[
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "SigBlk",
    "SigIgn",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Cpus_allowed_list",
    "CoreDumping",
];

fn status(proc: &Path) -> Vec<String> {
    let text = fs::read_to_string(proc.join("status")).unwrap_or_default();
    let wanted = |line: &&str| line.split_once(':').is_some_and(|(key, _)| STATUS.contains(&key));
    let depth = text.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let depth = depth.map_or(0, |pids| pids.split_whitespace().count());
    text.lines()
        .filter(wanted)
        .map(str::to_owned)
        .chain([format!("pid namespaces {depth}")])
        .collect()
}

fn namespaces(proc: &Path) -> Vec<String> {
    ["user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "time"]
        .iter()
        .map(|name| {
            let theirs = fs::read_link(proc.join("ns").join(name)).ok();
            let ours = fs::read_link(format!("/proc/self/ns/{name}")).ok();
            format!("{name} namespace {}", if theirs == ours { "the host's" } else { "its own" })
        })
        .collect()
}

/// Fields as in proc_pid_mountinfo(5), without ids and device numbers.
fn mounts(proc: &Path) -> Vec<String> {
    let text = fs::read_to_string(proc.join("mountinfo")).unwrap_or_default();
    let told = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let dash = fields.iter().position(|field| *field == "-").unwrap_or(fields.len());
        // The name of a source that is none depends on who mounts it.
        let named = |field: &&&str| fields.get(dash + 1) != Some(*field);
        let kind = fields.get(dash + 1).into_iter();
        let source = fields.get(dash + 2).into_iter().filter(named).filter(|it| **it != "none");
        let rest = fields.get(dash + 3..).unwrap_or_default().iter();
        let after: Vec<&str> = kind.chain(source).chain(rest).copied().collect();
        let after = after.join(" ");
        // It depends on whether the layers were used before.
        let after = after.replace(",uuid=on", "");
        // Which descriptors the layers have depends on what was opened before.
        let after: String = after
            .split("/proc/self/fd/")
            .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()))
            .collect();
        // A file's name in the scratch tells its step's number.
        let root = fields.get(3).copied().unwrap_or_default();
        let root = if root.starts_with("/file") { "/file" } else { root };
        format!("mount {root} {} {after}", fields.get(4..6).unwrap_or_default().join(" "))
    };
    text.lines().map(told).collect()
}

fn descriptors(proc: &Path) -> Vec<String> {
    let entries = fs::read_dir(proc.join("fd")).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .map(|entry| {
            let leads = fs::read_link(entry.path()).unwrap_or_default();
            let leads = leads.to_string_lossy();
            let kind = leads.split(":[").next().unwrap_or_default();
            format!("descriptor {} {kind}", entry.file_name().to_string_lossy())
        })
        .collect();
    found.sort();
    found
}

fn stat(proc: &Path, field: usize) -> Option<String> {
    let text = fs::read_to_string(proc.join("stat")).ok()?;
    let rest = text.rsplit_once(')')?.1.to_owned();
    rest.split_whitespace().nth(field).map(str::to_owned)
}

fn listing(root: &Path, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(root.join(directory)).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .map(|entry| {
            let (name, path) = (entry.file_name(), entry.path());
            let mode = fs::symlink_metadata(&path).map_or(0, |seen| seen.permissions().mode());
            let content = match mode & 0o170_000 {
                0o120_000 => fs::read_link(&path).unwrap_or_default().display().to_string(),
                0o100_000 if directory == "etc" => fs::read_to_string(&path).unwrap_or_default(),
                _ => String::new(),
            };
            format!("/{directory}/{}: {mode:o} {content:?}", name.to_string_lossy())
        })
        .collect();
    found.sort();
    found
}

/// The control groups of a sandbox of this name.
pub(crate) fn groups(mark: &str) -> Vec<PathBuf> {
    fn walk(path: &Path, depth: u32, sought: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().contains(sought) {
                    found.push(entry.path());
                } else if depth > 0 {
                    walk(&entry.path(), depth - 1, sought, found);
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), 4, &format!("sixdocker-{mark}-"), &mut found);
    found.sort();
    found
}

const SETTINGS: &[&str] = &[
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "pids.max",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.shares",
    "cpuset.cpus",
    "cpuset.mems",
    "memory.max",
    "memory.swap.max",
    "cpu.max",
    "memory.oom.group",
];

fn settings(group: &Path) -> Vec<String> {
    let told = |name: &&str| {
        let value = fs::read_to_string(group.join(name)).ok()?;
        Some(format!("group {} {name} {}", group.display(), value.trim()))
    };
    SETTINGS.iter().filter_map(told).collect()
}

/// Without the name, and the runner's pid that stands after it in the name of a group.
fn without_numbers_of(text: &str, mark: &str) -> String {
    let mut parts = text.split(mark);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("MARK");
        let rest = part
            .strip_prefix('-')
            .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        shown.push_str(rest.unwrap_or(part));
    }
    shown
}
