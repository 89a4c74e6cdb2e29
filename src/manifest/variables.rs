//! `${NAME}` in values.
//!
//! Values are substituted after parsing, so none can change the structure. Nothing is
//! substituted in keys, nor in `vars`, `$schema` and `x-…`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserializer;

use super::Var;
use super::fault::{Fault, Meant, shown};
use super::limits::plain_text;
use super::notation::{MOST_ITEMS, few};
use super::reader::UNREAD;
use crate::diagnostic::{MOST, Place, Problem};
use crate::source::{Document, Kind, Node, Pointer, Scalar, Style, Value};

/// Where the values of variables come from.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// By `--set NAME=value`.
    pub set: BTreeMap<String, String>,
    /// The caller's environment.
    pub environment: BTreeMap<String, String>,
}

plain_text!(
    key VarName,
    "the name of a variable",
    "^[A-Za-z_][A-Za-z0-9_]*$",
    is_name,
    "write letters, digits and `_`, beginning with a letter"
);

/// A name that `${…}` takes.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(fits) && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

pub(crate) fn vars<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Var>, D::Error> {
    let vars: BTreeMap<VarName, Var> = few(from)?;
    Ok(vars.into_iter().map(|(name, var)| (name.0, var)).collect())
}

/// Whether a key's value is left as it is.
fn is_verbatim(key: &str) -> bool {
    matches!(key, "vars" | "$schema") || key.starts_with("x-")
}

/// A variable of the caller's environment that stands somewhere in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borrowed {
    pub name: String,
    /// The value that it is part of.
    pub at: Pointer,
}

/// A document with every `${…}` replaced.
pub(super) struct Substituted<'d> {
    pub(super) document: Cow<'d, Document>,
    /// What was wrong with them.
    pub(super) problems: Vec<Problem>,
    pub(super) borrowed: Vec<Borrowed>,
}

/// Replaces every `${…}`.
pub(super) fn substitute<'d>(document: &'d Document, variables: &Variables) -> Substituted<'d> {
    let (problems, borrowed) = (Vec::new(), Vec::new());
    if !holds_dollar(document.root()) && variables.set.is_empty() {
        return Substituted { document: Cow::Borrowed(document), problems, borrowed };
    }
    let vars = declared(document.root());
    let problems = unknown_settings(&vars, variables);
    let mut substitution = Substitution { document, vars, variables, problems, borrowed };
    let mut root = document.root().clone();
    if let Value::Map(entries) = &mut root.value {
        for entry in entries.iter_mut().filter(|entry| !is_verbatim(&entry.key)) {
            let at = Pointer::root().key(&entry.key);
            substitution.node(&mut entry.value, &at);
        }
    }
    let Substitution { problems, borrowed, .. } = substitution;
    Substituted { document: Cow::Owned(document.with_root(root)), problems, borrowed }
}

/// Tells values of the caller's environment by their names, in what is said of the values of the
/// manifest that they are part of: whoever checks a stranger's manifest wants no secrets in the log.
pub(super) fn conceal(problems: &mut [Problem], borrowed: &[Borrowed], variables: &Variables) {
    let of =
        |one: &Borrowed| variables.environment.get(&one.name).map_or("", String::as_str).to_owned();
    let mut all: Vec<_> = borrowed.iter().map(|one| (of(one), one)).collect();
    // One may begin with another.
    all.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    for problem in problems {
        let Place::Value(at) = &problem.at else { continue };
        let at = at.clone();
        for (value, one) in all.iter().filter(|(value, one)| value.len() > 3 && one.at == at) {
            let (name, cut) = (format!("${{{}}}", one.name), shown(value));
            let cut = cut.trim_matches('`');
            if problem.help.as_ref().is_some_and(|help| is_made_of(value, help)) {
                problem.help = Some(format!("mend what `{name}` holds"));
            }
            for text in [&mut problem.text, &mut problem.label].into_iter().chain(&mut problem.help)
            {
                *text = text.replace(value, &name).replace(cut, &name);
                for part in quoted(text) {
                    if part.len() > 3 && value.contains(&part) {
                        *text = text.replace(&part, &name);
                    }
                }
            }
        }
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A help writes a number that the value begins with.
fn is_made_of(value: &str, help: &str) -> bool {
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end).filter(|digits| !digits.is_empty()).map(str::to_owned)
    };
    let own = number(value.trim());
    own.is_some()
        && help.starts_with("write `")
        && quoted(help).iter().any(|part| number(part) == own)
}

