//! `audit`: how exposed a manifest's sandbox is.

use std::ffi::OsString;

use super::args::{Audit as Args, Format};
use super::asked::Asked;
use super::output;
use crate::audit::{self, Score};
use crate::host::Host;
use crate::plan::{Line, Plan};
use crate::render::Style;
use crate::source::Pointer;

/// There is no score to tell.
const NONE: u8 = 2;

/// Prints every hole and the score. The code is 1 where that is above `--max`.
pub(super) fn audit(args: &Args, words: &[OsString]) -> u8 {
    let Some((asked, host)) = Asked::on_host(&args.given, words, args.host.as_deref()) else {
        return NONE;
    };
    let plan = match asked.plan_with_pipes(&host) {
        Ok(plan) => plan,
        Err(problems) => {
            asked.tell(&problems);
            return NONE;
        }
    };
    let line = |key: &Pointer| Line::of(&asked.source, &asked.document, key);
    let text = match args.format {
        Format::Json => audit::json(&plan, line),
        Format::Human => audit::listing(&plan, line, Style::of(std::io::stdout())),
    };
    let score = Score::of(&plan.holes);
    let above = args.max.filter(|max| score > *max);
    let code = output::print(&text, u8::from(above.is_some()));
    tell_of_files(&asked, &host, &plan);
    if let Some(max) = above {
        output::complain(&format!("sixdocker: {score} is above {max}"));
    }
    code
}

/// What is open only where the streams are files, which this looks the same without.
fn tell_of_files(asked: &Asked, host: &Host, plan: &Plan) {
    let Ok(with_files) = asked.plan_with_files(host) else { return };
    let mut told: Vec<_> = plan.holes.iter().map(|hole| hole.opening).collect();
    for hole in with_files.holes {
        if told.contains(&hole.opening) {
            continue;
        }
        told.push(hole.opening);
        let (id, points) = (hole.opening.id(), hole.opening.points());
        output::complain(&format!(
            "sixdocker: run with stdout or stderr in a file, `{id}` ({points:.1}) is open as well; through a pipe it is not"
        ));
    }
}
