//! `sixdocker run`: the original's commands, on a real busybox root file system.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use support::{NoLitter, busybox_root, run, sixdocker};

fn inside(flags: &[&str], command: &[&str]) -> Command {
    let mut runner = sixdocker();
    runner.arg("run").args(flags).arg("--rootfs").arg(busybox_root()).arg("--").args(command);
    runner
}

#[test]
fn all_after_the_dashes_is_the_commands_own() {
    let odd = ["printf", "[%s]\n", "a b", "", "--", "-m", "$HOME", "'\"\\", "*", "\n", "ü"];
    let ran = run(&mut inside(&[], &odd)).expect(0);
    assert_eq!(ran.stdout, "[a b]\n[]\n[--]\n[-m]\n[$HOME]\n['\"\\]\n[*]\n[\n]\n[ü]\n");
}

#[test]
fn the_command_is_looked_up_in_the_sandbox_alone() {
    run(&mut inside(&[], &["busybox", "true"])).expect(0);
    run(&mut inside(&["-e", "PATH=/nowhere"], &["busybox", "true"])).expect(127);
    // On the host, but not in the root.
    run(&mut inside(&[], &["/usr/bin/env"])).expect(127);
    run(&mut inside(&[], &["no-such-program"])).expect(127);
    run(&mut inside(&[], &["/etc/passwd"])).expect(126);
    run(&mut inside(&[], &["/etc"])).expect(126);
}

#[test]
fn the_first_word_is_no_image() {
    let ran = run(sixdocker().args(["run", "alpine", "sh"])).expect(127);
    ran.says("there are no images: --rootfs names a root file system");
}

#[test]
fn nothing_of_the_host_is_reachable() {
    let look = "ls -A /proc/1/root/; ls -l /proc/self/fd; readlink /proc/self/cwd; ls /.pivot_root";
    let ran = run(&mut inside(&[], &["sh", "-c", look]));
    assert!(ran.stdout.contains("bin") && ran.stdout.ends_with("/\n"), "{}", ran.stdout);
    let fds = ran.stdout.lines().filter(|line| line.contains(" -> ")).count();
    // 0, 1, 2, and the one that ls reads the directory by.
    assert!(fds <= 4, "{}", ran.stdout);
}

#[test]
fn devices_are_the_sandboxs_own() {
    let names = "null zero full random urandom tty ptmx pts shm mqueue fd stdin stdout stderr";
    let look = format!("cd /dev; for n in {names}; do [ -e $n ] || [ -L $n ] || echo no $n; done");
    let ran = run(&mut inside(&[], &["sh", "-c", &look])).expect(0);
    assert_eq!(ran.stdout, "");
    let use_them = "echo x > /dev/null && head -c 4 /dev/zero | od -An -tx1 && ! echo > /dev/full \
                    && head -c 8 /dev/urandom | wc -c && echo shared > /dev/shm/x && cat /dev/shm/x";
    let ran = run(&mut inside(&[], &["sh", "-c", use_them])).expect(0);
    assert_eq!(ran.stdout, " 00 00 00 00\n8\nshared\n");
}

#[test]
fn processes_are_the_sandboxs_own() {
    let ran = run(&mut inside(&["--hostname", "box"], &["sh", "-c", "ps -o pid,args; hostname"]));
    assert!(ran.stdout.ends_with("box\n"), "{}", ran.stdout);
    assert_eq!(ran.stdout.lines().count(), 4, "{}", ran.stdout);
}

#[test]
fn dockers_flags() {
    let temp = support::Temp::new();
    temp.write("file", "of the host\n");
    let volume = format!("{}:/mnt/x:ro", temp.path().display());
    let flags = ["-v", &volume, "-e", "WORD=two words", "-w", "/tmp", "-u", "1000:1000", "--rm"];
    let look = "pwd; echo $WORD; id -u; id -g; cat /mnt/x/file; echo > /mnt/x/new || echo refused";
    let ran = run(&mut inside(&flags, &["sh", "-c", look])).expect(0);
    assert_eq!(ran.stdout, "/tmp\ntwo words\n1000\n1000\nof the host\nrefused\n");
}

