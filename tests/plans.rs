//! Plans of many manifests for many hosts, pinned as text.
//!
//! `UPDATE=1 cargo test --test plans` writes them anew; the difference is then read before it
//! is committed. A combination that is refused is pinned with all its problems.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sixdocker::host::Host;
use sixdocker::manifest::{Manifest, Variables};
use sixdocker::plan::{Line, Plan, listing};
use sixdocker::planner;
use sixdocker::source::{Document, Source};
use support::{host, inputs};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans")
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    all.sort();
    all
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

fn document(path: &Path) -> (Source, Document) {
    let source = Source::new(stem(path), std::fs::read_to_string(path).unwrap());
    let document = Document::read(&source).unwrap();
    (source, document)
}

fn read(path: &Path) -> Manifest {
    let variables = Variables { set: BTreeMap::new(), environment: BTreeMap::new() };
    Manifest::read(&document(path).1, &variables).unwrap()
}

fn shown(path: &Path, host: &Host) -> String {
    let (source, document) = document(path);
    match planner::plan(&read(path), host, &inputs(stem(path))) {
        Ok(plan) => listing(&plan, |key| Line::of(&source, &document, key), 140),
        Err(problems) => problems
            .iter()
            .map(|problem| {
                let help = problem.help.as_deref().unwrap_or("-");
                format!(
                    "{} at {:?}\n  {}\n  {}\n  {help}\n",
                    problem.code, problem.at, problem.text, problem.label
                )
            })
            .collect(),
    }
}

/// Compares with the pinned text, or writes it.
fn pinned(path: &Path, text: &str, faults: &mut Vec<String>) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        return;
    }
    let old = std::fs::read_to_string(path).unwrap_or_default();
    if old != text {
        let differs = old.lines().zip(text.lines()).find(|(old, new)| old != new);
        faults.push(format!("{}: {differs:?}", path.display()));
    }
}

#[test]
fn every_plan_is_as_it_was() {
    let mut faults = Vec::new();
    for manifest in files(&here(), "yaml") {
        for host_file in files(&here().join("hosts"), "json") {
            let name = format!("{}.{}.txt", stem(&manifest), stem(&host_file));
            let text = shown(&manifest, &host(&host_file));
            pinned(&here().join("golden").join(name), &text, &mut faults);
        }
    }
    assert!(faults.is_empty(), "UPDATE=1 rewrites:\n{}", faults.join("\n"));
}

fn plans() -> Vec<Plan> {
    let hosts: Vec<_> =
        files(&here().join("hosts"), "json").iter().map(|path| host(path)).collect();
    let manifests = files(&here(), "yaml");
    let all = manifests.iter().flat_map(|path| {
        let manifest = read(path);
        let drawn =
            hosts.iter().map(move |host| planner::plan(&manifest, host, &inputs(stem(path))));
        drawn.filter_map(Result::ok).collect::<Vec<_>>()
    });
    all.collect()
}

#[test]
fn steps_are_numbered_and_found_by_number() {
    for plan in plans() {
        let steps = plan.steps();
        for (n, step) in (1..).zip(&steps) {
            assert_eq!(step.n, n);
            assert_eq!(plan.step(n).unwrap().0, step.action.to_string());
        }
        assert!(plan.step(0).is_none());
        assert!(plan.step(u16::try_from(steps.len()).unwrap() + 1).is_none());
    }
}

#[test]
fn the_same_data_stands_in_json() {
    for plan in plans() {
        let json: serde_json::Value =
            serde_json::from_str(&sixdocker::plan::json(&plan, |_| None)).unwrap();
        let scenes = ["prepare", "clone", "attend", "init", "spawn", "command", "exec"];
        let numbers = scenes.iter().flat_map(|scene| match &json[scene] {
            serde_json::Value::Array(steps) => steps.clone(),
            serde_json::Value::Null => Vec::new(),
            step => vec![step.clone()],
        });
        let told: Vec<_> = numbers
            .map(|step| (step["n"].as_u64().unwrap(), step["text"].as_str().unwrap().to_owned()))
            .collect();
        let steps: Vec<_> =
            plan.steps().iter().map(|step| (step.n.into(), step.action.to_string())).collect();
        assert_eq!(told, steps);
        let holes: Vec<_> = plan.holes.iter().map(sixdocker::plan::Hole::text).collect();
        let open = json["holes"].as_array().unwrap();
        assert_eq!(
            open.iter().map(|hole| hole["text"].as_str().unwrap()).collect::<Vec<_>>(),
            holes
        );
    }
}

#[test]
fn every_sandbox_has_its_walls() {
    for plan in plans() {
        let text = listing(&plan, |_| None, 200);
        for wall in
            ["pivot to the new root", "drop every capability", "close every descriptor", "verify:"]
        {
            assert!(text.contains(wall), "{wall} is missing in\n{text}");
        }
        assert!(!text.contains("SECRET"));
        assert!(
            !plan.exec.action.environment.iter().any(|variable| variable.starts_with("SECRET"))
        );
    }
}
