//! Performs a plan, exactly.

pub mod line;
