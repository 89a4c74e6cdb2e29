//! A terminal with a command on it: types, waits for what is printed, resizes, looks at its modes.

use std::fmt::Write as _;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{Pid, read, ttyname, write};

/// Longer than any loaded machine needs.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Console {
    child: Child,
    master: OwnedFd,
    /// Kept open: its modes can be looked at, and no hang-up hides what comes last.
    slave: OwnedFd,
    seen: Vec<u8>,
    /// Up to here it was matched.
    matched: usize,
}

impl Console {
    /// Starts the command in a session of its own, with a terminal of 80 columns and 24 rows as
    /// its controlling terminal and its standard streams.
    pub fn start(command: &Command) -> Self {
        Self::start_sized(command, 24, 80)
    }

    pub fn start_sized(command: &Command, rows: u16, columns: u16) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        close_on_exec(&pair.master);
        close_on_exec(&pair.slave);
        let stream = || Stdio::from(pair.slave.try_clone().unwrap());
        let child =
            in_session(command).stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
        Self { child, master: pair.master, slave: pair.slave, seen: Vec::new(), matched: 0 }
    }

    /// Types this.
    #[track_caller]
    pub fn send(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        let begun = Instant::now();
        while !rest.is_empty() {
            match write(&self.master, rest) {
                Ok(n) => rest = &rest[n..],
                Err(Errno::EAGAIN) if begun.elapsed() < PATIENCE => self.take(20),
                Err(error) => panic!("can't type {text:?}: {error}\n{}", self.transcript()),
            }
        }
    }

    /// Waits until this is printed, after what was waited for before; returns what came up to its
    /// end.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(at) = find(&self.seen[self.matched..], text.as_bytes()) {
                let end = self.matched + at + text.len();
                let passed = String::from_utf8_lossy(&self.seen[self.matched..end]).into_owned();
                self.matched = end;
                return passed;
            }
            assert!(begun.elapsed() < PATIENCE, "no {text:?} came:\n{}", self.transcript());
            self.take(50);
        }
    }

    /// Types a line and waits for what it prints.
    #[track_caller]
    pub fn ask(&mut self, line: &str, answer: &str) -> String {
        self.send(line);
        self.send("\n");
        self.expect(answer)
    }

    /// Sets the terminal's size; the kernel tells its foreground processes.
    pub fn resize(&self, rows: u16, columns: u16) {
        let path = ttyname(&self.slave).unwrap();
        let done = Command::new("stty")
            .arg("-F")
            .arg(path)
            .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
            .status();
        assert!(done.unwrap().success());
    }

    /// The terminal's modes now.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    /// The terminal is gone, as when a window is closed; waits for the command's end.
    #[track_caller]
    pub fn hang_up(self) -> i32 {
        let null = || fs::File::open("/dev/null").unwrap().into();
        let mut console = self;
        (console.master, console.slave) = (null(), null());
        console.finish().0
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Waits for the command's end; everything that it printed is in the text.
    #[track_caller]
    pub fn finish(&mut self) -> (i32, String) {
        let begun = Instant::now();
        let status = loop {
            self.take(20);
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < 2 * PATIENCE, "it does not end:\n{}", self.transcript());
        };
        while self.take_once() {}
        (code(status), self.text())
    }

    /// All that was printed so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Waits so many milliseconds for output, and takes what there is.
    fn take(&mut self, milliseconds: u16) {
        let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ready, PollTimeout::from(milliseconds));
        while self.take_once() {}
    }

    fn take_once(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let n = read(&self.master, &mut buffer).unwrap_or(0);
        self.seen.extend_from_slice(&buffer[..n]);
        n > 0
    }

    fn transcript(&self) -> String {
        let mut shown = String::from("--- the terminal so far\n");
        let _ = write!(shown, "{}\n--- after the last match\n", self.text());
        let _ = write!(shown, "{:?}", String::from_utf8_lossy(&self.seen[self.matched..]));
        shown
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command by `setsid -c`, which a terminal as standard input becomes the
/// controlling one of. It executes the command itself, so the process id is the command's.
fn in_session(command: &Command) -> Command {
    let mut session = Command::new("setsid");
    session.arg("-c").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => session.env(name, value),
            None => session.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        session.current_dir(directory);
    }
    session.env("TERM", "xterm");
    session
}

fn close_on_exec(fd: &OwnedFd) {
    fcntl(fd, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).unwrap();
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn find(text: &[u8], sought: &[u8]) -> Option<usize> {
    text.windows(sought.len()).position(|part| part == sought)
}
