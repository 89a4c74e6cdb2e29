//! Manifests made from the schema and a list of choices: mostly good ones, with bad spots.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regex_lite::Regex;
use serde_json::{Map, Value, json};

/// Texts that are good somewhere, or nearly so.
const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "x-y",
    "a b",
    "é",
    "漢字",
    "null",
    "true",
    "false",
    "yes",
    "~",
    "-",
    ".",
    "..",
    "/",
    "//",
    "/a",
    "/a/",
    "/a/../b",
    "/..a",
    "/...",
    "/./a",
    "a/b",
    "./a",
    "../a",
    "~/a",
    "a~/b",
    "a=b",
    "=b",
    "A_B",
    "1A",
    "A*",
    "*",
    "**",
    "A-B",
    "host",
    "none",
    "auto",
    "inherit",
    "stdout",
    "discard",
    "direct",
    "keep",
    "user",
    "new",
    "private",
    "0",
    "00",
    "007",
    "0777",
    "0o777",
    "755",
    "00755",
    "1777",
    "99999",
    "5",
    "-1",
    "1.5",
    "100m",
    "100M",
    "1GiB",
    "1.5g",
    "1.g",
    ".5g",
    "1 m",
    "10q",
    "7e",
    "8e",
    "7.9e",
    "1000t",
    "1000000t",
    "999999999999999999",
    "9999999999999999999",
    "90s",
    "1m30s",
    "30s1m",
    "1h1ms",
    "500ms",
    "99999h",
    "100000h",
    "1.5s",
    "SIGTERM",
    "TERM",
    "SIGRTMIN+3",
    "SIGRTMIN+31",
    "sigterm",
    "SIGNOPE",
    "9",
    "64",
    "65",
    "nobody",
    "root",
    "a$",
    "1000:1000",
    "1000:",
    ":5",
    "a:b:c",
    "4294967294",
    "4294967295",
    "0-1",
    "0,2",
    "0-",
    "8191",
    "8192",
    "0-1,3",
    "/a:/b",
    "/a:/b:ro",
    "/a:/b:rw",
    "/a:/b:rx",
    "/a:/b:",
    "a:/b",
    ":/b",
    "/a:b",
    "/a:/b:ro:x",
    "/tmp:size=1m",
    "/tmp:mode=1777",
    "/tmp:size=1m,mode=0700",
    "/tmp:",
    "/tmp:x=1",
    "/tmp:size=",
    "/dev/kvm",
    "/dev/kvm:r",
    "/dev/kvm:/dev/x:rwm",
    "/dev/kvm:/dev/x",
    "/dev/kvm:q",
    "/dev/kvm::",
    "/dev/sda",
    "/dev/../x",
    "8:0",
    "8:",
    "8:0:0",
    "10.0.0.1",
    "10.0.0.256",
    "010.0.0.1",
    "1.2.3",
    "::1",
    "::",
    "fe80::1",
    "1::2::3",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::",
    "::ffff:1.2.3.4",
    "12345::",
    "net.a",
    "net.",
    "net.ipv4.ip_forward",
    "kernel.shmmax",
    "kernel.sem",
    "kernel.pid_max",
    "fs.mqueue.x",
    "vm.x",
    "2MB",
    "1GB",
    "2m",
    "MB",
    "memory.max",
    "memory",
    "Memory.max",
    "unlimited",
    "default",
    "strict",
    "loose",
    "NET_RAW",
    "CAP_NET_RAW",
    "NET_ROW",
    "net_raw",
    "ALL",
    "ptrace",
    "Ptrace",
    "json",
    "junit",
    "memory",
    "fresh_proc",
    "bind",
    "tmpfs",
    "overlay",
    "file",
    "errno",
    "kill",
    "systemd",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// What `${…}` can come to, besides what stands in a manifest.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    ("EMPTY", ""),
    ("ONE", "1"),
    ("SIZE", "10m"),
    ("TRUE", "true"),
    ("NULL", "null"),
    ("FLOAT", "1.5"),
    ("BIG", "99999999999999999999"),
    ("NAN", ".nan"),
    ("LIST", "[a, b]"),
    ("MAP", "a: b"),
    ("PATH_", "/a"),
    ("WORD", "none"),
    ("MODE", "0644"),
    ("SPACE", " 1"),
];

