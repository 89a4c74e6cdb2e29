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

/// The word that was probably meant.
pub(super) fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > 64 {
        return None;
    }
    let near = |known: &'w str| {
        let likeness = strsim::jaro_winkler(&word.to_lowercase(), &known.to_lowercase());
        let edits = strsim::damerau_levenshtein(&word.to_lowercase(), &known.to_lowercase());
        let close = edits <= 1 + known.len() / 4 && edits < known.len().max(2) && likeness > 0.7;
        close.then_some((edits, known))
    };
    words.into_iter().filter_map(near).min_by_key(|(edits, _)| *edits).map(|(_, known)| known)
}

/// A word that is none of those which a key takes.
pub(super) fn unknown_word(word: &str, words: &[&str]) -> Fault {
    let fault = Fault::value(
        format!("{} is not one of {}", shown(word), either(words)),
        "not a word of this key",
    );
    match nearest(word, words.iter().copied()) {
        Some(known) => fault.help(format!("did you mean `{known}`?")).fix(known),
        None => fault.help(format!("write {}", either(words))),
    }
}
