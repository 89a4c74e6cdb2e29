//! Every broken manifest with the whole of what is said about it.
//!
//! `UPDATE=1 cargo test --test broken` writes what is said now beside each manifest; read the
//! difference before it is committed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use support::{Ran, Temp, as_user, need_root, run, run_for, sixdocker};

/// Codes that no manifest here can show, and the test that shows them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("bad_flag", "tests/cli.rs"),
    ("command_not_executable", "tests/causes.rs"),
    ("command_not_found", "tests/causes.rs"),
    ("look_failed", "tests/faults.rs"),
    ("planted_link", "tests/links.rs"),
    ("more_faults", "hostile files below"),
    ("step_failed", "tests/causes.rs"),
    ("too_large", "hostile files below"),
    ("unreadable", "hostile files below"),
];

fn place() -> PathBuf {
    support::project().join("tests/broken")
}

fn manifests() -> Vec<PathBuf> {
    let all = fs::read_dir(place()).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        all.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    all.sort();
    all
}

/// What is said for the machine `NAME.json`, or else for `host.json`, with `/HERE` for the
/// manifests' own directory.
fn said(manifest: &std::path::Path) -> Ran {
    let name = manifest.file_name().unwrap();
    let own = manifest.with_extension("json");
    let host = if own.exists() { own } else { place().join("host.json") };
    let ran = run(sixdocker().current_dir(place()).args(["check", "--host"]).arg(host).arg(name));
    let stdout = ran.stdout.replace(place().to_str().unwrap(), "/HERE");
    Ran { stdout, ..ran }
}

#[test]
fn what_is_said_is_pinned() {
    let manifests = manifests();
    assert!(manifests.len() >= 60, "{} manifests", manifests.len());
    let update = std::env::var_os("UPDATE").is_some();
    let mut changed = String::new();
    for manifest in manifests {
        let ran = said(&manifest).expect(1);
        assert_eq!(ran.stderr, "", "{}", manifest.display());
        let pinned = manifest.with_extension("txt");
        if update {
            fs::write(&pinned, &ran.stdout).unwrap();
        } else if fs::read_to_string(&pinned).ok().as_ref() != Some(&ran.stdout) {
            changed += &format!("--- {} now:\n{}\n", pinned.display(), ran.stdout);
        }
    }
    assert!(changed.is_empty(), "{changed}UPDATE=1 pins this");
}

/// `plan` says the same for the same machine.
#[test]
fn a_plan_is_refused_in_the_same_words() {
    for manifest in manifests() {
        let own = manifest.with_extension("json");
        let host = if own.exists() { own } else { place().join("host.json") };
        let mut plan = sixdocker();
        plan.current_dir(place()).args(["plan", "--host"]).arg(host);
        let ran = run(plan.arg(manifest.file_name().unwrap())).expect(1);
        let stderr = ran.stderr.replace(place().to_str().unwrap(), "/HERE");
        assert_eq!((ran.stdout.as_str(), stderr), ("", said(&manifest).stdout));
    }
}

/// What no machine could run, `up` refuses, too.
#[test]
fn what_is_wrong_everywhere_never_runs() {
    let kinds = ["contradiction-", "key-", "text-", "type-", "value-", "variable-", "yaml-"];
    for manifest in manifests() {
        let name = manifest.file_name().unwrap().to_str().unwrap();
        if kinds.iter().any(|kind| name.starts_with(kind)) {
            let ran = run(sixdocker().current_dir(place()).args(["up", name])).expect(125);
            assert!(ran.stderr.starts_with(&format!("{name}:")), "{}", ran.stderr);
        }
    }
}

#[test]
fn every_code_is_shown() {
    let said: String = manifests().iter().map(|manifest| said(manifest).stdout).collect();
    let shown = |code: &str| said.contains(&format!(" [{code}]"));
    let elsewhere: BTreeSet<_> = ELSEWHERE.iter().map(|(code, _)| *code).collect();
    let known: BTreeSet<_> = sixdocker::explain::CODES.iter().map(|code| code.code).collect();
    let unseen: Vec<_> =
        known.iter().filter(|code| !shown(code) && !elsewhere.contains(*code)).collect();
    assert!(unseen.is_empty(), "no manifest shows {unseen:?}");
    for head in said.lines().filter(|line| line.contains(".yaml:") && line.contains(": error: ")) {
        let code = head.rsplit_once(" [").unwrap().1.trim_end_matches(']');
        assert!(known.contains(code), "`explain {code}` explains nothing");
    }
}

/// A hostile file is reported, quickly, with nothing in the report that a terminal acts on.
fn is_reported(name: &str, path: &std::path::Path, code: &str) {
    let ran = run(sixdocker().arg("check").arg(path)).expect(1);
    let wild = ran.stdout.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(wild, None, "{name}: {}", ran.stdout);
    assert!(!ran.stdout.contains(['\u{202e}', '\u{2066}']), "{name}: {}", ran.stdout);
    assert!(ran.stdout.contains(code), "{name}: {}", ran.stdout);
    if !cfg!(debug_assertions) {
        assert!(ran.took.as_millis() < 1000, "{name} took {:?}", ran.took);
    }
}

#[test]
fn hostile_texts_are_reported() {
    let dir = Temp::new();
    let aliases: String = (1..30).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
    let texts: &[(&str, Vec<u8>, &str)] = &[
        ("aliases", format!("a0: &a0 [x]\n{aliases}").into_bytes(), "[alias]"),
        ("brackets", vec![b'['; 10_000], "[too_deep]"),
        ("control", b"command: [\"a\x1b[31m\"]\n".to_vec(), "[control_character]"),
        ("bidi", "command: [a\u{202e}b]\n".into(), "[control_character]"),
        ("bytes", b"command: [\xff\xfe]\n".to_vec(), "[not_utf8]"),
        ("nul", b"command: [a\0b]\n".to_vec(), "[control_character]"),
        ("keys", "\u{9b}31m: 1\ncommand: [a]\n".into(), "[control_character]"),
        ("words", "comm\u{1b}and: [a]\n".into(), "[control_character]"),
    ];
    for (name, text, code) in texts {
        is_reported(name, &dir.write(format!("{name}.yaml"), text), code);
    }
}

#[test]
fn hostile_files_are_reported() {
    let dir = Temp::new();
    let sparse = dir.join("sparse.yaml");
    fs::File::create(&sparse).unwrap().set_len(100 << 20).unwrap();
    is_reported("100 MB", &sparse, "[too_large]");
    let fifo = dir.join("fifo.yaml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    is_reported("a FIFO", &fifo, "[unreadable]");
    is_reported("a directory", dir.path(), "[unreadable]");
    is_reported("/dev/zero", "/dev/zero".as_ref(), "[unreadable]");
    is_reported("nothing", &dir.join("none.yaml"), "[unreadable]");
}

#[test]
fn who_may_read_a_file_is_told() {
    if !need_root() {
        return;
    }
    let dir = Temp::new();
    let file = dir.write("own.yaml", "command: [echo]\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let ran = run(as_user().arg("check").arg(&file)).expect(1);
    let help = "own.yaml belongs to uid 0, gid 0, with mode 0600, and is closed to uid 1000";
    assert!(ran.stdout.contains(help), "{}", ran.stdout);
}

#[test]
fn standard_input_without_end_is_cut_off() {
    let much = vec![b'#'; 4 << 20];
    let limit = std::time::Duration::from_mins(1);
    let ran = run_for(sixdocker().args(["check", "-"]), limit, &much).expect(1);
    assert!(ran.stdout.starts_with("standard input:"), "{}", ran.stdout);
}
