//! Root file systems that were made by an attacker.
//!
//! They are tried in a throw-away mount namespace only, which tells whether anything outside was
//! changed: a runner that follows one of their links destroys the machine.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

use crate::probe::{Verdict, answers, compiled};
use crate::support::{
    Ran, as_user, binary, is_emulated, need, need_root, project, run_for, shared, sixdocker,
    user_binary,
};

/// A runner that waits for a FIFO waits for ever; an idle machine needs milliseconds.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn a_hostile_root_file_system_reaches_nothing_outside() {
    if !need_root() || !need("busybox") {
        return;
    }
    // They are made where they stay.
    let Some(tools) = compiled() else { return };
    user_binary();
    let place = shared().join(format!("hostile-{}", std::process::id()));
    fs::create_dir_all(&place).unwrap();
    let mut command = Command::new(project().join("tests/containment/throwaway"));
    command.arg(&place).arg(std::env::current_exe().unwrap());
    command.args(["--ignored", "hostile::thrown_away::"]);
    command.env("HOSTILE_PLACE", &place).env("CONTAINMENT_TOOLS", tools);
    let ran = run_for(&mut command, Duration::from_mins(10), b"");
    fs::remove_dir(&place).unwrap();
    let ran = ran.expect(0);
    assert!(ran.stdout.contains("test result: ok. 12 passed"), "{}", ran.stdout);
}

/// A root file system in the making, and beside it what it may want to reach.
struct Hostile {
    place: PathBuf,
}

impl Hostile {
    fn new() -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        assert!(std::env::var_os("THROWAWAY").is_some(), "never on the machine itself");
        let n = SERIAL.fetch_add(1, Ordering::Relaxed);
        let place = Path::new(&std::env::var_os("HOSTILE_PLACE").unwrap()).join(n.to_string());
        let hostile = Self { place };
        for directory in ["trap/pts", "trap/shm", "root/etc", "root/tmp", "root/bin", "root/root"] {
            fs::create_dir_all(hostile.place.join(directory)).unwrap();
        }
        for directory in ["root/proc", "root/sys", "root/dev", "root/run", "root/mnt"] {
            fs::create_dir_all(hostile.place.join(directory)).unwrap();
        }
        fs::set_permissions(hostile.trap(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::copy(compiled().unwrap().join("probe"), hostile.root("bin/probe")).unwrap();
        fs::write(hostile.root("facts"), "none=0\n").unwrap();
        hostile
    }

    /// A path in it.
    fn root(&self, below: &str) -> PathBuf {
        self.place.join("root").join(below)
    }

    /// A directory of the host's, which everybody can write to.
    fn trap(&self) -> PathBuf {
        self.place.join("trap")
    }

    /// Puts something else there.
    fn put(&self, below: &str, thing: Thing) {
        let path = self.root(below);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            _ = fs::remove_file(&path);
        }
        thing.make(&path, &self.trap());
    }

    /// All that is in it and in the trap.
    fn listing(&self) -> String {
        let mut find = Command::new("find");
        find.arg(&self.place).args(["-name", "box.yaml", "-o"]);
        let format = "%P %y %m %U:%G %s %l %T@\n";
        let listed =
            find.args(["-path", &self.place.display().to_string(), "-o"]).args(["-printf", format]);
        String::from_utf8_lossy(&listed.output().unwrap().stdout).into_owned()
    }

    /// Runs this manifest, as root or as a user.
    #[track_caller]
    fn up(&self, caller: fn() -> Command, manifest: &str) -> Ran {
        let name = self.place.parent().unwrap().file_name().unwrap().display();
        let text = format!("name: {name}\n{manifest}\n")
            .replace("ROOT", &self.root("").display().to_string())
            .replace("TRAP", &self.trap().display().to_string());
        let file = self.place.join("box.yaml");
        fs::write(&file, text).unwrap();
        let ran = run_for(caller().arg("up").arg(file), BOUND, b"");
        assert!([0, 125, 126, 127].contains(&ran.code()), "{ran:?}");
        assert!(ran.code() == 0 || !ran.stderr.is_empty(), "{ran:?}");
        assert!(!ran.stderr.chars().any(|c| c.is_control() && c != '\n'), "{ran:?}");
        ran
    }

