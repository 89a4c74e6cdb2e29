//! Looking up what a manifest names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, SFlag};
use nix::unistd::AccessFlags;

use super::file::{account_file, barrier, disk, found, hint, may, stands, text};
use super::{ETC, Found, Inputs, OWN_ETC, SYSTEM, reader};
use crate::manifest::{
    FileContent, Id, Input, Manifest, MountKind, Network, RootSource, SeccompBase, Userns, Write,
};
use crate::sys::{self, Way};

/// A path stays relative where the kernel knows no path to the current directory.
const LOST: &str = "the directory that the caller is in was removed, or is out of its reach";

const RELATIVE: &str = "relative paths are relative to the manifest's own directory";
const OPTIONAL: &str = "`optional: true`, in the long form, lets a mount be missing";

impl Inputs {
    /// Looks up everything that `manifest` names; `base` is its directory, `stem` its file's.
    #[must_use]
    pub fn look(manifest: &Manifest, base: &Path, stem: &str) -> Self {
        let streams = [0, 1, 2].map(|stream| sys::seen(sys::stream(stream)).ok());
        let mut inputs = Self {
            base: std::path::absolute(base).unwrap_or_else(|_| base.to_owned()),
            stem: stem.to_owned(),
            environment: needed_environment(manifest),
            terminals: terminals(),
            owned: streams.map(|seen| seen.is_some_and(|seen| is_owned(&seen))),
            nulls: streams.map(|seen| seen.is_some_and(|seen| sys::is_null(&seen))),
            ..Self::default()
        };
        let base = inputs.ways.real(Path::new("/"), &inputs.base);
        if let Some((real, _)) = base.filter(|(real, _)| *real != inputs.base) {
            inputs.real.insert(inputs.base.clone(), real);
        }
        inputs.root(manifest);
        inputs.mounts(manifest);
        inputs.texts(manifest);
        inputs.streams(manifest);
        if let Network::Path(path) = &manifest.network {
            inputs.own_network = is_own_network(&inputs.place(path));
        }
        inputs.devices(manifest);
        if nix::unistd::geteuid().is_root() && manifest.userns == Userns::Auto {
            inputs.filesystems(manifest);
        }
        inputs.ways = sys::Ways::default();
        inputs.unseen = sys::take_unseen();
        inputs
    }

    /// The manifest lies in this file.
    pub fn lie_in(&mut self, file: &Path) {
        self.file = std::path::absolute(file).ok().filter(|file| file.is_file());
        if let Some(file) = self.file.clone() {
            self.follow(&file);
            self.ways = sys::Ways::default();
            self.unseen = self.unseen.take().or_else(sys::take_unseen);
        }
    }

