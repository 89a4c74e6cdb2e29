//! How a run ended that was struck.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::Fault;
use super::cases::{Done, Place, by};
use super::scene::groups;
use super::tracer::Strike;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Refused,
    Reworded,
    BeforeMain,
    Harmless,
    Answered,
    Told,
    Killed,
    Collected,
    Clean,
    NotReached,
    Bad,
}

impl Class {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Refused => "refused with a message, before the command",
            Self::Reworded => "refused with a message that tells another errno",
            Self::BeforeMain => "ended by the C library, before main or in malloc",
            Self::Harmless => "harmless: the command ran, contained as planned",
            Self::Answered => "taken for an answer: the command ran, as planned for such a host",
            Self::Killed => "told as killed, all being built and the command not yet executed",
            Self::Told => "told with a message, after the command was started",
            Self::Collected => "left a control group or a file, which the next run collected",
            Self::Clean => "nothing left",
            Self::NotReached => "the call was not made this time",
            Self::Bad => "BAD",
        }
    }
}

/// Strikes, and tells what came of it.
pub(crate) fn judge(place: &Place, fault: &Fault) -> (Class, String) {
    let mounts = mounts();
    let done = place.run(fault.case, Some((&fault.seen.point, fault.strike)));
    let verdict = verdict(place, fault, &done).and_then(|class| {
        let new: Vec<String> =
            self::mounts().into_iter().filter(|it| !mounts.contains(it)).collect();
        if new.is_empty() { Ok(class) } else { Err(format!("mounts are left: {new:?}")) }
    });
    if verdict.is_err() {
        // What lies about now must not be blamed on the next ones.
        _ = collect(place, fault);
    }
    let (class, why) = match verdict {
        Ok(class) => (class, String::new()),
        Err(why) => (Class::Bad, why),
    };
    (class, line(fault, class, &why, &done))
}

fn line(fault: &Fault, class: Class, why: &str, done: &Done) -> String {
    let word = if class == Class::Bad { "BAD".to_owned() } else { format!("{class:?}") };
    let point = &fault.seen.point;
    let said: String = done.stderr.trim().replace('\n', " | ").chars().take(400).collect();
    format!(
        "{word} [{}] {} {}#{} ({}) {:?}: {why} end {:?} said {said:?}",
        fault.case.name,
        point.role,
        point.name,
        point.nth,
        fault.seen.about,
        fault.strike,
        done.traced.end
    )
}

fn verdict(place: &Place, fault: &Fault, done: &Done) -> Result<Class, String> {
    let traced = &done.traced;
    let killed = fault.strike == Strike::Kill && fault.seen.point.role == "r";
    if traced.hung {
        return Err("it hangs".into());
    }
    if !traced.struck {
        return Ok(Class::NotReached);
    }
    if fault.seen.foreign && fault.seen.point.role == "r" && traced.scene.is_none() && !killed {
        return Ok(Class::BeforeMain);
    }
    // malloc(3) of the C library does not survive that.
    if fault.seen.point.name == "brk" && traced.crashed.is_some() {
        return Ok(Class::BeforeMain);
    }
    if let Some(signal) = traced.crashed {
        return Err(format!("it crashes of {signal}"));
    }
    if !killed && traced.outlived > 0 {
        return Err(format!("{} processes outlive the runner", traced.outlived));
    }
    let left = left(done, killed);
    if !killed && !left.is_empty() {
        return Err(format!("left behind: {left:?}"));
    }
    let groups = groups(place.litter.mark());
    if !killed && !groups.is_empty() && !done.stderr.contains("stays") {
        return Err(format!("left without a word: {groups:?}"));
    }
    let clean = left.is_empty() && groups.is_empty();
    if !clean {
        collect(place, fault)?;
    }
    if killed {
        let clean = if clean { Class::Clean } else { Class::Collected };
        return if by(traced.end, Signal::SIGKILL) { Ok(clean) } else { Err("it lives on".into()) };
    }
    ended(fault, done)
}

/// A killed runner can't restore what is nobody's but its own.
fn left(done: &Done, killed: bool) -> Vec<&String> {
    done.left.iter().filter(|what| !killed || !what.starts_with("the terminal")).collect()
}

