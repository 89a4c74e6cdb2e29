//! That the command is contained: as root and as an ordinary user, on every kind of root file
//! system, and without the second walls, so that no wall stands in for another.
//!
//! A probe (`containment/probe`, in C and static) tries inside what a hostile program would; a
//! launcher (`containment/outside.c`) makes outside what it must not reach, and is a caller whose
//! state it must not inherit. Every probe must say `ok`; the few exceptions stand in a table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "containment/emulated.rs"]
mod emulated;
#[path = "containment/exceptions.rs"]
mod exceptions;
#[path = "containment/hostile.rs"]
mod hostile;
#[path = "containment/keys.rs"]
mod keys;
#[path = "containment/probe.rs"]
mod probe;
#[path = "containment/resources.rs"]
mod resources;
#[path = "containment/scenes.rs"]
mod scenes;
#[path = "containment/threats.rs"]
mod threats;
#[path = "containment/uncontained.rs"]
mod uncontained;

mod support;
