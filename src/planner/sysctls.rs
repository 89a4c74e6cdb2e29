//! Kernel parameters of the sandbox's own namespaces.

use crate::plan::{Init, Namespace, Opening, Origin, Step};

use super::draft::{Draft, at, key, step};
use super::isolation::Isolation;
use super::security;

/// Sets each; they are written where the runner's /proc/sys is still seen, and act on the
/// namespaces of whoever writes.
pub(super) fn steps(draft: &mut Draft<'_>, isolation: &Isolation) -> Vec<Step<Init>> {
    let manifest = draft.manifest;
    let mut steps = Vec::new();
    for (name, value) in &manifest.sysctls {
        let origin = at(key("sysctls").key(name));
        match namespace(name) {
            None => {
                let text = format!("`{name}` belongs to the whole machine, not to a namespace");
                let help = "only net.*, kernel.shm*, kernel.msg*, kernel.sem, kernel.domainname, fs.mqueue.* and user.max_* can be set for a sandbox";
                draft.wrong("not_namespaced", &origin.key, text, "not namespaced", help);
            }
            Some((namespace, word)) if !isolation.has(namespace) => {
                let text = format!(
                    "`{name}` belongs to the {word} namespace, and the sandbox shares the host's"
                );
                draft.wrong(
                    "contradiction",
                    &origin.key,
                    text,
                    "would change the host",
                    format!("give the sandbox a {word} namespace of its own"),
                );
            }
            Some(_) => {
                draft.hole(Opening::Sysctl, name, &origin);
                let (key, value) = (name.clone(), value.0.clone());
                steps.push(step(Init::Sysctl { key, value }, &origin));
            }
        }
    }
    if !manifest.security.nested_namespaces
        && security::leaves_namespaces(&manifest.security)
        && isolation.has(Namespace::User)
    {
        let place = key("security").key("nested_namespaces");
        let origin = Origin { key: place, default: true };
        let (key, value) = ("user.max_user_namespaces".to_owned(), "0".to_owned());
        steps.push(step(Init::Sysctl { key, value }, &origin));
    }
    steps
}

/// The namespace that a parameter belongs to.
fn namespace(name: &str) -> Option<(Namespace, &'static str)> {
    const IPC: [&str; 9] = [
        "kernel.shmmax",
        "kernel.shmall",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.msg_next_id",
    ];
    if name.split(['.', '/']).any(|part| part.is_empty() || part == "..") {
        return None;
    }
    if name.starts_with("net.") {
        Some((Namespace::Network, "network"))
    } else if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        Some((Namespace::Ipc, "ipc"))
    } else if name == "kernel.domainname" {
        Some((Namespace::Uts, "uts"))
    } else if name.starts_with("user.max_") {
        Some((Namespace::User, "user"))
    } else {
        None
    }
}
