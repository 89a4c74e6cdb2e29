//! A machine, or a caller, that is short of something: every run ends, says why, and leaves
//! nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{
    NoLitter, Ran, Temp, binary, busybox_root, missing, need, need_root, run, sixdocker,
};

/// A manifest in a busybox root, with an empty directory of the host's at /shared.
struct Case {
    temp: Temp,
    litter: NoLitter,
}

impl Case {
    fn new(manifest: &str) -> Self {
        let (temp, litter) = (Temp::new(), NoLitter::new());
        for directory in ["shared", "small"] {
            fs::create_dir(temp.join(directory)).unwrap();
            fs::set_permissions(temp.join(directory), fs::Permissions::from_mode(0o777)).unwrap();
        }
        let manifest = manifest.replace("HERE", &temp.path().display().to_string());
        let root = busybox_root().display().to_string();
        temp.write("case.yaml", litter.marked(&root, &manifest));
        Self { temp, litter }
    }

    /// Runs it in a shell: `"$@"` is the runner with its arguments, $HERE the case's directory.
    #[track_caller]
    fn run_in(&self, shell: &str) -> Ran {
        let ran = run(&mut self.in_shell(shell));
        self.litter.check();
        ran
    }

    fn in_shell(&self, shell: &str) -> Command {
        let plain = sixdocker();
        let mut command = Command::new("sh");
        command.args(["-c", shell, "sh"]).arg(binary()).arg("up").arg(self.temp.join("case.yaml"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HERE", self.temp.path()).stdin(std::process::Stdio::null());
        command.current_dir(plain.get_current_dir().unwrap());
        command
    }

    /// The same as root of a mount namespace that is thrown away.
    #[track_caller]
    fn run_apart(&self, shell: &str) -> Ran {
        let mut command = Command::new("unshare");
        let inner = self.in_shell(shell);
        command.args(["-m", "--propagation", "private"]).arg("sh").args(inner.get_args());
        command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = run(command.stdin(std::process::Stdio::null()));
        self.litter.check();
        ran
    }
}

/// It ran, or it was refused with a reason.
#[track_caller]
fn fair(ran: &Ran, what: &str) -> bool {
    match ran.code() {
        0 => true,
        125 => {
            assert!(ran.stderr.contains("sixdocker: "), "{what}: {ran:?}");
            assert!(ran.stderr.lines().count() > 1, "{what}: {ran:?}");
            false
        }
        _ => panic!("{what}: {ran:?}"),
    }
}

#[test]
fn closed_streams_are_never_a_descriptor_of_the_runners() {
    // The shell itself is looked at: what leads to the list is its child's.
    let command =
        "(for n in 0 1 2; do readlink /proc/$$$$/fd/$$n || echo closed; done) >/shared/list; true";
    let case = Case::new(&format!("mounts: [\"HERE/shared:/shared:rw\"]\ncommand: {command}\n"));
    let (input, output) = (case.temp.write("in", ""), case.temp.join("out"));
    for closed in 0..8 {
        _ = fs::remove_file(case.temp.join("shared/list"));
        let streams = [("<&-", "<$HERE/in"), (">&-", ">$HERE/out"), ("2>&-", "2>$HERE/out")];
        let streams: Vec<&str> = (0..3)
            .map(|n| if closed & (1 << n) == 0 { streams[n].1 } else { streams[n].0 })
            .collect();
        let ran = run(&mut case.in_shell(&format!("\"$@\" {}", streams.join(" "))));
        // Nobody can tell of an output that is lost but the code.
        assert_eq!(ran.code(), 0, "{closed:#b}: {ran:?} {:?}", fs::read_to_string(&output));
        let list = case.temp.read("shared/list");
        let led: Vec<&str> = list.lines().collect();
        assert_eq!(led.len(), 3, "{closed:#b}: {list}");
        for (n, leads) in led.into_iter().enumerate() {
            let file = if n == 0 { &input } else { &output };
            let open = closed & (1 << n) == 0;
            // A file of the host's has no name inside.
            let name = file.file_name().unwrap().to_string_lossy();
            let fits = if open {
                leads.ends_with(&*name)
            } else {
                ["/dev/null", "/null", "closed"].contains(&leads)
            };
            assert!(fits, "{closed:#b}: descriptor {n} leads to {leads}");
        }
    }
    case.litter.check();
}

#[test]
fn few_descriptors() {
    if !need("prlimit") {
        return;
    }
    let case = Case::new("command: [\"true\"]\nlimits: {output: 1m}\nreport: HERE/report.json\n");
    let ran: Vec<bool> = (3..40)
        .map(|most| {
            let ran = run(&mut case.in_shell(&format!("prlimit --nofile={most}:{most} \"$@\"")));
            // With so few, the program's own start fails.
            fair(&ran, &format!("{most} descriptors"))
        })
        .collect();
    case.litter.check();
    assert!(!ran[0] && *ran.last().unwrap(), "{ran:?}");
}

/// The directory of a hierarchy with this controller, where a group may be made.
fn hierarchy(controller: &str) -> Option<PathBuf> {
    let v1 = Path::new("/sys/fs/cgroup").join(controller);
    let unified = Path::new("/sys/fs/cgroup");
    let on = fs::read_to_string(unified.join("cgroup.subtree_control")).unwrap_or_default();
    if v1.join("tasks").exists() {
        Some(v1)
    } else if on.split_whitespace().any(|name| name == controller) {
        Some(unified.to_owned())
    } else {
        missing(&format!("no group with the controller {controller} can be made here"));
        None
    }
}

/// A group around the runner, removed with everything that is in it.
struct Around(PathBuf);

impl Around {
    fn new(controller: &str) -> Option<Self> {
        let path = hierarchy(controller)?.join(format!("around-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Some(Self(path))
    }

    fn set(&self, files: [&str; 2], value: &str) {
        let file = files.map(|file| self.0.join(file)).into_iter().find(|file| file.exists());
        fs::write(file.unwrap(), value).unwrap();
    }

    /// Shell that enters it.
    fn enter(&self) -> String {
        format!("echo $$ >{}/cgroup.procs && ", self.0.display())
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            _ = fs::remove_dir(entry.path());
        }
        fs::remove_dir(&self.0).unwrap();
    }
}

#[test]
fn few_processes() {
    let case = Case::new("command: [\"true\"]\ninit: true\n");
    if !need_root() {
        return;
    }
    let Some(around) = Around::new("pids") else { return };
    let ran: Vec<bool> = (1..8)
        .map(|most| {
            around.set(["pids.max", "pids.max"], &most.to_string());
            let ran = run(&mut case.in_shell(&format!("{}exec \"$@\"", around.enter())));
            fair(&ran, &format!("{most} processes"))
        })
        .collect();
    case.litter.check();
    assert!(!ran[0] && *ran.last().unwrap(), "{ran:?}");
}

#[test]
fn little_memory() {
    let case = Case::new("command: [\"true\"]\n");
    if !need_root() {
        return;
    }
    let Some(around) = Around::new("memory") else { return };
    let mut ran = Vec::new();
    for kilobytes in [64, 256, 512, 1024, 2048, 4096, 8192, 32768, 131_072] {
        around.set(["memory.limit_in_bytes", "memory.max"], &format!("{kilobytes}k"));
        let done = run(&mut case.in_shell(&format!("{}exec \"$@\"", around.enter())));
        // The kernel kills without asking.
        ran.push(done.code() != 137 && fair(&done, &format!("{kilobytes} KiB")));
    }
    assert!(!ran[0] && *ran.last().unwrap(), "{ran:?}");
    // What a killed one left, the next one takes away.
    around.set(["memory.limit_in_bytes", "memory.max"], "1g");
    assert_eq!(run(&mut case.in_shell(&format!("{}exec \"$@\"", around.enter()))).code(), 0);
    case.litter.check();
}

/// Mounts a file system of 64 KiB and 16 names at $HERE/small.
const SMALL: &str = "mount -t tmpfs -o size=64k,nr_inodes=16,mode=777 none $HERE/small; ";
const FULL: &str = "dd if=/dev/zero of=$HERE/small/all bs=1k 2>/dev/null; ";
const NAMES: &str = "n=0; while touch $HERE/small/$n; do n=$((n + 1)); done 2>/dev/null; ";

#[test]
fn a_report_that_does_not_fit_is_told_and_leaves_no_part() {
    if !need_root() || !need("unshare") {
        return;
    }
    let case = Case::new("command: [\"true\"]\nreport: HERE/small/report.json\n");
    for shortage in [FULL, NAMES] {
        let ran = case
            .run_apart(&format!("{SMALL}{shortage}\"$@\"; code=$?; ls $HERE/small; exit $code"));
        let ran = ran.expect(125).says("report").says("No space left");
        let ran = ran.says("the command ended with 0, but its report is not there");
        assert!(!ran.stdout.contains("report"), "{ran:?}");
    }
    case.run_apart(&format!("{SMALL}\"$@\" && test -s $HERE/small/report.json")).expect(0);
    // Nor does that of an earlier run stay, which would be taken for this one's.
    let ran = case.run_apart(&format!("{SMALL}\"$@\" && {FULL}\"$@\"; ls $HERE/small"));
    let ran = ran.says("No space left");
    assert_eq!(ran.stdout, "all\n", "{ran:?}");
}

#[test]
fn output_that_does_not_fit_is_the_commands_error() {
    if !need_root() || !need("unshare") {
        return;
    }
    let case = Case::new("command: dd if=/dev/zero bs=1k count=100\nstdout: HERE/small/out\n");
    case.run_apart(&format!("{SMALL}\"$@\"")).expect(1).says("No space left");
    // Counted, the runner writes it.
    let case = Case::new(
        "command: dd if=/dev/zero bs=1k count=100\nstdout: HERE/small/out\nlimits: {output: 1m}\n",
    );
    let ran = case.run_apart(&format!("{SMALL}\"$@\"")).says("could not be written");
    // The command may have written all of it into the pipe before that was known.
    assert!([1, 125].contains(&ran.code()), "{ran:?}");
    let case = Case::new("command: [\"true\"]\nstdout: HERE/small/out\n");
    case.run_apart(&format!("{SMALL}{NAMES}\"$@\"")).expect(125).says("ENOSPC");
}

#[test]
fn layers_that_do_not_fit() {
    if !need_root() || !need("unshare") {
        return;
    }
    let keep = Case::new("command: [\"true\"]\n");
    let text = keep.temp.read("case.yaml");
    let root = busybox_root().display().to_string();
    let small = keep.temp.join("small").display().to_string();
    let kept = text.replace(&root, &format!("{{path: {root}, write: {{keep: {small}}}}}"));
    keep.temp.write("case.yaml", kept);
    keep.run_apart(&format!("{SMALL}{NAMES}\"$@\"")).expect(125).says("ENOSPC");
    // A full layer is what the command sees, and ends with it.
    let full = Case::new("command: dd if=/dev/zero of=/filled bs=1k count=1000\n");
    let text = full.temp.read("case.yaml");
    full.temp.write("case.yaml", text.replace(&root, &format!("{{path: {root}, size: 64k}}")));
    full.run_in("\"$@\"").expect(1).says("No space left");
}

#[test]
fn no_tmp_no_run_no_home() {
    if !need_root() || !need("unshare") {
        return;
    }
    let case = Case::new("command: echo $$HOME\n");
    let closed = "mount --bind /tmp /tmp; mount -o remount,bind,ro /tmp; \
                  mount -t tmpfs -o ro,mode=0 none /run; mount -t tmpfs -o ro,mode=0 none /root; ";
    for how in
        ["env -u HOME \"$@\"", "HOME=/nowhere TMPDIR=/nowhere XDG_RUNTIME_DIR=/nowhere \"$@\""]
    {
        let ran = case.run_apart(&format!("{closed}{how}")).expect(0);
        assert_eq!(ran.stdout, "/root\n");
    }
}
