//! In a container whose /proc is masked, where the kernel lets nobody mount a new one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use support::{Ran, Temp, busybox_root_of, is_root, need, run, user_binary};

/// Ways into a container of an ordinary user's, with a mask on /proc.
const OUTER: [(&str, &[&str]); 2] = [
    (
        "unshare",
        &[
            "-Urmpf",
            "--mount-proc",
            "sh",
            "-c",
            "mount -t tmpfs -o ro none /proc/fs && exec \"$@\"",
            "sh",
        ],
    ),
    (
        "bwrap",
        &[
            "--unshare-user",
            "--unshare-pid",
            "--uid",
            "0",
            "--gid",
            "0",
            "--cap-add",
            "ALL",
            "--bind",
            "/",
            "/",
            "--dev-bind",
            "/dev",
            "/dev",
            "--proc",
            "/proc",
            "--tmpfs",
            "/proc/fs",
            "--",
        ],
    ),
];

struct Case {
    temp: Temp,
}

impl Case {
    fn new(manifest: &str) -> Self {
        let temp = Temp::of_user();
        let root = busybox_root_of(1000);
        temp.write("box.yaml", format!("rootfs: {}\n{manifest}", root.display()));
        Self { temp }
    }

    /// Runs it in the container.
    fn up(&self, outer: &str, arguments: &[&str]) -> Ran {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=1000", "--regid=1000", "--clear-groups", "--", outer]);
            command
        } else {
            Command::new(outer)
        };
        command.args(arguments).arg(user_binary()).arg("up").arg(self.temp.join("box.yaml"));
        command.arg("--report").arg(self.temp.join("report.json"));
        run(command.env_clear().env("PATH", "/usr/bin:/bin").stdin(std::process::Stdio::null()))
    }

    fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.temp.read("report.json")).unwrap()
    }
}

fn everywhere(check: impl Fn(&str, &[&str])) {
    for (outer, arguments) in OUTER {
        if need(outer) {
            check(outer, arguments);
        }
    }
}

#[test]
fn the_mask_is_named_with_every_way_out() {
    everywhere(|outer, arguments| {
        let ran = Case::new("command: ['true']\n").up(outer, arguments).expect(125);
        let text = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in
            ["/proc/fs is covered", "`proc: outer`", "`proc: none`", "allow_degraded: [fresh_proc]"]
        {
            assert!(text.contains(part), "{outer}: no {part:?} in {text}");
        }
    });
}

#[test]
fn the_outer_proc_is_a_way_out() {
    everywhere(|outer, arguments| {
        let case = Case::new("proc: outer\ncommand: test -d /proc/self && echo there\n");
        assert_eq!(case.up(outer, arguments).expect(0).stdout, "there\n", "{outer}");
    });
}

#[test]
fn no_proc_is_a_way_out() {
    everywhere(|outer, arguments| {
        let case = Case::new("proc: none\ncommand: test -e /proc/self || echo none\n");
        assert_eq!(case.up(outer, arguments).expect(0).stdout, "none\n", "{outer}");
    });
}

#[test]
fn what_is_let_go_is_said() {
    everywhere(|outer, arguments| {
        let manifest = "allow_degraded: [fresh_proc]\ncommand: test -e /proc/self || echo none\n";
        let case = Case::new(manifest);
        assert_eq!(case.up(outer, arguments).expect(0).stdout, "none\n", "{outer}");
        assert_eq!(case.report()["degraded"][0]["name"], "fresh_proc");
        let manifest =
            "allow_degraded: [pid_namespace]\ncommand: test -d /proc/self && echo outer\n";
        let case = Case::new(manifest);
        assert_eq!(case.up(outer, arguments).expect(0).stdout, "outer\n", "{outer}");
        assert_eq!(case.report()["degraded"][0]["name"], "pid_namespace");
    });
}
