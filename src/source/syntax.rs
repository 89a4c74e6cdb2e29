//! What keeps a text from being YAML: said in words of its own, at the place where it begins.

use std::ops::Range;

use granit_parser::{ErrorKind, ScanError};

use super::reading::{problem, too_deep};
use crate::diagnostic::Problem;

/// What is known of the text when the parser stops.
pub(super) struct Stopped<'t> {
    pub(super) text: &'t str,
    /// The end of what was read.
    pub(super) read: usize,
    /// Where the brackets stand that are still open.
    pub(super) open: &'t [usize],
}

impl Stopped<'_> {
    /// What kept the parser from going on.
    pub(super) fn because(&self, error: &ScanError) -> Problem {
        let at = self.stop(error);
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => too_deep(self.character(at)),
            ErrorKind::DirectiveDisallowed => directive(self.line(at)),
            ErrorKind::UnknownQuotedScalarEscape => self.escape(at),
            kind => {
                let slip = self.bare_variable(at).or_else(|| self.slip(at, kind));
                let found = slip.or_else(|| self.unclosed(at, kind));
                found.unwrap_or_else(|| self.other(at, kind))
            }
        }
    }

    /// The byte where the parser stopped.
    fn stop(&self, error: &ScanError) -> usize {
        let mark = error.marker();
        let counted = || self.text.char_indices().nth(mark.index()).map(|(at, _)| at);
        let at = mark.byte_offset().or_else(counted).unwrap_or(self.text.len());
        self.text.floor_char_boundary(at.min(self.text.len()))
    }

    /// The character at a byte.
    fn character(&self, at: usize) -> Range<usize> {
        let width = self.text[at..].chars().next().map_or(0, char::len_utf8);
        at..at + width
    }

    /// From a byte to the end of its line.
    fn line(&self, at: usize) -> Range<usize> {
        let line = self.text[at..].lines().next().unwrap_or_default();
        at..at + line.trim_end().len()
    }

    /// What stands at a byte, up to the next blank or bracket.
    fn word(&self, at: usize) -> Range<usize> {
        let rest = &self.text[self.line(at)];
        let end = rest.find([' ', ',', ']', '}', '#']).unwrap_or(rest.len());
        if end == 0 { self.character(at) } else { at..at + end }
    }

    /// A `${…}` between brackets, whose own bracket the parser takes for one of YAML's.
    fn bare_variable(&self, at: usize) -> Option<Problem> {
        let (before, after) = self.text.split_at(at);
        if self.open.is_empty() || !before.ends_with('$') || !after.starts_with('{') {
            return None;
        }
        let ends = |c: char| c.is_whitespace() || "[]{},\"'".contains(c);
        let start = before.trim_end_matches(|c| !ends(c)).len();
        let mut inside = false;
        let beyond = |c: char| {
            let was_inside = inside;
            inside = c == '{' || inside && c != '}';
            c == '\n' || !was_inside && !inside && ends(c)
        };
        let end = at + after.find(beyond).unwrap_or(after.len());
        let text = &self.text[start..end];
        let quote = if text.contains(['"', '\\']) { '\'' } else { '"' };
        let help = format!("quote it: `{quote}{text}{quote}`");
        Some(not_yaml(start..end, "a variable without quotes", &help))
    }

    /// A line that the parser took for something else than what was meant.
    fn slip(&self, at: usize, kind: &ErrorKind) -> Option<Problem> {
        use ErrorKind as K;
        let kinds = matches!(
            kind,
            K::SimpleKeyExpected | K::MappingValueNotAllowed | K::ExpectedBlockSequenceEntry
        );
        if !kinds || !self.open.is_empty() {
            return None;
        }
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = self.text[..start].trim_end();
        let last = before.rfind('\n').map_or(0, |newline| newline + 1);
        if self.begins_line(at) && begins_block(&self.text[last..before.len()]) {
            let label = "not indented below the `|` or `>` before it";
            let help =
                "indent each line of the text deeper than the key or item that it belongs to";
            return Some(not_yaml(self.line(at), label, help));
        }
        if self.text.starts_with("#!") {
            let help =
                "a manifest holds keys; the lines of a script can stand below `KEY: |`, indented";
            return Some(not_yaml(self.line(at), "a script stands here", help));
        }
        // A plain text goes on in the next line, so that the parser stops there.
        let column = |line: usize| self.text[line..].find(|c| c != ' ');
        let goes_on = [start, last].into_iter().filter(|line| column(*line) == column(start));
        goes_on.into_iter().find_map(|line| self.glued(line))
    }

    /// A key without a blank behind its colon, in the line that begins at `line`.
    fn glued(&self, line: usize) -> Option<Problem> {
        let text = self.text[line..].lines().next()?;
        let word = text.trim_start();
        let parted = parted(word)?;
        let start = line + text.len() - word.len();
        let help = format!("write `{parted}`");
        Some(not_yaml(self.line(start), "no blank behind the colon", &help))
    }

    /// A quote or a bracket that is not closed before `at`.
    fn unclosed(&self, at: usize, kind: &ErrorKind) -> Option<Problem> {
        use ErrorKind as K;
        let quote = matches!(
            kind,
            K::InvalidIndentation
                | K::InvalidQuotedScalarIndent
                | K::UnclosedQuotedScalar
                | K::DocumentIndicatorInQuotedScalar
        );
        if let Some(start) = self.open_quote(at).filter(|_| quote) {
            let label = "this quote is not closed";
            let help = "close it on the same line; lines that go on are indented";
            return Some(not_yaml(self.character(start), label, help));
        }
        let bracket = matches!(
            kind,
            K::InvalidIndentation
                | K::UnclosedFlowCollection { .. }
                | K::UnexpectedEofFlowSequence
                | K::UnexpectedEofFlowMapping
                | K::UnexpectedEof
        );
        let start = match kind {
            K::UnclosedFlowCollection { .. } => at,
            _ => *self.open.last().filter(|_| bracket)?,
        };
        let label = "this bracket is not closed";
        let help = "close it, and indent the lines between the brackets";
        Some(not_yaml(self.character(start), label, help))
    }

    /// A quote after what was read that begins a text which has no end before `at`.
    fn open_quote(&self, at: usize) -> Option<usize> {
        let mut from = self.read.min(at);
        loop {
            let found = from + self.text.get(from..at)?.find(['"', '\''])?;
            let before = self.text[..found].chars().next_back();
            if !before.is_none_or(|c| c.is_whitespace() || "[{,:".contains(c)) {
                from = found + 1;
                continue;
            }
            match self.closing_quote(found).filter(|end| *end < at) {
                Some(end) => from = end + 1,
                None => return Some(found),
            }
        }
    }

    /// Where the text ends that begins with the quote at `start`.
    fn closing_quote(&self, start: usize) -> Option<usize> {
        let quote = self.text.as_bytes().get(start)?;
        let mut rest = self.text.bytes().enumerate().skip(start + 1).peekable();
        while let Some((at, byte)) = rest.next() {
            let escapes = *quote == b'"' && byte == b'\\'
                || *quote == b'\''
                    && byte == b'\''
                    && rest.peek().is_some_and(|(_, b)| *b == b'\'');
            if escapes {
                rest.next();
            } else if byte == *quote {
                return Some(at);
            }
        }
        None
    }

    /// An escape that there is not, in the quoted text that begins at `start`.
    fn escape(&self, start: usize) -> Problem {
        let known = "0abt\tnvfre \"/\\N_LPxuU\n";
        let mut rest = self.text[start..].char_indices();
        let mut at = start..start + 1;
        while let Some((n, c)) = rest.next() {
            if c == '\\'
                && let Some((_, next)) = rest.next()
                && !known.contains(next)
            {
                at = start + n..start + n + 1 + next.len_utf8();
                break;
            }
        }
        let help =
            "in double quotes a backslash is written `\\\\`; single quotes take it as it stands";
        not_yaml(at, "there is no such escape", help)
    }

    fn other(&self, at: usize, kind: &ErrorKind) -> Problem {
        use ErrorKind as K;
        let a_tab = || not_yaml(self.tab(at), "a tab", "indent with blanks instead of tabs");
        match kind {
            K::TabNotAllowed
            | K::TabInBlockIndentation
            | K::TabInIndentation
            | K::TabInPlainScalar
            | K::TabAtBlockScalarStart => a_tab(),
            // The parser takes it for a blank after the value of the line before.
            _ if self.open.is_empty() && self.indent(at).contains('\t') => a_tab(),
            K::MappingValueNotAllowed => not_yaml(
                self.character(at),
                "a colon where no value can begin",
                "quote a text that holds `: `; the keys of one mapping begin in one column",
            ),
            K::ExpectedBlockMappingKey if self.begins_line(at) => not_yaml(
                self.word(at),
                "indented like no key before it",
                "begin the keys of one mapping in one column",
            ),
            K::ExpectedBlockMappingKey => not_yaml(
                self.word(at),
                "more after the end of the value",
                "quote the whole text, or write one value",
            ),
            K::ExpectedBlockSequenceEntry => not_yaml(
                self.word(at),
                "not an item of the list before it",
                "begin each item with `- `, in one column",
            ),
            kind => self.rarer(at, kind),
        }
    }

    fn rarer(&self, at: usize, kind: &ErrorKind) -> Problem {
        use ErrorKind as K;
        let (label, help) = match kind {
            K::UnexpectedCharacter { .. } => ("no text begins like this", "quote the text"),
            K::InvalidTrailingSingleQuotedScalar => {
                ("more after the closing quote", "in single quotes, a quote is written twice: `''`")
            }
            K::InvalidTrailingDoubleQuotedScalar => {
                ("more after the closing quote", "in double quotes, a quote is written `\\\"`")
            }
            K::MisplacedFlowCollectionEnd => ("closes nothing", "remove it, or quote the text"),
            K::MismatchedFlowCollectionEnd { .. } => {
                ("closes another kind of bracket", "close each bracket by its own kind")
            }
            K::UnexpectedEofImplicitFlowMapping => {
                ("nothing before this", "write an item between two commas")
            }
            K::ExpectedFlowSequenceSeparator | K::ExpectedFlowMappingSeparator => {
                ("no comma before this", "set a comma between the items, or close the bracket")
            }
            K::BlockSequenceEntryNotAllowed => {
                ("no list can begin here", "begin it on the next line, or write it in brackets")
            }
            K::InvalidIndentation => {
                ("not indented like the lines around it", "indent it as they are")
            }
            kind => {
                let text: String =
                    kind.to_string().chars().filter(|c| !c.is_control()).take(120).collect();
                let text = match text.strip_prefix("while ").and_then(|rest| rest.split_once(", "))
                {
                    Some((_, what)) => what.to_owned(),
                    None => text,
                };
                let help = "quote the text if its characters are meant as they stand";
                return not_yaml(self.word(at), &text, help);
            }
        };
        not_yaml(self.word(at), label, help)
    }

    /// The tab that is meant: in the line before `at`, or else the next one.
    fn tab(&self, at: usize) -> Range<usize> {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = self.text[start..at].find('\t').map(|n| start + n);
        let after = || self.text[at..].find('\t').map(|n| at + n);
        before.or_else(after).map_or(at..at, |tab| tab..tab + 1)
    }

    /// What stands before the first word of a line; nothing where `at` is no such word.
    fn indent(&self, at: usize) -> &str {
        let before = self.text[..at].rsplit('\n').next().unwrap_or_default();
        if before.trim().is_empty() { before } else { "" }
    }

    fn begins_line(&self, at: usize) -> bool {
        let before = self.text[..at].rsplit('\n').next().unwrap_or_default();
        before.chars().all(|c| c == ' ')
    }
}

