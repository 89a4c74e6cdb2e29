//! Verdicts made into a program for the kernel's classic BPF machine.
//!
//! The program looks at the architecture, then finds the number by a binary search over ranges
//! of numbers with one verdict, then looks at arguments where it must. It is laid down from its
//! end to its beginning: every jump goes forward, so its target already stands.

use super::policy::{Clause, Condition, Outcome, Policy, Test, Verdict};

/// code, jt, jf, k
pub type Instruction = (u16, u8, u8, u32);

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const EQUAL: u16 = 0x15;
const GREATER: u16 = 0x25;
const AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// struct seccomp_data
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// A conditional jump reaches 255 instructions; two stepping stones may come in between.
const REACH: usize = 250;

/// The place of an instruction, counted from the program's end.
type Label = usize;

/// A program for the policy.
#[must_use]
pub fn compile(policy: &Policy) -> Vec<Instruction> {
    let mut code = Code::default();
    let starts = code.starts(policy);
    let native = code.search(&starts);
    let native = code.load(NUMBER, native);
    let foreign = code.outcome(policy.foreign);
    let entry = code.branch(EQUAL, policy.architecture.audit(), native, foreign);
    code.load(ARCHITECTURE, entry);
    code.reversed.reverse();
    code.reversed
}

#[derive(Default)]
struct Code<'a> {
    /// The last instruction first.
    reversed: Vec<Instruction>,
    outcomes: Vec<(Outcome, Label)>,
    verdicts: Vec<(&'a Verdict, Label)>,
}

impl<'a> Code<'a> {
    /// Where each range of numbers begins, and what handles it.
    fn starts(&mut self, policy: &'a Policy) -> Vec<(u32, Label)> {
        let mut starts: Vec<(u32, Label)> = Vec::with_capacity(128);
        let mut before = None;
        for (number, verdict) in (0..).zip(&policy.verdicts) {
            if before != Some(verdict) {
                starts.push((number, self.verdict(verdict)));
                before = Some(verdict);
            }
        }
        let count = u32::try_from(policy.verdicts.len()).unwrap_or(u32::MAX);
        starts.push((count, self.outcome(policy.beyond)));
        starts
    }

    /// A search for the range that the number in the accumulator lies in.
    fn search(&mut self, starts: &[(u32, Label)]) -> Label {
        let (lower, upper) = starts.split_at(starts.len() / 2);
        match (lower, upper) {
            ([], [(_, label)]) => *label,
            (_, [(first, _), ..]) => {
                let first = *first;
                let above = self.search(upper);
                let below = self.search(lower);
                self.branch(AT_LEAST, first, above, below)
            }
            _ => self.outcome(super::policy::REFUSED),
        }
    }

    fn verdict(&mut self, verdict: &'a Verdict) -> Label {
        if verdict.clauses.is_empty() {
            return self.outcome(verdict.otherwise);
        }
        if let Some((_, label)) = self.verdicts.iter().find(|(known, _)| *known == verdict) {
            return *label;
        }
        let otherwise = self.outcome(verdict.otherwise);
        let label =
            verdict.clauses.iter().rev().fold(otherwise, |no, clause| self.clause(clause, no));
        self.verdicts.push((verdict, label));
        label
    }

    fn clause(&mut self, clause: &Clause, no: Label) -> Label {
        let yes = self.outcome(clause.outcome);
        clause
            .conditions
            .iter()
            .rev()
            .fold(yes, |yes, condition| self.condition(condition, yes, no))
    }

    fn condition(&mut self, condition: &Condition, yes: Label, no: Label) -> Label {
        let (yes, no) = if condition.negated { (no, yes) } else { (yes, no) };
        let low = ARGUMENTS + 8 * u32::from(condition.argument);
        let high = low + 4;
        match condition.test {
            Test::Equal(value) => self.masked([low, high], u64::MAX, value, yes, no),
            Test::Masked { mask, value } => self.masked([low, high], mask, value, yes, no),
            Test::Greater(value) => self.ordered(GREATER, [low, high], value, yes, no),
            Test::AtLeast(value) => self.ordered(AT_LEAST, [low, high], value, yes, no),
            Test::Among(ranges) => self.among([low, high], ranges, yes, no),
        }
    }

