//! A plan in the making: what it is made of, and what was found wrong so far.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::diagnostic::{self, Place, Problem};
use crate::host::Host;
use crate::inputs::{Found, Inputs};
use crate::manifest::{Degradable, Manifest};
use crate::plan::{Degraded, Hole, Opening, Origin, Plan, Step};
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
    /// Where in them what is known of each.
    told: BTreeMap<(Opening, String), usize>,
}

/// Many more problems than are told: the first of them by their places are among these, if the
/// manifest is none that was made to take memory.
const KEPT: usize = 100 * diagnostic::MOST;

impl<'a> Draft<'a> {
    pub(super) fn new(manifest: &'a Manifest, host: &'a Host, inputs: &'a Inputs) -> Self {
        let name = manifest.name.as_ref().map_or_else(|| tame(&inputs.stem), |name| name.0.clone());
        let (problems, degraded, holes) = (Vec::new(), Vec::new(), Vec::new());
        Self { manifest, host, inputs, name, problems, degraded, holes, told: BTreeMap::new() }
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

    /// The directories of the host that commands may write to, as they really are.
    fn written(&self) -> Vec<PathBuf> {
        self.manifest.written().map(|path| self.real(&self.path(path))).collect()
    }

    /// Why user 0 of the sandbox is the host's root, where it is.
    pub(super) fn why_host_root(&self) -> Option<String> {
        let hole = self.holes.iter().find(|hole| hole.opening == Opening::HostRoot)?;
        Some(hole.about.clone())
    }

    /// Whether `real` stands where commands may write.
    pub(super) fn is_written(&self, real: &Path) -> bool {
        self.written().iter().any(|dir| real.starts_with(dir))
    }

    /// A command may put symbolic links into directories that it can write to. No path that the
    /// runner reads, writes or shows may lead through one, even to something that the command sees
    /// anyway: there it may be covered, or read-only. False, and a problem is noted, where one does.
    pub(super) fn not_led_astray(&mut self, path: &Path, at: &Pointer) -> bool {
        let links = self.inputs.links.get(path).map(Vec::as_slice).unwrap_or_default();
        if links.is_empty() {
            return true;
        }
        // The link that is a shown directory's own name stands beside it, not in it.
        let laid = |dir: &PathBuf| links.iter().any(|link| link.starts_with(dir) && link != dir);
        let Some(dir) = self.written().into_iter().find(laid) else { return true };
        let (from, to, dir) = (path.display(), self.real(path), dir.display());
        let to = to.display();
        let text = format!("{from} leads to {to} by a link in {dir}, where commands may lay some");
        let help = format!("remove the link; if it is your own, name {to} instead");
        self.wrong("planted_link", at, text, "leads elsewhere", help);
        false
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
        if self.problems.len() >= KEPT {
            return;
        }
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
        let room = KEPT.saturating_sub(self.problems.len());
        self.problems.extend(problems.into_iter().take(room));
    }

    /// Something is open. What was told already is not told again, but that the manifest asks
    /// for it goes before that a default does.
    pub(super) fn hole(&mut self, opening: Opening, about: impl Into<String>, origin: &Origin) {
        let hole = Hole { opening, about: about.into(), origin: origin.clone() };
        let known = *self.told.entry((opening, hole.about.clone())).or_insert(self.holes.len());
        match self.holes.get_mut(known) {
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

    /// It runs without something that nobody asked for by name.
    pub(super) fn go_without(&mut self, name: &'static str, reason: String) {
        self.degraded.push(Degraded { name, reason });
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
        let usual = "correct the path";
        let help = self.inputs.hints.get(path).map_or(usual, String::as_str);
        self.wrong("missing_path", place, text, "missing", help);
    }

    pub(super) fn denied(&mut self, path: &Path, reason: &str, place: &Pointer) {
        let text = format!("{} is out of reach: {reason}", path.display());
        let help = if path.is_relative() {
            "change to a directory that is there (`cd`), or write absolute paths"
        } else if let Some(barrier) = self.inputs.hints.get(path) {
            barrier
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
