//! What the process was given, looked at before anything of it is changed.

use std::sync::atomic::{AtomicU8, Ordering};

use nix::libc;

/// A bit for each standard stream that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// The loader calls it before `main`: the standard library opens /dev/null in the place of
/// closed streams, and then nobody can tell that output is lost.
// SAFETY: functions of this section take no arguments that must be heeded; this one makes
// system calls alone, and allocates nothing.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for stream in 0..3 {
        // SAFETY: no pointers.
        if unsafe { libc::fcntl(stream, libc::F_GETFD) } == -1 {
            CLOSED.fetch_or(1 << stream, Ordering::Relaxed);
        }
    }
}

/// Whether standard stream 0, 1 or 2 was closed when the program was started.
#[must_use]
pub fn closed_at_start(stream: u8) -> bool {
    CLOSED.load(Ordering::Relaxed) & (1 << stream.min(7)) != 0
}
