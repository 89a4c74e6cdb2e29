//! The command line of sixdocker.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
