//! The last line on the terminal: why the run is over, where that is not the command's doing.

use crate::diagnostic::MOST;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Ending, Figures, Outcome};
use crate::plan::{Command, Plan};

/// One sentence on why the run is over; none where the command ended by itself. Where a step
/// failed, a diagnostic tells more.
#[must_use]
pub fn sentence(plan: &Plan, outcome: &Outcome) -> Option<String> {
    let name = plan.name.escape_default();
    let why = why(plan, outcome)?;
    let late = outcome.started || outcome.ending.failure().is_some();
    let when = if late { "" } else { ", before the command ran" };
    Some(format!("{name} {why}{when}"))
}

/// The same where no run came of a manifest.
#[must_use]
pub fn refusal(faults: usize) -> String {
    let faults = match faults {
        1 => "one fault".to_owned(),
        ..=MOST => format!("{faults} faults"),
        // The last one tells that there are more.
        _ => format!("more than {MOST} faults"),
    };
    format!("nothing was started: {faults} in what was asked for")
}

fn why(plan: &Plan, outcome: &Outcome) -> Option<String> {
    let watch = &plan.supervise;
    Some(match &outcome.ending {
        Ending::Signal(number) => {
            format!("was killed by {}{}", signal(*number), perhaps(plan, *number))
        }
        Ending::Timeout => format!("was {} its timeout{}", stopped(outcome), of(watch.timeout)),
        Ending::CpuTime => {
            format!("was killed by its processor time limit{}", of(watch.cpu_time))
        }
        Ending::Memory => memory(&outcome.figures),
        Ending::Output => {
            let limit = watch.output.map_or(String::new(), |limit| format!(" of {}", size(limit)));
            format!("was killed by its output limit{limit}")
        }
        Ending::Cancelled(number) => cancelled(outcome, *number),
        Ending::Setup(_) => "was not started: its sandbox could not be set up".to_owned(),
        Ending::NotFound(_) => "was not started: its command was not found".to_owned(),
        Ending::NotExecutable(_) => "was not started: its command can't be executed".to_owned(),
        Ending::Exit(code) => {
            let times = outcome.figures.pids_refused.filter(|times| *times > 0)?;
            let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
            format!("ended with {code}, and a limit of processes refused it one more {times}")
        }
        Ending::Ok => return None,
    })
}

/// The resource limits of the manifest's that make the kernel send this signal.
fn perhaps(plan: &Plan, number: i32) -> String {
    let suspects: &[&str] = match Signal::try_from(number) {
        Ok(Signal::SIGSEGV | Signal::SIGBUS) => &["stack", "as", "data"],
        Ok(Signal::SIGXCPU | Signal::SIGKILL) => &["cpu", "rttime"],
        Ok(Signal::SIGXFSZ) => &["fsize"],
        _ => &[],
    };
    let limits = plan.command.iter().filter_map(|step| match &step.action {
        Command::Rlimit { resource, soft: Some(soft), .. }
            if !step.origin.default && suspects.contains(resource) =>
        {
            Some(format!("`ulimits.{resource}` of {soft}"))
        }
        _ => None,
    });
    let limits: Vec<_> = limits.collect();
    if limits.is_empty() {
        return String::new();
    }
    format!(": it may have reached its {}", limits.join(" or its "))
}

fn stopped(outcome: &Outcome) -> &'static str {
    if outcome.killed { "killed by" } else { "stopped by" }
}

fn of(limit: Option<Duration>) -> String {
    limit.map_or(String::new(), |limit| format!(" of {}", duration(limit)))
}

fn memory(figures: &Figures) -> String {
    let peak = figures.memory_peak.map_or(String::new(), |peak| format!(" (peak {})", size(peak)));
    match figures.memory_limit {
        Some(limit) => format!("was killed by its memory limit of {}{peak}", size(limit)),
        None => format!("was killed because memory ran out around it{peak}"),
    }
}

const NOBODY_READS: &str = "nobody reads its output any more";

fn cancelled(outcome: &Outcome, number: i32) -> String {
    let signal = signal(number);
    let sender = outcome.asked.and_then(|came| came.sender);
    let from = sender.map_or(String::new(), |(pid, _)| format!(" from process {pid}"));
    if number == Signal::SIGPIPE as i32 {
        let lost = !outcome.troubles.is_empty();
        let why = if lost { "its output could not be written" } else { NOBODY_READS };
        format!("was stopped because {why}")
    } else if outcome.killed {
        format!("was killed, as asked by {signal}{from}")
    } else {
        format!("was stopped, as asked by {signal}{from}")
    }
}

fn signal(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |s| s.to_string())
}

/// A size as people read it: `100 MiB`, `1.5 GiB`, `12 bytes`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0) else {
        return format!("{bytes} bytes");
    };
    let (whole, rest) = (bytes >> shift, bytes & ((1 << shift) - 1));
    match rest.saturating_mul(10) >> shift {
        0 => format!("{whole} {unit}"),
        tenths => format!("{whole}.{tenths} {unit}"),
    }
}

fn duration(time: Duration) -> String {
    let millis = time.as_millis();
    match (millis / 1000, millis % 1000) {
        (0, millis) => format!("{millis} ms"),
        (seconds, 0) if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        (seconds, 0) => format!("{seconds} s"),
        (seconds, millis) => {
            let thousandths = format!("{millis:03}");
            format!("{seconds}.{} s", thousandths.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_read_well() {
        assert_eq!(size(100 << 20), "100 MiB");
        assert_eq!(size(3 << 29), "1.5 GiB");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(u64::MAX), "16777215.9 TiB");
        assert_eq!(duration(Duration::from_millis(1250)), "1.25 s");
        assert_eq!(duration(Duration::from_millis(50)), "50 ms");
        assert_eq!(duration(Duration::from_mins(2)), "2 min");
        assert_eq!(duration(Duration::from_secs(90)), "90 s");
    }
}
