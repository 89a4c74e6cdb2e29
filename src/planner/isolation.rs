//! Namespaces: which are made, when, and what is shared with the host instead.

use crate::manifest::{Degradable, Namespaces, Network, Proc, Sharing, Userns};
use crate::plan::{Init, Namespace, Opening, Origin, Prepare, Spawn, Step};

use super::draft::{Draft, asked, at, default, either, key, step};
use super::groups::Groups;
use super::lacks;

/// What the sandbox has of its own.
pub(super) struct Isolation {
    /// The namespaces that the clone makes.
    pub(super) in_clone: Vec<Namespace>,
    /// All that are made or entered.
    pub(super) all: Vec<Namespace>,
    /// How /proc comes about.
    pub(super) proc: Proc,
}

impl Isolation {
    pub(super) fn has(&self, namespace: Namespace) -> bool {
        self.all.contains(&namespace)
    }

    /// Those that are made for this sandbox. One that is entered is the runner's own by then.
    pub(super) fn own(&self) -> Vec<Namespace> {
        self.in_clone.clone()
    }

    /// Those that the clone makes: a cgroup namespace waits until its group was joined.
    pub(super) fn at_clone(&self, groups: &Groups) -> Vec<Namespace> {
        let late = |namespace: &Namespace| *namespace == Namespace::Cgroup && !groups.is_empty();
        self.in_clone.iter().copied().filter(|namespace| !late(namespace)).collect()
    }
}

/// What asked for the namespaces.
pub(super) fn origin(draft: &Draft<'_>) -> Origin {
    either("namespaces", draft.manifest.namespaces != Namespaces::default())
}

/// Chooses the namespaces.
pub(super) fn choose(draft: &mut Draft<'_>) -> Isolation {
    let proc = choose_proc(draft);
    let mut in_clone = vec![Namespace::Mount];
    if user(draft) {
        in_clone.insert(0, Namespace::User);
    }
    let Namespaces { pid, ipc, uts, cgroup, time } = draft.manifest.namespaces;
    let pid = if proc == Proc::Outer { Sharing::Host } else { pid };
    for (word, sharing, namespace, opening) in [
        ("pid", pid, Namespace::Pid, Opening::HostProcesses),
        ("uts", uts, Namespace::Uts, Opening::HostName),
        ("ipc", ipc, Namespace::Ipc, Opening::HostIpc),
        ("cgroup", cgroup, Namespace::Cgroup, Opening::HostCgroupPaths),
    ] {
        if sharing == Sharing::Private {
            in_clone.push(namespace);
        } else if draft.manifest.namespaces_given(word) {
            draft.hole(opening, "", &at(key("namespaces").key(word)));
        }
    }
    if time == Sharing::Private {
        in_clone.push(Namespace::Time);
    }
    let mut all = in_clone.clone();
    match &draft.manifest.network {
        Network::None if shares_network(draft) => {}
        Network::None => {
            in_clone.push(Namespace::Network);
            all.push(Namespace::Network);
        }
        Network::Path(_) => all.push(Namespace::Network),
        Network::Host => {}
    }
    Isolation { in_clone, all, proc }
}

/// Whether the host's network is what is left, and that is allowed.
fn shares_network(draft: &mut Draft<'_>) -> bool {
    let Some(reason) = draft.host.network_forbidden.clone() else { return false };
    let shared = draft.lost(Degradable::NetworkNamespace, &key("network"), &reason, "");
    if shared {
        draft.hole(Opening::HostNetwork, "", &asked("allow_degraded"));
    }
    shared
}

impl crate::manifest::Manifest {
    /// The manifest shares this namespace with the host.
    fn namespaces_given(&self, word: &str) -> bool {
        let Namespaces { pid, ipc, uts, cgroup, time } = self.namespaces;
        let sharing = match word {
            "pid" => pid,
            "ipc" => ipc,
            "uts" => uts,
            "cgroup" => cgroup,
            _ => time,
        };
        sharing == Sharing::Host
    }
}

/// The init that stays. Without a PID namespace, one must: no kernel ends the others with it.
pub(super) fn spawn(draft: &Draft<'_>, isolation: &Isolation) -> Option<Step<Spawn>> {
    let manifest = draft.manifest;
    let asked_for = manifest.init || !isolation.has(Namespace::Pid);
    let origin = if manifest.init {
        asked("init")
    } else if manifest.namespaces.pid == Sharing::Host {
        at(key("namespaces").key("pid"))
    } else {
        either("proc", manifest.proc != Proc::Auto)
    };
    asked_for.then(|| step(Spawn {}, &origin))
}

