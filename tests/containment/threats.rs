//! What a hostile program, root file system or caller may try, and what tries it here.
//!
//! Every probe belongs to a threat, and every threat has a probe, or a test of these files.

use std::collections::BTreeSet;

use crate::probe::list;

/// The tests that these threats are tried by, beside the probes.
const TESTS: [&str; 7] = [
    HOSTILE,
    include_str!("resources.rs"),
    include_str!("keys.rs"),
    include_str!("../endings.rs"),
    include_str!("../limits.rs"),
    include_str!("../terminal.rs"),
    CHECKS,
];

/// Those of hostile root file systems are one test, and those of the virtual machine run there.
const HOSTILE: &str = include_str!("hostile.rs");
const CHECKS: &str = include_str!("../vm/checks.rs");

/// `group name` of a probe, where `*` at the end stands for any rest; without a blank, the name
/// of a test.
type Tried = &'static [&'static str];

const THREATS: &[(&str, Tried)] = &[
    // Inside view.
    (
        "descriptors of the caller's (CVE-2024-21626)",
        &["inside descriptors", "inside descriptors_of_all"],
    ),
    ("a directory as a standard stream", &["inside stream_*"]),
    ("a working directory outside", &["inside cwd", "inside climb_from:*"]),
    ("the old root above the new", &["inside above_root", "inside one_root"]),
    ("links of /proc that lead outside", &["inside links_of_all"]),
    (
        "the caller's environment",
        &["inside own_environment", "inside all_environments", "inside loader_variables"],
    ),
    (
        "the caller's signal mask and dispositions",
        &["inside signal_mask", "inside ignored_signals", "inside pending_*"],
    ),
    ("the caller's timers", &["inside timer_0", "inside timer_1", "inside timer_2"]),
    ("the caller's umask", &["inside umask"]),
    ("the caller's keys", &["inside key_*"]),
    ("the caller's limits", &["inside *_limit"]),
    ("the caller's personality", &["inside personality"]),
    (
        "the caller's rank",
        &[
            "inside scheduler",
            "inside niceness",
            "inside io_priority",
            "inside timer_slack",
            "inside oom_score",
        ],
    ),
    ("the caller's groups", &["inside supplementary_groups"]),
    ("ids that are somebody's outside", &["inside one_id", "inside outer_root_*"]),
    ("capabilities (CVE-2022-29162)", &["inside capabilities_*", "escape gain_*"]),
    (
        "new privileges and securebits",
        &[
            "inside no_new_privileges",
            "inside securebits",
            "escape undo_no_new_privileges",
            "escape change_securebits",
        ],
    ),
    ("no filter", &["inside filtered"]),
    (
        "the first process's memory and files",
        &[
            "inside pid_1_*",
            "escape trace_pid_1",
            "escape read_pid_1",
            "escape descriptor_of_pid_1",
        ],
    ),
    ("a tracer (CVE-2016-9962)", &["inside not_traced"]),
    (
        "namespaces of the caller's",
        &["inside namespace_*", "inside hostname", "inside cgroup_path"],
    ),
    (
        "processes of the host's",
        &[
            "inside first_process",
            "inside few_processes",
            "neighbours process_in_proc",
            "neighbours host_process_by_*",
        ],
    ),
    (
        "the caller's session and terminal (CVE-2017-5226)",
        &["inside session", "inside controlling_terminal", "calls tioc*"],
    ),
    (
        "a parent that died",
        &[
            "nothing_outlives_a_runner_that_is_killed_at_any_moment",
            "the_next_run_removes_what_a_killed_runner_left",
        ],
    ),
    (
        "files of the host's",
        &["inside secret_by_name", "inside host_file:*", "inside host_usr_is_read_only"],
    ),
    (
        "setuid files, devices and programs on mounts",
        &[
            "inside every_mount_*",
            "inside no_programs_in_*",
            "setuid_programs_have_no_effect",
            "escape give_a_file_away",
        ],
    ),
    ("mounts that reach outside", &["inside no_shared_mounts", "inside no_slave_mounts"]),
    // Kernel surface.
    ("mounting", &["escape mount_*", "escape bind_*", "escape move_proc", "escape share_root"]),
    ("remounting", &["escape remount_*"]),
    ("unmounting a mask", &["escape umount:*", "calls umount2"]),
    (
        "the newer mount calls",
        &[
            "escape fsmount_*",
            "escape open_tree_*",
            "escape fspick_proc",
            "calls open_tree*",
            "calls move_mount",
            "calls fs*",
            "calls mount*",
        ],
    ),
    (
        "changing the root",
        &[
            "escape chroot",
            "escape leave_by_chroot",
            "escape pivot_root",
            "calls chroot",
            "calls pivot_root",
        ],
    ),
    ("new namespaces", &["escape unshare_*", "escape clone_*", "escape clone3_*", "calls unshare"]),
    ("namespaces of others", &["escape setns_*", "calls setns"]),
    ("other ids", &["escape become_*", "escape take_groups", "escape map_*"]),
    (
        "tracing and memory of others",
        &["calls ptrace", "calls process_*", "calls pidfd_getfd", "calls kcmp"],
    ),
    (
        "bpf, perf, userfaultfd, io_uring",
        &["calls bpf", "calls perf_event_open", "calls userfaultfd", "calls io_uring_*"],
    ),
    ("modules and kexec", &["calls *_module", "calls kexec_*"]),
    ("key management", &["calls keyctl", "calls add_key", "calls request_key"]),
    ("clocks and names", &["escape set_*", "calls *time*", "calls set*name", "calls clock_*"]),
    (
        "quotas, swap, accounting, reboot",
        &["calls quotactl*", "calls swap*", "calls acct", "calls reboot"],
    ),
    ("hanging up terminals", &["escape vhangup"]),
    (
        "handles past the root (shocker)",
        &["escape open_by_handle", "escape root_inode_by_handle", "calls *handle_at"],
    ),
    ("watching the file system", &["escape fanotify_of_all", "calls fanotify_*"]),
    ("a command that outlives its runner", &["calls death_signal*"]),
    ("the kernel's log", &["calls syslog*", "paths read:/proc/kmsg"]),
    ("memory policy", &["calls mbind", "calls *mempolicy*", "calls m*_pages"]),
    ("ports and old hardware", &["calls io*", "calls modify_ldt"]),
    ("personalities", &["calls personality_*"]),
    (
        "calls that are no more, and new ones",
        &[
            "calls _sysctl",
            "calls afs_syscall",
            "calls get*pmsg",
            "calls putpmsg",
            "calls security",
            "calls tuxcall",
            "calls uselib",
            "calls ustat",
            "calls sysfs",
            "calls vserver",
            "calls nfsservctl",
            "calls lookup_dcookie",
            "calls get_kernel_syms",
            "calls epoll_*_old",
            "calls memfd_secret",
            "calls cachestat",
            "calls map_shadow_stack",
            "calls statmount",
            "calls listmount",
            "calls lsm_*",
            "calls file_setattr",
        ],
    ),
    (
        "numbers that nobody knows",
        &[
            "calls unknown_number",
            "calls far_number",
            "calls highest_number",
            "calls negative_number",
            "escape clone3_falls_back",
        ],
    ),
    ("the 32-bit entry", &["calls int80_*"]),
    ("the x32 entry", &["calls x32_*"]),
    (
        "AF_VSOCK and AF_ALG (CVE-2026-31431)",
        &["calls af_vsock*", "calls af_alg*", "neighbours vsock_to_host"],
    ),
    ("raw sockets and rare families", &["calls af_*", "calls raw_*"]),
    ("netlink", &["calls netlink_*", "neighbours uevents", "neighbours change_network"]),
    ("process controls", &["calls prctl_*"]),
    // Paths of the kernel.
    ("what /proc tells of the machine", &["paths read:/proc/*", "paths list:/proc/*"]),
    ("what /sys tells of the machine", &["paths read:/sys/*", "paths list:/sys/*"]),
    (
        "addresses and memory of the kernel",
        &["paths addresses:*", "paths memory:*", "paths page_frames"],
    ),
    ("commands in /proc", &["paths write:/proc/*"]),
    ("commands in /sys", &["paths write:/sys/*"]),
    (
        "control groups and release_agent (CVE-2022-0492)",
        &[
            "paths cgroups_are_read_only",
            "paths write:/sys/fs/cgroup*",
            "paths mkdir:/sys/fs/cgroup*",
        ],
    ),
    ("files made among the kernel's", &["paths mkdir:*"]),
    ("file systems of the kernel's", &["paths mounted:*"]),
    // Devices.
    ("nodes beyond the standard ones", &["devices only_standard_nodes:*", "devices absent:*"]),
    ("nodes that are made", &["devices mknod_*"]),
    ("nodes that are something else", &["devices standard:*"]),
    ("the inodes of the host's nodes", &["devices unchanged:*"]),
    ("terminals of the host's", &["devices own_terminals", "devices own_ptmx"]),
    ("all terminals of the machine", &["devices bounded_terminals"]),
    ("the mode of the host's /dev/null, through a stream", &["devices null_stream_keeps_mode"]),
    (
        "what holds up others: a stopped terminal, a lease, all of the machine's aio",
        &["calls terminal_*", "calls lease", "calls io_setup"],
    ),
    ("shared memory and queues of the host's", &["devices host_*", "devices own_shm"]),
    // Neighbours.
    (
        "abstract sockets (CVE-2020-15257)",
        &["neighbours abstract_*", "neighbours unix_sockets_in_proc"],
    ),
    ("services on sockets in files", &["neighbours socket_file", "neighbours service:*"]),
    ("services on the loopback device", &["neighbours loopback_*", "neighbours ports_in_proc"]),
    (
        "networks",
        &[
            "neighbours route*",
            "neighbours only_loopback",
            "neighbours interfaces_in_proc",
            "neighbours force_buffers",
        ],
    ),
    (
        "System V IPC",
        &[
            "neighbours shared_memory*",
            "neighbours semaphores",
            "neighbours messages",
            "neighbours *_in_proc",
        ],
    ),
    // Root file system as attacker.
    (
        "places of the kernel that are links (CVE-2026-47766)",
        &["places_of_the_kernel_are_anything"],
    ),
    (
        "mount targets that are links",
        &["places_of_mounts_are_anything", "files_of_the_sandbox_are_anything"],
    ),
    (
        "names that are swapped (CVE-2021-30465, CVE-2019-19921)",
        &["nothing_is_reached_by_swapping_names"],
    ),
    ("account files that block or don't end", &["accounts_are_anything", "accounts_hold_anything"]),
    (
        "the runner as the command (CVE-2019-5736)",
        &["the_command_is_never_the_runner_nor_the_hosts"],
    ),
    ("odd names", &["names_hold_anything"]),
    // Resources.
    (
        "fork bombs and threads",
        &["a_fork_bomb_gets_no_more_than_the_default", "threads_count_as_processes"],
    ),
    (
        "memory bombs",
        &[
            "one_process_out_of_memory_is_the_end_of_all",
            "a_file_system_in_memory_counts_against_the_limit_of_memory",
        ],
    ),
    (
        "filling file systems",
        &[
            "a_tmpfs_holds_what_it_may",
            "resources size:*",
            "resources inodes:*",
            "resources closed_root",
        ],
    ),
    (
        "flooding the output",
        &["a_flood_that_nobody_reads_holds_nobody_up", "output_is_counted_and_cut"],
    ),
    ("zombies and orphans", &["zombies_are_gone_at_the_end", "orphans_are_gone_at_the_end"]),
    ("stopped and deaf trees", &["stopped_trees_that_ignore_every_signal_are_ended"]),
    ("raising one's own limits", &["resources raise_*"]),
    (
        "going before others",
        &[
            "resources realtime_*",
            "resources deadline",
            "resources better_*",
            "resources spare_from_oom_killer",
        ],
    ),
    (
        "memory that can't be had back",
        &[
            "resources lock_much_memory",
            "resources huge_pages",
            "resources big_pipe",
            "resources map_page_zero",
        ],
    ),
];

