//! Where the standard streams lead.

use std::path::{Path, PathBuf};

use crate::capability::Capability;
use crate::inputs::Found;
use crate::manifest::{ErrorOutput, Input, Output, Tty};
use crate::plan::{Opening, Origin, Prepare, Step, Stream, is_kernels};
use crate::source::Pointer;

use super::draft::{Draft, asked, at, default, either, key, step};
use super::exposure;
use super::identity::Identity;

/// The three streams, and what must be opened for them.
pub(super) struct Streams {
    pub(super) terminal: bool,
    pub(super) open: Vec<Step<Prepare>>,
    pub(super) stdin: Stream,
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
    /// What asked for any of it.
    pub(super) origin: Origin,
}

impl Streams {
    /// All three are the caller's own.
    pub(super) fn untouched(&self) -> bool {
        [&self.stdin, &self.stdout, &self.stderr].iter().all(|stream| **stream == Stream::Inherit)
    }
}

/// What asked for a terminal.
pub(super) fn origin(draft: &Draft<'_>) -> Origin {
    either("tty", draft.manifest.tty != Tty::Auto)
}

/// Chooses where each stream leads.
pub(super) fn choose(draft: &mut Draft<'_>, identity: &Identity, landlock: bool) -> Streams {
    let manifest = draft.manifest;
    let [input, output, _] = draft.inputs.terminals;
    let terminal = match manifest.tty {
        Tty::Yes => true,
        Tty::No => false,
        Tty::Auto => {
            let handed = manifest.stdin == Input::Inherit && manifest.stdout == Output::Inherit;
            input && output && handed && !draft.inputs.background
        }
    };
    let counted = manifest.limits.output.is_some();
    let (inherit, out) = match (terminal, counted) {
        (true, _) => (Stream::Terminal, Stream::Terminal),
        (false, true) => (Stream::Inherit, Stream::Relayed),
        (false, false) => (Stream::Inherit, Stream::Inherit),
    };
    let withheld = !terminal && is_withheld(draft, identity, landlock);
    handed_over(draft, identity, terminal, withheld);
    apart(draft);
    let mut open = Vec::new();
    // What is nothing is the sandbox's own nothing: the host's has a mode that could be changed. A
    // terminal in whose background this runs is the shell's to read from.
    let inputs = draft.inputs;
    let own = |stream: usize, given: Stream| match given {
        Stream::Inherit if inputs.nulls.get(stream) == Some(&true) => Stream::None,
        Stream::Inherit if stream == 0 && inputs.writable_stdin => Stream::Relayed,
        Stream::Inherit if inputs.background && inputs.terminals.get(stream) == Some(&true) => {
            Stream::Relayed
        }
        given => given,
    };
    let stdin = match &manifest.stdin {
        _ if withheld => Stream::None,
        Input::Inherit => own(0, inherit),
        Input::None => Stream::None,
        Input::File(path) => file(draft, &mut open, 0, "stdin", path),
    };
    // What goes to a file counts, too: then the runner writes it there.
    let passed = |file| if counted { Stream::Relayed } else { file };
    let stdout = match &manifest.stdout {
        Output::Inherit => own(1, out.clone()),
        Output::None => Stream::None,
        Output::File(path) => passed(file(draft, &mut open, 1, "stdout", path)),
    };
    let stderr = match &manifest.stderr {
        ErrorOutput::Inherit => own(2, out),
        ErrorOutput::None => Stream::None,
        ErrorOutput::File(path) => passed(file(draft, &mut open, 2, "stderr", path)),
        ErrorOutput::Stdout => Stream::Stdout,
    };
    let given = [
        ("stdin", manifest.stdin != Input::Inherit),
        ("stdout", manifest.stdout != Output::Inherit),
        ("stderr", manifest.stderr != ErrorOutput::Inherit),
    ];
    let origin = match given.iter().find(|(_, given)| *given) {
        Some((word, _)) => asked(word),
        None if counted && !terminal => at(key("limits").key("output")),
        None => origin(draft),
    };
    Streams { terminal, open, stdin, stdout, stderr, origin }
}

/// Whether the command gets nothing of the caller's stdin, which then is noted.
fn is_withheld(draft: &mut Draft<'_>, identity: &Identity, landlock: bool) -> bool {
    let reason = obeyed(draft, identity, landlock).or_else(|| {
        draft.inputs.background.then(|| {
            "it is a terminal, and this runs in its background (`</dev/null` says what is meant)"
                .to_owned()
        })
    });
    let withheld = reason.is_some();
    reason.into_iter().for_each(|reason| draft.go_without("stdin", reason));
    withheld
}

