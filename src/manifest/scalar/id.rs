//! Users and groups.

use std::fmt;

use crate::manifest::fault::{Fault, shown};
use crate::manifest::notation::{Notation, notation, up_to};

/// A user or group: a number or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    Number(u32),
    Name(String),
}

/// `name | uid[:gid]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub user: Id,
    pub group: Option<Id>,
}

notation!(Id, User);

/// The largest id; the one above means "none" to the kernel.
const MOST_ID: u64 = u32::MAX as u64 - 1;

/// What a user or group is written as.
fn id() -> String {
    format!(r"({}|[A-Za-z_][A-Za-z0-9_.-]*\$?)", up_to(MOST_ID))
}

impl Notation for Id {
    const WANTED: &'static str = "a name or number";
    const INTEGERS: Option<(u64, u64)> = Some((0, MOST_ID));

    fn pattern() -> String {
        format!("^{}$", id())
    }

    fn read(text: &str) -> Result<Self, Fault> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let number = text.parse().ok().filter(|id| u64::from(*id) <= MOST_ID);
            return number.map(Self::Number).ok_or_else(|| {
                Fault::value(
                    format!("{} is no id: the largest is {MOST_ID}", shown(text)),
                    "too large",
                )
            });
        }
        let body = text.strip_suffix('$').unwrap_or(text);
        let all = body.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if all && body.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Ok(Self::Name(text.to_owned()));
        }
        Err(Fault::value(
            format!("{} is neither a name nor an id", shown(text)),
            "not a user or group",
        )
        .help("write a name or number, such as `nobody` or `1000`"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(id) => write!(f, "{id}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Notation for User {
    const WANTED: &'static str = "a user such as `nobody`, `1000` or `1000:1000`";
    const INTEGERS: Option<(u64, u64)> = Some((0, MOST_ID));

    fn pattern() -> String {
        format!("^{0}(:{0})?$", id())
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        if group == Some("") {
            return Err(Fault::value("nothing stands after the colon", "no group")
                .help(format!("write a group, or no colon: `{user}`"))
                .fix(format!("\"{user}\"")));
        }
        Ok(Self { user: Id::read(user)?, group: group.map(Id::read).transpose()? })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => self.user.fmt(f),
        }
    }
}