    /// Runs some probes in it, as every caller and with each of these words of `write`. It is
    /// contained or refused, and neither it nor the trap has changed.
    #[track_caller]
    fn is_contained(&self, writes: &[&str], more: &str) {
        let before = self.listing();
        for (caller, write) in both(writes) {
            let manifest = format!(
                "command: [/bin/probe, /facts, {PROBES}]\nrootfs: {{path: ROOT, write: {write}}}\nsecurity: {{landlock: none}}\n{more}"
            );
            let ran = self.up(caller, &manifest);
            contained(&ran);
            assert_eq!(before, self.listing(), "{manifest}");
        }
    }
}

/// As root with every word, as a user with the first.
fn both<'w>(writes: &'w [&'w str]) -> impl Iterator<Item = (fn() -> Command, &'w str)> {
    let as_root = writes.iter().map(|write| (sixdocker as fn() -> Command, *write));
    as_root.chain([(as_user as fn() -> Command, writes[0])])
}

/// They tell whether /proc and /dev are the sandbox's own, and closed.
const PROBES: &str = "above_root, one_root, 'only_standard_nodes:/dev', 'write:/proc/sysrq-trigger', \
    'write:/proc/sys/kernel/core_pattern', 'read:/proc/kcore', 'read:/proc/interrupts', \
    'list:/proc/acpi', every_mount_nosuid, one_id, 'standard:/dev/null', own_ptmx, every_mount_nodev";

/// Who exchanges names can take /dev away after it was made.
fn lasting() -> &'static str {
    PROBES.split_once(", 'standard").unwrap().0
}

#[track_caller]
fn contained(ran: &Ran) {
    let told = answers(&ran.stdout);
    assert!((10..=13).contains(&told.len()) || ran.code() != 0, "{ran:?}");
    let open: Vec<_> = told.iter().filter(|(_, told)| told.verdict == Verdict::Open).collect();
    assert!(open.is_empty(), "{open:?}: {ran:?}");
}

/// What an attacker puts where a directory or file is expected.
#[derive(Clone, Copy, Debug)]
enum Thing {
    Link(&'static str),
    /// A link to the trap.
    LinkOut,
    /// A directory whose entries are links to those of the trap.
    Linked,
    Fifo,
    Socket,
    Zero,
    Disk,
    File,
    Nothing,
    Shut,
}

const THINGS: [Thing; 16] = [
    Thing::Link("/"),
    Thing::Link("/etc"),
    Thing::Link("../../../../../../../../../.."),
    Thing::Link("/nowhere/at/all"),
    Thing::Link("/proc/self/root"),
    Thing::Link("/proc/1/cwd"),
    Thing::Link("dev"),
    Thing::LinkOut,
    Thing::Linked,
    Thing::Fifo,
    Thing::Socket,
    Thing::Zero,
    Thing::Disk,
    Thing::File,
    Thing::Nothing,
    Thing::Shut,
];

/// Those that do the most harm, where everything takes long.
const WORST: [Thing; 2] = [Thing::LinkOut, Thing::Fifo];

fn things() -> &'static [Thing] {
    if is_emulated() { &WORST } else { &THINGS }
}

/// All of these, or under emulation so many.
fn first<T: Copy, const N: usize>(count: usize, all: [T; N]) -> impl Iterator<Item = T> {
    all.into_iter().take(if is_emulated() { count } else { N })
}