/// Every key with every text, one in each manifest: as the value, as an item, and as a key.
pub(crate) fn every_text(schema: &Value) -> Vec<Value> {
    let others = [json!(0), json!(-1), json!(1.5), json!(64), json!(true), json!(null), json!([])];
    let values: Vec<Value> = TEXTS.iter().map(|text| json!(text)).chain(others).collect();
    let mut all = Vec::new();
    for key in schema["properties"].as_object().unwrap().keys() {
        for value in &values {
            let good = schema["properties"][key]["examples"][0].clone();
            let first = good.as_object().and_then(|map| map.values().next()).cloned();
            all.push(json!({"command": ["x"], key: value}));
            all.push(json!({"command": ["x"], key: [value]}));
            all.extend(value.as_str().map(|text| json!({"command": ["x"], key: {text: first}})));
        }
    }
    for (section, named, others) in SECTIONS {
        for key in schema["$defs"][named]["properties"].as_object().unwrap().keys() {
            for value in &values {
                let mut inner: Map<String, Value> = serde_json::from_str(others).unwrap();
                inner.insert(key.clone(), value.clone());
                let inner = Value::Object(inner);
                let whole = section.rsplit('.').fold(inner, |inner, part| match part {
                    "[]" => json!([inner]),
                    part => json!({part: inner}),
                });
                let mut whole = whole.as_object().unwrap().clone();
                whole.insert("command".to_owned(), json!(["x"]));
                if *section == "rootfs.write" {
                    whole["rootfs"]["path"] = json!("/a");
                }
                all.push(Value::Object(whole));
            }
        }
    }
    all
}

