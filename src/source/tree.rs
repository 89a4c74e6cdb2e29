//! A tree of values, each with its bytes in the text.

use std::ops::Range;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its bytes; of a value that is left out, those of its key.
    pub span: Range<usize>,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// It could not be read, and a fault says so: it stands for any value.
    Unknown,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Node,
}

/// A single value as it is written, without its quotes.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    pub text: String,
    pub style: Style,
    /// What the text is by YAML's core schema.
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// Quoted, or a block.
    Quoted,
    /// It came out of `${…}`: a text that readers of numbers accept as well.
    Substituted,
}

/// A scalar's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    /// From the least 64-bit integer to the largest unsigned one.
    Integer(i128),
    Float(f64),
    Text,
}

impl Node {
    /// The value called `key`, of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry called `key`, of a mapping.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The scalar that this is.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text that this is, if it counts as one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.scalar().filter(|scalar| scalar.is_text()).map(|scalar| scalar.text.as_str())
    }

    /// Whether it came out of `${…}`.
    #[must_use]
    pub fn is_substituted(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.style == Style::Substituted)
    }

    /// What this is, for people.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => scalar.noun(),
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Unknown => "unknown",
        }
    }
}

impl Entry {
    /// One that stands nowhere in the text.
    #[must_use]
    pub fn text(key: &str, text: &str) -> Self {
        let value = Node { span: 0..0, value: Value::Scalar(Scalar::quoted(text)) };
        Self { key: key.to_owned(), key_span: 0..0, value }
    }
}

impl Scalar {
    /// A text, whatever it looks like.
    #[must_use]
    pub fn quoted(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::Quoted, kind: Kind::Text }
    }

    #[must_use]
    pub fn is_text(&self) -> bool {
        self.kind == Kind::Text || self.style == Style::Substituted
    }

    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The whole number that this is; `5.0` is one, as in JSON schema.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the float is whole and in range")]
    pub fn as_integer(&self) -> Option<i128> {
        match self.kind {
            Kind::Integer(value) => Some(value),
            Kind::Float(value) if value.fract() == 0.0 && value.abs() <= 9e15 => {
                Some(value as i128)
            }
            _ => None,
        }
    }

    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no use of a float needs the last digits")]
    pub fn as_float(&self) -> Option<f64> {
        match self.kind {
            Kind::Integer(value) => Some(value as f64),
            Kind::Float(value) => Some(value),
            _ => None,
        }
    }

    fn noun(&self) -> &'static str {
        match self.kind {
            _ if self.style == Style::Substituted => "text",
            Kind::Null => "no value",
            Kind::Bool(_) => "a boolean",
            Kind::Integer(_) | Kind::Float(_) => "a number",
            Kind::Text => "text",
        }
    }
}
