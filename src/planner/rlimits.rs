//! Resource limits of setrlimit(2), and the other small numbers of a process.

use crate::host::{Host, ResourceLimit};
use crate::manifest::{Ulimit, UlimitValue, Userns};
use crate::plan::{Attend, Command, Init, Opening, Origin, Step};
use crate::source::Pointer;

use super::draft::{Draft, asked, at, default, either, key, step};
use super::groups::Groups;
use super::identity::Identity;

/// The limits that every sandbox has where the manifest is silent: no core dumps, room enough
/// for descriptors, and an end to fork bombs.
const DEFAULTS: [(Ulimit, u64, u64); 3] =
    [(Ulimit::Core, 0, 0), (Ulimit::Nofile, 1024, 524_288), (Ulimit::Nproc, 4096, 4096)];

/// What no sandbox has more of unasked, however much its caller may have: locked memory, bytes in
/// message queues, signals that wait, and the ways to go before other processes.
const MOST: [(Ulimit, u64); 5] = [
    (Ulimit::Memlock, 8 * 1024 * 1024),
    (Ulimit::Msgqueue, 819_200),
    (Ulimit::Nice, 0),
    (Ulimit::Rtprio, 0),
    // What the kernel gives by itself on a machine with 32 GiB.
    (Ulimit::Sigpending, 131_072),
];

/// An endless stack makes the kernel lay memory out as of old, where less of it is random.
const STACK: u64 = 8 * 1024 * 1024;

/// Sets every limit.
pub(super) fn steps(
    draft: &mut Draft<'_>,
    groups: &Groups,
    identity: &Identity,
) -> Vec<Step<Command>> {
    let manifest = draft.manifest;
    let roots = draft.host.initial && identity.outside() == 0;
    let mut steps = Vec::new();
    for (ulimit, soft, hard) in DEFAULTS {
        // A group limits processes better: it counts these alone, and root's, too.
        let counted = ulimit == Ulimit::Nproc && (groups.pids || draft.host.uid == 0);
        if manifest.ulimits.contains_key(&ulimit) || counted {
            continue;
        }
        let own = hard_limit(draft, ulimit);
        let (soft, hard) = own.map_or((soft, hard), |own| (soft.min(own), hard.min(own)));
        let origin = Origin { key: key("ulimits").key(ulimit.word()), default: true };
        steps.push(rlimit(ulimit, Some(soft), Some(hard), &origin));
    }
    for (ulimit, most) in MOST {
        if !manifest.ulimits.contains_key(&ulimit) {
            steps.extend(at_most(draft, ulimit, most));
        }
    }
    steps.extend(stack(draft));
    for (ulimit, UlimitValue { soft, hard }) in &manifest.ulimits {
        let place = key("ulimits").key(ulimit.word());
        within(draft, *ulimit, *hard, &place);
        // A group that allows no more holds everybody.
        let held =
            manifest.limits.pids.is_some_and(|pids| hard.is_some_and(|it| u64::from(pids) <= it));
        if roots && *ulimit == Ulimit::Nproc && hard.is_some() && !held {
            unbound(draft, &place);
        }
        opened(draft, *ulimit, *hard, groups, &place);
        steps.push(rlimit(*ulimit, *soft, *hard, &at(place)));
    }
    steps
}

/// setrlimit(2): RLIMIT_NPROC is not enforced for the machine's own root.
fn unbound(draft: &mut Draft<'_>, place: &Pointer) {
    let why = draft.why_host_root().unwrap_or_default();
    let text = format!(
        "`{place}` does not bind the host's root, and user 0 of the sandbox is the host's root here: {why}"
    );
    let help = "write `limits: {pids: N}`, which binds everybody, or give the command a `user`; a stream that is a pipe (`| cat >log`) asks for no root";
    draft.wrong("unavailable", place, text, "would not hold", help);
}

