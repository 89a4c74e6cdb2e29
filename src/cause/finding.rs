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
    /// The key of the manifest that is to blame, where it is another than the step's.
    pub(super) key: Option<String>,
}

impl Finding {
    pub(super) fn new(why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { why: why.into(), help: Some(help.into()), there: false, key: None }
    }

    pub(super) fn only(why: impl Into<String>) -> Self {
        Self { why: why.into(), help: None, there: false, key: None }
    }

    /// With the command there.
    pub(super) fn there(self) -> Self {
        Self { there: true, ..self }
    }

    /// With the key to blame, such as `rootfs/size`.
    pub(super) fn key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// As one text for the line. No value in a finding holds a line feed: [`name`] escapes it.
    pub(super) fn encode(self) -> String {
        let there = if self.there { "there" } else { "" };
        let (help, key) = (self.help.unwrap_or_default(), self.key.unwrap_or_default());
        format!("{}\n{help}\n{there}\n{key}", self.why)
    }

    /// Back from the line.
    pub(super) fn decode(text: &str) -> Self {
        let mut lines = text.split('\n');
        let why = plain(lines.next().unwrap_or_default());
        let help = lines.next().filter(|help| !help.is_empty()).map(plain);
        let there = lines.next() == Some("there");
        let key = lines.next().filter(|key| !key.is_empty()).map(str::to_owned);
        Self { why, help, there, key }
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
