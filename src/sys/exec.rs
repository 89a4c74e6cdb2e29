//! What a process becomes.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;

use nix::errno::Errno;
use nix::libc;

use super::{Call, Fault, Result};

/// A program with its arguments and environment, laid out as the kernel wants them.
///
/// It is laid out before the clone, for nothing is allocated after.
#[derive(Debug)]
pub struct Image {
    /// What the pointers below point to.
    _strings: Vec<CString>,
    candidates: Vec<CString>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
}

impl Image {
    /// Lays a program out. No string may hold a NUL.
    pub fn new(candidates: &[String], argv: &[String], environment: &[String]) -> Result<Self> {
        let c = |text: &String| {
            CString::new(text.as_str()).map_err(|_| Call::Execve.fault(Errno::EINVAL))
        };
        let mut strings = Vec::with_capacity(argv.len() + environment.len());
        let mut lay = |texts: &[String]| -> Result<Vec<*const c_char>> {
            let mut pointers = Vec::with_capacity(texts.len() + 1);
            for text in texts {
                let text = c(text)?;
                pointers.push(text.as_ptr());
                strings.push(text);
            }
            pointers.push(std::ptr::null());
            Ok(pointers)
        };
        let (argv, envp) = (lay(argv)?, lay(environment)?);
        let candidates = candidates.iter().map(c).collect::<Result<_>>()?;
        Ok(Self { _strings: strings, candidates, argv, envp })
    }

    /// Becomes the first candidate that is there. It returns only if there is none, or if the
    /// one that is there can't be executed; a file without permission does not end the search,
    /// as in execvp(3).
    ///
    /// What is the program `own` by another name is not executed (CVE-2019-5736).
    #[must_use]
    pub fn exec(&self, own: Option<Program>) -> Fault {
        let mut denied = None;
        for program in &self.candidates {
            let fault = self.become_one(program, own);
            match fault.errno {
                // A file that exists, but whose interpreter does not, ends the search.
                Errno::ENOENT if exists(program) => return fault,
                Errno::ENOENT | Errno::ENOTDIR => {}
                Errno::EACCES => denied = Some(fault),
                _ => return fault,
            }
        }
        denied.unwrap_or(Call::Execve.fault(Errno::ENOENT))
    }

    fn become_one(&self, program: &CStr, own: Option<Program>) -> Fault {
        if own.is_some_and(|own| own.is_run_by(program, SCRIPTS)) {
            return Call::Execve.fault(Errno::EACCES);
        }
        let (argv, envp) = (self.argv.as_ptr(), self.envp.as_ptr());
        // SAFETY: the arrays end in null, and point to strings that `self` holds.
        _ = unsafe { libc::execve(program.as_ptr(), argv, envp) };
        Call::Execve.fault(Errno::last())
    }
}

fn exists(path: &CStr) -> bool {
    // SAFETY: `path` is a C string that outlives the call.
    let returned = unsafe { libc::access(path.as_ptr(), libc::F_OK) };
    returned == 0
}

/// A program's file, by the mount through which it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    device: u64,
    inode: u64,
    mount: u64,
}

/// How many scripts the kernel lets be each other's interpreter.
const SCRIPTS: u8 = 5;

impl Program {
    /// How many bytes it is in a message.
    pub const SIZE: usize = 24;

    /// As it is in a message; no mount has the number 0.
    pub fn bytes(self) -> impl Iterator<Item = u8> {
        [self.device, self.inode, self.mount].into_iter().flat_map(u64::to_le_bytes)
    }

    /// Read from a message.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (numbers, _) = bytes.as_chunks();
        let [device, inode, mount] = *numbers.first_chunk()?;
        let [device, inode, mount] = [device, inode, mount].map(u64::from_le_bytes);
        (mount != 0).then_some(Self { device, inode, mount })
    }

    /// The one that this process runs.
    #[must_use]
    pub fn own() -> Option<Self> {
        Self::at(c"/proc/self/exe").map(|(own, _)| own)
    }

    /// What is at `path`, and whether it is a regular file.
    fn at(path: &CStr) -> Option<(Self, bool)> {
        // SAFETY: zero is a valid value of every field.
        let mut seen: libc::statx = unsafe { MaybeUninit::zeroed().assume_init() };
        let what = libc::STATX_TYPE | libc::STATX_INO | libc::STATX_MNT_ID;
        // SAFETY: `path` and `seen` outlive the call.
        let returned =
            unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), 0, what, &raw mut seen) };
        let device = u64::from(seen.stx_dev_major) << 32 | u64::from(seen.stx_dev_minor);
        let regular = u32::from(seen.stx_mode) & libc::S_IFMT == libc::S_IFREG;
        let found = Self { device, inode: seen.stx_ino, mount: seen.stx_mnt_id };
        (returned == 0).then_some((found, regular))
    }

    /// Whether executing `path` would run this program, itself or as the interpreter of a
    /// script. The same file seen through a mount of the sandbox's own is another matter.
    fn is_run_by(self, path: &CStr, depth: u8) -> bool {
        let Some((found, regular)) = Self::at(path) else { return false };
        if found == self || !regular || depth == 0 {
            return found == self;
        }
        let mut line = [0; 256];
        let interpreter = read_start(path, &mut line).and_then(|()| interpreter(&mut line));
        interpreter.is_some_and(|interpreter| self.is_run_by(interpreter, depth - 1))
    }
}

/// Reads the first bytes of a regular file.
fn read_start(path: &CStr, start: &mut [u8; 256]) -> Option<()> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    // SAFETY: `path` is a C string that outlives the call.
    let fd = Call::Open.fd(unsafe { libc::open(path.as_ptr(), flags) }.into()).ok()?;
    // The last byte stays zero.
    let room = start.get_mut(..255)?;
    nix::unistd::read(fd, room).ok().map(drop)
}

/// The path after `#!`, if there is one.
fn interpreter(line: &mut [u8; 256]) -> Option<&CStr> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let path = if line.starts_with(b"#!") { line.get_mut(2..) } else { None }?;
    let start = path.iter().position(|byte| !blank(byte))?;
    let path = path.get_mut(start..)?;
    let end = path.iter().position(|byte| blank(byte) || matches!(byte, b'\n' | 0))?;
    *path.get_mut(end)? = 0;
    CStr::from_bytes_until_nul(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter_of(text: &[u8]) -> Option<CString> {
        let mut line = [0; 256];
        line[..text.len()].copy_from_slice(text);
        interpreter(&mut line).map(CStr::to_owned)
    }

    #[test]
    fn the_interpreter_is_what_the_kernel_takes() {
        assert_eq!(interpreter_of(b"#! \t/bin/sh -e\nrest").as_deref(), Some(c"/bin/sh"));
        assert_eq!(interpreter_of(b"#!/proc/self/exe").as_deref(), Some(c"/proc/self/exe"));
        assert_eq!(interpreter_of(b"\x7fELF"), None);
    }
}