/// Lowers a limit of the caller's that is above `most`.
fn at_most(draft: &Draft<'_>, ulimit: Ulimit, most: u64) -> Option<Step<Command>> {
    let ResourceLimit { soft, hard } = *draft.host.limits.get(ulimit.word())?;
    let within = |limit: Option<u64>| limit.is_some_and(|limit| limit <= most);
    let bounded = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
    let origin = Origin { key: key("ulimits").key(ulimit.word()), default: true };
    let lowered = rlimit(ulimit, bounded(soft), bounded(hard), &origin);
    (!within(hard)).then_some(lowered)
}

fn stack(draft: &Draft<'_>) -> Option<Step<Command>> {
    let limit = draft.host.limits.get(Ulimit::Stack.word())?;
    let silent = !draft.manifest.ulimits.contains_key(&Ulimit::Stack);
    let origin = Origin { key: key("ulimits").key("stack"), default: true };
    let lowered = || rlimit(Ulimit::Stack, Some(STACK), limit.hard, &origin);
    (silent && limit.soft.is_none()).then(lowered)
}

/// What a limit opens that is higher than usual.
fn opened(
    draft: &mut Draft<'_>,
    ulimit: Ulimit,
    hard: Option<u64>,
    groups: &Groups,
    place: &Pointer,
) {
    let origin = at(place.clone());
    let many = hard.is_none_or(|hard| hard > u64::from(super::limits::DEFAULT_PIDS));
    match ulimit {
        // Root's processes, and those of a group that counts them, are not held by it.
        Ulimit::Nproc if groups.pids || draft.host.uid == 0 || !many => {}
        Ulimit::Nproc => match hard {
            Some(hard) => draft.hole(Opening::ManyProcesses, hard.to_string(), &origin),
            None => draft.hole(Opening::AllProcesses, "the manifest wants it so", &origin),
        },
        Ulimit::Nice | Ulimit::Rtprio if hard != Some(0) => {
            draft.hole(Opening::Favoured, format!("`ulimits.{}`", ulimit.word()), &origin);
        }
        _ if above(draft, ulimit, hard).is_some() || above_usual(ulimit, hard) => {
            draft.hole(Opening::RaisedLimit, ulimit.word(), &origin);
        }
        _ => {}
    }
}

/// More than a sandbox has unasked.
fn above_usual(ulimit: Ulimit, hard: Option<u64>) -> bool {
    let defaults = DEFAULTS.iter().map(|(of, _, hard)| (*of, *hard));
    let usual = defaults.chain(MOST).find(|(of, _)| *of == ulimit);
    usual.is_some_and(|(_, most)| hard.is_none_or(|hard| hard > most))
}

fn rlimit(ulimit: Ulimit, soft: Option<u64>, hard: Option<u64>, origin: &Origin) -> Step<Command> {
    step(Command::Rlimit { resource: ulimit.word(), soft, hard }, origin)
}

fn hard_limit(draft: &Draft<'_>, ulimit: Ulimit) -> Option<u64> {
    draft.host.limits.get(ulimit.word()).and_then(|limit: &ResourceLimit| limit.hard)
}

/// The hard limit of the caller's, where another is above it.
fn above(draft: &Draft<'_>, ulimit: Ulimit, hard: Option<u64>) -> Option<u64> {
    hard_limit(draft, ulimit).filter(|own| hard.is_none_or(|hard| hard > *own))
}

/// The limits that root raises for init, before init lowers them to what is asked for.
pub(super) fn raise(draft: &Draft<'_>) -> Vec<Step<Attend>> {
    let all = draft.manifest.ulimits.iter();
    let raised = all.filter(|(ulimit, value)| {
        draft.host.unlimited && above(draft, **ulimit, value.hard).is_some()
    });
    raised
        .map(|(ulimit, value)| {
            let resource = ulimit.word();
            let origin = at(key("ulimits").key(resource));
            step(Attend::RaiseLimit { resource, hard: value.hard }, &origin)
        })
        .collect()
}

