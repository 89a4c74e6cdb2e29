//! What a command can't do by default, and what each key opens: as root and as an ordinary user.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Ran, Temp, as_user, need, run, sixdocker};

/// Builds the probe, readable and executable by all; `None` where there is no compiler.
fn probe(temp: &Temp) -> Option<std::path::PathBuf> {
    if !need("cc") {
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/security/probe.c");
    let binary = temp.join("probe");
    let built = run(Command::new("cc").args(["-O1", "-static", "-o"]).arg(&binary).arg(source));
    built.expect(0);
    Some(binary)
}

/// As the caller, and as an ordinary user.
const CALLERS: [fn() -> Command; 2] = [sixdocker, as_user];

/// Runs `sh -c script` in a sandbox with these further lines in its manifest, once for each
/// caller.
fn inside(more: &str, script: &str) -> Vec<Ran> {
    let temp = Temp::new();
    let script = script.replace('\'', "''");
    let file = temp.write("m.yaml", format!("command: ['/bin/sh', '-c', '{script}']\n{more}\n"));
    CALLERS.map(|caller| run(caller().arg("up").arg(&file))).into()
}

/// What the probe is told for each word, once for each caller.
fn answers(more: &str, words: &[&str]) -> Vec<Vec<i32>> {
    let temp = Temp::new();
    let Some(binary) = probe(&temp) else { return Vec::new() };
    let words = words.join(", ");
    let text = format!(
        "command: [/probe, {words}]\nmounts: [{{type: bind, source: {}, target: /probe, exec: true}}]\n{more}\n",
        binary.display()
    );
    let file = temp.write("m.yaml", text);
    let answer = |line: &str| line.rsplit_once(' ').unwrap().1.parse().unwrap();
    let asked = CALLERS.map(|caller| run(caller().arg("up").arg(&file)).expect(0));
    asked.map(|ran| ran.stdout.lines().map(answer).collect()).into()
}

#[track_caller]
fn all_answer(more: &str, words: &[&str], errno: i32) {
    for answers in answers(more, words) {
        let told: Vec<_> = words.iter().zip(answers).filter(|(_, told)| *told != errno).collect();
        assert!(told.is_empty(), "wanted {errno}, got {told:?}");
    }
}

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;

#[test]
fn the_command_has_no_capability_and_gets_none() {
    for ran in inside("", "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status") {
        let ran = ran.expect(0);
        let none = "0000000000000000";
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(ran.stdout.contains(&format!("{set}:\t{none}")), "{}", ran.stdout);
        }
        assert!(ran.stdout.contains("NoNewPrivs:\t1"), "{}", ran.stdout);
        assert!(ran.stdout.contains("Seccomp:\t2"), "{}", ran.stdout);
    }
}

#[test]
fn a_listed_capability_is_there_and_no_other() {
    for ran in inside("security: {capabilities: [NET_RAW]}", "grep ^Cap /proc/self/status") {
        let ran = ran.expect(0);
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert!(ran.stdout.contains(&format!("{set}:\t0000000000002000")), "{}", ran.stdout);
        }
    }
}

#[test]
fn nothing_is_open_beyond_the_standard_streams() {
    // The shell itself looks, so that no pipe of its own is among them.
    let script =
        "n=0; while [ $n -lt 1024 ]; do [ -h /proc/self/fd/$n ] && echo $n; n=$((n+1)); done";
    for ran in inside("", &format!("{script}; true")) {
        assert_eq!(ran.expect(0).stdout, "0\n1\n2\n");
    }
}

#[test]
fn kernel_paths_are_masked_and_read_only() {
    let script = "for f in /proc/kcore /proc/keys /proc/timer_list; do [ ! -e $f ] || [ ! -s $f ] && \
        [ -z \"$(head -c1 $f 2>/dev/null)\" ] || echo open $f; done; \
        for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do \
        (echo x > $f) 2>/dev/null && echo wrote $f; done; true";
    for ran in inside("", script) {
        assert_eq!(ran.expect(0).stdout, "");
    }
}

#[test]
fn refused_calls_get_eperm() {
    let words = [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "open_tree",
        "move_mount",
        "fsopen",
        "fsmount",
        "mount_setattr",
        "unshare",
        "clone_user",
        "setns",
        "bpf",
        "keyctl",
        "add_key",
        "request_key",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "kexec_load",
        "init_module",
        "finit_module",
        "reboot",
        "swapon",
        "quotactl",
        "acct",
        "settimeofday",
        "clock_settime",
        "kcmp",
        "open_by_handle_at",
        "syslog",
        "personality",
        "af_vsock",
        "af_alg",
        "tiocsti",
        "tiocsti_high",
        "tioclinux",
        "sethostname",
    ];
    all_answer("", &words, EPERM);
}

