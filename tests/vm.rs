//! On cgroup v2, which the machine at hand may not have: in a virtual machine, with Debian's
//! kernels. This very program is what runs there: the tests of `checks`, which are ignored here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "vm/checks.rs"]
mod checks;
#[path = "vm/machine.rs"]
mod machine;
mod support;

use machine::Machine;

#[test]
fn every_check_passes_on_linux_6_1() {
    boot("6.1");
}

#[test]
fn every_check_passes_on_linux_6_12() {
    boot("6.12");
}

/// Boots this kernel, and lets the checks run there.
fn boot(kernel: &str) {
    let Some(machine) = Machine::new(kernel) else { return };
    let printed = machine.run("exec /checks --ignored --test-threads=1 checks::");
    println!("{printed}");
    let passed = printed.lines().find_map(|line| {
        line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse::<u32>().ok()
    });
    assert!(passed.is_some_and(|count| count > 25), "not every check passed");
    assert_eq!(printed.trim_end().lines().last(), Some("code 0"));
}
