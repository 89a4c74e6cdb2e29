//! The control group hierarchies: what each controller really is here, and where a group of
//! ours may be made.

mod systemd;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{DirEntry, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::host::{Cgroups, Hierarchy};
use crate::manifest::{CgroupManager, Limits, Manifest, MountKind, Proc, Sharing};
use crate::mountinfo::Line;

/// Looks at them, if the manifest needs any.
pub(super) fn look(manifest: Option<&Manifest>) -> Option<Cgroups> {
    if manifest.is_some_and(|manifest| !needed(manifest)) {
        return None;
    }
    let own = super::text("/proc/self/cgroup")?;
    let own: Vec<_> = own.lines().filter_map(Own::read).collect();
    let parent = manifest.and_then(|manifest| manifest.cgroup.parent.as_ref());
    let parent = parent.map(|path| path.0.trim_start_matches('/').to_owned());
    let root = nix::unistd::geteuid().is_root();
    let mut looker = Looker { mounts: Vec::new(), own, root, parent, manifest };
    looker.mounts = looker.read_mounts()?;
    let legacy = looker.legacy();
    let unified = looker.unified(&legacy);
    let asked = wants_systemd(manifest, unified.as_ref());
    let v2 = if asked { looker.v2() } else { None };
    let systemd = v2.map(|mount| systemd::look(mount, looker.root));
    Some(Cgroups { unified, legacy, systemd })
}

/// Whether systemd is to be asked for a group: it is, where an ordinary user was given none.
fn wants_systemd(manifest: Option<&Manifest>, unified: Option<&Hierarchy>) -> bool {
    match manifest.map(|manifest| manifest.cgroup.manager) {
        None | Some(CgroupManager::Systemd) => true,
        Some(CgroupManager::Auto) => {
            let own = unified.is_some_and(|it| it.parent.is_some() && !it.contested);
            let chosen = manifest.is_some_and(|manifest| manifest.cgroup.parent.is_some());
            let root = nix::unistd::geteuid().is_root();
            !own && !chosen && !root && manifest.is_some_and(asks_for_one)
        }
        Some(CgroupManager::Fs | CgroupManager::None) => false,
    }
}

/// Whether a manifest can lead to a control group at all.
fn needed(manifest: &Manifest) -> bool {
    let reported = manifest.report.is_some();
    manifest.cgroup.manager != CgroupManager::None && (reported || asks_for_one(manifest))
}

fn asks_for_one(manifest: &Manifest) -> bool {
    let systemd = manifest.cgroup.manager == CgroupManager::Systemd;
    let limits = &manifest.limits;
    let asks = *limits != Limits { output: limits.output, ..Default::default() };
    // Root is held by no limit of processes but a group's.
    systemd || asks || is_shared(manifest) || nix::unistd::geteuid().is_root()
}

/// Whether a group may be what holds the processes together, or what is shown.
fn is_shared(manifest: &Manifest) -> bool {
    manifest.namespaces.pid != Sharing::Private
        || manifest.proc == Proc::Outer
        || !manifest.allow_degraded.is_empty()
        || manifest.mounts.iter().any(|mount| mount.kind == MountKind::Cgroup)
}

/// Whether a manifest can lead to a group with this controller, called by its v1 name. A report has
/// its figures from groups.
fn wants(manifest: &Manifest, controller: &str) -> bool {
    let reported = manifest.report.is_some() && ["memory", "cpuacct"].contains(&controller);
    controller == "pids" || reported || manifest.limits.need(controller)
}

/// A mounted hierarchy.
struct Mount {
    /// The directory of the hierarchy that is seen at `at`.
    root: PathBuf,
    at: PathBuf,
    v2: bool,
    options: String,
}

impl Mount {
    /// Reads a line of mountinfo; none if it is no hierarchy.
    fn read(line: &str) -> Option<Self> {
        let line = Line::read(line)?;
        let v2 = match line.fstype() {
            "cgroup2" => true,
            "cgroup" => false,
            _ => return None,
        };
        let path = |path: Option<String>| path.map(PathBuf::from).filter(|path| path.is_absolute());
        let options = line.super_options()?.to_owned();
        Some(Self { root: path(line.root())?, at: path(line.point())?, v2, options })
    }

