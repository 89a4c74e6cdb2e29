//! One line of a text with a span marked under it, cut to the width of the screen.

use unicode_width::UnicodeWidthStr;

use super::escape;

/// A line as it is shown, and the columns to mark.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The line, harmless.
    pub(super) line: String,
    /// Columns before the mark.
    pub(super) before: usize,
    /// Columns of the mark, at least one.
    pub(super) marked: usize,
}

/// One piece of a line that is never taken apart: a character or its escape.
struct Cell {
    text: String,
    width: usize,
    marked: bool,
}

impl Excerpt {
    /// The line, with the bytes from `start` to `end` marked, in at most `width` columns.
    pub(super) fn new(line: &str, start: usize, end: usize, width: usize, cut: &str) -> Self {
        let (line, start, end, more) = near(line, start, end, 8 * width.max(8));
        let cells = cells(line, start, end);
        let first = cells.iter().position(|cell| cell.marked).unwrap_or(cells.len());
        let (from, to) = window(&cells, first, width.max(8), more == (false, false));
        let shown = cells.get(from..to).unwrap_or_default();
        let mut line = String::new();
        let (mut before, mut marked) = (0, 0);
        if from > 0 || more.0 {
            line.push_str(cut);
            before += cut.width();
        }
        for cell in shown {
            line.push_str(&cell.text);
            if cell.marked {
                marked += cell.width;
            } else if marked == 0 && start < end {
                before += cell.width;
            }
        }
        if start >= end {
            before += shown.iter().take(first.saturating_sub(from)).map(|c| c.width).sum::<usize>();
        }
        if to < cells.len() || more.1 {
            line.push_str(cut);
        }
        Self { line: line.trim_end().to_owned(), before, marked: marked.max(1) }
    }
}

/// Of a very long line the part around the span, the span in it, and whether there is more before
/// and after.
fn near(line: &str, start: usize, end: usize, reach: usize) -> (&str, usize, usize, (bool, bool)) {
    let from = line.floor_char_boundary(start.saturating_sub(reach));
    let to = line.ceil_char_boundary((start + reach).min(line.len()));
    let part = line.get(from..to).unwrap_or_default();
    (part, start - from, end.min(to) - from, (from > 0, to < line.len()))
}

/// The line in cells; a tab reaches to the next column that four divides.
fn cells(line: &str, start: usize, end: usize) -> Vec<Cell> {
    let mut column = 0;
    line.char_indices()
        .map(|(at, c)| {
            let mut text = String::new();
            match c {
                '\t' => text.push_str(&"    "[..4 - column % 4]),
                c => escape::push(&mut text, c),
            }
            let width = text.width();
            column += width;
            Cell { text, width, marked: (start..end.max(start + 1)).contains(&at) }
        })
        .collect()
}

/// Which cells are shown: all, where they fit, or some before the mark and what fits after.
fn window(cells: &[Cell], first: usize, width: usize, whole: bool) -> (usize, usize) {
    let total: usize = cells.iter().map(|cell| cell.width).sum();
    if total <= width && whole {
        return (0, cells.len());
    }
    let room = width.saturating_sub(2);
    let mut from = first;
    let mut lead = 0;
    while let Some(cell) = from.checked_sub(1).and_then(|n| cells.get(n)) {
        if lead + cell.width > room / 3 {
            break;
        }
        lead += cell.width;
        from -= 1;
    }
    let mut to = from;
    let mut used = 0;
    while let Some(cell) = cells.get(to).filter(|cell| used + cell.width <= room) {
        used += cell.width;
        to += 1;
    }
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(line: &str, start: usize, end: usize, width: usize) -> String {
        let excerpt = Excerpt::new(line, start, end, width, "~");
        assert!(excerpt.line.width() <= width, "{excerpt:?}");
        format!("{}\n{}{}", excerpt.line, " ".repeat(excerpt.before), "^".repeat(excerpt.marked))
    }

    #[test]
    fn wide_characters_line_up() {
        assert_eq!(marks("漢字: x", 8, 9, 40), "漢字: x\n      ^");
        assert_eq!(marks("漢字: x", 0, 6, 40), "漢字: x\n^^^^");
    }

    #[test]
    fn tabs_and_escapes_line_up() {
        assert_eq!(marks("a\tb", 2, 3, 40), "a   b\n    ^");
        assert_eq!(marks("\u{1b}x", 1, 2, 40), "\\x1bx\n    ^");
    }

    #[test]
    fn an_empty_span_is_marked_once() {
        assert_eq!(marks("ab", 1, 1, 40), "ab\n ^");
        assert_eq!(marks("ab", 2, 2, 40), "ab\n  ^");
        assert_eq!(marks("", 0, 0, 40), "\n^");
    }

    #[test]
    fn of_a_very_long_line_a_part_is_looked_at() {
        let line = format!("{}BAD{}", "漢".repeat(400_000), "\u{301}".repeat(400_000));
        assert!(marks(&line, 1_200_000, 1_200_003, 20).starts_with("~漢漢漢BAD"));
    }

    #[test]
    fn long_lines_are_cut_around_the_span() {
        let line = format!("{}BAD{}", "a".repeat(100), "z".repeat(100));
        assert_eq!(marks(&line, 100, 103, 20), "~aaaaaaBADzzzzzzzzz~\n       ^^^");
        let line = format!("{} BAD", "a".repeat(100));
        assert_eq!(marks(&line, 101, 104, 20), "~aaaaa BAD\n       ^^^");
    }
}
