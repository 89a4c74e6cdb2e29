//! The command line of sixdocker.

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let begun = Instant::now();
    let words: Vec<_> = std::env::args_os().collect();
    ExitCode::from(sixdocker::cli::main(&words, begun))
}
