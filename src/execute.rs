//! Performs a plan, exactly.

pub mod init;
pub mod line;
mod mounts;
mod text;