    /// Whose ids may have to be mapped.
    fn filesystems(&mut self, manifest: &Manifest) {
        // What is a link of the host's root is shown as one.
        let shown = |path: &PathBuf| !matches!(self.paths.get(path), Some(Found::Link(_)));
        let host = SYSTEM.iter().chain(&ETC).map(PathBuf::from).filter(shown);
        let mut all: Vec<PathBuf> = match &manifest.rootfs.source {
            RootSource::Host => host.collect(),
            RootSource::Dir(dir) => vec![dir.clone()],
        };
        if let Some(Write::Keep(dir)) = &manifest.rootfs.write {
            all.push(dir.clone());
        }
        all.extend(manifest.mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Bind { source, .. } => Some(source.clone()),
            _ => None,
        }));
        for path in all {
            let path = self.base.join(path);
            match nix::sys::statfs::statfs(&path) {
                Ok(seen) => _ = self.filesystems.insert(path, seen.filesystem_type()),
                Err(errno) => sys::unseen(&path.to_string_lossy(), errno),
            }
        }
    }

    fn see(&mut self, written: &Path) {
        let path = self.place(written);
        if !self.paths.contains_key(&path) {
            let found = found(&path);
            self.note(path, found);
            self.explain_base(written);
        }
    }

    /// Where nothing is at a relative path and nothing is known that was meant: what it starts from.
    fn explain_base(&mut self, written: &Path) {
        if written.is_relative() && !self.hints.contains_key(&self.place(written)) {
            self.advise(written, RELATIVE);
        }
    }

    /// Adds to what is said where nothing is at a path.
    fn advise(&mut self, written: &Path, advice: &str) {
        let path = self.place(written);
        if self.paths.get(&path) == Some(&Found::Missing) {
            let hint = self.hints.entry(path).or_default();
            if hint.contains(advice) {
                return;
            }
            let comma = match hint.chars().next_back() {
                None => "",
                Some('?') => " ",
                Some(_) => "; ",
            };
            *hint += &format!("{comma}{advice}");
        }
    }

    /// The same for what may well be missing.
    fn glance(&mut self, path: &Path) {
        let path = self.place(path);
        let found = found(&path);
        self.paths.insert(path, found);
    }

    fn read(&mut self, written: &Path) {
        let path = self.place(written);
        if matches!(self.paths.get(&path), Some(Found::File(Some(_)))) {
            return;
        }
        let mut found = found(&path);
        if let Found::File(_) = found {
            // Nothing but what the planner is told of.
            self.follow(&path);
            let real = self.real.get(&path).unwrap_or(&path);
            found = text(&path, sys::open_unled(real, OFlag::O_RDONLY | OFlag::O_NONBLOCK, 0));
            // To show it, nobody has to read it.
            if let Found::Denied(why) = found {
                self.bar(&path);
                self.unreadable.insert(path.clone(), why);
                found = Found::File(None);
            }
        }
        self.note(path, found);
        self.explain_base(written);
    }

    fn note(&mut self, path: PathBuf, found: Found) {
        let found = match found {
            _ if path.is_relative() => Found::Denied(LOST.to_owned()),
            found => found,
        };
        self.follow(&path);
        match &found {
            Found::Missing => {
                self.hints.extend(hint(&path).map(|hint| (path.clone(), hint)));
            }
            Found::Denied(why) if *why == denied() => self.bar(&path),
            _ => {}
        }
        if found == Found::Missing
            && let Some(real) = self.real.get(&path)
        {
            self.paths.insert(real.clone(), Found::Missing);
        }
        self.paths.insert(path, found);
    }

    /// Where a path leads. The way to the manifest is the caller's word, and its links are not the
    /// manifest's.
    fn follow(&mut self, path: &Path) {
        let base = self.real.get(&self.base).unwrap_or(&self.base);
        let (from, rest) = match path.strip_prefix(&self.base) {
            Ok(below) => (base.as_path(), below),
            Err(_) => (Path::new("/"), path),
        };
        if let Some((real, links)) = self.ways.real(from, rest) {
            if !links.is_empty() {
                self.links.insert(path.to_owned(), links);
            }
            if real != path {
                self.real.insert(path.to_owned(), real);
            }
        }
    }

    /// Whether a file may be written; `replaced`: in place of one that is there, a new one is made
    /// beside it.
    fn writable(&mut self, path: &Path, replaced: bool) {
        let path = self.place(path);
        let real = self.real.get(&path).unwrap_or(&path);
        let made = match self.paths.get(&path) {
            Some(Found::Missing) => true,
            Some(Found::File(_)) => replaced,
            _ => false,
        };
        let asked = match real.parent() {
            Some(dir) if made && !sys::is_kernels(&path) => {
                may(dir, AccessFlags::W_OK | AccessFlags::X_OK)
            }
            _ => may(&path, AccessFlags::W_OK),
        };
        if let Err(errno @ (Errno::EACCES | Errno::EPERM | Errno::EROFS)) = asked {
            self.unwritable.insert(path, errno.desc().to_lowercase());
        }
    }

    /// Whether it may be opened to read.
    fn readable(&mut self, path: &Path) {
        let path = self.place(path);
        let seen = !matches!(self.paths.get(&path), Some(Found::Denied(_)));
        if seen && may(&path, AccessFlags::R_OK) == Err(Errno::EACCES) {
            self.bar(&path);
            self.unreadable.insert(path, denied());
        }
    }

    /// Notes what keeps the caller from it.
    fn bar(&mut self, path: &Path) {
        let real = self.real.get(path).map_or(path, PathBuf::as_path);
        if let Some(barrier) = barrier(real) {
            self.hints.insert(path.to_owned(), barrier);
        }
    }

    fn unfollowed(&mut self, path: &str) {
        let path = PathBuf::from(path);
        let found = match self.ways.at(&path) {
            Way::Link(to) => Found::Link(to.to_string_lossy().into_owned()),
            Way::Gone(Errno::ENOENT | Errno::ENOTDIR) => Found::Missing,
            _ => found(&path),
        };
        self.paths.insert(path, found);
    }

    fn root(&mut self, manifest: &Manifest) {
        match &manifest.rootfs.source {
            RootSource::Host => {
                SYSTEM.iter().for_each(|path| self.unfollowed(path));
                ETC.iter().for_each(|path| self.glance(Path::new(path)));
                SYSTEM.iter().chain(&ETC).for_each(|path| self.follow(Path::new(path)));
            }
            RootSource::Dir(dir) => {
                self.see(dir);
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
                match sys::open(&self.place(dir), flags) {
                    Ok(root) => self.inside(manifest, &root),
                    Err(fault) => sys::unseen(&dir.to_string_lossy(), fault.errno),
                }
            }
        }
        if let Some(Write::Keep(dir)) = &manifest.rootfs.write {
            self.see(dir);
        }
        if manifest.network != Network::None {
            self.read(Path::new("/etc/resolv.conf"));
        }
        if let Network::Path(path) = &manifest.network {
            self.see(path);
        }
    }

    /// What stands in the root file system where something is to be mounted, and its accounts.
    fn inside(&mut self, manifest: &Manifest, root: &OwnedFd) {
        let direct = matches!(manifest.rootfs.write, Some(Write::None | Write::Direct));
        let tmpfs = manifest.tmpfs.iter().map(|tmpfs| tmpfs.target.0.as_str());
        let mounts = manifest.mounts.iter().map(|mount| mount.target.0.as_str());
        let files = manifest.files.keys().map(|path| path.0.as_str());
        // With a layer of ours, what is missing is made.
        let points = ["/proc", "/dev"].into_iter().chain(tmpfs).chain(mounts).chain(files);
        for target in OWN_ETC.into_iter().chain(points.filter(|_| direct)) {
            self.inside.insert(target.to_owned(), stands(root, target));
        }
        self.passwd = self.accounts(root, "/etc/passwd");
        if names_groups(manifest) {
            self.group = self.accounts(root, "/etc/group");
        }
    }

    /// The text of a file of accounts; why it can't be had is noted.
    fn accounts(&mut self, root: &OwnedFd, path: &str) -> Option<String> {
        match account_file(root, path) {
            Found::File(text) => text,
            Found::Missing => None,
            other => {
                self.inside.insert(path.to_owned(), other);
                None
            }
        }
    }

    fn mounts(&mut self, manifest: &Manifest) {
        for mount in &manifest.mounts {
            match &mount.kind {
                MountKind::Bind { source, .. } => self.source(source),
                MountKind::Overlay { lower, upper, work, .. } => {
                    lower.iter().chain(upper).chain(work).for_each(|path| self.see(path));
                }
                MountKind::File { content: FileContent::Source(path), .. } => self.read(path),
                _ => {}
            }
        }
    }

    fn source(&mut self, written: &Path) {
        self.see(written);
        // As compose names a volume.
        let plain = written.components().count() == 1 && written.is_relative();
        if plain && !written.starts_with("..") {
            self.advise(written, "there are no volumes, only directories");
        }
        self.advise(written, OPTIONAL);
    }

    /// The directory of a file that is to be written.
    fn directory_of(&mut self, file: &Path) {
        let Some(dir) = file.parent() else { return };
        self.see(dir);
        self.advise(dir, &format!("`mkdir -p {}` makes it", self.place(dir).display()));
    }

    /// The paths were written as flags, which have no keys.
    pub fn of_flags(&mut self) {
        for hint in self.hints.values_mut() {
            if let Some(rest) = hint.strip_suffix(OPTIONAL) {
                *hint = rest.trim_end_matches([';', ' ']).to_owned();
            }
        }
        self.hints.retain(|_, hint| !hint.is_empty());
    }

    fn texts(&mut self, manifest: &Manifest) {
        for file in manifest.files.values() {
            if let FileContent::Source(path) = &file.content {
                self.read(path);
            }
        }
        manifest.env_file.0.iter().for_each(|path| self.read(path));
        if let SeccompBase::File(path) = &manifest.security.seccomp.base {
            self.read(path);
        }
    }

    fn streams(&mut self, manifest: &Manifest) {
        match &manifest.stdin {
            Input::File(path) => {
                self.see(path);
                self.readable(path);
                if sys::is_kernels(path) {
                    self.reader = reader::of_stdin();
                }
            }
            Input::Inherit => {
                self.reader = reader::of_stdin();
                self.background = self.terminals[0] && sys::is_background(sys::stream(0));
                self.writable_stdin =
                    manifest.limits.output.is_some() && sys::is_writable(sys::stream(0));
            }
            Input::None => {}
        }
        if let Some(report) = &manifest.report {
            self.directory_of(&report.file);
            self.see(&report.file);
            self.writable(&report.file, true);
        }
        for path in manifest.stdout.file().into_iter().chain(manifest.stderr.file()) {
            self.directory_of(path);
            self.glance(path);
            self.follow(&self.place(path));
            self.writable(path, false);
        }
    }

    fn devices(&mut self, manifest: &Manifest) {
        for device in &manifest.devices {
            self.see(Path::new(&device.source.0));
        }
        for io in &manifest.limits.io {
            if io.device.starts_with('/') {
                self.see(Path::new(&io.device));
            }
            let number = match self.paths.get(Path::new(&io.device)) {
                Some(Found::Device('b', major, minor)) => format!("{major}:{minor}"),
                _ => io.device.clone(),
            };
            if let Some(disk) = disk(&number) {
                self.disks.insert(number, disk);
            }
        }
    }
}

