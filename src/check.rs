//! Everything that is wrong with a manifest, and mending what can be mended with certainty.
//!
//! The check goes as far as the plan and no further: nothing is changed, and no privilege is
//! needed. `mend` changes texts, [`replace`] one file.

use std::fs;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::diagnostic::{self, Place, Problem};
use crate::host::Host;
use crate::inputs::Inputs;
use crate::manifest::{Manifest, Variables};
use crate::render::{self, Position};
use crate::source::{Document, Source};
use crate::{planner, probe};

/// What a manifest is checked against besides itself.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// What `${NAME}` is taken from.
    pub variables: Variables,
    /// The machine; without one, this machine.
    pub host: Option<Host>,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The tree, where the text is one.
    pub document: Option<Document>,
    /// Every fault once, sorted by place.
    pub problems: Vec<Problem>,
}

/// Finds every fault: of the text, of single values, between keys, and of what they name on the
/// machine. `base` is the directory that relative paths start from, `stem` the default name.
#[must_use]
pub fn check(source: &Source, base: &Path, stem: &str, around: &Circumstances) -> Checked {
    let document = match Document::read(source) {
        Ok(document) => document,
        Err(problems) => {
            let problems = sorted(source, None, problems);
            return Checked { document: None, problems };
        }
    };
    let planned = |manifest: &Manifest| {
        let host = around.host.clone().unwrap_or_else(|| probe::host(Some(manifest)));
        let inputs = Inputs::look(manifest, base, stem);
        planner::plan(manifest, &host, &inputs).err().unwrap_or_default()
    };
    let problems = match Manifest::read(&document, &around.variables) {
        Ok(manifest) => planned(&manifest),
        Err(mut problems) => {
            problems.extend(of_the_rest(&document, around, &problems, &planned));
            problems
        }
    };
    let problems = sorted(source, Some(&document), problems);
    Checked { document: Some(document), problems }
}

/// Keys that others are understood by.
const GROUND: [&str; 9] = [
    "rootfs",
    "user",
    "groups",
    "userns",
    "namespaces",
    "network",
    "cgroup",
    "security",
    "allow_degraded",
];

/// Faults of a single value, whatever the other keys say.
const OWN: [&str; 9] = [
    "bad_device",
    "bad_env_file",
    "bad_file",
    "bad_path",
    "bad_profile",
    "missing_path",
    "no_access",
    "ulimit_too_high",
    "unknown_syscall",
];

/// What is wrong with the keys that could be read of a manifest in which others could not.
fn of_the_rest(
    document: &Document,
    around: &Circumstances,
    problems: &[Problem],
    planned: &dyn Fn(&Manifest) -> Vec<Problem>,
) -> Vec<Problem> {
    let part = Manifest::readable_part(document, &around.variables, problems);
    let Some((manifest, mut faulty)) = part else { return Vec::new() };
    // An unknown key may be one of the ground, misspelt.
    let unknown = problems.iter().any(|problem| problem.code == "unknown_key");
    let firm = !unknown && faulty.iter().all(|key| !GROUND.contains(&&**key));
    faulty.push("command".to_owned());
    let mut found = manifest.contradictions();
    let planned = planned(&manifest).into_iter();
    found.extend(planned.filter(|problem| firm || OWN.contains(&problem.code)));
    let readable = |problem: &Problem| {
        document.root_key(&problem.at).is_some_and(|key| !faulty.contains(&key))
    };
    found.retain(|problem| readable(problem) && !problems.contains(problem));
    found
}

/// Sorted by place, each once, and not too many.
#[must_use]
pub fn sorted(
    source: &Source,
    document: Option<&Document>,
    mut problems: Vec<Problem>,
) -> Vec<Problem> {
    problems.sort_by_cached_key(|problem| {
        let span = render::bytes(problem, source, document);
        (span.start, span.end, problem.text.clone())
    });
    problems.dedup();
    diagnostic::first(problems)
}

/// A text after mending.
#[derive(Debug)]
pub struct Mended {
    /// The text.
    pub source: Source,
    /// What is still wrong with it.
    pub checked: Checked,
    /// What was done, a line each.
    pub done: Vec<String>,
}

/// The longest chain of faults that hide behind one another.
const ROUNDS: usize = 8;

/// Applies the fixes that are certain, until there is none left.
#[must_use]
pub fn mend(source: &Source, checked: &Checked, check: &dyn Fn(&Source) -> Checked) -> Mended {
    let (source, checked) = (source.clone(), checked.clone());
    let mut mended = Mended { source, checked, done: Vec::new() };
    for _ in 0..ROUNDS {
        let (text, done) = applied(&mended.source, &mended.checked);
        if done.is_empty() {
            break;
        }
        let source = mended.source.with_text(text);
        let checked = check(&source);
        mended = Mended { source, checked, done: [mended.done, done].concat() };
    }
    mended
}

/// The text with every fix in it that overlaps no other.
fn applied(source: &Source, checked: &Checked) -> (String, Vec<String>) {
    let mut text = source.text.clone();
    let mut done = Vec::new();
    let mut free = text.len() + 1;
    let problems = &checked.problems;
    let firsts = problems.iter().enumerate().filter(|(n, one)| !is_same_key(one, &problems[..*n]));
    for (_, problem) in firsts.rev() {
        let span = render::bytes(problem, source, checked.document.as_ref());
        let Some(fix) = certain(problem, source, &span) else { continue };
        if span.end > free || span.end == free && span.is_empty() {
            continue;
        }
        done.push(said(source, &span, fix));
        free = span.start;
        text.replace_range(span, fix);
    }
    done.reverse();
    (text, done)
}

