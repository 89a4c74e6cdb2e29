//! The manifest as text, as a tree of values, and where in the text each value stands.
//!
//! Everything else speaks of places by [`Pointer`]; only when something is shown to a person
//! is a pointer turned into bytes. This room knows YAML and nothing about sandboxes.

mod core_schema;
mod document;
mod flow;
mod reading;
mod syntax;
mod text;
mod tree;

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;

pub use document::Document;
pub use flow::{flow, mapping};
pub(crate) use syntax::parted;
pub use text::acts;
pub use tree::{Entry, Kind, Node, Scalar, Style, Value};

/// What was read, for showing places in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's name, as messages say it.
    pub name: String,
    pub text: String,
    /// Where bytes stood that are not UTF-8, in order: there is a U+FFFD in the text.
    invalid: Vec<usize>,
    /// How many bytes it had, as far as it was read.
    size: usize,
}

impl Source {
    /// The largest manifest that is read, in bytes.
    pub const LIMIT: usize = 1 << 20;

    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        Self { name, size: text.len(), text, invalid: Vec::new() }
    }

    /// Reads the file at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::read(path.display().to_string(), std::fs::File::open(path)?)
    }

    /// Reads no more than it takes to see that something is too large. Bytes that are not
    /// UTF-8 become U+FFFD, which [`Document::read`] refuses with their place.
    pub fn read(name: impl Into<String>, from: impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        from.take(Self::LIMIT as u64 + 1).read_to_end(&mut bytes)?;
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => return Ok(Self::new(name, text)),
            Err(bad) => bad.into_bytes(),
        };
        let mut source = Self::new(name, String::with_capacity(bytes.len()));
        source.size = bytes.len();
        for chunk in bytes.utf8_chunks() {
            source.text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                source.invalid.push(source.text.len());
                source.text.push('\u{fffd}');
            }
        }
        Ok(source)
    }

    fn is_too_large(&self) -> bool {
        self.size > Self::LIMIT
    }

    /// The same with another text.
    #[must_use]
    pub fn with_text(&self, text: String) -> Self {
        Self::new(self.name.clone(), text)
    }
}

/// A place in a manifest, written as a JSON Pointer (RFC 6901).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Pointer(String);

impl Pointer {
    /// The whole document.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The value called `key` inside this one.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut pointer = String::with_capacity(self.0.len() + 1 + key.len());
        pointer.push_str(&self.0);
        pointer.push('/');
        if key.contains(['~', '/']) {
            pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        } else {
            pointer.push_str(key);
        }
        Self(pointer)
    }

    /// The `n`th value inside this one.
    #[must_use]
    pub fn index(&self, n: usize) -> Self {
        Self(format!("{}/{n}", self.0))
    }

    /// The list or mapping that it stands in.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The keys and numbers on the way from the root.
    pub fn parts(&self) -> impl Iterator<Item = String> + '_ {
        self.0.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
    }

    /// Whether it is `other`, or a place in it.
    #[must_use]
    pub fn is_in(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// As RFC 6901 writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    /// As people write it: `limits.io[0].device`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.parts().enumerate() {
            match part.parse::<usize>() {
                Ok(index) => write!(f, "[{index}]")?,
                Err(_) if n == 0 => f.write_str(&part)?,
                Err(_) => write!(f, ".{part}")?,
            }
        }
        Ok(())
    }
}

/// What a plain scalar with this text is, if a manifest can mean it.
pub(crate) fn resolve_plain(text: &str) -> Option<Kind> {
    core_schema::resolve(text).ok()
}
