//! The `rootfs` section.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::Size;
use super::fault::{Fault, unknown_word};
use super::notation::{Notation, ShortOrLong, Written, short_or_long, text_schema, words};
use super::scalar::HostPath;

/// The root file system.
#[derive(Clone, Debug, PartialEq)]
pub struct Rootfs {
    pub source: RootSource,
    /// What happens to writes; without a word `none` for the host, `discard` for a directory.
    pub write: Option<Write>,
    /// The most that the layer of `write: discard` (or the tmpfs of `host`) may hold.
    pub size: Option<Size>,
}

/// Where the root file system comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum RootSource {
    /// The host's own /usr, read-only, and a generated /etc.
    Host,
    /// A directory.
    Dir(PathBuf),
}

/// What happens to writes to the root file system.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    None,
    Discard,
    Direct,
    /// They are kept in this directory.
    Keep(PathBuf),
}

/// The long form of `rootfs`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["path"], "properties": {"path": {}, "host": {"not": {"const": true}}}},
    {"required": ["host"], "properties": {"path": false, "host": {"not": {"const": false}}}},
]))]
pub(crate) struct RootfsMap {
    /// The directory; by default none, and `host` must be true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"./rootfs")]
    path: Option<HostPath>,
    /// The host's own /usr, read-only, and a generated /etc; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", example = true)]
    host: Option<bool>,
    /// What happens to writes: by default `discard` for a directory, `none` for the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"discard")]
    write: Option<Write>,
    /// The most that the layer of `write: discard` may hold; by default 40 % of the machine's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"256m")]
    size: Option<Size>,
}

impl ShortOrLong for Rootfs {
    const WANTED: &'static str = "`host`, a directory, or a mapping";
    type Long = RootfsMap;

    fn short_schema() -> Vec<Schema> {
        vec![
            words(&[("host", "The host's own /usr, read-only, and a generated /etc.")]),
            text_schema(&HostPath::pattern(), Self::WANTED),
        ]
    }

    fn short(text: &str) -> Result<Self, Fault> {
        let source = match text {
            "host" => RootSource::Host,
            path => RootSource::Dir(HostPath::read(path)?.0),
        };
        Ok(Self { source, write: None, size: None })
    }

    fn long(long: RootfsMap) -> Result<Self, Fault> {
        let source = match (long.path, long.host) {
            (Some(path), None | Some(false)) => RootSource::Dir(path.0),
            (None, Some(true)) => RootSource::Host,
            (Some(_), Some(true)) => {
                return Err(Fault::new(
                    "contradiction",
                    "`path` and `host: true` exclude each other",
                    "not both",
                )
                .help("keep one of them")
                .at("host"));
            }
            (None, _) => {
                return Err(Fault::new(
                    "missing_key",
                    "the root file system has no source",
                    "`path` or `host` is missing",
                )
                .help("write `path: DIR` or `host: true`"));
            }
        };
        Ok(Self { source, write: long.write, size: long.size })
    }

    fn written(&self) -> Written<RootfsMap> {
        let (path, host) = match &self.source {
            RootSource::Host => (None, Some(true)),
            RootSource::Dir(path) => (Some(path.clone()), None),
        };
        match (&self.write, self.size, path) {
            (None, None, None) => Written::Short("host".to_owned()),
            (None, None, Some(path)) if path.as_os_str() != "host" => {
                Written::Short(path.display().to_string())
            }
            (write, size, path) => Written::Long(RootfsMap {
                path: path.map(HostPath),
                host,
                write: write.clone(),
                size,
            }),
        }
    }
}

/// The long form of `write`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeepMap {
    /// Writes are kept in this directory, as an overlay's upper layer.
    #[schemars(example = &"./changes")]
    keep: HostPath,
}

const WRITES: &[(&str, &str)] = &[
    ("none", "The root file system is read-only."),
    (
        "discard",
        "Writes go to a layer that is thrown away at the end; the directory is never touched.",
    ),
    ("direct", "Writes change the directory itself."),
];

impl ShortOrLong for Write {
    const WANTED: &'static str = "a word, or a mapping with `keep`";
    type Long = KeepMap;

    fn short_schema() -> Vec<Schema> {
        vec![words(WRITES)]
    }

    fn short(text: &str) -> Result<Self, Fault> {
        match text {
            "none" => Ok(Self::None),
            "discard" => Ok(Self::Discard),
            "direct" => Ok(Self::Direct),
            "keep" => Err(Fault::value("`keep` needs a directory", "no directory")
                .help("write `{keep: DIR}`")),
            other => Err(unknown_word(other, &["none", "discard", "direct"])),
        }
    }

    fn long(long: KeepMap) -> Result<Self, Fault> {
        Ok(Self::Keep(long.keep.0))
    }

    fn written(&self) -> Written<KeepMap> {
        let word = match self {
            Self::None => "none",
            Self::Discard => "discard",
            Self::Direct => "direct",
            Self::Keep(path) => return Written::Long(KeepMap { keep: HostPath(path.clone()) }),
        };
        Written::Short(word.to_owned())
    }
}
short_or_long!(Rootfs, Write);
