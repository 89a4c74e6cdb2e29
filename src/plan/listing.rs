//! A plan as people read it: every step beside the line of the manifest that asked for it.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Hole, Origin, Plan, Side};
use crate::diagnostic::Place;
use crate::source::{Document, Pointer, Source};

/// A line of the manifest: its number, and what stands there.
pub struct Line {
    pub number: usize,
    pub text: String,
}

impl Line {
    /// The line that a key stands in, or what holds it.
    #[must_use]
    pub fn of(source: &Source, document: &Document, key: &Pointer) -> Option<Self> {
        let span = document.span(&Place::Key(key.clone()));
        let before = source.text.get(..span.start)?;
        // Byte by byte it is counted many at a time: a plan may have thousands of steps.
        let number = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let text = source.text.get(begin..)?.lines().next()?.to_owned();
        Some(Self { number, text })
    }
}

/// The listing, `width` columns wide. `line` knows where in the manifest a key is, if it is there.
pub fn listing(plan: &Plan, line: impl Fn(&Pointer) -> Option<Line>, width: usize) -> String {
    let width = width.max(60);
    let left = (width * 3 / 5).clamp(30, 90);
    let mut out = String::new();
    for step in plan.steps() {
        let head = format!("{:>3} {:<7} ", step.n, side(step.side));
        let asked = asked(step.origin, &line);
        beside(&mut out, &head, &step.action.to_string(), &asked, left, width);
    }
    for text in plan.undo() {
        beside(&mut out, "  - parent  ", &text, "at the end, however it comes", left, width);
    }
    if !plan.holes.is_empty() {
        out.push_str("\nWhat is open:\n");
        for hole in &plan.holes {
            beside(&mut out, "  * ", &hole.text(), &asked(&hole.origin, &line), left, width);
        }
    }
    if !plan.degraded.is_empty() {
        out.push_str("\nWhat is lost, as `allow_degraded` permits:\n");
        for lost in &plan.degraded {
            beside(&mut out, "  * ", &lost.reason, lost.name, left, width);
        }
    }
    out
}

/// The plan as data: the same steps, each with its words and the line that asked for it.
pub fn json(plan: &Plan, line: impl Fn(&Pointer) -> Option<Line>) -> String {
    let mut value = serde_json::to_value(plan).unwrap_or_default();
    let mut steps = plan.steps().into_iter();
    let mut name = |data: &mut serde_json::Value| {
        let (Some(data), Some(step)) = (data.as_object_mut(), steps.next()) else { return };
        data.insert("text".into(), step.action.to_string().into());
        let asked = Some(step.origin).filter(|origin| !origin.default);
        if let Some(line) = asked.and_then(|origin| line(&origin.key)) {
            data.insert("line".into(), line.number.into());
        }
    };
    for scene in ["prepare", "clone", "attend", "init", "spawn", "command", "exec"] {
        match value.get_mut(scene) {
            Some(serde_json::Value::Array(steps)) => steps.iter_mut().for_each(&mut name),
            Some(step) if step.is_object() => name(step),
            _ => {}
        }
    }
    value["holes"] = holes(&plan.holes, line);
    crate::render::json_text(&value)
}

/// The holes as data, each with the line that asked for it.
pub fn holes<'h>(
    holes: impl IntoIterator<Item = &'h Hole>,
    line: impl Fn(&Pointer) -> Option<Line>,
) -> serde_json::Value {
    let one = |hole: &Hole| {
        let mut value = serde_json::to_value(hole).unwrap_or_default();
        let asked = Some(&hole.origin).filter(|origin| !origin.default);
        if let Some(line) = asked.and_then(|origin| line(&origin.key)) {
            value["line"] = line.number.into();
        }
        value
    };
    holes.into_iter().map(one).collect()
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Parent => "parent",
        Side::Init => "init",
        Side::Command => "command",
    }
}

/// Who asked: a line of the manifest, or a default.
pub(crate) fn asked(origin: &Origin, line: &impl Fn(&Pointer) -> Option<Line>) -> String {
    let found = if origin.default { None } else { line(&origin.key) };
    match found {
        Some(Line { number, text }) => format!("{number}: {}", super::show::tame(text.trim())),
        None if origin.default => {
            format!("default of {}", super::show::tame(origin.key.to_string()))
        }
        None => super::show::tame(origin.key.to_string()),
    }
}

/// Two texts side by side, each wrapped in its column, with nothing in them that acts on a
/// terminal.
fn beside(out: &mut String, head: &str, left: &str, right: &str, split: usize, width: usize) {
    let room = split.saturating_sub(head.width());
    let (left, right) = (super::show::tame(left), super::show::tame(right));
    let mut lefts = wrapped(&left, room).into_iter();
    let mut rights = wrapped(&right, width.saturating_sub(split + 2)).into_iter();
    let mut head = head.to_owned();
    loop {
        let (left, right) = match (lefts.next(), rights.next()) {
            (None, None) => break,
            (left, right) => (left.unwrap_or_default(), right.unwrap_or_default()),
        };
        let pad = " ".repeat(room.saturating_sub(left.width()) + 2);
        _ = writeln!(out, "{}", format!("{head}{left}{pad}{right}").trim_end());
        head = " ".repeat(head.width());
    }
}

/// Lines of at most `width` columns, broken at blanks where there are any.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        while let Some(last) = lines.last_mut() {
            let gap = usize::from(!last.is_empty());
            if fits(word, width.saturating_sub(last.width() + gap)) {
                last.push_str(if gap == 1 { " " } else { "" });
                last.push_str(word);
                break;
            }
            if last.is_empty() {
                let cut = cut(word, width);
                let (first, rest) = word.split_at(cut);
                last.push_str(first);
                word = rest;
            }
            lines.push(String::new());
            if word.is_empty() {
                break;
            }
        }
    }
    lines.retain(|line| !line.is_empty());
    if lines.is_empty() { vec![String::new()] } else { lines }
}

/// Whether a word fills no more than `width` columns. However long it is, no more of it is read
/// than would fit.
fn fits(word: &str, width: usize) -> bool {
    word.is_empty() || filling(word, width) == word.len()
}

/// The most bytes of `word` that fill no more than `width` columns; at least one character.
fn cut(word: &str, width: usize) -> usize {
    let one = word.chars().next().map_or(0, char::len_utf8);
    filling(word, width).max(one)
}

fn filling(word: &str, width: usize) -> usize {
    /// It makes a character of one column an emoji of two.
    const EMOJI: char = '\u{fe0f}';
    let mut room = width;
    for (at, c) in word.char_indices() {
        let columns = if c == EMOJI { 1 } else { c.width().unwrap_or(0) };
        match room.checked_sub(columns) {
            Some(left) => room = left,
            None => return at,
        }
    }
    word.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_long_ones_cut() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        // A file may be one long word: this takes no time.
        assert_eq!(wrapped(&"x".repeat(1 << 20), 64).len(), 1 << 14);
        assert_eq!(wrapped(&"e\u{301}".repeat(100_000), 1).len(), 100_000);
        assert_eq!(wrapped("abcdefgh i", 3), ["abc", "def", "gh", "i"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("漢字漢字", 5), ["漢字", "漢字"]);
    }
}
