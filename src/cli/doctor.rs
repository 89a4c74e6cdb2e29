//! `doctor`: what this machine can do.

use super::args::Format;
use super::output;
use crate::{doctor, probe};

/// Prints what was found; for programs, with the facts that `plan --host` reads.
pub(super) fn doctor(format: Format) -> u8 {
    let host = probe::host(None);
    let checks = doctor::checks(&host);
    match format {
        Format::Json => output::print(&doctor::json(&host, &checks), 0),
        Format::Human => {
            let failed = checks.iter().any(|check| check.verdict == doctor::Verdict::Fail);
            output::print(&doctor::listing(&checks), u8::from(failed))
        }
    }
}
