//! `audit`: every hole is told, by the key that opens it, and none is free.
//!
//! `UPDATE=1 cargo test --test audit` writes the pinned listings anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};
use sixdocker::audit::{self, Score};
use sixdocker::host::{Host, ResourceLimit};
use sixdocker::inputs::{Found, Inputs};
use sixdocker::manifest::{Manifest, Variables};
use sixdocker::plan::{Line, Opening, Plan};
use sixdocker::planner;
use sixdocker::render::Style;
use sixdocker::source::{Document, Source};
use support::{Temp, run, sixdocker};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn host(name: &str) -> Host {
    support::host(&here().join("plans/hosts").join(name).with_extension("json"))
}

fn document(text: &str) -> (Source, Document) {
    let source = Source::new("audited", text);
    let document = Document::read(&source).unwrap();
    (source, document)
}

fn manifest(text: &str) -> Manifest {
    let variables = Variables { set: BTreeMap::new(), environment: BTreeMap::new() };
    Manifest::read(&document(text).1, &variables).unwrap_or_else(|all| panic!("{text}\n{all:#?}"))
}

/// What a machine of nobody's holds, with all that a manifest could show.
fn inputs() -> Inputs {
    let mut inputs = support::inputs("audited");
    let profile = r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#;
    let more = [
        ("/m/open.json", Found::File(Some(profile.into()))),
        ("/m/profiles/open.json", Found::File(Some(profile.into()))),
        ("/m/profiles", Found::Directory),
        ("/m/env", Found::File(Some("GIVEN=1\nFROM_CALLER\n".into()))),
        ("/m/alias", Found::Directory),
        ("/etc", Found::Directory),
        ("/run/docker.sock", Found::Other("a socket")),
        ("/run/other.sock", Found::Other("a socket")),
        ("/dev/mem", Found::Device('c', 1, 1)),
        ("/m/tokens", Found::File(Some("token".into()))),
    ];
    inputs.paths.extend(more.map(|(path, found)| (path.into(), found)));
    inputs.real.insert("/m/alias".into(), "/etc".into());
    inputs.environment.insert("HOME".into(), "/m".into());
    inputs.environment.insert("FROM_CALLER".into(), "1".into());
    inputs.inside.clear();
    inputs
}

fn plan(manifest: &Manifest, host: &Host) -> Option<Plan> {
    planner::plan(manifest, host, &inputs()).ok()
}

