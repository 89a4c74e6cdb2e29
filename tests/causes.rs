//! Ordinary mistakes, made for real: each message names the culprit, the line that asked for it,
//! and a way out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Ran, Temp, as_user, busybox_root_at, is_root, need, need_root, run, sixdocker};

/// A manifest and a root file system of its own, that a test may spoil.
struct Stage {
    temp: Temp,
}

/// Who runs it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Root,
    User,
}

impl Who {
    /// Both where the tests run as root.
    fn all() -> Vec<Self> {
        if is_root() { vec![Self::Root, Self::User] } else { vec![Self::User] }
    }

    fn command(self) -> Command {
        if self == Self::Root { sixdocker() } else { as_user() }
    }

    fn id(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::User if is_root() => 1000,
            Self::User => nix::unistd::getuid().as_raw(),
        }
    }
}

impl Stage {
    /// With a busybox root file system, `root`, that belongs to whoever runs it.
    fn new(who: Who) -> Self {
        let temp = Temp::new();
        busybox_root_at(&temp.join("root"));
        let stage = Self { temp };
        stage.give(who);
        stage
    }

    fn give(&self, who: Who) {
        if is_root() {
            let tree = Command::new("chown")
                .args(["-Rh", &format!("{0}:{0}", who.id())])
                .arg(self.temp.path())
                .status();
            assert!(tree.unwrap().success());
        }
    }

    fn root(&self, name: &str) -> PathBuf {
        self.temp.join("root").join(name)
    }

    /// A file of the root file system with this mode.
    fn file(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.temp.write(Path::new("root").join(name), content);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn manifest(&self, text: &str) -> PathBuf {
        self.temp.write("box.yaml", text)
    }

    fn up(&self, who: Who, text: &str) -> Ran {
        run(who.command().arg("up").arg(self.manifest(text)))
    }

    /// The same through a shell's preparations: `$@` is the command.
    fn up_in(&self, who: Who, shell: &str, text: &str) -> Ran {
        run(&mut wrapped(&who.command(), shell, &["up".as_ref(), self.manifest(text).as_os_str()]))
    }
}

/// `sh -c SHELL sh COMMAND ARG…`, with the environment and directory of `command`.
fn wrapped(command: &Command, shell: &str, more: &[&std::ffi::OsStr]) -> Command {
    let mut outer = Command::new("sh");
    outer.args(["-c", shell, "sh"]).arg(command.get_program()).args(command.get_args()).args(more);
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    outer.current_dir(support::project()).stdin(std::process::Stdio::null());
    outer
}

/// Every word is there, and the line of the manifest.
#[track_caller]
fn tells(ran: Ran, code: i32, line: u32, words: &[&str]) {
    let mut ran = ran.expect(code).says(&format!("box.yaml:{line}:"));
    for word in words {
        ran = ran.says(word);
    }
    let odd = ran.stderr.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(odd, None, "{}", ran.stderr);
}

fn elf(machine: u16, interpreter: &str) -> Vec<u8> {
    let mut bytes = vec![0u8; 64 + 56];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16] = 2;
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[20] = 1;
    bytes[32..40].copy_from_slice(&64u64.to_le_bytes());
    bytes[52] = 64;
    bytes[54] = 56;
    bytes[56] = 1;
    bytes[64] = 3;
    bytes[72..80].copy_from_slice(&120u64.to_le_bytes());
    bytes[96..104].copy_from_slice(&(interpreter.len() as u64 + 1).to_le_bytes());
    bytes.extend_from_slice(interpreter.as_bytes());
    bytes.push(0);
    bytes
}

const X86_64: u16 = 62;
const AARCH64: u16 = 183;

fn native() -> u16 {
    if cfg!(target_arch = "x86_64") { X86_64 } else { AARCH64 }
}

fn foreign() -> (u16, &'static str) {
    if cfg!(target_arch = "x86_64") { (AARCH64, "aarch64") } else { (X86_64, "x86_64") }
}

/// `command: [/app]` on line 2, over a root file system with this `/app`.
fn app(content: impl AsRef<[u8]>, mode: u32, words: &[&str]) {
    for who in Who::all() {
        let stage = Stage::new(who);
        stage.file("app", &content, mode);
        stage.give(who);
        tells(stage.up(who, "rootfs: ./root\ncommand: [/app, x]\n"), 126, 2, words);
    }
}

// ---- a program that is there

#[test]
fn a_sandbox_inside_one_is_told_what_maps_its_user_0() {
    let binary = support::binary();
    let directory = Path::new(&binary).parent().unwrap().display().to_string();
    let temp = Temp::new();
    for (capabilities, code) in [("", 125), (", capabilities: [SETFCAP]", 0)] {
        let security = "nested_namespaces: true, masked_paths: [], readonly_paths: []";
        let manifest = format!(
            "security: {{{security}{capabilities}}}\nmounts: ['{directory}:/opt/bin']\ncommand: [/opt/bin/sixdocker, run, --, 'true']\n"
        );
        let ran = run(sixdocker().arg("up").arg(temp.write("outer.yaml", &manifest))).expect(code);
        assert_eq!(ran.stderr.contains("lacks CAP_SETFCAP"), code == 125, "{ran:?}");
        assert!(!ran.stderr.contains("seccomp=unconfined"), "{ran:?}");
    }
}

#[test]
fn a_missing_loader_of_musl_is_named() {
    let glibc = "the loader of glibc";
    for who in Who::all() {
        let stage = Stage::new(who);
        stage.file("app", elf(native(), "/lib/ld-musl-x86_64.so.1"), 0o755);
        // Whatever `stress` may have brought along.
        for dir in ["lib64", "lib"] {
            _ = fs::remove_dir_all(stage.root(dir));
        }
        stage.file("lib64/ld-linux-x86-64.so.2", "", 0o755);
        stage.give(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [/app]\n");
        tells(ran, 126, 2, &["/lib/ld-musl-x86_64.so.1", "`/lib` is not there", glibc, "ENOENT"]);
    }
}

#[test]
fn a_missing_loader_of_a_real_program_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        for dir in ["lib64", "lib"] {
            _ = fs::remove_dir_all(stage.root(dir));
        }
        let real = fs::read("/usr/bin/env").unwrap();
        stage.file("usr/bin/real", real, 0o755);
        stage.give(who);
        let ran = stage
            .up(who, "rootfs: ./root\ncommand: [real]\nenvironment: {PATH: \"/bin:/usr/bin\"}\n");
        tells(ran, 126, 2, &["its loader", "/ld-linux", "is not there", "static"]);
    }
}

