//! The benches run: a few rounds of each kind, so that the limit program stays the limit of what
//! the manifests make, and the scripts work. How fast it is, nobody can test on a busy machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{Temp, need, need_root, project, run};

fn bench(kind: &str, more: &[&str]) -> Option<Value> {
    let all = ["python3", "gcc", "busybox", "strace"].iter().all(|program| need(program));
    if !all || !need_root() {
        return None;
    }
    let temp = Temp::new();
    let figures = temp.join("figures.json");
    let mut command = Command::new(project().join("benches/run"));
    command.args([kind, "--alone", "--rounds", "2", "--patience", "0"]).args(more);
    command.args(["--sixdocker", env!("CARGO_BIN_EXE_sixdocker"), "--json"]).arg(&figures);
    run(&mut command).expect(0);
    let text = std::fs::read_to_string(figures).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// At each level there are figures of the limit program and of ours.
fn levels(figures: &Value) {
    let levels = figures.as_object().unwrap();
    assert!(levels.len() >= 2, "{figures}");
    for level in levels.values() {
        assert!(level["limit"].is_object() && level["sixdocker"].is_object(), "{level}");
    }
}

#[test]
fn starts() {
    for (who, more) in [("root", [].as_slice()), ("user", &["--user"])] {
        if let Some(figures) = bench("starts", more) {
            levels(&figures["starts"][who]["levels"]);
        }
    }
}

#[test]
fn calls_memory_and_both_ways() {
    for kind in ["calls", "memory", "teardown"] {
        if let Some(figures) = bench(kind, &[]) {
            levels(&figures[kind]["root"]["levels"]);
        }
    }
}

#[test]
fn growth() {
    if let Some(figures) = bench("growth", &[]) {
        let curves = figures["growth"]["root"]["curves"].as_object().unwrap();
        assert_eq!(curves.len(), 4);
        for points in curves.values() {
            assert!(points[1]["sixdocker"]["median"].as_f64().unwrap() > 0.0, "{points}");
        }
    }
}

#[test]
fn throughput_and_relay() {
    if let Some(figures) = bench("throughput", &[]) {
        assert!(
            figures["throughput"]["root"]["workers"]["16"]["sixdocker"].is_object(),
            "{figures}"
        );
    }
    if let Some(figures) = bench("relay", &[]) {
        assert_eq!(figures["relay"]["root"]["ways"].as_object().unwrap().len(), 3, "{figures}");
    }
}

/// Whoever copies needs time, may block, and changes what a file's offset means to both.
#[test]
fn streams_are_handed_over_and_not_copied() {
    for (who, more) in [("root", [].as_slice()), ("user", &["--user"])] {
        if let Some(figures) = bench("copies", more) {
            let same = figures["copies"][who]["same open file"].as_object().unwrap();
            assert!(
                same.len() == 3 && same.values().all(|one| *one == Value::Bool(true)),
                "{same:?}"
            );
        }
    }
}
