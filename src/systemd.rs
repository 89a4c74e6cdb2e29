//! Asks systemd for a scope of our own, over D-Bus.
//!
//! On a host that systemd runs, control groups are its to give away: a transient scope with
//! `Delegate=yes` is a group that is ours (systemd.scope(5), "Control Group APIs and
//! Delegation"). That takes `StartTransientUnit` of org.freedesktop.systemd1(5) and little else,
//! so it is spelled out here instead of bringing in a D-Bus library with its runtime (D-Bus
//! Specification, "Message Protocol").

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long systemd may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer answers are not read.
const LONGEST: u32 = 1 << 20;

/// The sockets on which the caller's manager may answer, the best first: the bus, and the
/// manager's own, which is there without a bus.
#[must_use]
pub fn sockets(root: bool, runtime: &Path) -> [PathBuf; 2] {
    if root {
        return ["/run/dbus/system_bus_socket", "/run/systemd/private"].map(PathBuf::from);
    }
    [runtime.join("bus"), runtime.join("systemd/private")]
}

/// A manager that answers.
pub struct Manager {
    stream: UnixStream,
    serial: u32,
    /// Jobs that are over, with their results.
    over: Vec<(String, String)>,
}

impl Manager {
    /// Connects to one of its sockets.
    ///
    /// # Errors
    /// Nobody listens there, or it is no bus.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let stream = authenticated(UnixStream::connect(socket)?)?;
        let mut manager = Self { stream, serial: 0, over: Vec::new() };
        // On its own socket there is no bus between, which would want to be greeted.
        if !socket.ends_with("systemd/private") {
            manager.call(&Method::of_bus("Hello", "", |_| {}))?;
            manager.call(&Method::of_bus("AddMatch", "s", |body| body.text(JOBS_OVER)))?;
        }
        Ok(manager)
    }

    /// The control group that the manager is in, from the root of the hierarchy.
    ///
    /// # Errors
    /// The bus breaks off, or nobody there is systemd.
    pub fn control_group(&mut self) -> io::Result<String> {
        let get = Method::of_systemd("org.freedesktop.DBus.Properties", "Get", "ss", |body| {
            body.text(MANAGER);
            body.text("ControlGroup");
        });
        let answer = self.call(&get)?;
        let mut body = answer.body();
        let is_text = body.signature().is_some_and(|signature| signature == "s");
        body.text().filter(|_| is_text).ok_or_else(odd)
    }

    /// Starts the transient scope `unit` in `slice`, with its control group delegated, moves the
    /// caller into it, and waits until that is done.
    ///
    /// # Errors
    /// The bus breaks off; or systemd refuses, in its own words.
    pub fn start_scope(&mut self, unit: &str, slice: &str) -> io::Result<()> {
        let answer = self.call(&start_transient_unit(unit, slice))?;
        let job = answer.body().text().ok_or_else(odd)?;
        loop {
            if let Some((_, result)) = self.over.iter().find(|(known, _)| *known == job) {
                let text = format!("its job is {}", result.escape_debug());
                return if result == "done" { Ok(()) } else { Err(io::Error::other(text)) };
            }
            let message = Message::read(&mut self.stream)?;
            self.hear(&message);
        }
    }

    /// Calls a method and waits for its answer.
    fn call(&mut self, method: &Method) -> io::Result<Message> {
        self.serial += 1;
        self.stream.write_all(&method.message(self.serial))?;
        loop {
            let message = Message::read(&mut self.stream)?;
            match message.kind {
                METHOD_RETURN if message.reply_to == Some(self.serial) => return Ok(message),
                ERROR if message.reply_to == Some(self.serial) => {
                    return Err(io::Error::other(message.error()));
                }
                _ => self.hear(&message),
            }
        }
    }

    fn hear(&mut self, message: &Message) {
        if message.kind == SIGNAL && message.member == "JobRemoved" {
            self.over.extend(message.job());
        }
    }
}

