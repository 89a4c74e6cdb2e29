//! Values as YAML that a person would write.

use std::fmt::Write;

use serde_json::Value;

/// A whole document, a key a line.
#[must_use]
pub fn mapping(root: &serde_json::Map<String, Value>) -> String {
    let mut out = String::new();
    for (key, value) in root {
        _ = writeln!(out, "{}: {}", text(key), flow(value));
    }
    out
}

/// One value in one line.
#[must_use]
pub fn flow(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(string) => text(string),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{}: {}", text(key), flow(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Plain where nothing else could be read from it, else between double quotes.
fn text(string: &str) -> String {
    if plain(string) { string.to_owned() } else { quoted(string) }
}

/// Begins like a word or a path, goes on like one, and is no number and no word of YAML's.
fn plain(string: &str) -> bool {
    let mut chars = string.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '_'));
    let rest = chars.all(|c| c.is_ascii_alphanumeric() || "/_.+-@".contains(c));
    let relative = ["./", "../"].iter().any(|lead| string.starts_with(lead));
    let unit = string.starts_with(|c: char| ('1'..='9').contains(&c))
        && string.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len() == 1
        && string.ends_with(|c: char| "hmskgt".contains(c));
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let flag = string.starts_with('-')
        && string.trim_start_matches('-').starts_with(|c: char| c.is_ascii_alphabetic())
        && plain(string.trim_start_matches('-'));
    flag || unit
        || (first || relative) && rest && !words.contains(&string.to_ascii_lowercase().as_str())
}

fn quoted(string: &str) -> String {
    let mut out = String::from('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if !super::acts(c) => out.push(c),
            c => _ = write!(out, "\\U{:08X}", u32::from(c)),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_otherwise_is_quoted() {
        for odd in
            ["", "1", "0644", "true", "No", "~", "a: b", "- a", "#", "8080:80", "1e3", ".", "*a"]
        {
            assert_eq!(text(odd), format!("\"{odd}\""));
        }
        for simple in ["sh", "/bin/sh", "--vm-bytes", "-c", "a.b_c", "x86_64"] {
            assert_eq!(text(simple), simple);
        }
        assert_eq!(text("a\u{1b}\u{202e}\"\n"), "\"a\\U0000001B\\U0000202E\\\"\\n\"");
    }
}
