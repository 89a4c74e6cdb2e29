//! The plan says all that is done: the system calls of `up`, held against the steps of `plan`.
//!
//! strace writes down what the runner and init ask of the kernel until the command runs. Every
//! call that changes mounts, control groups, namespaces, ids, capabilities, limits or the like
//! must belong to a step, and every step must have its call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "trace/account.rs"]
mod account;
#[path = "trace/calls.rs"]
mod calls;
mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::{Temp, as_user, busybox_root, busybox_root_of_user, need, need_root, run, sixdocker};

use account::Step;

/// Plans this manifest, performs it under strace, and compares.
fn hold(command: &Command, manifest: &Path) {
    let mut plan = again(command);
    let planned = run(plan.args(["plan", "--format", "json"]).arg(manifest)).expect(0);
    let steps = Step::all(&serde_json::from_str(&planned.stdout).unwrap());
    assert!(steps.len() > 10, "{}", planned.stdout);

    let log = manifest.with_extension("trace");
    let mut traced = Command::new("strace");
    traced.args(["-f", "-y", "-q", "-s", "4096", "-e", calls::TRACED, "-e", "signal=none", "-o"]);
    traced.arg(&log).arg(command.get_program()).args(command.get_args()).arg("up").arg(manifest);
    traced.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    run(traced.stdin(Stdio::null()).current_dir(support::project())).expect(0);

    let text = std::fs::read(&log).unwrap();
    let text = String::from_utf8_lossy(&text);
    let faults = account::compare(&steps, &calls::until_the_command(&text));
    assert!(faults.is_empty(), "{}\n\n{}\n\n{text}", faults.join("\n"), planned.stdout);
}

fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args()).env_clear().stdin(Stdio::null());
    copy.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    copy.current_dir(support::project());
    copy
}

/// As root, on a root file system of root's, where the tests run as root.
fn as_root(text: &str) {
    if !need("strace") || !need_root() {
        return;
    }
    let temp = Temp::new();
    let text = text.replace("ROOT", &busybox_root().display().to_string());
    hold(&sixdocker(), &temp.write("box.yaml", text));
}

/// As an ordinary user, traced by root: nobody else may read what init hands to the kernel.
fn as_ordinary(text: &str) {
    if !need("strace") || !need_root() {
        return;
    }
    let temp = Temp::of_user();
    let text = text.replace("ROOT", &busybox_root_of_user().display().to_string());
    // setpriv, and not the runner alone, is traced: what it does to itself is no part of a plan.
    hold(&as_user(), &temp.write("box.yaml", text));
}

fn both(text: &str) {
    as_root(text);
    as_ordinary(text);
}

#[test]
fn hello() {
    both("command: [echo, hello]\n");
}

#[test]
fn a_root_file_system_whose_writes_are_thrown_away() {
    both("rootfs: ROOT\ncommand: [\"true\"]\n");
}

#[test]
fn a_read_only_one_with_mounts_and_files() {
    both(
        "rootfs: {path: ROOT, write: none}\ncommand: [\"true\"]\nmounts:\n- /usr:/usr\n- {type: tmpfs, target: /home, size: 1m}\nfiles: {/etc/passwd: \"root:x:0:0::/:/bin/sh\\n\"}\n",
    );
}

#[test]
fn everything_of_a_process() {
    both(
        "rootfs: ROOT\ncommand: [\"true\"]\nhostname: other\numask: \"0077\"\nnice: 5\noom_score_adj: 500\nworking_dir: /tmp\nulimits: {nofile: 64, core: 0}\nsysctls: {net.ipv4.ip_forward: 0}\n",
    );
}

#[test]
fn a_staying_init() {
    both("rootfs: ROOT\ncommand: [\"true\"]\ninit: true\n");
}

#[test]
fn the_hosts_namespaces() {
    both("rootfs: ROOT\ncommand: [\"true\"]\nnetwork: host\nnamespaces: {ipc: host, uts: host}\n");
    both("rootfs: ROOT\ncommand: [\"true\"]\nnamespaces: {pid: host}\n");
}

#[test]
fn levels_of_security() {
    both("rootfs: ROOT\ncommand: [\"true\"]\nsecurity: strict\n");
    both("rootfs: ROOT\ncommand: [\"true\"]\nsecurity: loose\n");
    both("rootfs: ROOT\ncommand: [\"true\"]\nsecurity: {capabilities: [CHOWN]}\n");
    // With privileges to gain, the kernel takes no filter and no rules.
    both(
        "rootfs: ROOT\ncommand: [\"true\"]\nsecurity: {no_new_privileges: false, seccomp: none, landlock: none}\n",
    );
}

#[test]
fn limits() {
    as_root(
        "rootfs: ROOT\ncommand: [\"true\"]\nlimits: {memory: 64m, pids: 20, cpus: 0.5, cpuset: \"0\"}\n",
    );
}

#[test]
fn other_ids() {
    as_root("rootfs: ROOT\ncommand: [\"true\"]\nuser: \"1000:1000\"\ngroups: [5]\n");
}

#[test]
fn the_hosts_user_namespace() {
    as_root("rootfs: ROOT\ncommand: [\"true\"]\nuserns: host\n");
}
