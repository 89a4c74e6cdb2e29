//! The report as JSON, for machines.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::signal::Signal;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Ending, Failure, Outcome, sentence};
use crate::host::Host;
use crate::plan::Plan;
use crate::sys::{self, Status};

/// What happened in one run of a sandbox.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The version of this format. A key may be added to a version, none is changed.
    pub version: u8,
    /// The sandbox's name.
    pub name: String,
    /// The manifest's labels.
    pub labels: BTreeMap<String, String>,
    /// Why the run is over.
    pub ending: Word,
    /// The code that the runner exits with.
    pub exit_code: u8,
    /// One sentence on the ending, where it was not the command's own doing.
    pub sentence: Option<String>,
    /// Who ended it.
    pub ended_by: By,
    /// The signal that asked the runner to stop.
    pub asked: Option<Asked>,
    /// How the command itself ended.
    pub command: Option<CommandEnd>,
    /// The step that could not be done.
    pub failed_step: Option<FailedStep>,
    /// What is wrong with the manifest, where no run came of it.
    pub problems: Vec<String>,
    /// What it used.
    pub usage: Usage,
    /// What the host could not give and the manifest let go.
    pub degraded: Vec<Lost>,
    /// What is open, by the manifest or by default.
    pub holes: Vec<Open>,
    /// Output that could not be written, a group that could not be removed.
    pub troubles: Vec<String>,
    /// The machine.
    pub host: Option<Machine>,
    /// How long each step of the plan took.
    pub steps: Vec<StepTime>,
}

/// The closed list of endings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The command ended with 0.
    Ok,
    /// It ended with another code.
    Exit,
    /// A signal killed it that the runner did not send.
    Signal,
    /// `timeout` passed.
    Timeout,
    /// `limits.cpu_time` was used up.
    CpuTime,
    /// `limits.memory` was reached.
    Memory,
    /// `limits.output` was written.
    Output,
    /// A signal asked the runner to stop.
    Cancelled,
    /// The sandbox could not be set up, or the manifest is at fault.
    Setup,
    /// The command is not there.
    NotFound,
    /// It is there, but can't be executed.
    NotExecutable,
}

impl From<&Ending> for Word {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Ok => Self::Ok,
            Ending::Exit(_) => Self::Exit,
            Ending::Signal(_) => Self::Signal,
            Ending::Timeout => Self::Timeout,
            Ending::CpuTime => Self::CpuTime,
            Ending::Memory => Self::Memory,
            Ending::Output => Self::Output,
            Ending::Cancelled(_) => Self::Cancelled,
            Ending::Setup(_) => Self::Setup,
            Ending::NotFound(_) => Self::NotFound,
            Ending::NotExecutable(_) => Self::NotExecutable,
        }
    }
}

/// Who ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The command, by itself.
    Command,
    /// Somebody's signal to the command.
    Signal,
    /// The kernel, for want of memory.
    Kernel,
    /// The runner, for a limit of the manifest or a step that failed.
    Runner,
    /// The caller, by a signal to the runner.
    Caller,
}

impl From<Word> for By {
    fn from(word: Word) -> Self {
        match word {
            Word::Ok | Word::Exit => Self::Command,
            Word::Signal => Self::Signal,
            Word::Memory => Self::Kernel,
            Word::Cancelled => Self::Caller,
            _ => Self::Runner,
        }
    }
}

/// The signal that asked the runner to stop.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Asked {
    /// Its name, such as `SIGTERM`.
    pub signal: String,
    /// The pid of the sender; none when the kernel sent it.
    pub pid: Option<u32>,
    /// The uid of the sender.
    pub uid: Option<u32>,
}

/// How the command itself ended.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CommandEnd {
    /// The code it exited with.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<String>,
    /// The runner killed it: it could not hear the stop signal, or did not end in time.
    pub killed: bool,
}

