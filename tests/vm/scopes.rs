//! What is checked in the virtual machine under systemd: in a user's session, and as root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::support::{
    NoLitter, Ran, Session, Temp, binary, busybox_root_of, is_root, run, sixdocker,
};

struct Case {
    temp: Temp,
    litter: NoLitter,
}

impl Case {
    #[track_caller]
    fn new(manifest: &str) -> Self {
        assert!(Path::new("/checks").exists(), "this is for the virtual machine");
        let case = Self { temp: Temp::new(), litter: NoLitter::new() };
        let head = format!(
            "name: {}\nrootfs: {}\n",
            case.litter.mark(),
            busybox_root_of(nix::unistd::geteuid().as_raw()).display()
        );
        case.temp.write("box.yaml", head + manifest);
        case
    }

    fn command(&self, name: &str) -> Command {
        let mut command = sixdocker();
        command.arg(name).arg(self.temp.join("box.yaml"));
        command
    }

    /// Runs it. Nothing of it may be left: systemd has removed the scope.
    #[track_caller]
    fn run(&self) -> Ran {
        let report = self.temp.join("report.json");
        let ran = run(self.command("up").arg("--report").arg(report));
        self.litter.check();
        ran
    }

    fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.temp.read("report.json")).unwrap()
    }
}

#[track_caller]
fn reads(limits: &str, file: &str) -> String {
    let manifest = format!(
        "cgroup: {{manager: {}}}\ncommand: [cat, /sys/fs/cgroup/{file}]\nmounts: [{{type: cgroup, target: /sys/fs/cgroup}}]\nlimits: {{{limits}}}\n",
        if is_root() { "systemd" } else { "auto" }
    );
    Case::new(&manifest).run().expect(0).stdout.trim().to_owned()
}

