//! Characters that a manifest must not hold.

use std::ops::Range;

use super::Source;
use crate::diagnostic::{Place, Problem};

/// Every character that confuses a reader, a terminal or the kernel, at most `limit` of them.
pub(super) fn faults(source: &Source, limit: usize) -> Vec<Problem> {
    let text = &source.text;
    if text.bytes().all(|byte| matches!(byte, b'\n' | b'\r' | b'\t' | b' '..=b'~')) {
        return Vec::new();
    }
    if source.invalid.starts_with(&[0, 3]) && text.contains('\0') {
        return vec![not_utf8(0..6, "the file is UTF-16, and UTF-8 is wanted")];
    }
    let invalid = &source.invalid;
    let mut faults: Vec<Problem> = runs(invalid)
        .take(limit)
        .map(|span| not_utf8(span, "the file is not UTF-8 here"))
        .collect();
    let odd = text.char_indices().filter_map(|(at, c)| fault(at, c));
    faults.extend(odd.take(limit));
    faults.sort_by_key(|fault| match &fault.at {
        Place::Bytes(span) | Place::Part(_, span) => span.start,
        Place::Value(_) | Place::Key(_) => 0,
    });
    faults.truncate(limit);
    faults
}

/// Replacement characters that follow one another, as one span.
fn runs(invalid: &[usize]) -> impl Iterator<Item = Range<usize>> + '_ {
    let width = '\u{fffd}'.len_utf8();
    let runs = invalid.chunk_by(move |one, next| one + width == *next);
    runs.filter_map(move |run| Some(*run.first()?..run.last()? + width))
}

fn fault(at: usize, c: char) -> Option<Problem> {
    let span = at..at + c.len_utf8();
    let noun = name(at, c)?;
    Some(Problem {
        code: "control_character",
        at: Place::Bytes(span),
        text: format!("{} {noun} (U+{:04X}) stands in the file", article(noun), u32::from(c)),
        label: noun.to_owned(),
        help: Some(if c == '\0' {
            "remove it: no text that reaches the kernel can hold a NUL".to_owned()
        } else {
            format!("remove it, or write it as `{}` in a double-quoted text", escaped(c))
        }),
        fix: None,
    })
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// As YAML writes it between double quotes.
fn escaped(c: char) -> String {
    match u32::from(c) {
        code @ 0..=0xffff => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    }
}

/// What an unwelcome character is.
fn name(at: usize, c: char) -> Option<&'static str> {
    match c {
        '\0' => Some("NUL byte"),
        '\u{1b}' => Some("terminal escape"),
        '\n' | '\r' | '\t' => None,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some("bidirectional override"),
        '\u{200e}' | '\u{200f}' | '\u{61c}' => Some("bidirectional mark"),
        '\u{feff}' if at == 0 => None,
        '\u{feff}' => Some("byte-order mark"),
        '\u{2028}' | '\u{2029}' => Some("line separator"),
        _ if c.is_control() => Some("control character"),
        _ if acts(c) => Some("invisible character"),
        _ => None,
    }
}

/// Whether a terminal would act on a character, or it hides or turns around others: control
/// characters, bidirectional marks, invisible characters, line separators, tags.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}'
            | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn not_utf8(span: Range<usize>, text: &str) -> Problem {
    Problem {
        code: "not_utf8",
        at: Place::Bytes(span),
        text: text.to_owned(),
        label: "not UTF-8".to_owned(),
        help: Some("save the file as UTF-8".to_owned()),
        fix: None,
    }
}
