//! The README tells the truth: its consoles are run and compared, its files and keys are there.
//!
//! A block of the kind `console` is a transcript: lines that begin with `$ ` are typed into a
//! shell in the project's directory with `sixdocker` in the PATH, the lines after them are what
//! it prints, standard error included, and `…` stands for anything, over lines too. A block whose
//! first line is `# not run here: …` is left alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{Temp, need_root, project, run, sixdocker};

const README: &str = include_str!("../README.md");

/// Each fenced block of this kind, with the number of its first line.
fn blocks(kind: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (n, line) in README.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => {
                let (word, at, text) = open.take().unwrap();
                found.extend((word == kind).then_some((at, text)));
            }
            (Some(word), None) => open = Some((word.to_owned(), n + 2, String::new())),
            (None, Some((_, _, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

#[test]
fn every_console_prints_what_it_shows() {
    if !need_root() {
        return;
    }
    let place = Temp::new();
    prepare(&place);
    let mut faults = String::new();
    for (line, block) in blocks("console") {
        if block.starts_with("# not run here: ") {
            continue;
        }
        for (typed, printed) in transcript(&block) {
            let ran = run(shell(&place).arg(format!("exec 2>&1; {typed}")));
            if !alike(&unnumbered(&printed), &unnumbered(&ran.stdout)) {
                faults += &format!("README.md:{line}: $ {typed}\n{}\n", ran.stdout);
            }
        }
    }
    assert!(faults.is_empty(), "printed now:\n{faults}");
}

/// The README's directory: the project, and the program in the PATH. The busybox root is made as
/// the README says.
fn prepare(place: &Temp) {
    fs::create_dir(place.join("bin")).unwrap();
    std::os::unix::fs::symlink(support::user_binary(), place.join("bin/sixdocker")).unwrap();
    for directory in ["examples", "schema"] {
        std::os::unix::fs::symlink(project().join(directory), place.join(directory)).unwrap();
    }
    for (_, text) in [blocks("yaml"), blocks("yaml-broken")].concat() {
        if let Some(name) = text.lines().next().and_then(|line| line.strip_prefix("# "))
            && Path::new(name).extension().is_some_and(|ending| ending == "yaml")
            && !name.contains('/')
        {
            place.write(name, &text);
        }
    }
}

fn shell(place: &Temp) -> Command {
    let mut shell = Command::new("bash");
    let path = format!("{}:{}", place.join("bin").display(), std::env::var("PATH").unwrap());
    shell.current_dir(place.path()).env_clear().env("PATH", path).env("LANG", "C.UTF-8");
    shell.stdin(std::process::Stdio::null()).arg("-c");
    shell
}

/// What is typed, with what is printed after it. A line that ends in a backslash goes on.
fn transcript(block: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        if let Some(typed) = line.strip_prefix("$ ") {
            found.push((typed.to_owned(), String::new()));
        } else if let Some((typed, printed)) = found.last_mut() {
            let place = if goes_on { typed } else { printed };
            place.push_str(&format!(
                "{}{line}{}",
                if goes_on { "\n" } else { "" },
                if goes_on { "" } else { "\n" }
            ));
        }
        goes_on = line.ends_with('\\');
    }
    found
}

/// The text without the numbers that its lines begin with: those of steps differ between hosts.
fn unnumbered(text: &str) -> String {
    let bare = |line: &str| {
        let line = line.trim_start();
        line.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned() + "\n"
    };
    text.lines().map(bare).collect()
}

/// Whether the text is the pattern, in which `…` stands for anything.
fn alike(pattern: &str, text: &str) -> bool {
    // A line of its own stands for any number of lines, none too.
    let pattern = pattern.replace("\n…\n", "\n…");
    let parts: Vec<_> = pattern.trim_end().split('…').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let text = text.trim_end();
    if parts.len() == 1 {
        return text == first;
    }
    let Some(mut rest) = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    parts[1..parts.len() - 1]
        .iter()
        .all(|part| rest.find(part).map(|at| rest = &rest[at + part.len()..]).is_some())
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(alike("a … c\n", "a b c\n"));
    assert!(alike("a…b…c", "a 1 b 2 c"));
    assert!(alike("a\n…\nb\n", "a\nb\n"));
    assert!(!alike("a…b…c", "a c"));
    assert!(!alike("abc", "abcd"));
}

#[test]
fn every_manifest_shown_is_good() {
    let place = Temp::new();
    prepare(&place);
    for directory in ["busybox", "out"] {
        fs::create_dir(place.join(directory)).unwrap();
    }
    for (line, text) in blocks("yaml") {
        let path = place.write("shown.yaml", &text);
        let ran = run(sixdocker().current_dir(place.path()).arg("check").arg(path));
        assert_eq!(ran.code(), 0, "README.md:{line}\n{}", ran.stderr);
    }
}

#[test]
fn every_file_that_it_links_to_is_there() {
    for link in README.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
        if !link.is_empty() && !link.contains("://") {
            assert!(project().join(Path::new(link)).exists(), "README.md links to {link}");
        }
    }
}

#[test]
fn every_command_is_named() {
    let help = run(sixdocker().arg("--help")).expect(0).stdout;
    for command in
        ["up", "run", "plan", "audit", "check", "schema", "explain", "doctor", "completions", "man"]
    {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(command)),
            "{command}: {help}"
        );
        assert!(
            README.contains(&format!("sixdocker {command}")),
            "the README leaves {command} out"
        );
    }
}

#[test]
fn the_changelog_has_this_version() {
    let text = fs::read_to_string(project().join("CHANGELOG.md")).unwrap();
    assert!(text.contains(&format!("## {}", env!("CARGO_PKG_VERSION"))));
}
