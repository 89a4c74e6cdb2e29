//! How a value with a notation of its own meets serde and the schema.
//!
//! The type says once what it takes; reading, writing and schema follow from that.

use std::fmt;
use std::marker::PhantomData;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

use super::fault::Fault;

/// A value that is written as a text, some also as a number or boolean.
pub(crate) trait Notation: Sized {
    /// What a message says is wanted.
    const WANTED: &'static str;
    /// What the schema says of a text.
    fn pattern() -> String;
    fn read(text: &str) -> Result<Self, Fault>;
    /// The largest integer that is taken, if any is.
    const INTEGERS: Option<(u64, u64)> = None;
    fn number(number: u64) -> Result<Self, Fault> {
        Self::read(&number.to_string())
    }

    /// It is the key of a mapping, where no `${…}` is replaced.
    const KEY: bool = false;

    fn schema() -> Schema {
        let pattern = Self::pattern();
        let text = if Self::KEY {
            json_schema!({"type": "string", "pattern": pattern,
                "patternErrorMessage": format!("{} is wanted", Self::WANTED)})
        } else {
            text_schema(&pattern, Self::WANTED)
        };
        match Self::INTEGERS {
            None => text,
            Some((least, most)) => json_schema!({
                "anyOf": [{"type": "integer", "minimum": least, "maximum": most}, text]
            }),
        }
    }
}

/// A `${…}` or `$$` in a text: what stands there in the end, no schema can know.
pub(crate) const VARIABLE: &str = r"\$[{$]";

/// A text that fits a pattern, or has a variable in it; an editor says what is wanted.
pub(crate) fn text_schema(pattern: &str, wanted: &str) -> Schema {
    if pattern.is_empty() {
        return json_schema!({"type": "string"});
    }
    json_schema!({"type": "string", "pattern": format!("{pattern}|{VARIABLE}"),
        "patternErrorMessage": format!("{wanted} is wanted")})
}

/// A pattern of the decimal numbers up to `most`.
pub(crate) fn up_to(most: u64) -> String {
    let digits = most.to_string();
    let mut all = vec![digits.clone()];
    for (n, digit) in digits.bytes().enumerate().filter(|(_, digit)| *digit > b'0') {
        let (lead, rest) = (&digits[..n], digits.len() - n - 1);
        let least = if n == 0 && rest > 0 { '1' } else { '0' };
        let (below, any) = (char::from(digit - 1), format!("[0-9]{{{rest}}}"));
        if below >= least {
            all.push(format!("{lead}[{least}-{below}]{any}"));
        }
    }
    if digits.len() > 1 {
        all.push(format!("[0-9]{{1,{}}}", digits.len() - 1));
    }
    format!("0*({})", all.join("|").replace("[0-9]{0}", "").replace("[0-9]{1}", "[0-9]"))
}

/// The most items of a list of which each costs the kernel something, or another look at the host.
pub(crate) const MOST_ITEMS: usize = 1000;

/// Something that is counted.
pub(crate) trait Count {
    fn count(&self) -> usize;
}

impl<T> Count for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }
}

impl<K, V> Count for std::collections::BTreeMap<K, V> {
    fn count(&self) -> usize {
        self.len()
    }
}

impl<T: Count> Count for Option<T> {
    fn count(&self) -> usize {
        self.as_ref().map_or(0, Count::count)
    }
}

pub(crate) fn too_many() -> Fault {
    Fault::value(format!("more than {MOST_ITEMS} items stand here"), "too many items")
        .help("name a directory that holds them all, or make several sandboxes of it")
}

/// For `deserialize_with`: no more than [`MOST_ITEMS`].
pub(crate) fn few<'de, D: Deserializer<'de>, T: Deserialize<'de> + Count>(
    from: D,
) -> Result<T, D::Error> {
    let all = T::deserialize(from)?;
    if all.count() > MOST_ITEMS { Err(de::Error::custom(too_many())) } else { Ok(all) }
}

/// Exactly one of two keys stands in a mapping.
pub(crate) fn one_of(one: &str, other: &str) -> serde_json::Value {
    let this = |this: &str, that: &str| serde_json::json!({"required": [this], "properties": {this: {}, that: false}});
    serde_json::json!([this(one, other), this(other, one)])
}

/// The same schema with a description.
pub(crate) fn described(mut schema: Schema, description: &str) -> Schema {
    schema.insert("description".to_owned(), description.into());
    schema
}

/// A mapping whose keys have a notation.
pub(crate) fn keyed<K: schemars::JsonSchema, V: schemars::JsonSchema>(
    generator: &mut SchemaGenerator,
) -> Schema {
    json_schema!({"type": "object", "propertyNames": generator.subschema_for::<K>(),
        "additionalProperties": generator.subschema_for::<V>(), "maxProperties": MOST_ITEMS})
}

/// Reads a [`Notation`].
pub(crate) struct NotationVisitor<T>(pub(crate) PhantomData<T>);

impl<T: Notation> Visitor<'_> for NotationVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        match T::INTEGERS {
            Some((least, most)) if number < least => {
                Err(E::custom(out_of_range(number, least, most)))
            }
            Some((least, most)) if number > most => {
                Err(E::custom(out_of_range(number, least, most)))
            }
            Some(_) => T::number(number).map_err(E::custom),
            None => Err(E::invalid_type(de::Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match T::INTEGERS {
            Some((least, most)) => Err(E::custom(out_of_range(number, least, most))),
            None => Err(E::invalid_type(de::Unexpected::Signed(number), &self)),
        }
    }
}

