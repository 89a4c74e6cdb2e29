//! System call filters: profiles made into programs for the kernel.
//!
//! ```text
//! level, capabilities ──levels──▶ Policy ──program──▶ instructions
//! OCI JSON ──────────────oci────────▶ ▲
//! ```
//!
//! Everything here is pure; installing a filter is not ours.

pub mod calls;
pub mod levels;
pub mod oci;
pub mod policy;
pub mod program;

use serde::Serialize;

use crate::diagnostic::{Place, Problem};
use crate::manifest::{Refusal, Seccomp, SeccompBase, Security, SecurityLevel};
use crate::source::Pointer;
use calls::{Architecture, CALLS, Call};
use levels::Openers;
use oci::Target;
use policy::{MISSING, Outcome, Policy, REFUSED, Reach, Verdict};

/// A filter, ready to be installed, and what it is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Filter {
    /// What it is, in a few words: `default`, `strict`, a file's name, and what was added.
    pub name: String,
    /// How many system calls it lets through, some of them only with certain arguments.
    pub allowed: usize,
    /// How it differs from `default` for a command without capabilities.
    #[serde(skip_serializing_if = "Difference::is_empty")]
    pub difference: Difference,
    /// What the manifest's words about the filter let through, besides what capabilities and
    /// `nested_namespaces` open.
    #[serde(skip)]
    pub opened: Opened,
    /// Names in a profile that are no system calls of this architecture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// The program, as seccomp(2) takes it: (code, jt, jf, k).
    #[serde(skip)]
    pub program: Vec<(u16, u8, u8, u32)>,
}

/// System calls that one filter treats otherwise than another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Let through, or with more arguments.
    pub opened: Vec<&'static str>,
    /// Refused, or let through with fewer arguments.
    pub shut: Vec<&'static str>,
    /// Let through with other arguments, or refused in another way.
    pub altered: Vec<&'static str>,
}

impl Difference {
    /// There is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.shut.is_empty() && self.altered.is_empty()
    }

    fn between(from: &Policy, to: &Policy) -> Self {
        let mut difference = Self::default();
        for call in CALLS {
            let Some(number) = call.number(to.architecture) else { continue };
            let (before, after) = (at(from, number), at(to, number));
            let list = match before.reach().cmp(&after.reach()) {
                _ if before == after => continue,
                std::cmp::Ordering::Less => &mut difference.opened,
                std::cmp::Ordering::Greater => &mut difference.shut,
                std::cmp::Ordering::Equal => &mut difference.altered,
            };
            list.push(call.name);
        }
        difference
    }
}

/// System calls that are let through, or with arguments with which the default refuses them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Those that `loose` lets through as well.
    pub more: Vec<&'static str>,
    /// Those that no level does.
    pub most: Vec<&'static str>,
}

impl Opened {
    fn by(security: &Security, policy: &Policy) -> Self {
        let openers = Openers::new(&security.capabilities, security.nested_namespaces);
        let level = |level| levels::policy(level, openers, policy.architecture);
        let (usual, loose) = (level(SecurityLevel::Default), level(SecurityLevel::Loose));
        let mut opened = Self::default();
        for call in CALLS {
            let Some(number) = call.number(policy.architecture) else { continue };
            let after = at(policy, number);
            if at(&loose, number).opened_by(&after) {
                opened.most.push(call.name);
            } else if at(&usual, number).opened_by(&after) {
                opened.more.push(call.name);
            }
        }
        if policy.beyond.passes() {
            opened.most.push("what this program knows no name of");
        }
        opened
    }
}

/// A policy, and what there is to tell about it.
#[derive(Debug)]
pub struct Draft {
    pub name: String,
    pub policy: Policy,
    pub unknown: Vec<String>,
}

/// The filter that a manifest asks for, `None` where it asks for none.
///
/// `profile` is the text of the file, where one is named; `kernel` is the kernel's release.
pub fn filter(
    security: &Security,
    profile: Option<&str>,
    kernel: &str,
) -> Result<Option<Filter>, Vec<Problem>> {
    let Some(draft) = draft(security, profile, kernel, Architecture::NATIVE)? else {
        return Ok(None);
    };
    let program = program::compile(&draft.policy);
    if program.len() > LONGEST {
        let text = format!(
            "the filter has {} instructions, and the kernel takes {LONGEST}",
            program.len()
        );
        return Err(vec![bad_profile(text)]);
    }
    let allowed = |call: &&Call| reach(&draft.policy, call) > Reach::Nothing;
    let allowed = CALLS.iter().filter(allowed).count();
    let difference = difference(security, &draft.policy);
    let silent = security.seccomp == Seccomp::default() && security.level != SecurityLevel::Loose;
    let opened = if silent { Opened::default() } else { Opened::by(security, &draft.policy) };
    let Draft { name, unknown, .. } = draft;
    Ok(Some(Filter { name, allowed, difference, opened, unknown, program }))
}

/// BPF_MAXINSNS
const LONGEST: usize = 4096;