fn holds_dollar(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(scalar) => scalar.text.contains('$'),
        Value::List(items) => items.iter().any(holds_dollar),
        Value::Map(entries) => entries.iter().any(|entry| holds_dollar(&entry.value)),
        Value::Unknown => false,
    }
}

/// The variables that `vars` declares, and nothing in place of one that can't be read.
fn declared(root: &Node) -> BTreeMap<String, Option<Var>> {
    let Some(Node { value: Value::Map(entries), .. }) = root.get("vars") else {
        return BTreeMap::new();
    };
    // Too many are a fault of their own, and none is read.
    let few = entries.len() <= MOST_ITEMS;
    let read = |entry: &crate::source::Entry| {
        let var = few.then(|| super::reader::read::<Var>(&entry.value).ok());
        (entry.key.clone(), var.flatten())
    };
    entries.iter().map(read).collect()
}

/// `--set` of a variable that the file neither declares nor could mean.
fn unknown_settings(vars: &BTreeMap<String, Option<Var>>, variables: &Variables) -> Vec<Problem> {
    let unknown = variables.set.keys().filter(|name| !is_name(name));
    let problem = |name: &String| Problem {
        code: "bad_variable",
        at: Place::Value(Pointer::root().key("vars")),
        text: format!("`--set` names {}, which is no name of a variable", shown(name)),
        label: format!("declares {} variables", vars.len()),
        help: Some("write `--set NAME=value`".to_owned()),
        fix: None,
    };
    unknown.map(problem).collect()
}

/// What is wrong with a `${…}`, and which part of the text it is.
type Misfit = (Range<usize>, Fault);

struct Substitution<'v> {
    document: &'v Document,
    vars: BTreeMap<String, Option<Var>>,
    variables: &'v Variables,
    problems: Vec<Problem>,
    borrowed: Vec<Borrowed>,
}

