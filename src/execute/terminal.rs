//! The caller's terminal and the sandbox's, tied together.
//!
//! The sandbox has a terminal of its own; only bytes pass between the two. The caller's is raw
//! for as long as this value lives.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{LocalFlags, SpecialCharacterIndices, tcgetattr};
use nix::unistd::{isatty, tcgetpgrp};

use super::relay::{Relay, Sink, source};
use crate::sys::supervise::{Raw, Window, duplicate, set_nonblocking};
use crate::sys::{self, Fault, Result};

/// What ends input at the beginning of a line: ^D.
const END: u8 = 4;

/// Both terminals.
#[derive(Debug)]
pub(super) struct Terminal {
    master: OwnedFd,
    /// Held so that the sandbox's terminal is not hung up while nobody inside has it open.
    peer: Option<OwnedFd>,
    raw: Option<Raw>,
    pub(super) input: Relay,
    pub(super) output: Relay,
}

impl Terminal {
    /// Ties the sandbox's terminal to the caller's streams.
    pub(super) fn new(master: OwnedFd) -> Result<Self> {
        set_nonblocking(master.as_fd(), true)?;
        let again = || duplicate(master.as_fd());
        let input = Relay::new(source()?, Sink::own(again()?));
        let output = Relay::new(again()?, Sink::standard(1)?);
        let terminals = [0, 1].map(|stream| isatty(sys::stream(stream)).unwrap_or(false));
        let [input_is_one, output_is_one] = terminals;
        let raw = input_is_one.then(|| Raw::enter(sys::stream(0), output_is_one)).transpose()?;
        let peer = sys::terminal_peer(master.as_fd()).ok();
        let terminal = Self { master, peer, raw, input, output };
        terminal.resize();
        Ok(terminal)
    }

    /// The sandbox's window is as large as the caller's.
    pub(super) fn resize(&self) {
        if let Some(window) = Window::callers() {
            // A terminal that is hung up has no use for a size.
            _ = window.set(self.master.as_fd());
        }
    }

    /// The runner was told to stop for a while: the caller gets the terminal as it was.
    pub(super) fn suspend(&self) {
        if let Some(raw) = &self.raw {
            _ = raw.restore();
        }
        _ = raise(Signal::SIGSTOP);
        self.resume();
    }

    /// The runner goes on.
    pub(super) fn resume(&self) {
        if let Some(raw) = &self.raw {
            _ = raw.again();
        }
        self.resize();
    }

    /// The signal of a key among the last bytes of input (^C, ^\), and whom the terminal sends it:
    /// the group in the foreground (termios(3), tcgetpgrp(3)).
    pub(super) fn key(&self, count: usize) -> Option<(Signal, i32)> {
        let bytes = self.input.read(count);
        // Most of what is typed is no key of that kind, and the question takes a while.
        if !bytes.iter().any(u8::is_ascii_control) {
            return None;
        }
        let modes = tcgetattr(&self.master).ok()?;
        let key = |key: SpecialCharacterIndices| {
            // 0 stands for no key (_POSIX_VDISABLE).
            modes.control_chars.get(key as usize).copied().filter(|byte| *byte != 0)
        };
        let interrupt = key(SpecialCharacterIndices::VINTR);
        let quit = key(SpecialCharacterIndices::VQUIT);
        let next = key(SpecialCharacterIndices::VLNEXT);
        let next = next.filter(|_| modes.local_flags.contains(LocalFlags::IEXTEN));
        let mut bytes = bytes.iter().map(|byte| Some(*byte));
        let signal = loop {
            match bytes.next()? {
                byte if byte == next => _ = bytes.next(),
                byte if byte == interrupt => break Signal::SIGINT,
                byte if byte == quit => break Signal::SIGQUIT,
                _ => {}
            }
        };
        let group = tcgetpgrp(&self.master).ok()?.as_raw();
        modes.local_flags.contains(LocalFlags::ISIG).then_some((signal, group))
    }

    /// The caller's input is at its end. True when that is because the terminal is gone.
    pub(super) fn input_ended(&mut self) -> bool {
        if self.raw.is_some() {
            return true;
        }
        let ends: &[u8] = if self.input.last() == b'\n' { &[END] } else { &[END, END] };
        self.input.push(ends);
        false
    }

    /// Tells the end of input once more: a program that changes the terminal's modes throws away
    /// what it has not read (tcsetattr(3), TCSAFLUSH).
    pub(super) fn end_again(&mut self) {
        // Where single keys are read and shown, it would be one of them.
        let flags = tcgetattr(&self.master).map_or(LocalFlags::empty(), |modes| modes.local_flags);
        let shown = flags.contains(LocalFlags::ECHO) && !flags.contains(LocalFlags::ICANON);
        if self.input.is_done() && !shown {
            self.input.push(&[END]);
        }
    }

    /// The caller's is as it was; one that is hung up has no modes to be put back.
    pub(super) fn give_back(&mut self) -> Result<()> {
        match self.raw.take().map_or(Ok(()), |raw| raw.restore()) {
            Err(Fault { errno: Errno::EIO, .. }) => Ok(()),
            done => done,
        }
    }

    /// The caller's is as it was, and what the runner says next begins a line.
    pub(super) fn end_line(&mut self) {
        drop(self.raw.take());
        let stdout = sys::stream(1);
        if self.output.last() != b'\n' && isatty(stdout).unwrap_or(false) {
            // Of a terminal that takes nothing more, the output has told.
            _ = nix::unistd::write(stdout, b"\n");
        }
    }

    /// Nobody is left inside: what is in the sandbox's terminal is all that will come.
    pub(super) fn left(&mut self) {
        drop(self.peer.take());
        self.input.give_up();
    }
}
