//! Where the control groups of a run stand: per controller, by what it really is on this host.

mod site;

use std::path::PathBuf;

use crate::host::Hierarchy;
use crate::manifest::{CgroupManager, Degradable};
use crate::plan::{
    Accounts, CgroupVersion, Group, Init, Namespace, Opening, Origin, Prepare, Step,
};
use crate::source::Pointer;

use super::draft::{Draft, asked, at, either, key, step};
use super::isolation::Isolation;
use super::lacks;
use super::limits::{self, Limit};

pub(crate) use site::controllers;
use site::{Scope, Site, delegation, open, place};

/// The groups of a run, and the steps that make and join them.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) prepare: Vec<Step<Prepare>>,
    /// The v2 group that init is born in.
    pub(super) into: Option<PathBuf>,
    /// How init enters its v1 groups.
    pub(super) join: Vec<Step<Init>>,
    pub(super) accounts: Accounts,
    /// A group limits the number of processes.
    pub(super) pids: bool,
}

impl Groups {
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.groups.is_empty()
    }

    fn v2(&self) -> Option<&Group> {
        self.accounts.groups.iter().find(|group| group.version == CgroupVersion::V2)
    }

    /// Makes a group below `hierarchy`, unless it is made already.
    fn make(
        &mut self,
        site: &Site,
        (hierarchy, version): (&Hierarchy, CgroupVersion),
        origin: &Origin,
    ) -> Option<Group> {
        let group = Group { path: hierarchy.parent.as_ref()?.join(&site.name), version };
        if self.accounts.groups.contains(&group) {
            return Some(group);
        }
        self.prepare.push(step(Prepare::MakeCgroup { path: group.path.clone() }, origin));
        match version {
            CgroupVersion::V2 => self.into = Some(group.path.clone()),
            CgroupVersion::V1 => {
                self.join.push(step(Init::JoinCgroup { path: group.path.clone() }, origin));
            }
        }
        self.accounts.groups.push(group.clone());
        Some(group)
    }

    /// One of these files is written.
    fn writes(&self, files: &[&str]) -> bool {
        self.prepare.iter().any(|step| match &step.action {
            Prepare::WriteCgroup { path, .. } => files.iter().any(|file| path.ends_with(file)),
            _ => false,
        })
    }

    fn write(&mut self, group: &Group, files: &[(String, String)], origin: &Origin) {
        for (file, value) in files {
            let path = group.path.join(file);
            self.prepare.push(step(Prepare::WriteCgroup { path, value: value.clone() }, origin));
        }
    }
}

/// Chooses the groups.
pub(super) fn choose(draft: &mut Draft<'_>, isolation: &Isolation) -> Groups {
    let mut groups = Groups::default();
    let limits = limits::limits(draft);
    let name = format!("sixdocker-{}-{}", draft.name, draft.host.run);
    let site = Site::of(draft.host, &draft.manifest.cgroup, name);
    if refused(draft, &limits) || unmanaged(draft, &site) {
        unlimited(draft, &groups);
        return groups;
    }
    for limit in &limits {
        apply(draft, &mut groups, limit, &site);
    }
    raw(draft, &mut groups, &site);
    usage(draft, &mut groups, &site);
    whole_tree(draft, &mut groups, isolation, &site);
    processes(draft, &mut groups, &site);
    asked_for(draft, &mut groups, &site);
    reported(draft, &mut groups, &site);
    account(&mut groups);
    watch(draft, &mut groups);
    enable(&site, &mut groups, &limits);
    scope(draft, &site, &mut groups);
    unlimited(draft, &groups);
    groups
}

/// `cgroup: none` leaves no limit to be set here.
fn refused(draft: &mut Draft<'_>, limits: &[Limit]) -> bool {
    let manifest = draft.manifest;
    if manifest.cgroup.manager != CgroupManager::None {
        return false;
    }
    let needs = limits.iter().filter(|limit| !limit.default).map(|limit| limit.key.clone());
    let time = manifest.limits.cpu_time.map(|_| key("limits").key("cpu_time"));
    let raw = manifest.limits.cgroup.keys().map(|file| key("limits").key("cgroup").key(file));
    for place in needs.chain(time).chain(raw).collect::<Vec<_>>() {
        let text = format!("`{place}` needs a control group, and `cgroup: none` forbids one");
        draft.wrong(
            "contradiction",
            &place,
            text,
            "needs a control group",
            "take `cgroup: none` out",
        );
    }
    true
}

