//! Sandboxes one after another, then many at once, with figures before and after.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::support::{NoLitter, Temp, run};

/// Longer than any loaded machine needs to start or end them all.
const PATIENCE: Duration = Duration::from_mins(10);

/// How many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) serial: u32,
    pub(crate) at_once: u32,
}

impl Count {
    /// SOAK=10000,500 says how many; else these.
    pub(crate) fn asked(serial: u32, at_once: u32) -> Self {
        let Ok(asked) = std::env::var("SOAK") else { return Self { serial, at_once } };
        let (serial, at_once) = asked.split_once(',').expect("SOAK is two numbers");
        Self { serial: serial.parse().unwrap(), at_once: at_once.parse().unwrap() }
    }
}

/// What may grow.
#[derive(Clone, Copy)]
struct Figures {
    /// In KiB.
    slab: i64,
    unreclaimable: i64,
    /// Of all hierarchies, those included that are gone and not yet given back.
    groups: i64,
    mounts: i64,
    /// Of this process, and of the whole machine.
    descriptors: i64,
    files: i64,
    /// The most memory that a runner held, in KiB.
    peak: i64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slab, unreclaimable, groups, mounts, descriptors, files, peak } = self;
        write!(f, "slab {slab} KiB, {unreclaimable} of it unreclaimable; {groups} groups, ")?;
        write!(f, "{mounts} mounts, {descriptors} descriptors here, {files} on the machine; ")?;
        write!(f, "a runner's peak {peak} KiB")
    }
}

/// The place that runs are started in, by one caller.
struct Soak<'c> {
    caller: &'c dyn Fn() -> Command,
    temp: Temp,
    litter: NoLitter,
}

/// Runs them, prints the figures, and fails if something has grown.
#[track_caller]
pub(crate) fn soak(
    who: &str,
    caller: &dyn Fn() -> Command,
    root: &str,
    limits: &str,
    count: Count,
) {
    let soak = Soak::new(caller, root, limits);
    // What is made once is there, and the kernel has what it keeps for the next time.
    soak.serially(count.serial / 10 + 1);
    soak.at_once(count.at_once);
    let before = soak.figures();
    let begun = Instant::now();
    soak.serially(count.serial);
    let serial = begun.elapsed();
    soak.at_once(count.at_once);
    let both = begun.elapsed().saturating_sub(serial);
    soak.litter.check();
    let after = soak.settled(&before, count);
    println!(
        "{who}: {} one after another in {serial:?}, {} at once in {:?}",
        count.serial, count.at_once, both
    );
    println!("  before {before}\n  after  {after}");
    let grown = grown(&before, &after, count);
    assert!(grown.is_empty(), "{who}: {grown:?}");
}

/// More than what other processes of the machine account for.
fn grown(before: &Figures, after: &Figures, count: Count) -> Vec<String> {
    let runs = i64::from(count.serial + count.at_once);
    let judged = [
        // A run that left 4 KiB would show.
        ("unreclaimable slab (KiB)", after.unreclaimable - before.unreclaimable, 32 * 1024 + runs),
        ("mounts", after.mounts - before.mounts, 0),
        ("control groups", after.groups - before.groups, 50 + runs / 10),
        ("descriptors", after.descriptors - before.descriptors, 0),
        ("files of the machine", after.files - before.files, 2000 + runs / 10),
        ("peak of a runner (KiB)", after.peak - before.peak, 512),
    ];
    let over = judged.iter().filter(|(_, by, most)| by > most);
    over.map(|(what, by, most)| format!("{what} grew by {by}, more than {most}")).collect()
}

