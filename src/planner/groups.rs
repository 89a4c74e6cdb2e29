//! Where the control groups of a run stand: per controller, by what it really is on this host.

use std::path::{Path, PathBuf};

use crate::host::{Hierarchy, Host};
use crate::manifest::{CgroupManager, Degradable};
use crate::plan::{Accounts, CgroupVersion, Group, Init, Namespace, Origin, Prepare, Step};
use crate::source::Pointer;

use super::draft::{Draft, asked, at, key, step};
use super::isolation::Isolation;
use super::limits::{self, Controller, Limit};

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
        hierarchy: &Hierarchy,
        version: CgroupVersion,
        name: &str,
        origin: &Origin,
    ) -> Option<Group> {
        let group = Group { path: hierarchy.parent.as_ref()?.join(name), version };
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
    if refused(draft, &limits) {
        return groups;
    }
    for limit in &limits {
        apply(draft, &mut groups, limit, &name);
    }
    raw(draft, &mut groups, &name);
    usage(draft, &mut groups, &name);
    whole_tree(draft, &mut groups, isolation, &name);
    processes(draft, &mut groups, &name);
    account(&mut groups);
    watch(draft, &mut groups);
    enable(draft, &mut groups, &limits);
    groups
}

/// `cgroup: none` and `cgroup: systemd` leave no limit to be set here.
fn refused(draft: &mut Draft<'_>, limits: &[Limit]) -> bool {
    let manifest = draft.manifest;
    match manifest.cgroup.manager {
        CgroupManager::Auto | CgroupManager::Fs => return false,
        CgroupManager::Systemd => {
            let text = "`cgroup: systemd` is not there yet";
            let help = "run `systemd-run --user --scope -p Delegate=yes sixdocker up FILE`, with `cgroup: auto`";
            draft.wrong("not_yet", &key("cgroup"), text, "not yet", help);
        }
        CgroupManager::None => {
            let needs = limits.iter().filter(|limit| !limit.default).map(|limit| limit.key.clone());
            let time = manifest.limits.cpu_time.map(|_| key("limits").key("cpu_time"));
            let raw =
                manifest.limits.cgroup.keys().map(|file| key("limits").key("cgroup").key(file));
            for place in needs.chain(time).chain(raw).collect::<Vec<_>>() {
                let text =
                    format!("`{place}` needs a control group, and `cgroup: none` forbids one");
                draft.wrong(
                    "contradiction",
                    &place,
                    text,
                    "needs a control group",
                    "take `cgroup: none` out",
                );
            }
        }
    }
    true
}

/// Where a controller is, or why it can't be had.
fn place(host: &Host, controller: Controller) -> Result<(&Hierarchy, CgroupVersion), String> {
    let Some(cgroups) = &host.cgroups else {
        return Err("no control groups are mounted".into());
    };
    if let Some(hierarchy) = cgroups.legacy.get(controller.v1) {
        return open(hierarchy).map(|hierarchy| (hierarchy, CgroupVersion::V1));
    }
    let Some(hierarchy) = &cgroups.unified else {
        return Err(format!(
            "no control group hierarchy with the {} controller is mounted",
            controller.v2
        ));
    };
    open(hierarchy)?;
    if hierarchy.controllers.iter().any(|known| known == controller.v2) {
        return Ok((hierarchy, CgroupVersion::V2));
    }
    let parent = hierarchy.parent.as_deref().unwrap_or(Path::new("/"));
    Err(format!("the {} controller is not delegated to {}", controller.v2, parent.display()))
}

/// Where each controller's groups would be made on a host, or why they can't be.
pub(crate) fn controllers(host: &Host) -> Vec<(&'static str, Result<Group, String>)> {
    use limits::{CPU, CPUSET, HUGETLB, IO, MEMORY, PIDS};
    let parent = |controller| {
        let (hierarchy, version) = place(host, controller)?;
        Ok(Group { path: hierarchy.parent.clone().unwrap_or_default(), version })
    };
    [MEMORY, CPU, CPUSET, PIDS, IO, HUGETLB]
        .map(|controller| (controller.v2, parent(controller)))
        .into()
}

