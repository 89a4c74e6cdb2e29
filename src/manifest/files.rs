//! The section `files`: files that are written inside.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::notation::{Notation, ShortOrLong, Written, notation, one_of, short_or_long};
use super::scalar::HostPath;
use super::{AbsolutePath, Mode};

/// One file written inside.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub content: FileContent,
    pub mode: Mode,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FileContent {
    Text(String),
    /// Read from this file of the host when the plan is made.
    Source(PathBuf),
}

pub(super) const FILE_MODE: Mode = Mode(0o444);

/// The path of a file of `files`.
pub(crate) struct FilePath(AbsolutePath);

impl Notation for FilePath {
    const WANTED: &'static str = AbsolutePath::WANTED;
    const KEY: bool = true;

    fn pattern() -> String {
        AbsolutePath::pattern()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        AbsolutePath::read(text).map(Self)
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
notation!(FilePath);

/// The long form of a file.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = one_of("content", "source")))]
pub(crate) struct FileMap {
    /// What stands in the file; by default the content of `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", example = &"hello\n")]
    content: Option<String>,
    /// A file of the host whose content it gets; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"./config.toml")]
    source: Option<HostPath>,
    /// The mode of the file.
    #[serde(default = "file_mode")]
    #[schemars(example = &"0600")]
    mode: Mode,
}

fn file_mode() -> Mode {
    FILE_MODE
}

impl ShortOrLong for File {
    const WANTED: &'static str = "a text, or a mapping";
    type Long = FileMap;

    fn short_schema() -> Vec<Schema> {
        vec![json_schema!({"type": "string"})]
    }

    fn short(text: &str) -> Result<Self, Fault> {
        Ok(Self { content: FileContent::Text(text.to_owned()), mode: FILE_MODE })
    }

    fn long(long: FileMap) -> Result<Self, Fault> {
        Ok(Self { content: content(long.content, long.source)?, mode: long.mode })
    }

    fn written(&self) -> Written<FileMap> {
        let (content, source) = match &self.content {
            FileContent::Text(text) if self.mode == FILE_MODE => {
                return Written::Short(text.clone());
            }
            FileContent::Text(text) => (Some(text.clone()), None),
            FileContent::Source(path) => (None, Some(HostPath(path.clone()))),
        };
        Written::Long(FileMap { content, source, mode: self.mode })
    }
}
short_or_long!(File);

/// The content of a file: exactly one of the two.
pub(super) fn content(
    text: Option<String>,
    source: Option<HostPath>,
) -> Result<FileContent, Fault> {
    match (text, source) {
        (Some(text), None) => Ok(FileContent::Text(text)),
        (None, Some(path)) => Ok(FileContent::Source(path.0)),
        (Some(_), Some(_)) => Err(Fault::new(
            "contradiction",
            "`content` and `source` exclude each other",
            "not both",
        )
        .help("keep one of them")
        .at("source")),
        (None, None) => Err(Fault::new(
            "missing_key",
            "the file has no content",
            "`content` or `source` is missing",
        )
        .help("write `content: TEXT`, or `source: FILE`")),
    }
}
