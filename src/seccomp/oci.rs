//! Profiles in the JSON of the OCI runtime specification, with docker's additions.
//!
//! What a profile asks for is done, or the profile is refused: an action that needs a tracer or
//! a listener has nobody to answer it here. Only the machine's own architecture is served, and
//! the others stay shut even where the profile lists them.

mod words;

use serde::Deserialize;

use super::calls::{Architecture, CALLS, Call};
use super::policy::{Clause, MISSING, Outcome, Policy, Verdict};
use crate::capability::Capability;
use words::{Action, Arg, Flag};

/// What a profile is read for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub architecture: Architecture,
    pub capabilities: &'a [Capability],
    /// The kernel's release, as uname(2) gives it.
    pub kernel: &'a str,
}

/// A profile made into a policy.
#[derive(Debug)]
pub struct Profile {
    pub policy: Policy,
    /// Names of calls that this architecture does not have, and what follows from it: nothing.
    pub unknown: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    default_action: Action,
    default_errno_ret: Option<u16>,
    #[serde(default, rename = "defaultErrno")]
    _default_errno: Option<String>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    arch_map: Option<Vec<ArchMap>>,
    #[serde(default, rename = "flags")]
    _flags: Option<Vec<Flag>>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
    #[serde(default, rename = "comment")]
    _comment: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ArchMap {
    architecture: String,
    #[serde(default, rename = "subArchitectures")]
    _sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    name: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    action: Action,
    errno_ret: Option<u16>,
    #[serde(default, rename = "errno")]
    _errno: Option<String>,
    #[serde(default)]
    args: Option<Vec<Arg>>,
    #[serde(default, rename = "comment")]
    _comment: Option<String>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
}

/// When a rule counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Condition {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Reads a profile. A fault is told in a sentence, with its line where there is one.
pub fn read(text: &str, target: Target<'_>) -> Result<Profile, String> {
    let file: File = serde_json::from_str(text).map_err(|fault| sentence(&fault))?;
    serves(&file, target.architecture)?;
    let default = file.default_action.outcome(file.default_errno_ret)?;
    let rules = file.syscalls.unwrap_or_default();
    let mut draft = Draft::new(target.architecture, default, &rules);
    for rule in rules.iter().filter(|rule| rule.counts(target)) {
        draft.add(rule)?;
    }
    Ok(draft.finish())
}

fn sentence(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    format!("line {}, column {}: {text}", fault.line(), fault.column())
}

fn serves(file: &File, architecture: Architecture) -> Result<(), String> {
    let listed: Vec<&str> = match (&file.architectures, &file.arch_map) {
        (Some(list), _) if !list.is_empty() => list.iter().map(String::as_str).collect(),
        (_, Some(map)) => map.iter().map(|entry| entry.architecture.as_str()).collect(),
        _ => return Ok(()),
    };
    let own = words::architecture(architecture);
    if listed.is_empty() || listed.contains(&own) {
        return Ok(());
    }
    Err(format!("the profile is for {}, and this machine is {own}", listed.join(", ")))
}

impl Rule {
    fn counts(&self, target: Target<'_>) -> bool {
        let included = self.includes.as_ref().is_none_or(|includes| includes.all(target));
        let excluded = self.excludes.as_ref().is_some_and(|excludes| excludes.any(target));
        included && !excluded
    }

    fn calls(&self) -> impl Iterator<Item = &str> {
        self.name.iter().chain(&self.names).map(String::as_str)
    }

    /// One set of conditions for each way in which the rule applies. As in runc, several
    /// questions about one argument are alternatives.
    fn alternatives(&self) -> Vec<Vec<super::policy::Condition>> {
        let arguments = self.args.as_deref().unwrap_or_default();
        let twice =
            |arg: &Arg| arguments.iter().filter(|other| other.index == arg.index).count() > 1;
        let conditions = arguments.iter().map(Arg::condition);
        if arguments.iter().any(twice) {
            conditions.map(|condition| vec![condition]).collect()
        } else {
            vec![conditions.collect()]
        }
    }
}

impl Condition {
    fn all(&self, target: Target<'_>) -> bool {
        let mut caps = self.caps.iter().flatten();
        caps.all(|name| has(target, name))
            && self.arches.as_ref().is_none_or(|list| list.is_empty() || ours(list, target))
            && self.min_kernel.as_ref().is_none_or(|least| words::reaches(target.kernel, least))
    }