/// Whether a line ends in `|` or `>`, which begin a text of several lines.
fn begins_block(line: &str) -> bool {
    let line = line.split(" #").next().unwrap_or_default().trim_end();
    let line = line.trim_end_matches(|c: char| c.is_ascii_digit() || "+-".contains(c));
    let lead = line.strip_suffix(['|', '>']);
    lead.is_some_and(|lead| lead.is_empty() || lead.ends_with([' ', '\t']))
}

/// `KEY: VALUE`, where a text is `KEY:VALUE`.
pub(crate) fn parted(text: &str) -> Option<String> {
    let (key, value) = text.split_once(':')?;
    let like_key = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let fits = !key.is_empty() && key.chars().all(like_key) && !text.contains(": ");
    let begins = value.starts_with(|c: char| !c.is_whitespace() && !"/:".contains(c));
    (fits && begins && value.len() <= 80).then(|| format!("{key}: {value}"))
}

fn not_yaml(at: Range<usize>, label: &str, help: &str) -> Problem {
    problem("yaml_syntax", at, format!("this is not YAML: {label}"), label, help)
}

fn directive(at: Range<usize>) -> Problem {
    let text = "a directive stands before the document".to_owned();
    let help = "remove the line: a manifest is always YAML 1.2";
    problem("directive", at, text, "a directive", help)
}
