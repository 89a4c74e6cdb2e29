//! The same in virtual machines, with Debian's kernels and cgroup v2: every threat as root and as a
//! user, in a selection of the sandboxes. This very program is what runs there.

use std::path::Path;

use crate::probe::compiled;
use crate::support::{Machine, need, project};
use crate::threats::untried;

/// What is most unlike each other.
const SELECTED: [&str; 15] = [
    "scenes::a_command_of_the_hosts_is_contained",
    "scenes::under_an_init_on_a_terminal_it_is_contained",
    "scenes::a_strict_filter_leaves_nothing_open",
    "scenes::without_a_filter_it_is_contained",
    "scenes::with_sysfs_and_control_groups_it_is_contained",
    "scenes::without_a_user_namespace_it_is_contained",
    "keys::a_listed_capability_is_there_and_no_other",
    "keys::nested_namespaces_open_what_they_need",
    "hostile::a_hostile_root_file_system_reaches_nothing_outside",
    "resources::a_file_system_in_memory_counts_against_the_limit_of_memory",
    "resources::a_flood_that_nobody_reads_holds_nobody_up",
    "resources::a_fork_bomb_gets_no_more_than_the_default",
    "resources::a_tmpfs_holds_what_it_may",
    "resources::stopped_trees_that_ignore_every_signal_are_ended",
    "resources::zombies_are_gone_at_the_end",
];

#[test]
fn every_threat_is_tried_on_linux_6_1() {
    every_threat_is_tried_on("6.1");
}

#[test]
fn every_threat_is_tried_on_linux_6_12() {
    every_threat_is_tried_on("6.12");
}

fn every_threat_is_tried_on(kernel: &str) {
    assert_eq!(untried(&SELECTED), Vec::<&str>::new());
    let Some(tools) = compiled() else { return };
    let programs = ["/usr/bin/bash", "/usr/bin/find", "/usr/bin/diff", "/usr/bin/prlimit"];
    if programs.iter().filter(|program| !need(program)).count() > 0 {
        return;
    }
    let Some(machine) = Machine::new(kernel) else { return };
    programs.map(Path::new).iter().for_each(|program| machine.dynamic(program));
    machine.copy(tools);
    machine.copy(&project().join("tests/containment"));
    let printed = machine.run(&format!(
        "export CI=yes CONTAINMENT_TOOLS={}\nexec /checks --test-threads=1 --exact {}",
        tools.display(),
        SELECTED.join(" ")
    ));
    println!("{printed}");
    for test in SELECTED {
        assert!(printed.contains(&format!("\ntest {test} ... ok\n")), "{test} did not pass");
    }
    assert_eq!(printed.trim_end().lines().last(), Some("code 0"));
}
