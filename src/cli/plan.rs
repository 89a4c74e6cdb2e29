//! `plan`: what `up` would do.

use std::path::Path;

use super::args::{Format, Plan as Args};
use super::asked::Asked;
use super::output;
use crate::diagnostic::Place;
use crate::host::Host;
use crate::plan::{Line, Plan, listing};
use crate::render::{Position, Style};
use crate::source::Pointer;

/// Prints the plan.
pub(super) fn plan(args: &Args) -> u8 {
    let asked = match Asked::given(&args.given) {
        Ok(asked) => asked,
        Err(refused) => {
            refused.complain();
            return 1;
        }
    };
    let host = match &args.host {
        None => asked.host(),
        Some(file) => match recorded(file) {
            Ok(host) => host,
            Err(text) => {
                output::complain(&text);
                return 1;
            }
        },
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
    match format {
        Format::Json => {
            serde_json::to_string_pretty(plan).unwrap_or_else(|error| error.to_string())
        }
        Format::Human => listing(plan, |key| line(asked, key), Style::of(std::io::stdout()).width),
    }
}

/// The line of the manifest that a key stands in.
fn line(asked: &Asked, key: &Pointer) -> Option<Line> {
    let span = asked.document.span(&Place::Key(key.clone()));
    let text = &asked.source.text;
    let number = Position::of(text, span.start).line;
    let text = text.lines().nth(number - 1)?.to_owned();
    Some(Line { number, text })
}

/// A machine that `doctor` recorded.
pub(super) fn recorded(file: &Path) -> Result<Host, String> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| format!("sixdocker: {name}: {e}"))?;
    serde_json::from_str(&text).map_err(|e| {
        format!(
            "sixdocker: {name} is no record of a machine, as `doctor --format json` prints it: {e}"
        )
    })
}
