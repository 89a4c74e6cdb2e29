//! The published schemas are those of the Rust types.
//!
//! `UPDATE=1 cargo test --test schema` writes them anew; read the difference before it is
//! committed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use serde_json::Value;
use sixdocker::manifest::{Manifest, Variables};
use sixdocker::source::{Document, Source};

fn is_published(name: &str, schema: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
    let schema = format!("{schema:#}\n");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &schema).unwrap();
    }
    let published = fs::read_to_string(&file).unwrap_or_default();
    assert!(published == schema, "schema/{name} is stale: UPDATE=1 cargo test --test schema");
}

#[test]
fn the_schema_of_manifests_is_not_stale() {
    is_published("manifest.json", sixdocker::schema::manifest());
}

#[test]
fn the_schema_of_reports_is_not_stale() {
    is_published("report.json", &sixdocker::report::schema());
}

/// Every key of the schema with the mapping that it stands in, as `Limits.memory`.
fn keys(schema: &Value) -> Vec<(String, Value, Value)> {
    let named = schema["$defs"].as_object().unwrap().iter().map(|(name, one)| (name.as_str(), one));
    let inner =
        schema["properties"].as_object().unwrap().iter().map(|(key, one)| (key.as_str(), one));
    let mut found = Vec::new();
    for (name, mapping) in std::iter::once(("", schema)).chain(named).chain(inner) {
        for (key, value) in mapping["properties"].as_object().into_iter().flatten() {
            found.push((format!("{name}.{key}"), mapping.clone(), value.clone()));
        }
    }
    found
}

#[test]
fn every_key_has_a_description_a_default_and_an_example() {
    let all = keys(sixdocker::schema::manifest());
    assert!(all.len() > 100, "{} keys", all.len());
    for (name, mapping, schema) in all {
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(description.len() > 5 && description.ends_with('.'), "{name}: {description:?}");
        assert!(!schema["examples"][0].is_null(), "{name} has no example");
        let key = name.rsplit('.').next().unwrap();
        let required =
            mapping["required"].as_array().is_some_and(|all| all.iter().any(|one| one == key));
        let default = !schema["default"].is_null() || description.contains("default");
        assert!(required || default, "{name} does not tell its default: {description}");
    }
}

#[test]
fn every_word_has_a_meaning() {
    fn look(at: &Value, found: &mut usize) {
        if let (Value::Array(words), true) = (&at["enum"], at["type"] == "string") {
            let meanings = at["markdownEnumDescriptions"].as_array().unwrap();
            assert_eq!(meanings.len(), words.len(), "{words:?}");
            *found += words.len();
        }
        let inner: Vec<&Value> = match at {
            Value::Object(all) => all.values().collect(),
            Value::Array(all) => all.iter().collect(),
            _ => Vec::new(),
        };
        inner.into_iter().for_each(|one| look(one, found));
    }
    let mut found = 0;
    look(sixdocker::schema::manifest(), &mut found);
    assert!(found > 50, "{found} words");
}

/// The language server shows this instead of a pattern that nobody reads.
#[test]
fn sizes_and_durations_have_patterns_with_words() {
    let schema = sixdocker::schema::manifest();
    for name in ["Size", "Duration"] {
        let text = &schema["$defs"][name]["anyOf"][1];
        assert!(text["pattern"].is_string() && text["patternErrorMessage"].is_string(), "{text}");
    }
}

fn is_read(text: &str) -> Result<(), String> {
    let document =
        Document::read(&Source::new("example", text)).map_err(|all| format!("{all:?}"))?;
    let read = Manifest::read(&document, &Variables::default());
    read.map(|_| ()).map_err(|all| format!("{all:?}"))
}

#[test]
fn every_default_and_example_is_read() {
    let schema = sixdocker::schema::manifest();
    for (key, of) in schema["properties"].as_object().unwrap() {
        let examples = of["examples"].as_array().unwrap().iter();
        for value in examples.chain(of.get("default")) {
            let command = if key == "command" { "" } else { "command: [x]\n" };
            let text = format!("{command}{key}: {value}\n");
            assert_eq!(is_read(&text), Ok(()), "{text}");
        }
    }
    for (name, key) in
        [("Limits", "limits"), ("Namespaces", "namespaces"), ("SecurityMap", "security")]
    {
        for (inner, of) in schema["$defs"][name]["properties"].as_object().unwrap() {
            for value in of["examples"].as_array().unwrap() {
                let memory = if inner == "swap" { "memory: 1g, " } else { "" };
                let text = format!("command: [x]\n{key}: {{{memory}{inner}: {value}}}\n");
                assert_eq!(is_read(&text), Ok(()), "{text}");
            }
        }
    }
}
