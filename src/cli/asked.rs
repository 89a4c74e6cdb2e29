//! What the user asks for, read, and the text to show when something is wrong with it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{FileType, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;

use super::args::Given;
use super::run::Line;
use super::{REFUSED, output};
use crate::check::{self, Checked, Circumstances};
use crate::diagnostic::{self, Place, Problem};
use crate::host::Host;
use crate::inputs::Inputs;
use crate::manifest::{Manifest, Report, Variables};
use crate::plan::Plan;
use crate::render::{self, Style};
use crate::source::{Document, Pointer, Source};
use crate::{planner, probe, sys};

/// The name of a text that was typed.
pub(super) const TYPED: &str = "command line";

/// A manifest with the text that it was read from.
pub(super) struct Asked {
    pub(super) source: Source,
    pub(super) document: Document,
    pub(super) manifest: Manifest,
    /// What was typed, as far as it comes from flags.
    pub(super) line: Option<Line>,
    /// The directory that relative paths are relative to, and the default name.
    pub(super) base: PathBuf,
    pub(super) stem: String,
    /// The file that it was read from.
    file: Option<PathBuf>,
}

/// Problems, with the text to show them in.
pub(super) struct Refused {
    pub(super) source: Source,
    pub(super) document: Option<Document>,
    pub(super) problems: Vec<Problem>,
}

impl Asked {
    /// Reads the manifest in `source`.
    pub(super) fn read(source: Source, variables: &Variables) -> Result<Self, Box<Refused>> {
        let document = match Document::read(&source) {
            Ok(document) => document,
            Err(problems) => return Err(refused(source, None, problems)),
        };
        match Manifest::read(&document, variables) {
            Ok(manifest) => {
                let (base, stem) = (PathBuf::new(), String::new());
                Ok(Self { source, document, manifest, line: None, base, stem, file: None })
            }
            Err(problems) => Err(refused(source, Some(document), problems)),
        }
    }

    /// Reads the manifest that the command line names, with what it says besides. Where that is
    /// refused, everything is told that is wrong with it on `host`, or else on this machine.
    pub(super) fn given(
        given: &Given,
        words: &[OsString],
        host: Option<&Host>,
    ) -> Result<Self, Box<Refused>> {
        let source = open(&given.file)?;
        let (base, stem) = home(&given.file);
        if let Some((typed, problem)) = unused(&given.set, &source.text) {
            let line = Line::beside(words, Vec::new());
            let at = Place::Bytes(line.word(&typed));
            return Err(refused(line.source(), None, vec![Problem { at, ..problem }]));
        }
        let variables = variables(&given.set, &source.text);
        let around = Circumstances { variables, host: host.cloned() };
        let mut asked = match Self::read(source, &around.variables) {
            Ok(asked) => asked,
            Err(refused) => {
                let source = refused.source;
                let Checked { document, problems } = check::check(&source, &base, &stem, &around);
                return Err(Box::new(Refused { source, document, problems }));
            }
        };
        asked.place(&base, &stem);
        asked.file = Some(PathBuf::from(&given.file));
        for word in &given.args {
            match word.to_str() {
                Some(word) => asked.manifest.args.push(word.to_owned()),
                None => return Err(asked.not_text(&word.to_string_lossy())),
            }
        }
        if asked.manifest.drops_arguments() {
            let line = Line::beside(words, Vec::new());
            let at = Place::Bytes(line.last(given.args.len()));
            return Err(refused(line.source(), None, vec![Manifest::dropped(at)]));
        }
        Ok(asked)
    }

    /// An argument that no manifest could hold.
    fn not_text(self, word: &str) -> Box<Refused> {
        let text = format!("the argument {word} is not UTF-8");
        let problem = fault("bad_flag", text);
        Box::new(Refused { source: self.source, document: None, problems: vec![problem] })
    }

    /// Where it lies.
    pub(super) fn place(&mut self, base: &Path, stem: &str) {
        base.clone_into(&mut self.base);
        stem.clone_into(&mut self.stem);
    }

    /// The plan for this host.
    pub(super) fn plan(&self, host: &Host) -> Result<Plan, Vec<Problem>> {
        self.plan_of(host, &self.look())
    }

    /// The manifest was written by flags.
    pub(super) fn is_typed(&self) -> bool {
        self.source.name == TYPED
    }

    /// What the manifest names outside itself.
    pub(super) fn look(&self) -> Inputs {
        let mut inputs = Inputs::look(&self.manifest, &self.base, &self.stem);
        if self.is_typed() {
            inputs.of_flags();
        }
        // It matters only where commands write.
        if let Some(file) = self.file.as_ref().filter(|_| self.manifest.written().count() > 0) {
            inputs.lie_in(file);
        }
        inputs
    }

