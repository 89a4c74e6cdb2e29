//! What it means to show a file, directory, socket or device of the host.

use std::path::{Path, PathBuf};

use crate::capability::Capability;
use crate::inputs::Found;
use crate::manifest::{Id, RootSource, SeccompBase};
use crate::plan::{Opening, Origin};

use super::draft::Draft;

/// Directories that hold more than somebody who shows them may think of. The part `*` is any
/// name; what lies below is told by itself, unless the last part is `**`.
const SECRET: [(&str, &str); 16] = [
    ("/", "all files of the host that the caller may read"),
    ("/etc", "/etc of the host: its accounts, keys and configuration"),
    ("/etc/shadow", "the host's passwords, if hashed"),
    ("/etc/gshadow", "the host's passwords, if hashed"),
    ("/etc/ssh", "the host's own SSH keys"),
    ("/etc/ssl/private", "the host's own TLS keys"),
    ("/home", "everybody's files on the host, and their keys"),
    ("/home/*", "somebody's files on the host, and their keys"),
    ("/root/**", "root's files on the host, and root's keys"),
    ("/proc/**", "the host's processes, with their environment"),
    ("/var", "/var of the host: logs, mail, the state of services"),
    ("/var/lib", "/var/lib of the host: the state of services"),
    ("/var/log", "/var/log of the host: its logs"),
    ("/var/spool", "/var/spool of the host: mail and jobs"),
    ("/var/backups", "/var/backups of the host: its accounts"),
    ("/srv", "/srv of the host: what it serves"),
];

/// Names of keys and of what holds passwords, wherever they stand.
const KEYS: [&str; 14] = [
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".pgpass",
    ".config",
    ".git-credentials",
    ".password-store",
    ".mozilla",
    ".thunderbird",
    ".bash_history",
];

/// Whoever writes there, decides what the host does.
const SYSTEM: [&str; 22] = [
    "/",
    "/etc/**",
    "/usr/**",
    "/bin/**",
    "/sbin/**",
    "/lib/**",
    "/lib64/**",
    "/boot/**",
    "/root/**",
    "/home",
    "/home/*",
    "/proc/**",
    "/sys/**",
    "/dev/**",
    "/run",
    "/run/systemd/**",
    "/var",
    "/var/lib",
    "/var/spool",
    "/var/spool/cron/**",
    "/opt",
    "/nix/**",
];

/// Directories that hold sockets.
const SOCKETS: [&str; 6] = ["/", "/run/**", "/var/run/**", "/tmp", "/var/lib", "/var"];

/// Sockets of services that do as they are told, with all the machine's powers.
const RULERS: [&str; 12] = [
    "docker.sock",
    "podman.sock",
    "containerd.sock",
    "crio.sock",
    "buildkitd.sock",
    "dockerd.sock",
    "libvirt-sock",
    "virtqemud-sock",
    "snapd.socket",
    "unix.socket",
    "system_bus_socket",
    "private",
];

/// The path is the pattern, or lies below one that ends in `**`.
fn is(path: &Path, pattern: &str) -> bool {
    let below = pattern.strip_suffix("/**");
    let mut parts = path.iter().skip(1);
    for part in below.unwrap_or(pattern).split('/').filter(|part| !part.is_empty()) {
        match parts.next() {
            Some(name) if part == "*" || name == part => {}
            _ => return false,
        }
    }
    below.is_some() || parts.next().is_none()
}

fn any(path: &Path, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| is(path, pattern))
}

/// The command sees what stands at a path of the host.
pub(super) fn seen(draft: &mut Draft<'_>, path: &Path, origin: &Origin) {
    let real = draft.real(path);
    let about = path.display().to_string();
    match draft.inputs.paths.get(path) {
        Some(Found::Other("a socket" | "a FIFO")) => return socket(draft, &real, about, origin),
        Some(Found::Device(..)) => return,
        _ => {}
    }
    if any(&real, &SOCKETS) {
        draft.hole(Opening::HostSockets, &about, origin);
    }
    let secret = SECRET.iter().find(|(pattern, _)| is(&real, pattern));
    let key = real.iter().any(|part| KEYS.iter().any(|key| part == *key));
    let home = draft.inputs.environment.get("HOME");
    match secret {
        Some((_, what)) => draft.hole(Opening::SecretFiles, *what, origin),
        None if key => draft.hole(Opening::SecretFiles, format!("the keys in {about}"), origin),
        None if home.is_some_and(|home| real == Path::new(home)) => {
            draft.hole(Opening::SecretFiles, "all the caller's own files, and keys", origin);
        }
        None if is(&real, "/sys/**") => draft.hole(Opening::Hardware, about, origin),
        None => draft.hole(Opening::HostFiles, about, origin),
    }
}