#[test]
fn a_missing_interpreter_of_a_script_is_named() {
    app("#!/usr/bin/python3 -u\n", 0o755, &["`#!` interpreter `/usr/bin/python3`", "is not there"]);
}

#[test]
fn an_interpreter_elsewhere_is_found() {
    app("#!/usr/local/bin/sh\n", 0o755, &["`/usr/local` is not there", "`/bin/sh` is there"]);
}

#[test]
fn a_carriage_return_in_the_first_line_is_named() {
    app(
        "#!/bin/sh\r\necho hello\r\n",
        0o755,
        &["carriage return", r"`/bin/sh\r`", "Unix line ends"],
    );
}

#[test]
fn an_interpreter_without_permission_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        stage.file("interpreter", "", 0o644);
        stage.file("app", "#!/interpreter\n", 0o755);
        stage.give(who);
        let ran = stage.up(who, "rootfs: ./root\n\ncommand: [/app]\n");
        tells(ran, 126, 3, &["interpreter", "`/interpreter`", "mode 0644", "EACCES"]);
    }
}

#[test]
fn an_interpreter_of_an_interpreter_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        stage.file("middle", "#!/nowhere/lua\n", 0o755);
        stage.file("app", "#!/middle\n", 0o755);
        stage.give(who);
        tells(stage.up(who, "rootfs: ./root\ncommand: [/app]\n"), 126, 2, &["`/nowhere/lua`"]);
    }
}

#[test]
fn an_empty_program_is_named() {
    app("", 0o755, &["`/app` is an empty file", "ENOEXEC"]);
}

#[test]
fn text_without_a_first_line_for_the_kernel_is_named() {
    app("echo hello\n", 0o755, &["`/app` is text without a `#!` line", "#!/bin/sh"]);
}

#[test]
fn what_is_no_program_is_told_with_a_way_out() {
    app("MZ\0\0 of another system", 0o755, &["`/app` is a Windows program", "build for Linux"]);
    app([0x1f, 0x8b, 8, 0, 0], 0o755, &["`/app` is a gzip archive", "unpack it first"]);
    app("\u{feff}#!/bin/sh\n", 0o755, &["after a byte order mark", "save it as UTF-8"]);
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [/dev/null]\n");
        tells(ran, 126, 2, &["`/dev/null` is a character device, not a program", "EACCES"]);
    }
}

#[test]
fn a_program_for_another_processor_is_named() {
    let (machine, name) = foreign();
    app(elf(machine, "/lib/ld.so"), 0o755, &["`/app` is built for", name, std::env::consts::ARCH]);
}

#[test]
fn a_damaged_program_is_named() {
    app(&elf(native(), "/lib/ld.so")[..90], 0o755, &["`/app` is an ELF file that ends too early"]);
}

#[test]
fn a_program_without_permission_is_named() {
    app(
        "#!/bin/sh\n",
        0o644,
        &["`/app` has no permission to be executed", "mode 0644", "chmod +x"],
    );
}

#[test]
fn a_directory_as_command_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [/usr/bin]\n");
        tells(ran, 126, 2, &["`/usr/bin` is a directory, not a program", "EACCES"]);
    }
}

#[test]
fn a_mount_without_exec_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let program = stage.temp.write("tools/app", "#!/bin/sh\n");
        fs::set_permissions(program, Permissions::from_mode(0o755)).unwrap();
        stage.give(who);
        let text = "rootfs: ./root\nmounts: [{type: bind, source: ./tools, target: /mnt, exec: false}]\ncommand: [/mnt/app]\n";
        tells(stage.up(who, text), 126, 3, &["`/mnt/app`", "mounted noexec", "exec: true"]);
    }
}

#[test]
fn a_directory_that_may_not_be_searched_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        stage.file("a/shut/app", "#!/bin/sh\n", 0o755);
        stage.give(who);
        fs::set_permissions(stage.root("a/shut"), Permissions::from_mode(0o600)).unwrap();
        let ran = stage.up(who, "rootfs: ./root\ncommand: [/a/shut/app]\n");
        tells(ran, 126, 2, &["`/a/shut`", "can't be searched by uid 0", "mode 0600"]);
    }
}

#[test]
fn a_program_that_is_being_written_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let path = stage.file("app", "#!/bin/sh\nexit 77\n", 0o755);
        stage.give(who);
        let writer = fs::OpenOptions::new().append(true).open(path).unwrap();
        let ran = stage.up(who, "rootfs: {path: ./root, write: direct}\ncommand: [/app]\n");
        drop(writer);
        // Linux 6.11 and 6.12 execute it.
        if ran.code() != 77 {
            tells(ran, 126, 2, &["`/app` is open for writing", "ETXTBSY"]);
        }
    }
}

#[test]
fn the_longest_variable_of_too_large_an_environment_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let long = "x".repeat(140_000);
        let text = format!(
            "rootfs: ./root\ncommand: [/bin/true]\nenvironment: {{SHORT: x, LONG: {long}}}\n"
        );
        tells(stage.up(who, &text), 126, 2, &["`LONG`", "140005 bytes", "E2BIG"]);
    }
}

// ---- a program that is not there

#[test]
fn a_misspelt_command_is_told_where_it_was_sought() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let text = "rootfs: ./root\nenvironment: {PATH: \"/sbin:/bin\"}\ncommand: [bussybox, ls]\n";
        let words =
            ["`bussybox` is in no directory", "`/sbin` and `/bin`", "did you mean `busybox`"];
        tells(stage.up(who, text), 127, 3, &words);
    }
}

#[test]
fn a_command_outside_of_path_is_found() {
    for who in Who::all() {
        let stage = Stage::new(who);
        stage.file("usr/local/bin/tool", "#!/bin/sh\n", 0o755);
        stage.give(who);
        let text = "rootfs: ./root\nenvironment: {PATH: /bin}\ncommand: [tool]\n";
        tells(stage.up(who, text), 127, 3, &["`/usr/local/bin/tool` is there"]);
    }
}

