//! Standard output and standard error, on which writing may fail.

use std::io::{self, ErrorKind, Write};

/// Prints the text; returns `code`, or 1 where it could not be printed. A reader that is gone
/// wanted no more: that is no fault.
pub(super) fn print(text: &str, code: u8) -> u8 {
    match write(text) {
        Ok(()) => code,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
        Err(error) => {
            complain(&format!("sixdocker: can't write to standard output: {error}"));
            code.max(1)
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    if crate::sys::closed_at_start(1) {
        return Err(io::Error::from_raw_os_error(nix::libc::EBADF));
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Prints to standard error; where even that fails, nobody can be told.
pub(super) fn complain(text: &str) {
    let mut text = text.to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    _ = io::stderr().lock().write_all(text.as_bytes());
}