    fn masked(
        &mut self,
        [low, high]: [u32; 2],
        mask: u64,
        value: u64,
        yes: Label,
        no: Label,
    ) -> Label {
        if value & !mask != 0 {
            return no;
        }
        let halves = [(low, mask, value), (high, mask >> 32, value >> 32)];
        halves.into_iter().fold(yes, |yes, (at, mask, value)| {
            self.half(at, lower_half(mask), lower_half(value), yes, no)
        })
    }

    fn half(&mut self, at: u32, mask: u32, value: u32, yes: Label, no: Label) -> Label {
        if mask == 0 {
            return yes;
        }
        let mut next = self.branch(EQUAL, value, yes, no);
        if mask != u32::MAX {
            next = self.push((AND, 0, 0, mask));
        }
        self.load(at, next)
    }

    fn ordered(
        &mut self,
        code: u16,
        [low, high]: [u32; 2],
        value: u64,
        yes: Label,
        no: Label,
    ) -> Label {
        let upper = lower_half(value >> 32);
        let lower = self.branch(code, lower_half(value), yes, no);
        let lower = self.load(low, lower);
        let same = self.branch(EQUAL, upper, lower, no);
        let above = self.branch(GREATER, upper, yes, same);
        self.load(high, above)
    }

    fn among(
        &mut self,
        [low, high]: [u32; 2],
        ranges: &[(u32, u32)],
        yes: Label,
        no: Label,
    ) -> Label {
        let inside = ranges.iter().rev().fold(no, |higher, &(first, last)| {
            if first == last {
                return self.branch(EQUAL, first, yes, higher);
            }
            let within = self.branch(GREATER, last, higher, yes);
            if first == 0 { within } else { self.branch(AT_LEAST, first, within, no) }
        });
        let inside = self.load(low, inside);
        self.half(high, u32::MAX, 0, inside, no)
    }

    /// An instruction that returns the outcome, near enough for a jump.
    fn outcome(&mut self, outcome: Outcome) -> Label {
        let known = self.outcomes.iter().find(|(known, _)| *known == outcome).map(|known| known.1);
        if let Some(label) = known
            && self.reversed.len() - label < REACH
        {
            return label;
        }
        let label = self.push((RETURN, 0, 0, outcome.returned()));
        self.outcomes.retain(|(known, _)| *known != outcome);
        self.outcomes.push((outcome, label));
        label
    }

    /// Loads a word, then goes on with what was laid down last.
    fn load(&mut self, at: u32, next: Label) -> Label {
        if next + 1 != self.reversed.len() {
            self.jump(next);
        }
        self.push((LOAD, 0, 0, at))
    }

    fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        let yes = self.near(yes);
        let no = self.near(no);
        let (yes, no) = (self.distance(yes), self.distance(no));
        self.push((code, u8::try_from(yes).unwrap_or(0), u8::try_from(no).unwrap_or(0), k))
    }

    /// The label, or a stepping stone to it.
    fn near(&mut self, label: Label) -> Label {
        if self.distance(label) < REACH {
            return label;
        }
        match self.reversed.get(label) {
            Some(&(RETURN, _, _, returned)) => self.push((RETURN, 0, 0, returned)),
            _ => self.jump(label),
        }
    }

    fn jump(&mut self, label: Label) -> Label {
        let distance = u32::try_from(self.distance(label)).unwrap_or(u32::MAX);
        self.push((JUMP, 0, 0, distance))
    }

    /// How many instructions lie between the next one laid down and the label.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label - 1
    }

    fn push(&mut self, instruction: Instruction) -> Label {
        self.reversed.push(instruction);
        self.reversed.len() - 1
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
const fn lower_half(value: u64) -> u32 {
    value as u32
}