#[test]
fn a_path_that_ends_in_a_dangling_link_is_told() {
    for who in Who::all() {
        let stage = Stage::new(who);
        symlink("/opt/gone/app", stage.root("app")).unwrap();
        let ran = stage.up(who, "rootfs: ./root\ncommand: [/app]\n");
        let words = ["`/app` is a symbolic link to `/opt/gone/app`", "`/opt` is not there"];
        tells(ran, 127, 2, &words);
    }
}

#[test]
fn a_command_of_the_working_directory_is_found_there() {
    for who in Who::all() {
        let stage = Stage::new(who);
        stage.file("home/run.sh", "#!/bin/sh\n", 0o644);
        stage.give(who);
        let text = "rootfs: ./root\nworking_dir: /home\ncommand: [./run.sh]\n";
        tells(stage.up(who, text), 126, 3, &["`/home/run.sh` has no permission", "mode 0644"]);
        let text = text.replace("run.sh", "rum.sh");
        let words = ["`/home/rum.sh` is not there", "did you mean `/home/run.sh`"];
        tells(stage.up(who, &text), 127, 3, &words);
    }
}

#[test]
fn a_command_in_the_wrong_case_is_told() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [LS]\n");
        tells(ran, 127, 2, &["`LS` is in no directory", "did you mean `ls`"]);
    }
}

#[test]
fn a_command_that_only_the_host_has_is_told() {
    if !need("prlimit") {
        return;
    }
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [prlimit]\n");
        tells(ran, 127, 2, &["/prlimit` is the host's", "`mounts` can show it inside"]);
    }
}

#[test]
fn a_command_of_the_hosts_outside_of_path_is_found() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "command: [env]\nenvironment: {PATH: /opt/none}\n");
        let words = ["`/usr/bin/env` is there: name it by its path, or add its directory to PATH"];
        tells(ran, 127, 1, &words);
    }
}

#[test]
fn words_that_are_one_item_are_told_apart() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [\"ls -la\"]\n");
        tells(ran, 127, 2, &["no program is called `ls -la`", "`[ls, …]`"]);
    }
}

#[test]
fn a_root_that_is_no_root_file_system_is_told() {
    for who in Who::all() {
        let stage = Stage::new(who);
        fs::create_dir_all(stage.temp.join("pictures/summer")).unwrap();
        stage.give(who);
        let ran = stage.up(who, "rootfs: ./pictures\ncommand: [\"true\"]\n");
        let words =
            ["no directory of the sandbox's PATH is there", "`/summer`", "see that `rootfs`"];
        tells(ran, 127, 2, &words);
    }
}

#[test]
fn a_link_in_path_that_leads_in_a_circle_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        symlink("app", stage.root("bin/app")).unwrap();
        let ran = stage.up(who, "rootfs: ./root\ncommand: [app]\n");
        tells(ran, 126, 2, &["`/bin/app` is a symbolic link that leads in a circle", "ELOOP"]);
    }
}

// ---- places

#[test]
fn a_link_of_procs_own_is_no_working_directory() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [id]\nworking_dir: /proc/self/cwd\n");
        tells(ran, 125, 3, &["`/proc/self/cwd` is a link of /proc's own", "not followed"]);
    }
}

#[test]
fn a_file_that_only_the_kernel_could_make_is_told() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [id]\nfiles: {/proc/mine: text}\n");
        tells(ran, 125, 3, &["`/proc/mine` is not there", "only the kernel makes files there"]);
    }
}

#[test]
fn a_mount_over_the_root_is_refused_in_words() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [id]\ntmpfs: [/]\n");
        tells(ran, 125, 3, &["the root itself can't be mounted over", "`rootfs` says what / is"]);
    }
}

#[test]
fn a_directory_that_may_not_be_made_in_is_named() {
    if !need_root() {
        return;
    }
    for who in Who::all() {
        let stage = Stage::new(who);
        fs::create_dir(stage.root("a")).unwrap();
        chown(stage.root("a"), Some(4242), Some(4242)).unwrap();
        let ran = stage.up(who, "rootfs: ./root\ncommand: [id]\nmounts:\n- .:/a/b/c\n");
        tells(ran, 125, 4, &["can't write to `/a`", "not mapped in the sandbox", "mode 0755"]);
    }
}

#[test]
fn a_directory_of_an_overlay_mount_is_looked_at() {
    if !need_root() {
        return;
    }
    for who in Who::all() {
        let stage = Stage::new(who);
        for dir in ["low", "up", "work"] {
            fs::create_dir(stage.temp.join(dir)).unwrap();
        }
        for dir in ["up", "work"] {
            chown(stage.temp.join(dir), Some(4242), Some(4242)).unwrap();
        }
        let text = "rootfs: ./root\ncommand: [touch, /mnt/x]\nmounts:\n- {type: overlay, target: /mnt, lower: [./low], upper: ./up, work: ./work, read_only: false}\n";
        let ran = stage.up(who, text);
        assert_ne!(ran.code(), 0, "{ran:?}");
        assert!(!stage.temp.join("up/x").exists());
    }
}

#[test]
fn a_root_without_accounts_runs_as_root() {
    for who in Who::all() {
        let stage = Stage::new(who);
        fs::remove_file(stage.root("etc/passwd")).unwrap();
        let text = "rootfs: ./root\nuser: NAME\ncommand: [id, -u]\n";
        let ran = stage.up(who, &text.replace("NAME", "root")).expect(0);
        assert_eq!(ran.stdout, "0\n");
        let ran = stage.up(who, &text.replace("NAME", "rooot"));
        tells(ran, 125, 2, &["/etc/passwd has no user `rooot`"]);
    }
}

#[test]
fn a_file_of_accounts_that_may_not_be_read_is_named() {
    let stage = Stage::new(Who::User);
    let passwd = stage.root("etc/passwd");
    fs::set_permissions(passwd, Permissions::from_mode(0o0)).unwrap();
    let ran = stage.up(Who::User, "rootfs: ./root\nuser: web\ncommand: [id]\n");
    tells(ran, 125, 2, &["/etc/passwd", "user `web`", "can't be read: permission denied"]);
}

