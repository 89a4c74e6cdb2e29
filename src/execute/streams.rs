//! The streams that pass through the runner: a terminal's, both ways, and output that is counted.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::signal::Signal;

use super::Target;
use super::relay::{Relay, Sink, Turn, source};
use super::stop::Reason;
use super::terminal::Terminal;

/// How long output may be silent, or go unread, once nobody is left inside.
const DRAIN: Duration = Duration::from_secs(2);

/// After so long, and then after twice as long each time, the end of input is told again.
const AGAIN: Duration = Duration::from_millis(100);

/// All streams of a run that the runner carries itself.
pub(super) struct Streams {
    pub(super) terminal: Option<Terminal>,
    counted: Vec<Relay>,
    /// The runner's stdin, where the command may not have it itself.
    fed: Option<Relay>,
    /// How many bytes of output may come (`limits.output`), and have come.
    limit: Option<u64>,
    bytes: u64,
    /// When the terminal is told again that there is no more input, and how long after the last
    /// time that is.
    again: Option<(Instant, Duration)>,
    /// With nobody left inside: when the last of the output is given up.
    drain: Option<Instant>,
    /// With nobody left inside: when output is given up that somebody outside holds open, and from
    /// which nothing comes.
    quiet: Option<Instant>,
    pub(super) troubles: Vec<String>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Fed,
    Input,
    Output,
    Counted(usize),
}

/// What the run has to answer to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It is to be ended.
    Stop(Reason),
    /// A key was typed that sends this signal to the group in the foreground.
    Key(Signal, i32),
}

impl Streams {
    /// `counted` is output and where it goes, `fed` where the runner's stdin goes; of all output
    /// together at most `limit` bytes do.
    pub(super) fn new(
        counted: Vec<(OwnedFd, Target)>,
        fed: Option<OwnedFd>,
        limit: Option<u64>,
    ) -> Self {
        let mut troubles = Vec::new();
        let relay = |(from, target): (OwnedFd, Target)| {
            let sink = match target {
                Target::Standard(stream) => Sink::standard(stream),
                Target::File(file) => Ok(Sink::of(file)),
            };
            let failed = |fault| troubles.push(format!("output can't be passed on: {fault}"));
            sink.map_err(failed).ok().map(|sink| Relay::new(from, sink))
        };
        let counted = counted.into_iter().filter_map(relay).collect();
        let fed = fed.and_then(|end| Some(Relay::new(source().ok()?, Sink::own(end))));
        Self {
            terminal: None,
            counted,
            fed,
            limit,
            bytes: 0,
            again: None,
            drain: None,
            quiet: None,
            troubles,
        }
    }

    /// All output has come and is passed on.
    pub(super) fn is_done(&self) -> bool {
        self.outputs().all(Relay::is_done)
    }

    /// How many bytes of output have come, where they are limited.
    pub(super) fn counted(&self) -> Option<u64> {
        self.limit.map(|_| self.bytes)
    }

    fn outputs(&self) -> impl Iterator<Item = &Relay> {
        self.terminal.iter().map(|terminal| &terminal.output).chain(&self.counted)
    }

    fn outputs_mut(&mut self) -> impl Iterator<Item = &mut Relay> {
        self.terminal.iter_mut().map(|terminal| &mut terminal.output).chain(&mut self.counted)
    }

