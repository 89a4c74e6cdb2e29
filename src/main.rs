//! The command line of sixdocker.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let begun = Instant::now();
    if let Some(why) = sixdocker::cli::starved() {
        _ = std::io::stderr().write_all(why.as_bytes());
        return ExitCode::from(sixdocker::cli::REFUSED);
    }
    let words: Vec<_> = std::env::args_os().collect();
    ExitCode::from(sixdocker::cli::main(&words, begun))
}
