//! Watches a sandbox from the start of init to its end: one loop, waiting in one place.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::child::{Child, KILLED};
use super::limits::Limits;
use super::line::{self, Message};
use super::stop::{Reason, Stop};
use super::streams::{Event, Stream, Streams};
use super::terminal::Terminal;
use super::{Started, cgroup, ending};
use crate::plan::{Namespace, Plan};
use crate::report::{Ending, Failure, Figures, Outcome, Time};
use crate::sys::supervise::{Came, Signals};
use crate::sys::{Fault, Status};

/// A run that lasts longer has its runner give back the memory that only its start needed.
const SHORT: Duration = Duration::from_millis(50);

/// Watches until nobody is left inside and everything that was said is passed on.
pub(super) fn watch(plan: &Plan, started: Started, signals: &Signals) -> Outcome {
    let mut watch = Watch::new(plan, started, signals);
    while !watch.is_over() {
        watch.turn();
    }
    watch.outcome()
}

struct Watch<'p> {
    plan: &'p Plan,
    signals: &'p Signals,
    child: Child,
    callers: Vec<i32>,
    line: Option<OwnedFd>,
    heard: Heard,
    limits: Limits<'p>,
    stop: Option<Stop>,
    streams: Streams,
    /// When memory is given back, until it was.
    rest: Option<Instant>,
    begun: Instant,
    troubles: Vec<String>,
}

/// What init has told.
#[derive(Default)]
struct Heard {
    failure: Option<Failure>,
    ended: Option<Status>,
    /// Of its steps; told when all is built, before the command.
    times: Option<Vec<u32>>,
    /// When the command began to run, since the runner's start.
    running: Option<Duration>,
}

/// What a descriptor of the loop belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Line,
    Child,
    Signals,
    Memory,
    Stream(Stream),
}

