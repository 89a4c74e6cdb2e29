//! Standard streams, and the terminal.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fault::Fault;
use super::notation::{Notation, described, notation, text_schema, words};
use super::scalar::HostPath;

/// Whether the command has a terminal of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tty {
    Auto,
    Yes,
    No,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Inherit,
    None,
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Inherit,
    None,
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
pub enum ErrorOutput {
    Inherit,
    None,
    File(PathBuf),
    Stdout,
}

impl<'de> Deserialize<'de> for Tty {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TtyVisitor;

        impl de::Visitor<'_> for TtyVisitor {
            type Value = Tty;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`auto`, `true` or `false`")
            }

            fn visit_bool<E: de::Error>(self, yes: bool) -> Result<Tty, E> {
                Ok(if yes { Tty::Yes } else { Tty::No })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Tty, E> {
                match text {
                    "auto" => Ok(Tty::Auto),
                    other => Err(E::custom(super::fault::unknown_word(
                        other,
                        &["auto", "true", "false"],
                    ))),
                }
            }
        }

        from.deserialize_bool(TtyVisitor)
    }
}

impl Serialize for Tty {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str("auto"),
            Self::Yes => to.serialize_bool(true),
            Self::No => to.serialize_bool(false),
        }
    }
}

impl JsonSchema for Tty {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tty".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let auto = words(&[(
            "auto",
            "A terminal of its own iff stdin and stdout are a terminal in whose foreground it runs.",
        )]);
        json_schema!({"anyOf": [auto, {"type": "boolean"}]})
    }
}

/// Defines how a standard stream is written: a word, or a file.
macro_rules! stream {
    ($type:ident, $wanted:literal, $([$word:literal, $variant:ident, $meaning:literal]),*) => {
        impl Notation for $type {
            const WANTED: &'static str = $wanted;

            fn pattern() -> String {
                HostPath::pattern()
            }

            fn schema() -> Schema {
                let file =
                    described(text_schema(&Self::pattern(), Self::WANTED), "A file of the host.");
                json_schema!({"anyOf": [words(&[$(($word, $meaning)),*]), file]})
            }

            fn read(text: &str) -> Result<Self, Fault> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    path => Ok(Self::File(HostPath::read(path)?.0)),
                }
            }
        }

        impl $type {
            /// The file of the host, where it is one.
            #[must_use]
            pub fn file(&self) -> Option<&PathBuf> {
                match self {
                    Self::File(path) => Some(path),
                    _ => None,
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($word),)*
                    Self::File(path) => path.display().fmt(f),
                }
            }
        }

        notation!($type);
    };
}

stream!(
    Input,
    "`inherit`, `none`, or a file",
    [
        "inherit",
        Inherit,
        "The caller's own; through a pipe of the runner's where `limits.output` would not count what is written to it."
    ],
    ["none", None, "Empty."]
);
stream!(
    Output,
    "`inherit`, `none`, or a file",
    [
        "inherit",
        Inherit,
        "The caller's own; through a pipe of the runner's with `limits.output`, and from the background of a terminal."
    ],
    ["none", None, "Thrown away."]
);
stream!(
    ErrorOutput,
    "`inherit`, `none`, `stdout`, or a file",
    [
        "inherit",
        Inherit,
        "The caller's own; through a pipe of the runner's with `limits.output`, and from the background of a terminal."
    ],
    ["none", None, "Thrown away."],
    ["stdout", Stdout, "Where stdout goes."]
);