    /// Whether it is the hierarchy that this group is in.
    fn holds(&self, own: &Own) -> bool {
        let has = |name: &String| self.options.split(',').any(|option| option == name);
        self.v2 == own.controllers.is_empty() && own.controllers.iter().all(has)
    }
}

/// The runner's own group in a hierarchy: a line of /proc/self/cgroup.
struct Own {
    controllers: Vec<String>,
    path: PathBuf,
}

impl Own {
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?.split(',').filter(|name| !name.is_empty());
        Some(Self {
            controllers: controllers.map(str::to_owned).collect(),
            path: parts.next()?.into(),
        })
    }
}

struct Looker<'m> {
    /// None: everything is wanted.
    manifest: Option<&'m Manifest>,
    mounts: Vec<Mount>,
    own: Vec<Own>,
    root: bool,
    /// Where the manifest wants its groups, below each mount.
    parent: Option<String>,
}

/// The controllers that a limit can need.
const CONTROLLERS: [&str; 7] = ["pids", "memory", "cpu", "cpuacct", "cpuset", "blkio", "hugetlb"];

impl Looker<'_> {
    fn wants(&self, controller: &str) -> bool {
        self.manifest.is_none_or(|manifest| wants(manifest, controller))
    }

    /// Whether anything is wanted that is not to be had from cgroup v1.
    fn wants_unified(&self, legacy: &BTreeMap<String, Hierarchy>) -> bool {
        let Some(manifest) = self.manifest.filter(|_| self.root) else { return true };
        let missing = |name: &&str| self.wants(name) && !legacy.contains_key(*name);
        manifest.cgroup.manager == CgroupManager::Systemd
            || is_shared(manifest)
            || manifest.limits.cpu_time.is_some()
            || CONTROLLERS.iter().any(missing)
    }

    /// Whether anything is wanted of the hierarchy that this group is in; of v2 there always is.
    fn wants_of(&self, own: &Own) -> bool {
        own.controllers.is_empty() || own.controllers.iter().any(|name| self.wants(name))
    }

    /// The hierarchies, as they are mounted. The first of each kind counts, and a host may have
    /// ten thousand other mounts, of which the kernel tells slowly: nothing is read beyond the
    /// last that is looked for.
    fn read_mounts(&self) -> Option<Vec<Mount>> {
        let read = || {
            // The kernel writes of every mount that has room here.
            let file = File::open("/proc/self/mountinfo")?;
            let mut table = BufReader::with_capacity(1024, file).take(super::LONGEST);
            let mut missing: Vec<_> = self.own.iter().filter(|own| self.wants_of(own)).collect();
            let (mut found, mut line) = (Vec::new(), Vec::new());
            while !missing.is_empty() && table.read_until(b'\n', &mut line)? > 0 {
                let mount = Mount::read(String::from_utf8_lossy(&line).trim_end_matches('\n'));
                missing.retain(|own| !mount.as_ref().is_some_and(|mount| mount.holds(own)));
                found.extend(mount);
                line.clear();
            }
            Ok(found)
        };
        read().map_err(|error| super::unseen("/proc/self/mountinfo", &error)).ok()
    }

    fn legacy(&self) -> BTreeMap<String, Hierarchy> {
        let mut all = BTreeMap::new();
        for own in &self.own {
            if !self.wants_of(own) {
                continue;
            }
            let named = |mount: &&Mount| !mount.v2 && mount.holds(own);
            let Some(mount) = self.mounts.iter().find(named) else { continue };
            let hierarchy = self.v1(mount, own);
            for controller in own.controllers.iter().filter(|name| !name.starts_with("name=")) {
                all.insert(controller.clone(), hierarchy.clone());
            }
        }
        all
    }

    fn v1(&self, mount: &Mount, own: &Own) -> Hierarchy {
        let dir = seen(mount, &own.path);
        let mut hierarchy =
            Hierarchy { mount: mount.at.clone(), own: dir.clone(), ..Hierarchy::default() };
        let parent = match (&self.parent, self.root) {
            (Some(parent), _) => mount.at.join(parent),
            (None, true) => mount.at.clone(),
            (None, false) => dir,
        };
        hierarchy.reason = closed(&parent);
        if hierarchy.reason.is_none() {
            let has = |name: &str| own.controllers.iter().any(|own| own == name);
            if has("cpuset") {
                hierarchy.has = values(&parent, &["cpuset.cpus", "cpuset.mems"]);
            }
            if has("memory") || has("blkio") {
                hierarchy.lacks = lacks(&parent, &V1_FILES);
            }
            hierarchy.parent = Some(parent);
        }
        hierarchy
    }

    fn v2(&self) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.v2)
    }

    fn unified(&self, legacy: &BTreeMap<String, Hierarchy>) -> Option<Hierarchy> {
        let mount = self.v2()?;
        let own = self.own.iter().find(|own| own.controllers.is_empty())?;
        let dir = seen(mount, &own.path);
        let mut hierarchy =
            Hierarchy { mount: mount.at.clone(), own: dir.clone(), ..Hierarchy::default() };
        if !self.wants_unified(legacy) {
            return Some(hierarchy);
        }
        let (parent, reason) = match &self.parent {
            Some(parent) => {
                let parent = mount.at.join(parent);
                let reason = closed(&parent);
                (reason.is_none().then_some(parent), reason)
            }
            // The top hands every controller down, and root may make groups there.
            None if self.root && fits(&mount.at) => (Some(mount.at.clone()), None),
            None => nearest(&mount.at, &dir),
        };
        hierarchy.reason = reason;
        if let Some(parent) = &parent {
            self.delegated(&mut hierarchy, parent);
            hierarchy.contested = is_booted() && !is_marked(parent);
        }
        hierarchy.parent = parent;
        Some(hierarchy)
    }

    /// Which controllers a child of `parent` has or can be given.
    fn delegated(&self, hierarchy: &mut Hierarchy, parent: &Path) {
        let control = parent.join("cgroup.subtree_control");
        let on = words(&control);
        if is_writable(&control) {
            hierarchy.controllers = words(&parent.join("cgroup.controllers"));
            let off = hierarchy.controllers.iter().filter(|name| !on.contains(name));
            hierarchy.enable = off.cloned().collect();
        } else {
            hierarchy.controllers = on;
        }
        if ["memory", "blkio", "cpuset"].iter().any(|name| self.wants(name)) {
            around(hierarchy, parent);
        }
    }
}

