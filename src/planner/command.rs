//! What runs: its arguments, its environment, and where it is looked for.

use std::collections::BTreeMap;

use crate::inputs::Inputs;
use crate::manifest::{self, Borrowed};
use crate::plan::{Command, Exec, Init, Opening, Spawn, Step, Verify};
use crate::source::Pointer;

use super::draft::{Draft, asked, at, default, either, key, step};
use super::files;
use super::identity::Identity;
use super::streams::Streams;
use super::{env_file, exposure};

/// Where programs are looked for, unless the manifest says otherwise.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the process does that becomes the command, in order.
pub(super) fn steps(
    spawn: Option<&Step<Spawn>>,
    streams: &Streams,
    limits: Vec<Step<Command>>,
    walls: Vec<Step<Command>>,
    verify: Verify,
) -> Vec<Step<Command>> {
    let mut steps = Vec::new();
    let own = default("command");
    if let Some(spawn) = spawn {
        steps.push(step(Command::NewSession, &spawn.origin));
    }
    if streams.terminal {
        steps.push(step(Command::ControllingTerminal, &streams.origin));
    }
    if !streams.untouched() {
        let Streams { stdin, stdout, stderr, origin, .. } = streams;
        let (stdin, stdout, stderr) = (stdin.clone(), stdout.clone(), stderr.clone());
        steps.push(step(Command::Streams { stdin, stdout, stderr }, origin));
    }
    steps.push(step(Command::ResetSignals, &own));
    steps.push(step(Command::CloseOnExec, &own));
    steps.extend(limits);
    steps.extend(walls);
    steps.push(step(Command::Verify(verify), &default("security")));
    steps
}

/// The working directory.
pub(super) fn working_dir(draft: &Draft<'_>) -> Step<Init> {
    let path = draft.manifest.working_dir.0.clone();
    let origin = either("working_dir", path != "/");
    step(Init::Chdir { path }, &origin)
}

/// Becomes the command.
pub(super) fn exec(draft: &mut Draft<'_>, identity: &Identity, streams: &Streams) -> Step<Exec> {
    let manifest = draft.manifest;
    let origin = asked("command");
    let environment = environment(draft, identity, streams);
    let argv = match &manifest.command {
        manifest::Command::Argv(argv) => [argv.as_slice(), &manifest.args].concat(),
        manifest::Command::Shell(text) => shell(text, &manifest.args),
    };
    let program = argv.first().cloned().unwrap_or_default();
    if program.is_empty() {
        let text = "the command has no name";
        draft.wrong("bad_value", &origin.key, text, "empty", "name a program, as in [echo, hello]");
    }
    let path = environment.get("PATH").map_or(PATH, String::as_str);
    let candidates = candidates(&program, path);
    let environment = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    step(Exec { argv, environment, candidates }, &origin)
}

/// What `args` adds is `$1`, `$2` … of the text.
fn shell(text: &str, args: &[String]) -> Vec<String> {
    let mut argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()];
    if !args.is_empty() {
        argv.push("sh".to_owned());
        argv.extend_from_slice(args);
    }
    argv
}

/// The paths that are tried, from the sandbox's own PATH.
fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let mut all = Vec::new();
    for dir in path.split(':') {
        let dir = if dir.is_empty() { "." } else { dir.trim_end_matches('/') };
        let candidate = format!("{dir}/{program}");
        if !all.contains(&candidate) {
            all.push(candidate);
        }
    }
    all
}

type Variables = BTreeMap<String, String>;

/// The keys whose values the command sees.
const SEEN: [&str; 5] = ["command", "args", "environment", "files", "hostname"];

