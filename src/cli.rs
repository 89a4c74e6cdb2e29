//! The commands: what is typed, who is asked, what is printed, which code comes out.
//!
//! Everything that is printed goes through [`output`], so that a closed pipe is no panic and a
//! full disk is no success.

mod args;
mod asked;
mod audit;
mod check;
mod doctor;
mod output;
mod plan;
mod run;
mod texts;
mod up;

use std::ffi::OsString;
use std::time::Instant;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, Parser};

use crate::render::tame;
use args::{Cli, Command, Up, UpAlone};

pub use args::Cli as CommandLine;

/// The sandbox could not be set up, or what was asked for is no good.
pub const REFUSED: u8 = 125;

/// What the largest of the functions here need, in bytes, and some more.
const STACK: u64 = 512 << 10;

/// Why the program can't run at all: the shell gives it less stack than it needs. Called before
/// any function that needs more.
#[must_use]
pub fn starved() -> Option<String> {
    use nix::sys::resource::{Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_STACK).ok()?;
    let (has, needs) = (soft >> 10, STACK >> 10);
    (soft < STACK).then(|| {
        format!("sixdocker: the stack may have {has} KiB (`ulimit -s`), and {needs} are needed\n")
    })
}

/// Does what the arguments say; returns the code to exit with. `begun` is when the program was
/// started.
#[must_use]
#[inline(never)]
pub fn main(words: &[OsString], begun: Instant) -> u8 {
    let first = words.get(1).and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    match parse(words, &first) {
        Ok(command) => perform(command, words, begun),
        Err(error) => refuse(error, &first),
    }
}

/// `up` is read by a parser of its own: to make those of all the other commands takes longer
/// than to read a manifest.
///
/// With a file and no flag, there is nothing to parse at all.
fn parse(words: &[OsString], first: &str) -> Result<Command, clap::Error> {
    if let ("up", [_, _, file]) = (first, words)
        && !file.is_empty()
        && !file.as_encoded_bytes().starts_with(b"-")
    {
        return Ok(Command::Up(Up::of(file)));
    }
    if first == "up" {
        let words = words.iter().skip(1);
        return UpAlone::try_parse_from(words).map(|alone| Command::Up(alone.up));
    }
    Cli::try_parse_from(words).map(|cli| cli.command)
}

fn perform(command: Command, words: &[OsString], begun: Instant) -> u8 {
    match command {
        Command::Up(up) => up::up(&up, words, begun),
        Command::Run(flags) => run::run(&flags, words, begun),
        Command::Plan(plan) => plan::plan(&plan, words),
        Command::Audit(audit) => audit::audit(&audit, words),
        Command::Check(check) => check::check(&check),
        Command::Schema { which } => texts::schema(which),
        Command::Explain { what } => texts::explain(what.as_deref()),
        Command::Doctor { format } => doctor::doctor(format),
        Command::Completions { shell } => texts::completions(shell),
        Command::Man => texts::man(),
    }
}

/// Prints a help text, or what is wrong with the arguments.
fn refuse(mut error: clap::Error, first: &str) -> u8 {
    // It says that a flag may stand behind `--` as a value, where none is taken.
    if error.kind() == ErrorKind::UnknownArgument {
        error.remove(ContextKind::Suggested);
    }
    let text = error.render();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let colour = crate::render::Style::of(std::io::stdout()).colour;
        let text = if colour { text.ansi().to_string() } else { text.to_string() };
        return output::print(&text, 0);
    }
    let text: Vec<_> = text.to_string().lines().map(|line| tame(line).into_owned()).collect();
    output::complain(&text.join("\n"));
    if let Some(instead) = run::instead(&error).filter(|_| first == "run") {
        output::complain(&format!("\n{instead}"));
    }
    match first {
        "up" | "run" => REFUSED,
        "check" => 1,
        _ => 2,
    }
}

/// All commands, for shells and manuals.
fn tree() -> clap::Command {
    let mut tree = Cli::command();
    tree.build();
    tree
}
