//! What the walk says: wrong types, unknown keys, missing ones.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::super::fault::{Fault, Meant, either, shown};
use super::super::notation::Notation;
use super::super::{HostPath, words};
use super::{Walk, kind, type_name};
use crate::diagnostic::{Place, Problem};
use crate::schema;
use crate::source::{
    Entry, Kind, Node, Pointer, Scalar, Style, Value, flow, parted, resolve_plain,
};

/// What a later version takes, at the place of a type.
pub(super) fn later(name: &str, node: &Node) -> Option<Fault> {
    let what = match (name, &node.value, node.text()) {
        ("Network", Value::Map(_), _) => "a mapping as `network`".to_owned(),
        ("Userns", Value::Map(_), _) => "a mapping of ids as `userns`".to_owned(),
        ("ReportFormat", _, Some(word @ ("junit" | "github" | "meta"))) => {
            format!("the format `{word}` of reports")
        }
        _ => return None,
    };
    let instead = match name {
        "Network" => "write `none`, `host`, or the path of a network namespace",
        "Userns" => "write `auto` or `host`",
        _ => "write `json`",
    };
    Some(Fault::not_yet(what).help(instead))
}

pub(super) fn missing(key: &str, schema: &Json, entries: &[Entry], at: &Pointer) -> Problem {
    let nothing = entries.is_empty() && *at == Pointer::root();
    let lead = if nothing { "the file holds no key: " } else { "" };
    let text = format!("{lead}the key `{key}` is missing");
    let fault = Fault::new("missing_key", text, format!("`{key}` is missing"));
    let property = schema.get("properties").and_then(|all| all.get(key));
    let fault = match property.and_then(example) {
        Some(example) => fault.help(format!("write, for example, `{key}: {example}`")),
        None => fault,
    };
    fault.problem(Place::Value(at.clone()))
}

/// The first example of a schema, as YAML.
fn example(schema: &Json) -> Option<String> {
    schema.get("examples")?.get(0).map(flow)
}

impl<'s> Walk<'s> {
    pub(super) fn bad_type(
        &self,
        typed: &[&Json],
        schema: &'s Json,
        node: &Node,
        at: &Pointer,
    ) -> Problem {
        if let Some(fault) = type_name(schema).and_then(|name| later(name, node)) {
            return fault.problem(Place::Value(at.clone()));
        }
        let wanted = schema::wanted(typed);
        let text = match node.scalar() {
            None => format!("{} stands where {wanted} is wanted", node.noun()),
            Some(scalar) => format!("{}, and {wanted} is wanted", is(scalar, at)),
        };
        let fault = Fault::new("bad_type", text, node.noun());
        if self.quiet {
            return fault.problem(Place::Value(at.clone()));
        }
        let fault = match self.certain(typed, schema, node) {
            Some((help, fix)) => fault.help(help).fix(fix),
            None => match self.instead(typed, schema, node, at) {
                Some(help) => fault.help(help),
                None => fault,
            },
        };
        fault.problem(Place::Value(at.clone()))
    }