/// A number outside of what its key takes.
pub(crate) fn out_of_range<N: fmt::Display>(
    number: N,
    least: impl fmt::Display,
    most: impl fmt::Display,
) -> Fault {
    Fault::value(format!("{number} is not between {least} and {most}"), "out of range")
        .help(format!("write a number from {least} to {most}"))
}

pub(crate) fn read_notation<'de, T: Notation, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    match T::INTEGERS {
        Some(_) => from.deserialize_u64(NotationVisitor(PhantomData)),
        None => from.deserialize_any(NotationVisitor(PhantomData)),
    }
}

/// Makes serde and schemars read, write and describe a [`Notation`] that is also a `Display`.
macro_rules! notation {
    ($($type:ident),* $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::manifest::notation::read_notation(from)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <Self as $crate::manifest::notation::Notation>::schema()
            }
        }
    )*};
}
pub(crate) use notation;

/// A value with a short form, a text, and a long form, which YAML's types tell apart.
pub(crate) trait ShortOrLong: Sized {
    const WANTED: &'static str;
    type Long: for<'de> Deserialize<'de> + Serialize + schemars::JsonSchema;
    /// What the schema says of the short form: each alternative.
    fn short_schema() -> Vec<Schema>;
    fn short(text: &str) -> Result<Self, Fault>;
    fn long(long: Self::Long) -> Result<Self, Fault>;
    fn written(&self) -> Written<Self::Long>;
    const INTEGERS: bool = false;
    fn number(_: u64) -> Result<Self, Fault> {
        Err(Fault::new("bad_type", "a number stands here", "a number"))
    }
}

/// How a value is written: in the shorter form that says it.
pub(crate) enum Written<L> {
    Short(String),
    Number(u64),
    Long(L),
}

pub(crate) struct ShortOrLongVisitor<T>(pub(crate) PhantomData<T>);

impl<'de, T: ShortOrLong> Visitor<'de> for ShortOrLongVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::short(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        if T::INTEGERS {
            return T::number(number).map_err(E::custom);
        }
        Err(E::invalid_type(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let long = T::Long::deserialize(MapAccessDeserializer::new(map))?;
        T::long(long).map_err(de::Error::custom)
    }
}

pub(crate) fn read_either<'de, T: ShortOrLong, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    if T::INTEGERS {
        return from.deserialize_u64(ShortOrLongVisitor(PhantomData));
    }
    from.deserialize_any(ShortOrLongVisitor(PhantomData))
}

pub(crate) fn write_either<T: ShortOrLong, S: Serializer>(
    value: &T,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value.written() {
        Written::Short(text) => to.serialize_str(&text),
        Written::Number(number) => to.serialize_u64(number),
        Written::Long(long) => long.serialize(to),
    }
}

pub(crate) fn either_schema<T: ShortOrLong>(generator: &mut SchemaGenerator) -> Schema {
    let mut any: Vec<Schema> = T::short_schema();
    any.push(generator.subschema_for::<T::Long>());
    json_schema!({"anyOf": any})
}

/// Makes serde and schemars read, write and describe a [`ShortOrLong`].
macro_rules! short_or_long {
    ($($type:ident),* $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::manifest::notation::read_either(from)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                $crate::manifest::notation::write_either(self, to)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::manifest::notation::either_schema::<Self>(generator)
            }
        }
    )*};
}
pub(crate) use short_or_long;

/// The schema of words, each with what it means.
pub(crate) fn words(words: &[(&str, &str)]) -> Schema {
    let (names, meanings): (Vec<&str>, Vec<&str>) = words.iter().copied().unzip();
    json_schema!({"type": "string", "enum": names, "markdownEnumDescriptions": meanings})
}

/// A value read as one type and kept as another.
pub(crate) trait Through<T> {
    fn through(self) -> T;
}

/// For `deserialize_with`: reads `Raw`, keeps `T`.
pub(crate) fn through<'de, D, Raw, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    Raw: Deserialize<'de> + Through<T>,
{
    Raw::deserialize(from).map(Through::through)
}

/// An integer with bounds that serde and the schema both know.
pub(crate) struct Ranged<const LEAST: i64, const MOST: i64>(i64);

impl<'de, const LEAST: i64, const MOST: i64> Deserialize<'de> for Ranged<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(from)?;
        if (LEAST..=MOST).contains(&number) {
            return Ok(Self(number));
        }
        Err(de::Error::custom(out_of_range(number, LEAST, MOST)))
    }
}

impl<const LEAST: i64, const MOST: i64> schemars::JsonSchema for Ranged<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Integer{LEAST}To{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": LEAST, "maximum": MOST})
    }
}

macro_rules! ranged_into {
    ($($int:ty),*) => {$(
        impl<const LEAST: i64, const MOST: i64> Through<Option<$int>> for Ranged<LEAST, MOST> {
            fn through(self) -> Option<$int> {
                <$int>::try_from(self.0).ok()
            }
        }
    )*};
}
ranged_into!(u32, u64, i16, i8);