/// A step that could not be done.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FailedStep {
    /// Its number in the plan.
    pub n: u16,
    /// The system call that failed.
    pub call: String,
    /// The kernel's reason, such as `EPERM`.
    pub errno: String,
    /// What was found when the reason was looked for.
    pub evidence: Option<String>,
}

/// What a run used. What nobody counted is null.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Usage {
    /// Seconds from the runner's start to the end.
    pub wall_seconds: f64,
    /// Seconds from the runner's start until the command ran.
    pub setup_seconds: Option<f64>,
    /// Seconds on processors in user mode, all processes together. Where no control group can be made
    /// to count: of those that their parents waited for, and null where they were killed together.
    pub cpu_user_seconds: Option<f64>,
    /// Seconds on processors in the kernel, of the same processes.
    pub cpu_system_seconds: Option<f64>,
    /// The most memory held at a time, in bytes; where no control group can be made to count, by one
    /// process, and null where all were killed together.
    pub memory_peak: Option<u64>,
    /// The limit that memory was held to, in bytes.
    pub memory_limit: Option<u64>,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: Option<u64>,
    /// The most processes and threads at a time.
    pub pids_peak: Option<u64>,
    /// How often the limit of processes refused one more.
    pub pids_refused: Option<u64>,
    /// How often a period's share of processor time was used up.
    pub throttled_periods: Option<u64>,
    /// Seconds spent waiting for the next period.
    pub throttled_seconds: Option<f64>,
    /// Bytes of output that passed through the runner.
    pub output_bytes: Option<u64>,
}

/// Something the host could not give.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Lost {
    /// The word of `allow_degraded`, or `stdin`.
    pub name: String,
    /// What was lost, and why.
    pub reason: String,
}

/// Something that is open.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Open {
    /// Its stable name, as `audit` tells it.
    pub id: String,
    /// What it allows.
    pub text: String,
    /// The key of the manifest that asks for it.
    pub key: String,
    /// The manifest is silent there: the default asks for it.
    pub default: bool,
    /// How exposed a sandbox is that has this hole and no other, from 0.1 to 10.0.
    pub weight: f64,
}

/// The machine a run was on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// The caller's user id.
    pub uid: u32,
    /// Which versions of control groups there are, where anybody looked.
    pub cgroups: Option<String>,
}

/// How long a step took.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StepTime {
    /// Its number in the plan.
    pub n: u16,
    /// In microseconds.
    pub micros: u32,
}

impl Report {
    /// The report of a run.
    #[must_use]
    pub fn new(plan: &Plan, host: &Host, outcome: &Outcome) -> Self {
        let mut report = Self::bare(&plan.name, Word::from(&outcome.ending));
        report.labels.clone_from(&plan.labels);
        report.exit_code = outcome.code();
        report.sentence = sentence(plan, outcome);
        report.asked = asked(outcome);
        report.command = command(outcome);
        report.failed_step = outcome.ending.failure().map(failed);
        report.usage = usage(outcome);
        report.degraded = lost(plan);
        report.holes = open(plan);
        report.troubles.clone_from(&outcome.troubles);
        report.host = Some(machine(host));
        report.steps =
            outcome.times.iter().map(|t| StepTime { n: t.n, micros: t.micros }).collect();
        report
    }

    /// The report of a manifest that no run came of.
    #[must_use]
    pub fn refused(name: &str, problems: Vec<String>, took: Duration) -> Self {
        let mut report = Self::bare(name, Word::Setup);
        report.exit_code = 125;
        report.problems = problems;
        report.usage.wall_seconds = took.as_secs_f64();
        report
    }

    fn bare(name: &str, ending: Word) -> Self {
        Self {
            version: 1,
            name: name.to_owned(),
            labels: BTreeMap::new(),
            ending,
            exit_code: 0,
            sentence: None,
            ended_by: By::from(ending),
            asked: None,
            command: None,
            failed_step: None,
            problems: Vec::new(),
            usage: Usage::default(),
            degraded: Vec::new(),
            holes: Vec::new(),
            troubles: Vec::new(),
            host: None,
            steps: Vec::new(),
        }
    }
}