#[test]
#[ignore = "runs in the virtual machine"]
fn limits_are_read_back_in_a_scope() {
    assert_eq!(reads("memory: 64m", "memory.max"), "67108864");
    assert_eq!(reads("memory: 64m", "memory.oom.group"), "1");
    assert_eq!(reads("cpus: 0.5", "cpu.max"), "50000 100000");
    assert_eq!(reads("pids: 77", "pids.max"), "77");
    assert_eq!(reads("cgroup: {memory.max: \"40M\"}", "memory.max"), "41943040");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_plan_shows_the_scope() {
    let case = Case::new("cgroup: systemd\ncommand: ['true']\nlimits: {memory: 64m}\n");
    let plan = run(&mut case.command("plan")).expect(0).stdout;
    let plan: String = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    for step in
        ["ask systemd for the scope", "move the runner to", "enable memory", "leave the scope"]
    {
        assert!(plan.contains(step), "no {step:?} in\n{plan}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_runner_is_beside_the_measured_group() {
    let case = Case::new("cgroup: systemd\ncommand: echo ready; exec sleep 1000\n");
    let session = Session::start(&mut case.command("up"));
    session.expect("ready");
    let runner = session.pid();
    let own = fs::read_to_string(format!("/proc/{runner}/cgroup")).unwrap();
    let scope = format!("sixdocker-{}-{runner}.scope", case.litter.mark());
    let (above, below) = own.trim().split_once(&scope).unwrap();
    assert_eq!(below, "/runner");
    let above = above.strip_prefix("0::").unwrap();
    let slice = if is_root() {
        "/system.slice/"
    } else {
        "/user.slice/user-1000.slice/user@1000.service/app.slice/"
    };
    assert_eq!(above, slice);
    let group = measured(runner);
    assert_eq!(group, PathBuf::from(format!("/sys/fs/cgroup{above}{scope}/sandbox")));
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap();
    assert_eq!(members.lines().count(), 1, "{members}");
    session.signal(Signal::SIGTERM);
    assert_eq!(session.finish().0, 143);
    case.litter.check();
}

/// What the refusal says gives the user a controller, does.
#[test]
#[ignore = "runs in the virtual machine"]
fn a_drop_in_hands_a_controller_down() {
    if !is_root() {
        return;
    }
    let temp = Temp::new();
    let file = temp.write("box.yaml", "command: [echo, had]\nlimits: {cpuset: \"0\"}\n");
    let as_user = |line: &str| {
        let line = format!("export XDG_RUNTIME_DIR=/run/user/1000; {line}");
        run(Command::new("su").args(["-l", "user", "-c", &line]))
    };
    let up = format!("{} up {}", binary().display(), file.display());
    let refused = as_user(&up).expect(125).stderr;
    let told = refused.split('`').find(|told| told.starts_with("sudo mkdir")).unwrap();
    let (of_root, of_user) = told.split_once(" && systemctl --user").unwrap();
    run(Command::new("sh").args(["-c", &of_root.replace("sudo ", "")])).expect(0);
    as_user(&format!("systemctl --user{of_user}")).expect(0);
    let ran = as_user(&up);
    fs::remove_dir_all("/etc/systemd/system/user@.service.d").unwrap();
    run(Command::new("systemctl").arg("daemon-reload")).expect(0);
    as_user("systemctl --user daemon-reexec").expect(0);
    assert_eq!(ran.expect(0).stdout, "had\n");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_killed_runner_leaves_nothing() {
    let case = Case::new("cgroup: systemd\ncommand: echo ready; exec sleep 1000\n");
    let session = Session::start(&mut case.command("up"));
    session.expect("ready");
    session.signal(Signal::SIGKILL);
    session.finish();
    case.litter.check();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn memory_ends_a_scope_in_one_sentence() {
    let manifest =
        "cgroup: systemd\ncommand: head -c 64m /dev/zero | tail | wc -c\nlimits: {memory: 32m}\n";
    let case = Case::new(manifest);
    case.run().expect(137).says("was killed by its memory limit of 32 MiB (peak 32 MiB)");
    let usage = case.report()["usage"].clone();
    assert_eq!(usage["memory_peak"], 32 << 20);
    assert!(usage["oom_kills"].as_u64().unwrap() >= 1, "{usage}");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_scope_may_hold_one_small_process() {
    let case =
        Case::new("cgroup: systemd\ncommand: [echo, small]\nlimits: {memory: 4m, pids: 1}\n");
    assert_eq!(case.run().expect(0).stdout, "small\n");
    assert_eq!(case.report()["usage"]["pids_peak"], 1);
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_parent_is_for_the_file_system() {
    let case = Case::new("cgroup: {manager: systemd, parent: /a.slice}\ncommand: ['true']\n");
    case.run().expect(125).says("it is systemd that chooses one").says("box.yaml:3:");
}

/// systemd takes controllers from its groups when no unit needs them any more.
#[test]
#[ignore = "runs in the virtual machine"]
fn limits_outlive_what_systemd_does_around_them() {
    if !is_root() {
        return;
    }
    let manifest = "command: echo ready; exec sleep 1000\nlimits: {cpus: 0.5, cpuset: \"0\", io_weight: 50, memory: 64m}\n";
    for manager in ["", "cgroup: fs\n", "cgroup: systemd\n"] {
        let case = Case::new(&format!("{manager}{manifest}"));
        let session = Session::start(&mut case.command("up"));
        session.expect("ready");
        let group = measured(session.pid());
        run(Command::new("systemctl").arg("daemon-reload")).expect(0);
        for property in ["CPUWeight=50", "AllowedCPUs=0", "IOWeight=50"] {
            run(Command::new("systemd-run").args(["-q", "--wait", "-p", property, "true"]))
                .expect(0);
        }
        for (file, value) in [
            ("cpu.max", "50000 100000"),
            ("cpuset.cpus", "0"),
            ("io.weight", "default 50"),
            ("memory.max", "67108864"),
        ] {
            let found = fs::read_to_string(group.join(file)).unwrap_or_default();
            assert_eq!(found.trim(), value, "{manager}{file}");
        }
        session.signal(Signal::SIGTERM);
        assert_eq!(session.finish().0, 143);
        case.litter.check();
    }
}

/// The group of the runner's only child.
fn measured(runner: Pid) -> PathBuf {
    let child = fs::read_to_string(format!("/proc/{runner}/task/{runner}/children")).unwrap();
    let group = fs::read_to_string(format!("/proc/{}/cgroup", child.trim())).unwrap();
    PathBuf::from(format!("/sys/fs/cgroup{}", group.trim().strip_prefix("0::").unwrap()))
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_session_has_no_group_in_the_file_system() {
    if is_root() {
        return;
    }
    let case = Case::new("cgroup: fs\ncommand: ['true']\nlimits: {memory: 64m}\n");
    case.run().expect(125).says("the caller may not make a group in");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_runner_in_a_scope_of_the_users_has_another_beside_it() {
    if is_root() {
        return;
    }
    let case = Case::new("command: [echo, beside]\nlimits: {memory: 64m, pids: 9}\n");
    let mut command = Command::new("systemd-run");
    command.args(["--user", "--scope", "-q", "-p", "Delegate=yes"]).arg(binary());
    command.arg("up").arg(case.temp.join("box.yaml")).env("XDG_RUNTIME_DIR", "/run/user/1000");
    assert_eq!(run(&mut command).expect(0).stdout, "beside\n");
    case.litter.check();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn systemd_refuses_in_its_own_words() {
    let case = Case::new("cgroup: systemd\ncommand: ['true']\n");
    // A unit of the name that the run will ask for is there already.
    let mut command = Command::new("sh");
    let manager = if is_root() { "--system" } else { "--user" };
    let hold = "systemd-run \"$0\" -q --unit=\"sixdocker-$1-$$.scope\" --scope sleep 1000 >/dev/null 2>&1 & \
         while ! systemctl \"$0\" -q is-active \"sixdocker-$1-$$.scope\"; do sleep 0.1; done; \
         exec \"$2\" up \"$3\"";
    command.args(["-c", hold, manager, case.litter.mark()]).arg(binary());
    command.arg(case.temp.join("box.yaml")).env("XDG_RUNTIME_DIR", "/run/user/1000");
    let ran = run(&mut command);
    let unit = format!("sixdocker-{}-*", case.litter.mark());
    run(Command::new("systemctl").args([manager, "stop", &unit])).expect(0);
    ran.expect(125).says("could not ask systemd").says("already");
    case.litter.check();
}
