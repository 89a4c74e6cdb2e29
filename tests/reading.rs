//! Generated manifests, good and bad: who reads them agrees on them, and nobody falls over them.
//!
//! The seeds are fixed: a run of these tests is the same everywhere. PROPTEST_CASES=100000 makes
//! each of them try as many texts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "reading/generate.rs"]
mod generate;
mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use generate::{Maker, VARIABLES, choices, every_text};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Map, Value, json};
use sixdocker::diagnostic::Problem;
use sixdocker::manifest::{Manifest, Variables};
use sixdocker::render;
use sixdocker::source::{self, Document, Kind, Node, Source};
use support::{need_oracle, oracles, project, run_for};

/// So many texts, where nobody asks for another number.
fn cases(usual: u32) -> u32 {
    let asked = std::env::var("PROPTEST_CASES");
    asked.map_or(usual, |number| number.parse().expect("a number"))
}

fn config(usual: u32) -> Config {
    Config {
        cases: cases(usual),
        rng_seed: RngSeed::Fixed(6),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    }
}

fn variables() -> Variables {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Variables { set: VARIABLES.iter().map(text).collect(), ..Variables::default() }
}

/// The manifest as YAML: in one line of JSON, or as a person would write it.
fn yaml(value: &Value, plain: bool) -> String {
    match value {
        Value::Object(root) if plain => source::mapping(root),
        value if plain => source::flow(value),
        value => value.to_string(),
    }
}

fn document(text: &str) -> Result<Document, Vec<Problem>> {
    Document::read(&Source::new("generated", text))
}

/// What is wrong with a manifest, but for its contradictions with itself and for zeros: what no
/// schema knows of.
fn typed(document: &Document, variables: &Variables) -> Vec<Problem> {
    let problems = Manifest::read(document, variables).err().unwrap_or_default();
    let beyond = ["contradicts another key", "too little", "used nowhere"];
    problems.into_iter().filter(|one| !beyond.contains(&one.label.as_str())).collect()
}

#[test]
fn the_walk_and_the_typed_reading_agree() {
    let schema = sixdocker::schema::manifest();
    let made = |(choices, plain, used)| {
        let maker = Maker::new(schema, choices);
        let mut maker = if used { maker.with_variables() } else { maker };
        yaml(&maker.manifest(), plain)
    };
    let mut runner = TestRunner::new(config(3000));
    let texts = (choices(), any::<bool>(), any::<bool>()).prop_map(made);
    let (mut good, mut bad) = (0, 0);
    let held = runner.run(&texts, |text| {
        let Ok(document) = document(&text) else { return Ok(()) };
        let walked = Manifest::walked(&document, &variables());
        let typed = typed(&document, &variables());
        prop_assert_eq!(
            walked.is_empty(),
            typed.is_empty(),
            "{}\n{:#?}\n{:#?}",
            text,
            walked,
            typed
        );
        Ok(())
    });
    held.unwrap();
    for value in every_text(schema) {
        let document = document(&value.to_string()).unwrap();
        let walked = Manifest::walked(&document, &variables()).is_empty();
        assert_eq!(walked, typed(&document, &variables()).is_empty(), "{value}");
    }
    let mut runner = TestRunner::new(config(1));
    for _ in 0..500 {
        let text = texts.new_tree(&mut runner).unwrap().current();
        let refused = document(&text).map(|d| typed(&d, &variables()).is_empty());
        *(if refused == Ok(true) { &mut good } else { &mut bad }) += 1;
    }
    assert!(good > 50 && bad > 50, "{good} good ones and {bad} bad ones: a one-sided test");
}

