//! `check`: everything that is wrong with manifests.

use std::ffi::OsStr;
use std::path::Path;

use super::args::{Check as Args, Faults};
use super::asked::{self, Refused};
use super::output;
use crate::check::{self, Checked, Circumstances};
use crate::render::{self, Style};
use crate::source::Source;

/// Prints the faults of every file. The code is 0 where there is none, else 1.
pub(super) fn check(args: &Args) -> u8 {
    let host = match args.host.as_deref().map(super::plan::recorded).transpose() {
        Ok(host) => host,
        Err(text) => {
            output::complain(&text);
            return 1;
        }
    };
    let around = Circumstances { variables: asked::variables(&args.set, "$"), host };
    let all: Vec<_> = args.files.iter().map(|file| one(file, args.fix, &around)).collect();
    let code = u8::from(all.iter().any(|(_, checked)| !checked.problems.is_empty()));
    output::print(&text(&all, args.format), code)
}

fn one(file: &OsStr, fix: bool, around: &Circumstances) -> (Source, Checked) {
    let source = match asked::open(file) {
        Ok(source) => source,
        Err(refused) => {
            let Refused { source, document, problems } = *refused;
            return (source, Checked { document, problems });
        }
    };
    let (base, stem) = asked::home(file);
    let check = |source: &Source| check::check(source, &base, &stem, around);
    let checked = check(&source);
    if !fix || checked.problems.iter().all(|problem| problem.fix.is_none()) {
        return (source, checked);
    }
    let mended = check::mend(&source, &checked, &check);
    if mended.done.is_empty() {
        return (source, checked);
    }
    if file == "-" {
        output::complain("sixdocker: standard input can't be mended: --fix needs a file");
        return (source, checked);
    }
    match check::replace(Path::new(file), &source.text, &mended.source.text) {
        Ok(()) => {
            mended.done.iter().for_each(|done| output::complain(&render::tame(done)));
            (mended.source, mended.checked)
        }
        Err(error) => {
            let name = render::tame(&source.name).into_owned();
            output::complain(&format!("sixdocker: {name} can't be mended: {error}"));
            (source, checked)
        }
    }
}

fn text(all: &[(Source, Checked)], format: Faults) -> String {
    match format {
        Faults::Human => human(all),
        Faults::Github => all
            .iter()
            .map(|(source, checked)| {
                render::github(&checked.problems, source, checked.document.as_ref())
            })
            .collect(),
        Faults::Json => {
            let items: Vec<_> = all
                .iter()
                .flat_map(|(source, checked)| {
                    render::json(&checked.problems, source, checked.document.as_ref())
                })
                .collect();
            render::json_text(&items)
        }
    }
}

fn human(all: &[(Source, Checked)]) -> String {
    let style = Style::of(std::io::stdout());
    let parts: Vec<_> = all
        .iter()
        .map(|(source, Checked { document, problems })| match problems.len() {
            0 => format!("{}: nothing is wrong\n", render::tame(&source.name)),
            _ => render::human(problems, source, document.as_ref(), style),
        })
        .collect();
    parts.join(if style.wrap { "\n" } else { "" })
}
