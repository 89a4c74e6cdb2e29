//! What the machine must have for a test; a missing thing is loud, and a failure where CI is set.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::project;

/// Whether this program is on the machine. Where it is not: says so past the test harness's
/// capture, and fails if the environment has CI.
pub fn need(program: &str) -> bool {
    let found = find(program);
    if !found {
        missing(&format!("the program `{program}` is not installed"));
    }
    found
}

/// Whether the tests run as root, said as loudly.
pub fn need_root() -> bool {
    if !is_root() {
        missing("this test needs root");
    }
    is_root()
}

/// Where tests/run has put the validators and the language server.
pub fn oracles() -> PathBuf {
    env::var_os("SIXDOCKER_ORACLES").map_or_else(|| project().join("target/oracles"), PathBuf::from)
}

/// Whether this file is there, said as loudly.
pub fn need_oracle(file: &str) -> bool {
    let found = oracles().join(file).exists();
    if !found {
        missing(&format!("{} is not installed", oracles().join(file).display()));
    }
    found
}

/// Whether this is the virtual machine of tests/vm, where everything takes ten times as long.
pub fn is_emulated() -> bool {
    Path::new("/checks").exists()
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub fn missing(what: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(env::var_os("CI").is_none(), "{what}, and CI is set: nothing may be left out");
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {test}: {what} (tests/run installs all)");
}

fn find(program: &str) -> bool {
    let path = env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"])
        .any(|directory| Path::new(directory).join(program).is_file())
}
