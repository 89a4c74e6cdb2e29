//! Texts about sixdocker itself: schemas, explanations, completions, the manual.

use super::args::Schema;
use super::{output, tree};
use crate::render::Style;
use crate::{explain, report, schema};

/// Prints a schema.
pub(super) fn schema(which: Schema) -> u8 {
    let schema = match which {
        Schema::Manifest => schema::manifest().clone(),
        Schema::Report => report::schema(),
    };
    output::print(&format!("{schema:#}"), 0)
}

/// Explains a key or a code, or lists them.
pub(super) fn explain(what: Option<&str>) -> u8 {
    let width = Style::of(std::io::stdout()).width;
    match what {
        None => output::print(&explain::contents(width), 0),
        Some(what) => match explain::about(what, width) {
            Ok(text) => output::print(&text, 0),
            Err(text) => {
                output::complain(&text);
                1
            }
        },
    }
}

/// Prints the completions for a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut tree(), "sixdocker", &mut text);
    output::print(&String::from_utf8_lossy(&text), 0)
}

/// Prints the manual page: the whole program, and then each command.
pub(super) fn man() -> u8 {
    let tree = tree();
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(tree.clone()).render(&mut text);
    let pages = tree.get_subcommands().try_for_each(|command| {
        let man = clap_mangen::Man::new(command.clone().disable_help_flag(true));
        text.extend_from_slice(heading(command).as_bytes());
        man.render_description_section(&mut text)?;
        man.render_options_section(&mut text)?;
        man.render_extra_section(&mut text)
    });
    match page.and(pages) {
        Ok(()) => {
            // The commands have no pages of their own.
            let text = tree.get_subcommands().fold(
                String::from_utf8_lossy(&text).into_owned(),
                |text, command| {
                    let name = command.get_name();
                    text.replace(&format!("sixdocker\\-{name}(1)"), &format!("sixdocker {name}"))
                },
            );
            output::print(&text, 0)
        }
        Err(error) => {
            output::complain(&format!("sixdocker: {error}"));
            1
        }
    }
}

fn heading(command: &clap::Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().replace('-', "\\-");
    format!(".SH \"{}\"\n{usage}\n", command.get_name().to_uppercase())
}