/// A group of the hierarchy, as it is seen through its mount.
fn seen(mount: &Mount, path: &Path) -> PathBuf {
    let path = path.strip_prefix(&mount.root).or_else(|_| path.strip_prefix("/")).unwrap_or(path);
    let joined = mount.at.join(path);
    if path.as_os_str().is_empty() { mount.at.clone() } else { joined }
}

/// Whether systemd runs this machine (sd_booted(3)).
fn is_booted() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// Whether systemd has given this group to whoever is in it (`Delegate=`).
fn is_marked(dir: &Path) -> bool {
    let path = CString::new(dir.as_os_str().as_bytes());
    path.is_ok_and(|path| crate::sys::has_attribute(&path, c"user.delegate", b"1"))
}

fn is_writable(path: &Path) -> bool {
    let may = access(path, AccessFlags::W_OK);
    may.map_err(|errno| crate::sys::unseen(&path.to_string_lossy(), errno)).is_ok()
}

/// Why no group can be made in this one.
fn closed(dir: &Path) -> Option<String> {
    let dir_ = dir.display();
    match access(dir, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => None,
        Err(Errno::EROFS) => {
            Some(format!("the control groups at {dir_} are mounted read-only, as in a container"))
        }
        Err(Errno::ENOENT) => Some(format!("there is no control group {dir_}")),
        Err(errno) => {
            crate::sys::unseen(&dir_.to_string(), errno);
            Some(format!("the caller may not make a group in {dir_}"))
        }
    }
}

