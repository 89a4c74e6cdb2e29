//! Why the command was not executed.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statvfs::FsFlags;

use super::Scene;
use super::finding::{Finding, list, name};
use super::look::{Kind, View, owner};
use super::overlay::OVERLAYFS;
use super::program::{Elf, Program, Script};
use super::scarcity;
use crate::plan::{Exec, Init};
use crate::sys::Fault;

pub(super) fn why(scene: Scene<'_>, exec: &Exec, fault: Fault) -> Option<Finding> {
    match fault.errno {
        Errno::E2BIG => return Some(too_big(exec)),
        Errno::EAGAIN => return scarcity::processes(scene, fault.errno),
        Errno::ENOMEM => return scarcity::memory(scene),
        _ => {}
    }
    let view = scene.sandbox()?;
    let candidates: Vec<_> = exec.candidates.iter().map(|path| absolute(scene, path)).collect();
    match candidates.iter().find(|path| view.kind(path).is_ok() && to_blame(view, path, fault)) {
        Some(path) => file(view, path, fault).map(Finding::there),
        None => Some(missing(view, exec, &candidates)),
    }
}

/// A path as it is looked up from the working directory.
fn absolute(scene: Scene<'_>, path: &str) -> String {
    let dir = scene.plan.init.iter().rev().find_map(|step| match &step.action {
        Init::Chdir { path } => Some(path.as_str()),
        _ => None,
    });
    let whole = Path::new("/").join(dir.unwrap_or_default()).join(path);
    whole.components().collect::<PathBuf>().to_string_lossy().into_owned()
}

/// The search goes on past what it may not execute: the file that ended it is the first one
/// that this reason fits.
fn to_blame(view: &View, path: &str, fault: Fault) -> bool {
    fault.errno != Errno::EACCES || file(view, path, fault).is_some()
}

/// The kernel executes a file of an overlay only if who mounted that may read it.
fn unreadable(view: &View, path: &str) -> Option<Finding> {
    let stat = view.stat(path).ok()?;
    let unread = matches!(view.file(path), Err(Errno::EACCES));
    (unread && view.fs_type(path) == Some(OVERLAYFS)).then(|| {
        Finding::new(
            format!(
                "uid {} may execute {} but not read it (it {}), and a program in an overlay must be readable",
                nix::unistd::geteuid(),
                name(path),
                owner(&stat)
            ),
            "`chmod +r` it, or write `write: none` below `rootfs`",
        )
    })
}

// ---- the file is there

fn file(view: &View, path: &str, fault: Fault) -> Option<Finding> {
    match fault.errno {
        Errno::ETXTBSY => return Some(busy(path)),
        Errno::EACCES => {
            let found = denied(view, path, "it").or_else(|| unreadable(view, path));
            if found.is_some() {
                return found;
            }
        }
        _ => {}
    }
    let found = match view.file(path) {
        Ok(file) => program(view, path, &Program::read(&file), fault),
        Err(_) if fault.errno == Errno::ENOENT => Some(Finding::only(format!(
            "{} is there, but something that it needs to run is not: its loader or `#!` interpreter; this user may not read it, so nobody could look",
            name(path)
        ))),
        Err(_) => None,
    };
    found.or_else(|| odd(path, fault))
}

fn busy(path: &str) -> Finding {
    Finding::new(
        format!(
            "{} is open for writing somewhere, and the kernel executes no such file",
            name(path)
        ),
        "let the program that writes it finish and close it, or execute a copy",
    )
}

