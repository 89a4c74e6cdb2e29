//! `doctor`: what this machine can do.

use super::args::Format;
use super::output;
use crate::probe;

/// Prints the facts about this machine, or what follows from them.
pub(super) fn doctor(format: Format) -> u8 {
    let host = probe::host(None);
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&host);
            output::print(&text.unwrap_or_else(|error| error.to_string()), 0)
        }
        Format::Human => output::print(&crate::planner::doctor(&host), 0),
    }
}
