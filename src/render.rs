//! Problems as people, programs and CI systems read them.
//!
//! Whatever comes from a file or a command line is made harmless first: no control, escape or
//! bidirectional character of theirs reaches a terminal. Nothing here looks at the machine, but
//! for [`Style::of`].

mod escape;
mod excerpt;
mod human;
mod machine;
mod style;

use std::ops::Range;

use crate::diagnostic::{Place, Problem};
use crate::source::{Document, Source};

pub use escape::{acts, tame};
pub use human::human;
pub use machine::{Item, github, json, json_text};
pub use style::Style;

/// Where a problem is, as bytes of the text.
#[must_use]
pub fn bytes(problem: &Problem, source: &Source, document: Option<&Document>) -> Range<usize> {
    let span = match (&problem.at, document) {
        (Place::Bytes(range), _) => range.clone(),
        (place, Some(document)) => document.span(place),
        (_, None) => 0..0,
    };
    let text = &source.text;
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    start..end
}

/// A position in a text: line and column count from 1, and columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The position of a byte.
    #[must_use]
    pub fn of(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Self { line, column }
    }
}
