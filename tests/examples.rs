//! Every example runs and does what its comment says: as root, and as an ordinary user with a range
//! of subordinate ids and without one, here and in virtual machines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;
use support::{
    Console, Machine, Ran, as_user, as_user_with, busybox_root, busybox_root_of_user, is_emulated,
    is_root, need, project, run, shared, sixdocker,
};

/// Emulated machines leave little of the processors to others: who needs two seconds of one within
/// ten waits until none runs.
static PROCESSORS: RwLock<()> = RwLock::new(());

/// Who runs an example, with a root file system of its own.
struct Caller {
    command: Command,
    root: PathBuf,
    /// It can make control groups, which others may or may not.
    has_groups: bool,
    /// It may have more ids than one.
    has_ids: bool,
}

/// Root and an ordinary user with a range of ids and without one; where the tests don't run as root,
/// whoever runs them.
fn callers() -> Vec<Caller> {
    let user = |command, has_ids| Caller {
        command,
        root: busybox_root_of_user(),
        // In the virtual machine, a group was delegated to whoever runs the tests.
        has_groups: !is_root() && is_emulated(),
        has_ids,
    };
    if !is_root() {
        return vec![user(as_user(), has_range())];
    }
    let mut all = vec![Caller {
        command: sixdocker(),
        root: busybox_root(),
        has_groups: true,
        has_ids: true,
    }];
    for (name, text) in [("no-range", ""), ("range", "1000:100000:65536\n")] {
        let ranges = shared().join(name);
        fs::write(&ranges, text).unwrap();
        all.push(user(as_user_with(&ranges), !text.is_empty()));
    }
    all
}

/// Whether whoever runs this has a range.
fn has_range() -> bool {
    let names = [["-u"], ["-un"]].map(|words| run(Command::new("id").args(words)).expect(0).stdout);
    let own = |line: &str| names.iter().any(|name| line.starts_with(&format!("{}:", name.trim())));
    let listed = |path: &str| fs::read_to_string(path).is_ok_and(|text| text.lines().any(own));
    need("newuidmap") && listed("/etc/subuid") && listed("/etc/subgid")
}

impl Caller {
    fn up(&mut self, example: &str) -> Ran {
        run(self.command.env("ROOT", &self.root).args(["up", &format!("examples/{example}.yaml")]))
    }

    /// The same for an example with limits. Who can make no control group is refused, told so by
    /// every limit's line, and has not seen the command start: root never is, a user on most
    /// machines with cgroup v1.
    fn up_limited(&mut self, example: &str) -> Option<Ran> {
        let ran = self.up(example);
        let refused = ran.code() == 125 && ran.stderr.contains("[unavailable]");
        assert!(!(refused && self.has_groups), "{ran:?}");
        if !refused {
            return Some(ran);
        }
        assert_eq!(ran.stdout, "");
        _ = ran.says(&format!("{example}.yaml:")).says("limits.memory").says("a group");
        None
    }
}

