//! The manifest as text, and where in it each value stands.
//!
//! Everything else speaks of places by [`Pointer`]; only when something is shown to a person
//! is a pointer turned into bytes.

use std::fmt;

use serde::Serialize;

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
        Self(format!("{}/{}", self.0, key.replace('~', "~0").replace('/', "~1")))
    }

    /// The `n`th value inside this one.
    #[must_use]
    pub fn index(&self, n: usize) -> Self {
        Self(format!("{}/{n}", self.0))
    }
}

impl fmt::Display for Pointer {
    /// As people write it: `limits.io[0].device`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.0.split('/').skip(1).enumerate() {
            let part = part.replace("~1", "/").replace("~0", "~");
            match part.parse::<usize>() {
                Ok(index) => write!(f, "[{index}]")?,
                Err(_) if n == 0 => f.write_str(&part)?,
                Err(_) => write!(f, ".{part}")?,
            }
        }
        Ok(())
    }
}
