//! The schema of the manifest, made from its types.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value, json};

use crate::manifest::Manifest;
use crate::manifest::notation::VARIABLE;

/// Where the schema is published.
const ID: &str = "https://raw.githubusercontent.com/sixdocker/sixdocker/main/schema/manifest.json";

/// The manifest's schema, in draft 2020-12; it is made once, when it is first asked for.
#[must_use]
pub fn manifest() -> &'static Value {
    static MADE: LazyLock<Value> = LazyLock::new(made);
    &MADE
}

fn made() -> Value {
    let generator = SchemaSettings::draft2020_12().with_transform(Plain).into_generator();
    let mut schema = generator.into_root_schema_for::<Manifest>();
    schema.insert("$id".to_owned(), json!(ID));
    schema.insert("title".to_owned(), json!("A sandbox of sixdocker"));
    schema.insert("patternProperties".to_owned(), json!({"^x-": true}));
    let mut schema = schema.to_value();
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        let variable = json!({"type": "string", "pattern": VARIABLE,
            "description": "A variable, such as `${NAME}`."});
        definitions.insert("Variable".to_owned(), variable);
    }
    let before = schema.clone();
    let_variables_in(&before, &mut schema);
    schema
}

/// Where the name of the schema of `${…}` stands.
const VARIABLE_PLACE: &str = "#/$defs/Variable";

/// Lets `${…}` stand for numbers, booleans and words, whose own schemas take no text of that kind.
fn let_variables_in(root: &Value, schema: &mut Value) {
    let Value::Object(keywords) = schema else { return };
    for (keyword, inner) in keywords.iter_mut() {
        match (keyword.as_str(), inner) {
            ("properties" | "$defs", Value::Object(named)) => {
                named.values_mut().for_each(|one| let_variables_in(root, one));
            }
            ("items" | "additionalProperties", one) => let_variables_in(root, one),
            _ => {}
        }
    }
    if !keywords.contains_key("$ref") && wants_variable(root, schema) {
        add_variable(schema);
    }
}

/// Whether it takes numbers, booleans or words, and no text that could be `${…}`.
fn wants_variable(root: &Value, schema: &Value) -> bool {
    let all = alternatives(root, schema);
    let of = |one: &Value, names: &[&str]| {
        one.get("type").and_then(Value::as_str).is_some_and(|name| names.contains(&name))
    };
    let word = |one: &Value| one.get("enum").is_some();
    let free = |one: &&Value| {
        let pattern = one.get("pattern").and_then(Value::as_str);
        of(one, &["string"]) && !word(one) && pattern.is_none_or(|text| text.contains(VARIABLE))
    };
    let narrow = |one: &&Value| word(one) || of(one, &["integer", "number", "boolean"]);
    all.iter().any(narrow) && !all.iter().any(free)
}

fn add_variable(schema: &mut Value) {
    let variable = json!({"$ref": VARIABLE_PLACE});
    if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
        return any.push(variable);
    }
    let Value::Object(keywords) = schema else { return };
    let about = ["description", "default", "examples"];
    let (about, own): (Map<_, _>, Map<_, _>) =
        std::mem::take(keywords).into_iter().partition(|(name, _)| about.contains(&name.as_str()));
    *keywords = about;
    keywords.insert("anyOf".to_owned(), json!([own, variable]));
}

/// Takes out what has no meaning here: formats, nulls, and documented words in a clumsy form.
#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        schema.remove("format");
        if let Some(mut default) = schema.remove("default")
            && !default.is_null()
        {
            without_nothing(&mut default);
            schema.insert("default".to_owned(), default);
        }
        without_null(schema);
        documented_words(schema);
    }
}

/// A default shows what it sets, and no key that it leaves alone.
fn without_nothing(default: &mut Value) {
    if let Value::Object(keys) = default {
        let nothing = [json!(null), json!([]), json!({})];
        keys.retain(|_, value| !nothing.contains(value));
    }
}

/// A value that may be left out is still never null.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get("type")
        && let Some(only) = types.iter().find(|name| *name != "null").cloned()
    {
        schema.insert("type".to_owned(), only);
    }
    let Some(Value::Array(any)) = schema.get("anyOf") else { return };
    let null = json!({"type": "null"});
    let rest: Vec<Value> = any.iter().filter(|one| **one != null).cloned().collect();
    if rest.len() == any.len() {
        return;
    }
    match rest.as_slice() {
        [Value::Object(one)] => {
            let one = one.clone();
            schema.remove("anyOf");
            for (key, value) in one {
                schema.insert(key, value);
            }
        }
        _ => {
            schema.insert("anyOf".to_owned(), Value::Array(rest));
        }
    }
}

/// `oneOf` of documented constants becomes an `enum` whose meanings editors show.
fn documented_words(schema: &mut Schema) {
    let Some(Value::Array(all)) = schema.get("oneOf") else { return };
    let word = |one: &Value| Some((one.get("const")?.clone(), one.get("description")?.clone()));
    let Some(pairs) = all.iter().map(word).collect::<Option<Vec<_>>>() else { return };
    let (words, meanings): (Vec<Value>, Vec<Value>) = pairs.into_iter().unzip();
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), Value::Array(words));
    schema.insert("markdownEnumDescriptions".to_owned(), Value::Array(meanings));
}

/// The schema of the key written as `limits.memory`.
pub(crate) fn key<'s>(root: &'s Value, key: &str) -> Option<&'s Value> {
    key.split('.').try_fold(root, |schema, part| {
        let all = alternatives(root, schema);
        all.into_iter().find_map(|one| one.get("properties")?.get(part))
    })
}

/// The keys of the root, and those of the mappings right below it, written as `limits.memory`.
pub(crate) fn keys(root: &Value) -> Vec<String> {
    let inner = |schema| {
        let all = alternatives(root, schema).into_iter();
        all.filter_map(|one| one.get("properties")?.as_object()).flatten()
    };
    let below = |(key, schema)| {
        let nested = inner(schema).map(move |(inner, _)| format!("{key}.{inner}"));
        std::iter::once(String::clone(key)).chain(nested)
    };
    inner(root).flat_map(below).collect()
}

/// What is wanted, in words: those of a notation, or YAML's types.
pub(crate) fn wanted(alternatives: &[&Value]) -> String {
    let of_notation = alternatives.iter().find_map(|one| one.get("patternErrorMessage")?.as_str());
    if let Some(message) = of_notation {
        return message.trim_end_matches(" is wanted").to_owned();
    }
    let mut names: Vec<&str> = alternatives.iter().filter_map(|one| kind(one)).collect();
    names.dedup();
    match names.as_slice() {
        ["a boolean"] => "`true` or `false`".to_owned(),
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        _ => names.concat(),
    }
}

fn kind(schema: &Value) -> Option<&str> {
    if schema.get("enum").is_some() {
        return Some("a word");
    }
    let kind = schema.get("type")?.as_str()?;
    Some(match kind {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "a boolean",
        "null" => "nothing",
        other => other,
    })
}

/// A schema, what it refers to, and the alternatives within, but for `${…}`.
pub(crate) fn alternatives<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let mut all = vec![schema];
    if let Some(name) = schema.get("$ref").and_then(Value::as_str)
        && name != VARIABLE_PLACE
        && let Some(target) = name.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
    {
        all.extend(alternatives(root, target));
    }
    let any = schema.get("anyOf").and_then(Value::as_array);
    for one in any.into_iter().flatten() {
        all.extend(alternatives(root, one));
    }
    all
}