    fn any(&self, target: Target<'_>) -> bool {
        let mut caps = self.caps.iter().flatten();
        caps.any(|name| has(target, name))
            || self.arches.as_ref().is_some_and(|list| ours(list, target))
            || self.min_kernel.as_ref().is_some_and(|least| words::reaches(target.kernel, least))
    }
}

fn has(target: Target<'_>, name: &str) -> bool {
    Capability::named(name).is_some_and(|capability| target.capabilities.contains(&capability))
}

fn ours(list: &[String], target: Target<'_>) -> bool {
    list.iter().any(|name| name == words::go_architecture(target.architecture))
}

/// A call's verdict while rules are added to it.
#[derive(Clone, Default)]
struct Slot {
    clauses: Vec<Clause>,
    whole: Option<Outcome>,
    /// The architecture has a call of this number.
    named: bool,
}

struct Draft {
    architecture: Architecture,
    default: Outcome,
    slots: Vec<Slot>,
    unknown: Vec<String>,
}

impl Draft {
    /// Room for the calls that the profile knows, whether the rules that name them count or
    /// not: a number above them is of a call newer than the profile.
    fn new(architecture: Architecture, default: Outcome, rules: &[Rule]) -> Self {
        let known =
            rules.iter().flat_map(Rule::calls).filter_map(|name| number(name, architecture));
        let mut slots =
            vec![Slot::default(); known.max().map_or(0, |highest| usize::from(highest) + 1)];
        for number in CALLS.iter().filter_map(|call| call.number(architecture)) {
            if let Some(slot) = slots.get_mut(usize::from(number)) {
                slot.named = true;
            }
        }
        Self { architecture, default, slots, unknown: Vec::new() }
    }

    fn add(&mut self, rule: &Rule) -> Result<(), String> {
        let outcome = rule.action.outcome(rule.errno_ret)?;
        for name in rule.calls() {
            let Some(number) = number(name, self.architecture) else {
                self.unknown.push(name.to_owned());
                continue;
            };
            // As in runc: what the default says already is no rule.
            if outcome != self.default {
                self.decide(name, number, rule, outcome)?;
            }
        }
        Ok(())
    }

    fn decide(
        &mut self,
        name: &str,
        number: u16,
        rule: &Rule,
        outcome: Outcome,
    ) -> Result<(), String> {
        let Some(slot) = self.slots.get_mut(usize::from(number)) else { return Ok(()) };
        for conditions in rule.alternatives() {
            if !conditions.is_empty() {
                slot.clauses.push(Clause { conditions, outcome });
            } else if slot.whole.replace(outcome).is_some_and(|before| before != outcome) {
                return Err(format!("two rules give `{name}` different actions"));
            }
        }
        Ok(())
    }

    fn finish(self) -> Profile {
        let open = self.default.passes();
        let missing = if open { self.default } else { MISSING };
        let (architecture, default) = (self.architecture, self.default);
        let verdict = |slot: Slot| {
            if !slot.named {
                return Verdict::always(missing);
            }
            Verdict { clauses: slot.clauses, otherwise: slot.whole.unwrap_or(default) }
        };
        let verdicts = self.slots.into_iter().map(verdict).collect();
        let policy = Policy { architecture, verdicts, beyond: missing, foreign: MISSING };
        let mut unknown = self.unknown;
        unknown.sort_unstable();
        unknown.dedup();
        Profile { policy, unknown }
    }
}

fn number(name: &str, architecture: Architecture) -> Option<u16> {
    Call::named(name).and_then(|call| call.number(architecture))
}