/// The nearest group, from the runner's own upward, in which a group beside the runner can be
/// made: whoever moves a process needs the common ancestor's cgroup.procs, and a group that
/// holds processes can't hand controllers down.
fn nearest(mount: &Path, own: &Path) -> (Option<PathBuf>, Option<String>) {
    let mut reason = None;
    for dir in own.ancestors().take_while(|dir| dir.starts_with(mount)) {
        if let Some(shut) = shut(dir) {
            reason = Some(reason.unwrap_or(shut));
            break;
        }
        if fits(dir) {
            return (Some(dir.to_owned()), None);
        }
        let why =
            || format!("{} holds processes, and so can't hand controllers down", dir.display());
        reason = Some(reason.unwrap_or_else(why));
    }
    (None, reason)
}

/// Why no process can be put into a group made in this one.
fn shut(dir: &Path) -> Option<String> {
    let procs = dir.join("cgroup.procs");
    let why = || format!("the caller may not move processes in {}", dir.display());
    closed(dir).or_else(|| (!is_writable(&procs)).then(why))
}

/// Whether a group of ours can be made in this one. The root of all may hold processes and hand
/// controllers down as well.
fn fits(dir: &Path) -> bool {
    let is_root = || !dir.join("cgroup.events").exists();
    shut(dir).is_none() && (is_root() || is_empty(dir) || hands_down(dir))
}

fn is_empty(dir: &Path) -> bool {
    let text = super::text(dir.join("cgroup.procs"));
    text.is_some_and(|text| text.trim().is_empty())
}

fn hands_down(dir: &Path) -> bool {
    let text = super::text(dir.join("cgroup.subtree_control"));
    text.is_some_and(|text| !text.trim().is_empty())
}

fn words(path: &Path) -> Vec<String> {
    let text = super::text(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// What a group below `parent` may not go beyond, and what it has not.
fn around(hierarchy: &mut Hierarchy, parent: &Path) {
    let pairs =
        [("cpuset.cpus", "cpuset.cpus.effective"), ("cpuset.mems", "cpuset.mems.effective")];
    for (name, file) in pairs {
        let text = super::text(parent.join(file)).unwrap_or_default();
        if !text.trim().is_empty() {
            hierarchy.has.insert(name.to_owned(), text.trim().to_owned());
        }
    }
    hierarchy.lacks = sample(parent).map(|dir| lacks(&dir, &V2_FILES)).unwrap_or_default();
}

/// Files that not every kernel has, each with a file that shows its controller to be there.
const V2_FILES: [(&str, &str); 3] = [
    ("memory.swap.max", "memory.max"),
    ("io.weight", "io.max"),
    ("memory.oom.group", "memory.max"),
];
const V1_FILES: [(&str, &str); 3] = [
    ("memory.kmem.tcp.limit_in_bytes", "memory.limit_in_bytes"),
    ("memory.memsw.limit_in_bytes", "memory.limit_in_bytes"),
    ("blkio.bfq.weight", "blkio.reset_stats"),
];

/// A group that shows which files a child of `parent` will have: a child, or `parent` itself.
fn sample(parent: &Path) -> Option<PathBuf> {
    let is_dir = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let dirs = std::fs::read_dir(parent).ok()?.flatten().filter(is_dir);
    let mut all = dirs.map(|entry| entry.path()).chain([parent.to_owned()]);
    all.find(|dir| dir.join("memory.max").exists() || dir.join("io.max").exists())
}

fn lacks(dir: &Path, files: &[(&str, &str)]) -> Vec<String> {
    let missing =
        |(file, witness): &&(&str, &str)| dir.join(witness).exists() && !dir.join(file).exists();
    files.iter().filter(missing).map(|(file, _)| (*file).to_owned()).collect()
}

fn values(dir: &Path, files: &[&str]) -> BTreeMap<String, String> {
    let read = |file: &&str| {
        let text = super::text(dir.join(file))?;
        Some(((*file).to_owned(), text.trim().to_owned()))
    };
    files.iter().filter_map(read).collect()
}

/// Reads mounts and groups that any container may show.
#[cfg(any(test, fuzzing))]
pub(super) fn endure(mounts: &str, own: &str) {
    let mounts: Vec<_> = mounts.lines().filter_map(Mount::read).collect();
    for own in own.lines().filter_map(Own::read) {
        mounts.iter().for_each(|mount| assert!(seen(mount, &own.path).starts_with(&mount.at)));
    }
}