impl<'c> Soak<'c> {
    fn new(caller: &'c dyn Fn() -> Command, root: &str, limits: &str) -> Self {
        let (temp, litter) = (Temp::of_user(), NoLitter::new());
        fs::create_dir(temp.join("shared")).unwrap();
        fs::set_permissions(temp.join("shared"), Permissions::from_mode(0o777)).unwrap();
        let head = format!("name: {}\nrootfs: {root}\n{limits}", litter.mark());
        temp.write("true.yaml", format!("{head}command: [\"true\"]\n"));
        let shared = temp.join("shared");
        let mount = format!("mounts: [\"{}:/shared:rw\"]\n", shared.display());
        // Open before it is told: nobody opens a gate that is closed already.
        let wait = "command: exec 3</shared/gate; printf . >>/shared/up; read x <&3; true\n";
        temp.write("wait.yaml", format!("{head}{mount}{wait}"));
        let gate = shared.join("gate");
        mkfifo(&gate, Mode::S_IRWXU).unwrap();
        fs::set_permissions(&gate, Permissions::from_mode(0o666)).unwrap();
        Self { caller, temp, litter }
    }

    fn command(&self, manifest: &str) -> Command {
        let mut command = (self.caller)();
        command.arg("up").arg(self.temp.join(manifest));
        command
    }

    fn serially(&self, count: u32) {
        for n in 0..count {
            let ran = run(&mut self.command("true.yaml"));
            assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "run {n}");
        }
    }

    /// All live at the same moment.
    fn at_once(&self, count: u32) {
        let (children, gate) = self.start(count);
        drop(gate);
        for mut child in children {
            ended(&mut child);
        }
    }

    /// Starts them, and waits until all commands run. They wait until the gate is closed.
    fn start(&self, count: u32) -> (Vec<Child>, File) {
        let up = self.temp.join("shared/up");
        fs::write(&up, "").unwrap();
        fs::set_permissions(&up, Permissions::from_mode(0o666)).unwrap();
        let gate = self.temp.join("shared/gate");
        let gate = OpenOptions::new().read(true).write(true).open(gate).unwrap();
        let start = |_| self.command("wait.yaml").stdout(Stdio::null()).spawn().unwrap();
        let children: Vec<Child> = (0..count).map(start).collect();
        let begun = Instant::now();
        while fs::metadata(&up).unwrap().len() < u64::from(count) {
            assert!(begun.elapsed() < PATIENCE, "not all of {count} came up");
            std::thread::sleep(Duration::from_millis(20));
        }
        (children, gate)
    }

    fn figures(&self) -> Figures {
        // How much of its file is in memory differs from run to run.
        let peak = (0..9).map(|_| self.peak()).min().unwrap();
        Figures {
            slab: field("/proc/meminfo", "Slab:"),
            unreclaimable: field("/proc/meminfo", "SUnreclaim:"),
            groups: groups(),
            mounts: lines("/proc/self/mountinfo"),
            descriptors: i64::try_from(fs::read_dir("/proc/self/fd").unwrap().count()).unwrap(),
            files: first("/proc/sys/fs/file-nr"),
            peak,
        }
    }

    /// The most memory that a runner held until its command ran.
    fn peak(&self) -> i64 {
        let (children, gate) = self.start(1);
        let peak = field(&format!("/proc/{}/status", children[0].id()), "VmHWM:");
        drop(gate);
        for mut child in children {
            ended(&mut child);
        }
        peak
    }

    /// The kernel takes namespaces and groups back in its own time.
    fn settled(&self, before: &Figures, count: Count) -> Figures {
        let begun = Instant::now();
        loop {
            let after = self.figures();
            if grown(before, &after, count).is_empty() || begun.elapsed() > Duration::from_mins(1) {
                return after;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

fn ended(child: &mut Child) {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "no end");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn field(file: &str, name: &str) -> i64 {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn first(file: &str) -> i64 {
    fs::read_to_string(file).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

fn lines(file: &str) -> i64 {
    i64::try_from(fs::read_to_string(file).unwrap().lines().count()).unwrap()
}

/// The sum of the third column of /proc/cgroups.
fn groups() -> i64 {
    let text = fs::read_to_string("/proc/cgroups").unwrap();
    let count = |line: &str| line.split_whitespace().nth(2)?.parse::<i64>().ok();
    text.lines().filter_map(count).sum()
}