/// The whole environment: ours, then files, then what is passed on, then what is written.
fn environment(draft: &mut Draft<'_>, identity: &Identity, streams: &Streams) -> Variables {
    let manifest = draft.manifest;
    let mut all = own(draft.inputs, identity, streams);
    for (n, file) in manifest.env_file.0.iter().enumerate() {
        let one = manifest.env_file.0.len() == 1;
        let place = if one { key("env_file") } else { key("env_file").index(n) };
        let path = draft.path(file);
        exposure::seen(draft, &path, &at(place.clone()));
        from_file(draft, &mut all, &path, &place);
    }
    for (n, pattern) in manifest.pass_env.iter().enumerate() {
        let origin = at(key("pass_env").index(n));
        match pattern.0.as_str() {
            "*" => draft.hole(Opening::CallerEnvironment, "", &origin),
            some => draft.hole(Opening::CallerVariables, some, &origin),
        }
        let passed = draft.inputs.environment.iter().filter(|(name, _)| matches(&pattern.0, name));
        all.extend(passed.map(|(name, value)| (name.clone(), value.clone())));
    }
    for Borrowed { name, at: place } in &manifest.borrowed {
        if place.parts().next().is_some_and(|first| SEEN.contains(&first.as_str())) {
            draft.hole(Opening::CallerVariables, name, &at(place.clone()));
        }
    }
    for (name, value) in &manifest.environment.0 {
        let place = key("environment").key(name);
        match (value, draft.inputs.environment.get(name)) {
            (Some(value), _) => _ = all.insert(name.clone(), value.clone()),
            (None, Some(value)) => {
                all.insert(name.clone(), value.clone());
                draft.hole(Opening::CallerVariables, name, &at(place));
            }
            (None, None) => {
                let text =
                    format!("`{name}` has no value, and the caller's environment has none either");
                draft.wrong(
                    "unset_variable",
                    &place,
                    text,
                    "not set by the caller",
                    "write a value, or set it before",
                );
            }
        }
    }
    all
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

fn own(inputs: &Inputs, identity: &Identity, streams: &Streams) -> Variables {
    let account = identity.account.as_ref();
    let home = account.map(|account| account.home.as_str()).filter(|home| home.starts_with('/'));
    let user = account.map_or_else(|| identity.uid.to_string(), |account| account.name.clone());
    let term = inputs.environment.get("TERM").map(String::as_str).filter(|term| sane(term));
    [
        ("PATH", PATH.to_owned()),
        ("HOME", home.unwrap_or("/").to_owned()),
        ("USER", user),
        ("TERM", if streams.terminal { term.unwrap_or("xterm") } else { "dumb" }.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The caller's terminal is the only thing that passes unasked, and only if it looks like one.
fn sane(term: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    (1..=64).contains(&term.len()) && term.chars().all(allowed)
}

fn from_file(draft: &mut Draft<'_>, all: &mut Variables, path: &std::path::Path, place: &Pointer) {
    let Some(text) = files::text(draft, path, place) else { return };
    match env_file::parse(&text) {
        Ok(variables) => {
            for (name, value) in variables {
                if value.is_none() {
                    draft.hole(Opening::CallerVariables, &name, &at(place.clone()));
                }
                let value = value.or_else(|| draft.inputs.environment.get(&name).cloned());
                all.extend(value.map(|value| (name, value)));
            }
        }
        Err(fault) => {
            let text = format!("{}: line {}: {}", path.display(), fault.line, fault.text);
            draft.wrong(
                "bad_env_file",
                place,
                text,
                "has a fault",
                "each line is NAME=value, NAME or a # comment",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_along_the_path() {
        assert_eq!(candidates("sh", "/bin:/usr/bin/::/bin"), ["/bin/sh", "/usr/bin/sh", "./sh"]);
        assert_eq!(candidates("./sh", PATH), ["./sh"]);
    }

    #[test]
    fn arguments_are_positional_parameters_of_a_text() {
        assert_eq!(shell("ls", &[]), ["/bin/sh", "-c", "ls"]);
        assert_eq!(shell("ls $1", &["-l".into()]), ["/bin/sh", "-c", "ls $1", "sh", "-l"]);
    }
}
