//! What can be typed.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::run::Run;
use crate::audit::Score;

const EXIT_CODES: &str = "\
Exit codes of `up` and `run`:
  the command's own; 128+n where signal n ended it
  124  its time is up        125  the sandbox could not be set up
  126  it can't be executed  127  it was not found
  137  it reached its memory or output limit

Example:
  sixdocker up examples/hello.yaml";

const UP: &str = "Runs the command of a manifest in its sandbox";
const UP_EXAMPLE: &str = "\
Examples:
  sixdocker up build.yaml
  sixdocker up build.yaml --set VERSION=1.2 --report build.json -- --verbose";

/// Runs a command in a sandbox that one YAML file describes.
#[derive(Debug, Parser)]
#[command(name = "sixdocker", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

// `up` by itself.
#[derive(Debug, Parser)]
#[command(name = "sixdocker up", bin_name = "sixdocker up", about = UP, after_help = UP_EXAMPLE)]
pub(super) struct UpAlone {
    #[command(flatten)]
    pub(super) up: Up,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(about = UP, after_help = UP_EXAMPLE)]
    Up(Up),
    /// Runs a command in a sandbox that flags describe, in the words of docker
    #[command(
        disable_help_flag = true,
        args_override_self = true,
        after_help = "\
Examples:
  sixdocker run -ti --rootfs ./busybox /bin/sh
  sixdocker run -m 100m -- stress --vm-bytes 800m --vm-keep -m 1
  sixdocker run --rootfs ./busybox -v .:/src -w /src --print-manifest -- make > make.yaml"
    )]
    Run(Box<Run>),
    /// Prints every step that `up` would take, and what asked for it
    #[command(after_help = "\
Examples:
  sixdocker plan build.yaml
  sixdocker plan build.yaml --host ci-machine.json --format json")]
    Plan(Plan),
    /// Tells how exposed a sandbox is: every hole, what it allows, who asked, how it is shut
    #[command(after_help = "\
The score is from 0.0 (nothing is open) to 10.0 (nothing is contained).
Exits with 1 if it is above --max, and with 2 if there is no score to tell.

Examples:
  sixdocker audit build.yaml
  sixdocker audit build.yaml --host ci-machine.json --max 1.5")]
    Audit(Audit),
    /// Says everything that is wrong with manifests
    #[command(after_help = "\
Exits with 0 if nothing is wrong, else with 1.

Examples:
  sixdocker check *.sixdocker.yaml
  sixdocker check --fix build.yaml")]
    Check(Check),
    /// Prints the JSON schema of manifests, or of reports
    #[command(after_help = "Example:\n  sixdocker schema > manifest.json")]
    Schema {
        /// Which schema
        #[arg(value_enum, default_value = "manifest")]
        which: Schema,
    },
    /// Explains a key of the manifest, a code of a diagnostic or of exiting, or a hole; without
    /// one, lists them
    #[command(after_help = "\
Examples:
  sixdocker explain limits.memory
  sixdocker explain unknown_key
  sixdocker explain 137")]
    Explain {
        /// A key, such as limits.memory, a code, such as `unknown_key`, or a hole of `audit`
        #[arg(value_name = "KEY|CODE|HOLE")]
        what: Option<String>,
    },
    /// Looks whether this machine can do what sandboxes need, and how to mend it
    #[command(after_help = "\
Examples:
  sixdocker doctor
  sixdocker doctor --format json > this-machine.json   (for plan --host)
Exits with 0 if nothing fails, else with 1.")]
    Doctor {
        /// For people, or the facts as JSON
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Prints the completions for a shell
    #[command(after_help = "\
Example:
  sixdocker completions bash > ~/.local/share/bash-completion/completions/sixdocker")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Prints the manual page
    #[command(after_help = "Example:\n  sixdocker man | man -l -")]
    Man,
}

// A manifest, and what is said besides it. (A doc comment would become the command's.)
#[derive(Debug, Args)]
pub(super) struct Given {
    /// The manifest; - is standard input
    #[arg(value_name = "FILE")]
    pub(super) file: OsString,
    /// Sets a variable of the manifest's vars; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
    /// More arguments for the command
    #[arg(last = true, value_name = "ARGS")]
    pub(super) args: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct Up {
    #[command(flatten)]
    pub(super) given: Given,
    /// Writes a report of the run, as JSON, to this file
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
}

impl Up {
    /// A manifest and no flag.
    pub(super) fn of(file: &OsStr) -> Self {
        let given = Given { file: file.to_owned(), set: Vec::new(), args: Vec::new() };
        Self { given, report: None }
    }
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) given: Given,
    /// For people, or the plan as JSON
    #[arg(long, value_enum, default_value = "human")]
    pub(super) format: Format,
    /// Plans for a recorded machine: what `doctor --format json` printed there
    #[arg(long, value_name = "FILE")]
    pub(super) host: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    pub(super) given: Given,
    /// For people, or the score and the holes as JSON
    #[arg(long, value_enum, default_value = "human")]
    pub(super) format: Format,
    /// Audits for a recorded machine: what `doctor --format json` printed there
    #[arg(long, value_name = "FILE")]
    pub(super) host: Option<PathBuf>,
    /// Exits with 1 if the score is above this
    #[arg(long, value_name = "SCORE", value_parser = Score::read)]
    pub(super) max: Option<Score>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The manifests; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<OsString>,
    /// Sets a variable of the manifest's vars; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
    /// Mends what can be mended with certainty, in the files themselves
    #[arg(long)]
    pub(super) fix: bool,
    /// How faults are printed
    #[arg(long, value_enum, default_value = "human")]
    pub(super) format: Faults,
    /// Checks for a recorded machine: what `doctor --format json` printed there
    #[arg(long, value_name = "FILE")]
    pub(super) host: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Human,
    /// For programs
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Faults {
    /// For people
    Human,
    /// For programs: an array of faults
    Json,
    /// For GitHub's workflows: an annotation for each fault
    Github,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Schema {
    /// Of manifests
    Manifest,
    /// Of the reports that `up --report` writes
    Report,
}

/// `NAME=VALUE`
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