/// Verdicts of a validator that is not ours.
fn judged(texts: &[String]) -> Vec<Value> {
    let schema = sixdocker::schema::manifest();
    let cases: Vec<_> = texts.iter().map(|text| json!({"at": "", "text": text})).collect();
    let asked = json!({"schema": schema, "cases": cases}).to_string();
    let mut node = Command::new("node");
    node.env("SIXDOCKER_ORACLES", oracles()).arg(project().join("tests/oracles/batch.mjs"));
    let ran = run_for(&mut node, Duration::from_mins(2), asked.as_bytes()).expect(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// What the schema can't say: a range that runs backwards, a default that `enum` has not.
fn beyond_a_schema(problem: &Problem) -> bool {
    problem.text.contains("is not a list of numbers") || problem.label == "not in `enum`"
}

#[test]
fn the_schema_and_the_typed_reading_agree() {
    if !need_oracle("node_modules/ajv") {
        return;
    }
    let schema = sixdocker::schema::manifest();
    let mut runner = TestRunner::new(config(1));
    let strategy = (choices(), any::<bool>());
    let made = (0..cases(3000)).map(|_| {
        let (choices, plain) = strategy.new_tree(&mut runner).unwrap().current();
        yaml(&Maker::new(schema, choices).manifest(), plain)
    });
    let every = every_text(schema);
    let texts: Vec<String> = every.iter().map(|one| yaml(one, false)).chain(made).collect();
    let verdicts: Vec<_> = texts.chunks(5000).flat_map(judged).collect();
    assert_eq!(verdicts.len(), texts.len());
    let mut faults = Vec::new();
    let mut good = 0;
    for (text, verdict) in texts.iter().zip(&verdicts) {
        let problems = document(text).map_or_else(|all| all, |one| typed(&one, &variables()));
        good += usize::from(problems.is_empty());
        let beyond = !problems.is_empty() && problems.iter().all(beyond_a_schema);
        if problems.is_empty() != verdict.is_null() && !beyond {
            faults.push(format!("{text}\nours: {problems:#?}\najv: {verdict}\n"));
        }
    }
    let all = texts.len();
    assert!((all / 20..all / 2).contains(&good), "{good} of {all} are good: a one-sided test");
    faults.sort_by_key(String::len);
    let first: Vec<_> = faults.iter().take(5).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} disagreements:\n{}", faults.len(), first.join("\n"));
}

/// The tree as another reader would give it.
fn plain(node: &Node) -> Value {
    match &node.value {
        source::Value::List(items) => items.iter().map(plain).collect(),
        source::Value::Map(entries) => {
            let all = entries.iter().map(|entry| (entry.key.clone(), plain(&entry.value)));
            Value::Object(all.collect::<Map<_, _>>())
        }
        source::Value::Scalar(scalar) => match scalar.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => json!(value),
            Kind::Integer(value) => json!(i64::try_from(value).unwrap()),
            Kind::Float(value) => json!(value),
            Kind::Text => json!(scalar.text),
        },
        source::Value::Unknown => panic!("a good file has no unknown value"),
    }
}

fn second_reader(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_second_reader_reads_the_same() {
    let schema = sixdocker::schema::manifest();
    let texts = (choices(), any::<bool>())
        .prop_map(|(choices, plain)| yaml(&Maker::new(schema, choices).manifest(), plain));
    let held = TestRunner::new(config(1000)).run(&texts, |text| {
        if let Ok(document) = document(&text)
            && document.faults().is_empty()
            && !text.is_empty()
        {
            prop_assert_eq!(plain(document.root()), second_reader(&text), "{}", text);
        }
        Ok(())
    });
    held.unwrap();
}

#[test]
fn a_second_reader_reads_the_examples_the_same() {
    for entry in fs::read_dir(project().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(plain(document(&text).unwrap().root()), second_reader(&text));
        }
    }
}

/// Everything that is done with a manifest before it is planned; the report of it is harmless.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let source = Source::read("bytes", bytes).unwrap();
    let (document, problems) = match Document::read(&source) {
        Ok(document) => {
            let problems = Manifest::read(&document, &variables()).err().unwrap_or_default();
            _ = Manifest::readable_part(&document, &variables(), &problems);
            (Some(document), problems)
        }
        Err(problems) => (None, problems),
    };
    let style = render::Style { colour: false, unicode: true, width: 40, wrap: true };
    let human = render::human(&problems, &source, document.as_ref(), style);
    let github = render::github(&problems, &source, document.as_ref());
    let wild = |c: &char| source::acts(*c) && *c != '\n';
    prop_assert_eq!(human.chars().chain(github.chars()).find(wild), None, "{}", human);
    for problem in &problems {
        let span = render::bytes(problem, &source, document.as_ref());
        prop_assert!(source.text.get(span).is_some(), "{:?}", problem);
    }
    _ = serde_json::to_string(&render::json(&problems, &source, document.as_ref())).unwrap();
    Ok(())
}

#[test]
fn no_bytes_make_it_fall() {
    let bytes = proptest::collection::vec(any::<u8>(), 0..400);
    TestRunner::new(config(1200)).run(&bytes, |bytes| survives(&bytes)).unwrap();
    let signs = "[\\[\\]{}:,\"'#&*!|>%@`~?$ \\n\\ta-c0-9\u{e9}\u{1b}\u{202e}\\\\-]{0,60}";
    TestRunner::new(config(1200)).run(&signs, |text| survives(text.as_bytes())).unwrap();
}

/// Manifests with a few bytes of theirs changed.
#[test]
fn no_slip_makes_it_fall() {
    let files: Vec<Vec<u8>> = ["examples", "tests/broken"]
        .iter()
        .flat_map(|dir| fs::read_dir(project().join(dir)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .map(|path| fs::read(path).unwrap())
        .collect();
    let slips = proptest::collection::vec((any::<u16>(), any::<u8>(), 0..3_u8), 1..6);
    let texts = (0..files.len(), slips).prop_map(|(n, slips)| {
        let mut bytes = files[n].clone();
        for (at, byte, how) in slips {
            let at = usize::from(at) % (bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.truncate(at.max(bytes.len() / 2)),
            }
        }
        bytes
    });
    TestRunner::new(config(1200)).run(&texts, |bytes| survives(&bytes)).unwrap();
}
