//! The systemd that a group can be asked of.

use std::io;
use std::path::{Path, PathBuf};

use crate::host::{Hierarchy, Systemd};
use crate::systemd::{Manager, sockets};

use super::{Mount, around, seen, words};

/// The controllers that systemd hands down.
const KNOWN: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// Asks the caller's manager where it is.
pub(super) fn look(mount: &Mount, root: bool) -> Systemd {
    let sockets = sockets(root, &runtime());
    let mut silent = Vec::new();
    for socket in &sockets {
        match ask(socket).map(|group| seen(mount, Path::new(&group))) {
            Ok(dir) if dir.join("cgroup.controllers").exists() => {
                return found(mount, root, socket.clone(), &dir);
            }
            Ok(_) => silent.push(format!("{}, whose group is not seen here", socket.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                silent.push(socket.display().to_string());
            }
            Err(error) => {
                let why = error.to_string();
                let why = why.split(" (os error").next().unwrap_or(&why);
                silent.push(format!("{} ({why})", socket.display()));
            }
        }
    }
    let reason = Some(format!("no systemd answers at {}", silent.join(" or ")));
    Systemd { hierarchy: Hierarchy { reason, ..Hierarchy::default() }, ..Systemd::default() }
}

/// Where the sockets of the caller's session are.
fn runtime() -> PathBuf {
    let own = || format!("/run/user/{}", nix::unistd::geteuid());
    std::env::var_os("XDG_RUNTIME_DIR").map_or_else(|| own().into(), PathBuf::from)
}

fn ask(socket: &Path) -> io::Result<String> {
    Manager::connect(socket)?.control_group()
}

fn found(mount: &Mount, root: bool, socket: PathBuf, dir: &Path) -> Systemd {
    let slice = if root { "system.slice" } else { "app.slice" };
    let mut hierarchy = Hierarchy { mount: mount.at.clone(), ..Hierarchy::default() };
    hierarchy.controllers = words(&dir.join("cgroup.controllers"));
    hierarchy.controllers.retain(|name| KNOWN.contains(&name.as_str()));
    around(&mut hierarchy, dir);
    dir.clone_into(&mut hierarchy.own);
    hierarchy.parent = Some(dir.join(slice));
    Systemd { socket, slice: slice.to_owned(), hierarchy }
}
