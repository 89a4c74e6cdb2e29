//! `doctor`: what this machine can do, looked at, and then tried.

use std::path::Path;
use std::time::Instant;

use super::args::Format;
use super::asked::Asked;
use super::output;
use crate::diagnostic::Problem;
use crate::doctor::{Check, Verdict};
use crate::host::Host;
use crate::manifest::Variables;
use crate::source::Source;
use crate::{cause, doctor, execute, probe};

/// Prints what was found; for programs, with the facts that `plan --host` reads.
pub(super) fn doctor(format: Format) -> u8 {
    let host = probe::host(None);
    let mut checks = doctor::checks(&host);
    checks.extend(trials(&host, &checks));
    match format {
        Format::Json => output::print(&doctor::json(&host, &checks), 0),
        Format::Human => {
            let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
            output::print(&doctor::listing(&checks), u8::from(failed))
        }
    }
}

/// Sandboxes that are really made: the least one, one with a layer above its root, one with the
/// limits that are to be had. The first that fails says all there is to say.
fn trials(host: &Host, checks: &[Check]) -> Vec<Check> {
    let passes = |name: &str| {
        checks.iter().any(|check| check.name == name && check.verdict == Verdict::Pass)
    };
    let least =
        "command: [\"true\"]\nstdin: none\nstdout: none\ntty: false\nallow_degraded: [hostname]\n";
    let proc = host.proc_mask.as_ref().map_or("", |_| "proc: none\n");
    let limits = [("memory", "memory: 64m"), ("pids", "pids: 64"), ("cpu", "cpus: 1")];
    let limits: Vec<_> =
        limits.into_iter().filter(|(name, _)| passes(name)).map(|(_, limit)| limit).collect();
    let layered = format!("{least}{proc}rootfs: {{path: /usr, size: 1m}}\n");
    let limited = format!("{least}{proc}limits: {{{}}}\n", limits.join(", "));
    let trials = [
        ("a sandbox", format!("{least}{proc}"), "was made", true),
        ("a layer", layered, "was laid over /usr, and thrown away", passes("overlay")),
        ("limits", limited, "were set for a sandbox", !limits.is_empty()),
    ];
    let mut tried = Vec::new();
    for (name, text, works, wanted) in trials {
        let failed = tried.iter().any(|check: &Check| check.verdict == Verdict::Fail);
        if wanted && !failed {
            tried.push(Check::tried(name, works, trial(text).err()));
        }
    }
    tried
}

/// Makes the sandbox of this manifest. Which command ran in it is no matter: a machine may lack
/// `true`, or what it needs to run.
fn trial(text: String) -> Result<(), Problem> {
    let refused = |problems: Vec<Problem>| problems.into_iter().next().map_or(Ok(()), Err);
    let mut asked = match Asked::read(Source::new("doctor", text), &Variables::default()) {
        Ok(asked) => asked,
        Err(problems) => return refused(problems.problems),
    };
    asked.place(Path::new("/"), "doctor");
    let host = asked.host();
    let plan = match asked.plan(&host) {
        Ok(plan) => plan,
        Err(problems) => return refused(problems),
    };
    let outcome = execute::run(&plan, Instant::now());
    match outcome.ending.failure() {
        Some(failure) if failure.n != plan.exec.n => Err(cause::problem(&plan, &host, failure)),
        _ => Ok(()),
    }
}