/// `cgroup: systemd` wants a systemd that gives groups away, and chooses where they stand.
fn unmanaged(draft: &mut Draft<'_>, site: &Site) -> bool {
    let cgroup = &draft.manifest.cgroup;
    if cgroup.manager != CgroupManager::Systemd {
        return false;
    }
    if cgroup.parent.is_some() {
        let text = "`cgroup.parent` names a directory, and with `manager: systemd` it is systemd that chooses one";
        let help = "take `parent` out, or write `manager: fs`";
        draft.wrong("contradiction", &key("cgroup").key("parent"), text, "not with systemd", help);
        return true;
    }
    let legacy = site.cgroups.iter().flat_map(|cgroups| cgroups.legacy.keys());
    let legacy: Vec<_> = legacy.map(String::as_str).collect();
    let reason = if !legacy.is_empty() {
        format!(
            "its scopes have groups of cgroup v2, and this host has v1 for {}",
            legacy.join(", ")
        )
    } else if site.scope.is_none() {
        let reason = site.unified().and_then(|unified| unified.reason.clone());
        reason.unwrap_or_else(|| "no control groups are mounted".to_owned())
    } else {
        return false;
    };
    let text = format!("`cgroup: systemd` can't be had on this host: {reason}");
    let help = "leave `cgroup` out: then the best is taken that there is";
    draft.wrong("unavailable", &key("cgroup"), text, "asked for here", help);
    true
}

/// Sets one limit, if it can be had.
fn apply(draft: &mut Draft<'_>, groups: &mut Groups, limit: &Limit, site: &Site) {
    let help = delegation(draft, site, limit.controller.v1);
    let (hierarchy, version) = match place(site, limit.controller) {
        Ok(place) => place,
        Err(reason) => {
            // Where its controller is not to be had, the limit that it belongs to has said so.
            if !limit.default {
                let help = lacks::groups(&reason).unwrap_or(help);
                draft.lost(limit.controller.loss, &limit.key, &reason, help);
            }
            return;
        }
    };
    let way = if version == CgroupVersion::V1 { &limit.v1 } else { &limit.v2 };
    let files = match way {
        Ok(files) => files,
        Err(reason) => {
            draft.lost(limit.controller.loss, &limit.key, reason, "");
            return;
        }
    };
    if let Err(reason) = possible(hierarchy, files) {
        draft.lost(limit.controller.loss, &limit.key, &reason, "");
        return;
    }
    let origin = Origin { key: limit.key.clone(), default: limit.default };
    let Some(group) = groups.make(site, (hierarchy, version), &origin) else { return };
    if limit.controller == limits::CPUSET && version == CgroupVersion::V1 {
        inherit(groups, hierarchy, &group, &origin);
    }
    groups.write(&group, files, &origin);
    groups.pids |= limit.controller == limits::PIDS;
    if limit.controller == limits::MEMORY {
        groups.accounts.memory = Some(group);
    } else if limit.controller == limits::PIDS {
        groups.accounts.pids = Some(group);
    }
}

/// A v1 group has no processors and no memory nodes until it is given some.
fn inherit(groups: &mut Groups, hierarchy: &Hierarchy, group: &Group, origin: &Origin) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let path = group.path.join(file);
        let written = groups.prepare.iter().any(
            |step| matches!(&step.action, Prepare::WriteCgroup { path: known, .. } if *known == path),
        );
        if let (false, Some(value)) = (written, hierarchy.has.get(file)) {
            groups.write(group, &[(file.to_owned(), value.clone())], origin);
        }
    }
}

