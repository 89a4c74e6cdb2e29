//! The words of a profile that are looked at while it is read, so that a fault has its line.

use serde::de::{Deserialize, Deserializer, Error};

use crate::seccomp::calls::Architecture;
use crate::seccomp::policy::{Condition, Outcome, Test};

/// SCMP_ACT_*, those that work without a tracer or a listener.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Allow,
    Errno,
    Kill,
    KillProcess,
    Log,
    Trap,
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ok(match word.as_str() {
            "SCMP_ACT_ALLOW" => Self::Allow,
            "SCMP_ACT_ERRNO" => Self::Errno,
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Self::Kill,
            "SCMP_ACT_KILL_PROCESS" => Self::KillProcess,
            "SCMP_ACT_LOG" => Self::Log,
            "SCMP_ACT_TRAP" => Self::Trap,
            "SCMP_ACT_TRACE" => {
                return Err(D::Error::custom("`SCMP_ACT_TRACE` needs a tracer, and there is none"));
            }
            "SCMP_ACT_NOTIFY" => {
                return Err(D::Error::custom(
                    "`SCMP_ACT_NOTIFY` needs a listener, and there is none",
                ));
            }
            other => return Err(D::Error::custom(format!("there is no action `{other}`"))),
        })
    }
}

/// The highest errno that a filter can return (MAX_ERRNO).
const HIGHEST: u16 = 4095;

impl Action {
    pub(super) fn outcome(self, errno: Option<u16>) -> Result<Outcome, String> {
        match (self, errno) {
            (Self::Errno, Some(errno @ 1..=HIGHEST)) => Ok(Outcome::Errno(errno)),
            (Self::Errno, Some(errno)) => {
                Err(format!("{errno} is no errno: they go from 1 to {HIGHEST}"))
            }
            (Self::Errno, None) => Ok(Outcome::Errno(1)),
            (Self::Allow, _) => Ok(Outcome::Allow),
            (Self::Log, _) => Ok(Outcome::Log),
            (Self::Trap, _) => Ok(Outcome::Trap),
            (Self::Kill, _) => Ok(Outcome::KillThread),
            (Self::KillProcess, _) => Ok(Outcome::KillProcess),
        }
    }
}

/// SECCOMP_FILTER_FLAG_*, those without effect here: there is one thread, and no mitigation is
/// given up for speed.
pub(super) struct Flag;

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        match word.as_str() {
            "SECCOMP_FILTER_FLAG_TSYNC" | "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(Self),
            _ => Err(D::Error::custom(format!("the flag `{word}` is not supported"))),
        }
    }
}

/// A question about an argument.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arg {
    pub(super) index: Index,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: Operator,
}

impl Arg {
    pub(super) fn condition(&self) -> Condition {
        let value = self.value;
        let (test, negated) = match self.op {
            Operator::Equal => (Test::Equal(value), false),
            Operator::NotEqual => (Test::Equal(value), true),
            Operator::Greater => (Test::Greater(value), false),
            Operator::AtMost => (Test::Greater(value), true),
            Operator::AtLeast => (Test::AtLeast(value), false),
            Operator::Less => (Test::AtLeast(value), true),
            Operator::Masked => (Test::Masked { mask: value, value: self.value_two }, false),
        };
        Condition { argument: self.index.0, test, negated }
    }
}

/// From 0 to 5.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Index(u8);

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            index @ 0..=5 => Ok(Self(u8::try_from(index).unwrap_or_default())),
            index => {
                Err(D::Error::custom(format!("there is no argument {index}: they go from 0 to 5")))
            }
        }
    }
}

#[derive(serde::Deserialize)]
enum Operator {
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    #[serde(rename = "SCMP_CMP_LE")]
    AtMost,
    #[serde(rename = "SCMP_CMP_GE")]
    AtLeast,
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    Masked,
}

/// The specification's word for an architecture.
pub(super) const fn architecture(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "SCMP_ARCH_X86_64",
        Architecture::Aarch64 => "SCMP_ARCH_AARCH64",
    }
}

/// Docker's word for an architecture.
pub(super) const fn go_architecture(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "amd64",
        Architecture::Aarch64 => "arm64",
    }
}

/// Whether the kernel's release is at least `4.8`.
pub(super) fn reaches(release: &str, least: &str) -> bool {
    version(release) >= version(least)
}

fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
