//! YAML's events become a tree, within fixed budgets.
//!
//! Anchors mean nothing here, and aliases are refused: no text grows by being read.

use std::collections::BTreeSet;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::Source;
use super::core_schema::{self, Refused};
use super::syntax::Stopped;
use super::tree::{Entry, Kind, Node, Scalar, Style, Value};
use crate::diagnostic::{self, Place, Problem};

/// How deep lists and mappings may stand in one another.
const DEPTH: usize = 32;
/// How many values a manifest may hold.
const NODES: usize = 100_000;
/// One more fault than are told, so that it is seen when there are more.
pub(super) const FAULTS: usize = diagnostic::MOST + 1;

/// The tree of a text, and what is wrong with that besides. `faults` are known already.
pub(super) fn read(text: &str, faults: Vec<Problem>) -> Result<(Node, Vec<Problem>), Vec<Problem>> {
    let mut reading = Reading::new(text, faults);
    match reading.document() {
        Ok(root) => Ok((root, reading.faults)),
        Err(problem) => Err(reading.ended_by(*problem)),
    }
}

/// The work of reading one text.
struct Reading<'t> {
    text: &'t str,
    events: Parser<'t, StrInput<'t>>,
    nodes: usize,
    depth: usize,
    /// Where the brackets stand that are open.
    brackets: Vec<usize>,
    /// The end of the last event.
    end: usize,
    faults: Vec<Problem>,
}

type Fallible<T> = Result<T, Box<Problem>>;

impl<'t> Reading<'t> {
    fn new(text: &'t str, faults: Vec<Problem>) -> Self {
        let options = granit_parser::options! {
            strict_indentation: true,
            disallow_directives: true,
            emit_unresolved_aliases: true,
            emit_comments: false,
            flow_nesting_limit: DEPTH + 1,
            block_nesting_limit: DEPTH + 1,
        };
        let events = Parser::new_from_str_with_options(text, options);
        Self { text, events, nodes: 0, depth: 0, brackets: Vec::new(), end: 0, faults }
    }

    /// All faults, when `last` kept a tree from being read.
    fn ended_by(self, last: Problem) -> Vec<Problem> {
        let mut faults = self.faults;
        let unreadable = faults.iter().any(|fault| fault.code == "not_utf8");
        if !(unreadable || faults.iter().any(|fault| fault.code == "control_character")) {
            faults.push(last);
        }
        faults
    }