fn authenticated(mut bus: UnixStream) -> io::Result<UnixStream> {
    bus.set_read_timeout(Some(PATIENCE))?;
    bus.set_write_timeout(Some(PATIENCE))?;
    let uid = nix::unistd::geteuid().to_string();
    let uid: String = uid.bytes().map(|digit| format!("{digit:02x}")).collect();
    bus.write_all(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
    let answer = line(&mut bus)?;
    if !answer.starts_with("OK ") {
        let text = format!("the bus did not accept us: {}", answer.escape_debug());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    bus.write_all(b"BEGIN\r\n")?;
    Ok(bus)
}

/// A line of the authentication, which ends in CR LF.
fn line(bus: &mut UnixStream) -> io::Result<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n") && text.len() < 512 {
        let mut byte = [0];
        bus.read_exact(&mut byte)?;
        text.extend(byte);
    }
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// A method of an object, with what it is given.
struct Method {
    destination: &'static str,
    path: &'static str,
    interface: &'static str,
    member: &'static str,
    signature: &'static str,
    body: Vec<u8>,
}

const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// What a bus is to pass on: that a job is over.
const JOBS_OVER: &str = "type='signal',sender='org.freedesktop.systemd1',\
    interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

impl Method {
    fn of_bus(
        member: &'static str,
        signature: &'static str,
        fill: impl FnOnce(&mut Encoder),
    ) -> Self {
        let name = "org.freedesktop.DBus";
        let (path, body) = ("/org/freedesktop/DBus", filled(fill));
        Self { destination: name, path, interface: name, member, signature, body }
    }

    fn of_systemd(
        interface: &'static str,
        member: &'static str,
        signature: &'static str,
        fill: impl FnOnce(&mut Encoder),
    ) -> Self {
        let (destination, path) = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1");
        Self { destination, path, interface, member, signature, body: filled(fill) }
    }
}

fn filled(fill: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut body = Encoder::default();
    fill(&mut body);
    body.0
}

fn start_transient_unit(unit: &str, slice: &str) -> Method {
    Method::of_systemd(MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", |body| {
        body.text(unit);
        body.text("fail");
        body.array(8, |properties| {
            properties.property("Description", "s", |value| value.text("A sandbox of sixdocker"));
            properties.property("Slice", "s", |value| value.text(slice));
            properties.property("Delegate", "b", |value| value.number(1));
            properties.property("CollectMode", "s", |value| value.text("inactive-or-failed"));
            // The limit is the manifest's to set, on the sandbox alone.
            properties.property("TasksMax", "t", |value| value.long(u64::MAX));
            // Zero is who calls, whatever its number is where systemd lives.
            properties.property("PIDs", "au", |value| value.array(4, |pids| pids.number(0)));
        });
        body.array(8, |_no_further_units| {});
    })
}

/// The marshalled form: little-endian, every value aligned to its size.
#[derive(Default)]
struct Encoder(Vec<u8>);

impl Encoder {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, value: u32) {
        self.align(4);
        self.0.extend(value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.align(8);
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.0.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    /// The length of an array counts neither itself nor the padding before its first element.
    fn array(&mut self, alignment: usize, elements: impl FnOnce(&mut Self)) {
        self.number(0);
        let at = self.0.len() - 4;
        self.align(alignment);
        let start = self.0.len();
        elements(self);
        let length = u32::try_from(self.0.len() - start).unwrap_or(u32::MAX);
        for (to, from) in self.0.iter_mut().skip(at).zip(length.to_le_bytes()) {
            *to = from;
        }
    }

    /// A structure of a name and a variant.
    fn property(&mut self, name: &str, signature: &str, value: impl FnOnce(&mut Self)) {
        self.align(8);
        self.text(name);
        self.signature(signature);
        value(self);
    }

    fn field(&mut self, code: u8, signature: &str, value: impl FnOnce(&mut Self)) {
        self.align(8);
        self.0.push(code);
        self.signature(signature);
        value(self);
    }
}

impl Method {
    fn message(&self, serial: u32) -> Vec<u8> {
        // Little-endian, a method call, no flags, version 1.
        let mut message = Encoder(vec![b'l', METHOD_CALL, 0, 1]);
        message.number(u32::try_from(self.body.len()).unwrap_or(u32::MAX));
        message.number(serial);
        message.array(8, |fields| {
            fields.field(1, "o", |value| value.text(self.path));
            fields.field(2, "s", |value| value.text(self.interface));
            fields.field(3, "s", |value| value.text(self.member));
            fields.field(6, "s", |value| value.text(self.destination));
            if !self.signature.is_empty() {
                fields.field(8, "g", |value| value.signature(self.signature));
            }
        });
        message.align(8);
        message.0.extend(&self.body);
        message.0
    }
}

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

/// What matters of a message that came.
#[derive(Debug, PartialEq)]
struct Message {
    kind: u8,
    reply_to: Option<u32>,
    /// The signal's name.
    member: String,
    /// The error's name.
    failed: String,
    body: Vec<u8>,
}

impl Message {
    fn read(bus: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 16];
        bus.read_exact(&mut head)?;
        let number = |at: usize| head.get(at..at + 4).and_then(|four| four.try_into().ok());
        let (Some(body), Some(fields)) = (number(4), number(12)) else { return Err(odd()) };
        let (body, fields) = (u32::from_le_bytes(body), u32::from_le_bytes(fields));
        if head[0] != b'l' || body > LONGEST || fields > LONGEST {
            return Err(odd());
        }
        let mut rest = vec![0; (fields.next_multiple_of(8) + body) as usize];
        bus.read_exact(&mut rest)?;
        let (fields, body) = rest.split_at(fields.next_multiple_of(8) as usize);
        Ok(Self::decode(head[1], fields, body))
    }

