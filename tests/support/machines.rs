//! Machines that nobody here has, for plans that are drawn and not performed.

use nix::sys::statfs::EXT4_SUPER_MAGIC;
use std::collections::BTreeMap;
use std::path::Path;

use sixdocker::host::Host;
use sixdocker::inputs::{Found, Inputs};

/// A machine that was recorded.
pub fn host(path: &Path) -> Host {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What a machine of nobody's holds at the paths that the manifests name.
pub fn inputs(stem: &str) -> Inputs {
    let link = |to: &str| Found::Link(to.into());
    let paths = [
        ("/usr", Found::Directory),
        ("/bin", link("usr/bin")),
        ("/sbin", link("usr/sbin")),
        ("/lib", link("usr/lib")),
        ("/lib64", link("usr/lib64")),
        ("/etc/alternatives", Found::Directory),
        ("/etc/ld.so.cache", Found::File(None)),
        ("/etc/ssl/certs", Found::Directory),
        ("/etc/resolv.conf", Found::File(Some("nameserver 192.0.2.1\n".into()))),
        ("/m/rootfs", Found::Directory),
        ("/m/data", Found::Directory),
        ("/m/kept", Found::Directory),
        ("/m/work", Found::Directory),
        ("/dev/kvm", Found::Device('c', 10, 232)),
        ("/dev/sda", Found::Device('b', 8, 0)),
    ];
    let inside = [("/etc/hosts", Found::File(None)), ("/again", Found::Missing)];
    let environment = [("TERM", "xterm-256color"), ("SECRET", "1")];
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Inputs {
        base: "/m".into(),
        stem: stem.into(),
        file: Some(format!("/m/{stem}.yaml").into()),
        environment: environment.into_iter().map(text).collect(),
        terminals: [false; 3],
        owned: [false; 3],
        nulls: [false; 3],
        reader: None,
        background: false,
        writable_stdin: false,
        own_network: false,
        filesystems: ["/usr", "/m/rootfs"].map(|path| (path.into(), EXT4_SUPER_MAGIC)).into(),
        passwd: Some("root:x:0:0:root:/root:/bin/sh\n".into()),
        group: Some("root:x:0:\n".into()),
        paths: paths.into_iter().map(|(path, found)| (path.into(), found)).collect(),
        inside: inside.into_iter().map(|(path, found)| (path.to_owned(), found)).collect(),
        disks: BTreeMap::new(),
        hints: BTreeMap::new(),
        real: BTreeMap::new(),
        links: BTreeMap::new(),
        unwritable: BTreeMap::new(),
        unreadable: BTreeMap::new(),
        ways: sixdocker::sys::Ways::default(),
        unseen: None,
    }
}
