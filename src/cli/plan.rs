//! `plan`: what `up` would do.

use std::ffi::OsString;
use std::path::Path;

use super::args::{Format, Plan as Args};
use super::asked::Asked;
use super::output;
use crate::host::Host;
use crate::plan::{Line, Plan, json, listing};
use crate::render::{Style, tame};
use crate::source::Pointer;

/// Prints the plan.
pub(super) fn plan(args: &Args, words: &[OsString]) -> u8 {
    let Some((asked, host)) = Asked::on_host(&args.given, words, args.host.as_deref()) else {
        return 1;
    };
    match asked.plan(&host) {
        Ok(plan) => output::print(&text(&asked, &plan, args.format), 0),
        Err(problems) => {
            asked.tell(&problems);
            1
        }
    }
}

fn text(asked: &Asked, plan: &Plan, format: Format) -> String {
    let line = |key: &Pointer| Line::of(&asked.source, &asked.document, key);
    match format {
        Format::Json => json(plan, line),
        Format::Human => listing(plan, line, Style::of(std::io::stdout()).width),
    }
}

/// A machine that `doctor` recorded.
pub(super) fn recorded(file: &Path) -> Result<Host, String> {
    let name = tame(&file.to_string_lossy()).into_owned();
    let source = super::asked::open(file.as_os_str()).map_err(|refused| {
        let why = refused.problems.first().map_or("can't be read", |problem| &problem.text);
        format!("sixdocker: {name}: {why}")
    })?;
    let host: Host = serde_json::from_str(&source.text)
        .map_err(|error| no_record(&name, &tame(&error.to_string())))?;
    // Every record names its kernel; what lacks it is another file, and would be a bare machine.
    match crate::host::version(&host.kernel) {
        Some(_) => Ok(host),
        None => Err(no_record(&name, "it names no kernel")),
    }
}

fn no_record(name: &str, why: &str) -> String {
    format!(
        "sixdocker: {name} is no record of a machine: {why}; there, \
         `sixdocker doctor --format json > FILE` makes one"
    )
}
