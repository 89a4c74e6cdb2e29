//! `run`: flags in docker's words become the manifest that `up` would take.

mod draft;
mod flags;
mod line;
mod manifest;
mod mounts;

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use clap::error::{ContextKind, ContextValue};
use serde_json::Value;

use super::asked::{Asked, Refused};
use super::{REFUSED, output, up};
use crate::diagnostic::{Place, Problem};
use crate::manifest::{Command, Variables};
use crate::render::{self, Style};
use crate::source::{Source, mapping};
use draft::Draft;

pub(super) use flags::Run;
pub(super) use line::Line;

/// Runs the command, or prints the manifest.
pub(super) fn run(flags: &Run, words: &[OsString], begun: Instant) -> u8 {
    let mut draft = manifest::draft(flags);
    let line = Line::new(words, std::mem::take(&mut draft.marks));
    if !draft.faults.is_empty() {
        return wrong(&draft, &line);
    }
    if flags.print_manifest {
        return print(&draft, line);
    }
    match read(&draft, line) {
        Ok(asked) => up::perform(&asked, begun),
        Err(refused) => refused.complain(),
    }
}

/// Reads the manifest; of the command only its first word, since the others need no reading and
/// may be longer than a manifest.
fn read(draft: &Draft, line: Line) -> Result<Asked, Box<Refused>> {
    let mut root = draft.root.clone();
    let mut command = Vec::new();
    if let Some(Value::Array(words)) = root.get_mut("command") {
        command.extend(words.iter().filter_map(Value::as_str).map(|word| word.replace("$$", "$")));
        words.truncate(1);
    }
    let source = Source::new("command line", mapping(&root));
    let mut asked = Asked::read(source, &Variables::default())
        .map_err(|refused| Box::new(refused.typed(&line)))?;
    asked.manifest.command = Command::Argv(command);
    asked.line = Some(line);
    asked.place(Path::new("."), "sixdocker");
    Ok(asked)
}

/// Prints the manifest, once it is known to be one.
fn print(draft: &Draft, line: Line) -> u8 {
    match read(draft, line) {
        Ok(_) => output::print(&mapping(&draft.root), 0),
        Err(refused) => refused.complain(),
    }
}

/// Says what is wrong with the flags themselves.
fn wrong(draft: &Draft, line: &Line) -> u8 {
    let at = |(problem, typed): &(Problem, String)| Problem {
        at: Place::Bytes(line.word(typed)),
        ..problem.clone()
    };
    let problems: Vec<_> = draft.faults.iter().map(at).collect();
    let style = Style::of(std::io::stderr());
    output::complain(&render::human(&problems, &line.source(), None, style));
    REFUSED
}

/// What to do instead, where the argument that clap does not know is one of docker's.
pub(super) fn instead(error: &clap::Error) -> Option<String> {
    let ContextValue::String(flag) = error.get(ContextKind::InvalidArg)? else { return None };
    let word = flag.trim_start_matches('-');
    let name = word.split(['=', ' ']).next().unwrap_or_default();
    INSTEAD.iter().find(|(names, _)| names.contains(&name)).map(|(_, text)| (*text).to_owned())
}

/// Docker's flags that are not ours.
const INSTEAD: &[(&[&str], &str)] = &[
    (
        &["d", "detach"],
        "There is no daemon: a sandbox ends with its runner. Put the whole command in the \
         background (`&`, or `systemd-run --user sixdocker run …`).",
    ),
    (
        &["p", "publish", "P", "publish-all", "expose"],
        "Ports can't be published yet. With --network host the command listens on the host's \
         own addresses.",
    ),
    (
        &["privileged"],
        "There is no switch for everything. Say what is needed: --cap-add, --device, --volume, \
         --security-opt seccomp=unconfined.",
    ),
    (&["restart"], "There is no daemon that could restart it: use a service manager."),
    (&["entrypoint"], "There are no images: the command is all that runs. Write it at the end."),
    (&["mount"], "Write --volume SRC:DST[:ro], --tmpfs DST, or the `mounts` of a manifest."),
    (&["volumes-from", "volume-driver"], "There are no volumes but directories: --volume SRC:DST."),
    (&["gpus", "runtime"], "Name the devices: --device /dev/nvidia0 and so on."),
    (&["link", "network-alias", "ip", "ip6", "mac-address"], "Sandboxes share no network."),
    (
        &["dns", "dns-search", "dns-option"],
        "There is no name service in a sandbox without a network.",
    ),
    (&["platform", "pull", "q", "quiet"], "There are no images: --rootfs takes a directory."),
    (&["a", "attach", "sig-proxy", "detach-keys"], "It is always attached, and passes signals on."),
    (
        &["cgroup-parent"],
        "Write `cgroup: {parent: …}` into a manifest (--print-manifest begins one).",
    ),
    (
        &["pid", "ipc", "uts", "userns", "cgroupns"],
        "Write `namespaces` or `userns` into a manifest (--print-manifest begins one).",
    ),
    (&["log-driver", "log-opt"], "Output goes where the runner's goes."),
    (&["cidfile"], "A sandbox has no id; --name names it, --report tells what became of it."),
    (
        &["kernel-memory", "memory-swappiness", "oom-kill-disable"],
        "The kernel has it no more, or not for every sandbox.",
    ),
    (
        &[
            "blkio-weight",
            "device-read-bps",
            "device-write-bps",
            "device-read-iops",
            "device-write-iops",
        ],
        "Write `limits: {io: …}` into a manifest (--print-manifest begins one).",
    ),
    (&["health-cmd", "health-interval", "no-healthcheck"], "There is no daemon that could look."),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The plan of these flags, and that of the manifest which they print.
    fn plans(words: &[&str]) -> [crate::plan::Plan; 2] {
        let words: Vec<OsString> =
            ["sixdocker", "run"].iter().chain(words).map(Into::into).collect();
        let command = super::super::parse(&words, "run").unwrap();
        let super::super::Command::Run(flags) = command else { panic!("not run") };
        let mut draft = manifest::draft(&flags);
        let line = Line::new(&words, std::mem::take(&mut draft.marks));
        let typed = read(&draft, line).map_err(|refused| refused.problems).unwrap();
        let source = Source::new("printed", mapping(&draft.root));
        let mut printed =
            Asked::read(source, &Variables::default()).map_err(|refused| refused.problems).unwrap();
        printed.place(Path::new("."), "sixdocker");
        let host = typed.host();
        [&typed, &printed].map(|asked| asked.plan(&host).unwrap())
    }

    #[test]
    fn a_printed_manifest_has_the_same_plan() {
        let flags = ["-e", "A=$b", "-w", "/tmp", "--init", "--name", "n", "--timeout", "90s"];
        let command = ["sh", "-c", "echo \"$A\" ${X} $$\t'\n'", "--", "-m", "0644", ""];
        let [typed, printed] = plans(&[&flags[..], &command].concat());
        assert_eq!(typed, printed);
    }
}
