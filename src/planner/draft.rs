//! A plan in the making: what it is made of, and what was found wrong so far.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Place, Problem};
use crate::host::Host;
use crate::inputs::{Found, Inputs};
use crate::manifest::{Degradable, Manifest, MountKind, RootSource, Write};
use crate::plan::{Degraded, Hole, Opening, Origin, Plan, Step, is_kernels};
use crate::source::Pointer;

/// What every room of the planner sees, and where it leaves what it can't do.
pub(super) struct Draft<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) host: &'a Host,
    pub(super) inputs: &'a Inputs,
    /// The sandbox's name.
    pub(super) name: String,
    problems: Vec<Problem>,
    degraded: Vec<Degraded>,
    holes: Vec<Hole>,
}

/// What a path of the host's is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The runner opens it, who may do more than the command.
    Open,
    /// The command sees what stands there.
    Show,
    /// The command may write to what stands there.
    ShowToWrite,
}

impl<'a> Draft<'a> {
    pub(super) fn new(manifest: &'a Manifest, host: &'a Host, inputs: &'a Inputs) -> Self {
        let name = manifest.name.as_ref().map_or_else(|| tame(&inputs.stem), |name| name.0.clone());
        let (problems, degraded, holes) = (Vec::new(), Vec::new(), Vec::new());
        Self { manifest, host, inputs, name, problems, degraded, holes }
    }

    /// The plan, if nothing is wrong with it; its steps get their numbers here.
    pub(super) fn finish(self, plan: Plan) -> Result<Plan, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(Plan { degraded: self.degraded, holes: self.holes, ..plan }.numbered())
    }

    /// An absolute path of the host.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.inputs.place(path)
    }

    /// Where a path of the host leads, links followed.
    pub(super) fn real(&self, path: &Path) -> PathBuf {
        self.inputs.real.get(path).map_or(path, PathBuf::as_path).to_owned()
    }

    /// What of the host the sandbox shows, as it really is, and whether commands may write there.
    fn shown(&self) -> Vec<(PathBuf, bool)> {
        let (manifest, mut all) = (self.manifest, Vec::new());
        for mount in &manifest.mounts {
            match &mount.kind {
                MountKind::Bind { source, .. } => all.push((source, !mount.read_only)),
                MountKind::Overlay { lower, upper, .. } => {
                    all.extend(lower.iter().map(|lower| (lower, false)));
                    all.extend(upper.iter().map(|upper| (upper, !mount.read_only)));
                }
                _ => {}
            }
        }
        if let RootSource::Dir(dir) = &manifest.rootfs.source {
            all.push((dir, manifest.rootfs.write == Some(Write::Direct)));
        }
        if let Some(Write::Keep(dir)) = &manifest.rootfs.write {
            all.push((dir, true));
        }
        all.into_iter().map(|(path, written)| (self.real(&self.path(path)), written)).collect()
    }

    /// Whether `real` stands where commands may write.
    pub(super) fn is_written(&self, real: &Path) -> bool {
        self.shown().iter().any(|(dir, written)| *written && real.starts_with(dir))
    }

    /// Whoever runs inside may lay links where it writes: what the runner reads, writes or shows
    /// must not be somewhere else for it. False where it may be, and that is noted.
    pub(super) fn not_led_astray(&mut self, path: &Path, at: &Pointer, purpose: Use) -> bool {
        let links = self.inputs.links.get(path).map(Vec::as_slice).unwrap_or_default();
        if links.is_empty() || is_kernels(path) {
            return true;
        }
        let (real, shown) = (self.real(path), self.shown());
        let laid = |(dir, written): &&(PathBuf, bool)| {
            // The link that is a shown directory's own name stands beside it, not in it.
            *written && links.iter().any(|link| link.starts_with(dir) && link != dir)
        };
        let Some((dir, _)) = shown.iter().find(laid) else { return true };
        // Another one, not the very directory that the path names; the innermost one counts.
        let above = shown.iter().filter(|(dir, _)| real.starts_with(dir) && real != *dir);
        let above = above.max_by_key(|(dir, written)| (dir.as_os_str().len(), *written));
        // What is read-only by its own name would be written by the link's.
        let kept = |(dir, written): &(PathBuf, bool)| !written && dir.starts_with(&real);
        let gains_nothing = match (purpose, above) {
            (Use::Show, above) => above.is_some(),
            (Use::ShowToWrite, Some((_, true))) => !shown.iter().any(kept),
            _ => false,
        };
        if !gains_nothing {
            let (from, to, dir) = (path.display(), real.display(), dir.display());
            let text =
                format!("{from} leads to {to} by a link in {dir}, where commands may lay some");
            let help = format!("remove the link; if it is your own, name {to} instead");
            self.wrong("planted_link", at, text, "leads elsewhere", help);
        }
        gains_nothing
    }

    /// Something is wrong.
    pub(super) fn wrong(
        &mut self,
        code: &'static str,
        at: &Pointer,
        text: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem {
            code,
            at: Place::Value(at.clone()),
            text: text.into(),
            label: label.into(),
            help: Some(help.into()).filter(|help: &String| !help.is_empty()),
            fix: None,
        });
    }

    /// Another room has found these.
    pub(super) fn refuse(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    /// Something is open. What was told already is not told again, but that the manifest asks
    /// for it goes before that a default does.
    pub(super) fn hole(&mut self, opening: Opening, about: impl Into<String>, origin: &Origin) {
        let hole = Hole { opening, about: about.into(), origin: origin.clone() };
        let same = |told: &&mut Hole| (told.opening, &told.about) == (opening, &hole.about);
        match self.holes.iter_mut().find(same) {
            Some(told) if told.origin.default => *told = hole,
            Some(_) => {}
            None => self.holes.push(hole),
        }
    }

    /// What the manifest would do without.
    pub(super) fn may_degrade(&mut self) {
        for (n, what) in self.manifest.allow_degraded.iter().enumerate() {
            let origin = at(key("allow_degraded").index(n));
            self.hole(Opening::MayDegrade, format!("`{}`", word(*what)), &origin);
        }
    }

    /// Something can't be had here. True: `allow_degraded` lets it go, and that is noted.
    /// False: it is a problem, and that is noted.
    pub(super) fn lost(
        &mut self,
        what: Degradable,
        at: &Pointer,
        reason: &str,
        help: &str,
    ) -> bool {
        let word = word(what);
        if self.allows(what) {
            self.degraded.push(Degraded { name: word, reason: format!("`{at}`: {reason}") });
            return true;
        }
        let degrade = format!("`allow_degraded: [{word}]` runs without it, and says so");
        let help = if help.is_empty() { degrade } else { format!("{help}; or {degrade}") };
        self.wrong(
            "unavailable",
            at,
            format!("`{at}` can't be had on this host: {reason}"),
            "asked for here",
            help,
        );
        false
    }

    /// A file or directory of the host that the manifest needs.
    pub(super) fn source_exists(&mut self, path: &Path, place: &Pointer) {
        match self.inputs.paths.get(path) {
            Some(Found::Missing) => self.missing(path, place),
            Some(Found::Denied(reason)) => self.denied(path, reason, place),
            _ => {}
        }
    }

    /// A directory of the host that the manifest needs.
    pub(super) fn directory_exists(&mut self, path: &Path, place: &Pointer) {
        match self.inputs.paths.get(path) {
            None | Some(Found::Directory) => {}
            Some(Found::Missing) => self.missing(path, place),
            Some(Found::Denied(reason)) => self.denied(path, reason, place),
            Some(_) => {
                let text = format!("{} is not a directory", path.display());
                self.wrong("bad_path", place, text, "not a directory", "name a directory");
            }
        }
    }

    pub(super) fn missing(&mut self, path: &Path, place: &Pointer) {
        let text = format!("there is nothing at {}", path.display());
        let usual = "relative paths are relative to the manifest's own directory";
        let help = self.inputs.hints.get(path).map_or(usual, String::as_str);
        self.wrong("missing_path", place, text, "missing", help);
    }

    fn denied(&mut self, path: &Path, reason: &str, place: &Pointer) {
        let text = format!("{} can't be looked at: {reason}", path.display());
        let help = if path.is_relative() {
            "change to a directory that is there (`cd`), or write absolute paths"
        } else if reason.starts_with("permission") {
            "the caller must be able to see it"
        } else {
            "correct the path"
        };
        self.wrong("no_access", place, text, "no access", help);
    }

    pub(super) fn allows(&self, what: Degradable) -> bool {
        self.manifest.allow_degraded.contains(&what)
    }
}

