//! The probes without a sandbox: those that say `ok` there, too, prove nothing.

use std::process::Command;

use crate::probe::{Verdict, answers, compiled};
use crate::support::{need_root, project, run, shared};

/// On a bare kernel without devices and services. The others ask for what this machine may lack.
const OPEN: usize = 350;

#[test]
fn without_containment_the_probes_are_open() {
    if !need_root() {
        return;
    }
    let Some(tools) = compiled() else { return };
    let place = shared().join(format!("uncontained-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    // What root tries takes effect: on files that are thrown away.
    let mut command = Command::new(project().join("tests/containment/throwaway"));
    command.arg(&place).args([tools.join("outside"), place.clone()]);
    command.args(["--ordinary".as_ref(), "--".as_ref(), tools.join("probe").as_os_str()]);
    let ran = run(command.arg(place.join("facts")));
    std::fs::remove_dir(&place).unwrap();
    // Both trip-wires are torn.
    let ran = ran.expect(99).says("outside: a process was changed");
    assert!(ran.stdout.contains("changed: "), "{}", ran.stdout);
    let told = answers(&ran.stdout);
    let open = told.values().filter(|answer| answer.verdict == Verdict::Open).count();
    assert!(open > OPEN, "only {open} of {} probes are open:\n{}", told.len(), ran.stdout);
}
