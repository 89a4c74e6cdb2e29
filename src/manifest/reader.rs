//! Values of the manifest's types, read from the tree.
//!
//! A reader asks for what it wants to have, so that a text that came out of `${…}` can be
//! taken as the number it looks like. A `null` is a value, never an absent one.

use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};

use super::fault::{Fault, unknown_word};
use super::vars::AS_WRITTEN;
use crate::diagnostic::{Place, Problem};
use crate::source::{Kind, Node, Pointer, Scalar, Style, Value};

/// Reads `T` from a value of the tree.
pub(crate) fn read<'n, T: de::Deserialize<'n>>(node: &'n Node) -> Result<T, Refusal> {
    T::deserialize(Reader(node))
}

/// Reads `T` from the root, whose keys `x-…` are the user's own.
pub(crate) fn read_root<'n, T: de::Deserialize<'n>>(root: &'n Node) -> Result<T, Refusal> {
    match &root.value {
        Value::Map(_) => {
            let entries = Entries { ours: false, ..Entries::of(root) };
            T::deserialize(de::value::MapAccessDeserializer::new(entries))
        }
        _ => read(root),
    }
}

/// A fault, and the way from the value that was read to the one that is wrong.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    /// The innermost part first.
    path: Vec<Part>,
    /// The fault is in the last key itself, not in its value.
    at_key: bool,
}

#[derive(Debug)]
enum Part {
    Key(String),
    Index(usize),
}

impl Refusal {
    fn new(fault: Fault) -> Self {
        let path = fault.key.iter().map(|key| Part::Key(key.clone())).collect();
        Self { fault, path, at_key: false }
    }

    fn below(mut self, part: Part) -> Self {
        self.path.push(part);
        self
    }

    /// As a problem of the value at `base`.
    pub(crate) fn problem(self, base: &Pointer) -> Problem {
        let at = self.path.iter().rev().fold(base.clone(), |at, part| match part {
            Part::Key(key) => at.key(key),
            Part::Index(n) => at.index(*n),
        });
        self.fault.problem(if self.at_key { Place::Key(at) } else { Place::Value(at) })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.text)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Fault::received(&message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected, expected: &dyn de::Expected) -> Self {
        let text = format!("{} stands where {expected} is wanted", noun(unexpected));
        Self::new(Fault::new("bad_type", text, format!("must be {expected}")))
    }

    fn invalid_value(unexpected: Unexpected, expected: &dyn de::Expected) -> Self {
        let text = format!("{} is out of range: {expected} is wanted", noun(unexpected));
        Self::new(Fault::value(text, format!("must be {expected}")))
    }

    fn unknown_variant(word: &str, words: &'static [&'static str]) -> Self {
        Self::new(unknown_word(word, words))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        let text = format!("the key `{field}` is not known");
        let fault = Fault::new("unknown_key", text, "unknown key");
        Self { fault, path: Vec::new(), at_key: true }
    }

    fn missing_field(field: &'static str) -> Self {
        let text = format!("the key `{field}` is missing");
        Self::new(Fault::new("missing_key", text, format!("`{field}` is missing")))
    }
}

fn noun(unexpected: Unexpected) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("the boolean `{value}`"),
        Unexpected::Unsigned(value) => format!("the number `{value}`"),
        Unexpected::Signed(value) => format!("the number `{value}`"),
        Unexpected::Float(value) => format!("the number `{value}`"),
        Unexpected::Str(_) | Unexpected::Char(_) => "text".to_owned(),
        Unexpected::Unit => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// The code of a fault that has been told already, where the value was read.
pub(crate) const UNREAD: &str = "unread";

/// One value, to be read.
struct Reader<'n>(&'n Node);

/// The scalar that a substituted text looks like; any other stays what it is.
fn looks_like(scalar: &Scalar) -> Scalar {
    if scalar.style != Style::Substituted {
        return scalar.clone();
    }
    Scalar { style: Style::Plain, ..scalar.clone() }
}

fn visit_integer<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, Refusal> {
    match (u64::try_from(value), i64::try_from(value)) {
        (Ok(value), _) => visitor.visit_u64(value),
        (_, Ok(value)) => visitor.visit_i64(value),
        _ => Err(Refusal::custom(Fault::value("the number is too large", "too large"))),
    }
}

