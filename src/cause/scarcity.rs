//! What there was not enough of.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use super::Scene;
use super::finding::{Finding, name};
use super::look::View;
use crate::host::Host;
use crate::plan::Prepare;
use crate::sys::{self, Call, Fault};

/// No descriptor left, in this process or on the machine. With none, no looking is possible:
/// this is asked first.
pub(super) fn descriptors(errno: Errno) -> Option<Finding> {
    match errno {
        Errno::EMFILE => {
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or_default();
            Some(Finding::new(
                format!("this process may have no more than {soft} files open (hard limit {hard})"),
                "raise it before the start: `ulimit -n 1024`",
            ))
        }
        Errno::ENFILE => {
            // To read how many there are takes an open file.
            Some(Finding::new(
                "the machine has as many files open as `sysctl fs.file-max` tells",
                "end what holds them, or raise it: `sysctl fs.file-max=…`",
            ))
        }
        _ => None,
    }
}

/// No process could be started: which limit stood in the way.
pub(super) fn processes(scene: Scene<'_>, errno: Errno) -> Option<Finding> {
    match errno {
        Errno::EAGAIN => {}
        Errno::ENOMEM => return memory(scene),
        _ => return None,
    }
    if scene.inside
        && let Some(most) = pids_of_the_plan(scene)
    {
        return Some(Finding::new(
            format!(
                "the sandbox may have no more than {most} processes at once, this one included"
            ),
            "raise `limits.pids`",
        ));
    }
    group_full(scene).or_else(|| own_processes(scene)).or_else(|| whole_machine(scene))
}

/// A small `limits.pids`, as the plan writes it.
fn pids_of_the_plan(scene: Scene<'_>) -> Option<u64> {
    let written = scene.plan.prepare.iter().find_map(|step| match &step.action {
        Prepare::WriteCgroup { path, value } if path.ends_with("pids.max") => Some(value),
        _ => None,
    })?;
    written.trim().parse().ok().filter(|most| *most <= 2)
}

/// The control group that this process is in, or one above it, is full.
fn group_full(scene: Scene<'_>) -> Option<Finding> {
    let groups = scene.view.read("/proc/self/cgroup")?;
    let line = groups.lines().find(|line| line.contains(":pids:") || line.starts_with("0::"))?;
    let mut path = line.splitn(3, ':').nth(2)?.to_owned();
    let mount = if line.starts_with("0::") { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/pids" };
    loop {
        let dir = format!("{mount}{path}");
        let count = scene.view.number(&format!("{dir}/pids.current"));
        let most = scene.view.number(&format!("{dir}/pids.max"));
        if let (Some(count), Some(most)) = (count, most)
            && count >= most
        {
            let dir = name(&dir);
            return Some(Finding::new(
                format!(
                    "the control group {dir} that the runner is in has {count} processes, of {most} at most"
                ),
                format!("end some of them, or raise pids.max of {dir}"),
            ));
        }
        path.truncate(path.rfind('/')?);
    }
}

/// The caller's processes, by the limit of RLIMIT_NPROC.
fn own_processes(scene: Scene<'_>) -> Option<Finding> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NPROC).ok()?;
    let uid = nix::unistd::getuid();
    let count = tasks_of(scene.view, uid.as_raw());
    (soft < u64::MAX && count >= soft).then(|| {
        Finding::new(
            format!("uid {uid} has {count} processes and threads, of {soft} at most (RLIMIT_NPROC, hard limit {hard})"),
            if scene.inside { "raise `ulimits.nproc`" } else { "end some of them, or raise it: `ulimit -u`" },
        )
    })
}

/// Threads of a user, counted in /proc.
fn tasks_of(view: &View, uid: u32) -> u64 {
    let pids = view.names("/proc", 100_000);
    pids.iter()
        .filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| view.stat(&format!("/proc/{pid}")).is_ok_and(|stat| stat.st_uid == uid))
        .filter_map(|pid| {
            view.field(&format!("/proc/{pid}/status"), "Threads")?.parse::<u64>().ok()
        })
        .sum()
}

fn whole_machine(scene: Scene<'_>) -> Option<Finding> {
    let most = scene.view.number("/proc/sys/kernel/threads-max")?;
    let load = scene.view.read("/proc/loadavg")?;
    let all: u64 = load.split('/').nth(1)?.split_whitespace().next()?.parse().ok()?;
    (all * 100 >= most * 95).then(|| {
        Finding::new(
            format!("the machine runs {all} threads, of {most} at most (kernel.threads-max)"),
            "end some of them",
        )
    })
}

/// Memory is used up, the caller's or the machine's.
pub(super) fn memory(scene: Scene<'_>) -> Option<Finding> {
    let (soft, _) = getrlimit(Resource::RLIMIT_AS).ok()?;
    if soft < 1 << 30 {
        return Some(Finding::new(
            format!("this process may use no more than {soft} bytes of address space (RLIMIT_AS)"),
            "raise it before the start (`ulimit -v unlimited`), or `ulimits.as`",
        ));
    }
    let free = scene.view.field("/proc/meminfo", "MemAvailable")?;
    Some(Finding::new(format!("the kernel found no memory; {free} are free"), "free some memory"))
}

/// Session keyrings are counted for each user.
pub(super) fn keys(scene: Scene<'_>, errno: Errno) -> Option<Finding> {
    if errno != Errno::EDQUOT {
        return None;
    }
    let most = scene.view.number("/proc/sys/kernel/keys/maxkeys")?;
    Some(Finding::new(
        format!("this user has as many kernel keys as are allowed ({most}, kernel.keys.maxkeys)"),
        "end idle sessions, or raise it: `sysctl kernel.keys.maxkeys=…`",
    ))
}

/// A file system is full: of bytes, or of files.
pub(super) fn space(view: &View, path: &str) -> Option<Finding> {
    let (blocks, files) = view.free(path)?;
    let path = name(path);
    match (blocks, files) {
        (_, Some(0)) => Some(Finding::new(
            format!("the file system of {path} has no inode left: it holds too many files"),
            "remove files there",
        )),
        (0, _) => {
            Some(Finding::new(format!("the file system of {path} is full"), "make room there"))
        }
        _ => None,
    }
}

/// What a call's failure means whatever it was called for.
pub(super) fn ordinary(fault: Fault, host: &Host) -> Option<Finding> {
    match fault.errno {
        Errno::ENOSYS if !filtered(fault.call) => Some(Finding::new(
            format!("this kernel ({}) has no {}", host.kernel, fault.call),
            "`sixdocker doctor` says what this host can do",
        )),
        Errno::EPERM | Errno::ENOSYS if filtered(fault.call) => Some(Finding::new(
            format!(
                "the runner itself runs under a seccomp filter, which may refuse {}",
                fault.call
            ),
            "run it outside of that container, or under a wider profile",
        )),
        _ => None,
    }
}

/// This process runs under a filter of somebody else's, who often forbids such calls.
pub(super) fn filtered(call: Call) -> bool {
    let often = matches!(
        call,
        Call::Clone3
            | Call::Unshare
            | Call::Mount
            | Call::PivotRoot
            | Call::Setns
            | Call::OpenTree
            | Call::MoveMount
            | Call::Fsopen
            | Call::Fsmount
            | Call::Fsconfig
            | Call::MountSetattr
            | Call::Umount2
    );
    often && sys::is_filtered().unwrap_or_default()
}
