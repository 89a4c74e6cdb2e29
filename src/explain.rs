//! Explains keys, from the schema, and codes of diagnostics and holes, from their tables.

mod codes;
mod exits;
mod holes;
mod keys;

pub use codes::{CODES, Code};

use crate::plan::Opening;
use crate::schema;

/// All that can be explained.
#[must_use]
pub fn contents(width: usize) -> String {
    let mut out = String::from("Keys of the manifest (`sixdocker explain KEY` tells more)\n");
    for (key, summary) in keys::all(schema::manifest()) {
        entry(&mut out, &key, &summary, 24, width);
    }
    out.push_str("\nCodes of diagnostics (`sixdocker explain CODE` tells more)\n");
    for code in CODES {
        entry(&mut out, code.code, code.means, 24, width);
    }
    out.push_str("\nHoles that `audit` tells (`sixdocker explain HOLE` tells more)\n");
    for hole in Opening::ALL {
        entry(&mut out, hole.id(), &holes::summary(*hole), 24, width);
    }
    out.push('\n');
    out.push_str(exits::ALL);
    out
}

/// What a key, a code or a hole means, or what to ask instead.
pub fn about(what: &str, width: usize) -> Result<String, String> {
    if let Some(code) = CODES.iter().find(|code| code.code == what) {
        return Ok(code.page(width));
    }
    if let Some(page) = holes::page(what, width) {
        return Ok(page);
    }
    if let Some(page) = exits::page(what, width) {
        return Ok(page);
    }
    let schema = schema::manifest();
    if let Some(page) = keys::page(schema, what, width) {
        return Ok(page);
    }
    let name = crate::render::tame(what);
    if let Some(ours) = crate::manifest::called_here(what) {
        return Err(format!("sixdocker: there is no key `{name}`: it is called `{ours}` here"));
    }
    if let Some(why) = crate::manifest::not_here(what) {
        return Err(format!("sixdocker: there is no key `{name}`: {why}"));
    }
    let known: Vec<_> = keys::all(schema).into_iter().map(|(key, _)| key).collect();
    let named = |key: &&String| key.rsplit_once('.').is_some_and(|(_, last)| last == what);
    let inner: Vec<_> = known.iter().filter(named).collect();
    if let [key] = inner.as_slice()
        && let Some(page) = keys::page(schema, key, width)
    {
        return Ok(page);
    }
    if !inner.is_empty() {
        let list: Vec<_> = inner.iter().map(|key| format!("`{key}`")).collect();
        return Err(format!("sixdocker: `{name}` is a part of several keys: {}", list.join(", ")));
    }
    let codes = CODES.iter().map(|code| code.code);
    let others = codes.chain(Opening::ALL.iter().map(|hole| hole.id())).map(str::to_owned);
    let known: Vec<_> = known.into_iter().chain(others).collect();
    let near = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(word, what), word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(2))
        .min();
    let hint = near.map_or_else(
        || "`sixdocker explain` lists all keys, codes, holes and exit codes".to_owned(),
        |(_, word)| format!("did you mean `{word}`?"),
    );
    Err(format!("sixdocker: there is no key, no code and no hole `{name}`: {hint}"))
}

/// `  WORD   a sentence, wrapped beside it`
fn entry(out: &mut String, word: &str, text: &str, indent: usize, width: usize) {
    let mut lines = wrapped(text, width.saturating_sub(indent + 2).max(20)).into_iter();
    let first = lines.next().unwrap_or_default();
    if word.len() >= indent {
        *out += &format!("  {word}\n  {:indent$}{first}\n", "");
    } else {
        *out += &format!("  {word:indent$}{first}\n");
    }
    for line in lines {
        *out += &format!("  {:indent$}{line}\n", "");
    }
}

/// The text in lines; its own line breaks stay.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}
