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

use super::asked::{Asked, Refused, TYPED};
use super::{output, up};
use crate::diagnostic::{Place, Problem};
use crate::manifest::{Command, Variables};
use crate::source::{Source, mapping};
use draft::Draft;

pub(super) use flags::Run;
pub(super) use line::Line;

/// The name of a sandbox that flags describe, where they don't give it another.
const STEM: &str = "sixdocker";

/// Runs the command, or prints the manifest.
pub(super) fn run(flags: &Run, words: &[OsString], begun: Instant) -> u8 {
    let mut draft = manifest::draft(flags);
    let line = Line::new(words, std::mem::take(&mut draft.marks));
    let report = flags.report.as_deref();
    if !draft.faults.is_empty() {
        return up::refuse(&wrong(&draft, &line), report, STEM, begun);
    }
    if flags.print_manifest {
        return print(&draft, line);
    }
    match read(&draft, line) {
        Ok(asked) => up::perform(&asked, begun),
        Err(refused) => up::refuse(&refused, report, STEM, begun),
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
    let source = Source::new(TYPED, mapping(&root));
    let mut asked = Asked::read(source, &Variables::default())
        .map_err(|refused| Box::new(refused.typed(&line)))?;
    asked.manifest.command = Command::Argv(command);
    asked.line = Some(line);
    asked.place(Path::new("."), STEM);
    Ok(asked)
}

/// Prints the manifest, once it is known to be one.
fn print(draft: &Draft, line: Line) -> u8 {
    match read(draft, line) {
        Ok(_) => output::print(&mapping(&draft.root), 0),
        Err(refused) => refused.complain(),
    }
}

/// What is wrong with the flags themselves.
fn wrong(draft: &Draft, line: &Line) -> Refused {
    let at = |(problem, typed): &(Problem, String)| Problem {
        at: Place::Bytes(line.word(typed)),
        ..problem.clone()
    };
    let problems = draft.faults.iter().map(at).collect();
    Refused { source: line.source(), document: None, problems }
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
            "blkio-weight-device",
            "device-read-bps",
            "device-write-bps",
            "device-read-iops",
            "device-write-iops",
        ],
        "Write `limits: {io: …}` into a manifest (--print-manifest begins one).",
    ),
    (
        &[
            "health-cmd",
            "health-interval",
            "health-retries",
            "health-start-interval",
            "health-start-period",
            "health-timeout",
            "no-healthcheck",
        ],
        "There is no daemon that could look: the command's exit code tells.",
    ),
    (
        &["cpu-period", "cpu-quota", "cpu-count", "cpu-percent"],
        "Write --cpus: a quota of half a period is --cpus 0.5.",
    ),
    (
        &["cpu-rt-period", "cpu-rt-runtime"],
        "No control group of cgroup v2 shares out real-time processor time.",
    ),
    (&["annotation"], "Write --label NAME=VALUE: the report carries it."),
    (&["label-file"], "Write --label NAME=VALUE, or the `labels` of a manifest."),
    (
        &["device-cgroup-rule"],
        "Only the devices that --device names are there, with the permissions of their nodes.",
    ),
    (&["domainname"], "Write --sysctl kernel.domainname=NAME."),
    (
        &["storage-opt"],
        "Write `rootfs: {path: …, size: …}` into a manifest (--print-manifest begins one).",
    ),
    (&["link-local-ip"], "Sandboxes share no network."),
    (&["disable-content-trust"], "There are no images: --rootfs takes a directory."),
    (&["isolation", "io-maxbandwidth", "io-maxiops"], "That is for containers of Windows."),
    (&["use-api-socket"], "There is no daemon to speak to."),
    (
        &["umask", "secret", "env-host", "tz", "pidfile"],
        "Write `umask`, `files`, `pass_env` or `environment` into a manifest (--print-manifest \
         begins one).",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[String]) -> (Draft, Result<Asked, Vec<Problem>>) {
        let start = ["sixdocker".to_owned(), "run".to_owned()];
        let words: Vec<OsString> = start.iter().chain(words).map(Into::into).collect();
        let command = super::super::parse(&words, "run").unwrap();
        let super::super::Command::Run(flags) = command else { panic!("not run") };
        let mut draft = manifest::draft(&flags);
        let line = Line::new(&words, std::mem::take(&mut draft.marks));
        let asked = read(&draft, line).map_err(|refused| refused.problems);
        (draft, asked)
    }

    /// What these flags come to, and what the manifest does which they print, elsewhere and under
    /// another name.
    fn is_the_same(words: &[String]) {
        let (draft, typed) = typed(words);
        if !draft.faults.is_empty() {
            return;
        }
        let source = Source::new("printed", mapping(&draft.root));
        let text = source.text.clone();
        let printed = Asked::read(source, &Variables::default());
        match (typed, printed) {
            (Ok(typed), Ok(mut printed)) => {
                printed.place(Path::new("/nowhere"), "other");
                let host = typed.host();
                let [typed, printed] = [&typed, &printed].map(|asked| asked.plan(&host));
                let texts = |plan: Result<crate::plan::Plan, Vec<Problem>>| {
                    plan.map_err(|all| all.into_iter().map(|one| one.text).collect::<Vec<_>>())
                };
                assert_eq!(texts(typed), texts(printed), "{words:?}\n{text}");
            }
            (Err(typed), Err(printed)) => assert_eq!(typed.len(), printed.problems.len()),
            (typed, _) => panic!("{words:?}: {:?}\n{text}", typed.err()),
        }
    }

    const FLAGS: &[&[&str]] = &[
        &["-t"],
        &["-i"],
        &["-ti"],
        &["-m", "64m"],
        &["-m64m", "--memory-swap", "100m"],
        &["--memory=104857600"],
        &["--cpus", "0.5"],
        &["--cpu-shares=512"],
        &["--cpuset", "0"],
        &["--pids-limit", "-1"],
        &["--pids-limit=12"],
        &["-v", ".:/mnt"],
        &["-v", "/usr:/opt/$x y:ro"],
        &["--tmpfs", "/scratch:size=1m"],
        &["--shm-size=1m"],
        &["-e", "A=$b ${c} \"d\""],
        &["-eHOME"],
        &["--env-file", "Cargo.toml"],
        &["-w", "/tmp"],
        &["-u", "0:0"],
        &["--group-add", "0"],
        &["-h", "box"],
        &["--name", "n"],
        &["--label", "a=b: c"],
        &["--read-only", "--rootfs", "tests"],
        &["--rootfs", "./tests/../tests"],
        &["--init"],
        &["--network", "host"],
        &["--add-host", "db:10.0.0.1"],
        &["--ulimit", "nofile=64:128"],
        &["--ulimit", "core=0"],
        &["--device", "/dev/null:/dev/hole"],
        &["--cap-add", "net_raw"],
        &["--cap-drop", "ALL"],
        &["--security-opt", "seccomp=unconfined"],
        &["--sysctl", "net.ipv4.ip_forward=1"],
        &["--oom-score-adj", "500"],
        &["--stop-signal", "INT"],
        &["--stop-timeout", "3"],
        &["--timeout", "1m30s"],
        &["--allow-degraded", "memory", "--allow-degraded=pids"],
        &["--report", "target/r.json"],
        &["--rm"],
    ];

    const COMMANDS: &[&[&str]] = &[
        &["true"],
        &["--", "sh", "-c", "echo \"$A\" ${X} $$\t'\n'", "--", "-m", "0644", ""],
        &["a b", "é漢\u{202e}", "~", "null", "- x", "{a: b}", "#"],
    ];

    #[test]
    fn a_printed_manifest_has_the_same_plan() {
        let choices = (
            proptest::sample::subsequence(FLAGS.to_vec(), 0..8),
            proptest::sample::select(COMMANDS.to_vec()),
        );
        let config = proptest::test_runner::Config {
            cases: 300,
            rng_seed: proptest::test_runner::RngSeed::Fixed(6),
            failure_persistence: None,
            ..Default::default()
        };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let held = runner.run(&choices, |(flags, command)| {
            let words = flags.iter().chain([&command]).flat_map(|words| words.iter());
            is_the_same(&words.map(ToString::to_string).collect::<Vec<_>>());
            Ok(())
        });
        held.unwrap();
    }
}
