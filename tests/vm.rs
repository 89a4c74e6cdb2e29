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