/// Before anything is started, and with what stands in the way.
#[test]
fn a_path_that_is_out_of_reach_is_named() {
    let stage = Stage::new(Who::User);
    let shut = |name: &str| {
        let path = stage.root(name);
        fs::set_permissions(&path, Permissions::from_mode(0o0)).unwrap();
        path.display().to_string()
    };
    let (passwd, home) = (shut("etc/passwd"), shut("home"));
    fs::set_permissions(stage.root("var"), Permissions::from_mode(0o555)).unwrap();
    let shown =
        |path: &str| format!("{path} belongs to uid {0}, gid {0}, with mode 0000", Who::User.id());
    let cases: [(&str, &str, &str); 7] = [
        ("stdin", "./root/etc/passwd", &shown(&passwd)),
        ("stdin", "./root/home/in", &shown(&home)),
        ("env_file", "./root/etc/passwd", &shown(&passwd)),
        ("mounts", "[./root/home/x:/x]", &shown(&home)),
        ("stdout", "./root/etc/passwd", "/etc/passwd can't be written: permission denied"),
        ("stdout", "./root/var/out", "/var/out can't be written: permission denied"),
        ("stderr", "./root/home/out", "/home/out can't be written: permission denied"),
    ];
    for (key, value, words) in cases {
        let text = format!("command: [\"true\"]\n{key}: {value}\n");
        let ran = run(Who::User.command().arg("check").arg(stage.manifest(&text)));
        let place = format!("box.yaml:2:{}:", key.len() + 3 + usize::from(key == "mounts"));
        assert!(ran.stdout.contains(&place) && ran.stdout.contains(words), "{ran:?}");
        stage.up(Who::User, &text).expect(125).says(words).says("nothing was started");
    }
    fs::set_permissions(stage.root("home"), Permissions::from_mode(0o755)).unwrap();
}

/// What can't be read can still be shown; and capabilities count as they do when it is opened.
#[test]
fn what_may_not_be_read_is_refused_where_it_is_read() {
    if !need_root() || !need("setpriv") {
        return;
    }
    let stage = Stage::new(Who::User);
    let closed = stage.temp.write("closed", "input\n");
    chown(&closed, Some(0), Some(0)).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o600)).unwrap();
    let shown = "rootfs: ./root\ncommand: [cat]\nmounts: [./closed:/x]\n";
    stage.up(Who::User, shown).expect(0);
    let both = format!("{shown}stdin: ./closed\n");
    let ran = stage.up(Who::User, &both).expect(125).says("nothing was started: one fault");
    assert!(ran.stderr.contains("closed is out of reach"), "{}", ran.stderr);
    let fifo = stage.temp.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::empty()).unwrap();
    let text = "rootfs: ./root\ncommand: [cat]\nstdin: ./fifo\n";
    run(Who::User.command().arg("check").arg(stage.manifest(text))).expect(1);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=1000", "--regid=1000", "--clear-groups"]);
    command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
    command.arg(support::user_binary()).arg("up").arg(stage.manifest(&both));
    assert_eq!(run(&mut command).expect(0).stdout, "input\n");
}

/// Nothing is mounted there, so that a place below it is made like any other.
#[test]
fn what_is_absent_covers_nothing() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let text = "rootfs: ./root\ncommand: [ls, /a]\nmounts:\n- {type: tmpfs, target: /a/b}\n\
                    - {type: bind, source: ./gone, target: /a, optional: true}\n";
        assert_eq!(stage.up(who, text).expect(0).stdout, "b\n");
    }
}

#[test]
fn every_tmpfs_is_known_again() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let all: Vec<String> = (0..200).map(|n| format!("/m{n}")).collect();
        let text = format!(
            "rootfs: ./root\ncommand: [cat, /m199/b]\ntmpfs: [{}]\nfiles: {{/m199/b: last}}\n",
            all.join(", ")
        );
        assert_eq!(stage.up(who, &text).expect(0).stdout, "last");
    }
}

#[test]
fn a_file_over_a_directory_of_the_root_is_refused_in_words() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [id]\nfiles: {/home: text}\n");
        tells(ran, 125, 3, &["`/home` is a directory in the root file system", "a file"]);
    }
}

/// The file lies where nobody of the sandbox's may look: that is not what the kernel refused.
#[test]
fn a_file_of_a_closed_directory_over_a_directory_is_refused_in_words() {
    if !need_root() {
        return;
    }
    let stage = Stage::new(Who::Root);
    stage.temp.write("closed/text", "");
    fs::set_permissions(stage.temp.join("closed"), Permissions::from_mode(0o700)).unwrap();
    let text = "rootfs: ./root\ncommand: [id]\nmounts: [./closed/text:/home]\n";
    tells(stage.up(Who::Root, text), 125, 3, &["`/home` is a directory", "a file on a file"]);
}

/// With a stream that is a file of root's, its ids are not mapped, and a scratch lies over the
/// host's root when that is taken.
#[test]
fn the_hosts_root_is_one_whatever_the_streams_are() {
    if !need_root() {
        return;
    }
    let (temp, out) = (Temp::new(), Temp::new());
    let text = "rootfs: {path: /, write: none}\ncommand: [\"true\"]\n";
    let manifest = temp.write("box.yaml", text);
    let file = fs::File::create(out.join("stderr")).unwrap();
    let status = sixdocker().arg("up").arg(manifest).stderr(file).status().unwrap();
    assert_eq!(status.code(), Some(0), "{}", out.read("stderr"));
}

#[test]
fn a_layer_inside_of_its_root_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let text = "rootfs:\n  path: ./root\n  write: {keep: ./root/home}\ncommand: [id]\n";
        tells(stage.up(who, text), 125, 3, &["lie one in the other", "keep the layer outside"]);
    }
}

#[test]
fn a_working_directory_that_is_not_there_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [\"true\"]\nworking_dir: /usr/src/app\n");
        tells(ran, 125, 3, &["`/usr/src` is not there", "ENOENT"]);
    }
}

