//! The tests' own tools do what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use support::{Console, NoLitter, Temp, busybox_root, run};

#[test]
fn a_root_file_system_has_a_shell_and_an_applet() {
    let root = busybox_root();
    assert!(root.join("bin/busybox").is_file());
    assert!(root.join("bin/sh").is_symlink());
    assert!(root.join("complete").is_file());
}

#[test]
fn a_console_types_and_reads() {
    let mut console = Console::start(Command::new("sh").env("PS1", "ready> "));
    console.expect("ready> ");
    console.ask("stty size", "24 80");
    console.resize(33, 44);
    console.ask("stty size", "33 44");
    console.ask("tty", "/dev/pts/");
    console.send("exit 3\n");
    assert_eq!(console.finish().0, 3);
}

#[test]
fn litter_is_found_and_missed() {
    let litter = NoLitter::new();
    let mut child = Command::new("sleep").arg("1000").env("MARK", litter.mark()).spawn().unwrap();
    let seen = (0..1000).any(|_| !litter.found().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen);
    litter.check();
}

#[test]
fn a_temporary_directory_vanishes() {
    let temp = Temp::new();
    let path = temp.write("a/b", "text");
    assert_eq!(temp.read("a/b"), "text");
    drop(temp);
    assert!(!path.exists());
}

#[test]
fn a_run_has_its_code_and_output() {
    let ran = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 7"]));
    assert_eq!(ran.expect(7).says("err").stdout, "out\n");
}
