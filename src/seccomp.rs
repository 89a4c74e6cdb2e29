//! System call filters.

use serde::Serialize;

/// A filter, ready to be installed, and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Filter {
    /// What it is, in a few words: `default`, `strict`, a file's name, and what was added.
    pub name: String,
    /// How many system calls it lets through, some of them only with certain arguments.
    pub allowed: usize,
    /// The program, as seccomp(2) takes it: (code, jt, jf, k).
    #[serde(skip)]
    pub program: Vec<(u16, u8, u8, u32)>,
}
