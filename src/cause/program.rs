//! What an executable file says of itself, read as far as the kernel reads it.
//!
//! The bytes are foreign: every offset and count is checked, and no more than a few kilobytes
//! are looked at.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// What a program file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Empty,
    /// It begins with `#!`.
    Script(Script),
    Elf(Elf),
    /// Text without `#!`.
    Text,
    /// A program of another system, or no program; and what to do with it.
    Other(&'static str, &'static str),
}

/// The first line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) interpreter: Vec<u8>,
    /// What follows it, as one argument.
    pub(super) argument: Vec<u8>,
    /// The line ends in a carriage return, which the kernel takes for a part of the name.
    pub(super) carriage_return: bool,
    /// The line is longer than the kernel reads.
    pub(super) cut: bool,
}

/// The header of an ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elf {
    pub(super) bits: u8,
    pub(super) big_endian: bool,
    pub(super) machine: u16,
    /// ET_EXEC or ET_DYN: a program or a library, and not an object or a core file.
    pub(super) executable: bool,
    /// The loader that it wants (`PT_INTERP`).
    pub(super) interpreter: Option<Vec<u8>>,
    /// The file ends before what its header speaks of.
    pub(super) truncated: bool,
}

/// As many bytes of a script as the kernel looks at (BINPRM_BUF_SIZE).
const LINE: usize = 256;
/// As long as the kernel lets a loader's name be (PATH_MAX).
const LONGEST: u64 = 4096;
/// More program headers than any real program has.
const HEADERS: u16 = 512;

/// Something that can be read at any offset; short at its end.
pub(super) trait Bytes {
    fn at(&self, offset: u64, length: usize) -> Vec<u8>;
}

impl Bytes for File {
    fn at(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset.saturating_add(filled as u64)) {
                Ok(0) | Err(_) => break,
                Ok(n) => filled += n,
            }
        }
        bytes.truncate(filled);
        bytes
    }
}

impl Bytes for [u8] {
    fn at(&self, offset: u64, length: usize) -> Vec<u8> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let end = start.saturating_add(length).min(self.len());
        self.get(start..end).unwrap_or_default().to_vec()
    }
}

impl Program {
    /// Reads what `file` says of itself.
    pub(super) fn read(file: &(impl Bytes + ?Sized)) -> Self {
        let head = file.at(0, LINE);
        match head.as_slice() {
            [] => Self::Empty,
            [b'#', b'!', line @ ..] => Self::Script(Script::read(line, head.len() == LINE)),
            [0x7f, b'E', b'L', b'F', ..] => Self::Elf(Elf::read(file, &head)),
            _ => Self::foreign(&head),
        }
    }

    fn foreign(head: &[u8]) -> Self {
        match head {
            [b'M', b'Z', ..] => Self::Other("a Windows program", "use a build for Linux"),
            [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
                Self::Other("a macOS program or a Java class", "use a build for Linux, or `java`")
            }
            [0xef, 0xbb, 0xbf, b'#', b'!', ..] => Self::Other(
                "a script whose `#!` comes after a byte order mark",
                "save it as UTF-8 without one",
            ),
            [b'P', b'K', 3, 4, ..] => Self::Other("a ZIP archive", "unpack it first (`unzip`)"),
            [0x1f, 0x8b, ..] => Self::Other("a gzip archive", "unpack it first (`tar`, `gunzip`)"),
            _ if head.contains(&0) => {
                Self::Other("no program that this kernel knows", "see with `file` what it is")
            }
            _ => Self::Text,
        }
    }
}

impl Script {
    fn read(line: &[u8], full: bool) -> Self {
        let end = line.iter().position(|&byte| byte == b'\n');
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let mut text = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
        while let [rest @ .., b' ' | b'\t'] = text {
            text = rest;
        }
        let carriage_return = text.ends_with(b"\r");
        let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
        let text = text.get(start..).unwrap_or_default();
        let stop = text.iter().position(|byte| blank(byte) || *byte == 0).unwrap_or(text.len());
        let (interpreter, rest) = text.split_at_checked(stop).unwrap_or((text, &[]));
        let start = rest.iter().position(|byte| !blank(byte)).unwrap_or(rest.len());
        Self {
            interpreter: interpreter.to_vec(),
            argument: rest.get(start..).unwrap_or_default().to_vec(),
            carriage_return,
            cut: full && end.is_none(),
        }
    }
}

impl Elf {
    fn read(file: &(impl Bytes + ?Sized), head: &[u8]) -> Self {
        let wide = head.get(4) == Some(&2);
        let word = Words { big: head.get(5) == Some(&2), bytes: head };
        let mut elf = Self {
            bits: if wide { 64 } else { 32 },
            big_endian: word.big,
            machine: word.u16(18).unwrap_or_default(),
            executable: matches!(word.u16(16), Some(2 | 3)),
            interpreter: None,
            truncated: false,
        };
        let table = if wide {
            (word.u64(32), word.u16(54), word.u16(56))
        } else {
            (word.u32(28).map(u64::from), word.u16(42), word.u16(44))
        };
        match table {
            (Some(offset), Some(size), Some(count)) => {
                elf.headers(file, offset, size, count.min(HEADERS));
            }
            _ => elf.truncated = true,
        }
        elf
    }

    fn headers(&mut self, file: &(impl Bytes + ?Sized), offset: u64, size: u16, count: u16) {
        let length = usize::from(size.min(256)) * usize::from(count);
        let table = file.at(offset, length);
        self.truncated = table.len() < length;
        for header in table.chunks_exact(usize::from(size.clamp(1, 256))) {
            let word = Words { big: self.big_endian, bytes: header };
            let (offset, length) = if self.bits == 64 {
                (word.u64(8), word.u64(32))
            } else {
                (word.u32(4).map(u64::from), word.u32(16).map(u64::from))
            };
            // PT_INTERP
            if let (Some(3), Some(offset), Some(length)) = (word.u32(0), offset, length) {
                let length = length.min(LONGEST);
                let mut name = file.at(offset, usize::try_from(length).unwrap_or_default());
                self.truncated |= (name.len() as u64) < length;
                name.truncate(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
                self.interpreter = Some(name);
                return;
            }
        }
    }

    /// The processor that it was built for.
    pub(super) fn architecture(&self) -> String {
        let name = match (self.machine, self.bits, self.big_endian) {
            (3, ..) => "i386",
            (62, 64, _) => "x86_64",
            (62, ..) => "x32",
            (40, ..) => "arm",
            (183, ..) => "aarch64",
            (243, 64, _) => "riscv64",
            (243, ..) => "riscv32",
            (21, _, false) => "ppc64le",
            (21, ..) => "ppc64",
            (20, ..) => "ppc",
            (22, ..) => "s390x",
            (8, ..) => "mips",
            (258, ..) => "loongarch64",
            (2 | 43, ..) => "sparc",
            (247, ..) => "bpf",
            (other, ..) => return format!("machine {other}"),
        };
        name.to_owned()
    }
}

/// Numbers of either byte order at offsets that may lie outside.
struct Words<'b> {
    big: bool,
    bytes: &'b [u8],
}

impl Words<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut array: [u8; N] = self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()?;
        if self.big {
            array.reverse();
        }
        Some(array)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}
