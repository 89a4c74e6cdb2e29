//! The limits on pure cgroup v2, under kernels that this machine does not run.
//!
//! `tests/vm/run` boots a virtual machine that has this machine's files, and this very program
//! runs inside it: one boot for each kernel. Programs run some eighteen times slower there, so
//! nothing is said about time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
#[path = "vm/checks.rs"]
mod checks;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

#[test]
fn linux_6_1() {
    boot("6.1");
}

#[test]
fn linux_6_12() {
    boot("6.12");
}

/// Test programs that also run in the machine, as root and as a user with a delegated group.
const OTHERS: &[&str] = &["limits", "endings", "security", "causes"];

/// As long as a machine with too little time needs.
const SECONDS: &str = "1500";

fn boot(kernel: &str) {
    let tools = ["qemu-system-x86_64", "busybox", "xz", "apt-get"];
    if !tools.into_iter().all(support::need) || !support::need_root() {
        return;
    }
    if cfg!(not(target_arch = "x86_64")) {
        println!("the virtual machine is an x86_64 one");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new(support::project().join("tests/vm/run"));
    command.args(["-k", kernel, "-t", SECONDS]).arg(&own);
    command.args(["--ignored", "--exact", "inside", "--nocapture"]);
    command.env("VM_SHARE", shown(&own)).env("SIXDOCKER_OTHERS", others(&own));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Linux {kernel}: {}\n{text}\n{why}", output.status);
    assert!(text.contains("every check passed"), "Linux {kernel}:\n{text}\n{why}");
}

/// The directories below /tmp that the machine must see, where /tmp is otherwise empty.
fn shown(own: &Path) -> String {
    let target = own.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists());
    let all = [Some(support::project()), target, support::binary().parent()];
    let below: Vec<_> = all
        .into_iter()
        .flatten()
        .filter(|dir| dir.starts_with("/tmp"))
        .map(|dir| dir.display().to_string())
        .collect();
    below.join(":")
}

/// The newest build of each of the other test programs, beside this one.
fn others(own: &Path) -> String {
    let newest = |name: &&str| {
        let prefix = format!("{name}-");
        let files = own.parent()?.read_dir().ok()?.flatten();
        files
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .filter(|entry| entry.path().extension().is_none())
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .max_by_key(|(time, _): &(SystemTime, PathBuf)| *time)
            .map(|(_, path)| path.display().to_string())
    };
    OTHERS.iter().filter_map(newest).collect::<Vec<_>>().join(":")
}

/// The machine's side.
#[test]
#[ignore = "it runs in the virtual machine"]
fn inside() {
    checks::all();
//! On cgroup v2, which the machine at hand may not have: in a virtual machine, with Debian's kernels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use support::{Temp, binary, busybox_root_at, need, project, run, run_for, shared};

/// A boot under emulation takes seconds on an idle machine.
const LIMIT: Duration = Duration::from_mins(10);

#[test]
fn limits_hold_on_cgroup_v2_with_6_1() {
    boot("6.1", true);
}

#[test]
fn limits_hold_on_cgroup_v2_with_6_12() {
    boot("6.12", false);
}

/// Boots the kernel and lets the guest try everything. Not every Debian has every kernel: one that
/// is not demanded is left out with a word.
fn boot(kernel: &str, demanded: bool) {
    if !need("qemu-system-x86_64") || !need("busybox") || !need("xz") {
        return;
    }
    let script = |name: &str| Command::new(project().join("tests/vm").join(name));
    let found = run_for(script("kernel").arg(kernel).arg(shared().join("kernels")), LIMIT, b"");
    if found.code() != 0 {
        assert!(!demanded, "no kernel {kernel}: {}", found.stderr);
        eprintln!("LEFT OUT: apt has no kernel {kernel}: {}", found.stderr);
        return;
    }
    let files = files();
    let ran =
        run_for(script("run").arg(found.stdout.trim()).arg(files.path()), LIMIT, b"").expect(0);
    println!("{}", ran.stdout);
    let trials = ran.stdout.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(!ran.stdout.contains("not ok"), "{}{}", ran.stdout, ran.stderr);
    assert!(trials > 15, "only {trials} trials");
}

/// What the guest finds at its root.
fn files() -> Temp {
    let temp = Temp::new();
    let copied = run(Command::new("strip").arg("-o").arg(temp.join("sixdocker")).arg(binary()));
    if copied.code() != 0 {
        fs::copy(binary(), temp.join("sixdocker")).unwrap();
    }
    busybox_root_at(&temp.join("rootfs"));
    fs::create_dir(temp.join("manifests")).unwrap();
    for entry in fs::read_dir(project().join("tests/vm/manifests")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, temp.join("manifests").join(path.file_name().unwrap())).unwrap();
    }
    temp.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n");
    temp.write("etc/group", "root:x:0:\nuser:x:1000:\n");
    temp.write("etc/subuid", "user:100000:65536\n");
    temp.write("etc/subgid", "user:100000:65536\n");
    temp
}
