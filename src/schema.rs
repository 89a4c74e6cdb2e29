//! The schema of the manifest, made from its types.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Value, json};

use crate::manifest::Manifest;

/// Where the schema is published.
const ID: &str = "https://raw.githubusercontent.com/sixdocker/sixdocker/main/schema/manifest.json";

/// The manifest's schema, in draft 2020-12.
#[must_use]
pub fn manifest() -> Value {
    let generator = SchemaSettings::draft2020_12().with_transform(Plain).into_generator();
    let mut schema = generator.into_root_schema_for::<Manifest>();
    schema.insert("$id".to_owned(), json!(ID));
    schema.insert("title".to_owned(), json!("A sandbox of sixdocker"));
    schema.insert("patternProperties".to_owned(), json!({"^x-": true}));
    schema.to_value()
}

/// Takes out what has no meaning here: formats, nulls, and documented words in a clumsy form.
#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        schema.remove("format");
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
        without_null(schema);
        documented_words(schema);
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

/// What `explain KEY` tells about a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The key with those around it, as in `limits.memory`.
    pub key: String,
    pub description: String,
    /// The default as JSON, if there is one.
    pub default: Option<Value>,
    pub examples: Vec<Value>,
    /// Words that it takes, each with its meaning.
    pub words: Vec<(String, String)>,
    /// The keys inside of it.
    pub keys: Vec<String>,
}

/// Everything about the key written as `limits.memory`.
#[must_use]
pub fn reference(key: &str) -> Option<Reference> {
    let schema = manifest();
    let mut found = &schema;
    for part in key.split('.') {
        found = alternatives(&schema, found)
            .into_iter()
            .find_map(|one| one.get("properties").and_then(|properties| properties.get(part)))?;
    }
    let all = alternatives(&schema, found);
    let text = |name: &str| all.iter().find_map(|one| one.get(name)?.as_str());
    Some(Reference {
        key: key.to_owned(),
        description: text("description").unwrap_or_default().to_owned(),
        default: found.get("default").cloned(),
        examples: found.get("examples").and_then(Value::as_array).cloned().unwrap_or_default(),
        words: all.iter().flat_map(|one| words(one)).collect(),
        keys: all.iter().flat_map(|one| keys(one)).collect(),
    })
}

/// The keys at the root, in their order.
#[must_use]
pub fn root_keys() -> Vec<String> {
    keys(&manifest())
}

fn keys(schema: &Value) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

fn words(schema: &Value) -> Vec<(String, String)> {
    let texts = |name: &str| -> Vec<String> {
        let all = schema.get(name).and_then(Value::as_array);
        all.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    texts("enum").into_iter().zip(texts("markdownEnumDescriptions")).collect()
}

/// A schema, what it refers to, and the alternatives within.
pub(crate) fn alternatives<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let mut all = vec![schema];
    if let Some(name) = schema.get("$ref").and_then(Value::as_str)
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