/// What lets a command write to a pipe or file that it does not own, where that has an id inside.
const OVER_FILES: [Capability; 4] =
    [Capability::Chown, Capability::DacOverride, Capability::Fowner, Capability::Setuid];

/// A shell that reads its script from what is stdin would obey what the command wrote there: whoever
/// may open a pipe may write to it, at whichever end. Then the command gets nothing of it. Of what
/// has a name, Landlock lets no more be opened than was open.
fn obeyed(draft: &Draft<'_>, identity: &Identity, landlock: bool) -> Option<String> {
    let kernels = match &draft.manifest.stdin {
        Input::Inherit => true,
        Input::File(path) => is_kernels(&draft.path(path)),
        Input::None => false,
    };
    let reader = draft.inputs.reader.as_ref().filter(|reader| reader.pipe || !landlock)?;
    let over = |one| draft.manifest.security.capabilities.contains(one);
    let capable = identity.foreign.is_none() && OVER_FILES.iter().any(over);
    let may_write = reader.owner == identity.outside() || reader.open || capable;
    (kernels && may_write).then(|| {
        format!(
            "it is where {} reads its script from, and the command could write there; `</dev/null`, or a pipe of its own (`echo … | sixdocker …`), says what is meant",
            reader.who
        )
    })
}

/// What the command has of the caller's own streams.
fn handed_over(draft: &mut Draft<'_>, identity: &Identity, terminal: bool, withheld: bool) {
    let manifest = draft.manifest;
    let counted = manifest.limits.output.is_some();
    let inputs = draft.inputs;
    let relayed = |n: usize| counted || inputs.background && inputs.terminals.get(n) == Some(&true);
    let [no_input, no_output, no_errors] = inputs.nulls;
    let fed = withheld || no_input || inputs.writable_stdin;
    let inherited = [
        ("stdin", manifest.stdin == Input::Inherit && !fed),
        ("stdout", manifest.stdout == Output::Inherit && !relayed(1) && !no_output),
        ("stderr", manifest.stderr == ErrorOutput::Inherit && !relayed(2) && !no_errors),
    ];
    if terminal {
        return draft.hole(Opening::RelayedTerminal, "", &origin(draft));
    }
    // What is root's on the host stays root's, with whatever mode the command gives it.
    let roots = draft.host.uid == 0 && identity.outside() == 0;
    for ((word, inherited), owned) in inherited.iter().zip(draft.inputs.owned) {
        if roots && *inherited && owned && *word != "stdin" {
            draft.hole(Opening::RootsPrograms, *word, &default(word));
        }
    }
    let terminals = draft.inputs.terminals;
    let all = inherited.iter().zip(terminals).filter(|((_, inherited), _)| *inherited);
    let (terminals, others): (Vec<_>, Vec<_>) = all.partition(|(_, terminal)| *terminal);
    for (opening, streams) in
        [(Opening::CallerTerminal, terminals), (Opening::CallerStreams, others)]
    {
        let names: Vec<_> = streams.iter().map(|((name, _), _)| *name).collect();
        if let Some(first) = names.first() {
            draft.hole(opening, names.join(", "), &default(first));
        }
    }
}

fn file(
    draft: &mut Draft<'_>,
    open: &mut Vec<Step<Prepare>>,
    stream: u8,
    word: &str,
    path: &Path,
) -> Stream {
    let origin = asked(word);
    let path = draft.path(path);
    if !draft.not_led_astray(&path, &origin.key) {
        return Stream::File;
    }
    match draft.inputs.paths.get(&path) {
        Some(Found::Device('c', 1, 3)) => return Stream::None,
        Some(Found::Missing) if stream == 0 => draft.missing(&path, &origin.key),
        Some(Found::Denied(reason)) if stream == 0 => draft.denied(&path, reason, &origin.key),
        Some(Found::Directory) => {
            let text = format!("{} is a directory", path.display());
            draft.wrong("bad_path", &origin.key, text, "not a file", "name a file");
        }
        _ => {}
    }
    let input = stream == 0 && draft.inputs.paths.get(&path) != Some(&Found::Directory);
    if let Some(reason) = draft.inputs.unreadable.get(&path).filter(|_| input) {
        draft.denied(&path, reason, &origin.key);
    }
    if let Some(dir) = path.parent().filter(|_| stream != 0) {
        draft.directory_exists(dir, &origin.key);
    }
    no_device_inside(draft, &path, &origin.key);
    let dir = path.parent().and_then(|dir| draft.inputs.paths.get(dir));
    let told = stream == 0
        || matches!(dir, Some(Found::Denied(_)))
        || draft.inputs.paths.get(&path) == Some(&Found::Directory);
    if let Some(why) = draft.inputs.unwritable.get(&path).filter(|_| !told) {
        let text = format!("{} can't be written: {why}", path.display());
        let help = "name a file that the caller may write, in a directory where it may";
        draft.wrong("no_access", &origin.key, text, "can't be written", help);
    }
    if stream == 0 {
        exposure::seen(draft, &path, &origin);
    } else {
        exposure::changed(draft, &path, Opening::WritableFiles, &origin);
    }
    // No link is followed any more when it is opened.
    open.push(step(Prepare::OpenStream { stream, path: draft.real(&path) }, &origin));
    Stream::File
}

