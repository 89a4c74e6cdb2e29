//! A manifest as text again.

use serde_json::Value;

use super::Manifest;

impl Manifest {
    /// As YAML that reads back to the same manifest, without what is default.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let silent = Self { schema: None, ..Self::silent(self.command.clone()) };
        let (Ok(mut written), Ok(default)) =
            (serde_json::to_value(self), serde_json::to_value(silent))
        else {
            return String::new();
        };
        for (key, value) in written.as_object_mut().into_iter().flatten() {
            if !matches!(key.as_str(), "vars" | "$schema") {
                escape(value);
            }
        }
        prune(&mut written, &default, "command");
        serde_yaml::to_string(&written).unwrap_or_default()
    }

    /// A manifest that says nothing but its command.
    fn silent(command: super::Command) -> Self {
        let text = crate::source::Source::new("", "command: [x]");
        let manifest = crate::source::Document::read(&text)
            .and_then(|document| Self::read(&document, &super::Variables::default()));
        match manifest {
            Ok(manifest) => Self { command, ..manifest },
            Err(_) => unreachable!("a command alone is a manifest"),
        }
    }
}

/// A dollar that stands for itself.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('$', "$$"),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(entries) => entries.values_mut().for_each(escape),
        _ => {}
    }
}

/// Takes out what is as in `default`, but never `kept`.
fn prune(value: &mut Value, default: &Value, kept: &str) {
    let (Value::Object(entries), Value::Object(defaults)) = (value, default) else { return };
    entries.retain(|key, value| key == kept || defaults.get(key) != Some(value));
    for (key, value) in entries {
        if let Some(default @ Value::Object(fields)) = defaults.get(key)
            && !fields.is_empty()
        {
            prune(value, default, "");
        }
    }
}
