//! Judges that we did not write: two validators and a language server hold the schema to its word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Temp, need_oracle, oracles, project, run, run_for};

/// Kinds of broken manifests whose fault a JSON schema can say, and single ones of other kinds.
const EXPRESSIBLE: [&str; 7] = [
    "key-",
    "type-",
    "value-",
    "yaml-empty",
    "yaml-list-at-root",
    "yaml-only-comment",
    "yaml-scalar-at-root",
];

/// Those of them that an oracle lets pass, with the reason.
const LET_PASS: [(&str, &str, &str); 3] = [
    ("ajv", "value-seccomp-call", "which system calls there are, a table tells"),
    ("check-jsonschema", "value-seccomp-call", "which system calls there are, a table tells"),
    ("check-jsonschema", "type-number-nan", "to Python, NaN is below no bound and above none"),
];

fn schema() -> PathBuf {
    project().join("schema/manifest.json")
}

/// The manifests of a directory, sorted.
fn manifests(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(project().join(directory)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    found.sort();
    assert!(!found.is_empty(), "no manifest in {directory}");
    found
}

fn good() -> Vec<PathBuf> {
    let mut all = manifests("examples");
    if project().join("tests/good").is_dir() {
        all.extend(manifests("tests/good"));
    }
    all
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

fn broken() -> Vec<PathBuf> {
    let judged = |path: &PathBuf| EXPRESSIBLE.iter().any(|kind| stem(path).starts_with(kind));
    manifests("tests/broken").into_iter().filter(judged).collect()
}

#[test]
fn ajv_in_strict_mode_agrees() {
    if need_oracle("node_modules/ajv") {
        agrees("ajv", &refused_by_ajv);
    }
}

#[test]
fn check_jsonschema_agrees() {
    if need_oracle("python/bin/check-jsonschema") {
        agrees("check-jsonschema", &refused_by_check_jsonschema);
    }
}

/// Every good manifest is accepted, and every broken one refused but for those known to pass.
fn agrees(oracle: &str, refused: &dyn Fn(&[PathBuf]) -> (BTreeSet<PathBuf>, String)) {
    let (wrongly, why) = refused(&good());
    assert!(wrongly.is_empty(), "good, but refused: {wrongly:#?}\n{why}");
    let (rightly, _) = refused(&broken());
    let accepted = broken().into_iter().filter(|path| !rightly.contains(path));
    let accepted: BTreeSet<_> = accepted.map(|path| stem(&path).to_owned()).collect();
    let known = LET_PASS.iter().filter(|(who, ..)| *who == oracle);
    let known: BTreeSet<_> = known.map(|(_, name, _)| (*name).to_owned()).collect();
    assert_eq!(accepted, known, "broken, but accepted");
}

fn refused_by_ajv(files: &[PathBuf]) -> (BTreeSet<PathBuf>, String) {
    let ran = run(node("validate.mjs").arg(schema()).args(files)).expect(0);
    let verdicts = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let refused: Vec<_> = verdicts.filter(|verdict| verdict["accepted"] == false).collect();
    assert_eq!(ran.stdout.lines().count(), files.len());
    let paths =
        refused.iter().map(|verdict| PathBuf::from(verdict["file"].as_str().unwrap())).collect();
    (paths, format!("{refused:#?}"))
}

fn refused_by_check_jsonschema(files: &[PathBuf]) -> (BTreeSet<PathBuf>, String) {
    let program = oracles().join("python/bin/check-jsonschema");
    let mut command = Command::new(program);
    command.args(["--output-format", "json", "--schemafile"]).arg(schema()).args(files);
    let ran = run(&mut command);
    let report: Value = serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr));
    let lists = ["errors", "parse_errors"].iter().filter_map(|kind| report[kind].as_array());
    let paths = lists.flatten().map(|fault| PathBuf::from(fault["filename"].as_str().unwrap()));
    (paths.collect(), ran.stdout)
}