/// Why `path` may not be executed, going by its kind, mode and mount. `what` is how the
/// sentence speaks of it.
fn denied(view: &View, path: &str, what: &str) -> Option<Finding> {
    let stat = view.stat(path).ok()?;
    let path_ = name(path);
    match Kind::of(&stat) {
        Kind::File => {}
        Kind::Directory => {
            let help = "name the program inside it";
            return Some(Finding::new(format!("{path_} is a directory, not a program"), help));
        }
        kind => {
            let why = format!("{path_} is {}, not a program", kind.words());
            return Some(Finding::new(why, "name a program"));
        }
    }
    if view.flags(path).contains(FsFlags::ST_NOEXEC) {
        return Some(Finding::new(
            format!("{path_} is on a file system that is mounted noexec"),
            "write `exec: true` for that mount, or put the program elsewhere",
        ));
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o111 == 0 {
        return Some(Finding::new(
            format!("{path_} has no permission to be executed (mode {mode:04o})"),
            format!("`chmod +x` {what}, or start it through its interpreter"),
        ));
    }
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let bits = if stat.st_uid == uid.as_raw() {
        mode >> 6
    } else if stat.st_gid == gid.as_raw() {
        mode >> 3
    } else {
        mode
    };
    (bits & 1 == 0).then(|| {
        Finding::new(
            format!("uid {uid}, gid {gid} may not execute {path_}, which {}", owner(&stat)),
            format!("`chmod` {what}, or run as another `user`"),
        )
    })
}

fn program(view: &View, path: &str, program: &Program, fault: Fault) -> Option<Finding> {
    match program {
        Program::Script(script) => interpreted(view, path, script, fault),
        Program::Elf(elf) => binary(view, path, elf, fault),
        _ if fault.errno != Errno::ENOEXEC => None,
        Program::Empty => {
            let help = "see why it was left empty: a download or build that failed?";
            Some(Finding::new(format!("{} is an empty file", name(path)), help))
        }
        Program::Text => Some(Finding::new(
            format!(
                "{} is text without a `#!` line, so the kernel does not know what runs it",
                name(path)
            ),
            "begin it with a line such as `#!/bin/sh`, or write `command: [/bin/sh, FILE]`",
        )),
        Program::Other(what, help) => {
            Some(Finding::new(format!("{} is {what}", name(path)), *help))
        }
    }
}

// ---- scripts

/// As many interpreters of interpreters as are looked at (the kernel gives up after five).
const NESTED: u8 = 6;

fn interpreted(view: &View, path: &str, script: &Script, fault: Fault) -> Option<Finding> {
    let mut path = path.to_owned();
    let mut script = script.clone();
    for _ in 0..NESTED {
        if let Some(finding) = first_line(view, &path, &script) {
            return Some(finding);
        }
        let interpreter = String::from_utf8_lossy(&script.interpreter).into_owned();
        let Ok(file) = view.file(&interpreter) else { return None };
        match Program::read(&file) {
            Program::Script(next) => (path, script) = (interpreter, next),
            other => {
                let found = program(view, &interpreter, &other, fault)?;
                let why = format!("{} wants {}: {}", name(&path), name(&interpreter), found.why);
                return Some(Finding { why, ..found });
            }
        }
    }
    Some(Finding::new(
        format!("{} is a script whose interpreter is a script, and so on, too often", name(&path)),
        "name a program in its first line",
    ))
}

/// What is wrong with a script's first line itself.
fn first_line(view: &View, path: &str, script: &Script) -> Option<Finding> {
    let (path, line) = (name(path), name(&script.interpreter));
    if script.carriage_return {
        return Some(Finding::new(
            format!(
                "the first line of {path} ends in a carriage return (\\r), so the kernel looks for an interpreter called {line}"
            ),
            "save it with Unix line ends: `sed -i 's/\\r$//' FILE`",
        ));
    }
    if script.interpreter.is_empty() {
        return Some(Finding::new(
            format!("the first line of {path} is `#!` with no interpreter"),
            "write it as `#!/bin/sh`",
        ));
    }
    if script.cut && script.argument.is_empty() {
        let why =
            format!("the first line of {path} is longer than the 255 bytes that the kernel reads");
        return Some(Finding::new(why, "move the interpreter to a shorter path"));
    }
    let interpreter = String::from_utf8_lossy(&script.interpreter);
    if let Some(obstacle) = view.obstacle(&interpreter) {
        return Some(Finding::new(
            format!("its `#!` interpreter {line} is missing: {}", obstacle.why),
            elsewhere(view, &interpreter),
        ));
    }
    denied(view, &interpreter, "it").map(|found| {
        let why = format!("its `#!` interpreter can't be executed: {}", found.why);
        Finding { why, ..found }
    })
}

/// Where the same program is, if in one of the ordinary directories.
fn elsewhere(view: &View, path: &str) -> String {
    let program = path.rsplit('/').next().unwrap_or(path);
    let there = ORDINARY
        .iter()
        .map(|dir| format!("{dir}/{program}"))
        .find(|other| other != path && view.kind(other) == Ok(Kind::File));
    match there {
        Some(other) => format!("{} is there: write `#!{other}` in the first line", name(&other)),
        None => format!(
            "install {} in the root file system, or name another interpreter",
            name(program)
        ),
    }
}

const ORDINARY: &[&str] = &[
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
    "/usr/games",
    "/opt/bin",
];

// ---- binaries

fn binary(view: &View, path: &str, elf: &Elf, fault: Fault) -> Option<Finding> {
    let own = std::env::consts::ARCH;
    let made_for = elf.architecture();
    let path = name(path);
    if fault.errno == Errno::ENOEXEC {
        return Some(if elf.truncated {
            let why = format!("{path} is an ELF file that ends too early: it is damaged");
            Finding::new(why, "copy or build it again")
        } else if made_for != own && made_for != "machine 0" {
            Finding::new(
                format!("{path} is built for {made_for}, and this machine is {own}"),
                format!(
                    "use a build for {own}, or register an emulator (qemu-user with binfmt_misc)"
                ),
            )
        } else if elf.executable {
            Finding::only(format!("{path} is an ELF file that this kernel does not load"))
        } else {
            let why = format!(
                "{path} is an ELF file, but no program: an object, library part or core file"
            );
            Finding::new(why, "link it to a program first")
        });
    }
    let loader = elf.interpreter.as_ref()?;
    let file = String::from_utf8_lossy(loader).into_owned();
    let own_line = || format!("{path} is linked dynamically, and its loader {}", name(loader));
    if let Some(obstacle) = view.obstacle(&file) {
        let why = format!("{} is missing: {}", own_line(), obstacle.why);
        return Some(Finding::new(why, other_library(view, &file, &made_for)));
    }
    if fault.errno == Errno::ELIBBAD {
        let why = format!("{} is no loader for it", own_line());
        return Some(Finding::new(why, "install the loader of the same architecture"));
    }
    denied(view, &file, "it").map(|found| {
        let why = format!("{} can't be executed: {}", own_line(), found.why);
        Finding { why, ..found }
    })
}

/// What to do about a loader that is not there, going by the loaders that are.
fn other_library(view: &View, loader: &str, machine: &str) -> String {
    let wants = if loader.contains("ld-musl") { "musl" } else { "glibc" };
    if loader.starts_with("/nix/store") {
        return "it is built by Nix: mount /nix/store too, or use a static build".to_owned();
    }
    let here = LOADERS.iter().find(|(library, path)| *library != wants && view.kind(path).is_ok());
    match here {
        Some((library, path)) => format!(
            "this root file system has the loader of {library} ({path}): use a build for {library}, or a static one"
        ),
        None if machine != std::env::consts::ARCH => {
            format!("install the {wants} of {machine} there, or use a static build")
        }
        None => format!("install {wants} in the root file system, or use a static build"),
    }
}

const LOADERS: &[(&str, &str)] = &[
    ("musl", "/lib/ld-musl-x86_64.so.1"),
    ("musl", "/lib/ld-musl-aarch64.so.1"),
    ("glibc", "/lib64/ld-linux-x86-64.so.2"),
    ("glibc", "/lib/ld-linux-aarch64.so.1"),
];

fn odd(path: &str, fault: Fault) -> Option<Finding> {
    let path = name(path);
    match fault.errno {
        Errno::ELOOP => {
            Some(Finding::only(format!("{path} is a script of scripts, or leads in a circle")))
        }
        Errno::EPERM => Some(Finding::only(format!(
            "{path} may not be executed here: it raises privileges, or a security module forbids it"
        ))),
        _ => None,
    }
}

// ---- the file is not there

fn missing(view: &View, exec: &Exec, candidates: &[String]) -> Finding {
    let command = exec.argv.first().map(String::as_str).unwrap_or_default();
    if command.is_empty() {
        return Finding::new("the command is an empty string", "name a program");
    }
    if command.contains('/') {
        return by_path(view, candidates.first().map_or(command, String::as_str));
    }
    let dirs: Vec<&str> = candidates.iter().filter_map(|path| parent(path)).collect();
    let searched = list(dirs.iter().map(name), "and");
    if !dirs.is_empty() && dirs.iter().all(|dir| view.kind(dir).is_err()) {
        return no_directory(view, command, &searched);
    }
    if let ([_], Some((first, _))) = (&*exec.argv, command.trim_start().split_once(' ')) {
        return Finding::new(
            format!("no program is called {}", name(command)),
            format!(
                "write the words of a list apart, `[{first}, …]`, or a text, which a shell reads"
            ),
        );
    }
    if let Some(link) = candidates.iter().find(|path| view.is_link(path)) {
        return by_path(view, link);
    }
    if let Some(obstacle) = blocked(view, candidates) {
        return Finding::new(
            format!("{} was not found in {searched}; {obstacle}", name(command)),
            "open that directory to the sandbox's user, or name the program by its path",
        );
    }
    Finding::new(
        format!("{} is in no directory of the sandbox's PATH: {searched}", name(command)),
        nearest(view, command, &dirs),
    )
}

/// Not even the directories of PATH are there, so that this may be no root file system at all.
fn no_directory(view: &View, command: &str, searched: &str) -> Finding {
    let mut names = view.names("/", ENTRIES);
    names.sort();
    let entries = list(names.iter().take(8).map(|entry| name(format!("/{entry}"))), "and");
    let more = if names.len() > 8 { ", and more" } else { "" };
    let usual =
        "see that `rootfs` names the root of a root file system, or set PATH in `environment`";
    Finding::new(
        format!(
            "{} was not found, since no directory of the sandbox's PATH is there ({searched}); the root has {entries}{more}",
            name(command)
        ),
        outside(view, command, &[]).unwrap_or_else(|| usual.to_owned()),
    )
}

fn by_path(view: &View, path: &str) -> Finding {
    let Some(obstacle) = view.obstacle(path) else {
        return Finding::only(format!("{} can't be found", name(path)));
    };
    let (dir, file) = path.rsplit_once('/').unwrap_or(("", path));
    let dir = if dir.is_empty() { "/" } else { dir };
    let help = match near(view, file, &[dir]).iter().find(|other| *other != file) {
        Some(other) => {
            format!("did you mean {}?", name(format!("{}/{other}", dir.trim_end_matches('/'))))
        }
        None => {
            "it is looked for inside the sandbox: see that it is in the root file system or a mount"
                .to_owned()
        }
    };
    Finding::new(obstacle.why, help)
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(dir, _)| if dir.is_empty() { "/" } else { dir })
}