    /// What each of them waits for.
    pub(super) fn wants(&self) -> impl Iterator<Item = (Stream, (BorrowedFd<'_>, PollFlags))> {
        let terminal = self.terminal.iter().flat_map(|terminal| {
            [(Stream::Input, &terminal.input), (Stream::Output, &terminal.output)]
        });
        let counted = self.counted.iter().enumerate().map(|(n, relay)| (Stream::Counted(n), relay));
        let fed = self.fed.iter().map(|relay| (Stream::Fed, relay));
        fed.chain(terminal)
            .chain(counted)
            .filter_map(|(stream, relay)| Some((stream, relay.wants()?)))
    }

    /// Carries what there is.
    pub(super) fn turn(&mut self, stream: Stream) -> Option<Event> {
        let left = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.bytes));
        let relay = match stream {
            Stream::Fed => return self.feed(),
            Stream::Input => return self.input(),
            Stream::Output => &mut self.terminal.as_mut()?.output,
            Stream::Counted(n) => self.counted.get_mut(n)?,
        };
        match relay.turn(left) {
            Turn::End => None,
            Turn::Read(count) => {
                self.came(count);
                None
            }
            Turn::Over => {
                self.outputs_mut().for_each(Relay::close);
                Some(Event::Stop(Reason::Output))
            }
            Turn::Refused(errno) => {
                if errno != Errno::EPIPE {
                    self.troubles.push(format!("output could not be written: {}", errno.desc()));
                }
                self.refused(stream, errno).map(Event::Stop)
            }
        }
    }

    fn came(&mut self, count: usize) {
        self.bytes += count as u64;
        if self.quiet.is_some() {
            self.quiet = Instant::now().checked_add(DRAIN);
        }
    }

    /// A command whose output is counted is told in its own way that nobody reads it: the pipe
    /// breaks. A terminal does not break; the run ends.
    fn refused(&mut self, stream: Stream, errno: Errno) -> Option<Reason> {
        match stream {
            Stream::Counted(n) => {
                self.counted.get_mut(n).iter_mut().for_each(|relay| relay.give_up());
                None
            }
            _ if errno == Errno::EIO => Some(Reason::HungUp),
            _ => Some(Reason::Unread),
        }
    }

    /// At its end, and where the command has closed it, the pipe is closed.
    fn feed(&mut self) -> Option<Event> {
        let relay = self.fed.as_mut()?;
        let refused = matches!(relay.turn(u64::MAX), Turn::Refused(_));
        if refused || relay.is_done() {
            self.fed = None;
        }
        None
    }

    fn input(&mut self) -> Option<Event> {
        let terminal = self.terminal.as_mut()?;
        match terminal.input.turn(u64::MAX) {
            Turn::End if terminal.input_ended() => Some(Event::Stop(Reason::HungUp)),
            Turn::End => {
                self.again_after(Instant::now(), AGAIN);
                None
            }
            Turn::Read(count) => {
                terminal.key(count).map(|(signal, group)| Event::Key(signal, group))
            }
            _ => None,
        }
    }

    fn again_after(&mut self, now: Instant, after: Duration) {
        self.again = now.checked_add(after).map(|at| (at, after));
    }

    /// Nobody is left inside. Output that nobody reads is given up at this moment, that of a run
    /// which was `stopped` soon.
    pub(super) fn left(&mut self, stopped: bool, give_up: Option<Instant>) {
        self.terminal.iter_mut().for_each(Terminal::left);
        self.fed = None;
        let soon = Instant::now().checked_add(DRAIN);
        self.quiet = soon;
        self.drain = if stopped { soon } else { give_up };
        self.again = None;
    }

    /// When [`Self::look_at_clock`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        let again = self.again.map(|(at, _)| at);
        self.drain.into_iter().chain(self.silence()).chain(again).min()
    }

    /// When the rest of the output is given up, where all that came has been passed on.
    fn silence(&self) -> Option<Instant> {
        self.quiet.filter(|_| self.outputs().all(Relay::is_idle))
    }

    pub(super) fn look_at_clock(&mut self, now: Instant) {
        let is_over = |at: Instant| at <= now;
        if let Some((_, after)) = self.again.filter(|(at, _)| is_over(*at)) {
            self.terminal.iter_mut().for_each(Terminal::end_again);
            self.again_after(now, after * 2);
        }
        if self.drain.is_some_and(is_over) {
            self.drain = None;
            self.troubles.push("nobody read the rest of its output".to_owned());
            self.give_up();
        } else if self.silence().is_some_and(is_over) {
            self.quiet = None;
            let text = "somebody outside holds its output open, and says nothing";
            self.troubles.push(text.to_owned());
            self.outputs_mut().for_each(Relay::close);
        }
    }

    /// Reads no more output, and gives up what is not written yet.
    pub(super) fn give_up(&mut self) {
        self.outputs_mut().for_each(Relay::give_up);
    }
}
