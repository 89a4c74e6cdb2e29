//! How the program starts, and what it keeps in memory.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::libc;
use nix::sys::signal::Signal;

use super::{Call, Result};

/// A bit for each standard stream that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Notes which standard streams were closed, and puts /dev/null in their places: no descriptor
/// that is opened later may pass for one. A write to nobody, and one beyond the caller's limit of
/// file sizes, are errors and not the end of this process.
pub fn begin() -> Result<()> {
    for stream in 0..3 {
        // SAFETY: no pointers.
        if unsafe { libc::fcntl(stream, libc::F_GETFD) } == -1 {
            CLOSED.fetch_or(1 << stream, Ordering::Relaxed);
            // The lowest number that is free is this one; it stays open, for the command too.
            // SAFETY: the path is a C string.
            let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
            Call::Open.check(null.into())?;
        }
    }
    super::supervise::ignore(Signal::SIGPIPE)?;
    super::supervise::ignore(Signal::SIGXFSZ)
}

/// Whether standard stream 0, 1 or 2 was closed when the program was started.
#[must_use]
pub fn closed_at_start(stream: u8) -> bool {
    CLOSED.load(Ordering::Relaxed) & (1 << stream.min(7)) != 0
}

/// Makes a function the program's main, which the C library calls itself.
///
/// What the standard library would do first is reading /proc/self/maps and making a stack for its
/// fault handler, which takes a tenth of a start: a stack that runs out ends this program by a
/// signal either way.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        // SAFETY: no other function is called main.
        #[allow(unsafe_code, reason = "the name that the C library calls")]
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: std::ffi::c_int,
            words: *const *const std::ffi::c_char,
        ) -> std::ffi::c_int {
            // SAFETY: they come from the C library.
            $run(|| unsafe { $crate::sys::words(count, words) }).into()
        }
    };
}

/// The arguments of this process.
///
/// # Safety
///
/// `words` are as many C strings as `count` says, and outlive the call.
#[must_use]
pub unsafe fn words(count: c_int, words: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(count).unwrap_or_default();
    // SAFETY: there are as many.
    let words = unsafe { std::slice::from_raw_parts(words, count) };
    let word = |word: &*const c_char| {
        // SAFETY: it is a C string.
        OsStr::from_bytes(unsafe { CStr::from_ptr(*word) }.to_bytes()).to_owned()
    };
    words.iter().map(word).collect()
}

unsafe extern "C" {
    /// Where the linker has put the first byte of the program, and the end of its instructions.
    static __executable_start: u8;
    static etext: u8;
}

/// Lets go of the program's own pages, which lie in the page cache: those that run again are
/// mapped again one by one, and a runner that waits needs few of them.
pub fn forget_program() {
    let page = 0xfff;
    let start = (&raw const __executable_start).expose_provenance() & !page;
    let end = (&raw const etext).expose_provenance() & !page;
    let range = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: between the two there is nothing but what the kernel has mapped from the program's
    // file and nobody writes to: it is the same when it is mapped again.
    _ = unsafe { libc::madvise(range, end.saturating_sub(start), libc::MADV_DONTNEED) };
}
