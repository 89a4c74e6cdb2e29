//! Keys of the manifest, as the generated schema describes them.

use serde_json::Value;

use super::{entry, wrapped};

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
    let mut out = format!("{}\n", path.collect::<Vec<_>>().join("."));
    for line in wrapped(&description(schema, found), width.saturating_sub(2)) {
        out += format!("  {line}").trim_end();
        out.push('\n');
    }
    facts(&mut out, schema, found, width);
    let keys = children(schema, found);
    if !keys.is_empty() {
        out.push_str("\n  Keys\n");
        for (name, value) in keys {
            entry(&mut out, &format!("  {name}"), &summary(schema, value), 24, width);
        }
    }
    Some(out)
}

/// Type, default, choices, examples.
fn facts(out: &mut String, schema: &Value, value: &Value, width: usize) {
    out.push('\n');
    let mut types: Vec<_> = branches(schema, value).into_iter().filter_map(kind).collect();
    types.dedup();
    let choices: Vec<_> = branches(schema, value).into_iter().flat_map(choices).collect();
    let mut fact = |name: &str, text: String| {
        if !text.is_empty() {
            entry(out, name, &text, 10, width);
        }
    };
    fact("type", types.join(", or "));
    fact("default", field(schema, value, "default").map(show).unwrap_or_default());
    fact("one of", choices.join(", "));
    let examples = field(schema, value, "examples").and_then(Value::as_array);
    let examples: Vec<_> = examples.into_iter().flatten().map(show).collect();
    fact("examples", examples.join("\n"));
}

fn kind(value: &Value) -> Option<String> {
    match value.get("type")? {
        Value::String(word) => Some(word.clone()),
        Value::Array(words) => {
            Some(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", or "))
        }
        _ => None,
    }
}

fn choices(value: &Value) -> Vec<String> {
    let constant = value.get("const").into_iter();
    let listed = value.get("enum").and_then(Value::as_array).into_iter().flatten();
    constant.chain(listed).map(show).collect()
}

/// A value as a manifest has it.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
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

/// The forms that a value can take, with what they refer to.
fn branches<'a>(schema: &'a Value, value: &'a Value) -> Vec<&'a Value> {
    let value = resolve(schema, value).unwrap_or(value);
    let forms = ["oneOf", "anyOf", "allOf"].iter().filter_map(|word| value.get(word)?.as_array());
    let inner = forms.flatten().flat_map(|form| branches(schema, form));
    std::iter::once(value).chain(inner).collect()
}

/// The keys below a value, or below the items of a list.
fn children<'a>(schema: &'a Value, value: &'a Value) -> Vec<(&'a String, &'a Value)> {
    let mut found: Vec<(&String, &Value)> = Vec::new();
    let mut forms = branches(schema, value);
    let inside = |form: &&'a Value| {
        let items = form.get("items").or_else(|| form.get("additionalProperties"));
        items.filter(|items| items.is_object())
    };
    let items: Vec<_> = forms.iter().filter_map(inside).collect();
    forms.extend(items.into_iter().flat_map(|items| branches(schema, items)));
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
