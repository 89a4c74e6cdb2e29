//! What the keys of `security` open, and nothing besides.

use crate::probe::{Answers, SHOWN, Stage, Verdict, answers, callers};
use crate::support::{Ran, Temp, as_user, run, sixdocker};

/// What these probes tell, once for each caller.
fn told(more: &str, names: &[&str]) -> Vec<Answers> {
    let ask = |who: &_| {
        let ran = Stage::new(*who)?.up(&format!("mounts: [{SHOWN}]\n{more}"), names).expect(0);
        Some(answers(&ran.stdout))
    };
    callers().iter().filter_map(ask).collect()
}

#[track_caller]
fn all_are(verdict: &Verdict, more: &str, names: &[&str]) {
    for told in told(more, names) {
        assert_eq!(told.len(), names.len(), "{told:?}");
        let others: Vec<_> = told.iter().filter(|(_, told)| told.verdict != *verdict).collect();
        assert!(others.is_empty(), "{more}: not {verdict:?}: {others:?}");
    }
}

/// Runs `sh -c script` in a sandbox with these further lines in its manifest, once for each
/// caller.
fn inside(more: &str, script: &str) -> Vec<Ran> {
    let temp = Temp::new();
    let script = script.replace('\'', "''");
    let file = temp.write("m.yaml", format!("command: ['/bin/sh', '-c', '{script}']\n{more}\n"));
    [sixdocker, as_user].map(|caller| run(caller().arg("up").arg(&file))).into()
}

#[test]
fn a_listed_capability_is_there_and_no_other() {
    for ran in inside("security: {capabilities: [NET_RAW]}", "grep ^Cap /proc/self/status") {
        let ran = ran.expect(0);
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert!(ran.stdout.contains(&format!("{set}:\t0000000000002000")), "{}", ran.stdout);
        }
    }
}

#[test]
fn levels_differ() {
    let (strict, loose) = ("security: strict", "security: loose");
    let debugging = ["ptrace", "process_vm_readv", "netlink_route", "tiocsetd"];
    all_are(&Verdict::Open, "", &debugging);
    all_are(&Verdict::Ok, strict, &debugging);
    all_are(&Verdict::Ok, "", &["personality_read_implies_exec", "perf_event_open"]);
    all_are(&Verdict::Open, loose, &["personality_read_implies_exec", "perf_event_open"]);
    all_are(&Verdict::Ok, loose, &["unshare", "mount", "keyctl", "tiocsti", "unshare_user"]);
}

#[test]
fn nested_namespaces_open_what_they_need() {
    let more = "security: {nested_namespaces: true}";
    all_are(&Verdict::Open, more, &["clone_user", "unshare_user", "unshare_user_and_mnt"]);
}

#[test]
fn a_refusal_can_kill() {
    let more = "security: {seccomp: {base: default, refuse_with: kill}}";
    for ran in inside(more, "unshare -U true; echo alive") {
        assert!(ran.stdout.contains("alive"), "{ran:?}");
        assert!(ran.stderr.contains("Bad system call"), "{ran:?}");
    }
}

#[test]
fn landlock_is_a_word_of_the_manifest() {
    for word in ["auto", "none"] {
        for ran in inside(&format!("security: {{landlock: {word}}}"), "echo in") {
            assert_eq!(ran.expect(0).stdout, "in\n");
        }
    }
    let here = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    for ran in inside("security: {landlock: required}", "echo in") {
        let there = ran.code() == 0;
        assert!(there || (ran.code() == 125 && ran.stderr.contains("Landlock")), "{ran:?}");
        assert!(there || !here.contains("landlock"), "{ran:?}");
    }
}
