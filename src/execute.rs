//! Performs a plan, exactly.
//!
//! The parent makes ready, clones init, does for it what init can't do itself, lets it go, and
//! watches until all is over. Whatever it made is undone, last first, on every way out.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::plan::{Command, Namespace, Plan, Prepare, Step, Stream};
use crate::report::{Ending, Failure, Figures, Outcome, Time};
use crate::sys::supervise::{Signals, Window};
use crate::sys::{self, Call, Fault, Image, Status, Twin};

mod attend;
mod cgroup;
mod child;
pub mod init;
mod limits;
pub mod line;
mod mounts;
mod prepare;
mod relay;
mod scope;
mod stop;
mod streams;
mod supervise;
mod terminal;
mod text;
mod undo;

use child::Child;
use init::Outside;
use line::Message;
use prepare::Prepared;
use undo::Undo;

/// Runs the plan to its end. `begun` is when the runner was started.
pub fn run(plan: &Plan, begun: Instant) -> Outcome {
    let mut run = Run { plan, begun, undo: Undo::default(), times: Vec::new() };
    let signals = Signals::take(plan.supervise.terminal);
    // They are ours until the last thing is undone.
    let ended = match &signals {
        Ok(signals) => run.start().map(|started| supervise::watch(plan, started, signals)),
        Err(fault) => Err(failure(plan.clone.n)(*fault)),
    };
    let mut outcome = ended.unwrap_or_else(failed);
    look(plan, &mut outcome.ending);
    // Only a report and words about limits tell them.
    let limited = matches!(outcome.ending, Ending::Memory | Ending::Exit(_));
    if plan.supervise.report.is_some() || limited {
        outcome.figures = cgroup::figures(&plan.supervise, outcome.figures);
    }
    outcome.troubles.extend(run.undo.all());
    outcome.times.splice(0..0, run.times);
    outcome.figures.wall = begun.elapsed();
    outcome
}

/// Looks for the reason of a fault while everything stands as it was. What init has seen inside
/// goes before what is seen from here, and that before a helper's words.
fn look(plan: &Plan, ending: &mut Ending) {
    let (Ending::Setup(failure) | Ending::NotFound(failure) | Ending::NotExecutable(failure)) =
        ending
    else {
        return;
    };
    let ours = plan.attend.iter().any(|step| step.n == failure.n);
    if failure.evidence.is_none() || ours {
        let found = crate::cause::outside(plan, failure.n, failure.fault);
        failure.evidence = found.or(failure.evidence.take());
    }
}

/// What is known of a run whose command was never started.
fn failed(failure: Failure) -> Outcome {
    Outcome {
        ending: Ending::Setup(failure),
        status: None,
        asked: None,
        killed: false,
        started: false,
        figures: Figures::default(),
        times: Vec::new(),
        troubles: Vec::new(),
    }
}

/// Names the step that a fault belongs to.
fn failure(n: u16) -> impl Fn(Fault) -> Failure {
    move |fault| Failure { n, fault, evidence: None }
}

/// Init ended before the command ran, and could not say why: somebody killed it, or the line to
/// its parent failed.
fn vanished(plan: &Plan, status: Status) -> Failure {
    let n = plan.clone.n;
    let evidence = Some(crate::cause::vanished(status));
    Failure { n, fault: Call::Recvmsg.fault(Errno::ECONNRESET), evidence }
}

struct Run<'p> {
    plan: &'p Plan,
    begun: Instant,
    undo: Undo,
    times: Vec<Time>,
}

/// What the parent keeps of a sandbox that was let go.
struct Started {
    child: Child,
    /// Children that this process had before it became the runner, where that matters.
    callers: Vec<i32>,
    line: OwnedFd,
    /// Read ends of the pipes that are relayed, and where their bytes go.
    counted: Vec<(OwnedFd, Target)>,
    /// Where the runner's stdin is relayed to.
    fed: Option<OwnedFd>,
    /// Can be read when the memory group is out of memory.
    memory: Option<OwnedFd>,
    begun: Instant,
}

/// Where counted output goes.
enum Target {
    Standard(u8),
    File(OwnedFd),
}

/// The ends of everything that ties the parent and init together.
struct Ties {
    ours: (OwnedFd, OwnedFd),
    theirs: (OwnedFd, OwnedFd),
}

