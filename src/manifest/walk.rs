//! Every fault of a manifest, found by walking the schema over its tree.

use super::reader::{Refusal, UNREAD};
use crate::diagnostic::Problem;
use crate::source::{Document, Pointer};

/// Adds the faults of a document that the typed reading refused.
pub(super) fn faults(_: &Document, typed: Option<Refusal>, problems: &mut Vec<Problem>) {
    if let Some(refusal) = typed.filter(|refusal| refusal.fault.code != UNREAD) {
        problems.push(refusal.problem(&Pointer::root()));
    }
}

/// In the order of their places in the text.
pub(super) fn sorted(document: &Document, mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| document.span(&problem.at).start);
    problems
}