fn open(hierarchy: &Hierarchy) -> Result<&Hierarchy, String> {
    let unknown = || format!("no group may be made in {}", hierarchy.own.display());
    match &hierarchy.parent {
        Some(_) => Ok(hierarchy),
        None => Err(hierarchy.reason.clone().unwrap_or_else(unknown)),
    }
}

/// How an ordinary user gets a control group with this controller, called by its v1 name.
fn delegation(draft: &Draft<'_>, controller: &str) -> &'static str {
    let unified = draft.host.cgroups.as_ref().is_some_and(|cgroups| {
        cgroups.unified.is_some() && !cgroups.legacy.contains_key(controller)
    });
    match (draft.host.privileged, unified) {
        (false, true) => {
            "run it in a group of your own: `systemd-run --user --scope -p Delegate=yes sixdocker up FILE`"
        }
        (false, false) => {
            "run it as root: systemd hands no cgroup v1 controller to an ordinary user"
        }
        (true, _) => "`sixdocker doctor` tells what this host has",
    }
}

/// Sets one limit, if it can be had.
fn apply(draft: &mut Draft<'_>, groups: &mut Groups, limit: &Limit, name: &str) {
    let help = delegation(draft, limit.controller.v1);
    let (hierarchy, version) = match place(draft.host, limit.controller) {
        Ok(place) => place,
        Err(reason) => {
            // Where its controller is not to be had, the limit that it belongs to has said so.
            if !limit.default {
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
    let Some(group) = groups.make(hierarchy, version, name, &origin) else { return };
    if limit.controller == limits::CPUSET && version == CgroupVersion::V1 {
        inherit(groups, hierarchy, &group, &origin);
    }
    groups.write(&group, files, &origin);
    groups.pids |= limit.controller == limits::PIDS;
    if limit.controller == limits::MEMORY {
        groups.accounts.memory = Some(group);
    } else if limit.controller == limits::PIDS {
        groups.accounts.pids = Some(group);
    } else if limit.controller == limits::CPU {
        groups.accounts.cpu = Some(group);
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
        if let (Some(all), Some(wanted)) = (numbers(all), numbers(value))
            && let Some(beyond) = wanted.iter().find(|number| !all.contains(number))
        {
            return Err(format!(
                "{beyond} is not among {}, the ones there are",
                hierarchy.has[file]
            ));
        }
    }
    Ok(())
}

/// The numbers of a list such as `0-1,3`.
fn numbers(list: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        all.extend(first..=last.min(first.saturating_add(8192)));
    }
    Some(all)
}

/// Files of `limits.cgroup`, which are cgroup v2's own.
fn raw(draft: &mut Draft<'_>, groups: &mut Groups, name: &str) {
    let manifest = draft.manifest;
    for (file, value) in &manifest.limits.cgroup {
        let place = key("limits").key("cgroup").key(file);
        if let Err((reason, help)) = raw_file(draft, groups, file, value, name, &place) {
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
    file: &str,
    value: &str,
    name: &str,
    place: &Pointer,
) -> Result<(), (String, &'static str)> {
    let controller = file.split('.').next().unwrap_or_default();
    if file.contains('/') || OURS.contains(&file) {
        return Err((format!("{file} is the runner's own to write"), "take it out"));
    }
    let cgroups = draft.host.cgroups.as_ref();
    if cgroups.is_some_and(|cgroups| {
        cgroups.legacy.contains_key(if controller == "io" { "blkio" } else { controller })
    }) {
        let reason = format!("raw files are cgroup v2's, and {controller} is a v1 controller here");
        return Err((reason, "use the words of `limits`, which mean the same in both versions"));
    }
    let help = delegation(draft, controller);
    let unified = cgroups.and_then(|cgroups| cgroups.unified.as_ref());
    let hierarchy = unified.ok_or_else(|| ("there is no cgroup v2 hierarchy".to_owned(), help))?;
    open(hierarchy).map_err(|reason| (reason, help))?;
    if controller != "cgroup" && !hierarchy.controllers.iter().any(|known| known == controller) {
        return Err((format!("the {controller} controller is not there"), help));
    }
    let origin = at(place.clone());
    if let Some(group) = groups.make(hierarchy, CgroupVersion::V2, name, &origin) {
        groups.write(&group, &[(file.to_owned(), value.to_owned())], &origin);
    }
    Ok(())
}

/// `limits.cpu_time` needs a group whose use of processors can be read.
fn usage(draft: &mut Draft<'_>, groups: &mut Groups, name: &str) {
    if draft.manifest.limits.cpu_time.is_none() {
        return;
    }
    if let Some(group) = groups.v2().cloned() {
        groups.accounts.cpu = Some(group);
        return;
    }
    let place = key("limits").key("cpu_time");
    let cgroups = draft.host.cgroups.as_ref();
    let unified =
        cgroups.and_then(|cgroups| cgroups.unified.as_ref()).map(|h| (h, CgroupVersion::V2));
    let legacy =
        cgroups.and_then(|cgroups| cgroups.legacy.get("cpuacct")).map(|h| (h, CgroupVersion::V1));
    let usable =
        [unified, legacy].into_iter().flatten().find(|(hierarchy, _)| hierarchy.parent.is_some());
    if let Some((hierarchy, version)) = usable {
        groups.accounts.cpu = groups.make(hierarchy, version, name, &at(place));
        return;
    }
    let reason =
        "the time of all processes together is known to a control group only, and none can be made";
    let help = format!(
        "{}; `ulimits: {{cpu: N}}` limits each process by itself, `timeout` all by the clock",
        delegation(draft, "cpuacct")
    );
    draft.lost(Degradable::Cpu, &place, reason, &help);
}

/// Without a PID namespace of its own, only a group holds all processes of a sandbox together.
fn whole_tree(draft: &mut Draft<'_>, groups: &mut Groups, isolation: &Isolation, name: &str) {
    if isolation.has(Namespace::Pid) || !groups.is_empty() {
        return;
    }
    let origin = at(key("namespaces").key("pid"));
    let cgroups = draft.host.cgroups.as_ref();
    let unified =
        cgroups.and_then(|cgroups| cgroups.unified.as_ref()).map(|h| (h, CgroupVersion::V2));
    let legacy =
        cgroups.and_then(|cgroups| cgroups.legacy.get("pids")).map(|h| (h, CgroupVersion::V1));
    let usable =
        [unified, legacy].into_iter().flatten().find(|(hierarchy, _)| hierarchy.parent.is_some());
    match usable {
        Some((hierarchy, version)) => _ = groups.make(hierarchy, version, name, &origin),
        None => draft.hole("processes that the command leaves behind outlive it: no PID namespace and no control group holds them together", &origin),
    }
}

/// The kernel's limit of processes per user does not bind root, so root's sandboxes get a group.
fn processes(draft: &mut Draft<'_>, groups: &mut Groups, name: &str) {
    if draft.host.uid != 0 || draft.manifest.limits.pids.is_some() {
        return;
    }
    if place(draft.host, limits::PIDS).is_ok() {
        apply(draft, groups, &limits::default_pids(), name);
    } else {
        let origin = Origin { key: key("limits").key("pids"), default: true };
        draft.hole("nothing limits the number of processes: root is not bound by `ulimits.nproc`, and no control group can be had", &origin);
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
fn enable(draft: &Draft<'_>, groups: &mut Groups, limits: &[Limit]) {
    let Some(hierarchy) = draft.host.cgroups.as_ref().and_then(|cgroups| cgroups.unified.as_ref())
    else {
        return;
    };
    let (Some(parent), Some(into)) = (&hierarchy.parent, &groups.into) else { return };
    let used = |controller: &&String| {
        let prefix = format!("{controller}.");
        groups.prepare.iter().any(|step| match &step.action {
            Prepare::WriteCgroup { path, .. } => {
                path.parent() == Some(into)
                    && path
                        .file_name()
                        .is_some_and(|file| file.to_string_lossy().starts_with(&prefix))
            }
            _ => false,
        })
    };
    let controllers: Vec<String> = hierarchy.enable.iter().filter(used).cloned().collect();
    if !controllers.is_empty() {
        let origin = limits.first().map_or_else(
            || asked("limits"),
            |limit| Origin { key: limit.key.clone(), default: limit.default },
        );
        let action = Prepare::EnableControllers { path: parent.clone(), controllers };
        groups.prepare.insert(0, step(action, &origin));
    }
}

/// Reads a list of processors that any kernel, container or manifest may have written.
#[cfg(any(test, fuzzing))]
pub(crate) fn endure(text: &str) {
    _ = numbers(text);
}
