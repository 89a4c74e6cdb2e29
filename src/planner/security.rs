//! The walls around the command: capabilities, new privileges, Landlock, the system call filter.

use crate::capability::Capability;
use crate::manifest::{
    Degradable, Landlock, Refusal, Seccomp, SeccompBase, Security, SecurityLevel, Userns,
};
use crate::plan::{Command, Init, Origin, Step};

use super::draft::{Draft, at, default, either, key, step};
use super::files;

/// The walls, as steps.
pub(super) struct Walls {
    pub(super) init: Vec<Step<Init>>,
    pub(super) command: Vec<Step<Command>>,
    /// A filter is among them.
    pub(super) filtered: bool,
}

/// What init sheds of the caller's: keyring, personality, scheduler.
pub(super) fn own(draft: &Draft<'_>) -> Vec<Step<Init>> {
    let origin = default("security");
    let mut steps = vec![step(Init::NewKeyring, &origin)];
    if draft.host.personality != 0 {
        steps.push(step(Init::Personality, &origin));
    }
    if draft.host.realtime {
        steps.push(step(Init::Scheduler, &origin));
    }
    steps
}

/// Chooses the walls.
pub(super) fn choose(draft: &mut Draft<'_>) -> Walls {
    let manifest = draft.manifest;
    let security = &manifest.security;
    let place = key("security");
    let mut init = Vec::new();
    if security.no_new_privileges {
        let origin = Origin { key: place.key("no_new_privileges"), default: true };
        init.push(step(Init::NoNewPrivileges, &origin));
    } else {
        new_privileges(draft);
    }
    let keep = security.capabilities.clone();
    let origin = Origin { key: place.key("capabilities"), default: keep.is_empty() };
    capabilities(draft, &keep, &origin);
    init.push(step(Init::Capabilities { keep }, &origin));

    let mut command = Vec::new();
    command.extend(landlock(draft));
    let filter = filter(draft);
    let filtered = filter.is_some();
    command.extend(filter);
    level(draft);
    Walls { init, command, filtered }
}

fn new_privileges(draft: &mut Draft<'_>) {
    let origin = at(key("security").key("no_new_privileges"));
    draft.hole("set-user-id programs and file capabilities take effect inside", &origin);
    let security = &draft.manifest.security;
    let walls = security.seccomp.base != SeccompBase::None || security.landlock != Landlock::None;
    if walls {
        let text = "the kernel takes a system call filter and Landlock rules only from a process without new privileges";
        let help =
            "leave `no_new_privileges` true, or write `seccomp: none` and `landlock: none`, too";
        draft.wrong("contradiction", &origin.key, text, "not with seccomp and landlock", help);
    }
}

fn capabilities(draft: &mut Draft<'_>, keep: &[Capability], origin: &Origin) {
    if keep.is_empty() {
        return;
    }
    let words: Vec<_> = keep.iter().map(|capability| capability.word()).collect();
    let over = if draft.manifest.userns == Userns::Host {
        "the host"
    } else {
        "the sandbox's own namespaces"
    };
    draft.hole(format!("the command has {} over {over}", words.join(", ")), origin);
}

fn landlock(draft: &mut Draft<'_>) -> Option<Step<Command>> {
    let manifest = draft.manifest;
    let security = &manifest.security;
    let place = key("security").key("landlock");
    let abi = draft.host.landlock;
    // Within Landlock nobody mounts: who is let to make namespaces or mounts goes without.
    let mounts =
        security.nested_namespaces || security.capabilities.contains(&Capability::SysAdmin);
    match security.landlock {
        Landlock::None => {
            draft.hole("no Landlock rules stand behind the mounts", &at(place));
            return None;
        }
        Landlock::Auto if abi == 0 || mounts || !security.no_new_privileges => return None,
        Landlock::Required if abi == 0 => {
            draft.lost(Degradable::Landlock, &place, "the kernel has no Landlock", "");
            return None;
        }
        Landlock::Auto | Landlock::Required => {}
    }
    let origin = Origin { key: place, default: security.landlock == Landlock::Auto };
    Some(step(Command::Landlock { abi }, &origin))
}

fn filter(draft: &mut Draft<'_>) -> Option<Step<Command>> {
    let manifest = draft.manifest;
    let security = &manifest.security;
    let place = key("security").key("seccomp");
    if security.seccomp.base == SeccompBase::None {
        draft
            .hole("no filter stands between the command and the kernel's system calls", &at(place));
        return None;
    }
    if let Some(reason) = draft.host.seccomp_missing.clone() {
        draft.lost(Degradable::Seccomp, &place, &reason, "");
        return None;
    }
    let profile = match &security.seccomp.base {
        SeccompBase::File(path) => {
            let path = draft.path(path);
            Some(files::text(draft, &path, &place)?)
        }
        _ => None,
    };
    match crate::seccomp::filter(security, profile.as_deref(), &draft.host.kernel) {
        Ok(filter) => {
            let origin = Origin { key: place, default: usual(security) };
            filter.map(|filter| step(Command::Seccomp { filter }, &origin))
        }
        Err(problems) => {
            draft.refuse(problems);
            None
        }
    }
}

/// The manifest says nothing about system calls.
fn usual(security: &Security) -> bool {
    let Seccomp { base, allow, deny, refuse_with } = &security.seccomp;
    let silent = allow.is_empty() && deny.is_empty() && *refuse_with == Refusal::Errno;
    silent && *base == SeccompBase::Level && security.level == SecurityLevel::Default
}

/// Whether the filter may let new user namespaces be made, though the manifest does not: then
/// the kernel's own limit of them forbids it.
pub(super) fn leaves_namespaces(security: &Security) -> bool {
    let Seccomp { base, allow, .. } = &security.seccomp;
    let level = match base {
        SeccompBase::Level => security.level,
        SeccompBase::Profile(level) => *level,
        SeccompBase::None | SeccompBase::File(_) => SecurityLevel::Loose,
    };
    level == SecurityLevel::Loose || !allow.is_empty()
}

fn level(draft: &mut Draft<'_>) {
    let manifest = draft.manifest;
    let security = &manifest.security;
    let place = key("security");
    if security.level == SecurityLevel::Loose {
        draft.hole(
            "`loose` lets system calls through that the default refuses",
            &either("security", true),
        );
    }
    if security.nested_namespaces {
        draft.hole(
            "the command may make user namespaces, and reach the kernel code that they open",
            &at(place.key("nested_namespaces")),
        );
    }
}
