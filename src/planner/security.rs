//! The walls around the command: capabilities, new privileges, Landlock, the system call filter.

use crate::capability::Capability;
use crate::manifest::{
    Degradable, Landlock, Refusal, Seccomp, SeccompBase, Security, SecurityLevel, Sharing, Userns,
};
use crate::plan::{Command, Init, Opening, Origin, Step};
use crate::seccomp::Opened;
use crate::source::Pointer;

use super::draft::{Draft, at, default, key, step};
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

impl Walls {
    /// Landlock's rules are among them.
    pub(super) fn landlock(&self) -> bool {
        self.command.iter().any(|step| matches!(step.action, Command::Landlock { .. }))
    }
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
    capabilities(draft, &keep, &origin.key);
    init.push(step(Init::Capabilities { keep }, &origin));

    let mut command = Vec::new();
    command.extend(landlock(draft));
    let filter = filter(draft);
    let filtered = filter.is_some();
    command.extend(filter);
    nested(draft);
    untied(draft);
    Walls { init, command, filtered }
}

/// What lets PID 1 give up the signal that it gets when the runner dies (PR_SET_PDEATHSIG(2const)).
fn untied(draft: &mut Draft<'_>) {
    let manifest = draft.manifest;
    if manifest.init || manifest.namespaces.pid != Sharing::Private {
        return;
    }
    let Security { level, seccomp, capabilities, no_new_privileges, .. } = &manifest.security;
    let place = key("security");
    let changes_ids = [Capability::Setuid, Capability::Setgid];
    let loose = |level: &SecurityLevel| *level == SecurityLevel::Loose;
    let (free, at_filter) = match &seccomp.base {
        SeccompBase::Level => (loose(level), place.clone()),
        SeccompBase::Profile(profile) => (loose(profile), place.key("seccomp")),
        SeccompBase::None | SeccompBase::File(_) => (true, place.key("seccomp")),
    };
    let denied =
        seccomp.base != SeccompBase::None && seccomp.deny.iter().any(|name| name == "prctl");
    let allowed = seccomp.allow.iter().any(|name| name == "prctl");
    let all = [
        (free && !denied, "by prctl(2)", at_filter),
        (allowed && !denied, "by prctl(2)", place.key("seccomp").key("allow")),
        (
            changes_ids.iter().any(|one| capabilities.contains(one)),
            "by another user id",
            place.key("capabilities"),
        ),
        (!no_new_privileges, "by a set-user-id program", place.key("no_new_privileges")),
    ];
    if let Some((_, how, place)) = all.into_iter().find(|(open, ..)| *open) {
        draft.hole(Opening::Untied, how, &at(place));
    }
}

fn new_privileges(draft: &mut Draft<'_>) {
    let origin = at(key("security").key("no_new_privileges"));
    draft.hole(Opening::NewPrivileges, "", &origin);
    let security = &draft.manifest.security;
    let walls = security.seccomp.base != SeccompBase::None || security.landlock != Landlock::None;
    if walls {
        let text = "the kernel takes a system call filter and Landlock rules only from a process without new privileges";
        let help =
            "leave `no_new_privileges` true, or write `seccomp: none` and `landlock: none`, too";
        draft.wrong("contradiction", &origin.key, text, "not with seccomp and landlock", help);
    }
}

/// Capabilities that reach much kernel code even where they rule a namespace and no more.
const KERNEL: [Capability; 4] =
    [Capability::NetAdmin, Capability::NetRaw, Capability::Perfmon, Capability::SysAdmin];

/// Capabilities that are as good as all of them, where they rule the host.
const RULING: [Capability; 12] = [
    Capability::Bpf,
    Capability::DacReadSearch,
    Capability::MacAdmin,
    Capability::MacOverride,
    Capability::Mknod,
    Capability::Perfmon,
    Capability::Setfcap,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysModule,
    Capability::SysPtrace,
    Capability::SysRawio,
];

