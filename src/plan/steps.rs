//! The steps of a plan as one list, in the order in which they are done.

use std::fmt::Display;

use super::{Origin, Plan, Prepare};

/// Who performs a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Parent,
    Init,
    /// The process that becomes the command.
    Command,
}

/// A step of any scene.
pub struct AnyStep<'p> {
    pub n: u16,
    pub side: Side,
    pub action: &'p dyn Display,
    pub origin: &'p Origin,
}

impl Plan {
    /// This plan with its steps numbered from 1, in the order in which they are done.
    #[must_use]
    pub fn numbered(mut self) -> Self {
        let mut last = 0u16;
        let mut number = |n: &mut u16| {
            last = last.saturating_add(1);
            *n = last;
        };
        self.prepare.iter_mut().for_each(|step| number(&mut step.n));
        number(&mut self.clone.n);
        self.attend.iter_mut().for_each(|step| number(&mut step.n));
        self.init.iter_mut().for_each(|step| number(&mut step.n));
        self.spawn.iter_mut().for_each(|step| number(&mut step.n));
        self.command.iter_mut().for_each(|step| number(&mut step.n));
        number(&mut self.exec.n);
        self
    }

    /// Every step, in the order in which they are done.
    #[must_use]
    pub fn steps(&self) -> Vec<AnyStep<'_>> {
        let mut all = Vec::new();
        let mut add = |n, side, action, origin| all.push(AnyStep { n, side, action, origin });
        for step in &self.prepare {
            add(step.n, Side::Parent, &step.action as &dyn Display, &step.origin);
        }
        add(self.clone.n, Side::Parent, &self.clone.action, &self.clone.origin);
        for step in &self.attend {
            add(step.n, Side::Parent, &step.action, &step.origin);
        }
        for step in &self.init {
            add(step.n, Side::Init, &step.action, &step.origin);
        }
        if let Some(step) = &self.spawn {
            add(step.n, Side::Init, &step.action, &step.origin);
        }
        for step in &self.command {
            add(step.n, Side::Command, &step.action, &step.origin);
        }
        add(self.exec.n, Side::Command, &self.exec.action, &self.exec.origin);
        all
    }

    /// Step `n` in words, and what asked for it.
    #[must_use]
    pub fn step(&self, n: u16) -> Option<(String, &Origin)> {
        let step = self.steps().into_iter().find(|step| step.n == n)?;
        Some((step.action.to_string(), step.origin))
    }

    /// What is done at the end about what the steps leave behind, in words, last first.
    pub fn undo(&self) -> impl Iterator<Item = String> {
        let report = self.supervise.report.iter();
        let report = report.map(|path| format!("write the report to {}", path.display()));
        let undone = self.prepare.iter().rev().filter_map(|step| match &step.action {
            Prepare::MakeCgroup { path } | Prepare::HoldControllers { holder: path, .. } => {
                Some(format!("remove the control group {}", path.display()))
            }
            Prepare::StartScope { unit, .. } => {
                Some(format!("leave the scope {unit} to systemd, which ends it with the runner"))
            }
            _ => None,
        });
        undone.chain(report)
    }
}