/// The default and the examples of every key, each with the place of its schema.
fn shown_values(schema: &Value) -> Vec<Value> {
    let named = schema["$defs"].as_object().unwrap().keys().map(|name| format!("/$defs/{name}"));
    let places: Vec<_> = std::iter::once(String::new()).chain(named).collect();
    let mut cases = Vec::new();
    for place in places {
        let keys = schema.pointer(&place).unwrap()["properties"].as_object();
        for (key, of) in keys.into_iter().flatten() {
            let examples = of["examples"].as_array().into_iter().flatten();
            for value in examples.chain(of.get("default")) {
                let at = format!("{place}/properties/{key}");
                cases.push(json!({"at": at, "text": value.to_string()}));
            }
        }
    }
    cases
}

#[test]
fn every_default_and_example_is_good() {
    if !need_oracle("node_modules/ajv") {
        return;
    }
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema()).unwrap()).unwrap();
    let cases = shown_values(&schema);
    assert!(cases.len() > 150, "{} values", cases.len());
    let asked = json!({"schema": schema, "cases": cases}).to_string();
    let ran = run_for(&mut node("batch.mjs"), Duration::from_mins(1), asked.as_bytes()).expect(0);
    let verdicts: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(verdicts.len(), cases.len());
    let bad: Vec<_> = cases.iter().zip(&verdicts).filter(|(_, why)| !why.is_null()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.env("SIXDOCKER_ORACLES", oracles()).arg(project().join("tests/oracles").join(script));
    command
}

#[test]
fn a_language_server_completes_explains_and_flags() {
    if !need_oracle("node_modules/yaml-language-server") {
        return;
    }
    let seen = edit(&[
        ("keys", "complete", "command: [\"true\"]\n", (1, 0)),
        ("limits", "complete", "command: [\"true\"]\nlimits:\n  \n", (2, 2)),
        ("values", "complete", "command: [\"true\"]\ntty: \n", (1, 5)),
        ("hover", "hover", "command: [\"true\"]\nlimits:\n  memory: 1m\n", (2, 4)),
        ("good", "diagnostics", "command: [\"true\"]\nlimits:\n  memory: 1m\n", (0, 0)),
        ("unknown", "diagnostics", "command: [\"true\"]\nmemroy: 1m\n", (0, 0)),
    ]);
    for key in ["limits", "rootfs", "mounts", "timeout"] {
        assert!(has(&seen["keys"], key), "{key} is not offered: {}", seen["keys"]);
    }
    assert!(has(&seen["limits"], "memory"), "{}", seen["limits"]);
    assert!(has(&seen["values"], "auto"), "{}", seen["values"]);
    assert!(seen["hover"].to_string().to_lowercase().contains("memory"), "{}", seen["hover"]);
    assert_eq!(seen["good"], json!([]));
    assert!(seen["unknown"].to_string().contains("memroy"), "{}", seen["unknown"]);
}

fn has(texts: &Value, sought: &str) -> bool {
    texts.as_array().unwrap().iter().any(|text| text == sought)
}

/// One session with the language server. Every text gets the line that names the schema.
fn edit(asked: &[(&str, &str, &str, (u32, u32))]) -> Value {
    let temp = Temp::new();
    let head = format!("# yaml-language-server: $schema={}\n", schema().display());
    let requests: Vec<_> = asked
        .iter()
        .map(|(name, ask, text, (line, character))| {
            let uri = format!("file://{}", temp.join(format!("{name}.yaml")).display());
            json!({"name": name, "uri": uri, "text": format!("{head}{text}"), "ask": ask,
                   "line": line + 1, "character": character})
        })
        .collect();
    let file = temp.write("requests.json", json!(requests).to_string());
    let ran = run(node("editor.mjs").arg(file)).expect(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn every_example_names_the_schema() {
    for path in manifests("examples") {
        let text = fs::read_to_string(&path).unwrap();
        let named = "# yaml-language-server: $schema=../schema/manifest.json\n# ";
        assert!(
            text.starts_with(named),
            "{} has no schema line with a comment after it",
            path.display()
        );
    }
}

#[test]
fn the_catalog_points_at_the_schema() {
    let text = fs::read_to_string(project().join("schema/catalog.json")).unwrap();
    let catalog: Value = serde_json::from_str(&text).unwrap();
    let entry = &catalog["schemas"][0];
    assert!(project().join("schema").join(Path::new(entry["url"].as_str().unwrap())).is_file());
    for pattern in ["sixdocker.yaml", "*.sixdocker.yaml", "**/.sixdocker/*.yaml"] {
        assert!(has(&entry["fileMatch"], pattern));
    }
}
