//! The command line of sixdocker.
//!
//! The C library calls `main` itself. What the standard library would do first is opening
//! /proc/self/maps and a stack for its fault handler, which takes a tenth of a start: a stack
//! that runs out ends this program by a signal either way, and [`cli::starved`] asks before.
#![no_main]

use std::ffi::{c_char, c_int};
use std::io::Write;
use std::time::Instant;

use sixdocker::{cli, sys};

// SAFETY: no other function is called main, and the C library's arguments are handed on.
#[allow(unsafe_code, reason = "the name that the C library calls")]
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, words: *const *const c_char) -> c_int {
    let begun = Instant::now();
    if sys::begin().is_err() {
        return cli::REFUSED.into();
    }
    if let Some(why) = cli::starved() {
        _ = std::io::stderr().write_all(why.as_bytes());
        return cli::REFUSED.into();
    }
    // SAFETY: they come from the C library.
    let words = unsafe { sys::words(count, words) };
    cli::main(&words, begun).into()
}
