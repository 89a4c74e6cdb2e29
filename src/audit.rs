//! How exposed a sandbox is, in the manner of `systemd-analyze security`.
//!
//! A hole's weight is how exposed a sandbox is that has no other. Together they add up as
//! chances do: each takes its part of what is still safe, so that no hole makes up for another,
//! and many small ones weigh something.

use std::fmt::{self, Display, Formatter, Write};

use crate::plan::{Hole, Line, Plan, asked, holes, wrapped};
use crate::render::{Style, json_text};
use crate::source::Pointer;

/// From 0.0, nothing is open, to 10.0, nothing is contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(u8);

impl Score {
    /// The score of these holes together.
    #[must_use]
    pub fn of<'h>(holes: impl IntoIterator<Item = &'h Hole>) -> Self {
        let shut = |hole: &Hole| 1.0 - f64::from(hole.opening.weight()) / 100.0;
        let safe: f64 = holes.into_iter().map(shut).product();
        Self::tenths((1.0 - safe) * 100.0)
    }

    /// The score that is written so, if it is one.
    pub fn read(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(points) if (0.0..=10.0).contains(&points) => Ok(Self::tenths(points * 10.0)),
            _ => Err("write a number from 0 to 10".to_owned()),
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
    fn tenths(tenths: f64) -> Self {
        Self(tenths.round() as u8)
    }

    /// From 0.0 to 10.0.
    #[must_use]
    pub fn points(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// What it amounts to, in a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self.0 {
            0..10 => "safe",
            10..30 => "ok",
            30..50 => "medium",
            50..80 => "exposed",
            _ => "unsafe",
        }
    }
}

impl Display for Score {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.points())
    }
}

/// The heaviest first.
fn sorted(plan: &Plan) -> Vec<&Hole> {
    let mut holes: Vec<_> = plan.holes.iter().collect();
    holes.sort_by_key(|hole| std::cmp::Reverse(hole.opening.weight()));
    holes
}

/// A line for each hole: its weight and name, what it allows, what asked for it, how it is shut.
/// Where lines are wrapped, each of these has its own.
#[must_use]
pub fn listing(plan: &Plan, line: impl Fn(&Pointer) -> Option<Line>, style: Style) -> String {
    let mut out = String::new();
    for hole in sorted(plan) {
        let head = format!("{:>4.1}  {}", hole.opening.points(), hole.opening.id());
        let told = [hole.text(), asked(&hole.origin, &line), hole.opening.remedy().to_owned()];
        if style.wrap {
            _ = writeln!(out, "{head}");
            told.iter().for_each(|text| paragraph(&mut out, text, style.width));
        } else {
            _ = writeln!(out, "{head:<25} {}", told.join(" | "));
        }
    }
    let score = Score::of(&plan.holes);
    let silent = plan.holes.iter().filter(|hole| hole.origin.default).count();
    let asked = plan.holes.len() - silent;
    let (points, word) = (score.points(), score.word());
    _ = writeln!(out, "{points:>4.1}  {word}: {asked} holes of the manifest, {silent} by default");
    out
}

fn paragraph(out: &mut String, text: &str, width: usize) {
    for line in wrapped(text, width.saturating_sub(6)) {
        _ = writeln!(out, "      {line}");
    }
}

/// The same for programs.
#[must_use]
pub fn json(plan: &Plan, line: impl Fn(&Pointer) -> Option<Line>) -> String {
    let score = Score::of(&plan.holes);
    json_text(&serde_json::json!({
        "version": 1,
        "name": plan.name,
        "score": score.points(),
        "word": score.word(),
        "holes": holes(sorted(plan), line),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Opening, Origin};

    fn score(openings: &[Opening]) -> Score {
        let origin = || Origin { key: Pointer::root(), default: false };
        let hole = |opening| Hole { opening, about: String::new(), origin: origin() };
        let holes: Vec<_> = openings.iter().copied().map(hole).collect();
        Score::of(&holes)
    }

    #[test]
    fn one_hole_weighs_what_the_table_says_and_two_weigh_more() {
        assert_eq!(score(&[]).to_string(), "0.0");
        for opening in Opening::ALL {
            let alone = score(&[*opening]);
            assert_eq!(alone, Score(opening.weight()));
            assert!(score(&[*opening, Opening::NoFilter]) >= alone);
            assert!(score(&[*opening, Opening::NoFilter]) > score(&[Opening::NoFilter]));
        }
        assert_eq!(score(Opening::ALL).to_string(), "10.0");
    }

    #[test]
    fn a_score_is_read_as_it_is_written() {
        assert_eq!(Score::read("2.5"), Ok(Score(25)));
        assert_eq!(Score::read("10"), Ok(Score(100)));
        for bad in ["-1", "10.1", "nan", "inf", "", "x"] {
            assert!(Score::read(bad).is_err(), "{bad}");
        }
    }
}
