//! What init tells the parent.
//!
//! A message is one datagram of a SOCK_SEQPACKET line that closes on exec: the command never
//! has it, and unlike a pipe it can't be opened again through /proc. It goes one way only.
//! Messages of fixed size are made without allocating.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::report::MOST_EVIDENCE;
use crate::sys::{Call, Fault, Named, Result, Status, again};

/// One message of init.
#[derive(Debug)]
pub enum Message {
    /// Step `n` could not be done.
    Fault {
        /// The step's number in the plan.
        n: u16,
        /// The call and the kernel's reason.
        fault: Fault,
    },
    /// What init found when it looked for the reason, inside; a part of it.
    Evidence(String),
    /// With `init: true`: the command ended.
    Ended(Status),
    /// The master of the sandbox's terminal.
    Terminal(OwnedFd),
    /// How long each step of init's took, in microseconds, in their order.
    Times(Vec<u32>),
}

/// Of a message, in bytes. The parent has as much on its stack for each.
const LONGEST: usize = 2048;

/// Says that step `n` failed. If nobody hears it, nobody is left to be told.
pub fn send_fault(line: BorrowedFd<'_>, n: u16, fault: Fault) {
    let [a, b] = n.to_le_bytes();
    let [e0, e1, e2, e3] = (fault.errno as i32).to_le_bytes();
    send(line, &[b'F', fault.call as u8, a, b, e0, e1, e2, e3]);
}

/// Says how the command ended.
pub fn send_ended(line: BorrowedFd<'_>, status: Status) {
    let (kind, value) = match status {
        Status::Exit(code) => (b'X', code),
        Status::Signal(signal) => (b'S', signal),
    };
    let [a, b, c, d] = value.to_le_bytes();
    send(line, &[kind, a, b, c, d]);
}

/// Says what was found about a fault.
pub fn send_evidence(line: BorrowedFd<'_>, text: &str) {
    let mut rest = text.get(..text.floor_char_boundary(MOST_EVIDENCE)).unwrap_or_default();
    while !rest.is_empty() {
        let (part, more) = rest.split_at(rest.floor_char_boundary(LONGEST - 1));
        send(line, &[b"V", part.as_bytes()].concat());
        rest = more;
    }
}

fn send(line: BorrowedFd<'_>, message: &[u8]) {
    _ = again(|| nix::unistd::write(line, message));
}

/// Hands over the master of the terminal.
pub fn send_terminal(line: BorrowedFd<'_>, master: BorrowedFd<'_>) -> Result<()> {
    crate::sys::send_descriptor(line, b'M', master)
}

/// Says how long the steps took, and that they are done. `bytes` holds them as little-endian u32.
pub fn send_times(line: BorrowedFd<'_>, bytes: &[u8]) -> Result<()> {
    let parts = [IoSlice::new(b"T"), IoSlice::new(bytes)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    let sent = again(|| sendmsg::<()>(line.as_raw_fd(), &parts, &[], flags, None));
    sent.of(Call::Sendmsg).map(drop)
}

/// The next message, waiting for it unless the line does not wait; none once every process inside has closed its end.
pub fn receive(line: impl AsFd) -> Result<Option<Message>> {
    let mut bytes = [0; LONGEST];
    let mut control = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let came = again(|| {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let (line, flags) = (line.as_fd().as_raw_fd(), MsgFlags::MSG_CMSG_CLOEXEC);
        let message = recvmsg::<()>(line, &mut parts, Some(&mut control), flags)?;
        Ok((message.bytes, received(&message)))
    });
    let (length, master) = came.of(Call::Recvmsg)?;
    Ok(decode(bytes.get(..length).unwrap_or_default(), master))
}

fn received(message: &nix::sys::socket::RecvMsg<'_, '_, ()>) -> Option<OwnedFd> {
    let fd = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    })?;
    Some(crate::sys::adopt(fd))
}

fn decode(bytes: &[u8], master: Option<OwnedFd>) -> Option<Message> {
    let value = |bytes: &[u8]| Some(i32::from_le_bytes(bytes.try_into().ok()?));
    match bytes.split_first()? {
        (b'F', [call, a, b, errno @ ..]) => {
            let errno = Errno::from_raw(value(errno)?);
            let fault = Fault { call: Call::number(*call)?, errno };
            Some(Message::Fault { n: u16::from_le_bytes([*a, *b]), fault })
        }
        (b'X', code) => Some(Message::Ended(Status::Exit(value(code)?))),
        (b'S', signal) => Some(Message::Ended(Status::Signal(value(signal)?))),
        (b'V', text) => Some(Message::Evidence(String::from_utf8_lossy(text).into_owned())),
        (b'M', _) => master.map(Message::Terminal),
        (b'T', times) => {
            let time = |four: &[u8]| four.try_into().map(u32::from_le_bytes).unwrap_or_default();
            Some(Message::Times(times.chunks_exact(4).map(time).collect()))
        }
        _ => None,
    }
}

/// Reads a message that anybody may have sent.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure(bytes: &[u8]) {
    _ = decode(bytes, None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received() {
        let (ours, theirs) = crate::sys::line().unwrap();
        let fault = Fault { call: Call::Execve, errno: Errno::ENOENT };
        send_fault(theirs.as_fd(), 517, fault);
        // Of two bytes each: parts end between them.
        let long = "ä".repeat(3000);
        send_evidence(theirs.as_fd(), &long);
        send_ended(theirs.as_fd(), Status::Signal(9));
        send_terminal(theirs.as_fd(), ours.as_fd()).unwrap();
        send_times(theirs.as_fd(), &[1, 0, 0, 0, 2, 1, 0, 0]).unwrap();
        drop(theirs);
        let next = || receive(&ours).unwrap();
        assert!(matches!(next(), Some(Message::Fault { n: 517, fault: f }) if f == fault));
        let mut failure = crate::report::Failure { n: 517, fault, evidence: None };
        for _ in 0..3 {
            let Some(Message::Evidence(part)) = next() else { panic!("it is shorter") };
            failure.learn(&part);
        }
        assert_eq!(failure.evidence, Some(long));
        assert!(matches!(next(), Some(Message::Ended(Status::Signal(9)))));
        assert!(matches!(next(), Some(Message::Terminal(_))));
        assert!(matches!(next(), Some(Message::Times(times)) if times == [1, 258]));
        assert!(next().is_none());
    }
}