/// A key at the top of the manifest.
pub(super) fn key(name: &str) -> Pointer {
    Pointer::root().key(name)
}

/// The manifest asks for it, under this key.
pub(super) fn asked(name: &str) -> Origin {
    Origin { key: key(name), default: false }
}

/// The default of this key asks for it.
pub(super) fn default(name: &str) -> Origin {
    Origin { key: key(name), default: true }
}

/// This key asks for it; not `given`, its default does.
pub(super) fn either(name: &str, given: bool) -> Origin {
    Origin { key: key(name), default: !given }
}

/// The manifest asks for it, at this place.
pub(super) fn at(key: Pointer) -> Origin {
    Origin { key, default: false }
}

/// A step that has no number yet.
pub(super) fn step<Action>(action: Action, origin: &Origin) -> Step<Action> {
    Step { n: 0, action, origin: origin.clone() }
}

/// A name made of a file's stem, as `name` would take it.
fn tame(stem: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let stem = stem.to_ascii_lowercase();
    let name: String = stem.chars().map(|c| if allowed(c) { c } else { '-' }).take(48).collect();
    let name = name.trim_start_matches(['-', '_', '.']).trim_end_matches(['-', '.', '_']);
    if name.is_empty() { "sandbox".into() } else { name.into() }
}

/// The word of `allow_degraded`.
fn word(what: Degradable) -> &'static str {
    match what {
        Degradable::PidNamespace => "pid_namespace",
        Degradable::NetworkNamespace => "network_namespace",
        Degradable::FreshProc => "fresh_proc",
        Degradable::Hostname => "hostname",
        Degradable::Memory => "memory",
        Degradable::Cpu => "cpu",
        Degradable::Pids => "pids",
        Degradable::Io => "io",
        Degradable::Cpuset => "cpuset",
        Degradable::Hugetlb => "hugetlb",
        Degradable::Overlay => "overlay",
        Degradable::Seccomp => "seccomp",
        Degradable::Landlock => "landlock",
    }
}