/// Whether one of those before gives a key of the same mapping the same name: no key may stand
/// there twice.
fn is_same_key(problem: &Problem, before: &[Problem]) -> bool {
    let Place::Key(at) = &problem.at else { return false };
    let same = |other: &Problem| {
        let Place::Key(other_at) = &other.at else { return false };
        other.fix == problem.fix && other_at.parent() == at.parent()
    };
    problem.fix.is_some() && before.iter().any(same)
}

/// The fix, unless a variable stands in what it would replace: the fault is in the variable then.
fn certain<'a>(problem: &'a Problem, source: &Source, span: &Range<usize>) -> Option<&'a str> {
    let old = source.text.get(span.clone())?;
    problem.fix.as_deref().filter(|fix| *fix != old && !old.contains(['$', '\n']))
}

fn said(source: &Source, span: &Range<usize>, fix: &str) -> String {
    let Position { line, column } = Position::of(&source.text, span.start);
    let old = source.text.get(span.clone()).unwrap_or_default();
    let name = &source.name;
    match (old, fix) {
        ("", fix) => format!("{name}:{line}:{column}: wrote `{fix}`"),
        (old, "") => format!("{name}:{line}:{column}: removed `{old}`"),
        (old, fix) => format!("{name}:{line}:{column}: wrote `{fix}` for `{old}`"),
    }
}

/// Puts a new text in the place of an old one: whole at every moment, with the file's owner, group
/// and mode, and through a symbolic link. A file that has changed meanwhile is left alone, and so is
/// one that has other names, which would keep the old text.
///
/// The directory may be a stranger's, who swaps names in it: what is looked at is what is replaced.
pub fn replace(file: &Path, old: &str, new: &str) -> io::Result<()> {
    let path = fs::canonicalize(file)?;
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it is no file"));
    };
    let here = OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let dir = open(dir, here | OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())?;
    let is = fs::File::from(openat(&dir, name, here | OFlag::O_NONBLOCK, Mode::empty())?);
    let was = is.metadata()?;
    let mut now = Vec::new();
    is.take(old.len() as u64 + 1).read_to_end(&mut now)?;
    if now != old.as_bytes() {
        return Err(io::Error::other("it has changed meanwhile"));
    }
    if was.nlink() > 1 {
        let why = "it has other names (hard links), which would stay as they are";
        return Err(io::Error::other(why));
    }
    let beside = format!(".{}.{}", name.to_string_lossy(), std::process::id());
    let made = here | OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    let mut file = fs::File::from(openat(&dir, beside.as_str(), made, Mode::S_IRUSR)?);
    let moved = own(&file, &was)
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(was.mode() & 0o777)))
        .and_then(|()| file.write_all(new.as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(renameat(&dir, beside.as_str(), &dir, name)?));
    moved.inspect_err(|_| _ = unlinkat(&dir, beside.as_str(), UnlinkatFlags::NoRemoveDir))
}

/// Gives a new file the owner and group of the one whose place it takes.
fn own(file: &fs::File, was: &fs::Metadata) -> io::Result<()> {
    let is = file.metadata()?;
    if is.uid() != was.uid() {
        std::os::unix::fs::fchown(file, Some(was.uid()), None)
            .map_err(|_| io::Error::other("it belongs to somebody else, and would be yours"))?;
    }
    if is.gid() != was.gid() {
        std::os::unix::fs::fchown(file, None, Some(was.gid())).map_err(|_| {
            let group = was.gid();
            io::Error::other(format!("you can't give a file to its group, gid {group}"))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(span: Range<usize>, fix: &str) -> Problem {
        Problem {
            code: "unknown_key",
            at: Place::Bytes(span),
            text: String::new(),
            label: String::new(),
            help: None,
            fix: Some(fix.to_owned()),
        }
    }

    fn mended(text: &str, problems: Vec<Problem>) -> String {
        let source = Source::new("f", text);
        applied(&source, &Checked { document: None, problems }).0
    }

    #[test]
    fn fixes_do_not_move_one_another() {
        let problems = vec![problem(0..1, "xyz"), problem(2..3, ""), problem(4..5, "q")];
        assert_eq!(mended("a b c", problems), "xyz  q");
    }

    #[test]
    fn overlapping_fixes_are_not_applied_together() {
        assert_eq!(mended("abc", vec![problem(0..2, "x"), problem(1..3, "y")]), "ay");
    }

    #[test]
    fn a_value_with_a_variable_is_left_alone() {
        assert_eq!(mended("a${B}", vec![problem(0..5, "x")]), "a${B}");
    }

    #[test]
    fn a_file_keeps_its_mode_and_its_link() {
        let dir = std::env::temp_dir().join(format!("sixdocker-mend-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (file, link) = (dir.join("file"), dir.join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        replace(&link, "old", "new").unwrap();
        assert!(replace(&link, "old", "newer").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
        fs::remove_dir_all(&dir).unwrap();
    }
}