impl<'n> Reader<'n> {
    fn by_itself<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.0.value {
            Value::Scalar(scalar) if scalar.is_text() => visitor.visit_borrowed_str(&scalar.text),
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Null => visitor.visit_unit(),
                Kind::Bool(value) => visitor.visit_bool(value),
                Kind::Integer(value) => visit_integer(value, visitor),
                Kind::Float(value) => visitor.visit_f64(value),
                Kind::Text => visitor.visit_borrowed_str(&scalar.text),
            },
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Map(_) => visitor.visit_map(Entries::of(self.0)),
            Value::Unknown => {
                Err(Refusal::new(Fault::new(UNREAD, "this value could not be read", "")))
            }
        }
    }

    fn integer<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0.scalar().map(looks_like).and_then(|scalar| scalar.as_integer()) {
            Some(value) => visit_integer(value, visitor),
            None => self.by_itself(visitor),
        }
    }

    fn float<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0.scalar().map(looks_like).and_then(|scalar| scalar.as_float()) {
            Some(value) => visitor.visit_f64(value),
            None => self.by_itself(visitor),
        }
    }
}

macro_rules! like {
    ($way:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Refusal> {
            self.$way(visitor)
        }
    )*};
}

impl<'n> Deserializer<'n> for Reader<'n> {
    type Error = Refusal;

    like! { integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 }
    like! { float: deserialize_f32 deserialize_f64 }
    like! { by_itself: deserialize_any deserialize_char deserialize_str deserialize_string
    deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_seq deserialize_map
    deserialize_identifier }

    fn deserialize_bool<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0.scalar().map(looks_like).and_then(|scalar| scalar.as_bool()) {
            Some(value) => visitor.visit_bool(value),
            None => self.by_itself(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    /// Only a mapping is a struct: serde's own readers would take a list, too.
    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match &self.0.value {
            Value::List(_) => Err(Refusal::invalid_type(Unexpected::Seq, &"a mapping")),
            Value::Map(_) => visitor.visit_map(Entries::of(self.0)),
            _ => self.by_itself(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.0.text() {
            Some(text) => visitor.visit_enum(text.into_deserializer()),
            None => self.by_itself(Unit(visitor)),
        }
    }

    /// A type that asks for a scalar as it is written gets its characters.
    fn deserialize_unit_struct<V: Visitor<'n>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.0.scalar() {
            Some(scalar)
                if name == AS_WRITTEN && (scalar.is_text() || scalar.kind != Kind::Null) =>
            {
                visitor.visit_str(&scalar.text)
            }
            _ => self.by_itself(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'n>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.by_itself(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'n>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.by_itself(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }
}

/// Refuses, as a word, whatever is not a text.
struct Unit<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Unit<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a word")
    }
}

struct Items<'n> {
    items: &'n [Node],
    next: usize,
}

impl<'n> SeqAccess<'n> for Items<'n> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refusal> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let n = self.next;
        self.next += 1;
        seed.deserialize(Reader(item)).map(Some).map_err(|refusal| refusal.below(Part::Index(n)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len().min(4096))
    }
}

struct Entries<'n> {
    entries: std::slice::Iter<'n, crate::source::Entry>,
    value: Option<(&'n str, &'n Node)>,
    /// Every key has a meaning: `x-…` is none of the user's own.
    ours: bool,
}

impl<'n> Entries<'n> {
    fn of(node: &'n Node) -> Self {
        let entries = match &node.value {
            Value::Map(entries) => entries.iter(),
            _ => [].iter(),
        };
        Self { entries, value: None, ours: true }
    }
}

impl<'n> MapAccess<'n> for Entries<'n> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refusal> {
        let ours = self.ours;
        let Some(entry) = self.entries.find(|entry| ours || !entry.key.starts_with("x-")) else {
            return Ok(None);
        };
        self.value = Some((&entry.key, &entry.value));
        let key = seed.deserialize(de::value::BorrowedStrDeserializer::new(&entry.key));
        key.map(Some).map_err(|refusal: Refusal| Refusal {
            at_key: true,
            ..refusal.below(Part::Key(entry.key.clone()))
        })
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let Some((key, node)) = self.value.take() else {
            return Err(Refusal::custom("a value was asked for before its key"));
        };
        seed.deserialize(Reader(node)).map_err(|refusal| refusal.below(Part::Key(key.to_owned())))
    }
}
