//! Holes, as the plan's table tells them.

use super::wrapped;
use crate::plan::Opening;

/// What a hole allows, in the words of the table.
pub(super) fn summary(opening: Opening) -> String {
    opening.allows().replace("{}", "…")
}

/// All about one hole.
pub(super) fn page(id: &str, width: usize) -> Option<String> {
    let opening = Opening::ALL.iter().find(|opening| opening.id() == id)?;
    let mut out = format!("{id}\n");
    for text in [
        summary(*opening),
        format!("How to shut it: {}", opening.remedy()),
        format!("A sandbox that has this hole and no other scores {:.1}.", opening.points()),
    ] {
        for line in wrapped(&text, width.min(100).saturating_sub(2)) {
            out += &format!("  {line}\n");
        }
    }
    Some(out)
}