/// The next run takes away what this one left.
fn collect(place: &Place, fault: &Fault) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        place.once(fault.case);
        let (groups, files) = (groups(place.litter.mark()), place.files());
        if groups.is_empty() && files.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(5) {
            return Err(format!("the next run does not collect {groups:?} {files:?}"));
        }
    }
}

fn ended(fault: &Fault, done: &Done) -> Result<Class, String> {
    let scene = done.traced.scene.as_ref();
    match (done.traced.end, scene) {
        (Some(Ok(0)), None) => Err("0 though no command was seen".into()),
        (Some(Ok(0)), Some(scene)) => same(fault, scene),
        // The kernel gave its status to nobody.
        (Some(Ok(137)), Some(_)) if fault.seen.point.name == "waitid" => Ok(Class::Told),
        (Some(Ok(137)), None) if is_named(fault, &done.stderr) && fault.strike == Strike::Kill => {
            Ok(Class::Killed)
        }
        (Some(Ok(125..=127)), Some(_)) if done.stderr.contains("before the command ran") => {
            Err("it is said not to have run, and it did".into())
        }
        (Some(Ok(125..=127)), _) if !done.stderr.contains("sixdocker: ") => {
            Err("without a word".into())
        }
        (Some(Ok(125..=127)), None) if is_named(fault, &done.stderr) => Ok(Class::Refused),
        (Some(Ok(125..=127)), None) => Ok(Class::Reworded),
        (Some(Ok(125..=127)), Some(_)) => Ok(Class::Told),
        // The command ended in its own way, having lost a stream.
        (Some(Ok(_)), Some(_)) if done.stderr.contains("sixdocker: ") => Ok(Class::Told),
        (end, _) => Err(format!("an odd end: {end:?}")),
    }
}

/// The kernel's reason stands in what is said.
fn is_named(fault: &Fault, stderr: &str) -> bool {
    match fault.strike {
        Strike::Error(errno) => {
            stderr.contains(&format!("{errno:?}")) || stderr.contains(errno.desc())
        }
        Strike::Kill => stderr.contains("SIGKILL"),
    }
}

/// What surrounds the command is what surrounds it without the fault.
fn same(fault: &Fault, scene: &[String]) -> Result<Class, String> {
    let known = &fault.known.scene;
    let lost: Vec<_> = known.iter().filter(|line| !scene.contains(line)).collect();
    let new: Vec<_> = scene.iter().filter(|line| !known.contains(line)).collect();
    if lost.is_empty() && new.is_empty() {
        Ok(Class::Harmless)
    } else if lost.iter().chain(&new).all(|line| may_differ(fault, line)) {
        Ok(Class::Answered)
    } else {
        Err(format!("contained otherwise: without {lost:?}, with {new:?}"))
    }
}

/// Errors that say how the host is. On a host where that is the truth, another plan is drawn, or
/// there is nothing to hide.
const ANSWERS: &[Errno] = &[
    Errno::ENOENT,
    Errno::ENOTDIR,
    Errno::EACCES,
    Errno::ELOOP,
    Errno::EINVAL,
    Errno::EISDIR,
    Errno::EROFS,
    Errno::ENOSYS,
    Errno::EOPNOTSUPP,
    Errno::EPERM,
];

/// Whether such an answer may have led to this difference.
fn may_differ(fault: &Fault, line: &str) -> bool {
    let Strike::Error(errno) = fault.strike else { return false };
    let begins = |starts: &[&str]| starts.iter().any(|start| line.starts_with(start));
    // Init looks at masked files of such names.
    let about = |part: &str| fault.seen.point.role == "r" && fault.seen.about.contains(part);
    ANSWERS.contains(&errno)
        && match fault.seen.point.name {
            "landlock_create_ruleset" => begins(&["made landlock"]),
            "personality" => begins(&["made personality"]),
            "keyctl" => begins(&["made keyctl"]),
            // Nobody but root is held by a group where nothing was asked for.
            _ if about("cgroup") || about("mountinfo") => begins(&["cgroup: ", "group "]),
            // A machine that does not tell is taken to have swap, which is limited then.
            _ if about("/proc/swaps") => begins(&["group "]),
            // Who has no capabilities maps their own id alone.
            "capget" => true,
            // What is not the first user namespace has other ids to give.
            _ if about("/proc/self/uid_map") || about("/proc/self/setgroups") => true,
            _ => begins(&["mount ", "/", "environ: "]),
        }
}

fn mounts() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines().map(str::to_owned).collect()
}
