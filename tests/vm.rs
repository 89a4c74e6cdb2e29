//! On cgroup v2, which the machine at hand may not have: in a virtual machine, with Debian's
//! kernels. This very program is what runs there: the tests of `checks`, which are ignored here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "vm/checks.rs"]
mod checks;
#[path = "vm/scopes.rs"]
mod scopes;
mod support;

use sixdocker::host::Host;
use support::{Machine, project};

#[test]
fn every_check_passes_on_linux_6_1() {
    let Some(machine) = Machine::new("6.1") else { return };
    passed(&machine.run("exec /checks --ignored --test-threads=1 checks::"), &[31]);
}

#[test]
fn every_check_passes_on_linux_6_12() {
    let Some(machine) = Machine::new("6.12") else { return };
    let printed = machine.run(&format!("{RECORD}exec /checks --ignored --test-threads=1 checks::"));
    passed(&printed, &[31]);
    recorded(&printed, &["user-delegated", "user-alone", "nested"]);
}

#[test]
fn scopes_are_had_of_systemd() {
    let Some(machine) = Machine::with_systemd("6.12") else { return };
    // In sessions, as ssh gives them.
    let printed = machine.run(
        r#"
        for name in root user; do
            case $name in root) echo "host root-v2" ;; *) echo "host user-systemd" ;; esac
            su -l $name -c "$SIXDOCKER doctor --format json" || true
        done
        su -l user -c "cd $PWD && exec /checks --ignored --test-threads=1 scopes::"
        exec /checks --ignored --test-threads=1 scopes::"#,
    );
    passed(&printed, &[12, 12]);
    recorded(&printed, &["root-v2", "user-systemd"]);
}

/// What `doctor` tells of callers on a machine without systemd: one with a delegated group, one
/// with none, and root of a container whose /proc is masked.
const RECORD: &str = r#"
    user=/sys/fs/cgroup/user.slice/user-1000.slice
    as() {
        echo "host $1"
        (echo 0 >$user/$2/cgroup.procs; shift 2; exec "$@") || true
    }
    me="/usr/bin/setpriv --reuid=1000 --regid=1000"
    as user-delegated user@1000.service/run.scope $me --groups=27,44 $SIXDOCKER doctor --format json
    as user-alone session-1.scope $me --clear-groups $SIXDOCKER doctor --format json
    as nested session-1.scope $me --clear-groups /usr/bin/unshare -UrmpfC --mount-proc sh -c "
        mount -t tmpfs fs /sys/fs
        mkdir /sys/fs/cgroup
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        mount -o remount,bind,ro /sys/fs/cgroup
        mount -t tmpfs -o ro tmpfs /proc/acpi
        $SIXDOCKER doctor --format json"
    "#;

/// Fails unless so many checks passed at least, and all that were run.
#[track_caller]
fn passed(printed: &str, least: &[u32]) {
    println!("{printed}");
    let results = printed.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    let counts: Vec<u32> =
        results.filter_map(|result| result.split(' ').next()?.parse().ok()).collect();
    let enough =
        counts.len() == least.len() && counts.iter().zip(least).all(|(n, least)| n >= least);
    assert!(enough, "not every check passed");
    assert_eq!(printed.trim_end().lines().last(), Some("code 0"));
}

/// Compares the hosts that were printed with those that plans are pinned for, or with UPDATE
/// writes them.
#[track_caller]
fn recorded(printed: &str, names: &[&str]) {
    let mut blocks = printed.split("host ").skip(1);
    for name in names {
        let (found, json) = blocks.next().unwrap().split_once('\n').unwrap();
        assert_eq!(found, *name);
        let json = json.split_inclusive('\n').take_while(|line| *line != "}\n").collect::<String>();
        let mut host: Host = serde_json::from_str(&(json + "}")).unwrap();
        "4242".clone_into(&mut host.run);
        let path = project().join(format!("tests/plans/hosts/{name}.json"));
        if std::env::var_os("UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&host).unwrap() + "\n";
            std::fs::write(path, text).unwrap();
            continue;
        }
        let mut known: Host =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        // These change with the kernel's version, the machine's memory, and systemd's doings.
        known.kernel.clone_from(&host.kernel);
        known.limits.clone_from(&host.limits);
        let enabled = |host: &Host| host.cgroups.as_ref()?.unified.clone().map(|it| it.enable);
        if let (Some(now), Some(unified)) =
            (enabled(&host), known.cgroups.as_mut().and_then(|it| it.unified.as_mut()))
        {
            unified.enable = now;
        }
        assert_eq!(host, known, "{name} is not what it was: UPDATE=1 records it anew");
    }
}