/// Whether there is a user namespace of our own.
fn user(draft: &mut Draft<'_>) -> bool {
    if draft.manifest.userns == Userns::Host {
        let origin = asked("userns");
        if !draft.host.privileged {
            let text = "`userns: host` needs root, and the caller is not";
            let help = "leave `userns` out: an ordinary user gets a namespace of its own";
            draft.wrong("needs_root", &origin.key, text, "needs root", help);
        }
        draft.hole(Opening::HostIds, "", &origin);
        return false;
    }
    if let Some(reason) = draft.host.userns_forbidden.clone() {
        let text = format!("a user namespace can't be made on this host: {reason}");
        let allow = lacks::userns(&reason);
        let help = if draft.host.privileged {
            format!("`{allow}`, or `userns: host`, which runs without one")
        } else {
            allow.to_owned()
        };
        draft.wrong("userns_forbidden", &key("userns"), text, "by default, a user namespace", help);
    }
    true
}

/// An own /proc, the outer one, or none: the best that this host and the manifest allow.
fn choose_proc(draft: &mut Draft<'_>) -> Proc {
    let shared = draft.manifest.namespaces.pid == Sharing::Host;
    match draft.manifest.proc {
        Proc::None => return Proc::None,
        Proc::Outer => {
            draft.hole(Opening::HostProcesses, "", &asked("proc"));
            return Proc::Outer;
        }
        Proc::Auto if shared => return Proc::Outer,
        Proc::New if shared => {
            let text = "`proc: new` shows the processes of a PID namespace of its own, and `namespaces.pid: host` makes none";
            draft.wrong(
                "contradiction",
                &key("proc"),
                text,
                "without a PID namespace",
                "write `proc: outer`",
            );
        }
        Proc::Auto | Proc::New => {}
    }
    let Some(mask) = draft.host.proc_mask.clone() else { return Proc::New };
    let reason = format!("{mask}, so the kernel lets nobody nested mount a new /proc");
    if draft.manifest.proc == Proc::Auto && draft.allows(Degradable::PidNamespace) {
        let reason = format!("{reason}; the surrounding PID namespace and its /proc are used");
        draft.lost(Degradable::PidNamespace, &key("proc"), &reason, "");
        draft.hole(Opening::HostProcesses, "", &asked("allow_degraded"));
        return Proc::Outer;
    }
    let help = format!(
        "write `proc: none` to go without /proc, or `proc: outer` to share the surrounding PID namespace; or {}",
        lacks::UNMASKED
    );
    draft.lost(Degradable::FreshProc, &key("proc"), &reason, &help);
    Proc::None
}

/// The network namespace that is entered before the clone.
pub(super) fn network(draft: &mut Draft<'_>) -> Vec<Step<Prepare>> {
    let origin = asked("network");
    match &draft.manifest.network {
        Network::None => Vec::new(),
        Network::Host => {
            draft.hole(Opening::HostNetwork, "", &origin);
            Vec::new()
        }
        Network::Path(path) => {
            let path = draft.path(path);
            if draft.not_led_astray(&path, &origin.key) {
                draft.source_exists(&path, &origin.key);
            }
            if !draft.host.privileged {
                let text =
                    "entering an existing network namespace needs root, and the caller is not";
                draft.wrong(
                    "needs_root",
                    &origin.key,
                    text,
                    "needs root",
                    "run as root, or write `network: none`",
                );
            }
            let joined = if draft.inputs.own_network {
                Opening::HostNetwork
            } else {
                Opening::JoinedNetwork
            };
            draft.hole(joined, path.display().to_string(), &origin);
            let path = draft.real(&path);
            vec![step(Prepare::JoinNetwork { path }, &origin)]
        }
    }
}

/// What is unshared only after the control groups were joined, so that they are its root.
pub(super) fn late(isolation: &Isolation, groups: &Groups) -> Vec<Step<Init>> {
    if groups.is_empty() || !isolation.has(Namespace::Cgroup) {
        return Vec::new();
    }
    vec![step(Init::Unshare { namespaces: vec![Namespace::Cgroup] }, &default("namespaces"))]
}

/// The host name, and the loopback device.
pub(super) fn names(draft: &mut Draft<'_>, isolation: &Isolation) -> Vec<Step<Init>> {
    let mut steps = Vec::new();
    if isolation.has(Namespace::Uts) && keeps_hostname(draft) {
        let origin = either("hostname", draft.manifest.hostname.is_some());
        steps.push(step(Init::Hostname { name: hostname(draft) }, &origin));
    }
    if draft.manifest.network == Network::None && isolation.has(Namespace::Network) {
        steps.push(step(Init::LoopbackUp, &default("network")));
    }
    steps
}

/// Whether the sandbox has a host name of its own, or else the manifest is refused.
fn keeps_hostname(draft: &mut Draft<'_>) -> bool {
    let Some(reason) = draft.host.hostname_forbidden.clone() else { return true };
    let help = "write `namespaces: {uts: host}` to have the surrounding one";
    !draft.lost(Degradable::Hostname, &key("hostname"), &reason, help)
}

/// The sandbox's host name.
pub(super) fn hostname(draft: &Draft<'_>) -> String {
    let given = draft.manifest.hostname.as_ref().map(|name| name.0.clone());
    // A name of ours may hold what a host name may not.
    given.unwrap_or_else(|| draft.name.replace('_', "-").chars().take(64).collect())
}
