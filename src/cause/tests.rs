//! Foreign bytes and foreign trees.

use std::os::unix::fs::symlink;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::finding::{Finding, name, plain};
use super::look::View;
use super::program::{Elf, Program, Script};
use crate::sys;

fn elf64(machine: u16, interpreter: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![0u8; 64 + 56];
    bytes[..4].copy_from_slice(b"\x7fELF");
    bytes[4..7].copy_from_slice(&[2, 1, 1]);
    bytes[16] = 2;
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[32..40].copy_from_slice(&64u64.to_le_bytes());
    bytes[54] = 56;
    if let Some(interpreter) = interpreter {
        bytes[56] = 1;
        bytes[64] = 3;
        bytes[72..80].copy_from_slice(&120u64.to_le_bytes());
        bytes[96..104].copy_from_slice(&(interpreter.len() as u64 + 1).to_le_bytes());
        bytes.extend_from_slice(interpreter);
        bytes.push(0);
    }
    bytes
}

fn elf(bytes: &[u8]) -> Elf {
    match Program::read(bytes) {
        Program::Elf(elf) => elf,
        other => panic!("{other:?}"),
    }
}

fn script(text: &str) -> Script {
    match Program::read(text.as_bytes()) {
        Program::Script(script) => script,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_loader_is_read() {
    let read = elf(&elf64(62, Some(b"/lib64/ld-linux-x86-64.so.2")));
    assert_eq!(read.interpreter.as_deref(), Some(&b"/lib64/ld-linux-x86-64.so.2"[..]));
    assert_eq!((read.architecture().as_str(), read.truncated), ("x86_64", false));
    assert_eq!(elf(&elf64(183, None)).architecture(), "aarch64");
}

#[test]
fn a_cut_off_elf_file_is_told() {
    let whole = elf64(62, Some(b"/lib/ld.so"));
    for length in [4, 19, 40, 63, 100, 125] {
        assert!(elf(&whole[..length]).truncated, "{length}");
    }
}

#[test]
fn offsets_beyond_all_bounds_are_survived() {
    let mut bytes = elf64(62, Some(b"/lib/ld.so"));
    bytes[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(elf(&bytes).truncated);
    let mut bytes = elf64(62, Some(b"/lib/ld.so"));
    bytes[72..80].copy_from_slice(&u64::MAX.to_le_bytes());
    bytes[96..104].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(elf(&bytes).truncated);
    let mut bytes = elf64(62, Some(b"/lib/ld.so"));
    bytes[54] = 0;
    assert_eq!(elf(&bytes).interpreter, None);
}

#[test]
fn first_lines_are_read_as_the_kernel_reads_them() {
    let read = script("#! \t/bin/sh  -e x \nrest");
    assert_eq!((&*read.interpreter, &*read.argument), (&b"/bin/sh"[..], &b"-e x"[..]));
    let read = script("#!/bin/sh\r\n");
    assert!(read.carriage_return && read.interpreter == b"/bin/sh\r");
    assert!(script("#!\n").interpreter.is_empty());
    assert!(script(&format!("#!/{}", "x".repeat(400))).cut);
    assert!(!script("#!/bin/sh").cut);
}

#[test]
fn what_is_no_program_is_named() {
    assert_eq!(Program::read(&b""[..]), Program::Empty);
    assert_eq!(Program::read(&b"echo hello\n"[..]), Program::Text);
    let windows = Program::read(&b"MZ\x90\0"[..]);
    assert_eq!(windows, Program::Other("a Windows program", "use a build for Linux"));
    assert!(matches!(Program::read(&b"\xef\xbb\xbf#!/bin/sh\n"[..]), Program::Other(..)));
}

proptest! {
    #![proptest_config(Config { rng_seed: RngSeed::Fixed(6), ..Config::default() })]

    #[test]
    fn any_bytes_are_read_without_harm(tail in proptest::collection::vec(any::<u8>(), 0..600), kind in 0..4_usize) {
        let head: &[u8] = [&b""[..], b"#!", b"\x7fELF\x02\x01", b"\x7fELF\x01\x02"][kind];
        _ = Program::read(&[head, &tail].concat()[..]);
    }

    #[test]
    fn any_field_of_a_header_may_lie(at in 4usize..140, value: u64) {
        let mut bytes = elf64(62, Some(b"/lib64/ld-linux-x86-64.so.2"));
        for (to, from) in bytes.iter_mut().skip(at).zip(value.to_le_bytes()) {
            *to = from;
        }
        _ = Program::read(&bytes[..]);
    }

    #[test]
    fn names_never_act_on_a_terminal(text in ".*") {
        let shown = name(&text);
        let odd = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        prop_assert!(!shown.contains(odd), "{shown:?}");
        let found = Finding::new(plain(&text), "help").there();
        prop_assert_eq!(Finding::decode(&found.clone().encode()), Finding::decode(&found.encode()));
    }
}

#[test]
fn a_finding_crosses_the_line() {
    let found = Finding::new(format!("{} is not there", name("a\nb\x1b[31m")), "make it").there();
    assert_eq!(found.why, "`a\\nb\\u{1b}[31m` is not there");
    let again = Finding::decode(&found.encode());
    assert_eq!(again.help.as_deref(), Some("make it"));
    assert!(again.there);
    assert!(!Finding::decode(&Finding::only("x").encode()).there);
}

// ---- looking

struct Tree(std::path::PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sixdocker-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn why(&self, path: &str) -> Option<String> {
        use std::os::fd::AsFd;
        let root = sys::open(&self.0, nix::fcntl::OFlag::O_PATH).unwrap();
        View::at(root.as_fd()).unwrap().obstacle(path).map(|obstacle| obstacle.why)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_part_of_a_path_that_is_to_blame_is_named() {
    let tree = Tree::new("look");
    std::fs::create_dir_all(tree.0.join("a/b")).unwrap();
    std::fs::write(tree.0.join("a/file"), "").unwrap();
    symlink("/a/gone", tree.0.join("a/dangling")).unwrap();
    symlink("loop", tree.0.join("a/loop")).unwrap();
    symlink("/a/b", tree.0.join("good")).unwrap();
    nix::unistd::mkfifo(&tree.0.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let why = |path: &str| tree.why(path).unwrap_or_default();
    assert_eq!(why("/a/b"), "");
    assert_eq!(why("/good"), "");
    assert_eq!(why("/a/x/y"), "`/a/x` is not there");
    assert_eq!(why("/good/x"), "`/good/x` is not there");
    assert_eq!(why("/a/file/x"), "`/a/file` is a file, not a directory");
    assert_eq!(why("/fifo/x"), "`/fifo` is a FIFO, not a directory");
    assert_eq!(
        why("/a/dangling/x"),
        "`/a/dangling` is a symbolic link to `/a/gone`: `/a/gone` is not there"
    );
    assert_eq!(why("/a/loop"), "`/a/loop` is a symbolic link that leads in a circle");
    assert!(why(&format!("/{}", "x".repeat(300))).contains("longer than 255 bytes"));
    assert_eq!(why("/"), "");
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    use std::os::fd::AsFd;
    let tree = Tree::new("fifo");
    nix::unistd::mkfifo(&tree.0.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let root = sys::open(&tree.0, nix::fcntl::OFlag::O_PATH).unwrap();
    let view = View::at(root.as_fd()).unwrap();
    assert!(view.read("/fifo").is_none());
    assert!(view.read("/").is_none());
}