fn matches(pattern: &str, probe: &str) -> bool {
    let mut rest = probe;
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap();
    if !rest.starts_with(first) {
        return false;
    }
    rest = &rest[first.len()..];
    for part in parts {
        match rest.find(part) {
            Some(_) if part.is_empty() => return true,
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

fn defines(text: &str, test: &str) -> bool {
    text.contains(&format!("fn {test}("))
}

/// The threats that are tried neither by one of these tests nor by the virtual machine's checks.
pub(crate) fn untried(tests: &[&str]) -> Vec<&'static str> {
    let runs = |name: &str| tests.iter().any(|test| test.rsplit(':').next() == Some(name));
    let scenes = tests.iter().any(|test| test.starts_with("scenes::"));
    let hostile = tests.iter().any(|test| test.starts_with("hostile::"));
    let is_tried = |tried: &&str| {
        let probe = tried.contains(' ') && scenes;
        probe || runs(tried) || defines(CHECKS, tried) || hostile && defines(HOSTILE, tried)
    };
    let untried = THREATS.iter().filter(|(_, tried)| !tried.iter().any(is_tried));
    untried.map(|(threat, _)| *threat).collect()
}

#[test]
fn every_threat_is_tried_and_every_probe_is_a_threats() {
    let Some(probes) = list() else { return };
    let mut unknown: BTreeSet<String> =
        probes.into_iter().map(|(group, name)| format!("{group} {name}")).collect();
    let all = unknown.clone();
    for (threat, tried) in THREATS {
        for pattern in *tried {
            if pattern.contains(' ') {
                let tried = all.iter().any(|probe| matches(pattern, probe));
                // Some ways into the kernel are of x86-64 alone.
                assert!(tried || !cfg!(target_arch = "x86_64"), "{threat}: {pattern}");
                unknown.retain(|probe| !matches(pattern, probe));
            } else {
                assert!(TESTS.iter().any(|test| defines(test, pattern)), "{threat}: {pattern}");
            }
        }
    }
    assert!(unknown.is_empty(), "of no threat: {unknown:?}");
}