    fn decode(kind: u8, fields: &[u8], body: &[u8]) -> Self {
        let mut decoder = Decoder { bytes: fields, at: 0 };
        let (member, failed, body) = (String::new(), String::new(), body.to_owned());
        let mut message = Self { kind, reply_to: None, member, failed, body };
        while let Some((code, value)) = decoder.field() {
            match (code, value) {
                (3, Field::Text(text)) => message.member = text,
                (4, Field::Text(text)) => message.failed = text,
                (5, Field::Number(serial)) => message.reply_to = Some(serial),
                _ => {}
            }
        }
        message
    }

    fn body(&self) -> Decoder<'_> {
        Decoder { bytes: &self.body, at: 0 }
    }

    /// An error in its own words.
    fn error(&self) -> String {
        let words = self.body().text().unwrap_or_default();
        format!("{} ({})", words.escape_debug(), self.failed.escape_debug())
    }

    /// The job that a signal tells to be over, and its result.
    fn job(&self) -> Option<(String, String)> {
        let mut body = self.body();
        body.number()?;
        let job = body.text()?;
        body.text()?;
        Some((job, body.text()?))
    }
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is no valid D-Bus")
}

struct Decoder<'b> {
    bytes: &'b [u8],
    at: usize,
}

enum Field {
    Text(String),
    Number(u32),
    Signature,
}

impl Decoder<'_> {
    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        self.at = self.at.next_multiple_of(4);
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        let text = String::from_utf8_lossy(self.take(length as usize)?).into_owned();
        self.byte()?;
        Some(text)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.byte()?;
        let text = String::from_utf8_lossy(self.take(length.into())?).into_owned();
        self.byte()?;
        Some(text)
    }

    /// A header field: its code, and its value where it is of a kind that header fields have.
    fn field(&mut self) -> Option<(u8, Field)> {
        self.at = self.at.next_multiple_of(8);
        let code = self.byte()?;
        let value = match self.signature()?.as_str() {
            "s" | "o" => Field::Text(self.text()?),
            "u" => Field::Number(self.number()?),
            "g" => self.signature().map(|_| Field::Signature)?,
            _ => return None,
        };
        Some((code, value))
    }
}

/// Reads what a bus may say, message by message.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure(mut bytes: &[u8]) {
    while let Ok(message) = Message::read(&mut bytes) {
        assert!(!message.error().contains(char::is_control), "{message:?}");
        _ = message.job();
        let mut body = message.body();
        _ = body.signature().map(|_| body.text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as it would come from a bus.
    fn wire(kind: u8, fill: impl FnOnce(&mut Encoder), body: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        let (fields, body) = (filled(fill), filled(body));
        let mut message = Encoder(vec![b'l', kind, 0, 1]);
        message.number(u32::try_from(body.len()).unwrap());
        message.number(7);
        message.number(u32::try_from(fields.len()).unwrap());
        message.0.extend(fields);
        message.align(8);
        message.0.extend(body);
        message.0
    }

    #[test]
    fn hello_is_as_the_specification_lays_it_out() {
        let message = Method::of_bus("Hello", "", |_| {}).message(1);
        assert_eq!(message[..4], [b'l', 1, 0, 1]);
        // No body, serial 1, and header fields that end where the message does.
        assert_eq!(message[4..12], [0, 0, 0, 0, 1, 0, 0, 0]);
        let fields = u32::from_le_bytes(message[12..16].try_into().unwrap()) as usize;
        assert_eq!(message.len(), (16 + fields).next_multiple_of(8));
    }

    #[test]
    fn an_error_is_read_in_its_own_words() {
        let fields = |fields: &mut Encoder| {
            fields.field(4, "s", |value| value.text("org.example.No"));
            fields.field(5, "u", |value| value.number(2));
        };
        let message = wire(ERROR, fields, |body| body.text("not today"));
        let message = Message::read(&mut message.as_slice()).unwrap();
        assert_eq!(message.reply_to, Some(2));
        assert_eq!(message.error(), "not today (org.example.No)");
    }

    #[test]
    fn a_job_is_over_with_its_result() {
        let body = |body: &mut Encoder| {
            body.number(12);
            ["/job/12", "a.scope", "done"].iter().for_each(|text| body.text(text));
        };
        let member = |fields: &mut Encoder| fields.field(3, "s", |name| name.text("JobRemoved"));
        let message = wire(SIGNAL, member, body);
        let message = Message::read(&mut message.as_slice()).unwrap();
        assert_eq!(message.member, "JobRemoved");
        assert_eq!(message.job(), Some(("/job/12".to_owned(), "done".to_owned())));
    }

    #[test]
    #[allow(clippy::cast_possible_truncation, reason = "noise")]
    fn any_bytes_are_read_to_an_end() {
        for seed in 0..2_000u32 {
            let noise = |n: u32| (seed.wrapping_mul(2_654_435_761).rotate_left(n) >> 24) as u8;
            let bytes: Vec<u8> =
                (0..96).map(|n| if n % 5 == 0 { noise(n) } else { (n % 9) as u8 }).collect();
            let message = Message::decode(SIGNAL, &bytes, &bytes);
            _ = (message.job(), message.error());
        }
    }
}