/// A directory of PATH that this process may not go through.
fn blocked(view: &View, candidates: &[String]) -> Option<String> {
    candidates
        .iter()
        .filter_map(|path| view.obstacle(path))
        .find(|obstacle| obstacle.errno == Errno::EACCES)
        .map(|obstacle| obstacle.why)
}

/// How a command of the sandbox's is come to that PATH does not lead to.
pub(super) const BY_PATH: &str =
    "is there: name it by its path, or add its directory to PATH in `environment`";

fn outside(view: &View, command: &str, dirs: &[&str]) -> Option<String> {
    let others = ORDINARY.iter().filter(|dir| !dirs.contains(*dir));
    let mut paths = others.map(|dir| format!("{dir}/{command}"));
    let path = paths.find(|path| view.kind(path) == Ok(Kind::File))?;
    Some(format!("{} {BY_PATH}", name(path)))
}

fn nearest(view: &View, command: &str, dirs: &[&str]) -> String {
    if let Some(help) = outside(view, command, dirs) {
        return help;
    }
    let close = near(view, command, dirs);
    if close.is_empty() {
        return "install it in the root file system, or set PATH in `environment`".to_owned();
    }
    format!("did you mean {}?", list(close.iter().map(name), "or"))
}

/// As many entries of a directory as are compared.
const ENTRIES: usize = 20_000;