/// Every hole, with keys that open it, and a machine on which they do.
#[allow(clippy::too_many_lines, reason = "a table")]
fn openings() -> Vec<(Opening, Value, &'static str)> {
    use Opening as O;
    let (root, hybrid) = ("root-v2", "root-hybrid");
    let (user, alone) = ("user-delegated", "user-alone");
    let security = |value: Value| json!({ "security": value });
    let mount = |value: Value| json!({ "mounts": [value] });
    vec![
        (O::HostIds, json!({"userns": "host"}), root),
        (O::HostRoot, json!({"devices": ["/dev/kvm"]}), root),
        (
            O::AllIds,
            json!({"devices": ["/dev/kvm"], "security": {"capabilities": ["CHOWN"]}}),
            root,
        ),
        (O::HostGroup, json!({"userns": "host", "groups": [44]}), root),
        (O::CallerGroups, json!({}), "keeping groups"),
        (O::HostProcesses, json!({"namespaces": {"pid": "host"}}), user),
        (O::HostProcesses, json!({"proc": "outer"}), user),
        (O::HostProcesses, json!({"allow_degraded": ["pid_namespace"]}), "nested"),
        (O::LeftBehind, json!({"namespaces": {"pid": "host"}}), alone),
        (O::Untied, security(json!({"seccomp": "none"})), user),
        (O::Untied, security(json!({"capabilities": ["SETUID"]})), user),
        (O::HostIpc, json!({"namespaces": {"ipc": "host"}}), user),
        (O::HostName, json!({"namespaces": {"uts": "host"}}), user),
        (O::HostCgroupPaths, json!({"namespaces": {"cgroup": "host"}}), user),
        (O::HostNetwork, json!({"network": "host"}), user),
        (O::JoinedNetwork, json!({"network": "/run/netns/lab"}), root),
        (
            O::NewPrivileges,
            security(json!({"no_new_privileges": false, "seccomp": "none", "landlock": "none"})),
            user,
        ),
        (O::Capability, security(json!({"capabilities": ["KILL"]})), user),
        (O::KernelCapability, security(json!({"capabilities": ["NET_ADMIN"]})), user),
        (
            O::HostCapability,
            json!({"userns": "host", "security": {"capabilities": ["CHOWN"]}}),
            root,
        ),
        (
            O::RulingCapability,
            json!({"userns": "host", "security": {"capabilities": ["SYS_MODULE"]}}),
            root,
        ),
        (O::NoFilter, security(json!({"seccomp": "none"})), user),
        (O::MoreCalls, json!({"security": "loose"}), user),
        (O::MoreCalls, security(json!({"seccomp": "loose"})), user),
        (O::MoreCalls, security(json!({"seccomp": {"allow": ["io_uring_setup"]}})), user),
        (O::DangerousCalls, security(json!({"seccomp": {"allow": ["bpf"]}})), user),
        (O::DangerousCalls, security(json!({"seccomp": {"refuse_with": "log"}})), user),
        (O::DangerousCalls, security(json!({"seccomp": "./open.json"})), user),
        (O::DangerousCalls, security(json!({"seccomp": {"allow": ["ioctl"]}})), user),
        (O::NoLandlock, security(json!({"landlock": "none"})), user),
        (O::NoLandlock, security(json!({"nested_namespaces": true})), user),
        (O::UnmaskedPaths, security(json!({"masked_paths": ["/proc/kcore"]})), user),
        (O::WritablePaths, security(json!({"readonly_paths": []})), user),
        (O::BareProc, mount(json!({"type": "proc", "target": "/again"})), user),
        (O::NestedNamespaces, security(json!({"nested_namespaces": true})), user),
        (O::HostPrograms, json!({"rootfs": "host"}), user),
        (O::HostFiles, mount(json!("./data:/data")), user),
        (O::HostFiles, json!({"files": {"/x": {"source": "./tokens"}}}), user),
        (O::HostFiles, json!({"stdin": "./tokens"}), user),
        (O::SecretFiles, mount(json!("/etc:/host")), user),
        (O::SecretFiles, mount(json!("./alias:/host")), user),
        (O::SecretFiles, mount(json!("/m:/host")), user),
        (O::SecretFiles, mount(json!("/srv/ann/.ssh:/keys")), user),
        (O::SecretFiles, json!({"rootfs": "/"}), user),
        (O::WritableFiles, mount(json!("./data:/data:rw")), user),
        (O::WritableFiles, json!({"stdout": "./output"}), user),
        (O::SystemFiles, mount(json!("/usr/local:/usr/local:rw")), user),
        (O::SystemFiles, mount(json!("./alias:/host:rw")), user),
        (O::RootsPrograms, mount(json!("./data:/data:rw")), root),
        (O::WritableRoot, mount(json!("/m:/host:rw")), user),
        (O::OwnRules, mount(json!("/m:/host:rw")), user),
        (
            O::OwnRules,
            json!({"mounts": ["/m/profiles:/host:rw"], "security": {"seccomp": "/m/profiles/open.json"}}),
            user,
        ),
        (O::WritableRoot, json!({"rootfs": {"path": "./rootfs", "write": "direct"}}), user),
        (O::KeptWrites, json!({"rootfs": {"path": "./rootfs", "write": {"keep": "./kept"}}}), user),
        (
            O::KeptWrites,
            mount(
                json!({"type": "overlay", "target": "/o", "lower": ["./data"], "upper": "./kept", "work": "./work"}),
            ),
            user,
        ),
        (O::ReportFile, json!({"report": "./report"}), user),
        (O::HostSocket, mount(json!("/run/other.sock:/other.sock")), user),
        (O::HostSockets, mount(json!("/run:/host-run")), user),
        (O::ControlSocket, mount(json!("/run/docker.sock:/docker.sock")), user),
        (
            O::SetUserId,
            mount(json!({"type": "bind", "source": "./data", "target": "/d", "suid": true})),
            user,
        ),
        (
            O::DeviceNodes,
            mount(json!({"type": "bind", "source": "./data", "target": "/d", "dev": true})),
            user,
        ),
        (O::Device, json!({"devices": ["/dev/kvm"]}), user),
        (O::RawDevice, json!({"devices": ["/dev/sda"]}), user),
        (O::RawDevice, json!({"devices": ["/dev/mem"]}), user),
        (
            O::RawDevice,
            mount(json!({"type": "bind", "source": "/dev", "target": "/d", "dev": true})),
            user,
        ),
        (O::Hardware, mount(json!({"type": "sysfs", "target": "/sys"})), user),
        (O::Hardware, mount(json!("/sys/block:/sys/block")), user),
        (O::CgroupFiles, mount(json!({"type": "cgroup", "target": "/sys/fs/cgroup"})), user),
        (
            O::KernelFiles,
            mount(json!({"type": "cgroup", "target": "/sys/fs/cgroup", "read_only": false})),
            user,
        ),
        (
            O::MountOption,
            mount(json!({"type": "proc", "target": "/p", "options": ["hidepid=2"]})),
            user,
        ),
        (O::Sysctl, json!({"sysctls": {"net.ipv4.ip_forward": 1}}), user),
        (O::AllMemory, json!({}), user),
        (O::UncountedMemory, json!({"limits": {"memory": "1g"}}), user),
        (O::AllProcessors, json!({}), user),
        (O::AllProcesses, json!({"cgroup": "none"}), hybrid),
        (O::AllProcesses, json!({"ulimits": {"nproc": "unlimited"}}), "unlimited"),
        (O::ManyProcesses, json!({"limits": {"pids": 100_000}}), user),
        (O::ManyProcesses, json!({"ulimits": {"nproc": 5000}}), "unlimited"),
        (O::AllTime, json!({}), user),
        (O::RaisedLimit, json!({"ulimits": {"core": "unlimited"}}), user),
        (O::RaisedLimit, json!({"ulimits": {"nofile": 600_000}}), "unlimited"),
        (O::Favoured, json!({"limits": {"cpu_weight": 200}}), user),
        (O::Favoured, json!({"nice": -5}), "unlimited"),
        (O::RawLimit, json!({"limits": {"cgroup": {"memory.zswap.max": 0}}}), user),
        (O::CgroupParent, json!({"cgroup": {"parent": "/ci"}}), root),
        (O::CallerStreams, json!({}), user),
        (O::RelayedTerminal, json!({"tty": true}), user),
        (O::CallerEnvironment, json!({"pass_env": ["*"]}), user),
        (O::CallerVariables, json!({"pass_env": ["CI_*"]}), user),
        (O::CallerVariables, json!({"environment": {"SECRET": null}}), user),
        (O::CallerVariables, json!({"env_file": "./env"}), user),
        (O::OpenUmask, json!({"umask": "0000"}), user),
        (O::MayDegrade, json!({"allow_degraded": ["seccomp"]}), user),
    ]
}