impl Substitution<'_> {
    fn node(&mut self, node: &mut Node, at: &Pointer) {
        if let Value::Scalar(scalar) = &node.value {
            self.borrow(&scalar.text, at);
        }
        match &mut node.value {
            _ if self.problems.len() > MOST => node.value = Value::Unknown,
            Value::Scalar(scalar) if scalar.kind == Kind::Text && scalar.text.contains('$') => {
                match self.text(&scalar.text) {
                    Ok(Some(text)) => node.value = Value::Scalar(substituted(text)),
                    Ok(None) => scalar.text = scalar.text.replace("$$", "$"),
                    Err(faults) => {
                        let text = std::mem::take(&mut scalar.text);
                        self.refuse(faults, &text, &node.span, at);
                        node.value = Value::Unknown;
                    }
                }
            }
            Value::List(items) => {
                for (n, item) in items.iter_mut().enumerate() {
                    self.node(item, &at.index(n));
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.node(&mut entry.value, &at.key(&entry.key));
                }
            }
            _ => {}
        }
    }

    /// Notes the variables of a text that the caller's environment fills in.
    fn borrow(&mut self, text: &str, at: &Pointer) {
        let text = text.replace("$$", "");
        for rest in text.split("${").skip(1) {
            let end = rest.find(['}', ':', '-', '?']).unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default();
            let own = self.variables.set.contains_key(name)
                || matches!(self.vars.get(name), Some(Some(var)) if var.default.is_some());
            if !own && self.variables.environment.contains_key(name) {
                self.borrowed.push(Borrowed { name: name.to_owned(), at: at.clone() });
            }
        }
    }

    /// The text with its variables replaced, if it has any; or what is wrong with each of them.
    fn text(&self, text: &str) -> Result<Option<String>, Vec<Misfit>> {
        let (mut rest, mut whole, mut any) = (text, String::new(), false);
        let mut faults = Vec::new();
        while let Some(at) = rest.find('$').filter(|_| faults.len() <= MOST) {
            whole.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix('$') {
                whole.push('$');
                rest = after;
            } else if after.starts_with('{') {
                let start = text.len() - rest.len() + at;
                let length = length(&text[start..]);
                match self.reference(&text[start..start + length]) {
                    Ok(value) => whole.push_str(&value),
                    Err(fault) => faults.push((start..start + length, fault)),
                }
                (rest, any) = (&text[start + length..], true);
            } else {
                whole.push('$');
                rest = after;
            }
        }
        whole.push_str(rest);
        if faults.is_empty() { Ok(any.then_some(whole)) } else { Err(faults) }
    }

    /// Tells what is wrong with variables in `text`, each thing once and where it is written.
    fn refuse(&mut self, faults: Vec<Misfit>, text: &str, span: &Range<usize>, at: &Pointer) {
        let dollars = self.document.dollars(span);
        // Some may be written as escapes: then nobody knows which is which.
        let alike = dollars.len() == text.matches('$').count();
        let place = |part: &Range<usize>| {
            let before = text[..part.start].matches('$').count();
            match dollars.get(before).filter(|_| alike) {
                Some(start) => Place::Part(at.clone(), *start..start + part.len()),
                None => Place::Value(at.clone()),
            }
        };
        let is_command = at.is_in(&Pointer::root().key("command"));
        let mut told = BTreeSet::new();
        for (part, mut fault) in faults {
            let told = !told.insert(fault.text.clone()) || self.problems.len() > MOST;
            if told || fault.code == UNREAD {
                continue;
            }
            let written = &text[part.clone()];
            let undeclared = fault.code == "unset_variable" && !self.declares(written);
            if let Some(help) = fault.help.as_mut().filter(|_| is_command && undeclared) {
                *help = format!("if it is the shell's own, write `${written}`; or {help}");
            }
            self.problems.push(fault.problem(place(&part)));
        }
    }

    /// Whether `vars` has the variable of a `${…}`.
    fn declares(&self, written: &str) -> bool {
        let inner = written.trim_start_matches("${");
        self.vars.keys().any(|name| inner.strip_prefix(name.as_str()).is_some_and(ends_name))
    }

    /// The value of `${…}`.
    fn reference(&self, whole: &str) -> Result<String, Fault> {
        if whole.starts_with("${{") {
            return Err(of_github(whole));
        }
        let inner = whole.strip_prefix("${").and_then(|inner| inner.strip_suffix('}'));
        let inner = inner.ok_or_else(unclosed)?;
        let end = inner.char_indices().find(|(at, _)| ends_name(&inner[*at..]));
        let (name, operator) = inner.split_at(end.map_or(inner.len(), |(at, _)| at));
        if !is_name(name) {
            return Err(bad_name(whole));
        }
        let value = self.value(name)?;
        match (value, operator.get(..2), operator.get(2..)) {
            (value, None, _) if operator.is_empty() => value.ok_or_else(|| self.unset(name)),
            (Some(value), Some(":-" | ":?"), _) if !value.is_empty() => Ok(value),
            (_, Some(":-"), Some(default)) => Ok(default.to_owned()),
            (_, Some(":?"), Some(message)) => Err(required(name, message)),
            _ => Err(bad_operator(whole, name, operator)),
        }
    }

    /// From `--set`, else the default in `vars`, else the caller's environment; within what `vars`
    /// allows.
    fn value(&self, name: &str) -> Result<Option<String>, Fault> {
        let var = match self.vars.get(name) {
            Some(None) => return Err(Fault::new(UNREAD, "its variable could not be read", "")),
            var => var.and_then(Option::as_ref),
        };
        let given = self.variables.set.get(name);
        let default = var.and_then(|var| var.default.as_ref());
        // A declared variable is the file's own: the caller's environment does not change it.
        let value = given.or(default).or_else(|| self.variables.environment.get(name));
        match (value, var) {
            (Some(value), Some(var)) if !var.allows(value) => {
                Err(not_a_choice(name, value, &var.choices))
            }
            _ => Ok(value.cloned()),
        }
    }

    fn unset(&self, name: &str) -> Fault {
        let fault = Fault::new(
            "unset_variable",
            format!("the variable `{name}` is not set"),
            format!("`{name}` is not set"),
        );
        if self.vars.contains_key(name) {
            let help = format!("give it with `--set {name}=…`, or write a `default` in `vars`");
            return fault.help(help);
        }
        // To a name of one or two letters, any other is near.
        let like =
            |known: &&str| known.eq_ignore_ascii_case(name) || name.len().min(known.len()) > 2;
        let known = self.vars.keys().chain(self.variables.environment.keys());
        let known = known.map(String::as_str).filter(like);
        match Meant::among(name, known).only() {
            Some(known) => fault.help(format!("did you mean `${{{known}}}`?")),
            None => fault.help(format!(
                "set it in `vars`, by `--set {name}=…` or in the environment, or give a default: `${{{name}:-default}}`"
            )),
        }
    }
}