/// The command has a directory as its root: that it sees it is what the directory is for, unless
/// it holds more than a root file system of the sandbox's own.
pub(super) fn root(draft: &mut Draft<'_>, path: &Path, origin: &Origin) {
    let real = draft.real(path);
    if any(&real, &SOCKETS) || SECRET.iter().any(|(pattern, _)| is(&real, pattern)) {
        seen(draft, path, origin);
    }
}

fn socket(draft: &mut Draft<'_>, real: &Path, about: String, origin: &Origin) {
    let name = real.file_name().unwrap_or_default();
    let rules = RULERS.iter().any(|ruler| name == *ruler);
    let opening = if rules { Opening::ControlSocket } else { Opening::HostSocket };
    draft.hole(opening, about, origin);
}

/// The command can change what stands at a path of the host.
pub(super) fn changed(draft: &mut Draft<'_>, path: &Path, usual: Opening, origin: &Origin) {
    if let Some(Found::Device(_, major, minor)) = draft.inputs.paths.get(path) {
        // /dev/null is nobody's.
        if (*major, *minor) != (1, 3) {
            device(draft, &path.to_string_lossy(), origin);
        }
        return;
    }
    let real = draft.real(path);
    let home = draft.inputs.environment.get("HOME");
    let home = home.is_some_and(|home| real == Path::new(home));
    let key = real.iter().any(|part| KEYS.iter().any(|key| part == *key));
    let opening = if home || key || any(&real, &SYSTEM) { Opening::SystemFiles } else { usual };
    draft.hole(opening, path.display().to_string(), origin);
    obeyed_is_changed(draft, &real, origin);
    if let RootSource::Dir(dir) = &draft.manifest.rootfs.source {
        let dir = draft.path(dir);
        let within = draft.real(&dir).starts_with(&real);
        if within && usual != Opening::WritableRoot && usual != Opening::KeptWrites {
            draft.hole(Opening::WritableRoot, dir.display().to_string(), origin);
        }
    }
    let setuid = draft.manifest.security.capabilities.contains(&Capability::Setuid);
    if draft.host.uid == 0 && (setuid || is_root(&draft.manifest.user.user)) {
        draft.hole(Opening::RootsPrograms, path.display().to_string(), origin);
    }
}

/// The runner writes its report to this file of the host, whatever stands there.
pub(super) fn reported(draft: &mut Draft<'_>, path: &Path, origin: &Origin) {
    let real = draft.real(path);
    let system = any(&real, &SYSTEM);
    let opening = if system { Opening::SystemFiles } else { Opening::ReportFile };
    draft.hole(opening, path.display().to_string(), origin);
    obeyed_is_changed(draft, &real, origin);
}

fn obeyed_is_changed(draft: &mut Draft<'_>, real: &Path, origin: &Origin) {
    for file in obeyed(draft) {
        let links = draft.inputs.links.get(&file).into_iter().flatten();
        if links.chain([&draft.real(&file)]).any(|part| part.starts_with(real)) {
            draft.hole(Opening::OwnRules, file.display().to_string(), origin);
        }
    }
}

fn is_root(user: &Id) -> bool {
    matches!(user, Id::Number(0)) || matches!(user, Id::Name(name) if name == "root")
}

/// What decides how contained the command is: the manifest, and the filter that it names.
fn obeyed(draft: &Draft<'_>) -> Vec<PathBuf> {
    let profile = match &draft.manifest.security.seccomp.base {
        SeccompBase::File(path) => Some(draft.path(path)),
        _ => None,
    };
    draft.inputs.file.clone().into_iter().chain(profile).collect()
}

/// The memory and the ports of the machine, its model-specific registers, its SCSI devices: by
/// major and minor number (Documentation/admin-guide/devices.txt).
const RAW: [(u32, Option<u32>); 5] =
    [(1, Some(1)), (1, Some(2)), (1, Some(4)), (21, None), (202, None)];

/// The command can use a device of the host.
pub(super) fn device(draft: &mut Draft<'_>, path: &str, origin: &Origin) {
    let raw = match draft.inputs.paths.get(Path::new(path)) {
        Some(Found::Device('b', ..)) => true,
        Some(Found::Device(_, major, minor)) => {
            RAW.iter().any(|(of, one)| of == major && one.is_none_or(|one| one == *minor))
        }
        _ => false,
    };
    draft.hole(if raw { Opening::RawDevice } else { Opening::Device }, path, origin);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_what_lies_below_them() {
        let is = |path: &str, pattern| is(Path::new(path), pattern);
        assert!(is("/", "/") && is("/etc", "/etc") && is("/home/ann", "/home/*"));
        assert!(is("/root", "/root/**") && is("/root/a/b", "/root/**"));
        assert!(!is("/etc/passwd", "/etc") && !is("/", "/etc") && !is("/etc", "/"));
        assert!(
            !is("/home", "/home/*")
                && !is("/home/ann/src", "/home/*")
                && !is("/rooted", "/root/**")
        );
    }
}
