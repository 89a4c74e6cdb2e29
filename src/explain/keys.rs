//! Keys of the manifest, as the generated schema describes them.

use serde_json::Value;

use super::{entry, wrapped};
use crate::capability::Capability;
use crate::schema::{self, alternatives};
use crate::source::flow;

/// Every key of the first and second level with the first sentence about it, in their order.
pub(super) fn all(schema: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, value) in children(schema, schema) {
        found.push((key.clone(), summary(schema, value)));
        for (inner, value) in children(schema, value) {
            found.push((format!("{key}.{inner}"), summary(schema, value)));
        }
    }
    found
}

/// All about one key, written `limits.memory`, `mounts.type` or `mounts[0].type`.
pub(super) fn page(schema: &Value, key: &str, width: usize) -> Option<String> {
    let path = key.split('.').map(|part| part.split('[').next().unwrap_or(part));
    let found = path.clone().try_fold(schema, |at, part| {
        children(schema, at).into_iter().find(|(name, _)| *name == part).map(|(_, value)| value)
    })?;
    let width = width.min(100);
    let mut out = format!("{}\n", path.clone().collect::<Vec<_>>().join("."));
    for line in wrapped(&description(schema, found), width.saturating_sub(2)) {
        out += format!("  {line}").trim_end();
        out.push('\n');
    }
    let name = path.clone().next_back().unwrap_or_default();
    facts(&mut out, schema, found, name, width);
    if found.pointer("/items/$ref").and_then(Value::as_str) == Some("#/$defs/CapabilityName") {
        out.push_str("\n  Words\n");
        for capability in Capability::ALL {
            entry(&mut out, &format!("  {}", capability.word()), capability.allows(), 24, width);
        }
    }
    let keys = children(schema, found);
    if !keys.is_empty() {
        out.push_str("\n  Keys\n");
        for (name, value) in keys {
            entry(&mut out, &format!("  {name}"), &summary(schema, value), 24, width);
        }
    }
    Some(out)
}

/// What it takes, its default, its words, and examples as a manifest has them.
fn facts(out: &mut String, schema: &Value, value: &Value, name: &str, width: usize) {
    out.push('\n');
    entry(out, "takes", &takes(schema, value), 10, width);
    if let Some(default) = field(schema, value, "default") {
        entry(out, "default", &flow(default), 10, width);
    }
    let examples = field(schema, value, "examples").and_then(Value::as_array);
    for (n, example) in examples.into_iter().flatten().enumerate() {
        let label = if n == 0 { "example" } else { "" };
        entry(out, label, &format!("{name}: {}", flow(example)), 10, width);
    }
    let forms = alternatives(schema, value);
    let items = forms.iter().filter_map(|form| form.get("items"));
    let items = items.flat_map(|items| alternatives(schema, items));
    let words: Vec<_> = forms.iter().copied().chain(items).flat_map(words).collect();
    if !words.is_empty() {
        out.push_str("\n  Words\n");
        words.iter().for_each(|(word, means)| entry(out, &format!("  {word}"), means, 24, width));
    }
}

/// What stands there, and in it.
fn takes(schema: &Value, value: &Value) -> String {
    let forms = alternatives(schema, value);
    let inner = |name: &str| {
        let inner = forms.iter().find_map(|form| form.get(name).filter(|inner| inner.is_object()));
        inner.map(|inner| schema::wanted(&alternatives(schema, inner)))
    };
    let mut text = schema::wanted(&forms);
    for (name, each) in
        [("items", "item"), ("propertyNames", "key"), ("additionalProperties", "value")]
    {
        if let Some(inner) = inner(name).filter(|inner| !inner.is_empty()) {
            text += &format!("; each {each}: {inner}");
        }
    }
    text
}

/// Words that a form takes, each with its meaning.
fn words(form: &Value) -> Vec<(String, String)> {
    let texts = |name: &str| -> Vec<String> {
        let all = form.get(name).and_then(Value::as_array);
        all.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    texts("enum").into_iter().zip(texts("markdownEnumDescriptions")).collect()
}

fn summary(schema: &Value, value: &Value) -> String {
    let text = description(schema, value);
    let first = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    first.split_inclusive(". ").next().unwrap_or_default().trim().to_owned()
}

fn description(schema: &Value, value: &Value) -> String {
    field(schema, value, "description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What a value says of itself, or else what it refers to says.
fn field<'a>(schema: &'a Value, value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).or_else(|| resolve(schema, value)?.get(name))
}

fn resolve<'a>(schema: &'a Value, value: &'a Value) -> Option<&'a Value> {
    let place = value.get("$ref")?.as_str()?.strip_prefix('#')?;
    schema.pointer(place)
}

/// The keys below a value, or below the items of a list.
fn children<'a>(schema: &'a Value, value: &'a Value) -> Vec<(&'a String, &'a Value)> {
    let mut found: Vec<(&String, &Value)> = Vec::new();
    let mut forms = alternatives(schema, value);
    let inside = |form: &&'a Value| {
        let items = form.get("items").or_else(|| form.get("additionalProperties"));
        items.filter(|items| items.is_object())
    };
    let items: Vec<_> = forms.iter().filter_map(inside).collect();
    forms.extend(items.into_iter().flat_map(|items| alternatives(schema, items)));
    for form in forms {
        let keys = form.get("properties").and_then(Value::as_object).into_iter().flatten();
        for (key, value) in keys {
            if !found.iter().any(|(known, _)| *known == key) {
                found.push((key, value));
            }
        }
    }
    found
}
