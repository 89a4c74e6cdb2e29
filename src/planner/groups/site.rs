//! Where groups may stand on a host, and why not where they may not.

use std::path::{Path, PathBuf};

use crate::host::{Cgroups, Hierarchy, Host};
use crate::manifest::{Cgroup, CgroupManager};
use crate::plan::{CgroupVersion, Group};
use crate::planner::draft::Draft;
use crate::planner::lacks;
use crate::planner::limits::{self, Controller};

/// Where the groups of a run may stand, and what they are called.
pub(super) struct Site {
    pub(super) cgroups: Option<Cgroups>,
    pub(super) name: String,
    /// The v2 group is in a scope that systemd is asked for.
    pub(super) scope: Option<Scope>,
}

/// A transient scope of systemd.
pub(super) struct Scope {
    pub(super) socket: PathBuf,
    pub(super) unit: String,
    pub(super) slice: String,
    pub(super) path: PathBuf,
}

impl Site {
    /// The groups of `host` as they are, or with systemd's for v2: where it is asked for, and by
    /// default where an ordinary user was given none and systemd gives one.
    pub(super) fn of(host: &Host, cgroup: &Cgroup, name: String) -> Self {
        let as_it_is = Self { cgroups: host.cgroups.clone(), name, scope: None };
        let alone = || {
            let unified = as_it_is.unified();
            let nowhere = unified.is_some_and(|unified| unified.parent.is_none());
            let contested = unified.is_some_and(|unified| unified.contested);
            let better = nowhere || contested && as_it_is.answers();
            host.uid != 0 && cgroup.parent.is_none() && better
        };
        match cgroup.manager {
            CgroupManager::Systemd => as_it_is.in_scope(),
            CgroupManager::Auto if alone() => as_it_is.in_scope(),
            _ => as_it_is,
        }
    }

    /// There is a systemd to be asked.
    fn answers(&self) -> bool {
        let systemd = self.cgroups.as_ref().and_then(|cgroups| cgroups.systemd.as_ref());
        systemd.is_some_and(|systemd| systemd.hierarchy.parent.is_some())
    }

    fn in_scope(mut self) -> Self {
        let Some(cgroups) = &mut self.cgroups else { return self };
        let Some(systemd) = cgroups.systemd.clone() else { return self };
        let mut hierarchy = systemd.hierarchy;
        if let Some(slice) = &hierarchy.parent {
            let unit = format!("{}.scope", self.name);
            let path = slice.join(&unit);
            hierarchy.parent = Some(path.clone());
            hierarchy.enable.clone_from(&hierarchy.controllers);
            self.scope = Some(Scope { socket: systemd.socket, unit, slice: systemd.slice, path });
            "sandbox".clone_into(&mut self.name);
        } else if let Some(unified) = &cgroups.unified {
            let both = [unified.reason.as_deref(), hierarchy.reason.as_deref()];
            hierarchy.reason = Some(both.into_iter().flatten().collect::<Vec<_>>().join(", and "));
            hierarchy = Hierarchy { reason: hierarchy.reason, ..unified.clone() };
        }
        cgroups.unified = Some(hierarchy);
        self
    }

    pub(super) fn unified(&self) -> Option<&Hierarchy> {
        self.cgroups.as_ref()?.unified.as_ref()
    }

    /// Any hierarchy of v2, or this one of v1, in which a group can be made.
    pub(super) fn usable(&self, legacy: &str) -> Option<(&Hierarchy, CgroupVersion)> {
        let unified = self.unified().map(|hierarchy| (hierarchy, CgroupVersion::V2));
        let legacy = self.cgroups.as_ref().and_then(|cgroups| cgroups.legacy.get(legacy));
        let legacy = legacy.map(|hierarchy| (hierarchy, CgroupVersion::V1));
        unified.into_iter().chain(legacy).find(|(hierarchy, _)| hierarchy.parent.is_some())
    }
}

/// Where a controller is, or why it can't be had.
pub(super) fn place(
    site: &Site,
    controller: Controller,
) -> Result<(&Hierarchy, CgroupVersion), String> {
    let Some(cgroups) = &site.cgroups else {
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
    let auto = Cgroup { manager: CgroupManager::Auto, parent: None };
    let site = Site::of(host, &auto, "sixdocker-NAME-PID".to_owned());
    let parent = |controller| {
        let (hierarchy, version) = place(&site, controller)?;
        Ok(Group { path: hierarchy.parent.clone().unwrap_or_default(), version })
    };
    [MEMORY, CPU, CPUSET, PIDS, IO, HUGETLB]
        .map(|controller| (controller.v2, parent(controller)))
        .into()
}

pub(super) fn open(hierarchy: &Hierarchy) -> Result<&Hierarchy, String> {
    let unknown = || format!("no group may be made in {}", hierarchy.own.display());
    match &hierarchy.parent {
        Some(_) => Ok(hierarchy),
        None => Err(hierarchy.reason.clone().unwrap_or_else(unknown)),
    }
}

/// How the caller gets a control group with this controller, called by its v1 name.
pub(super) fn delegation(draft: &Draft<'_>, site: &Site, controller: &str) -> &'static str {
    let legacy = |cgroups: &Cgroups| cgroups.legacy.contains_key(controller);
    let unified = site.unified().filter(|_| !site.cgroups.as_ref().is_some_and(legacy));
    match unified.map(|unified| unified.parent.is_some()) {
        _ if draft.host.privileged => "`sixdocker doctor` tells what this host has",
        None => "run it as root: systemd hands no cgroup v1 controller to an ordinary user",
        Some(_) if controller == "hugetlb" => lacks::NOT_HANDED_DOWN,
        Some(true) => lacks::HAND_DOWN,
        Some(false) => {
            "have a systemd of your own that gives one (`sudo loginctl enable-linger \"$USER\"`), or run it in a group that was given to you, or as root"
        }
    }
}