    /// The same of what was looked up before.
    pub(super) fn plan_of(&self, host: &Host, inputs: &Inputs) -> Result<Plan, Vec<Problem>> {
        planner::plan(&self.manifest, host, inputs)
            .map_err(|problems| check::sorted(&self.source, Some(&self.document), problems))
    }

    /// The plan for this host, as it is where all streams are pipes: the same wherever its
    /// listing is printed to.
    pub(super) fn plan_with_pipes(&self, host: &Host) -> Result<Plan, Vec<Problem>> {
        self.plan_with_streams(host, false)
    }

    /// The same where all streams are files of the caller's.
    pub(super) fn plan_with_files(&self, host: &Host) -> Result<Plan, Vec<Problem>> {
        self.plan_with_streams(host, true)
    }

    fn plan_with_streams(&self, host: &Host, owned: bool) -> Result<Plan, Vec<Problem>> {
        let streams = Inputs {
            terminals: [false; 3],
            owned: [owned; 3],
            nulls: [false; 3],
            reader: None,
            background: false,
            writable_stdin: false,
            ..self.look()
        };
        self.plan_of(host, &streams)
    }

    /// The manifest that the command line names, and the machine: the recorded one, or this.
    /// What is wrong with either has been told where there is none.
    pub(super) fn on_host(
        given: &Given,
        words: &[OsString],
        recorded: Option<&Path>,
    ) -> Option<(Self, Host)> {
        let recorded = recorded.map(super::plan::recorded).transpose();
        let recorded = recorded.map_err(|text| output::complain(&text)).ok()?;
        let asked = Self::given(given, words, recorded.as_ref());
        let asked = asked.map_err(|refused| refused.complain()).ok()?;
        let host = recorded.unwrap_or_else(|| asked.host());
        Some((asked, host))
    }

    /// What this manifest needs to know of this machine.
    pub(super) fn host(&self) -> Host {
        probe::host(Some(&self.manifest))
    }

    /// Takes the report's file from a flag instead.
    pub(super) fn report_to(&mut self, file: &Path, words: &[OsString]) {
        let typed = file.to_string_lossy().into_owned();
        self.line = Some(Line::beside(words, vec![(Pointer::root().key("report"), typed)]));
        let file = match file.as_os_str() {
            name if name == "-" => file.to_owned(),
            _ => std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
        };
        self.manifest.report = Some(Report { file, typed: true });
    }

    /// The problems as people read them, at the place where the user wrote what is wrong.
    pub(super) fn tell(&self, problems: &[Problem]) {
        let style = Style::of(std::io::stderr());
        let flags = self.line.as_ref();
        let (typed, written): (Vec<_>, Vec<_>) = problems
            .iter()
            .cloned()
            .partition(|problem| flags.is_some_and(|line| line.asked_for(&problem.at)));
        let mut texts = Vec::new();
        if !written.is_empty() {
            texts.push(render::human(&written, &self.source, Some(&self.document), style));
        }
        if let (Some(line), false) = (flags, typed.is_empty()) {
            let typed: Vec<_> = typed.iter().map(|problem| line.place(problem)).collect();
            texts.push(render::human(&typed, &line.source(), None, style));
        }
        output::complain(&texts.join("\n"));
    }
}

impl Refused {
    /// The same, at the words of the command line.
    pub(super) fn typed(self, line: &Line) -> Self {
        let problems = self.problems.iter().map(|problem| line.place(problem)).collect();
        Self { source: line.source(), document: None, problems }
    }

    /// Where the manifest says that the report goes, if that much of it can be read.
    pub(super) fn report(&self, given: &Given) -> Option<PathBuf> {
        let document = self.document.as_ref()?;
        let variables = variables(&given.set, &self.source.text);
        let (manifest, _) = Manifest::readable_part(document, &variables, &self.problems)?;
        manifest.report.map(|report| home(&given.file).0.join(report.file))
    }

    /// Says what is wrong, on standard error; nothing was run.
    pub(super) fn complain(&self) -> u8 {
        let style = Style::of(std::io::stderr());
        let document = self.document.as_ref();
        output::complain(&render::human(&self.problems, &self.source, document, style));
        REFUSED
    }
}

fn refused(source: Source, document: Option<Document>, problems: Vec<Problem>) -> Box<Refused> {
    Box::new(Refused { source, document, problems: diagnostic::first(problems) })
}