#[test]
fn a_working_directory_that_is_a_file_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, "rootfs: ./root\ncommand: [\"true\"]\nworking_dir: /etc/passwd\n");
        tells(ran, 125, 3, &["`/etc/passwd` is a file, not a directory"]);
    }
}

#[test]
fn a_mount_target_that_nobody_makes_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        fs::create_dir(stage.temp.join("data")).unwrap();
        stage.give(who);
        let text = "rootfs: {path: ./root, write: direct}\ncommand: [\"true\"]\nmounts:\n- ./data:/srv/data\n";
        let words = ["has no /srv/data to mount on", "make /srv/data there", "write: discard"];
        tells(stage.up(who, text), 125, 4, &words);
        assert!(!stage.root("srv").exists(), "something was made");
    }
}

#[test]
fn a_file_on_a_directory_is_refused_in_words() {
    for who in Who::all() {
        let stage = Stage::new(who);
        stage.temp.write("data", "x");
        stage.give(who);
        let text = "rootfs: ./root\ncommand: [\"true\"]\nmounts:\n- ./data:/home\n";
        tells(stage.up(who, text), 125, 4, &["`/home` is a directory", "a file"]);
    }
}

#[test]
fn a_target_that_leads_in_a_circle_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        symlink("loop", stage.root("loop")).unwrap();
        fs::create_dir(stage.temp.join("data")).unwrap();
        stage.give(who);
        let text = "rootfs: ./root\ncommand: [\"true\"]\nmounts:\n- ./data:/loop/x\n";
        tells(stage.up(who, text), 125, 4, &["`/loop`", "circle"]);
    }
}

#[test]
fn a_layer_on_a_read_only_file_system_is_named() {
    if !need_root() {
        return;
    }
    let stage = Stage::new(Who::Root);
    fs::create_dir(stage.temp.join("keep")).unwrap();
    let keep = stage.temp.join("keep");
    let shell = format!(
        "unshare -m sh -c 'mount -t tmpfs -o ro none {0} && exec \"$@\"' sh \"$@\"",
        keep.display()
    );
    let text = "rootfs:\n  path: ./root\n  write: {keep: ./keep}\ncommand: [\"true\"]\n";
    let ran = stage.up_in(Who::Root, &shell, text).expect(125);
    ran.says("keep` is on a read-only file system").says("box.yaml:");
}

#[test]
fn a_layer_on_an_overlay_is_named() {
    if !need_root() {
        return;
    }
    let stage = Stage::new(Who::Root);
    for dir in ["o/lower", "o/keep"] {
        fs::create_dir_all(stage.temp.join(dir)).unwrap();
    }
    let shell = format!(
        "unshare -m sh -c 'cd {0} && mount -t tmpfs none lower && mkdir lower/l lower/u lower/w && \
         mount -t overlay -o lowerdir=lower/l,upperdir=lower/u,workdir=lower/w none keep && cd / && exec \"$@\"' sh \"$@\"",
        stage.temp.join("o").display()
    );
    let text = "rootfs:\n  path: ./root\n  write: {keep: ./o/keep}\ncommand: [\"true\"]\n";
    stage.up_in(Who::Root, &shell, text).expect(125).says("is on an overlay").says("box.yaml:");
}

#[test]
fn a_layer_that_another_writes_to_is_named() {
    if !need("flock") {
        return;
    }
    for who in Who::all() {
        let stage = Stage::new(who);
        fs::create_dir(stage.temp.join("keep")).unwrap();
        stage.give(who);
        let text = "rootfs:\n  path: ./root\n  write: {keep: ./keep}\ncommand: [\"true\"]\n";
        stage.up(who, text).expect(0);
        // As a sandbox that runs does.
        let shell = format!("flock {} \"$@\"", stage.temp.join("keep").display());
        let ran = stage.up_in(who, &shell, text).expect(125);
        ran.says("another sandbox uses the layer").says("box.yaml:3");
    }
}

#[test]
fn a_layer_that_is_full_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let big = "x".repeat(300_000);
        let text = format!(
            "rootfs: {{path: ./root, size: 64k}}\ncommand: [\"true\"]\nfiles: {{/home/big: {big}}}\n"
        );
        let ran = stage.up(who, &text);
        tells(ran, 125, 1, &["ENOSPC", "full", "may hold 64 KiB", "raise `rootfs.size`"]);
    }
}

// ---- limits of the caller

#[test]
fn a_limit_above_the_callers_is_told_with_the_callers() {
    if !need("prlimit") {
        return;
    }
    for who in Who::all() {
        let stage = Stage::new(who);
        let text = "rootfs: ./root\ncommand: [\"true\"]\nulimits:\n  core: 5000\n";
        let ran = stage.up_in(who, "prlimit --core=1000:1000 \"$@\"", text);
        tells(ran, 125, 4, &["hard limit of 1000", "write at most 1000", "LimitCORE="]);
    }
}

/// Root, but without these capabilities, as in a container.
fn weakened(without: &str, text: &str) -> Option<Ran> {
    if !need("setpriv") || !need("prlimit") || !need_root() {
        return None;
    }
    let stage = Stage::new(Who::Root);
    let shell = format!("prlimit --core=1000:1000 setpriv --bounding-set={without} -- \"$@\"");
    Some(stage.up_in(Who::Root, &shell, text))
}

#[test]
fn a_limit_that_a_weak_root_may_not_raise_is_told() {
    let text = "rootfs: ./root\nuserns: host\ncommand: [\"true\"]\nulimits:\n  core: 5000\n";
    if let Some(ran) = weakened("-sys_resource", text) {
        tells(ran, 125, 5, &["hard limit of 1000", "CAP_SYS_RESOURCE", "write at most 1000"]);
    }
}

#[test]
fn a_nice_value_below_the_callers_is_told() {
    if !need("prlimit") {
        return;
    }
    let stage = Stage::new(Who::User);
    let text = "rootfs: ./root\ncommand: [\"true\"]\nnice: -5\n";
    let ran = stage.up_in(Who::User, "prlimit --nice=0:0 \"$@\"", text);
    // The tests themselves may be started nice.
    tells(ran, 125, 3, &["a nice value below ", "RLIMIT_NICE", " or more"]);
}

