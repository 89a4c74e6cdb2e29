//! Builds the probe and its launcher, runs them, and reads what they tell.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::support::{Ran, Temp, binary, is_root, need, project, run, shared, user_binary};

/// What a probe told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    Open,
    /// This kernel has no such thing, or nothing is known of it outside.
    CantTell,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
}

/// Answers by group and name.
pub(crate) type Answers = BTreeMap<(String, String), Answer>;

/// Who runs the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    User,
}

/// Those who can be tried here: whoever runs the tests, and as root an ordinary user, too.
pub(crate) fn callers() -> &'static [Who] {
    if is_root() { &[Who::Root, Who::User] } else { &[Who::User] }
}

/// Where the programs are: given by the environment where there is no compiler.
pub(crate) fn compiled() -> Option<&'static Path> {
    static TOOLS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || match env::var_os("CONTAINMENT_TOOLS") {
        Some(given) => Some(PathBuf::from(given)),
        None if need("cc") => Some(compile()),
        None => None,
    };
    TOOLS.get_or_init(build).as_deref()
}

/// Compiles `probe` and `outside`, statically, so that they run in any root file system.
fn compile() -> PathBuf {
    let source = project().join("tests/containment");
    let place = shared().join(format!("containment-{}", std::process::id()));
    fs::create_dir_all(&place).unwrap();
    let rooms = fs::read_dir(source.join("probe")).unwrap().map(|entry| entry.unwrap().path());
    let rooms: Vec<_> = rooms.filter(|path| path.extension().is_some_and(|is| is == "c")).collect();
    let compiler = |name: &str| {
        let mut compiler = Command::new("cc");
        compiler.args(["-static", "-w", "-o"]).arg(place.join(name));
        compiler
    };
    run(compiler("probe").args(rooms)).expect(0);
    run(compiler("bombs").arg(source.join("bombs.c"))).expect(0);
    run(compiler("outside").arg(source.join("outside.c"))).expect(0);
    for path in [&place, &place.join("probe"), &place.join("outside"), &place.join("bombs")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    place
}

/// A manifest and all that it needs, in a place of its own.
pub(crate) struct Stage {
    pub(crate) temp: Temp,
    tools: &'static Path,
    who: Who,
}

impl Stage {
    /// None where there is no compiler, which is said.
    pub(crate) fn new(who: Who) -> Option<Self> {
        let stage = Self { temp: Temp::new(), tools: compiled()?, who };
        // Made beforehand: a root file system's mount point is to be found.
        stage.temp.write("facts", "");
        Some(stage)
    }

    /// A root file system with nothing in it but the probe and empty directories.
    pub(crate) fn root(&self) -> PathBuf {
        let root = self.temp.join("root");
        for directory in ["etc", "proc", "sys", "dev", "tmp", "run", "usr", "root"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        fs::copy(self.tools.join("probe"), root.join("probe")).unwrap();
        fs::write(root.join("facts"), "").unwrap();
        if self.who == Who::User && is_root() {
            give(&root);
        }
        root
    }

    /// Makes PLACE/kept, for layers that stay.
    pub(crate) fn kept(&self) {
        let kept = self.temp.join("kept");
        fs::create_dir_all(&kept).unwrap();
        if self.who == Who::User && is_root() {
            give(&kept);
        }
    }

    /// Runs the probe under this manifest, which says all but what the command is and where it
    /// finds the facts; with names, those probes alone.
    pub(crate) fn up(&self, manifest: &str, names: &[&str]) -> Ran {
        let names: String = names.iter().map(|name| format!(", '{name}'")).collect();
        let manifest = manifest
            .replace("PLACE", &self.temp.path().display().to_string())
            .replace("TOOLS", &self.tools.display().to_string());
        let text = format!("command: [/probe, /facts{names}]\n{manifest}\n");
        let file = self.temp.write("box.yaml", text);
        let mut command = self.outside();
        command.arg(if self.who == Who::User { user_binary() } else { binary() });
        run(command.arg("up").arg(file))
    }

    /// The launcher, which takes a command.
    pub(crate) fn outside(&self) -> Command {
        let mut command = Command::new(self.tools.join("outside"));
        command.arg(self.temp.path());
        if self.who == Who::User && is_root() {
            command.args(["--user", "1000"]);
        }
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command.arg("--");
        command
    }
}

fn give(path: &Path) {
    for entry in fs::read_dir(path).unwrap() {
        chown(entry.unwrap().path(), Some(1000), Some(1000)).unwrap();
    }
    chown(path, Some(1000), Some(1000)).unwrap();
}

/// Shows the probe and its facts in a root file system that has neither.
pub(crate) const SHOWN: &str = "{type: bind, source: TOOLS/probe, target: /probe, exec: true}, \
    {type: bind, source: PLACE/facts, target: /facts}";

const GROUPS: [&str; 7] =
    ["inside", "escape", "calls", "paths", "devices", "neighbours", "resources"];

/// What the probe printed.
pub(crate) fn answers(printed: &str) -> Answers {
    printed.lines().filter_map(answer).collect()
}

fn answer(line: &str) -> Option<((String, String), Answer)> {
    // What was typed into the sandbox's own terminal is echoed there.
    let line = line.trim_start_matches(['^', '@', '\0', '\r']).trim_end();
    let mut words = line.splitn(4, ' ');
    let (group, name) = (words.next()?, words.next()?);
    let verdict = match words.next()? {
        "ok" => Verdict::Ok,
        "OPEN" => Verdict::Open,
        "n/a" => Verdict::CantTell,
        _ => return None,
    };
    let detail = words.next().unwrap_or_default().to_owned();
    let known = GROUPS.contains(&group);
    known.then(|| ((group.to_owned(), name.to_owned()), Answer { verdict, detail }))
}

/// Every probe: its group and its name.
pub(crate) fn list() -> Option<Vec<(String, String)>> {
    let listed = run(Command::new(compiled()?.join("probe")).arg("--list")).expect(0).stdout;
    let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    Some(listed.lines().filter_map(pair).collect())
}