/// As [`Found::Denied`] tells what the caller has no permission for.
fn denied() -> String {
    Errno::EACCES.desc().to_lowercase()
}

/// The caller's environment, as far as it is text.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// As much of it as a plan can depend on.
fn needed_environment(manifest: &Manifest) -> BTreeMap<String, String> {
    if !manifest.pass_env.is_empty() || !manifest.env_file.0.is_empty() {
        return environment();
    }
    let unset = manifest.environment.0.iter().filter(|(_, value)| value.is_none());
    let names = unset.map(|(name, _)| name.as_str()).chain(["HOME", "TERM"]);
    let value = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
    names.filter_map(value).collect()
}

fn is_own_network(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |path: &Path| std::fs::metadata(path).ok().map(|seen| (seen.dev(), seen.ino()));
    number(path).is_some_and(|there| Some(there) == number(Path::new("/proc/self/ns/net")))
}

fn terminals() -> [bool; 3] {
    use std::io::IsTerminal;
    // Not those of the standard library, which come with buffers.
    [0, 1, 2].map(|stream| sys::stream(stream).is_terminal())
}

/// A file or device that has an owner; /dev/null is everybody's.
fn is_owned(stream: &FileStat) -> bool {
    match SFlag::from_bits_truncate(stream.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => true,
        SFlag::S_IFCHR => !sys::is_null(stream),
        _ => false,
    }
}

fn names_groups(manifest: &Manifest) -> bool {
    let name = |id: &Id| matches!(id, Id::Name(_));
    manifest.user.group.as_ref().is_some_and(name) || manifest.groups.iter().any(name)
}
