//! Why one value is refused.

use std::fmt;

use crate::diagnostic::{Place, Problem};

/// What is wrong with a value, said by the type that reads it.
///
/// serde hands on nothing but a text from a type to its deserializer, so a fault travels as one
/// ([`fmt::Display`]) and is put together again there ([`Fault::received`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub code: &'static str,
    pub text: String,
    pub label: String,
    pub help: Option<String>,
    pub fix: Option<String>,
    /// The fault is in the value of this key of the mapping that was read.
    pub key: Option<String>,
}

/// The codes that a typed reader gives.
const CODES: &[&str] =
    &["bad_value", "bad_type", "not_yet", "missing_key", "unknown_key", "contradiction"];

/// Stands between the parts of a fault on its way; no manifest can hold it in a message.
const SEPARATOR: char = '\u{1}';

impl Fault {
    /// A value that its type can't take: `text` says why in one sentence.
    pub(crate) fn value(text: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new("bad_value", text, label)
    }

    /// What a later version does.
    pub(crate) fn not_yet(what: impl fmt::Display) -> Self {
        Self::new("not_yet", format!("{what} is not built yet"), "not built yet")
            .help("leave it out: what can't be enforced is refused")
    }

    pub(crate) fn new(
        code: &'static str,
        text: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        let (text, label) = (text.into(), label.into());
        Self { code, text, label, help: None, fix: None, key: None }
    }

    #[must_use]
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    #[must_use]
    pub(crate) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The fault of what stands behind `name=` in a longer text, which no fix may replace.
    #[must_use]
    pub(crate) fn of_option(self, name: &str) -> Self {
        let help = self.fix.map(|fix| format!("write `{name}={fix}`")).or(self.help);
        Self { help, fix: None, ..self }
    }

    /// Puts the fault at a key of the mapping that was read.
    #[must_use]
    pub(crate) fn at(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The fault that `message` is, or one made of a message of serde's own.
    pub(super) fn received(message: &str) -> Self {
        let mut parts = message.split(SEPARATOR);
        let mut next = || parts.next().unwrap_or_default().to_owned();
        let code = next();
        match CODES.iter().find(|known| **known == code) {
            Some(&code) => {
                let (text, label) = (next(), next());
                let mut optional = || Some(next()).filter(|part| !part.is_empty());
                Self { code, text, label, help: optional(), fix: optional(), key: optional() }
            }
            None => Self::value(message.replace(SEPARATOR, " "), "not possible here"),
        }
    }

    pub(super) fn problem(self, at: Place) -> Problem {
        let Self { code, text, label, help, fix, .. } = self;
        Problem { code, at, text, label, help, fix }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = |part: &Option<String>| part.clone().unwrap_or_default();
        let parts = [
            self.code.to_owned(),
            self.text.clone(),
            self.label.clone(),
            optional(&self.help),
            optional(&self.fix),
            optional(&self.key),
        ];
        let clean = parts.map(|part| part.replace(SEPARATOR, "?"));
        f.write_str(&clean.join(&SEPARATOR.to_string()))
    }
}

/// A text of the manifest as a message shows it: quoted, and cut where it is long.
pub(super) fn shown(text: &str) -> String {
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// Words as a sentence lists them: `a`, `b` or `c`.
pub(super) fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// The words that were probably meant, the likeliest first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meant<'w> {
    words: Vec<&'w str>,
    /// How many slips of the hand it takes.
    slips: usize,
    /// It can be no other than the one.
    pub(super) certain: bool,
}

impl<'w> Meant<'w> {
    /// Those of `words` that are like `word`, or begin with it.
    pub(super) fn among(word: &str, words: impl IntoIterator<Item = &'w str>) -> Self {
        let word = word.to_lowercase();
        let mut near: Vec<(usize, &str)> = words
            .into_iter()
            .filter(|_| word.len() <= 64)
            .filter_map(|known| Some((distance(&word, &known.to_lowercase())?, known)))
            .collect();
        near.sort_by_key(|(edits, _)| *edits);
        let least = near.first().map_or(0, |(edits, _)| *edits);
        near.retain(|(edits, _)| *edits == least);
        let certain = near.len() == 1 && (least == 0 || least == 1 && word.chars().count() > 3);
        let words = near.into_iter().take(3).map(|(_, known)| known).collect();
        Self { words, slips: least, certain }
    }

    /// The one word that was meant.
    pub(super) fn only(&self) -> Option<&'w str> {
        match self.words.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Those words, if there is no more than a slip of the hand between.
    pub(super) fn close(&self) -> &[&'w str] {
        if self.is_close() { &self.words } else { &[] }
    }

    /// No more than one slip of the hand lies between, and that in a word which is long enough.
    pub(super) fn is_close(&self) -> bool {
        self.slips < 2 && self.words.iter().any(|word| word.len() > 2)
    }

    pub(super) fn names(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// `did you mean …?`
    pub(super) fn question(&self) -> Option<String> {
        (!self.words.is_empty()).then(|| format!("did you mean {}?", either(&self.words)))
    }
}

/// How many slips of the hand lie between two words, if they are few; a word that is the first
/// part of another is as near as one slip.
fn distance(word: &str, known: &str) -> Option<usize> {
    if word.len() > 1 && known.strip_prefix(word).is_some_and(|rest| rest.starts_with('_')) {
        return Some(1);
    }
    let edits = strsim::damerau_levenshtein(word, known);
    let close = edits <= 1 + known.len() / 4 && edits < known.len().max(2);
    (close && (edits < 2 || strsim::jaro_winkler(word, known) > 0.7)).then_some(edits)
}

/// A word that is none of those which a key takes.
pub(super) fn unknown_word(word: &str, words: &[&str]) -> Fault {
    let of = if words.len() > 1 { "one of " } else { "" };
    let text = format!("{} is not {of}{}", shown(word), either(words));
    let fault = Fault::value(text, "not a word of this key");
    let meant = Meant::among(word, words.iter().copied());
    let fault = match meant.only().filter(|_| meant.certain) {
        Some(known) => fault.fix(known),
        None => fault,
    };
    fault.help(meant.question().unwrap_or_else(|| format!("write {}", either(words))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let words = ["memory", "memory_high", "cpus", "cpu_weight", "pids"];
        let meant = |word| Meant::among(word, words);
        let is = |words: &[&'static str], slips, certain| Meant {
            words: words.to_vec(),
            slips,
            certain,
        };
        assert_eq!(meant("memroy"), is(&["memory"], 1, true));
        assert_eq!(meant("Memory"), is(&["memory"], 0, true));
        assert_eq!(meant("cpu"), is(&["cpus", "cpu_weight"], 1, false));
        assert_eq!(meant("mmroy"), is(&["memory"], 2, false));
        assert_eq!(meant("timeout"), is(&[], 0, false));
        assert_eq!(meant("cpu").question().unwrap(), "did you mean `cpus` or `cpu_weight`?");
    }
}
