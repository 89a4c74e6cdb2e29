//! The report as JSON, for machines.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Ending, Failure, Outcome, sentence};
use crate::host::Host;
use crate::plan::Plan;
use crate::sys::Status;

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
    /// When it ended, in seconds since 1970 (UTC). It began `usage.wall_seconds` before.
    pub ended_at: f64,
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
            ended_at: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64(),
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