impl Thing {
    fn make(self, path: &Path, trap: &Path) {
        let all = Mode::from_bits_truncate(0o666);
        match self {
            Self::Link(to) => symlink(to, path).unwrap(),
            Self::LinkOut => symlink(trap, path).unwrap(),
            Self::Linked => {
                fs::create_dir(path).unwrap();
                for name in ["null", "zero", "pts", "shm", "ptmx", "fd", "mqueue", "tty", "made"] {
                    symlink(trap.join(name), path.join(name)).unwrap();
                }
            }
            Self::Fifo => mkfifo(path, all).unwrap(),
            Self::Socket => drop(UnixListener::bind(path).unwrap()),
            Self::Zero => mknod(path, SFlag::S_IFCHR, all, makedev(1, 5)).unwrap(),
            Self::Disk => mknod(path, SFlag::S_IFBLK, all, makedev(7, 0)).unwrap(),
            Self::File => fs::write(path, "a file\n").unwrap(),
            Self::Nothing => {}
            Self::Shut => {
                fs::create_dir(path).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
            }
        }
    }
}

/// A 64-bit program of nothing but its headers and the path of its loader.
fn elf(loader: &str) -> Vec<u8> {
    const HEADERS: u64 = 64 + 2 * 56;
    const BASE: u64 = 0x0040_0000;
    let machine: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    let path = format!("{loader}\0").into_bytes();
    let (length, whole) = (path.len() as u64, HEADERS + path.len() as u64);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    [2, machine].iter().for_each(|half| put(&half.to_le_bytes()));
    put(&1u32.to_le_bytes());
    [BASE, 64, 0].iter().for_each(|word| put(&word.to_le_bytes()));
    put(&0u32.to_le_bytes());
    [64u16, 56, 2, 0, 0, 0].iter().for_each(|half| put(&half.to_le_bytes()));
    let interpreter = [HEADERS, BASE + HEADERS, BASE + HEADERS, length, length, 1];
    for (kind, words) in [(3u32, interpreter), (1, [0, BASE, BASE, whole, whole, 4096])] {
        put(&kind.to_le_bytes());
        put(&5u32.to_le_bytes());
        words.iter().for_each(|word| put(&word.to_le_bytes()));
    }
    put(&path);
    file
}

/// Exchanges two names as fast as it can, until it is dropped.
struct Swapping<'s>(&'s AtomicBool);

impl Drop for Swapping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn swap_until(over: &AtomicBool, one: &Path, other: &Path) {
    while !over.load(Ordering::Relaxed) {
        renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
    }
}

mod thrown_away {
    use super::*;