/// One of the recorded machines, or one of them with a difference.
fn machine(name: &str) -> Host {
    match name {
        "unlimited" => {
            let mut host = host("user-delegated");
            host.unlimited = true;
            let nice = ResourceLimit { soft: Some(40), hard: Some(40) };
            host.limits = [("nice".to_owned(), nice)].into();
            host
        }
        "keeping groups" => Host { gives_up_groups: false, ..host("user-delegated") },
        name => host(name),
    }
}

/// The least manifest with a root file system of its own, and these keys.
fn with(keys: &Value) -> String {
    let mut all = keys.clone();
    for (key, value) in [("command", json!(["x"])), ("rootfs", json!("./rootfs"))] {
        if all.get(key).is_none() {
            all[key] = value;
        }
    }
    all.to_string()
}

/// Puts keys beside keys and items behind items; false where the two say different things.
fn merge(into: &mut Value, from: &Value) -> bool {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().all(|(key, value)| match into.get_mut(key) {
                Some(old) => merge(old, value),
                None => {
                    into.insert(key.clone(), value.clone());
                    true
                }
            })
        }
        (Value::Array(into), Value::Array(from)) => {
            into.extend(from.iter().cloned());
            true
        }
        (into, from) => into == from,
    }
}

#[test]
fn every_hole_is_told_by_what_opens_it() {
    let mut told = BTreeSet::new();
    for (opening, keys, machine) in openings() {
        let text = with(&keys);
        let drawn = planner::plan(&manifest(&text), &self::machine(machine), &inputs());
        let plan = drawn.unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"));
        let found: Vec<_> = plan.holes.iter().map(|hole| hole.opening.id()).collect();
        let hole = plan.holes.iter().find(|hole| hole.opening == opening);
        let hole = hole.unwrap_or_else(|| panic!("no {opening:?} but {found:?} for {text}"));
        assert!(!hole.text().contains("{}"));
        // What the manifest opens is at a key that it has.
        if !hole.origin.default {
            let first = hole.origin.key.parts().next().unwrap();
            assert!(keys.get(&first).is_some(), "{opening:?} of {text} at {}", hole.origin.key);
        }
        told.insert(opening);
    }
    // The test that a terminal is handed over needs one.
    told.insert(Opening::CallerTerminal);
    let missing: Vec<_> = Opening::ALL.iter().filter(|opening| !told.contains(opening)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_terminal_of_the_callers_is_a_hole() {
    let mut inputs = inputs();
    inputs.terminals = [false, false, true];
    let plan =
        planner::plan(&manifest(&with(&json!({}))), &host("user-delegated"), &inputs).unwrap();
    let of =
        |opening| plan.holes.iter().find(|hole| hole.opening == opening).unwrap().about.clone();
    assert_eq!(of(Opening::CallerTerminal), "stderr");
    assert_eq!(of(Opening::CallerStreams), "stdin, stdout");
}

#[test]
fn what_shuts_or_asks_nothing_opens_nothing() {
    let usual = |keys: Value| {
        let plan = plan(&manifest(&with(&keys)), &host("user-delegated")).unwrap();
        plan.holes.into_iter().filter(|hole| !hole.origin.default).collect::<Vec<_>>()
    };
    for keys in [
        json!({}),
        json!({"security": "strict"}),
        json!({"security": {"seccomp": {"base": "strict", "deny": ["ptrace"], "refuse_with": "kill"}}}),
        json!({"security": {"seccomp": {"base": "strict", "allow": ["ptrace"]}}}),
        json!({"security": {"landlock": "required"}}),
        json!({"rootfs": {"path": "./rootfs", "write": "none"}}),
        json!({"namespaces": {"time": "private"}, "network": "none", "proc": "new"}),
        json!({"limits": {"memory": "1g", "pids": 10, "cpus": 1, "cpu_weight": 50}, "timeout": "5s"}),
        json!({"ulimits": {"core": 0, "nofile": 64, "nproc": 10, "rtprio": 0}, "nice": 5}),
        json!({"stdin": "none", "stdout": "none", "stderr": "none", "umask": "0077"}),
        json!({"devices": ["/dev/null"], "user": "1000", "init": true}),
        json!({"environment": {"A": "1"}, "files": {"/a": "b"}, "tmpfs": ["/x:size=1m"]}),
    ] {
        assert_eq!(usual(keys.clone()), [], "{keys}");
    }
}

#[test]
fn silence_is_safe_and_what_is_left_is_told() {
    let quiet = json!({
        "command": ["x"], "rootfs": "./rootfs", "timeout": "1m",
        "limits": {"memory": "1g", "cpus": 1}, "stdin": "none", "stdout": "none", "stderr": "none",
        "security": "strict",
    });
    let score = |text: &str, host: &Host| Score::of(&plan(&manifest(text), host).unwrap().holes);
    let user = host("user-delegated");
    assert_eq!(score(&quiet.to_string(), &user).to_string(), "0.0");
    assert_eq!(score("command: [x]", &user).word(), "safe");
    assert_eq!(score("command: [x]", &host("root-v2")).word(), "safe");
}

/// Some openings, one more, and a machine, by number.
fn drawn(count: usize) -> impl Strategy<Value = (Vec<usize>, usize, usize)> {
    (prop::collection::vec(0..count, 0..8), 0..count, 0..4_usize)
}

/// Adding a key that opens something never lowers the score, whatever else is open.
#[test]
fn opening_more_is_never_safer() {
    let mut all = openings();
    // A limit of memory shuts a larger hole than the one that it has itself.
    all.retain(|(opening, ..)| *opening != Opening::UncountedMemory);
    let machines = ["root-v2", "root-hybrid", "user-delegated", "unlimited"].map(machine);
    let mut compared = 0;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (strategy, inputs) = (drawn(all.len()), inputs());
    for _ in 0..2_000 {
        let tree = strategy.new_tree(&mut runner).unwrap();
        let (first, last, on) = proptest::strategy::ValueTree::current(&tree);
        let mut keys = json!({});
        let mut open = |n: usize| {
            let before = keys.clone();
            if !merge(&mut keys, &all[n].1) {
                keys = before;
            }
            with(&keys)
        };
        let before = first.into_iter().map(&mut open).last().unwrap_or_else(|| with(&json!({})));
        let after = open(last);
        let read = |text: &str| {
            let variables = Variables { set: BTreeMap::new(), environment: BTreeMap::new() };
            let manifest = Manifest::read(&document(text).1, &variables).ok()?;
            planner::plan(&manifest, &machines[on], &inputs).ok()
        };
        if let (Some(less), Some(more)) = (read(&before), read(&after)) {
            // Who names another root file system leaves the holes of the first behind.
            let root =
                |plan: &Plan| plan.holes.iter().any(|hole| hole.opening == Opening::WritableRoot);
            if root(&less) && !root(&more) {
                continue;
            }
            let (less, more) = (Score::of(&less.holes), Score::of(&more.holes));
            assert!(less <= more, "{less} of {before}\n{more} of {after}");
            compared += 1;
        }
    }
    assert!(compared > 300, "only {compared} pairs could be planned");
}

/// Compares with the pinned listing, or writes it.
#[test]
fn listings_are_as_they_were() {
    let mut faults = Vec::new();
    let dir = here().join("audit");
    let mut names: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    names.sort();
    assert!(names.len() > 2);
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        let (source, document) = document(&text);
        for machine in ["user-delegated", "root-hybrid"] {
            let Some(plan) = plan(&manifest(&text), &host(machine)) else { continue };
            let listed =
                audit::listing(&plan, |key| Line::of(&source, &document, key), Style::PLAIN);
            let pinned = path.with_extension(format!("{machine}.txt"));
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&pinned, &listed).unwrap();
            }
            if std::fs::read_to_string(&pinned).unwrap_or_default() != listed {
                faults.push(pinned);
            }
        }
    }
    assert!(faults.is_empty(), "UPDATE=1 rewrites: {faults:?}");
}

