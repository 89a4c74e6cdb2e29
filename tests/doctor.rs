//! `doctor` says what it looked at, what it tried, and the way out of what fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Ran, as_user, is_root, need_root, run, sixdocker};

/// The verdict and the text of a check.
fn check<'t>(ran: &'t Ran, name: &str) -> Option<(&'t str, &'t str)> {
    ran.stdout.lines().find_map(|line| {
        let (verdict, rest) = line.split_at_checked(9)?;
        let (found, text) = rest.split_at_checked(18)?;
        (found.trim_end() == name).then_some((verdict.trim_end(), text.trim_start()))
    })
}

fn callers() -> Vec<Command> {
    if is_root() { vec![sixdocker(), as_user()] } else { vec![as_user()] }
}

#[test]
fn what_is_told_was_tried() {
    for mut command in callers() {
        let ran = run(command.arg("doctor"));
        assert_eq!(check(&ran, "a sandbox"), Some(("pass", "was made")), "{ran:?}");
        let (verdict, text) = check(&ran, "a layer").expect("a host of tests has overlays");
        assert_eq!((verdict, text), ("pass", "was laid over /usr, and thrown away"));
        let limited = check(&ran, "pids").is_some_and(|(verdict, _)| verdict == "pass");
        assert_eq!(check(&ran, "limits").is_some(), limited, "{ran:?}");
        let failed = ran.stdout.lines().any(|line| line.starts_with("fail "));
        assert_eq!(ran.code(), i32::from(failed));
        // Whatever fails, the next line says what to do.
        let lines: Vec<_> = ran.stdout.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0].starts_with("fail ")) {
            assert!(pair[1].trim_start().starts_with("→ "), "{pair:?}");
        }
        assert!(!ran.stdout.contains("(os error"), "{}", ran.stdout);
    }
}

#[test]
fn programs_read_the_same() {
    for mut command in callers() {
        let ran = run(command.args(["doctor", "--format", "json"])).expect(0);
        let read: Value = serde_json::from_str(&ran.stdout).unwrap();
        let checks = read["checks"].as_array().unwrap();
        let tried = checks.iter().find(|check| check["name"] == "a sandbox").unwrap();
        assert_eq!((&tried["verdict"], &tried["text"]), (&"pass".into(), &"was made".into()));
        let fixed = |check: &&Value| check["verdict"] != "fail" || check["fix"].is_string();
        assert!(checks.iter().all(|check| fixed(&check)), "{checks:#?}");
        assert!(read["kernel"].is_string());
    }
}

/// In a mount namespace where root has done `spoil`.
fn spoiled(spoil: &str) -> Option<Ran> {
    if !need_root() {
        return None;
    }
    let shell = format!("{spoil} && exec \"$0\" doctor");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &shell]).arg(support::binary()).stdin(Stdio::null());
    Some(run(&mut command))
}

#[test]
fn what_looks_well_and_fails_is_told_with_its_cause() {
    let Some(ran) = spoiled("mount -t tmpfs none /proc/driver") else { return };
    assert_eq!(check(&ran, "proc").map(|(verdict, _)| verdict), Some("pass"), "{ran:?}");
    let (verdict, text) = check(&ran, "a sandbox").unwrap();
    assert_eq!(verdict, "fail");
    assert!(text.starts_with("was tried: could not mount proc on /proc"), "{text}");
    assert!(text.contains("`/proc/driver`") && text.contains("EPERM"), "{text}");
    assert!(ran.stdout.contains("→ write `proc: outer`"), "{}", ran.stdout);
    assert_eq!(ran.code(), 1);
}

#[test]
fn what_is_covered_is_seen_and_gone_without() {
    let Some(ran) = spoiled("mount --bind /dev/null /proc/meminfo") else { return };
    let (verdict, text) = check(&ran, "proc").unwrap();
    assert_eq!(verdict, "caution");
    assert!(text.contains("/proc/meminfo is covered"), "{text}");
    assert_eq!(check(&ran, "a sandbox"), Some(("pass", "was made")), "{ran:?}");
}
