//! Every code of a diagnostic: what it means, and what to do.

use super::wrapped;

/// One code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Its stable name.
    pub code: &'static str,
    /// What it means, in one sentence.
    pub means: &'static str,
    /// Why that is a fault.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Code {
    /// All that is known about it.
    pub(super) fn page(&self, width: usize) -> String {
        let mut out = format!("{}\n", self.code);
        for (n, text) in [self.means, self.why, self.remedy].iter().enumerate() {
            let lead = ["  ", "  Why: ", "  What to do: "][n];
            let room = width.min(100).saturating_sub(lead.len());
            for (n, line) in wrapped(text, room).iter().enumerate() {
                let lead = if n == 0 { lead.to_owned() } else { " ".repeat(lead.len()) };
                out += &format!("{lead}{line}\n");
            }
        }
        out
    }
}

/// All codes, sorted.
pub const CODES: &[Code] = &[];
