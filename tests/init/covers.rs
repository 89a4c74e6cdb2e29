//! What is hidden and closed, and stays so.

use sixdocker::plan::{Init, Root};

use super::Case;
use super::plans::{Draft, overlay};
use super::stage::{Directory, run};

pub(crate) const CASES: &[Case] = &[
    ("a_masked_file_is_empty", masked_file),
    ("a_masked_directory_is_empty_and_closed", masked_directory),
    ("a_read_only_path_is_read_only", read_only_path),
    ("what_is_not_there_is_passed_over", passed_over),
    ("a_read_only_root_is_read_only", read_only_root),
    ("a_sysctl_is_written_before_it_is_closed", sysctl),
];

fn output(name: &str, steps: Vec<Init>, text: &str) -> String {
    let root = Directory::busybox(name);
    let mut draft = Draft::shell(overlay(&root.0), text);
    draft.mounts.extend(steps);
    run(&draft.plan()).output
}

fn mask(target: &str) -> Init {
    Init::Mask { target: target.into() }
}

fn masked_file() {
    let text = "busybox wc -c < /proc/interrupts; busybox stat -c %F /proc/interrupts";
    assert_eq!(output("mask", vec![mask("/proc/interrupts")], text), "0\ncharacter special file\n");
}

fn masked_directory() {
    let text =
        "busybox ls /proc/fs /proc/irq; echo x > /proc/fs/y; busybox umount /proc/fs; echo end";
    let output = output("masks", vec![mask("/proc/fs"), mask("/proc/irq")], text);
    assert!(output.starts_with("/proc/fs:\n\n/proc/irq:\n"), "{output}");
    assert!(output.contains("Read-only file system"), "{output}");
    assert!(output.contains("not permitted"), "{output}");
}

fn read_only_path() {
    let text = "echo x > /proc/sys/kernel/domainname; busybox cat /proc/sys/kernel/ostype";
    let close = Init::ReadOnlyPath { target: "/proc/sys".into() };
    let output = output("closed", vec![close], text);
    assert!(output.contains("Read-only file system") && output.contains("Linux"), "{output}");
}

fn passed_over() {
    let close = Init::ReadOnlyPath { target: "/proc/nothing".into() };
    let steps = vec![mask("/proc/nothing"), mask("/proc/version/below"), close];
    assert_eq!(output("passed", steps, "echo on"), "on\n");
}

fn read_only_root() {
    let root = Directory::busybox("sealed");
    let mut draft = Draft::shell(
        Root::Bind { path: root.0.clone(), read_only: false, mapped: false },
        "echo x > /etc/x",
    );
    draft.mounts.push(Init::ReadOnlyRoot);
    let output = run(&draft.plan()).output;
    assert!(output.contains("Read-only file system"), "{output}");
    assert!(!root.path("etc/x").exists());
}

fn sysctl() {
    let set =
        Init::Sysctl { key: "net.ipv4.ip_unprivileged_port_start".into(), value: "80".into() };
    let close = Init::ReadOnlyPath { target: "/proc/sys".into() };
    let text = "busybox cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
    assert_eq!(output("sysctl", vec![set, close], text), "80\n");
}
