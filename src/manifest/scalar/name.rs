//! Names of sandboxes and of hosts.

use std::fmt;

use crate::manifest::fault::{Fault, shown};
use crate::manifest::notation::{Notation, notation};

/// `[a-z0-9][a-z0-9_.-]*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub String);

/// A host name: letters, digits, `-`, `.`; at most 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname(pub String);

notation!(Name, Hostname);

impl Notation for Name {
    const WANTED: &'static str = "a name";

    fn pattern() -> String {
        "^[a-z0-9][a-z0-9_.-]{0,62}$".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let all = text.chars().all(|c| fits(c) || matches!(c, '_' | '.' | '-'));
        if all && text.starts_with(fits) && text.len() <= 63 {
            return Ok(Self(text.to_owned()));
        }
        Err(Fault::value(format!("{} can't be a name", shown(text)), "not a name").help(
            "write at most 63 lower-case letters, digits, `_`, `.`, `-`, beginning with a letter or digit",
        ))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Notation for Hostname {
    const WANTED: &'static str = "a host name";

    fn pattern() -> String {
        "^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let fits = |c: char| c.is_ascii_alphanumeric();
        let all = text.chars().all(|c| fits(c) || matches!(c, '.' | '-'));
        if all && text.starts_with(fits) && text.ends_with(fits) && text.len() <= 64 {
            return Ok(Self(text.to_owned()));
        }
        let label = match text.len() {
            length @ 65.. => format!("{length} bytes long, and 64 is the most"),
            _ => "not a host name".to_owned(),
        };
        Err(Fault::value(format!("{} can't be a host name", shown(text)), label).help(
            "write at most 64 letters, digits, `.`, `-`, beginning and ending with a letter or digit",
        ))
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