#[test]
fn a_terminal_gets_no_line_longer_than_itself() {
    let text = std::fs::read_to_string(here().join("audit/open.yaml")).unwrap();
    let (source, document) = document(&text);
    let plan = plan(&manifest(&text), &host("user-delegated")).unwrap();
    let narrow = Style { width: 60, wrap: true, ..Style::PLAIN };
    let listed = audit::listing(&plan, |key| Line::of(&source, &document, key), narrow);
    assert!(listed.lines().all(|line| line.chars().count() <= 60), "{listed}");
    assert!(listed.contains("leave `network: host` out"), "{listed}");
}

#[test]
fn the_command_tells_machines_and_refuses_what_is_too_much() {
    let place = Temp::new();
    let file = place.write("open.yaml", "command: [x]\npass_env: ['*']\n");
    let host = here().join("plans/hosts/user-delegated.json");
    let audit = |more: &[&str]| {
        let mut command = sixdocker();
        run(command.arg("audit").arg(&file).arg("--host").arg(&host).args(more))
    };
    let told = audit(&["--format", "json"]).expect(0).stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    let (score, first) = (told["score"].as_f64().unwrap(), &told["holes"][0]);
    assert!(score > 2.0 && told["word"] == "ok", "{told:#}");
    assert_eq!((&first["id"], &first["line"]), (&json!("caller_environment"), &json!(2)));
    assert_eq!(first["origin"]["key"], "/pass_env/0");
    assert!(first["remedy"].is_string() && first["weight"] == 2.0);
    audit(&["--max", &score.to_string()]).expect(0);
    audit(&["--max", "2"]).expect(1).says(" is above 2.0");
    audit(&["--max", "11"]).expect(2).says("from 0 to 10");
    std::fs::write(&file, "comand: [x]\n").unwrap();
    audit(&[]).expect(2).says("[unknown_key]");
}
