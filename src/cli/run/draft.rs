//! A manifest in the making, and which word of the command line asked for what.

use serde_json::{Map, Value};

use crate::diagnostic::{Place, Problem};
use crate::source::Pointer;

/// What the flags came to so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The manifest's values.
    pub(super) root: Map<String, Value>,
    /// Words of the command line, by the value they became.
    pub(super) marks: Vec<(Pointer, String)>,
    /// What is wrong with a flag itself, and the word at fault.
    pub(super) faults: Vec<(Problem, String)>,
}

impl Draft {
    /// Sets the value at `path`, which `typed` asked for.
    pub(super) fn put(&mut self, path: &[&str], value: Value, typed: &str) {
        at(&mut self.root, path, |old| *old = value);
        self.marks.push((pointer(path), typed.to_owned()));
    }

    /// Appends to the list at `path`.
    pub(super) fn push(&mut self, path: &[&str], value: Value, typed: &str) {
        let mut index = 0;
        at(&mut self.root, path, |list| match list {
            Value::Array(items) => {
                index = items.len();
                items.push(value);
            }
            other => *other = Value::Array(vec![value]),
        });
        self.marks.push((pointer(path).index(index), typed.to_owned()));
    }

    /// Sets a text, where the flag was given.
    pub(super) fn text(&mut self, path: &[&str], typed: Option<&String>) {
        if let Some(typed) = typed {
            self.put(path, literal(typed), typed);
        }
    }

    /// Sets a number; what is none stays a text, and the manifest's reading says what it is.
    pub(super) fn number(&mut self, path: &[&str], typed: Option<&String>) {
        if let Some(typed) = typed {
            self.put(path, scalar(typed), typed);
        }
    }

    /// Says that a word can't be had.
    pub(super) fn refuse(&mut self, typed: &str, text: String, help: &str) {
        let problem = Problem {
            code: "bad_flag",
            at: Place::Bytes(0..0),
            text,
            label: String::new(),
            help: Some(help.to_owned()),
            fix: None,
        };
        self.faults.push((problem, typed.to_owned()));
    }
}

/// Changes the value at `path`, which is made where it is not there yet.
fn at(map: &mut Map<String, Value>, path: &[&str], change: impl FnOnce(&mut Value)) {
    match path {
        [] => {}
        [last] => change(map.entry(*last).or_insert(Value::Null)),
        [first, rest @ ..] => {
            let inner = map.entry(*first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                at(inner, rest, change);
            }
        }
    }
}

fn pointer(path: &[&str]) -> Pointer {
    path.iter().fold(Pointer::root(), |pointer, key| pointer.key(key))
}

/// A path of the host, from the root: the manifest may be written to another directory.
pub(super) fn host_path(text: &str) -> Value {
    let stays = text.is_empty() || text.starts_with('~');
    let absolute = std::path::absolute(text).ok().filter(|_| !stays);
    let absolute = absolute.and_then(|path| path.into_os_string().into_string().ok());
    literal(absolute.as_deref().unwrap_or(text))
}

/// A text that stands for itself: a dollar of the command line is no variable.
pub(super) fn literal(text: &str) -> Value {
    Value::String(text.replace('$', "$$"))
}

/// A number where it is one, else the text.
pub(super) fn scalar(text: &str) -> Value {
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.parse::<f64>() {
        Ok(number) if plain => number.into(),
        _ => literal(text),
    }
}