#[test]
fn a_nice_value_that_a_weak_root_may_not_have_is_named() {
    let text = "rootfs: ./root\nuserns: host\ncommand: [\"true\"]\nnice: -5\n";
    if let Some(ran) = weakened("-sys_nice", text) {
        tells(ran, 125, 4, &["RLIMIT_NICE = 0", "-5 is asked for", "EACCES"]);
    }
}

#[test]
fn a_badness_below_the_callers_is_told() {
    let stage = Stage::new(Who::User);
    let ran = stage.up(Who::User, "rootfs: ./root\ncommand: [\"true\"]\noom_score_adj: -500\n");
    tells(ran, 125, 3, &["below the caller's own (0)", "user namespace", "write 0 or more"]);
}

#[test]
fn an_unknown_sysctl_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let text = "rootfs: ./root\ncommand: [\"true\"]\nsysctls:\n  net.ipv4.ip_forwart: 1\n";
        let words = ["net.ipv4.ip_forwart", "did you mean `ip_forward`"];
        tells(stage.up(who, text), 125, 4, &words);
    }
}

/// In a mount namespace where root has done `spoil`, as root and as a user.
fn spoiled(spoil: &str, text: &str, told: impl Fn(Ran, Who)) {
    if !need_root() {
        return;
    }
    for who in Who::all() {
        let stage = Stage::new(who);
        let shell = format!(
            "unshare -m sh -c 'cd {} && {spoil} && cd / && exec \"$@\"' sh \"$@\"",
            stage.temp.path().display()
        );
        told(stage.up_in(who, &shell, text), who);
    }
}

const TRUE: &str = "rootfs: ./root\ncommand: [\"true\"]\n";

#[test]
fn a_sysctl_that_forbids_user_namespaces_is_named() {
    let spoil = "mount -t tmpfs none /proc/sys/kernel && echo 0 >/proc/sys/kernel/unprivileged_userns_clone";
    let text = format!("{TRUE}proc: none\n");
    spoiled(spoil, &text, |ran, who| match who {
        Who::Root => _ = ran.expect(0),
        Who::User => {
            let words = [
                "kernel.unprivileged_userns_clone is 0",
                "sudo sysctl -w kernel.unprivileged_userns_clone=1",
            ];
            tells(ran, 125, 1, &words);
        }
    });
}

#[test]
fn apparmor_that_forbids_user_namespaces_is_named() {
    let spoil = "mount -t tmpfs none /proc/sys/kernel && echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    let text = format!("{TRUE}proc: none\n");
    spoiled(spoil, &text, |ran, who| match who {
        Who::Root => _ = ran.expect(0),
        Who::User => {
            let words = [
                "AppArmor",
                "kernel.apparmor_restrict_unprivileged_userns is 1",
                "sudo apparmor_parser -r /etc/apparmor.d/sixdocker",
            ];
            tells(ran, 125, 1, &words);
        }
    });
}

#[test]
fn something_else_on_proc_is_told() {
    spoiled("mount -t tmpfs none /proc", TRUE, |ran, _| {
        tells(ran, 125, 1, &["something else is mounted on /proc", "proc: none"]);
    });
}

#[test]
fn a_device_that_the_host_lacks_is_named() {
    spoiled("mount -t tmpfs none /dev", TRUE, |ran, _| {
        tells(ran, 125, 1, &["`/dev/full` is not there", "the host itself has no such device"]);
    });
}

#[test]
fn control_groups_that_are_mounted_read_only_are_named() {
    let spoil = "mount --bind /sys/fs/cgroup/memory /sys/fs/cgroup/memory && mount -o remount,bind,ro /sys/fs/cgroup/memory";
    // On a host with cgroup v2 alone.
    let spoil = format!(
        "if [ -e /sys/fs/cgroup/memory ]; then {spoil}; else mount -o remount,bind,ro /sys/fs/cgroup; fi"
    );
    let text = format!("{TRUE}limits:\n  memory: 50m\n");
    spoiled(&spoil, &text, |ran, who| {
        if who == Who::Root {
            tells(ran, 125, 4, &["mounted read-only", "allow_degraded: [memory]"]);
        }
    });
}

#[test]
fn a_mount_below_the_root_file_system_is_named() {
    spoiled("mount -t tmpfs none root/home", TRUE, |ran, _| {
        tells(ran, 125, 1, &["has mounts below it", "root/home`", "EINVAL"]);
    });
}

#[test]
fn a_file_system_that_takes_no_layer_is_named() {
    for who in Who::all() {
        let ran = Stage::new(who).up(who, "rootfs: /proc\ncommand: [\"true\"]\n");
        tells(ran, 125, 1, &["of the type `proc`", "EINVAL"]);
    }
}

#[test]
fn a_chroot_around_the_runner_is_named() {
    if !need_root() {
        return;
    }
    for who in Who::all() {
        let stage = Stage::new(who);
        fs::copy(support::binary(), stage.root("sixdocker")).unwrap();
        stage.file("box.yaml", "rootfs: /inner\ncommand: [\"true\"]\n", 0o644);
        busybox_root_at(&stage.root("inner"));
        stage.give(who);
        let root = stage.root("");
        let shell = format!(
            "unshare -m sh -c 'cd {} && mount -t proc none proc && mount --rbind /dev dev && exec chroot --userspec={id}:{id} . /sixdocker up /box.yaml'",
            root.display(),
            id = who.id()
        );
        let ran = run(&mut wrapped(&sixdocker(), &shell, &[]));
        tells(ran, 125, 1, &["is in a chroot", "EPERM", "as a mount"]);
    }
}

/// With ranges of ids for uid 1000 in /etc/subuid and /etc/subgid, and what `spoil` does to that.
fn with_ranges(spoil: &str, words: &[&str]) {
    if !need("newuidmap") || !need_root() {
        return;
    }
    let ranges = "echo 1000:100000:65536 >sub && touch /etc/subuid /etc/subgid && mount --bind sub /etc/subuid && mount --bind sub /etc/subgid";
    let text = format!("{TRUE}groups: [5]\n");
    spoiled(&format!("{ranges} && {spoil}"), &text, |ran, who| match who {
        Who::Root => _ = ran.expect(0),
        Who::User if words.is_empty() => _ = ran.expect(0),
        Who::User => tells(ran, 125, 3, words),
    });
}

