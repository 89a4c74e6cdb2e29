//! On cgroup v2, which the machine at hand may not have: in a virtual machine, with Debian's
//! kernels. This very program is what runs there: the tests of `checks`, which are ignored here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "vm/checks.rs"]
mod checks;
#[path = "vm/machine.rs"]
mod machine;
#[path = "vm/scopes.rs"]
mod scopes;
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
    passed(&machine.run("exec /checks --ignored --test-threads=1 checks::"), &[25]);
}

#[test]
fn scopes_are_had_of_systemd() {
    let Some(machine) = Machine::with_systemd("6.12") else { return };
    // In a session of the user's, as ssh gives one.
    let lines = "su -l user -c \"cd $PWD && exec /checks --ignored --test-threads=1 scopes::\"
        exec /checks --ignored --test-threads=1 scopes::";
    passed(&machine.run(lines), &[10, 10]);
}

/// Fails unless so many checks passed at least, and all that were run.
#[track_caller]
fn passed(printed: &str, least: &[u32]) {
    println!("{printed}");
    let results = printed.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    let counts: Vec<u32> =
        results.filter_map(|result| result.split(' ').next()?.parse().ok()).collect();
    assert!(
        counts.len() == least.len() && counts.iter().zip(least).all(|(n, least)| n >= least),
        "not every check passed"
    );
    assert_eq!(printed.trim_end().lines().last(), Some("code 0"));
}
