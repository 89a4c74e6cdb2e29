//! Bytes carried from one descriptor to another, without ever waiting.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::PollFlags;
use nix::sys::socket::{MsgFlags, send};

use crate::sys::{self, supervise::duplicate};

/// How much is carried at a time.
const ROOM: usize = 64 * 1024;

/// Where bytes go.
#[derive(Debug)]
pub(super) enum Sink {
    /// An open file of our own, whose writes don't wait.
    Own(OwnedFd),
    /// A regular file or the like: its writes don't wait for anybody.
    File(OwnedFd),
    /// A socket, told with every write not to wait.
    Socket(OwnedFd),
    /// Shared with the caller, and can't be opened anew: small writes, and only when the
    /// kernel says that there is room.
    Shared(OwnedFd),
}

impl Sink {
    /// The caller's stream, which others read and write as well: it must not be changed.
    pub(super) fn standard(stream: u8) -> sys::Result<Self> {
        duplicate(sys::stream(stream)).map(Self::of)
    }

    pub(super) fn of(fd: OwnedFd) -> Self {
        match kind(fd.as_fd()) {
            libc::S_IFSOCK => Self::Socket(fd),
            libc::S_IFIFO | libc::S_IFCHR => {
                anew(fd.as_fd(), OFlag::O_WRONLY).map_or(Self::Shared(fd), Self::Own)
            }
            _ => Self::File(fd),
        }
    }

    /// The master of a terminal of ours.
    pub(super) fn own(fd: OwnedFd) -> Self {
        Self::Own(fd)
    }

    fn write(&self, bytes: &[u8]) -> nix::Result<usize> {
        match self {
            Self::Own(fd) | Self::File(fd) => nix::unistd::write(fd, bytes),
            Self::Socket(fd) => {
                send(fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)
            }
            Self::Shared(fd) => {
                // What a ready pipe takes at least; a terminal takes less, and may wait then.
                nix::unistd::write(fd, bytes.get(..512).unwrap_or(bytes))
            }
        }
    }

    /// Whether it may be written to before the kernel has said that there is room.
    fn is_eager(&self) -> bool {
        !matches!(self, Self::Shared(_))
    }
}

/// Opens a pipe or a device anew, so that reads and writes do not wait: whoever shares the open
/// file with us must not notice.
fn anew(fd: BorrowedFd<'_>, access: OFlag) -> sys::Result<OwnedFd> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    sys::open(&path, access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
}

/// The caller's input. Who else reads it may be faster than we are; where it can't be opened
/// anew, we wait for what comes next then.
pub(super) fn source() -> sys::Result<OwnedFd> {
    let stdin = sys::stream(0);
    match kind(stdin) {
        libc::S_IFIFO | libc::S_IFCHR => anew(stdin, OFlag::O_RDONLY).or_else(|_| duplicate(stdin)),
        _ => duplicate(stdin),
    }
}

fn kind(fd: BorrowedFd<'_>) -> u32 {
    sys::seen(fd).map_or(0, |seen| seen.st_mode & libc::S_IFMT)
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Own(fd) | Self::File(fd) | Self::Socket(fd) | Self::Shared(fd) => fd.as_fd(),
        }
    }
}

/// One direction.
#[derive(Debug)]
pub(super) struct Relay {
    from: Option<OwnedFd>,
    /// None: nobody takes them any more, and they are thrown away.
    to: Option<Sink>,
    buffer: Vec<u8>,
    /// What of the buffer is still to be written.
    pending: std::ops::Range<usize>,
    last: u8,
}

/// What came of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This many bytes were read.
    Read(usize),
    /// There was more than may be passed on.
    Over,
    /// There is nothing more to read.
    End,
    /// The sink takes nothing more.
    Refused(Errno),
}

impl Relay {
    pub(super) fn new(from: OwnedFd, to: Sink) -> Self {
        Self { from: Some(from), to: Some(to), buffer: vec![0; ROOM], pending: 0..0, last: b'\n' }
    }

    /// All is read and written.
    pub(super) fn is_done(&self) -> bool {
        self.from.is_none() && (self.pending.is_empty() || self.to.is_none())
    }

    /// All that was read is written.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// The last byte that was read.
    pub(super) fn last(&self) -> u8 {
        self.last
    }

    /// What the last turn read, where that was so many bytes.
    pub(super) fn read(&self, count: usize) -> &[u8] {
        self.buffer.get(..count).unwrap_or_default()
    }

    /// What must happen before the next turn.
    pub(super) fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        if !self.pending.is_empty()
            && let Some(sink) = &self.to
        {
            return Some((sink.as_fd(), PollFlags::POLLOUT));
        }
        self.from.as_ref().map(|from| (from.as_fd(), PollFlags::POLLIN))
    }

    /// Writes what is pending, if there is room; else reads, and passes on at most `most` bytes.
    pub(super) fn turn(&mut self, most: u64) -> Turn {
        if !self.pending.is_empty() {
            return self.write().map_or_else(Turn::Refused, |()| Turn::Read(0));
        }
        let Some(from) = &self.from else { return Turn::End };
        let room = usize::try_from(most).unwrap_or(ROOM).clamp(1, ROOM);
        let room = self.buffer.get_mut(..room).unwrap_or_default();
        match nix::unistd::read(from, room) {
            Err(Errno::EINTR | Errno::EAGAIN) => Turn::Read(0),
            // EIO: nobody holds the other side of the terminal any more.
            Ok(0) | Err(_) => self.end(),
            Ok(_) if most == 0 => Turn::Over,
            Ok(count) => self.took(count),
        }
    }

    fn took(&mut self, count: usize) -> Turn {
        self.pending = 0..count;
        self.last = self.buffer.get(count - 1).copied().unwrap_or_default();
        match self.to.as_ref().is_some_and(Sink::is_eager).then(|| self.write()) {
            Some(Err(errno)) => Turn::Refused(errno),
            _ => Turn::Read(count),
        }
    }

    fn write(&mut self) -> Result<(), Errno> {
        let bytes = self.buffer.get(self.pending.clone()).unwrap_or_default();
        let Some(sink) = &self.to else {
            self.pending = 0..0;
            return Ok(());
        };
        match sink.write(bytes) {
            Ok(count) => self.pending.start += count,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => {
                self.pending = 0..0;
                self.to = None;
                return Err(errno);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Turn {
        self.from = None;
        Turn::End
    }

    /// Reads no more; what is pending is still written.
    pub(super) fn close(&mut self) {
        self.from = None;
    }

    /// Reads no more, and gives up what is pending.
    pub(super) fn give_up(&mut self) {
        self.from = None;
        self.pending = 0..0;
    }

    /// Adds bytes that nobody read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.buffer.get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.pending = 0..bytes.len();
        }
    }
}
