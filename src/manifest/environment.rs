//! The `environment` section.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fault::{Fault, shown};
use super::limits::plain_text;
use super::notation::{Notation, described, notation};
use super::vars::AS_WRITTEN;

/// Variables in the order of the manifest; no value: taken from the caller.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Environment(pub Vec<(String, Option<String>)>);

plain_text!(
    key EnvName,
    "the name of a variable",
    r"^[^= \t\r\n]+$",
    |text| !text.is_empty() && !text.contains(UNNAMED),
    "write a name without `=` and without blanks"
);

/// What no name holds; with a blank at its end, no program would find it.
const UNNAMED: [char; 5] = ['=', ' ', '\t', '\r', '\n'];

/// A variable's value; nothing: taken from the caller.
struct EnvValue(Option<String>);

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct EnvValueVisitor;

        impl de::Visitor<'_> for EnvValueVisitor {
            type Value = EnvValue;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text, number or boolean, or nothing")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<EnvValue, E> {
                Ok(EnvValue(Some(text.to_owned())))
            }

            fn visit_unit<E: de::Error>(self) -> Result<EnvValue, E> {
                Ok(EnvValue(None))
            }
        }

        from.deserialize_unit_struct(AS_WRITTEN, EnvValueVisitor)
    }
}

/// `K=V`, or `K` alone: taken from the caller.
pub(crate) struct Assignment(String, Option<String>);

impl Notation for Assignment {
    const WANTED: &'static str = "`NAME=value`";

    fn pattern() -> String {
        r"^[^= \t\r\n]+(=|$)".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            return Err(Fault::value(format!("{} has no name before `=`", shown(text)), "no name")
                .help("write `NAME=value`"));
        }
        if name.contains(UNNAMED) {
            return Err(blank(text, name, value.as_deref()));
        }
        Ok(Self(name.to_owned(), value))
    }
}

fn blank(text: &str, name: &str, value: Option<&str>) -> Fault {
    let fault = Fault::value(format!("{} has a blank in its name", shown(text)), "a blank");
    match (name.trim(), value.map(str::trim)) {
        (name, Some(value)) if !name.contains(UNNAMED) && text.len() <= 40 => {
            fault.help(format!("write `{name}={value}`"))
        }
        _ => fault.help("write `NAME=value`, without blanks before the `=`"),
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.1 {
            Some(value) => write!(f, "{}={value}", self.0),
            None => f.write_str(&self.0),
        }
    }
}
notation!(Assignment);

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct EnvironmentVisitor;

        impl<'de> de::Visitor<'de> for EnvironmentVisitor {
            type Value = Environment;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a mapping, or a list of `NAME=value`")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Environment, A::Error> {
                let mut all = Vec::new();
                while let Some((name, value)) = map.next_entry::<EnvName, EnvValue>()? {
                    all.push((name.0, value.0));
                }
                Ok(Environment(all))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<Environment, A::Error> {
                let mut all = Vec::new();
                while let Some(Assignment(name, value)) = items.next_element()? {
                    all.push((name, value));
                }
                Ok(Environment(all))
            }
        }

        from.deserialize_any(EnvironmentVisitor)
    }
}

impl Serialize for Environment {
    /// As a mapping, unless a name stands twice.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            let all = self.0.iter().cloned();
            return to.collect_seq(all.map(|(name, value)| Assignment(name, value)));
        }
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl JsonSchema for Environment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Environment".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<EnvName>();
        json_schema!({"anyOf": [
            {"type": "object", "propertyNames": name, "additionalProperties": {"anyOf": [
                {"type": "string"}, {"type": "number"}, {"type": "boolean"},
                {"type": "null", "description": "Taken from the caller."},
            ]}},
            {"type": "array", "items": described(
                generator.subschema_for::<Assignment>(),
                "`NAME=value`, or a name alone: taken from the caller.",
            )},
        ]})
    }
}
