//! `audit`: how exposed a manifest's sandbox is.

use super::args::{Audit as Args, Format};
use super::asked::Asked;
use super::output;
use crate::audit::{self, Score};
use crate::plan::Line;
use crate::render::Style;
use crate::source::Pointer;

/// There is no score to tell.
const NONE: u8 = 2;

/// Prints every hole and the score. The code is 1 where that is above `--max`.
pub(super) fn audit(args: &Args) -> u8 {
    let Some((asked, host)) = Asked::on_host(&args.given, args.host.as_deref()) else {
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
    if let Some(max) = above {
        output::complain(&format!("sixdocker: {score} is above {max}"));
    }
    code
}
