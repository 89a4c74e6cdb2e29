//! The section `vars`: variables that the file's values may hold.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fault::{Fault, shown};

/// A variable for `${NAME}`: a scalar, or `{default, description, enum}`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Var {
    pub default: Option<String>,
    pub description: Option<String>,
    pub choices: Vec<String>,
}

/// A text, or a number or boolean taken as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl de::Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text, number or boolean")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }

        // The tree's reader hands a unit struct's scalar over as it is written.
        from.deserialize_unit_struct(AS_WRITTEN, TextVisitor)
    }
}

/// The name by which a type asks the tree for a scalar's own characters.
pub(super) const AS_WRITTEN: &str = "as written";

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]})
    }
}

/// The long form of a variable.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VarMap {
    /// The value unless `--set` gives another; by default the caller's environment gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Text", example = &"release")]
    default: Option<Text>,
    /// What the variable is for. Nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", example = &"how the program is built")]
    description: Option<String>,
    /// The values that it may have; by default any.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = &["debug", "release"])]
    choices: Vec<Text>,
}

impl Var {
    /// Whether it may have this value.
    pub(super) fn allows(&self, value: &String) -> bool {
        self.choices.is_empty() || self.choices.contains(value)
    }
}

fn not_allowed(default: &str, choices: &[String]) -> Fault {
    let words: Vec<&str> = choices.iter().map(String::as_str).collect();
    let text = format!("the default {} is none of the values in `enum`", shown(default));
    let help = format!("write {}, or add it to `enum`", super::fault::either(&words));
    Fault::new("contradiction", text, "not in `enum`").help(help).at("default")
}

impl<'de> Deserialize<'de> for Var {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct VarVisitor;

        impl<'de> de::Visitor<'de> for VarVisitor {
            type Value = Var;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text, number or boolean, or a mapping")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Var, E> {
                Ok(Var { default: Some(text.to_owned()), ..Var::default() })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Var, A::Error> {
                let long = VarMap::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let var = Var {
                    default: long.default.map(|text| text.0),
                    description: long.description,
                    choices: long.choices.into_iter().map(|text| text.0).collect(),
                };
                match var.default.as_ref().filter(|default| !var.allows(default)) {
                    Some(default) => Err(de::Error::custom(not_allowed(default, &var.choices))),
                    None => Ok(var),
                }
            }
        }

        from.deserialize_unit_struct(AS_WRITTEN, VarVisitor)
    }
}

impl Serialize for Var {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match (&self.default, &self.description, self.choices.is_empty()) {
            (Some(text), None, true) => to.serialize_str(text),
            (default, description, _) => VarMap {
                default: default.clone().map(Text),
                description: description.clone(),
                choices: self.choices.iter().cloned().map(Text).collect(),
            }
            .serialize(to),
        }
    }
}

impl JsonSchema for Var {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Var".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<VarMap>();
        json_schema!({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, long]})
    }
}
