//! `${NAME}` in values.
//!
//! Values are substituted after parsing, so none can change the structure. Nothing is
//! substituted in keys, nor in `vars`, `$schema` and `x-…`.

use std::borrow::Cow;
use std::collections::BTreeMap;

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

/// The document with every `${…}` replaced, and what was wrong with them.
pub(super) fn substitute<'d>(
    document: &'d Document,
    variables: &Variables,
) -> (Cow<'d, Document>, Vec<Problem>) {
    if !holds_dollar(document.root()) && variables.set.is_empty() {
        return (Cow::Borrowed(document), Vec::new());
    }
    let vars = declared(document.root());
    let problems = unknown_settings(&vars, variables);
    let mut substitution = Substitution { vars, variables, problems };
    let mut root = document.root().clone();
    if let Value::Map(entries) = &mut root.value {
        for entry in entries.iter_mut().filter(|entry| !is_verbatim(&entry.key)) {
            let at = Pointer::root().key(&entry.key);
            substitution.node(&mut entry.value, &at);
        }
    }
    (Cow::Owned(document.with_root(root)), substitution.problems)
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

struct Substitution<'v> {
    vars: BTreeMap<String, Option<Var>>,
    variables: &'v Variables,
    problems: Vec<Problem>,
}

impl Substitution<'_> {
    fn node(&mut self, node: &mut Node, at: &Pointer) {
        match &mut node.value {
            _ if self.problems.len() > MOST => node.value = Value::Unknown,
            Value::Scalar(scalar) if scalar.kind == Kind::Text && scalar.text.contains('$') => {
                match self.text(&scalar.text) {
                    Ok(Some(text)) => node.value = Value::Scalar(substituted(text)),
                    Ok(None) => scalar.text = scalar.text.replace("$$", "$"),
                    Err(fault) => {
                        if fault.code != UNREAD {
                            self.problems.push(fault.problem(Place::Value(at.clone())));
                        }
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

    /// The text with its variables replaced, if it has any.
    fn text(&self, text: &str) -> Result<Option<String>, Fault> {
        let (mut rest, mut whole, mut any) = (text, String::new(), false);
        while let Some(at) = rest.find('$') {
            whole.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix('$') {
                whole.push('$');
                rest = after;
            } else if let Some(inner) = after.strip_prefix('{') {
                let end = inner.find('}').ok_or_else(|| unclosed(text))?;
                whole.push_str(&self.reference(&inner[..end])?);
                (rest, any) = (&inner[end + 1..], true);
            } else {
                whole.push('$');
                rest = after;
            }
        }
        whole.push_str(rest);
        Ok(any.then_some(whole))
    }

    /// The value of what stands in the braces.
    fn reference(&self, inner: &str) -> Result<String, Fault> {
        let split = inner.find([':', '-', '?']).unwrap_or(inner.len());
        let (name, operator) = inner.split_at(split);
        if !is_name(name) {
            return Err(bad_name(inner, name));
        }
        let value = self.value(name)?;
        match (value, operator.get(..2), operator.get(2..)) {
            (value, None, _) if operator.is_empty() => value.ok_or_else(|| self.unset(name)),
            (Some(value), Some(":-" | ":?"), _) if !value.is_empty() => Ok(value),
            (_, Some(":-"), Some(default)) => Ok(default.to_owned()),
            (_, Some(":?"), Some(message)) => Err(required(name, message)),
            _ => Err(bad_operator(name, operator)),
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
        let known = self
            .vars
            .keys()
            .map(String::as_str)
            .chain(self.variables.environment.keys().map(String::as_str))
            .filter(|known| *known != name);
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

fn unclosed(text: &str) -> Fault {
    Fault::new("bad_variable", format!("`${{` is never closed in {}", shown(text)), "never closed")
        .help("close it by `}`; a dollar that stands for itself is written `$$`")
}

fn bad_name(inner: &str, name: &str) -> Fault {
    let text = match name {
        "" => format!("`${{{inner}}}` names no variable"),
        _ => format!("{} is no name of a variable", shown(name)),
    };
    Fault::new("bad_variable", text, "no variable")
        .help("write `${NAME}`; a dollar that stands for itself is written `$$`")
}

fn bad_operator(name: &str, operator: &str) -> Fault {
    let text = format!("{} after the name `{name}` is not known", shown(operator));
    Fault::new("bad_variable", text, "unknown form")
        .help(format!("write `${{{name}:-default}}` or `${{{name}:?message}}`"))
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
