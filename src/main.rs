//! The command line of sixdocker.
#![no_main]

use std::ffi::OsString;
use std::io::Write;
use std::time::Instant;

use sixdocker::{cli, sys};

sixdocker::entry!(run);

#[global_allocator]
static MEMORY: sys::Arena = sys::Arena::new();

fn run(words: impl FnOnce() -> Vec<OsString>) -> u8 {
    let begun = Instant::now();
    if sys::begin().is_err() {
        return cli::REFUSED;
    }
    if let Some(why) = cli::starved() {
        _ = std::io::stderr().write_all(why.as_bytes());
        return cli::REFUSED;
    }
    cli::main(&words(), begun)
}
