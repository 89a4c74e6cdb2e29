//! The plans that are put to the test, and the place where one is run.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::openpty;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{mkfifo, read};

use super::support::{NoLitter, Temp, busybox_root, busybox_root_of_user, user_binary};
use super::tracer::{Gate, HANGS, Point, Strike, Traced, trace};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    User,
    /// The user has subordinate ids.
    Range,
}

/// One plan of the golden set.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) who: Who,
    /// ROOT is a root file system, HERE a directory of the case's own.
    pub(crate) manifest: &'static str,
    /// It is run with a terminal as standard input and output.
    pub(crate) terminal: bool,
}

const fn case(name: &'static str, who: Who, manifest: &'static str) -> Case {
    Case { name, who, manifest, terminal: false }
}

const BARE: &str = "command: [\"true\"]\nproc: none\nnetwork: host\nnamespaces: {ipc: host, uts: host, pid: host}\n\
     security: {level: loose, seccomp: none, landlock: none, no_new_privileges: false, masked_paths: [], readonly_paths: []}\n";
const DEFAULT: &str = "command: [\"true\"]\n";
const DISCARD: &str = "rootfs: ROOT\ncommand: [\"true\"]\n";
const KEEP: &str = "rootfs: {path: ROOT, write: {keep: HERE/kept}}\ncommand: [\"true\"]\n";
const MOUNTS: &str = "rootfs: {path: ROOT, write: none}\ncommand: [\"true\"]\nmounts:\n- /usr:/usr\n- HERE/in:/home:rw\n\
     - {type: tmpfs, target: /var, size: 1m}\n- {type: mqueue, target: /root}\n- {type: sysfs, target: /sys}\n\
     files: {/etc/motd: hello}\n";
const PIPES: &str = "rootfs: ROOT\ncommand: [echo, hello]\nlimits: {output: 1m}\n";
const STREAMS: &str = "command: [cat]\nstdin: HERE/in/text\nstdout: HERE/out\nstderr: stdout\nreport: HERE/report.json\n\
     timeout: 10m\ninit: true\nlabels: {a: b}\n";
const TERMINAL: &str = "rootfs: ROOT\ncommand: [\"true\"]\ntty: true\n";
const PROCESS: &str = "command: [\"true\"]\nhostname: other\numask: \"0077\"\nnice: 5\noom_score_adj: 500\nworking_dir: /tmp\n\
     ulimits: {nofile: 64, core: 0}\nsysctls: {net.ipv4.ip_forward: 0}\nextra_hosts: {db: 10.0.0.2}\nsecurity: strict\n";
const LIMITS: &str = "rootfs: ROOT\ncommand: [\"true\"]\nlimits: {memory: 64m, pids: 20, cpus: 0.5, cpuset: \"0\", cpu_time: 10m}\n";
const OTHERS: &str = "rootfs: ROOT\ncommand: [\"true\"]\nuser: \"1000:1000\"\ngroups: [5]\n";

pub(crate) const CASES: &[Case] = &[
    case("bare", Who::Root, BARE),
    case("default", Who::Root, DEFAULT),
    case("limits", Who::Root, LIMITS),
    case("discard", Who::Root, DISCARD),
    case("keep", Who::Root, KEEP),
    Case { terminal: true, ..case("terminal", Who::Root, TERMINAL) },
    case("mounts", Who::Root, MOUNTS),
    case("pipes", Who::Root, PIPES),
    case("streams", Who::Root, STREAMS),
    case("process", Who::Root, PROCESS),
    case("other ids", Who::Root, OTHERS),
    case("host's users", Who::Root, "command: [\"true\"]\nuserns: host\n"),
    case("bare, user", Who::User, BARE),
    case("default, user", Who::User, DEFAULT),
    case("discard, user", Who::User, DISCARD),
    Case { terminal: true, ..case("terminal, user", Who::User, TERMINAL) },
    case("pipes, user", Who::User, PIPES),
    case("streams, user", Who::User, STREAMS),
    case("range, user", Who::Range, OTHERS),
];

/// Where one worker runs cases.
pub(crate) struct Place {
    temp: Temp,
    pub(crate) litter: NoLitter,
    gate: Gate,
}

