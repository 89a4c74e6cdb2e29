//! Problems for people: the sentence, the line, a mark under the very bytes, the way out.

use std::fmt::{self, Display, Formatter, Write};
use std::ops::Range;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, ReportHandler, SourceCode,
    SourceSpan, SpanContents,
};
use unicode_width::UnicodeWidthStr;

use super::{Position, Style, escape, excerpt::Excerpt};
use crate::diagnostic::Problem;
use crate::source::{Document, Source};

const RED: &str = "1;31";
const BLUE: &str = "34";
const GREEN: &str = "32";
const DIM: &str = "2";

/// All problems of a text, one below the other.
#[must_use]
pub fn human(
    problems: &[Problem],
    source: &Source,
    document: Option<&Document>,
    style: Style,
) -> String {
    let mut out = String::new();
    for (n, problem) in problems.iter().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        let span = super::bytes(problem, source, document);
        _ = write!(out, "{}", Page(&style, &Shown { problem, source, span }));
    }
    out
}

/// A problem with its text: a diagnostic in the words of miette.
struct Shown<'a> {
    problem: &'a Problem,
    source: &'a Source,
    span: Range<usize>,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.text)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = Some(self.problem.label.clone());
        let span = LabeledSpan::new(label, self.span.start, self.span.len());
        Some(Box::new(std::iter::once(span)))
    }
}

/// The line that a span begins in, whole.
impl SourceCode for Shown<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (before, after) =
            self.source.text.split_at_checked(span.offset()).ok_or(MietteError::OutOfBounds)?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = span.offset() + after.find('\n').unwrap_or(after.len());
        let line = self.source.text.get(start..end).unwrap_or_default();
        let at = Position::of(&self.source.text, span.offset());
        Ok(Box::new(MietteSpanContents::new_named(
            self.source.name.clone(),
            line.as_bytes(),
            (start, end - start).into(),
            // A text of which nothing was read has no places.
            if self.source.text.is_empty() { 0 } else { at.line },
            at.column,
            1,
        )))
    }
}

/// Writes one diagnostic.
struct Page<'a, 'b>(&'a Style, &'a Shown<'b>);

impl Display for Page<'_, '_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.debug(self.1, f)
    }
}

impl ReportHandler for Style {
    fn debug(&self, diagnostic: &dyn Diagnostic, f: &mut Formatter<'_>) -> fmt::Result {
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let source = diagnostic.source_code();
        let line = label
            .as_ref()
            .zip(source)
            .and_then(|(label, source)| source.read_span(label.inner(), 0, 0).ok());
        self.head(diagnostic, line.as_deref(), f)?;
        let mut gutter = 1;
        let shown = line.as_ref().filter(|line| !line.data().is_empty());
        if let (Some(label), Some(line)) = (&label, shown) {
            gutter = line.line().to_string().len();
            self.excerpt(label, &**line, gutter, f)?;
        }
        match diagnostic.help() {
            Some(help) => self.help(&help.to_string(), gutter, f),
            None => Ok(()),
        }
    }
}

/// As much of a sentence as somebody reads.
fn brief(text: &str) -> String {
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Style {
    /// `FILE:LINE:COLUMN: error: what is wrong [code]`; without a place where there is none.
    fn head(
        &self,
        diagnostic: &dyn Diagnostic,
        line: Option<&dyn SpanContents<'_>>,
        f: &mut Formatter<'_>,
    ) -> fmt::Result {
        let place = line.map_or(String::new(), |line| {
            let name = escape::tame(line.name().unwrap_or_default()).into_owned();
            match line.line() {
                0 => format!("{name}: "),
                number => format!("{name}:{number}:{}: ", line.column()),
            }
        });
        let code = diagnostic.code().map_or(String::new(), |code| format!(" [{code}]"));
        let text = brief(&diagnostic.to_string());
        let whole = format!("{place}error: {}{code}", escape::tame(&text));
        for line in self.broken(&whole, 0) {
            let line = self.coloured(&line, &place, &code);
            writeln!(f, "{line}")?;
        }
        Ok(())
    }

    /// The parts of the first sentence in their colours, as far as a line holds them whole.
    fn coloured(&self, line: &str, place: &str, code: &str) -> String {
        let (place, code) = (place.trim_end(), code.trim_start());
        if !self.colour {
            return line.to_owned();
        }
        let line = line.replacen("error:", &self.paint(RED, "error:"), 1);
        let line = match place {
            "" => line,
            place => line.replacen(place, &self.paint("1", place), 1),
        };
        match code {
            "" => line,
            code => line.replacen(code, &self.paint(DIM, code), 1),
        }
    }

    fn excerpt(
        &self,
        label: &LabeledSpan,
        line: &dyn SpanContents<'_>,
        gutter: usize,
        f: &mut Formatter<'_>,
    ) -> fmt::Result {
        let text = std::str::from_utf8(line.data()).unwrap_or_default();
        let text = text.strip_suffix('\r').unwrap_or(text);
        let start = (label.offset() - line.span().offset()).min(text.len());
        let end = (start + label.len()).min(text.len());
        let (bar, cut) = if self.unicode { ("│", "…") } else { ("|", "~") };
        let room = self.width.saturating_sub(gutter + 3);
        let Excerpt { line: shown, before, marked } = Excerpt::new(text, start, end, room, cut);
        let number = self.paint(BLUE, &format!("{:>gutter$} {bar}", line.line()));
        let empty = self.paint(BLUE, &format!("{:>gutter$} {bar}", ""));
        writeln!(f, "{}", format!("{number} {shown}").trim_end())?;
        let mark = self.paint(RED, &"^".repeat(marked));
        let words = escape::tame(&brief(label.label().unwrap_or_default())).into_owned();
        let lead = " ".repeat(before);
        if words.is_empty() || before + marked + 1 + words.width() <= room {
            let words = self.paint(RED, &words);
            return writeln!(f, "{}", format!("{empty} {lead}{mark} {words}").trim_end());
        }
        writeln!(f, "{empty} {lead}{mark}")?;
        for part in self.broken(&words, gutter + 3) {
            writeln!(f, "{empty} {}", self.paint(RED, &part))?;
        }
        Ok(())
    }

    /// `= help: what to do`; a help of several lines keeps them.
    fn help(&self, help: &str, gutter: usize, f: &mut Formatter<'_>) -> fmt::Result {
        let indent = " ".repeat(gutter + 1);
        let mut first = true;
        for line in help.lines() {
            for part in self.broken(&escape::tame(&brief(line)), gutter + 9) {
                if first {
                    writeln!(f, "{indent}{} {part}", self.paint(GREEN, "= help:"))?;
                } else {
                    writeln!(f, "{indent}        {part}")?;
                }
                first = false;
            }
        }
        Ok(())
    }

    /// The text in lines that fit beside an indent, broken between words; a longer word is
    /// left to the terminal.
    fn broken(&self, text: &str, indent: usize) -> Vec<String> {
        let room = self.width.saturating_sub(indent).max(10);
        if !self.wrap || text.width() <= room {
            return vec![text.to_owned()];
        }
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if line.width() + 1 + word.width() <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }
}
