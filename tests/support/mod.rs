//! What the test files share: root file systems, commands with a time limit, a terminal, a litter check.
//!
//! A test file takes it in with `mod support;`. Nothing here tests anything.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod console;
mod litter;
mod machine;
mod machines;
mod needs;
mod places;
mod root;
mod run;
mod session;

pub use console::Console;
pub use litter::NoLitter;
pub use machine::Machine;
pub use machines::{host, inputs};
pub use needs::{is_emulated, is_root, missing, need, need_oracle, need_root, oracles};
pub use places::{Temp, project, shared};
pub use root::{busybox_root, busybox_root_at, busybox_root_of, busybox_root_of_user};
pub use run::{Ran, as_user, as_user_with, binary, run, run_for, sixdocker, user_binary};
pub use session::Session;
