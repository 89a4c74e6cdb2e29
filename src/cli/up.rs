//! `up`: from a manifest to the end of its run.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::args::Up;
use super::asked::{Asked, Refused};
use super::{REFUSED, output};
use crate::diagnostic::Problem;
use crate::manifest::RootSource;
use crate::plan::Plan;
use crate::render::tame;
use crate::report::{self, Ending, Outcome, Place, Report};
use crate::source::Pointer;
use crate::{cause, execute};

/// Runs the command of a manifest.
pub(super) fn up(up: &Up, words: &[OsString], begun: Instant) -> u8 {
    match Asked::given(&up.given, words, None) {
        Ok(mut asked) => {
            if let Some(file) = &up.report {
                asked.report_to(file, words);
            }
            let code = perform(&asked, begun);
            // The process ends: to take its memory apart first would take longer.
            std::mem::forget(asked);
            code
        }
        Err(refused) => {
            let file = up.report.clone().or_else(|| refused.report(&up.given));
            let stem = super::asked::home(&up.given.file).1;
            refuse(&refused, file.as_deref(), &stem, begun)
        }
    }
}

/// Says what is wrong with what was asked for, and reports it where a report is wanted.
pub(super) fn refuse(refused: &Refused, file: Option<&Path>, stem: &str, begun: Instant) -> u8 {
    let code = refused.complain();
    let faults = report::refusal(refused.problems.len());
    output::complain(&format!("sixdocker: {faults}"));
    if let Some(file) = file.filter(|file| file.as_os_str() != "-") {
        write(file, &bad(stem, &refused.problems, begun));
    }
    code
}

/// Where the report goes, if one is wanted; says so where there is no such place.
fn place(file: Option<&PathBuf>) -> Result<Option<Place>, ()> {
    let Some(file) = file else { return Ok(None) };
    Place::of(file).map(Some).map_err(|error| unwritten(file, &error))
}

/// Plans, runs, tells, and reports.
pub(super) fn perform(asked: &Asked, begun: Instant) -> u8 {
    let (host, inputs) = (asked.host(), asked.look());
    let plan = match asked.plan_of(&host, &inputs) {
        Ok(plan) => plan,
        Err(problems) => {
            asked.tell(&problems);
            output::complain(&format!("sixdocker: {}", report::refusal(problems.len())));
            let of_report = Pointer::root().key("report");
            let unwritable = problems.iter().any(|problem| problem.at.is_in(&of_report));
            if let Some(report) = asked.manifest.report.as_ref().filter(|_| !unwritable) {
                // Where it leads was found to be nobody's choice but the caller's.
                let file = inputs.place(&report.file);
                let real = inputs.real.get(&file).unwrap_or(&file);
                write(real, &bad(&asked.stem, &problems, begun));
            }
            return REFUSED;
        }
    };
    for lost in &plan.degraded {
        // Not all limits of a kind are lost: the reason names the one that is.
        let of_limit = lost.reason.starts_with("`limits.");
        let what = if of_limit { String::new() } else { format!("{}: ", lost.name) };
        let text = format!("{} runs without {what}{}", plan.name, lost.reason);
        output::complain(&format!("sixdocker: {}", tame(&text)));
    }
    let Ok(place) = place(plan.supervise.report.as_ref()) else { return REFUSED };
    let outcome = execute::run(&plan, begun);
    let problem = outcome.ending.failure().map(|failure| cause::problem(&plan, &host, failure));
    // Before anything is told: who doesn't read that must not keep the report from being written.
    let written = place.map_or(Ok(()), |place| {
        let mut report = Report::new(&plan, &host, &outcome);
        if let (Some(step), Some(problem)) = (&mut report.failed_step, &problem) {
            step.evidence = Some(problem.text.clone());
        }
        place.write(&report)
    });
    tell(asked, &plan, &outcome, problem.as_ref());
    let report = plan.supervise.report.as_deref();
    let written =
        written.map_err(|error| unwritten(report.unwrap_or(Path::new("")), &error)).is_ok();
    let code = match outcome.code() {
        0 if !written => {
            output::complain("sixdocker: the command ended with 0, but its report is not there");
            REFUSED
        }
        code => code,
    };
    std::mem::forget((host, inputs, plan, outcome));
    code
}

/// Why it ended, where that was not the command's own doing.
fn tell(asked: &Asked, plan: &Plan, outcome: &Outcome, problem: Option<&Problem>) {
    for trouble in &outcome.troubles {
        output::complain(&format!("sixdocker: {}", tame(trouble)));
    }
    if let Some(problem) = problem {
        asked.tell(std::slice::from_ref(problem));
    }
    let unfound = matches!(outcome.ending, Ending::NotFound(_));
    let named = asked.manifest.rootfs.source != RootSource::Host;
    let path = plan.exec.action.argv.first().is_some_and(|word| word.contains('/'));
    if unfound && asked.is_typed() && !named && !path {
        // As docker has it, the first word names an image.
        output::complain("sixdocker: there are no images: --rootfs names a root file system");
    }
    if let Some(sentence) = report::sentence(plan, outcome) {
        output::complain(&format!("sixdocker: {}", tame(&sentence)));
    }
}

/// The report of a run that never began.
fn bad(stem: &str, problems: &[Problem], begun: Instant) -> Report {
    let texts = problems.iter().map(|problem| problem.text.clone()).collect();
    Report::refused(stem, texts, begun.elapsed())
}

/// Writes the report of a run that never began; says so where that fails.
fn write(file: &Path, report: &Report) {
    let written = Place::of(file).and_then(|place| place.write(report));
    _ = written.map_err(|error| unwritten(file, &error));
}

fn unwritten(file: &Path, error: &io::Error) {
    let (file, why) = (file.to_string_lossy(), error.to_string());
    let why = match error.raw_os_error() {
        // A command may have laid it, and there is no plan that would tell where commands write.
        Some(nix::libc::ELOOP) => {
            "a part of that path is a symbolic link, and none is followed here"
        }
        _ => why.split(" (os error").next().unwrap_or(&why),
    };
    output::complain(&format!("sixdocker: can't write the report {}: {why}", tame(&file)));
}