    /// What certainly was meant: the same characters, with quotes or without.
    fn certain(&self, typed: &[&Json], schema: &'s Json, node: &Node) -> Option<(String, String)> {
        let scalar = node.scalar().filter(|scalar| scalar.style != Style::Substituted)?;
        if scalar.text.len() > 80 {
            return None;
        }
        let wants = |name: &str| typed.iter().any(|one| kind(one) == Some(name));
        let would_do = |scalar: Scalar| {
            self.accepts(schema, &Node { span: node.span.clone(), value: Value::Scalar(scalar) })
        };
        let name = type_name(schema).unwrap_or_default();
        if scalar.kind == Kind::Bool(false) && FOR_NONE.contains(&name) {
            return Some(("write `none`".to_owned(), "none".to_owned()));
        }
        let number = matches!(scalar.kind, Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_));
        // Nobody's file is called `true`, and 420 is 0644 to those who count in tens.
        let file = FILES.contains(&name) || schema::wanted(typed).contains(HostPath::WANTED);
        let unsure = file || name == "Mode" && !scalar.text.starts_with('0');
        if number && !unsure && wants("string") && self.accepts(schema, &quoted(node, scalar)) {
            let quoted = format!("\"{}\"", scalar.text);
            return Some((format!("quote it: `{quoted}`"), quoted));
        }
        let meant = match scalar.text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" if wants("boolean") => "true",
            "no" | "off" | "false" if wants("boolean") => "false",
            _ => scalar.text.as_str(),
        };
        let kind = resolve_plain(meant).filter(|kind| *kind != Kind::Text)?;
        let plain = Scalar { text: meant.to_owned(), style: Style::Plain, kind };
        let quotes = if scalar.style == Style::Quoted { ", without quotes" } else { "" };
        would_do(plain).then(|| (format!("write `{meant}`{quotes}"), meant.to_owned()))
    }

    /// What could be written instead.
    fn instead(
        &self,
        typed: &[&Json],
        schema: &'s Json,
        node: &Node,
        at: &Pointer,
    ) -> Option<String> {
        let is_item = at.parts().last().is_some_and(|part| part.parse::<usize>().is_ok());
        if let Some(text) = self.text_as_map(schema, node).filter(|_| is_item) {
            return Some(text);
        }
        let whole = node.scalar().filter(|scalar| scalar.style == Style::Plain);
        if let Some(parted) = whole.and_then(|scalar| parted(&scalar.text)) {
            let key = parted.split(':').next().unwrap_or_default();
            if schema::alternatives(self.schema, schema).iter().any(|one| takes_key(one, key)) {
                return Some(format!("a blank is missing behind the colon: `{parted}`"));
            }
        }
        if let (Some("Mode"), Some(scalar)) = (type_name(schema), node.scalar())
            && matches!(scalar.kind, Kind::Integer(_))
            && self.accepts(schema, &quoted(node, scalar))
        {
            return Some(format!("quote it, if its digits are octal: `\"{}\"`", scalar.text));
        }
        if type_name(schema) == Some("Network") {
            let help = "write `none`, which has loopback alone, or `host`, the host's own network";
            return Some(help.to_owned());
        }
        let lists = typed.iter().any(|one| kind(one) == Some("array"));
        if let Some(text) = node.text().filter(|_| lists && !node.is_substituted()) {
            let item = Node { span: node.span.clone(), value: node.value.clone() };
            let list = Node { span: node.span.clone(), value: Value::List(vec![item]) };
            if self.accepts(schema, &list) {
                return Some(format!("write a list: `{}`", flow(&serde_json::json!([text]))));
            }
        }
        if *at == Pointer::root() {
            return Some(at_root(node));
        }
        let example = example(schema)?;
        match at.parts().last().filter(|key| key.parse::<usize>().is_err()) {
            Some(key) => Some(format!("write, for example, `{key}: {example}`")),
            None => Some(format!("write, for example, `{example}`")),
        }
    }

    /// A text that YAML takes for a mapping, since it holds a colon and a blank.
    fn text_as_map(&self, schema: &'s Json, node: &Node) -> Option<String> {
        let Value::Map(entries) = &node.value else { return None };
        let [Entry { key, key_span, value }] = entries.as_slice() else { return None };
        if key_span.start != node.span.start {
            return None;
        }
        let value = value.scalar()?.text.as_str();
        let would_do = |text: &str| {
            let value = Value::Scalar(Scalar::quoted(text));
            self.accepts(schema, &Node { span: node.span.clone(), value })
        };
        let (text, assignment) = (format!("{key}: {value}"), format!("{key}={value}"));
        if type_name(schema) == Some("Assignment") && would_do(&assignment) {
            return Some(format!("write `{assignment}`"));
        }
        would_do(&text).then(|| format!("quote it: `{}`", flow(&Json::from(text.trim_end()))))
    }

    /// An unknown key, and the keys that it was probably meant to be.
    pub(super) fn unknown_key(
        &self,
        schema: &'s Json,
        entry: &Entry,
        entries: &[Entry],
        at: &Pointer,
    ) -> (Problem, Vec<String>) {
        let key = entry.key.as_str();
        let place = Place::Key(at.key(key));
        let root = *at == Pointer::root();
        if root && words::is_not_yet(key) {
            return (Fault::not_yet(format!("the key `{key}`")).problem(place), Vec::new());
        }
        let text = match key {
            "" => "an empty key is not known".to_owned(),
            key => format!("the key {} is not known", shown(key)),
        };
        let fault = Fault::new("unknown_key", text, "unknown key");
        if self.quiet {
            return (fault.problem(place), Vec::new());
        }
        let properties = schema.get("properties").and_then(Json::as_object);
        let known: Vec<&str> =
            properties.into_iter().flat_map(|all| all.keys()).map(String::as_str).collect();
        let renamed = |fault: Fault, ours: &str, certain: bool| {
            let free = !stands(ours, entries);
            let schema = properties.and_then(|all| all.get(ours));
            let fits = schema.is_some_and(|schema| self.could_do(schema, &entry.value));
            if certain && free && fits { fault.fix(ours) } else { fault }
        };
        if let Some((ours, same)) =
            words::ours(key, root).filter(|(ours, _)| self.has(ours, &known))
        {
            let fault = renamed(fault, ours, same);
            let help = match key {
                _ if !stands(ours, entries) => self.called(key, ours, same),
                // Docker appends the one to the other.
                "entrypoint" => {
                    "it is called `command` here, and what docker calls `command` is `args`".into()
                }
                _ => format!("it is called `{ours}` here, and {ALREADY}"),
            };
            let fault = fault.help(help);
            let first = ours.split('.').next().unwrap_or(ours);
            return (fault.problem(place), vec![first.to_owned()]);
        }
        if let Some(why) = words::without(key).filter(|_| root || key == "cap_drop") {
            let command = (key == "services").then(|| "command".to_owned());
            return (fault.help(why).problem(place), command.into_iter().collect());
        }
        let meant = Meant::among(key, known.iter().copied());
        if let Some((help, names)) = self.elsewhere(key, at, &meant) {
            return (fault.help(help).problem(place), names);
        }
        let fault = match meant.only() {
            Some(near) => renamed(fault, near, meant.certain),
            None => fault,
        };
        let fault = match (meant.question(), meant.only()) {
            (Some(question), Some(near)) if stands(near, entries) => {
                fault.help(format!("{question} It {ALREADY}"))
            }
            (Some(question), _) => fault.help(question),
            (None, _) => match words::without(key) {
                Some(why) => fault.help(why),
                None => fault.help(all_keys(&known, root)),
            },
        };
        let names = known.iter().filter(|known| meant.names(known));
        (fault.problem(place), names.map(|name| (*name).to_owned()).collect())
    }

    /// What to write where a key stands elsewhere in a manifest, or one that is much like it, unless
    /// a key of this place is (`near`). With the keys of the root that it is, or that hold it.
    fn elsewhere(
        &self,
        key: &str,
        at: &Pointer,
        near: &Meant<'_>,
    ) -> Option<(String, Vec<String>)> {
        let root = *at == Pointer::root();
        let here = at.to_string();
        let all = schema::keys(self.schema);
        let own = all.iter().map(|name| {
            let (section, word) = name.rsplit_once('.').unwrap_or(("", name));
            (section, word, name.as_str())
        });
        let theirs = words::neighbours()
            .filter(|(theirs, ours)| root || *theirs == key && *ours != here)
            .map(|(theirs, ours)| ("-", theirs, ours));
        let others: Vec<_> = own.chain(theirs).filter(|(section, ..)| *section != here).collect();
        let meant = Meant::among(key, others.iter().map(|(_, word, _)| *word));
        let exact = meant.names(key);
        if !exact && (near.question().is_some() || !meant.is_close()) {
            return None;
        }
        let found = others.iter().filter(|(_, word, _)| meant.names(word));
        let found: BTreeSet<&str> = found.map(|(.., name)| *name).collect();
        let first = |name: &&str| name.split('.').next().unwrap_or(name).to_owned();
        let names = found.iter().map(first).collect();
        let below = |name| str::strip_prefix(name, &here)?.strip_prefix('.');
        let found = found.into_iter().map(|name| below(name).unwrap_or(name));
        let found = found.filter(|name| !near.close().contains(name));
        let ours: Vec<&str> = near.close().iter().copied().chain(found).collect();
        let help = match ours.as_slice() {
            [only] if !root && !only.contains('.') && schema::key(self.schema, only).is_some() => {
                format!("`{only}` stands at the root of a manifest, not in `{here}`")
            }
            [only] => format!("did you mean `{only}`?{}", self.written(only)),
            _ => format!("did you mean {}?", either(&ours)),
        };
        Some((help, names))
    }

    /// Whether our name of a neighbour's key is one of this mapping's, or stands below one.
    fn has(&self, ours: &str, known: &[&str]) -> bool {
        known.contains(&ours) || schema::key(self.schema, ours).is_some() && ours.contains('.')
    }

    /// A key of ours, as a manifest has it.
    fn example(&self, ours: &str) -> Option<String> {
        let example = schema::key(self.schema, ours).and_then(example)?;
        Some(match ours.split_once('.') {
            Some((section, key)) => format!("{section}: {{{key}: {example}}}"),
            None => format!("{ours}: {example}"),
        })
    }

    /// The same, as a sentence.
    fn written(&self, ours: &str) -> String {
        let example = self.example(ours);
        example.map_or(String::new(), |example| format!(" Write, for example, `{example}`"))
    }

    /// What a neighbour's key is called, and how it is written where that differs.
    fn called(&self, theirs: &str, ours: &str, same: bool) -> String {
        let written = self.example(ours).filter(|_| !same);
        match words::written(theirs).map(str::to_owned).or(written) {
            Some(written) => {
                let differs = words::differs(ours);
                format!("it is called `{ours}` here: write, for example, `{written}`{differs}")
            }
            None => format!("it is called `{ours}` here"),
        }
    }
}