/// The policy that a manifest asks for.
pub fn draft(
    security: &Security,
    profile: Option<&str>,
    kernel: &str,
    architecture: Architecture,
) -> Result<Option<Draft>, Vec<Problem>> {
    let openers = Openers::new(&security.capabilities, security.nested_namespaces);
    let built_in = |level| Draft {
        name: word(level).to_owned(),
        policy: levels::policy(level, openers, architecture),
        unknown: Vec::new(),
    };
    let mut draft = match &security.seccomp.base {
        SeccompBase::None => return Ok(None),
        SeccompBase::Level => built_in(security.level),
        SeccompBase::Profile(level) => built_in(*level),
        SeccompBase::File(path) => {
            let target = Target { architecture, capabilities: &security.capabilities, kernel };
            let read = oci::read(profile.unwrap_or_default(), target);
            let file =
                read.map_err(|text| vec![bad_profile(format!("{}: {text}", path.display()))])?;
            Draft { name: path.display().to_string(), policy: file.policy, unknown: file.unknown }
        }
    };
    if !matches!(security.seccomp.base, SeccompBase::File(_)) {
        refuse_with(&mut draft.policy, refused(security.seccomp.refuse_with));
    }
    amend(&mut draft, &security.seccomp)?;
    Ok(Some(draft))
}

const fn word(level: SecurityLevel) -> &'static str {
    match level {
        SecurityLevel::Default => "default",
        SecurityLevel::Strict => "strict",
        SecurityLevel::Loose => "loose",
    }
}

const fn refused(refusal: Refusal) -> Outcome {
    match refusal {
        Refusal::Errno => REFUSED,
        Refusal::Kill => Outcome::KillProcess,
        Refusal::Log => Outcome::Log,
    }
}

/// Puts another outcome where the built-in profiles say EPERM.
fn refuse_with(policy: &mut Policy, outcome: Outcome) {
    let replace = |slot: &mut Outcome| {
        if *slot == REFUSED {
            *slot = outcome;
        }
    };
    for verdict in &mut policy.verdicts {
        replace(&mut verdict.otherwise);
        verdict.clauses.iter_mut().for_each(|clause| replace(&mut clause.outcome));
    }
    if outcome == Outcome::KillProcess {
        policy.foreign = outcome;
    }
}

/// Applies `allow`, then `deny`.
fn amend(draft: &mut Draft, seccomp: &Seccomp) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut apply = |list: &[String], key: &str, outcome: &dyn Fn(&Call) -> Outcome| {
        for (n, name) in list.iter().enumerate() {
            match Call::named(name) {
                Some(call) => set(&mut draft.policy, call, outcome(call)),
                None => problems.push(unknown(name, &place().key(key).index(n))),
            }
        }
    };
    apply(&seccomp.allow, "allow", &|_| Outcome::Allow);
    apply(&seccomp.deny, "deny", &|call| denial(call, refused(seccomp.refuse_with)));
    for (sign, list) in [(" +", &seccomp.allow), (" -", &seccomp.deny)] {
        for name in list {
            draft.name.push_str(sign);
            draft.name.push_str(name);
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The C library goes on without a `clone3` only where it is told that there is none.
fn denial(call: &Call, outcome: Outcome) -> Outcome {
    if call.name == "clone3" && outcome == REFUSED { MISSING } else { outcome }
}

fn set(policy: &mut Policy, call: &Call, outcome: Outcome) {
    let Some(number) = call.number(policy.architecture).map(usize::from) else { return };
    if policy.verdicts.len() <= number {
        policy.verdicts.resize(number + 1, Verdict::always(policy.beyond));
    }
    if let Some(slot) = policy.verdicts.get_mut(number) {
        *slot = Verdict::always(outcome);
    }
}

fn at(policy: &Policy, number: u16) -> Verdict {
    let verdict = policy.verdicts.get(usize::from(number));
    verdict.cloned().unwrap_or_else(|| Verdict::always(policy.beyond))
}

fn reach(policy: &Policy, call: &Call) -> Reach {
    let Some(number) = call.number(policy.architecture) else { return Reach::Nothing };
    let verdict = policy.verdicts.get(usize::from(number));
    verdict.map_or_else(|| Verdict::always(policy.beyond).reach(), Verdict::reach)
}

/// Nothing is compared on the common way, where the filter is the default itself.
fn difference(security: &Security, policy: &Policy) -> Difference {
    let Seccomp { base, allow, deny, refuse_with } = &security.seccomp;
    let level = match base {
        SeccompBase::Level => Some(security.level),
        SeccompBase::Profile(level) => Some(*level),
        SeccompBase::None | SeccompBase::File(_) => None,
    };
    let plain = level == Some(SecurityLevel::Default)
        && *refuse_with == Refusal::Errno
        && !security.nested_namespaces
        && [security.capabilities.len(), allow.len(), deny.len()] == [0; 3];
    if plain {
        return Difference::default();
    }
    let usual = levels::policy(SecurityLevel::Default, Openers::default(), policy.architecture);
    Difference::between(&usual, policy)
}

fn place() -> Pointer {
    Pointer::root().key("security").key("seccomp")
}

fn bad_profile(text: String) -> Problem {
    Problem {
        code: "bad_profile",
        at: Place::Value(place()),
        text,
        label: "this profile can't be used".to_owned(),
        help: Some("write a profile as the OCI runtime specification has it, or `default`, `strict`, `loose` or `none`".to_owned()),
        fix: None,
    }
}

fn unknown(name: &str, at: &Pointer) -> Problem {
    let near = nearest(name);
    Problem {
        code: "unknown_syscall",
        at: Place::Value(at.clone()),
        text: format!("there is no system call `{}`", name.escape_debug()),
        label: "no system call has this name".to_owned(),
        help: near.map(|near| format!("did you mean `{near}`?")),
        fix: near.map(str::to_owned),
    }
}

fn nearest(name: &str) -> Option<&'static str> {
    let distance = |call: &Call| strsim::damerau_levenshtein(name, call.name);
    let close = |(distance, _): &(usize, &str)| *distance <= 2.max(name.len() / 4);
    CALLS.iter().map(|call| (distance(call), call.name)).min().filter(close).map(|(_, name)| name)
}
