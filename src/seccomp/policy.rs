//! What a filter decides, before it is a program: for each number a verdict.

use super::calls::Architecture;

/// EPERM: refused.
pub const REFUSED: Outcome = Outcome::Errno(1);
/// ENOSYS: there is no such call, try another.
pub const MISSING: Outcome = Outcome::Errno(38);

/// It says that it was done, and was not.
pub const DONE: Outcome = Outcome::Errno(0);

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allow,
    /// It is let through, and the kernel logs it.
    Log,
    /// It returns this errno and does nothing.
    Errno(u16),
    /// SIGSYS, which may be handled.
    Trap,
    KillThread,
    KillProcess,
}

impl Outcome {
    /// What a filter returns for it (SECCOMP_RET_*).
    #[must_use]
    pub const fn returned(self) -> u32 {
        match self {
            Self::Allow => 0x7fff_0000,
            Self::Log => 0x7ffc_0000,
            Self::Errno(errno) => 0x0005_0000 | errno as u32,
            Self::Trap => 0x0003_0000,
            Self::KillThread => 0,
            Self::KillProcess => 0x8000_0000,
        }
    }

    /// Whether the call takes place.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }
}

/// A question about one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    Equal(u64),
    Greater(u64),
    AtLeast(u64),
    /// `argument & mask == value`
    Masked {
        mask: u64,
        value: u64,
    },
    /// It lies in one of these ranges, which are sorted and don't touch.
    Among(&'static [(u32, u32)]),
}

impl Test {
    /// Numbers on both sides of where the answer changes.
    fn edges(&self) -> Vec<u64> {
        let around = |value: u64| [value.wrapping_sub(1), value, value.wrapping_add(1)];
        match self {
            Self::Equal(value) | Self::Greater(value) | Self::AtLeast(value) => {
                around(*value).to_vec()
            }
            Self::Masked { mask, value } => {
                let lowest = mask & mask.wrapping_neg();
                vec![*value, value ^ lowest, value ^ mask, value | !mask]
            }
            Self::Among(ranges) => {
                let ends = ranges.iter().flat_map(|&(first, last)| [first, last]);
                ends.flat_map(|end| around(end.into())).collect()
            }
        }
    }
}

/// A question about one argument, or its contrary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which argument, from 0 to 5.
    pub argument: u8,
    pub test: Test,
    pub negated: bool,
}

impl Condition {
    /// The test as it stands.
    #[must_use]
    pub const fn new(argument: u8, test: Test) -> Self {
        Self { argument, test, negated: false }
    }

    fn holds(&self, arguments: &[u64; 6]) -> bool {
        let argument = arguments.get(usize::from(self.argument)).copied().unwrap_or_default();
        let is = match self.test {
            Test::Equal(value) => argument == value,
            Test::Greater(value) => argument > value,
            Test::AtLeast(value) => argument >= value,
            Test::Masked { mask, value } => argument & mask == value,
            Test::Among(ranges) => {
                let within = |&(first, last): &(u32, u32)| {
                    (u64::from(first)..=u64::from(last)).contains(&argument)
                };
                ranges.iter().any(within)
            }
        };
        is != self.negated
    }
}

/// An outcome for calls whose arguments meet all conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    pub conditions: Vec<Condition>,
    pub outcome: Outcome,
}

/// What becomes of the calls of one number: the first clause that holds, or else `otherwise`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub clauses: Vec<Clause>,
    pub otherwise: Outcome,
}

impl Verdict {
    /// Whatever the arguments are.
    #[must_use]
    pub const fn always(outcome: Outcome) -> Self {
        Self { clauses: Vec::new(), otherwise: outcome }
    }

    /// How much it lets through.
    #[must_use]
    pub fn reach(&self) -> Reach {
        let passes = self.otherwise.passes();
        if self.clauses.iter().any(|clause| clause.outcome.passes() != passes) {
            Reach::Some
        } else if passes {
            Reach::All
        } else {
            Reach::Nothing
        }
    }
}

impl Verdict {
    /// Whether the other lets through what this one refuses, as far as the numbers tell that
    /// the two ask about. Where they ask about more than anybody reads, it is taken to.
    #[must_use]
    pub fn opened_by(&self, other: &Self) -> bool {
        const MOST: usize = 128;
        let clauses = self.clauses.iter().chain(&other.clauses);
        let conditions: Vec<_> = clauses.flat_map(|clause| &clause.conditions).collect();
        if conditions.len() > MOST {
            return self.reach() < Reach::All && other.reach() > Reach::Nothing;
        }
        let mut calls = vec![[0; 6]];
        for condition in conditions {
            let at = usize::from(condition.argument);
            for value in condition.test.edges() {
                // With the first of the other arguments: it is one that most questions are about.
                for mut call in calls.iter().take(16).copied().collect::<Vec<_>>() {
                    call.get_mut(at).into_iter().for_each(|slot| *slot = value);
                    calls.push(call);
                }
            }
        }
        calls.iter().any(|call| other.outcome(call).passes() && !self.outcome(call).passes())
    }

    fn outcome(&self, arguments: &[u64; 6]) -> Outcome {
        let holds = |clause: &&Clause| clause.conditions.iter().all(|it| it.holds(arguments));
        self.clauses.iter().find(holds).map_or(self.otherwise, |clause| clause.outcome)
    }
}

/// How much of a call is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    Nothing,
    /// Only with certain arguments.
    Some,
    All,
}

/// Verdicts over all system calls of one architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub architecture: Architecture,
    /// By number.
    pub verdicts: Vec<Verdict>,
    /// For higher numbers: on x86-64 they include those of x32.
    pub beyond: Outcome,
    /// For the entry points of other architectures: `int 0x80` and the like.
    pub foreign: Outcome,
}

impl Policy {
    /// What becomes of a call.
    #[must_use]
    pub fn outcome(&self, architecture: u32, number: u32, arguments: &[u64; 6]) -> Outcome {
        if architecture != self.architecture.audit() {
            return self.foreign;
        }
        let verdict = self.verdicts.get(number as usize);
        verdict.map_or(self.beyond, |verdict| verdict.outcome(arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(test: Test) -> Verdict {
        let conditions = vec![Condition::new(0, test)];
        let clauses = vec![Clause { conditions, outcome: Outcome::Allow }];
        Verdict { clauses, otherwise: REFUSED }
    }

    #[test]
    fn what_is_opened_is_told_from_what_is_shut() {
        let (all, none) = (Verdict::always(Outcome::Allow), Verdict::always(REFUSED));
        let (few, more) = (only(Test::Among(&[(1, 2)])), only(Test::Among(&[(1, 2), (40, 40)])));
        let flags = only(Test::Masked { mask: 0x1000_0000, value: 0 });
        for (from, to) in
            [(&none, &few), (&few, &more), (&more, &all), (&flags, &all), (&none, &flags)]
        {
            assert!(from.opened_by(to), "{from:?} {to:?}");
            assert!(!to.opened_by(from) && !from.opened_by(from), "{from:?} {to:?}");
        }
        assert!(few.opened_by(&only(Test::Equal(3))) && few.opened_by(&only(Test::Greater(7))));
        assert!(!none.opened_by(&Verdict::always(MISSING)));
        let long = Clause {
            conditions: vec![Condition::new(0, Test::Equal(1)); 200],
            outcome: Outcome::Allow,
        };
        assert!(none.opened_by(&Verdict { clauses: vec![long], otherwise: REFUSED }));
    }
}