    /// The other tests would pass if nothing ever ran.
    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn without_malice_it_runs() {
        let hostile = Hostile::new();
        fs::write(hostile.root("etc/passwd"), "someone:x:0:0::/:\n").unwrap();
        for (caller, write) in both(&["discard", "direct", "none"]) {
            let manifest = format!(
                "command: [/bin/probe, /facts, {PROBES}]\nuser: someone\nrootfs: {{path: ROOT, write: {write}}}\nmounts: ['TRAP:/mnt']"
            );
            let ran = hostile.up(caller, &manifest);
            assert_eq!(ran.code(), 0, "{ran:?}");
            contained(&ran);
        }
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn places_of_the_kernel_are_anything() {
        for place in ["proc", "sys", "dev"] {
            for thing in things() {
                let hostile = Hostile::new();
                hostile.put(place, *thing);
                hostile.is_contained(&["discard", "direct"], "");
            }
        }
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn places_of_mounts_are_anything() {
        for place in first(1, ["mnt", "etc", "tmp", "run", "root"]) {
            for thing in things() {
                let hostile = Hostile::new();
                hostile.put(place, *thing);
                let more = format!(
                    "tmpfs: [/tmp, /run, /{place}/deep]\nmounts: ['TRAP:/{place}/bound', 'TRAP/shm:/{place}']\nfiles: {{/{place}/made: text}}"
                );
                hostile.is_contained(&["discard"], &more);
                hostile.is_contained(&["direct"], &format!("mounts: ['TRAP:/{place}']"));
            }
        }
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn files_of_the_sandbox_are_anything() {
        for place in first(1, ["etc/hosts", "etc/hostname", "etc/resolv.conf"]) {
            for thing in things() {
                let hostile = Hostile::new();
                hostile.put(place, *thing);
                hostile.is_contained(&["discard", "none"], "hostname: mine");
            }
        }
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn accounts_are_anything() {
        for file in first(1, ["etc/passwd", "etc/group", "etc"]) {
            for thing in things() {
                let hostile = Hostile::new();
                hostile.put(file, *thing);
                hostile.is_contained(&["discard", "direct"], "user: someone:somegroup");
            }
        }
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn accounts_hold_anything() {
        let texts: [&[u8]; 6] = [
            b"\0\0\0",
            b"some\0one:x:0:0::/:\n",
            b"someone:x:\n:::::\nsomeone\n",
            b"someone:x:99999999999999999999:-1::/:\n\xff\xfe:x:1:1\n",
            b"someone\x1b[31m:x:1:1::\x1b]0;title\x07:\n",
            b"someone:x:0:0::../../../..:/bin/sh\nsomegroup:x:0:\n",
        ];
        for text in first(2, texts) {
            let hostile = Hostile::new();
            fs::write(hostile.root("etc/passwd"), text).unwrap();
            fs::write(hostile.root("etc/group"), text).unwrap();
            hostile.is_contained(&["discard"], "user: someone:somegroup");
        }
        let hostile = Hostile::new();
        let line = fs::File::create(hostile.root("etc/passwd")).unwrap();
        // A hole of it: four gigabytes without an end of line, for who reads half a gigabyte at most.
        line.set_len(4 << 30).unwrap();
        let limited = || {
            let mut command = Command::new("prlimit");
            command.arg("--as=536870912").arg(binary()).env_clear().env("PATH", "/usr/bin:/bin");
            command
        };
        let ran = hostile.up(limited, "command: [/bin/probe]\nrootfs: ROOT\nuser: someone");
        ran.expect(125).says("can't be read: it is longer than 1 MiB");
        hostile.put("etc/passwd", Thing::Fifo);
        let ran = hostile.up(limited, "command: [/bin/probe]\nrootfs: ROOT\nuser: someone");
        ran.expect(125).says("is no file, but a FIFO");
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn the_command_is_never_the_runner_nor_the_hosts() {
        let hostile = Hostile::new();
        let links = ["/proc/self/exe", "/proc/1/exe", "/proc/1/root/bin/sh", "/proc/self/fd/0"];
        let beyond = ["../../../../../../../../bin/sh", "/bin/busybox", "/nowhere", "evil"];
        for to in first(2, links).chain(first(1, beyond)) {
            hostile.put("bin/evil", Thing::Link(to));
            never_runs(&hostile, "landlock: none");
        }
        let interpreters = ["/proc/self/exe", "/bin/evil", "/proc/1/exe", "/proc/self/fd/1"];
        for interpreter in first(2, interpreters) {
            hostile.put("bin/evil", Thing::Nothing);
            fs::write(hostile.root("bin/evil"), format!("#!{interpreter}\n")).unwrap();
            fs::set_permissions(hostile.root("bin/evil"), fs::Permissions::from_mode(0o755))
                .unwrap();
            never_runs(&hostile, "landlock: none");
        }
        let others = [Thing::Fifo, Thing::Socket, Thing::Zero, Thing::Shut, Thing::File];
        for thing in first(1, others) {
            hostile.put("bin/evil", thing);
            never_runs(&hostile, "landlock: none");
        }
    }

    /// Landlock alone keeps the runner from being a loader.
    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn the_runner_is_no_loader() {
        if sixdocker::sys::landlock_version() == 0 {
            return;
        }
        for loader in ["/proc/self/exe", "/proc/1/exe"] {
            let hostile = Hostile::new();
            fs::write(hostile.root("bin/evil"), elf(loader)).unwrap();
            fs::set_permissions(hostile.root("bin/evil"), fs::Permissions::from_mode(0o755))
                .unwrap();
            never_runs(&hostile, "landlock: auto");
        }
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn a_directory_is_no_stream() {
        let hostile = Hostile::new();
        for caller in [sixdocker as fn() -> Command, as_user] {
            let text = "command: [/bin/probe, /facts, stream_0_no_way_out]\nrootfs: ROOT"
                .replace("ROOT", &hostile.root("").display().to_string());
            fs::write(hostile.place.join("box.yaml"), text).unwrap();
            let mut command = caller();
            command.arg("up").arg(hostile.place.join("box.yaml"));
            command.stdin(fs::File::open("/").unwrap());
            let ran = run_for(&mut command, BOUND, b"").expect(125);
            assert_eq!(ran.stdout, "");
        }
    }

    #[track_caller]
    fn never_runs(hostile: &Hostile, wall: &str) {
        let before = hostile.listing();
        let manifest = format!("command: [evil, up, --help]\nrootfs: ROOT\nsecurity: {{{wall}}}");
        for caller in [sixdocker as fn() -> Command, as_user] {
            let ran = hostile.up(caller, &manifest);
            assert!([126, 127].contains(&ran.code()), "{ran:?}");
            assert_eq!(ran.stdout, "");
        }
        assert_eq!(before, hostile.listing());
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn setuid_programs_have_no_effect() {
        for owner in first(1, [0, 1000, 4242]) {
            let hostile = Hostile::new();
            let program = hostile.root("bin/probe");
            std::os::unix::fs::chown(&program, Some(owner), Some(owner)).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o6755)).unwrap();
            hostile.is_contained(&["discard", "direct"], "");
        }
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn names_hold_anything() {
        let long = "n".repeat(255);
        let names = [&long, "a\\nb", "\\e[31mred", "a:b", "a,b=c", "a\\\\b", "a'b", " ", "-o"];
        for name in first(2, names) {
            let hostile = Hostile::new();
            // As YAML reads it.
            let real = name.replace("\\n", "\n").replace("\\e", "\x1b").replace("\\\\", "\\");
            fs::rename(hostile.root(""), hostile.place.join(&real)).unwrap();
            let path = format!("\"{}/{name}\"", hostile.place.display());
            for (caller, write) in both(&["discard", "direct", "none"]) {
                let manifest = format!(
                    "command: [/bin/probe, /facts, {PROBES}]\nrootfs: {{path: {path}, write: {write}}}"
                );
                contained(&hostile.up(caller, &manifest));
            }
        }
    }

    #[test]
    #[ignore = "runs in a throw-away mount namespace"]
    fn nothing_is_reached_by_swapping_names() {
        let links = first(2, ["dev", "proc", "mnt", "tmp"])
            .flat_map(|place| [Thing::Link("/"), Thing::LinkOut].map(|thing| (place, thing)));
        let accounts = [Thing::Fifo, Thing::LinkOut].map(|thing| ("etc/passwd", thing));
        for (place, thing) in links.chain(accounts) {
            let hostile = Hostile::new();
            fs::write(hostile.root("etc/passwd"), "someone:x:0:0::/:\n").unwrap();
            let (one, other) = (hostile.root(place), hostile.root("other"));
            thing.make(&other, &hostile.trap());
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| swap_until(&over, &one, &other));
                let _end = Swapping(&over);
                for n in 0..if is_emulated() { 3 } else { 12 } {
                    let caller = if n % 3 == 0 { as_user as fn() -> Command } else { sixdocker };
                    let write = if n % 2 == 0 { "discard" } else { "direct" };
                    let manifest = format!(
                        "command: [/bin/probe, /facts, {}]\nuser: someone\nmounts: ['TRAP:/mnt']\nrootfs: {{path: ROOT, write: {write}}}\nsecurity: {{landlock: none}}",
                        lasting()
                    );
                    contained(&hostile.up(caller, &manifest));
                }
            });
            assert!(fs::read_dir(hostile.trap()).unwrap().count() == 2, "{place} {thing:?}");
            let kind = fs::symlink_metadata(hostile.trap().join("pts")).unwrap().file_type();
            assert!(kind.is_dir() && !kind.is_fifo());
        }
    }
}