/// Mappings: where they stand, the schema's name for them, and what must stand beside a key.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("limits", "Limits", "{}"),
    ("limits.io.[]", "Io", r#"{"device": "8:0"}"#),
    ("cgroup", "CgroupMap", "{}"),
    ("namespaces", "Namespaces", "{}"),
    ("rootfs", "RootfsMap", r#"{"path": "/a"}"#),
    ("rootfs", "RootfsMap", r#"{"host": true}"#),
    ("rootfs.write", "KeepMap", "{}"),
    ("report", "ReportMap", r#"{"file": "a"}"#),
    ("security", "SecurityMap", "{}"),
    ("security.seccomp", "SeccompMap", "{}"),
    ("ulimits.nofile", "UlimitMap", r#"{"soft": 1, "hard": 1}"#),
    ("vars.A", "VarMap", "{}"),
    ("files./a", "FileMap", r#"{"content": "x"}"#),
    ("files./a", "FileMap", r#"{"source": "x"}"#),
    ("mounts.[]", "MountMap", r#"{"type": "bind", "target": "/a", "source": "/b"}"#),
    ("mounts.[]", "MountMap", r#"{"type": "tmpfs", "target": "/a"}"#),
    ("mounts.[]", "MountMap", r#"{"type": "overlay", "target": "/a", "lower": ["/b", "/c"]}"#),
    ("mounts.[]", "MountMap", r#"{"type": "proc", "target": "/a"}"#),
    ("mounts.[]", "MountMap", r#"{"type": "sysfs", "target": "/a"}"#),
    ("mounts.[]", "MountMap", r#"{"type": "file", "target": "/a", "content": "x"}"#),
];

/// A list of choices. It shrinks to fewer and smaller ones, and so does what is made of it.
pub(crate) fn choices() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(any::<u16>(), 1..160)
}

pub(crate) struct Maker<'s> {
    schema: &'s Value,
    choices: std::vec::IntoIter<u16>,
    variables: bool,
    patterns: BTreeMap<String, Regex>,
}

impl<'s> Maker<'s> {
    pub(crate) fn new(schema: &'s Value, choices: Vec<u16>) -> Self {
        let patterns = BTreeMap::new();
        Self { schema, choices: choices.into_iter(), variables: false, patterns }
    }

    /// The same, with `${…}` here and there.
    pub(crate) fn with_variables(self) -> Self {
        Self { variables: true, ..self }
    }

    /// One of `n`; the first, when there is nothing left to choose from.
    fn pick(&mut self, n: usize) -> usize {
        usize::from(self.choices.next().unwrap_or(0)) % n.max(1)
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        let n = self.pick(of.len());
        of[n].clone()
    }

    /// A whole manifest.
    pub(crate) fn manifest(&mut self) -> Value {
        let schema = self.schema;
        match self.pick(40) {
            39 => self.anything(2),
            _ => self.mapping(schema, 4),
        }
    }

    fn resolved(&self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str().and_then(|name| name.strip_prefix('#')) {
            Some(place) => self.schema.pointer(place).unwrap(),
            None => schema,
        }
    }

    /// A value of a schema: mostly a good one.
    fn value(&mut self, schema: &'s Value, depth: usize) -> Value {
        let example =
            schema["examples"].as_array().into_iter().flatten().chain(schema.get("default"));
        let shown: Vec<&Value> = example.collect();
        match self.pick(24) {
            0..6 if !shown.is_empty() => self.one(&shown).clone(),
            23 => self.anything(2),
            22 if self.variables => self.variable(),
            _ => self.fitting(schema, depth),
        }
    }

    fn fitting(&mut self, schema: &'s Value, depth: usize) -> Value {
        let schema = self.resolved(schema);
        if let Some(any) = schema["anyOf"].as_array() {
            let any: Vec<&Value> =
                any.iter().filter(|one| one["$ref"] != "#/$defs/Variable").collect();
            let one = self.one(&any);
            return self.fitting(one, depth);
        }
        match schema["type"].as_str() {
            Some("object") if depth > 0 => self.mapping(schema, depth),
            Some("array") if depth > 0 => {
                let (n, items) = (self.pick(4), &schema["items"]);
                (0..n).map(|_| self.value(items, depth - 1)).collect()
            }
            Some("string") => self.text(schema),
            Some("integer" | "number") => self.number(schema),
            Some("boolean") => json!(self.pick(2) == 0),
            Some("null") => Value::Null,
            _ => json!({}),
        }
    }

    fn mapping(&mut self, schema: &'s Value, depth: usize) -> Value {
        let mut map = Map::new();
        let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for key in needed {
            if self.pick(30) != 29 {
                map.insert(key.to_owned(), self.value(&schema["properties"][key], depth - 1));
            }
        }
        if let Some(keys) = schema["properties"].as_object() {
            let names: Vec<&String> = keys.keys().filter(|key| *key != "$schema").collect();
            for _ in 0..self.pick(5) {
                let name = self.one(&names);
                map.insert(name.clone(), self.value(&keys[name], depth - 1));
            }
            if self.pick(40) == 39 {
                let name = self.one(&["unknown", "x-own", "memroy", "comand", "", "cwd", "ports"]);
                map.insert(name.to_owned(), self.anything(1));
            }
        } else {
            let names = self.resolved(&schema["propertyNames"]);
            for _ in 0..self.pick(4) {
                let Value::String(key) = self.text(names) else { continue };
                map.insert(key, self.value(&schema["additionalProperties"], depth - 1));
            }
        }
        Value::Object(map)
    }

    /// A text: nearly always one that the schema's pattern lets pass.
    fn text(&mut self, schema: &Value) -> Value {
        if let Some(words) = schema["enum"].as_array()
            && self.pick(12) != 11
        {
            return self.one(words);
        }
        let Some(pattern) = schema["pattern"].as_str().filter(|_| self.pick(6) != 5) else {
            return json!(self.one(TEXTS));
        };
        let regex = self
            .patterns
            .entry(pattern.to_owned())
            .or_insert_with(|| Regex::new(pattern).unwrap())
            .clone();
        let fitting: Vec<&str> =
            TEXTS.iter().copied().filter(|text| regex.is_match(text)).collect();
        json!(self.one(&fitting))
    }

    /// A number: at a bound, beside it, or anywhere. None is so large that floats lose it.
    fn number(&mut self, schema: &Value) -> Value {
        let bound = |name: &str| schema[name].as_f64().filter(|bound| bound.abs() < 1e15);
        let (least, most) = (bound("minimum").unwrap_or(0.0), bound("maximum").unwrap_or(1e12));
        let float = match self.pick(12) {
            0 => least,
            1 => most,
            2 => least - 1.0,
            3 => most + 1.0,
            4 => 1.5,
            5 => 0.0,
            n => least + (most - least).min(1000.0) * f64::from(u8::try_from(n).unwrap()) / 24.0,
        };
        #[allow(clippy::cast_possible_truncation, reason = "no number here is that large")]
        if self.pick(8) == 7 { json!(float) } else { json!(float.trunc() as i64) }
    }

    fn variable(&mut self) -> Value {
        let (name, _) = self.one(VARIABLES);
        let forms = [
            format!("${{{name}}}"),
            format!("${{{name}:-5}}"),
            format!("${{{name}}}m"),
            format!("/a/${{{name}}}"),
            format!("$${{{name}}}"),
            "${UNSET:-none}".to_owned(),
            "$".to_owned(),
        ];
        json!(self.one(&forms))
    }

    /// Any value at all.
    fn anything(&mut self, depth: usize) -> Value {
        match self.pick(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.pick(2) == 0),
            2 => json!(self.one(&[0_i64, 1, -1, 64, 8080, 100_000])),
            3 => json!(self.one(&[0.5, 1.0, -2.5, 1e10])),
            4 | 5 => json!(self.one(TEXTS)),
            6 => (0..self.pick(3)).map(|_| self.anything(depth - 1)).collect(),
            _ => {
                let n = self.pick(3);
                let entry =
                    |maker: &mut Self| (maker.one(TEXTS).to_owned(), maker.anything(depth - 1));
                Value::Object((0..n).map(|_| entry(self)).collect())
            }
        }
    }
}
