//! The command: arguments, environment, identity, standard streams.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fault::{Fault, shown};
use super::limits::plain_text;
use super::notation::{
    Notation, ShortOrLong, Written, described, notation, short_or_long, text_schema, words,
};
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

/// A variable for `${NAME}`: a scalar, or `{default, description, enum}`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Var {
    pub default: Option<String>,
    pub description: Option<String>,
    pub choices: Vec<String>,
}

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

/// A resource of setrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ulimit {
    As,
    Core,
    Cpu,
    Data,
    Fsize,
    Locks,
    Memlock,
    Msgqueue,
    Nice,
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Rttime,
    Sigpending,
    Stack,
}

impl Ulimit {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::As => "as",
            Self::Core => "core",
            Self::Cpu => "cpu",
            Self::Data => "data",
            Self::Fsize => "fsize",
            Self::Locks => "locks",
            Self::Memlock => "memlock",
            Self::Msgqueue => "msgqueue",
            Self::Nice => "nice",
            Self::Nofile => "nofile",
            Self::Nproc => "nproc",
            Self::Rss => "rss",
            Self::Rtprio => "rtprio",
            Self::Rttime => "rttime",
            Self::Sigpending => "sigpending",
            Self::Stack => "stack",
        }
    }
}

/// Soft and hard limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UlimitValue {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// `report: FILE | {file, format: json}`
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub file: PathBuf,
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
        let auto = words(&[("auto", "A terminal of its own iff stdin and stdout are terminals.")]);
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
    ["inherit", Inherit, "The caller's, untouched."],
    ["none", None, "Empty."]
);
stream!(
    Output,
    "`inherit`, `none`, or a file",
    ["inherit", Inherit, "The caller's, untouched."],
    ["none", None, "Thrown away."]
);
stream!(
    ErrorOutput,
    "`inherit`, `none`, `stdout`, or a file",
    ["inherit", Inherit, "The caller's, untouched."],
    ["none", None, "Thrown away."],
    ["stdout", Stdout, "Where stdout goes."]
);

impl Ulimit {
    const ALL: &[(&str, &str)] = &[
        ("as", "Address space in bytes; the caller's by default."),
        ("core", "Core dumps in bytes; none by default."),
        ("cpu", "Processor time in seconds, of one process; the caller's by default."),
        ("data", "Data segment in bytes; the caller's by default."),
        ("fsize", "Size of a file that is written, in bytes; the caller's by default."),
        ("locks", "File locks; the caller's by default."),
        ("memlock", "Locked memory in bytes; by default the caller's, at most 8 MiB."),
        ("msgqueue", "POSIX message queues in bytes; by default the caller's, at most 819200."),
        ("nice", "How far the nice value may be raised; by default not at all."),
        ("nofile", "Open files; by default 1024, which may be raised to 524288."),
        ("nproc", "Processes of the user; by default 4096 where no control group counts them."),
        ("rss", "Resident memory in bytes, without effect on Linux; the caller's by default."),
        ("rtprio", "Real-time priority; none by default."),
        ("rttime", "Real-time processor time in microseconds; the caller's by default."),
        ("sigpending", "Queued signals; by default the caller's, at most 131072."),
        ("stack", "Stack in bytes; by default the caller's, or 8 MiB where that is unlimited."),
    ];
}

/// The schema of `ulimits`: each resource is a key of its own, so that editors complete it.
pub(crate) fn ulimits_schema(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<UlimitValue>();
    let mut properties = serde_json::Map::new();
    for (name, meaning) in Ulimit::ALL {
        let mut of = value.clone();
        of.insert("description".to_owned(), (*meaning).into());
        of.insert("examples".to_owned(), serde_json::json!([1024]));
        properties.insert((*name).to_owned(), of.into());
    }
    json_schema!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// What is more is unlimited.
const MOST_LIMIT: u64 = 999_999_999_999_999_999;

plain_text!(
    LimitNumber,
    "a number or `unlimited`",
    r"^(0*[0-9]{1,18}|unlimited)$",
    Some((0, MOST_LIMIT)),
    |text| text == "unlimited"
        || text.bytes().all(|b| b.is_ascii_digit())
            && text.parse::<u64>().is_ok_and(|number| number <= MOST_LIMIT),
    "write a number, or `unlimited`"
);

impl LimitNumber {
    fn value(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    fn of(value: Option<u64>) -> Self {
        Self(value.map_or_else(|| "unlimited".to_owned(), |number| number.to_string()))
    }
}

/// The long form of a resource limit.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UlimitMap {
    /// The limit that is enforced.
    #[schemars(example = 1024)]
    soft: LimitNumber,
    /// The most that the command may raise it to.
    #[schemars(example = 4096)]
    hard: LimitNumber,
}

impl ShortOrLong for UlimitValue {
    const WANTED: &'static str = "a number, `unlimited`, or a mapping of `soft` and `hard`";
    const INTEGERS: bool = true;
    type Long = UlimitMap;

    fn short_schema() -> Vec<Schema> {
        vec![
            json_schema!({"type": "integer", "minimum": 0, "maximum": MOST_LIMIT}),
            text_schema(&LimitNumber::pattern(), Self::WANTED),
        ]
    }

    fn short(text: &str) -> Result<Self, Fault> {
        let both = LimitNumber::read(text)?.value();
        Ok(Self { soft: both, hard: both })
    }

    fn number(number: u64) -> Result<Self, Fault> {
        Self::short(&number.to_string())
    }

    fn long(long: UlimitMap) -> Result<Self, Fault> {
        Ok(Self { soft: long.soft.value(), hard: long.hard.value() })
    }

    fn written(&self) -> Written<UlimitMap> {
        match self.soft {
            Some(number) if self.soft == self.hard => Written::Number(number),
            None if self.hard.is_none() => Written::Short("unlimited".to_owned()),
            _ => Written::Long(UlimitMap {
                soft: LimitNumber::of(self.soft),
                hard: LimitNumber::of(self.hard),
            }),
        }
    }
}
short_or_long!(UlimitValue);

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
        Ok(Self { file: HostPath::read(text)?.0 })
    }

    fn long(long: ReportMap) -> Result<Self, Fault> {
        Ok(Self { file: long.file.0 })
    }

    fn written(&self) -> Written<ReportMap> {
        Written::Short(self.file.display().to_string())
    }
}
short_or_long!(Report);