/// The text of a manifest. What might never end or never begin is not read: only standard input
/// and descriptors that were handed over may be pipes.
pub(super) fn open(file: &OsStr) -> Result<Source, Box<Refused>> {
    if file == "-" {
        let name = "standard input";
        if sys::closed_at_start(0) {
            return Err(unreadable(name, "it is closed", None));
        }
        let read = Source::read(name, std::io::stdin().lock());
        return read.map_err(|error| unreadable(name, &error.to_string(), None));
    }
    let name = file.to_string_lossy();
    let read = || {
        let mut options = OpenOptions::new();
        let opened =
            options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(file)?;
        let kind = opened.metadata()?.file_type();
        if let Some(what) = odd(kind).filter(|_| !handed_over(&name)) {
            return Err(std::io::Error::other(what));
        }
        _ = sys::supervise::set_nonblocking(opened.as_fd(), false);
        Source::read(&*name, opened)
    };
    read().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => not_there(&name),
        std::io::ErrorKind::PermissionDenied => {
            let barrier =
                std::path::absolute(file).ok().and_then(|path| crate::inputs::barrier(&path));
            unreadable(&name, &error.to_string(), barrier)
        }
        _ => unreadable(&name, &error.to_string(), None),
    })
}

/// No file has this name.
fn not_there(name: &str) -> Box<Refused> {
    let path = std::path::absolute(name).ok();
    let hint = path.and_then(|path| crate::inputs::hint(&path)).unwrap_or_else(|| {
        "name the YAML file that describes the sandbox; `sixdocker run` takes flags instead".into()
    });
    let problem =
        Problem { help: Some(hint), ..fault("unreadable", "there is no such file".into()) };
    Box::new(Refused { source: Source::new(name, ""), document: None, problems: vec![problem] })
}

/// What a thing is that is no file.
fn odd(kind: FileType) -> Option<&'static str> {
    let kinds = [
        (kind.is_dir(), "it is a directory"),
        (kind.is_fifo(), "it is a FIFO; standard input is -"),
        (kind.is_char_device() || kind.is_block_device(), "it is a device"),
        (kind.is_socket(), "it is a socket"),
    ];
    kinds.into_iter().find_map(|(is, what)| is.then_some(what))
}

/// Names of descriptors, as a shell's `<(…)` makes them.
fn handed_over(name: &str) -> bool {
    ["/dev/fd/", "/dev/stdin", "/proc/self/fd/"].iter().any(|place| name.starts_with(place))
}

fn unreadable(name: &str, why: &str, help: Option<String>) -> Box<Refused> {
    let why = why.split(" (os error").next().unwrap_or(why);
    let problem = Problem { help, ..fault("unreadable", format!("can't be read: {why}")) };
    let source = Source::new(name, "");
    Box::new(Refused { source, document: None, problems: vec![problem] })
}

/// A fault that is nowhere in the text.
fn fault(code: &'static str, text: String) -> Problem {
    let (at, label) = (Place::Bytes(0..0), String::new());
    Problem { code, at, text, label, help: None, fix: None }
}

/// Where a manifest lies, and its name without endings.
pub(super) fn home(file: &OsStr) -> (PathBuf, String) {
    if file == "-" {
        return (PathBuf::from("."), "sandbox".to_owned());
    }
    let path = Path::new(file);
    let base = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("sandbox").to_owned();
    (base.unwrap_or(Path::new(".")).to_owned(), stem)
}

/// What is set and nowhere asked for, as it was typed: a typo, most likely.
fn unused(set: &[(String, String)], text: &str) -> Option<(String, Problem)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<&str> = text.split(|c| !part(c)).collect();
    let (name, value) = set.iter().find(|(name, _)| !words.contains(&name.as_str()))?;
    let asked = text.split("${").skip(1).map(|rest| {
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    });
    let near = asked
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    let help = near.map_or_else(
        || "take it out, or write the variable into a value, as ${NAME}".to_owned(),
        |(_, known)| format!("did you mean `{known}`?"),
    );
    let text = format!("`--set {name}` sets what the manifest asks for nowhere");
    Some((format!("{name}={value}"), Problem { help: Some(help), ..fault("bad_flag", text) }))
}

/// What `${NAME}` can be taken from, in a manifest with this text.
pub(super) fn variables(set: &[(String, String)], text: &str) -> Variables {
    // A `$` may be written as an escape.
    let environment =
        if text.contains(['$', '\\']) { crate::inputs::environment() } else { BTreeMap::new() };
    Variables { set: set.iter().cloned().collect(), environment }
}
