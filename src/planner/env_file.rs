//! Files of `env_file`: NAME=value by lines, quoted as compose has it, nothing expanded.

/// A variable; no value: it is the caller's.
pub(super) type Variable = (String, Option<String>);

/// A line that can't be read.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) text: &'static str,
}

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Vec<Variable>, Fault> {
    let mut all = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let before = rest;
        let (variable, after) = one(rest).map_err(|text| Fault { line, text })?;
        all.extend(variable);
        rest = after;
        let read = before.len() - rest.len();
        line += before.get(..read).unwrap_or_default().matches('\n').count();
    }
    Ok(all)
}

/// Reads one line, or as many as a quoted value spans, and returns what follows.
fn one(text: &str) -> Result<(Option<Variable>, &str), &'static str> {
    let (line, next) = text.split_once('\n').unwrap_or((text, ""));
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok((None, next));
    }
    let line = line.trim_start();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let Some((name, _)) = line.split_once('=') else {
        return Ok((Some((named(line)?, None)), next));
    };
    let name = named(name)?;
    // The value is taken from the whole text, for quotes may span lines.
    let start = text.find('=').map_or(text.len(), |at| at + 1);
    let value = text.get(start..).unwrap_or_default().trim_start_matches([' ', '\t']);
    let (value, next) = match value.as_bytes().first() {
        Some(b'\'') => quoted(value.get(1..).unwrap_or_default(), '\'')?,
        Some(b'"') => quoted(value.get(1..).unwrap_or_default(), '"')?,
        _ => (plain(value), next),
    };
    Ok((Some((name, Some(value))), next))
}

fn named(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    let ok = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '\'';
    if name.is_empty() || !name.chars().all(ok) {
        return Err("a name is letters, digits and `_`");
    }
    Ok(name.to_owned())
}

/// Up to the end of the line, or to a comment after a blank.
fn plain(value: &str) -> String {
    let line = value.split('\n').next().unwrap_or_default();
    let end = line.match_indices('#').map(|(at, _)| at);
    let comment = |at: &usize| {
        *at == 0 || line.get(..*at).is_some_and(|before| before.ends_with([' ', '\t']))
    };
    let end = end.into_iter().find(comment).unwrap_or(line.len());
    line.get(..end).unwrap_or_default().trim().to_owned()
}

/// Up to the closing quote; between double quotes, backslashes escape.
fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            let rest = text.get(at + 1..).unwrap_or_default();
            let (tail, next) = rest.split_once('\n').unwrap_or((rest, ""));
            let tail = tail.trim();
            return if tail.is_empty() || tail.starts_with('#') {
                Ok((value, next))
            } else {
                Err("something follows the closing quote")
            };
        }
        match (c, quote) {
            ('\\', '"') => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('"' | '\\' | '$'))) => value.push(c),
                Some((_, c)) => value.extend(['\\', c]),
                None => break,
            },
            _ => value.push(c),
        }
    }
    Err("a quote is not closed")
}

/// Reads a file that anybody may have written.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure(text: &str) {
    match parse(text) {
        Ok(variables) => assert!(variables.iter().all(|(name, _)| !name.contains(['=', '\n']))),
        Err(fault) => assert!((1..=text.lines().count()).contains(&fault.line), "{fault:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Option<String>)> {
        parse(text).unwrap()
    }

    fn is(text: &str, value: &str) {
        assert_eq!(read(text), [("A".to_owned(), Some(value.to_owned()))], "{text:?}");
    }

    #[test]
    fn values_are_read_as_compose_reads_them() {
        is("A=1", "1");
        is("export A=1\r\n", "1");
        is("# c\n\nA = b c  # d\n", "b c");
        is("A=b#c", "b#c");
        is("A='b # $c\\n'", "b # $c\\n");
        is("A=\"b\\n\\\"c\\\" # d\" # e", "b\n\"c\" # d");
        is("A=\"b\nc\"\n", "b\nc");
        is("A=", "");
        is("A=b=c", "b=c");
        assert_eq!(read("A"), [("A".to_owned(), None)]);
        assert_eq!(read("A='x\ny'\nB=2").len(), 2);
    }

    #[test]
    fn faults_have_a_line() {
        assert_eq!(parse("A=1\nB='x\nC=2").unwrap_err().line, 2);
        assert_eq!(parse("A='x\ny'\n=2").unwrap_err().line, 3);
        assert_eq!(parse("A b=2").unwrap_err().line, 1);
        assert_eq!(parse("A='x' y").unwrap_err().text, "something follows the closing quote");
    }
}
