//! What was found, in words.

use nix::errno::Errno;

/// A reason and a way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The reason: the rest of a sentence.
    pub(super) why: String,
    /// What to do about it.
    pub(super) help: Option<String>,
    /// The command itself is there, whatever else is not.
    pub(super) there: bool,
}

impl Finding {
    pub(super) fn new(why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { why: why.into(), help: Some(help.into()), there: false }
    }

    pub(super) fn only(why: impl Into<String>) -> Self {
        Self { why: why.into(), help: None, there: false }
    }

    /// With the command there.
    pub(super) fn there(self) -> Self {
        Self { there: true, ..self }
    }

    /// As one text for the line. No value in a finding holds a line feed: [`name`] escapes it.
    pub(super) fn encode(self) -> String {
        let there = if self.there { "there" } else { "" };
        format!("{}\n{}\n{there}", self.why, self.help.unwrap_or_default())
    }

    /// Back from the line.
    pub(super) fn decode(text: &str) -> Self {
        let mut lines = text.split('\n');
        let why = plain(lines.next().unwrap_or_default());
        let help = lines.next().filter(|help| !help.is_empty()).map(plain);
        Self { why, help, there: lines.next() == Some("there") }
    }
}

/// A kernel's reason by name and in words: `ENOENT, no such file or directory`.
pub(super) fn errno(errno: Errno) -> String {
    let words = errno.desc();
    let lower = match words.as_bytes() {
        // `I/O error` and the like keep their capitals.
        [first, second, ..] if first.is_ascii_uppercase() && second.is_ascii_lowercase() => {
            format!("{}{}", first.to_ascii_lowercase() as char, words.get(1..).unwrap_or_default())
        }
        _ => words.to_owned(),
    };
    format!("{errno:?}, {lower}")
}

const LONGEST: usize = 300;

/// A name or value from outside, in backquotes, with nothing in it that acts on a terminal.
pub(super) fn name(text: impl AsRef<[u8]>) -> String {
    let text = String::from_utf8_lossy(text.as_ref());
    let short: String = text.chars().take(LONGEST).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{dots}`", plain(&short))
}

/// The text with control and direction characters escaped.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}

/// `a`, `b` and `c`.
pub(super) fn list(names: impl IntoIterator<Item = String>, last: &str) -> String {
    let names: Vec<_> = names.into_iter().collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}