#[test]
fn ranges_of_ids_are_mapped() {
    with_ranges("true", &[]);
}

#[test]
fn a_helper_without_setuid_is_named() {
    let spoil = "cp /usr/bin/newuidmap helper && chmod 755 helper && mount --bind helper /usr/bin/newuidmap";
    with_ranges(spoil, &["/usr/bin/newuidmap` is not setuid root", "EPERM", "reinstall uidmap"]);
}

#[test]
fn a_helper_on_a_mount_without_setuid_is_named() {
    let spoil = "mount --bind /usr /usr && mount -o remount,bind,nosuid /usr";
    with_ranges(spoil, &["nosuid", "newuidmap", "EPERM"]);
}

#[test]
fn ranges_with_the_callers_own_id_are_named() {
    let spoil = "echo 1000:0:65536 >own && mount --bind own /etc/subgid";
    with_ranges(spoil, &["the gids 0-65535 and 1000 of the host overlap", "/etc/subgid"]);
}

#[test]
fn ids_that_a_user_namespace_around_lacks_are_named() {
    if !need_root() {
        return;
    }
    let stage = Stage::new(Who::User);
    let text = format!("{TRUE}user: 7:7\n");
    let manifest = stage.manifest(&text);
    let more = ["up".as_ref(), manifest.as_os_str()];
    // Five ids, and groups may be given up: a root of its own, to the runner.
    let shell = "mkfifo go && { unshare -U sh -c 'read x <go; exec \"$@\"' sh \"$@\" & } && \
         while [ /proc/$!/ns/user -ef /proc/$$/ns/user ]; do :; done && \
         for map in uid_map gid_map; do echo 0 0 5 >/proc/$!/$map; done && echo >go && wait $!";
    let ran = run(wrapped(&sixdocker(), shell, &more).current_dir(stage.temp.path()));
    tells(ran, 125, 3, &["user namespace without the uid 7", "/proc/self/uid_map", "EPERM"]);
}

/// With one id alone, it is whoever the manifest says.
#[test]
fn the_one_id_of_a_user_namespace_around_is_anybody() {
    let stage = Stage::new(Who::User);
    let manifest = stage.manifest("rootfs: ./root\ncommand: [id]\nuser: 7:7\n");
    let more = ["up".as_ref(), manifest.as_os_str()];
    let ran = run(&mut wrapped(&sixdocker(), "unshare -Ur \"$@\"", &more)).expect(0);
    assert!(ran.stdout.starts_with("uid=7 gid=7"), "{}", ran.stdout);
}

#[test]
fn a_caller_who_is_not_mapped_is_told() {
    let stage = Stage::new(Who::User);
    let manifest = stage.manifest(TRUE);
    let more = ["up".as_ref(), manifest.as_os_str()];
    let ran = run(&mut wrapped(&sixdocker(), "unshare -U \"$@\"", &more));
    tells(ran, 125, 1, &["of the caller is not mapped in the user namespace", "EPERM"]);
}

#[test]
fn a_filter_around_the_runner_is_named() {
    let binary = support::user_binary().display();
    for who in Who::all() {
        let stage = Stage::new(who);
        let text = format!(
            "mounts: [\"{binary}:/run/sixdocker\"]\nproc: none\ncommand: |\n  printf 'command: [\"true\"]\\nproc: none\\n' >/tmp/in.yaml\n  exec /run/sixdocker up /tmp/in.yaml\n"
        );
        let ran = stage.up(who, &text).expect(125);
        ran.says("/tmp/in.yaml:1:")
            .says("runs under a seccomp filter, as in a container")
            .says("ENOSYS");
    }
}

#[test]
fn an_option_that_a_file_system_does_not_take_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let text = format!(
            "{TRUE}mounts:\n- {{type: tmpfs, target: /mnt, options: [nr_inodes=many, huge=never]}}\n"
        );
        let ran = stage.up(who, &text);
        tells(ran, 125, 4, &["tmpfs does not take `nr_inodes=many` (", "EINVAL", "`options`"]);
    }
}

#[test]
fn a_report_without_a_directory_is_refused_before_the_command_runs() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let text = "rootfs: ./root\ncommand: [echo, ran]\nreport: ./reprots/run.json\n";
        fs::create_dir(stage.temp.join("reports")).unwrap();
        stage.give(who);
        let ran = stage.up(who, text);
        assert_eq!(ran.stdout, "");
        tells(ran, 125, 3, &["nothing at", "did you mean", "/reports?"]);
    }
}

#[test]
fn a_program_that_may_not_be_read_in_a_layer_is_named() {
    if !need_root() {
        return;
    }
    for who in Who::all() {
        let stage = Stage::new(who);
        let program = stage.file("app", "#!/bin/sh\n", 0o711);
        chown(program, Some(4242), Some(4242)).unwrap();
        let ran = stage.up(who, "rootfs: ./root\ncommand: [/app]\n");
        tells(ran, 126, 2, &["may execute `/app` but not read it", "not mapped", "`chmod +r`"]);
    }
}

#[test]
fn a_link_to_nowhere_and_a_near_name_are_told() {
    for who in Who::all() {
        let stage = Stage::new(who);
        symlink("/opt/gone", stage.temp.join("link")).unwrap();
        let ran = stage.up(who, "rootfs: ./link\ncommand: [id]\n");
        tells(ran, 125, 1, &["nothing at", "a symbolic link to /opt/gone"]);
        let ran = stage.up(who, "rootfs: ./roott\ncommand: [id]\n");
        tells(ran, 125, 1, &["nothing at", "did you mean", "/root?"]);
        let ran = stage.up(who, "rootfs: ./no/such/root\ncommand: [id]\n");
        tells(ran, 125, 1, &["nothing at", "/no is not there either"]);
    }
}

