//! The command line of sixdocker.

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let begun = Instant::now();
    ExitCode::from(sixdocker::cli::main(std::env::args_os().collect(), begun))
}