#[test]
fn calls_that_are_not_there_get_enosys() {
    all_answer("", &["clone3", "newer", "x32", "int80"], ENOSYS);
}

#[test]
fn levels_differ() {
    all_answer("", &["af_netlink", "af_unix"], 0);
    all_answer("security: strict", &["ptrace", "af_netlink"], EPERM);
    all_answer("security: strict", &["af_unix"], 0);
    all_answer("security: loose", &["personality"], 0);
    all_answer("security: loose", &["unshare", "mount", "keyctl", "tiocsti"], EPERM);
}

#[test]
fn nested_namespaces_open_what_they_need() {
    all_answer("security: {nested_namespaces: true}", &["clone_user", "unshare"], 0);
}

#[test]
fn without_a_filter_namespaces_stay_shut() {
    for told in answers("security: {seccomp: none}", &["clone_user", "unshare"]).concat() {
        assert_ne!(told, 0, "a user namespace was made inside");
    }
}

#[test]
fn a_refusal_can_kill() {
    let more = "security: {seccomp: {base: default, refuse_with: kill}}";
    for ran in inside(more, "unshare -U true; echo alive") {
        assert!(ran.stdout.contains("alive"), "{ran:?}");
        assert!(ran.stderr.contains("Bad system call"), "{ran:?}");
    }
}

#[test]
fn landlock_is_a_word_of_the_manifest() {
    for word in ["auto", "none"] {
        for ran in inside(&format!("security: {{landlock: {word}}}"), "echo in") {
            assert_eq!(ran.expect(0).stdout, "in\n");
        }
    }
    let here = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    for ran in inside("security: {landlock: required}", "echo in") {
        let there = ran.code() == 0;
        assert!(there || (ran.code() == 125 && ran.stderr.contains("Landlock")), "{ran:?}");
        assert!(there || !here.contains("landlock"), "{ran:?}");
    }
}

/// Landlock would hide a way out of the mounts, so it is left out here: nothing of the old root
/// may be mounted anywhere, and `/..` is `/` itself.
#[test]
fn the_old_root_is_gone_whatever_the_new_one_is() {
    let root = support::busybox_root();
    let root = root.display();
    let rootfs = [
        "rootfs: host".to_owned(),
        "files: {/etc/motd: hello}".to_owned(),
        format!("rootfs: {root}"),
        format!("rootfs: {root}\nfiles: {{/etc/group: hello}}"),
        format!("rootfs: {{path: {root}, write: none}}"),
    ];
    for more in rootfs {
        let more = format!("{more}\nsecurity: {{landlock: none}}");
        let script = "ls /; echo and; ls /..; echo and; cat /proc/self/mountinfo";
        for ran in inside(&more, script) {
            let told = ran.expect(0).stdout;
            let [root, above, mounts] = told.split("and\n").collect::<Vec<_>>()[..] else {
                panic!("{told}")
            };
            assert_eq!(root, above, "{more}");
            let roots = mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/"));
            assert_eq!(roots.count(), 1, "{more}\n{mounts}");
        }
    }
}

/// Where the file system lets the ids of a mount be mapped, as ext4, xfs and btrfs do.
#[test]
fn roots_sandboxes_have_ids_that_are_nobodys_and_leave_files_of_roots() {
    if !support::need_root() {
        return;
    }
    let temp = Temp::new();
    support::busybox_root_at(&temp.join("root"));
    std::fs::create_dir(temp.join("data")).unwrap();
    let text = "rootfs: {path: root, write: direct}\nmounts: ['./data:/home:rw']\n\
                command: [sh, -c, 'cat /proc/self/uid_map; touch /made /home/made; \
                stat -c %u /bin /made /home/made; echo anew > /dev/stdout']\n";
    let file = temp.write("m.yaml", text);
    let plan = run(sixdocker().arg("plan").arg(&file)).expect(0).stdout;
    if plan.contains("does not let the ids of a mount be mapped") {
        return support::missing(
            "a file system whose ids can be mapped, below the target directory",
        );
    }
    let ran = run(sixdocker().arg("up").arg(&file)).expect(0);
    let words: Vec<_> = ran.stdout.split_whitespace().collect();
    assert_eq!((words[0], words[2]), ("0", "1"), "{}", ran.stdout);
    assert!(words[1].parse::<u32>().unwrap() >= 0x8_0000, "{}", ran.stdout);
    assert_eq!(words[3..], ["0", "0", "0", "anew"]);
    for made in ["root/made", "data/made"] {
        let seen = std::fs::metadata(temp.join(made)).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&seen), 0, "{made}");
    }
}
