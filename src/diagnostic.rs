//! What is wrong, where, and what to write instead.

use std::ops::Range;

use crate::source::Pointer;

/// Where in a manifest something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At a value.
    Value(Pointer),
    /// At the key of a mapping's entry.
    Key(Pointer),
    /// At these bytes of a value.
    Part(Pointer, Range<usize>),
    /// At these bytes of the text, where no value could be read.
    Bytes(Range<usize>),
}

impl Place {
    /// Whether it is at a value, or in it.
    #[must_use]
    pub fn is_in(&self, pointer: &Pointer) -> bool {
        self.pointer().is_some_and(|at| at.is_in(pointer))
    }

    /// The value that it is at, or in.
    #[must_use]
    pub fn pointer(&self) -> Option<&Pointer> {
        match self {
            Self::Value(at) | Self::Key(at) | Self::Part(at, _) => Some(at),
            Self::Bytes(_) => None,
        }
    }
}

/// The most faults that are told of one text; that there are more is said.
pub const MOST: usize = 100;

/// One fault of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its stable code, such as `unknown_key`.
    pub code: &'static str,
    /// Where it is.
    pub at: Place,
    /// What is wrong, in one sentence.
    pub text: String,
    /// What stands at the place, in a few words: the label under the span.
    pub label: String,
    /// What to write or do instead.
    pub help: Option<String>,
    /// What to put in place of the span, where that is certain.
    pub fix: Option<String>,
}

/// The first faults of a list that is sorted, and instead of the others a word that there are more.
#[must_use]
pub fn first(mut problems: Vec<Problem>) -> Vec<Problem> {
    if let Some(next) = problems.get(MOST) {
        let more = Problem {
            code: "more_faults",
            at: next.at.clone(),
            text: format!("there are more faults, and the first {MOST} are told"),
            label: "here is the next".to_owned(),
            help: Some("mend those above first".to_owned()),
            fix: None,
        };
        problems.truncate(MOST);
        problems.push(more);
    }
    problems
}
