//! Resource limits of single processes.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::Size;
use super::fault::{Fault, shown};
use super::notation::{Notation, ShortOrLong, Written, notation, short_or_long, text_schema};

macro_rules! ulimits {
    ($($name:ident $word:literal: $meaning:literal;)*) => {
        /// A resource of setrlimit(2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[expect(missing_docs, reason = "the table says what each is")]
        pub enum Ulimit { $($name),* }

        impl Ulimit {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its word.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What it limits, and what it is by default.
            const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }
        }
    };
}

ulimits! {
    As "as": "Address space in bytes; the caller's by default.";
    Core "core": "Core dumps in bytes; none by default.";
    Cpu "cpu": "Processor time in seconds, of one process; the caller's by default.";
    Data "data": "Data segment in bytes; the caller's by default.";
    Fsize "fsize": "Size of a file that is written, in bytes; the caller's by default.";
    Locks "locks": "File locks; the caller's by default.";
    Memlock "memlock": "Locked memory in bytes; by default the caller's, at most 8 MiB.";
    Msgqueue "msgqueue": "POSIX message queues in bytes; by default the caller's, at most 819200.";
    Nice "nice": "How far the nice value may be raised; by default not at all.";
    Nofile "nofile": "Open files; by default 1024, which may be raised to 524288.";
    Nproc "nproc": "Processes of the user; by default 4096 where no control group counts them.";
    Rss "rss": "Resident memory in bytes, without effect on Linux; the caller's by default.";
    Rtprio "rtprio": "Real-time priority; none by default.";
    Rttime "rttime": "Real-time processor time in microseconds; the caller's by default.";
    Sigpending "sigpending": "Queued signals; by default the caller's, at most 131072.";
    Stack "stack": "Stack in bytes; by default the caller's, or 8 MiB where that is unlimited.";
}

/// Soft and hard limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UlimitValue {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// The schema of `ulimits`: each resource is a key of its own, so that editors complete it.
pub(crate) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<UlimitValue>();
    let mut properties = serde_json::Map::new();
    for ulimit in Ulimit::ALL {
        let mut of = value.clone();
        of.insert("description".to_owned(), ulimit.meaning().into());
        of.insert("examples".to_owned(), serde_json::json!([1024]));
        properties.insert(ulimit.word().to_owned(), of.into());
    }
    json_schema!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// What is more is unlimited.
const MOST_LIMIT: u64 = 999_999_999_999_999_999;

/// A number, or `unlimited`.
pub(crate) struct LimitNumber(String);

impl Notation for LimitNumber {
    const WANTED: &'static str = "a number or `unlimited`";
    const INTEGERS: Option<(u64, u64)> = Some((0, MOST_LIMIT));

    fn pattern() -> String {
        r"^(0*[0-9]{1,18}|unlimited)$".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        if is_limit(text) {
            return Ok(Self(text.to_owned()));
        }
        let fault = format!("{} is not {}", shown(text), Self::WANTED);
        Err(Fault::value(fault, "not possible here").help(instead(text)))
    }
}

fn is_limit(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = digits && text.parse::<u64>().is_ok_and(|number| number <= MOST_LIMIT);
    fits || text == "unlimited"
}

/// What to write for docker's `SOFT:HARD`, and for a size.
fn instead(text: &str) -> String {
    let pair = text.split_once(':').filter(|(soft, hard)| is_limit(soft) && is_limit(hard));
    if let Some((soft, hard)) = pair {
        return format!("write `{{soft: {soft}, hard: {hard}}}`");
    }
    match Size::read(text) {
        Ok(Size(bytes)) if bytes <= MOST_LIMIT => format!("write the whole number: `{bytes}`"),
        _ => "write a number, or `unlimited`".to_owned(),
    }
}

impl fmt::Display for LimitNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
notation!(LimitNumber);

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
