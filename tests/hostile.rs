//! Files that are made to hurt: each ends in a report, soon, in little memory, and with nothing in
//! the report that a terminal acts on.
//!
//! It is one test, since the kernel counts the children of the whole process together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use sixdocker::source::acts;
use support::{Temp, run, sixdocker};

const MIB: usize = 1 << 20;

/// 50 ms and 64 MiB; a build without optimization gets ten times the time, and any build twice as
/// much for machines slower than the one it was measured on. On one that is slower still, all of
/// them get three times what a good manifest takes.
const TIME: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 100 });
const SLOW: u32 = 3;
const MEMORY: i64 = 64 << 10;

fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// A name, how its text is made, and the code of a fault in it; none: it is a good one. It is made
/// when its turn comes: what the test itself holds, the kernel counts as its children's.
type Case = (&'static str, fn() -> Vec<u8>, Option<&'static str>);

fn with(line: &str) -> Vec<u8> {
    format!("command: [x]\n{line}\n").into_bytes()
}

/// What a parser chokes on.
const SHAPES: &[Case] = &[
    ("alias bomb", || aliases().into_bytes(), Some("alias")),
    ("aliases", || with(&format!("args: [&a x{}]", ", *a".repeat(90_000))), Some("alias")),
    ("brackets", || "[".repeat(MIB).into_bytes(), Some("too_deep")),
    ("flow mappings", || "{a: ".repeat(200_000).into_bytes(), Some("too_deep")),
    ("indentation", || indented().into_bytes(), Some("too_deep")),
    ("dashes", || "- ".repeat(500_000).into_bytes(), Some("too_deep")),
    ("questions", || "? ".repeat(500_000).into_bytes(), Some("too_deep")),
    ("colons", || ": ".repeat(500_000).into_bytes(), Some("too_deep")),
    ("many values", || with(&format!("args: [{}]", "[],".repeat(200_000))), Some("too_large")),
    ("commas", || with(&format!("args: [{}", ",".repeat(1_000_000))), Some("yaml_syntax")),
    ("quotes", || "\"".repeat(MIB).into_bytes(), Some("yaml_syntax")),
    ("open quote", || with(&format!("args: \"{}", "a\n ".repeat(300_000))), Some("yaml_syntax")),
    ("escapes", || with(&format!("args: \"{}\"", "\\q".repeat(500_000))), Some("yaml_syntax")),
    ("bangs", || with(&format!("args: {}", "!".repeat(1_000_000))), Some("yaml_syntax")),
    ("tabs", || "\t".repeat(MIB).into_bytes(), Some("missing_key")),
    ("returns", || "\r".repeat(MIB).into_bytes(), Some("missing_key")),
    ("comments", || "#\n".repeat(500_000).into_bytes(), Some("missing_key")),
    ("directives", || "%A\n".repeat(300_000).into_bytes(), Some("directive")),
    ("documents", || "---\n".repeat(200_000).into_bytes(), Some("second_document")),
];

fn aliases() -> String {
    let each = |n| format!("a{}: &a{} [*a{n}, *a{n}]\n", n + 1, n + 1);
    format!("a0: &a0 [x]\n{}", numbered(40, each))
}

fn indented() -> String {
    numbered(1400, |n| format!("{}a:\n", " ".repeat(n)))
}

/// What a terminal or the kernel chokes on.
const CHARACTERS: &[Case] = &[
    ("controls", || vec![1; MIB], Some("control_character")),
    ("comments", || "# \u{1b}[31m\n".repeat(100_000).into_bytes(), Some("control_character")),
    ("a C1 control", || "command: [a\u{9b}31m]\n".into(), Some("control_character")),
    ("bidi", || "command: [\"a\u{202e}b\u{2066}\"]\n".into(), Some("control_character")),
    ("tags", || "command: [\"a\u{e0041}\"]\n".into(), Some("control_character")),
    ("a NUL", || "command: [\"a\0b\"]\n".into(), Some("control_character")),
    ("an escaped NUL", || "command: [\"a\\0b\"]\n".into(), Some("control_character")),
    ("a key that acts", || with("\"\\e[31m\": 1"), Some("unknown_key")),
    ("a value that acts", || with("name: \"\\e]0;x\\a\\u202E\""), Some("bad_value")),
    ("Latin-1", || vec![0xff; MIB], Some("not_utf8")),
    ("half a character", || "漢".repeat(MIB / 3).as_bytes()[..MIB - 2].to_vec(), Some("not_utf8")),
];

/// What fills a report.
const FAULTS: &[Case] = &[
    ("99,990 faults", || with(&format!("args:\n{}", "- 1\n".repeat(99_990))), Some("more_faults")),
    ("unknown keys", || with(&numbered(49_000, |n| format!("k{n}: 1\n"))), Some("more_faults")),
    ("one key", || with(&"a: 1\n".repeat(49_000)), Some("more_faults")),
    ("tags", || with(&format!("args: [{}]", "!a x,".repeat(99_000))), Some("more_faults")),
    ("unset", || with(&format!("args:\n{}", "- ${N}\n".repeat(90_000))), Some("more_faults")),
    ("near", || with(&format!("limits: {{{}}}", near())), Some("more_faults")),
    (
        "assignments",
        || with(&format!("environment:\n{}", "- =x\n".repeat(90_000))),
        Some("more_faults"),
    ),
    (
        "names",
        || with(&format!("environment:\n{}", numbered(90_000, |n| format!("- N{n}\n")))),
        Some("more_faults"),
    ),
    ("sources", || with(&format!("mounts:\n{}", sources())), Some("more_faults")),
    ("mounts", || with(&format!("mounts:\n{}", "- /a:/b\n".repeat(90_000))), Some("bad_value")),
    ("devices", || with(&format!("devices:\n{}", "- /dev/no\n".repeat(90_000))), Some("bad_value")),
    ("groups", || with(&format!("groups: [{}]", "a,".repeat(90_000))), Some("bad_value")),
    (
        "env_file",
        || with(&format!("env_file:\n{}", "- hostile\n".repeat(90_000))),
        Some("bad_value"),
    ),
];