fn asked(outcome: &Outcome) -> Option<Asked> {
    let came = outcome.asked?;
    let (pid, uid) = came.sender.unzip();
    Some(Asked { signal: came.signal.to_string(), pid, uid })
}

fn command(outcome: &Outcome) -> Option<CommandEnd> {
    if !outcome.started {
        return None;
    }
    let killed = outcome.killed;
    Some(match outcome.status? {
        Status::Exit(code) => CommandEnd { code: Some(code), signal: None, killed },
        Status::Signal(number) => {
            let name = Signal::try_from(number).map_or(number.to_string(), |s| s.to_string());
            CommandEnd { code: None, signal: Some(name), killed }
        }
    })
}

fn failed(failure: &Failure) -> FailedStep {
    FailedStep {
        n: failure.n,
        call: failure.fault.call.to_string(),
        errno: format!("{:?}", failure.fault.errno),
        evidence: failure.evidence.clone(),
    }
}

fn usage(outcome: &Outcome) -> Usage {
    let figures = &outcome.figures;
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    Usage {
        wall_seconds: figures.wall.as_secs_f64(),
        setup_seconds: seconds(figures.setup),
        cpu_user_seconds: seconds(figures.cpu_user),
        cpu_system_seconds: seconds(figures.cpu_system),
        memory_peak: figures.memory_peak,
        memory_limit: figures.memory_limit,
        oom_kills: figures.oom_kills,
        pids_peak: figures.pids_peak,
        pids_refused: figures.pids_refused,
        throttled_periods: figures.throttled_periods,
        throttled_seconds: seconds(figures.throttled),
        output_bytes: figures.output,
    }
}

fn lost(plan: &Plan) -> Vec<Lost> {
    let lost = plan.degraded.iter();
    lost.map(|lost| Lost { name: lost.name.to_owned(), reason: lost.reason.clone() }).collect()
}

fn open(plan: &Plan) -> Vec<Open> {
    let holes = plan.holes.iter();
    let open = |hole: &crate::plan::Hole| Open {
        id: hole.opening.id().to_owned(),
        text: hole.text(),
        key: hole.origin.key.to_string(),
        default: hole.origin.default,
        weight: hole.opening.points(),
    };
    holes.map(open).collect()
}

fn machine(host: &Host) -> Machine {
    let cgroups = host.cgroups.as_ref().map(|cgroups| {
        match (cgroups.unified.is_some(), cgroups.legacy.is_empty()) {
            (true, true) => "v2",
            (true, false) => "hybrid",
            (false, false) => "v1",
            (false, true) => "none",
        }
        .to_owned()
    });
    Machine { kernel: host.kernel.clone(), uid: host.uid, cgroups }
}

/// The JSON schema of a report.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Report);
    schema.insert("title".into(), "Report of a run of sixdocker".into());
    let mut schema = schema.to_value();
    drop_formats(&mut schema);
    schema
}

/// `format` names of Rust's numbers mean nothing to validators, and strict ones refuse them.
fn drop_formats(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.shift_remove("format");
            map.values_mut().for_each(drop_formats);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(drop_formats),
        _ => {}
    }
}

/// Where a report goes, held since before the command ran: a command that may write there may lay
/// links, but leads nothing astray that was found before.
#[derive(Debug)]
pub enum Place {
    /// A name in a directory. The file of that name is replaced.
    File(OwnedFd, OsString),
    /// A pipe, a device, or another name of an open file.
    Special(OwnedFd),
}

impl Place {
    /// Where the path leads, in which nothing may be a link: the planner has followed them, and
    /// found that they lead nowhere that a command chose.
    pub fn of(path: &Path) -> io::Result<Self> {
        if sys::is_kernels(path) {
            return Ok(Self::Special(sys::open(path, OFlag::O_PATH).map_err(error)?));
        }
        let path = std::path::absolute(path)?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        let dir = sys::open_unled(dir, OFlag::O_PATH | OFlag::O_DIRECTORY, 0).map_err(error)?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        match sys::openat(dir.as_fd(), Path::new(&name), flags, 0) {
            Ok(file) if is_special(&file) => Ok(Self::Special(file)),
            _ => Ok(Self::File(dir, name)),
        }
    }

