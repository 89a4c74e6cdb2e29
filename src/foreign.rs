//! Everything that reads bytes which somebody else wrote, as functions of bytes alone.
//!
//! The fuzz targets of `fuzz/` call them with bytes that were made to confuse; the test below
//! replays what was found worth keeping. None of it is part of the program.

use std::sync::LazyLock;

use crate::check::{self, Checked};
use crate::diagnostic::Problem;
use crate::host::Host;
use crate::inputs::Inputs;
use crate::manifest::{Manifest, Variables};
use crate::plan::{Line, Plan, json, listing};
use crate::render::{self, Style};
use crate::seccomp::calls::Architecture;
use crate::seccomp::{oci, program};
use crate::source::{Document, Source};
use crate::{audit, cause, execute, planner, probe, systemd};

#[path = "../tests/seccomp/machine.rs"]
#[allow(clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#[allow(clippy::missing_panics_doc, unreachable_pub, missing_docs)]
mod machine;

/// A reader, by the name of its fuzz target and of its corpus.
type Reader = (&'static str, fn(&[u8]));

const READERS: [Reader; 11] = [
    ("manifest", manifest),
    ("plan", plan),
    ("host", host),
    ("accounts", accounts),
    ("env_file", |bytes| planner::endure_env_file(&text(bytes))),
    ("mountinfo", mountinfo),
    ("cgroup", cgroup),
    ("seccomp", seccomp),
    ("program", cause::endure_program),
    ("dbus", systemd::endure),
    ("line", line),
];

/// Reads bytes as the target of this name does. It returns, or the reader is at fault.
pub fn read(target: &str, bytes: &[u8]) {
    READERS.iter().filter(|(name, _)| *name == target).for_each(|(_, read)| read(bytes));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Nothing in it acts on a terminal, whatever was read.
fn is_tame(text: &str) {
    let loud = text.chars().find(|c| *c != '\n' && render::acts(*c));
    assert_eq!(loud, None, "{text:?}");
}

/// Reads a manifest, tells what is wrong with it, and mends it.
fn manifest(bytes: &[u8]) {
    let Ok(source) = Source::read("foreign", bytes) else { return };
    let (checked, _) = checked(&source);
    tell(&checked.problems, &source, checked.document.as_ref());
    _ = check::mend(&source, &checked, &|source| self::checked(source).0);
}

fn checked(source: &Source) -> (Checked, Option<Manifest>) {
    let document = match Document::read(source) {
        Ok(document) => document,
        Err(problems) => return (Checked { document: None, problems }, None),
    };
    let (manifest, problems) = match Manifest::read(&document, &Variables::default()) {
        Ok(manifest) => (Some(manifest), Vec::new()),
        Err(problems) => (None, problems),
    };
    (Checked { document: Some(document), problems }, manifest)
}

fn tell(problems: &[Problem], source: &Source, document: Option<&Document>) {
    let narrow = Style { width: 20, wrap: true, unicode: true, ..Style::PLAIN };
    for style in [Style::PLAIN, narrow] {
        is_tame(&render::human(problems, source, document, style));
    }
    is_tame(&render::github(problems, source, document));
    _ = render::json(problems, source, document);
}

/// Machines that nobody here has.
static HOSTS: LazyLock<Vec<Host>> = LazyLock::new(|| {
    let all = [
        include_str!("../tests/plans/hosts/root-v2.json"),
        include_str!("../tests/plans/hosts/root-hybrid.json"),
        include_str!("../tests/plans/hosts/user-delegated.json"),
    ];
    all.iter().filter_map(|host| serde_json::from_str(host).ok()).collect()
});

/// Plans a manifest for machines, and shows the plans.
fn plan(bytes: &[u8]) {
    let Ok(source) = Source::read("foreign", bytes) else { return };
    let (Checked { document: Some(document), .. }, Some(manifest)) = checked(&source) else {
        return;
    };
    for host in HOSTS.iter() {
        match planner::plan(&manifest, host, &inputs("", "")) {
            Ok(plan) => show(&plan, &source, &document),
            Err(problems) => tell(&problems, &source, Some(&document)),
        }
    }
}

fn show(plan: &Plan, source: &Source, document: &Document) {
    for width in [0, 100] {
        is_tame(&listing(plan, |key| Line::of(source, document, key), width));
    }
    is_tame(&json(plan, |key| Line::of(source, document, key)));
    let narrow = Style { width: 20, wrap: true, ..Style::PLAIN };
    for style in [Style::PLAIN, narrow] {
        is_tame(&audit::listing(plan, |key| Line::of(source, document, key), style));
    }
    is_tame(&audit::json(plan, |key| Line::of(source, document, key)));
}

fn inputs(passwd: &str, group: &str) -> Inputs {
    Inputs {
        base: "/m".into(),
        stem: "foreign".into(),
        passwd: Some(passwd.to_owned()),
        group: Some(group.to_owned()),
        ..Inputs::default()
    }
}

const SOME: &str = "\
command: [x]
rootfs: ./r
user: '5'
groups: [7]
limits: {memory: 1g, cpus: 2, pids: 9, cpuset: 0-1, cpu_time: 5s, io_weight: 5}
security: {capabilities: [SETUID]}
nice: 5
ulimits: {nofile: 5}
";

/// Plans for a machine that somebody recorded.
fn host(bytes: &[u8]) {
    let Ok(host) = serde_json::from_slice::<Host>(bytes) else { return };
    for text in ["command: [x]\n", SOME] {
        let source = Source::new("some", text);
        let (Checked { document: Some(document), .. }, Some(manifest)) = checked(&source) else {
            unreachable!("a good manifest");
        };
        match planner::plan(&manifest, &host, &inputs("", "")) {
            Ok(plan) => show(&plan, &source, &document),
            Err(problems) => tell(&problems, &source, Some(&document)),
        }
    }
    is_tame(&crate::doctor::listing(&crate::doctor::checks(&host)));
}

/// A manifest whose user and groups have names.
static NAMES: LazyLock<(Source, Manifest)> = LazyLock::new(|| {
    let text = "command: [x]\nrootfs: ./r\nuser: a:b\ngroups: [c, 5]\n";
    let source = Source::new("names", text);
    let (_, Some(manifest)) = checked(&source) else { unreachable!("a good manifest") };
    (source, manifest)
});

/// Looks users and groups up: /etc/passwd before a NUL, /etc/group after it.
fn accounts(bytes: &[u8]) {
    let text = text(bytes);
    let (passwd, group) = text.split_once('\0').unwrap_or((&text, &text));
    let (source, manifest) = &*NAMES;
    for host in HOSTS.iter() {
        if let Err(problems) = planner::plan(manifest, host, &inputs(passwd, group)) {
            tell(&problems, source, None);
        }
    }
    probe::endure_ids(passwd, group);
}

fn mountinfo(bytes: &[u8]) {
    let text = text(bytes);
    probe::endure_cgroups(&text, "0::/a\n1:cpu,cpuacct:/a/b\n");
    cause::endure_mounts(&text);
}

/// Files of control groups, and the other small files of the kernel's.
fn cgroup(bytes: &[u8]) {
    let text = text(bytes);
    let mounts = "30 1 0:1 /a /sys/fs/cgroup rw - cgroup2 none rw\n31 1 0:2 / /cpu rw - cgroup none rw,cpu,cpuacct\n";
    probe::endure_cgroups(mounts, &text);
    planner::endure_cpus(&text);
    execute::endure_files(&text);
    cause::endure_id_map(&text);
}

/// Reads a filter's profile; the program that it is compiled to decides as the profile says.
fn seccomp(bytes: &[u8]) {
    let text = text(bytes);
    for architecture in [Architecture::X86_64, Architecture::Aarch64] {
        let target = oci::Target { architecture, capabilities: &[], kernel: "6.12.0" };
        let Ok(oci::Profile { policy, .. }) = oci::read(&text, target) else { continue };
        let program = program::compile(&policy);
        for (number, arguments) in machine::numbers().zip(machine::ARGUMENTS.iter().cycle()) {
            for native in [architecture.audit(), 3] {
                let says = policy.outcome(native, number, arguments).returned();
                let does = machine::run(&program, native, number, arguments);
                assert_eq!(does, says, "call {number} with {arguments:x?}");
            }
        }
    }
}

/// What init says to the runner.
fn line(bytes: &[u8]) {
    execute::line::endure(bytes);
    is_tame(&cause::endure_evidence(&text(bytes)));
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// The seeds, and what fuzzing has found.
    fn corpus(target: &str) -> Vec<PathBuf> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = |dir: PathBuf| {
            let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect::<Vec<_>>()
        };
        let mut all = files(project.join("tests/corpus").join(target));
        if matches!(target, "manifest" | "plan") {
            all.extend(
                ["examples", "tests/broken", "tests/plans"]
                    .map(|dir| files(project.join(dir)))
                    .concat(),
            );
        }
        all
    }

    #[test]
    fn every_corpus_is_read_to_its_end() {
        for (target, _) in READERS {
            let corpus = corpus(target);
            assert!(!corpus.is_empty(), "tests/corpus/{target} is empty");
            for file in corpus {
                let bytes = std::fs::read(&file).unwrap();
                let read = std::panic::catch_unwind(|| read(target, &bytes));
                assert!(read.is_ok(), "{target} stumbles over {}", file.display());
            }
        }
    }

    #[test]
    fn every_target_has_a_reader() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let mut targets: Vec<_> =
            files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
        let mut readers = READERS.map(|(name, _)| name.to_owned()).to_vec();
        targets.sort();
        readers.sort();
        assert_eq!(targets, readers);
    }
}