/// Types in which `none` is what `false` says.
const FOR_NONE: [&str; 5] = ["Network", "Input", "Output", "ErrorOutput", "Proc"];

/// The same characters in quotes.
fn quoted(node: &Node, scalar: &Scalar) -> Node {
    Node { span: node.span.clone(), value: Value::Scalar(Scalar::quoted(&*scalar.text)) }
}

/// Types of a text that may name a file.
const FILES: [&str; 6] = ["Rootfs", "HostPath", "Input", "Output", "ErrorOutput", "Report"];

/// Whether a mapping has the key that another of its keys was meant to be.
fn stands(ours: &str, entries: &[Entry]) -> bool {
    entries.iter().any(|entry| entry.key == ours)
}

const ALREADY: &str = "stands there already: keep one of the two";

/// Whether a mapping has this key.
fn takes_key(schema: &Json, key: &str) -> bool {
    schema.get("properties").is_some_and(|all| all.get(key).is_some())
}

/// What to write where the whole file is no mapping.
fn at_root(node: &Node) -> String {
    let lead = "a manifest holds keys: write, for example, `command: [echo, hello]`";
    match node.value {
        Value::Scalar(_) => {
            format!("{lead}; the lines of a script can stand below `command: |`, indented")
        }
        _ => lead.to_owned(),
    }
}

fn all_keys(known: &[&str], root: bool) -> String {
    if root {
        return "`sixdocker explain` lists the keys; your own begin with `x-`".to_owned();
    }
    match known {
        [only] => format!("the only key here is `{only}`"),
        known => format!("the keys here are {}", either(known).replace(" or ", " and ")),
    }
}

/// What stands there, as the first half of a sentence.
fn is(scalar: &Scalar, at: &Pointer) -> String {
    let text = shown(&scalar.text);
    match (scalar.style, scalar.kind) {
        (Style::Substituted, _) => format!("the variables make this {text}"),
        (Style::Quoted, _) => format!("{text} in quotes is text"),
        (Style::Plain, Kind::Null) => match at.parts().last() {
            Some(key) if key.parse::<usize>().is_err() => format!("`{key}` has no value"),
            _ => "an item has no value".to_owned(),
        },
        (Style::Plain, kind) => {
            let noun = match kind {
                Kind::Bool(_) => "a boolean",
                Kind::Integer(_) | Kind::Float(_) => "a number",
                _ => "text",
            };
            format!("{text} is {noun}")
        }
    }
}
