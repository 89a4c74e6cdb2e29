//! The `rootfs` section.

use std::path::PathBuf;

use super::Size;

/// The root file system.
#[derive(Clone, Debug, PartialEq)]
pub struct Rootfs {
    pub source: RootSource,
    /// What happens to writes; without a word `none` for the host, `discard` for a directory.
    pub write: Option<Write>,
    /// The most that the layer of `write: discard` (or the tmpfs of `host`) may hold.
    pub size: Option<Size>,
}

/// Where the root file system comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum RootSource {
    /// The host's own /usr, read-only, and a generated /etc.
    Host,
    /// A directory.
    Dir(PathBuf),
}

/// What happens to writes to the root file system.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    None,
    Discard,
    Direct,
    /// They are kept in this directory.
    Keep(PathBuf),
}