/// Names in these directories that are written much like `command`, the nearest first.
fn near(view: &View, command: &str, dirs: &[&str]) -> Vec<String> {
    let mut close: Vec<(usize, String)> = dirs
        .iter()
        .flat_map(|dir| view.names(dir, ENTRIES))
        .filter_map(|name| {
            let distance = if name.eq_ignore_ascii_case(command) {
                1
            } else {
                strsim::damerau_levenshtein(&name, command)
            };
            (distance * 3 <= command.chars().count().max(3)).then_some((distance, name))
        })
        .collect();
    close.sort();
    close.dedup();
    close.into_iter().map(|(_, name)| name).take(3).collect()
}

// ---- too much

/// The longest single string that exec takes: 32 pages.
const STRING: usize = 32 * 4096;

fn too_big(exec: &Exec) -> Finding {
    let arguments = exec.argv.iter().enumerate().map(|(n, text)| {
        let what = if n == 0 { "the program's name".to_owned() } else { format!("argument {n}") };
        (text.len(), what)
    });
    let variables = exec.environment.iter().map(|text| {
        let (variable, _) = text.split_once('=').unwrap_or((text, ""));
        (text.len(), format!("the environment variable {}", name(variable)))
    });
    let all: Vec<(usize, String)> = arguments.chain(variables).collect();
    let total: usize = all.iter().map(|(length, _)| length + 1).sum();
    let (length, longest) = all.into_iter().max().unwrap_or_default();
    let help = "hand long data over in a file (`files`) or on standard input";
    if length >= STRING {
        let why = format!(
            "{longest} is {length} bytes long, and the kernel takes no more than {} in one",
            STRING - 1
        );
        return Finding::new(why, help);
    }
    let stack = match nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_STACK) {
        Ok((soft, _)) if soft < u64::MAX => {
            format!("; a quarter of the stack limit ({} bytes) is allowed", soft / 4)
        }
        _ => String::new(),
    };
    let why = format!(
        "arguments and environment are {total} bytes together, the most of it {longest} with {length}{stack}"
    );
    Finding::new(why, format!("{help}, or raise `ulimits.stack`"))
}