    fn document(&mut self) -> Fallible<Node> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd => return Ok(self.nothing()),
                event => {
                    let root = self.node(event, span)?;
                    return self.end().map(|()| root);
                }
            }
        }
    }

    /// An empty file is a mapping without keys, so that it lacks what every manifest must have.
    fn nothing(&self) -> Node {
        let end = self.text.len();
        Node { span: end..end, value: Value::Map(Vec::new()) }
    }

    /// Nothing but the end may follow the document.
    fn end(&mut self) -> Fallible<()> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(()),
                _ => return Err(Box::new(second_document(bytes(&span)))),
            }
        }
    }

    fn next(&mut self) -> Fallible<(Event<'t>, Span)> {
        match self.events.next_event() {
            Some(Ok(next)) => {
                self.end = self.end.max(bytes(&next.1).end);
                Ok(next)
            }
            Some(Err(error)) => {
                let stopped = Stopped { text: self.text, read: self.end, open: &self.brackets };
                Err(Box::new(stopped.because(&error)))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Fallible<Node> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(Box::new(too_many(bytes(&span))));
        }
        self.refuse_tag(&event, &span);
        let span = bytes(&span);
        match event {
            Event::Scalar(text, style, ..) => Ok(self.scalar(text.into_owned(), style, span)),
            Event::SequenceStart(..) => self.deeper(span, Self::list),
            Event::MappingStart(..) => self.deeper(span, Self::map),
            _ => {
                self.fault(
                    "alias",
                    span.clone(),
                    "an alias stands for another value",
                    "an alias",
                    "write the value itself: a manifest holds no aliases",
                );
                Ok(Node { span, value: Value::Unknown })
            }
        }
    }

    fn deeper(
        &mut self,
        span: Range<usize>,
        read: fn(&mut Self, usize) -> Fallible<(Value, usize)>,
    ) -> Fallible<Node> {
        if self.depth == DEPTH {
            return Err(Box::new(too_deep(span)));
        }
        self.depth += 1;
        let bracket = self.text[span.start..].starts_with(['[', '{']);
        self.brackets.extend(bracket.then_some(span.start));
        let (value, end) = read(self, span.start)?;
        if bracket {
            self.brackets.pop();
        }
        self.depth -= 1;
        Ok(Node { span: span.start..end.max(span.start), value })
    }

    /// The items up to the end of a list, and where it ends.
    fn list(&mut self, start: usize) -> Fallible<(Value, usize)> {
        let (mut items, mut end) = (Vec::new(), start);
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok((Value::List(items), end.max(closing(self.text, &span))));
            }
            let item = self.node(event, span)?;
            end = item.span.end;
            items.push(item);
        }
    }

    /// The entries up to the end of a mapping, and where it ends.
    fn map(&mut self, start: usize) -> Fallible<(Value, usize)> {
        let (mut entries, mut end) = (Vec::<Entry>::new(), start);
        let mut seen = BTreeSet::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok((Value::Map(entries), end.max(closing(self.text, &span))));
            }
            let key = self.node(event, span)?;
            let (event, span) = self.next()?;
            let mut value = self.node(event, span)?;
            if value.span.is_empty() {
                value.span = key.span.clone();
            }
            end = value.span.end.max(key.span.end);
            if let Some(name) = self.key(&key) {
                if seen.insert(name.clone()) {
                    entries.push(Entry { key: name, key_span: key.span, value });
                } else {
                    self.duplicate(&name, key.span, &entries);
                }
            }
        }
    }

    /// The text of a key, if it is one.
    fn key(&mut self, key: &Node) -> Option<String> {
        let Value::Scalar(scalar) = &key.value else {
            if !matches!(key.value, Value::Unknown) {
                self.fault(
                    "bad_key",
                    key.span.clone(),
                    "a key is not a text",
                    "a list or mapping as a key",
                    "write a text before the colon",
                );
            }
            return None;
        };
        if scalar.text == "<<" && scalar.style == Style::Plain {
            self.fault(
                "merge_key",
                key.span.clone(),
                "`<<` would merge another mapping in here",
                "a merge key",
                "write the keys out: a manifest holds no merge keys",
            );
            return None;
        }
        if scalar.kind != Kind::Text {
            self.key_fault(scalar, key.span.clone());
            return None;
        }
        Some(scalar.text.clone())
    }

    /// A key such as `1:` or `~:`, which YAML reads as something else than a text.
    fn key_fault(&mut self, scalar: &Scalar, span: Range<usize>) {
        let quoted = format!("\"{}\"", scalar.text);
        let written = self.text.get(span.clone()) == Some(scalar.text.as_str());
        let before = self.text.get(..span.start).unwrap_or_default().trim_end();
        let behind = self.text.get(span.end..).unwrap_or_default().trim_start();
        // As in `{cpus: 1,5}`.
        let alone = before.ends_with(',') && behind.starts_with([',', '}']);
        let help = if alone {
            "a comma begins another key: a number has a point instead, and a list stands in brackets"
                .to_owned()
        } else {
            format!("quote it: `{quoted}`")
        };
        self.add(Problem {
            code: "bad_key",
            at: Place::Bytes(span),
            text: format!("the key `{}` is not a text, as YAML reads it", scalar.text),
            label: "not a text".to_owned(),
            help: Some(help),
            fix: Some(quoted).filter(|_| written && !alone),
        });
    }

    fn duplicate(&mut self, name: &str, span: Range<usize>, entries: &[Entry]) {
        let first = entries.iter().find(|entry| entry.key == name).map(|entry| &entry.key_span);
        let line = first.map_or(0, |span| line(self.text, span.start));
        self.add(Problem {
            code: "duplicate_key",
            at: Place::Bytes(span),
            text: format!("`{}` stands twice in one mapping", excerpt(name)),
            label: format!("first on line {line}"),
            help: Some("keep one of the two".to_owned()),
            fix: None,
        });
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, span: Range<usize>) -> Node {
        if text.contains('\0') && self.text.get(span.clone()).is_none_or(|raw| !raw.contains('\0'))
        {
            self.fault(
                "control_character",
                span.clone(),
                "a text holds a NUL",
                "holds a NUL",
                "remove it: no text that reaches the kernel can hold a NUL",
            );
        }
        if style != ScalarStyle::Plain {
            return Node { span, value: Value::Scalar(Scalar::quoted(text)) };
        }
        // A value that is left out comes as `~` without a place.
        let text = if span.is_empty() { String::new() } else { text };
        let value = match core_schema::resolve(&text) {
            Ok(kind) => Value::Scalar(Scalar { text, style: Style::Plain, kind }),
            Err(refused) => {
                self.number_fault(&text, refused, span.clone());
                Value::Unknown
            }
        };
        Node { span, value }
    }

    fn number_fault(&mut self, text: &str, refused: Refused, span: Range<usize>) {
        let text = excerpt(text);
        let (code, text, label) = match refused {
            Refused::NotANumber => {
                ("bad_number", format!("`{text}` is no finite number"), "not finite")
            }
            Refused::TooLarge => {
                ("bad_number", format!("the number `{text}` has more than 64 bits"), "too large")
            }
        };
        self.fault(code, span, &text, label, "write a number, or quote it if a text is meant");
    }

    fn refuse_tag(&mut self, event: &Event, span: &Span) {
        if event.tag().is_none() {
            return;
        }
        let tag = span.tag_span().map_or_else(|| bytes(span), |tag| bytes(&tag));
        self.fault(
            "tag",
            tag,
            "a tag would change what the value is",
            "a tag",
            "remove it: what a value is, its key decides",
        );
    }

    fn fault(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        text: &str,
        label: &str,
        help: &str,
    ) {
        let help = Some(help.to_owned());
        let (text, label) = (text.to_owned(), label.to_owned());
        self.add(Problem { code, at: Place::Bytes(span), text, label, help, fix: None });
    }

    fn add(&mut self, problem: Problem) {
        if self.faults.len() < FAULTS {
            self.faults.push(problem);
        }
    }
}