/// Whether the hierarchy has these files, and takes these values.
fn possible(hierarchy: &Hierarchy, files: &[(String, String)]) -> Result<(), String> {
    for (file, value) in files {
        if hierarchy.lacks.contains(file) {
            return Err(format!("this kernel has no {file}"));
        }
        let Some(all) = hierarchy.has.get(file).filter(|_| file.starts_with("cpuset.")) else {
            continue;
        };
        if let (Some(all), Some(wanted)) = (ranges(all), ranges(value))
            && let Some(beyond) = wanted.iter().find_map(|range| beyond(*range, &all))
        {
            return Err(format!(
                "{beyond} is not among {}, the ones there are",
                hierarchy.has[file]
            ));
        }
    }
    Ok(())
}

/// The ranges of a list such as `0-1,3`, sorted.
fn ranges(list: &str) -> Option<Vec<(u32, u32)>> {
    let mut all = Vec::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        all.push((first.trim().parse().ok()?, last.trim().parse().ok()?));
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// The first number of a range that is in none of the others, which are sorted.
fn beyond((first, last): (u32, u32), all: &[(u32, u32)]) -> Option<u32> {
    let mut next = first;
    for (from, to) in all {
        if (*from..=*to).contains(&next) {
            next = to.checked_add(1)?;
        }
    }
    (next <= last).then_some(next)
}

/// Files of `limits.cgroup`, which are cgroup v2's own.
fn raw(draft: &mut Draft<'_>, groups: &mut Groups, site: &Site) {
    let manifest = draft.manifest;
    for (file, value) in &manifest.limits.cgroup {
        let place = key("limits").key("cgroup").key(file);
        if let Err((reason, help)) = raw_file(draft, groups, (file, value), site, &place) {
            let text = format!("`{place}` can't be written on this host: {reason}");
            draft.wrong("unavailable", &place, text, "asked for here", help);
        }
    }
}

/// Files that the runner itself writes.
const OURS: [&str; 5] =
    ["cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.subtree_control"];

fn raw_file(
    draft: &Draft<'_>,
    groups: &mut Groups,
    (file, value): (&str, &str),
    site: &Site,
    place: &Pointer,
) -> Result<(), (String, &'static str)> {
    let controller = file.split('.').next().unwrap_or_default();
    if file.contains('/') || OURS.contains(&file) {
        return Err((format!("{file} is the runner's own to write"), "take it out"));
    }
    if site.cgroups.as_ref().is_some_and(|cgroups| {
        cgroups.legacy.contains_key(if controller == "io" { "blkio" } else { controller })
    }) {
        let reason = format!("raw files are cgroup v2's, and {controller} is a v1 controller here");
        return Err((reason, "use the words of `limits`, which mean the same in both versions"));
    }
    let help = delegation(draft, site, controller);
    let hierarchy =
        site.unified().ok_or_else(|| ("there is no cgroup v2 hierarchy".to_owned(), help))?;
    open(hierarchy).map_err(|reason| (reason, help))?;
    if controller != "cgroup" && !hierarchy.controllers.iter().any(|known| known == controller) {
        return Err((format!("the {controller} controller is not there"), help));
    }
    let origin = at(place.clone());
    if let Some(group) = groups.make(site, (hierarchy, CgroupVersion::V2), &origin) {
        groups.write(&group, &[(file.to_owned(), value.to_owned())], &origin);
    }
    Ok(())
}

/// `limits.cpu_time` needs a group whose use of processors can be read.
fn usage(draft: &mut Draft<'_>, groups: &mut Groups, site: &Site) {
    if draft.manifest.limits.cpu_time.is_none() {
        return;
    }
    if let Some(group) = groups.v2().cloned() {
        groups.accounts.cpu = Some(group);
        return;
    }
    let place = key("limits").key("cpu_time");
    if let Some(usable) = site.usable("cpuacct") {
        groups.accounts.cpu = groups.make(site, usable, &at(place));
        return;
    }
    let reason =
        "the time of all processes together is known to a control group only, and none can be made";
    let help = format!(
        "{}; `ulimits: {{cpu: N}}` limits each process by itself, `timeout` all by the clock",
        delegation(draft, site, "cpuacct")
    );
    draft.lost(Degradable::Cpu, &place, reason, &help);
}

/// Without a PID namespace of its own, only a group holds all processes of a sandbox together.
fn whole_tree(draft: &mut Draft<'_>, groups: &mut Groups, isolation: &Isolation, site: &Site) {
    if isolation.has(Namespace::Pid) || !groups.is_empty() {
        return;
    }
    let origin = at(key("namespaces").key("pid"));
    match site.usable("pids") {
        Some(usable) => _ = groups.make(site, usable, &origin),
        None => draft.hole(Opening::LeftBehind, "", &origin),
    }
}

/// The kernel's limit of processes per user does not bind root, so root's sandboxes get a group.
fn processes(draft: &mut Draft<'_>, groups: &mut Groups, site: &Site) {
    let none = draft.host.uid == 0 && draft.manifest.limits.pids.is_none();
    if none && place(site, limits::PIDS).is_ok() {
        apply(draft, groups, &limits::default_pids(), site);
    }
}

/// What nothing limits.
fn unlimited(draft: &mut Draft<'_>, groups: &Groups) {
    let place = |word: &str| key("limits").key(word);
    // A limit that is asked for and not set was let go.
    let why = |word: &str, given: bool| {
        let silent = || Origin { key: place(word), default: true };
        if given { asked("allow_degraded") } else { silent() }
    };
    let limits = &draft.manifest.limits;
    if !groups.writes(&["memory.max", "memory.limit_in_bytes"]) {
        draft.hole(Opening::AllMemory, "", &why("memory", limits.memory.is_some()));
    }
    if !groups.writes(&["cpu.max", "cpu.cfs_quota_us", "cpuset.cpus"]) {
        let given = limits.cpus.is_some() || limits.cpuset.is_some();
        draft.hole(Opening::AllProcessors, "", &why("cpus", given));
    }
    let counted = draft.manifest.limits.cpu_time.is_some() && groups.accounts.cpu.is_some();
    if draft.manifest.timeout.is_none() && !counted {
        draft.hole(Opening::AllTime, "", &super::draft::default("timeout"));
    }
    if draft.host.uid == 0 && !groups.pids {
        let why = "root is not bound by `ulimits.nproc`, and no control group can be had";
        draft.hole(Opening::AllProcesses, why, &Origin { key: place("pids"), default: true });
    }
    match draft.manifest.limits.pids {
        Some(many) if many > limits::DEFAULT_PIDS => {
            draft.hole(Opening::ManyProcesses, many.to_string(), &at(place("pids")));
        }
        _ => {}
    }
    if let Some(parent) = &draft.manifest.cgroup.parent {
        let origin = at(key("cgroup").key("parent"));
        draft.hole(Opening::CgroupParent, &parent.0, &origin);
    }
    for file in draft.manifest.limits.cgroup.keys() {
        draft.hole(Opening::RawLimit, file, &at(place("cgroup").key(file)));
    }
}

/// Who names systemd gets its scope, though nothing else needs a group.
fn asked_for(draft: &Draft<'_>, groups: &mut Groups, site: &Site) {
    if draft.manifest.cgroup.manager == CgroupManager::Systemd
        && groups.is_empty()
        && let Some(hierarchy) = site.unified()
    {
        groups.make(site, (hierarchy, CgroupVersion::V2), &asked("cgroup"));
    }
}

/// A report tells the time and the memory of all processes, of those as well that nobody waited for:
/// only groups know them. No scope of systemd's is asked for that alone.
fn reported(draft: &Draft<'_>, groups: &mut Groups, site: &Site) {
    if draft.manifest.report.is_none() || (site.scope.is_some() && groups.is_empty()) {
        return;
    }
    let origin = asked("report");
    if groups.accounts.cpu.is_none() {
        let usable = site.usable("cpuacct");
        let known = groups.v2().cloned();
        groups.accounts.cpu = known.or_else(|| groups.make(site, usable?, &origin));
    }
    if groups.accounts.memory.is_none()
        && let Ok(place) = place(site, limits::MEMORY)
        && let Some(group) = groups.make(site, place, &origin)
    {
        if group.version == CgroupVersion::V2 {
            // No limit; but a controller is handed down where one of its files is written.
            groups.write(&group, &[("memory.high".to_owned(), "max".to_owned())], &origin);
        }
        groups.accounts.memory = Some(group);
    }
}

/// Every v2 group tells the time its processes used.
fn account(groups: &mut Groups) {
    if groups.accounts.cpu.is_none() {
        groups.accounts.cpu = groups.v2().cloned();
    }
}

/// Cgroup v1 kills one process where the manifest wants the end of all: the runner sees to it.
fn watch(draft: &Draft<'_>, groups: &mut Groups) {
    let limits = &draft.manifest.limits;
    let Some(Group { path, version: CgroupVersion::V1 }) = &groups.accounts.memory else { return };
    if limits.memory.is_some() && limits.oom_group.unwrap_or(true) {
        let key = key("limits").key("oom_group");
        let origin = Origin { key, default: limits.oom_group.is_none() };
        groups.prepare.push(step(Prepare::WatchMemory { path: path.clone() }, &origin));
    }
}

/// Hands the controllers that are used down to the v2 group, before it is made.
fn enable(site: &Site, groups: &mut Groups, limits: &[Limit]) {
    let Some(hierarchy) = site.unified() else { return };
    let (Some(parent), Some(into)) = (&hierarchy.parent, &groups.into) else { return };
    let files = groups.prepare.iter().filter_map(|step| match &step.action {
        Prepare::WriteCgroup { path, .. } if path.parent() == Some(into) => {
            path.file_name()?.to_str()
        }
        _ => None,
    });
    let used: Vec<&str> = files.filter_map(|file| Some(file.split_once('.')?.0)).collect();
    let among = |all: &[String]| -> Vec<String> {
        all.iter().filter(|name| used.contains(&name.as_str())).cloned().collect()
    };
    let (missing, all) = (among(&hierarchy.enable), among(&hierarchy.controllers));
    let path = parent.clone();
    let action = if hierarchy.contested && !all.is_empty() {
        let (name, run) = site.name.rsplit_once('-').unwrap_or((&site.name, "0"));
        let holder = parent.join(format!("{name}.holder-{run}"));
        Prepare::HoldControllers { path, holder, controllers: all }
    } else if !missing.is_empty() {
        Prepare::EnableControllers { path, controllers: missing }
    } else {
        return;
    };
    let of = |limit: &Limit| Origin { key: limit.key.clone(), default: limit.default };
    let origin = limits.first().map_or_else(|| asked("limits"), of);
    groups.prepare.insert(0, step(action, &origin));
}

/// The scope comes first, and the runner makes room in it: a group that holds processes can't
/// hand controllers down.
fn scope(draft: &Draft<'_>, site: &Site, groups: &mut Groups) {
    let Some(Scope { socket, unit, slice, path }) = &site.scope else { return };
    if groups.into.is_none() {
        return;
    }
    let origin = either("cgroup", draft.manifest.cgroup.manager == CgroupManager::Systemd);
    let start = Prepare::StartScope {
        socket: socket.clone(),
        unit: unit.clone(),
        slice: slice.clone(),
        path: path.clone(),
    };
    let aside = Prepare::StepAside { path: path.join("runner") };
    groups.prepare.splice(0..0, [step(start, &origin), step(aside, &origin)]);
}

/// Reads a list of processors that any kernel, container or manifest may have written.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure(text: &str) {
    let Some(all) = ranges(text) else { return };
    for (first, last) in all.iter().take(64) {
        assert_eq!(beyond((*first, *last), &all), None, "{first}-{last} of {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_a_list_is_found_without_counting_it() {
        let beyond = |wanted: &str, all: &str| {
            let all = ranges(all).unwrap();
            ranges(wanted).unwrap().iter().find_map(|range| beyond(*range, &all))
        };
        assert_eq!(beyond("0-3", "0-1,2-7"), None);
        assert_eq!(beyond("0-3,9", "2-7,0-1"), Some(9));
        assert_eq!(beyond("1-3", "0-1,3"), Some(2));
        assert_eq!(beyond("0-4294967295", "0-4294967295"), None);
        let long = vec!["0-4294967295"; 50_000].join(",");
        assert_eq!(beyond(&long, "0-3"), Some(4));
    }
}
