//! Which room may know which: the arrows of src/lib.rs, read off the imports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each room of src, and the rooms that it may name. What changes the kernel is `execute` and
/// `systemd` alone, by `sys`; `probe`, `inputs` and `cause` look by it.
const ARROWS: &[(&str, &str)] = &[
    ("audit", "diagnostic host plan render source"),
    ("capability", ""),
    ("cause", "capability diagnostic host mountinfo plan report source sys"),
    ("check", "diagnostic host inputs manifest planner probe render source"),
    ("cli", "*"),
    ("diagnostic", "source"),
    ("doctor", "diagnostic host plan planner render"),
    ("execute", "capability cause mountinfo plan report sys systemd"),
    ("explain", "capability manifest plan render schema source"),
    ("foreign", "*"),
    ("host", ""),
    ("inputs", "manifest sys"),
    ("manifest", "capability diagnostic schema source"),
    ("mountinfo", ""),
    ("plan", "capability diagnostic render seccomp source"),
    ("planner", "capability diagnostic host inputs manifest plan seccomp source"),
    ("probe", "capability host manifest mountinfo sys systemd"),
    ("render", "diagnostic source sys"),
    ("report", "diagnostic host plan render sys"),
    ("schema", "manifest report"),
    ("seccomp", "capability diagnostic manifest source"),
    ("source", "diagnostic"),
    ("sys", "plan"),
    ("systemd", "sys"),
];

fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The rooms that a text names after `crate::`, without its tests.
fn named(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]").next().unwrap();
    let word = |text: &str| {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut rooms = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(list.split('}').next().unwrap().split(',').map(word)),
            None => _ = rooms.insert(word(rest)),
        }
    }
    rooms
}

#[test]
fn every_arrow_goes_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ARROWS.iter().map(|(room, rooms)| (*room, rooms.split(' ').collect())).collect();
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut faults = Vec::new();
    for (path, text) in files {
        let room = path.strip_prefix(&format!("{}/", src.display())).unwrap();
        let room = room.split(['/', '.']).next().unwrap().to_owned();
        if room == "lib" || room == "main" {
            continue;
        }
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("{room} has no arrows yet"));
        let is_room = |name: &String| allowed.contains_key(name.as_str()) && *name != room;
        for other in named(&text).into_iter().filter(is_room) {
            if !may.contains("*") && !may.contains(other.as_str()) {
                faults.push(format!("{path}: {room} may not know {other}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A function of ours that was moved or renamed falls out of the order of functions in silence:
/// `benches/order` writes it anew.
#[test]
fn the_order_of_functions_names_what_is_there() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = fs::read_to_string(src.join("sys/start.ld")).unwrap();
    let names = order.lines().filter_map(|line| line.trim().strip_prefix("*(.text._ZN9sixdocker"));
    let names: Vec<Vec<&str>> = names.map(parts).collect();
    assert!(names.len() > 100, "only {} functions of ours", names.len());
    for name in names {
        let (mut room, mut words) = (src.clone(), name.iter());
        let mut word = words.next().unwrap();
        while room.join(word).with_extension("rs").exists() {
            room = room.join(word);
            word = words.next().unwrap();
        }
        let text = fs::read_to_string(room.with_extension("rs")).unwrap_or_default();
        // An impl of a trait, or for another room's type, has a name of the compiler's.
        let is_type = word.starts_with(|c: char| c.is_ascii_uppercase());
        let is_there = word.starts_with('_')
            || is_type && text.contains(word)
            || ["fn", "mod"].iter().any(|kind| text.contains(&format!("{kind} {word}")));
        assert!(is_there, "{}: there is no {word}", name.join("::"));
    }
}

/// The words of the rest of a mangled name: each stands behind its length.
fn parts(mut rest: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while let Some(digits) = rest.find(|c: char| !c.is_ascii_digit()).filter(|n| *n > 0) {
        let (length, behind) = rest.split_at(digits);
        let Some((word, after)) = behind.split_at_checked(length.parse().unwrap()) else { break };
        parts.push(word);
        rest = after;
    }
    parts
}

/// `unsafe` stands in `sys` alone, with a reason each (clippy sees to the reasons).
#[test]
fn unsafe_code_is_in_one_room() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let inside = |path: &str| path.contains("/src/sys.rs") || path.contains("/src/sys/");
    let used = |text: &str| text.contains("unsafe {") || text.contains("unsafe fn");
    let outside: Vec<_> =
        files.iter().filter(|(path, text)| used(text) && !inside(path)).map(|(p, _)| p).collect();
    assert!(outside.is_empty(), "{outside:?}");
}
