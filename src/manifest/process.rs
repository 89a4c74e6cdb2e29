//! The command, the variables that are passed on, and the report.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fault::{Fault, shown};
use super::notation::{Notation, ShortOrLong, Written, notation, short_or_long, text_schema};
use super::scalar::HostPath;

/// What runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The program and its arguments.
    Argv(Vec<String>),
    /// Text for `/bin/sh -c`.
    Shell(String),
}

/// A name, or a prefix with `*` at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvPattern(pub String);

/// `report: FILE | {file, format: json}`
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub file: PathBuf,
    /// It is the caller's word (`--report`), not the manifest's.
    pub typed: bool,
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct CommandVisitor;

        impl<'de> de::Visitor<'de> for CommandVisitor {
            type Value = Command;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of arguments, or a text for the shell")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Command, E> {
                if text.is_empty() {
                    return Err(E::custom(nothing_to_run()));
                }
                Ok(Command::Shell(text.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Command, A::Error> {
                let mut argv = Vec::new();
                while let Some(argument) = items.next_element()? {
                    argv.push(argument);
                }
                if argv.is_empty() {
                    return Err(de::Error::custom(nothing_to_run()));
                }
                Ok(Command::Argv(argv))
            }
        }

        from.deserialize_any(CommandVisitor)
    }
}

fn nothing_to_run() -> Fault {
    Fault::value("the command is empty", "nothing to run")
        .help("write a program and its arguments, such as `[echo, hello]`")
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Argv(argv) => argv.serialize(to),
            Self::Shell(text) => to.serialize_str(text),
        }
    }
}

impl JsonSchema for Command {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Command".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "array", "items": {"type": "string"}, "minItems": 1,
             "description": "The program and its arguments."},
            {"type": "string", "minLength": 1, "description": "Text for `/bin/sh -c`."},
        ]})
    }
}

impl Notation for EnvPattern {
    const WANTED: &'static str = "the name of a variable, or a prefix and `*`";

    fn pattern() -> String {
        r"^([A-Za-z_][A-Za-z0-9_]*\*?|\*)$".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let name = text.strip_suffix('*').unwrap_or(text);
        if text == "*" || super::variables::is_name(name) {
            return Ok(Self(text.to_owned()));
        }
        Err(Fault::value(format!("{} is not {}", shown(text), Self::WANTED), "not a name")
            .help("write a name such as `SSH_AUTH_SOCK` or `CI_*`"))
    }
}

impl fmt::Display for EnvPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
notation!(EnvPattern);

/// The form of a report.
#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReportFormat {
    /// One JSON object, whose schema `sixdocker schema report` prints.
    #[default]
    Json,
}

/// The long form of `report`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportMap {
    /// The file that the report is written to.
    #[schemars(example = &"report.json")]
    file: HostPath,
    /// The form of the report.
    #[serde(default)]
    #[schemars(example = &"json")]
    format: ReportFormat,
}

impl ShortOrLong for Report {
    const WANTED: &'static str = "a file, or a mapping";
    type Long = ReportMap;

    fn short_schema() -> Vec<Schema> {
        vec![text_schema(&HostPath::pattern(), Self::WANTED)]
    }

    fn short(text: &str) -> Result<Self, Fault> {
        Ok(Self { file: HostPath::read(text)?.0, typed: false })
    }

    fn long(long: ReportMap) -> Result<Self, Fault> {
        Ok(Self { file: long.file.0, typed: false })
    }

    fn written(&self) -> Written<ReportMap> {
        Written::Short(self.file.display().to_string())
    }
}
short_or_long!(Report);