/// Only root may raise a hard limit.
fn within(draft: &mut Draft<'_>, ulimit: Ulimit, hard: Option<u64>, place: &Pointer) {
    if draft.host.unlimited {
        return;
    }
    if let Some(own) = above(draft, ulimit, hard) {
        let text = format!(
            "`{place}` is above the caller's own hard limit of {own}, which only CAP_SYS_RESOURCE can raise"
        );
        let help = format!(
            "write at most {own}, or raise the caller's limit (`ulimit -H`, limits.conf, systemd's Limit{}=)",
            ulimit.word().to_uppercase()
        );
        draft.wrong("ulimit_too_high", place, text, "above the caller's own", help);
    }
}

/// Who the kernel kills first. It is set while init may still write to its own /proc. A caller
/// that is spared does not pass that on unasked.
pub(super) fn oom_score(draft: &mut Draft<'_>) -> Vec<Step<Init>> {
    let own = draft.host.oom_score_adj;
    let Some(value) = draft.manifest.oom_score_adj else {
        let like_others = step(Init::OomScoreAdj { value: 0 }, &default("oom_score_adj"));
        return if own < 0 { vec![like_others] } else { vec![] };
    };
    let origin = asked("oom_score_adj");
    if value < own {
        draft.hole(Opening::Favoured, "`oom_score_adj`", &origin);
    }
    let may = draft.manifest.userns == Userns::Host && draft.host.unlimited;
    if value < own && !may {
        let text = format!(
            "an `oom_score_adj` below the caller's own ({own}) can't be had in a user namespace"
        );
        draft.wrong(
            "needs_root",
            &origin.key,
            text,
            "below the caller's own",
            format!("write {own} or more"),
        );
    }
    vec![step(Init::OomScoreAdj { value }, &origin)]
}

/// The nice value. A caller that goes before others does not pass that on unasked.
pub(super) fn nice(draft: &mut Draft<'_>) -> Vec<Step<Init>> {
    let Some(value) = draft.manifest.nice else {
        let ahead = draft.host.nice < 0;
        return if ahead { vec![step(Init::Nice { value: 0 }, &default("nice"))] } else { vec![] };
    };
    let origin = asked("nice");
    let own = draft.host.nice;
    if value < own {
        draft.hole(Opening::Favoured, "`nice`", &origin);
    }
    let lowest = lowest_nice(draft.host).min(own);
    let may = draft.manifest.userns == Userns::Host && draft.host.privileged;
    if value < lowest && !may {
        let text = format!(
            "a nice value below {lowest} can't be had in a user namespace: the caller's own is {own}, and its RLIMIT_NICE lets it go no further down"
        );
        let help =
            format!("write {lowest} or more, or start sixdocker itself under `nice -n {value}`");
        draft.wrong("needs_root", &origin.key, text, "below what the caller may have", help);
    }
    vec![step(Init::Nice { value }, &origin)]
}

/// How far down a caller without privilege may go (`RLIMIT_NICE` in setrlimit(2)).
fn lowest_nice(host: &Host) -> i8 {
    let Some(limit) = host.limits.get(Ulimit::Nice.word()) else { return i8::MAX };
    let steps = limit.soft.map_or(40, |soft| soft.min(40));
    i8::try_from(steps).map_or(i8::MAX, |steps| 20 - steps)
}

/// The file mode creation mask.
pub(super) fn umask(draft: &mut Draft<'_>) -> Step<Init> {
    let mask = draft.manifest.umask.0;
    let origin = either("umask", mask != 0o22);
    if mask & 0o22 != 0o22 {
        draft.hole(Opening::OpenUmask, format!("{mask:04o}"), &origin);
    }
    step(Init::Umask { mask }, &origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_goes_down_as_far_as_its_limit_says() {
        let host = |soft| Host {
            limits: [("nice".to_owned(), ResourceLimit { soft, hard: None })].into(),
            ..Host::default()
        };
        let lowest = |soft| lowest_nice(&host(soft));
        assert_eq!(
            [lowest(Some(0)), lowest(Some(25)), lowest(Some(99)), lowest(None)],
            [20, -5, -20, -20]
        );
        assert_eq!(lowest_nice(&Host::default()), i8::MAX);
    }
}
