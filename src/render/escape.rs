//! Makes text harmless for a terminal.

use std::borrow::Cow;
use std::fmt::Write;

pub use crate::source::acts;

/// The text with every character that a terminal would act on, or that hides or turns around
/// others, written as its escape.
#[must_use]
pub fn tame(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push(&mut out, c);
    }
    Cow::Owned(out)
}

/// Appends one character, or its escape.
pub(super) fn push(out: &mut String, c: char) {
    match c {
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        c if !acts(c) => out.push(c),
        c if u32::from(c) < 0x100 => _ = write!(out, "\\x{:02x}", u32::from(c)),
        c => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays() {
        assert!(matches!(tame("größe 漢字 👩‍💻"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_a_terminal_acts_on_is_spelt_out() {
        assert_eq!(tame("a\x1b[31m\u{202e}b\n\u{9b}"), "a\\x1b[31m\\u{202e}b\\n\\x9b");
    }
}
