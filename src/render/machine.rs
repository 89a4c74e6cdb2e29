//! Problems for programs: JSON, and the annotations of GitHub's workflows.

use std::fmt::Write;

use serde::Serialize;

use super::Position;
use crate::diagnostic::Problem;
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
        pointer: problem.at.pointer().cloned(),
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

/// Pretty JSON in which nothing acts on a terminal: what would stands as its escape.
#[must_use]
pub fn json_text(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // A line feed within a text is escaped already.
        if c == '\n' || !super::acts(c) {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(out, "\\u{unit:04x}"));
        }
    }
    out.push('\n');
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_does_not_act_on_a_terminal_and_says_the_same() {
        let value = serde_json::json!({"a": "\u{9b}31m\u{202e}\u{e0041}\n\t\u{7f}é"});
        let text = json_text(&value);
        assert!(!text.chars().any(|c| c != '\n' && super::super::acts(c)), "{text:?}");
        assert!(text.contains("\\u009b31m\\u202e\\udb40\\udc41") && text.contains('é'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