impl Run<'_> {
    fn start(&mut self) -> Result<Started, Failure> {
        let plan = self.plan;
        // Before a step takes this process into another one.
        let joins = |step: &Step<Prepare>| matches!(step.action, Prepare::JoinNetwork { .. });
        let outside = plan.prepare.iter().any(joins).then(Outside::own);
        let mut prepared = prepare::all(plan, &mut self.undo, &mut self.times)?;
        let memory = prepared.memory.take();
        let exec = &plan.exec.action;
        let image = Image::new(&exec.candidates, &exec.argv, &exec.environment);
        let image = image.map_err(failure(plan.exec.n))?;
        let clone = failure(plan.clone.n);
        let (ready, counted, fed) = streams(plan, prepared, image).map_err(&clone)?;
        let ties = Ties::new().map_err(&clone)?;
        let mut callers = Vec::new();
        if !plan.clone.action.namespaces.contains(&Namespace::Pid) {
            callers = child::children();
            sys::supervise::adopt_orphans().map_err(&clone)?;
        }
        let (child, line, go) = self.clone_init(ready, ties)?;
        let gone = self.attend(&child, &go).and_then(|()| {
            // Looked at while init works; it needs this last.
            let outside = outside.unwrap_or_else(Outside::own);
            sys::write_once(go.as_fd(), &init::go(&outside)).map_err(&clone)
        });
        if let Err(failure) = gone {
            // Init ends when it sees that nobody will let it go, and may have said why it did
            // so before.
            drop(go);
            return Err(told(&line).unwrap_or(failure));
        }
        // From here on there is one place to wait in.
        sys::supervise::set_nonblocking(line.as_fd(), true).map_err(&clone)?;
        Ok(Started { child, callers, line, counted, fed, memory, begun: self.begun })
    }

    /// In the parent: the child, the line from it, and the line that lets it go.
    fn clone_init(
        &mut self,
        ready: init::Ready,
        Ties { ours, theirs }: Ties,
    ) -> Result<(Child, OwnedFd, OwnedFd), Failure> {
        let step = &self.plan.clone;
        let at = Instant::now();
        let flags = init::flags(&step.action.namespaces);
        let group = step.action.into_cgroup.as_ref();
        let group = group.map(|path| sys::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY));
        let group = group.transpose().map_err(failure(step.n))?;
        match sys::clone(flags, group.as_ref().map(AsFd::as_fd)).map_err(failure(step.n))? {
            Twin::Child => {
                drop(ours);
                init::build(self.plan, &ready, theirs.0.as_fd(), theirs.1)
            }
            Twin::Parent(pid, pidfd) => {
                self.times.push(time(step.n, at));
                Ok((Child::new(pid, pidfd), ours.0, ours.1))
            }
        }
    }

    fn attend(&mut self, child: &Child, go: &OwnedFd) -> Result<(), Failure> {
        for step in &self.plan.attend {
            let at = Instant::now();
            let failed = |(fault, evidence)| Failure { n: step.n, fault, evidence };
            let made = attend::perform(&step.action, child.pid()).map_err(failed)?;
            if let Some(mount) = made {
                sys::send_descriptor(go.as_fd(), b'D', mount.as_fd()).map_err(failure(step.n))?;
            }
            self.times.push(time(step.n, at));
        }
        if self.plan.attend.is_empty() {
            return Ok(());
        }
        sys::write_once(go.as_fd(), &[init::ATTENDED]).map_err(failure(self.plan.clone.n))
    }
}

impl Ties {
    fn new() -> sys::Result<Self> {
        let (line, theirs) = sys::line()?;
        let (gone, go) = sys::line()?;
        Ok(Self { ours: (line, gone), theirs: (theirs, go) })
    }
}

/// The fault that init told of, once it has ended.
fn told(line: &OwnedFd) -> Option<Failure> {
    let mut failure: Option<Failure> = None;
    while let Ok(Some(message)) = line::receive(line) {
        match message {
            Message::Fault { n, fault } => failure = Some(Failure { n, fault, evidence: None }),
            Message::Evidence(text) => {
                failure.iter_mut().for_each(|failure| failure.learn(&text));
            }
            _ => {}
        }
    }
    failure
}

/// How long a step took that began `at`.
fn time(n: u16, at: Instant) -> Time {
    Time { n, micros: u32::try_from(at.elapsed().as_micros()).unwrap_or(u32::MAX) }
}

/// What init needs, and the parent's ends of the pipes that are relayed.
fn streams(
    plan: &Plan,
    prepared: Prepared,
    image: Image,
) -> sys::Result<(init::Ready, Vec<(OwnedFd, Target)>, Option<OwnedFd>)> {
    let [mut stdin, mut stdout, mut stderr] = prepared.streams;
    let mut fed = None;
    if is_relayed(plan, 0) {
        let (read, write) = sys::pipe()?;
        sys::open_pipe(read.as_fd(), 0)?;
        sys::supervise::set_nonblocking(write.as_fd(), true)?;
        (stdin, fed) = (Some(read), Some(write));
    }
    let (mut counted, mut ours) = ([None, None], Vec::new());
    let files = [&mut stdout, &mut stderr];
    for (stream, (end, file)) in (1..).zip(counted.iter_mut().zip(files)) {
        if is_relayed(plan, stream) {
            let (read, write) = sys::pipe()?;
            sys::open_pipe(write.as_fd(), stream)?;
            *end = Some(write);
            ours.push((read, file.take().map_or(Target::Standard(stream), Target::File)));
        }
    }
    let window = plan.supervise.terminal.then(Window::callers).flatten();
    let streams = [stdin, stdout, stderr];
    Ok((init::Ready { image, streams, counted, window }, ours, fed))
}

fn is_relayed(plan: &Plan, stream: u8) -> bool {
    plan.command.iter().any(|step| match &step.action {
        Command::Streams { stdin, stdout, stderr } => {
            [stdin, stdout, stderr].get(usize::from(stream)) == Some(&&Stream::Relayed)
        }
        _ => false,
    })
}

/// Whether a fault says that the command is not there, or can't be executed.
fn ending(plan: &Plan, failure: Failure) -> Ending {
    let executing = failure.n == plan.exec.n && failure.fault.call == Call::Execve;
    if !executing {
        Ending::Setup(failure)
    } else if crate::cause::is_missing(&failure) {
        Ending::NotFound(failure)
    } else {
        Ending::NotExecutable(failure)
    }
}

/// Reads a file of a control group.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure_files(text: &str) {
    cgroup::endure(text);
}
