//! Asks systemd for a scope of our own, over D-Bus.
//!
//! On a host that systemd runs, control groups are its to give away: a transient scope with
//! `Delegate=yes` is a group that is ours (systemd.scope(5), "Control Group APIs and
//! Delegation"). One method call is needed, `StartTransientUnit` of
//! org.freedesktop.systemd1(5), so it is spelled out here instead of bringing in a D-Bus
//! library with its runtime (D-Bus Specification, "Message Protocol").

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long systemd may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longer answers are not read.
const LONGEST: u32 = 1 << 20;

/// Starts the transient scope `unit`, holding the process `pid`, with its group delegated.
/// Without `slice`, systemd chooses where it lies.
///
/// # Errors
/// The bus can't be reached or breaks off; or systemd refuses, in its own words.
pub fn start_scope(bus: &Path, unit: &str, slice: Option<&str>, pid: u32) -> io::Result<()> {
    let mut bus = connect(bus)?;
    call(&mut bus, 1, &hello())?;
    call(&mut bus, 2, &start_transient_unit(unit, slice, pid))
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let mut bus = UnixStream::connect(path)?;
    bus.set_read_timeout(Some(PATIENCE))?;
    bus.set_write_timeout(Some(PATIENCE))?;
    let uid = nix::unistd::geteuid().to_string();
    let uid: String = uid.bytes().fold(String::new(), |hex, digit| hex + &format!("{digit:02x}"));
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

/// A method of an object.
struct Method {
    destination: &'static str,
    path: &'static str,
    interface: &'static str,
    member: &'static str,
    signature: &'static str,
    body: Vec<u8>,
}

fn hello() -> Method {
    Method {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member: "Hello",
        signature: "",
        body: Vec::new(),
    }
}

fn start_transient_unit(unit: &str, slice: Option<&str>, pid: u32) -> Method {
    let mut body = Encoder::default();
    body.text(unit);
    body.text("fail");
    body.array(8, |properties| {
        properties.property("Description", "s", |value| value.text("A sandbox of sixdocker"));
        properties.property("Delegate", "b", |value| value.number(1));
        properties.property("CollectMode", "s", |value| value.text("inactive-or-failed"));
        properties.property("PIDs", "au", |value| value.array(4, |pids| pids.number(pid)));
        if let Some(slice) = slice {
            properties.property("Slice", "s", |value| value.text(slice));
        }
    });
    body.array(8, |_no_further_units| {});
    Method {
        destination: "org.freedesktop.systemd1",
        path: "/org/freedesktop/systemd1",
        interface: "org.freedesktop.systemd1.Manager",
        member: "StartTransientUnit",
        signature: "ssa(sv)a(sa(sv))",
        body: body.0,
    }
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
        let mut message = Encoder(vec![b'l', 1, 0, 1]);
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

/// Calls a method and waits until it has answered; signals that come between are passed over.
fn call(bus: &mut UnixStream, serial: u32, method: &Method) -> io::Result<()> {
    bus.write_all(&method.message(serial))?;
    loop {
        let answer = Answer::read(bus)?;
        match answer.kind {
            2 if answer.reply_to == Some(serial) => return Ok(()),
            3 if answer.reply_to == Some(serial) => return Err(io::Error::other(answer.text)),
            _ => {}
        }
    }
}

/// What matters of a message that came.
#[derive(Debug, PartialEq)]
struct Answer {
    /// 2: the method returned; 3: it failed.
    kind: u8,
    reply_to: Option<u32>,
    /// The error's name and words.
    text: String,
}

impl Answer {
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
        let (mut reply_to, mut name) = (None, String::new());
        while let Some((code, value)) = decoder.field() {
            match (code, value) {
                (4, Field::Text(text)) => name = text,
                (5, Field::Number(serial)) => reply_to = Some(serial),
                _ => {}
            }
        }
        let words = Decoder { bytes: body, at: 0 }.text().unwrap_or_default();
        let text = format!("{} ({})", words.escape_debug(), name.escape_debug());
        Self { kind, reply_to, text }
    }
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the bus answered in a form that D-Bus hasn't")
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
    while let Ok(answer) = Answer::read(&mut bytes) {
        assert!(!answer.text.contains(char::is_control), "{answer:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello_is_as_the_specification_lays_it_out() {
        let message = hello().message(1);
        assert_eq!(message[..4], [b'l', 1, 0, 1]);
        // No body, serial 1, and header fields that end where the message does.
        assert_eq!(message[4..12], [0, 0, 0, 0, 1, 0, 0, 0]);
        let fields = u32::from_le_bytes(message[12..16].try_into().unwrap()) as usize;
        assert_eq!(message.len(), (16 + fields).next_multiple_of(8));
    }

    #[test]
    fn an_error_is_read_in_its_own_words() {
        let mut fields = Encoder::default();
        fields.field(4, "s", |value| value.text("org.example.No"));
        fields.field(5, "u", |value| value.number(2));
        let length = u32::try_from(fields.0.len()).unwrap();
        fields.align(8);
        let mut body = Encoder::default();
        body.text("not today");
        let mut message = Encoder(vec![b'l', 3, 0, 1]);
        message.number(u32::try_from(body.0.len()).unwrap());
        message.number(7);
        message.number(length);
        message.0.extend(fields.0);
        message.0.extend(body.0);
        let answer = Answer::read(&mut message.0.as_slice()).unwrap();
        assert_eq!(answer.reply_to, Some(2));
        assert_eq!(answer.text, "not today (org.example.No)");
    }

    #[test]
    #[allow(clippy::cast_possible_truncation, reason = "noise")]
    fn any_bytes_are_read_to_an_end() {
        for seed in 0..2_000u32 {
            let noise = |n: u32| (seed.wrapping_mul(2_654_435_761).rotate_left(n) >> 24) as u8;
            let bytes: Vec<u8> =
                (0..96).map(|n| if n % 5 == 0 { noise(n) } else { (n % 9) as u8 }).collect();
            _ = Answer::decode(3, &bytes, &bytes);
        }
    }
}
