//! In a container whose /proc is masked, where the kernel lets nobody mount a new one, and whose
//! filter of system calls is podman's or docker's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "nested/outer.rs"]
mod outer;
mod support;

use std::process::{Command, Stdio};

use outer::{Filter, Outer, open, shut};
use support::{Ran, Temp, busybox_root_of, need, need_root, project, run, shared, user_binary};

struct Case {
    temp: Temp,
    outer: Outer,
}

impl Case {
    fn new(outer: Outer, manifest: &str) -> Self {
        let temp = Temp::of_user();
        let root = busybox_root_of(outer.user);
        temp.write("box.yaml", format!("rootfs: {}\n{manifest}", root.display()));
        Self { temp, outer }
    }

    /// Runs it in the container.
    fn up(&self) -> Ran {
        let mut command = self.outer.runner(self.temp.path());
        command.arg("up").arg(self.temp.join("box.yaml"));
        run(command.arg("--report").arg(self.temp.join("report.json")))
    }

    /// What the report says was lost.
    fn lost(&self) -> Vec<String> {
        let report: serde_json::Value =
            serde_json::from_str(&self.temp.read("report.json")).unwrap();
        let lost = report["degraded"].as_array().unwrap().iter();
        lost.map(|lost| lost["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// `what` and, where the container keeps host names from being set, that.
fn with_hostname(outer: Outer, what: &[&'static str]) -> Vec<&'static str> {
    let more: &[_] = if outer.filter == Filter::None { &[] } else { &["hostname"] };
    [what, more].concat()
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_can_not_be_had_is_named_with_every_way_out() {
    for outer in open() {
        let ran = Case::new(outer, "command: ['true']\n").up().expect(125);
        let text = words(&ran.stderr);
        let mask = ["is covered by a mount", "`proc: outer`", "`proc: none`"];
        let name = ["refuses sethostname", "`namespaces: {uts: host}`"];
        let lost = with_hostname(outer, &["fresh_proc"]);
        let degrade = lost.iter().map(|lost| format!("`allow_degraded: [{lost}]`"));
        let name = name.into_iter().filter(|_| outer.filter != Filter::None);
        for part in mask.into_iter().chain(name).map(String::from).chain(degrade) {
            assert!(text.contains(&part), "{outer:?}: no {part:?} in {text}");
        }
    }
}

#[test]
fn the_outer_proc_is_a_way_out() {
    for outer in open() {
        let manifest =
            "proc: outer\nnamespaces: {uts: host}\ncommand: test -d /proc/self && echo there\n";
        assert_eq!(Case::new(outer, manifest).up().expect(0).stdout, "there\n", "{outer:?}");
    }
}

#[test]
fn no_proc_is_a_way_out() {
    for outer in open() {
        let manifest =
            "proc: none\nnamespaces: {uts: host}\ncommand: test -e /proc/self || echo none\n";
        assert_eq!(Case::new(outer, manifest).up().expect(0).stdout, "none\n", "{outer:?}");
    }
}

#[test]
fn what_is_let_go_is_said() {
    for outer in open() {
        let rungs = [
            ("fresh_proc", "test -e /proc/self || echo below; hostname", "below\n"),
            ("pid_namespace", "test -d /proc/self && echo below; hostname", "below\n"),
        ];
        for (what, command, said) in rungs {
            let lost = with_hostname(outer, &[what]);
            let manifest = format!(
                "allow_degraded: [{}]\nhostname: own\ncommand: {command}\n",
                lost.join(", ")
            );
            let case = Case::new(outer, &manifest);
            let ran = case.up().expect(0);
            let name = if outer.filter == Filter::None { "own" } else { "outer" };
            assert_eq!(ran.stdout, format!("{said}{name}\n"), "{outer:?}");
            assert_eq!(case.lost(), lost, "{outer:?}");
            for lost in lost {
                assert!(ran.stderr.contains(&format!("runs without {lost}: ")), "{}", ran.stderr);
            }
        }
    }
}

/// Nothing is left to contain with, and that is said.
#[test]
fn where_no_namespace_can_be_made_nothing_runs() {
    for outer in shut() {
        let manifest =
            "allow_degraded: [pid_namespace, fresh_proc, hostname]\ncommand: [echo, ran]\n";
        let ran = Case::new(outer, manifest).up().expect(125);
        assert_eq!(ran.stdout, "", "{outer:?}");
        let text = words(&ran.stderr);
        for part in
            ["seccomp filter", "refuses new namespaces", "`--security-opt seccomp=unconfined`"]
        {
            assert!(text.contains(part), "{outer:?}: no {part:?} in {text}");
        }
    }
}

#[test]
fn doctor_says_the_same_and_tries_what_is_left() {
    for outer in open().chain(shut()) {
        let temp = Temp::of_user();
        let ran = run(outer.runner(temp.path()).arg("doctor")).expect(1);
        let text = words(&ran.stdout);
        let said: &[&str] = match outer.filter {
            Filter::None => &["is covered by a mount", "pass a sandbox was made"],
            Filter::Podmans => {
                &["is covered by a mount", "refuses sethostname", "pass a sandbox was made"]
            }
            Filter::Dockers => {
                &["is covered by a mount", "fail a sandbox was tried", "refuses new namespaces"]
            }
        };
        for part in said {
            assert!(text.contains(part), "{outer:?}: no {part:?} in {text}");
        }
    }
}

/// What a runner says in a container of this engine's, started with these options, as this user.
fn in_container(engine: &str, options: &str, user: u32, manifest: &str) -> Ran {
    let temp = Temp::new();
    let text = format!("rootfs: {}\n{manifest}", busybox_root_of(user).display());
    let file = temp.write("box.yaml", text);
    let mut command = Command::new(project().join("tests/nested/engine"));
    command.arg(engine).arg(temp.join("engine")).arg(shared());
    command.arg(format!("--user {user} {options}")).arg(user_binary()).arg("up").arg(file);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    run(&mut command)
}

const UNFILTERED: &str = "--security-opt seccomp=unconfined";

/// What the runner says helps, does.
#[test]
fn docker_takes_the_ways_out() {
    if !need_root() || !need("dockerd") || !need("docker") {
        return;
    }
    let ran = in_container("docker", "", 1000, "command: [echo, ran]\n").expect(125);
    ran.says("systempaths=unconfined");
    let ran = in_container("docker", "", 0, "allow_degraded: [fresh_proc]\ncommand: [echo, ran]\n");
    assert!(words(&ran.expect(125).stderr).contains(UNFILTERED));
    let more = "allow_degraded: [fresh_proc]\ncommand: [echo, ran]\n";
    let ran = in_container("docker", UNFILTERED, 1000, more).expect(0).says("without fresh_proc");
    assert_eq!(ran.stdout, "ran\n");
    let both = format!("{UNFILTERED} --security-opt systempaths=unconfined");
    let ran = in_container("docker", &both, 0, "command: test -d /proc/self && hostname\n");
    assert_eq!(ran.expect(0).stdout, "box\n");
}

#[test]
fn podman_takes_the_ways_out() {
    if !need_root() || !need("podman") {
        return;
    }
    for user in [0, 1000] {
        let more = "allow_degraded: [fresh_proc, hostname]\ncommand: [echo, ran]\n";
        let ran = in_container("podman", "", user, more).expect(0).says("without fresh_proc");
        assert_eq!(ran.says("without hostname").stdout, "ran\n");
        let both = format!("{UNFILTERED} --security-opt unmask=ALL");
        let ran = in_container("podman", &both, user, "command: test -d /proc/self && hostname\n");
        assert_eq!(ran.expect(0).stdout, "box\n");
    }
}

/// The sysctl is the outer namespace's own, so that nobody else misses a network.
#[test]
fn a_network_of_its_own_can_be_let_go() {
    let outer = Outer { program: "unshare", user: 1000, filter: Filter::None };
    let script = "echo 0 >/proc/sys/user/max_net_namespaces && exec \"$@\"";
    let up = |case: &Case| {
        let mut command = outer.of_user(&["-Ur", "sh", "-c", script, "sh"]);
        command.arg(user_binary()).arg("up").arg(case.temp.join("box.yaml"));
        run(command.arg("--report").arg(case.temp.join("report.json")))
    };
    let command = "command: readlink /proc/self/ns/net\n";
    let case = Case::new(outer, command);
    up(&case).expect(125).says("user.max_net_namespaces");
    let case = Case::new(outer, &format!("allow_degraded: [network_namespace]\n{command}"));
    let ran = up(&case).expect(0).says("without network_namespace");
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(ran.stdout.trim(), own.to_str().unwrap());
    assert_eq!(case.lost(), ["network_namespace"]);
}
