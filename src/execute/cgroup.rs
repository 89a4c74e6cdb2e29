//! Control groups of a run: their figures, the end of all that lives in them, their removal.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::plan::{Accounts, CgroupVersion, Group, Supervise};
use crate::report::Figures;
use crate::sys::{self, Fault};

/// How long a group may take to become empty after all in it were killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Removes a group of ours, with the groups that were made in it, and kills what is left in
/// them.
pub(super) fn remove(path: &Path) -> sys::Result<()> {
    let begun = Instant::now();
    loop {
        match sys::rmdir(path) {
            Err(Fault { errno: Errno::ENOENT, .. }) => return Ok(()),
            Err(fault) if fault.errno == Errno::EBUSY && begun.elapsed() < PATIENCE => {}
            other => return other,
        }
        kill_members(path);
        for child in children(path) {
            _ = remove(&child);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn children(path: &Path) -> Vec<PathBuf> {
    let dirs = sys::entries(path).into_iter().filter(|(_, is_dir)| *is_dir);
    dirs.map(|(name, _)| path.join(name)).collect()
}

/// Removes the groups of runners that are dead: `sixdocker-NAME-PID`, not locked. Who still
/// lives in one, since it had no PID namespace that died with the runner, is killed.
pub(super) fn sweep(parent: &Path) {
    let groups = children(parent);
    let rounds = groups.len().div_ceil(CLOSELY);
    for (path, n) in groups.iter().zip(std::process::id() as usize..) {
        let is_dead = if n.is_multiple_of(rounds) { sys::is_dead } else { sys::is_gone };
        if let Some(_lock) = orphan(path, is_dead) {
            clear(path);
        }
    }
}

/// Of so many groups a run asks whether their runner is one that nobody waited for, as in a
/// container whose PID 1 waits for nobody: of all where there are no more, else of other ones
/// each time.
const CLOSELY: usize = 32;

/// Whoever takes long to die is left to the next run.
fn clear(path: &Path) {
    kill_members(path);
    children(path).iter().for_each(|child| clear(child));
    _ = sys::rmdir(path);
}

/// The lock of a group whose runner is dead. A pid may be that of another PID namespace, so the
/// lock decides; it keeps others from taking the group for theirs.
fn orphan(path: &Path, is_dead: fn(i32) -> bool) -> Option<OwnedFd> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (_, pid) = name.strip_prefix("sixdocker-")?.rsplit_once('-')?;
    if !is_dead(pid.parse().ok()?) {
        return None;
    }
    let dir = sys::open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY).ok()?;
    sys::supervise::lock(dir.as_fd()).then_some(dir)
}

/// Kills all that lives in the groups of this run.
pub(super) fn kill_all(accounts: &Accounts) {
    accounts.groups.iter().for_each(|group| kill_members(&group.path));
}

fn kill_members(path: &Path) {
    // Since 5.14, and in cgroup v2 alone.
    if sys::write_file(&path.join("cgroup.kill"), b"1").is_ok() {
        return;
    }
    let members = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    // Zero is a process of a PID namespace that we don't see.
    for pid in members.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0) {
        _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Processor time that all processes of the run have used.
pub(super) fn cpu_used(accounts: &Accounts) -> Option<Duration> {
    let group = accounts.cpu.as_ref()?;
    match group.version {
        CgroupVersion::V2 => {
            let stat = read(group, "cpu.stat")?;
            field(&stat, "usage_usec").map(Duration::from_micros)
        }
        CgroupVersion::V1 => find(accounts, "cpuacct.usage").map(Duration::from_nanos),
    }
}

/// How many processes of a memory group the kernel has killed.
pub(super) fn oom_kills(group: &Group) -> Option<u64> {
    let file = match group.version {
        CgroupVersion::V1 => "memory.oom_control",
        CgroupVersion::V2 => "memory.events",
    };
    field(&read(group, file)?, "oom_kill")
}

/// Adds what the groups have counted to what is known already.
pub(super) fn figures(watch: &Supervise, mut known: Figures) -> Figures {
    let accounts = &watch.accounts;
    if let Some(group) = &accounts.memory {
        known.memory_limit = watch.memory_limit;
        known.memory_peak = peak(group).or(known.memory_peak);
        known.oom_kills = oom_kills(group).or(known.oom_kills);
    }
    if let Some(group) = &accounts.pids {
        known.pids_peak = number(group, "pids.peak");
        known.pids_refused = read(group, "pids.events").and_then(|text| field(&text, "max"));
    }
    if let Some(group) = &accounts.cpu {
        match group.version {
            CgroupVersion::V1 => cpu_v1(accounts, &mut known),
            CgroupVersion::V2 => cpu_v2(group, &mut known),
        }
    }
    throttling(accounts, &mut known);
    known
}

fn peak(group: &Group) -> Option<u64> {
    match group.version {
        CgroupVersion::V1 => number(group, "memory.max_usage_in_bytes"),
        CgroupVersion::V2 => number(group, "memory.peak"),
    }
}

fn cpu_v1(accounts: &Accounts, known: &mut Figures) {
    known.cpu_user =
        find(accounts, "cpuacct.usage_user").map(Duration::from_nanos).or(known.cpu_user);
    known.cpu_system =
        find(accounts, "cpuacct.usage_sys").map(Duration::from_nanos).or(known.cpu_system);
}

fn cpu_v2(group: &Group, known: &mut Figures) {
    let Some(stat) = read(group, "cpu.stat") else { return };
    let time = |name| field(&stat, name).map(Duration::from_micros);
    known.cpu_user = time("user_usec").or(known.cpu_user);
    known.cpu_system = time("system_usec").or(known.cpu_system);
}

/// The group that is throttled need not be the one that counts: on some hosts `cpu` is a hierarchy
/// of its own, and cgroup v2 beside it has a file of the same name.
fn throttling(accounts: &Accounts, known: &mut Figures) {
    let stats =
        accounts.cpu.iter().chain(&accounts.groups).filter_map(|group| read(group, "cpu.stat"));
    for stat in stats {
        let Some(periods) = field(&stat, "nr_throttled") else { continue };
        let v1 = field(&stat, "throttled_time").map(Duration::from_nanos);
        known.throttled = v1.or(field(&stat, "throttled_usec").map(Duration::from_micros));
        known.throttled_periods = Some(periods);
        return;
    }
}

/// A number in whichever of the run's groups has this file: on some hosts `cpu` and `cpuacct`
/// are hierarchies of their own.
fn find(accounts: &Accounts, file: &str) -> Option<u64> {
    let mut groups = accounts.cpu.iter().chain(&accounts.groups);
    groups.find_map(|group| number(group, file))
}

fn read(group: &Group, file: &str) -> Option<String> {
    fs::read_to_string(group.path.join(file)).ok()
}

fn number(group: &Group, file: &str) -> Option<u64> {
    read(group, file)?.trim().parse().ok()
}

/// The number after `name` in a file of lines `name number`.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(word, _)| *word == name)?.1.trim().parse().ok()
}

/// Reads a file of a control group.
#[cfg(any(test, fuzzing))]
pub(super) fn endure(text: &str) {
    let words = text.split_whitespace();
    words.for_each(|word| _ = field(text, word));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let stat = "oom 3\noom_kill 1\noom_kill_disable 0\n";
        assert_eq!(field(stat, "oom_kill"), Some(1));
        assert_eq!(field(stat, "kill"), None);
    }

    #[test]
    fn only_groups_of_dead_runners_are_orphans() {
        let dir = std::env::temp_dir().join(format!("sixdocker-test-{}", std::process::id()));
        let names = ["sixdocker-a-1", "sixdocker-a-4194303", "sixdocker-a", "other-4194303"];
        for name in names {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        sweep(&dir);
        let mut left: Vec<_> =
            children(&dir).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        left.sort();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(left, ["other-4194303", "sixdocker-a", "sixdocker-a-1"]);
    }

    #[test]
    fn a_killed_runner_that_nobody_waited_for_is_dead() {
        let dir = std::env::temp_dir().join(format!("sixdocker-zombie-{}", std::process::id()));
        let mut runner = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let group = dir.join(format!("sixdocker-a-{}", runner.id()));
        fs::create_dir_all(&group).unwrap();
        sweep(&dir);
        let kept = group.exists();
        runner.kill().unwrap();
        let id = nix::sys::wait::Id::Pid(Pid::from_raw(runner.id().cast_signed()));
        let left = nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT;
        nix::sys::wait::waitid(id, left).unwrap();
        sweep(&dir);
        let swept = !group.exists();
        runner.wait().unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert!(kept && swept);
    }
}
