//! The command line as a text, so that a fault of a flag is shown where it was typed.

use std::ffi::OsString;
use std::ops::Range;

use crate::diagnostic::{Place, Problem};
use crate::source::{Pointer, Source};

/// What was typed, in one line.
#[derive(Debug)]
pub(in crate::cli) struct Line {
    text: String,
    /// Each word, and where it stands.
    words: Vec<(String, Range<usize>)>,
    marks: Vec<(Pointer, String)>,
    /// It says something besides a manifest that is written down.
    beside: bool,
}

impl Line {
    pub(super) fn new(words: &[OsString], marks: Vec<(Pointer, String)>) -> Self {
        let text = "sixdocker".to_owned();
        let mut line = Self { text, words: Vec::new(), marks, beside: false };
        for word in words.iter().skip(1) {
            let word = word.to_string_lossy().into_owned();
            line.text.push(' ');
            let start = line.text.len();
            line.text.push_str(&shell(&word));
            line.words.push((word, start..line.text.len()));
        }
        line
    }

    /// A line that asks only for what is marked.
    pub(in crate::cli) fn beside(words: &[OsString], marks: Vec<(Pointer, String)>) -> Self {
        Self { beside: true, ..Self::new(words, marks) }
    }

    /// Whether it was here that a value was asked for.
    pub(in crate::cli) fn asked_for(&self, place: &Place) -> bool {
        let marked = |pointer: &Pointer| self.marks.iter().any(|(mark, _)| pointer.is_in(mark));
        !self.beside || place.pointer().is_some_and(marked)
    }

    /// The line as a text of its own.
    pub(in crate::cli) fn source(&self) -> Source {
        Source::new(super::TYPED, self.text.clone())
    }

    /// The same problem, at the word that asked for the value.
    pub(in crate::cli) fn place(&self, problem: &Problem) -> Problem {
        let at = problem.at.pointer().map_or_else(|| self.whole(), |at| self.asked(at));
        Problem { at: Place::Bytes(at), fix: None, ..problem.clone() }
    }

    /// Where the word stands that asked for a value, or for one around it.
    fn asked(&self, pointer: &Pointer) -> Range<usize> {
        let parts: Vec<_> = pointer.parts().collect();
        let around = (0..=parts.len()).rev().filter_map(|n| parts.get(..n));
        let mut typed = around.filter_map(|parts| {
            let same = |mark: &Pointer| mark.parts().eq(parts.iter().cloned());
            self.marks.iter().find(|(mark, _)| same(mark)).map(|(_, typed)| typed)
        });
        typed.next().map_or_else(|| self.whole(), |typed| self.word(typed))
    }

    /// Where this was typed: a word by itself, or the end of one such as `--memory=100x`.
    pub(in crate::cli) fn word(&self, typed: &str) -> Range<usize> {
        let whole = self.words.iter().find(|(word, _)| word == typed);
        let end = || self.words.iter().find(|(word, _)| !typed.is_empty() && word.ends_with(typed));
        match (whole, end()) {
            (Some((_, range)), _) => range.clone(),
            (None, Some((_, range))) => {
                let quoted = self.text.get(range.clone()).is_some_and(|text| text.ends_with(typed));
                let start = if quoted { range.end - typed.len() } else { range.start };
                start..range.end
            }
            (None, None) => self.whole(),
        }
    }

    /// Where the last `count` words stand.
    pub(in crate::cli) fn last(&self, count: usize) -> Range<usize> {
        let first = self.words.len().checked_sub(count).and_then(|n| self.words.get(n));
        first.map_or_else(|| self.whole(), |(_, range)| range.start..self.text.len())
    }

    fn whole(&self) -> Range<usize> {
        0..self.text.len()
    }
}

/// The word as a shell would have to be given it.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/_.,+-@%:=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
