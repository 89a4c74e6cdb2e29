//! Problems for programs: JSON, and the annotations of GitHub's workflows.

use std::fmt::Write;

use serde::Serialize;

use super::Position;
use crate::diagnostic::{Place, Problem};
use crate::source::{Document, Pointer, Source};

/// One problem as JSON.
#[derive(Debug, Serialize)]
pub struct Item {
    file: String,
    code: &'static str,
    message: String,
    label: String,
    line: usize,
    column: usize,
    end: Position,
    bytes: [usize; 2],
    pointer: Option<Pointer>,
    help: Option<String>,
    fix: Option<String>,
}

/// The problems of a text as items of JSON.
#[must_use]
pub fn json(problems: &[Problem], source: &Source, document: Option<&Document>) -> Vec<Item> {
    problems.iter().map(|problem| item(problem, source, document)).collect()
}

fn item(problem: &Problem, source: &Source, document: Option<&Document>) -> Item {
    let span = super::bytes(problem, source, document);
    let Position { line, column } = Position::of(&source.text, span.start);
    Item {
        file: source.name.clone(),
        code: problem.code,
        message: problem.text.clone(),
        label: problem.label.clone(),
        line,
        column,
        end: Position::of(&source.text, span.end),
        bytes: [span.start, span.end],
        pointer: match &problem.at {
            Place::Value(pointer) | Place::Key(pointer) => Some(pointer.clone()),
            Place::Bytes(_) => None,
        },
        help: problem.help.clone(),
        fix: problem.fix.clone(),
    }
}

/// The problems of a text as workflow commands: one `::error` a line.
#[must_use]
pub fn github(problems: &[Problem], source: &Source, document: Option<&Document>) -> String {
    let mut out = String::new();
    for problem in problems {
        let item = item(problem, source, document);
        let help = item.help.as_ref().map_or(String::new(), |help| format!("\nhelp: {help}"));
        _ = writeln!(
            out,
            "::error file={},line={},col={},endLine={},endColumn={},title={}::{}",
            property(&item.file),
            item.line,
            item.column,
            item.end.line,
            item.end.column,
            property(item.code),
            data(&format!("{}{help}", item.message)),
        );
    }
    out
}

/// What stands after the two colons; lines are kept, other control characters are spelt out.
fn data(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| super::tame(line).replace('%', "%25")).collect();
    lines.join("%0A")
}

/// What stands in a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