#[test]
fn hello_says_hello() {
    for mut caller in callers() {
        let ran = caller.up("hello").expect(0);
        assert_eq!(ran.stdout, "hello from the sandbox\n");
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn shell_is_one() {
    for Caller { mut command, root, .. } in callers() {
        command.env("ROOT", root).args(["up", "examples/shell.yaml"]);
        let mut console = Console::start(&command);
        console.expect("box:/# ");
        console.ask("echo $((6 * 7)) on $(hostname)", "42 on box");
        console.send("touch /here && ls /here; exit 3\n");
        console.expect("\r\n/here");
        assert_eq!(console.finish().0, 3, "{}", console.text());
    }
    assert!(!busybox_root().join("here").exists());
}

#[test]
fn shell_names_the_variable_that_it_needs() {
    run(sixdocker().args(["up", "examples/shell.yaml"]))
        .expect(125)
        .says("the directory of a busybox root file system");
}

#[test]
fn memory_is_limited() {
    for mut caller in callers() {
        if let Some(ran) = caller.up_limited("memory") {
            ran.expect(137).says("memory limit of 50 MiB (peak ");
        }
    }
}

#[test]
fn ci_counts_lines() {
    for mut caller in callers() {
        let ran = caller.up("ci").expect(0);
        let lines: u32 = ran.stdout.strip_suffix(" lines\n").unwrap().parse().unwrap();
        assert!(lines > 5);
    }
}

#[test]
fn judge_judges() {
    for mut caller in callers() {
        if let Some(ran) = caller.up_limited("judge") {
            assert_eq!(ran.expect(0).stdout, "42\n");
        }
    }
}

#[test]
fn judge_ends_who_wants_too_much() {
    let _all = PROCESSORS.write().unwrap_or_else(PoisonError::into_inner);
    let submissions = [
        ("head -c 3000000 /dev/zero", 137, "output limit of 1 MiB"),
        ("while :; do :; done", 124, "processor time limit of 2 s"),
        ("dd if=/dev/zero of=/dev/null bs=100M", 137, "memory limit of 64 MiB"),
    ];
    for (submission, code, words) in submissions {
        for mut caller in callers() {
            caller.command.env("SUBMISSION", submission);
            if let Some(ran) = caller.up_limited("judge") {
                ran.expect(code).says(words);
            }
        }
    }
}

#[test]
fn all_keys_run() {
    for mut caller in callers() {
        let ran = caller.up("all-keys").expect(0);
        let said = "first second\ntwo from-a-file\na file of the manifest's\n";
        assert_eq!(ran.stdout, said, "{}", ran.stderr);
    }
}

#[test]
fn ids_are_those_of_a_range() {
    for mut caller in callers() {
        let ran = caller.up("ids");
        if caller.has_ids {
            assert_eq!(ran.expect(0).stdout, "33\n33 44 55\n");
            continue;
        }
        let ran = ran.expect(125).says("ids.yaml:9:").says("more ids than the caller's own");
        assert_eq!(ran.stdout, "");
        if is_root() {
            let way = "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ";
            _ = ran.says("/etc/subuid and /etc/subgid have no range for `").says(way);
        }
    }
}

#[test]
fn every_example_is_good_to_check_and_plan() {
    for entry in fs::read_dir(project().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            for Caller { mut command, root, has_groups, has_ids } in callers() {
                command.env("ROOT", root);
                let ran = run(command.arg("check").arg(&path));
                // What can't be had is a fault of this host, told as one.
                let refused = (!has_groups && ran.stdout.contains("[unavailable]"))
                    || (!has_ids && ran.stdout.contains("[no_subordinate_ids]"));
                assert!(ran.code() == 0 || refused, "{ran:?}");
            }
            let planned = run(sixdocker()
                .env("ROOT", busybox_root())
                .args(["plan", "--host", "tests/plans/hosts/user-delegated.json"])
                .arg(&path));
            assert!(planned.expect(0).stdout.contains("exec "), "{}", path.display());
        }
    }
}

/// These very tests run in virtual machines with cgroup v2: as uid 1000 in a group that was delegated
/// to it, with and without a range, and as root.
fn every_example_runs_on(kernel: &str) {
    let _some = PROCESSORS.read().unwrap_or_else(PoisonError::into_inner);
    let Some(machine) = Machine::new(kernel) else { return };
    for name in ["examples", "schema", "README.md", "CHANGELOG.md", "tests/plans"] {
        machine.copy(&project().join(name));
    }
    let lines = r"
        export CI=yes
        group=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/run.scope
        as_user() {
            (echo 0 >$group/cgroup.procs; exec /usr/bin/setpriv --reuid=1000 --regid=1000 --clear-groups \
                /checks --test-threads=1 --skip on_linux)
        }
        as_user
        : >/etc/subuid
        : >/etc/subgid
        as_user
        # It belongs to the user.
        rm -r TEMPORARY/busybox
        exec /checks --test-threads=1 --skip on_linux";
    let printed = machine.run(&lines.replace("TEMPORARY", env!("CARGO_TARGET_TMPDIR")));
    println!("{printed}");
    let passed = printed.lines().filter(|line| line.starts_with("test result: ok. 11 passed"));
    assert_eq!(passed.count(), 3, "not every example ran");
    assert_eq!(printed.trim_end().lines().last(), Some("code 0"));
}

#[test]
fn every_example_runs_on_linux_6_1() {
    every_example_runs_on("6.1");
}

#[test]
fn every_example_runs_on_linux_6_12() {
    every_example_runs_on("6.12");
}

/// Places in the schema that the example can't have besides what it has, or that would need
/// more on the machine than a root file system: a directory to write to, a group to be in.
const OTHERWISE: [&str; 7] = [
    "/rootfs/host",
    "/rootfs/write/keep",
    "/$schema",
    "/mounts/options",
    "/mounts/upper",
    "/mounts/work",
    "/cgroup/parent",
];

/// One limit shows the two halves that each of them may have.
fn is_half(place: &str) -> bool {
    let half = place.ends_with("/soft") || place.ends_with("/hard");
    half && place.starts_with("/ulimits/") && !place.starts_with("/ulimits/core/")
}

#[test]
fn all_keys_has_all_keys() {
    let text = fs::read_to_string(project().join("schema/manifest.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let text = fs::read_to_string(project().join("examples/all-keys.yaml")).unwrap();
    let example: Value = serde_yaml::from_str(&text).unwrap();
    let mut missing = Vec::new();
    compare(&schema, &schema, &[&example], "", &mut missing);
    missing.retain(|place| !OTHERWISE.contains(&place.as_str()) && !is_half(place));
    assert!(missing.is_empty(), "keys of the schema that the example does not show: {missing:#?}");
}

/// Compares what the schema allows in one place with all values that the example has there.
fn compare(
    whole: &Value,
    schema: &Value,
    values: &[&Value],
    place: &str,
    missing: &mut Vec<String>,
) {
    for form in forms(whole, schema) {
        let items: Vec<_> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        if let (Some(schema), false) = (form.get("items"), items.is_empty()) {
            compare(whole, schema, &items, place, missing);
        }
        for (key, schema) in form.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let below: Vec<_> = values.iter().filter_map(|value| value.get(key)).collect();
            let place = format!("{place}/{key}");
            if below.is_empty() && !missing.contains(&place) {
                missing.push(place.clone());
            }
            compare(whole, schema, &below, &place, missing);
        }
    }
}

/// The schema itself with references followed, and every branch of it.
fn forms<'s>(whole: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let mut found = vec![schema];
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        found.extend(forms(whole, whole.pointer(&reference[1..]).unwrap()));
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        for branch in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
            found.extend(forms(whole, branch));
        }
    }
    found
}