fn near() -> String {
    numbered(49_000, |n| format!("memor{n}: 1, "))
}

fn sources() -> String {
    numbered(1000, |n| format!("- /nope{n}:/b{n}\n"))
}

/// Single values that are too long for anybody.
const LENGTHS: &[Case] = &[
    ("line", || with(&format!("args: [\"{}\", 5]", "a".repeat(MIB - 50))), Some("bad_type")),
    ("key", || format!("{}: 5\n", "a".repeat(MIB - 10)).into_bytes(), Some("yaml_syntax")),
    ("text", || with(&format!("args: {}", "a".repeat(MIB - 50))), Some("bad_type")),
    ("number", || with(&format!("nice: {}", "9".repeat(MIB - 50))), Some("bad_number")),
    ("fraction", || with(&format!("umask: 1.{}", "9".repeat(MIB - 50))), Some("bad_type")),
    ("size", || with(&format!("shm_size: {}m", "9".repeat(MIB - 50))), Some("bad_value")),
    ("unit", || with(&format!("shm_size: {} m", "9".repeat(MIB - 50))), Some("bad_value")),
    ("duration", || with(&format!("timeout: {}", "1h".repeat(500_000))), Some("bad_value")),
    ("minutes", || with(&format!("timeout: {} min", "1".repeat(500_000))), Some("bad_value")),
    (
        "list",
        || with(&format!("limits: {{cpuset: \"{}\"}}", "0,".repeat(500_000))),
        Some("bad_value"),
    ),
    ("path", || with(&format!("working_dir: a{}", "/a".repeat(500_000))), Some("bad_value")),
    ("tilde", || with(&format!("rootfs: ~{}", "/a".repeat(500_000))), Some("bad_value")),
    ("host path", || with(&format!("rootfs: {}", "/a".repeat(500_000))), Some("no_access")),
    ("references", || with(&format!("args: [\"{}\"]", "${".repeat(500_000))), Some("bad_variable")),
    ("variables", || with(&format!("args: [\"{}\"]", "${A:-x}".repeat(140_000))), None),
    ("labels", || with(&format!("x-labels: {{{}}}", near())), None),
];

/// The processor time and the most memory of all children so far.
fn used() -> (Duration, i64) {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    (Duration::from_micros(u64::try_from(micros).unwrap()), usage.max_rss())
}

/// What a check of a good manifest takes that is as long as any may be.
fn a_good_one_takes(dir: &Temp) -> Duration {
    let file = dir.write("good.yaml", with(&format!("x-labels: {{{}}}", near())));
    let takes = |_| {
        let (before, _) = used();
        assert_eq!(run(sixdocker().arg("check").arg(&file)).code(), 0);
        used().0.saturating_sub(before)
    };
    (0..3).map(takes).min().unwrap()
}

/// What one check takes; the least of three, since others use the machine, too.
fn is_told(name: &str, file: &Path, code: Option<&str>, time: Duration) -> Option<String> {
    let mut least = Duration::MAX;
    for _ in 0..3 {
        let (before, _) = used();
        let ran = run(sixdocker().arg("check").arg(file));
        assert!(ran.code() == i32::from(code.is_some()), "{name}: exit code {}", ran.code());
        least = least.min(used().0.saturating_sub(before));
        let wild = ran.stdout.chars().find(|c| acts(*c) && *c != '\n');
        assert_eq!((wild, ran.stderr.as_str()), (None, ""), "{name}");
        assert!(ran.stdout.len() < 100_000, "{name}: a report of {} bytes", ran.stdout.len());
        let told = code.is_none_or(|code| ran.stdout.contains(&format!("[{code}]")));
        if !told {
            let told: String = ran.stdout.chars().take(500).collect();
            return Some(format!("{name}: {told}\n"));
        }
        if least <= time {
            break;
        }
    }
    let memory = used().1;
    let over = least > time || memory > MEMORY;
    over.then(|| format!("{name}: {least:?}, {memory} KiB\n"))
}

#[test]
fn hostile_files_end_in_a_report() {
    let dir = Temp::new();
    let mut over = String::new();
    let good = a_good_one_takes(&dir);
    assert!(good < TIME * SLOW, "a good manifest takes {good:?}");
    let time = TIME.max(good * SLOW);
    for (name, text, code) in [SHAPES, CHARACTERS, FAULTS, LENGTHS].concat() {
        let file = dir.write("hostile.yaml", text());
        over.extend(is_told(name, &file, code, time));
    }
    let sparse = dir.join("sparse.yaml");
    File::create(&sparse).unwrap().set_len(100 << 20).unwrap();
    over.extend(is_told("100 MiB of nothing", &sparse, Some("too_large"), time));
    let much = dir.join("much.yaml");
    let mut file = File::create(&much).unwrap();
    (0..100).for_each(|_| file.write_all(&b"command: [x]\n".repeat(80_000)).unwrap());
    over.extend(is_told("100 MB", &much, Some("too_large"), time));
    assert!(over.is_empty(), "{over}");
}