    /// Writes a report: a regular file is whole at every moment, old or new, and no old one stays
    /// that would be taken for this run's; a pipe or device gets it as it is.
    pub fn write(&self, report: &Report) -> io::Result<()> {
        let text = crate::render::json_text(report);
        match self {
            Self::File(dir, name) => {
                let path = held(dir).join(name);
                replace(&path, text.as_bytes()).inspect_err(|_| _ = fs::remove_file(&path))
            }
            Self::Special(file) => {
                let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
                let mut options = fs::OpenOptions::new();
                let mut file = options.append(true).custom_flags(flags).open(held(file))?;
                file.write_all(text.as_bytes())
            }
        }
    }
}

/// The name of what is open, whatever the path now leads to (proc_pid_fd(5)).
fn held(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn error(fault: sys::Fault) -> io::Error {
    io::Error::from_raw_os_error(fault.errno as i32)
}

/// Not a file that may be replaced, nor a link that may be: a pipe, a device.
fn is_special(file: &OwnedFd) -> bool {
    let kind = sys::seen(file.as_fd()).map_or(0, |seen| seen.st_mode & libc::S_IFMT);
    ![libc::S_IFREG, libc::S_IFLNK, libc::S_IFDIR, 0].contains(&kind)
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = beside(path);
    left_beside(path).iter().for_each(|left| _ = fs::remove_file(left));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(&new)?;
    _ = sys::supervise::lock(file.as_fd());
    let written = file.write_all(content).and_then(|()| fs::rename(&new, path));
    written.inspect_err(|_| _ = fs::remove_file(&new))
}

/// A name in the same directory that nobody else takes, not even a command that knows us and
/// wants no report to be written.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{:016x}.tmp", std::process::id(), sys::secret()));
    path.with_file_name(name)
}

/// A directory where commands write may hold any number of such names.
const MOST_LEFT: usize = 64;

/// Such files of runners that are dead: they were killed before they could rename them. A pid may
/// be that of another PID namespace, so the lock decides.
fn left_beside(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let left = |file: &OsString| {
        let rest = file.as_bytes().strip_prefix(b".")?.strip_prefix(name)?.strip_prefix(b".")?;
        let rest = str::from_utf8(rest.strip_suffix(b".tmp")?).ok()?;
        let pid: i32 = rest.split('.').next()?.parse().ok()?;
        let own = i64::from(pid) == i64::from(std::process::id());
        let file = || {
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
            sys::open(&path.with_file_name(file), flags).ok()
        };
        let left = pid > 0 && (own || sys::is_dead(pid));
        file().filter(|file| left && sys::supervise::lock(file.as_fd()))
    };
    let names =
        path.parent().map(sys::entries).unwrap_or_default().into_iter().map(|(name, _)| name);
    let like = |file: &OsString| {
        let rest = file.as_bytes().strip_prefix(b".").and_then(|file| file.strip_prefix(name));
        rest.is_some_and(|rest| rest.ends_with(b".tmp"))
    };
    let names = names.filter(like).take(MOST_LEFT);
    names.filter(|name| left(name).is_some()).map(|name| path.with_file_name(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_killed_have_left_is_removed_and_nothing_else() {
        let dir = std::env::temp_dir().join(format!("sixdocker-report-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let names =
            [".r.json.4194303.tmp", ".r.json.1.tmp", ".r.json.x.tmp", ".s.json.4194303.tmp"];
        names.iter().for_each(|name| fs::write(dir.join(name), "").unwrap());
        replace(&dir.join("r.json"), b"{}").unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(left, [".r.json.1.tmp", ".r.json.x.tmp", ".s.json.4194303.tmp", "r.json"]);
    }
}
