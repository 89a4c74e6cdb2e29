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
                let text = format!("`{name}` is no parameter of a namespace");
                let help = format!("of `kernel.*` a sandbox has {}", of_kernel().join(", "));
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

/// Parameters of the ipc namespace (ipc_namespaces(7)).
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
const DOMAIN: &str = "kernel.domainname";

fn of_kernel() -> Vec<&'static str> {
    IPC.into_iter().chain([DOMAIN]).collect()
}

/// The namespace that a parameter belongs to.
fn namespace(name: &str) -> Option<(Namespace, &'static str)> {
    if name.starts_with("net.") {
        Some((Namespace::Network, "network"))
    } else if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        Some((Namespace::Ipc, "ipc"))
    } else {
        (name == DOMAIN).then_some((Namespace::Uts, "uts"))
    }
}
