//! Characters that a manifest must not hold.

use std::ops::Range;

use crate::diagnostic::{Place, Problem};

/// Every character that confuses a reader, a terminal or the kernel, at most `limit` of them.
pub(super) fn faults(text: &str, limit: usize) -> Vec<Problem> {
    if text.bytes().all(|byte| matches!(byte, b'\n' | b'\r' | b'\t' | b' '..=b'~')) {
        return Vec::new();
    }
    let odd = text.char_indices().filter_map(|(at, c)| fault(at, c));
    odd.take(limit).collect()
}

fn fault(at: usize, c: char) -> Option<Problem> {
    let span = at..at + c.len_utf8();
    if c == '\u{fffd}' {
        return Some(not_utf8(span));
    }
    let noun = name(at, c)?;
    Some(Problem {
        code: "control_character",
        at: Place::Bytes(span),
        text: format!("a {noun} (U+{:04X}) stands in the file", u32::from(c)),
        label: noun.to_owned(),
        help: Some(if c == '\0' {
            "remove it: no text that reaches the kernel can hold a NUL".to_owned()
        } else {
            format!("remove it, or write it as \"\\u{:04X}\" in a double-quoted text", u32::from(c))
        }),
        fix: None,
    })
}

/// What an unwelcome character is.
fn name(at: usize, c: char) -> Option<&'static str> {
    match c {
        '\0' => Some("NUL byte"),
        '\u{1b}' => Some("terminal escape"),
        '\n' | '\r' | '\t' => None,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some("bidirectional override"),
        '\u{feff}' if at > 0 => Some("byte-order mark"),
        '\u{2028}' | '\u{2029}' => Some("line separator"),
        _ if c.is_control() => Some("control character"),
        _ => None,
    }
}

fn not_utf8(span: Range<usize>) -> Problem {
    Problem {
        code: "not_utf8",
        at: Place::Bytes(span),
        text: "the file is not UTF-8 here".to_owned(),
        label: "not UTF-8".to_owned(),
        help: Some("save the file as UTF-8".to_owned()),
        fix: None,
    }
}