#[test]
fn a_current_directory_that_was_removed_is_told() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let gone = stage.temp.join("gone");
        fs::create_dir(&gone).unwrap();
        let shell =
            format!("cd {0} && rmdir {0} && exec \"$1\" run -v .:/mnt -- id", gone.display());
        let command = if who == Who::Root { support::binary() } else { support::user_binary() };
        let mut command = Command::new(command);
        let ran = run(&mut wrapped(command.env_clear().env("PATH", "/bin"), &shell, &[]));
        ran.expect(125).says("directory that the caller is in was removed").says("(`cd`)");
    }
}

#[test]
fn a_stack_that_is_too_small_is_told() {
    if !need("prlimit") {
        return;
    }
    let stage = Stage::new(Who::User);
    let manifest = stage.manifest(TRUE);
    let shell = "exec prlimit --stack=32768:32768 \"$@\"";
    let ran = run(&mut wrapped(&sixdocker(), shell, &["up".as_ref(), manifest.as_os_str()]));
    ran.expect(125).says("the stack may have 32 KiB (`ulimit -s`), and 512 are needed");
}

#[test]
fn a_limit_that_may_have_killed_is_named() {
    for who in Who::all() {
        let stage = Stage::new(who);
        let ran = stage.up(who, &format!("{TRUE}ulimits: {{as: 65536}}\n"));
        ran.expect(139).says("killed by SIGSEGV: it may have reached its `ulimits.as` of 65536");
    }
}

/// In a user namespace of its own, whose limits are its own.
fn exhausted(file: &str, word: &str) {
    let stage = Stage::new(Who::User);
    let own = if is_root() { "unshare -Urm" } else { "unshare -Ur" };
    let shell = format!("{own} sh -c 'echo 0 >/proc/sys/user/{file} && exec \"$@\"' sh \"$@\"");
    // As who runs the tests: the user in the new namespace is root.
    let ran = {
        let command = sixdocker();
        let manifest = stage.manifest("rootfs: ./root\ncommand: [\"true\"]\n");
        run(&mut wrapped(&command, &shell, &["up".as_ref(), manifest.as_os_str()]))
    };
    ran.expect(125).says(word).says("box.yaml:");
}

#[test]
fn exhausted_user_namespaces_are_named() {
    exhausted("max_user_namespaces", "user.max_user_namespaces is 0");
}

#[test]
fn exhausted_namespaces_of_every_kind_are_named() {
    for kind in ["net", "pid", "mnt", "uts", "ipc", "cgroup"] {
        exhausted(&format!("max_{kind}_namespaces"), &format!("user.max_{kind}_namespaces = 0"));
    }
}

#[test]
fn user_namespaces_that_are_used_up_around_are_told() {
    let stage = Stage::new(Who::User);
    let manifest = stage.manifest(TRUE);
    let shell = "unshare -Urm sh -c 'echo 1 >/proc/sys/user/max_user_namespaces && exec unshare -Urm \"$@\"' sh \"$@\"";
    let ran = run(&mut wrapped(&sixdocker(), shell, &["up".as_ref(), manifest.as_os_str()]));
    tells(ran, 125, 1, &["user.max_*_namespaces is used up", "ENOSPC"]);
}

#[test]
fn a_limit_of_processes_is_named() {
    if !need("prlimit") || !is_root() {
        return;
    }
    let stage = Stage::new(Who::User);
    // A user whom nobody else is.
    chown(stage.temp.path(), Some(64_123), Some(64_123)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=64123", "--regid=64123", "--clear-groups", "prlimit", "--nproc=1:1"]);
    command.arg(support::user_binary()).env_clear().env("PATH", "/usr/bin:/bin");
    let manifest = stage.manifest("rootfs: ./root\ncommand: [\"true\"]\n");
    let ran = run(command.arg("up").arg(manifest).stdin(std::process::Stdio::null()));
    ran.expect(125).says("RLIMIT_NPROC").says("EAGAIN");
}

#[test]
fn a_limit_of_descriptors_is_named() {
    if !need("prlimit") {
        return;
    }
    for who in Who::all() {
        let stage = Stage::new(who);
        let shell = "prlimit --nofile=4:4 \"$@\"";
        let ran = stage.up_in(who, shell, "rootfs: ./root\ncommand: [\"true\"]\n");
        ran.expect(125).says("files open");
    }
}

#[test]
fn a_mask_over_proc_is_named() {
    if !need_root() {
        return;
    }
    let stage = Stage::new(Who::Root);
    let shell =
        "unshare -m sh -c 'mount -t tmpfs -o ro none /proc/driver && exec \"$@\"' sh \"$@\"";
    let text = "rootfs: ./root\nproc: new\ncommand: [\"true\"]\n";
    let ran = stage.up_in(Who::Root, shell, text);
    ran.expect(125).says("/proc/driver").says("box.yaml:2:").says("outer");
}

#[test]
fn a_processor_that_is_not_there_is_named() {
    if !need_root() {
        return;
    }
    let stage = Stage::new(Who::Root);
    let text = "rootfs: ./root\ncommand: [\"true\"]\nlimits:\n  cpuset: 0-9999\n";
    stage.up(Who::Root, text).expect(125).says("box.yaml:4:").says("0-9999");
}

/// One item of the list is one option of the kernel's.
#[test]
fn two_options_in_one_are_refused() {
    for who in Who::all() {
        let stage = Stage::new(who);
        for options in
            ["'sync,lazytime'", "'ro,nr_inodes=9'", "''", "'=x'", "'mpol=interleave:0', '0'"]
        {
            let text = format!(
                "command: [\"true\"]\nmounts: [{{type: tmpfs, target: /t, options: [{options}]}}]\n"
            );
            let ran = stage.up(who, &text).expect(125);
            assert!(ran.stderr.contains("box.yaml:2:"), "{options}: {ran:?}");
        }
    }
}

/// It is not taken for a directory, or for something of the root file system's.
#[test]
fn a_link_of_dev_is_told_as_one() {
    for who in Who::all() {
        let stage = Stage::new(who);
        for mounts in ["devices: ['/dev/zero:/dev/stdin']", "mounts: ['/usr/share:/dev/stdin']"] {
            let text = format!("command: [\"true\"]\n{mounts}\n");
            let ran = stage.up(who, &text).expect(125);
            assert!(ran.stderr.contains("symbolic link"), "{mounts}: {ran:?}");
        }
    }
}