#[test]
fn read_only_and_discarded_roots() {
    let ran = run(&mut inside(&["--read-only"], &["touch", "/new"]));
    assert_ne!(ran.code(), 0);
    let ran = run(&mut inside(&[], &["sh", "-c", "echo x > /new && cat /new"])).expect(0);
    assert_eq!(ran.stdout, "x\n");
    assert!(!busybox_root().join("new").exists());
}

#[test]
fn the_printed_manifest_gives_the_same_plan() {
    let litter = NoLitter::new();
    let flags = ["--name", litter.mark(), "-e", "A=b c", "-w", "/tmp", "--hostname", "h"];
    let mut print = sixdocker();
    print.arg("run").args(flags).arg("--print-manifest").arg("--rootfs").arg(busybox_root());
    print.args(["--", "sh", "-c", "echo $A; pwd; hostname"]);
    let manifest = run(&mut print).expect(0).stdout;
    let temp = support::Temp::new();
    let file = temp.write("printed.yaml", &manifest);
    let ran = run(sixdocker().arg("up").arg(&file)).expect(0);
    assert_eq!(ran.stdout, "b c\n/tmp\nh\n");
}

/// What is bound is copied before the new root lies over it.
#[test]
fn the_hosts_root_can_be_shown() {
    let root = busybox_root();
    for mut caller in [sixdocker(), support::as_user()] {
        caller.args(["run", "--rootfs"]).arg(&root).args(["-v", "/:/mnt:ro", "--"]);
        let ran = run(caller.args(["sh", "-c", "ls -d /mnt/usr /mnt/etc; ls /mnt/mnt/mnt 2>&1"]));
        assert!(ran.stdout.starts_with("/mnt/etc\n/mnt/usr\n"), "{ran:?}");
    }
}

/// As compose has it, a mount is not hidden by what it lies in, wherever that stands.
#[test]
fn what_lies_in_a_mount_is_mounted_after_it() {
    let temp = support::Temp::new();
    std::fs::create_dir(temp.join("shown")).unwrap();
    temp.write("shown/file", "shown");
    let manifest = "
command: [sh, -c, 'cat /a/b/file; echo; awk \"\\$2 ~ /^.[ac]/ {print \\$2}\" /proc/mounts | sort']
rootfs: ROOT
tmpfs: [/c/d/e, /c/d, /tmp]
mounts:
  - ./shown:/a/b
  - {type: tmpfs, target: /a}
  - {type: tmpfs, target: /c, read_only: false}
";
    let manifest = manifest.replace("ROOT", &busybox_root().display().to_string());
    let file = temp.write("order.yaml", manifest);
    for mut caller in [sixdocker(), support::as_user()] {
        let ran = run(caller.arg("up").arg(&file)).expect(0);
        assert_eq!(ran.stdout, "shown\n/a\n/a/b\n/c\n/c/d\n/c/d/e\n");
    }
}

/// However long the path to it is.
#[test]
fn what_lies_deep_is_made() {
    let temp = support::Temp::new();
    let deep = format!("/t/{}", "a-name-of-fifty-letters-that-is-one-of-seven-in-all/".repeat(7));
    let manifest = format!(
        "command: [sh, -c, 'cat {deep}file && touch {deep}mount/x && ls /t']
rootfs: {}
tmpfs: [/t, '{deep}mount']
files: {{'{deep}file': \"deep\\n\", /t/high: high}}
",
        busybox_root().display()
    );
    let file = temp.write("deep.yaml", manifest);
    let ran = run(sixdocker().arg("up").arg(&file)).expect(0);
    assert_eq!(ran.stdout, "deep\na-name-of-fifty-letters-that-is-one-of-seven-in-all\nhigh\n");
}