/// A run, and what it left.
pub(crate) struct Done {
    pub(crate) traced: Traced,
    pub(crate) stderr: String,
    /// Files that lie about, and a terminal that is not as it was.
    pub(crate) left: Vec<String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let (temp, litter) = (Temp::of_user(), NoLitter::new());
        temp.write("in/text", "hello\n");
        chown(temp.join("in"), Some(1000), Some(1000)).unwrap();
        fs::create_dir(temp.join("kept")).unwrap();
        temp.write("subid", "1000:100000:65536\n");
        let gate = temp.join("gate");
        mkfifo(&gate, Mode::S_IRWXU).unwrap();
        for case in CASES {
            let root = if case.who == Who::Root { busybox_root() } else { busybox_root_of_user() };
            let text = case.manifest.replace("ROOT", &root.display().to_string());
            let text = text.replace("HERE", &temp.path().display().to_string());
            let text = format!("name: {}\n{text}", litter.mark());
            temp.write(format!("{}.yaml", case.name), text);
        }
        Self { temp, litter, gate: Gate(gate) }
    }

    fn manifest(&self, case: &Case) -> PathBuf {
        self.temp.join(format!("{}.yaml", case.name))
    }

    /// The words that run a case, held back by the gate where there is one.
    fn words(&self, case: &Case, gate: Option<&Gate>) -> Vec<String> {
        let mut words: Vec<String> = gate.into_iter().flat_map(Gate::shell).collect();
        if case.terminal {
            words.extend(["setsid", "--ctty"].map(String::from));
        }
        let script = r#"for file in subuid subgid; do mount --bind "$0" /etc/$file || exit 99; done; exec "$@""#;
        if case.who == Who::Range {
            words.extend(["unshare", "-m", "sh", "-c", script].map(String::from));
            words.push(self.temp.join("subid").display().to_string());
        }
        if case.who != Who::Root {
            let words_of_user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--"];
            words.extend(words_of_user.map(String::from));
        }
        words.push(user_binary().display().to_string());
        words.extend(["up".into(), self.manifest(case).display().to_string()]);
        words
    }

    /// Runs it to its end, untouched and untraced.
    pub(crate) fn once(&self, case: &Case) {
        let console = case.terminal.then(Terminal::new);
        let mut child = self.command(case, None, console.as_ref()).spawn().unwrap();
        ended(&mut child);
    }

    fn command(&self, case: &Case, gate: Option<&Gate>, console: Option<&Terminal>) -> Command {
        let words = self.words(case, gate);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
        command.stdin(Stdio::null()).stdout(File::create(self.temp.join("stdout")).unwrap());
        if let Some(console) = console {
            command.stdin(console.slave.try_clone().unwrap());
            command.stdout(console.slave.try_clone().unwrap());
        }
        command.stderr(File::create(self.temp.join("stderr")).unwrap());
        command
    }

    pub(crate) fn run(&self, case: &Case, target: Option<(&Point, Strike)>) -> Done {
        self.tidy();
        // They belong to who ran the case before.
        for file in ["out", "report.json"] {
            _ = fs::remove_file(self.temp.join(file));
        }
        let console = case.terminal.then(Terminal::new);
        let before = console.as_ref().map(Terminal::modes);
        let mut command = self.command(case, Some(&self.gate), console.as_ref());
        let manifest = self.manifest(case).display().to_string();
        let place = self.temp.path().display().to_string();
        let known = (user_binary(), manifest.as_str(), place.as_str(), self.litter.mark());
        let traced = trace(&mut command, &self.gate, known, target);
        let stderr = self.temp.read("stderr");
        let mut left = self.files();
        if console.as_ref().map(Terminal::modes) != before {
            left.push("the terminal's modes".into());
        }
        Done { traced, stderr, left }
    }

    /// What lies in the place and was not put there.
    pub(crate) fn files(&self) -> Vec<String> {
        let known = ["in", "kept", "subid", "gate", "stdout", "stderr", "out", "report.json"];
        let entries = fs::read_dir(self.temp.path()).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut found: Vec<_> = names
            .filter(|name| !known.contains(&name.as_str()) && !name.contains(".yaml"))
            .collect();
        let inside = fs::read_dir(self.temp.join("kept")).unwrap().flatten();
        let inside = inside.map(|entry| format!("kept/{}", entry.file_name().to_string_lossy()));
        found.extend(inside.filter(|name| name != "kept/upper" && name != "kept/work"));
        found
    }

    fn tidy(&self) {
        self.files().iter().for_each(|name| _ = fs::remove_file(self.temp.join(name)));
    }
}

/// Waits for a run that nothing was done to.
fn ended(child: &mut Child) {
    let begun = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > HANGS {
            child.kill().unwrap();
            panic!("a run hangs to which nothing was done");
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

struct Terminal {
    slave: OwnedFd,
}

impl Terminal {
    fn new() -> Self {
        let pair = openpty(None, None).unwrap();
        for fd in [&pair.master, &pair.slave] {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        // Until nobody has the terminal open any more.
        let read = move || while read(&pair.master, &mut [0; 4096]).is_ok_and(|count| count > 0) {};
        std::thread::spawn(read);
        Self { slave: pair.slave }
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }
}

/// Whether a child of ours ended by this signal.
pub(crate) fn by(end: Option<Result<i32, Signal>>, signal: Signal) -> bool {
    end == Some(Err(signal))
}
