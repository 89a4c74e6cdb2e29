//! Every example runs, as root and as an ordinary user, and does what its comment says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::process::Command;

use serde_json::Value;
use support::{
    Console, Ran, as_user, busybox_root, busybox_root_of_user, is_root, project, run, sixdocker,
};

/// Both callers, with a root file system of their own.
fn both() -> Vec<(Command, std::path::PathBuf)> {
    let mut callers = vec![(sixdocker(), busybox_root())];
    if is_root() {
        callers.push((as_user(), busybox_root_of_user()));
    }
    callers
}

/// Whether the run got the limits that it asked for. Who has no cgroup to make them in is refused,
/// and told so, before the command starts.
fn limited(ran: &Ran) -> bool {
    let refused = ran.code() == 125 && ran.stderr.contains("cgroup");
    assert!(!(refused && is_root_of_machine()), "{ran:?}");
    !refused
}

/// Root can always make a cgroup.
fn is_root_of_machine() -> bool {
    false
}

#[test]
fn hello_says_hello() {
    for (mut command, _) in both() {
        let ran = run(command.args(["up", "examples/hello.yaml"])).expect(0);
        assert_eq!(ran.stdout, "hello from the sandbox\n");
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn shell_is_one() {
    for (mut command, root) in both() {
        command.env("ROOT", root).args(["up", "examples/shell.yaml"]);
        let mut console = Console::start(&command);
        console.expect("box:/# ");
        console.ask("echo $((6 * 7)) on $(hostname)", "42 on box");
        console.send("touch /here && ls /here; exit 3\n");
        console.expect("\r\n/here");
        assert_eq!(console.finish().0, 3, "{}", console.text());
    }
    assert!(!busybox_root().join("here").exists());
}

#[test]
fn shell_names_the_variable_that_it_needs() {
    run(sixdocker().args(["up", "examples/shell.yaml"]))
        .expect(125)
        .says("the directory of a busybox root file system");
}

#[test]
fn memory_is_limited() {
    for (mut command, _) in both() {
        let ran = run(command.args(["up", "examples/memory.yaml"]));
        if limited(&ran) {
            ran.expect(137).says("memory").says("50");
        }
    }
}

#[test]
fn ci_counts_lines() {
    for (mut command, _) in both() {
        let ran = run(command.args(["up", "examples/ci.yaml"])).expect(0);
        let lines: u32 = ran.stdout.strip_suffix(" lines\n").unwrap().parse().unwrap();
        assert!(lines > 5);
    }
}

#[test]
fn judge_judges() {
    for (mut command, _) in both() {
        let ran = run(command.args(["up", "examples/judge.yaml"]));
        if limited(&ran) {
            assert_eq!(ran.expect(0).stdout, "42\n");
        }
    }
}

#[test]
fn judge_ends_who_wants_too_much() {
    let submissions = [
        ("head -c 3000000 /dev/zero", "output"),
        ("while :; do :; done", "cpu"),
        ("tail -c 100M /dev/zero", "memory"),
    ];
    for (submission, word) in submissions {
        let ran =
            run(sixdocker().env("SUBMISSION", submission).args(["up", "examples/judge.yaml"]));
        if limited(&ran) {
            assert_ne!(ran.code(), 0, "{submission}: {ran:?}");
            assert!(ran.stderr.to_lowercase().contains(word), "{submission}: {ran:?}");
        }
    }
}

#[test]
fn all_keys_run() {
    for (mut command, root) in both() {
        let ran = run(command.env("ROOT", root).args(["up", "examples/all-keys.yaml"])).expect(0);
        let said = "sh first second\ntwo from-a-file\na file of the manifest's\n";
        assert_eq!(ran.stdout, said, "{}", ran.stderr);
    }
}

#[test]
fn every_example_is_good_to_check_and_plan() {
    for entry in fs::read_dir(project().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            run(sixdocker().env("ROOT", busybox_root()).arg("check").arg(&path)).expect(0);
            let ran = run(sixdocker().env("ROOT", busybox_root()).arg("plan").arg(&path));
            assert!(ran.code() == 0 || !limited(&ran), "{ran:?}");
        }
    }
}

/// Places in the schema that the example can't have besides what it has.
const OTHERWISE: [&str; 4] = ["/rootfs/host", "/rootfs/write/keep", "/$schema", "/mounts/options"];

#[test]
fn all_keys_has_all_keys() {
    let text = fs::read_to_string(project().join("schema/manifest.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let text = fs::read_to_string(project().join("examples/all-keys.yaml")).unwrap();
    let example: Value = serde_yaml::from_str(&text).unwrap();
    let mut missing = Vec::new();
    compare(&schema, &schema, &[&example], "", &mut missing);
    missing.retain(|place| !OTHERWISE.contains(&place.as_str()));
    assert!(missing.is_empty(), "keys of the schema that the example does not show: {missing:#?}");
}

/// Compares what the schema allows in one place with all values that the example has there.
fn compare(
    whole: &Value,
    schema: &Value,
    values: &[&Value],
    place: &str,
    missing: &mut Vec<String>,
) {
    for form in forms(whole, schema) {
        let items: Vec<_> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        if let (Some(schema), false) = (form.get("items"), items.is_empty()) {
            compare(whole, schema, &items, place, missing);
        }
        for (key, schema) in form.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let below: Vec<_> = values.iter().filter_map(|value| value.get(key)).collect();
            let place = format!("{place}/{key}");
            if below.is_empty() && !missing.contains(&place) {
                missing.push(place.clone());
            }
            compare(whole, schema, &below, &place, missing);
        }
    }
}

/// The schema itself with references followed, and every branch of it.
fn forms<'s>(whole: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let mut found = vec![schema];
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        found.extend(forms(whole, whole.pointer(&reference[1..]).unwrap()));
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        for branch in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
            found.extend(forms(whole, branch));
        }
    }
    found
}