/// A value that came out of `${…}`.
fn substituted(text: String) -> Scalar {
    let kind = crate::source::resolve_plain(&text).unwrap_or(Kind::Text);
    Scalar { text, style: Style::Substituted, kind }
}

fn unclosed() -> Fault {
    Fault::new("bad_variable", "a `${` is never closed", "never closed")
        .help("close it by `}`; a dollar that stands for itself is written `$$`")
}

/// What GitHub replaces in its workflows alone.
fn of_github(whole: &str) -> Fault {
    let text = format!("{} is GitHub's own, and is not replaced here", shown(whole));
    Fault::new("bad_variable", text, "GitHub's own").help(
        "let the workflow set a variable, by its `env` or by `--set NAME=…`, and write `${NAME}`",
    )
}

fn bad_name(whole: &str) -> Fault {
    Fault::new("bad_variable", format!("{} names no variable", shown(whole)), "no variable")
        .help(format!("write `${{NAME}}`; {}", kept(whole)))
}

fn bad_operator(whole: &str, name: &str, operator: &str) -> Fault {
    let text = format!("{} after the name `{name}` is not known", shown(operator));
    let help = format!("write `${{{name}:-default}}` or `${{{name}:?message}}`; {}", kept(whole));
    Fault::new("bad_variable", text, "unknown form").help(help)
}

/// How a `${…}` is written that the shell inside is to replace.
fn kept(whole: &str) -> String {
    match whole.len() {
        ..=40 => format!("the shell's own is written `${whole}`"),
        _ => "a dollar that stands for itself is written `$$`".to_owned(),
    }
}

/// Whether no name goes on with this text.
fn ends_name(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// The length of the `${…}` that a text begins with; of its beginning, where it has no end.
fn length(text: &str) -> usize {
    let double = text.starts_with("${{").then(|| text.find("}}")).flatten();
    double.map(|at| at + 2).or_else(|| text.find('}').map(|at| at + 1)).unwrap_or(2)
}

fn required(name: &str, message: &str) -> Fault {
    let message = if message.is_empty() { "it must be set" } else { message };
    Fault::new("unset_variable", format!("the variable `{name}` is not set: {message}"), message)
        .help(format!("set it by `--set {name}=…` or in the environment"))
}

fn not_a_choice(name: &str, value: &str, choices: &[String]) -> Fault {
    let words: Vec<&str> = choices.iter().map(String::as_str).collect();
    let text = format!("the variable `{name}` is {}, which `vars` does not allow", shown(value));
    Fault::new("bad_variable", text, format!("`{name}` is {}", shown(value)))
        .help(format!("it may be {}", super::fault::either(&words)))
}
