//! What the place of output can show.

use std::io::IsTerminal;
use std::os::fd::AsFd;

/// How much a diagnostic may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colours.
    pub colour: bool,
    /// Lines and marks outside ASCII.
    pub unicode: bool,
    /// Columns.
    pub width: usize,
    /// Sentences are broken at the width.
    pub wrap: bool,
}

impl Style {
    /// No colour, no line drawing: for files and pipes.
    pub const PLAIN: Self = Self { colour: false, unicode: false, width: 100, wrap: false };

    /// What this output can show.
    #[must_use]
    pub fn of(output: impl AsFd) -> Self {
        let output = output.as_fd();
        if !output.is_terminal() {
            return Self::PLAIN;
        }
        let plain = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let colour = !plain && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let window = crate::sys::supervise::Window::of(output);
        let columns = window.map_or(80, |window| usize::from(window.columns));
        Self { colour, unicode: !plain && utf8(), width: columns.clamp(20, 160), wrap: true }
    }

    /// The text in this colour, where there are colours.
    pub(super) fn paint(self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The locale's character set, as the C library would find it.
fn utf8() -> bool {
    let named = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    named.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    })
}