/// What is written to two ways at once, each from its own place, keeps the words of neither; what
/// is written to is emptied before it is read.
fn apart(draft: &mut Draft<'_>) {
    let manifest = draft.manifest;
    let all = [
        ("stdin", manifest.stdin.file()),
        ("stdout", manifest.stdout.file()),
        ("stderr", manifest.stderr.file()),
        ("report", manifest.report.as_ref().map(|report| &report.file)),
    ];
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (word, file) in all {
        let Some(path) = file.map(|file| draft.path(file)) else { continue };
        // A device or FIFO takes what comes from everybody.
        if !matches!(draft.inputs.paths.get(&path), Some(Found::File(_) | Found::Missing)) {
            continue;
        }
        let real = draft.real(&path);
        if let Some((other, _)) = seen.iter().find(|(_, known)| *known == real) {
            let text =
                format!("{} is `{other}` as well, and neither would be whole", path.display());
            let help = match word {
                "stderr" if *other == "stdout" => "write `stderr: stdout`",
                _ => "name a file of its own",
            };
            let label = format!("the same file as `{other}`");
            draft.wrong("contradiction", &key(word), text, label, help);
        }
        seen.push((word, real));
    }
}

/// A device that stands where commands write may be one that they have made.
fn no_device_inside(draft: &mut Draft<'_>, path: &Path, at: &Pointer) {
    let real = draft.real(path);
    let device = matches!(draft.inputs.paths.get(path), Some(Found::Device(..)));
    if device && !is_kernels(&real) && draft.is_written(&real) {
        let text = format!("{} is a device, where commands may make some", path.display());
        draft.wrong("bad_path", at, text, "not a file", "remove it, or name the device in /dev");
    }
}

/// Where the report goes: to a file in a directory that is there. That it can't be written must
/// not be found out when the run is over.
pub(super) fn report(draft: &mut Draft<'_>) -> Option<PathBuf> {
    let file = &draft.manifest.report.as_ref()?.file;
    let place = key("report").key("file");
    let path = draft.path(file);
    if file.as_os_str() == "-" {
        let help = "write a file; `./-` is one of this name, `/dev/stderr` is standard error";
        let text = "`-` names no file for the report";
        draft.wrong("bad_path", &place, text, "not a file", help);
        return Some(path);
    }
    if let Some(dir) = file.parent().map(|dir| draft.path(dir)) {
        draft.directory_exists(&dir, &place);
    }
    if !draft.not_led_astray(&path, &place) {
        return Some(path);
    }
    no_device_inside(draft, &path, &place);
    if let Some(why) = draft.inputs.unwritable.get(&path) {
        let text = format!("the report can't be written to {}: {why}", path.display());
        let help = "name a file in a directory that the caller may write to";
        draft.wrong("no_access", &place, text, "can't be written", help);
    }
    let real = draft.real(&path);
    let what = match draft.inputs.paths.get(&path) {
        Some(Found::Directory) => "a directory",
        Some(Found::Device('b', ..)) => "a block device",
        Some(Found::Other(what)) if !is_kernels(&real) => what,
        _ if ["/proc/sys", "/proc/sysrq-trigger", "/sys"]
            .iter()
            .any(|dir| real.starts_with(dir)) =>
        {
            "the kernel's own"
        }
        _ => {
            if !draft.manifest.report.as_ref().is_some_and(|report| report.typed) {
                exposure::reported(draft, &path, &at(place));
            }
            return Some(real);
        }
    };
    let text = format!("{} is {what}, and the report is written to a file", path.display());
    draft.wrong("bad_path", &place, text, "not a file", "name a file");
    Some(path)
}