fn bytes(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or(0..0)
}

/// The end of a list or mapping that is closed by a bracket; a block has none.
fn closing(text: &str, span: &Span) -> usize {
    let span = bytes(span);
    let closed = text.get(span.clone()).is_some_and(|end| end.ends_with([']', '}']));
    if closed { span.end } else { 0 }
}

/// The line, from 1, that holds a byte.
fn line(text: &str, at: usize) -> usize {
    1 + text.get(..at).unwrap_or(text).matches('\n').count()
}

/// As much of a text as a message can show.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

pub(super) fn problem(
    code: &'static str,
    at: Range<usize>,
    text: String,
    label: &str,
    help: &str,
) -> Problem {
    let help = Some(help.to_owned());
    Problem { code, at: Place::Bytes(at), text, label: label.to_owned(), help, fix: None }
}

pub(super) fn too_large() -> Problem {
    let text = format!("the file is larger than {} KiB", Source::LIMIT >> 10);
    problem(
        "too_large",
        0..0,
        text,
        "too large",
        "a manifest describes one sandbox; check the path",
    )
}

fn too_many(at: Range<usize>) -> Problem {
    let text = format!("the file holds more than {NODES} values");
    problem(
        "too_large",
        at,
        text,
        "one too many",
        "a manifest describes one sandbox; check the path",
    )
}

pub(super) fn too_deep(at: Range<usize>) -> Problem {
    let text = format!("lists and mappings stand more than {DEPTH} deep in one another");
    problem(
        "too_deep",
        at,
        text,
        "one too deep",
        "no key of a manifest needs more than five levels",
    )
}

fn second_document(at: Range<usize>) -> Problem {
    let text = "a second document begins here".to_owned();
    problem(
        "second_document",
        at,
        text,
        "a second document",
        "one file describes one sandbox: write another file",
    )
}