impl<'p> Watch<'p> {
    fn new(plan: &'p Plan, started: Started, signals: &'p Signals) -> Self {
        let Started { child, callers, line, counted, fed, memory, begun } = started;
        Self {
            plan,
            signals,
            child,
            callers,
            line: Some(line),
            heard: Heard::default(),
            limits: Limits::new(&plan.supervise, memory, Instant::now()),
            stop: None,
            streams: Streams::new(counted, fed, plan.supervise.output),
            rest: Instant::now().checked_add(SHORT),
            begun,
            troubles: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.child.is_dead() && self.line.is_none() && self.streams.is_done()
    }

    fn turn(&mut self) {
        for of in self.wait() {
            match of {
                Of::Line => self.listen(),
                Of::Child => self.ended(),
                Of::Signals => self.signals(),
                Of::Memory => self.limits.cried(),
                Of::Stream(stream) => self.carry(stream),
            }
        }
        self.look_at_clock(Instant::now());
    }

    /// Waits for anything to happen.
    fn wait(&self) -> Vec<Of> {
        // Made first and gone last: memory is given back in the opposite order.
        let mut happened = Vec::with_capacity(8);
        let awaited = self.awaited();
        let mut fds: Vec<PollFd<'_>> =
            awaited.iter().map(|(_, (fd, flags))| PollFd::new(*fd, *flags)).collect();
        match poll(&mut fds, self.patience()) {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(Errno::EINTR) => return happened,
            Err(_) => {
                // The machine is short of something. Whoever wants an end is heard all the same.
                std::thread::sleep(Duration::from_millis(1));
                happened.extend([Of::Line, Of::Signals]);
                return happened;
            }
        }
        let came = fds.iter().map(|fd| fd.any() != Some(false));
        happened.extend(awaited.iter().zip(came).filter(|(_, came)| *came).map(|((of, _), _)| *of));
        happened
    }

    fn awaited(&self) -> Vec<(Of, (BorrowedFd<'_>, PollFlags))> {
        let read = |fd| (fd, PollFlags::POLLIN);
        // An init that becomes the command or gives up closes the line. What it told before is
        // heard then: to wake this process takes init 10 us.
        let told = if self.plan.spawn.is_some() { PollFlags::POLLIN } else { PollFlags::empty() };
        // What init tells, and its end, count before what is asked at the same time.
        let mut awaited = Vec::with_capacity(8);
        awaited.extend(self.line.as_ref().map(|line| (Of::Line, (line.as_fd(), told))));
        if !self.child.is_dead() {
            awaited.push((Of::Child, read(self.child.as_fd())));
            awaited.extend(self.limits.event().map(|event| (Of::Memory, read(event))));
        }
        awaited.push((Of::Signals, read(self.signals.as_fd())));
        awaited.extend(self.streams.wants().map(|(stream, wants)| (Of::Stream(stream), wants)));
        awaited
    }

    fn patience(&self) -> PollTimeout {
        let next = match &self.stop {
            _ if self.child.is_dead() => self.streams.next(),
            Some(stop) => stop.kill,
            None => {
                self.limits.next().into_iter().chain(self.rest).chain(self.streams.next()).min()
            }
        };
        let Some(next) = next else { return PollTimeout::NONE };
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    fn look_at_clock(&mut self, now: Instant) {
        self.streams.look_at_clock(now);
        if self.child.is_dead() {
            return;
        }
        if self.rest.is_some_and(|rest| rest <= now) {
            self.rest = None;
            crate::sys::forget_program();
        }
        if self.stop.as_ref().and_then(|stop| stop.kill).is_some_and(|kill| kill <= now) {
            self.kill();
        }
        if self.stop.is_none()
            && let Some(reached) = self.limits.reached(now)
        {
            self.stop(Reason::Limit(reached));
        }
    }

    /// Hears all that init has told. At the end of the line the command runs, or init is dead.
    fn listen(&mut self) {
        while let Some(line) = &self.line {
            match line::receive(line) {
                Ok(Some(message)) => self.hear(message),
                Err(Fault { errno: Errno::EAGAIN, .. }) => return,
                Ok(None) => self.end_of_line(),
                Err(fault) => {
                    self.troubles.push(format!("init could not be heard: {fault}"));
                    self.end_of_line();
                }
            }
        }
    }

    fn end_of_line(&mut self) {
        self.line = None;
        self.runs();
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Fault { n, fault } => {
                self.heard.failure = Some(Failure { n, fault, evidence: None });
            }
            Message::Evidence(text) => {
                self.heard.failure.iter_mut().for_each(|failure| failure.learn(&text));
            }
            Message::Ended(status) => self.heard.ended = Some(status),
            Message::Terminal(master) => match Terminal::new(master) {
                Ok(terminal) => self.streams.terminal = Some(terminal),
                Err(fault) => {
                    self.heard.failure = Some(super::failure(self.plan.clone.n)(fault));
                    self.kill();
                }
            },
            Message::Times(times) => {
                self.heard.times = Some(times);
                // With an init that stays, the line does not end when the command runs.
                if self.plan.spawn.is_some() {
                    self.runs();
                }
            }
        }
    }

    fn runs(&mut self) {
        let heard = &self.heard;
        if heard.times.is_some() && heard.failure.is_none() && heard.running.is_none() {
            self.heard.running = Some(self.begun.elapsed());
        }
    }

    /// Init is dead, and with it everyone in its PID namespace.
    fn ended(&mut self) {
        self.listen();
        if let Err(fault) = self.child.reap() {
            self.troubles.push(format!("init could not be waited for: {fault}"));
        }
        if !self.is_alone() {
            cgroup::kill_all(&self.plan.supervise.accounts);
            super::child::kill_orphans(&self.callers);
        }
        self.streams.left(self.stop.is_some(), self.limits.timeout());
    }

    /// The sandbox has a PID namespace of its own.
    fn is_alone(&self) -> bool {
        self.plan.clone.action.namespaces.contains(&Namespace::Pid)
    }

    fn signals(&mut self) {
        while let Some(came) = self.signals.next() {
            match came.signal {
                Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP | Signal::SIGQUIT => {
                    self.asked(came);
                }
                Signal::SIGUSR1 | Signal::SIGUSR2 => self.child.signal(came.signal as i32),
                Signal::SIGWINCH => match &self.streams.terminal {
                    Some(terminal) => terminal.resize(),
                    None => self.child.signal(came.signal as i32),
                },
                Signal::SIGTSTP => self.streams.terminal.iter().for_each(Terminal::suspend),
                Signal::SIGCONT => self.streams.terminal.iter().for_each(Terminal::resume),
                _ => {}
            }
        }
    }

    /// Somebody wants the run to end. Once more, and it is killed; when only output is left
    /// that nobody takes, that is given up.
    fn asked(&mut self, came: Came) {
        if self.is_over() {
            // It ended by itself.
        } else if self.child.is_dead() {
            let reason = Reason::Asked(came);
            self.stop.get_or_insert(Stop { reason, kill: None, killed: false });
            self.streams.give_up();
        } else if self.stop.is_some() {
            self.kill();
        } else {
            self.stop(Reason::Asked(came));
        }
    }

    /// Ends the run for this reason: at once, or by a signal and a time of grace.
    fn stop(&mut self, reason: Reason) {
        if self.stop.is_some() {
            return;
        }
        // Whether the command runs already decides how it is ended.
        self.listen();
        let signal = if reason.is_gentle() { self.heeded(reason.signal()) } else { None };
        let kill = Instant::now().checked_add(self.plan.supervise.grace);
        self.stop = Some(Stop { reason, kill, killed: false });
        match signal {
            Some(signal) => {
                self.child.signal(signal);
                // One that is stopped would not hear it.
                self.child.signal(Signal::SIGCONT as i32);
            }
            None => self.kill(),
        }
    }

    /// The signal that the command does not miss: the very one that came, or the stop signal; else
    /// the first of them, if it chose to ignore that one, and goes on for as long as it may. TERM is
    /// what a stop signal stands for.
    fn heeded(&self, came: Option<i32>) -> Option<i32> {
        self.heard.running?;
        let came = came.filter(|signal| *signal != Signal::SIGTERM as i32);
        let stop = self.plan.supervise.stop_signal;
        let signals = || came.into_iter().chain([stop]);
        let first = self.plan.spawn.is_none() && self.is_alone();
        let received = signals().find(|signal| !first || self.child.receives(*signal));
        received.or_else(|| signals().next().filter(|signal| !self.child.would_end(*signal)))
    }

    fn kill(&mut self) {
        if let Some(stop) = &mut self.stop {
            stop.kill = None;
            stop.killed = true;
        }
        self.child.signal(Signal::SIGKILL as i32);
        cgroup::kill_all(&self.plan.supervise.accounts);
    }

    fn carry(&mut self, stream: Stream) {
        match self.streams.turn(stream) {
            Some(Event::Stop(reason)) => self.stop(reason),
            Some(Event::Key(signal, group)) => self.key(signal, group),
            None => {}
        }
    }

    /// A key sent this signal to the group in the foreground. The kernel keeps it from a command
    /// that is PID 1 and does not handle it: outside it would have ended that one, and whoever
    /// types it wants no less here.
    fn key(&mut self, signal: Signal, group: i32) {
        let first = self.plan.spawn.is_none() && self.is_alone();
        if first && group == self.child.pid() && self.child.would_end(signal as i32) {
            self.asked(Came { signal, sender: None });
        }
    }

    fn outcome(mut self) -> Outcome {
        let (own, usage) = self.child.end().unwrap_or((KILLED, <_>::default()));
        // An init that stays tells how the command ended; with what it ends itself says nothing.
        let Heard { failure, ended, running, .. } = &self.heard;
        let silent = ended.is_none() && running.is_some() && failure.is_none();
        let lost = silent && self.plan.spawn.is_some() && matches!(own, Status::Exit(_));
        if lost {
            self.troubles.push("how the command ended was not told".to_owned());
        }
        if self.limits.blind {
            self.troubles.push("the processor time that it used could not always be read".into());
        }
        let status = self.heard.ended.unwrap_or(if lost { KILLED } else { own });
        // Of processes that were killed with their init, nobody has waited for the others.
        let whole = own != KILLED;
        let figures = Figures {
            setup: self.heard.running,
            cpu_user: whole.then_some(usage.user),
            cpu_system: whole.then_some(usage.system),
            memory_peak: whole.then_some(usage.resident),
            output: self.streams.counted(),
            ..Figures::default()
        };
        let starved = !lost && self.limits.starved(status == KILLED);
        let ending = self.ending(status, starved);
        if let Some(Err(fault)) = self.streams.terminal.as_mut().map(Terminal::give_back) {
            self.troubles
                .push(format!("the terminal stays as it was inside (`stty sane`): {fault}"));
        }
        self.troubles.append(&mut self.streams.troubles);
        let silent = matches!(ending, Ending::Ok | Ending::Exit(_)) && self.troubles.is_empty();
        self.streams.terminal.iter_mut().filter(|_| !silent).for_each(Terminal::end_line);
        Outcome {
            asked: self.stop.as_ref().and_then(Stop::asked),
            killed: self.stop.as_ref().is_some_and(|stop| stop.killed),
            started: self.heard.running.is_some() && self.heard.failure.is_none(),
            times: self.times(),
            ending,
            status: Some(status),
            figures,
            troubles: self.troubles,
        }
    }

    fn ending(&self, status: Status, starved: bool) -> Ending {
        let reason = self.stop.as_ref().map(|stop| stop.reason);
        match (reason, &self.heard.failure, status) {
            (Some(reason), _, _) => reason.ending(),
            (None, Some(failure), _) => ending(self.plan, failure.clone()),
            (None, None, _) if starved => Ending::Memory,
            (None, None, status) if self.heard.running.is_none() => {
                Ending::Setup(super::vanished(self.plan, status))
            }
            (None, None, Status::Exit(0)) => Ending::Ok,
            (None, None, Status::Exit(code)) => Ending::Exit(code),
            (None, None, Status::Signal(signal)) => Ending::Signal(signal),
        }
    }

    /// The times of init's steps, in their order.
    fn times(&self) -> Vec<Time> {
        let init = self.plan.init.iter().map(|step| step.n);
        let spawn = self.plan.spawn.iter().map(|step| step.n);
        let command = self.plan.command.iter().map(|step| step.n);
        let numbers = init.chain(spawn).chain(command);
        numbers
            .zip(self.heard.times.iter().flatten())
            .map(|(n, micros)| Time { n, micros: *micros })
            .collect()
    }
}