fn capabilities(draft: &mut Draft<'_>, keep: &[Capability], place: &Pointer) {
    let host = draft.manifest.userns == Userns::Host;
    for (n, capability) in keep.iter().enumerate() {
        let opening = match (host, KERNEL.contains(capability), RULING.contains(capability)) {
            (true, _, true) => Opening::RulingCapability,
            (true, _, false) => Opening::HostCapability,
            (false, true, _) => Opening::KernelCapability,
            (false, false, _) => Opening::Capability,
        };
        let about = format!("{} ({})", capability.word(), capability.allows());
        draft.hole(opening, about, &at(place.index(n)));
    }
}

const NONE_HERE: &str = "the kernel has none";

fn landlock(draft: &mut Draft<'_>) -> Option<Step<Command>> {
    let manifest = draft.manifest;
    let security = &manifest.security;
    let place = key("security").key("landlock");
    let abi = draft.host.landlock;
    let asked = |word: &str| at(key("security").key(word));
    let lacking = match security.landlock {
        Landlock::None => Some(("the manifest wants none", at(place.clone()))),
        Landlock::Required if abi == 0 => {
            draft.lost(Degradable::Landlock, &place, "the kernel has no Landlock", "");
            Some((NONE_HERE, super::draft::asked("allow_degraded")))
        }
        Landlock::Auto if abi == 0 => Some((NONE_HERE, default("security"))),
        // Within Landlock nobody mounts: who is let to make namespaces or mounts goes without.
        Landlock::Auto if security.nested_namespaces => {
            Some(("nobody within them may mount", asked("nested_namespaces")))
        }
        Landlock::Auto if security.capabilities.contains(&Capability::SysAdmin) => {
            Some(("nobody within them may mount", asked("capabilities")))
        }
        Landlock::Auto if !security.no_new_privileges => {
            Some(("the command may gain privileges", asked("no_new_privileges")))
        }
        Landlock::Auto | Landlock::Required => None,
    };
    if let Some((why, origin)) = lacking {
        draft.hole(Opening::NoLandlock, why, &origin);
        return None;
    }
    let origin = Origin { key: place, default: security.landlock == Landlock::Auto };
    Some(step(Command::Landlock { abi }, &origin))
}

fn filter(draft: &mut Draft<'_>) -> Option<Step<Command>> {
    let manifest = draft.manifest;
    let security = &manifest.security;
    let place = key("security").key("seccomp");
    let strict = security.level == SecurityLevel::Strict && security.seccomp == Seccomp::default();
    if manifest.limits.memory.is_some() && !strict {
        draft.hole(Opening::UncountedMemory, "", &default("security"));
    }
    if security.seccomp.base == SeccompBase::None {
        draft.hole(Opening::NoFilter, "", &at(place));
        return None;
    }
    if let Some(reason) = draft.host.seccomp_missing.clone() {
        draft.lost(Degradable::Seccomp, &place, &reason, "");
        draft.hole(Opening::NoFilter, "", &super::draft::asked("allow_degraded"));
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
            if let Some(filter) = &filter {
                calls(draft, &filter.opened);
            }
            filter.map(|filter| step(Command::Seccomp { filter }, &origin))
        }
        Err(problems) => {
            draft.refuse(problems);
            None
        }
    }
}

/// What the manifest's own words let through besides the default's.
fn calls(draft: &mut Draft<'_>, opened: &Opened) {
    let Security { level, seccomp, .. } = &draft.manifest.security;
    let plain = *seccomp == Seccomp::default();
    let place = key("security");
    let level = plain && *level == SecurityLevel::Loose;
    let origin = at(if level { place } else { place.key("seccomp") });
    let lists = [(Opening::MoreCalls, &opened.more), (Opening::DangerousCalls, &opened.most)];
    for (opening, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        draft.hole(opening, few(names), &origin);
    }
}

/// The names, or so many of them that the sentence stays one.
fn few(names: &[&str]) -> String {
    const MOST: usize = 12;
    let shown = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        rest => format!("{shown} and {rest} more"),
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

fn nested(draft: &mut Draft<'_>) {
    if draft.manifest.security.nested_namespaces {
        let origin = at(key("security").key("nested_namespaces"));
        draft.hole(Opening::NestedNamespaces, "", &origin);
    }
}
